//! A YAML document as a tree in which every key and value knows where it was written.

use crate::source::{SECRET_KEYS, Span};

/// One value. Of a mapping, the span is its first key and what follows it on that line: enough to point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing, or `~`.
    Null,
    /// Text, number or boolean: always its text as written, so that the AS number `1.10` is not taken for 1.1.
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    /// Where secrets are written: the scalars below a `psk` key or one like it, except those that only refer to one;
    /// and a private key in PEM, wherever it is.
    pub(crate) fn secrets(&self) -> Vec<Span> {
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
