//! Loc-RIB: deciding again on what changed, and telling the forwarding table.

use std::collections::HashSet;

use crate::announce::best;
use crate::decision::{Candidate, Contest, DecisionRules, Standing};
use crate::local;
use crate::peer::Peer;
use crate::peers::Peers;
use crate::rib::Rib;
use crate::table::{Entry, Path, Role};
use crate::{FibChange, NextHop, NextHopSet, Output};

/// How many prefixes are decided in one go: bounds the outputs that wait.
const BATCH: usize = 1024;

/// Distinct sets of next hops, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    known: HashSet<NextHopSet>,
    sweep_at: usize,
}

const SWEEP_AT_LEAST: usize = 256;

impl Sets {
    fn share(&mut self, set: NextHopSet) -> NextHopSet {
        if let Some(known) = self.known.get(&set) {
            return known.clone();
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|set| !set.is_unshared());
            self.sweep_at = SWEEP_AT_LEAST.max(self.known.len() * 2);
        }
        self.known.insert(set.clone());
        set
    }
}

/// Room to work in, kept from prefix to prefix.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    contest: Contest,
    candidates: Vec<Candidate>,
    /// The next hops in use, with the bandwidth of their routes.
    shares: Vec<(NextHop, u64)>,
    hops: Vec<NextHop>,
    /// Those of another prefix, most often the same as of this one.
    recent: NextHopSet,
}

impl Rib {
    /// Decides on a batch of prefixes; whether there were any.
    pub(crate) fn settle(&mut self) -> bool {
        if self.deferred {
            return false;
        }
        let worked = !self.dirty.is_empty();
        let mut scratch = std::mem::take(&mut self.scratch);
        for _ in 0..BATCH {
            let Some(id) = self.dirty.pop() else { break };
            self.settle_prefix(id, &mut scratch);
        }
        self.scratch = scratch;
        worked
    }

    fn settle_prefix(&mut self, id: u32, scratch: &mut Scratch) {
        let Self { config, peers, table, locals, sets, vacant, ready, summaries, .. } = self;
        let entry = table.entry_mut(id);
        scratch.decide(entry, peers, (config.decision, config.ecmp_width));
        scratch.assign_roles(entry, peers);
        let wanted = if entry.local {
            local::first(locals, id).map_or_else(NextHopSet::default, |(_, route)| route.next_hops.clone())
        } else {
            scratch.next_hops(sets, &entry.installed, config.decision)
        };
        if wanted != entry.installed {
            self.installed += usize::from(!wanted.is_empty());
            self.installed -= usize::from(!entry.installed.is_empty());
            entry.installed = wanted.clone();
            ready.push_back(Output::Fib(FibChange { prefix: entry.prefix, next_hops: wanted }));
        }
        if entry.is_vacant() {
            vacant.insert(id);
        }
        let (stale, moved) = (std::mem::take(&mut entry.stale), std::mem::take(&mut entry.moved));
        if stale {
            for summary in summaries {
                let origin = best(id, entry, peers, locals).map(|best| best.attributes().origin);
                summary.note(id, &entry.prefix, origin);
            }
        }
        for peer in peers.iter_mut().filter(|peer| peer.session.is_some()) {
            if stale || moved && peer.takes_paths() {
                peer.adj_out.pending.insert(id);
            }
        }
    }
}

impl Scratch {
    fn decide(&mut self, entry: &Entry, peers: &Peers, rules: (DecisionRules, usize)) {
        self.candidates.clear();
        self.candidates.extend(candidates(entry, peers));
        self.contest.decide(entry.local, &self.candidates, rules);
    }

    /// Writes down what became of each path, and collects the next hops in use.
    fn assign_roles(&mut self, entry: &mut Entry, peers: &mut Peers) {
        let Self { contest, shares, .. } = self;
        shares.clear();
        let mut standings = contest.standings().iter();
        for path in &mut entry.paths {
            let Some(peer) = peers.at_mut(path.peer) else { continue };
            let standing = (path.is_accepted() && peer.is_usable()).then(|| standings.next()).flatten();
            let (was, role) = (path.role(), role(standing));
            if was != role {
                entry.stale |= was == Role::Best || role == Role::Best;
                entry.moved = true;
                peer.adj_in.leave_role(was);
                peer.adj_in.enter_role(role);
                path.set_role(role);
            }
            if role != Role::Unused
                && let Some(hop) = next_hop(path, peer)
            {
                shares.push((hop, path.route.rank.bandwidth));
            }
        }
    }

    /// The set of the next hops in use; `installed` itself if that is what it holds.
    fn next_hops(&mut self, sets: &mut Sets, installed: &NextHopSet, rules: DecisionRules) -> NextHopSet {
        let Self { shares, hops, recent, .. } = self;
        if rules.weighted && shares.len() > 1 && shares.iter().all(|(_, bandwidth)| *bandwidth > 0) {
            return sets.share(NextHopSet::weighted(shares.clone()));
        }
        hops.clear();
        hops.extend(shares.iter().map(|(hop, _)| *hop));
        hops.sort_unstable();
        hops.dedup();
        let is = |set: &NextHopSet| set.as_slice() == hops.as_slice() && !set.is_weighted() && !set.is_discard();
        if is(installed) {
            return installed.clone();
        }
        if !is(recent) {
            *recent = sets.share(NextHopSet::new(hops.clone()));
        }
        recent.clone()
    }
}

const fn role(standing: Option<&Standing>) -> Role {
    match standing {
        Some(Standing::Best) => Role::Best,
        Some(Standing::Multipath) => Role::Multipath,
        Some(Standing::Worse(_) | Standing::LeftOut { .. }) | None => Role::Unused,
    }
}

/// Where packets go on a path in use. It was accepted, so there is a link for it.
fn next_hop(path: &Path, peer: &Peer) -> Option<NextHop> {
    let address = path.route.leads_to(peer.policy.all_ends())?;
    Some(NextHop { link: peer.policy.link, address })
}

/// The usable paths, in the order of all paths.
pub(crate) fn candidates<'a>(entry: &'a Entry, peers: &'a Peers) -> impl Iterator<Item = Candidate> + 'a {
    entry.paths.iter().filter(|path| path.is_accepted()).filter_map(|path| candidate(path, peers.at(path.peer)?))
}

/// RFC 4271 9.1.2: accepted, and with a valid next hop.
pub(crate) fn is_usable(path: &Path, peers: &Peers) -> bool {
    path.is_accepted() && peers.at(path.peer).is_some_and(Peer::is_usable)
}

pub(crate) fn candidate(path: &Path, peer: &Peer) -> Option<Candidate> {
    peer.is_usable().then(|| Candidate {
        peer: peer.id,
        path_id: path.path_id,
        peer_address: peer.policy.peer_address,
        peer_router_id: peer.router_id,
        ebgp: peer.ebgp,
        rank: path.route.rank,
    })
}
