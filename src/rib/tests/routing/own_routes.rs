//! Aggregates, default routes for one peer, weights, and limits that warn.

use bgp::{Attributes, Origin, Rare, RareAttributes};
use rib::{
    Aggregate, LinkState, LocalKind, LocalRoute, NextHopSet, Output, PeerId, PeerPolicy, RibConfig, Treatment, Verdict,
    Withheld,
};
use wire::{Asn, LinkId};

use crate::router::{Router, announce, attributes, config, net, path, permit, policy, session, withdraw};

const AWS: u32 = 64512;
const HUB: PeerId = PeerId(3);

fn router(config: RibConfig) -> Router {
    let mut router = Router::new(config);
    for number in 0..4 {
        let asn = if number == 3 { 65515 } else { AWS };
        let mut policy = policy(number, asn);
        policy.export = policy::Chain::lines(vec![permit("0.0.0.0/0", 32)]);
        router.rib.handle_link(LinkId(number), LinkState::Up);
        router.rib.add_peer(PeerId(number), policy);
        router.peer_up(PeerId(number), session(number));
    }
    router
}

fn say(router: &mut Router, from: u32, attributes: Attributes, prefixes: &[&str]) {
    let prefixes: Vec<_> = prefixes.iter().map(|prefix| net(prefix)).collect();
    router.rib.handle_update(PeerId(from), announce(&policy(from, AWS), attributes, &prefixes));
}

fn aggregated(summary_only: bool, as_set: bool) -> RibConfig {
    let aggregate = Aggregate { prefix: net("10.20.0.0/16"), summary_only, as_set };
    RibConfig { aggregates: vec![aggregate], ..config() }
}

#[test]
fn an_aggregate_is_there_while_something_is_in_it() {
    let mut router = router(aggregated(false, false));
    router.drain();
    assert!(!router.told[&HUB].contains_key(&net("10.20.0.0/16")));
    say(&mut router, 0, Attributes { origin: Origin::Egp, ..attributes(&[AWS]) }, &["10.20.1.0/24"]);
    router.drain();
    let (_, told) = &router.told[&HUB][&net("10.20.0.0/16")];
    let expected = Attributes {
        origin: Origin::Egp,
        as_path: path(&[65000]),
        rare: Rare::from(RareAttributes {
            atomic_aggregate: true,
            aggregator: Some((Asn(65000), [10, 1, 0, 1].into())),
            ..RareAttributes::default()
        }),
        ..Attributes::default()
    };
    assert_eq!(*told, expected);
    assert!(router.told[&HUB].contains_key(&net("10.20.1.0/24")));
    let fib: Vec<_> = router.rib.fib().filter(|change| change.prefix == net("10.20.0.0/16")).collect();
    assert_eq!(fib[0].next_hops, NextHopSet::discard());
    router.rib.handle_update(PeerId(0), withdraw(&[net("10.20.1.0/24")]));
    router.drain();
    assert!(!router.told[&HUB].contains_key(&net("10.20.0.0/16")) && router.kernel.is_empty());
    assert_eq!(router.rib.totals().prefixes, 1, "nothing gone is remembered");
}

#[test]
fn an_aggregate_around_a_tunnels_peer_is_told_and_drops_nothing() {
    let aggregate = Aggregate { prefix: net("203.0.113.0/24"), summary_only: false, as_set: false };
    let mut router = router(RibConfig { aggregates: vec![aggregate], ..config() });
    say(&mut router, 0, attributes(&[AWS]), &["203.0.113.128/25"]);
    router.drain();
    assert!(router.told[&HUB].contains_key(&net("203.0.113.0/24")));
    assert!(!router.ways.contains_key(&net("203.0.113.0/24")));
    router.rib.set_protected(Vec::new());
    router.drain();
    assert_eq!(router.ways[&net("203.0.113.0/24")], NextHopSet::discard());
    router.rib.set_protected(config().protected);
    router.drain();
    assert!(!router.ways.contains_key(&net("203.0.113.0/24")));
}

#[test]
fn a_new_order_of_many_routes_never_gives_a_peer_more_than_its_limit() {
    let mut router = Router::new(RibConfig { originated: Vec::new(), ..config() });
    let hub = PeerPolicy { export: policy::Chain::lines(vec![permit("0.0.0.0/0", 32)]), ..policy(3, 65515) };
    let hub = PeerPolicy { max_prefix_out: Some(4), ..hub };
    for (number, policy) in [(0, policy(0, AWS)), (3, hub.clone())] {
        router.rib.handle_link(LinkId(number), LinkState::Up);
        router.rib.add_peer(PeerId(number), policy);
        router.peer_up(PeerId(number), session(number));
    }
    router.limits.insert(HUB, 4);
    // More than one batch, the ones that rank first last.
    let all: Vec<_> = (0..20_000_u16).rev().map(|at| net(&format!("10.{}.{}.0/24", at >> 8, at & 0xff))).collect();
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &all));
    router.drain();
    assert_eq!(router.told[&HUB].len(), 4);
    router.rib.set_policy(HUB, PeerPolicy { med: Some(7), ..hub });
    router.drain();
    assert!(router.told[&HUB].values().all(|(_, told)| told.med == Some(7)) && router.told[&HUB].len() == 4);
}

#[test]
fn what_one_slow_peer_waits_for_does_not_keep_everything_else() {
    let mut router = router(config());
    router.drain();
    say(&mut router, 0, attributes(&[AWS]), &["10.20.1.0/24"]);
    router.rib.hold(HUB);
    router.drain();
    router.rib.handle_update(PeerId(0), withdraw(&[net("10.20.1.0/24")]));
    router.drain();
    assert_eq!(router.rib.totals().prefixes, 2, "the hub is yet to be told");
    // Refused, so that nobody is ever told.
    say(&mut router, 0, attributes(&[AWS]), &["203.0.113.0/24"]);
    router.drain();
    assert_eq!(router.rib.totals().prefixes, 3);
    router.rib.handle_update(PeerId(0), withdraw(&[net("203.0.113.0/24")]));
    router.drain();
    assert_eq!(router.rib.totals().prefixes, 2, "only what the hub waits for is kept");
    router.rib.release(HUB);
    router.drain();
    assert_eq!(router.rib.totals().prefixes, 1);
}

#[test]
fn with_summary_only_contributors_are_not_announced_beside_it() {
    let mut router = router(aggregated(true, false));
    say(&mut router, 0, attributes(&[AWS]), &["10.20.1.0/24", "10.20.2.0/24", "10.21.0.0/16"]);
    router.drain();
    let told: Vec<_> = router.told[&HUB].keys().map(ToString::to_string).collect();
    assert_eq!(told, ["10.1.0.0/16", "10.20.0.0/16", "10.21.0.0/16"]);
    let verdict = router.rib.export_verdict(HUB, &net("10.20.1.0/24"));
    assert_eq!(verdict, Some(Err(Withheld::Summarised(net("10.20.0.0/16")))));
    router.rib.reconfigure(config());
    router.drain();
    let told: Vec<_> = router.told[&HUB].keys().map(ToString::to_string).collect();
    assert_eq!(told, ["10.1.0.0/16", "10.20.1.0/24", "10.20.2.0/24", "10.21.0.0/16"]);
    router.rib.reconfigure(aggregated(true, false));
    router.drain();
    assert_eq!(router.told[&HUB].len(), 3);
}

#[test]
fn a_set_of_numbers_is_made_where_that_is_configured() {
    let mut router = router(aggregated(false, true));
    say(&mut router, 0, attributes(&[AWS, 7]), &["10.20.1.0/24"]);
    say(&mut router, 1, attributes(&[AWS, 9]), &["10.20.2.0/24"]);
    router.drain();
    let (_, told) = &router.told[&HUB][&net("10.20.0.0/16")];
    let set = bgp::AsPathSegment::Set([7, 9, AWS].map(Asn).to_vec());
    assert_eq!(told.as_path.0, [path(&[65000]).0[0].clone(), set]);
    assert!(!told.atomic_aggregate);
}

#[test]
fn a_default_route_is_given_to_the_peer_that_is_to_have_one() {
    let mut router = router(config());
    router.drain();
    let base = PeerPolicy { export: policy::Chain::lines(vec![]), ..policy(3, 65515) };
    let treatment = Treatment { default_originate: true, ..Treatment::default() };
    router.rib.set_policy(HUB, PeerPolicy { treatment, ..base.clone() });
    router.drain();
    let told: Vec<_> = router.told[&HUB].keys().map(ToString::to_string).collect();
    assert_eq!(told, ["0.0.0.0/0"]);
    assert!(router.kernel.is_empty() && !router.told[&PeerId(0)].contains_key(&net("0.0.0.0/0")));
    router.rib.set_policy(HUB, base);
    router.drain();
    assert!(router.told[&HUB].is_empty());
    assert_eq!(router.rib.totals().prefixes, 1);
}

fn with_bandwidth(value: f32) -> Attributes {
    let [a, b, c, d] = value.to_be_bytes();
    let mut attributes = attributes(&[AWS]);
    attributes.extended_communities = vec![[0x40, 4, 0xfc, 0, a, b, c, d]];
    attributes
}

#[test]
fn next_hops_get_shares_in_proportion_to_their_bandwidth() {
    let mut weighted = config();
    weighted.decision.weighted = true;
    let mut router = router(weighted);
    let weights = |router: &Router| {
        let change = router.rib.fib().find(|change| change.prefix == net("10.2.0.0/16")).unwrap();
        change.next_hops.members().map(|(_, weight)| weight).collect::<Vec<_>>()
    };
    for (number, bandwidth) in [(0, 1.0e8), (1, 2.0e8), (2, 4.0e8)] {
        say(&mut router, number, with_bandwidth(bandwidth), &["10.2.0.0/16"]);
    }
    router.drain();
    assert_eq!(weights(&router), [1, 2, 4]);
    say(&mut router, 1, attributes(&[AWS]), &["10.2.0.0/16"]);
    router.drain();
    assert_eq!(weights(&router), [1, 1, 1], "shares make sense only if all say theirs");
    let route = router.rib.route(&net("10.2.0.0/16")).unwrap();
    assert_eq!(
        route.candidates.iter().map(|path| path.bandwidth).collect::<Vec<_>>(),
        [Some(100_000_000), None, Some(400_000_000)]
    );
    say(&mut router, 1, with_bandwidth(2.0e8), &["10.2.0.0/16"]);
    router.rib.reconfigure(config());
    router.drain();
    assert_eq!(weights(&router), [1, 1, 1], "it is a matter of configuration");
}

#[test]
fn a_limit_warns_once_each_time_it_comes_near() {
    let mut router = router(config());
    let treatment = Treatment { warn_percent: Some(50), ..Treatment::default() };
    router.rib.set_policy(PeerId(0), PeerPolicy { max_prefix_in: Some(4), treatment, ..policy(0, AWS) });
    let warnings = |outputs: Vec<Output>| -> Vec<u32> {
        let counts = outputs.into_iter().filter_map(|output| {
            if let Output::PrefixWarning { count, limit: 4, peer: PeerId(0) } = output { Some(count) } else { None }
        });
        counts.collect()
    };
    say(&mut router, 0, attributes(&[AWS]), &["10.2.0.0/16"]);
    assert_eq!(warnings(router.drain()), []);
    say(&mut router, 0, attributes(&[AWS]), &["10.3.0.0/16", "10.4.0.0/16"]);
    assert_eq!(warnings(router.drain()), [2]);
    router.rib.handle_update(PeerId(0), withdraw(&[net("10.3.0.0/16"), net("10.4.0.0/16")]));
    say(&mut router, 0, attributes(&[AWS]), &["10.2.0.0/16"]);
    router.drain();
    say(&mut router, 0, attributes(&[AWS]), &["10.3.0.0/16"]);
    assert_eq!(warnings(router.drain()), [2]);
}

#[test]
fn a_new_policy_is_applied_to_what_is_there_and_the_session_goes_on() {
    let mut router = router(config());
    for number in 0..2 {
        say(&mut router, number, attributes(&[AWS]), &["10.2.0.0/16"]);
    }
    router.drain();
    router.rib.set_policy(PeerId(1), PeerPolicy { local_preference: 200, ..policy(1, AWS) });
    let outputs = router.drain();
    let refreshed = outputs.iter().any(|output| matches!(output, Output::RequestRefresh { .. }));
    assert!(!refreshed, "nobody is asked for anything");
    let route = router.rib.route(&net("10.2.0.0/16")).unwrap();
    assert_eq!((route.candidates[0].peer, &route.candidates[0].verdict), (PeerId(1), &Verdict::Best));
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [1]);
}

#[test]
fn a_held_peer_hears_the_latest_state_and_not_what_led_there() {
    let mut router = router(config());
    router.drain();
    router.rib.hold(HUB);
    for round in 0..5 {
        say(&mut router, 0, attributes(&[AWS, 100 + round]), &["10.2.0.0/16"]);
        say(&mut router, 0, attributes(&[AWS]), &["10.3.0.0/16"]);
        router.rib.handle_update(PeerId(0), withdraw(&[net("10.3.0.0/16")]));
        router.drain();
    }
    assert_eq!(router.told[&HUB].len(), 1);
    router.rib.release(HUB);
    let outputs = router.drain();
    assert_eq!(crate::router::sends(&outputs).len(), 1);
    assert_eq!(router.told[&HUB][&net("10.2.0.0/16")].1.as_path, path(&[65000, AWS, 104]));
    assert_eq!(router.rib.totals().prefixes, 2, "what came and went meanwhile is forgotten");
}

#[test]
fn the_clients_of_a_pool_are_announced_while_they_are_served() {
    let mut router = Router::new(config());
    router.rib.add_peer(PeerId(0), policy(0, AWS));
    router.rib.handle_link(LinkId(0), LinkState::Up);
    router.peer_up(PeerId(0), session(0));
    let clients = net("10.8.0.0/24");
    let route = || LocalRoute::new(Attributes::default().into(), NextHopSet::default());
    // The server's interface is on that network: that alone is nobody's business.
    router.rib.set_local_route(LocalKind::Connected, clients, Some(route()));
    router.drain();
    assert!(!router.told[&PeerId(0)].contains_key(&clients));
    router.rib.set_local_route(LocalKind::Pool, clients, Some(route()));
    router.drain();
    assert!(router.told[&PeerId(0)].contains_key(&clients));
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &[clients]));
    router.drain();
    assert!(router.kernel.is_empty(), "the kernel has the way to them from the server");
    router.rib.handle_update(PeerId(0), withdraw(&[clients]));
    router.rib.set_local_route(LocalKind::Pool, clients, None);
    router.rib.set_local_route(LocalKind::Connected, clients, None);
    router.drain();
    assert!(!router.told[&PeerId(0)].contains_key(&clients));
    assert_eq!(router.rib.totals().prefixes, 1, "nothing gone is remembered");
}
