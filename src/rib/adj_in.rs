//! Adj-RIB-In: taking over, judging again and forgetting what peers announce.

use std::sync::Arc;

use bgp::{Announcement, Attributes, Family};
use ipnet::IpNet;

use crate::id_set::IdSet;
use crate::import::{Import, ReceivedRoute};
use crate::peer::{AdjIn, Peer};
use crate::rib::Rib;
use crate::table::{Entry, Path, Role};
use crate::{Output, PeerId};

/// How many refused routes of one peer are kept. They are kept to say why they are refused, and to be judged again
/// when the policy changes; a peer that floods us with such does not get more memory for it.
const REFUSED_KEPT: usize = 65_536;

impl Rib {
    /// Takes over one announcement; prefixes of families that were not negotiated are passed over (RFC 4760 7).
    pub(crate) fn receive(&mut self, from: PeerId, routes: Announcement, attributes: Attributes, families: &[Family]) {
        let Self { config, links, peers, table, received, dirty, vacant, ready, .. } = self;
        let Some(Peer { policy, ebgp, adj_in, .. }) = peers.get_mut(&from) else { return };
        let import = Import { config, links, policy, ebgp: *ebgp };
        let route = received.share(ReceivedRoute { attributes, next_hop: routes.next_hop });
        let mut judged: Option<(Family, bool)> = None;
        for nlri in routes.prefixes {
            let prefix = nlri.prefix.trunc();
            let family = Family::of(&prefix);
            if adj_in.closed || !families.contains(&family) {
                continue;
            }
            let sound = match judged {
                Some((of, sound)) if of == family => sound,
                Some(_) | None => import.judge_route(family, &route).is_ok(),
            };
            judged = Some((family, sound));
            let accepted = sound && import.judge_prefix(&prefix).is_ok();
            if !accepted && adj_in.prefixes.len() - adj_in.accepted >= REFUSED_KEPT {
                adj_in.forgotten += 1;
                if let Some(id) = table.find(&prefix) {
                    adj_in.drop_path(from, id, table.entry_mut(id), dirty, vacant);
                }
                continue;
            }
            let id = table.enter(prefix);
            let path = Path { route: Arc::clone(&route), peer: from, accepted, role: Role::Unused };
            adj_in.put_path(path, id, table.entry_mut(id), dirty);
            ready.extend(adj_in.check_limit(from, policy.max_prefix_in));
        }
    }

    pub(crate) fn withdraw(&mut self, from: PeerId, prefix: &IpNet) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if let Some(id) = self.table.find(prefix) {
            let entry = self.table.entry_mut(id);
            peer.adj_in.drop_path(from, id, entry, &mut self.dirty, &mut self.vacant);
        }
    }

    /// Drops all routes of a peer.
    pub(crate) fn forget_routes(&mut self, from: PeerId) {
        let Self { peers, table, dirty, vacant, received, .. } = self;
        let Some(peer) = peers.get_mut(&from) else { return };
        for id in std::mem::take(&mut peer.adj_in.prefixes).iter() {
            peer.adj_in.drop_path(from, id, table.entry_mut(id), dirty, vacant);
        }
        peer.adj_in = AdjIn::default();
        received.sweep();
    }

    /// Judges all routes of a peer again, and has all its prefixes decided again.
    pub(crate) fn reconsider(&mut self, from: PeerId) {
        let Self { config, links, peers, table, dirty, ready, .. } = self;
        let Some(Peer { policy, ebgp, adj_in, .. }) = peers.get_mut(&from) else { return };
        let import = Import { config, links, policy, ebgp: *ebgp };
        adj_in.accepted = 0;
        for id in adj_in.prefixes.iter() {
            let entry = table.entry_mut(id);
            let prefix = entry.prefix;
            // LOCAL_PREF on internal sessions may change though the route stays the best.
            entry.stale = true;
            if let Some(path) = entry.path_mut(from) {
                path.accepted = import.judge(&prefix, &path.route).is_ok();
                adj_in.accepted += usize::from(path.accepted);
            }
        }
        dirty.union(&adj_in.prefixes);
        ready.extend(adj_in.check_limit(from, policy.max_prefix_in));
    }
}

impl AdjIn {
    fn put_path(&mut self, path: Path, id: u32, entry: &mut Entry, dirty: &mut IdSet) {
        let known = entry.path(path.peer);
        if known.is_some_and(|known| known.accepted == path.accepted && known.route.is(&path.route)) {
            return;
        }
        let accepted = path.accepted;
        let old = entry.put(path);
        self.prefixes.insert(id);
        self.accepted += usize::from(accepted);
        if let Some(old) = &old {
            self.accepted -= usize::from(old.accepted);
            entry.stale |= old.role == Role::Best;
        }
        if accepted || old.is_some_and(|old| old.accepted) {
            dirty.insert(id);
        }
    }

    fn drop_path(&mut self, from: PeerId, id: u32, entry: &mut Entry, dirty: &mut IdSet, vacant: &mut IdSet) {
        let Some(old) = entry.take(from) else { return };
        self.prefixes.remove(id);
        self.accepted -= usize::from(old.accepted);
        self.leave_role(old.role);
        entry.stale |= old.role == Role::Best;
        // Its role is from the last decision, its acceptance may be newer.
        if old.accepted || old.role != Role::Unused {
            dirty.insert(id);
        }
        if entry.is_vacant() {
            vacant.insert(id);
        }
    }

    pub(crate) fn enter_role(&mut self, role: Role) {
        match role {
            Role::Best => self.best += 1,
            Role::Multipath => self.multipath += 1,
            Role::Unused => {}
        }
    }

    pub(crate) fn leave_role(&mut self, role: Role) {
        match role {
            Role::Best => self.best -= 1,
            Role::Multipath => self.multipath -= 1,
            Role::Unused => {}
        }
    }

    /// RFC 4271 6.7: one too many is reported once, and ends what is taken from this session.
    fn check_limit(&mut self, peer: PeerId, limit: Option<u32>) -> Option<Output> {
        let limit = limit.filter(|limit| !self.closed && self.accepted > *limit as usize)?;
        self.closed = true;
        Some(Output::PrefixLimit { peer, limit, count: u32::try_from(self.accepted).unwrap_or(u32::MAX) })
    }
}
