//! Routes move with their tunnels.

use fib::{FibConfig, ForwardingMode, NexthopMode, RouteState};
use wire::LinkId;

use crate::lab::{ask, eventually, in_namespace, index, ip, many, ours, peer, peer_v6, start, to, ways, with_tunnels};

fn without_objects() -> FibConfig {
    FibConfig { nexthops: NexthopMode::Never, ..FibConfig::default() }
}

#[test]
fn ecmp_routes_are_on_one_group() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(vec![to("10.2.0.0/16", (1..=4).map(peer)), to("10.3.0.0/16", (1..=4).map(peer))]);
        fib.apply(vec![to("10.4.0.0/16", [peer(3)])]);
        fib.settled().await;
        assert_eq!(ways("10.2.0.0/16"), ["t1", "t2", "t3", "t4"]);
        assert_eq!(ways("10.4.0.0/16"), ["t3"]);
        assert_eq!(ours(), (3, 5));
        let route = &ask("route show 10.2.0.0/16")[0];
        assert_eq!((&route["protocol"], &route["metric"]), (&"142".into(), &142.into()));
        let snapshot = fib.snapshot().await;
        assert!(snapshot.status.matches_kernel);
        assert_eq!(snapshot.status.mode, ForwardingMode::NexthopObjects);
        assert_eq!((snapshot.status.groups, snapshot.status.nexthops, snapshot.groups[0].routes), (1, 4, 2));
        assert_eq!(snapshot.routes[0].state, RouteState::Installed);
        assert_eq!(snapshot.routes[0].nexthop_id, Some(snapshot.groups[0].id));
        let first = &snapshot.routes[0].next_hops[0];
        assert_eq!((first.interface.as_deref(), first.active), (Some("t1"), true));
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn a_dead_tunnel_leaves_every_route_with_one_message() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(500, &[1, 2, 3, 4]));
        fib.settled().await;
        fib.link_down(LinkId(2));
        fib.settled().await;
        assert_eq!(ways("10.0.7.0/24"), ["t1", "t3", "t4"]);
        let status = fib.status();
        let failover = status.last_failover.unwrap();
        assert_eq!((failover.link, failover.messages), (LinkId(2), 1));
        println!("500 routes failed over in {:?}", failover.took);
        assert_eq!((status.counters.replaces, status.counters.deletes), (0, 0));

        fib.link_up(LinkId(2), index("t2"), None);
        fib.settled().await;
        assert_eq!(ways("10.0.7.0/24"), ["t1", "t2", "t3", "t4"]);
        let status = fib.status();
        assert_eq!((status.counters.replaces, status.counters.installs), (0, 500));
        assert!(status.matches_kernel);
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn routes_of_the_last_tunnel_go_and_come_back() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=2).await;
        fib.apply(vec![to("10.2.0.0/16", [peer(1), peer(2)]), to("10.3.0.0/16", [peer(1)])]);
        fib.settled().await;
        fib.link_down(LinkId(1));
        fib.link_down(LinkId(2));
        fib.settled().await;
        assert_eq!(ours(), (0, 0));
        assert_eq!(fib.snapshot().await.routes[0].state, RouteState::Pending);
        fib.link_up(LinkId(1), index("t1"), None);
        fib.settled().await;
        assert_eq!((ways("10.2.0.0/16"), ways("10.3.0.0/16")), (vec!["t1".to_owned()], vec!["t1".to_owned()]));
        fib.stop().await;
    });
}

#[test]
fn withdrawn_routes_go_and_so_do_unused_objects() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(many(10, &[1, 2]));
        fib.settled().await;
        fib.apply(many(10, &[2, 3]));
        fib.settled().await;
        assert_eq!(ways("10.0.1.0/24"), ["t2", "t3"]);
        assert_eq!(ours(), (10, 3));
        fib.apply(many(10, &[]));
        fib.settled().await;
        assert_eq!(ours(), (0, 0));
        fib.stop().await;
    });
}

#[test]
fn ipv6_routes_have_next_hops_of_their_own() {
    with_tunnels(async || {
        let fib = start(FibConfig::default(), 1..=4).await;
        fib.apply(vec![
            to("2001:db8::/32", (1..=4).map(peer_v6)),
            to("2001:db8:9::/48", [peer_v6(1)]),
            to("10.2.0.0/16", (1..=4).map(peer)),
            to("2001:db8:8::/48", [peer(1)]),
            to("::/0", [peer_v6(2)]),
            to("0.0.0.0/0", [peer(2)]),
        ]);
        fib.settled().await;
        assert_eq!(ways("2001:db8::/32"), ["t1", "t2", "t3", "t4"]);
        assert_eq!((ways("default"), ask("-6 route show default").len()), (vec!["t2".to_owned()], 1));
        fib.link_down(LinkId(1));
        fib.settled().await;
        assert_eq!(ways("2001:db8::/32"), ["t2", "t3", "t4"]);
        assert_eq!(ways("2001:db8:9::/48"), [""; 0]);
        assert_eq!(ways("10.2.0.0/16"), ["t2", "t3", "t4"]);
        let snapshot = fib.snapshot().await;
        let mixed = snapshot.routes.iter().find(|route| route.prefix.to_string() == "2001:db8:8::/48").unwrap();
        assert!(matches!(mixed.state, RouteState::Failed { .. }));
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn without_nexthop_objects_routes_carry_their_next_hops() {
    with_tunnels(async || {
        let fib = start(without_objects(), 1..=4).await;
        fib.apply(many(50, &[1, 2, 3]));
        fib.apply(vec![to("2001:db8::/32", (1..=3).map(peer_v6)), to("172.16.0.0/12", [peer(4)])]);
        fib.settled().await;
        assert_eq!(ways("10.0.7.0/24"), ["t1", "t2", "t3"]);
        assert_eq!(ways("2001:db8::/32"), ["t1", "t2", "t3"]);
        assert_eq!(fib.status().mode, ForwardingMode::Multipath);
        fib.link_down(LinkId(1));
        fib.settled().await;
        assert_eq!(ways("10.0.7.0/24"), ["t2", "t3"]);
        assert_eq!(ways("2001:db8::/32"), ["t2", "t3"]);
        assert_eq!(fib.status().last_failover.unwrap().messages, 51);
        ip("link set t2 down");
        let six = || ways("2001:db8::/32") == ["t3"];
        eventually("only t3 is left", || ways("10.0.7.0/24") == ["t3"] && six()).await;
        ip("link set t2 up");
        ip("address add fd00:2::2/64 dev t2 nodad");
        eventually("t2 is back", || ways("10.0.7.0/24") == ["t2", "t3"] && !six()).await;
        fib.stop().await;
        assert_eq!(ours(), (0, 0));
    });
}

#[test]
fn overlapping_inside_networks_are_told_apart_by_interface() {
    in_namespace(async || {
        for n in 1..=2 {
            ip(&format!("link add t{n} type veth peer name p{n}"));
            ip(&format!("link set p{n} up"));
            ip(&format!("link set t{n} up"));
            ip(&format!("address add 169.254.21.2/30 dev t{n}"));
        }
        let fib = start(FibConfig::default(), 1..=2).await;
        let same = |n| rib::NextHop { link: LinkId(n), address: "169.254.21.1".parse().unwrap() };
        fib.apply(vec![to("10.2.0.0/16", [same(1), same(2)]), to("10.3.0.0/16", [same(2)])]);
        fib.settled().await;
        assert_eq!(ways("10.2.0.0/16"), ["t1", "t2"]);
        assert_eq!(ways("10.3.0.0/16"), ["t2"]);
        fib.stop().await;
    });
}

#[test]
fn the_preferred_source_is_on_the_routes() {
    with_tunnels(async || {
        ip("address add 10.1.0.1/32 dev lo");
        let source = Some("10.1.0.1".parse().unwrap());
        let fib = start(FibConfig { source_v4: source, ..FibConfig::default() }, 1..=2).await;
        fib.apply(vec![to("10.2.0.0/16", [peer(1), peer(2)])]);
        fib.settled().await;
        assert_eq!(ask("route show 10.2.0.0/16")[0]["prefsrc"], "10.1.0.1");
        assert_eq!(ask("route get 10.2.0.9")[0]["prefsrc"], "10.1.0.1");
        fib.stop().await;
    });
}
