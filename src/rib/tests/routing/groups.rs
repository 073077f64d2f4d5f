//! Peers that are told the same in the same words are told in one go, and each only what is for it.

use bgp::{Attributes, Family};
use policy::{Action, Basis, Chain, Policy, PolicySet, Step};
use rib::{LinkState, PeerId, PeerPolicy, PeerSession};
use wire::Asn;

use crate::router::{Router, announce, attributes, config, net, path, policy, sends, session};

/// Everything goes out to peer `number` of an AS of its own.
fn everything(number: u32) -> PeerPolicy {
    PeerPolicy { export: Chain::everything(), ..policy(number, 64600 + number) }
}

fn started(policies: impl IntoIterator<Item = PeerPolicy>) -> Router {
    let mut router = Router::new(config());
    for policy in policies {
        let id = PeerId(policy.link.0);
        router.rib.handle_link(policy.link, LinkState::Up);
        router.rib.add_peer(id, policy);
        router.peer_up(id, session(id.0));
    }
    router.drain();
    router
}

/// Peers that have 10.2.0.0/16.
fn told(router: &Router) -> Vec<u32> {
    let has = |(_, routes): &(&PeerId, &std::collections::BTreeMap<_, _>)| routes.contains_key(&net("10.2.0.0/16"));
    router.told.iter().filter(has).map(|(peer, _)| peer.0).collect()
}

#[test]
fn all_get_the_same_attributes_and_next_hops_of_their_own() {
    let mut router = started((0..12).map(everything));
    router.rib.handle_update(PeerId(3), announce(&everything(3), attributes(&[64603]), &[net("10.2.0.0/16")]));
    let outputs = router.drain();
    assert_eq!(told(&router), [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11], "not the one it came from");
    let updates = sends(&outputs);
    let (_, first) = updates[0];
    for (peer, update) in &updates {
        assert!(std::sync::Arc::ptr_eq(&update.attributes, &first.attributes));
        assert_eq!(update.announced[0].next_hop, everything(peer.0).local_address);
    }
}

#[test]
fn whoever_is_in_the_path_is_left_out_and_has_it_withdrawn() {
    let mut router = started((0..5).map(everything));
    let from = everything(0);
    router.rib.handle_update(PeerId(0), announce(&from, attributes(&[64600]), &[net("10.2.0.0/16")]));
    router.drain();
    assert_eq!(told(&router), [1, 2, 3, 4]);
    // RFC 4271 9.1.2: they would refuse it as a loop.
    let through = Attributes { as_path: path(&[64600, 64602, 64604]), ..Attributes::default() };
    router.rib.handle_update(PeerId(0), announce(&from, through, &[net("10.2.0.0/16")]));
    router.drain();
    assert_eq!(told(&router), [1, 3]);
}

#[test]
fn what_one_was_told_before_is_not_repeated_for_the_sake_of_another() {
    let mut router = started((0..3).map(everything));
    router.rib.handle_update(PeerId(0), announce(&everything(0), attributes(&[64600]), &[net("10.2.0.0/16")]));
    router.rib.hold(PeerId(2));
    assert_eq!(sends(&router.drain()).len(), 1);
    router.rib.handle_refresh(PeerId(1), Family::Ipv4Unicast);
    router.rib.release(PeerId(2));
    let outputs = router.drain();
    let peers: Vec<u32> =
        sends(&outputs).iter().filter(|(_, update)| !update.announced.is_empty()).map(|(peer, _)| peer.0).collect();
    assert!(peers.contains(&1) && peers.contains(&2) && !peers.contains(&0), "{peers:?}");
    assert_eq!(told(&router), [1, 2]);
    assert!(sends(&router.drain()).is_empty());
}

#[test]
fn those_with_other_words_are_told_those() {
    let with_med = PeerPolicy { med: Some(7), ..everything(2) };
    let internal = PeerPolicy { peer_asn: Asn(65000), ..everything(3) };
    let silent = PeerPolicy { export: Chain::networks(), ..everything(4) };
    let mut router = started([everything(0), everything(1), with_med, internal, silent]);
    router.rib.handle_update(PeerId(0), announce(&everything(0), attributes(&[64600]), &[net("10.2.0.0/16")]));
    router.drain();
    assert_eq!(told(&router), [1, 2, 3]);
    let of = |peer| &router.told[&PeerId(peer)][&net("10.2.0.0/16")].1;
    assert_eq!((of(1).med, of(2).med), (None, Some(7)));
    assert_eq!((&of(1).as_path, &of(3).as_path), (&path(&[65000, 64600]), &path(&[64600])));
    assert_eq!(of(3).local_preference, Some(100));
}

#[test]
fn those_with_path_identifiers_are_told_one_by_one() {
    let mut router = Router::new(config());
    let way = bgp::AddPath { send: true, receive: false };
    for number in 0..3 {
        router.rib.handle_link(everything(number).link, LinkState::Up);
        router.rib.add_peer(PeerId(number), everything(number));
        let numbered = PeerSession { add_path: vec![(Family::Ipv4Unicast, way)], ..session(number) };
        router.peer_up(PeerId(number), numbered);
    }
    router.drain();
    router.rib.handle_update(PeerId(0), announce(&everything(0), attributes(&[64600]), &[net("10.2.0.0/16")]));
    let outputs = router.drain();
    let announced: Vec<u32> = sends(&outputs).iter().map(|(peer, _)| peer.0).collect();
    assert_eq!(announced, [1, 2], "not the one it came from");
}

#[test]
fn hits_are_counted_for_every_peer_that_is_told() {
    let set = PolicySet::new(vec![Policy::new("p".into(), vec![], Action::Accept)]).unwrap();
    let chain = Chain::new(set.into(), vec![Step::Policy(0)], Basis::Written);
    let with_policy = |number| PeerPolicy { export: chain.clone(), ..policy(number, 64600 + number) };
    let mut router = started((0..4).map(with_policy));
    let hits = || chain.policies()[0].hits().sum::<u64>();
    let before = hits();
    router.rib.handle_update(PeerId(0), announce(&with_policy(0), attributes(&[64600]), &[net("10.2.0.0/16")]));
    router.drain();
    assert_eq!(hits() - before, 3, "not for the one it came from");
}
