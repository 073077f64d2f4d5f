//! Desired minus installed: the pure half of the forwarding table.
//!
//! [`Plan`] knows which routes and tunnels there should be and what the kernel holds ([`Kernel`]). It is asked for a
//! batch of operations, told how each ended, and asked again until none is left. A batch is one of five steps, the
//! first that has something to do:
//!
//! ```text
//!   dead hops ──> missing hops ──> groups ──> routes ──> garbage
//!   (tunnel       (one object      (one per    (few        (objects that
//!    down: one     per tunnel       ECMP set)   hundred     nothing uses
//!    message)      and address)                 a batch)    any more)
//! ```
//!
//! A group is named by the set of next hops the routing tables asked for and holds those of them that are alive, or else
//! the set's spare ones: when a tunnel goes or comes, groups change and routes do not. When a session is lost, the routing
//! tables take a while to go through its routes: meanwhile its next hops are in doubt, and in no group that has others.
//!
//! What the kernel refuses is left alone until the desired state of just that thing changes or until
//! [`Plan::resync`] brings a fresh picture. Routes found at start are *adopted*: they stay as they are until claimed,
//! withdrawn, or given up by [`Plan::converged`].

mod kernel;
mod objects;
mod op;
mod outcome;
mod routes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rib::{NextHop, NextHopSet};
use wire::LinkId;

use crate::policy::Ways;

pub(crate) use kernel::{Body, Hop, Kernel, Member, Nexthop, NexthopId, Owner, Route, RouteKey, Via};
pub(crate) use op::{Op, Refusal};
pub(crate) use routes::Standing;

/// How routes carry their next hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By reference to nexthop objects.
    Objects,
    /// In themselves.
    Multipath,
}

/// The settings that shape a plan.
#[derive(Clone, Debug)]
pub(crate) struct PlanConfig {
    pub(crate) owner: Owner,
    pub(crate) metric: u32,
    pub(crate) mode: Mode,
    pub(crate) source_v4: Option<Ipv4Addr>,
    pub(crate) source_v6: Option<Ipv6Addr>,
}

/// Desired state, known state, and what lies between.
#[derive(Debug)]
pub(crate) struct Plan {
    config: PlanConfig,
    desired: HashMap<IpNet, NextHopSet>,
    /// The distinct sets in `desired`.
    sets: BTreeMap<NextHopSet, SetState>,
    links: BTreeMap<LinkId, Link>,
    /// Interfaces whose tunnels are all down: their hops must go at once.
    downed: BTreeSet<u32>,
    /// Next hops that routes are about to be moved off: used only where there is nothing else.
    doubted: BTreeSet<NextHop>,
    kernel: Kernel,
    /// Routes of a previous process that nobody has claimed yet.
    adopted: HashSet<RouteKey>,
    /// Routes to look at.
    dirty: BTreeSet<RouteKey>,
    blocked: Blocked,
    /// Compare all routes before looking at the dirty ones.
    audit: bool,
    /// Hops or groups may have to change.
    objects_due: bool,
    /// Objects may be unused.
    garbage_due: bool,
    /// Where the search for a free id begins.
    cursor: u32,
}

/// A tunnel's interface. Remembered while down, for the sake of the source address.
#[derive(Clone, Copy, Debug)]
struct Link {
    interface: u32,
    source: Option<IpAddr>,
    up: bool,
}

/// What is known about one distinct set of next hops.
#[derive(Clone, Debug, Default)]
struct SetState {
    /// Desired routes over it.
    routes: usize,
    /// Its group, for sets of at least two or with spare next hops.
    group: Option<NexthopId>,
}

/// What the kernel refused, until a retry.
#[derive(Debug, Default)]
struct Blocked {
    hops: BTreeMap<Hop, Refusal>,
    sets: BTreeMap<NextHopSet, Refusal>,
    ids: BTreeMap<NexthopId, Refusal>,
    routes: HashMap<RouteKey, Refusal>,
}

impl Plan {
    /// Begins with the kernel as it was found; its routes are adopted.
    pub(crate) fn new(config: PlanConfig, kernel: Kernel) -> Self {
        let adopted = kernel.routes().map(|(key, _)| *key).collect();
        Self {
            cursor: *config.owner.ids.start(),
            config,
            desired: HashMap::new(),
            sets: BTreeMap::new(),
            links: BTreeMap::new(),
            downed: BTreeSet::new(),
            doubted: BTreeSet::new(),
            kernel,
            adopted,
            dirty: BTreeSet::new(),
            blocked: Blocked::default(),
            audit: true,
            objects_due: true,
            garbage_due: true,
        }
    }

    /// A link can carry packets.
    pub(crate) fn link_up(&mut self, link: LinkId, interface: u32, source: Option<IpAddr>) {
        let before = self.links.insert(link, Link { interface, source, up: true });
        if let Some(old) = before.filter(|old| old.interface != interface) {
            self.mark_downed(old.interface);
        }
        self.downed.remove(&interface);
        self.look_at_everything();
    }

    /// A link can carry nothing; true if this is news.
    pub(crate) fn link_down(&mut self, link: LinkId) -> bool {
        let Some(link) = self.links.get_mut(&link).filter(|link| link.up) else { return false };
        link.up = false;
        let interface = link.interface;
        self.mark_downed(interface);
        self.look_at_everything();
        true
    }

    /// An interface can, or can no longer, carry packets; true if it belongs to a tunnel and this is news.
    pub(crate) fn set_running(&mut self, interface: u32, running: bool) -> bool {
        let changed =
            if running { self.kernel.running.insert(interface) } else { self.kernel.stop_interface(interface) };
        let concerns = changed && self.links.values().any(|link| link.interface == interface);
        if concerns {
            self.look_at_everything();
        }
        concerns
    }

    /// Whether every tunnel that is up has an interface that runs.
    pub(crate) fn links_run(&self) -> bool {
        self.links.values().all(|link| !link.up || self.kernel.running.contains(&link.interface))
    }

    /// These next hops are in doubt, too.
    pub(crate) fn doubt(&mut self, next_hops: BTreeSet<NextHop>) {
        self.doubt_only(&self.doubted | &next_hops);
    }

    /// These next hops are in doubt, and others are no more.
    pub(crate) fn doubt_only(&mut self, next_hops: BTreeSet<NextHop>) {
        if self.doubted != next_hops {
            self.doubted = next_hops;
            (self.objects_due, self.garbage_due) = (true, true);
        }
    }

    /// The desired state of one prefix; no next hops means no route.
    pub(crate) fn set_route(&mut self, prefix: IpNet, next_hops: NextHopSet) {
        let prefix = prefix.trunc();
        let key = RouteKey { prefix, metric: self.config.metric };
        let before = if next_hops.is_empty() {
            self.adopted.remove(&key);
            self.desired.remove(&prefix)
        } else {
            let set = self.sets.entry(next_hops.clone()).or_default();
            self.objects_due |= set.routes == 0;
            set.routes += 1;
            self.desired.insert(prefix, next_hops)
        };
        if let Some(before) = before {
            self.release_set(&before);
        }
        self.blocked.routes.remove(&key);
        self.dirty.insert(key);
    }

    /// The routing tables are complete: adopted routes that nobody claimed are given up.
    pub(crate) fn converged(&mut self) {
        self.adopted.clear();
        self.look_at_everything();
    }

    /// Everything of ours shall go.
    pub(crate) fn withdraw_all(&mut self) {
        self.desired.clear();
        self.sets.clear();
        for link in self.links.values_mut() {
            link.up = false;
        }
        // A deleted hop takes its groups and routes with it, so this is a few messages, whatever the number of routes.
        let hops = self.kernel.all_own().filter_map(|(_, body)| match body {
            Body::Hop(hop) => Some(hop.interface),
            Body::Group(_) | Body::OtherGroup(_) | Body::Other => None,
        });
        self.downed = hops.collect();
        self.converged();
    }

    /// Takes over a fresh picture of the kernel and retries what was refused. Returns how many routes and nexthops
    /// were not as they were thought to be.
    pub(crate) fn resync(&mut self, kernel: Kernel) -> usize {
        let drift = self.kernel.difference(&kernel);
        self.kernel = kernel;
        self.adopted.retain(|key| self.kernel.route(key).is_some());
        self.downed.retain(|interface| self.kernel.running.contains(interface));
        self.blocked = Blocked::default();
        self.look_at_everything();
        drift
    }

    /// The next batch toward the desired state; empty if nothing is left that can be done now.
    pub(crate) fn next_ops(&mut self) -> Vec<Op> {
        for step in [Self::dead_hops, Self::missing_hops, Self::groups, Self::routes, Self::garbage] {
            let ops = step(self);
            if !ops.is_empty() {
                return ops;
            }
        }
        Vec::new()
    }

    /// How routes carry their next hops.
    pub(crate) fn mode(&self) -> Mode {
        self.config.mode
    }

    /// The kernel as far as known.
    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The desired routes, in no order.
    pub(crate) fn desired(&self) -> impl Iterator<Item = (IpNet, &NextHopSet)> {
        self.desired.iter().map(|(prefix, set)| (*prefix, set))
    }

    pub(crate) fn desired_count(&self) -> usize {
        self.desired.len()
    }

    /// Sets that have a group in the kernel.
    pub(crate) fn named_groups(&self) -> impl Iterator<Item = (NexthopId, &NextHopSet, usize)> {
        self.sets.iter().filter_map(|(set, state)| {
            let id = state.group.filter(|id| self.kernel.own(*id).is_some())?;
            Some((id, set, state.routes))
        })
    }

    pub(crate) fn adopted_count(&self) -> usize {
        self.adopted.len()
    }

    /// Things the kernel refused since the last retry.
    pub(crate) fn refused_count(&self) -> usize {
        let Blocked { hops, sets, ids, routes } = &self.blocked;
        hops.len() + sets.len() + ids.len() + routes.len()
    }

    /// The interface of `tunnel`, if it was ever up.
    pub(crate) fn interface(&self, link: LinkId) -> Option<u32> {
        self.links.get(&link).map(|link| link.interface)
    }

    /// Whether packets can leave through `next_hop` now.
    pub(crate) fn is_active(&self, next_hop: &NextHop) -> bool {
        let Some(hop) = self.live_hop(next_hop) else { return false };
        match self.config.mode {
            Mode::Objects => self.kernel.hop(&hop).is_some(),
            Mode::Multipath => true,
        }
    }

    /// Where `next_hop` leads, if its tunnel is up on an interface that runs.
    fn live_hop(&self, next_hop: &NextHop) -> Option<Hop> {
        let link = self.links.get(&next_hop.link).filter(|link| link.up)?;
        let interface = Some(link.interface).filter(|index| self.kernel.running.contains(index))?;
        Some(Hop { interface, gateway: next_hop.address })
    }

    fn mark_downed(&mut self, interface: u32) {
        if !self.links.values().any(|link| link.up && link.interface == interface) {
            self.downed.insert(interface);
        }
    }

    fn look_at_everything(&mut self) {
        self.audit = true;
        self.objects_due = true;
        self.garbage_due = true;
    }

    fn release_set(&mut self, set: &NextHopSet) {
        if let Some(state) = self.sets.get_mut(set) {
            state.routes = state.routes.saturating_sub(1);
            if state.routes == 0 {
                // A group that is still in the kernel keeps its name until it is collected: the set may come back.
                if state.group.is_none() {
                    self.sets.remove(set);
                }
                self.garbage_due = true;
            }
        }
    }
}

impl Ways for Plan {
    fn live(&self, next_hop: &NextHop) -> Option<Hop> {
        self.live_hop(next_hop)
    }

    fn runs(&self, interface: u32) -> bool {
        self.kernel.running.contains(&interface)
    }
}
