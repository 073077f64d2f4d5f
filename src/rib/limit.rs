//! Which prefixes a peer gets that may not get all (`max_prefix_out`).
//!
//! Some clouds end the session at the first prefix too many (AWS at the 101st), which costs all routes instead of
//! one. So what is above the limit is held back, and which that is depends on the set alone, not on the order in
//! which it grew: originated prefixes come first, then learned ones; among each the shorter before the longer, since
//! a shorter one may cover what is held back; then by address. A prefix that comes or goes may therefore move
//! another one over the line; the withdrawal is always sent before the announcement that takes its place.

use std::collections::BTreeMap;

use ipnet::IpNet;

/// How many prefixes held back are reported by name.
pub const NAMED: usize = 32;

/// A place in the order of admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    learned: bool,
    length: u8,
    prefix: IpNet,
}

impl Rank {
    fn new(prefix: IpNet, learned: bool) -> Self {
        Self { learned, length: prefix.prefix_len(), prefix }
    }
}

/// The prefixes that would be announced, split at the limit. No waiting one ranks before an admitted one, and
/// none waits while there is room.
#[derive(Debug)]
pub(crate) struct OutLimit {
    limit: u32,
    admitted: BTreeMap<Rank, u32>,
    waiting: BTreeMap<Rank, u32>,
}

/// What happened to the prefix, and to which other one in consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) admitted: bool,
    /// The other one whose admission changed.
    pub(crate) moved: Option<u32>,
}

impl OutLimit {
    pub(crate) const fn new(limit: u32) -> Self {
        Self { limit, admitted: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    pub(crate) const fn limit(&self) -> u32 {
        self.limit
    }

    pub(crate) fn held_back(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_admitted(&self, prefix: IpNet, learned: bool) -> bool {
        self.admitted.contains_key(&Rank::new(prefix, learned))
    }

    /// The prefix is to be announced.
    pub(crate) fn enter(&mut self, prefix: IpNet, learned: bool, id: u32) -> Admission {
        // Its rank may have changed: it was originated and is learned now, or the reverse.
        let freed = self.vacate(Rank::new(prefix, !learned));
        let rank = Rank::new(prefix, learned);
        if self.admitted.contains_key(&rank) || self.waiting.contains_key(&rank) {
            return Admission { admitted: self.admitted.contains_key(&rank), moved: freed };
        }
        if self.admitted.len() < self.limit as usize {
            self.admitted.insert(rank, id);
            return Admission { admitted: true, moved: freed };
        }
        match self.admitted.last_entry() {
            Some(last) if rank < *last.key() => {
                let (displaced, other) = last.remove_entry();
                self.waiting.insert(displaced, other);
                self.admitted.insert(rank, id);
                Admission { admitted: true, moved: (freed != Some(other)).then_some(other) }
            }
            Some(_) | None => {
                self.waiting.insert(rank, id);
                Admission { admitted: false, moved: freed }
            }
        }
    }

    /// The prefix is not to be announced any more; returns who takes its place.
    pub(crate) fn leave(&mut self, prefix: IpNet) -> Option<u32> {
        self.vacate(Rank::new(prefix, false)).or_else(|| self.vacate(Rank::new(prefix, true)))
    }

    fn vacate(&mut self, rank: Rank) -> Option<u32> {
        if self.admitted.remove(&rank).is_none() {
            self.waiting.remove(&rank);
            return None;
        }
        let (next, id) = self.waiting.pop_first()?;
        self.admitted.insert(next, id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(third: u8, length: u8) -> IpNet {
        IpNet::new([10, 0, third, 0].into(), length).unwrap()
    }

    #[test]
    fn the_newcomer_that_ranks_higher_displaces_the_last() {
        let mut limit = OutLimit::new(2);
        assert_eq!(limit.enter(net(2, 24), true, 2), Admission { admitted: true, moved: None });
        assert_eq!(limit.enter(net(3, 24), true, 3), Admission { admitted: true, moved: None });
        assert_eq!(limit.enter(net(4, 24), true, 4), Admission { admitted: false, moved: None });
        assert_eq!(limit.enter(net(9, 24), false, 9), Admission { admitted: true, moved: Some(3) });
        assert_eq!(limit.held_back(), 2);
        assert_eq!(limit.leave(net(9, 24)), Some(3));
        assert_eq!(limit.leave(net(4, 24)), None);
        assert_eq!(limit.held_back(), 0);
    }

    #[test]
    fn a_shorter_prefix_ranks_before_a_longer_one() {
        let mut limit = OutLimit::new(1);
        limit.enter(net(1, 24), true, 1);
        assert_eq!(limit.enter(net(2, 23), true, 2), Admission { admitted: true, moved: Some(1) });
    }

    proptest! {
        #[test]
        fn admission_depends_on_the_set_alone(
            limit in 0u32..6,
            steps in prop::collection::vec((0u8..12, prop::option::of(any::<bool>())), 0..60),
        ) {
            let mut out = OutLimit::new(limit);
            let mut present = BTreeMap::new();
            let mut told = BTreeMap::new();
            for (third, learned) in steps {
                let prefix = net(third, 24);
                let moved = match learned {
                    Some(learned) => {
                        present.insert(prefix, learned);
                        let admission = out.enter(prefix, learned, u32::from(third));
                        told.insert(third, admission.admitted);
                        admission.moved
                    }
                    None => {
                        present.remove(&prefix);
                        told.remove(&third);
                        out.leave(prefix)
                    }
                };
                if let Some(moved) = moved.and_then(|id| u8::try_from(id).ok()) {
                    let admitted = out.is_admitted(net(moved, 24), present[&net(moved, 24)]);
                    told.insert(moved, admitted);
                }
                let mut order: Vec<_> = present.iter().map(|(prefix, learned)| Rank::new(*prefix, *learned)).collect();
                order.sort();
                for (place, rank) in order.iter().enumerate() {
                    let expected = place < limit as usize;
                    prop_assert_eq!(out.is_admitted(rank.prefix, rank.learned), expected);
                    let IpNet::V4(v4) = rank.prefix else { unreachable!() };
                    prop_assert_eq!(told[&v4.addr().octets()[2]], expected, "every move is told");
                }
                prop_assert_eq!(out.held_back(), order.len().saturating_sub(limit as usize));
            }
        }
    }
}
