//! What the kernel has from us, as it is shown.

use std::collections::BTreeMap;

use daemon::topology::Topology;
use view::{FailoverView, FibNextHopView, FibRouteView, FibView};

/// What the kernel has from us.
pub(crate) fn fib(snapshot: &fib::FibSnapshot, topology: &Topology) -> FibView {
    let next_hop = |hop: &fib::FibNextHop| FibNextHopView {
        tunnel: topology.link_name(hop.link),
        interface: topology.link_interface(hop.link),
        address: hop.address,
        active: hop.active,
        weight: hop.weight,
    };
    let route = |route: &fib::FibRoute| FibRouteView {
        prefix: route.prefix,
        blackhole: route.blackhole,
        state: route_state(&route.state),
        next_hops: route.next_hops.iter().map(next_hop).collect(),
    };
    FibView {
        table: snapshot.status.table,
        protocol: snapshot.status.protocol,
        matches_kernel: snapshot.status.matches_kernel,
        routes: snapshot.routes.iter().map(route).collect(),
        groups: snapshot.groups.len(),
        counters: counters(&snapshot.status.counters),
        last_failover: snapshot.status.last_failover.map(|failover| FailoverView {
            tunnel: topology.link_name(failover.link),
            microseconds: u64::try_from(failover.took.as_micros()).unwrap_or(u64::MAX),
            messages: failover.messages,
        }),
    }
}

/// In one word, or with the reason.
pub(crate) fn route_state(state: &fib::RouteState) -> String {
    match state {
        fib::RouteState::Installed => "installed".to_owned(),
        fib::RouteState::Pending => "pending".to_owned(),
        fib::RouteState::Failed { reason } => format!("failed: {reason}"),
    }
}

fn counters(counters: &fib::FibCounters) -> BTreeMap<String, u64> {
    let kinds = [
        ("install", counters.installs),
        ("replace", counters.replaces),
        ("delete", counters.deletes),
        ("nexthop_change", counters.nexthop_changes),
        ("policy_change", counters.policy_changes),
        ("error", counters.errors),
        ("resync", counters.resyncs),
        ("drift", counters.drift),
        ("overrun", counters.overruns),
        ("failover", counters.failovers),
    ];
    kinds.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect()
}
