//! Loc-RIB: deciding again on what changed, and telling the forwarding table.

use std::collections::BTreeMap;

use bgp::Family;

use crate::decision::{Candidate, Standing, decide};
use crate::import::local_preference;
use crate::peer::Peer;
use crate::rib::Rib;
use crate::table::{Entry, Path, Role};
use crate::{FibChange, NextHop, NextHopSet, Output, PeerId};

/// How many prefixes are decided in one go: bounds the outputs that wait.
const BATCH: usize = 1024;

impl Rib {
    /// Decides on a batch of prefixes; whether there were any.
    pub(crate) fn settle(&mut self) -> bool {
        let worked = !self.dirty.is_empty();
        let mut recent = NextHopSet::default();
        for _ in 0..BATCH {
            let Some(id) = self.dirty.pop() else { break };
            self.settle_prefix(id, &mut recent);
        }
        worked
    }

    /// `recent` are the next hops of another prefix, most often the same as of this one.
    fn settle_prefix(&mut self, id: u32, recent: &mut NextHopSet) {
        let Self { config, peers, table, next_hops, vacant, ready, .. } = self;
        let entry = table.entry_mut(id);
        let family = Family::of(&entry.prefix);
        let mut standings = decide(entry.originated, &candidates(entry, peers), config.ecmp_width).into_iter();
        let mut hops = Vec::new();
        for path in &mut entry.paths {
            let role = role(is_usable(path, peers).then(|| standings.next()).flatten());
            let Some(peer) = peers.get_mut(&path.peer) else { continue };
            if path.role != role {
                entry.stale |= path.role == Role::Best || role == Role::Best;
                peer.adj_in.leave_role(path.role);
                peer.adj_in.enter_role(role);
                path.role = role;
            }
            // What is in use was accepted, so there is a link for it.
            if role != Role::Unused
                && let Some(ends) = peer.policy.ends(family)
            {
                hops.push(NextHop { link: peer.policy.link, address: ends.peer });
            }
        }
        hops.sort_unstable();
        hops.dedup();
        if hops != entry.installed.as_slice() {
            if hops != recent.as_slice() {
                *recent = NextHopSet::shared(next_hops.share(hops));
            }
            entry.installed = recent.clone();
            ready.push_back(Output::Fib(FibChange { prefix: entry.prefix, next_hops: entry.installed.clone() }));
        }
        if entry.is_vacant() {
            vacant.insert(id);
        }
        if std::mem::take(&mut entry.stale) {
            for peer in peers.values_mut().filter(|peer| peer.session.is_some()) {
                peer.adj_out.pending.insert(id);
            }
        }
    }
}

const fn role(standing: Option<Standing>) -> Role {
    match standing {
        Some(Standing::Best) => Role::Best,
        Some(Standing::Multipath) => Role::Multipath,
        Some(Standing::Worse(_) | Standing::LeftOut { .. }) | None => Role::Unused,
    }
}

/// The usable paths, in the order of all paths.
pub(crate) fn candidates<'a>(entry: &'a Entry, peers: &BTreeMap<PeerId, Peer>) -> Vec<Candidate<'a>> {
    let usable = entry.paths.iter().filter(|path| is_usable(path, peers));
    usable.filter_map(|path| candidate(path, peers.get(&path.peer)?)).collect()
}

/// RFC 4271 9.1.2: accepted, and with a valid next hop.
pub(crate) fn is_usable(path: &Path, peers: &BTreeMap<PeerId, Peer>) -> bool {
    path.accepted && peers.get(&path.peer).is_some_and(|peer| peer.is_usable() && peer.session.is_some())
}

fn candidate<'a>(path: &'a Path, peer: &Peer) -> Option<Candidate<'a>> {
    Some(Candidate {
        peer: path.peer,
        peer_address: peer.policy.peer_address,
        peer_router_id: peer.session.as_ref()?.peer_router_id,
        ebgp: peer.ebgp,
        local_preference: local_preference(&peer.policy, peer.ebgp, &path.route.attributes),
        attributes: &path.route.attributes,
    })
}
