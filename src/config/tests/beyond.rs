//! What a configuration comes to beyond its tunnels: static routes, connected networks, neighbours.

use bgp::Family;
use rib::{ConnectedRule, PeerId, Reach, StaticHop, StaticTarget};
use wire::{Asn, LinkId};

use super::{GOOD, changed, check};
use settings::Router;

const NEIGHBORS: &str = "\
neighbors:
  - name: core
    address: 10.1.0.9
    asn: 65010
    bgp: {hold-time: 9s, med: 20}
  - name: hub
    address: 10.255.0.1
    asn: 64512
    local-address: 10.1.0.1
    multihop: 3
  - name: spokes
    range: 10.7.0.0/24
    asn: [65100-65109, 65200]
    limit: 8
    interface: eth1
tunnels:
";

fn router(text: &str) -> Router {
    check(text).unwrap_or_else(|report| panic!("{}", report.render(false))).router
}

fn with_statics(lines: &str) -> Router {
    router(&changed(GOOD, "  networks: [10.1.0.0/16]\n", &format!("  networks: [10.1.0.0/16]\n{lines}")))
}

fn hop(interface: Option<&str>, address: &str, weight: u16) -> StaticHop {
    StaticHop { interface: interface.map(str::to_owned), address: address.parse().unwrap(), weight }
}

#[test]
fn a_static_route_leads_to_the_peers_inside_its_tunnels() {
    let router =
        with_statics("  static:\n    - {prefix: 10.255.0.1/32, via: [{tunnel: t1}, {tunnel: t2, weight: 3}]}\n");
    let [route] = router.statics.as_slice() else { panic!("{:?}", router.statics) };
    let hops = vec![hop(Some("qs-t1"), "169.254.21.1", 1), hop(Some("qs-t2"), "169.254.22.1", 3)];
    assert_eq!(route.target, StaticTarget::Via(hops));
    assert_eq!((route.distance, route.announce), (1, false));
}

#[test]
fn next_hops_may_be_addresses_alone_or_behind_an_interface() {
    let router = with_statics(
        "  static:\n    - {prefix: 10.8.0.0/16, via: [10.1.0.9, {address: 10.1.0.10, interface: eth0}], distance: 250}\n    \
         - {prefix: 10.0.0.0/8, blackhole: true, announce: true}\n",
    );
    let hops = vec![hop(None, "10.1.0.9", 1), hop(Some("eth0"), "10.1.0.10", 1)];
    assert_eq!((&router.statics[0].target, router.statics[0].distance), (&StaticTarget::Via(hops), 250));
    assert_eq!((&router.statics[1].target, router.statics[1].announce), (&StaticTarget::Blackhole, true));
}

#[test]
fn a_way_around_lets_a_route_hold_a_peers_outside_address() {
    with_statics(
        "  static:\n    - {prefix: 203.0.113.0/24, via: [{tunnel: t1}]}\n    \
         - {prefix: 203.0.113.11/32, via: [192.0.2.1]}\n    - {prefix: 203.0.113.12/32, via: [192.0.2.1]}\n",
    );
    with_statics("  static:\n    - {prefix: 203.0.113.0/24, via: [192.0.2.1]}\n");
}

#[test]
fn connected_networks_are_known_of_the_interfaces_that_are_named() {
    assert_eq!(router(GOOD).connected, ConnectedRule::Named(vec![]));
    assert_eq!(with_statics("  connected: all\n").connected, ConnectedRule::All);
    let named = with_statics("  connected: [eth0, eth1]\n").connected;
    assert_eq!(named, ConnectedRule::Named(vec!["eth0".to_owned(), "eth1".to_owned()]));
    assert!(named.includes("eth1") && !named.includes("eth10"));
}

#[test]
fn neighbours_have_the_keys_of_a_tunnels_session() {
    let router = router(&changed(GOOD, "tunnels:\n", NEIGHBORS));
    let [core, hub, spokes] = router.neighbors.as_slice() else { panic!("{:?}", router.neighbors) };
    assert_eq!((core.session.name.as_str(), core.session.id), ("core", PeerId(0x8000_0001)));
    assert_eq!((core.session.peer.peer_asn, core.session.policy.med), (Asn(65010), Some(20)));
    assert_eq!(
        (core.session.policy.link, &core.session.policy.reach),
        (LinkId::NONE, &Reach::Connected { interface: None })
    );
    assert!(core.session.peer.local_address.is_unspecified() && core.place.local_address.is_none());
    assert_eq!((hub.place.multihop, &hub.session.policy.reach), (Some(3), &Reach::Routed));
    assert_eq!(hub.session.policy.local_address.to_string(), "10.1.0.1");
    let range = spokes.range.as_ref().unwrap();
    assert_eq!((range.asns.as_slice(), range.limit), ([65100..=65109, 65200..=65200].as_slice(), 8));
    assert!(spokes.session.peer.passive && !core.session.peer.passive);
}

#[test]
fn a_neighbours_families_are_those_of_its_address() {
    let text = changed(GOOD, "tunnels:\n", "neighbors:\n  - {name: six, address: 'fd00:9::1', asn: 65010}\ntunnels:\n");
    assert_eq!(router(&text).neighbors[0].session.peer.families, [Family::Ipv6Unicast]);
}

#[test]
fn a_neighbour_of_our_own_as_is_internal() {
    let text = changed(GOOD, "tunnels:\n", "neighbors:\n  - {name: rr, address: 10.1.0.9, asn: 65000}\ntunnels:\n");
    assert_eq!(router(&text).neighbors[0].session.peer.peer_asn, Asn(65000));
}

#[test]
fn neighbours_keep_their_numbers_over_a_reload() {
    let running = router(&changed(GOOD, "tunnels:\n", NEIGHBORS));
    let others = "neighbors:\n  - {name: new, address: 10.1.0.7, asn: 65011}\n  \
                  - {name: hub, address: 10.255.0.1, asn: 64512, local-address: 10.1.0.1, multihop: 3}\ntunnels:\n";
    let mut reloaded = router(&changed(GOOD, "tunnels:\n", others));
    reloaded.keep_ids(&running);
    let ids: Vec<u32> = reloaded.neighbors.iter().map(|neighbor| neighbor.session.id.0).collect();
    assert_eq!(ids, [0x8000_0004, 0x8000_0002]);
}

#[test]
fn a_session_between_ipv6_addresses_has_ipv4_routes_where_next_hops_may_be_of_either_family() {
    let families = |bgp: &str| {
        let neighbor = format!("neighbors:\n  - {{name: a, asn: 65010, address: '2001:db8::9', {bgp}}}\ntunnels:\n");
        router(&changed(GOOD, "tunnels:\n", &neighbor)).neighbors[0].session.peer.families.clone()
    };
    let both = [Family::Ipv4Unicast, Family::Ipv6Unicast];
    assert_eq!(families("bgp: {import: all}"), [Family::Ipv6Unicast]);
    assert_eq!(families("bgp: {extended-next-hop: true}"), both);
    assert_eq!(families("bgp: {extended-next-hop: true, families: [ipv4]}"), [Family::Ipv4Unicast]);
    assert_eq!(families("bgp: {extended-next-hop: true, families: [ipv6, ipv4]}"), both);
}

#[test]
fn without_tunnels_neighbours_suffice() {
    let head = "router: {name: rs, asn: 65000, router-id: 10.1.0.1, install: false}\n";
    let neighbors = "neighbors:\n  - {name: a, asn: 65010, address: 10.1.0.9, bgp: {import: all, export: all}}\n";
    let router = router(&format!("{head}{neighbors}"));
    assert_eq!((router.tunnels.len(), router.neighbors.len(), router.local_addresses().len()), (0, 1, 0));
    assert!(check(&format!("{head}{neighbors}tunnels: []\n")).is_ok());
    assert!(check(head).is_err());
}

#[test]
fn a_tunnel_that_a_static_route_leads_into_needs_no_session() {
    let text = changed(GOOD, "  bgp: {asn: 64512}\n", "");
    let lines = |via: &str| format!("  networks: [10.1.0.0/16]\n  static: [{{prefix: 10.8.0.0/16, via: [{via}]}}]\n");
    let warned = |via: &str| {
        let text = changed(&text, "  networks: [10.1.0.0/16]\n", &lines(via));
        super::rendered(&text).matches("no BGP session in").count()
    };
    assert_eq!(warned("10.1.0.9"), 2);
    for one in ["{tunnel: t1}", "{address: 169.254.21.1, interface: qs-t1}", "169.254.21.1"] {
        assert_eq!(warned(one), 1, "{one}");
    }
    assert_eq!(warned("{tunnel: t1}, {tunnel: t2}"), 0);
}

#[test]
fn a_peer_may_know_us_by_another_number() {
    let neighbor = |local: &str| {
        let lines =
            format!("neighbors:\n  - {{name: a, asn: 65010, address: 10.1.0.9, bgp: {{local-asn: {local}}}}}\n");
        router(&changed(GOOD, "tunnels:\n", &format!("{lines}tunnels:\n"))).neighbors.swap_remove(0).session
    };
    let local = |no_prepend, replace| Some(rib::LocalAs { asn: Asn(64999), no_prepend, replace });
    let short = neighbor("64999");
    assert_eq!((short.peer.local_asn, short.policy.treatment.local_as), (Asn(64999), local(false, false)));
    let long = neighbor("{asn: 64999, no-prepend: true, replace-as: true}");
    assert_eq!(long.policy.treatment.local_as, local(true, true));
}

#[test]
fn peers_of_a_range_may_be_of_any_as() {
    let asns = |asn: &str| {
        let lines = format!("neighbors:\n  - {{name: a, asn: {asn}, range: 10.7.0.0/24}}\ntunnels:\n");
        router(&changed(GOOD, "tunnels:\n", &lines)).neighbors.swap_remove(0).range.unwrap().asns
    };
    assert_eq!(asns("any"), [1..=u32::MAX - 1]);
    assert_eq!(asns("external"), [1..=64999, 65001..=u32::MAX - 1]);
    assert_eq!(asns("[external, 65000]").len(), 3);
}

#[test]
fn a_cloud_sees_another_number_in_place_of_one_that_it_refuses() {
    let text = changed(&changed(GOOD, "profile: aws", "profile: azure"), "asn: 65000", "asn: 65515");
    let refused = |local: &str| {
        let text = changed(&text, "{asn: 64512}", &format!("{{asn: 64512, {local}}}"));
        super::rendered(&text).matches("from no customer").count()
    };
    assert_eq!(refused("import: all"), 1);
    assert_eq!(refused("local-asn: 65001"), 1, "it is behind the other one");
    assert_eq!(refused("local-asn: {asn: 65001, replace-as: true}"), 0);
    assert_eq!(refused("local-asn: {asn: 65517, replace-as: true}"), 1);
}
