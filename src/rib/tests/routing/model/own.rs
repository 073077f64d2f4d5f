//! What the model knows of routes of our own making: networks, static routes and aggregates; and of link bandwidths.

use std::collections::BTreeSet;

use bgp::{Attributes, Origin};
use ipnet::IpNet;
use rib::{Aggregate, Distance, NextHop, NextHopSet, StaticHop, StaticRoute, StaticTarget};
use wire::{Asn, LinkId};

use super::reference::Model;
use super::{OWN, hop};
use crate::router::{config, net};

/// A link bandwidth that stays in the AS, and one that does not; the second is three times the first.
pub(super) fn slow() -> [u8; 8] {
    community(0x40, 100.0)
}

pub(super) fn fast() -> [u8; 8] {
    community(0x00, 300.0)
}

fn community(kind: u8, octets_per_second: f32) -> [u8; 8] {
    let [a, b, c, d] = octets_per_second.to_be_bytes();
    [kind, 4, 0xfd, 0xe8, a, b, c, d]
}

/// 0 if nothing is said.
pub(super) fn bandwidth(route: &Attributes) -> u64 {
    let known = [(slow(), 100), (fast(), 300)];
    known.into_iter().find(|(community, _)| route.extended_communities.contains(community)).map_or(0, |(_, told)| told)
}

/// Static routes: one that is told everybody, one in two shares, one that only what is learned from outside beats, and one
/// that everything beats.
pub(super) fn statics(which: usize) -> Vec<StaticRoute> {
    let through = |tunnels: &[(usize, u16)]| {
        let hop = |(tunnel, weight): &(usize, u16)| StaticHop {
            interface: Some(format!("tunnel-{tunnel}")),
            address: hop(*tunnel).address,
            weight: *weight,
        };
        StaticTarget::Via(tunnels.iter().map(hop).collect())
    };
    let all = [
        ("10.3.0.0/16", through(&[(0, 1)]), Distance::STATIC, true),
        ("10.2.0.0/17", through(&[(1, 1), (2, 3)]), Distance::STATIC, false),
        ("172.16.0.0/12", StaticTarget::Blackhole, Distance::EXTERNAL + 10, true),
        ("10.5.0.0/24", through(&[(3, 1)]), 250, true),
    ];
    let chosen = all.into_iter().enumerate().filter(|(at, _)| which >> at & 1 == 1);
    let route =
        |(_, (prefix, target, distance, announce))| StaticRoute { prefix: net(prefix), target, distance, announce };
    chosen.map(route).collect()
}

/// Aggregates: none, one with or without what is in it, one that may be something else as well, and one within another.
pub(super) fn aggregates(variant: usize) -> Vec<Aggregate> {
    let aggregate = |prefix, summary_only| Aggregate { prefix: net(prefix), summary_only, as_set: false };
    match variant {
        0 => vec![],
        1 => vec![aggregate("10.0.0.0/8", false)],
        2 => vec![aggregate("10.0.0.0/8", true)],
        3 => vec![aggregate("10.2.0.0/16", true)],
        _ => vec![aggregate("10.0.0.0/8", false), aggregate("10.2.0.0/16", true)],
    }
}

/// A route of our own making.
pub(super) struct Own {
    pub(super) attributes: Attributes,
    /// Whether peers without an export list are told.
    pub(super) announced: bool,
    distance: u8,
    /// `None` if it says nothing about where packets go.
    ways: Option<NextHopSet>,
}

impl Model {
    /// Prefixes that may have some.
    pub(super) fn own_prefixes(&self) -> BTreeSet<IpNet> {
        let statics = self.statics.iter().map(|route| route.prefix);
        let aggregates = self.aggregates.iter().map(|aggregate| aggregate.prefix);
        self.originated.iter().copied().chain(statics).chain(aggregates).collect()
    }

    /// The first is the one that peers are told of.
    pub(super) fn own(&self, prefix: &IpNet) -> Vec<Own> {
        let plain = |announced, distance, ways| Own { attributes: Attributes::default(), announced, distance, ways };
        let network = self.originated.contains(prefix).then(|| plain(true, 0, None));
        let fixed = self.statics.iter().find(|route| route.prefix == *prefix);
        let fixed = fixed.and_then(|route| Some(plain(route.announce, route.distance, Some(self.static_ways(route)?))));
        let aggregate = self.aggregates.iter().find(|aggregate| aggregate.prefix == *prefix);
        let aggregate = aggregate.and_then(|aggregate| {
            let mut attributes = Attributes { origin: self.origin_within(aggregate)?, ..Attributes::default() };
            attributes.atomic_aggregate = true;
            attributes.aggregator = Some((Asn(OWN), config().router_id.0));
            Some(Own { attributes, announced: true, distance: 0, ways: Some(NextHopSet::discard()) })
        });
        [network, fixed, aggregate].into_iter().flatten().collect()
    }

    /// Whether they win: all of a prefix against the best of what is learned.
    pub(super) fn is_ours(&self, prefix: &IpNet) -> bool {
        let Some(distance) = self.own(prefix).iter().map(|own| own.distance).min() else { return false };
        let best = self.learned(prefix).into_iter().next();
        let distance_of = |peer| if self.is_external(peer) { Distance::EXTERNAL } else { Distance::INTERNAL };
        best.is_none_or(|best| distance <= distance_of(best.peer))
    }

    pub(super) fn own_ways(&self, prefix: &IpNet) -> NextHopSet {
        self.own(prefix).into_iter().find_map(|own| own.ways).unwrap_or_default()
    }

    /// Whether an aggregate is announced in the place of this.
    pub(super) fn is_summarised(&self, prefix: &IpNet) -> bool {
        let mut summaries = self.aggregates.iter().filter(|aggregate| aggregate.summary_only);
        summaries.any(|aggregate| is_within(prefix, aggregate) && self.origin_within(aggregate).is_some())
    }

    fn static_ways(&self, route: &StaticRoute) -> Option<NextHopSet> {
        let StaticTarget::Via(hops) = &route.target else { return Some(NextHopSet::discard()) };
        let alive = |to: &StaticHop| {
            let tunnel = *self.tunnels.iter().find(|tunnel| to.interface == Some(format!("tunnel-{tunnel}")))?;
            let way = NextHop { link: LinkId(u32::try_from(tunnel).unwrap()), address: to.address };
            (!self.dead.contains(&way)).then(|| (way, to.weight.into()))
        };
        let ways: Vec<_> = hops.iter().filter_map(alive).collect();
        (!ways.is_empty()).then(|| NextHopSet::weighted(ways))
    }

    /// The worst ORIGIN of what has a route in it.
    fn origin_within(&self, aggregate: &Aggregate) -> Option<Origin> {
        let known = self.routes.keys().map(|(_, prefix)| *prefix).chain(self.own_prefixes());
        let within: BTreeSet<IpNet> = known.filter(|prefix| is_within(prefix, aggregate)).collect();
        let origin = |prefix: &IpNet| match self.own(prefix).into_iter().next().filter(|_| self.is_ours(prefix)) {
            Some(own) => Some(own.attributes.origin),
            None => self.learned(prefix).first().map(|best| best.route.origin),
        };
        within.iter().filter_map(origin).max()
    }
}

fn is_within(prefix: &IpNet, aggregate: &Aggregate) -> bool {
    aggregate.prefix.contains(prefix) && aggregate.prefix != *prefix
}
