//! What the routing tables ask of the process.

use bgp::{Family, Update};
use ipnet::IpNet;

use crate::{FibChange, PeerId};

/// One request or event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Bring the forwarding table to this state.
    Fib(FibChange),
    /// Send this to the peer, in this order.
    Send {
        /// To whom.
        peer: PeerId,
        /// Any number of prefixes each; the session splits them into messages.
        updates: Vec<Update>,
    },
    /// The peer announced more than it may: end the session with Cease, Maximum Number of Prefixes Reached
    /// (RFC 4486 4). Nothing more is accepted from it until it comes up again.
    PrefixLimit {
        /// Who.
        peer: PeerId,
        /// How many accepted prefixes it may have.
        limit: u32,
        /// How many there are.
        count: u32,
    },
    /// The number of accepted routes of a peer has come near its limit. Said again only after it was lower meanwhile.
    PrefixWarning {
        /// Who.
        peer: PeerId,
        /// How many accepted routes it may have.
        limit: u32,
        /// How many there are.
        count: u32,
    },
    /// A prefix is not announced because the peer would get too many. Said by name for the first
    /// [`NAMED`](crate::limit::NAMED) only; [`PeerCounts::held_back`](crate::PeerCounts::held_back) has the number.
    HeldBack {
        /// From whom.
        peer: PeerId,
        /// What.
        prefix: IpNet,
        /// How many prefixes the peer may get.
        limit: u32,
    },
    /// All that the peer had of this family when its session came up is decided on, and what follows from it for
    /// the forwarding table was handed out before this (RFC 4724 2).
    EndOfRib {
        /// Who.
        peer: PeerId,
        /// Of which family.
        family: Family,
    },
    /// All that was learned on a session that was lost is decided without it, and so is what was led over it by static
    /// routes or peers several hops away. What follows for the forwarding table was handed out before this; whether the
    /// peer is back or not.
    Forgotten {
        /// Who.
        peer: PeerId,
    },
    /// A new policy might accept what was refused before and no longer kept: ask the peer for it (RFC 2918).
    RequestRefresh {
        /// Whom.
        peer: PeerId,
        /// For which family.
        family: Family,
    },
}
