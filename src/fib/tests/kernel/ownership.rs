//! What is not ours survives everything we do.

use fib::{Fib, FibConfig, FibError, RouteState};

use crate::lab::{ask, eventually, ip, many, ours, peer, start, to, ways, with_tunnels};

#[test]
fn foreign_routes_and_nexthops_survive_start_updates_and_stop() {
    with_tunnels(async || {
        ip("route add 10.0.1.0/24 via 169.254.24.1 dev t4");
        ip("route add 10.0.1.0/24 via 169.254.24.1 dev t4 metric 50 proto bird");
        ip("route add 10.0.1.0/24 via 169.254.24.1 dev t4 metric 142 table 100 proto 142");
        ip("nexthop add id 77 via 169.254.24.1 dev t4 proto bird");
        ip("nexthop add id 1073741825 via 169.254.23.1 dev t3 proto bird");
        // Without what the kernel itself adds when interfaces come up.
        let is_foreign = |entry: &serde_json::Value| entry["protocol"] != "142" && entry["protocol"] != "kernel";
        let foreign = || {
            let mut entries = ask("nexthop show");
            entries.extend(ask("route show table all"));
            entries.retain(|entry| is_foreign(entry) || entry["table"] == "100");
            entries
        };
        assert_eq!(foreign().len(), 5);
        let before = foreign();
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(10, &[1, 2]));
        fib.settled().await;
        assert_eq!(foreign(), before);
        fib.apply(many(10, &[2]));
        fib.settled().await;
        fib.apply(many(5, &[]));
        fib.converged().await;
        fib.stop().await;
        assert_eq!(foreign(), before);
    });
}

#[test]
fn a_foreign_route_with_our_metric_is_reported_and_outlived() {
    with_tunnels(async || {
        ip("route add 10.0.1.0/24 via 169.254.24.1 dev t4 metric 142 proto static");
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(3, &[1, 2]));
        fib.settled().await;
        let snapshot = fib.snapshot().await;
        let RouteState::Failed { reason } = &snapshot.routes[1].state else { panic!("{snapshot:?}") };
        assert!(reason.contains("another program"), "{reason}");
        assert_eq!(snapshot.routes[0].state, RouteState::Installed);
        assert_eq!(ask("route show 10.0.1.0/24").len(), 1);
        ip("route del 10.0.1.0/24 proto static");
        eventually("ours takes the place", || ways("10.0.1.0/24") == ["t1", "t2"]).await;
        fib.stop().await;
    });
}

#[test]
fn two_routers_in_one_namespace_do_not_see_each_other() {
    with_tunnels(async || {
        let second = FibConfig { tag: 7, metric: 200, ..FibConfig::default() };
        let a = start(FibConfig::default(), 1..=2).await;
        let b = start(second.clone(), 3..=4).await;
        a.apply(many(10, &[1, 2]));
        b.apply(many(10, &[3, 4]));
        a.converged().await;
        b.converged().await;
        assert_eq!(ours(), (20, 6));
        drop(b);
        let b = start(second, 3..=4).await;
        b.converged().await;
        assert_eq!(ours(), (10, 3));
        a.stop().await;
        b.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn what_is_left_stays_whatever_is_said_later() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=2).await;
        fib.apply(many(10, &[1, 2]));
        fib.leave().await;
        fib.apply(many(10, &[]));
        fib.link_down(peer(1).link);
        fib.settled().await;
        assert_eq!(ours(), (10, 3));
        assert_eq!(ways("10.0.1.0/24"), ["t1", "t2"]);
        let fib = start(FibConfig::default(), 1..=2).await;
        assert_eq!(fib.status().adopted, 10);
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn another_table_is_another_world() {
    with_tunnels(async || {
        let fib = start(FibConfig { table: 4242, ..FibConfig::default() }, 1..=4).await;
        fib.apply(vec![to("10.2.0.0/16", [peer(1), peer(2)])]);
        fib.settled().await;
        assert_eq!(ask("route show table 4242").len(), 1);
        assert_eq!(ask("route show proto 142").len(), 0);
        assert!(fib.snapshot().await.status.matches_kernel);
        drop(fib);
        let fib = start(FibConfig { table: 4242, ..FibConfig::default() }, 1..=4).await;
        assert_eq!(fib.status().adopted, 1);
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn bad_settings_are_refused_at_start() {
    with_tunnels(async || {
        let refused = Fib::start(FibConfig { table: 255, ..FibConfig::default() }).await;
        assert!(matches!(refused, Err(FibError::Config { field: "table", .. })));
    });
}
