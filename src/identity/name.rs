//! Distinguished names (RFC 5280 4.1.2.4, 7.1): who a certificate is for, and an identity of its own kind.
//!
//! ```text
//! C=DE, O=Example, CN=gw.example.net      as `openssl x509 -subject` prints it; `+` joins parts of one level
//! dn:3016310b3009...                      DER in hexadecimal
//! ```
//!
//! Tools write names from the root or towards it (RFC 4514). Both orders name the same; on the wire goes the order in
//! which the name was written.

use std::fmt;
use std::str::FromStr;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Any, ObjectIdentifier};
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

/// A distinguished name, not empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DistinguishedName {
    /// As it came or was written. Decodes to a name without loss.
    der: Vec<u8>,
}

/// Why a text is not a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// A part that is not `KEY=value`.
    #[error("`{0}` is not KEY=value")]
    NotAPair(String),
    /// A key that stands for no attribute.
    #[error(
        "`{0}` is no attribute of a name; known are C, ST, L, STREET, O, OU, CN, SN, GN, T, DC, UID, E, serialNumber and dotted numbers"
    )]
    Key(String),
    /// An attribute without a value.
    #[error("`{0}` has no value")]
    NoValue(String),
    /// What follows `dn:` is not the DER of a name.
    #[error("`{0}` is not the hexadecimal DER of a name")]
    Der(String),
}

/// Attributes by their short names; the first is the one we write.
const KEYS: [(&str, &str); 17] = [
    ("C", "2.5.4.6"),
    ("ST", "2.5.4.8"),
    ("L", "2.5.4.7"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("CN", "2.5.4.3"),
    ("SN", "2.5.4.4"),
    ("GN", "2.5.4.42"),
    ("T", "2.5.4.12"),
    ("serialNumber", "2.5.4.5"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("E", "1.2.840.113549.1.9.1"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
    ("S", "2.5.4.8"),
    ("dnQualifier", "2.5.4.46"),
];
/// Attributes whose values are `IA5String` (RFC 5280 appendix A).
const IA5: [&str; 2] = ["0.9.2342.19200300.100.1.25", "1.2.840.113549.1.9.1"];

impl DistinguishedName {
    /// A name as it travels; `None` if it is empty or not the DER of a name.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let name = Name::from_der(der).ok()?;
        let same = name.to_der().is_ok_and(|again| again == der);
        (same && !name.is_empty()).then(|| Self { der: der.to_vec() })
    }

    /// As it travels.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether both name the same: letters without regard to case, white space folded (RFC 5280 7.1), either order.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }

    /// The same for all names that match each other.
    pub(crate) fn folded(&self) -> Vec<u8> {
        let levels: Vec<Vec<u8>> = self.name().iter_rdn().map(fold).collect();
        levels.concat().min(levels.iter().rev().flatten().copied().collect())
    }

    /// A name in a certificate; `None` if it is empty.
    #[must_use]
    pub fn of(name: &Name) -> Option<Self> {
        name.to_der().ok().and_then(|der| Self::from_der(&der))
    }

    fn name(&self) -> Name {
        Name::from_der(&self.der).unwrap_or_default()
    }
}

/// One level, with lengths, so that no two different levels are the same octets.
fn fold(level: &RelativeDistinguishedName) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = level
        .iter()
        .map(|part| {
            let (kind, value) = match text(&part.value) {
                Some(text) => (0, text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().into_bytes()),
                None => (1, part.value.to_der().unwrap_or_default()),
            };
            let oid = part.oid.as_bytes();
            [&oid.len().to_be_bytes()[..], oid, &[kind], &value.len().to_be_bytes(), &value].concat()
        })
        .collect();
    parts.sort_unstable();
    let mut folded = parts.len().to_be_bytes().to_vec();
    folded.extend(parts.concat());
    folded
}

/// The value, if it is of a kind of string that is still in use.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other tag of ASN.1, known or not, is no string")]
fn text(value: &Any) -> Option<String> {
    let octets = value.value();
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            String::from_utf8(octets.to_vec()).ok()
        }
        // Latin 1 in practice.
        Tag::TeletexString => Some(octets.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (units, rest) = octets.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            rest.is_empty().then(|| String::from_utf16(&units).ok()).flatten()
        }
        _ => None,
    }
}

/// Text that parses to a name that matches, which may use other kinds of strings; else all of it in hexadecimal.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match display(&self.name()) {
            Some(text) if text.parse().is_ok_and(|again: Self| again.matches(self)) => f.write_str(&text),
            Some(_) | None => {
                f.write_str("dn:")?;
                self.der.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// As a person would write it, if every value is text.
fn display(name: &Name) -> Option<String> {
    let part = |part: &AttributeTypeAndValue| {
        let shown = |value: &String| !value.chars().any(char::is_control) && value.trim() == value;
        let value = text(&part.value).filter(shown)?;
        let oid = part.oid.to_string();
        let key = KEYS.iter().find(|(_, known)| *known == oid).map_or(oid.as_str(), |(key, _)| key);
        let escaped: String = value.chars().fold(String::new(), |mut out, c| {
            if matches!(c, ',' | '+' | '\\') {
                out.push('\\');
            }
            out.push(c);
            out
        });
        Some(format!("{key}={escaped}"))
    };
    let level = |level: &RelativeDistinguishedName| Some(level.iter().map(part).collect::<Option<Vec<_>>>()?.join("+"));
    Some(name.iter_rdn().map(level).collect::<Option<Vec<_>>>()?.join(", "))
}

impl FromStr for DistinguishedName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(digits) = text.strip_prefix("dn:") {
            let der = crate::unhex(digits).and_then(|der| Self::from_der(&der));
            return der.ok_or_else(|| ParseNameError::Der(text.to_owned()));
        }
        let mut sequence = RdnSequence::default();
        for level in split(text, ',') {
            let parts = split(&level, '+').iter().map(|part| pair(part)).collect::<Result<Vec<_>, _>>()?;
            let level = RelativeDistinguishedName::try_from(parts).map_err(|_| ParseNameError::NotAPair(level))?;
            sequence.push(level);
        }
        let der = sequence.to_der().ok().and_then(|der| Self::from_der(&der));
        der.ok_or_else(|| ParseNameError::NotAPair(text.to_owned()))
    }
}

/// Whether a text looks like the beginning of a name rather than any other identity.
pub(crate) fn looks_like_a_name(text: &str) -> bool {
    text.starts_with("dn:") || text.split_once('=').is_some_and(|(key, _)| oid(key.trim()).is_some())
}

/// Cuts at `separator` where no backslash is in front of it.
fn split(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut escaped) = (vec![String::new()], false);
    for c in text.chars() {
        if c == separator && !escaped {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    parts
}

fn pair(text: &str) -> Result<AttributeTypeAndValue, ParseNameError> {
    let text = text.trim();
    let (key, value) = text.split_once('=').ok_or_else(|| ParseNameError::NotAPair(text.to_owned()))?;
    let key = key.trim();
    let oid = oid(key).ok_or_else(|| ParseNameError::Key(key.to_owned()))?;
    let value = unescape(value.trim());
    if value.is_empty() {
        return Err(ParseNameError::NoValue(key.to_owned()));
    }
    let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
    let tag = if IA5.contains(&oid.to_string().as_str()) && value.is_ascii() {
        Tag::Ia5String
    } else if value.chars().all(printable) {
        Tag::PrintableString
    } else {
        Tag::Utf8String
    };
    let value = Any::new(tag, value.into_bytes()).map_err(|_| ParseNameError::NotAPair(text.to_owned()))?;
    Ok(AttributeTypeAndValue { oid, value })
}

fn unescape(text: &str) -> String {
    let mut chars = text.chars();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

fn oid(key: &str) -> Option<ObjectIdentifier> {
    let known = KEYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, oid)| *oid);
    let dotted = || key.starts_with(|c: char| c.is_ascii_digit()).then_some(key);
    ObjectIdentifier::new(known.or_else(dotted)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> DistinguishedName {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_has_the_octets_that_openssl_gives_it() {
        // C=CH, CN=moon as PrintableStrings.
        let expected = hex_literal::hex!("301c310b30090603550406130243483 10d300b06035504031304 6d6f6f6e");
        assert_eq!(name("C=CH, CN=moon").der(), expected);
        assert_eq!(name("C = CH , CN = moon").der(), expected);
        assert_eq!(name("C=CH, CN=moon").to_string(), "C=CH, CN=moon");
        assert_eq!(name("dn:301c310b3009060355040613024348310d300b060355040313046d6f6f6e"), name("C=CH,CN=moon"));
    }

    #[test]
    fn names_match_without_regard_to_case_white_space_and_order() {
        assert!(name("C=CH, O=Ex  ample, CN=Moon").matches(&name("cn=moon, o=ex ample, c=ch")));
        assert!(!name("C=CH, CN=moon").matches(&name("C=CH, CN=sun")));
        assert!(!name("C=CH, CN=moon").matches(&name("CN=moon")));
        assert!(!name("O=a, CN=b").matches(&name("O=b, CN=a")));
        let utf8 = DistinguishedName::from_der(&hex_literal::hex!("300f310d300b06035504030c046d6f6f6e")).unwrap();
        assert_ne!(utf8, name("CN=moon"));
        assert_eq!(utf8.to_string(), "CN=moon");
        assert!(utf8.matches(&name("CN=moon")), "the kind of string does not matter");
    }

    #[test]
    fn separators_can_be_part_of_a_value() {
        let quoted = name("O=Ex\\, Inc.\\+Co, CN=a+OU=b");
        assert_eq!(quoted.to_string().parse(), Ok(quoted.clone()));
        assert!(quoted.to_string().starts_with("O=Ex\\, Inc.\\+Co, "));
    }

    #[test]
    fn texts_that_are_no_name_are_refused_with_the_reason() {
        let parse = |text: &str| text.parse::<DistinguishedName>().unwrap_err();
        assert_eq!(parse("CN"), ParseNameError::NotAPair("CN".into()));
        assert_eq!(parse("CN=a, b"), ParseNameError::NotAPair("b".into()));
        assert_eq!(parse("XX=a"), ParseNameError::Key("XX".into()));
        assert_eq!(parse("CN="), ParseNameError::NoValue("CN".into()));
        assert_eq!(parse("dn:30"), ParseNameError::Der("dn:30".into()));
        assert!(DistinguishedName::from_der(&[0x30, 0]).is_none(), "an empty name names nobody");
    }

    proptest! {
        #[test]
        fn any_octets_are_a_name_or_not(octets: Vec<u8>) {
            if let Some(name) = DistinguishedName::from_der(&octets) {
                prop_assert!(name.to_string().parse::<DistinguishedName>().unwrap().matches(&name));
            }
        }

        #[test]
        fn what_is_parsed_is_shown_so_that_it_parses_to_the_same(text in "(CN|O|E|2\\.5\\.4\\.17)=\\PC{1,12}(, (CN|DC)=[a-z ]{1,5})?") {
            if let Ok(name) = text.parse::<DistinguishedName>() {
                prop_assert_eq!(name.to_string().parse(), Ok(name.clone()));
                prop_assert!(name.matches(&name));
            }
        }
    }
}
