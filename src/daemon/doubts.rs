//! Next hops of lost sessions, in doubt until the routing tables have gone through what was learned there.
//!
//! ```text
//!   session lost ──> in doubt: out of every group at once ──> its routes decided without it, one by one ──> in doubt no more
//! ```
//!
//! A peer that is back meanwhile changes nothing: until they were gone through, routes lead to it that it may not have any
//! more.

use std::collections::{BTreeMap, BTreeSet};

use rib::{NextHop, PeerId};

/// By lost session.
#[derive(Debug, Default)]
pub(super) struct Doubts(BTreeMap<PeerId, Vec<NextHop>>);

impl Doubts {
    /// What is in doubt now that this session is lost, too.
    pub(super) fn begin(&mut self, peer: PeerId, next_hops: Vec<NextHop>) -> BTreeSet<NextHop> {
        if !next_hops.is_empty() {
            self.0.insert(peer, next_hops);
        }
        self.all()
    }

    /// What still is, once all that was learned on this session was gone through.
    pub(super) fn end(&mut self, peer: PeerId) -> BTreeSet<NextHop> {
        self.0.remove(&peer);
        self.all()
    }

    fn all(&self) -> BTreeSet<NextHop> {
        self.0.values().flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use wire::LinkId;

    use super::*;

    #[test]
    fn each_lost_session_has_its_own_doubt() {
        let hop = |link| NextHop { link: LinkId(link), address: [169, 254, 21, 1].into() };
        let mut doubts = Doubts::default();
        assert_eq!(doubts.begin(PeerId(1), vec![hop(1)]), [hop(1)].into());
        assert_eq!(doubts.begin(PeerId(2), vec![hop(2), hop(1)]), [hop(1), hop(2)].into());
        assert_eq!(doubts.end(PeerId(1)), [hop(1), hop(2)].into(), "the other doubts it, too");
        assert_eq!(doubts.begin(PeerId(3), vec![]), [hop(1), hop(2)].into());
        assert_eq!(doubts.end(PeerId(2)), [].into());
    }
}
