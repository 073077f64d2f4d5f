//! What can be wrong with an UPDATE, and what becomes of it: the verdicts of RFC 7606 2 as values.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use wire::Asn;

use super::attribute::AttributeCode;
use super::notification::{ErrorCode, Notification, UpdateSubcode};

/// How an error is handled; later is stronger, and the strongest of a message decides (RFC 7606 3 h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// What is wrong is left out; the rest counts.
    Discard,
    /// What the message announces counts as withdrawn.
    TreatAsWithdraw,
    /// The session ends: what the message announces cannot be known.
    Reset,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discard => "discarded",
            Self::TreatAsWithdraw => "treated as withdrawn",
            Self::Reset => "session reset",
        })
    }
}

/// What is wrong with a field or an attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The Optional or Transitive bit is not that of the attribute (RFC 7606 3 c).
    #[error("has flags {found:#04x}, expected {expected:#04x}")]
    Flags {
        /// Attribute flags.
        found: u8,
        /// Those that RFC prescribes.
        expected: u8,
    },
    /// A length the attribute cannot have.
    #[error("is {found} octets long, expected {expected}")]
    Length {
        /// Octets of the value.
        found: usize,
        /// In words.
        expected: &'static str,
    },
    /// Not one of the three origins.
    #[error("has the undefined value {value}")]
    Origin {
        /// The value.
        value: u8,
    },
    /// AS path segments that do not add up (RFC 7606 7.2).
    #[error("is malformed: {0}")]
    Segment(&'static str),
    /// A confederation's segments from outside of it (RFC 5065 5).
    #[error("has confederation segments, yet the peer is in no confederation of ours")]
    Confederation,
    /// The path does not begin with the peer (RFC 4271 6.3).
    #[error("begins with {}, expected AS {expected}", found.map_or_else(|| "no AS".into(), |asn| format!("AS {asn}")))]
    FirstAs {
        /// The leftmost AS number, if the path begins with a sequence.
        found: Option<Asn>,
        /// The peer's.
        expected: Asn,
    },
    /// AS 0 (RFC 7607).
    #[error("contains AS 0")]
    AsZero,
    /// A next hop that cannot be one.
    #[error("is {address}, {why}")]
    NextHop {
        /// The next hop.
        address: IpAddr,
        /// Why not.
        why: &'static str,
    },
    /// Routes without a mandatory attribute (RFC 7606 3 d).
    #[error("is missing")]
    Missing,
    /// A well-known attribute nobody knows (RFC 4271 6.3).
    #[error("is marked well-known, yet is not known")]
    UnknownWellKnown,
    /// The attribute stands in the message more than once (RFC 7606 3 g).
    #[error("occurs more than once")]
    Duplicate,
    /// The lengths in the message contradict each other (RFC 7606 3 a, 4).
    #[error("needs {needed} octets, {available} left")]
    Overrun {
        /// Octets declared.
        needed: usize,
        /// Octets there are.
        available: usize,
    },
    /// An attribute that has no meaning from a peer in another AS.
    #[error("has no place in a message from another AS")]
    External,
    /// An attribute for two-octet speakers from a four-octet one (RFC 6793 4.1).
    #[error("has no place in a message from a four-octet speaker")]
    FourOctetSpeaker,
    /// A family that was not agreed on.
    #[error("is of AFI {afi} SAFI {safi}, which is not negotiated")]
    NotNegotiated {
        /// Address family identifier.
        afi: u16,
        /// Subsequent address family identifier.
        safi: u8,
    },
    /// Prefixes that cannot be told apart (RFC 7606 5.3).
    #[error("has a prefix of {bits} bits where {available} octets are left")]
    Prefix {
        /// Declared length of the prefix.
        bits: u8,
        /// Octets behind it.
        available: usize,
    },
    /// A path identifier without a prefix behind it (RFC 7911 3).
    #[error("ends with {available} octets where a path identifier and a prefix should be")]
    PathId {
        /// Octets there are.
        available: usize,
    },
    /// RFC 4271 6.3: a prefix that unicast routes cannot have; it alone is ignored.
    #[error("has the prefix {0}, which is no unicast destination")]
    NotUnicast(IpNet),
}

/// One thing wrong with an UPDATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What.
    pub problem: Problem,
    /// How it is handled.
    pub verdict: Verdict,
    /// The attribute as it came, or nothing.
    pub octets: Vec<u8>,
}

/// A part of an UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The field of withdrawn IPv4 routes.
    Withdrawn,
    /// The list of path attributes as a whole.
    AttributeList,
    /// One path attribute.
    Attribute(AttributeCode),
    /// The field of announced IPv4 routes.
    Nlri,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Withdrawn => f.write_str("Withdrawn Routes"),
            Self::AttributeList => f.write_str("Path Attributes"),
            Self::Attribute(code) => code.fmt(f),
            Self::Nlri => f.write_str("NLRI"),
        }
    }
}

/// `AS_PATH begins with AS 65001, expected AS 64512 (treated as withdrawn)`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.place, self.problem, self.verdict)
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// What the peer is told where the session ends for it.
    #[must_use]
    pub fn notification(&self) -> Notification {
        let (subcode, data) = match &self.problem {
            Problem::Flags { .. } => (UpdateSubcode::ATTRIBUTE_FLAGS, self.octets.clone()),
            Problem::Length { .. } => (UpdateSubcode::ATTRIBUTE_LENGTH, self.octets.clone()),
            Problem::Origin { .. } => (UpdateSubcode::INVALID_ORIGIN, self.octets.clone()),
            Problem::Segment(_) | Problem::Confederation | Problem::FirstAs { .. } => {
                (UpdateSubcode::MALFORMED_AS_PATH, Vec::new())
            }
            Problem::AsZero => match self.place {
                Place::Attribute(AttributeCode::AS_PATH) => (UpdateSubcode::MALFORMED_AS_PATH, Vec::new()),
                Place::Withdrawn | Place::AttributeList | Place::Attribute(_) | Place::Nlri => {
                    (UpdateSubcode::OPTIONAL_ATTRIBUTE, self.octets.clone())
                }
            },
            Problem::NextHop { .. } => (UpdateSubcode::INVALID_NEXT_HOP, self.octets.clone()),
            Problem::Missing => (UpdateSubcode::MISSING_WELL_KNOWN_ATTRIBUTE, self.code_octet()),
            Problem::UnknownWellKnown => (UpdateSubcode::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE, self.octets.clone()),
            Problem::Duplicate | Problem::Overrun { .. } => (UpdateSubcode::MALFORMED_ATTRIBUTE_LIST, Vec::new()),
            Problem::External | Problem::FourOctetSpeaker | Problem::NotNegotiated { .. } => {
                (UpdateSubcode::OPTIONAL_ATTRIBUTE, self.octets.clone())
            }
            Problem::Prefix { .. } | Problem::PathId { .. } | Problem::NotUnicast(_) => match self.place {
                Place::Attribute(_) => (UpdateSubcode::OPTIONAL_ATTRIBUTE, self.octets.clone()),
                Place::Withdrawn | Place::AttributeList | Place::Nlri => {
                    (UpdateSubcode::INVALID_NETWORK_FIELD, Vec::new())
                }
            },
        };
        Notification::new(ErrorCode::UPDATE, subcode.0, data)
    }

    fn code_octet(&self) -> Vec<u8> {
        match self.place {
            Place::Attribute(code) => vec![code.0],
            Place::Withdrawn | Place::AttributeList | Place::Nlri => Vec::new(),
        }
    }
}

/// Why an attribute's value is refused; where it stood is added by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Defect {
    pub(super) problem: Problem,
    pub(super) verdict: Verdict,
}

impl Problem {
    pub(super) const fn discard(self) -> Defect {
        Defect { problem: self, verdict: Verdict::Discard }
    }

    pub(super) const fn withdraw(self) -> Defect {
        Defect { problem: self, verdict: Verdict::TreatAsWithdraw }
    }

    pub(super) const fn reset(self) -> Defect {
        Defect { problem: self, verdict: Verdict::Reset }
    }
}

/// Everything wrong with one UPDATE that the session survived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateFaults {
    /// The first few, in order of the message; never empty.
    pub faults: Vec<Fault>,
    /// How many more there were.
    pub omitted: usize,
    /// Announced prefixes that count as withdrawn because of them.
    pub withdrawn: usize,
}

impl UpdateFaults {
    /// The strongest verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.faults.iter().map(|fault| fault.verdict).max().unwrap_or(Verdict::Discard)
    }
}

impl fmt::Display for UpdateFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.faults.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        match self.omitted {
            0 => Ok(()),
            omitted => write!(f, "; and {omitted} more"),
        }
    }
}

/// Collects the faults of one message: the first few, and always one of the strongest.
#[derive(Debug, Default)]
pub(super) struct FaultList {
    faults: Vec<Fault>,
    omitted: usize,
}

impl FaultList {
    const KEPT: usize = 8;

    pub(super) fn push(&mut self, place: Place, defect: Defect, octets: &[u8]) {
        let Defect { problem, verdict } = defect;
        let stronger = self.worst().is_none_or(|worst| verdict > worst.verdict);
        if self.faults.len() >= Self::KEPT {
            self.omitted += 1;
            if !stronger {
                return;
            }
            self.faults.pop();
        }
        self.faults.push(Fault { place, problem, verdict, octets: octets.to_vec() });
    }

    /// The first of the strongest faults.
    pub(super) fn worst(&self) -> Option<&Fault> {
        self.faults.iter().rev().max_by_key(|fault| fault.verdict)
    }

    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.worst().map(|fault| fault.verdict)
    }

    /// `None` if nothing is wrong.
    pub(super) fn finish(self, withdrawn: usize) -> Option<UpdateFaults> {
        let Self { faults, omitted } = self;
        (!faults.is_empty()).then_some(UpdateFaults { faults, omitted, withdrawn })
    }
}
