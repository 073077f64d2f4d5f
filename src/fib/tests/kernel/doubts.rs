//! Next hops in doubt leave groups and come back to them; routes stay where they are.

use std::collections::BTreeSet;

use fib::{Fib, FibConfig};
use serde_json::Value;
use wire::LinkId;

use crate::lab::{ask, many, ours, peer, peer_v6, start, to, ways, with_tunnels};

/// Just these tunnels' peers are in doubt.
async fn doubt(fib: &Fib, tunnels: &[u32]) {
    fib.doubt(tunnels.iter().copied().flat_map(|n| [peer(n), peer_v6(n)]).collect::<BTreeSet<_>>());
    fib.settled().await;
}

/// Our routes, with the objects they name.
fn routes() -> Vec<(String, u64)> {
    let route = |route: &Value| Some((route["dst"].as_str()?.to_owned(), route["nhid"].as_u64()?));
    ["-4", "-6"]
        .iter()
        .flat_map(|family| ask(&format!("{family} route show proto 142")))
        .filter_map(|it| route(&it))
        .collect()
}

#[test]
fn a_next_hop_in_doubt_leaves_every_group_with_one_message_and_comes_back() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(500, &[1, 2, 3]));
        fib.apply(vec![to("172.16.0.0/12", [peer(3), peer(4)]), to("2001:db8::/32", (1..=3).map(peer_v6))]);
        fib.settled().await;
        let (before, counted) = (routes(), fib.status().counters);
        assert_eq!(before.len(), 502);
        doubt(&fib, &[3]).await;
        assert_eq!(ways("10.0.7.0/24"), ["t1", "t2"]);
        assert_eq!((ways("172.16.0.0/12"), ways("2001:db8::/32")), (vec!["t4".into()], vec!["t1".into(), "t2".into()]));
        let counters = fib.status().counters;
        // Of each family one leaves, and is made anew to be at hand.
        assert_eq!(counters.nexthop_changes - counted.nexthop_changes, 4);
        doubt(&fib, &[]).await;
        assert_eq!(ways("10.0.7.0/24"), ["t1", "t2", "t3"]);
        assert_eq!(ways("172.16.0.0/12"), ["t3", "t4"]);
        assert_eq!(ways("2001:db8::/32"), ["t1", "t2", "t3"]);
        let status = fib.status();
        let touched = |counters: fib::FibCounters| (counters.installs, counters.replaces, counters.deletes);
        assert_eq!((routes(), touched(status.counters)), (before, touched(counted)), "no route was touched");
        assert!(status.matches_kernel, "{status:?}");
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn a_doubt_about_all_that_a_route_has_keeps_it() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(vec![to("10.2.0.0/16", [peer(1)]), to("10.3.0.0/16", [peer(1), peer(2)])]);
        fib.apply(vec![to("10.4.0.0/16", [peer(1), peer(3)]), to("2001:db8::/32", [peer_v6(1)])]);
        fib.settled().await;
        let before = routes();
        doubt(&fib, &[1, 2]).await;
        assert_eq!((ways("10.2.0.0/16"), ways("10.3.0.0/16")), (vec!["t1".into()], vec!["t1".into(), "t2".into()]));
        assert_eq!((ways("10.4.0.0/16"), ways("2001:db8::/32")), (vec!["t3".into()], vec!["t1".into()]));
        assert_eq!(routes(), before);
        // What was beside it dies: in doubt is better than nothing.
        fib.link_down(LinkId(3));
        fib.settled().await;
        assert_eq!((ways("10.4.0.0/16"), routes().len()), (vec!["t1".into()], 4));
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn doubts_end_one_by_one_and_after_the_routes_that_were_said_before() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(500, &[1, 2, 3]));
        fib.settled().await;
        doubt(&fib, &[1, 2]).await;
        assert_eq!(ways("10.0.7.0/24"), ["t3"]);
        // The first session's routes were gone through, the second's not yet.
        fib.apply(many(250, &[2, 3]));
        doubt(&fib, &[2]).await;
        assert_eq!((ways("10.0.7.0/24"), ways("10.1.144.0/24")), (vec!["t3".into()], vec!["t1".into(), "t3".into()]));
        fib.apply(many(500, &[3]));
        doubt(&fib, &[]).await;
        assert_eq!((ways("10.0.7.0/24"), ours()), (vec!["t3".into()], (500, 1)));
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}
