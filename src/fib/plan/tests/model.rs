//! A model of the kernel's routing tables, written from what the kernel does and not from what the plan expects.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::super::*;
use super::ip;

pub(super) const OURS: u8 = 142;
pub(super) const FOREIGN: u8 = 4;
pub(super) const METRIC: u32 = 142;

pub(super) fn owner() -> Owner {
    Owner { protocol: OURS, ids: 1000..=1063 }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    running: BTreeSet<u32>,
    nexthops: BTreeMap<u32, (u8, Body)>,
    routes: BTreeMap<(IpNet, u32), (u8, Route)>,
}

impl Model {
    pub(super) fn with_interfaces(interfaces: RangeInclusive<u32>) -> Self {
        Self { running: interfaces.collect(), ..Self::default() }
    }

    pub(super) fn dump(&self) -> Kernel {
        let mut kernel = Kernel::new(owner());
        kernel.running.clone_from(&self.running);
        for (id, (protocol, body)) in &self.nexthops {
            kernel.insert_nexthop(NexthopId(*id), Nexthop { protocol: *protocol, body: body.clone() });
        }
        for ((prefix, metric), (protocol, route)) in &self.routes {
            if *protocol == OURS {
                kernel.insert_route(RouteKey { prefix: *prefix, metric: *metric }, route.clone());
            }
        }
        kernel
    }

    pub(super) fn execute(&mut self, op: &Op) -> Result<(), Refusal> {
        match op {
            Op::NewHop { id, hop } => {
                self.vacant(*id)?;
                self.check_running(hop.interface)?;
                self.nexthops.insert(id.0, (OURS, Body::Hop(*hop)));
            }
            Op::NewGroup { id, members } => {
                self.vacant(*id)?;
                self.check_members(members)?;
                self.nexthops.insert(id.0, (OURS, Body::Group(members.clone())));
            }
            Op::ReplaceGroup { id, members } => {
                self.check_members(members)?;
                match self.nexthops.get_mut(&id.0) {
                    Some((_, body @ Body::Group(_))) => *body = Body::Group(members.clone()),
                    Some(_) => return refuse(libc::EINVAL),
                    None => return refuse(libc::ENOENT),
                }
            }
            Op::DelNexthop { id } => {
                if !self.nexthops.contains_key(&id.0) {
                    return refuse(libc::ENOENT);
                }
                self.remove_nexthop(id.0);
            }
            Op::NewRoute { key, route } => {
                self.check_via(&route.via)?;
                if self.routes.contains_key(&(key.prefix, key.metric)) {
                    return refuse(libc::EEXIST);
                }
                self.routes.insert((key.prefix, key.metric), (OURS, route.clone()));
            }
            Op::ReplaceRoute { key, route } => {
                self.check_via(&route.via)?;
                let Some(present) = self.routes.get_mut(&(key.prefix, key.metric)) else { return refuse(libc::ENOENT) };
                *present = (OURS, route.clone());
            }
            Op::DelRoute { key } => match self.routes.get(&(key.prefix, key.metric)) {
                Some((OURS, _)) => drop(self.routes.remove(&(key.prefix, key.metric))),
                Some(_) | None => return refuse(libc::ESRCH),
            },
        }
        Ok(())
    }

    pub(super) fn interface_up(&mut self, interface: u32) {
        self.running.insert(interface);
    }

    /// The kernel drops nexthops on an interface that goes down.
    pub(super) fn interface_down(&mut self, interface: u32) {
        self.running.remove(&interface);
        let on = |body: &Body| matches!(body, Body::Hop(hop) if hop.interface == interface);
        let dead: Vec<u32> = self.nexthops.iter().filter(|(_, (_, body))| on(body)).map(|(id, _)| *id).collect();
        for id in dead {
            self.remove_nexthop(id);
        }
        for (_, route) in self.routes.values_mut() {
            if let Via::Hops(hops) = &route.via {
                let left: Vec<(Hop, u16)> =
                    hops.iter().filter(|(hop, _)| hop.interface != interface).copied().collect();
                route.via = Via::Hops(left.into());
            }
        }
        self.routes.retain(|_, (_, route)| !matches!(&route.via, Via::Hops(hops) if hops.is_empty()));
    }

    pub(super) fn remove_nexthop(&mut self, id: u32) {
        self.nexthops.remove(&id);
        let mut emptied = Vec::new();
        for (group, (_, body)) in &mut self.nexthops {
            if body.lose(NexthopId(id)) {
                emptied.push(*group);
            }
        }
        self.routes.retain(|_, (_, route)| route.via != Via::Object(NexthopId(id)));
        for group in emptied {
            self.remove_nexthop(group);
        }
    }

    pub(super) fn remove_route(&mut self, prefix: IpNet, metric: u32) {
        self.routes.remove(&(prefix, metric));
    }

    pub(super) fn add_foreign_route(&mut self, prefix: IpNet, metric: u32) {
        self.routes.entry((prefix, metric)).or_insert((FOREIGN, Route { via: Via::Other, source: None }));
    }

    pub(super) fn add_foreign_hop(&mut self, id: u32, interface: u32) {
        let hop = Hop { interface, gateway: ip("192.0.2.1") };
        if self.running.contains(&interface) {
            self.nexthops.entry(id).or_insert((FOREIGN, Body::Hop(hop)));
        }
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        self.nexthops.keys().copied().collect()
    }

    pub(super) fn keys(&self) -> Vec<(IpNet, u32)> {
        self.routes.keys().copied().collect()
    }

    /// All that is not ours.
    pub(super) fn foreign(&self) -> (Vec<(IpNet, u32)>, Vec<u32>) {
        let routes = self.routes.iter().filter(|(_, (protocol, _))| *protocol != OURS).map(|(key, _)| *key);
        let nexthops = self.nexthops.iter().filter(|(_, (protocol, _))| *protocol != OURS).map(|(id, _)| *id);
        (routes.collect(), nexthops.collect())
    }

    pub(super) fn own_routes(&self) -> impl Iterator<Item = (IpNet, u32)> {
        self.routes.iter().filter(|(_, (protocol, _))| *protocol == OURS).map(|(key, _)| *key)
    }

    pub(super) fn own_nexthops(&self) -> usize {
        self.nexthops.values().filter(|(protocol, _)| *protocol == OURS).count()
    }

    pub(super) fn has_nexthop(&self, id: u32) -> bool {
        self.nexthops.contains_key(&id)
    }

    pub(super) fn route_protocol(&self, prefix: IpNet, metric: u32) -> Option<u8> {
        self.routes.get(&(prefix, metric)).map(|(protocol, _)| *protocol)
    }

    pub(super) fn is_running(&self, interface: u32) -> bool {
        self.running.contains(&interface)
    }

    /// Interfaces that our route to `prefix` uses.
    pub(super) fn ways(&self, prefix: IpNet) -> Option<Vec<u32>> {
        let (protocol, route) = self.routes.get(&(prefix, METRIC))?;
        let of = |id: NexthopId| match &self.nexthops.get(&id.0).expect("routes have nexthops").1 {
            Body::Hop(hop) => vec![hop.interface],
            Body::Group(members) => members.iter().map(|member| self.interface_of(member.id)).collect(),
            Body::OtherGroup(_) | Body::Other => panic!("not ours"),
        };
        let mut ways = match &route.via {
            Via::Object(id) => of(*id),
            Via::Hops(hops) => hops.iter().map(|(hop, _)| hop.interface).collect(),
            Via::Discard | Via::Other => vec![],
        };
        ways.sort_unstable();
        (*protocol == OURS).then_some(ways)
    }

    fn interface_of(&self, id: NexthopId) -> u32 {
        match self.nexthops.get(&id.0) {
            Some((_, Body::Hop(hop))) => hop.interface,
            other => panic!("group member {id:?} is {other:?}"),
        }
    }

    fn vacant(&self, id: NexthopId) -> Result<(), Refusal> {
        if self.nexthops.contains_key(&id.0) { refuse(libc::EEXIST) } else { Ok(()) }
    }

    fn check_running(&self, interface: u32) -> Result<(), Refusal> {
        if self.running.contains(&interface) { Ok(()) } else { refuse(libc::ENETDOWN) }
    }

    fn check_members(&self, members: &[Member]) -> Result<(), Refusal> {
        let single = |member: &Member| matches!(self.nexthops.get(&member.id.0), Some((_, Body::Hop(_))));
        if !members.is_empty() && members.iter().all(single) { Ok(()) } else { refuse(libc::EINVAL) }
    }

    fn check_via(&self, via: &Via) -> Result<(), Refusal> {
        match via {
            Via::Object(id) if self.nexthops.contains_key(&id.0) => Ok(()),
            Via::Hops(hops) => hops.iter().try_for_each(|(hop, _)| self.check_running(hop.interface)),
            Via::Discard => Ok(()),
            Via::Object(_) | Via::Other => refuse(libc::EINVAL),
        }
    }
}

fn refuse(errno: i32) -> Result<(), Refusal> {
    Err(Refusal { errno, text: None })
}
