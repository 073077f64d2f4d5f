//! JSON whose values know their line.
//!
//! Objects and arrays are opened one level at a time; what is inside stays a slice of the text ([`RawValue`]), and the
//! place of a slice in the text is its line. Nesting is bounded by whoever opens, keys twice in one object are refused.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::{LineCounter, Text};
use super::value::Value;
use crate::note::shown;
use crate::{ImportError, Place};

/// A JSON value somewhere in a text.
#[derive(Clone, Copy)]
pub(super) struct Json<'a> {
    file: &'a Text,
    raw: &'a RawValue,
    depth: usize,
}

/// Providers nest about eight deep.
const MAX_DEPTH: usize = 32;

impl<'a> Json<'a> {
    pub(super) fn parse(file: &'a Text) -> Result<Self, ImportError> {
        // The reader of raw values opens nothing, so that only this bounds what it walks over.
        deepest(file)?;
        let raw = serde_json::from_str::<&RawValue>(&file.text).map_err(|error| syntax(file, 0, &error))?;
        Ok(Self { file, raw, depth: 0 })
    }

    fn offset(&self) -> usize {
        (self.raw.get().as_ptr() as usize).saturating_sub(self.file.text.as_ptr() as usize)
    }

    pub(super) fn place(&self) -> Place {
        self.file.place(LineCounter::new(&self.file.text).line(self.offset()))
    }

    fn inside(&self, raw: &'a RawValue) -> Self {
        Self { file: self.file, raw, depth: self.depth + 1 }
    }

    pub(super) fn is_null(&self) -> bool {
        self.raw.get() == "null"
    }

    pub(super) fn is_object(&self) -> bool {
        self.raw.get().starts_with('{')
    }

    pub(super) fn is_array(&self) -> bool {
        self.raw.get().starts_with('[')
    }

    /// The members; none if it is no object.
    pub(super) fn members(&self) -> Result<Vec<(String, Self)>, ImportError> {
        if !self.is_object() || self.depth > MAX_DEPTH {
            return Ok(Vec::new());
        }
        let mut deserializer = serde_json::Deserializer::from_str(self.raw.get());
        let members =
            deserializer.deserialize_map(Members).map_err(|error| syntax(self.file, self.offset(), &error))?;
        let mut known: Vec<(String, Self)> = Vec::with_capacity(members.len());
        for (key, raw) in members {
            let value = self.inside(raw);
            known.push((key, value));
        }
        let mut names: Vec<_> = known.iter().map(|(key, _)| key.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let expected = "each key once".to_owned();
            return Err(ImportError::Syntax { place: self.place(), expected, found: shown(twice[0]) + " twice" });
        }
        Ok(known)
    }

    /// The items; none if it is no array.
    pub(super) fn items(&self) -> Result<Vec<Self>, ImportError> {
        if !self.is_array() || self.depth > MAX_DEPTH {
            return Ok(Vec::new());
        }
        let items = serde_json::from_str::<Vec<&RawValue>>(self.raw.get());
        let items = items.map_err(|error| syntax(self.file, self.offset(), &error))?;
        Ok(items.into_iter().map(|raw| self.inside(raw)).collect())
    }

    /// A string's, number's or boolean's text; `None` for everything else.
    pub(super) fn text(&self) -> Option<String> {
        match self.raw.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(self.raw.get()).ok(),
            Some(b'{' | b'[' | b'n') | None => None,
            Some(_) => Some(self.raw.get().to_owned()),
        }
    }

    /// How it may be shown.
    pub(super) fn shown(&self, key: &str) -> String {
        match self.text() {
            Some(text) => super::value::shown_value(key, &text),
            None if self.is_null() => "null".to_owned(),
            None => if self.is_array() { "a list" } else { "an object" }.to_owned(),
        }
    }
}

/// A member that is text, owned, since its escapes are resolved.
pub(super) struct Member {
    key: String,
    text: String,
    place: Place,
}

impl Member {
    pub(super) fn new(key: &str, json: &Json<'_>) -> Result<Self, ImportError> {
        let place = json.place();
        match json.text() {
            Some(text) => Ok(Self { key: key.to_owned(), text, place }),
            None => Err(ImportError::Value {
                place,
                key: shown(key),
                found: json.shown(key),
                expected: "text or a number".to_owned(),
            }),
        }
    }

    pub(super) fn value(&self) -> Value<'_> {
        Value::quoted(&self.key, &self.text, self.place.clone())
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            members.push((key, map.next_value::<&RawValue>()?));
        }
        Ok(members)
    }
}

fn deepest(file: &Text) -> Result<(), ImportError> {
    let (mut depth, mut line, mut string, mut escaped) = (0_usize, 1, false, false);
    for octet in file.text.bytes() {
        match octet {
            b'\n' => line += 1,
            _ if escaped => escaped = false,
            b'\\' if string => escaped = true,
            b'"' => string = !string,
            b'{' | b'[' if !string => depth += 1,
            b'}' | b']' if !string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(ImportError::TooDeep { place: file.place(line), limit: MAX_DEPTH });
        }
    }
    Ok(())
}

/// What `serde_json` says, which may quote the text only as far as a single character goes.
fn syntax(file: &Text, offset: usize, error: &serde_json::Error) -> ImportError {
    let before = LineCounter::new(&file.text).line(offset);
    let found = match error.classify() {
        serde_json::error::Category::Eof => "its end",
        serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Data => {
            "something else"
        }
    };
    let place = file.place(before + error.line().saturating_sub(1));
    ImportError::Syntax { place, expected: "JSON".to_owned(), found: found.to_owned() }
}
