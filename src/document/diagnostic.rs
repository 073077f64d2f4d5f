//! What is wrong with a configuration, where, why, and what to do about it.
//!
//! Every finding becomes a [`Diagnostic`]: a stable code, a severity, a sentence, labelled places in the (masked) text
//! and a remedy. All findings of one reading are collected into one [`Report`], in order of position; `miette`
//! renders them.

use std::cell::RefCell;
use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use serde::Deserialize;

use crate::code::Code;
use crate::source::{Source, Span};

/// Whether a finding prevents the configuration from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is accepted; somebody should look.
    Warning,
    /// The configuration is good; something could be better, or has to be remembered elsewhere.
    Advice,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Advice => "advice",
        })
    }
}

/// One finding, placed. Shows its message as text, and all of it through `miette`.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    finding: Finding,
    source: Source,
}

impl Diagnostic {
    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.finding.severity
    }

    /// Which rule was broken; stable over versions.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.finding.code
    }

    /// What is wrong, in one sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.finding.message
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.finding.remedy
    }

    /// The name of the file.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Line, counted from one.
    #[must_use]
    pub fn line(&self) -> usize {
        self.source.position(self.finding.span).0
    }

    /// Column in characters, counted from one.
    #[must_use]
    pub fn column(&self) -> usize {
        self.source.position(self.finding.span).1
    }

    /// The offending text, at most one line of it, secrets masked.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.excerpt(self.finding.span)
    }

    /// `FILE:LINE:COLUMN: SEVERITY: MESSAGE`, for logs and for editors that follow such lines.
    #[must_use]
    pub fn brief(&self) -> String {
        let (line, column) = self.source.position(self.finding.span);
        format!("{}:{line}:{column}: {}: {}", self.file(), self.severity(), self.message())
    }

    /// Rendered for a terminal: the place, the reason, the remedy.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let mut text = String::new();
        match GraphicalReportHandler::new_themed(theme).with_width(100).render_report(&mut text, self) {
            Ok(()) => text,
            Err(fmt::Error) => self.to_string(),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("{} {}", self.finding.code, self.finding.code.name())))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Advice => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.finding.remedy))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.source.text().is_empty()).then(|| self.source.named() as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.source.text().is_empty() {
            return None;
        }
        let primary = LabeledSpan::new_primary_with_span(self.finding.label.clone(), self.finding.span);
        let others = self.finding.also.iter().map(|(span, text)| LabeledSpan::new_with_span(Some(text.clone()), *span));
        Some(Box::new(std::iter::once(primary).chain(others)))
    }
}

/// Everything found in a configuration that cannot be used: at least one error, and the warnings beside it.
#[derive(Clone, Debug)]
pub struct Report {
    name: String,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Of the document called `name`.
    #[must_use]
    pub fn new(name: &str, diagnostics: Vec<Diagnostic>) -> Self {
        Self { name: name.to_owned(), diagnostics }
    }

    /// The findings in order of position.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// All findings rendered for a terminal.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        self.diagnostics.iter().map(|diagnostic| diagnostic.render(colour)).collect::<Vec<_>>().join("\n")
    }

    fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity() == severity).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        write!(f, "{}: {errors} error{}", self.name, plural(errors))?;
        if warnings > 0 {
            write!(f, ", {warnings} warning{}", plural(warnings))?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.diagnostics.iter().map(|diagnostic| diagnostic as &dyn miette::Diagnostic)))
    }
}

/// A finding that does not know its text yet.
#[derive(Clone, Debug)]
pub struct Finding {
    severity: Severity,
    code: Code,
    span: Span,
    message: String,
    label: Option<String>,
    also: Vec<(Span, String)>,
    remedy: String,
}

impl Finding {
    /// The configuration cannot be used.
    #[must_use]
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, span, message.into())
    }

    /// Somebody should look at it.
    #[must_use]
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, span, message.into())
    }

    /// It could be better.
    #[must_use]
    pub fn advice(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Advice, code, span, message.into())
    }

    fn new(severity: Severity, code: Code, span: Span, message: String) -> Self {
        Self { severity, code, span, message, label: None, also: Vec::new(), remedy: String::new() }
    }

    /// The reason, written at the place.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(text.into());
        self
    }

    /// A second place that plays a part.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.also.push((span, text.into()));
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(mut self, text: impl Into<String>) -> Self {
        self.remedy = text.into();
        self
    }
}

/// Collects findings while a document is read and checked.
#[derive(Debug, Default)]
pub struct Findings(RefCell<Vec<Finding>>);

impl Findings {
    /// One more.
    pub fn push(&self, finding: Finding) {
        self.0.borrow_mut().push(finding);
    }

    /// Whether the configuration cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(|finding| finding.severity == Severity::Error)
    }

    /// All of them in the order of the text, with the places in `source` in words.
    #[must_use]
    pub fn into_diagnostics(self, source: &Source) -> Vec<Diagnostic> {
        let mut findings = self.0.into_inner();
        findings
            .sort_by(|one, other| (one.span, one.code, &one.message).cmp(&(other.span, other.code, &other.message)));
        // What a default says wrongly is found once per tunnel.
        findings.dedup_by(|one, other| (one.code, one.span, &one.message) == (other.code, other.span, &other.message));
        findings.into_iter().map(|finding| Diagnostic { finding, source: source.clone() }).collect()
    }
}
