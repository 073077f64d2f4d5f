//! Several paths per prefix (RFC 7911), from peers and to peers.

use bgp::{AddPath, Announcement, Attributes, Nlri, Update};
use rib::{PeerId, PeerPolicy, PeerSession, SendPaths, Treatment, Verdict};

use crate::router::{Router, V4, attributes, config, net, nlris, permit, policy, session};

const HUB: PeerId = PeerId(9);
const PREFIX: &str = "10.2.0.0/16";

fn with_paths(number: u32, receive: bool, send: bool) -> PeerSession {
    PeerSession { add_path: vec![(V4, AddPath { receive, send })], ..session(number) }
}

fn nlri(path_id: u32) -> Nlri {
    Nlri { prefix: net(PREFIX), path_id }
}

fn announce(from: &PeerPolicy, path_id: u32, attributes: Attributes) -> Update {
    let announced = vec![Announcement { next_hop: from.peer_address, prefixes: vec![nlri(path_id)] }];
    Update { announced, attributes: attributes.into(), ..Update::default() }
}

/// Three peers of different ASes announce one prefix, the first the best; the hub takes several paths.
fn with_hub(send_paths: SendPaths) -> Router {
    let mut router = Router::new(config());
    for number in 0..3 {
        let peer = policy(number, 64512 + number);
        router.rib.add_peer(PeerId(number), peer.clone());
        router.rib.handle_link(peer.link, rib::LinkState::Up);
        router.peer_up(PeerId(number), session(number));
        router.rib.handle_update(PeerId(number), announce(&peer, 0, attributes(&[64512 + number])));
    }
    let treatment = Treatment { send_paths, ..Treatment::default() };
    let hub =
        PeerPolicy { export: policy::Chain::lines(vec![permit("10.2.0.0/16", 16)]), treatment, ..policy(9, 65515) };
    router.rib.add_peer(HUB, hub);
    router.peer_up(HUB, with_paths(9, false, true));
    router.drain();
    router
}

/// What the hub has: neighbouring AS by path identifier.
fn told(router: &Router) -> Vec<(u32, String)> {
    router.rib.adj_out(HUB).map(|entry| (entry.path_id, format!("{:?}", entry.attributes.as_path.0))).collect()
}

fn heard(router: &Router) -> Vec<u32> {
    router.told_paths[&HUB].keys().map(|nlri| nlri.path_id).collect()
}

#[test]
fn a_peer_may_announce_several_paths_and_withdraw_one() {
    let mut router = Router::new(config());
    let peer = policy(0, 64512);
    router.rib.add_peer(PeerId(0), peer.clone());
    router.rib.handle_link(peer.link, rib::LinkState::Up);
    router.peer_up(PeerId(0), with_paths(0, true, false));
    router.rib.handle_update(PeerId(0), announce(&peer, 7, attributes(&[64512, 1])));
    router.rib.handle_update(PeerId(0), announce(&peer, 3, attributes(&[64512, 1, 2])));
    router.drain();
    let verdicts = |router: &Router| -> Vec<(u32, Verdict)> {
        let route = router.rib.route(&net(PREFIX));
        route.into_iter().flat_map(|route| route.candidates).map(|path| (path.path_id, path.verdict)).collect()
    };
    assert_eq!(verdicts(&router), [(7, Verdict::Best), (3, Verdict::Worse(rib::Step::AsPathLength))]);
    assert_eq!(router.rib.counts(PeerId(0)).unwrap().received, 2);
    router.rib.handle_update(PeerId(0), Update { withdrawn: vec![nlri(7)], ..Update::default() });
    router.drain();
    assert_eq!(verdicts(&router), [(3, Verdict::Best)]);
    router.rib.handle_update(PeerId(0), Update { withdrawn: nlris(&[net(PREFIX)]), ..Update::default() });
    router.drain();
    assert_eq!(verdicts(&router).len(), 1, "path 0 was never announced");
    router.peer_down(PeerId(0));
    router.drain();
    assert_eq!((router.kernel.len(), router.rib.totals().paths), (0, 0));
}

#[test]
fn more_than_sixty_four_paths_of_one_peer_to_one_prefix_are_not_kept() {
    let mut router = Router::new(config());
    let peer = policy(0, 64512);
    router.rib.add_peer(PeerId(0), peer.clone());
    router.rib.handle_link(peer.link, rib::LinkState::Up);
    router.peer_up(PeerId(0), with_paths(0, true, false));
    for id in 1..=70 {
        router.rib.handle_update(PeerId(0), announce(&peer, id, attributes(&[64512])));
    }
    router.rib.handle_update(PeerId(0), announce(&peer, 64, attributes(&[64512, 1])));
    router.drain();
    let counts = router.rib.counts(PeerId(0)).unwrap();
    assert_eq!((counts.received, counts.forgotten), (64, 6));
}

#[test]
fn other_routers_on_a_shared_network_count_against_the_width_one_by_one() {
    let mut router = Router::new(rib::RibConfig { ecmp_width: 2, ..config() });
    let lan = wire::LinkId::plain(2);
    let addresses = vec![net("10.1.0.1/24")];
    router.rib.set_interface(lan, rib::Interface { name: "lan0".to_owned(), addresses });
    router.rib.handle_link(lan, rib::LinkState::Up);
    let ends = (std::net::IpAddr::from([10, 1, 0, 1]), std::net::IpAddr::from([10, 1, 0, 9]));
    let reach = rib::Reach::Connected { interface: None };
    let peer = PeerPolicy { reach, local_address: ends.0, peer_address: ends.1, ..policy(0, 64512) };
    router.rib.add_peer(PeerId(0), peer.clone());
    router.peer_up(PeerId(0), with_paths(0, true, false));
    for (id, last) in [(1, 20), (2, 20), (3, 21), (4, 22), (5, 21)] {
        let from = PeerPolicy { peer_address: [10, 1, 0, last].into(), ..peer.clone() };
        router.rib.handle_update(PeerId(0), announce(&from, id, attributes(&[64512])));
    }
    router.drain();
    let hops: Vec<_> = router.kernel[&net(PREFIX)].iter().map(|hop| hop.address.to_string()).collect();
    assert_eq!(hops, ["10.1.0.20", "10.1.0.21"]);
}

#[test]
fn all_paths_go_out_with_numbers_that_stay() {
    let mut router = with_hub(SendPaths::All);
    assert_eq!(heard(&router), [1, 2, 3]);
    let before = told(&router);
    router.rib.handle_update(PeerId(1), Update { withdrawn: vec![nlri(0)], ..Update::default() });
    let outputs = router.drain();
    let withdrawn: Vec<_> = crate::router::sends(&outputs).iter().flat_map(|(_, u)| u.withdrawn.clone()).collect();
    assert_eq!(withdrawn, [nlri(2)], "one path, by its number");
    assert_eq!(told(&router), [before[0].clone(), before[2].clone()]);
    router.rib.handle_update(PeerId(1), announce(&policy(1, 64513), 0, attributes(&[64513, 8])));
    router.drain();
    assert_eq!(heard(&router), [1, 2, 3]);
}

#[test]
fn a_path_that_was_only_told_goes_with_its_tunnel() {
    for send_paths in [SendPaths::All, SendPaths::First(3)] {
        let mut router = with_hub(send_paths);
        assert_eq!(router.tunnels_of(PREFIX), [0], "the others are not in use");
        router.rib.handle_link(policy(2, 64514).link, rib::LinkState::Down);
        router.drain();
        assert_eq!(heard(&router), [1, 2], "{send_paths:?}");
        router.rib.handle_link(policy(2, 64514).link, rib::LinkState::Up);
        router.drain();
        assert_eq!(heard(&router), [1, 2, 3], "{send_paths:?}");
    }
}

#[test]
fn a_change_of_one_path_says_nothing_of_the_others() {
    let mut router = with_hub(SendPaths::All);
    router.rib.handle_update(PeerId(2), announce(&policy(2, 64514), 0, attributes(&[64514, 5])));
    let outputs = router.drain();
    let sent: Vec<_> = crate::router::sends(&outputs)
        .iter()
        .flat_map(|(_, update)| update.announced.iter().flat_map(|announced| announced.prefixes.clone()))
        .collect();
    assert_eq!(sent, [nlri(3)]);
}

#[test]
fn the_first_few_or_those_in_use_can_be_chosen() {
    assert_eq!(heard(&with_hub(SendPaths::First(2))), [1, 2]);
    assert_eq!(heard(&with_hub(SendPaths::Ecmp)), [1], "other ASes are not used beside the best");
    assert_eq!(heard(&with_hub(SendPaths::Best)), [1]);
    let mut router = with_hub(SendPaths::Ecmp);
    let mut relaxed = config();
    relaxed.decision.multipath = rib::MultipathPaths::SameLength;
    router.rib.reconfigure(relaxed);
    router.drain();
    assert_eq!(heard(&router), [1, 2, 3]);
}

#[test]
fn the_next_best_takes_the_place_of_one_that_goes() {
    let mut router = with_hub(SendPaths::First(2));
    router.rib.handle_link(policy(0, 0).link, rib::LinkState::Down);
    router.drain();
    assert_eq!(heard(&router), [2, 3]);
    router.rib.handle_link(policy(0, 0).link, rib::LinkState::Up);
    router.drain();
    assert_eq!(heard(&router), [1, 2]);
}

#[test]
fn what_we_originate_goes_out_alone_under_a_number_of_its_own() {
    let mut router = with_hub(SendPaths::All);
    router.rib.set_originated(vec![net(PREFIX)]);
    router.drain();
    assert_eq!(heard(&router), [1 << 16]);
    router.rib.set_originated(vec![]);
    router.drain();
    assert_eq!(heard(&router), [1, 2, 3]);
}
