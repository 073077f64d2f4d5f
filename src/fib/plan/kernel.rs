//! What the kernel holds, as far as known: nexthops, our routes, and the interfaces that can carry packets.
//!
//! The kernel's own rules are applied when one of our operations succeeded, so that this picture stays true without a
//! dump: a deleted nexthop leaves its groups, a group without members goes, and so do the routes on what went.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipnet::IpNet;

use super::op::Op;

/// The id of a nexthop object or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NexthopId(pub(crate) u32);

/// A way out: a gateway on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Hop {
    /// Interface index.
    pub(crate) interface: u32,
    /// Inside address of the peer, on link there.
    pub(crate) gateway: IpAddr,
}

/// A nexthop object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nexthop {
    /// Who installed it.
    pub(crate) protocol: u8,
    /// What it is.
    pub(crate) body: Body,
}

/// What a nexthop object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// One gateway.
    Hop(Hop),
    /// Shares for each member; sorted.
    Group(Vec<Member>),
    /// A group that we would not have made, with its members: a resilient one.
    OtherGroup(Vec<NexthopId>),
    /// Blackhole, bridge entry, encapsulation, or on an interface alone.
    Other,
}

/// A member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Member {
    pub(crate) id: NexthopId,
    /// Its part of the traffic, 1 to 256.
    pub(crate) weight: u16,
}

/// What the kernel distinguishes routes of one table by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RouteKey {
    /// Destination.
    pub(crate) prefix: IpNet,
    /// Priority.
    pub(crate) metric: u32,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Through what.
    pub(crate) via: Via,
    /// Preferred source address.
    pub(crate) source: Option<IpAddr>,
}

/// Through what a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// A nexthop object or group.
    Object(NexthopId),
    /// Its own next hops with their weights, 1 to 256; sorted.
    Hops(Arc<[(Hop, u16)]>),
    /// Nothing: packets are dropped.
    Discard,
    /// Something we would not have installed.
    Other,
}

/// Which nexthops are ours.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// Our protocol number.
    pub(crate) protocol: u8,
    /// Our ids.
    pub(crate) ids: RangeInclusive<u32>,
}

impl Body {
    /// What the kernel does to a group when `id` is deleted; whether nothing is left of it.
    pub(crate) fn lose(&mut self, id: NexthopId) -> bool {
        match self {
            Self::Group(members) => {
                members.retain(|member| member.id != id);
                members.is_empty()
            }
            Self::OtherGroup(members) => {
                members.retain(|member| *member != id);
                members.is_empty()
            }
            Self::Hop(_) | Self::Other => false,
        }
    }
}

impl Owner {
    /// Whether `nexthop` under `id` is ours.
    pub(crate) fn owns(&self, id: NexthopId, nexthop: &Nexthop) -> bool {
        nexthop.protocol == self.protocol && self.ids.contains(&id.0)
    }
}

/// The kernel's tables: all nexthops, our routes only.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    owner: Owner,
    nexthops: BTreeMap<NexthopId, Nexthop>,
    /// Our single nexthops by content.
    hops: BTreeMap<Hop, NexthopId>,
    routes: HashMap<RouteKey, Route>,
    /// Routes per nexthop.
    users: HashMap<NexthopId, usize>,
    /// Interfaces that are up and have carrier.
    pub(crate) running: BTreeSet<u32>,
}

impl Kernel {
    pub(crate) fn new(owner: Owner) -> Self {
        Self {
            owner,
            nexthops: BTreeMap::new(),
            hops: BTreeMap::new(),
            routes: HashMap::new(),
            users: HashMap::new(),
            running: BTreeSet::new(),
        }
    }

    pub(crate) fn insert_nexthop(&mut self, id: NexthopId, nexthop: Nexthop) {
        if let (Body::Hop(hop), true) = (&nexthop.body, self.owner.owns(id, &nexthop)) {
            self.hops.insert(*hop, id);
        }
        self.nexthops.insert(id, nexthop);
    }

    pub(crate) fn insert_route(&mut self, key: RouteKey, route: Route) {
        let via = route.via.clone();
        let before = self.routes.insert(key, route);
        if let Via::Object(id) = via {
            *self.users.entry(id).or_default() += 1;
        }
        self.release(before);
    }

    /// The route at `key`, if it is ours.
    pub(crate) fn route(&self, key: &RouteKey) -> Option<&Route> {
        self.routes.get(key)
    }

    /// All our routes, in no order.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (&RouteKey, &Route)> {
        self.routes.iter()
    }

    pub(crate) fn route_count(&self) -> usize {
        self.routes.len()
    }

    /// Our single nexthop with this content.
    pub(crate) fn hop(&self, hop: &Hop) -> Option<NexthopId> {
        self.hops.get(hop).copied()
    }

    /// Our nexthop under `id`.
    pub(crate) fn own(&self, id: NexthopId) -> Option<&Body> {
        self.nexthops.get(&id).filter(|nexthop| self.owner.owns(id, nexthop)).map(|nexthop| &nexthop.body)
    }

    /// All our nexthops.
    pub(crate) fn all_own(&self) -> impl Iterator<Item = (NexthopId, &Body)> {
        let ids = NexthopId(*self.owner.ids.start())..=NexthopId(*self.owner.ids.end());
        let range = self.nexthops.range(ids);
        range.filter(|(id, nexthop)| self.owner.owns(**id, nexthop)).map(|(id, nexthop)| (*id, &nexthop.body))
    }

    /// Whether anybody uses `id`.
    pub(crate) fn is_taken(&self, id: NexthopId) -> bool {
        self.nexthops.contains_key(&id)
    }

    /// Whether a route of ours leads through `id`.
    pub(crate) fn is_routed(&self, id: NexthopId) -> bool {
        self.users.contains_key(&id)
    }

    /// Members of every group, foreign ones too.
    pub(crate) fn grouped(&self) -> BTreeSet<NexthopId> {
        let mut grouped = BTreeSet::new();
        for nexthop in self.nexthops.values() {
            match &nexthop.body {
                Body::Group(members) => grouped.extend(members.iter().map(|member| member.id)),
                Body::OtherGroup(members) => grouped.extend(members),
                Body::Hop(_) | Body::Other => {}
            }
        }
        grouped
    }

    /// How many of our routes and nexthops differ between two pictures.
    pub(crate) fn difference(&self, other: &Self) -> usize {
        let one_way = |a: &Self, b: &Self| {
            let routes = a.routes.iter().filter(|(key, route)| b.routes.get(key) != Some(route)).count();
            routes + a.all_own().filter(|(id, body)| b.own(*id) != Some(body)).count()
        };
        let gone = |a: &Self, b: &Self| {
            let routes = a.routes.keys().filter(|key| !b.routes.contains_key(key)).count();
            routes + a.all_own().filter(|(id, _)| b.own(*id).is_none()).count()
        };
        one_way(self, other) + gone(other, self)
    }

    /// What the kernel does when an interface goes down or away: its nexthops go.
    pub(crate) fn stop_interface(&mut self, interface: u32) -> bool {
        let on_it = |nexthop: &Nexthop| matches!(&nexthop.body, Body::Hop(hop) if hop.interface == interface);
        let dead: Vec<NexthopId> =
            self.nexthops.iter().filter(|(_, nexthop)| on_it(nexthop)).map(|(id, _)| *id).collect();
        for id in dead {
            self.remove_nexthop(id);
        }
        self.running.remove(&interface)
    }

    /// What the kernel does when `op` succeeds.
    pub(crate) fn apply(&mut self, op: &Op) {
        let protocol = self.owner.protocol;
        match op {
            Op::NewHop { id, hop } => self.insert_nexthop(*id, Nexthop { protocol, body: Body::Hop(*hop) }),
            Op::NewGroup { id, members } | Op::ReplaceGroup { id, members } => {
                self.insert_nexthop(*id, Nexthop { protocol, body: Body::Group(members.clone()) });
            }
            Op::DelNexthop { id } => self.remove_nexthop(*id),
            Op::NewRoute { key, route } | Op::ReplaceRoute { key, route } => self.insert_route(*key, route.clone()),
            Op::DelRoute { key } => {
                let before = self.routes.remove(key);
                self.release(before);
            }
        }
    }

    fn remove_nexthop(&mut self, id: NexthopId) {
        let mut gone = BTreeSet::from([id]);
        for (group, nexthop) in &mut self.nexthops {
            if nexthop.body.lose(id) {
                gone.insert(*group);
            }
        }
        self.nexthops.retain(|id, _| !gone.contains(id));
        self.hops.retain(|_, id| !gone.contains(id));
        if gone.iter().any(|id| self.users.remove(id).is_some()) {
            self.routes.retain(|_, route| !matches!(route.via, Via::Object(id) if gone.contains(&id)));
        }
    }

    fn release(&mut self, route: Option<Route>) {
        let Some(Route { via: Via::Object(id), .. }) = route else { return };
        if let Some(users) = self.users.get_mut(&id) {
            *users -= 1;
            if *users == 0 {
                self.users.remove(&id);
            }
        }
    }
}
