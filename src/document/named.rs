//! Sections whose keys are names that the user chooses: `prefix-lists: {NAME: ..}`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::field::Field;
use crate::source::{At, Span};

/// The name under which [`Named`] asks the deserialiser for keys with their places.
pub(crate) const NAMED: &str = "$named";

/// Entries in the order of the file.
#[derive(Clone, Debug)]
pub struct Named<T>(Vec<(At<String>, Field<T>)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    /// The entries.
    pub fn into_entries(self) -> Vec<(At<String>, Field<T>)> {
        self.0
    }
}

/// Start, end, name and value of each entry in turn.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NamedVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a section of names: `NAME: ...`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Named<T>, A::Error> {
                let cut_off = || A::Error::invalid_length(0, &"place, name and value");
                let mut entries = Vec::new();
                while let Some(start) = access.next_element()? {
                    let end = access.next_element()?.ok_or_else(cut_off)?;
                    let name = access.next_element()?.ok_or_else(cut_off)?;
                    let value = access.next_element()?.ok_or_else(cut_off)?;
                    entries.push((At::new(name, Span::new(start, end)), value));
                }
                Ok(Named(entries))
            }
        }

        deserializer.deserialize_newtype_struct(NAMED, NamedVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("named-{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,31}$" },
            "additionalProperties": value
        })
    }
}
