//! Protected flows in the kernel: rules, their tables, and where packets go.

use std::pin::pin;
use std::time::Duration;

use fib::{Fib, FibConfig, Flow, FlowWay, Flows, RouteState};
use futures_util::FutureExt as _;
use rib::NextHop;
use serde_json::Value;
use wire::LinkId;

use crate::lab::{ask, eventually, index, ip, many, ours, peer, peer_v6, start, with_tunnels};

/// Peers are reached through `t4`, or by whatever the machine has.
const WORLD: &str = "route add default via 169.254.24.1 dev t4";

fn way(next_hop: NextHop, distance: u8) -> FlowWay {
    FlowWay { next_hop, distance, interface: Some(index(&format!("t{}", next_hop.link.0))) }
}

fn flow(local: &str, remote: &str, ways: Vec<FlowWay>) -> Flow {
    Flow { local: local.parse().unwrap(), remote: remote.parse().unwrap(), ways }
}

fn flows(flows: Vec<Flow>) -> Flows {
    Flows { flows, outside: vec!["203.0.113.1".parse().unwrap(), "2001:db8:ffff::1".parse().unwrap()] }
}

/// The interface by which a packet that came in by `t3` leaves; nothing if it is dropped.
fn leaves(from: &str, to: &str) -> String {
    let family = if to.contains(':') { "-6" } else { "-4" };
    let output = std::process::Command::new("ip")
        .args(["-j", family, "route", "get", to, "from", from, "iif", "t3"])
        .output()
        .expect("iproute2 is installed");
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let first = found.first();
    first.filter(|route| route["type"] != "blackhole").and_then(|route| route["dev"].as_str()).unwrap_or("").to_owned()
}

/// Rules beside those that every namespace has.
fn rules() -> Vec<Value> {
    let mut rules = [ask("-4 rule show"), ask("-6 rule show")].concat();
    rules.retain(|rule| !["local", "main", "default"].iter().any(|table| rule["table"] == *table));
    rules
}

fn forwarding() {
    for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        std::fs::write(format!("/proc/sys/net/{setting}"), "1").unwrap();
    }
    ip(WORLD);
    ip("-6 route add default via fd00:4::1 dev t4");
}

async fn with_flows(wanted: Flows) -> Fib {
    let fib = start(FibConfig::default(), 1..=3).await;
    fib.set_flows(wanted);
    fib.settled().await;
    fib
}

#[test]
fn packets_follow_their_flow_and_all_others_the_main_table() {
    with_tunnels(async || {
        forwarding();
        let fib = with_flows(flows(vec![
            flow("10.1.0.0/16", "10.2.0.0/16", vec![way(peer(1), 1)]),
            flow("10.1.5.0/24", "10.2.0.0/16", vec![way(peer(2), 1)]),
            flow("fd10:1::/32", "fd10:2::/32", vec![way(peer_v6(1), 1)]),
        ]))
        .await;
        assert_eq!(leaves("10.1.0.9", "10.2.0.9"), "t1");
        assert_eq!(leaves("10.1.5.9", "10.2.0.9"), "t2");
        assert_eq!(leaves("10.7.0.9", "10.2.0.9"), "t4");
        assert_eq!(leaves("10.1.0.9", "10.3.0.9"), "t4");
        assert_eq!(leaves("fd10:1::9", "fd10:2::9"), "t1");
        assert_eq!(leaves("fd10:3::9", "fd10:2::9"), "t4");
        let snapshot = fib.snapshot().await;
        assert!(snapshot.flows.iter().all(|flow| flow.state == RouteState::Installed), "{snapshot:?}");
        assert_eq!(snapshot.flows[0].next_hops, [LinkId(1)]);
        fib.stop().await;
        assert_eq!((rules(), ours()), (vec![], (0, 0)));
        assert_eq!(leaves("10.1.0.9", "10.2.0.9"), "t4");
    });
}

#[test]
fn a_dead_tunnels_flow_moves_to_the_next_and_never_leaves_unprotected() {
    with_tunnels(async || {
        forwarding();
        let ways = vec![way(peer(1), 1), way(peer(2), 5)];
        let fib = with_flows(flows(vec![flow("10.1.0.0/16", "10.2.0.0/16", ways)])).await;
        assert_eq!(leaves("10.1.0.9", "10.2.0.9"), "t1");
        fib.link_down(LinkId(1));
        fib.settled().await;
        assert_eq!(leaves("10.1.0.9", "10.2.0.9"), "t2");
        fib.link_down(LinkId(2));
        fib.settled().await;
        assert_eq!(leaves("10.1.0.9", "10.2.0.9"), "t1", "where it is dropped, or has the tunnel brought up");
        assert_eq!(fib.snapshot().await.flows[0].state, RouteState::Pending);
        ip("link del t1");
        ip("link del t2");
        eventually("packets are dropped", || leaves("10.1.0.9", "10.2.0.9").is_empty()).await;
        fib.stop().await;
        assert_eq!(rules(), [] as [Value; 0]);
    });
}

#[test]
fn tunnels_of_one_distance_share_a_flow() {
    with_tunnels(async || {
        forwarding();
        let ways = |peer: fn(u32) -> NextHop| vec![way(peer(1), 1), way(peer(2), 1)];
        let fib = with_flows(flows(vec![
            flow("10.1.0.0/16", "10.2.0.0/16", ways(peer)),
            flow("fd10:1::/32", "fd10:2::/32", ways(peer_v6)),
        ]))
        .await;
        for family in ["-4", "-6"] {
            let routes = ask(&format!("{family} route show table all proto 142 metric 142"));
            assert_eq!(routes[0]["nexthops"].as_array().map(Vec::len), Some(2), "{routes:?}");
        }
        fib.link_down(LinkId(1));
        fib.settled().await;
        assert_eq!((leaves("10.1.0.9", "10.2.0.9"), leaves("fd10:1::9", "fd10:2::9")), ("t2".into(), "t2".into()));
        assert!(fib.snapshot().await.status.matches_kernel);
        fib.stop().await;
        assert_eq!((rules(), ours()), (vec![], (0, 0)));
    });
}

#[test]
fn a_default_flow_leaves_peers_and_our_own_networks_alone() {
    with_tunnels(async || {
        forwarding();
        let fib = with_flows(flows(vec![
            flow("10.1.0.0/16", "0.0.0.0/0", vec![way(peer(1), 1)]),
            flow("fd10:1::/32", "::/0", vec![way(peer_v6(1), 1)]),
        ]))
        .await;
        assert_eq!(leaves("10.1.0.9", "192.0.2.1"), "t1");
        assert_eq!(leaves("10.1.0.9", "203.0.113.1"), "t4", "the outside address of a peer");
        assert_eq!(leaves("10.1.0.9", "10.1.7.1"), "t4", "a network of ours");
        assert_eq!(leaves("fd10:1::9", "2001:db8::1"), "t1");
        assert_eq!(leaves("fd10:1::9", "2001:db8:ffff::1"), "t4");
        fib.stop().await;
        assert_eq!(rules(), [] as [Value; 0]);
    });
}

#[test]
fn foreign_rules_survive_and_ours_come_back() {
    with_tunnels(async || {
        forwarding();
        ip("rule add from 10.9.0.0/16 to 10.2.0.0/16 lookup 100 priority 10561 protocol static");
        ip("rule add from 10.8.0.0/16 lookup 1073741900 priority 10562");
        ip("rule add fwmark 7 lookup 1073741901 priority 10563 protocol 142");
        let foreign = rules();
        assert_eq!(foreign.len(), 3);
        let fib = with_flows(flows(vec![flow("10.1.0.0/16", "10.2.0.0/16", vec![way(peer(1), 1)])])).await;
        assert_eq!(rules().len(), 4);
        ip("rule del from 10.1.0.0/16 to 10.2.0.0/16");
        eventually("the rule is back", || leaves("10.1.0.9", "10.2.0.9") == "t1").await;
        let table = fib.snapshot().await.flows[0].table.unwrap();
        ip(&format!("route flush table {table}"));
        eventually("the routes are back", || leaves("10.1.0.9", "10.2.0.9") == "t1").await;
        ip("rule del from 10.1.0.0/16 to 10.2.0.0/16");
        ip(&format!("route flush table {table}"));
        eventually("both are back", || leaves("10.1.0.9", "10.2.0.9") == "t1").await;
        fib.stop().await;
        assert_eq!((rules(), ours()), (foreign, (0, 0)));
    });
}

#[test]
fn the_next_process_takes_the_rules_over() {
    with_tunnels(async || {
        forwarding();
        let wanted = || {
            flows(vec![
                flow("10.1.0.0/16", "0.0.0.0/0", vec![way(peer(1), 1)]),
                flow("10.1.0.0/16", "10.2.0.0/16", vec![way(peer(2), 1)]),
            ])
        };
        let fib = with_flows(wanted()).await;
        let before = rules();
        drop(fib);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let fib = start(FibConfig::default(), [1, 2]).await;
        fib.settled().await;
        assert_eq!(rules(), before, "nothing is touched before anything is known");
        fib.set_flows(wanted());
        fib.converged().await;
        assert_eq!((rules(), fib.status().counters.policy_changes), (before, 0));
        fib.set_flows(Flows::default());
        fib.settled().await;
        assert_eq!((rules(), ours()), (vec![], (0, 0)));
        fib.stop().await;
    });
}

#[test]
fn two_routers_in_one_namespace_have_rules_of_their_own() {
    with_tunnels(async || {
        let only = |remote: &str| flows(vec![flow("10.1.0.0/16", remote, vec![way(peer(1), 1)])]);
        let a = with_flows(only("0.0.0.0/0")).await;
        let b = start(FibConfig { tag: 7, metric: 200, ..FibConfig::default() }, [1]).await;
        b.set_flows(only("10.2.0.0/16"));
        b.apply(many(3, &[1]));
        b.settled().await;
        assert_eq!(rules().len(), 5, "a flow, two exceptions and where they lead; and the other's flow");
        a.stop().await;
        assert_eq!(rules().len(), 1);
        b.stop().await;
        assert_eq!((rules(), ours()), (vec![], (0, 0)));
    });
}

#[test]
fn tables_that_no_rule_names_are_found() {
    with_tunnels(async || {
        let fib = with_flows(flows(vec![
            flow("10.1.0.0/16", "10.2.0.0/16", vec![way(peer(1), 1)]),
            flow("fd10:1::/32", "fd10:2::/32", vec![way(peer_v6(1), 1)]),
        ]))
        .await;
        drop(fib);
        tokio::time::sleep(Duration::from_millis(20)).await;
        ip("rule del from 10.1.0.0/16 to 10.2.0.0/16");
        ip("-6 rule del from fd10:1::/32 to fd10:2::/32");
        assert_eq!((rules(), ours()), (vec![], (6, 0)), "as if the process had been killed before it made the rules");
        ip("route add blackhole 10.7.0.0/16 table 77 proto 142");
        let fib = with_flows(Flows::default()).await;
        assert_eq!(ours(), (1, 0), "a table out of our range is not ours, whatever is in it");
        fib.stop().await;
        assert_eq!(ours(), (1, 0));
    });
}

#[test]
fn a_dead_tunnels_flow_does_not_wait_for_a_comparison() {
    with_tunnels(async || {
        forwarding();
        let resync_every = Duration::from_millis(20);
        let fib = start(FibConfig { resync_every, ..FibConfig::default() }, 1..=3).await;
        fib.apply(many(10_000, &[1, 2, 3]));
        fib.set_flows(flows(vec![flow("10.1.0.0/16", "10.2.0.0/16", vec![way(peer(1), 1), way(peer(2), 2)])]));
        fib.settled().await;
        for round in 0.. {
            // At a different moment of the endless comparisons each time, until it is in the midst of one.
            tokio::time::sleep(Duration::from_millis(7 * round)).await;
            let mut picture = pin!(fib.snapshot());
            assert!(picture.as_mut().now_or_never().is_none());
            fib.link_down(LinkId(1));
            fib.left().await;
            assert_eq!(leaves("10.1.0.9", "10.2.0.9"), "t2");
            // Pictures are given between comparisons.
            let meanwhile = picture.as_mut().now_or_never().is_none();
            fib.settled().await;
            fib.link_up(LinkId(1), index("t1"), None);
            fib.settled().await;
            assert_eq!(leaves("10.1.0.9", "10.2.0.9"), "t1");
            if meanwhile {
                break;
            }
            assert!(round < 30, "never while a comparison went on");
        }
        let counters = fib.status().counters;
        assert_eq!((counters.drift, counters.errors), (0, 0));
        fib.stop().await;
    });
}
