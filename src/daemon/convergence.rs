//! When all peers have said what they have, after a restart of ours (RFC 4724 4.1): each with an End-of-RIB of every
//! family that its session speaks.

use std::collections::{BTreeMap, BTreeSet};

use bgp::Family;
use rib::PeerId;

/// What has been said so far.
#[derive(Debug, Default)]
pub(super) struct Convergence {
    /// Families of the sessions that were established, the latest of each peer.
    spoken: BTreeMap<PeerId, Vec<Family>>,
    ended: BTreeSet<(PeerId, Family)>,
}

impl Convergence {
    pub(super) fn handle_peer_up(&mut self, peer: PeerId, families: &[Family]) {
        self.spoken.insert(peer, families.to_vec());
    }

    pub(super) fn handle_end_of_rib(&mut self, peer: PeerId, family: Family) {
        self.ended.insert((peer, family));
    }

    /// Whether this peer has said all it has.
    pub(super) fn is_complete(&self, peer: PeerId) -> bool {
        let families = self.spoken.get(&peer);
        families.is_some_and(|families| families.iter().all(|family| self.ended.contains(&(peer, *family))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_complete_with_the_last_of_its_families() {
        let (dual, single) = (PeerId(1), PeerId(2));
        let mut convergence = Convergence::default();
        assert!(!convergence.is_complete(dual), "it has not even come");
        convergence.handle_peer_up(dual, &[Family::Ipv4Unicast, Family::Ipv6Unicast]);
        convergence.handle_peer_up(single, &[Family::Ipv4Unicast]);
        convergence.handle_end_of_rib(dual, Family::Ipv4Unicast);
        convergence.handle_end_of_rib(single, Family::Ipv4Unicast);
        assert!(!convergence.is_complete(dual), "IPv6 routes are still to come");
        assert!(convergence.is_complete(single));
        convergence.handle_end_of_rib(dual, Family::Ipv6Unicast);
        assert!(convergence.is_complete(dual));
    }
}
