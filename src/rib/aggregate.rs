//! Aggregates (RFC 4271 9.2.2.2): one prefix announced while something more specific in it has a route.
//!
//! ```text
//!   10.20.1.0/24 ─┐
//!   10.20.2.0/24 ─┼─ contributors ──> 10.20.0.0/16, ATOMIC_AGGREGATE, AGGREGATOR, into the void here:
//!   10.20.9.0/24 ─┘                   what no contributor covers must not go back up a default route
//! ```
//!
//! An aggregate around the outside address of a tunnel's peer is announced, but leads nowhere here: the void would take
//! the tunnel's own packets.
//!
//! ORIGIN is the worst of the contributors'. AS_PATH is empty, or a set of all their numbers where that is configured
//! (RFC 9774 advises against it). With `summary_only` contributors are not announced while the aggregate is.

use std::collections::BTreeSet;
use std::sync::Arc;

use bgp::{AsPath, AsPathSegment, Attributes, Origin, Rare, RareAttributes};
use compact::{IdSet, Paged};
use ipnet::IpNet;
use wire::Asn;

use crate::announce::best;
use crate::import::captured;
use crate::local::{LocalKind, LocalRoute};
use crate::rib::Rib;
use crate::{NextHopSet, RibConfig};

/// RFC 4271 4.3: a segment counts its numbers in one octet.
const SEGMENT_MAX: usize = 255;

/// An aggregate as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// What is announced.
    pub prefix: IpNet,
    /// Whether what is more specific is not announced beside it.
    pub summary_only: bool,
    /// Whether AS_PATH holds the numbers of all contributors.
    pub as_set: bool,
}

/// An aggregate and what there is in it.
#[derive(Debug)]
pub(crate) struct Summary {
    config: Aggregate,
    /// Prefixes with a route in it, each with its ORIGIN.
    contributors: Paged<Origin>,
    /// How many contributors have which ORIGIN.
    origins: [usize; 3],
    /// Something about its contributors changed since it was made.
    due: bool,
}

impl Summary {
    fn new(config: Aggregate) -> Self {
        Self { config, contributors: Paged::default(), origins: [0; 3], due: true }
    }

    fn covers(&self, prefix: &IpNet) -> bool {
        self.config.prefix.contains(prefix) && self.config.prefix != *prefix
    }

    /// Takes note of what a prefix came to: the ORIGIN of its route, if it has one.
    pub(crate) fn note(&mut self, id: u32, prefix: &IpNet, origin: Option<Origin>) {
        if !self.covers(prefix) {
            return;
        }
        let before = match origin {
            Some(origin) => self.contributors.insert(id, origin),
            None => self.contributors.remove(id),
        };
        if let Some(before) = before {
            self.origins[before as usize] -= 1;
        }
        if let Some(origin) = origin {
            self.origins[origin as usize] += 1;
        }
        self.due |= before != origin || self.config.as_set;
    }

    fn origin(&self) -> Option<Origin> {
        let order = [Origin::Incomplete, Origin::Egp, Origin::Igp];
        order.into_iter().find(|origin| self.origins[*origin as usize] > 0)
    }
}

impl Rib {
    /// Has all aggregates made again.
    pub(crate) fn aggregate_again(&mut self) {
        self.summaries.iter_mut().for_each(|summary| summary.due = true);
    }

    /// Replaces the aggregates.
    pub fn set_aggregates(&mut self, aggregates: Vec<Aggregate>) {
        let kept = |summary: &Summary| aggregates.contains(&summary.config);
        let (mut summaries, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.summaries).into_iter().partition(kept);
        for Summary { config, contributors, .. } in gone {
            if let Some(id) = self.table.find(&config.prefix) {
                self.put_local(id, LocalKind::Aggregate, None);
            }
            if config.summary_only {
                self.tell_again(contributors.keys());
            }
        }
        for config in &aggregates {
            if summaries.iter().any(|summary| summary.config == *config) {
                continue;
            }
            let mut summary = Summary::new(*config);
            for id in self.table.ids().iter() {
                let entry = self.table.entry(id);
                let origin = best(id, entry, &self.peers, &self.locals).map(|best| best.attributes().origin);
                summary.note(id, &entry.prefix, origin);
            }
            summaries.push(summary);
        }
        self.summaries = summaries;
        self.covering = self.covering_now();
        self.config.aggregates = aggregates;
    }

    /// Makes the aggregates whose contributors changed; whether there were any.
    pub(crate) fn aggregate(&mut self) -> bool {
        let Some(at) = self.summaries.iter().position(|summary| summary.due) else { return false };
        self.summaries[at].due = false;
        let Aggregate { prefix, summary_only, .. } = self.summaries[at].config;
        let route = self.summarise(&self.summaries[at]);
        let id = self.table.enter(prefix);
        let was = self.locals.get(&id).is_some_and(|kinds| kinds.contains_key(&LocalKind::Aggregate));
        let is = route.is_some();
        self.put_local(id, LocalKind::Aggregate, route);
        if summary_only && was != is {
            let contributors: Vec<u32> = self.summaries[at].contributors.keys().collect();
            self.tell_again(contributors.into_iter());
        }
        if self.table.entry(id).is_vacant() {
            self.vacant.insert(id);
        }
        self.covering = self.covering_now();
        true
    }

    /// Aggregates in whose place nothing more specific is announced.
    fn covering_now(&self) -> Vec<IpNet> {
        let active = self.summaries.iter().filter(|summary| summary.config.summary_only && summary.origin().is_some());
        active.map(|summary| summary.config.prefix).collect()
    }

    fn summarise(&self, summary: &Summary) -> Option<LocalRoute> {
        let RibConfig { asn, router_id, .. } = self.config;
        let as_path = if summary.config.as_set { self.as_set(summary) } else { AsPath::default() };
        let attributes = Attributes {
            origin: summary.origin()?,
            as_path,
            rare: Rare::from(RareAttributes {
                // RFC 4271 5.1.6: numbers are left out.
                atomic_aggregate: !summary.config.as_set,
                aggregator: Some((asn, router_id.0)),
                ..RareAttributes::default()
            }),
            ..Attributes::default()
        };
        let held = captured(&self.config, &summary.config.prefix).is_some();
        let next_hops = if held { NextHopSet::default() } else { NextHopSet::discard() };
        Some(LocalRoute::new(Arc::new(attributes), next_hops))
    }

    fn as_set(&self, summary: &Summary) -> AsPath {
        let mut numbers: BTreeSet<Asn> = BTreeSet::new();
        for id in summary.contributors.keys() {
            let Some(best) = best(id, self.table.entry(id), &self.peers, &self.locals) else { continue };
            let segments = best.attributes().as_path.0.iter();
            numbers.extend(segments.flat_map(|segment| match segment {
                AsPathSegment::Sequence(numbers) | AsPathSegment::Set(numbers) => numbers,
            }));
        }
        numbers.remove(&self.config.asn);
        let numbers: Vec<Asn> = numbers.into_iter().take(SEGMENT_MAX).collect();
        AsPath(if numbers.is_empty() { Vec::new() } else { vec![AsPathSegment::Set(numbers)] })
    }

    /// Whether these prefixes are announced may have changed though their routes have not.
    fn tell_again(&mut self, ids: impl Iterator<Item = u32>) {
        let mut again = IdSet::default();
        for id in ids {
            again.insert(id);
        }
        for peer in self.peers.iter_mut().filter(|peer| peer.session.is_some()) {
            peer.adj_out.pending.union(&again);
        }
    }
}
