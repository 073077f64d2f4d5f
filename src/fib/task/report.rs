//! What the task tells: counters, events, logs, snapshots.

use std::fmt::{Debug, Display};

use rib::{NextHop, NextHopSet};

use super::Task;
use crate::FibError;
use crate::plan::{Body, Mode, Op, Refusal, Standing, Via};
use crate::snapshot::{
    FibEvent, FibFlow, FibGroup, FibNextHop, FibRoute, FibSnapshot, FibStatus, ForwardingMode, RouteState,
};

impl Task {
    pub(super) fn status(&self) -> FibStatus {
        let kernel = self.plan.kernel();
        let objects = kernel.all_own().count();
        let nexthops = kernel.all_own().filter(|(_, body)| matches!(body, Body::Hop(_))).count();
        let refused = self.plan.refused_count() + self.policy.refused_count();
        FibStatus {
            mode: match self.plan.mode() {
                Mode::Objects => ForwardingMode::NexthopObjects,
                Mode::Multipath => ForwardingMode::Multipath,
            },
            table: self.config.table,
            protocol: self.config.protocol,
            metric: self.config.metric,
            desired: self.plan.desired_count(),
            installed: kernel.route_count(),
            refused,
            adopted: self.plan.adopted_count(),
            nexthops,
            groups: objects - nexthops,
            matches_kernel: self.schedule.in_step && !self.schedule.is_blind() && refused == 0,
            counters: self.counters,
            last_failover: self.last_failover,
        }
    }

    pub(super) fn snapshot(&self) -> FibSnapshot {
        let route = |(prefix, set): (_, &NextHopSet)| FibRoute {
            prefix,
            blackhole: set.is_discard(),
            state: state(self.plan.standing(prefix)),
            nexthop_id: match self.plan.installed(prefix).map(|route| &route.via) {
                Some(Via::Object(id)) => Some(id.0),
                Some(Via::Hops(_) | Via::Discard | Via::Other) | None => None,
            },
            next_hops: self.next_hops(set),
        };
        let mut routes: Vec<FibRoute> = self.plan.desired().map(route).collect();
        routes.sort_unstable_by_key(|route| route.prefix);
        let groups = self.plan.named_groups();
        let group = |(id, set, routes): (crate::plan::NexthopId, &NextHopSet, usize)| FibGroup {
            id: id.0,
            routes,
            next_hops: self.next_hops(set),
        };
        let mut groups: Vec<FibGroup> = groups.map(group).collect();
        groups.sort_unstable_by_key(|group| group.id);
        FibSnapshot { status: self.status(), routes, groups, flows: self.flows() }
    }

    fn flows(&self) -> Vec<FibFlow> {
        let flows = self.policy.flows(&self.plan).into_iter();
        flows
            .map(|(flow, table, standing)| FibFlow {
                local: flow.local,
                remote: flow.remote,
                priority: crate::policy::priority(&flow.local, &flow.remote),
                table,
                state: state(standing),
                next_hops: self.policy.used(flow, &self.plan).into_iter().map(|next_hop| next_hop.link).collect(),
            })
            .collect()
    }

    pub(super) fn count(&mut self, op: &Op) {
        let counters = &mut self.counters;
        let counter = match op {
            Op::NewRoute { .. } => &mut counters.installs,
            Op::ReplaceRoute { .. } => &mut counters.replaces,
            Op::DelRoute { .. } => &mut counters.deletes,
            Op::NewHop { .. } | Op::NewGroup { .. } | Op::ReplaceGroup { .. } | Op::DelNexthop { .. } => {
                &mut counters.nexthop_changes
            }
        };
        *counter += 1;
    }

    pub(super) fn refused(&mut self, op: &(impl Debug + Display), refusal: &Refusal) {
        self.counters.errors += 1;
        self.schedule.retry();
        tracing::debug!(?op, %refusal, "the kernel refused");
        self.tell(FibEvent::Refused { operation: op.to_string(), reason: refusal.to_string() });
    }

    pub(super) fn trouble(&mut self, error: &FibError) {
        if matches!(error, FibError::Overrun) {
            self.counters.overruns += 1;
        } else {
            self.counters.errors += 1;
        }
        self.schedule.retry();
        tracing::warn!(%error, "forwarding table");
        self.tell(FibEvent::Trouble { reason: error.to_string() });
    }

    /// Events are for logs: nobody waits for a slow reader.
    pub(super) fn tell(&self, event: FibEvent) {
        if let Err(error) = self.events.try_send(event) {
            tracing::trace!(%error, "event not taken");
        }
    }

    fn next_hops(&self, set: &NextHopSet) -> Vec<FibNextHop> {
        let shown = |(next_hop, weight): (NextHop, u16)| FibNextHop {
            link: next_hop.link,
            interface: self.plan.interface(next_hop.link).and_then(|index| self.names.get(&index).cloned()),
            address: next_hop.address,
            active: self.plan.is_active(&next_hop),
            weight,
        };
        set.members().map(shown).collect()
    }
}

fn state(standing: Standing) -> RouteState {
    let failed = |reason: &str| RouteState::Failed { reason: reason.to_owned() };
    match standing {
        Standing::Installed => RouteState::Installed,
        Standing::Pending => RouteState::Pending,
        Standing::Conflict => failed("another program has a route for this prefix with the same metric"),
        Standing::Family => failed("an IPv6 route cannot have an IPv4 next hop"),
        Standing::Refused(refusal) => failed(&refusal.to_string()),
    }
}
