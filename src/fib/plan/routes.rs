//! Routes: what each should be, and how it stands.

use std::net::IpAddr;

use ipnet::IpNet;
use rib::NextHopSet;

use super::kernel::{Hop, Route, RouteKey, Via};
use super::objects::is_grouped;
use super::op::{Op, Refusal};
use super::{Mode, Plan};

/// Routes per batch: few enough that a dead tunnel never waits long behind one.
const BATCH: usize = 256;

/// What a route should be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Route(Route),
    /// Nobody asked for one.
    Nothing,
    /// It was asked for, and cannot be now.
    Unable(Unable),
}

/// Why a desired route cannot be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unable {
    /// No tunnel of its next hops is up.
    NoWay,
    /// Its prefix is of IPv6 and a next hop of IPv4.
    Family,
}

/// How a desired route stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The kernel has it.
    Installed,
    /// It will be installed, or waits for a tunnel.
    Pending,
    /// Another program has a route for this prefix with our metric.
    Conflict,
    /// Its prefix is of IPv6 and a next hop of IPv4.
    Family,
    /// The kernel refused it.
    Refused(Refusal),
}

impl Plan {
    /// Routes that differ from what they should be, at most a batch of them.
    pub(super) fn routes(&mut self) -> Vec<Op> {
        if std::mem::take(&mut self.audit) {
            self.audit_routes();
        }
        let mut ops = Vec::new();
        while ops.len() < BATCH
            && let Some(key) = self.dirty.pop_first()
        {
            ops.extend(self.route_op(key));
        }
        self.garbage_due |= !ops.is_empty();
        ops
    }

    /// How the desired route to `prefix` stands.
    pub(crate) fn standing(&self, prefix: IpNet) -> Standing {
        let key = RouteKey { prefix, metric: self.config.metric };
        if let Some(refusal) = self.blocked.routes.get(&key) {
            return match refusal.errno {
                libc::EEXIST => Standing::Conflict,
                _ => Standing::Refused(refusal.clone()),
            };
        }
        match self.wanted(&key) {
            Wanted::Route(route) if self.kernel.route(&key) == Some(&route) => Standing::Installed,
            Wanted::Route(_) | Wanted::Nothing => Standing::Pending,
            Wanted::Unable(Unable::Family) => Standing::Family,
            Wanted::Unable(Unable::NoWay) => self.refused_object(prefix).map_or(Standing::Pending, Standing::Refused),
        }
    }

    /// The route to `prefix` that the kernel has.
    pub(crate) fn installed(&self, prefix: IpNet) -> Option<&Route> {
        self.kernel.route(&RouteKey { prefix, metric: self.config.metric })
    }

    fn audit_routes(&mut self) {
        let metric = self.config.metric;
        let desired = self.desired.keys().map(|prefix| RouteKey { prefix: *prefix, metric });
        let unasked = self.kernel.routes().map(|(key, _)| *key);
        let different: Vec<RouteKey> = desired.chain(unasked).filter(|key| self.differs(key)).collect();
        self.dirty.extend(different);
    }

    fn differs(&self, key: &RouteKey) -> bool {
        let present = self.kernel.route(key);
        match self.wanted(key) {
            Wanted::Route(route) => present != Some(&route),
            Wanted::Nothing | Wanted::Unable(_) => present.is_some(),
        }
    }

    fn route_op(&mut self, key: RouteKey) -> Option<Op> {
        if self.blocked.routes.contains_key(&key) {
            return None;
        }
        let wanted = self.wanted(&key);
        let present = self.kernel.route(&key);
        match wanted {
            Wanted::Route(route) => {
                self.adopted.remove(&key);
                match present {
                    None => Some(Op::NewRoute { key, route }),
                    Some(present) if *present == route => None,
                    Some(_) => Some(Op::ReplaceRoute { key, route }),
                }
            }
            Wanted::Nothing | Wanted::Unable(_) if self.adopted.contains(&key) => None,
            Wanted::Nothing | Wanted::Unable(_) => present.map(|_| Op::DelRoute { key }),
        }
    }

    fn wanted(&self, key: &RouteKey) -> Wanted {
        let asked = self.desired.get(&key.prefix).filter(|_| key.metric == self.config.metric);
        let Some(set) = asked else { return Wanted::Nothing };
        if set.is_discard() {
            return Wanted::Route(Route { via: Via::Discard, source: None });
        }
        let v4 = key.prefix.addr().is_ipv4();
        // RFC 8950: IPv4 over an IPv6 next hop is possible, the reverse is not.
        if !v4 && set.as_slice().iter().any(|next_hop| next_hop.address.is_ipv4()) {
            return Wanted::Unable(Unable::Family);
        }
        let via = match self.config.mode {
            Mode::Objects => self.object_for(set),
            Mode::Multipath => self.hops_for(set),
        };
        match via {
            Some(via) => Wanted::Route(Route { via, source: self.source_for(set, v4) }),
            None => Wanted::Unable(Unable::NoWay),
        }
    }

    fn object_for(&self, set: &NextHopSet) -> Option<Via> {
        let id = match set.as_slice() {
            [only] if !is_grouped(set) => self.kernel.hop(&self.live_hop(only)?)?,
            members => {
                members.iter().chain(set.spare()).find(|member| self.is_active(member))?;
                self.sets.get(set)?.group.filter(|id| self.kernel.own(*id).is_some())?
            }
        };
        Some(Via::Object(id))
    }

    fn hops_for(&self, set: &NextHopSet) -> Option<Via> {
        let live = set.members().filter_map(|(next_hop, weight)| Some((self.live_hop(&next_hop)?, weight)));
        let mut hops: Vec<(Hop, u16)> = live.collect();
        if hops.is_empty() {
            hops = set.spare().iter().filter_map(|next_hop| Some((self.live_hop(next_hop)?, 1))).collect();
        }
        hops.sort_unstable();
        if let [(_, weight)] = hops.as_mut_slice() {
            *weight = 1;
        }
        (!hops.is_empty()).then(|| Via::Hops(hops.into()))
    }

    /// The configured source, or else the one that all tunnels of the set agree on, whether they are up or not: a
    /// failover must not change the routes themselves.
    fn source_for(&self, set: &NextHopSet, v4: bool) -> Option<IpAddr> {
        let configured = if v4 { self.config.source_v4.map(IpAddr::V4) } else { self.config.source_v6.map(IpAddr::V6) };
        let mut links = set.as_slice().iter().map(|next_hop| self.links.get(&next_hop.link)?.source);
        let shared = || links.next().flatten().filter(|first| links.all(|source| source == Some(*first)));
        configured.or_else(shared).filter(|source| source.is_ipv4() == v4)
    }

    fn refused_object(&self, prefix: IpNet) -> Option<Refusal> {
        let set = self.desired.get(&prefix)?;
        let hops = || set.as_slice().iter().chain(set.spare()).filter_map(|next_hop| self.live_hop(next_hop));
        self.blocked.sets.get(set).or_else(|| hops().find_map(|hop| self.blocked.hops.get(&hop))).cloned()
    }
}
