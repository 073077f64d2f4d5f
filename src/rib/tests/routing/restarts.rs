//! Graceful restart (RFC 4724), enhanced route refresh (RFC 7313), and our own restart.

use bgp::Update;
use rib::{LinkState, Output, PeerId, Verdict};
use wire::LinkId;

use crate::router::{Router, V4, announce, attributes, config, net, permit, policy, sends, session};

const AWS: u32 = 64512;
const HUB: PeerId = PeerId(1);

/// A peer with two routes, and a hub that is told of them.
pub(crate) fn two_routes() -> Router {
    let mut router = Router::new(config());
    let mut hub = policy(1, 65515);
    hub.export = policy::Chain::lines(vec![permit("10.0.0.0/8", 24)]);
    for (number, policy) in [(0, policy(0, AWS)), (1, hub)] {
        router.rib.handle_link(LinkId(number), LinkState::Up);
        router.rib.add_peer(PeerId(number), policy);
        router.peer_up(PeerId(number), session(number));
    }
    say(&mut router, &["10.2.0.0/16", "10.3.0.0/16"]);
    router.drain();
    router
}

pub(crate) fn say(router: &mut Router, prefixes: &[&str]) {
    let prefixes: Vec<_> = prefixes.iter().map(|prefix| net(prefix)).collect();
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &prefixes));
}

fn end_of_rib(router: &mut Router) {
    router.rib.handle_update(PeerId(0), Update { end_of_rib: Some(V4), ..Update::default() });
}

pub(crate) fn restart(router: &mut Router) {
    router.told.remove(&PeerId(0));
    router.up.remove(&PeerId(0));
    router.rib.handle_peer_restarting(PeerId(0), &[V4]);
}

fn stale(router: &Router) -> usize {
    router.rib.counts(PeerId(0)).unwrap().stale
}

#[test]
fn routes_stay_in_use_while_the_peer_restarts() {
    let mut router = two_routes();
    restart(&mut router);
    assert_eq!(router.drain(), [], "neither the kernel nor the hub hears of it");
    assert_eq!((stale(&router), router.kernel.len()), (2, 2));
    let route = router.rib.route(&net("10.2.0.0/16")).unwrap();
    assert!(route.candidates[0].stale && route.candidates[0].verdict == Verdict::Best);

    router.peer_up(PeerId(0), session(0));
    say(&mut router, &["10.2.0.0/16"]);
    let outputs = router.drain();
    assert!(!outputs.iter().any(|output| matches!(output, Output::Fib(_))), "the same route is no change");
    assert_eq!((stale(&router), router.kernel.len()), (1, 2));

    end_of_rib(&mut router);
    router.drain();
    assert_eq!((stale(&router), router.kernel.len()), (0, 1), "what was not repeated goes");
    assert!(!router.told[&HUB].contains_key(&net("10.3.0.0/16")));
}

#[test]
fn time_that_is_up_ends_it_before_and_after_the_session_is_back() {
    let mut router = two_routes();
    restart(&mut router);
    router.rib.handle_stale_expired(PeerId(0), &[V4]);
    router.drain();
    assert_eq!((stale(&router), router.kernel.len()), (0, 0));

    let mut router = two_routes();
    restart(&mut router);
    router.peer_up(PeerId(0), session(0));
    say(&mut router, &["10.3.0.0/16"]);
    router.rib.handle_stale_expired(PeerId(0), &[V4]);
    router.drain();
    assert_eq!(router.kernel.keys().copied().collect::<Vec<_>>(), [net("10.3.0.0/16")]);
}

#[test]
fn a_dead_link_wins_over_every_grace() {
    let mut router = two_routes();
    restart(&mut router);
    router.drain();
    router.rib.handle_link(LinkId(0), LinkState::Down);
    router.drain();
    assert_eq!((router.kernel.len(), router.rib.totals().paths), (0, 0));
    assert!(router.told[&HUB].keys().all(|prefix| *prefix == net("10.1.0.0/16")));
    router.rib.handle_link(LinkId(0), LinkState::Up);
    router.drain();
    assert_eq!(router.kernel.len(), 0, "they do not come back with the link");

    let mut router = two_routes();
    router.rib.handle_link(LinkId(0), LinkState::Down);
    restart(&mut router);
    router.drain();
    assert_eq!(router.rib.totals().paths, 0, "nothing is kept over a link that is down already");
}

#[test]
fn families_without_grace_are_dropped_at_once() {
    let mut router = two_routes();
    router.told.remove(&PeerId(0));
    router.up.remove(&PeerId(0));
    router.rib.handle_peer_restarting(PeerId(0), &[bgp::Family::Ipv6Unicast]);
    router.drain();
    assert_eq!(router.kernel.len(), 0);
}

#[test]
fn a_second_loss_before_the_end_takes_everything() {
    let mut router = two_routes();
    restart(&mut router);
    router.peer_up(PeerId(0), session(0));
    router.peer_down(PeerId(0));
    router.drain();
    assert_eq!((stale(&router), router.kernel.len()), (0, 0));
}

#[test]
fn what_is_not_repeated_between_the_marks_of_a_refresh_goes() {
    let mut router = two_routes();
    router.rib.handle_refresh_begun(PeerId(0), V4);
    assert_eq!(stale(&router), 2);
    say(&mut router, &["10.3.0.0/16"]);
    assert_eq!(router.drain(), []);
    router.rib.handle_refresh_ended(PeerId(0), V4);
    router.drain();
    assert_eq!(router.kernel.keys().copied().collect::<Vec<_>>(), [net("10.3.0.0/16")]);
    router.rib.handle_refresh_ended(PeerId(0), V4);
    assert_eq!(router.drain(), []);
}

#[test]
fn after_our_own_restart_nothing_is_decided_until_all_is_said() {
    let mut router = Router::new(config());
    router.rib.defer_selection();
    router.rib.handle_link(LinkId(0), LinkState::Up);
    router.rib.add_peer(PeerId(0), policy(0, AWS));
    router.peer_up(PeerId(0), session(0));
    say(&mut router, &["10.2.0.0/16"]);
    assert_eq!(router.drain(), []);
    end_of_rib(&mut router);
    assert_eq!(router.drain(), [Output::EndOfRib { peer: PeerId(0), family: V4 }]);
    router.rib.begin_selection();
    let outputs = router.drain();
    assert_eq!(router.kernel.len(), 1);
    let last = sends(&outputs).last().map(|(_, update)| update.end_of_rib);
    assert_eq!(last, Some(Some(V4)));
}
