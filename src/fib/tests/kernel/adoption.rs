//! A killed process leaves its routes to the next one.

use std::time::Duration;

use fib::{FibConfig, NexthopMode};
use wire::LinkId;

use crate::lab::{ask, eventually, index, many, ours, peer, start, to, ways, with_tunnels};

#[test]
fn the_next_process_takes_over_without_touching_what_is_right() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(100, &[1, 2, 3]));
        fib.apply(vec![to("172.16.0.0/12", [peer(4)])]);
        fib.settled().await;
        drop(fib);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(ours(), (101, 5), "forwarding goes on");
        let ids = |routes: Vec<serde_json::Value>| routes.iter().map(|route| route["nhid"].clone()).collect::<Vec<_>>();
        let before = ids(ask("route show proto 142"));

        let fib = start(FibConfig::default(), []).await;
        fib.settled().await;
        assert_eq!(ours(), (101, 5), "nothing is touched before anything is known");
        for n in 1..=4 {
            fib.link_up(LinkId(n), index(&format!("t{n}")), None);
        }
        fib.apply(many(100, &[1, 2, 3]));
        fib.settled().await;
        let status = fib.status();
        assert_eq!((status.counters.installs, status.counters.replaces, status.counters.nexthop_changes), (0, 0, 0));
        assert_eq!((status.adopted, ids(ask("route show proto 142"))), (1, before));
        fib.converged().await;
        assert_eq!(ours(), (100, 4), "what nobody claimed is gone");
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn unclaimed_routes_go_after_a_while_even_if_nobody_says_so() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(10, &[1, 2]));
        fib.settled().await;
        drop(fib);
        let fib = start(FibConfig { adopt_for: Duration::from_millis(200), ..FibConfig::default() }, 1..=4).await;
        fib.settled().await;
        assert_eq!(ours().0, 10);
        eventually("all are gone", || ours() == (0, 0)).await;
        fib.stop().await;
    });
}

#[test]
fn a_process_without_nexthop_objects_takes_over_from_one_with_them_and_back() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(10, &[1, 2]));
        fib.settled().await;
        drop(fib);
        let fib = start(FibConfig { nexthops: NexthopMode::Never, ..FibConfig::default() }, 1..=4).await;
        fib.apply(many(10, &[1, 2]));
        fib.converged().await;
        assert_eq!((ours(), ways("10.0.3.0/24")), ((10, 0), vec!["t1".to_owned(), "t2".to_owned()]));
        drop(fib);
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(10, &[1, 2]));
        fib.converged().await;
        assert_eq!((ours(), ways("10.0.3.0/24")), ((10, 3), vec!["t1".to_owned(), "t2".to_owned()]));
        fib.stop().await;
    });
}

#[test]
fn stop_removes_what_was_adopted_too() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(10, &[1, 2]));
        fib.settled().await;
        drop(fib);
        start(FibConfig::default(), []).await.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}
