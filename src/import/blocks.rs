//! The syntax of `swanctl.conf`: `name { key = value ... }`, nested, with comments, quotes and included files.
//!
//! Included files are not followed, and told. What a section stands on (`name : other {`) is `inherit`'s.

use super::text::Text;
use super::value::Value;
use crate::note::{Notes, shown};
use crate::{ImportError, Place};

/// A section with what is in it.
#[derive(Default)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) line: usize,
    /// What it stands on, by whole paths.
    pub(super) parents: Vec<String>,
    pub(super) pairs: Vec<Pair>,
    pub(super) sections: Vec<Self>,
}

/// A key with its value.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) text: String,
    pub(super) line: usize,
}

impl Pair {
    pub(super) fn value(&self, file: &Text) -> Value<'_> {
        Value::quoted(&self.key, &self.text, file.place(self.line))
    }
}

/// swanctl nests five deep.
pub(super) const MAX_DEPTH: usize = 16;

pub(super) fn parse(file: &Text, notes: &mut Notes) -> Result<Section, ImportError> {
    let mut cursor = Cursor { file, rest: &file.text, line: 1 };
    let mut open = vec![Section::default()];
    loop {
        cursor.skip_blank();
        if cursor.rest.is_empty() {
            break;
        }
        if let Some(rest) = cursor.rest.strip_prefix('}') {
            cursor.rest = rest;
            let closed = open.pop().unwrap_or_default();
            match open.last_mut() {
                Some(parent) => parent.sections.push(closed),
                None => return Err(cursor.syntax("a section", "`}` without one open")),
            }
            continue;
        }
        let place = cursor.place();
        let name = cursor.word();
        cursor.skip_spaces();
        if name == "include" && !cursor.rest.starts_with(['=', '{']) {
            let path = cursor.rest_of_line().to_owned();
            notes.unmapped(&place, "include", format!("{}: give that file, too", shown(&path)));
            continue;
        }
        let parents = cursor.parents();
        cursor.skip_blank();
        if name.is_empty() {
            return Err(cursor.syntax("a key or a section", "a stray character"));
        }
        if let Some(rest) = cursor.rest.strip_prefix('{') {
            cursor.rest = rest;
            if open.len() > MAX_DEPTH {
                return Err(ImportError::TooDeep { place, limit: MAX_DEPTH });
            }
            open.push(Section { name, line: place.line, parents, ..Section::default() });
        } else if let Some(rest) = cursor.rest.strip_prefix('=') {
            cursor.rest = rest;
            let text = cursor.value()?;
            if let Some(section) = open.last_mut() {
                section.pairs.push(Pair { key: name, text, line: place.line });
            }
        } else {
            return Err(cursor.syntax("`{` or `=`", "something else"));
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(root), true) => Ok(root),
        (open, _) => {
            let name = shown(&open.unwrap_or_default().name);
            Err(cursor.syntax(&format!("`}}` of `{name}`"), "the end of the file"))
        }
    }
}

struct Cursor<'a> {
    file: &'a Text,
    rest: &'a str,
    line: usize,
}

impl<'a> Cursor<'a> {
    fn place(&self) -> Place {
        self.file.place(self.line)
    }

    fn syntax(&self, expected: &str, found: &str) -> ImportError {
        ImportError::Syntax { place: self.place(), expected: expected.to_owned(), found: found.to_owned() }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.bytes().filter(|octet| *octet == b'\n').count();
        self.rest = rest;
        taken
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// White space, line ends and comments.
    fn skip_blank(&mut self) {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.take(blank);
            if !self.rest.starts_with('#') {
                return;
            }
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    fn word(&mut self) -> String {
        let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '=' | '#' | ':' | '"');
        let length = self.rest.find(ends).unwrap_or(self.rest.len());
        self.take(length).to_owned()
    }

    /// The names behind a colon; none where there is no colon.
    fn parents(&mut self) -> Vec<String> {
        let Some(rest) = self.rest.strip_prefix(':') else { return Vec::new() };
        self.rest = rest;
        let names = self.take(self.rest.find('{').unwrap_or(self.rest.len()));
        names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    }

    fn rest_of_line(&mut self) -> &'a str {
        self.take(self.rest.find('\n').unwrap_or(self.rest.len())).trim()
    }

    fn value(&mut self) -> Result<String, ImportError> {
        self.skip_spaces();
        if self.rest.starts_with('"') {
            self.rest = &self.rest[1..];
            return self.quoted();
        }
        let length = self.rest.find(['\n', '#', '}']).unwrap_or(self.rest.len());
        Ok(self.take(length).trim().to_owned())
    }

    fn quoted(&mut self) -> Result<String, ImportError> {
        let mut text = String::new();
        let mut escaped = false;
        for (at, c) in self.rest.char_indices() {
            match (escaped, c) {
                (false, '"') => {
                    self.take(at + 1);
                    return Ok(text);
                }
                (false, '\\') => escaped = true,
                (true, c) => {
                    text.push(match c {
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        other => other,
                    });
                    escaped = false;
                }
                (false, c) => text.push(c),
            }
        }
        Err(self.syntax("a closing quote", "the end of the file"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Input;
    use super::*;

    fn read(text: &str) -> Result<Section, String> {
        let file = Text::decode(&Input { name: "f", octets: text.as_bytes() }).unwrap();
        parse(&file, &mut Notes::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn sections_keys_quotes_and_comments_are_read() {
        let root = read("# x\na { b { c = 1, 2 # y\n d = \"p \\\" # }\" } \n}\n").unwrap();
        let b = &root.sections[0].sections[0];
        let pairs: Vec<_> = b.pairs.iter().map(|pair| (pair.key.as_str(), pair.text.as_str(), pair.line)).collect();
        assert_eq!(pairs, [("c", "1, 2", 2), ("d", "p \" # }", 3)]);
    }

    #[test]
    fn what_is_unfinished_is_refused_with_its_line() {
        for (text, line, expected) in [
            ("a {\n b = 1\n", 3, "`}` of `a`"),
            ("}", 1, "a section"),
            ("a\nb", 2, "`{` or `=`"),
            ("a = \"x", 1, "a closing quote"),
        ] {
            let error = read(text).err().unwrap();
            assert!(error.starts_with(&format!("f:{line}: not well-formed: expected {expected}")), "{text}: {error}");
        }
        assert!(read(&"a{".repeat(40)).err().unwrap().contains("nested more than 16 deep"));
    }
}
