//! The text of a configuration as diagnostics may show it: named, addressable by byte range, with every secret
//! overwritten.
//!
//! ```text
//!   psk: {inline: correct-horse}          what was read
//!   psk: {inline: *************}          what a diagnostic prints; same length, so every position still fits
//! ```

use std::sync::Arc;

use miette::{NamedSource, SourceSpan};

/// A byte range of the text, end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first octet.
    pub start: usize,
    /// The first octet behind it.
    pub end: usize,
}

impl Span {
    /// From `start` to before `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

impl From<Span> for SourceSpan {
    fn from(span: Span) -> Self {
        (span.start, span.end.saturating_sub(span.start)).into()
    }
}

/// A value and where it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// What is written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> At<T> {
    /// `value`, written at `span`.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// The masked text, shared by all diagnostics about it.
#[derive(Clone, Debug)]
pub struct Source {
    text: Arc<NamedSource<String>>,
}

impl Source {
    /// Takes `text` with the octets of `secrets` overwritten.
    pub fn masked(name: &str, text: &str, secrets: &[Span]) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        for secret in secrets {
            let end = secret.end.min(bytes.len());
            for byte in bytes.get_mut(secret.start..end).unwrap_or_default() {
                if !matches!(byte, b'\n' | b'\r') {
                    *byte = b'*';
                }
            }
        }
        // A span always holds whole characters; should one not, the remains are replaced, never shown.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Self { text: Arc::new(NamedSource::new(name, text)) }
    }

    /// What the text is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.name()
    }

    /// All of it, without secrets.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.inner()
    }

    /// The same for diagnostics.
    #[must_use]
    pub fn named(&self) -> &NamedSource<String> {
        &self.text
    }

    /// What is written at `span`, at most its first line.
    pub(crate) fn excerpt(&self, span: Span) -> &str {
        self.text().get(span.start..span.end).and_then(|text| text.lines().next()).unwrap_or_default()
    }

    /// Line and column (in characters) of the start of `span`, both counted from one.
    pub fn position(&self, span: Span) -> (usize, usize) {
        let before = self.text().get(..span.start).unwrap_or(self.text());
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count());
        (before.matches('\n').count() + 1, column + 1)
    }
}

/// Whatever may be a secret in a text that could not be read as YAML: the rest of each line after a key that
/// introduces one, and the deeper lines below it.
pub fn suspected_secrets(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut deeper_than = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let body = Span::new(start + indent, start + line.trim_end().len().max(indent));
        if deeper_than.is_some_and(|outer| indent > outer || line.trim().is_empty()) {
            spans.push(body);
        } else {
            deeper_than = None;
            let lower = line.to_ascii_lowercase();
            if let Some(at) = SECRET_KEYS.iter().filter_map(|key| lower.find(key).map(|at| at + key.len())).min() {
                spans.push(Span::new(start + at, body.end.max(start + at)));
                deeper_than = Some(indent);
            }
        }
        start += line.len();
    }
    spans
}

/// What the name of a key holds that introduces a secret, by our names or by what people may try.
pub(crate) const SECRET_KEYS: [&str; 9] =
    ["psk", "ppk", "inline", "secret", "passw", "shared-key", "shared_key", "sharedkey", "private"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_keeps_every_position() {
        let source = Source::masked("f", "a: sécret\nb: 1\n", &[Span::new(3, 10)]);
        assert_eq!(source.text(), "a: *******\nb: 1\n");
        assert_eq!(source.position(Span::new(11, 12)), (2, 1));
        assert_eq!(source.excerpt(Span::new(11, 15)), "b: 1");
    }

    #[test]
    fn columns_count_characters() {
        let source = Source::masked("f", "ä: x\n", &[]);
        assert_eq!(source.position(Span::new(4, 5)), (1, 4));
    }

    #[test]
    fn what_follows_a_secret_key_is_suspected() {
        let text = "psk: {inline: a}\nx:\n  inline: |\n    b\n\n    c\n  y: 1\n";
        let masked = Source::masked("f", text, &suspected_secrets(text));
        assert_eq!(masked.text(), "psk*************\nx:\n  inline***\n    *\n\n    *\n  y: 1\n");
    }
}
