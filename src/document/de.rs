//! Typed sections out of a [`Node`] tree.
//!
//! A `serde` deserialiser that does not stop at the first mistake: unknown keys are reported here and skipped, and what
//! a [`Field`] holds is reported when it cannot be read, leaving the field empty but for its place.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;

use crate::code::Code;
use crate::diagnostic::{Finding, Findings};
use crate::field::{FIELD, Field, ONE_OF};
use crate::named::NAMED;
use crate::node::{Entry, Kind, Node};
use crate::source::Span;

/// Reads `node`; whatever is wrong goes to `findings`.
pub fn read<T: for<'de> Deserialize<'de>>(node: &Node, findings: &Findings) -> Field<T> {
    match Field::deserialize(NodeDeserializer { node, findings }) {
        Ok(field) => field,
        Err(refusal) => {
            findings.push(refusal.into_finding(node.span));
            Field::default()
        }
    }
}

#[derive(Clone, Copy)]
struct NodeDeserializer<'a> {
    node: &'a Node,
    findings: &'a Findings,
}

impl<'a> NodeDeserializer<'a> {
    fn visit_entries<'de, V: Visitor<'de>>(self, entries: Vec<&'a Entry>, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_map(Entries { entries: entries.into_iter(), value: None, findings: self.findings })
    }

    fn report_unknown(self, entry: &Entry, known: &[&str]) {
        let list = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let remedy = match nearest(&entry.key, known) {
            Some(key) => format!("did you mean `{key}`? known here: {list}"),
            None => format!("known here: {list}"),
        };
        self.findings.push(
            Finding::error(Code::UnknownKey, entry.key_span, format!("unknown key `{}`", entry.key))
                .label("nothing reads this")
                .remedy(remedy),
        );
    }
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Scalar(text) => visitor.visit_str(text),
            Kind::List(items) => visitor.visit_seq(Items { items: items.iter(), findings: self.findings }),
            Kind::Map(entries) => self.visit_entries(entries.iter().collect(), visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.kind {
            Kind::Null => visitor.visit_seq(Items { items: [].iter(), findings: self.findings }),
            Kind::List(_) => self.deserialize_any(visitor),
            Kind::Scalar(_) | Kind::Map(_) => {
                let found = if matches!(self.node.kind, Kind::Map(_)) { "a section" } else { "a single value" };
                Err(Refusal {
                    message: format!("expected a list, found {found}"),
                    remedy: "write `[ONE, TWO]`, or one line `- ONE` for each".to_owned(),
                })
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match &self.node.kind {
            Kind::Null => self.visit_entries(Vec::new(), visitor),
            Kind::Map(entries) => {
                let (known, unknown): (Vec<_>, Vec<_>) =
                    entries.iter().partition(|entry| fields.contains(&entry.key.as_str()));
                unknown.into_iter().for_each(|entry| self.report_unknown(entry, fields));
                self.visit_entries(known, visitor)
            }
            Kind::Scalar(_) | Kind::List(_) => {
                let found = if matches!(self.node.kind, Kind::List(_)) { "a list" } else { "a single value" };
                let known = fields.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                Err(Refusal {
                    message: format!("expected a section, found {found}"),
                    remedy: format!("write its keys below, indented: {known}"),
                })
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        match name {
            FIELD => visitor.visit_seq(FieldAccess { of: self, step: 0 }),
            ONE_OF => visitor.visit_seq(OneOfAccess { of: self, told: false }),
            NAMED => {
                let entries = match &self.node.kind {
                    Kind::Map(entries) => entries.iter(),
                    Kind::Null => [].iter(),
                    Kind::Scalar(_) => return Err(de::Error::invalid_type(Unexpected::Other("a value"), &visitor)),
                    Kind::List(_) => return Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
                };
                visitor.visit_seq(NamedAccess { entries, current: None, step: 0, findings: self.findings })
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.node.kind {
            Kind::Null => visitor.visit_none(),
            Kind::Scalar(_) | Kind::List(_) | Kind::Map(_) => visitor.visit_some(self),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// The known key nearest to what was written, if it is near enough to be meant.
pub fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = written.replace('_', "-").to_lowercase();
    known
        .iter()
        .map(|key| (strsim::damerau_levenshtein(&written, key), *key))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, key)| *distance <= 1.max(key.len() / 3))
        .map(|(_, key)| key)
}

struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
    findings: &'a Findings,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        self.items.next().map(|node| seed.deserialize(NodeDeserializer { node, findings: self.findings })).transpose()
    }
}

struct Entries<'a> {
    entries: std::vec::IntoIter<&'a Entry>,
    value: Option<&'a Node>,
    findings: &'a Findings,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        self.value = Some(&entry.value);
        let key: StrDeserializer<'_, Refusal> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let node = self.value.take().expect("serde asks for a key before its value");
        seed.deserialize(NodeDeserializer { node, findings: self.findings })
    }
}

/// Start, end, and the value unless it was refused.
struct FieldAccess<'a> {
    of: NodeDeserializer<'a>,
    step: u8,
}

impl<'de> SeqAccess<'de> for FieldAccess<'_> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let Span { start, end } = self.of.node.span;
        self.step += 1;
        match self.step {
            1 => seed.deserialize(start.into_deserializer()).map(Some),
            2 => seed.deserialize(end.into_deserializer()).map(Some),
            _ => Ok(match seed.deserialize(self.of) {
                Ok(value) => Some(value),
                Err(refusal) => {
                    self.of.findings.push(refusal.into_finding(self.of.node.span));
                    None
                }
            }),
        }
    }
}

/// Whether there is a scalar, and the value.
struct OneOfAccess<'a> {
    of: NodeDeserializer<'a>,
    told: bool,
}

impl<'de> SeqAccess<'de> for OneOfAccess<'_> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        if self.told {
            return seed.deserialize(self.of).map(Some);
        }
        self.told = true;
        let scalar = match self.of.node.kind {
            Kind::Scalar(_) | Kind::Null => true,
            Kind::List(_) | Kind::Map(_) => false,
        };
        seed.deserialize(scalar.into_deserializer()).map(Some)
    }
}

/// Start, end, name and value of one entry after the other.
struct NamedAccess<'a> {
    entries: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
    step: u8,
    findings: &'a Findings,
}

impl<'de> SeqAccess<'de> for NamedAccess<'_> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        if self.step == 0 {
            self.current = self.entries.next();
        }
        let Some(entry) = self.current else { return Ok(None) };
        let step = self.step;
        self.step = (step + 1) % 4;
        match step {
            0 => seed.deserialize(entry.key_span.start.into_deserializer()),
            1 => seed.deserialize(entry.key_span.end.into_deserializer()),
            2 => seed.deserialize(entry.key.as_str().into_deserializer()),
            _ => seed.deserialize(NodeDeserializer { node: &entry.value, findings: self.findings }),
        }
        .map(Some)
    }
}

/// Why a value cannot be read, without its place.
#[derive(Debug)]
pub(crate) struct Refusal {
    message: String,
    remedy: String,
}

impl Refusal {
    fn into_finding(self, span: Span) -> Finding {
        Finding::error(Code::Value, span, self.message).label("this value").remedy(self.remedy)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), remedy: "see the examples in configs/".to_owned() }
    }

    /// A scalar says itself what is wrong with its text.
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let message = if let Unexpected::Other(why) = found { why.to_owned() } else { format!("unexpected {found}") };
        Self { message, remedy: format!("expected {expected}") }
    }

    /// Says what kind of thing was found, never its content: it may be a secret in the wrong place.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = if found == Unexpected::Unit {
            "nothing"
        } else if found == Unexpected::Seq {
            "a list"
        } else if found == Unexpected::Map {
            "a section"
        } else {
            "a single value"
        };
        Self { message: format!("found {found} here"), remedy: format!("expected {expected}") }
    }
}
