//! Suites as text, in strongSwan's vocabulary: keywords joined by `-`, one of each role.
//!
//! ```text
//! IKE  aes256-sha256-modp2048             the PRF of the same hash (S0-28)
//!      aes256-sha256-prfsha384-modp2048   another one
//!      aes128gcm16-prfsha256-x25519       an AEAD has no hash of its own: the PRF is written out
//!      chacha20poly1305-prfsha256-x25519
//!      aes256gcm16-prfsha384-x25519-ke1_mlkem768           a second key exchange (RFC 9370)
//!      aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_none  the same, if the peer can
//! ESP  aes128gcm16                        no perfect forward secrecy
//!      aes256-sha256-modp2048             with this group and nothing else
//!      aes256-sha256-modp2048-modpnone    with this group where the peer has it
//!      aes128gcm16-x25519-esn             extended sequence numbers
//! ```

use std::fmt;
use std::str::FromStr;

use wire::ipsec::{Encryption, EspSuite, Integrity};

use super::{AdditionalKeyExchange, AdditionalKeyExchanges, Group, MAX_ADDITIONAL, Prf};
use crate::{EspProposal, IkeProposal, Pfs};

/// Why a text is not a suite.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseSuiteError {
    /// A keyword that is not known.
    #[error("`{keyword}` in `{suite}` is not known; known are {known}")]
    Unknown {
        /// The keyword.
        keyword: String,
        /// The whole text.
        suite: String,
        /// The keywords that may stand here, separated by commas.
        known: String,
    },
    /// A keyword that is known, but has no place in this kind of suite.
    #[error("`{keyword}` in `{suite}` has no place in {place}")]
    Misplaced {
        /// The keyword.
        keyword: String,
        /// The whole text.
        suite: String,
        /// What kind of suite it is.
        place: &'static str,
    },
    /// Two keywords of one role.
    #[error("`{suite}` has more than one {role}: write one suite for each")]
    Repeated {
        /// The role.
        role: &'static str,
        /// The whole text.
        suite: String,
    },
    /// No keyword of a role that must be filled.
    #[error("`{suite}` has no {role}, such as {example}")]
    Missing {
        /// The role.
        role: &'static str,
        /// The whole text.
        suite: String,
        /// A keyword that would fill it.
        example: &'static str,
    },
    /// The same method in two key exchanges.
    #[error("`{suite}` exchanges keys by {group} twice, which adds nothing")]
    SameGroup {
        /// The whole text.
        suite: String,
        /// The method.
        group: Group,
    },
    /// A cipher that authenticates together with an integrity algorithm.
    #[error("`{suite}`: {encryption} authenticates by itself, leave out `{integrity}`{}", prf_hint(*.integrity, *.ike))]
    NeedlessIntegrity {
        /// The whole text.
        suite: String,
        /// The cipher.
        encryption: Encryption,
        /// What must not go with it.
        integrity: Integrity,
        /// Whether it is a suite for IKE, where a PRF of that hash may be what was meant.
        ike: bool,
    },
}

fn prf_hint(integrity: Integrity, ike: bool) -> String {
    if ike { format!(" or write `{}`", Prf::from(integrity)) } else { String::new() }
}

impl fmt::Display for IkeProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.encryption)?;
        if let Some(integrity) = self.integrity {
            write!(f, "-{integrity}")?;
        }
        if self.integrity.map(Prf::from) != Some(self.prf) {
            write!(f, "-{}", self.prf)?;
        }
        write!(f, "-{}{}", self.group, self.additional)
    }
}

impl fmt::Display for EspProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", EspSuite { esn: false, ..self.suite })?;
        match self.pfs {
            Pfs::Off => {}
            Pfs::Required(group) => write!(f, "-{group}{}", self.additional)?,
            Pfs::Preferred(group) => write!(f, "-{group}-modpnone{}", self.additional)?,
        }
        f.write_str(match (self.suite.esn, self.or_without_esn) {
            (true, true) => "-esn-noesn",
            (true, false) => "-esn",
            (false, _) => "",
        })
    }
}

impl FromStr for IkeProposal {
    type Err = ParseSuiteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = Parts::collect(text, ike_keywords)?;
        let misplaced =
            parts.no_group.map(|()| "modpnone").or(parts.esn.map(|()| "esn")).or(parts.no_esn.map(|()| "noesn"));
        if let Some(keyword) = misplaced {
            return Err(misplaced_in(keyword, text, "an IKE suite"));
        }
        let (encryption, integrity) = parts.protection(text, true)?;
        let prf = match (parts.prf, integrity) {
            (Some(prf), _) => prf,
            // S0-28: the PRF equals the authentication algorithm.
            (None, Some(integrity)) => integrity.into(),
            (None, None) => return Err(missing("PRF", text, "prfsha256")),
        };
        let group = parts.group.take().ok_or_else(|| missing("Diffie-Hellman group", text, "modp2048"))?;
        let additional = parts.additional(text, group)?;
        Ok(Self { encryption, integrity, prf, group, additional })
    }
}

impl FromStr for EspProposal {
    type Err = ParseSuiteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = Parts::collect(text, esp_keywords)?;
        if let Some(prf) = parts.prf {
            return Err(misplaced_in(&prf.to_string(), text, "an ESP suite"));
        }
        let (encryption, integrity) = parts.protection(text, false)?;
        let pfs = match (parts.group, parts.no_group) {
            (None, _) => Pfs::Off,
            (Some(group), None) => Pfs::Required(group),
            (Some(group), Some(())) => Pfs::Preferred(group),
        };
        let additional = match parts.group {
            Some(group) => parts.additional(text, group)?,
            // RFC 9370 2.2.1: they come on top of a first one.
            None if parts.additional.iter().any(|place| place.group.is_some() || place.none) => {
                return Err(missing("Diffie-Hellman group before its additional key exchanges", text, "x25519"));
            }
            None => AdditionalKeyExchanges::NONE,
        };
        let esn = parts.esn.is_some();
        let or_without_esn = esn && parts.no_esn.is_some();
        Ok(Self { suite: EspSuite { encryption, integrity, esn }, or_without_esn, pfs, additional })
    }
}

/// The keywords of one suite, by role.
#[derive(Default)]
struct Parts {
    encryption: Option<Encryption>,
    integrity: Option<Integrity>,
    prf: Option<Prf>,
    group: Option<Group>,
    no_group: Option<()>,
    esn: Option<()>,
    no_esn: Option<()>,
    additional: [Place; MAX_ADDITIONAL],
}

/// What is said about one additional key exchange.
#[derive(Clone, Copy, Default)]
struct Place {
    group: Option<Group>,
    none: bool,
}

impl Place {
    /// `None` if it is said twice.
    fn say(&mut self, group: Option<Group>) -> Option<()> {
        match group {
            Some(group) => self.group.replace(group).is_none(),
            None => !std::mem::replace(&mut self.none, true),
        }
        .then_some(())
    }
}

impl Parts {
    fn collect(suite: &str, known: fn() -> String) -> Result<Self, ParseSuiteError> {
        let mut parts = Self::default();
        for keyword in suite.split('-') {
            let Some(part) = Part::parse(keyword.trim()) else {
                let (keyword, suite) = (keyword.trim().to_owned(), suite.to_owned());
                return Err(ParseSuiteError::Unknown { keyword, suite, known: known() });
            };
            let repeated = match part {
                Part::Encryption(value) => parts.encryption.replace(value).map(|_| "cipher"),
                Part::Integrity(value) => parts.integrity.replace(value).map(|_| "integrity algorithm"),
                Part::Prf(value) => parts.prf.replace(value).map(|_| "PRF"),
                Part::Group(value) => parts.group.replace(value).map(|_| "Diffie-Hellman group"),
                Part::NoGroup => parts.no_group.replace(()).map(|()| "modpnone"),
                Part::Esn => parts.esn.replace(()).map(|()| "esn"),
                Part::NoEsn => parts.no_esn.replace(()).map(|()| "noesn"),
                Part::Additional(place, group) => match parts.additional[place].say(group) {
                    Some(()) => None,
                    None => Some("method for one additional key exchange"),
                },
            };
            if let Some(role) = repeated {
                return Err(ParseSuiteError::Repeated { role, suite: suite.to_owned() });
            }
        }
        Ok(parts)
    }

    /// The key exchanges after the first one, which is by `first`.
    fn additional(&self, text: &str, first: Group) -> Result<AdditionalKeyExchanges, ParseSuiteError> {
        let mut additional = AdditionalKeyExchanges::NONE;
        for (place, said) in self.additional.iter().enumerate() {
            let Some(group) = said.group else {
                if said.none {
                    let role = "method for an additional key exchange that may be none";
                    return Err(missing(role, text, "ke1_mlkem768"));
                }
                continue;
            };
            if group == first || additional.groups().contains(&group) {
                return Err(ParseSuiteError::SameGroup { suite: text.to_owned(), group });
            }
            additional.set(place, AdditionalKeyExchange { group, optional: said.none });
        }
        Ok(additional)
    }

    /// The cipher and, exactly where it needs one, its integrity algorithm.
    fn protection(&self, text: &str, ike: bool) -> Result<(Encryption, Option<Integrity>), ParseSuiteError> {
        let encryption = self.encryption.ok_or_else(|| missing("cipher", text, "aes256"))?;
        match self.integrity {
            Some(integrity) if encryption.is_aead() => {
                let suite = text.to_owned();
                Err(ParseSuiteError::NeedlessIntegrity { suite, encryption, integrity, ike })
            }
            None if !encryption.is_aead() => Err(missing("integrity algorithm", text, "sha256")),
            integrity => Ok((encryption, integrity)),
        }
    }
}

enum Part {
    Encryption(Encryption),
    Integrity(Integrity),
    Prf(Prf),
    Group(Group),
    NoGroup,
    Esn,
    NoEsn,
    /// In a place, a method or none.
    Additional(usize, Option<Group>),
}

impl Part {
    fn parse(keyword: &str) -> Option<Self> {
        let keyword = keyword.to_ascii_lowercase();
        if let Some((place, method)) = keyword.strip_prefix("ke").and_then(|rest| rest.split_once('_')) {
            let place = place.parse::<usize>().ok()?.checked_sub(1).filter(|place| *place < MAX_ADDITIONAL)?;
            return match Self::parse(method) {
                _ if method == "none" => Some(Self::Additional(place, None)),
                Some(Self::Group(group)) => Some(Self::Additional(place, Some(group))),
                Some(_) | None => None,
            };
        }
        let same = |known: &dyn fmt::Display| known.to_string() == keyword;
        if let Some(encryption) = Encryption::ALL.into_iter().find(|known| same(known)) {
            return Some(Self::Encryption(encryption));
        }
        if let Some(integrity) = Integrity::ALL.into_iter().find(|known| same(known)) {
            return Some(Self::Integrity(integrity));
        }
        if let Some(prf) = Prf::ALL.into_iter().find(|known| same(known)) {
            return Some(Self::Prf(prf));
        }
        if let Some(group) = Group::ALL.into_iter().find(|known| same(known)) {
            return Some(Self::Group(group));
        }
        Some(match keyword.as_str() {
            "aes" => Self::Encryption(Encryption::AesCbc(128)),
            "sha" => Self::Integrity(Integrity::HmacSha1),
            "sha2_256" => Self::Integrity(Integrity::HmacSha256),
            "sha2_384" => Self::Integrity(Integrity::HmacSha384),
            "sha2_512" => Self::Integrity(Integrity::HmacSha512),
            "curve25519" => Self::Group(Group::X25519),
            "modpnone" => Self::NoGroup,
            "esn" => Self::Esn,
            "noesn" => Self::NoEsn,
            other => Self::Encryption(gcm_by_tag_bits(other)?),
        })
    }
}

/// strongSwan's other names of AES-GCM: without its tag, or with the tag in bits.
fn gcm_by_tag_bits(keyword: &str) -> Option<Encryption> {
    let (cipher, tag) = keyword.split_once("gcm")?;
    let bits = match cipher {
        "aes128" => 128,
        "aes192" => 192,
        "aes256" => 256,
        _ => return None,
    };
    let tag = match tag {
        "" | "128" => 16,
        "96" => 12,
        "64" => 8,
        _ => return None,
    };
    Some(Encryption::AesGcm { bits, tag })
}

fn ike_keywords() -> String {
    let additional = "ke1_ to ke7_ before a group or none".to_owned();
    [list(&Encryption::ALL), list(&Integrity::ALL), list(&Prf::ALL), list(&Group::ALL), additional].join(", ")
}

fn esp_keywords() -> String {
    let rest = "modpnone, esn, noesn, ke1_ to ke7_ before a group or none".to_owned();
    [list(&Encryption::ALL), list(&Integrity::ALL), list(&Group::ALL), rest].join(", ")
}

fn list(known: &[impl fmt::Display]) -> String {
    known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn missing(role: &'static str, suite: &str, example: &'static str) -> ParseSuiteError {
    ParseSuiteError::Missing { role, suite: suite.to_owned(), example }
}

fn misplaced_in(keyword: &str, suite: &str, place: &'static str) -> ParseSuiteError {
    ParseSuiteError::Misplaced { keyword: keyword.to_owned(), suite: suite.to_owned(), place }
}
