//! What is announced, to whom, and why not.

use bgp::{AsPath, AsPathSegment, UnknownAttribute};
use wire::LinkId;
use wire::RouterId;

use super::*;
use crate::{Inside6, PrefixRule, RuleAction};

const V4: &[Family] = &[Family::Ipv4Unicast];

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
        import: None,
        export: Some(vec![PrefixRule {
            action: RuleAction::Permit,
            prefix: net("0.0.0.0/0"),
            min_len: 0,
            max_len: 32,
        }]),
        max_prefix_in: None,
        max_prefix_out: None,
        local_preference: 150,
        med: None,
        prepend: 0,
    }
}

fn export(policy: &PeerPolicy) -> Export<'_> {
    Export { asn: Asn(65000), peer: PeerId(2), policy, families: V4, ebgp: policy.peer_asn != Asn(65000) }
}

fn sequence(numbers: &[u32]) -> AsPath {
    AsPath(vec![AsPathSegment::Sequence(numbers.iter().copied().map(Asn).collect())])
}

fn learned(from: u32, ebgp: bool, change: impl FnOnce(&mut Attributes)) -> BestRoute<'static> {
    let mut attributes = Attributes { as_path: sequence(&[64512]), ..Attributes::default() };
    change(&mut attributes);
    let route = Box::leak(Box::new(ReceivedRoute { attributes, next_hop: "169.254.21.1".parse().unwrap() }));
    BestRoute::Learned { from: PeerId(from), ebgp, local_preference: 100, route }
}

fn communities(list: &[u32]) -> BestRoute<'static> {
    learned(1, true, |attributes| attributes.communities = list.to_vec())
}

#[test]
fn external_peers_get_what_the_rules_let_through() {
    let table = [
        (learned(1, true, |_| ()), Ok(())),
        (learned(1, false, |_| ()), Ok(())),
        (BestRoute::Originated, Ok(())),
        (learned(2, true, |_| ()), Err(Withheld::SplitHorizon)),
        (learned(1, true, |a| a.as_path = sequence(&[64512, 65515])), Err(Withheld::PeerAsInPath(Asn(65515)))),
        (communities(&[7, 0xffff_ff01]), Err(Withheld::NoExport)),
        (communities(&[0xffff_ff02]), Err(Withheld::NoAdvertise)),
        (communities(&[0xffff_ff03]), Err(Withheld::NoExportSubconfed)),
        (communities(&[0xffff_ff04, 0]), Ok(())),
    ];
    for (best, expected) in table {
        assert_eq!(export(&policy()).judge(&net("10.2.0.0/16"), Some(best)), expected);
    }
    assert_eq!(export(&policy()).judge(&net("10.2.0.0/16"), None), Err(Withheld::NoRoute));
}

#[test]
fn internal_peers_get_external_routes_only() {
    let internal = PeerPolicy { peer_asn: Asn(65000), ..policy() };
    let judge = |best: BestRoute<'_>| export(&internal).judge(&net("10.2.0.0/16"), Some(best));
    assert_eq!(judge(learned(1, false, |_| ())), Err(Withheld::InternalToInternal));
    assert_eq!(judge(learned(1, true, |_| ())), Ok(()));
    assert_eq!(judge(communities(&[0xffff_ff01])), Ok(()));
    assert_eq!(judge(communities(&[0xffff_ff02])), Err(Withheld::NoAdvertise));
    assert_eq!(judge(BestRoute::Originated), Ok(()));
}

#[test]
fn without_a_list_only_what_is_originated_goes_out() {
    let quiet = PeerPolicy { export: None, ..policy() };
    assert_eq!(export(&quiet).judge(&net("10.1.0.0/16"), Some(BestRoute::Originated)), Ok(()));
    let judge = export(&quiet).judge(&net("10.2.0.0/16"), Some(learned(1, true, |_| ())));
    assert_eq!(judge, Err(Withheld::Learned));
}

#[test]
fn a_list_decides_on_originated_prefixes_too() {
    let rule = |action, prefix| PrefixRule { action, prefix: net(prefix), min_len: 16, max_len: 24 };
    let list = vec![rule(RuleAction::Deny, "10.1.0.0/16"), rule(RuleAction::Permit, "10.2.0.0/16")];
    let listed = PeerPolicy { export: Some(list), ..policy() };
    let judge = |prefix| export(&listed).judge(&net(prefix), Some(BestRoute::Originated));
    assert_eq!(judge("10.1.0.0/16"), Err(Withheld::DeniedByRule { line: 1 }));
    assert_eq!(judge("10.2.0.0/16"), Ok(()));
    assert_eq!(judge("10.3.0.0/16"), Err(Withheld::NoRuleMatches));
}

#[test]
fn link_scope_is_never_announced_even_if_originated() {
    let judge = export(&policy()).judge(&net("169.254.21.0/30"), Some(BestRoute::Originated));
    assert_eq!(judge, Err(Withheld::Special(Special::LinkScope)));
}

#[test]
fn a_family_needs_negotiation_and_an_address() {
    let policy = policy();
    let prefix = net("2001:db8::/32");
    let judge = |export: Export<'_>| export.judge(&prefix, Some(BestRoute::Originated));
    assert_eq!(judge(export(&policy)), Err(Withheld::FamilyNotNegotiated(Family::Ipv6Unicast)));
    let both = Export { families: &[Family::Ipv4Unicast, Family::Ipv6Unicast], ..export(&policy) };
    assert_eq!(judge(both), Err(Withheld::NoAddressOfFamily(Family::Ipv6Unicast)));
    let inside6 = Some(Inside6 { local: "fd00::2".parse().unwrap(), peer: "fd00::1".parse().unwrap() });
    let linked = PeerPolicy { inside6, export: None, ..policy.clone() };
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
        large_communities: vec![[1, 2, 3]],
        extended_communities: vec![[0, 2, 0, 0, 0, 0, 0, 1]],
        unknown: vec![UnknownAttribute { flags: 0xe0, code: 99, value: vec![1] }],
        ..Attributes::default()
    };
    assert_eq!(export(&policy()).attributes(best), expected);
}

#[test]
fn med_and_prepend_follow_the_configuration() {
    let steering = PeerPolicy { med: Some(50), prepend: 2, ..policy() };
    let out = export(&steering).attributes(BestRoute::Originated);
    assert_eq!((out.med, out.as_path), (Some(50), sequence(&[65000, 65000, 65000])));
}

#[test]
fn inside_the_as_the_path_stays_and_local_pref_is_present() {
    let internal = PeerPolicy { peer_asn: Asn(65000), prepend: 3, ..policy() };
    let out = export(&internal).attributes(learned(1, true, |attributes| attributes.med = Some(7)));
    assert_eq!((out.as_path, out.med, out.local_preference), (sequence(&[64512]), Some(7), Some(100)));
    let out = export(&internal).attributes(BestRoute::Originated);
    assert_eq!((out.as_path, out.med, out.local_preference), (AsPath::default(), None, Some(150)));
}
