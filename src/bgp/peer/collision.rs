//! Two connections between the same two speakers: which one stays (RFC 4271 6.8, RFC 6286 2.3).
//!
//! ```text
//!   connection in ──► OPEN received ──► the other is ...
//!                                        connecting            its attempt is given up
//!                                        OpenSent, OpenConfirm the higher identifier's connection stays
//!                                        Established           (an accepted one is refused; never gets here)
//!   connection in ──► Established  ──► the other is closed
//! ```
//!
//! The RFC compares only with a connection in OpenConfirm. Here an OpenSent is compared as well, since the peer's
//! identifier is known from the other connection by then: no connection goes on to KEEPALIVE that the peer is about to
//! close, so both sides never close one each.

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
