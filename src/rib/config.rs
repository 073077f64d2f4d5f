//! What the routing tables are configured with. Checked by the `config` room before it gets here.

use std::net::{IpAddr, Ipv6Addr};

use bgp::Family;
use ipnet::IpNet;
use policy::Chain;
use wire::LinkId;
use wire::{Asn, RouterId};

use crate::Reach;
pub use crate::aggregate::Aggregate;
pub use crate::decision::{DecisionRules, MultipathPaths};
pub use crate::treatment::{LocalAs, PrivateAs, SendPaths, Treatment};

/// Of the whole router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RibConfig {
    /// Our autonomous system.
    pub asn: Asn,
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// Prefixes we announce of our own.
    pub originated: Vec<IpNet>,
    /// Prefixes we announce while there is something more specific in them.
    pub aggregates: Vec<Aggregate>,
    /// How many next hops one route may have.
    pub ecmp_width: usize,
    /// What may be chosen in the decision process.
    pub decision: DecisionRules,
    /// Addresses that must never be reached through a learned route: the peers' outside addresses. A route that
    /// covers one is refused; only a default route that the import policy names is not, see [`policy`](crate::policy).
    pub protected: Vec<IpAddr>,
}

impl RibConfig {
    /// A router that originates nothing, protects nothing, and uses up to 16 next hops.
    #[must_use]
    pub fn new(asn: Asn, router_id: RouterId) -> Self {
        Self {
            asn,
            router_id,
            originated: Vec::new(),
            aggregates: Vec::new(),
            ecmp_width: 16,
            decision: DecisionRules::default(),
            protected: Vec::new(),
        }
    }
}

/// Of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerPolicy {
    /// The name the user gave the session or its tunnel; for messages only.
    pub name: String,
    /// The link the session runs over and its routes point into.
    pub link: LinkId,
    /// How next hops are reached. But for tunnels, `link` means nothing.
    pub reach: Reach,
    /// The peer's autonomous system.
    pub peer_asn: Asn,
    /// Our end of the inside link that the session runs over: the next hop we announce for prefixes of its family.
    pub local_address: IpAddr,
    /// The peer's end.
    pub peer_address: IpAddr,
    /// The IPv6 link beside it in the same tunnel, if there is one. A session over IPv4 may carry IPv6 prefixes too
    /// (RFC 4760); these are their next hops.
    pub inside6: Option<Inside6>,
    /// What to accept of what is not always refused (see the `policy` module).
    pub import: Chain,
    /// What to announce.
    pub export: Chain,
    /// What becomes of routes that are about to go away.
    pub graceful_shutdown: GracefulShutdown,
    /// Upper bound of accepted routes; one more ends the session with Cease 6/1.
    pub max_prefix_in: Option<u32>,
    /// Upper bound of announced prefixes; what is above is held back and reported.
    pub max_prefix_out: Option<u32>,
    /// LOCAL_PREF given to accepted routes.
    pub local_preference: u32,
    /// MED announced.
    pub med: Option<u32>,
    /// How many times our AS is put in front beyond the one that is due.
    pub prepend: u8,
    /// What is done to AS paths, next hops and the number of paths.
    pub treatment: Treatment,
}

/// The ends of the IPv6 link inside a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside6 {
    /// Ours.
    pub local: Ipv6Addr,
    /// The peer's.
    pub peer: Ipv6Addr,
}

/// The ends of the inside link that routes of one family take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) local: IpAddr,
    pub(crate) peer: IpAddr,
}

impl PeerPolicy {
    /// The link for `family`: the session's own if it is of that family, or the one beside it.
    pub(crate) fn ends(&self, family: Family) -> Option<Ends> {
        self.all_ends().find(|ends| Family::of(&ends.local.into()) == family)
    }

    /// The link for routes of `family` where IPv4 routes may have IPv6 next hops (`extended`, RFC 8950): one of the
    /// family itself is preferred.
    pub(crate) fn ends_extended(&self, family: Family, extended: bool) -> Option<Ends> {
        match family {
            Family::Ipv4Unicast if extended => self.ends(family).or_else(|| self.ends(Family::Ipv6Unicast)),
            Family::Ipv4Unicast | Family::Ipv6Unicast => self.ends(family),
        }
    }

    /// All links of the tunnel.
    pub(crate) fn all_ends(&self) -> impl Iterator<Item = Ends> {
        [Some(self.session_ends()), self.inside6_ends()].into_iter().flatten()
    }

    const fn session_ends(&self) -> Ends {
        Ends { local: self.local_address, peer: self.peer_address }
    }

    fn inside6_ends(&self) -> Option<Ends> {
        self.inside6.map(|link| Ends { local: link.local.into(), peer: link.peer.into() })
    }
}

/// Graceful shutdown of one session (RFC 8326).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GracefulShutdown {
    /// Routes that carry the community get the lowest LOCAL_PREF.
    pub honor: bool,
    /// The session is drained: what is announced carries the community and the highest MED, what is received gets the
    /// lowest LOCAL_PREF.
    pub drain: bool,
}
