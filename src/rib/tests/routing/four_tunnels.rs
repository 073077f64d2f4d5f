//! The life of a router with four tunnels to one cloud and one to another.

use std::net::Ipv4Addr;

use crate::router::{
    Router, V4, announce, attributes, config, net, nlris, path, permit, policy, sends, session, withdraw,
};
use bgp::{Announcement, Attributes, Family, Nlri, Update};
use ipnet::IpNet;
use policy::{Chain, PrefixRule, RuleAction};
use rib::{Barrier, LinkState, Output, PeerId, Refusal, Step, Verdict, Withheld};
use wire::Asn;
use wire::LinkId;

const AWS: u32 = 64512;
const AZURE: u32 = 65515;
const HUB: PeerId = PeerId(4);

/// Four tunnels to AWS, each announcing 10.2.0.0/16.
fn four_tunnels() -> Router {
    let mut router = Router::new(config());
    for number in 0..4 {
        router.rib.add_peer(PeerId(number), policy(number, AWS));
        router.rib.handle_link(LinkId(number), LinkState::Up);
        router.peer_up(PeerId(number), session(number));
        router
            .rib
            .handle_update(PeerId(number), announce(&policy(number, AWS), attributes(&[AWS]), &[net("10.2.0.0/16")]));
    }
    router
}

/// And a tunnel to Azure, which is told everything.
fn with_hub() -> Router {
    let mut router = four_tunnels();
    let mut hub = policy(4, AZURE);
    hub.export = Chain::lines(vec![permit("0.0.0.0/0", 32)]);
    router.rib.add_peer(HUB, hub);
    router.rib.handle_link(LinkId(4), LinkState::Up);
    router.peer_up(HUB, session(4));
    router.drain();
    router
}

fn verdicts(router: &Router, prefix: &str) -> Vec<(u32, Verdict)> {
    let route = router.rib.route(&net(prefix)).unwrap();
    route.candidates.into_iter().map(|candidate| (candidate.peer.0, candidate.verdict)).collect()
}

/// Prefixes 20.0.0.0/24, 20.0.1.0/24 and so on.
fn many(count: u32) -> Vec<IpNet> {
    let prefix = |at: u32| IpNet::new(Ipv4Addr::from((20 << 24) + (at << 8)).into(), 24).unwrap();
    (0..count).map(prefix).collect()
}

#[test]
fn equal_routes_over_four_tunnels_share() {
    let mut router = four_tunnels();
    let outputs = router.drain();
    let fib = outputs.iter().filter(|output| matches!(output, Output::Fib(_))).count();
    assert_eq!(fib, 1, "four updates, one change");
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [0, 1, 2, 3]);
    let expected = [(0, Verdict::Best), (1, Verdict::Multipath), (2, Verdict::Multipath), (3, Verdict::Multipath)];
    assert_eq!(verdicts(&router, "10.2.0.0/16"), expected);
    let counts = router.rib.counts(PeerId(1)).unwrap();
    assert_eq!((counts.received, counts.accepted, counts.best, counts.multipath), (1, 1, 0, 1));
}

#[test]
fn originated_prefixes_and_then_end_of_rib_go_to_each_peer() {
    let mut router = four_tunnels();
    let outputs = router.drain();
    let mine: Vec<&Update> =
        sends(&outputs).into_iter().filter(|(peer, _)| *peer == PeerId(2)).map(|(_, u)| u).collect();
    let next_hop = policy(2, AWS).local_address;
    let expected = Update {
        announced: vec![Announcement { next_hop, prefixes: vec![net("10.1.0.0/16").into()] }],
        attributes: attributes(&[65000]).into(),
        ..Update::default()
    };
    assert_eq!(mine, [&expected, &Update { end_of_rib: Some(V4), ..Update::default() }]);
    let told: Vec<_> = router.rib.adj_out(PeerId(2)).map(|entry| (entry.prefix, entry.next_hop)).collect();
    assert_eq!(told, [(net("10.1.0.0/16"), next_hop)]);
    let withheld: Vec<_> = router.rib.withheld(PeerId(2)).collect();
    assert_eq!(withheld, [(net("10.2.0.0/16"), Withheld::PeerAsInPath(Asn(AWS)))]);
}

#[test]
fn end_of_rib_is_sent_even_if_there_is_nothing_to_say() {
    let mut router = Router::new(rib::RibConfig { originated: vec![], ..config() });
    router.rib.add_peer(HUB, policy(4, AZURE));
    router.peer_up(HUB, session(4));
    let end = Update { end_of_rib: Some(V4), ..Update::default() };
    assert_eq!(sends(&router.drain()), [(HUB, &end)]);
}

#[test]
fn a_dead_tunnel_leaves_the_group_and_comes_back() {
    let mut router = with_hub();
    router.rib.handle_link(LinkId(0), LinkState::Down);
    router.drain();
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [1, 2, 3]);
    assert_eq!(verdicts(&router, "10.2.0.0/16").last(), Some(&(0, Verdict::LinkDown)));
    assert!(router.told[&HUB].contains_key(&net("10.2.0.0/16")));

    for number in 1..4 {
        router.rib.handle_link(LinkId(number), LinkState::Down);
    }
    let outputs = router.drain();
    assert_eq!(sends(&outputs), [(HUB, &withdraw(&[net("10.2.0.0/16")]))]);
    assert!(router.tunnels_of("10.2.0.0/16").is_empty());
    assert_eq!(router.rib.export_verdict(HUB, &net("10.2.0.0/16")), Some(Err(Withheld::NoRoute)));

    for number in 0..4 {
        router.rib.handle_link(LinkId(number), LinkState::Up);
    }
    router.drain();
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [0, 1, 2, 3]);
    assert!(router.told[&HUB].contains_key(&net("10.2.0.0/16")));
}

#[test]
fn a_tunnel_that_flaps_between_two_polls_is_no_change() {
    let mut router = with_hub();
    router.rib.handle_link(LinkId(0), LinkState::Down);
    router.rib.handle_link(LinkId(0), LinkState::Up);
    assert_eq!(router.drain(), []);
}

#[test]
fn a_lost_session_takes_its_routes_with_it() {
    let mut router = with_hub();
    for number in 0..3 {
        router.peer_down(PeerId(number));
    }
    router.drain();
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [3]);
    assert_eq!(router.rib.counts(PeerId(0)), Some(rib::PeerCounts::default()));
    router.peer_down(PeerId(3));
    router.drain();
    assert!(router.kernel.is_empty());
    assert!(router.rib.route(&net("10.2.0.0/16")).is_none());
    assert_eq!(router.rib.totals().prefixes, 1, "only the originated one is left");
}

#[test]
fn what_was_to_be_sent_to_a_lost_session_is_not() {
    let mut router = with_hub();
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &many(10)));
    let first = router.rib.poll_output();
    assert!(matches!(first, Some(Output::Fib(_))));
    router.rib.handle_peer_down(HUB);
    while let Some(output) = router.rib.poll_output() {
        assert!(!matches!(output, Output::Send { peer: HUB, .. }));
    }
}

#[test]
fn updates_are_packed_by_attributes() {
    let mut router = with_hub();
    let prefixes = many(100);
    for (at, prefix) in prefixes.iter().enumerate() {
        let metric = u32::try_from(at % 2).unwrap();
        let attributes = Attributes { communities: vec![metric], ..attributes(&[AWS]) };
        router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes, &[*prefix]));
    }
    let outputs = router.drain();
    let updates = sends(&outputs);
    assert_eq!(updates.len(), 2);
    for (peer, update) in updates {
        let metric = update.attributes.communities[0] as usize;
        let expected: Vec<_> = prefixes.iter().skip(metric).step_by(2).copied().map(Nlri::from).collect();
        assert_eq!((peer, &update.announced[0].prefixes), (HUB, &expected));
        assert_eq!(update.attributes.as_path, path(&[65000, AWS]));
    }

    router.peer_down(PeerId(0));
    let outputs = router.drain();
    assert_eq!(sends(&outputs), [(HUB, &withdraw(&prefixes))], "one update of withdrawals");
}

#[test]
fn what_differs_for_us_only_is_not_sent_again() {
    let mut router = with_hub();
    let med = |med| Attributes { med: Some(med), ..attributes(&[AWS]) };
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), med(5), &[net("10.7.0.0/16")]));
    router.drain();
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), med(6), &[net("10.7.0.0/16")]));
    assert_eq!(router.drain(), []);
}

#[test]
fn an_update_repeated_changes_nothing() {
    let mut router = with_hub();
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &[net("10.2.0.0/16")]));
    assert_eq!(router.drain(), []);
}

#[test]
fn a_prefix_withdrawn_and_announced_at_once_is_announced() {
    let mut router = with_hub();
    let mut update = announce(&policy(0, AWS), attributes(&[AWS]), &[net("10.8.0.0/16")]);
    update.withdrawn = nlris(&[net("10.8.0.0/16"), net("10.9.0.0/16")]);
    router.rib.handle_update(PeerId(0), update);
    router.drain();
    assert_eq!(router.tunnels_of("10.8.0.0/16"), [0]);
}

#[test]
fn host_bits_are_cut_off() {
    let mut router = with_hub();
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &[net("10.8.1.2/16")]));
    router.drain();
    assert_eq!(router.tunnels_of("10.8.0.0/16"), [0]);
    router.rib.handle_update(PeerId(0), withdraw(&[net("10.8.3.4/16")]));
    router.drain();
    assert!(router.tunnels_of("10.8.0.0/16").is_empty());
}

#[test]
fn a_peer_cannot_take_our_own_prefix() {
    let mut router = with_hub();
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &[net("10.1.0.0/16")]));
    assert_eq!(router.drain(), []);
    assert_eq!(verdicts(&router, "10.1.0.0/16"), [(0, Verdict::Worse(Step::LocalOrigin))]);
    router.rib.set_originated(vec![]);
    router.drain();
    assert_eq!(router.tunnels_of("10.1.0.0/16"), [0]);
    router.rib.set_originated(vec![net("10.1.0.0/16")]);
    router.drain();
    assert!(router.tunnels_of("10.1.0.0/16").is_empty());
}

#[test]
fn refused_routes_are_kept_with_their_reason() {
    let mut router = with_hub();
    let prefixes = [net("169.254.169.254/32"), net("203.0.113.0/24"), net("10.3.0.0/16")];
    router.rib.handle_update(PeerId(1), announce(&policy(1, AWS), attributes(&[AWS]), &prefixes));
    router.drain();
    let counts = router.rib.counts(PeerId(1)).unwrap();
    assert_eq!((counts.received, counts.accepted, counts.refused), (4, 2, 2));
    let refusals: Vec<_> = router.rib.adj_in(PeerId(1)).map(|entry| (entry.prefix, entry.refusal)).collect();
    let endpoint = Refusal::CoversTunnelEndpoint("203.0.113.7".parse().unwrap());
    assert_eq!(
        refusals,
        [
            (net("10.2.0.0/16"), None),
            (net("10.3.0.0/16"), None),
            (net("169.254.169.254/32"), Some(Refusal::Special(rib::Special::LinkScope))),
            (net("203.0.113.0/24"), Some(endpoint.clone())),
        ]
    );
    assert_eq!(verdicts(&router, "203.0.113.0/24"), [(1, Verdict::Refused(endpoint))]);
    assert_eq!(router.rib.captures(&net("203.0.113.0/24")), Some("203.0.113.7".parse().unwrap()));

    router.rib.handle_update(PeerId(1), withdraw(&prefixes));
    router.drain();
    assert_eq!(router.rib.totals().prefixes, 2, "refused prefixes are forgotten when withdrawn");
}

#[test]
fn a_route_refused_after_it_was_accepted_is_gone() {
    let mut router = with_hub();
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS, 65000]), &[net("10.2.0.0/16")]));
    router.drain();
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [1, 2, 3]);
    let last = verdicts(&router, "10.2.0.0/16").pop();
    assert_eq!(last, Some((0, Verdict::Refused(Refusal::OwnAsInPath(Asn(65000))))));
}

#[test]
fn the_limit_on_what_comes_in_is_reported_once() {
    let mut router = with_hub();
    let limited = rib::PeerPolicy { max_prefix_in: Some(100), ..policy(0, AWS) };
    router.rib.set_policy(PeerId(0), limited.clone());
    router.rib.handle_update(PeerId(0), announce(&limited, attributes(&[AWS]), &many(99)));
    assert!(!router.drain().iter().any(|output| matches!(output, Output::PrefixLimit { .. })), "100 are 100");
    router.rib.handle_update(PeerId(0), announce(&limited, attributes(&[AWS]), &many(150)));
    let outputs = router.drain();
    let reported: Vec<_> = outputs.iter().filter(|output| matches!(output, Output::PrefixLimit { .. })).collect();
    assert_eq!(reported, [&Output::PrefixLimit { peer: PeerId(0), limit: 100, count: 101 }]);
    assert_eq!(router.rib.counts(PeerId(0)).unwrap().received, 0);
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [1, 2, 3]);
}

#[test]
fn nothing_more_is_taken_from_a_peer_over_its_limit() {
    let mut router = with_hub();
    let limited = rib::PeerPolicy { max_prefix_in: Some(5), ..policy(0, AWS) };
    router.rib.set_policy(PeerId(0), limited.clone());
    for prefix in many(1000) {
        router.rib.handle_update(PeerId(0), announce(&limited, attributes(&[AWS]), &[prefix]));
    }
    assert_eq!(router.rib.counts(PeerId(0)).unwrap().received, 6);
}

#[test]
fn refused_routes_do_not_count_against_the_limit_but_are_bounded() {
    let mut router = with_hub();
    let limited = rib::PeerPolicy {
        max_prefix_in: Some(5),
        import: Chain::lines(vec![permit("10.0.0.0/8", 16)]),
        ..policy(0, AWS)
    };
    router.rib.set_policy(PeerId(0), limited.clone());
    router.rib.handle_update(PeerId(0), announce(&limited, attributes(&[AWS]), &many(70_000)));
    router.drain();
    let counts = router.rib.counts(PeerId(0)).unwrap();
    assert_eq!((counts.accepted, counts.refused, counts.forgotten), (1, 65_536, 70_000 - 65_536));

    let outputs = {
        router.rib.set_policy(PeerId(0), policy(0, AWS));
        router.drain()
    };
    assert!(outputs.contains(&Output::RequestRefresh { peer: PeerId(0), family: V4 }));
    assert_eq!(router.rib.counts(PeerId(0)).unwrap().accepted, 65_537);
}

#[test]
fn the_surplus_is_held_back_and_reported() {
    let mut router = with_hub();
    let hub = rib::PeerPolicy {
        export: Chain::lines(vec![permit("0.0.0.0/0", 32)]),
        max_prefix_out: Some(3),
        ..policy(4, AZURE)
    };
    router.rib.set_policy(HUB, hub);
    router.drain();
    router.limits.insert(HUB, 3);
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &many(3)));
    let outputs = router.drain();
    let held: Vec<_> = outputs.iter().filter(|output| matches!(output, Output::HeldBack { .. })).collect();
    let held_back = |prefix| Output::HeldBack { peer: HUB, prefix, limit: 3 };
    assert_eq!(held, [&held_back(net("20.0.1.0/24")), &held_back(net("20.0.2.0/24"))]);
    assert_eq!(router.rib.counts(HUB).unwrap().held_back, 2);
    let why = router.rib.export_verdict(HUB, &net("20.0.2.0/24"));
    assert_eq!(why, Some(Err(Withheld::HeldBack { limit: 3 })));

    // A new originated prefix displaces a learned one, by a withdrawal before the announcement.
    router.rib.set_originated(vec![net("10.1.0.0/16"), net("10.5.0.0/16")]);
    let outputs = router.drain();
    let hub: Vec<_> = sends(&outputs).into_iter().filter(|(peer, _)| *peer == HUB).map(|(_, update)| update).collect();
    assert_eq!(hub[0].withdrawn, [net("20.0.0.0/24").into()]);
    assert_eq!(hub[1].announced[0].prefixes, [net("10.5.0.0/16").into()]);
    assert!(outputs.contains(&held_back(net("20.0.0.0/24"))));

    // Room again: the first of those held back moves up.
    router.rib.set_originated(vec![]);
    router.drain();
    let told: Vec<_> = router.told[&HUB].keys().copied().collect();
    assert_eq!(told, [net("10.2.0.0/16"), net("20.0.0.0/24"), net("20.0.1.0/24")]);
    assert_eq!(router.rib.counts(HUB).unwrap().held_back, 1);
}

#[test]
fn prefixes_that_come_back_in_another_order_are_held_back_once_each() {
    let mut router = with_hub();
    let [a, b] = [net("20.0.0.0/24"), net("20.0.1.0/24")];
    let source = policy(0, AWS);
    router.rib.handle_update(PeerId(0), announce(&source, attributes(&[AWS]), &[a, b]));
    router.drain();
    router.rib.handle_update(PeerId(0), withdraw(&[a, b]));
    router.drain();
    router.rib.handle_update(PeerId(0), announce(&source, attributes(&[AWS]), &[a]));
    router.drain();
    let export = Chain::lines(vec![permit("20.0.0.0/8", 32)]);
    router.rib.set_policy(HUB, rib::PeerPolicy { export, max_prefix_out: Some(0), ..policy(4, AZURE) });
    router.drain();
    assert_eq!(router.rib.counts(HUB).unwrap().held_back, 1);
    router.rib.handle_update(PeerId(0), announce(&source, attributes(&[AWS]), &[b]));
    router.drain();
    assert_eq!(router.rib.counts(HUB).unwrap().held_back, 2);
}

#[test]
fn a_refresh_repeats_everything() {
    let mut router = with_hub();
    router.rib.handle_refresh(HUB, Family::Ipv6Unicast);
    assert_eq!(router.drain(), []);
    router.rib.handle_refresh(HUB, V4);
    let outputs = router.drain();
    let (end, repeated) = sends(&outputs).split_last().map(|(end, rest)| (end.1.clone(), rest.to_vec())).unwrap();
    assert_eq!(end, Update { end_of_refresh: Some(V4), ..Update::default() });
    let mut prefixes: Vec<_> = repeated.iter().flat_map(|(_, update)| update.announced[0].prefixes.clone()).collect();
    prefixes.sort();
    assert_eq!(prefixes, nlris(&[net("10.1.0.0/16"), net("10.2.0.0/16")]));
}

#[test]
fn a_new_policy_takes_effect_without_the_session_noticing() {
    let mut router = with_hub();
    let quiet = policy(4, AZURE);
    router.rib.set_policy(HUB, quiet.clone());
    assert_eq!(sends(&router.drain()), [(HUB, &withdraw(&[net("10.2.0.0/16")]))]);

    router.rib.set_policy(HUB, rib::PeerPolicy { prepend: 1, med: Some(7), ..quiet });
    let outputs = router.drain();
    let updates = sends(&outputs);
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0].1.attributes.as_path, path(&[65000, 65000]));
    assert_eq!(updates[0].1.attributes.med, Some(7));

    // A deny in the import list of one tunnel takes it out of the group.
    let deny = PrefixRule { action: RuleAction::Deny, prefix: net("10.2.0.0/16"), min_len: 16, max_len: 32 };
    router.rib.set_policy(PeerId(2), rib::PeerPolicy { import: Chain::lines(vec![deny]), ..policy(2, AWS) });
    router.drain();
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [0, 1, 3]);
    // A higher preference makes one tunnel the only one; the others stand by.
    router.rib.set_policy(PeerId(3), rib::PeerPolicy { local_preference: 200, ..policy(3, AWS) });
    router.drain();
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [3]);
    assert!(verdicts(&router, "10.2.0.0/16").contains(&(0, Verdict::Worse(Step::LocalPreference))));
}

#[test]
fn two_clouds_do_not_share_but_back_each_other_up() {
    let mut router = with_hub();
    router.rib.handle_update(HUB, announce(&policy(4, AZURE), attributes(&[AZURE]), &[net("10.2.0.0/16")]));
    router.drain();
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [0, 1, 2, 3]);
    let barrier = Barrier::NeighbourAs { own: Some(Asn(AZURE)), best: Some(Asn(AWS)) };
    assert_eq!(verdicts(&router, "10.2.0.0/16").last(), Some(&(4, Verdict::LeftOut { step: Step::RouterId, barrier })));
    for number in 0..4 {
        router.rib.handle_link(LinkId(number), LinkState::Down);
    }
    router.drain();
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [4]);
}

#[test]
fn the_end_of_the_initial_routes_is_reported_after_their_changes() {
    let mut router = four_tunnels();
    let mut last = announce(&policy(0, AWS), attributes(&[AWS]), &[net("10.7.0.0/16")]);
    last.end_of_rib = Some(V4);
    router.rib.handle_update(PeerId(0), last);
    let outputs = router.drain();
    let end = outputs.iter().position(|output| matches!(output, Output::EndOfRib { peer: PeerId(0), family: V4 }));
    let fib = outputs.iter().rposition(|output| matches!(output, Output::Fib(_)));
    assert!(end.is_some() && end > fib);
}

#[test]
fn removing_a_peer_or_narrowing_the_width_takes_effect_at_once() {
    let mut router = with_hub();
    router.rib.set_ecmp_width(2);
    router.drain();
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [0, 1]);
    router.told.remove(&PeerId(0));
    router.rib.remove_peer(PeerId(0));
    router.drain();
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [1, 2]);
    assert_eq!(router.rib.counts(PeerId(0)), None);
}

#[test]
fn a_new_tunnel_end_is_protected_at_once() {
    let mut router = with_hub();
    router.rib.set_protected(vec!["10.2.3.4".parse().unwrap()]);
    router.drain();
    assert!(router.tunnels_of("10.2.0.0/16").is_empty());
    router.rib.set_protected(vec![]);
    router.drain();
    assert_eq!(router.tunnels_of("10.2.0.0/16"), [0, 1, 2, 3]);
}

#[test]
fn events_about_unknown_or_silent_peers_have_no_effect() {
    let mut router = Router::new(config());
    router.rib.handle_peer_up(PeerId(9), session(1));
    router.rib.handle_update(PeerId(9), withdraw(&[net("10.0.0.0/8")]));
    router.rib.handle_refresh(PeerId(9), V4);
    router.rib.handle_link(LinkId(9), LinkState::Up);
    router.rib.remove_peer(PeerId(9));
    router.rib.add_peer(PeerId(0), policy(0, AWS));
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &[net("10.2.0.0/16")]));
    router.rib.handle_refresh(PeerId(0), V4);
    assert_eq!(router.drain(), []);
    assert_eq!(router.rib.counts(PeerId(0)).unwrap().received, 0);
}

#[test]
fn the_longest_usable_route_is_looked_up() {
    let mut router = with_hub();
    router.rib.handle_update(PeerId(0), announce(&policy(0, AWS), attributes(&[AWS]), &[net("10.0.0.0/8")]));
    router.drain();
    let lookup = |router: &Router, address: &str| router.rib.lookup(address.parse().unwrap()).map(|route| route.prefix);
    assert_eq!(lookup(&router, "10.2.3.4"), Some(net("10.2.0.0/16")));
    assert_eq!(lookup(&router, "10.1.3.4"), Some(net("10.1.0.0/16")));
    assert_eq!(lookup(&router, "10.9.3.4"), Some(net("10.0.0.0/8")));
    assert_eq!(lookup(&router, "192.0.2.1"), None);
}
