//! Where a session is: inside a tunnel, or outside of all.

use std::net::IpAddr;

use bgp::Family;
use rib::{Inside6, PeerId, Reach};
use wire::LinkId;
use wire::ipsec::TunnelId;

use settings::{InsideLink, InsideLink6};

/// What a session runs over, as far as its keys depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Over {
    /// The link inside a tunnel, which may have an IPv6 link beside it.
    Tunnel { ipv6: bool },
    /// A network outside the tunnels, by addresses of this family; `accepts` if only the peer connects.
    Neighbor { family: Family, accepts: bool },
}

impl Over {
    /// Families that there are next hops of. `extended` if IPv4 routes may have IPv6 next hops.
    pub(super) fn families(self, extended: bool) -> Vec<Family> {
        match self {
            Self::Tunnel { ipv6: true } => vec![Family::Ipv4Unicast, Family::Ipv6Unicast],
            Self::Tunnel { ipv6: false } => vec![Family::Ipv4Unicast],
            // RFC 8950 4
            Self::Neighbor { family: Family::Ipv6Unicast, .. } if extended => {
                vec![Family::Ipv4Unicast, Family::Ipv6Unicast]
            }
            Self::Neighbor { family, .. } => vec![family],
        }
    }

    pub(super) const fn accepts(self) -> bool {
        match self {
            Self::Tunnel { .. } => false,
            Self::Neighbor { accepts, .. } => accepts,
        }
    }
}

/// The ends of a session.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) id: PeerId,
    pub(super) link: LinkId,
    pub(super) reach: Reach,
    pub(super) local: IpAddr,
    pub(super) peer: IpAddr,
    pub(super) inside6: Option<Inside6>,
}

impl Place {
    pub(super) fn tunnel(tunnel: TunnelId, link: InsideLink, link6: Option<InsideLink6>) -> Self {
        Self {
            id: PeerId(tunnel.0),
            link: tunnel.into(),
            reach: Reach::Tunnel,
            local: link.local,
            peer: link.peer,
            inside6: link6.map(|InsideLink6 { local, peer, .. }| Inside6 { local, peer }),
        }
    }
}
