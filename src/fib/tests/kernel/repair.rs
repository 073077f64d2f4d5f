//! What others break is put right.

use std::time::Duration;

use fib::{FibConfig, RouteState};
use wire::LinkId;

use crate::lab::{ask, batch, eventually, index, ip, many, ours, peer, start, to, ways, with_tunnels};

/// So that nothing is repaired just because time passed.
fn patient() -> FibConfig {
    FibConfig { resync_every: Duration::from_secs(3600), ..FibConfig::default() }
}

#[test]
fn deleted_routes_are_restored() {
    with_tunnels(async || {
        let fib = start(patient(), 1..=4).await;
        fib.apply(many(20, &[1, 2]));
        fib.settled().await;
        ip("route del 10.0.3.0/24 proto 142");
        eventually("one route is back", || ours().0 == 20).await;
        batch(&(0..20).map(|n| format!("route del 10.0.{n}.0/24 proto 142\n")).collect::<String>());
        eventually("all routes are back", || ours().0 == 20).await;
        fib.settled().await;
        assert!(fib.status().counters.drift >= 21);
        fib.stop().await;
    });
}

#[test]
fn deleted_and_altered_nexthops_are_restored() {
    with_tunnels(async || {
        let fib = start(patient(), 1..=4).await;
        fib.apply(many(20, &[1, 2]));
        fib.settled().await;
        let hop = ask("nexthop show proto 142 dev t1")[0]["id"].as_u64().unwrap();
        ip(&format!("nexthop del id {hop}"));
        eventually("the hop is back in its group", || ways("10.0.3.0/24") == ["t1", "t2"]).await;
        ip("nexthop flush proto 142");
        eventually("everything is back", || ours() == (20, 3)).await;
        let group = ask("nexthop show proto 142 groups")[0]["id"].as_u64().unwrap();
        let hop = ask("nexthop show proto 142 dev t1")[0]["id"].as_u64().unwrap();
        ip(&format!("nexthop replace id {group} group {hop} proto 142"));
        eventually("the group has its members again", || ways("10.0.3.0/24") == ["t1", "t2"]).await;
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn a_route_led_elsewhere_is_led_back() {
    with_tunnels(async || {
        let fib = start(patient(), 1..=4).await;
        fib.apply(many(3, &[1, 2]));
        fib.settled().await;
        ip("route replace 10.0.1.0/24 via 169.254.24.1 dev t4 proto 142 metric 142");
        eventually("the route is back on its group", || ways("10.0.1.0/24") == ["t1", "t2"]).await;
        fib.stop().await;
    });
}

#[test]
fn an_interface_that_flaps_gets_its_routes_back() {
    with_tunnels(async || {
        let fib = start(patient(), 1..=4).await;
        fib.apply(many(20, &[1, 2]));
        fib.apply(vec![to("172.16.0.0/12", [peer(1)])]);
        fib.settled().await;
        ip("link set t1 down");
        eventually("t1 is out", || ways("10.0.3.0/24") == ["t2"] && ways("172.16.0.0/12").is_empty()).await;
        ip("link set t1 up");
        eventually("t1 is in", || ways("10.0.3.0/24") == ["t1", "t2"] && ways("172.16.0.0/12") == ["t1"]).await;
        // Carrier, too.
        ip("link set p1 down");
        eventually("t1 has no carrier", || ways("10.0.3.0/24") == ["t2"]).await;
        ip("link set p1 up");
        eventually("t1 has carrier", || ways("10.0.3.0/24") == ["t1", "t2"]).await;
        fib.settled().await;
        assert!(fib.status().refused == 0);
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn all_interfaces_flapping_at_once_converge() {
    with_tunnels(async || {
        let fib = start(patient(), 1..=4).await;
        fib.apply(many(50, &[1, 2, 3, 4]));
        fib.settled().await;
        for _ in 0..5 {
            for n in 1..=4 {
                ip(&format!("link set t{n} down"));
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
            for n in 1..=4 {
                ip(&format!("link set t{n} up"));
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        let all = ["t1", "t2", "t3", "t4"];
        eventually("all is as before", || ours() == (50, 5) && ways("10.0.3.0/24") == all).await;
        fib.stop().await;
    });
}

#[test]
fn an_interface_made_anew_is_used_under_its_new_index() {
    with_tunnels(async || {
        let fib = start(patient(), 1..=2).await;
        fib.apply(many(5, &[1, 2]));
        fib.settled().await;
        ip("link del t1");
        eventually("t1 is out", || ways("10.0.3.0/24") == ["t2"]).await;
        fib.link_down(LinkId(1));
        ip("link add t1 type veth peer name p1");
        ip("link set p1 up");
        ip("link set t1 up");
        fib.link_up(LinkId(1), index("t1"), None);
        fib.settled().await;
        eventually("t1 is in", || ways("10.0.3.0/24") == ["t1", "t2"]).await;
        fib.stop().await;
    });
}

#[test]
fn a_tunnel_may_be_reported_up_before_its_interface_runs() {
    with_tunnels(async || {
        ip("link set p3 down");
        let fib = start(patient(), [3]).await;
        fib.apply(vec![to("10.2.0.0/16", [peer(3)])]);
        fib.settled().await;
        assert_eq!(fib.snapshot().await.routes[0].state, RouteState::Pending);
        ip("link set p3 up");
        eventually("the route is there", || ways("10.2.0.0/16") == ["t3"]).await;
        fib.stop().await;
    });
}

#[test]
fn lost_notifications_lead_to_a_comparison() {
    with_tunnels(async || {
        let fib = start(patient(), 1..=4).await;
        fib.apply(many(20, &[1, 2]));
        fib.settled().await;
        // The task shares this thread, so that nobody reads meanwhile.
        let routes: String = (0..60_000_u32)
            .map(|n| format!("route add unreachable 11.{}.{}.{} metric 142\n", n >> 16, (n >> 8) & 255, n & 255))
            .collect();
        batch(&routes);
        ip("route del 10.0.3.0/24 proto 142");
        eventually("the route is back", || ours().0 == 20).await;
        fib.settled().await;
        assert!(fib.status().counters.overruns >= 1);
        fib.stop().await;
    });
}

#[test]
fn drift_without_notification_is_found_in_time() {
    with_tunnels(async || {
        ip("address add 10.1.0.1/32 dev lo");
        let source_v4 = Some("10.1.0.1".parse().unwrap());
        let config = FibConfig { resync_every: Duration::from_millis(300), source_v4, ..FibConfig::default() };
        let fib = start(config, 1..=2).await;
        fib.apply(many(5, &[1, 2]));
        fib.settled().await;
        // The kernel drops routes whose preferred source is gone, and tells nobody.
        ip("address del 10.1.0.1/32 dev lo");
        assert_eq!(ours().0, 0);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!fib.snapshot().await.status.matches_kernel);
        assert!(matches!(fib.snapshot().await.routes[0].state, RouteState::Failed { .. }));
        ip("address add 10.1.0.1/32 dev lo");
        eventually("the routes are back", || ours().0 == 5).await;
        fib.stop().await;
    });
}
