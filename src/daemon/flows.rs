//! Protected flows: what the forwarding table is told of them.
//!
//! ```text
//! configuration ──┐
//!                 ├── desired ──► fib: a rule and a table for each pair of networks
//! interfaces ─────┘
//! ```
//!
//! Tunnels that carry the same pair of networks are ways of one flow.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fib::{Fib, Flow, FlowWay, Flows};
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use negotiation::ChildSelectors;
use rib::NextHop;
use settings::Tunnel;
use wire::ipsec::TrafficSelector;

use super::topology::Topology;

/// Tells the forwarding table which flows there are.
pub(super) fn tell(topology: &Topology, fib: &Fib) {
    fib.set_flows(desired(topology));
}

/// Those of all tunnels in the configuration, made or not; and while a reload is under way, in both configurations.
fn desired(topology: &Topology) -> Flows {
    let mut flows: Vec<Flow> = Vec::new();
    let mut outside = BTreeSet::new();
    for router in topology.routers().filter(|router| router.install) {
        outside.extend(router.rib.protected.iter().copied());
        for tunnel in &router.tunnels {
            let interface = topology.tunnels.get(&tunnel.id).map(|part| part.interface.ifindex);
            let Some(protected) = &tunnel.protected else { continue };
            for (local, remote) in protected.pairs() {
                let Some(next_hop) = next_hop(tunnel, remote) else { continue };
                let way = FlowWay { next_hop, distance: protected.distance, interface };
                match flows.iter_mut().find(|flow| (flow.local, flow.remote) == (local, remote)) {
                    Some(flow) if flow.ways.iter().any(|known| known.next_hop.link == next_hop.link) => {}
                    Some(flow) => flow.ways.push(way),
                    None => flows.push(Flow { local, remote, ways: vec![way] }),
                }
            }
        }
    }
    Flows { flows, outside: outside.into_iter().collect() }
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

/// `10.1.0.0/16, 10.3.0.0/16 === 10.2.0.0/16`.
#[must_use]
pub fn pair(local: &[TrafficSelector], remote: &[TrafficSelector]) -> String {
    let list = |side: &[TrafficSelector]| side.iter().map(network).collect::<Vec<_>>().join(", ");
    format!("{} === {}", list(local), list(remote))
}

/// As a prefix, if it is one with all protocols and ports.
#[must_use]
pub fn network(selector: &TrafficSelector) -> String {
    let mut nets: Vec<IpNet> = match (selector.start, selector.end) {
        (IpAddr::V4(start), IpAddr::V4(end)) => Ipv4Subnets::new(start, end, 0).map(IpNet::V4).take(2).collect(),
        (IpAddr::V6(start), IpAddr::V6(end)) => Ipv6Subnets::new(start, end, 0).map(IpNet::V6).take(2).collect(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Vec::new(),
    };
    let whole = *selector == TrafficSelector::range(selector.start, selector.end) && nets.len() == 1;
    nets.pop().filter(|_| whole).map_or_else(|| selector.to_string(), |net| net.to_string())
}

/// Whether each of `inner` lies in one of `outer`.
#[must_use]
pub fn covers(outer: &[TrafficSelector], inner: &[TrafficSelector]) -> bool {
    let within = |inner: &TrafficSelector| {
        outer.iter().any(|outer| outer.protocol == 0 && outer.contains(inner.start) && outer.contains(inner.end))
    };
    inner.iter().all(within)
}

/// Whether they have an address in common.
#[must_use]
pub fn meets(one: &[TrafficSelector], other: &[TrafficSelector]) -> bool {
    let common = |a: &TrafficSelector, b: &TrafficSelector| a.contains(b.start) || b.contains(a.start);
    one.iter().any(|a| other.iter().any(|b| common(a, b)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wire::ipsec::TunnelId;

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

    fn router(tunnels: &[(&str, u8, &str)]) -> settings::Router {
        let tunnel = |(name, host, remote): &(&str, u8, &str)| {
            format!(
                "  - {{name: {name}, local: 198.51.100.1, remote: 203.0.113.{host}, psk: {{inline: a-key-for-the-tunnel}}, \
                 inside: {{prefix: 169.254.2{host}.0/30, side: first}}, routing: protected, \
                 selectors: {{local: [10.1.0.0/16], remote: [{remote}]}}}}\n"
            )
        };
        let tunnels: String = tunnels.iter().map(tunnel).collect();
        let text = format!("router: {{name: hub, asn: 65000, router-id: 10.0.0.1}}\ntunnels:\n{tunnels}");
        config::parse("test.yaml", &text, &config::SystemSecrets::new(".".as_ref())).unwrap().router
    }

    #[test]
    fn while_a_reload_is_under_way_there_are_the_flows_and_exceptions_of_both_configurations() {
        let before = router(&[("a", 1, "10.2.0.0/16"), ("b", 2, "10.3.0.0/16")]);
        let mut after = router(&[("c", 3, "0.0.0.0/0"), ("b", 2, "10.3.0.0/16")]);
        after.keep_ids(&before);
        let (a, b) = (before.tunnels[0].id, before.tunnels[1].id);
        let c = after.tunnels[0].id;
        let mut topology = Topology::empty(before);
        let told = |topology: &Topology| {
            let Flows { flows, outside } = desired(topology);
            let ways = |flow: Flow| (flow.remote.to_string(), flow.ways.iter().map(|way| way.next_hop.link).collect());
            let flows: BTreeMap<String, Vec<wire::LinkId>> = flows.into_iter().map(ways).collect();
            (flows, outside.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let flow = |remote: &str, tunnel: TunnelId| (remote.to_owned(), vec![tunnel.into()]);
        topology.next = Some(std::sync::Arc::new(after));
        let (flows, outside) = told(&topology);
        assert_eq!(flows, [flow("0.0.0.0/0", c), flow("10.2.0.0/16", a), flow("10.3.0.0/16", b)].into());
        assert_eq!(outside, ["203.0.113.1", "203.0.113.2", "203.0.113.3"]);
        topology.router = topology.next.take().unwrap();
        let (flows, outside) = told(&topology);
        assert_eq!(flows, [flow("0.0.0.0/0", c), flow("10.3.0.0/16", b)].into());
        assert_eq!(outside, ["203.0.113.2", "203.0.113.3"]);
    }
}
