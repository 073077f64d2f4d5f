//! Protected flows: what the forwarding table is told of them, and what became of each.
//!
//! ```text
//! configuration ──┐
//!                 ├── desired ──► fib: a rule and a table for each pair of networks
//! interfaces ─────┘
//! CHILD SAs ──────┐
//! fib ────────────┴── views ────► show flows
//! ```
//!
//! Tunnels that carry the same pair of networks are ways of one flow.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use config::Tunnel;
use dataplane::SaUsage;
use fib::{Fib, FibFlow, Flow, FlowWay, Flows};
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use negotiation::{ChildSelectors, ChildStatus, TunnelStatus};
use rib::NextHop;
use wire::ipsec::{Direction, TrafficSelector, TunnelId};

use super::topology::{Part, Topology};
use super::views::{ike_failure, route_state, seconds};
use crate::view::{FailureView, FlowRuleView, FlowState, FlowView};

/// Tells the forwarding table which flows there are, of all tunnels in the configuration, made or not.
pub(super) fn tell(topology: &Topology, fib: &Fib) {
    let router = &topology.router;
    let mut flows: Vec<Flow> = Vec::new();
    for tunnel in router.tunnels.iter().filter(|_| router.install) {
        let interface = topology.tunnels.get(&tunnel.id).map(|part| part.interface.ifindex);
        let Some(protected) = &tunnel.protected else { continue };
        for (local, remote) in protected.pairs() {
            let Some(next_hop) = next_hop(tunnel, remote) else { continue };
            let way = FlowWay { next_hop, distance: protected.distance, interface };
            match flows.iter_mut().find(|flow| (flow.local, flow.remote) == (local, remote)) {
                Some(flow) => flow.ways.push(way),
                None => flows.push(Flow { local, remote, ways: vec![way] }),
            }
        }
    }
    fib.set_flows(Flows { flows, outside: router.rib.protected.clone() });
}

fn next_hop(tunnel: &Tunnel, remote: IpNet) -> Option<NextHop> {
    let address = match remote {
        IpNet::V4(_) => tunnel.inside.peer,
        IpNet::V6(_) => tunnel.inside6?.peer.into(),
    };
    Some(NextHop { link: tunnel.id.into(), address })
}

/// What a peer left out of what we asked for; `None` if a CHILD SA carries all of one of the wanted sets.
pub(super) fn left_out(
    tunnel: &Tunnel,
    local: &[TrafficSelector],
    remote: &[TrafficSelector],
) -> Option<ChildSelectors> {
    let wanted = tunnel.ike.wanted_children();
    let all = |child: &&ChildSelectors| covers(local, &child.local) && covers(remote, &child.remote);
    if wanted.iter().any(|child| all(&child)) {
        return None;
    }
    wanted.into_iter().find(|child| meets(local, &child.local) && meets(remote, &child.remote))
}

/// Every pair of networks of every tunnel.
pub(super) fn views(
    topology: &Topology,
    statuses: &BTreeMap<TunnelId, TunnelStatus>,
    rules: &[FibFlow],
    sas: impl Fn(TunnelId) -> Vec<SaUsage>,
    now: Instant,
) -> Vec<FlowView> {
    let of_tunnel = |(id, part): (&TunnelId, &Part)| {
        let (tunnel, status, usage) = (&part.tunnel, statuses.get(id), sas(*id));
        let view = |(local, remote): (TrafficSelector, TrafficSelector)| {
            let rule = rules.iter().find(|rule| selects(&local, rule.local) && selects(&remote, rule.remote));
            let rule = rule.filter(|_| tunnel.protected.is_some()).map(|rule| rule_view(rule, topology));
            FlowView { rule, ..view(tunnel, status, (local, remote), &usage, now) }
        };
        pairs(tunnel).into_iter().map(view).collect::<Vec<_>>()
    };
    topology.tunnels.iter().flat_map(of_tunnel).collect()
}

fn view(
    tunnel: &Tunnel,
    status: Option<&TunnelStatus>,
    (local, remote): (TrafficSelector, TrafficSelector),
    usage: &[SaUsage],
    now: Instant,
) -> FlowView {
    let children = || status.into_iter().flat_map(|status| &status.children).filter(|child| child.carries_outbound);
    let fits = |child: &&ChildStatus, fit: fn(&[TrafficSelector], &[TrafficSelector]) -> bool| {
        fit(&child.local_selectors, &[local]) && fit(&child.remote_selectors, &[remote])
    };
    let whole = children().find(|child| fits(child, covers));
    let child = whole.or_else(|| children().find(|child| fits(child, meets)));
    let state = match (whole, child) {
        (Some(_), _) => FlowState::Up,
        (None, Some(_)) => FlowState::Narrowed,
        (None, None) => FlowState::Down,
    };
    let asked = pair(&[local], &[remote]);
    let carries = child.map(|child| pair(&child.local_selectors, &child.remote_selectors));
    let carried = |direction, spi| usage.iter().find(|usage| (usage.direction, usage.spi) == (direction, spi));
    let inbound = child.and_then(|child| carried(Direction::Inbound, child.inbound));
    let outbound = child.and_then(|child| carried(Direction::Outbound, child.outbound));
    FlowView {
        tunnel: tunnel.name.clone(),
        local: network(&local),
        remote: network(&remote),
        routing: if tunnel.protected.is_some() { "protected" } else { "destination" }.to_owned(),
        state,
        failure: match (state, &carries, child) {
            (FlowState::Narrowed, Some(carries), Some(child)) => {
                Some(narrowed(&asked, carries, seconds(now, child.established_at)))
            }
            (FlowState::Down, _, _) => status.and_then(|status| why_down(status, (local, remote), now)),
            (FlowState::Up | FlowState::Narrowed, _, _) => None,
        },
        carries,
        spi_in: child.map(|child| child.inbound.to_string()),
        spi_out: child.map(|child| child.outbound.to_string()),
        packets_in: inbound.map_or(0, |usage| usage.packets),
        packets_out: outbound.map_or(0, |usage| usage.packets),
        bytes_in: inbound.map_or(0, |usage| usage.bytes),
        bytes_out: outbound.map_or(0, |usage| usage.bytes),
        rule: None,
    }
}

/// S0-13: both sides have the same networks, local and remote swapped.
fn narrowed(asked: &str, carries: &str, ago: u64) -> FailureView {
    FailureView {
        reason: "narrowed".to_owned(),
        text: format!("we asked for {asked}, the peer takes {carries}"),
        remedy: "give both ends the same networks, with local and remote swapped".to_owned(),
        ago,
    }
}

fn why_down(
    status: &TunnelStatus,
    (local, remote): (TrafficSelector, TrafficSelector),
    now: Instant,
) -> Option<FailureView> {
    let missing = status
        .missing
        .iter()
        .filter(|child| meets(&child.local_selectors, &[local]) && meets(&child.remote_selectors, &[remote]));
    let of_flow = missing.filter_map(|child| child.failure.as_ref()).next();
    of_flow.or(status.last_failure.as_ref()).map(|(reason, at)| ike_failure(reason, *at, now))
}

fn rule_view(rule: &FibFlow, topology: &Topology) -> FlowRuleView {
    FlowRuleView {
        priority: rule.priority,
        table: rule.table,
        state: route_state(&rule.state),
        through: rule.next_hops.iter().map(|link| topology.link_name(*link)).collect(),
    }
}

/// Selectors of our side with each of the peer's that is of the same family.
fn pairs(tunnel: &Tunnel) -> Vec<(TrafficSelector, TrafficSelector)> {
    let (ours, theirs) = (&tunnel.ike.local_selectors, &tunnel.ike.remote_selectors);
    let all = ours.iter().flat_map(|local| theirs.iter().map(move |remote| (*local, *remote)));
    all.filter(|(local, remote)| local.start.is_ipv4() == remote.start.is_ipv4()).collect()
}

/// `10.1.0.0/16, 10.3.0.0/16 === 10.2.0.0/16`.
pub(super) fn pair(local: &[TrafficSelector], remote: &[TrafficSelector]) -> String {
    let list = |side: &[TrafficSelector]| side.iter().map(network).collect::<Vec<_>>().join(", ");
    format!("{} === {}", list(local), list(remote))
}

/// As a prefix, if it is one with all protocols and ports.
fn network(selector: &TrafficSelector) -> String {
    let mut nets: Vec<IpNet> = match (selector.start, selector.end) {
        (IpAddr::V4(start), IpAddr::V4(end)) => Ipv4Subnets::new(start, end, 0).map(IpNet::V4).take(2).collect(),
        (IpAddr::V6(start), IpAddr::V6(end)) => Ipv6Subnets::new(start, end, 0).map(IpNet::V6).take(2).collect(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Vec::new(),
    };
    let whole = *selector == TrafficSelector::range(selector.start, selector.end) && nets.len() == 1;
    nets.pop().filter(|_| whole).map_or_else(|| selector.to_string(), |net| net.to_string())
}

fn selects(selector: &TrafficSelector, net: IpNet) -> bool {
    selector.start == net.network() && selector.end == net.broadcast()
}

/// Whether each of `inner` lies in one of `outer`.
fn covers(outer: &[TrafficSelector], inner: &[TrafficSelector]) -> bool {
    let within = |inner: &TrafficSelector| {
        outer.iter().any(|outer| outer.protocol == 0 && outer.contains(inner.start) && outer.contains(inner.end))
    };
    inner.iter().all(within)
}

/// Whether they have an address in common.
fn meets(one: &[TrafficSelector], other: &[TrafficSelector]) -> bool {
    let common = |a: &TrafficSelector, b: &TrafficSelector| a.contains(b.start) || b.contains(a.start);
    one.iter().any(|a| other.iter().any(|b| common(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selectors(nets: &[&str]) -> Vec<TrafficSelector> {
        let of = |net: &&str| {
            let net: IpNet = net.parse().unwrap();
            TrafficSelector::range(net.network(), net.broadcast())
        };
        nets.iter().map(of).collect()
    }

    #[test]
    fn selectors_are_shown_as_the_prefixes_they_are() {
        let (local, remote) = (selectors(&["10.1.0.0/16", "0.0.0.0/0"]), selectors(&["fd00::/8"]));
        assert_eq!(pair(&local, &remote), "10.1.0.0/16, 0.0.0.0/0 === fd00::/8");
        let range = TrafficSelector::range([10, 0, 0, 1].into(), [10, 0, 0, 9].into());
        assert_eq!(network(&range), "10.0.0.1-10.0.0.9");
        assert_eq!(network(&TrafficSelector { protocol: 6, ..local[0] }), "10.1.0.0-10.1.255.255[6/0-65535]");
    }

    #[test]
    fn what_is_covered_and_what_is_only_met() {
        let wide = selectors(&["10.0.0.0/8", "fd00::/8"]);
        assert!(covers(&wide, &selectors(&["10.1.0.0/16", "fd00:1::/32"])));
        assert!(!covers(&wide, &selectors(&["10.1.0.0/16", "192.168.0.0/16"])));
        assert!(!covers(&selectors(&["10.1.0.0/16"]), &wide) && meets(&selectors(&["10.1.0.0/16"]), &wide));
        assert!(!meets(&selectors(&["192.168.0.0/16"]), &wide));
    }
}
