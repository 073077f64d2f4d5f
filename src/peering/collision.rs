//! Two connections between the same two speakers: which one stays (RFC 4271 6.8, RFC 6286 2.3).
//!
//! ```text
//!   OPEN on one connection, while the other is ...
//!     being opened    the attempt is given up
//!     OpenSent        outranked: it is closed;  outranks this one: this one waits for its OPEN, 5 s at most
//!     OpenConfirm     the one that is outranked is closed
//!   KEEPALIVE in OpenConfirm: the other is closed
//! ```
//!
//! The RFC compares only with a connection in OpenConfirm, so that both sides may come to KEEPALIVE on one connection
//! while the OPEN that ends it is under way on the other; then each closes another one. The peer's identifier is known
//! from either connection, so here OpenSent is compared as well. It does not win at once, though: it may be what is
//! left of an attempt the peer has given up.

use wire::{Asn, RouterId};

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    /// We did.
    Ours,
    /// The peer did.
    Theirs,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Ours, Self::Theirs];

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Ours => Self::Theirs,
            Self::Theirs => Self::Ours,
        }
    }

    pub(super) const fn slot(self) -> usize {
        match self {
            Self::Ours => 0,
            Self::Theirs => 1,
        }
    }
}

/// A speaker as far as collisions go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Speaker {
    pub(super) router_id: RouterId,
    pub(super) asn: Asn,
}

/// Whose connection stays: that of the higher identifier, compared as an unsigned number; between equal ones, which
/// only different ASes may have, that of the higher AS number.
pub(super) fn survivor(local: Speaker, peer: Speaker) -> Side {
    let rank = |speaker: Speaker| (u32::from(speaker.router_id.0), speaker.asn);
    if rank(local) > rank(peer) { Side::Ours } else { Side::Theirs }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const fn speaker(id: [u8; 4], asn: u32) -> Speaker {
        Speaker { router_id: RouterId(Ipv4Addr::new(id[0], id[1], id[2], id[3])), asn: Asn(asn) }
    }

    #[test]
    fn both_sides_come_to_the_same_decision() {
        let cases = [
            (speaker([10, 0, 0, 2], 1), speaker([10, 0, 0, 1], 9), Side::Ours),
            (speaker([200, 0, 0, 1], 1), speaker([10, 0, 0, 1], 9), Side::Ours),
            (speaker([10, 0, 0, 1], 9), speaker([10, 0, 0, 1], 7), Side::Ours),
            (speaker([10, 0, 0, 1], 7), speaker([10, 0, 1, 0], 7), Side::Theirs),
        ];
        for (local, peer, expected) in cases {
            assert_eq!(survivor(local, peer), expected);
            assert_eq!(survivor(peer, local), expected.other());
        }
    }
}
