//! What lies beyond the tunnels: neighbours on networks of ours and several hops away, static and connected routes.

use std::net::IpAddr;

use bgp::{Announcement, Update};
use ipnet::IpNet;
use policy::Chain;
use rib::{
    ConnectedRule, Distance, Interface, LinkState, LocalKind, NextHop, PeerId, PeerPolicy, Reach, Refusal, StaticHop,
    StaticRoute, StaticStanding, StaticTarget, Step, Verdict, Withheld,
};
use wire::LinkId;

use crate::router::{Router, announce, attributes, config, net, nlris, path, permit, policy, session, withdraw};

const LAN: LinkId = LinkId::plain(2);
const AWS: u32 = 64512;
const CORE: u32 = 65010;
const LOOPBACK: &str = "10.255.0.1/32";

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn interface(name: &str, addresses: &[&str]) -> Interface {
    Interface { name: name.to_owned(), addresses: addresses.iter().map(|text| text.parse().unwrap()).collect() }
}

fn hop(link: LinkId, to: &str) -> NextHop {
    NextHop { link, address: address(to) }
}

/// A neighbour at 10.1.0.9 on our 10.1.0.0/24.
fn lan_policy() -> PeerPolicy {
    PeerPolicy {
        name: "core".to_owned(),
        link: LinkId::NONE,
        reach: Reach::Connected { interface: None },
        local_address: address("10.1.0.1"),
        peer_address: address("10.1.0.9"),
        ..policy(9, CORE)
    }
}

/// A neighbour at 10.255.0.1, several hops away.
pub(crate) fn far_policy() -> PeerPolicy {
    PeerPolicy {
        name: "far".to_owned(),
        link: LinkId::NONE,
        reach: Reach::Routed,
        local_address: address("10.1.0.1"),
        peer_address: address("10.255.0.1"),
        ..policy(10, AWS)
    }
}

pub(crate) fn via(hops: &[(Option<&str>, &str)]) -> StaticTarget {
    let hop = |(interface, to): &(Option<&str>, &str)| StaticHop {
        interface: interface.map(str::to_owned),
        address: address(to),
        weight: 1,
    };
    StaticTarget::Via(hops.iter().map(hop).collect())
}

pub(crate) fn fixed(prefix: &str, target: StaticTarget) -> StaticRoute {
    StaticRoute { prefix: net(prefix), target, distance: Distance::STATIC, announce: false }
}

/// Two tunnels and a network; no sessions.
pub(crate) fn router() -> Router {
    let mut router = Router::new(config());
    for number in 0..2_u32 {
        let inside = format!("169.254.21.{}/30", number * 4 + 2);
        router.rib.set_interface(LinkId(number), interface(&format!("qs-t{number}"), &[&inside]));
        router.rib.handle_link(LinkId(number), LinkState::Up);
    }
    router.rib.set_interface(LAN, interface("lan0", &["10.1.0.1/24"]));
    router.rib.handle_link(LAN, LinkState::Up);
    router.drain();
    router
}

fn over_both_tunnels(prefix: &str) -> StaticRoute {
    fixed(prefix, via(&[(Some("qs-t0"), "169.254.21.1"), (Some("qs-t1"), "169.254.21.5")]))
}

fn core_up(router: &mut Router) -> PeerId {
    let core = PeerId(9);
    router.rib.add_peer(core, lan_policy());
    router.peer_up(core, session(9));
    core
}

pub(crate) fn far_up(router: &mut Router) -> PeerId {
    let far = PeerId(10);
    router.rib.add_peer(far, far_policy());
    router.peer_up(far, session(10));
    far
}

fn verdict(router: &Router, prefix: &str) -> Verdict {
    router.rib.route(&net(prefix)).unwrap().candidates[0].verdict.clone()
}

fn from(next_hop: &str, prefix: &str, asn: u32) -> Update {
    Update {
        announced: vec![Announcement { next_hop: address(next_hop), prefixes: nlris(&[net(prefix)]) }],
        attributes: attributes(&[asn]).into(),
        ..Update::default()
    }
}

#[test]
fn a_neighbours_routes_leave_through_its_network_and_go_with_it() {
    let mut router = router();
    let core = core_up(&mut router);
    router.rib.handle_update(core, announce(&lan_policy(), attributes(&[CORE]), &[net("10.2.0.0/16")]));
    router.drain();
    assert_eq!(router.kernel[&net("10.2.0.0/16")], [hop(LAN, "10.1.0.9")]);
    router.rib.handle_link(LAN, LinkState::Down);
    router.drain();
    assert!(router.kernel.is_empty());
    assert_eq!(verdict(&router, "10.2.0.0/16"), Verdict::LinkDown);
    router.rib.handle_link(LAN, LinkState::Up);
    router.drain();
    assert_eq!(router.kernel[&net("10.2.0.0/16")], [hop(LAN, "10.1.0.9")]);
}

#[test]
fn another_router_on_the_shared_network_may_be_the_next_hop_and_nobody_else() {
    let mut router = router();
    let core = core_up(&mut router);
    router.rib.handle_update(core, from("10.1.0.77", "10.2.0.0/16", CORE));
    router.rib.handle_update(core, from("10.9.0.1", "10.3.0.0/16", CORE));
    router.rib.handle_update(core, from("10.1.0.1", "10.4.0.0/16", CORE));
    router.drain();
    assert_eq!(router.kernel[&net("10.2.0.0/16")], [hop(LAN, "10.1.0.77")]);
    assert_eq!(verdict(&router, "10.3.0.0/16"), Verdict::Refused(Refusal::NextHopOffLink(address("10.9.0.1"))));
    assert_eq!(verdict(&router, "10.4.0.0/16"), Verdict::Refused(Refusal::OwnNextHop(address("10.1.0.1"))));
    // The network grows: what was out of it is on it now.
    router.rib.set_interface(LAN, interface("lan0", &["10.1.0.1/24", "10.9.0.2/24"]));
    router.drain();
    assert_eq!(router.kernel[&net("10.3.0.0/16")], [hop(LAN, "10.9.0.1")]);
}

#[test]
fn a_tunnels_peer_still_is_its_only_next_hop() {
    let mut router = router();
    router.rib.add_peer(PeerId(0), policy(0, AWS));
    router.peer_up(PeerId(0), session(0));
    router.rib.handle_update(PeerId(0), from("10.1.0.77", "10.2.0.0/16", AWS));
    router.drain();
    let refused = Refusal::ThirdPartyNextHop { next_hop: address("10.1.0.77"), peer: address("169.254.21.1") };
    assert_eq!(verdict(&router, "10.2.0.0/16"), Verdict::Refused(refused));
}

#[test]
fn a_peer_behind_two_tunnels_survives_the_loss_of_one() {
    let mut router = router();
    router.rib.set_sources(vec![over_both_tunnels(LOOPBACK)], ConnectedRule::default());
    let far = far_up(&mut router);
    router.rib.handle_update(far, announce(&far_policy(), attributes(&[AWS]), &[net("10.2.0.0/16")]));
    router.drain();
    let both = [hop(LinkId(0), "169.254.21.1"), hop(LinkId(1), "169.254.21.5")];
    assert_eq!(router.kernel[&net("10.2.0.0/16")], both);
    assert_eq!(router.kernel[&net(LOOPBACK)], both);
    router.rib.handle_link(LinkId(0), LinkState::Down);
    router.drain();
    assert_eq!(router.kernel[&net("10.2.0.0/16")], both[1..]);
    router.rib.handle_link(LinkId(1), LinkState::Down);
    router.drain();
    assert!(router.kernel.is_empty(), "{:?}", router.kernel);
    assert_eq!(verdict(&router, "10.2.0.0/16"), Verdict::NoWay);
    router.rib.handle_link(LinkId(0), LinkState::Up);
    router.drain();
    assert_eq!(router.kernel[&net("10.2.0.0/16")], both[..1]);
}

#[test]
fn a_next_hop_may_be_behind_what_a_near_peer_announces() {
    let mut router = router();
    let (core, far) = (core_up(&mut router), far_up(&mut router));
    router.rib.handle_update(far, announce(&far_policy(), attributes(&[AWS]), &[net("10.2.0.0/16")]));
    router.drain();
    assert_eq!(verdict(&router, "10.2.0.0/16"), Verdict::NoWay);
    router.rib.handle_update(core, announce(&lan_policy(), attributes(&[CORE]), &[net("10.255.0.0/16")]));
    router.drain();
    assert_eq!(router.kernel[&net("10.2.0.0/16")], [hop(LAN, "10.1.0.9")]);
    router.rib.handle_update(core, withdraw(&[net("10.255.0.0/16")]));
    router.drain();
    assert!(router.kernel.is_empty());
}

#[test]
fn routes_of_far_peers_never_lead_to_their_own_next_hops() {
    let mut router = router();
    let far = far_up(&mut router);
    // It would be reached through itself, then not at all, then through itself, and so on.
    router.rib.handle_update(far, announce(&far_policy(), attributes(&[AWS]), &[net("10.0.0.0/8"), net(LOOPBACK)]));
    router.drain();
    assert!(router.kernel.is_empty());
    router.rib.set_sources(vec![fixed("10.254.0.0/15", via(&[(None, "10.1.0.9")]))], ConnectedRule::default());
    router.drain();
    assert_eq!(router.kernel[&net("10.0.0.0/8")], [hop(LAN, "10.1.0.9")]);
    assert_eq!(router.kernel[&net(LOOPBACK)], [hop(LAN, "10.1.0.9")]);
}

#[test]
fn many_next_hops_of_a_far_peer_are_each_looked_up() {
    let mut router = router();
    router.rib.set_sources(vec![over_both_tunnels("10.255.0.0/24")], ConnectedRule::default());
    let far = far_up(&mut router);
    for round in 0..20_u32 {
        for number in 0..200_u32 {
            let next_hop = format!("10.255.{}.{}", number % 2, number);
            let update = from(&next_hop, &format!("20.{round}.{number}.0/24"), AWS);
            router.rib.handle_update(far, update);
        }
    }
    router.drain();
    assert_eq!(router.kernel.len(), 20 * 100 + 1, "every second one is not reached");
}

#[test]
fn static_routes_go_with_their_links_and_come_back() {
    let mut router = router();
    router.rib.set_sources(vec![over_both_tunnels("10.8.0.0/16")], ConnectedRule::default());
    router.drain();
    assert_eq!(router.tunnels_of("10.8.0.0/16"), [0, 1]);
    router.rib.handle_link(LinkId(0), LinkState::Down);
    router.drain();
    assert_eq!(router.tunnels_of("10.8.0.0/16"), [1]);
    router.rib.handle_link(LinkId(1), LinkState::Down);
    router.drain();
    assert!(router.tunnels_of("10.8.0.0/16").is_empty());
    assert_eq!(router.rib.statics().next().unwrap().standing, StaticStanding::NoWay);
    router.rib.handle_link(LinkId(1), LinkState::Up);
    router.drain();
    assert_eq!(router.tunnels_of("10.8.0.0/16"), [1]);
    router.rib.set_sources(vec![], ConnectedRule::default());
    router.drain();
    assert!(router.kernel.is_empty());
}

#[test]
fn shares_of_static_next_hops_are_kept() {
    let mut router = router();
    let mut route = over_both_tunnels("10.8.0.0/16");
    if let StaticTarget::Via(hops) = &mut route.target {
        hops[1].weight = 3;
    }
    router.rib.set_sources(vec![route], ConnectedRule::default());
    router.drain();
    let route = router.rib.route(&net("10.8.0.0/16")).unwrap();
    assert_eq!(
        route.next_hops.members().map(|(hop, weight)| (hop.link.0, weight)).collect::<Vec<_>>(),
        [(0, 1), (1, 3)]
    );
    assert_eq!(route.local, Some(LocalKind::Static));
}

#[test]
fn a_blackhole_is_a_way() {
    let mut router = router();
    router.rib.set_sources(vec![fixed("10.8.0.0/16", StaticTarget::Blackhole)], ConnectedRule::default());
    router.drain();
    assert!(router.rib.route(&net("10.8.0.0/16")).unwrap().next_hops.is_discard());
    assert_eq!(router.rib.statics().next().unwrap().standing, StaticStanding::Active);
}

#[test]
fn the_lower_distance_wins() {
    let mut router = router();
    router.rib.add_peer(PeerId(0), policy(0, AWS));
    router.peer_up(PeerId(0), session(0));
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &[net("10.8.0.0/16")]));
    let lan = |distance| vec![StaticRoute { distance, ..fixed("10.8.0.0/16", via(&[(Some("lan0"), "10.1.0.9")])) }];
    let ways = |router: &mut Router, distance| {
        router.rib.set_sources(lan(distance), ConnectedRule::default());
        router.drain();
        router.kernel[&net("10.8.0.0/16")].clone()
    };
    assert_eq!(ways(&mut router, 1), [hop(LAN, "10.1.0.9")]);
    assert_eq!(verdict(&router, "10.8.0.0/16"), Verdict::Worse(Step::Distance));
    assert_eq!(ways(&mut router, 30), [hop(LinkId(0), "169.254.21.1")], "stands by");
    assert_eq!(router.rib.statics().next().unwrap().standing, StaticStanding::Standby);
    assert_eq!(verdict(&router, "10.8.0.0/16"), Verdict::Best);
    router.rib.handle_update(PeerId(0), withdraw(&[net("10.8.0.0/16")]));
    router.drain();
    assert_eq!(router.kernel[&net("10.8.0.0/16")], [hop(LAN, "10.1.0.9")], "and takes over");
    router.rib.set_sources(vec![], ConnectedRule::default());
    router.drain();
    assert!(router.kernel.is_empty() && router.rib.route(&net("10.8.0.0/16")).is_none());
}

#[test]
fn internal_routes_lose_to_static_ones_that_external_routes_beat() {
    let mut router = router();
    let internal = policy(0, 65000);
    router.rib.add_peer(PeerId(0), internal.clone());
    router.peer_up(PeerId(0), session(0));
    router.rib.handle_update(PeerId(0), announce(&internal, attributes(&[AWS]), &[net("10.8.0.0/16")]));
    let route = StaticRoute { distance: 100, ..fixed("10.8.0.0/16", via(&[(Some("lan0"), "10.1.0.9")])) };
    router.rib.set_sources(vec![route], ConnectedRule::default());
    router.drain();
    assert_eq!(router.kernel[&net("10.8.0.0/16")], [hop(LAN, "10.1.0.9")]);
}

#[test]
fn connected_networks_are_told_where_export_permits_and_never_replaced() {
    let mut router = router();
    let mut told = policy(0, 65515);
    told.export = Chain::lines(vec![permit("10.0.0.0/8", 24)]);
    router.rib.add_peer(PeerId(0), told);
    router.rib.add_peer(PeerId(1), policy(1, AWS));
    for peer in 0..2 {
        router.peer_up(PeerId(peer), session(peer));
    }
    router.rib.set_interface(LAN, interface("lan0", &["10.1.0.1/24", "10.5.0.1/24", "169.254.9.1/16"]));
    router.rib.handle_update(PeerId(1), announce(&policy(1, AWS), attributes(&[AWS]), &[net("10.5.0.0/24")]));
    router.rib.set_sources(vec![], ConnectedRule::All);
    router.drain();
    let has = |router: &Router, peer: u32, prefix: &str| router.told[&PeerId(peer)].contains_key(&net(prefix));
    assert!(has(&router, 0, "10.5.0.0/24") && !has(&router, 1, "10.5.0.0/24"));
    assert!(!has(&router, 0, "169.254.0.0/16"));
    assert!(router.kernel.is_empty(), "the kernel knows its own networks");
    assert_eq!(router.rib.export_verdict(PeerId(1), &net("10.1.0.0/24")), Some(Err(Withheld::NotRedistributed)));
    // The address goes: so does the announcement, and the learned route takes its place.
    router.rib.set_interface(LAN, interface("lan0", &["10.1.0.1/24"]));
    router.drain();
    assert_eq!(router.tunnels_of("10.5.0.0/24"), [1]);
    assert_eq!(router.told[&PeerId(0)][&net("10.5.0.0/24")].1.as_path, path(&[65000, AWS]));
    router.rib.handle_update(PeerId(1), withdraw(&[net("10.5.0.0/24")]));
    router.drain();
    assert!(!has(&router, 0, "10.5.0.0/24"));
}

#[test]
fn a_static_route_is_told_to_everybody_if_it_says_so() {
    let mut router = router();
    router.rib.add_peer(PeerId(0), policy(0, AWS));
    router.peer_up(PeerId(0), session(0));
    let quiet = fixed("10.8.0.0/16", via(&[(None, "10.1.0.9")]));
    let loud = StaticRoute { announce: true, ..fixed("10.9.0.0/16", via(&[(None, "10.1.0.9")])) };
    router.rib.set_sources(vec![quiet, loud], ConnectedRule::default());
    router.drain();
    let told: Vec<IpNet> = router.told[&PeerId(0)].keys().copied().collect();
    assert_eq!(told, [net("10.1.0.0/16"), net("10.9.0.0/16")]);
    router.rib.handle_link(LAN, LinkState::Down);
    router.drain();
    assert!(!router.told[&PeerId(0)].contains_key(&net("10.9.0.0/16")));
}

#[test]
fn a_static_route_never_leads_a_tunnels_packets_into_a_tunnel() {
    let mut router = router();
    let around = over_both_tunnels("203.0.113.0/24");
    router.rib.set_sources(vec![around.clone()], ConnectedRule::default());
    router.drain();
    assert!(router.kernel.is_empty());
    let standing = router.rib.statics().next().unwrap().standing;
    assert_eq!(standing, StaticStanding::Captures(address("203.0.113.7")));
    let bypass = fixed("203.0.113.7/32", via(&[(None, "10.1.0.9")]));
    router.rib.set_sources(vec![around, bypass], ConnectedRule::default());
    router.drain();
    assert_eq!(router.tunnels_of("203.0.113.0/24"), [0, 1]);
}

#[test]
fn an_announced_network_still_goes_where_its_static_route_leads() {
    let mut router = router();
    router.rib.set_sources(vec![fixed("10.1.0.0/16", via(&[(None, "10.1.0.9")]))], ConnectedRule::default());
    router.drain();
    assert_eq!(router.kernel[&net("10.1.0.0/16")], [hop(LAN, "10.1.0.9")]);
    assert!(router.rib.route(&net("10.1.0.0/16")).unwrap().originated);
}

#[test]
fn a_link_that_is_told_up_before_its_old_interface_is_gone_stays_up() {
    let mut router = router();
    router.rib.handle_link(LinkId(0), LinkState::Down);
    router.rib.handle_link(LinkId(0), LinkState::Up);
    router.rib.remove_interface(LinkId(0));
    router.rib.set_interface(LinkId(0), interface("qs-t0", &["169.254.21.2/30"]));
    router.rib.set_sources(vec![over_both_tunnels("10.9.0.0/16")], ConnectedRule::default());
    router.drain();
    assert_eq!(router.tunnels_of("10.9.0.0/16"), [0, 1]);
}

#[test]
fn only_a_way_that_there_is_lets_a_tunnels_packets_past_the_tunnels() {
    let mut router = router();
    let around = over_both_tunnels("203.0.113.0/24");
    let plain = fixed("203.0.113.7/32", via(&[(None, "10.1.0.9")]));
    router.rib.set_sources(vec![around.clone(), plain], ConnectedRule::default());
    router.drain();
    assert_eq!(router.tunnels_of("203.0.113.0/24"), [0, 1]);
    router.rib.handle_link(LAN, LinkState::Down);
    router.drain();
    assert!(router.kernel.is_empty(), "its network is down");
    router.rib.handle_link(LAN, LinkState::Up);
    router.drain();
    assert_eq!(router.tunnels_of("203.0.113.0/24"), [0, 1]);
    let inward = [over_both_tunnels("10.8.0.0/16"), fixed("203.0.113.7/32", via(&[(None, "10.8.0.1")]))];
    let blackhole = fixed("203.0.113.7/32", StaticTarget::Blackhole);
    for narrower in [inward.to_vec(), vec![blackhole]] {
        let statics = [vec![around.clone()], narrower].concat();
        router.rib.set_sources(statics, ConnectedRule::default());
        router.drain();
        assert!(!router.kernel.contains_key(&net("203.0.113.0/24")), "the narrower one leads to no plain interface");
    }
}

#[test]
fn a_static_route_may_lead_over_a_learned_one_but_not_over_a_learned_default() {
    let mut router = router();
    let statics = vec![
        fixed("10.60.0.0/16", via(&[(None, "10.2.7.9")])),
        // Its own prefix is no way to its next hop.
        fixed("10.2.7.0/24", via(&[(None, "10.2.7.9")])),
        fixed("10.61.0.0/16", via(&[(None, "10.9.9.9")])),
    ];
    router.rib.set_sources(statics, ConnectedRule::default());
    let core = core_up(&mut router);
    router.drain();
    assert!(router.kernel.is_empty());
    for prefix in ["10.2.0.0/16", "0.0.0.0/0"] {
        router.rib.handle_update(core, announce(&lan_policy(), attributes(&[CORE]), &[net(prefix)]));
    }
    router.drain();
    for prefix in ["10.60.0.0/16", "10.2.7.0/24"] {
        assert_eq!(router.kernel[&net(prefix)], [hop(LAN, "10.1.0.9")], "{prefix}");
    }
    assert!(!router.kernel.contains_key(&net("10.61.0.0/16")));
    router.rib.handle_update(core, withdraw(&[net("10.2.0.0/16")]));
    router.drain();
    assert!(!router.kernel.contains_key(&net("10.60.0.0/16")) && !router.kernel.contains_key(&net("10.2.7.0/24")));
}

#[test]
fn a_next_hop_that_bfd_finds_dead_is_none_for_static_routes() {
    let mut router = router();
    let standby = StaticRoute { distance: 250, ..fixed("10.50.0.0/16", via(&[(Some("qs-t0"), "169.254.21.1")])) };
    let statics = vec![fixed("10.50.0.0/16", via(&[(None, "10.1.0.9"), (Some("lan0"), "10.1.0.10")])), standby];
    router.rib.set_sources(statics, ConnectedRule::default());
    router.drain();
    let (first, second) = (hop(LAN, "10.1.0.9"), hop(LAN, "10.1.0.10"));
    assert_eq!(router.kernel[&net("10.50.0.0/16")], [first, second]);
    router.rib.handle_hop(first, LinkState::Down);
    router.drain();
    assert_eq!(router.kernel[&net("10.50.0.0/16")], [second]);
    router.rib.handle_hop(second, LinkState::Down);
    router.drain();
    assert_eq!(router.kernel[&net("10.50.0.0/16")], [hop(LinkId(0), "169.254.21.1")]);
    assert_eq!(router.rib.statics().map(|view| view.standing).collect::<Vec<_>>()[0], StaticStanding::Dead);
    router.rib.handle_hop(first, LinkState::Up);
    router.rib.handle_hop(second, LinkState::Up);
    router.drain();
    assert_eq!(router.kernel[&net("10.50.0.0/16")], [first, second]);
}

#[test]
fn what_rules_lead_elsewhere_is_told_and_not_installed() {
    let mut router = router();
    let StaticTarget::Via(hops) = over_both_tunnels("10.9.0.0/16").target else { panic!() };
    let flow = StaticRoute { announce: true, ..fixed("10.9.0.0/16", StaticTarget::Elsewhere(hops)) };
    router.rib.set_sources(vec![flow.clone()], ConnectedRule::default());
    router.drain();
    assert!(router.kernel.is_empty());
    assert_eq!(router.rib.statics().next().unwrap().standing, StaticStanding::Active);
    assert_eq!(router.rib.route(&net("10.9.0.0/16")).unwrap().local, Some(LocalKind::Static));
    for link in [0, 1] {
        router.rib.handle_link(LinkId(link), LinkState::Down);
    }
    router.drain();
    assert_eq!(router.rib.statics().next().unwrap().standing, StaticStanding::NoWay);
    assert!(router.rib.route(&net("10.9.0.0/16")).is_none(), "nobody is told any more");
    // It holds a peer's outside address: the rules make an exception of that.
    for link in [0, 1] {
        router.rib.handle_link(LinkId(link), LinkState::Up);
    }
    let around = StaticRoute { prefix: net("203.0.113.0/24"), ..flow };
    router.rib.set_sources(vec![around], ConnectedRule::default());
    router.drain();
    assert_eq!(router.rib.statics().next().unwrap().standing, StaticStanding::Active);
    assert!(router.kernel.is_empty());
}
