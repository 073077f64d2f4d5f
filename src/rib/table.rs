//! The prefixes and their paths.
//!
//! ```text
//!   hash of prefix ──> id        entries[id]: prefix, paths, what the FIB was told
//! ```
//!
//! The id is what the bitmaps of the peers refer to. It is given out again only when the prefix is gone from
//! everywhere. A path is named by peer and path identifier (RFC 7911); toward peers that take several paths it has a
//! number of its own, which it keeps as long as it exists.

use std::sync::Arc;

use compact::{HashKey, IdSet};
use hashbrown::HashTable;
use ipnet::IpNet;
use smallvec::SmallVec;

use crate::NextHopSet;
use crate::peers::Slot;
use crate::route::Route;

#[derive(Debug)]
pub(crate) struct Table {
    index: HashTable<u32>,
    key: HashKey,
    entries: Vec<Entry>,
    live: IdSet,
    free: Vec<u32>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            key: HashKey::random(),
            entries: Vec::new(),
            live: IdSet::default(),
            free: Vec::new(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) prefix: IpNet,
    /// There is a route of our own making; it is the best, unless it is contested.
    pub(crate) local: bool,
    /// There is a route of our own making that some learned ones beat; `local` says whether it won last.
    pub(crate) contested: bool,
    /// Kept without any path: some peer is told of it whatever there is.
    pub(crate) pinned: bool,
    /// What peers may have been told of this prefix is out of date.
    pub(crate) stale: bool,
    /// One is kept in place: most tables hold one for most prefixes.
    pub(crate) paths: SmallVec<[Path; 1]>,
    /// What the forwarding table was told.
    pub(crate) installed: NextHopSet,
}

/// A route in the Adj-RIB-In of a peer.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) route: Arc<Route>,
    /// As the peer numbers it.
    pub(crate) path_id: u32,
    pub(crate) peer: Slot,
    bits: u16,
}

const ACCEPTED: u16 = 1;
const STALE: u16 = 2;
const ROLE: u16 = 4 | 8;
const BEST: u16 = 4;
const MULTIPATH: u16 = 8;
const NUMBER_SHIFT: u32 = 4;
/// Paths of one prefix that can be told apart toward peers; more are not announced side by side.
const NUMBERS: u16 = u16::MAX >> NUMBER_SHIFT;

/// Paths of one peer to one prefix that are kept. Each takes its share of every decision on the prefix.
pub(crate) const PATHS_KEPT: usize = 64;

/// What the last decision made of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    #[default]
    Unused,
    Best,
    Multipath,
}

/// Neighbouring prefixes of one length hash to neighbouring places: tables arrive in some order of addresses, and each
/// peer's in about the same.
fn hash_of(key: HashKey, prefix: &IpNet) -> u64 {
    const NEAR: u64 = 0x3f;
    let host = IpNet::from(prefix.addr()).prefix_len() - prefix.prefix_len();
    let number = match prefix {
        IpNet::V4(net) => u128::from(net.addr().to_bits()),
        IpNet::V6(net) => net.addr().to_bits(),
    };
    let number = number.checked_shr(host.into()).unwrap_or(0);
    let near = u64::from(number.to_le_bytes()[0]) & NEAR;
    let far = key.hash_of(&(number >> 6, prefix.prefix_len(), host));
    // The highest bits tell those apart that come to one place.
    (far & !NEAR | near) ^ near << 57
}

impl Table {
    /// The id of `prefix`, which is entered if it is new.
    pub(crate) fn enter(&mut self, prefix: IpNet) -> u32 {
        let hash = hash_of(self.key, &prefix);
        if let Some(id) = self.index.find(hash, |id| self.entries[*id as usize].prefix == prefix) {
            return *id;
        }
        let entry = Entry::new(prefix);
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
        let Self { index, entries, key, .. } = self;
        index.insert_unique(hash, id, |id| hash_of(*key, &entries[*id as usize].prefix));
        id
    }

    pub(crate) fn find(&self, prefix: &IpNet) -> Option<u32> {
        let hash = hash_of(self.key, prefix);
        self.index.find(hash, |id| self.entries[*id as usize].prefix == *prefix).copied()
    }

    /// The longest prefix that covers `prefix` and satisfies `wanted`.
    pub(crate) fn longest(&self, prefix: &IpNet, wanted: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        (0..=prefix.prefix_len()).rev().find_map(|length| {
            let cover = IpNet::new(prefix.addr(), length).ok()?.trunc();
            Some(self.entry(self.find(&cover)?)).filter(|entry| wanted(entry))
        })
    }

    pub(crate) fn entry(&self, id: u32) -> &Entry {
        &self.entries[id as usize]
    }

    pub(crate) fn entry_mut(&mut self, id: u32) -> &mut Entry {
        &mut self.entries[id as usize]
    }

    /// Forgets a prefix without paths.
    pub(crate) fn remove(&mut self, id: u32) {
        if !self.live.remove(id) {
            return;
        }
        let entry = &mut self.entries[id as usize];
        entry.paths = SmallVec::new();
        let hash = hash_of(self.key, &entry.prefix);
        if let Ok(known) = self.index.find_entry(hash, |known| *known == id) {
            known.remove();
        }
        self.free.push(id);
    }

    /// By address, the shorter prefix first; IPv4 before IPv6.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.sorted(self.live.iter())
    }

    /// The entries of `ids`, in order of their prefixes.
    pub(crate) fn sorted(&self, ids: impl Iterator<Item = u32>) -> impl Iterator<Item = (u32, &Entry)> {
        let mut order: Vec<(IpNet, u32)> = ids.map(|id| (self.entry(id).prefix, id)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, id)| (id, self.entry(id)))
    }

    /// How many prefixes there are.
    pub(crate) const fn len(&self) -> usize {
        self.live.len()
    }

    /// All ids that name a prefix.
    pub(crate) const fn ids(&self) -> &IdSet {
        &self.live
    }
}

impl Entry {
    fn new(prefix: IpNet) -> Self {
        Self {
            prefix,
            local: false,
            contested: false,
            pinned: false,
            stale: false,
            paths: SmallVec::new(),
            installed: NextHopSet::default(),
        }
    }

    /// Puts `path` in place of the one of its peer and path identifier, whose role and number it keeps.
    pub(crate) fn put(&mut self, mut path: Path) -> Option<Path> {
        match self.paths.iter_mut().find(|known| known.is_of(path.peer, path.path_id)) {
            Some(known) => {
                path.bits |= known.bits & !(ACCEPTED | STALE);
                Some(std::mem::replace(known, path))
            }
            None => {
                path.bits |= self.free_number() << NUMBER_SHIFT;
                // Most often one, two or four: there is nothing to grow ahead for.
                if self.paths.len() == self.paths.capacity() {
                    self.paths.reserve_exact(self.paths.len().max(1));
                }
                self.paths.push(path);
                None
            }
        }
    }

    pub(crate) fn take(&mut self, peer: Slot, path_id: u32) -> Option<Path> {
        let at = self.paths.iter().position(|path| path.is_of(peer, path_id))?;
        Some(self.paths.swap_remove(at))
    }

    #[cfg(test)]
    fn path(&self, peer: Slot, path_id: u32) -> Option<&Path> {
        self.paths.iter().find(|path| path.is_of(peer, path_id))
    }

    /// Whether the peer has as many paths to the prefix as are kept, and this is not one of them.
    pub(crate) fn is_full(&self, peer: Slot, path_id: u32) -> bool {
        let mut paths = 0;
        for path in self.paths_of(peer) {
            if path.path_id == path_id {
                return false;
            }
            paths += 1;
        }
        paths >= PATHS_KEPT
    }

    pub(crate) fn paths_of(&self, peer: Slot) -> impl Iterator<Item = &Path> {
        self.paths.iter().filter(move |path| path.peer == peer)
    }

    pub(crate) fn paths_of_mut(&mut self, peer: Slot) -> impl Iterator<Item = &mut Path> {
        self.paths.iter_mut().filter(move |path| path.peer == peer)
    }

    pub(crate) fn best(&self) -> Option<&Path> {
        self.paths.iter().find(|path| path.role() == Role::Best)
    }

    /// Whether nothing says that this prefix exists.
    pub(crate) fn is_vacant(&self) -> bool {
        self.paths.is_empty() && !self.local && !self.contested
    }

    /// The lowest number that no path has; zero if there is none.
    fn free_number(&self) -> u16 {
        let taken = self.paths.iter().filter_map(|path| 1u64.checked_shl(path.number().wrapping_sub(1)));
        let low = taken.fold(0, |set, bit| set | bit);
        if low != u64::MAX {
            return u16::try_from(low.trailing_ones() + 1).unwrap_or(0);
        }
        // One pass, however many there are: a peer may send paths to make this slow.
        let mut taken = [0u64; NUMBERS as usize / 64 + 1];
        for path in &self.paths {
            let number = path.bits >> NUMBER_SHIFT;
            taken[usize::from(number / 64)] |= 1 << (number % 64);
        }
        (65..=NUMBERS).find(|number| taken[usize::from(number / 64)] >> (number % 64) & 1 == 0).unwrap_or(0)
    }
}

impl Path {
    pub(crate) const fn new(route: Arc<Route>, peer: Slot, path_id: u32, accepted: bool) -> Self {
        Self { route, path_id, peer, bits: if accepted { ACCEPTED } else { 0 } }
    }

    pub(crate) fn is_of(&self, peer: Slot, path_id: u32) -> bool {
        self.peer == peer && self.path_id == path_id
    }

    pub(crate) const fn is_accepted(&self) -> bool {
        self.bits & ACCEPTED != 0
    }

    pub(crate) const fn accept(&mut self, accepted: bool) {
        self.bits = if accepted { self.bits | ACCEPTED } else { self.bits & !ACCEPTED };
    }

    /// Whether the peer has not repeated it since it was asked to, or since it restarted.
    pub(crate) const fn is_stale(&self) -> bool {
        self.bits & STALE != 0
    }

    pub(crate) const fn set_stale(&mut self, stale: bool) {
        self.bits = if stale { self.bits | STALE } else { self.bits & !STALE };
    }

    pub(crate) const fn role(&self) -> Role {
        match self.bits & ROLE {
            BEST => Role::Best,
            MULTIPATH => Role::Multipath,
            _ => Role::Unused,
        }
    }

    pub(crate) const fn set_role(&mut self, role: Role) {
        let bits = match role {
            Role::Unused => 0,
            Role::Best => BEST,
            Role::Multipath => MULTIPATH,
        };
        self.bits = self.bits & !ROLE | bits;
    }

    /// What peers that take several paths know this one by; zero if it has no number.
    pub(crate) fn number(&self) -> u32 {
        u32::from(self.bits >> NUMBER_SHIFT)
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

    #[test]
    fn a_path_keeps_its_number_and_gives_it_back_when_it_goes() {
        let route = crate::route::plain(&[64512]);
        let path = |id| Path::new(Arc::clone(&route), Slot::first(), id, true);
        let mut entry = Entry::new(net("10.0.0.0/8"));
        for id in 0..70 {
            entry.put(path(id));
        }
        let number = |entry: &Entry, id| entry.path(Slot::first(), id).map(Path::number);
        assert_eq!((number(&entry, 0), number(&entry, 63), number(&entry, 69)), (Some(1), Some(64), Some(70)));
        entry.take(Slot::first(), 4);
        entry.put(path(3));
        entry.put(path(99));
        assert_eq!((number(&entry, 3), number(&entry, 99)), (Some(4), Some(5)));
    }

    #[test]
    fn a_path_in_place_of_another_takes_over_its_role_but_not_its_staleness() {
        let route = crate::route::plain(&[64512]);
        let mut entry = Entry::new(net("10.0.0.0/8"));
        entry.put(Path::new(Arc::clone(&route), Slot::first(), 7, true));
        entry.paths[0].set_role(Role::Best);
        entry.paths[0].set_stale(true);
        entry.put(Path::new(route, Slot::first(), 7, false));
        let path = &entry.paths[0];
        assert!(!path.is_accepted() && !path.is_stale() && path.role() == Role::Best);
    }
}
