//! Why something cannot be read, where, and what to do about it. Holds no secret.

use std::fmt;

use config::Report;

use crate::note::shown;
use crate::{MAX_INPUT, Place};

/// Why an import failed. Nothing is written then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImportError {
    /// The input is larger than any such file is.
    #[error("{file} has {size} octets, more than the {MAX_INPUT} that are read")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size in octets.
        size: usize,
    },
    /// The input is not text.
    #[error("{file} is not text: at octet {offset} {found}")]
    Encoding {
        /// The file.
        file: String,
        /// How far it is, from the beginning.
        offset: usize,
        /// What is there.
        found: &'static str,
    },
    /// The text breaks the rules of its format.
    #[error("{place}: not well-formed: expected {expected}, found {found}")]
    Syntax {
        /// Where.
        place: Place,
        /// What should be there.
        expected: String,
        /// What is there, without any value.
        found: String,
    },
    /// A document type: entities that expand, or files and addresses that would be fetched.
    #[error("{place}: {what} is refused")]
    Doctype {
        /// Where.
        place: Place,
        /// What.
        what: String,
    },
    /// Nested beyond any such file.
    #[error("{place}: nested more than {limit} deep")]
    TooDeep {
        /// Where.
        place: Place,
        /// How deep is read.
        limit: usize,
    },
    /// A known key with a value that is not of its kind.
    #[error("{place}: {key} is {found}, expected {expected}")]
    Value {
        /// Where.
        place: Place,
        /// The key.
        key: String,
        /// What it is said to be; masked if it may be a secret.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// It is none of the known formats.
    #[error("{file} is none of the formats known: {}", crate::Format::list())]
    Unrecognised {
        /// The file.
        file: String,
    },
    /// Files of formats that do not belong together.
    #[error("{one} is {format}, and {other} is {other_format}: these do not belong together")]
    Mixed {
        /// The first file.
        one: String,
        /// What it is.
        format: &'static str,
        /// The other file.
        other: String,
        /// What it is.
        other_format: &'static str,
    },
    /// The files describe no tunnel.
    #[error("{files} describes no tunnel: no {sought} in it")]
    NoTunnels {
        /// The files.
        files: String,
        /// What begins a tunnel in this format.
        sought: &'static str,
    },
    /// The files do not hold something that a configuration needs.
    #[error("the input does not say{}", list(.0))]
    Missing(Vec<MissingValue>),
    /// What came out would not pass `quadspan check`.
    #[error("what the input says is no usable configuration: {0}")]
    Refused(Box<Report>),
}

/// A value that has to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingValue {
    /// What it is.
    pub what: String,
    /// The option that gives it, with an example.
    pub option: String,
}

impl fmt::Display for MissingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: give `{}`", self.what, self.option)
    }
}

fn list(missing: &[MissingValue]) -> String {
    missing.iter().map(|missing| format!("\n  {missing}")).collect()
}

impl ImportError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::TooLarge { .. } => "give the file of the VPN connection alone".to_owned(),
            Self::Encoding { .. } => "save it as UTF-8 (UTF-16 with a byte order mark is read, too)".to_owned(),
            Self::Syntax { .. } => "correct the file, or download it again if it was downloaded".to_owned(),
            Self::Doctype { .. } => "no provider's file has one: take the file as downloaded".to_owned(),
            Self::TooDeep { .. } => "no provider's file is like this: take the file as downloaded".to_owned(),
            Self::Value { key, .. } => {
                format!("correct {} in the file, or download it again if it was downloaded", shown(key))
            }
            Self::Unrecognised { .. } => {
                "name the format in place of `auto`, or look whether it is the right file".to_owned()
            }
            Self::Mixed { .. } => "import them one by one, or name the format in place of `auto`".to_owned(),
            Self::NoTunnels { .. } => "give the whole file of one VPN connection".to_owned(),
            Self::Missing(_) => "add these options to the command".to_owned(),
            Self::Refused(_) => {
                "the findings above are about the configuration that would be written; correct the input: what options \
                 can say, `quadspan import --help` lists"
                    .to_owned()
            }
        }
    }
}
