//! A route of an Adj-RIB-In: what came with it, what policy made of it, and what the decision process asks of it.
//!
//! ```text
//!   Path (16 octets, one per prefix, peer and path identifier)
//!    └─> Route: attributes that count, next hop, rank     shared by all prefixes, and by all peers that sent the same
//!         └─> attributes as received                      only if policy changed them, shared likewise
//! ```
//!
//! That is how the Adj-RIB-In before policy costs nothing while policy changes nothing, and a new policy is applied
//! without asking the peer for anything.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::ptr;
use std::sync::Arc;

use bgp::{Attributes, Origin};
use wire::{Asn, RouterId};

use crate::as_path;
use crate::bandwidth::link_bandwidth;
use crate::config::Ends;
use crate::{PeerPolicy, Reach};

/// A route as it is shared by many prefixes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// What counts: as received, or as policy made it.
    pub(crate) attributes: Arc<Attributes>,
    /// As received, if policy changed them.
    pub(crate) original: Option<Arc<Attributes>>,
    pub(crate) next_hop: RouteNextHop,
    /// What policy put in its place, where that may be another than the peer.
    pub(crate) toward: Option<IpAddr>,
    pub(crate) rank: Rank,
}

/// The next hop of a route, so that peers of one cloud can share routes: their own addresses are all that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RouteNextHop {
    /// The peer's inside address of IPv4.
    Own4,
    /// The peer's inside address of IPv6.
    Own6,
    /// Some other.
    Other(IpAddr),
}

/// What the decision process asks of a route, so that it has not to look for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rank {
    pub(crate) local_preference: u32,
    /// RFC 4271 9.1.2.2 a)
    pub(crate) path_length: u32,
    pub(crate) med: u32,
    pub(crate) neighbour: Option<Asn>,
    pub(crate) originator_id: Option<RouterId>,
    pub(crate) cluster_list: u16,
    pub(crate) origin: Origin,
    /// Octets per second; 0 if not said.
    pub(crate) bandwidth: u64,
}

impl Rank {
    pub(crate) fn of(attributes: &Attributes, local_preference: u32) -> Self {
        Self {
            local_preference,
            path_length: u32::try_from(as_path::length(&attributes.as_path)).unwrap_or(u32::MAX),
            med: attributes.med.unwrap_or(0),
            neighbour: as_path::neighbour(&attributes.as_path),
            originator_id: attributes.originator_id,
            cluster_list: u16::try_from(attributes.cluster_list.len()).unwrap_or(u16::MAX),
            origin: attributes.origin,
            bandwidth: link_bandwidth(&attributes.extended_communities).unwrap_or(0),
        }
    }
}

impl RouteNextHop {
    /// `ends` are those of the peer's links.
    pub(crate) fn of(next_hop: IpAddr, mut ends: impl Iterator<Item = Ends>) -> Self {
        match (ends.any(|ends| ends.peer == next_hop), next_hop) {
            (true, IpAddr::V4(_)) => Self::Own4,
            (true, IpAddr::V6(_)) => Self::Own6,
            (false, other) => Self::Other(other),
        }
    }

    /// The address itself; `None` if the peer has no link of that family any more.
    pub(crate) fn address(self, mut ends: impl Iterator<Item = Ends>) -> Option<IpAddr> {
        match self {
            Self::Own4 => ends.find(|ends| ends.peer.is_ipv4()).map(|ends| ends.peer),
            Self::Own6 => ends.find(|ends| ends.peer.is_ipv6()).map(|ends| ends.peer),
            Self::Other(address) => Some(address),
        }
    }
}

/// All that two routes can differ in; the rest of the rank follows from it.
pub(crate) type RouteParts<'a> = (&'a Attributes, Option<&'a Attributes>, (RouteNextHop, Option<IpAddr>), u32);

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl Route {
    pub(crate) fn parts(&self) -> RouteParts<'_> {
        (&self.attributes, self.original.as_deref(), (self.next_hop, self.toward), self.rank.local_preference)
    }

    /// Where packets go on an accepted route. In a tunnel that is the peer: an accepted route with another next hop is
    /// one that policy made lead there.
    pub(crate) fn leads_to(&self, policy: &PeerPolicy) -> Option<IpAddr> {
        let ends = policy.all_ends();
        match (self.next_hop, &policy.reach) {
            (RouteNextHop::Other(IpAddr::V4(_)), Reach::Tunnel) => RouteNextHop::Own4.address(ends),
            (RouteNextHop::Other(IpAddr::V6(_)), Reach::Tunnel) => RouteNextHop::Own6.address(ends),
            (any, Reach::Tunnel | Reach::Connected { .. } | Reach::Routed) => self.toward.or_else(|| any.address(ends)),
        }
    }

    /// Before policy.
    pub(crate) fn received(&self) -> &Arc<Attributes> {
        self.original.as_ref().unwrap_or(&self.attributes)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

/// A route with this AS path and nothing else.
#[cfg(test)]
pub(crate) fn plain(numbers: &[u32]) -> Arc<Route> {
    use bgp::{AsPath, AsPathSegment};
    let as_path = AsPath(vec![AsPathSegment::Sequence(numbers.iter().copied().map(Asn).collect())]);
    let attributes = Attributes { as_path, ..Attributes::default() };
    let rank = Rank::of(&attributes, 100);
    Arc::new(Route { attributes: attributes.into(), original: None, next_hop: RouteNextHop::Own4, toward: None, rank })
}
