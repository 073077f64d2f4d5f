//! Builds the [`Node`] tree from the events of `saphyr-parser`, which know their places.
//!
//! Aliases become copies of what they refer to. Size and depth are bounded, whatever the text says.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::code::Code;
use crate::diagnostic::Finding;
use crate::node::{Entry, Kind, Node};
use crate::source::Span;

/// The first document of `text`; `None` if there is none.
///
/// # Errors
///
/// Every duplicate key, or the first place where the text is not YAML or goes beyond the bounds.
pub(crate) fn read(text: &str) -> Result<Option<Node>, Vec<Finding>> {
    let mut builder = Builder::new(text);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = builder.offset(error.marker().index());
            vec![syntax(Span::new(at, at), error.info())]
        })?;
        let span = Span::new(builder.offset(span.start.index()), builder.offset(span.end.index()));
        builder.handle(event, span).map_err(|finding| vec![finding])?;
    }
    if builder.duplicates.is_empty() { Ok(builder.root) } else { Err(builder.duplicates) }
}

pub(crate) fn syntax(span: Span, message: &str) -> Finding {
    Finding::error(Code::YamlSyntax, span, format!("this is not YAML: {message}"))
        .label("here")
        .remedy("check indentation (spaces, no tabs), colons, quotes and brackets at or just before this place")
}

const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 100_000;

/// A collection whose end has not come yet.
enum Open {
    List { anchor: usize, start: Span, items: Vec<Node> },
    Map { anchor: usize, start: Span, entries: Vec<Entry>, keys: HashMap<String, Span>, key: Option<(String, Span)> },
}

struct Builder<'a> {
    text: &'a str,
    /// Byte offset of each character, since the parser counts characters.
    offsets: Vec<usize>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
    duplicates: Vec<Finding>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            offsets: text.char_indices().map(|(offset, _)| offset).collect(),
            open: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            root: None,
            duplicates: Vec::new(),
        }
    }

    fn offset(&self, character: usize) -> usize {
        self.offsets.get(character).copied().unwrap_or(self.text.len())
    }

    fn handle(&mut self, event: Event<'_>, span: Span) -> Result<(), Finding> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
            Event::Alias(anchor) => {
                let (node, size) = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or_else(|| syntax(span, "an alias refers to something that is not complete"))?;
                self.count(size, span)?;
                self.place(Node { span, ..node }, 0)
            }
            Event::Scalar(value, style, anchor, _) => {
                self.count(1, span)?;
                let null = style == ScalarStyle::Plain && matches!(&*value, "" | "~" | "null" | "Null" | "NULL");
                let kind = if null { Kind::Null } else { Kind::Scalar(value.into_owned()) };
                self.place(Node { span: self.trimmed(span), kind }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(Open::List { anchor, start: span, items: Vec::new() }, span),
            Event::MappingStart(anchor, _) => {
                let (entries, keys) = (Vec::new(), HashMap::new());
                self.begin(Open::Map { anchor, start: span, entries, keys, key: None }, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.finish(),
        }
    }

    fn begin(&mut self, open: Open, span: Span) -> Result<(), Finding> {
        self.count(1, span)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(Finding::error(Code::TooDeep, span, format!("more than {MAX_DEPTH} levels of nesting"))
                .label("one level too deep")
                .remedy("no part of a configuration is nested this deeply; check the brackets"));
        }
        self.open.push(open);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Finding> {
        match self.open.pop() {
            None => Ok(()),
            Some(Open::List { anchor, start, items }) => {
                let span = items.first().map_or(start, |first| self.to_line_end(first.span));
                self.place(Node { span, kind: Kind::List(items) }, anchor)
            }
            Some(Open::Map { anchor, start, entries, .. }) => {
                let span = entries.first().map_or(start, |first| self.to_line_end(first.key_span));
                self.place(Node { span, kind: Kind::Map(entries) }, anchor)
            }
        }
    }

    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Finding> {
        if anchor != 0 {
            let size = size(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            None => {
                self.root.get_or_insert(node);
            }
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, keys, key, .. }) => match key.take() {
                Some((key, key_span)) => entries.push(Entry { key, key_span, value: node }),
                None => {
                    let Kind::Scalar(text) = node.kind else {
                        return Err(syntax(node.span, "a key must be a word"));
                    };
                    let first = *keys.entry(text.clone()).or_insert(node.span);
                    if first != node.span {
                        self.duplicates.push(duplicate(&text, node.span, first));
                    }
                    *key = Some((text, node.span));
                }
            },
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Finding> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(Finding::error(Code::TooLarge, span, format!("more than {MAX_NODES} values"))
                .label("the first that is too many")
                .remedy("check for aliases that multiply each other"));
        }
        Ok(())
    }

    /// Without the white space that the parser counts to a block scalar.
    fn trimmed(&self, span: Span) -> Span {
        let written = self.text.get(span.start..span.end).unwrap_or_default();
        Span::new(span.start, span.start + written.trim_end().len())
    }

    fn to_line_end(&self, span: Span) -> Span {
        let rest = self.text.get(span.start..).unwrap_or_default();
        let line = rest.split(['\n', '#']).next().unwrap_or_default();
        Span::new(span.start, span.start + line.trim_end().len())
    }
}

fn duplicate(key: &str, span: Span, first: Span) -> Finding {
    Finding::error(Code::DuplicateKey, span, format!("the key `{key}` is given twice"))
        .label("second time")
        .also(first, "first time")
        .remedy("keep one of the two")
}

fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Null | Kind::Scalar(_) => 1,
        Kind::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Kind::Map(entries) => 1 + entries.iter().map(|entry| size(&entry.value)).sum::<usize>(),
    }
}
