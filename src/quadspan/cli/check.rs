//! `quadspan check`: all errors of a configuration at once, with place and remedy.

use std::path::Path;
use std::process::ExitCode;

use super::{complain, print};
use crate::explain;

/// Checks `file`; 0 if it can be run, 2 if not. Warnings do not change the exit code.
pub(super) fn check(file: &Path) -> ExitCode {
    match config::load(file) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                complain(&rendered_report(warning));
            }
            let router = &loaded.router;
            let sessions = router.tunnels.iter().filter(|tunnel| tunnel.bgp.is_some()).count();
            for session in router.sessions() {
                let (import, export) = (&session.policy.import, &session.policy.export);
                print(&format!(
                    "{}: accepts {}; announces {}",
                    session.name,
                    explain::accepts(import),
                    explain::announces(export)
                ));
            }
            print(&format!(
                "{}: router {} (AS {}), {} tunnels, {} BGP sessions, {} warnings: OK",
                file.display(),
                router.name,
                router.asn,
                router.tunnels.len(),
                sessions,
                loaded.warnings.len()
            ));
            ExitCode::SUCCESS
        }
        Err(report) => {
            complain(&rendered_report(&report));
            ExitCode::from(2)
        }
    }
}

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
