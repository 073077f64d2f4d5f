//! A route as rules see it.

use std::fmt;
use std::net::IpAddr;

use bgp::Attributes;
use ipnet::IpNet;
use wire::Asn;

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// The destination.
    pub prefix: IpNet,
    /// Its attributes, but LOCAL_PREF.
    pub attributes: &'a Attributes,
    /// LOCAL_PREF as far as anything has set it yet.
    pub local_preference: u32,
    /// Where it leads, if anywhere yet.
    pub next_hop: Option<IpAddr>,
    /// Where it comes from.
    pub source: Source,
    /// The name of the session it was learned in; empty if in none.
    pub peer: &'a str,
    /// The AS that `prepend N` repeats: on export our own, on import the peer's.
    pub repeat: Asn,
}

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Learned in a session.
    Bgp,
    /// Configured, with a next hop.
    Static,
    /// The network of an interface.
    Connected,
    /// Configured as being behind this router.
    Originated,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bgp => "bgp",
            Self::Static => "static",
            Self::Connected => "connected",
            Self::Originated => "originated",
        })
    }
}
