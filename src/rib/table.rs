//! The prefixes and their paths.
//!
//! ```text
//!   trie: prefix -> id        entries[id]: prefix, paths (at most one per peer), what the FIB was told
//! ```
//!
//! The id is what the bitmaps of the peers refer to. It is given out again only when the prefix is gone from
//! everywhere.

use std::sync::Arc;

use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;

use crate::id_set::IdSet;
use crate::import::ReceivedRoute;
use crate::{NextHopSet, PeerId};

#[derive(Debug, Default)]
pub(crate) struct Table {
    trie: JointPrefixMap<IpNet, u32>,
    entries: Vec<Entry>,
    live: IdSet,
    free: Vec<u32>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) prefix: IpNet,
    pub(crate) originated: bool,
    /// What peers may have been told of this prefix is out of date.
    pub(crate) stale: bool,
    pub(crate) paths: Vec<Path>,
    /// What the forwarding table was told.
    pub(crate) installed: NextHopSet,
}

/// A route in the Adj-RIB-In of `peer`.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) route: Arc<ReceivedRoute>,
    pub(crate) peer: PeerId,
    pub(crate) accepted: bool,
    pub(crate) role: Role,
}

/// What the last decision made of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    #[default]
    Unused,
    Best,
    Multipath,
}

impl Table {
    /// The id of `prefix`, which is entered if it is new.
    pub(crate) fn enter(&mut self, prefix: IpNet) -> u32 {
        if let Some(id) = self.trie.get(&prefix) {
            return *id;
        }
        let entry =
            Entry { prefix, originated: false, stale: false, paths: Vec::new(), installed: NextHopSet::default() };
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).expect("memory ends before 2^32 prefixes do")
            }
        };
        self.live.insert(id);
        self.trie.insert(prefix, id);
        id
    }

    pub(crate) fn find(&self, prefix: &IpNet) -> Option<u32> {
        self.trie.get(prefix).copied()
    }

    /// The longest prefix that covers `prefix` and satisfies `wanted`.
    pub(crate) fn longest(&self, prefix: &IpNet, wanted: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        self.trie.cover_values(prefix).map(|id| self.entry(*id)).filter(|entry| wanted(entry)).last()
    }

    pub(crate) fn entry(&self, id: u32) -> &Entry {
        &self.entries[id as usize]
    }

    pub(crate) fn entry_mut(&mut self, id: u32) -> &mut Entry {
        &mut self.entries[id as usize]
    }

    /// Forgets a prefix without paths.
    pub(crate) fn remove(&mut self, id: u32) {
        let prefix = self.entries[id as usize].prefix;
        if self.live.remove(id) {
            self.trie.remove(&prefix);
            self.entries[id as usize].paths = Vec::new();
            self.free.push(id);
        }
    }

    /// By address, the shorter prefix first; IPv4 before IPv6.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.trie.values().map(|id| (*id, self.entry(*id)))
    }

    /// How many prefixes there are.
    pub(crate) fn len(&self) -> usize {
        self.trie.len()
    }

    /// All ids that name a prefix.
    pub(crate) const fn ids(&self) -> &IdSet {
        &self.live
    }
}

impl Entry {
    /// Puts `path` in place of the one of its peer, whose role it keeps until the next decision.
    pub(crate) fn put(&mut self, mut path: Path) -> Option<Path> {
        match self.paths.iter_mut().find(|known| known.peer == path.peer) {
            Some(known) => {
                path.role = known.role;
                Some(std::mem::replace(known, path))
            }
            None => {
                // One path per peer: there is nothing to grow ahead for.
                self.paths.reserve_exact(1);
                self.paths.push(path);
                None
            }
        }
    }

    pub(crate) fn take(&mut self, peer: PeerId) -> Option<Path> {
        let at = self.paths.iter().position(|path| path.peer == peer)?;
        Some(self.paths.swap_remove(at))
    }

    pub(crate) fn path(&self, peer: PeerId) -> Option<&Path> {
        self.paths.iter().find(|path| path.peer == peer)
    }

    pub(crate) fn path_mut(&mut self, peer: PeerId) -> Option<&mut Path> {
        self.paths.iter_mut().find(|path| path.peer == peer)
    }

    /// Whether nothing says that this prefix exists.
    pub(crate) const fn is_vacant(&self) -> bool {
        self.paths.is_empty() && !self.originated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn ids_are_given_out_again_only_after_removal() {
        let mut table = Table::default();
        let a = table.enter(net("10.0.0.0/8"));
        assert_eq!(table.enter(net("10.0.0.0/8")), a);
        let b = table.enter(net("2001:db8::/32"));
        table.remove(a);
        table.remove(a);
        assert_eq!((table.find(&net("10.0.0.0/8")), table.len()), (None, 1));
        let c = table.enter(net("10.1.0.0/16"));
        let d = table.enter(net("10.2.0.0/16"));
        assert!(a == c && d != c && d != b);
        assert_eq!(table.ids().len(), 3);
    }

    #[test]
    fn removing_a_free_id_does_not_touch_the_prefix_it_had() {
        let mut table = Table::default();
        let (a, b) = (table.enter(net("10.0.0.0/8")), table.enter(net("11.0.0.0/8")));
        table.remove(a);
        table.remove(b);
        assert_eq!(table.enter(net("10.0.0.0/8")), b);
        table.remove(a);
        assert_eq!(table.find(&net("10.0.0.0/8")), Some(b));
    }

    #[test]
    fn prefixes_come_in_order_of_address_the_shorter_first() {
        let mut table = Table::default();
        for prefix in ["2001:db8::/32", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0", "10.0.0.0/24", "9.0.0.0/8"] {
            table.enter(net(prefix));
        }
        let order: Vec<String> = table.iter().map(|(_, entry)| entry.prefix.to_string()).collect();
        let expected = ["0.0.0.0/0", "9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/24", "10.1.0.0/16", "2001:db8::/32"];
        assert_eq!(order, expected);
    }

    #[test]
    fn the_longest_wanted_cover_is_found() {
        let mut table = Table::default();
        for prefix in ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"] {
            table.enter(net(prefix));
        }
        let longest = |prefix: &str, skip: &str| {
            table.longest(&net(prefix), |entry| entry.prefix != net(skip)).map(|entry| entry.prefix)
        };
        assert_eq!(longest("10.1.2.3/32", "0.0.0.0/0"), Some(net("10.1.0.0/16")));
        assert_eq!(longest("10.1.2.3/32", "10.1.0.0/16"), Some(net("10.0.0.0/8")));
        assert_eq!(longest("11.0.0.1/32", "10.0.0.0/8"), Some(net("0.0.0.0/0")));
        assert_eq!(longest("2001:db8::1/128", "10.0.0.0/8"), None);
    }

    #[test]
    fn a_path_is_sixteen_octets() {
        assert_eq!(size_of::<Path>(), 16);
    }
}
