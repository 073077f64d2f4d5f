//! Lines of the management interface (management-notes.txt of OpenVPN).
//!
//! ```text
//!   SUCCESS: text        a command was done
//!   ERROR: text          it was not
//!   >TYPE:text           by itself, at any time
//!   ENTER PASSWORD:      without an end of line
//!   anything else        one line of a longer answer, whose last is END
//! ```

use std::collections::VecDeque;

/// Octets of a line; longer ones are cut off.
const LONGEST: usize = 4096;
/// How a server asks for its password.
const PROMPT: &[u8] = b"ENTER PASSWORD:";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A command was done.
    Success(String),
    /// It was not.
    Error(String),
    /// Said by itself: `INFO`, `HOLD` and the like, with its text.
    Notice(String, String),
    /// It wants a password.
    PasswordWanted,
    /// The end of a longer answer.
    End,
    /// One line of it.
    Text(String),
}

/// Octets on their way to lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    part: Vec<u8>,
    ready: VecDeque<Line>,
}

impl Lines {
    /// Takes octets as they come.
    pub(crate) fn push(&mut self, octets: &[u8]) {
        for &octet in octets {
            match octet {
                b'\n' => {
                    let line = std::mem::take(&mut self.part);
                    self.ready.extend(read(&line));
                }
                b'\r' => {}
                _ if self.part.len() < LONGEST => self.part.push(octet),
                _ => {}
            }
            if self.part == PROMPT {
                self.part.clear();
                self.ready.push_back(Line::PasswordWanted);
            }
        }
    }

    /// The next line.
    pub(crate) fn next_line(&mut self) -> Option<Line> {
        self.ready.pop_front()
    }
}

/// One line; `None` for an empty one, which follows the prompt.
fn read(line: &[u8]) -> Option<Line> {
    let text: String = String::from_utf8_lossy(line).chars().map(printable).collect();
    Some(if let Some(text) = text.strip_prefix("SUCCESS:") {
        Line::Success(text.trim().to_owned())
    } else if let Some(text) = text.strip_prefix("ERROR:") {
        Line::Error(text.trim().to_owned())
    } else if let Some(notice) = text.strip_prefix('>') {
        let (kind, text) = notice.split_once(':').unwrap_or((notice, ""));
        Line::Notice(kind.to_owned(), text.to_owned())
    } else if text == "END" {
        Line::End
    } else if text.is_empty() {
        return None;
    } else {
        Line::Text(text)
    })
}

/// What is said ends up on terminals and in logs: nothing there may move a cursor. Fields stand between tabs.
fn printable(c: char) -> char {
    if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}
