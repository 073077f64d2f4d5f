//! Who an end says it is (RFC 7296 3.5), and its text form.
//!
//! ```text
//! 192.0.2.1, 2001:db8::1     an address
//! gw.example.net             a domain name, also any other word; `fqdn:` or `@` in front makes it one for certain
//! admin@example.net          a mail address; `email:` in front makes it one for certain
//! C=CH, CN=gw             a distinguished name; `dn:` and hexadecimal DER makes it one for certain
//! keyid:branch-7, @#62726e   opaque octets, as text or in hexadecimal
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use isakmp::{IdType, Identification};
use wire::{DecodeError, DecodeReason, Decoder};

use crate::{DistinguishedName, ParseNameError, looks_like_a_name};

/// Octets of a received identity. Whoever sends one is not authenticated yet, and sees it logged.
const MAX_LEN: usize = 4096;

/// An identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// `ID_IPV4_ADDR` or `ID_IPV6_ADDR`.
    Ip(IpAddr),
    /// `ID_FQDN`: printable, not empty.
    Fqdn(String),
    /// `ID_RFC822_ADDR`: printable, not empty.
    Email(String),
    /// `ID_DER_ASN1_DN`.
    Dn(DistinguishedName),
    /// `ID_KEY_ID`.
    KeyId(Vec<u8>),
    /// A kind that is carried but not looked into, or text that is not printable.
    Other {
        /// The kind.
        kind: IdType,
        /// The identification data.
        data: Vec<u8>,
    },
}

/// Why a text is not an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdentityError {
    /// Nothing, or nothing after a prefix.
    #[error("`{0}` names nobody")]
    Empty(String),
    /// What follows `@#` is not pairs of hexadecimal digits.
    #[error("`{0}`: what follows `@#` must be pairs of hexadecimal digits")]
    Hex(String),
    /// What looks like a distinguished name is none.
    #[error(transparent)]
    Name(#[from] ParseNameError),
    /// A control character.
    #[error("{0:?} has a character that cannot be printed")]
    Unprintable(String),
}

impl Identity {
    /// As it travels.
    #[must_use]
    pub fn to_payload(&self) -> Identification {
        let (kind, data) = match self {
            Self::Ip(IpAddr::V4(address)) => (IdType::IPV4_ADDR, address.octets().to_vec()),
            Self::Ip(IpAddr::V6(address)) => (IdType::IPV6_ADDR, address.octets().to_vec()),
            Self::Fqdn(name) => (IdType::FQDN, name.clone().into_bytes()),
            Self::Email(name) => (IdType::RFC822_ADDR, name.clone().into_bytes()),
            Self::Dn(name) => (IdType::DER_ASN1_DN, name.der().to_vec()),
            Self::KeyId(octets) => (IdType::KEY_ID, octets.clone()),
            Self::Other { kind, data } => (*kind, data.clone()),
        };
        Identification::new(kind, data)
    }

    /// What a received payload means.
    ///
    /// # Errors
    /// [`DecodeError`] if an address has not the length of its family, or a name is longer than any is.
    pub fn from_payload(payload: &Identification) -> Result<Self, DecodeError> {
        let data = payload.data.as_slice();
        if data.len() > MAX_LEN {
            let reason = DecodeReason::Length { length: data.len() };
            return Err(Decoder::new(data).error("identification data", reason));
        }
        Ok(match payload.kind {
            IdType::IPV4_ADDR => Self::Ip(Ipv4Addr::from(whole::<4>(data)?).into()),
            IdType::IPV6_ADDR => Self::Ip(Ipv6Addr::from(whole::<16>(data)?).into()),
            IdType::KEY_ID => Self::KeyId(data.to_vec()),
            IdType::DER_ASN1_DN => match DistinguishedName::from_der(data) {
                Some(name) => Self::Dn(name),
                None => Self::Other { kind: IdType::DER_ASN1_DN, data: data.to_vec() },
            },
            kind => match (kind, printable(data)) {
                (IdType::FQDN, Some(name)) => Self::Fqdn(name),
                (IdType::RFC822_ADDR, Some(name)) => Self::Email(name),
                _ => Self::Other { kind, data: data.to_vec() },
            },
        })
    }

    /// Whether `found` is this identity. Names are compared without regard to case, as DNS does (RFC 4343), and
    /// distinguished names as [`DistinguishedName::matches`] does.
    #[must_use]
    pub fn matches(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::Fqdn(expected), Self::Fqdn(found)) | (Self::Email(expected), Self::Email(found)) => {
                expected.eq_ignore_ascii_case(found)
            }
            (Self::Dn(expected), Self::Dn(found)) => expected.matches(found),
            (expected, found) => expected == found,
        }
    }

    /// The same for all identities that match each other.
    #[must_use]
    pub fn folded(&self) -> Self {
        match self {
            Self::Fqdn(name) => Self::Fqdn(name.to_ascii_lowercase()),
            Self::Email(name) => Self::Email(name.to_ascii_lowercase()),
            Self::Dn(name) => Self::Other { kind: IdType::DER_ASN1_DN, data: name.folded() },
            Self::Ip(_) | Self::KeyId(_) | Self::Other { .. } => self.clone(),
        }
    }
}

impl From<IpAddr> for Identity {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

/// The shortest text that parses to the same identity, where there is one.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Fqdn(name) if name.parse().as_ref() == Ok(self) => f.write_str(name),
            Self::Fqdn(name) => write!(f, "fqdn:{name}"),
            Self::Email(name) if name.parse().as_ref() == Ok(self) => f.write_str(name),
            Self::Email(name) => write!(f, "email:{name}"),
            Self::Dn(name) => name.fmt(f),
            Self::KeyId(octets) => match printable(octets) {
                Some(text) => write!(f, "keyid:{text}"),
                None => write!(f, "@#{}", Hex(octets)),
            },
            Self::Other { kind, data } => write!(f, "{kind}#{}", Hex(data)),
        }
    }
}

impl FromStr for Identity {
    type Err = ParseIdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(digits) = text.strip_prefix("@#") {
            let octets = unhex(digits).ok_or_else(|| ParseIdentityError::Hex(text.to_owned()))?;
            return Ok(Self::KeyId(octets));
        }
        if text.chars().any(char::is_control) {
            return Err(ParseIdentityError::Unprintable(text.to_owned()));
        }
        let prefixed = |prefix| text.strip_prefix(prefix).map(ToOwned::to_owned);
        let identity = if let Some(id) = prefixed("keyid:") {
            Self::KeyId(id.into_bytes())
        } else if let Some(name) = prefixed("email:") {
            Self::Email(name)
        } else if let Some(name) = prefixed("fqdn:").or_else(|| prefixed("@")) {
            Self::Fqdn(name)
        } else if looks_like_a_name(text) {
            Self::Dn(text.parse()?)
        } else if let Ok(address) = text.parse() {
            Self::Ip(address)
        } else if text.contains('@') {
            Self::Email(text.to_owned())
        } else {
            Self::Fqdn(text.to_owned())
        };
        if identity.to_payload().data.is_empty() {
            return Err(ParseIdentityError::Empty(text.to_owned()));
        }
        Ok(identity)
    }
}

/// `data` as text, if it is text that can be shown to a person as it is.
fn printable(data: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(data).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

fn whole<const N: usize>(data: &[u8]) -> Result<[u8; N], DecodeError> {
    let mut decoder = Decoder::new(data);
    let octets = decoder.array("identification data")?;
    decoder.finish("identification data")?;
    Ok(octets)
}

pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if digits.is_empty() {
        return None;
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fqdn(name: &str) -> Identity {
        Identity::Fqdn(name.to_owned())
    }

    #[test]
    fn texts_name_the_kind_a_person_would_expect() {
        let cases = [
            ("192.0.2.1", Identity::Ip(Ipv4Addr::new(192, 0, 2, 1).into())),
            ("2001:db8::1", Identity::Ip("2001:db8::1".parse().unwrap())),
            ("gw.example.net", fqdn("gw.example.net")),
            ("branch", fqdn("branch")),
            ("@branch", fqdn("branch")),
            ("fqdn:192.0.2.1", fqdn("192.0.2.1")),
            ("admin@example.net", Identity::Email("admin@example.net".to_owned())),
            ("email:admin", Identity::Email("admin".to_owned())),
            ("C=CH, CN=gw", Identity::Dn("C=CH, CN=gw".parse().unwrap())),
            ("fqdn:CN=gw", fqdn("CN=gw")),
            ("keyid:branch-7", Identity::KeyId(b"branch-7".to_vec())),
            ("@#00fF", Identity::KeyId(vec![0, 255])),
        ];
        for (text, identity) in cases {
            assert_eq!(text.parse(), Ok(identity), "{text}");
        }
    }

    #[test]
    fn texts_that_name_nobody_are_refused() {
        for text in ["", "@", "fqdn:", "email:", "keyid:"] {
            assert_eq!(text.parse::<Identity>(), Err(ParseIdentityError::Empty(text.to_owned())), "{text}");
        }
        for text in ["@#", "@#0", "@#0g"] {
            assert_eq!(text.parse::<Identity>(), Err(ParseIdentityError::Hex(text.to_owned())), "{text}");
        }
        assert!(matches!("a\nb".parse::<Identity>(), Err(ParseIdentityError::Unprintable(_))));
    }

    #[test]
    fn an_address_of_the_wrong_length_is_refused() {
        for (kind, right) in [(IdType::IPV4_ADDR, 4), (IdType::IPV6_ADDR, 16)] {
            for len in 0..20 {
                let identity = Identity::from_payload(&Identification::new(kind, vec![1; len]));
                assert_eq!(identity.is_ok(), len == right, "{kind} of {len}");
            }
        }
    }

    #[test]
    fn a_name_that_could_fill_a_log_is_refused() {
        let of = |len| Identity::from_payload(&Identification::new(IdType::KEY_ID, vec![b'a'; len]));
        assert!(of(MAX_LEN).is_ok());
        let error = of(MAX_LEN + 1).unwrap_err().to_string();
        assert!(error.contains("4097") && error.len() < 200, "{error}");
    }

    #[test]
    fn a_name_that_could_forge_a_log_line_stays_opaque() {
        let payload = Identification::new(IdType::FQDN, b"a\nb".to_vec());
        let identity = Identity::from_payload(&payload).unwrap();
        assert_eq!(identity.to_string(), "FQDN#610a62");
        assert_eq!(identity.to_payload(), payload);
    }

    #[test]
    fn names_match_without_regard_to_case_and_kinds_never_mix() {
        assert!(fqdn("GW.example.net").matches(&fqdn("gw.EXAMPLE.net")));
        assert!(!fqdn("gw").matches(&Identity::KeyId(b"gw".to_vec())));
        assert!(!fqdn("192.0.2.1").matches(&"192.0.2.1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn text_and_payload_round_trip(text in "\\PC{1,20}") {
            if let Ok(identity) = text.parse::<Identity>() {
                prop_assert_eq!(identity.to_string().parse(), Ok(identity.clone()));
                prop_assert_eq!(Identity::from_payload(&identity.to_payload()), Ok(identity));
            }
        }

        #[test]
        fn any_payload_has_a_meaning_or_an_error(kind: u8, data: Vec<u8>) {
            let payload = Identification::new(IdType(kind), data);
            if let Ok(identity) = Identity::from_payload(&payload) {
                prop_assert_eq!(identity.to_payload(), payload);
                prop_assert!(!identity.to_string().chars().any(char::is_control));
            }
        }
    }
}
