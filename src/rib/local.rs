//! Routes of our own making: networks behind this router, aggregates, and whatever else the process adds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bgp::Attributes;
use ipnet::IpNet;

use crate::NextHopSet;
use crate::rib::Rib;
use crate::source::Distance;

/// Where a route of our own making comes from. Of several to one prefix the first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalKind {
    /// Configured to be announced.
    Network,
    /// Of remote clients whose server runs beside the router, and has the interface that their network is on.
    Pool,
    /// On a link of this router.
    Connected,
    /// Configured, with where it leads.
    Static,
    /// There while something more specific is.
    Aggregate,
}

/// A route of our own making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRoute {
    /// As others are told, before what is due toward each of them.
    pub attributes: Arc<Attributes>,
    /// What the forwarding table is told; empty where the kernel knows the way by itself.
    pub next_hops: NextHopSet,
    /// Compared with that of what is learned; the lower wins.
    pub distance: u8,
    /// Whether a peer without an export list is told.
    pub announce: bool,
}

impl LocalRoute {
    /// A route that beats whatever is learned.
    #[must_use]
    pub const fn new(attributes: Arc<Attributes>, next_hops: NextHopSet) -> Self {
        Self { attributes, next_hops, distance: 0, announce: false }
    }
}

/// All routes of our own making, by prefix.
pub(crate) type Locals = HashMap<u32, BTreeMap<LocalKind, LocalRoute>>;

/// The one that counts.
pub(crate) fn first(locals: &Locals, id: u32) -> Option<(LocalKind, &LocalRoute)> {
    locals.get(&id)?.first_key_value().map(|(kind, route)| (*kind, route))
}

/// Where packets to a prefix of our own go. That we announce it as a network says nothing about that.
pub(crate) fn next_hops(locals: &Locals, id: u32) -> NextHopSet {
    let kinds = locals.get(&id).into_iter().flatten();
    let mut routes = kinds.filter(|(kind, _)| **kind != LocalKind::Network).map(|(_, route)| route);
    routes.next().map_or_else(NextHopSet::default, |route| route.next_hops.clone())
}

impl Rib {
    /// Replaces all routes of `kind`.
    pub fn set_local(&mut self, kind: LocalKind, routes: BTreeMap<IpNet, LocalRoute>) {
        let wanted: BTreeMap<IpNet, LocalRoute> =
            routes.into_iter().map(|(prefix, route)| (prefix.trunc(), route)).collect();
        let held = self.locals.iter().filter(|(_, kinds)| kinds.contains_key(&kind));
        let gone: Vec<u32> =
            held.map(|(id, _)| *id).filter(|id| !wanted.contains_key(&self.table.entry(*id).prefix)).collect();
        for id in gone {
            self.put_local(id, kind, None);
        }
        for (prefix, route) in wanted {
            let id = self.table.enter(prefix);
            self.put_local(id, kind, Some(route));
        }
    }

    /// Sets or removes one route of `kind`.
    pub fn set_local_route(&mut self, kind: LocalKind, prefix: IpNet, route: Option<LocalRoute>) {
        let prefix = prefix.trunc();
        let id = if route.is_some() { Some(self.table.enter(prefix)) } else { self.table.find(&prefix) };
        if let Some(id) = id {
            self.put_local(id, kind, route);
        }
    }

    /// Replaces the originated prefixes.
    pub fn set_originated(&mut self, originated: Vec<IpNet>) {
        let attributes = Arc::new(Attributes::default());
        let route = |prefix: &IpNet| {
            let attributes = Arc::clone(&attributes);
            (prefix.trunc(), LocalRoute::new(attributes, NextHopSet::default()))
        };
        self.set_local(LocalKind::Network, originated.iter().map(route).collect());
        self.config.originated = originated.iter().map(IpNet::trunc).collect::<BTreeSet<_>>().into_iter().collect();
    }

    /// Sets or removes one route of our own making, and has its prefix decided again if that is a change.
    pub(crate) fn put_local(&mut self, id: u32, kind: LocalKind, route: Option<LocalRoute>) {
        let kinds = self.locals.entry(id).or_default();
        let before = match &route {
            Some(route) => kinds.insert(kind, route.clone()),
            None => kinds.remove(&kind),
        };
        let present = !kinds.is_empty();
        let contested = kinds.values().all(|route| route.distance >= Distance::EXTERNAL);
        if !present {
            self.locals.remove(&id);
        }
        if before != route {
            let entry = self.table.entry_mut(id);
            entry.contested = present && contested;
            entry.local = present;
            entry.stale = true;
            self.dirty.insert(id);
        }
    }
}
