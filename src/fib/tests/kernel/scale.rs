//! Large tables. Times are printed, not judged.

use std::time::Instant;

use fib::FibConfig;
use wire::LinkId;

use crate::lab::{index, many, ours, start, ways, with_tunnels};

#[test]
fn failover_of_many_routes_takes_as_many_messages_as_of_one() {
    with_tunnels(async || {
        for count in [1, 100, 10_000] {
            let fib = start(FibConfig::default(), 1..=4).await;
            let began = Instant::now();
            fib.apply(many(count, &[1, 2, 3, 4]));
            fib.settled().await;
            let installed = began.elapsed();
            assert_eq!(ours().0, usize::try_from(count).unwrap());
            fib.link_down(LinkId(1));
            fib.settled().await;
            let failover = fib.status().last_failover.unwrap();
            assert_eq!((failover.messages, ways("10.0.0.0/24")), (1, vec!["t2".into(), "t3".into(), "t4".into()]));
            let began = Instant::now();
            fib.link_up(LinkId(1), index("t1"), None);
            fib.settled().await;
            let back = began.elapsed();
            let began = Instant::now();
            fib.stop().await;
            println!(
                "{count} routes: installed in {installed:?}, tunnel out in {:?}, tunnel back in {back:?}, stopped in {:?}",
                failover.took,
                began.elapsed()
            );
            assert_eq!(ours(), (0, 0));
        }
    });
}

#[test]
fn a_dead_tunnel_does_not_wait_for_a_full_table() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(5_000, &[1, 2]));
        fib.settled().await;
        fib.apply(many(30_000, &[1, 2, 3]));
        fib.link_down(LinkId(1));
        fib.left().await;
        // The task is in the midst of the update; the tunnel is out already.
        assert_eq!(ways("10.0.0.0/24").iter().filter(|way| *way == "t1").count(), 0);
        fib.settled().await;
        assert_eq!(ways("10.0.0.0/24"), ["t2", "t3"]);
        let status = fib.status();
        println!("tunnel out during an update of 30000 routes in {:?}", status.last_failover.unwrap().took);
        assert_eq!(status.installed, 30_000);
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn a_dead_tunnel_does_not_wait_for_a_comparison() {
    with_tunnels(async || {
        let resync_every = std::time::Duration::from_millis(20);
        let fib = start(FibConfig { resync_every, ..FibConfig::default() }, 1..=4).await;
        fib.apply(many(5_000, &[1, 2, 3]));
        fib.settled().await;
        for round in 0..5 {
            // At a different moment of the endless comparisons each time.
            tokio::time::sleep(std::time::Duration::from_millis(17 * round)).await;
            fib.link_down(LinkId(1));
            fib.left().await;
            assert_eq!(ways("10.0.0.0/24"), ["t2", "t3"], "while the comparison goes on");
            fib.settled().await;
            println!("tunnel out during comparisons in {:?}", fib.status().last_failover.unwrap().took);
            assert_eq!(ways("10.0.0.0/24"), ["t2", "t3"]);
            fib.link_up(LinkId(1), index("t1"), None);
            fib.settled().await;
            assert_eq!(ways("10.0.0.0/24"), ["t1", "t2", "t3"]);
        }
        let status = fib.status();
        assert_eq!((status.counters.failovers, status.counters.drift, status.counters.errors), (5, 0, 0));
        assert_eq!(ours().0, 5_000);
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}
