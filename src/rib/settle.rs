//! Loc-RIB: deciding again on what changed, and telling the forwarding table.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use crate::announce::best;
use crate::decision::{Candidate, Contest, DecisionRules, Standing};
use crate::local::{self, LocalKind, LocalRoute};
use crate::peer::Peer;
use crate::peers::Peers;
use crate::rib::Rib;
use crate::source::{Distance, Reach};
use crate::standing::Standing as Place;
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
    /// Connections whose tunnels these lead through, and next hops in others of their tunnels.
    connections: Vec<u32>,
    behind: Vec<(Place, NextHop)>,
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
        self.look_up_next_hops_of_leaving();
        let worked = !self.dirty.is_empty();
        let mut scratch = std::mem::take(&mut self.scratch);
        for _ in 0..BATCH {
            let Some(id) = self.dirty.pop() else { break };
            self.settle_prefix(id, &mut scratch);
            self.leaving.values_mut().for_each(|leaving| _ = leaving.remove(id));
        }
        self.scratch = scratch;
        self.report_forgotten() || worked
    }

    /// Looks up what is in doubt. What hangs on routes of a lost session is known only then: it is to be decided, too,
    /// before that session is forgotten.
    fn look_up_next_hops_of_leaving(&mut self) {
        let doubtful = self.is_doubtful();
        self.look_up_next_hops();
        if doubtful {
            self.leaving.values_mut().for_each(|leaving| leaving.union(&self.dirty));
        }
    }

    /// Whether something may hang on routes that were decided again.
    fn is_doubtful(&self) -> bool {
        self.loose_moved || !self.unsure.is_empty()
    }

    /// Says whose lost session leaves nothing undecided; whether there is such a peer.
    fn report_forgotten(&mut self) -> bool {
        if self.is_doubtful() {
            return false;
        }
        let Self { leaving, ready, .. } = self;
        let before = leaving.len();
        leaving.retain(|peer, left| {
            if left.is_empty() {
                ready.push_back(Output::Forgotten { peer: *peer });
            }
            !left.is_empty()
        });
        leaving.len() < before
    }

    fn settle_prefix(&mut self, id: u32, scratch: &mut Scratch) {
        let Self {
            config, peers, table, locals, sets, vacant, ready, summaries, unsure, far, loose, loose_moved, ..
        } = self;
        let entry = table.entry_mut(id);
        if *far {
            track_next_hops(entry, peers, unsure);
        }
        if entry.contested {
            let won = scratch.contest(entry, peers, locals.get(&id), (config.decision, config.ecmp_width));
            entry.stale |= entry.local != won;
            entry.local = won;
        }
        scratch.decide(entry, peers, (config.decision, config.ecmp_width));
        scratch.assign_roles(entry, peers);
        let wanted = if entry.local {
            local::next_hops(locals, id)
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
        if !loose.is_empty() {
            let prefix = &entry.prefix;
            *loose_moved |= loose.range(prefix.network()..=prefix.broadcast()).next().is_some();
        }
        if *far {
            Self::doubt(peers, unsure, &entry.prefix);
        }
        let stale = std::mem::take(&mut entry.stale);
        if stale {
            for summary in summaries {
                let origin = best(id, entry, peers, locals).map(|best| best.attributes().origin);
                summary.note(id, &entry.prefix, origin);
            }
        }
        for peer in peers.iter_mut().filter(|peer| peer.session.is_some()) {
            // Whatever it was, it may have changed which of the paths beside the best can be used, or their order.
            if stale || peer.takes_paths() {
                peer.adj_out.pending.insert(id);
            }
        }
    }
}

/// Notes where next hops of peers several hops away matter from now on.
fn track_next_hops(entry: &Entry, peers: &mut Peers, unsure: &mut BTreeSet<IpAddr>) {
    for path in &entry.paths {
        let Some(peer) = peers.at_mut(path.peer).filter(|peer| peer.policy.reach == Reach::Routed) else { continue };
        let address = path.route.leads_to(&peer.policy);
        unsure.extend(address.filter(|address| peer.reached.note(*address)));
    }
}

impl Scratch {
    /// Whether a route of our own making wins, which the best of the others may beat by distance.
    fn contest(
        &mut self,
        entry: &Entry,
        peers: &Peers,
        own: Option<&BTreeMap<LocalKind, LocalRoute>>,
        rules: (DecisionRules, usize),
    ) -> bool {
        let Some(own) = own.and_then(|kinds| kinds.values().map(|route| route.distance).min()) else { return false };
        self.candidates.clear();
        self.candidates.extend(candidates(entry, peers));
        let standings = self.contest.decide(false, &self.candidates, rules);
        let best = standings.iter().position(|standing| *standing == Standing::Best);
        best.and_then(|at| self.candidates.get(at))
            .is_none_or(|best| own <= if best.ebgp { Distance::EXTERNAL } else { Distance::INTERNAL })
    }

    fn decide(&mut self, entry: &Entry, peers: &Peers, rules: (DecisionRules, usize)) {
        self.candidates.clear();
        self.candidates.extend(candidates(entry, peers));
        self.contest.decide(entry.local, &self.candidates, rules);
    }

    /// Writes down what became of each path, and collects the next hops in use.
    fn assign_roles(&mut self, entry: &mut Entry, peers: &mut Peers) {
        let Self { contest, shares, connections, behind, .. } = self;
        shares.clear();
        connections.clear();
        behind.clear();
        let mut standings = contest.standings().iter();
        for path in &mut entry.paths {
            let Some(peer) = peers.at_mut(path.peer) else { continue };
            let standing = takes_part(path, peer).then(|| standings.next()).flatten();
            let (was, role) = (path.role(), role(standing));
            if was != role {
                entry.stale |= was == Role::Best || role == Role::Best;
                peer.adj_in.leave_role(was);
                peer.adj_in.enter_role(role);
                path.set_role(role);
            }
            if role != Role::Unused {
                push_next_hops(path, peer, shares);
                connections.extend(peer.standing.map(|standing| standing.connection));
            } else if let (Some(standing), Some(_), Some(address)) =
                (peer.standing, standing, path.route.leads_to(&peer.policy))
            {
                behind.push((standing, NextHop { link: peer.egress.link, address }));
            }
        }
    }

    /// The set of the next hops in use; `installed` itself if that is what it holds.
    fn next_hops(&mut self, sets: &mut Sets, installed: &NextHopSet, rules: DecisionRules) -> NextHopSet {
        let spare = self.spare();
        let Self { shares, hops, recent, .. } = self;
        if rules.weighted && shares.len() > 1 && shares.iter().all(|(_, bandwidth)| *bandwidth > 0) {
            return sets.share(NextHopSet::weighted(shares.clone()).with_spare(spare));
        }
        hops.clear();
        hops.extend(shares.iter().map(|(hop, _)| *hop));
        hops.sort_unstable();
        hops.dedup();
        let is = |set: &NextHopSet| {
            set.as_slice() == hops.as_slice() && set.spare() == spare && !set.is_weighted() && !set.is_discard()
        };
        if is(installed) {
            return installed.clone();
        }
        if !is(recent) {
            *recent = sets.share(NextHopSet::new(hops.clone()).with_spare(spare));
        }
        recent.clone()
    }

    /// What takes over while no next hop in use is alive: what stands next in their connections. Sorted.
    fn spare(&self) -> Vec<NextHop> {
        let Self { connections, behind, .. } = self;
        let concerned = || behind.iter().filter(|(standing, _)| connections.contains(&standing.connection));
        let Some(next) = concerned().map(|(standing, _)| standing.import).min() else { return Vec::new() };
        let mut spare: Vec<NextHop> =
            concerned().filter(|(standing, _)| standing.import == next).map(|(_, hop)| *hop).collect();
        spare.sort_unstable();
        spare.dedup();
        spare
    }
}

const fn role(standing: Option<&Standing>) -> Role {
    match standing {
        Some(Standing::Best) => Role::Best,
        Some(Standing::Multipath) => Role::Multipath,
        Some(Standing::Worse(_) | Standing::LeftOut { .. }) | None => Role::Unused,
    }
}

/// Where packets go on a path in use. It was accepted, so there is a link for it, or a route.
fn push_next_hops(path: &Path, peer: &Peer, shares: &mut Vec<(NextHop, u64)>) {
    let Some(address) = path.route.leads_to(&peer.policy) else { return };
    let bandwidth = path.route.rank.bandwidth;
    match peer.policy.reach {
        Reach::Tunnel | Reach::Connected { .. } => {
            shares.push((NextHop { link: peer.egress.link, address }, bandwidth));
        }
        Reach::Routed => shares.extend(peer.reached.of(address).iter().map(|hop| (*hop, bandwidth))),
    }
}

/// The usable paths, in the order of all paths.
pub(crate) fn candidates<'a>(entry: &'a Entry, peers: &'a Peers) -> impl Iterator<Item = Candidate> + 'a {
    entry.paths.iter().filter_map(|path| candidate(path, peers.at(path.peer)?))
}

/// RFC 4271 9.1.2: accepted, and with a valid next hop.
pub(crate) fn is_usable(path: &Path, peers: &Peers) -> bool {
    peers.at(path.peer).is_some_and(|peer| takes_part(path, peer))
}

/// The same for a path of `peer`.
pub(crate) fn takes_part(path: &Path, peer: &Peer) -> bool {
    path.is_accepted() && peer.is_usable() && leads_somewhere(path, peer)
}

fn leads_somewhere(path: &Path, peer: &Peer) -> bool {
    match peer.policy.reach {
        Reach::Tunnel | Reach::Connected { .. } => true,
        Reach::Routed => path.route.leads_to(&peer.policy).is_some_and(|to| !peer.reached.of(to).is_empty()),
    }
}

pub(crate) fn candidate(path: &Path, peer: &Peer) -> Option<Candidate> {
    let to = match peer.policy.reach {
        Reach::Tunnel => None,
        Reach::Connected { .. } | Reach::Routed => path.route.leads_to(&peer.policy),
    };
    takes_part(path, peer).then(|| Candidate {
        next_hop: NextHop { link: peer.egress.link, address: to.unwrap_or(peer.policy.peer_address) },
        peer: peer.id,
        path_id: path.path_id,
        peer_address: peer.policy.peer_address,
        peer_router_id: peer.router_id,
        ebgp: peer.ebgp,
        rank: path.route.rank,
    })
}
