//! What is announced, to whom, and why not.

use bgp::{AsPath, AsPathSegment, Rare, RareAttributes, UnknownAttribute};
use wire::LinkId;
use wire::RouterId;

use super::*;
use crate::route::{Rank, RouteNextHop};
use policy::{
    Action, Amount, Basis, Chain, Condition, NamePattern, Policy, PolicySet, PrefixRule, Prepend, Rule, RuleAction,
    RuleId, Set, Then,
};

use crate::{GracefulShutdown, Inside6, LocalAs, PrivateAs, Standing, Treatment};

fn session(families: &[Family]) -> &'static PeerSession {
    Box::leak(Box::new(PeerSession::new(families.to_vec(), RouterId([1, 1, 1, 1].into()))))
}

fn originated() -> BestRoute<'static> {
    let attributes = Box::leak(Box::default());
    BestRoute::Local { kind: LocalKind::Network, announce: false, attributes }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn policy() -> PeerPolicy {
    PeerPolicy {
        name: "azure-0".to_owned(),
        link: LinkId(2),
        reach: crate::Reach::Tunnel,
        peer_asn: Asn(65515),
        local_address: "169.254.22.2".parse().unwrap(),
        peer_address: "169.254.22.1".parse().unwrap(),
        inside6: None,
        import: Chain::everything(),
        export: Chain::lines(vec![PrefixRule {
            action: RuleAction::Permit,
            prefix: net("0.0.0.0/0"),
            min_len: 0,
            max_len: 32,
        }]),
        graceful_shutdown: GracefulShutdown::default(),
        max_prefix_in: None,
        max_prefix_out: None,
        local_preference: 150,
        med: None,
        prepend: 0,
        treatment: Treatment::default(),
    }
}

fn export(policy: &PeerPolicy) -> Export<'_> {
    let session = session(&[Family::Ipv4Unicast]);
    Export {
        asn: Asn(65000),
        peer: PeerId(2),
        policy,
        session,
        ebgp: policy.peer_asn != Asn(65000),
        covering: &[],
        drain: policy.graceful_shutdown.drain,
        standing: Standing::default(),
        counts: 1,
    }
}

fn sequence(numbers: &[u32]) -> AsPath {
    AsPath(vec![AsPathSegment::Sequence(numbers.iter().copied().map(Asn).collect())])
}

fn learned(from: u32, ebgp: bool, change: impl FnOnce(&mut Attributes)) -> BestRoute<'static> {
    let mut attributes = Attributes { as_path: sequence(&[64512]), ..Attributes::default() };
    change(&mut attributes);
    let rank = Rank::of(&attributes, 100);
    let next_hop = RouteNextHop::Other("192.0.2.77".parse().unwrap());
    let route =
        Box::leak(Box::new(Route { attributes: attributes.into(), original: None, next_hop, toward: None, rank }));
    let policy = Box::leak(Box::new(policy()));
    BestRoute::Learned { from: Source { id: PeerId(from), ebgp, policy }, route }
}

fn communities(list: &[u32]) -> BestRoute<'static> {
    learned(1, true, |attributes| attributes.communities = list.to_vec())
}

#[test]
fn external_peers_get_what_the_rules_let_through() {
    let table = [
        (learned(1, true, |_| ()), Ok(())),
        (learned(1, false, |_| ()), Ok(())),
        (originated(), Ok(())),
        (learned(2, true, |_| ()), Err(Withheld::SplitHorizon)),
        (learned(1, true, |a| a.as_path = sequence(&[64512, 65515])), Err(Withheld::PeerAsInPath(Asn(65515)))),
        (communities(&[7, 0xffff_ff01]), Err(Withheld::NoExport)),
        (communities(&[0xffff_ff02]), Err(Withheld::NoAdvertise)),
        (communities(&[0xffff_ff03]), Err(Withheld::NoExportSubconfed)),
        (communities(&[0xffff_ff04, 0]), Ok(())),
    ];
    for (best, expected) in table {
        assert_eq!(export(&policy()).judge(&net("10.2.0.0/16"), Some(best)).map(drop), expected);
    }
    assert_eq!(export(&policy()).judge(&net("10.2.0.0/16"), None), Err(Withheld::NoRoute));
}

#[test]
fn internal_peers_get_external_routes_only() {
    let internal = PeerPolicy { peer_asn: Asn(65000), ..policy() };
    let judge = |best: BestRoute<'_>| export(&internal).judge(&net("10.2.0.0/16"), Some(best)).map(drop);
    assert_eq!(judge(learned(1, false, |_| ())), Err(Withheld::InternalToInternal));
    assert_eq!(judge(learned(1, true, |_| ())), Ok(()));
    assert_eq!(judge(communities(&[0xffff_ff01])), Ok(()));
    assert_eq!(judge(communities(&[0xffff_ff02])), Err(Withheld::NoAdvertise));
    assert_eq!(judge(originated()), Ok(()));
}

#[test]
fn without_a_list_only_what_is_originated_goes_out() {
    let quiet = PeerPolicy { export: Chain::networks(), ..policy() };
    assert_eq!(export(&quiet).judge(&net("10.1.0.0/16"), Some(originated())).map(drop), Ok(()));
    let judge = export(&quiet).judge(&net("10.2.0.0/16"), Some(learned(1, true, |_| ()))).map(drop);
    assert_eq!(judge, Err(Withheld::Learned));
}

#[test]
fn a_list_decides_on_originated_prefixes_too() {
    let rule = |action, prefix| PrefixRule { action, prefix: net(prefix), min_len: 16, max_len: 24 };
    let list = vec![rule(RuleAction::Deny, "10.1.0.0/16"), rule(RuleAction::Permit, "10.2.0.0/16")];
    let listed = PeerPolicy { export: Chain::lines(list), ..policy() };
    let judge = |prefix| export(&listed).judge(&net(prefix), Some(originated())).map(drop);
    assert_eq!(judge("10.1.0.0/16"), Err(Withheld::Policy(Decider::Line(1))));
    assert_eq!(judge("10.2.0.0/16"), Ok(()));
    assert_eq!(judge("10.3.0.0/16"), Err(Withheld::Policy(Decider::End)));
}

#[test]
fn link_scope_is_never_announced_even_if_originated() {
    let judge = export(&policy()).judge(&net("169.254.21.0/30"), Some(originated())).map(drop);
    assert_eq!(judge, Err(Withheld::Special(Special::LinkScope)));
}

#[test]
fn a_family_needs_negotiation_and_an_address() {
    let policy = policy();
    let prefix = net("2001:db8::/32");
    let judge = |export: Export<'_>| export.judge(&prefix, Some(originated())).map(drop);
    assert_eq!(judge(export(&policy)), Err(Withheld::FamilyNotNegotiated(Family::Ipv6Unicast)));
    let both = Export { session: session(&[Family::Ipv4Unicast, Family::Ipv6Unicast]), ..export(&policy) };
    assert_eq!(judge(both), Err(Withheld::NoAddressOfFamily(Family::Ipv6Unicast)));
    let inside6 = Some(Inside6 { local: "fd00::2".parse().unwrap(), peer: "fd00::1".parse().unwrap() });
    let linked = PeerPolicy { inside6, export: Chain::networks(), ..policy.clone() };
    assert_eq!(judge(Export { policy: &linked, ..both }), Ok(()));
}

#[test]
fn toward_another_as_our_number_is_put_in_front_and_inner_attributes_stay() {
    let best = learned(1, true, |attributes| {
        attributes.med = Some(7);
        attributes.local_preference = Some(9);
        attributes.originator_id = Some(RouterId([1, 1, 1, 1].into()));
        attributes.cluster_list = vec![[1, 1, 1, 1].into()];
        attributes.communities = vec![0xfde8_0001];
        attributes.large_communities = vec![[1, 2, 3]];
        attributes.extended_communities = vec![[0, 2, 0, 0, 0, 0, 0, 1], [0x40, 4, 0, 0, 0, 0, 0, 1]];
        attributes.unknown = vec![UnknownAttribute { flags: 0xc0, code: 99, value: vec![1] }];
    });
    let expected = Attributes {
        as_path: sequence(&[65000, 64512]),
        communities: vec![0xfde8_0001],
        rare: Rare::from(RareAttributes {
            large_communities: vec![[1, 2, 3]],
            extended_communities: vec![[0, 2, 0, 0, 0, 0, 0, 1]],
            unknown: vec![UnknownAttribute { flags: 0xe0, code: 99, value: vec![1] }],
            ..RareAttributes::default()
        }),
        ..Attributes::default()
    };
    assert_eq!(export(&policy()).outgoing(&net("10.2.0.0/16"), best, &Changes::None).attributes, expected.into());
}

#[test]
fn med_and_prepend_follow_the_configuration() {
    let steering = PeerPolicy { med: Some(50), prepend: 2, ..policy() };
    let out = export(&steering).outgoing(&net("10.2.0.0/16"), originated(), &Changes::None).attributes;
    assert_eq!((out.med, out.as_path.clone()), (Some(50), sequence(&[65000, 65000, 65000])));
}

#[test]
fn inside_the_as_the_path_stays_and_local_pref_is_present() {
    let internal = PeerPolicy { peer_asn: Asn(65000), prepend: 3, ..policy() };
    let out = export(&internal)
        .outgoing(&net("10.2.0.0/16"), learned(1, true, |attributes| attributes.med = Some(7)), &Changes::None)
        .attributes;
    assert_eq!((out.as_path.clone(), out.med, out.local_preference), (sequence(&[64512]), Some(7), Some(100)));
    let out = export(&internal).outgoing(&net("10.2.0.0/16"), originated(), &Changes::None).attributes;
    assert_eq!((out.as_path.clone(), out.med, out.local_preference), (AsPath::default(), None, Some(150)));
}

fn treated(treatment: Treatment, path: &[u32]) -> AsPath {
    let policy = PeerPolicy { treatment, ..policy() };
    let best = learned(1, true, |attributes| attributes.as_path = sequence(path));
    let export = export(&policy);
    let outgoing = export.judge(&net("10.2.0.0/16"), Some(best)).unwrap();
    export.outgoing(&net("10.2.0.0/16"), best, &outgoing).attributes.as_path.clone()
}

#[test]
fn another_site_of_the_peers_as_gets_our_number_in_place_of_its_own() {
    let treatment = Treatment { as_override: true, ..Treatment::default() };
    assert_eq!(treated(treatment, &[65515, 7, 65515]), sequence(&[65000, 65000, 7, 65000]));
}

#[test]
fn a_peer_that_knows_us_by_another_number_sees_it_first() {
    let local = |replace| LocalAs { asn: Asn(64999), no_prepend: false, replace };
    let with = |treatment: Treatment, replace| Treatment { local_as: Some(local(replace)), ..treatment };
    assert_eq!(treated(with(Treatment::default(), false), &[7]), sequence(&[64999, 65000, 7]));
    assert_eq!(treated(with(Treatment::default(), true), &[7]), sequence(&[64999, 7]));
    let overriding = || Treatment { as_override: true, ..Treatment::default() };
    assert_eq!(treated(with(overriding(), false), &[65515]), sequence(&[64999, 65000, 65000]));
    assert_eq!(treated(with(overriding(), true), &[65515]), sequence(&[64999, 64999]));
    let twice = PeerPolicy { prepend: 1, treatment: with(Treatment::default(), false), ..policy() };
    let sent = export(&twice).outgoing(&net("10.2.0.0/16"), originated(), &Changes::None);
    assert_eq!(sent.attributes.as_path, sequence(&[64999, 64999, 65000]));
}

#[test]
fn private_numbers_go_or_become_ours_before_ours_is_put_in_front() {
    let remove = Treatment { private_as: PrivateAs::Remove, ..Treatment::default() };
    assert_eq!(treated(remove, &[64512, 3356, 64513]), sequence(&[65000, 3356]));
    let replace = Treatment { private_as: PrivateAs::Replace, ..Treatment::default() };
    assert_eq!(treated(replace, &[64512, 3356, 64513]), sequence(&[65000, 65000, 3356, 65000]));
}

#[test]
fn inside_the_as_the_next_hop_stays_if_that_is_configured_and_makes_sense() {
    let keep = Treatment { next_hop_self: false, ..Treatment::default() };
    let next_hop = |peer_asn, treatment: &Treatment, best| {
        let policy = PeerPolicy { peer_asn: Asn(peer_asn), treatment: treatment.clone(), ..policy() };
        export(&policy).outgoing(&net("10.2.0.0/16"), best, &Changes::None).next_hop
    };
    let best = learned(1, true, |_| ());
    assert_eq!(next_hop(65000, &keep, best), Some("192.0.2.77".parse().unwrap()));
    assert_eq!(next_hop(65000, &Treatment::default(), best), None);
    assert_eq!(next_hop(65515, &keep, best), None, "never toward another AS");
    assert_eq!(next_hop(65000, &keep, originated()), None);
    let BestRoute::Learned { from, .. } = best else { unreachable!() };
    let route = Box::leak(Box::new(Route {
        attributes: Attributes::default().into(),
        original: None,
        next_hop: RouteNextHop::Own4,
        toward: None,
        rank: Rank::of(&Attributes::default(), 100),
    }));
    assert_eq!(next_hop(65000, &keep, BestRoute::Learned { from, route }), None, "of link scope");
}

#[test]
fn what_an_aggregate_stands_for_is_not_announced_beside_it() {
    let policy = policy();
    let cover = [net("10.2.0.0/16")];
    let export = Export { covering: &cover, ..export(&policy) };
    let judge = |prefix| export.judge(&net(prefix), Some(learned(1, true, |_| ()))).map(drop);
    assert_eq!(judge("10.2.1.0/24"), Err(Withheld::Summarised(cover[0])));
    assert_eq!(judge("10.2.0.0/16"), Ok(()));
    assert_eq!(judge("10.3.0.0/24"), Ok(()));
}

#[test]
fn what_went_down_to_a_customer_goes_nowhere_else() {
    let policy = policy();
    let mut session = session(&[Family::Ipv4Unicast]).clone();
    session.role = Some(bgp::Role::Customer);
    let export = Export { session: &session, ..export(&policy) };
    let marked = learned(1, true, |attributes| attributes.only_to_customer = Some(Asn(7)));
    assert!(matches!(export.judge(&net("10.2.0.0/16"), Some(marked)), Err(Withheld::OnlyToCustomer(_))));
    assert_eq!(export.judge(&net("10.2.0.0/16"), Some(learned(1, true, |_| ()))), Ok(Changes::None));
}

fn by_rule(conditions: Vec<Condition>, sets: Vec<Set>) -> PeerPolicy {
    let id = RuleId { policy: "p".into(), number: 1, name: None };
    let rule = Rule { id: id.into(), conditions, sets: Some(sets.into()), then: Then::Do(Action::Accept) };
    let set = PolicySet::new(vec![Policy::new("p".into(), vec![rule], Action::Reject)]).unwrap();
    PeerPolicy { export: Chain::new(set.into(), vec![Step::Policy(0)], Basis::Written), med: Some(7), ..policy() }
}

#[test]
fn what_policy_sets_goes_out_and_our_number_stays_in_front() {
    let sets = vec![
        Set::Prepend(Prepend::List(vec![Asn(64999)])),
        Set::Med(Amount::Plus(3)),
        Set::LocalPreference(Amount::To(9)),
        Set::AddCommunities(vec!["65000:1".parse().unwrap(), "link-bandwidth:65000:1".parse().unwrap()]),
    ];
    let policy = by_rule(vec![], sets);
    let best = learned(1, true, |attributes| {
        attributes.med = Some(50);
        attributes.extended_communities = vec![[0x40, 4, 0, 1, 0, 0, 0, 0]];
    });
    let changes = export(&policy).judge(&net("10.2.0.0/16"), Some(best)).unwrap();
    let out = export(&policy).outgoing(&net("10.2.0.0/16"), best, &changes).attributes;
    assert_eq!(out.as_path, sequence(&[65000, 64999, 64512]));
    assert_eq!((out.med, out.local_preference, out.communities.clone()), (Some(10), None, vec![65000 << 16 | 1]));
    assert_eq!(out.extended_communities, vec![[0x40, 4, 0xfd, 0xe8, 0x3f, 0x80, 0, 0]], "ours, not the one received");
}

#[test]
fn policy_sees_where_a_route_comes_from_and_what_it_was_on_the_way_in() {
    let judge = |condition: Condition, best| {
        export(&by_rule(vec![condition], vec![Set::NoMed])).judge(&net("10.2.0.0/16"), Some(best)).is_ok()
    };
    let from = |name: &str| Condition::Peer(vec![NamePattern(name.into())]);
    let source = |source| Condition::Source(vec![source]);
    let best = || learned(1, true, |attributes| attributes.med = Some(50));
    assert!(judge(from("azure-*"), best()) && !judge(from("aws-1"), best()) && !judge(from("azure-*"), originated()));
    assert!(judge(source(policy::Source::Bgp), best()) && !judge(source(policy::Source::Bgp), originated()));
    assert!(judge(source(policy::Source::Originated), originated()));
    assert!(judge(Condition::Med("50".parse().unwrap()), best()), "received, though it does not go on");
}

#[test]
fn a_drained_session_says_that_its_routes_are_about_to_go_away() {
    let drained = |asn| PeerPolicy {
        graceful_shutdown: GracefulShutdown { honor: true, drain: true },
        peer_asn: Asn(asn),
        ..policy()
    };
    let out = |policy: &PeerPolicy| {
        let best = learned(1, true, |_| ());
        export(policy).outgoing(&net("10.2.0.0/16"), best, &Changes::None).attributes
    };
    let external = out(&drained(65515));
    assert_eq!((external.communities.clone(), external.med), (vec![0xffff_0000], Some(u32::MAX)));
    let internal = out(&drained(65000));
    assert_eq!((internal.communities.clone(), internal.local_preference), (vec![0xffff_0000], Some(0)));
}
