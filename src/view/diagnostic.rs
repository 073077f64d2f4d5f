//! What is wrong with a configuration, as a person reads it.

/// A diagnostic as a person reads it: place, text, reason, remedy; coloured on a terminal.
#[must_use]
pub fn rendered_report(diagnostic: &(dyn miette::Diagnostic + 'static)) -> String {
    use std::io::IsTerminal as _;

    let theme = if std::io::stderr().is_terminal() {
        miette::GraphicalTheme::unicode()
    } else {
        miette::GraphicalTheme::unicode_nocolor()
    };
    let mut text = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(110);
    match handler.render_report(&mut text, diagnostic) {
        Ok(()) => text,
        Err(std::fmt::Error) => diagnostic.to_string(),
    }
}
