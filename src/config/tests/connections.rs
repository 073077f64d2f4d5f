//! Connections and probes: what they come to, and what mistakes in them look like.

use std::net::SocketAddr;
use std::time::Duration;

use rib::WayBack;
use steering::{Failback, HealthCheck, Mode, Policy, Target};

use super::diagnostics::Case;
use super::{GOOD, changed, check};
use crate::Code;
use settings::Router;

/// The cases change what stands in the place of this.
const TUNNELS: &str = "tunnels:\n";
const T1: &str = "    inside: 169.254.21.0/30\n";

macro_rules! with {
    ($connections:literal) => {
        (TUNNELS, concat!("connections:\n", $connections, "tunnels:\n"))
    };
}

pub(super) const CASES: &[Case] = &[
    (Code::MissingKey, &[with!("  c: {}\n")]),
    (Code::Name, &[with!("  my pair: {mode: active-active, tunnels: [t1, t2]}\n")]),
    (Code::Value, &[with!("  c: {mode: active-passive, tunnels: [t1, t2], way-back: by-med}\n")]),
    (Code::ConnectionTunnels, &[with!("  c: {mode: primary-standby, tunnels: [t1]}\n")]),
    (Code::ConnectionTunnels, &[with!("  c: {mode: primary-standby, tunnels: [t1, t3, other]}\n")]),
    (
        Code::ConnectionTunnels,
        &[with!("  c: {mode: active-active, tunnels: [t1, t2]}\n  d: {mode: active-active, tunnels: [t2, t2]}\n")],
    ),
    (
        Code::ConnectionPriority,
        &[with!("  c: {mode: primary-standby, tunnels: [{tunnel: t1, priority: 5}, {tunnel: t2, priority: 5}]}\n")],
    ),
    (Code::ConnectionPriority, &[with!("  c: {mode: primary-standby, tunnels: [t1, {tunnel: t2, priority: 1}]}\n")]),
    (Code::ConnectionPriority, &[with!("  c: {mode: med-steered, tunnels: [t1, {tunnel: t2, priority: 2}]}\n")]),
    (
        Code::ConnectionReady,
        &[
            with!("  c: {mode: primary-standby, tunnels: [t1, t2]}\n"),
            (T1, "    inside: 169.254.21.0/30\n    start: on-demand\n"),
        ],
    ),
    (
        Code::ConnectionContradiction,
        &[
            with!("  c: {mode: primary-standby, tunnels: [t1, t2]}\n"),
            (T1, "    inside: 169.254.21.0/30\n    bgp: {local-preference: 200}\n"),
        ],
    ),
    (
        Code::ConnectionMixed,
        &[
            with!("  c: {mode: active-active, tunnels: [t1, t2]}\n"),
            (T1, "    inside: 169.254.21.0/30\n    bgp: {asn: 64513}\n"),
        ],
    ),
    (
        Code::ConnectionMode,
        &[
            with!("  c: {mode: med-steered, tunnels: [t1, t2]}\n"),
            ("  bgp: {asn: 64512}\n", ""),
            (T1, "    inside: 169.254.21.0/30\n    bgp: {asn: 64512}\n"),
        ],
    ),
    (Code::Failback, &[with!("  c: {mode: primary-standby, tunnels: [t1, t2], failback: {hold: 0s}}\n")]),
    (
        Code::Failback,
        &[with!("  c: {mode: primary-standby, tunnels: [t1, t2], failback: {hold: 1h, max-hold: 1m, forget: 0s}}\n")],
    ),
    (Code::HealthProbe, &[(T1, "    inside: 169.254.21.0/30\n    health: {interval: 1s}\n")]),
    (
        Code::HealthProbe,
        &[(
            T1,
            "    inside: 169.254.21.0/30\n    health:\n      probes: [{icmp: 203.0.113.12}, {icmp: 169.254.21.2}, \
             {icmp: 169.254.22.1}, {icmp: 127.0.0.1}, {icmp: 'fd00::1'}]\n",
        )],
    ),
    (
        Code::HealthProbe,
        &[(
            T1,
            "    inside: 169.254.21.0/30\n    health:\n      probes: [{}, {icmp: 10.2.0.1, tcp: '10.2.0.1:80'}, \
             {tcp: '10.2.0.1:0'}, {icmp: 10.2.0.1}, {icmp: 10.2.0.1}]\n",
        )],
    ),
    (
        Code::HealthProbe,
        &[(
            T1,
            "    inside: 169.254.21.0/30\n    health:\n      probes: [{icmp: 10.2.0.1}, {icmp: 10.2.0.2}, {icmp: 10.2.0.3}, \
             {icmp: 10.2.0.4}, {icmp: 10.2.0.5}, {icmp: 10.2.0.6}, {icmp: 10.2.0.7}, {icmp: 10.2.0.8}, {icmp: 10.2.0.9}]\n",
        )],
    ),
    (
        Code::HealthProbe,
        &[(
            T1,
            "    inside: 169.254.21.0/30\n    inside6: 'fd00:1::/126'\n    health: {probes: [{icmp: 'fd00:2::10'}]}\n",
        )],
    ),
    (
        Code::HealthTiming,
        &[(T1, "    inside: 169.254.21.0/30\n    health: {probes: [{icmp: 10.2.0.1}], interval: 10ms, timeout: 1s}\n")],
    ),
];

/// One per rule that does not break it.
pub(super) const PASSES: &[Case] = &[
    (Code::ConnectionTunnels, &[with!("  c: {mode: primary-standby, tunnels: [t1, t2]}\n")]),
    (
        Code::ConnectionPriority,
        &[with!("  c: {mode: primary-standby, tunnels: [{tunnel: t1, priority: 5}, {tunnel: t2, priority: 6}]}\n")],
    ),
    (
        Code::ConnectionReady,
        &[
            with!("  c: {mode: primary-standby, tunnels: [t1, t2]}\n"),
            (T1, "    inside: 169.254.21.0/30\n    start: respond\n"),
        ],
    ),
    (
        Code::ConnectionContradiction,
        &[
            with!("  c: {mode: primary-standby, tunnels: [t1, t2]}\n"),
            ("{asn: 64512}", "{asn: 64512, local-preference: 200}"),
        ],
    ),
    (Code::ConnectionMixed, &[with!("  c: {mode: active-active, tunnels: [t1, t2]}\n")]),
    (Code::ConnectionMode, &[with!("  c: {mode: med-steered, tunnels: [t1, t2]}\n")]),
    (
        Code::Failback,
        &[with!("  c: {mode: primary-standby, tunnels: [t1, t2], failback: {hold: 1s, max-hold: 1s, forget: 1m}}\n")],
    ),
    (
        Code::HealthProbe,
        &[(
            T1,
            "    inside: 169.254.21.0/30\n    inside6: 'fd00:1::/126'\n    health: {probes: [{icmp: 169.254.21.1}, {icmp: 'fd00:1::1'}]}\n",
        )],
    ),
    (
        Code::HealthTiming,
        &[(
            T1,
            "    inside: 169.254.21.0/30\n    health: {probes: [{icmp: 10.2.0.1}], interval: 100ms, timeout: 100ms}\n",
        )],
    ),
];

fn router(changes: &[(&str, &str)]) -> Router {
    let text = changes.iter().fold(GOOD.to_owned(), |text, (from, to)| changed(&text, from, to));
    let loaded = check(&text).unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert!(loaded.warnings.is_empty(), "{:#?}", loaded.warnings);
    loaded.router
}

fn members(router: &Router) -> Vec<(&str, u16)> {
    router.connections[0].members.iter().map(|member| (member.tunnel.as_str(), member.priority)).collect()
}

#[test]
fn the_order_of_the_list_is_that_of_the_roles() {
    let router = router(&[with!("  frankfurt: {mode: primary-standby, tunnels: [t2, t1]}\n")]);
    let [connection] = router.connections.as_slice() else { panic!("{:?}", router.connections) };
    assert_eq!((connection.name.as_str(), connection.mode), ("frankfurt", Mode::PrimaryStandby));
    assert_eq!(members(&router), [("t2", 1), ("t1", 2)]);
    assert_eq!(connection.way_back, WayBack { med: true, prepend: true });
    assert_eq!(connection.failback, Failback::default());
    assert!(router.health.is_empty());
}

#[test]
fn priorities_and_everything_else_can_be_said() {
    let router = router(&[with!(
        "  c:\n    mode: primary-standby\n    tunnels: [{tunnel: t1, priority: 20}, {tunnel: t2, priority: 10}]\n    \
         way-back: prepend\n    failback: {hold: 30s, max-hold: 1h, forget: 2h}\n"
    )]);
    let seconds = Duration::from_secs;
    assert_eq!(members(&router), [("t1", 20), ("t2", 10)]);
    let connection = &router.connections[0];
    assert_eq!(connection.way_back, WayBack { med: false, prepend: true });
    assert_eq!(connection.failback, Failback { hold: seconds(30), max_hold: seconds(3600), forget: seconds(7200) });
}

#[test]
fn tunnels_are_equal_unless_they_are_said_not_to_be() {
    let active = router(&[with!("  c: {mode: active-active, tunnels: [t1, {tunnel: t2, priority: 2}]}\n")]);
    assert_eq!(members(&active), [("t1", 1), ("t2", 2)]);
    let steered = router(&[with!("  c: {mode: med-steered, tunnels: [t1, t2]}\n")]);
    assert_eq!(members(&steered), [("t1", 1), ("t2", 1)]);
    let med = WayBack { med: true, prepend: false };
    assert_eq!(steered.connections[0].way_back, med, "a longer path would overrule the MEDs");
}

#[test]
fn a_long_first_hold_down_raises_the_limit_that_nobody_set() {
    let router = router(&[with!("  c: {mode: primary-standby, tunnels: [t1, t2], failback: {hold: 1h}}\n")]);
    assert_eq!(router.connections[0].failback.max_hold, Duration::from_secs(3600));
}

#[test]
fn probes_of_a_connection_are_those_of_its_tunnels_which_may_differ_key_by_key() {
    let router = router(&[
        with!(
            "  c:\n    mode: primary-standby\n    tunnels: [t1, t2]\n    health: {probes: [{icmp: 10.2.0.10}, \
             {tcp: '10.2.0.10:443'}], policy: all, interval: 200ms}\n"
        ),
        (T1, "    inside: 169.254.21.0/30\n    health: {probes: [{icmp: 169.254.21.1}], down-after: 5}\n"),
    ]);
    let icmp = |address: [u8; 4]| Target::Icmp(address.into());
    let tcp = Target::Tcp(SocketAddr::from(([10, 2, 0, 10], 443)));
    let expected = HealthCheck {
        probes: vec![icmp([10, 2, 0, 10]), tcp],
        policy: Policy::All,
        interval: Duration::from_millis(200),
        timeout: Duration::from_millis(200),
        down_after: 3,
        up_after: 3,
    };
    assert_eq!(router.health["t2"], expected);
    let own = HealthCheck { probes: vec![icmp([169, 254, 21, 1])], down_after: 5, ..expected };
    assert_eq!(router.health["t1"], own);
}

#[test]
fn a_tunnel_has_its_probes_without_a_connection_too() {
    let router = router(&[(T1, "    inside: 169.254.21.0/30\n    health: {probes: [{icmp: 10.2.0.10}]}\n")]);
    assert_eq!(router.health.keys().collect::<Vec<_>>(), ["t1"]);
    assert_eq!(router.health["t1"].timeout, Duration::from_millis(500));
    assert!(router.connections.is_empty());
}
