//! Adj-RIB-Out: telling each peer what changed for it.
//!
//! A batch of prefixes is looked at, the difference to what the peer has is grouped by attributes, and goes out as
//! one update of withdrawals and one update per group. Withdrawals come first, so that the peer never has more than
//! it may. A peer that is [held](Rib::hold) gets nothing until it is released; what changes meanwhile is told once.

use std::collections::HashMap;
use std::mem;
use std::ptr;
use std::sync::Arc;

use bgp::{Announcement, Family, Nlri, Update};
use ipnet::IpNet;
use policy::Changes;

use crate::decision::DecisionRules;
use crate::export::{BestRoute, Export, Source};
use crate::intern::{HashKey, Interner};
use crate::limit::{NAMED, OutLimit};
use crate::local::{self, Locals};
use crate::peer::{AdjOut, End, Peer, Sent};
use crate::peers::Peers;
use crate::rib::Rib;
use crate::several::several;
use crate::table::{Entry, Table};
use crate::{Output, PeerId, PeerSession};

/// How many prefixes are announced in one go: large enough to pack well, and a bound on what waits.
const BATCH: usize = 16_384;

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

    /// Works on a batch of the first peer that has anything pending; whether there was one.
    pub(crate) fn announce(&mut self) -> bool {
        if self.deferred {
            return false;
        }
        let Self { config, peers, table, locals, covering, sent, ready, .. } = self;
        let due = |peer: &&Peer| !peer.adj_out.pending.is_empty() || !peer.adj_out.ends.is_empty();
        let next = peers.iter().filter(|peer| peer.session.is_some() && !peer.held).find(due).map(|peer| peer.id);
        let Some(id) = next else { return false };
        let mut out = peers.get_mut(id).map(|peer| mem::take(&mut peer.adj_out)).unwrap_or_default();
        if let Some(export) = peers.get(id).and_then(|peer| Export::of(config.asn, peer, covering)) {
            let sources = Sources { peers, table, locals, rules: config.decision };
            let mut packer = Packer::new(Export { counts: true, ..export }, sources);
            for prefix in next_batch(&mut out, &export, sources) {
                packer.add(&mut out, sent, prefix);
            }
            let (held_back, mut updates) = packer.finish();
            ready.extend(held_back);
            if out.pending.is_empty() {
                updates.extend(out.ends.drain(..).map(marker));
            }
            if !updates.is_empty() {
                ready.push_back(Output::Send { peer: id, updates });
            }
        }
        if let Some(peer) = peers.get_mut(id) {
            peer.adj_out = out;
        }
        true
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
            counts: false,
        })
    }
}

impl AdjOut {
    /// From the first time on that the peer might get more prefixes than it may, they are kept in the order in which they
    /// are admitted. Until then there is nobody to hold back, and an order of a million prefixes would cost more than
    /// all the rest.
    fn order_if_crowded(&mut self, export: &Export<'_>, sources: Sources<'_>) {
        let Some(most) = self.most.filter(|_| self.limit.is_none()) else { return };
        let possible = self.told.len() + self.told_paths.len() + self.pending.len();
        if possible.min(sources.table.len()) <= most as usize {
            return;
        }
        let mut limit = OutLimit::new(most);
        for id in self.prefixes().filter(|id| !self.pending.contains(*id)) {
            let learned = sources.is_learned_for(id, export).unwrap_or(true);
            limit.enter(sources.table.entry(id).prefix, learned, id);
        }
        self.limit = Some(limit);
    }

    /// The limit, if it keeps the prefix back.
    pub(crate) fn held_back(&self, prefix: IpNet, learned: bool) -> Option<u32> {
        let limit = self.limit.as_ref()?;
        (!limit.is_admitted(prefix, learned)).then(|| limit.limit())
    }
}

/// Groups changes by what they have in common.
struct Packer<'a> {
    export: Export<'a>,
    sources: Sources<'a>,
    held_back: Vec<(IpNet, u32)>,
    withdrawn: Vec<Nlri>,
    /// Routes as the peer gets them, and the prefixes to announce with them.
    groups: Vec<(Arc<Sent>, Vec<Nlri>)>,
    /// Where in `groups` the route at this address is.
    places: HashMap<usize, usize, HashKey>,
    /// Where in `groups` a route belongs: by the address of what we got and from whom, and what policy changes.
    translated: HashMap<Origin, Vec<(Changes, usize)>, HashKey>,
    /// The same for the last one.
    last: Option<(Origin, Changes, usize)>,
}

/// What decides what a route looks like on its way out: the address of its attributes, from whom, and the family.
type Origin = (usize, Option<PeerId>, Family);

impl<'a> Packer<'a> {
    fn new(export: Export<'a>, sources: Sources<'a>) -> Self {
        Self {
            export,
            sources,
            held_back: Vec::new(),
            withdrawn: Vec::new(),
            groups: Vec::new(),
            places: HashMap::with_hasher(HashKey::random()),
            translated: HashMap::with_hasher(HashKey::random()),
            last: None,
        }
    }

    /// Notes the difference between what the peer has of a prefix and what it is to have, and takes it as told.
    fn add(&mut self, out: &mut AdjOut, sent: &mut Interner<Sent>, id: u32) {
        let Self { export, sources, .. } = *self;
        let prefix = sources.table.entry(id).prefix;
        let repeat = out.repeat.remove(id);
        if export.sends_paths(Family::of(&prefix)) {
            let mut routes = several(id, &export, sources);
            let learned = (!routes.is_empty()).then(|| routes.iter().all(|(_, route, _)| route.is_learned()));
            if self.is_held_back(out, id, learned) {
                routes.clear();
            }
            return self.add_several(out, sent, (id, prefix, repeat), routes);
        }
        let best = sources.best_for(id, &export);
        let judged = best.and_then(|best| Some((best, export.judge(&prefix, Some(best)).ok()?)));
        let held_back = self.is_held_back(out, id, judged.as_ref().map(|(best, _)| best.is_learned()));
        if out.told_paths.contains(id) {
            self.add_several(out, sent, (id, prefix, repeat), Vec::new());
        }
        let Some((best, outgoing)) = judged.filter(|_| !held_back) else {
            if out.told.remove(id).is_some() {
                self.withdrawn.push(prefix.into());
            }
            return;
        };
        let place = self.place(&prefix, best, outgoing, sent);
        let (route, prefixes) = &mut self.groups[place];
        if !repeat && out.told.get(id).is_some_and(|told| Arc::ptr_eq(told, route)) {
            return;
        }
        out.told.insert(id, Arc::clone(route));
        prefixes.push(prefix.into());
    }

    /// The same for a peer that takes several paths.
    fn add_several(
        &mut self,
        out: &mut AdjOut,
        sent: &mut Interner<Sent>,
        (id, prefix, repeat): (u32, IpNet, bool),
        routes: Vec<(u32, BestRoute<'_>, Changes)>,
    ) {
        if out.told.remove(id).is_some() {
            self.withdrawn.push(prefix.into());
        }
        let mut told = Vec::with_capacity(routes.len());
        let before = out.told_paths.remove(id).unwrap_or_default();
        for (number, best, outgoing) in routes {
            let place = self.place(&prefix, best, outgoing, sent);
            let (route, prefixes) = &mut self.groups[place];
            let known = before.iter().any(|(of, known)| *of == number && Arc::ptr_eq(known, route));
            if repeat || !known {
                prefixes.push(Nlri { prefix, path_id: number });
            }
            told.push((number, Arc::clone(route)));
        }
        let gone = before.iter().filter(|(number, _)| !told.iter().any(|(of, _)| of == number));
        self.withdrawn.extend(gone.map(|(number, _)| Nlri { prefix, path_id: *number }));
        out.paths = out.paths - before.len() + told.len();
        if !told.is_empty() {
            out.told_paths.insert(id, told);
        }
    }

    /// Whether the limit keeps back what there is to tell (learned or not; or nothing). Notes that it does now and did not
    /// before, as long as few are.
    fn is_held_back(&mut self, out: &mut AdjOut, id: u32, learned: Option<bool>) -> bool {
        if out.limit.is_none() {
            return false;
        }
        let prefix = self.sources.table.entry(id).prefix;
        let held_back = learned.and_then(|learned| out.held_back(prefix, learned));
        match held_back {
            Some(limit) => {
                if out.reported.len() < NAMED && out.reported.insert(id) {
                    self.held_back.push((prefix, limit));
                }
            }
            None => {
                out.reported.remove(&id);
            }
        }
        held_back.is_some()
    }

    /// The group of a route as the peer gets it.
    fn place(&mut self, prefix: &IpNet, best: BestRoute<'_>, changes: Changes, sent: &mut Interner<Sent>) -> usize {
        let from = match best {
            BestRoute::Local { .. } | BestRoute::Default => None,
            BestRoute::Learned { from, .. } => Some(from.id),
        };
        let origin = (ptr::from_ref(best.attributes()).addr(), from, Family::of(prefix));
        if let Some((last, known, place)) = &self.last
            && *last == origin
            && known.is(&changes)
        {
            return *place;
        }
        let known = self.translated.get(&origin).into_iter().flatten().find(|(known, _)| known.is(&changes));
        let place = match known.map(|(_, place)| *place) {
            Some(place) => place,
            None => {
                let place = self.group(sent.share(self.export.outgoing(prefix, best, &changes)));
                self.translated.entry(origin).or_default().push((changes.clone(), place));
                place
            }
        };
        self.last = Some((origin, changes, place));
        place
    }

    fn group(&mut self, route: Arc<Sent>) -> usize {
        let Self { groups, places, .. } = self;
        *places.entry(Arc::as_ptr(&route).addr()).or_insert_with(|| {
            groups.push((route, Vec::new()));
            groups.len() - 1
        })
    }

    /// What is held back, and what to send.
    fn finish(self) -> (impl Iterator<Item = Output>, Vec<Update>) {
        let Self { export, held_back, withdrawn, groups, .. } = self;
        let peer = export.peer;
        let held_back = held_back.into_iter().map(move |(prefix, limit)| Output::HeldBack { peer, prefix, limit });
        let mut updates = Vec::with_capacity(groups.len() + 1);
        if !withdrawn.is_empty() {
            updates.push(Update { withdrawn: sorted(withdrawn), ..Update::default() });
        }
        let groups = groups.into_iter().filter(|(_, prefixes)| !prefixes.is_empty());
        updates.extend(groups.map(|(route, prefixes)| {
            let announced = announcements(&export, &route, prefixes);
            Update { announced, attributes: Arc::clone(&route.attributes), ..Update::default() }
        }));
        (held_back, updates)
    }
}

/// One per family, each with its own next hop.
fn announcements(export: &Export<'_>, route: &Sent, prefixes: Vec<Nlri>) -> Vec<Announcement> {
    let mut ipv4 = sorted(prefixes);
    let ipv6 = ipv4.split_off(ipv4.partition_point(|nlri| Family::of(&nlri.prefix) == Family::Ipv4Unicast));
    let announcement = |prefixes: Vec<Nlri>| {
        let next_hop = export.next_hop(Family::of(&prefixes.first()?.prefix), route)?;
        Some(Announcement { next_hop, prefixes })
    };
    [ipv4, ipv6].into_iter().filter_map(announcement).collect()
}

fn sorted(mut prefixes: Vec<Nlri>) -> Vec<Nlri> {
    prefixes.sort_unstable();
    prefixes
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
