//! Tunnels without BGP: static routes written at them, and protected flows.

use std::fmt::Write as _;

use rib::{StaticHop, StaticTarget};

use super::{check, rendered};
use crate::Code;
use settings::{Router, Tunnel};

const ROUTER: &str = "\
router:
  name: edge
  asn: 65000
  router-id: 10.1.0.1
defaults:
  local: 192.0.2.10
  psk: {file: good.psk}
tunnels:
";

/// Two tunnels, each with these lines of its own.
fn text(first: &str, second: &str) -> String {
    format!(
        "{ROUTER}  - name: t1\n    remote: 203.0.113.11\n{}  - name: t2\n    remote: 203.0.113.12\n{}",
        indented(first),
        indented(second)
    )
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("    {line}\n")).collect()
}

fn router(first: &str, second: &str) -> Router {
    let loaded = check(&text(first, second)).unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert!(loaded.warnings.is_empty(), "{}", rendered(&text(first, second)));
    loaded.router
}

const FLOWS: &str = "selectors: {local: [10.1.0.0/16], remote: [10.2.0.0/16, 10.3.0.0/16]}\nrouting: protected";
const ROUTE: &str = "routes: [10.8.0.0/16]";

/// What is wrong, and the lines of both tunnels.
pub(super) const CASES: &[(Code, [&str; 2])] = &[
    (Code::FlowNetworks, ["routing: protected", ROUTE]),
    (Code::FlowNetworks, ["selectors: {local: [10.1.0.0/16], remote: ['fd00::/8']}\nrouting: protected", ROUTE]),
    (Code::FlowNetworks, ["selectors: {local: [10.1.0.0/16], remote: [10.1.0.0/16]}\nrouting: protected", ROUTE]),
    (Code::FlowNetworks, ["selectors: {local: [0.0.0.0/0], remote: [0.0.0.0/0]}\nrouting: protected", ROUTE]),
    (Code::FlowNetworks, ["selectors: {local: [127.0.0.0/8], remote: [10.2.0.0/16]}\nrouting: protected", ROUTE]),
    (
        Code::FlowNetworks,
        ["selectors: {local: [10.1.0.0/16], remote: [0.0.0.0/0]}\nrouting: {mode: protected, announce: true}", ROUTE],
    ),
    (Code::FlowOverlap, [FLOWS, "selectors: {local: [10.1.5.0/24], remote: [10.2.0.0/16]}\nrouting: protected"]),
    (Code::RoutingIdle, ["routing: {mode: destination, announce: true}\nroutes: [10.9.0.0/16]", ROUTE]),
    (
        Code::RoutingIdle,
        ["selectors: {local: [10.1.0.0/16], remote: [10.2.0.0/16]}\nrouting: protected\nroutes: [10.2.0.0/16]", ROUTE],
    ),
    (Code::OnDemand, ["start: on-demand\nroutes: [10.9.0.0/16]", ROUTE]),
    (Code::NoSession, ["mtu: 1400", ROUTE]),
    (Code::StaticDuplicate, ["routes: [10.9.0.0/16, {prefix: 10.9.0.0/16, weight: 2}]", ROUTE]),
    (Code::StaticCapture, ["routes: [203.0.113.0/24]", ROUTE]),
    (Code::StaticPrefix, ["routes: [169.254.0.0/17]", ROUTE]),
    (Code::MissingKey, ["routes: [{distance: 5}]", ROUTE]),
    (Code::MissingKey, ["routing: {announce: true}", ROUTE]),
    (Code::Value, ["routes: [10.9.0.1/16]\nrouting: policy", ROUTE]),
    (Code::MissingKey, ["bgp: {asn: 64512}", ROUTE]),
];

pub(super) fn every_case() -> impl Iterator<Item = String> {
    CASES.iter().map(|(_, [first, second])| text(first, second))
}

#[test]
fn what_is_wrong_with_flows_and_routes_is_said_with_place_and_remedy() {
    let mut all = String::new();
    for (code, [first, second]) in CASES {
        let text = text(first, second);
        let found = rendered(&text);
        assert!(found.contains(code.as_str()), "{code} is not among\n{found}");
        writeln!(all, "==== {code}\n\n{found}").unwrap();
    }
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("flows", all) });
}

#[test]
fn too_many_flows_and_flows_without_a_forwarding_table_are_refused() {
    let list = |third: u8| (0..33).map(|n| format!("10.{third}.{n}.0/24")).collect::<Vec<_>>().join(", ");
    let many = format!("selectors: {{local: [{}], remote: [{}]}}\nrouting: protected", list(1), list(2));
    assert!(rendered(&text(&many, ROUTE)).contains(Code::FlowCount.as_str()));
    let passing = text(FLOWS, ROUTE).replace("  asn: 65000\n", "  asn: 65000\n  install: false\n");
    assert!(rendered(&passing).contains(Code::FlowIdle.as_str()));
}

#[test]
fn routes_of_several_tunnels_to_one_prefix_are_one_route() {
    let router = router("routes: [10.9.0.0/16, 10.8.0.0/16]", "routes: [{prefix: 10.9.0.0/16, weight: 3}]");
    let hop = |tunnel: &Tunnel, weight| StaticHop {
        interface: Some(tunnel.interface.clone()),
        address: tunnel.inside.peer,
        weight,
    };
    let [t1, t2] = router.tunnels.as_slice() else { panic!("{:?}", router.tunnels) };
    let targets: Vec<_> = router.statics.iter().map(|route| (route.prefix.to_string(), &route.target)).collect();
    let both = StaticTarget::Via(vec![hop(t1, 1), hop(t2, 3)]);
    let one = StaticTarget::Via(vec![hop(t1, 1)]);
    assert_eq!(targets, [("10.9.0.0/16".to_owned(), &both), ("10.8.0.0/16".to_owned(), &one)]);
    assert!(router.has_static_routes(t1) && router.has_static_routes(t2));
}

#[test]
fn a_higher_distance_stands_by() {
    let router = router("routes: [10.9.0.0/16]", "routes: [{prefix: 10.9.0.0/16, distance: 5, announce: true}]");
    let distances: Vec<_> = router.statics.iter().map(|route| (route.distance, route.announce)).collect();
    assert_eq!(distances, [(1, false), (5, true)]);
}

#[test]
fn tunnels_without_bgp_have_links_that_no_one_chose() {
    let routes = "routes: [10.9.0.0/16, 'fd09::/32']";
    let before = router(routes, ROUTE);
    let [t1, t2] = before.tunnels.as_slice() else { panic!() };
    assert_ne!(t1.inside.prefix, t2.inside.prefix);
    assert!(t1.inside.local != t1.inside.peer && t1.inside.prefix.network().is_link_local());
    assert!(t1.inside6.is_some() && t2.inside6.is_none(), "only where IPv6 is led into the tunnel");
    let after = router(routes, "routes: [10.7.0.0/16]\nmtu: 1400");
    assert_eq!(after.tunnels[0].inside, t1.inside, "and keep them");
}

#[test]
fn protected_flows_are_pairs_of_networks_of_one_family() {
    let networks = "selectors: {local: [10.1.0.0/16, 'fd01::/32'], remote: [10.2.0.0/16, 10.3.0.0/16, 'fd02::/32']}\n";
    let router = router(&format!("{networks}routing: {{mode: protected, distance: 7}}"), ROUTE);
    let protected = router.tunnels[0].protected.as_ref().unwrap();
    let pairs: Vec<_> = protected.pairs().map(|(local, remote)| format!("{local} {remote}")).collect();
    assert_eq!(pairs, ["10.1.0.0/16 10.2.0.0/16", "10.1.0.0/16 10.3.0.0/16", "fd01::/32 fd02::/32"]);
    assert_eq!((protected.distance, protected.announce), (7, false));
    assert_eq!(router.statics.len(), 1, "S0-12: nobody is told of them");
    assert!(router.tunnels[1].protected.is_none());
}

#[test]
fn the_link_inside_is_no_flow() {
    let session = "selectors: {local: [10.1.0.0/16, 169.254.21.1/32], remote: [10.2.0.0/16, 169.254.21.2/32]}\n\
                   inside: {prefix: 169.254.21.0/30, side: first}\nbgp: {asn: 64512, import: all}\nrouting: protected";
    let found = check(&text(session, ROUTE)).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let pairs: Vec<_> = found.router.tunnels[0].protected.as_ref().unwrap().pairs().collect();
    assert_eq!(pairs.len(), 1, "{pairs:?}");
}

#[test]
fn announced_flows_are_told_and_not_routed() {
    let announced = FLOWS.replace("routing: protected", "routing: {mode: protected, announce: true}");
    let router = router(&announced, &announced);
    let told: Vec<_> = router.statics.iter().map(|route| (route.prefix.to_string(), route.announce)).collect();
    let each = ["10.2.0.0/16", "10.3.0.0/16", "10.2.0.0/16", "10.3.0.0/16"].map(|net| (net.to_owned(), true));
    assert_eq!(told, each);
    assert!(router.statics.iter().all(|route| matches!(route.target, StaticTarget::Elsewhere(_))));
}
