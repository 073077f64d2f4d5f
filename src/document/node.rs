//! A YAML document as a tree in which every key and value knows where it was written.

use crate::source::{SECRET_KEYS, Span};

/// One value. Of a mapping, the span is its first key and what follows it on that line: enough to point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, or `~`.
    Null,
    /// Text, number or boolean: always its text as written, so that the AS number `1.10` is not taken for 1.1.
    Scalar(String),
    /// In their order.
    List(Vec<Node>),
    /// In their order.
    Map(Vec<Entry>),
}

/// A key and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As written.
    pub key: String,
    /// Where it stands.
    pub key_span: Span,
    /// What it has.
    pub value: Node,
}

impl Node {
    /// Where secrets are written: the scalars below a `psk` key or one like it, except those that only refer to one;
    /// and a private key in PEM, wherever it is.
    pub fn secrets(&self) -> Vec<Span> {
        let mut found = Vec::new();
        self.collect_secrets(false, &mut found);
        found
    }

    fn collect_secrets(&self, below_psk: bool, found: &mut Vec<Span>) {
        match &self.kind {
            Kind::Null => {}
            Kind::Scalar(text) => {
                if below_psk || text.contains("PRIVATE KEY-----") {
                    found.push(self.span);
                }
            }
            Kind::List(items) => items.iter().for_each(|item| item.collect_secrets(below_psk, found)),
            Kind::Map(entries) => {
                for Entry { key, value, .. } in entries {
                    let reference = below_psk && matches!(key.as_str(), "file" | "env" | "credential" | "required");
                    let name = key.to_ascii_lowercase();
                    let introduces = SECRET_KEYS.iter().any(|word| name.contains(word));
                    let secret = (below_psk && !reference) || introduces;
                    value.collect_secrets(secret, found);
                }
            }
        }
    }
}
