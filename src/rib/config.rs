//! What the routing tables are configured with. Checked by the `config` room before it gets here.

use std::net::IpAddr;

use ipnet::IpNet;
use wire::ipsec::TunnelId;
use wire::{Asn, RouterId};

/// Of the whole router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RibConfig {
    /// Our autonomous system.
    pub asn: Asn,
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// Prefixes we announce of our own.
    pub originated: Vec<IpNet>,
    /// How many next hops one route may have.
    pub ecmp_width: usize,
    /// Addresses that must never be reached through a learned route: the peers' outside addresses. A route that
    /// covers one is refused; only a default route that the import list names is not, see [`policy`](crate::policy).
    pub protected: Vec<IpAddr>,
}

/// Of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerPolicy {
    /// The name the user gave the tunnel; for messages only.
    pub name: String,
    /// The tunnel the session runs in and its routes point into.
    pub tunnel: TunnelId,
    /// The peer's autonomous system.
    pub peer_asn: Asn,
    /// Our end of the inside link: the next hop we announce.
    pub local_address: IpAddr,
    /// The peer's end.
    pub peer_address: IpAddr,
    /// What to accept; `None` accepts all but what is always refused (see the `policy` module).
    pub import: Option<Vec<PrefixRule>>,
    /// What to announce; `None` announces the originated prefixes and nothing learned.
    pub export: Option<Vec<PrefixRule>>,
    /// Upper bound of accepted prefixes; one more ends the session with Cease 6/1.
    pub max_prefix_in: Option<u32>,
    /// Upper bound of announced prefixes; what is above is held back and reported.
    pub max_prefix_out: Option<u32>,
    /// LOCAL_PREF given to accepted routes.
    pub local_preference: u32,
    /// MED announced.
    pub med: Option<u32>,
    /// How many times our AS is put in front beyond the one that is due.
    pub prepend: u8,
}

/// One line of a prefix list; the first that matches decides, no match refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixRule {
    /// Accept or refuse.
    pub action: RuleAction,
    /// Covering prefix.
    pub prefix: IpNet,
    /// Shortest length that matches.
    pub min_len: u8,
    /// Longest length that matches.
    pub max_len: u8,
}

/// What a matching rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Accept.
    Permit,
    /// Refuse.
    Deny,
}
