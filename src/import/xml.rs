//! XML as a small tree whose elements know their line.
//!
//! No document type, hence no entities but the five of XML itself: nothing expands, nothing is fetched. Depth and
//! number of elements are bounded. What an error quotes are names of elements, never their text.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::text::{LineCounter, Text};
use super::value::Value;
use crate::note::shown;
use crate::{ImportError, Place};

/// An element.
#[derive(Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) text: String,
    pub(super) children: Vec<Self>,
}

/// A provider's file nests six deep.
const MAX_DEPTH: usize = 16;
/// A provider's file has a hundred.
const MAX_ELEMENTS: usize = 10_000;

impl Element {
    /// The first child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The element at the end of a path of names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn value(&self, file: &Text) -> Value<'_> {
        Value::new(&self.name, &self.text, file.place(self.line))
    }
}

/// The root element.
pub(super) fn parse(file: &Text) -> Result<Element, ImportError> {
    let mut builder = Builder { file, lines: LineCounter::new(&file.text), open: Vec::new(), root: None, count: 0 };
    let mut reader = Reader::from_str(&file.text);
    loop {
        let offset = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let event = reader.read_event().map_err(|error| {
            let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
            let place = file.place(LineCounter::new(&file.text).line(at));
            ImportError::Syntax { place, expected: "XML".to_owned(), found: reason(&error).to_owned() }
        })?;
        if let Event::Eof = event {
            return builder.finish();
        }
        let line = builder.lines.line(offset);
        builder.take(event, line)?;
    }
}

/// In words of ours: the library's own quote the text.
fn reason(error: &quick_xml::Error) -> &'static str {
    match error {
        quick_xml::Error::Syntax(_) => "something unfinished",
        quick_xml::Error::IllFormed(_) => "tags that do not match",
        quick_xml::Error::InvalidAttr(_) => "a broken attribute",
        quick_xml::Error::Encoding(_) => "another encoding",
        quick_xml::Error::Escape(_) => "a broken entity",
        quick_xml::Error::Io(_) | quick_xml::Error::Namespace(_) => "something else",
    }
}

struct Builder<'a> {
    file: &'a Text,
    lines: LineCounter<'a>,
    open: Vec<Element>,
    root: Option<Element>,
    count: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), ImportError> {
        match event {
            Event::Start(start) => self.start(&start, line),
            Event::Empty(start) => self.start(&start, line).and_then(|()| self.end(line)),
            Event::End(_) => self.end(line),
            Event::Text(text) => self.text(text.xml10_content(), line),
            Event::CData(text) => self.text(text.xml10_content(), line),
            Event::GeneralRef(reference) => {
                let c = match reference.xml10_content().as_ref() {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => reference.resolve_char_ref().ok().flatten(),
                };
                let refused = || self.doctype(line, format!("the entity `&{};`", shown(&reference.xml10_content())));
                let c = c.ok_or_else(refused)?;
                self.text(Cow::Owned(c.to_string()), line)
            }
            Event::DocType(_) => Err(self.doctype(line, "a document type".to_owned())),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn place(&self, line: usize) -> Place {
        self.file.place(line)
    }

    fn doctype(&self, line: usize, what: String) -> ImportError {
        ImportError::Doctype { place: self.place(line), what }
    }

    fn syntax(&self, line: usize, expected: &str, found: String) -> ImportError {
        ImportError::Syntax { place: self.place(line), expected: expected.to_owned(), found }
    }

    fn start(&mut self, start: &BytesStart<'_>, line: usize) -> Result<(), ImportError> {
        self.count += 1;
        if self.open.len() >= MAX_DEPTH || self.count > MAX_ELEMENTS {
            return Err(ImportError::TooDeep { place: self.place(line), limit: MAX_DEPTH });
        }
        let name = start.local_name().as_ref().to_owned();
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.syntax(line, "one root element", format!("<{}> behind it", shown(&name))));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute =
                attribute.map_err(|_| self.syntax(line, "attributes", format!("broken ones in <{}>", shown(&name))))?;
            attributes.push((attribute.key.as_ref().to_owned(), attribute.value.into_owned()));
        }
        self.open.push(Element { name, line, attributes, ..Element::default() });
        Ok(())
    }

    fn end(&mut self, line: usize) -> Result<(), ImportError> {
        let closed = self.open.pop().ok_or_else(|| self.syntax(line, "an open element", "an end tag".to_owned()))?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None => self.root = Some(closed),
        }
        Ok(())
    }

    fn text(&mut self, text: Cow<'_, str>, line: usize) -> Result<(), ImportError> {
        match self.open.last_mut() {
            Some(element) => {
                element.text.push_str(&text);
                Ok(())
            }
            None if text.trim().is_empty() => Ok(()),
            None => Err(self.syntax(line, "an element", "text outside of any".to_owned())),
        }
    }

    fn finish(mut self) -> Result<Element, ImportError> {
        let line = self.lines.line(usize::MAX);
        if let Some(open) = self.open.last() {
            return Err(self.syntax(line, &format!("</{}>", shown(&open.name)), "the end of the file".to_owned()));
        }
        let root = self.root.take();
        root.ok_or_else(|| self.syntax(line, "an element", "the end of the file".to_owned()))
    }
}
