//! Adj-RIB-Out: telling each peer what changed for it.
//!
//! A batch of prefixes is looked at, for all peers at once that are told the same in the same words; what that comes to for
//! each of them is the work of [`pack`](crate::pack). A peer that is [held](Rib::hold) gets nothing until it is released;
//! what changes meanwhile is told once.

use std::mem;

use bgp::{Family, Update};
use ipnet::IpNet;

use crate::decision::DecisionRules;
use crate::export::{BestRoute, Export, Source};
use crate::limit::OutLimit;
use crate::local::{self, Locals};
use crate::pack::{Member, Packer, Told};
use crate::peer::{AdjOut, End, Peer, Sent};
use crate::peers::Peers;
use crate::rib::Rib;
use crate::several::several;
use crate::table::{Entry, Table};
use crate::{Output, PeerId, PeerSession};

/// How many prefixes are announced in one go: large enough to pack well, and a bound on what waits.
const BATCH: usize = 16_384;
/// How many peers are told the same in one go, for the same reason.
const GROUP: usize = 8;

/// What announcements are made from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) peers: &'a Peers,
    pub(crate) table: &'a Table,
    pub(crate) locals: &'a Locals,
    pub(crate) rules: DecisionRules,
}

impl Rib {
    /// The session has no room: announces nothing to the peer until [`release`](Self::release).
    pub fn hold(&mut self, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.held = true;
        }
    }

    /// The session has room again.
    pub fn release(&mut self, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.held = false;
        }
    }

    /// Works on a batch of the first peers that have anything pending and are told the same; whether there were any.
    pub(crate) fn announce(&mut self) -> bool {
        if self.deferred {
            return false;
        }
        let group = self.next_group();
        let Self { config, peers, table, locals, covering, sent, ready, .. } = self;
        let outs: Vec<AdjOut> = group
            .iter()
            .map(|id| peers.get_mut(*id).map(|peer| mem::take(&mut peer.adj_out)).unwrap_or_default())
            .collect();
        let sources = Sources { peers, table, locals, rules: config.decision };
        let member = |(id, out)| Some(Member::new(Export::of(config.asn, peers.get(id)?, covering)?, out));
        let mut members: Vec<Member<'_>> = group.into_iter().zip(outs).filter_map(member).collect();
        let Some(leader) = members.first_mut() else { return false };
        let batch = next_batch(&mut leader.out, &leader.export, sources);
        let mut packer = Packer::new(members, sources);
        batch.into_iter().for_each(|prefix| packer.add(sent, prefix));
        let told: Vec<Told> = packer.finish().collect();
        for Told { peer, held_back, mut updates, mut out } in told {
            ready.extend(held_back.into_iter().map(|(prefix, limit)| Output::HeldBack { peer, prefix, limit }));
            if out.pending.is_empty() {
                updates.extend(out.ends.drain(..).map(marker));
            }
            if !updates.is_empty() {
                ready.push_back(Output::Send { peer, updates });
            }
            if let Some(peer) = peers.get_mut(peer) {
                peer.adj_out = out;
            }
        }
        true
    }

    /// The first peer that has anything pending, and others that are told the same. One that may get too many prefixes, or
    /// gets path identifiers with them, is alone.
    fn next_group(&self) -> Vec<PeerId> {
        let Self { config, peers, covering, table, .. } = self;
        let due = |peer: &&Peer| {
            let out = &peer.adj_out;
            peer.session.is_some() && !peer.held && !(out.pending.is_empty() && out.ends.is_empty())
        };
        let mut due = peers.iter().filter(due);
        let Some(first) = due.next() else { return Vec::new() };
        let mut group = vec![first.id];
        let numbers = |session: &PeerSession| session.add_path.iter().any(|(_, way)| way.send);
        let alone = |peer: &Peer| peer.session.as_ref().is_some_and(numbers) || peer.adj_out.is_crowded(table.len());
        let Some(leader) = Export::of(config.asn, first, covering).filter(|_| !alone(first)) else { return group };
        let alike = |peer: &&Peer| {
            let export = Export::of(config.asn, peer, covering);
            !peer.adj_out.pending.is_empty() && !alone(peer) && export.is_some_and(|export| leader.speaks_as(&export))
        };
        group.extend(due.filter(alike).map(|peer| peer.id).take(GROUP - 1));
        group
    }
}

fn marker(end: End) -> Update {
    match end {
        End::Rib(family) => Update { end_of_rib: Some(family), ..Update::default() },
        End::Refresh(family) => Update { end_of_refresh: Some(family), ..Update::default() },
    }
}

/// The route to a prefix in the Loc-RIB.
pub(crate) fn best<'a>(id: u32, entry: &'a Entry, peers: &'a Peers, locals: &'a Locals) -> Option<BestRoute<'a>> {
    if entry.local {
        let (kind, route) = local::first(locals, id)?;
        return Some(BestRoute::Local { kind, announce: route.announce, attributes: &route.attributes });
    }
    let path = entry.best()?;
    Some(BestRoute::Learned { from: Source::of(peers.at(path.peer)?), route: &path.route })
}

impl<'a> Sources<'a> {
    /// The route that a peer is to be told of, as far as policy is not asked.
    pub(crate) fn best_for(self, id: u32, export: &Export<'_>) -> Option<BestRoute<'a>> {
        let entry = self.table.entry(id);
        if export.policy.treatment.default_originate && entry.prefix.prefix_len() == 0 {
            return Some(BestRoute::Default);
        }
        best(id, entry, self.peers, self.locals)
    }

    /// Whether what a peer is to be told of a prefix is learned; none if there is nothing to tell. Of a peer that takes
    /// several paths, the best may not be for it, while others are.
    pub(crate) fn is_learned_for(self, id: u32, export: &Export<'_>) -> Option<bool> {
        let prefix = self.table.entry(id).prefix;
        if export.sends_paths(Family::of(&prefix)) {
            let routes = several(id, export, self);
            return (!routes.is_empty()).then(|| routes.iter().all(|(_, route, _)| route.is_learned()));
        }
        let best = self.best_for(id, export).filter(|best| export.judge(&prefix, Some(*best)).is_ok())?;
        Some(best.is_learned())
    }
}

/// The next prefixes to tell a peer about, each once. Under a limit that is all of them: after a new start prefixes are
/// admitted whose place others hold at the peer that come later, and those have to be withdrawn first.
fn next_batch(out: &mut AdjOut, export: &Export<'_>, sources: Sources<'_>) -> Vec<u32> {
    out.order_if_crowded(export, sources);
    let mut batch = Vec::new();
    // Admitting one prefix may displace another, which then belongs to the same batch: it has to be withdrawn first.
    let mut moved = Vec::new();
    while batch.len() < BATCH || out.limit.is_some() {
        let Some(id) = moved.pop().or_else(|| out.pending.pop()) else { break };
        if let Some(limit) = &mut out.limit {
            out.pending.remove(id);
            let prefix = sources.table.entry(id).prefix;
            moved.extend(match sources.is_learned_for(id, export) {
                Some(learned) => limit.enter(prefix, learned, id).moved,
                None => limit.leave(prefix),
            });
        }
        batch.push(id);
    }
    if out.limit.is_some() {
        batch.sort_unstable();
        batch.dedup();
    }
    batch
}

impl<'a> Export<'a> {
    /// None while the session is down.
    pub(crate) fn of(asn: wire::Asn, peer: &'a Peer, covering: &'a [IpNet]) -> Option<Self> {
        let session = peer.session.as_ref()?;
        Some(Self {
            asn,
            peer: peer.id,
            policy: &peer.policy,
            session,
            ebgp: peer.ebgp,
            covering,
            drain: peer.is_drained(),
            standing: peer.standing.unwrap_or_default(),
            counts: 0,
        })
    }
}

impl AdjOut {
    /// From the first time on that the peer might get more prefixes than it may, they are kept in the order in which they
    /// are admitted. Until then there is nobody to hold back, and an order of a million prefixes would cost more than
    /// all the rest.
    fn order_if_crowded(&mut self, export: &Export<'_>, sources: Sources<'_>) {
        let crowded = self.limit.is_none() && self.is_crowded(sources.table.len());
        let Some(most) = self.most.filter(|_| crowded) else { return };
        let mut limit = OutLimit::new(most);
        for id in self.prefixes().filter(|id| !self.pending.contains(*id)) {
            let learned = sources.is_learned_for(id, export).unwrap_or(true);
            limit.enter(sources.table.entry(id).prefix, learned, id);
        }
        self.limit = Some(limit);
    }

    /// Whether the peer might get more prefixes than it may, of so many there are.
    fn is_crowded(&self, prefixes: usize) -> bool {
        let possible = self.told.len() + self.told_paths.len() + self.pending.len();
        self.limit.is_some() || self.most.is_some_and(|most| possible.min(prefixes) > most as usize)
    }

    /// The limit, if it keeps the prefix back.
    pub(crate) fn held_back(&self, prefix: IpNet, learned: bool) -> Option<u32> {
        let limit = self.limit.as_ref()?;
        (!limit.is_admitted(prefix, learned)).then(|| limit.limit())
    }
}

impl Export<'_> {
    /// The next hop of a route as it is sent.
    pub(crate) fn next_hop(&self, family: Family, route: &Sent) -> Option<std::net::IpAddr> {
        let own = || Some(self.policy.ends_extended(family, self.session.extended_next_hop)?.local);
        route.next_hop.or_else(own)
    }

    /// Whether the peer is told of several paths to prefixes of `family`.
    pub(crate) fn sends_paths(&self, family: Family) -> bool {
        sends_paths(self.session, family)
    }
}

/// RFC 7911 3: once that is agreed on, every prefix carries a path identifier, even if one path alone is sent.
fn sends_paths(session: &PeerSession, family: Family) -> bool {
    session.paths(family).send
}
