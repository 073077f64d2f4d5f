//! Octets to text, and text to lines that know where they are.
//!
//! Windows tools save UTF-16 with a byte order mark, everything else UTF-8. Anything that is neither is refused, as
//! are control characters: no such file has any.

use super::{Input, MAX_INPUT};
use crate::{ImportError, Place};
use zeroize::Zeroizing;

/// A file as text. Wiped when dropped, as keys are in it.
pub(super) struct Text {
    pub(super) name: String,
    pub(super) text: Zeroizing<String>,
}

impl Text {
    pub(super) fn decode(input: &Input<'_>) -> Result<Self, ImportError> {
        let file = || input.name.to_owned();
        if input.octets.len() > MAX_INPUT {
            return Err(ImportError::TooLarge { file: file(), size: input.octets.len() });
        }
        let text = Zeroizing::new(match input.octets {
            [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes, input.name)?,
            [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes, input.name)?,
            octets => utf8(octets.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(octets), input.name)?,
        });
        let strange = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}');
        match text.char_indices().find(|(_, c)| strange(*c)) {
            Some((offset, _)) => {
                Err(ImportError::Encoding { file: file(), offset, found: "there is a control character" })
            }
            None => Ok(Self { name: file(), text }),
        }
    }

    /// A place in it.
    pub(super) fn place(&self, line: usize) -> Place {
        Place { file: self.name.clone(), line }
    }

    /// Its lines, each with its place, without white space around.
    pub(super) fn lines(&self) -> impl Iterator<Item = (Place, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (self.place(index + 1), line.trim()))
    }
}

fn utf8(octets: &[u8], name: &str) -> Result<String, ImportError> {
    std::str::from_utf8(octets).map(ToOwned::to_owned).map_err(|error| ImportError::Encoding {
        file: name.to_owned(),
        offset: error.valid_up_to(),
        found: "there is no UTF-8",
    })
}

fn utf16(octets: &[u8], unit: fn([u8; 2]) -> u16, name: &str) -> Result<String, ImportError> {
    let (pairs, rest) = octets.as_chunks::<2>();
    let error = |offset, found| ImportError::Encoding { file: name.to_owned(), offset, found };
    if !rest.is_empty() {
        return Err(error(octets.len(), "half a character of UTF-16 ends it"));
    }
    let mut text = String::with_capacity(pairs.len());
    let mut offset = 2;
    for c in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        let c = c.map_err(|_| error(offset, "there is half a surrogate pair"))?;
        offset += 2 * c.len_utf16();
        text.push(c);
    }
    Ok(text)
}

/// Counts lines up to places that only go forward.
pub(super) struct LineCounter<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> LineCounter<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line of an octet. Going back counts from the beginning.
    pub(super) fn line(&mut self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        if offset < self.at {
            (self.at, self.line) = (0, 1);
        }
        self.line += self.text.as_bytes()[self.at..offset].iter().filter(|octet| **octet == b'\n').count();
        self.at = offset;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(octets: &[u8]) -> Result<String, String> {
        let text = Text::decode(&Input { name: "f", octets });
        text.map(|text| text.text.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn both_encodings_of_the_trade_are_read() {
        assert_eq!(decode(b"a\xc3\xa9").as_deref(), Ok("aé"));
        assert_eq!(decode(b"\xef\xbb\xbfa").as_deref(), Ok("a"));
        assert_eq!(decode(b"\xff\xfea\0\xe9\0").as_deref(), Ok("aé"));
        assert_eq!(decode(b"\xfe\xff\0a").as_deref(), Ok("a"));
    }

    #[test]
    fn what_is_no_text_is_refused_with_the_place() {
        assert_eq!(decode(b"ab\xff").unwrap_err(), "f is not text: at octet 2 there is no UTF-8");
        assert_eq!(decode(b"a\0b").unwrap_err(), "f is not text: at octet 1 there is a control character");
        assert!(decode(b"\xff\xfea").unwrap_err().contains("half a character"));
        assert!(decode(b"\xff\xfe\0\xd8a\0").unwrap_err().contains("surrogate"));
        assert!(decode(&vec![b'a'; MAX_INPUT + 1]).unwrap_err().contains("1048577 octets"));
    }

    #[test]
    fn lines_are_counted_forward_and_back() {
        let mut counter = LineCounter::new("a\nb\nc");
        assert_eq!([0, 2, 4, 99, 1].map(|offset| counter.line(offset)), [1, 2, 3, 3, 1]);
    }
}
