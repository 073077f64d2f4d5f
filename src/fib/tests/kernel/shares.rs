//! Weights, IPv4 over IPv6 next hops, and routes into the void, as `ip` sees them.

use fib::{FibConfig, NexthopMode, RouteState};
use rib::{FibChange, NextHop, NextHopSet};

use crate::lab::{ask, eventually, ours, peer, peer_v6, start, to, ways, with_tunnels};

fn weighted(prefix: &str, shares: &[(NextHop, u64)]) -> FibChange {
    FibChange { prefix: prefix.parse().unwrap(), next_hops: NextHopSet::weighted(shares.to_vec()) }
}

/// Weights of the members of our only group, in the order of the kernel.
fn group_weights() -> Vec<u64> {
    let groups = ask("nexthop show proto 142 groups");
    let [group] = groups.as_slice() else { return vec![] };
    let members = group["group"].as_array().unwrap();
    // One part of the whole is left out.
    members.iter().map(|member| member["weight"].as_u64().unwrap_or(1)).collect()
}

#[test]
fn a_group_has_the_weights_of_its_set_and_keeps_them_when_a_tunnel_dies() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=3).await;
        fib.apply(vec![weighted("10.2.0.0/16", &[(peer(1), 125), (peer(2), 250), (peer(3), 32_000)])]);
        fib.settled().await;
        assert_eq!(group_weights(), [1, 2, 256]);
        fib.link_down(wire::LinkId(3));
        fib.settled().await;
        eventually("the others keep their shares", || group_weights() == [1, 2]).await;
        assert_eq!(ways("10.2.0.0/16"), ["t1", "t2"]);
        assert!(fib.status().matches_kernel);
        fib.apply(vec![to("10.2.0.0/16", [peer(1), peer(2)])]);
        fib.settled().await;
        eventually("equal shares again", || group_weights() == [1, 1]).await;
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn routes_that_carry_their_next_hops_have_weights_too() {
    with_tunnels(async || {
        let config = FibConfig { nexthops: NexthopMode::Never, ..FibConfig::default() };
        let fib = start(config, 1..=2).await;
        fib.apply(vec![weighted("10.2.0.0/16", &[(peer(1), 1), (peer(2), 5)])]);
        fib.settled().await;
        let routes = ask("-4 route show 10.2.0.0/16 proto 142");
        let hops = routes[0]["nexthops"].as_array().unwrap();
        let weights: Vec<_> = hops.iter().map(|hop| hop["weight"].as_u64().unwrap()).collect();
        assert_eq!(weights, [1, 5]);
        assert_eq!(fib.snapshot().await.routes[0].state, RouteState::Installed);
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn ipv4_goes_over_ipv6_next_hops_with_and_without_objects() {
    with_tunnels(async || {
        for nexthops in [NexthopMode::Auto, NexthopMode::Never] {
            let fib = start(FibConfig { nexthops, ..FibConfig::default() }, 1..=2).await;
            fib.apply(vec![to("10.2.0.0/16", [peer_v6(1), peer_v6(2)]), to("10.3.0.0/16", [peer_v6(1)])]);
            fib.settled().await;
            assert_eq!(ways("10.2.0.0/16"), ["t1", "t2"]);
            assert_eq!(ways("10.3.0.0/16"), ["t1"]);
            let states: Vec<_> = fib.snapshot().await.routes.into_iter().map(|route| route.state).collect();
            assert_eq!(states, [RouteState::Installed, RouteState::Installed]);
            // Both families in one group, too.
            fib.apply(vec![to("10.2.0.0/16", [peer(1), peer_v6(2)])]);
            fib.settled().await;
            assert_eq!(ways("10.2.0.0/16"), ["t1", "t2"]);
            fib.stop().await;
            assert_eq!(ours(), (0, 0));
        }
    });
}

#[test]
fn packets_for_an_aggregate_are_dropped_until_it_is_gone() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=2).await;
        let discard = |prefix: &str| FibChange { prefix: prefix.parse().unwrap(), next_hops: NextHopSet::discard() };
        fib.apply(vec![discard("10.20.0.0/16"), discard("2001:db8::/32"), to("10.20.1.0/24", [peer(1)])]);
        fib.settled().await;
        for (family, prefix) in [("-4", "10.20.0.0/16"), ("-6", "2001:db8::/32")] {
            let routes = ask(&format!("{family} route show {prefix} proto 142"));
            assert_eq!(routes[0]["type"].as_str(), Some("blackhole"), "{prefix}");
        }
        let snapshot = fib.snapshot().await;
        assert!(snapshot.routes.iter().all(|route| route.state == RouteState::Installed), "{:?}", snapshot.routes);
        // It becomes a route that leads somewhere, and the reverse.
        fib.apply(vec![to("10.20.0.0/16", [peer(1), peer(2)])]);
        fib.settled().await;
        assert_eq!(ways("10.20.0.0/16"), ["t1", "t2"]);
        fib.apply(vec![discard("10.20.0.0/16")]);
        fib.settled().await;
        assert_eq!(ask("-4 route show 10.20.0.0/16 proto 142").len(), 1);
        fib.apply(vec![to("10.20.0.0/16", []), to("2001:db8::/32", [])]);
        fib.settled().await;
        assert_eq!(ours().0, 1);
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}
