//! Routes as the routing tables see them: semantic, validated, independent of the wire.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use wire::Asn;

use crate::{Family, Rare};

/// The content of one UPDATE after validation (RFC 4271 4.3, RFC 4760). Toward the wire it may hold any number of
/// prefixes; the session splits it into messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Prefixes no longer reachable, of any family; includes those that RFC 7606 treats as withdrawn.
    pub withdrawn: Vec<Nlri>,
    /// Prefixes now reachable, by next hop.
    pub announced: Vec<Announcement>,
    /// Attributes of all announced prefixes; meaningless when there are none. Shared with whoever keeps them.
    pub attributes: Arc<Attributes>,
    /// The peer has sent all it has of this family (RFC 4724 2).
    pub end_of_rib: Option<Family>,
    /// Toward the peer only: all of this family has been announced again, as it had asked (RFC 7313 4.1). The session
    /// marks the begin by itself.
    pub end_of_refresh: Option<Family>,
}

/// A prefix, and which of several paths to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nlri {
    /// Where to.
    pub prefix: IpNet,
    /// The path identifier (RFC 7911 3); zero where the session has none.
    pub path_id: u32,
}

impl From<IpNet> for Nlri {
    fn from(prefix: IpNet) -> Self {
        Self { prefix, path_id: 0 }
    }
}

impl fmt::Display for Nlri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path_id {
            0 => self.prefix.fmt(f),
            id => write!(f, "{} path {id}", self.prefix),
        }
    }
}

/// Prefixes of one family behind one next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// NEXT_HOP, or the global address of MP_REACH_NLRI. IPv4 prefixes may have an IPv6 next hop where that was agreed
    /// on (RFC 8950).
    pub next_hop: IpAddr,
    /// The prefixes, all of one family.
    pub prefixes: Vec<Nlri>,
}

/// Path attributes but the next hop (RFC 4271 5.1). Ordered and hashable, so that equal sets can be shared.
///
/// Those that few routes have are in [`Attributes::rare`]; they are read and written as if they were here.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes {
    /// ORIGIN.
    pub origin: Origin,
    /// AS_PATH, with four-octet numbers, AS4_PATH merged in.
    pub as_path: AsPath,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_preference: Option<u32>,
    /// COMMUNITIES (RFC 1997).
    pub communities: Vec<u32>,
    /// All others.
    pub rare: Rare,
}

/// ORIGIN (RFC 4271 5.1.1); lower is preferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// From an interior protocol, or configured.
    #[default]
    Igp,
    /// From EGP.
    Egp,
    /// By other means.
    Incomplete,
}

/// AS_PATH (RFC 4271 5.1.2), nearest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsPath(pub Vec<AsPathSegment>);

/// A segment of an AS_PATH.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AsPathSegment {
    /// AS_SEQUENCE.
    Sequence(Vec<Asn>),
    /// AS_SET; counts as one hop.
    Set(Vec<Asn>),
}

/// An attribute passed on unread.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownAttribute {
    /// Optional, Transitive and Partial as received (RFC 4271 4.3).
    pub flags: u8,
    /// Attribute type.
    pub code: u8,
    /// Attribute value.
    pub value: Vec<u8>,
}
