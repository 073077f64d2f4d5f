//! What a key holds: nothing, a value with its place, or something that was refused and reported already.
//!
//! A [`Field`] never fails to deserialise: [`crate::de`] answers its request with the place of the value and, if the
//! value can be read, the value. So one reading finds everything that is wrong with the shape of a document.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};

use crate::code::Code;
use crate::diagnostic::{Finding, Findings};
use crate::source::{At, Span};

/// The name under which a [`Field`] asks the deserialiser for a place and a value.
pub(crate) const FIELD: &str = "$field";
/// The name under which a [`OneOf`] asks whether it is at a scalar.
pub(crate) const ONE_OF: &str = "$one-of";

/// What a key has: absent, unreadable (a finding says why), or read; and where it stands.
#[derive(Clone, Debug)]
pub struct Field<T> {
    span: Option<Span>,
    value: Option<T>,
}

/// A field that holds one scalar.
pub type Leaf<T> = Field<Word<T>>;

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self { span: None, value: None }
    }
}

impl<T> Field<T> {
    /// Where the value was written, if it was.
    pub const fn span(&self) -> Option<Span> {
        self.span
    }

    /// The value, if one was written and could be read.
    pub const fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Whether something was written that could not be read, which was reported.
    pub const fn is_unreadable(&self) -> bool {
        self.span.is_some() && self.value.is_none()
    }

    /// This, or `base` if nothing was written here.
    pub fn or(self, base: Self) -> Self {
        if self.span.is_some() { self } else { base }
    }

    /// The value, if one was written and could be read.
    pub fn at(self) -> Option<At<T>> {
        let span = self.span?;
        self.value.map(|value| At::new(value, span))
    }

    /// The section, empty if nothing was written or it could not be read, and the place to point at.
    pub fn section(self, owner: Span) -> At<T>
    where
        T: Default,
    {
        At::new(self.value.unwrap_or_default(), self.span.unwrap_or(owner))
    }

    /// Layers this section over `base`, key by key.
    pub fn over(self, base: Self) -> Self
    where
        T: Layer,
    {
        match (self, base) {
            (Self { span, value: Some(value) }, Self { value: Some(base), .. }) => {
                Self { span, value: Some(value.over(base)) }
            }
            (own, base) => own.or(base),
        }
    }
}

impl<T> Leaf<T> {
    /// As if `value` were written at `span`.
    pub const fn written(value: Word<T>, span: Span) -> Self {
        Self { span: Some(span), value: Some(value) }
    }

    /// The scalar, if one was written and could be read.
    pub fn scalar(self) -> Option<At<T>> {
        self.at().map(|at| At::new(at.value.0, at.span))
    }

    /// The scalar alone.
    pub fn value(self) -> Option<T> {
        self.scalar().map(|at| at.value)
    }

    /// The scalar; its absence is reported at `owner`.
    pub fn require(self, key: &str, owner: Span, remedy: &str, findings: &Findings) -> Option<At<T>> {
        if self.span.is_none() {
            findings.push(missing(key, owner, remedy));
        }
        self.scalar()
    }
}

impl<T> Field<Vec<Leaf<T>>> {
    /// The readable elements of a list of scalars; `None` if there is no list.
    pub fn scalars(self) -> Option<Vec<At<T>>> {
        Some(self.value?.into_iter().filter_map(Leaf::scalar).collect())
    }
}

/// A key that has to be there is not.
#[must_use]
pub fn missing(key: &str, owner: Span, remedy: &str) -> Finding {
    Finding::error(Code::MissingKey, owner, format!("`{key}` is not given"))
        .label(format!("has no `{key}`"))
        .remedy(remedy)
}

/// A section whose keys can have defaults elsewhere.
pub trait Layer {
    /// Own keys where written, those of `base` otherwise.
    fn over(self, base: Self) -> Self;
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldVisitor<T> {
            type Value = Field<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a place and a value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Field<T>, A::Error> {
                let absent = || A::Error::invalid_length(0, &"a place");
                let start = access.next_element()?.ok_or_else(absent)?;
                let end = access.next_element()?.ok_or_else(absent)?;
                Ok(Field { span: Some(Span::new(start, end)), value: access.next_element()? })
            }
        }

        deserializer.deserialize_newtype_struct(FIELD, FieldVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// A value written as one word: what it looks like, and how it is read.
pub trait Scalar: Sized {
    /// What is expected, with an example, to follow the word "expected".
    const EXPECTED: &'static str;

    /// The same where bounds belong to it.
    fn expected() -> Cow<'static, str> {
        Cow::Borrowed(Self::EXPECTED)
    }

    /// Reads the text as written.
    ///
    /// # Errors
    ///
    /// A sentence about what is wrong with it.
    fn parse(text: &str) -> Result<Self, String>;

    /// For editors.
    fn schema() -> Schema;
}

/// A [`Scalar`] toward serde and schemars.
#[derive(Clone, Copy, Debug)]
pub struct Word<T>(pub T);

impl<'de, T: Scalar> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordVisitor<T>(PhantomData<T>);

        impl<T: Scalar> Visitor<'_> for WordVisitor<T> {
            type Value = Word<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&T::expected())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word<T>, E> {
                T::parse(text).map(Word).map_err(|why| E::invalid_value(Unexpected::Other(&why), &self))
            }
        }

        deserializer.deserialize_str(WordVisitor(PhantomData))
    }
}

impl<T: Scalar> JsonSchema for Word<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

/// A short form in one word, or a long form in a section.
#[derive(Clone, Debug)]
pub enum OneOf<S, L> {
    /// One word.
    Short(Word<S>),
    /// A section.
    Long(L),
}

impl<'de, S: Scalar, L: Deserialize<'de>> Deserialize<'de> for OneOf<S, L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOfVisitor<S, L>(PhantomData<(S, L)>);

        impl<'de, S: Scalar, L: Deserialize<'de>> Visitor<'de> for OneOfVisitor<S, L> {
            type Value = OneOf<S, L>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} or a mapping", S::expected())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<OneOf<S, L>, A::Error> {
                let absent = || A::Error::invalid_length(0, &"a form");
                if access.next_element()?.ok_or_else(absent)? {
                    access.next_element()?.map(OneOf::Short).ok_or_else(absent)
                } else {
                    access.next_element()?.map(OneOf::Long).ok_or_else(absent)
                }
            }
        }

        deserializer.deserialize_newtype_struct(ONE_OF, OneOfVisitor(PhantomData))
    }
}

impl<S: Scalar, L: JsonSchema> JsonSchema for OneOf<S, L> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        L::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (short, long) = (S::schema(), generator.subschema_for::<L>());
        json_schema!({ "anyOf": [short, long] })
    }
}
