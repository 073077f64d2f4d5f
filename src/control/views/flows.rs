//! Protected flows and what became of each.
//!
//! ```text
//! CHILD SAs ──────┐
//! fib ────────────┴── views ────► show flows
//! ```

use std::collections::BTreeMap;
use std::time::Instant;

use daemon::flows::{covers, meets, network, pair};
use daemon::topology::{Part, Topology};
use dataplane::SaUsage;
use fib::FibFlow;
use ipnet::IpNet;
use negotiation::{ChildStatus, TunnelStatus};
use settings::Tunnel;
use view::{FailureView, FlowRuleView, FlowState, FlowView};
use wire::ipsec::{Direction, TrafficSelector, TunnelId};

use super::{ike_failure, route_state, seconds};

/// Every pair of networks of every tunnel.
pub(crate) fn views(
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

fn selects(selector: &TrafficSelector, net: IpNet) -> bool {
    selector.start == net.network() && selector.end == net.broadcast()
}
