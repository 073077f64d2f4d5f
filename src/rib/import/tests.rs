//! What is accepted, from whom, and why not.

use bgp::{AsPath, AsPathSegment};

use policy::{
    Action, Amount, Basis, Chain, Policy, PolicySet, PrefixRule, Prepend, Rule, RuleAction, RuleId, Set, Step, Then,
};

use super::*;
use crate::{DecisionRules, GracefulShutdown, Inside6, LocalAs, Standing, Treatment};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn config() -> RibConfig {
    RibConfig {
        asn: Asn(65000),
        router_id: RouterId([10, 1, 0, 1].into()),
        originated: vec![net("10.1.0.0/16")],
        aggregates: Vec::new(),
        decision: DecisionRules::default(),
        ecmp_width: 8,
        protected: vec![address("203.0.113.7"), address("2001:db8:ff::7")],
    }
}

fn policy() -> PeerPolicy {
    PeerPolicy {
        name: "aws-1".to_owned(),
        link: LinkId(1),
        reach: Reach::Tunnel,
        peer_asn: Asn(64512),
        local_address: address("169.254.21.2"),
        peer_address: address("169.254.21.1"),
        inside6: None,
        import: Chain::everything(),
        export: Chain::networks(),
        graceful_shutdown: GracefulShutdown::default(),
        max_prefix_in: None,
        max_prefix_out: None,
        local_preference: 100,
        med: None,
        prepend: 0,
        treatment: Treatment::default(),
    }
}

/// A route as received.
#[derive(Debug)]
struct Sample {
    attributes: Attributes,
    next_hop: IpAddr,
}

fn received(next_hop: &str, path: &[u32]) -> Sample {
    let as_path = AsPath(vec![AsPathSegment::Sequence(path.iter().copied().map(Asn).collect())]);
    Sample { attributes: Attributes { as_path, ..Attributes::default() }, next_hop: address(next_hop) }
}

fn judge(policy: &PeerPolicy, prefix: &str, route: &Sample) -> Result<(), Refusal> {
    judge_with(policy, prefix, route, |_| ()).map(drop)
}

fn judge_with(
    policy: &PeerPolicy,
    prefix: &str,
    route: &Sample,
    change: impl FnOnce(&mut Import<'_>),
) -> Result<Effective, Refusal> {
    let config = config();
    let other = InsideLink { link: LinkId(9), prefix: net("10.255.0.0/30") };
    let links: Vec<_> = InsideLink::of(policy).chain([other]).collect();
    let ebgp = policy.peer_asn != config.asn;
    let mut import = Import {
        config: &config,
        links: &links,
        policy,
        ebgp,
        networks: &[],
        extended_next_hop: false,
        role: None,
        drain: policy.graceful_shutdown.drain,
        standing: Standing::default(),
        counts: true,
    };
    change(&mut import);
    import.judge(&net(prefix), &route.attributes, route.next_hop)
}

fn rule(action: RuleAction, prefix: &str, min_len: u8, max_len: u8) -> PrefixRule {
    PrefixRule { action, prefix: net(prefix), min_len, max_len }
}

#[test]
fn a_route_is_judged_by_next_hop_and_path() {
    let peer = address("169.254.21.1");
    let table = [
        (received("169.254.21.1", &[64512]), Ok(())),
        (received("169.254.21.1", &[64512, 65000, 1]), Err(Refusal::OwnAsInPath(Asn(65000)))),
        (received("169.254.21.2", &[64512]), Err(Refusal::OwnNextHop(address("169.254.21.2")))),
        (
            received("169.254.22.1", &[64512]),
            Err(Refusal::ThirdPartyNextHop { next_hop: address("169.254.22.1"), peer }),
        ),
        (
            received("fd00::1", &[64512]),
            Err(Refusal::NextHopFamily { next_hop: address("fd00::1"), family: Family::Ipv4Unicast }),
        ),
    ];
    for (route, expected) in table {
        assert_eq!(judge(&policy(), "10.2.0.0/16", &route), expected, "{route:?}");
    }
}

#[test]
fn a_prefix_needs_a_link_of_its_family() {
    let (v4, v6) = (Family::Ipv4Unicast, Family::Ipv6Unicast);
    let over_v6 = PeerPolicy { local_address: address("fd00::2"), peer_address: address("fd00::1"), ..policy() };
    let beside = Some(Inside6 { local: "fd00::2".parse().unwrap(), peer: "fd00::1".parse().unwrap() });
    let both = PeerPolicy { inside6: beside, ..policy() };
    let v6_both = PeerPolicy { inside6: beside, ..over_v6.clone() };
    let wrong = |next_hop, family| Err(Refusal::NextHopFamily { next_hop: address(next_hop), family });
    let third = |next_hop, peer| Err(Refusal::ThirdPartyNextHop { next_hop: address(next_hop), peer: address(peer) });
    let table = [
        (&policy(), "2001:db8:2::/48", "169.254.21.1", Err(Refusal::NoAddressOfFamily(v6))),
        (&policy(), "2001:db8:2::/48", "fd00::1", Err(Refusal::NoAddressOfFamily(v6))),
        (&over_v6, "2001:db8:2::/48", "fd00::1", Ok(())),
        (&over_v6, "10.2.0.0/16", "fd00::1", Err(Refusal::NoAddressOfFamily(v4))),
        (&v6_both, "2001:db8:2::/48", "fd00::1", Ok(())),
        (&v6_both, "10.2.0.0/16", "fd00::1", Err(Refusal::NoAddressOfFamily(v4))),
        (&both, "2001:db8:2::/48", "fd00::1", Ok(())),
        (&both, "10.2.0.0/16", "169.254.21.1", Ok(())),
        (&both, "2001:db8:2::/48", "fd00::2", Err(Refusal::OwnNextHop(address("fd00::2")))),
        (&both, "2001:db8:2::/48", "fd00::3", third("fd00::3", "fd00::1")),
        (&both, "2001:db8:2::/48", "fe80::1", third("fe80::1", "fd00::1")),
        (&both, "2001:db8:2::/48", "::ffff:169.254.21.1", third("::ffff:169.254.21.1", "fd00::1")),
        (&both, "2001:db8:2::/48", "169.254.21.1", wrong("169.254.21.1", v6)),
        (&both, "10.2.0.0/16", "fd00::1", wrong("fd00::1", v4)),
    ];
    for (policy, prefix, next_hop, expected) in table {
        assert_eq!(judge(policy, prefix, &received(next_hop, &[64512])), expected, "{prefix} via {next_hop}");
    }
}

#[test]
fn what_must_not_be_routed_is_refused_whatever_the_list_says() {
    let permit_all =
        PeerPolicy { import: Chain::lines(vec![rule(RuleAction::Permit, "0.0.0.0/0", 0, 32)]), ..policy() };
    let endpoint = Refusal::CoversTunnelEndpoint(address("203.0.113.7"));
    let inside = Refusal::InsideLink { prefix: net("10.255.0.0/30"), link: LinkId(9) };
    let table = [
        ("169.254.169.254/32", Refusal::Special(Special::LinkScope)),
        ("169.254.21.0/30", Refusal::Special(Special::LinkScope)),
        ("127.0.0.0/8", Refusal::Special(Special::Host)),
        ("224.0.0.0/4", Refusal::Special(Special::Multicast)),
        ("240.0.0.0/8", Refusal::Special(Special::Reserved)),
        ("10.255.0.0/30", inside.clone()),
        ("10.255.0.1/32", inside),
        ("203.0.113.7/32", endpoint.clone()),
        ("203.0.113.0/24", endpoint.clone()),
        ("128.0.0.0/1", endpoint.clone()),
        ("0.0.0.0/0", endpoint),
    ];
    let route = received("169.254.21.1", &[64512]);
    for (prefix, refusal) in table {
        assert_eq!(judge(&policy(), prefix, &route), Err(refusal.clone()), "{prefix}");
        assert_eq!(judge(&permit_all, prefix, &route), Err(refusal), "{prefix}");
    }
    for prefix in ["10.255.0.0/29", "10.0.0.0/8", "203.0.112.0/24", "0.0.0.0/1", "10.1.0.0/16"] {
        assert_eq!(judge(&policy(), prefix, &route), Ok(()), "{prefix}");
    }
}

#[test]
fn the_default_route_must_be_named() {
    let route = received("169.254.21.1", &[64512]);
    let named = PeerPolicy { import: Chain::lines(vec![rule(RuleAction::Permit, "0.0.0.0/0", 0, 0)]), ..policy() };
    assert_eq!(judge(&named, "0.0.0.0/0", &route), Ok(()));
    assert_eq!(judge(&named, "10.2.0.0/16", &route), Err(Refusal::Policy(Decider::End)));
    assert!(matches!(judge(&named, "203.0.113.0/24", &route), Err(Refusal::CoversTunnelEndpoint(_))));
    let denied = PeerPolicy { import: Chain::lines(vec![rule(RuleAction::Deny, "0.0.0.0/0", 0, 0)]), ..policy() };
    assert!(matches!(judge(&denied, "0.0.0.0/0", &route), Err(Refusal::CoversTunnelEndpoint(_))));
}

#[test]
fn the_import_list_decides_on_the_rest() {
    let list = vec![rule(RuleAction::Deny, "10.2.9.0/24", 24, 32), rule(RuleAction::Permit, "10.2.0.0/16", 16, 24)];
    let policy = PeerPolicy { import: Chain::lines(list), ..policy() };
    let route = received("169.254.21.1", &[64512]);
    assert_eq!(judge(&policy, "10.2.1.0/24", &route), Ok(()));
    assert_eq!(judge(&policy, "10.2.9.0/24", &route), Err(Refusal::Policy(Decider::Line(1))));
    assert_eq!(judge(&policy, "10.3.0.0/16", &route), Err(Refusal::Policy(Decider::End)));
}

#[test]
fn reflection_loops_are_refused_inside_the_as_only() {
    let internal = PeerPolicy { peer_asn: Asn(65000), ..policy() };
    let own = RouterId([10, 1, 0, 1].into());
    let mut originated = received("169.254.21.1", &[1]);
    originated.attributes.originator_id = Some(own);
    let mut clustered = received("169.254.21.1", &[1]);
    clustered.attributes.cluster_list = vec![own.0];
    assert_eq!(judge(&internal, "10.2.0.0/16", &originated), Err(Refusal::OwnOriginatorId(own)));
    assert_eq!(judge(&internal, "10.2.0.0/16", &clustered), Err(Refusal::OwnClusterId(own)));
    assert_eq!(judge(&policy(), "10.2.0.0/16", &originated), Ok(()));
    assert_eq!(judge(&policy(), "10.2.0.0/16", &clustered), Ok(()));
}

#[test]
fn local_preference_comes_from_policy_on_external_sessions() {
    let attributes = Attributes { local_preference: Some(7), ..Attributes::default() };
    assert_eq!(local_preference(&policy(), true, &attributes), 100);
    assert_eq!(local_preference(&policy(), false, &attributes), 7);
    assert_eq!(local_preference(&policy(), false, &Attributes::default()), 100);
}

#[test]
fn an_inside_link_is_the_smallest_common_prefix() {
    let links = |local: &str, peer: &str, inside6: Option<Inside6>| {
        let policy = PeerPolicy { local_address: address(local), peer_address: address(peer), inside6, ..policy() };
        InsideLink::of(&policy).map(|link| link.prefix).collect::<Vec<_>>()
    };
    assert_eq!(links("169.254.21.2", "169.254.21.1", None), [net("169.254.21.0/30")]);
    assert_eq!(links("10.0.0.0", "10.0.0.1", None), [net("10.0.0.0/31")]);
    assert_eq!(links("fd00::2", "fd00::1", None), [net("fd00::/126")]);
    assert_eq!(links("10.0.0.1", "fd00::1", None), []);
    let beside = Some(Inside6 { local: "fd00:21::2".parse().unwrap(), peer: "fd00:21::1".parse().unwrap() });
    assert_eq!(links("169.254.21.2", "169.254.21.1", beside), [net("169.254.21.0/30"), net("fd00:21::/126")]);
}

#[test]
fn ipv4_routes_may_have_ipv6_next_hops_where_that_was_agreed_on() {
    let over_v6 = PeerPolicy { local_address: address("fd00::2"), peer_address: address("fd00::1"), ..policy() };
    let beside = Some(Inside6 { local: "fd00::2".parse().unwrap(), peer: "fd00::1".parse().unwrap() });
    let both = PeerPolicy { inside6: beside, ..policy() };
    let third = |next_hop, peer| Err(Refusal::ThirdPartyNextHop { next_hop: address(next_hop), peer: address(peer) });
    let table = [
        (&over_v6, "10.2.0.0/16", "fd00::1", Ok(())),
        (&over_v6, "10.2.0.0/16", "fd00::9", third("fd00::9", "fd00::1")),
        (&over_v6, "10.2.0.0/16", "fd00::2", Err(Refusal::OwnNextHop(address("fd00::2")))),
        (&both, "10.2.0.0/16", "fd00::1", Ok(())),
        (&both, "10.2.0.0/16", "169.254.21.1", Ok(())),
        (&policy(), "10.2.0.0/16", "fd00::1", third("fd00::1", "169.254.21.1")),
        (&over_v6, "2001:db8:2::/48", "fd00::1", Ok(())),
        (&policy(), "2001:db8:2::/48", "169.254.21.1", Err(Refusal::NoAddressOfFamily(Family::Ipv6Unicast))),
    ];
    for (policy, prefix, next_hop, expected) in table {
        let route = received(next_hop, &[64512]);
        let judged = judge_with(policy, prefix, &route, |import| import.extended_next_hop = true).map(drop);
        assert_eq!(judged, expected, "{prefix} via {next_hop}");
    }
}

#[test]
fn our_own_number_may_be_in_the_path_as_often_as_is_allowed() {
    let twice = PeerPolicy { treatment: Treatment { own_as_in: 2, ..Treatment::default() }, ..policy() };
    let path = |times: usize| received("169.254.21.1", &[&[64512], vec![65000; times].as_slice()].concat());
    for (times, expected) in [(0, Ok(())), (2, Ok(())), (3, Err(Refusal::OwnAsInPath(Asn(65000))))] {
        assert_eq!(judge(&twice, "10.2.0.0/16", &path(times)), expected, "{times}");
    }
}

#[test]
fn roles_mark_routes_and_refuse_leaks() {
    let judge = |role, otc: Option<u32>| {
        let mut route = received("169.254.21.1", &[64512]);
        route.attributes.only_to_customer = otc.map(Asn);
        judge_with(&policy(), "10.2.0.0/16", &route, |import| import.role = Some(role))
    };
    let marked = |effective: Effective| effective.attributes.and_then(|changed| changed.only_to_customer);
    assert_eq!(judge(Role::Customer, None).map(marked), Ok(Some(Asn(64512))));
    assert_eq!(judge(Role::Customer, Some(7)).map(marked), Ok(None), "as received");
    assert!(matches!(judge(Role::Provider, Some(7)), Err(Refusal::Leak(_))));
    assert_eq!(judge(Role::Provider, None).map(marked), Ok(None));
}

fn by_rule(sets: Vec<Set>) -> PeerPolicy {
    let id = RuleId { policy: "p".into(), number: 1, name: None };
    let rule = Rule { id: id.into(), conditions: Vec::new(), sets: Some(sets.into()), then: Then::Do(Action::Accept) };
    let set = PolicySet::new(vec![Policy::new("p".into(), vec![rule], Action::Reject)]).unwrap();
    PeerPolicy { import: Chain::new(set.into(), vec![Step::Policy(0)], Basis::Written), ..policy() }
}

#[test]
fn policy_changes_what_counts_and_nothing_changed_costs_nothing() {
    let effect = |policy: &PeerPolicy, route: &Sample| judge_with(policy, "10.2.0.0/16", route, |_| ()).unwrap();
    let route = received("169.254.21.1", &[64512]);
    let plain = effect(&policy(), &route);
    assert_eq!((plain.attributes, plain.local_preference), (None, 100));
    let better = effect(&by_rule(vec![Set::LocalPreference(Amount::Plus(50))]), &route);
    assert_eq!((better.attributes, better.local_preference), (None, 150));
    let marked = effect(&by_rule(vec![Set::Med(Amount::To(5)), Set::Prepend(Prepend::Times(2))]), &route);
    let attributes = marked.attributes.unwrap();
    assert_eq!(
        (attributes.med, attributes.as_path),
        (Some(5), received("169.254.21.1", &[64512; 3]).attributes.as_path)
    );
    assert_eq!(marked.local_preference, 100);
}

#[test]
fn policy_may_put_the_peer_in_place_of_a_third_party_and_nobody_else() {
    let route = received("169.254.99.99", &[64512]);
    assert!(matches!(judge(&policy(), "10.2.0.0/16", &route), Err(Refusal::ThirdPartyNextHop { .. })));
    assert_eq!(judge(&by_rule(vec![Set::NextHop(NextHop::Peer)]), "10.2.0.0/16", &route), Ok(()));
    let elsewhere = Set::NextHop(NextHop::Address(address("169.254.99.98")));
    assert!(matches!(judge(&by_rule(vec![elsewhere]), "10.2.0.0/16", &route), Err(Refusal::ThirdPartyNextHop { .. })));
}

#[test]
fn routes_about_to_go_away_get_the_lowest_preference() {
    let mut leaving = received("169.254.21.1", &[64512]);
    leaving.attributes.communities = vec![0xffff_0000];
    let preference = |honor, drain, route: &Sample| {
        let policy = PeerPolicy { graceful_shutdown: GracefulShutdown { honor, drain }, ..policy() };
        judge_with(&policy, "10.2.0.0/16", route, |_| ()).unwrap().local_preference
    };
    let staying = received("169.254.21.1", &[64512]);
    assert_eq!((preference(true, false, &leaving), preference(false, false, &leaving)), (0, 100));
    assert_eq!((preference(true, false, &staying), preference(true, true, &staying)), (100, 0));
}

#[test]
fn what_comes_to_another_number_of_ours_says_so() {
    let known_as = |no_prepend| LocalAs { asn: Asn(64999), no_prepend, replace: false };
    let with = |no_prepend| PeerPolicy {
        treatment: Treatment { local_as: Some(known_as(no_prepend)), ..Treatment::default() },
        ..policy()
    };
    let judged = |no_prepend, path: &[u32]| {
        let judged = judge_with(&with(no_prepend), "10.2.0.0/16", &received("169.254.21.1", path), |_| ());
        judged.map(|effective| effective.attributes.map(|attributes| attributes.as_path))
    };
    let path = AsPath(vec![AsPathSegment::Sequence(vec![Asn(64999), Asn(64512), Asn(7)])]);
    assert_eq!(judged(false, &[64512, 7]), Ok(Some(path)));
    assert_eq!(judged(true, &[64512, 7]), Ok(None), "as received");
    assert_eq!(judged(true, &[64512, 64999]), Err(Refusal::OwnAsInPath(Asn(64999))));
    assert_eq!(judged(true, &[64512, 65000]), Err(Refusal::OwnAsInPath(Asn(65000))));
}
