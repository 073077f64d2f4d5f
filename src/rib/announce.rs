//! Adj-RIB-Out: telling each peer what changed for it.
//!
//! A batch of prefixes is looked at, the difference to what the peer has is grouped by attributes, and goes out as
//! one update of withdrawals and one update per group. Withdrawals come first, so that the peer never has more than
//! it may.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::ptr;
use std::sync::Arc;

use bgp::{Announcement, Attributes, Family, Nlri, Update};
use ipnet::IpNet;

use crate::export::{BestRoute, Export};
use crate::import::local_preference;
use crate::intern::Interner;
use crate::limit::NAMED;
use crate::peer::{AdjOut, Peer};
use crate::rib::Rib;
use crate::table::{Entry, Role, Table};
use crate::{Output, PeerId, PeerPolicy};

/// How many prefixes are announced in one go: large enough to pack well, and a bound on what waits.
const BATCH: usize = 16_384;

impl Rib {
    /// Works on a batch of the first peer that has anything pending; whether there was one.
    pub(crate) fn announce(&mut self) -> bool {
        let Self { config, peers, table, sent, ready, .. } = self;
        let due = |peer: &Peer| !peer.adj_out.pending.is_empty() || !peer.adj_out.ends.is_empty();
        let next = peers.iter_mut().find(|(_, peer)| peer.session.is_some() && due(peer));
        let Some((id, mut out)) = next.map(|(id, peer)| (*id, mem::take(&mut peer.adj_out))) else { return false };
        if let Some(export) = peers.get(&id).and_then(|peer| Export::of(config.asn, id, peer)) {
            let mut packer = Packer::default();
            for (prefix, best) in next_batch(&mut out, &export, peers, table) {
                packer.add(&mut out, &export, table, sent, (prefix, best));
            }
            ready.extend(packer.finish(&export));
            if out.pending.is_empty() {
                let end = |family| Update { end_of_rib: Some(family), ..Update::default() };
                ready.extend(out.ends.drain(..).map(|family| Output::Send { peer: id, update: Box::new(end(family)) }));
            }
        }
        if let Some(peer) = peers.get_mut(&id) {
            peer.adj_out = out;
        }
        true
    }
}

/// The route to a prefix in the Loc-RIB.
pub(crate) fn best<'a>(entry: &'a Entry, peers: &BTreeMap<PeerId, Peer>) -> Option<BestRoute<'a>> {
    if entry.originated {
        return Some(BestRoute::Originated);
    }
    let path = entry.paths.iter().find(|path| path.role == Role::Best)?;
    let peer = peers.get(&path.peer)?;
    Some(BestRoute::Learned {
        from: path.peer,
        ebgp: peer.ebgp,
        local_preference: local_preference(&peer.policy, peer.ebgp, &path.route.attributes),
        route: &path.route,
    })
}

/// The next prefixes to tell a peer about, each once, with their best routes as far as policy lets them through.
fn next_batch<'a>(
    out: &mut AdjOut,
    export: &Export<'_>,
    peers: &BTreeMap<PeerId, Peer>,
    table: &'a Table,
) -> Vec<(u32, Option<BestRoute<'a>>)> {
    let mut batch = Vec::new();
    // Admitting one prefix may displace another, which then belongs to the same batch: it has to be withdrawn first.
    let mut moved = Vec::new();
    while batch.len() < BATCH || !moved.is_empty() {
        let Some(id) = moved.pop().or_else(|| out.pending.pop()) else { break };
        out.pending.remove(id);
        let entry = table.entry(id);
        let best = best(entry, peers).filter(|best| export.judge(&entry.prefix, Some(*best)).is_ok());
        if let Some(limit) = &mut out.limit {
            moved.extend(match best {
                Some(best) => limit.enter(entry.prefix, is_learned(best), id).moved,
                None => limit.leave(entry.prefix),
            });
        }
        if best.is_some() || out.advertised.contains_key(&id) {
            batch.push((id, best));
        } else {
            // The peer does not have it and is not to have it, which is so for most prefixes and peers.
            out.repeat.remove(id);
            out.reported.remove(&id);
        }
    }
    batch.sort_unstable_by_key(|(id, _)| *id);
    batch.dedup_by_key(|(id, _)| *id);
    batch
}

impl<'a> Export<'a> {
    /// None while the session is down.
    pub(crate) fn of(asn: wire::Asn, id: PeerId, peer: &'a Peer) -> Option<Self> {
        let session = peer.session.as_ref()?;
        Some(Self { asn, peer: id, policy: &peer.policy, families: &session.families, ebgp: peer.ebgp })
    }
}

impl AdjOut {
    /// The limit, if it keeps the prefix back.
    pub(crate) fn held_back(&self, prefix: IpNet, best: BestRoute<'_>) -> Option<u32> {
        let limit = self.limit.as_ref()?;
        (!limit.is_admitted(prefix, is_learned(best))).then(|| limit.limit())
    }
}

const fn is_learned(best: BestRoute<'_>) -> bool {
    matches!(best, BestRoute::Learned { .. })
}

/// Groups changes by what they have in common.
#[derive(Default)]
struct Packer {
    held_back: Vec<(IpNet, u32)>,
    withdrawn: Vec<Nlri>,
    /// Attributes as the peer gets them, and the prefixes to announce with them.
    groups: Vec<(Arc<Attributes>, Vec<Nlri>)>,
    /// Where in `groups` the attributes at this address are.
    places: HashMap<usize, usize>,
    /// Where in `groups` a route belongs: by the address of what we got and from whom.
    translated: HashMap<(usize, Option<PeerId>), usize>,
}

impl Packer {
    /// Notes the difference between what the peer has and what it is to have, and takes it as told.
    fn add(
        &mut self,
        out: &mut AdjOut,
        export: &Export<'_>,
        table: &Table,
        sent: &mut Interner<Attributes>,
        (id, best): (u32, Option<BestRoute<'_>>),
    ) {
        let prefix = table.entry(id).prefix;
        let repeat = out.repeat.remove(id);
        let held_back = best.and_then(|best| out.held_back(prefix, best));
        self.report(out, id, prefix, held_back);
        let Some(best) = best.filter(|_| held_back.is_none()) else {
            if out.advertised.remove(&id).is_some() {
                self.withdrawn.push(prefix.into());
            }
            return;
        };
        let place = self.translate(export, best, sent);
        let (attributes, prefixes) = &mut self.groups[place];
        let told = out.advertised.insert(id, Arc::clone(attributes));
        if repeat || told.is_none_or(|told| !Arc::ptr_eq(&told, attributes)) {
            prefixes.push(prefix.into());
        }
    }

    /// Notes that a prefix is held back now and was not before, as long as few are.
    fn report(&mut self, out: &mut AdjOut, id: u32, prefix: IpNet, held_back: Option<u32>) {
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
    }

    /// The group of a route as the peer gets it.
    fn translate(&mut self, export: &Export<'_>, best: BestRoute<'_>, sent: &mut Interner<Attributes>) -> usize {
        let key = match best {
            BestRoute::Originated => (0, None),
            BestRoute::Learned { from, route, .. } => (ptr::from_ref(route).addr(), Some(from)),
        };
        let Self { groups, places, translated, .. } = self;
        *translated.entry(key).or_insert_with(|| {
            let attributes = sent.share(export.attributes(best));
            *places.entry(Arc::as_ptr(&attributes).addr()).or_insert_with(|| {
                groups.push((attributes, Vec::new()));
                groups.len() - 1
            })
        })
    }

    fn finish(self, export: &Export<'_>) -> impl Iterator<Item = Output> {
        let (peer, policy) = (export.peer, export.policy.clone());
        let held_back = self.held_back.into_iter().map(move |(prefix, limit)| Output::HeldBack { peer, prefix, limit });
        let withdrawn = sorted(self.withdrawn);
        let gone = (!withdrawn.is_empty()).then(|| Update { withdrawn, ..Update::default() });
        let groups =
            self.groups.into_iter().filter(|(_, prefixes)| !prefixes.is_empty()).map(move |(attributes, prefixes)| {
                Update {
                    announced: announcements(&policy, prefixes),
                    attributes: (*attributes).clone(),
                    ..Update::default()
                }
            });
        held_back
            .chain(gone.into_iter().chain(groups).map(move |update| Output::Send { peer, update: Box::new(update) }))
    }
}

/// One per family, each with its own next hop.
fn announcements(policy: &PeerPolicy, prefixes: Vec<Nlri>) -> Vec<Announcement> {
    let mut ipv4 = sorted(prefixes);
    let ipv6 = ipv4.split_off(ipv4.partition_point(|nlri| Family::of(&nlri.prefix) == Family::Ipv4Unicast));
    let announcement = |prefixes: Vec<Nlri>| {
        let next_hop = policy.ends(Family::of(&prefixes.first()?.prefix))?.local;
        Some(Announcement { next_hop, prefixes })
    };
    [ipv4, ipv6].into_iter().filter_map(announcement).collect()
}

fn sorted(mut prefixes: Vec<Nlri>) -> Vec<Nlri> {
    prefixes.sort_unstable();
    prefixes
}
