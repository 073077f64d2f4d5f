//! Tunnels of one connection: who carries traffic, what the others announce, and what stands ready.

use policy::Chain;
use rib::{
    ConnectedRule, Interface, LinkState, NextHop, PeerId, PeerPolicy, Standing, StaticHop, StaticRoute, StaticTarget,
    Step, Verdict, WayBack,
};
use wire::LinkId;

use crate::router::{Router, announce, attributes, config, net, policy, session};

const AWS: u32 = 64512;
const FAR: &str = "10.2.0.0/16";
const NEAR: &str = "10.1.0.0/16";

fn standing(place: u8) -> Option<Standing> {
    Some(Standing { connection: 1, import: place, export: place, way_back: WayBack { med: true, prepend: true } })
}

/// Tunnels 0 and 1, each with a session that has announced the same prefix.
fn two_tunnels(change: impl Fn(&mut PeerPolicy)) -> Router {
    let mut router = Router::new(config());
    for place in 0..2 {
        let number = u32::from(place);
        let mut policy = policy(number, AWS);
        change(&mut policy);
        router.rib.set_standing(LinkId(number), standing(place));
        router.rib.add_peer(PeerId(number), policy.clone());
        router.rib.handle_link(LinkId(number), LinkState::Up);
        router.peer_up(PeerId(number), session(number));
        router.rib.handle_update(PeerId(number), announce(&policy, attributes(&[AWS]), &[net(FAR)]));
    }
    router.drain();
    router
}

fn hop(number: u32) -> NextHop {
    NextHop { link: LinkId(number), address: policy(number, AWS).peer_address }
}

fn sent(router: &Router, number: u32) -> (Option<u32>, usize) {
    let (_, attributes) = &router.told[&PeerId(number)][&net(NEAR)];
    let bgp::AsPathSegment::Sequence(numbers) = &attributes.as_path.0[0] else { panic!("a set") };
    (attributes.med, numbers.len())
}

#[test]
fn the_first_carries_traffic_the_second_is_ready_and_the_peer_is_told() {
    let router = two_tunnels(|_| {});
    let ways = &router.ways[&net(FAR)];
    assert_eq!((ways.as_slice(), ways.spare()), (&[hop(0)][..], &[hop(1)][..]));
    assert_eq!((sent(&router, 0), sent(&router, 1)), ((Some(0), 1), (Some(100), 2)));
    let view = router.rib.route(&net(FAR)).unwrap();
    let found: Vec<_> = view.candidates.iter().map(|c| (c.local_preference, c.verdict.clone())).collect();
    assert_eq!(found, [(100, Verdict::Best), (90, Verdict::Worse(Step::LocalPreference))]);
}

#[test]
fn changed_places_move_routes_and_announcements_both_ways() {
    let mut router = two_tunnels(|_| {});
    router.rib.set_standing(LinkId(1), standing(0));
    router.rib.set_standing(LinkId(0), standing(1));
    router.drain();
    let ways = &router.ways[&net(FAR)];
    assert_eq!((ways.as_slice(), ways.spare()), (&[hop(1)][..], &[hop(0)][..]));
    assert_eq!((sent(&router, 0), sent(&router, 1)), ((Some(100), 2), (Some(0), 1)));
    for number in 0..2 {
        router.rib.set_standing(LinkId(number), None);
    }
    router.drain();
    let ways = &router.ways[&net(FAR)];
    assert_eq!((ways.as_slice(), ways.spare()), (&[hop(0), hop(1)][..], &[][..]), "without a connection side by side");
    assert_eq!((sent(&router, 0), sent(&router, 1)), ((None, 1), (None, 1)));
}

#[test]
fn a_dead_first_tunnel_leaves_the_routes_to_the_second() {
    let mut router = two_tunnels(|_| {});
    router.rib.handle_link(LinkId(0), LinkState::Down);
    router.drain();
    let ways = &router.ways[&net(FAR)];
    assert_eq!((ways.as_slice(), ways.spare()), (&[hop(1)][..], &[][..]));
    router.rib.handle_link(LinkId(0), LinkState::Up);
    router.drain();
    assert_eq!(router.ways[&net(FAR)].as_slice(), [hop(0)]);
}

#[test]
fn places_are_taken_off_whatever_policy_sets() {
    let router = two_tunnels(|policy| {
        policy.local_preference = 300;
        policy.med = Some(40);
        policy.prepend = 1;
    });
    assert_eq!((sent(&router, 0), sent(&router, 1)), ((Some(40), 2), (Some(140), 3)));
    let view = router.rib.route(&net(FAR)).unwrap();
    let found: Vec<u32> = view.candidates.iter().map(|candidate| candidate.local_preference).collect();
    assert_eq!(found, [300, 290]);
}

#[test]
fn what_only_the_second_tunnel_announces_goes_through_it() {
    let mut router = two_tunnels(|_| {});
    let other = net("10.3.0.0/16");
    router.rib.handle_update(PeerId(1), announce(&policy(1, AWS), attributes(&[AWS]), &[other]));
    router.drain();
    assert_eq!(router.ways[&other].as_slice(), [hop(1)]);
    assert_eq!(router.ways[&other].spare(), [], "nobody else has it");
}

#[test]
fn a_connection_without_a_way_back_announces_all_alike() {
    let mut router = two_tunnels(|policy| policy.export = Chain::everything());
    let silent = |place| Standing { connection: 1, import: place, export: place, way_back: WayBack::default() };
    router.rib.set_standing(LinkId(0), Some(silent(0)));
    router.rib.set_standing(LinkId(1), Some(silent(1)));
    router.drain();
    assert_eq!((sent(&router, 0), sent(&router, 1)), ((None, 1), (None, 1)));
    assert_eq!(router.ways[&net(FAR)].as_slice(), [hop(0)], "what we send is not concerned");
}

#[test]
fn static_routes_follow_the_places_too() {
    let mut router = Router::new(config());
    let name = |number: u32| format!("qs-{number}");
    for number in 0..3 {
        let addresses = vec![format!("{}/30", policy(number, AWS).local_address).parse().unwrap()];
        router.rib.set_interface(LinkId(number), Interface { name: name(number), addresses });
        router.rib.handle_link(LinkId(number), LinkState::Up);
    }
    let via = |number| StaticHop { interface: Some(name(number)), address: hop(number).address, weight: 1 };
    let route = StaticRoute {
        prefix: net(FAR),
        target: StaticTarget::Via((0..3).map(via).collect()),
        distance: 1,
        announce: false,
    };
    router.rib.set_standing(LinkId(0), standing(0));
    router.rib.set_standing(LinkId(1), standing(1));
    router.rib.set_sources(vec![route], ConnectedRule::default());
    router.drain();
    let ways = &router.ways[&net(FAR)];
    assert_eq!((ways.as_slice(), ways.spare()), (&[hop(0), hop(2)][..], &[hop(1)][..]));
    router.rib.handle_link(LinkId(0), LinkState::Down);
    router.drain();
    assert_eq!(router.ways[&net(FAR)].as_slice(), [hop(1), hop(2)]);
    router.rib.handle_link(LinkId(0), LinkState::Up);
    router.rib.set_standing(LinkId(1), standing(0));
    router.rib.set_standing(LinkId(0), standing(1));
    router.drain();
    assert_eq!(router.ways[&net(FAR)].as_slice(), [hop(1), hop(2)]);
}
