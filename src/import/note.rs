//! What is said to the user beside the result: what was read, what was assumed, what could not be mapped.

use std::fmt;

use serde::Serialize;

/// A line of an input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, counted from one.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteKind {
    /// A value that the file holds and the result has.
    Read,
    /// A value that the file does not hold, and why it is what it is.
    Assumed,
    /// A value that the file holds and the result has not, and why.
    Unmapped,
}

impl NoteKind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Assumed => "assumed",
            Self::Unmapped => "not mapped",
        }
    }
}

/// One note. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// Where it is written.
    pub place: Option<Place>,
    /// The key or part, such as `aws-1 remote`.
    pub what: String,
    /// The value, or the reason.
    pub text: String,
}

/// Notes as they come up. Beyond [`MAX_NOTES`] they are counted.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    list: Vec<Note>,
    beyond: usize,
}

/// More lines than this nobody reads.
const MAX_NOTES: usize = 2_000;

impl Notes {
    pub(crate) fn read(&mut self, place: &Place, what: impl Into<String>, value: impl fmt::Display) {
        self.push(NoteKind::Read, Some(place.clone()), what.into(), value.to_string());
    }

    pub(crate) fn assumed(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.push(NoteKind::Assumed, None, what.into(), why.into());
    }

    pub(crate) fn assumed_at(&mut self, place: &Place, what: impl Into<String>, why: impl Into<String>) {
        self.push(NoteKind::Assumed, Some(place.clone()), what.into(), why.into());
    }

    pub(crate) fn unmapped(&mut self, place: &Place, what: impl Into<String>, why: impl Into<String>) {
        self.push(NoteKind::Unmapped, Some(place.clone()), what.into(), why.into());
    }

    pub(crate) fn unmapped_anywhere(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.push(NoteKind::Unmapped, None, what.into(), why.into());
    }

    fn push(&mut self, kind: NoteKind, place: Option<Place>, what: String, text: String) {
        if self.list.len() >= MAX_NOTES {
            self.beyond += 1;
            return;
        }
        self.list.push(Note { kind, place, what: shown(&what), text: shown(&text) });
    }

    pub(crate) fn into_list(mut self) -> Vec<Note> {
        if self.beyond > 0 {
            self.list.push(Note {
                kind: NoteKind::Unmapped,
                place: None,
                what: format!("{} more", self.beyond),
                text: "the input has more to say than anybody reads: split it".to_owned(),
            });
        }
        self.list
    }
}

/// Text of a stranger's file, fit for a terminal: without control characters, and not longer than a line.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 160;
    let mut out: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

/// Whether a key's value is nobody's business.
pub(crate) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace(['-', '_', ' '], "");
    ["psk", "secret", "sharedkey", "presharedkey", "password"].iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_beyond_the_limit_are_counted() {
        let mut notes = Notes::default();
        for _ in 0..MAX_NOTES + 7 {
            notes.assumed("a", "b");
        }
        let list = notes.into_list();
        assert_eq!((list.len(), list[MAX_NOTES].what.as_str()), (MAX_NOTES + 1, "7 more"));
    }

    #[test]
    fn what_a_stranger_wrote_cannot_move_the_cursor() {
        assert_eq!(shown("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), 161);
    }
}
