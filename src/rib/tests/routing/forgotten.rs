//! When nothing is left in the forwarding table of a session that was lost.

use ipnet::IpNet;
use rib::{ConnectedRule, FibChange, LinkState, NextHopSet, Output, PeerId};
use wire::LinkId;

use crate::beyond::{far_policy, far_up, fixed, router as with_a_network, via};
use crate::restarts::{restart, say, two_routes};
use crate::router::{Router, announce, attributes, net, policy, session, withdraw};

const AWS: u32 = 64512;

/// Where in `outputs` it is said that nothing is left of the peer's lost session.
fn forgotten(outputs: &[Output]) -> Vec<usize> {
    let said = |output: &Output| *output == Output::Forgotten { peer: PeerId(0) };
    outputs.iter().enumerate().filter(|(_, output)| said(output)).map(|(at, _)| at).collect()
}

#[test]
fn a_lost_session_is_forgotten_before_what_the_peer_says_anew_is_decided() {
    let mut router = two_routes();
    router.peer_down(PeerId(0));
    router.peer_up(PeerId(0), session(0));
    let feed: Vec<String> = (0..5000).map(|n| format!("20.{}.{}.0/24", n / 256, n % 256)).collect();
    say(&mut router, &feed.iter().map(String::as_str).collect::<Vec<_>>());
    let outputs = router.drain();
    let [forgotten] = forgotten(&outputs)[..] else { panic!("said once: {outputs:?}") };
    let gone = ["10.2.0.0/16", "10.3.0.0/16"].map(|prefix| {
        let change = Output::Fib(FibChange { prefix: net(prefix), next_hops: NextHopSet::default() });
        outputs.iter().position(|output| *output == change).expect("the route is gone")
    });
    let last = outputs.iter().rposition(|output| matches!(output, Output::Fib(_))).unwrap();
    assert!(gone.iter().all(|gone| *gone < forgotten) && forgotten < last, "{gone:?} {forgotten} {last}");
    assert_eq!(router.kernel.len(), 5000);
}

#[test]
fn a_session_that_is_lost_twice_is_forgotten_once_and_one_without_routes_at_once() {
    let mut router = two_routes();
    router.peer_down(PeerId(0));
    router.peer_up(PeerId(0), session(0));
    say(&mut router, &["10.4.0.0/16"]);
    router.peer_down(PeerId(0));
    let outputs = router.drain();
    assert_eq!((forgotten(&outputs).len(), router.kernel.len()), (1, 0), "{outputs:?}");
    router.peer_up(PeerId(0), session(0));
    router.drain();
    router.peer_down(PeerId(0));
    assert_eq!(router.drain(), [Output::Forgotten { peer: PeerId(0) }]);
    router.peer_down(PeerId(0));
    assert_eq!((router.drain(), router.rib.next_hops_at(PeerId(0))), (vec![], vec![]), "it had no session");
}

/// Many networks in the order in which they are decided.
fn many(first: u8) -> Vec<IpNet> {
    (0..3000_u32).map(|n| net(&format!("{first}.{}.{}.0/24", n / 256, n % 256))).collect()
}

/// Two peers in tunnels with a way to 10.255.0.0/16, both of which are used.
fn two_ways() -> Router {
    let mut router = with_a_network();
    for number in 0..2 {
        router.rib.add_peer(PeerId(number), policy(number, AWS));
        router.peer_up(PeerId(number), session(number));
        let update = announce(&policy(number, AWS), attributes(&[AWS]), &[net("10.255.0.0/16")]);
        router.rib.handle_update(PeerId(number), update);
    }
    router
}

/// The first peer's session is lost, its tunnel is not: nothing may lead there once that is said to be forgotten.
fn lose(router: &mut Router, prefixes: &[IpNet]) {
    router.drain();
    assert!(prefixes.iter().all(|prefix| router.kernel[prefix].len() == 2), "over both tunnels");
    router.peer_down(PeerId(0));
    let outputs = router.drain();
    let [forgotten] = forgotten(&outputs)[..] else { panic!("said once: {outputs:?}") };
    let moved = outputs[..forgotten].iter().filter(|output| matches!(output, Output::Fib(_))).count();
    assert_eq!(moved, prefixes.len() + 1, "with the way itself, and before it is said");
    assert!(router.kernel.values().flatten().all(|hop| hop.link == LinkId(1)));
}

#[test]
fn a_lost_session_is_forgotten_after_the_routes_of_a_far_peer_that_were_led_over_it() {
    let (mut router, prefixes) = (two_ways(), many(20));
    let far = far_up(&mut router);
    router.rib.handle_update(far, announce(&far_policy(), attributes(&[AWS]), &prefixes));
    lose(&mut router, &prefixes);
}

#[test]
fn a_lost_session_is_forgotten_after_static_routes_that_were_led_over_it() {
    let (mut router, mut prefixes) = (two_ways(), many(20));
    prefixes.truncate(20);
    let statics = prefixes.iter().map(|prefix| fixed(&prefix.to_string(), via(&[(None, "10.255.0.9")]))).collect();
    router.rib.set_sources(statics, ConnectedRule::default());
    lose(&mut router, &prefixes);
}

#[test]
fn a_lost_session_is_forgotten_after_what_the_peer_withdrew_before() {
    let (mut router, prefixes) = (two_routes(), many(20));
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &prefixes));
    router.drain();
    router.rib.handle_update(PeerId(0), withdraw(&prefixes));
    router.peer_down(PeerId(0));
    let outputs = router.drain();
    let last = outputs.iter().rposition(|output| matches!(output, Output::Fib(_))).unwrap();
    assert_eq!((forgotten(&outputs), router.kernel.len()), (vec![last + 1], 0));
}

#[test]
fn a_peer_that_comes_back_and_restarts_before_its_lost_session_is_forgotten_changes_nothing_of_that() {
    let mut router = two_routes();
    router.peer_down(PeerId(0));
    // The routes are decided, and that it is forgotten waits to be fetched.
    assert!(matches!(router.rib.poll_output(), Some(Output::Fib(_))));
    router.rib.handle_link(LinkId(0), LinkState::Up);
    router.peer_up(PeerId(0), session(0));
    restart(&mut router);
    assert_eq!(forgotten(&router.drain()).len(), 1);
}
