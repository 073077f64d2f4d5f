//! Chains of policies against routes: every condition, every change, the order of rules.

use std::sync::Arc;

use bgp::{AsPath, AsPathSegment, Attributes, Family, Origin, Rare, RareAttributes};
use ipnet::IpNet;
use proptest::prelude::*;
use wire::Asn;

use crate::*;

fn attributes() -> Attributes {
    Attributes {
        origin: Origin::Egp,
        as_path: AsPath(vec![AsPathSegment::Sequence([64512, 65001, 65002].map(Asn).to_vec())]),
        med: Some(50),
        communities: vec![64512 << 16 | 100, 0xffff_ff01],
        rare: rare(vec![[0, 2, 0xfc, 0, 0, 0, 0, 9]], vec![[64512, 1, 2]]),
        ..Attributes::default()
    }
}

fn rare(extended_communities: Vec<[u8; 8]>, large_communities: Vec<[u32; 3]>) -> Rare {
    Rare::from(RareAttributes { extended_communities, large_communities, ..RareAttributes::default() })
}

fn route(attributes: &Attributes) -> Route<'_> {
    Route {
        prefix: net("10.2.3.0/24"),
        attributes,
        local_preference: 100,
        next_hop: Some("169.254.21.1".parse().unwrap()),
        source: Source::Bgp,
        peer: "aws-1",
        repeat: Asn(65000),
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn line(prefix: &str, min_len: u8, max_len: u8) -> PrefixRule {
    PrefixRule { action: RuleAction::Permit, prefix: net(prefix), min_len, max_len }
}

fn deny(prefix: &str, min_len: u8, max_len: u8) -> PrefixRule {
    PrefixRule { action: RuleAction::Deny, ..line(prefix, min_len, max_len) }
}

fn rule(policy: &str, number: usize, conditions: Vec<Condition>, sets: Vec<Set>, then: Then) -> Rule {
    Rule {
        id: Arc::new(RuleId { policy: policy.into(), number, name: None }),
        conditions,
        sets: (!sets.is_empty()).then(|| sets.into()),
        then,
    }
}

fn policy(name: &str, rules: Vec<(Vec<Condition>, Vec<Set>, Then)>, default: Action) -> Policy {
    let rules = rules.into_iter().enumerate();
    let rules = rules.map(|(at, (conditions, sets, then))| rule(name, at + 1, conditions, sets, then)).collect();
    Policy::new(name.into(), rules, default)
}

fn chain(policies: Vec<Policy>) -> Chain {
    Chain::new(Arc::new(PolicySet::new(policies).unwrap()), vec![Step::Policy(0)], Basis::Written)
}

fn communities(patterns: &[&str]) -> Vec<Named<CommunityList>> {
    vec![Named::inline(CommunityList(patterns.iter().map(|pattern| pattern.parse().unwrap()).collect()))]
}

fn paths(patterns: &[(RuleAction, &str)]) -> Vec<Named<AsPathList>> {
    let lines =
        patterns.iter().map(|(action, pattern)| AsPathLine { action: *action, pattern: pattern.parse().unwrap() });
    vec![Named::inline(AsPathList(lines.collect()))]
}

fn prefixes(lines: Vec<PrefixRule>) -> Condition {
    Condition::Prefix(vec![Named::inline(PrefixList::new(lines))])
}

const ACCEPT: Then = Then::Do(Action::Accept);
const REJECT: Then = Then::Do(Action::Reject);
const NEXT: Then = Then::Do(Action::Next);

#[test]
fn every_condition_holds_for_what_it_says_and_for_nothing_else() {
    let permit = RuleAction::Permit;
    let range = |text: &str| text.parse::<Range>().unwrap();
    let names = |names: &[&str]| Condition::Peer(names.iter().map(|name| NamePattern((*name).into())).collect());
    let cases = [
        (prefixes(vec![line("10.0.0.0/8", 16, 24)]), true),
        (prefixes(vec![line("10.0.0.0/8", 16, 23)]), false),
        (prefixes(vec![deny("10.2.3.0/24", 24, 24), line("10.0.0.0/8", 16, 24)]), false),
        (Condition::PrefixLength(range("16-24")), true),
        (Condition::PrefixLength(range("25-")), false),
        (Condition::Family(Family::Ipv4Unicast), true),
        (Condition::Family(Family::Ipv6Unicast), false),
        (Condition::AsPath(paths(&[(permit, "^64512 .* 65002$")])), true),
        (Condition::AsPath(paths(&[(RuleAction::Deny, "_65001_"), (permit, ".*")])), false),
        (Condition::AsPathLength(range("3")), true),
        (Condition::AsPathLength(range("0-2")), false),
        (Condition::OriginAs(vec![range("65002-65010")]), true),
        (Condition::OriginAs(vec![range("64512")]), false),
        (Condition::Communities(Quantifier::Any, communities(&["1:1", "64512:*"])), true),
        (Condition::Communities(Quantifier::Any, communities(&["1:1", "64512:1"])), false),
        (Condition::Communities(Quantifier::All, communities(&["no-export", "64512:*", "rt:*", "64512:*:*"])), true),
        (Condition::Communities(Quantifier::All, communities(&["no-export", "no-advertise"])), false),
        (Condition::Communities(Quantifier::None, communities(&["no-advertise", "1:1"])), true),
        (Condition::Communities(Quantifier::None, communities(&["no-export", "1:1"])), false),
        (Condition::NextHop(PrefixList::new(vec![line("169.254.0.0/16", 16, 32)])), true),
        (Condition::NextHop(PrefixList::new(vec![line("169.254.21.2/32", 32, 32)])), false),
        (Condition::Origin(vec![Origin::Igp, Origin::Egp]), true),
        (Condition::Origin(vec![Origin::Incomplete]), false),
        (names(&["azure-1", "aws-*"]), true),
        (names(&["aws", "azure-*"]), false),
        (Condition::Med(range("50")), true),
        (Condition::Med(range("0-49")), false),
        (Condition::LocalPreference(range("100-")), true),
        (Condition::LocalPreference(range("0-99")), false),
        (Condition::Source(vec![Source::Static, Source::Bgp]), true),
        (Condition::Source(vec![Source::Connected, Source::Originated]), false),
    ];
    let attributes = attributes();
    for (condition, expected) in cases {
        assert_eq!(condition.holds(&route(&attributes)), expected, "{condition}");
    }
    let bare = Attributes::default();
    let own = Route { peer: "", next_hop: None, source: Source::Originated, ..route(&bare) };
    assert!(Condition::Med(range("0")).holds(&own), "RFC 4271 9.1.2.2 c: absent counts as 0");
    assert!(!names(&["*"]).holds(&own) && !Condition::OriginAs(vec![Range::ALL]).holds(&own));
    assert!(!Condition::NextHop(PrefixList::new(vec![line("0.0.0.0/0", 0, 32)])).holds(&own));
}

fn changed(sets: Vec<Set>) -> Attributes {
    let old = attributes();
    let chain = chain(vec![policy("p", vec![(vec![], sets, ACCEPT)], Action::Reject)]);
    let Verdict::Accept(Accepted { changes, .. }) = chain.judge(&route(&old)) else { panic!("rejected") };
    let mut new = Attributes { local_preference: Some(100), ..old };
    changes.make(&mut new, Asn(65000));
    new
}

#[test]
fn every_change_changes_what_it_says_and_nothing_else() {
    let parse = |text: &str| text.parse::<Community>().unwrap();
    let base = Attributes { local_preference: Some(100), ..attributes() };
    let path = |numbers: &[u32]| AsPath(vec![AsPathSegment::Sequence(numbers.iter().copied().map(Asn).collect())]);
    let cases = [
        (Set::LocalPreference(Amount::To(200)), Attributes { local_preference: Some(200), ..base.clone() }),
        (Set::LocalPreference(Amount::Minus(30)), Attributes { local_preference: Some(70), ..base.clone() }),
        (Set::Med(Amount::Plus(7)), Attributes { med: Some(57), ..base.clone() }),
        (Set::Med(Amount::To(0)), Attributes { med: Some(0), ..base.clone() }),
        (Set::NoMed, Attributes { med: None, ..base.clone() }),
        (
            Set::Prepend(Prepend::Times(2)),
            Attributes { as_path: path(&[65000, 65000, 64512, 65001, 65002]), ..base.clone() },
        ),
        (
            Set::Prepend(Prepend::List(vec![Asn(1), Asn(2)])),
            Attributes { as_path: path(&[1, 2, 64512, 65001, 65002]), ..base.clone() },
        ),
        (Set::Origin(Origin::Igp), Attributes { origin: Origin::Igp, ..base.clone() }),
        (
            Set::AddCommunities(vec![parse("64512:100"), parse("1:2"), parse("1:2:3"), parse("rt:1:2")]),
            Attributes {
                communities: vec![64512 << 16 | 100, 0xffff_ff01, 1 << 16 | 2],
                rare: rare(vec![[0, 2, 0xfc, 0, 0, 0, 0, 9], [0, 2, 0, 1, 0, 0, 0, 2]], vec![[64512, 1, 2], [1, 2, 3]]),
                ..base.clone()
            },
        ),
        (
            Set::RemoveCommunities(vec!["64512:*".parse().unwrap(), "rt:*".parse().unwrap()]),
            Attributes { communities: vec![0xffff_ff01], rare: rare(vec![], vec![[64512, 1, 2]]), ..base.clone() },
        ),
        (
            Set::ReplaceCommunities(vec![parse("link-bandwidth:65000:1Gbps")]),
            Attributes {
                communities: vec![],
                rare: rare(vec![[0x40, 4, 0xfd, 0xe8, 0x4c, 0xee, 0x6b, 0x28]], vec![]),
                ..base.clone()
            },
        ),
        (Set::NextHop(NextHop::Own), base.clone()),
    ];
    for (set, expected) in cases {
        let text = set.to_string();
        assert_eq!(changed(vec![set]), expected, "{text}");
    }
    let empty = Attributes { as_path: AsPath::default(), ..base };
    let mut out = empty;
    Changes::One(vec![Set::Prepend(Prepend::Times(1))].into()).make(&mut out, Asn(65000));
    assert_eq!(out.as_path, path(&[65000]));
}

#[test]
fn the_first_rule_that_decides_decides_and_later_rules_see_what_earlier_ones_changed() {
    let tag = Set::AddCommunities(vec!["65000:1".parse().unwrap()]);
    let tagged = Condition::Communities(Quantifier::Any, communities(&["65000:1"]));
    let better = Condition::LocalPreference("150".parse().unwrap());
    let chain = chain(vec![policy(
        "p",
        vec![
            (vec![tagged.clone()], vec![], REJECT),
            (vec![], vec![tag, Set::LocalPreference(Amount::Plus(50))], NEXT),
            (vec![tagged, better], vec![Set::Med(Amount::To(9))], ACCEPT),
            (vec![], vec![], REJECT),
        ],
        Action::Reject,
    )]);
    let attributes = attributes();
    let Verdict::Accept(accepted) = chain.judge(&route(&attributes)) else { panic!("rejected") };
    assert_eq!(accepted.by.to_string(), "rule 3 of policy p");
    assert_eq!(accepted.changes.iter().count(), 3);
    assert_eq!(chain.policies()[0].hits().collect::<Vec<_>>(), [0, 1, 1, 0, 0]);
    assert!(matches!(chain.consider(&route(&attributes)), Verdict::Accept(_)));
    assert_eq!(chain.policies()[0].hits().sum::<u64>(), 2, "who only asks is not counted");
}

#[test]
fn policies_call_each_other_and_come_back_with_next() {
    let wide = prefixes(vec![line("10.0.0.0/8", 8, 32)]);
    let inner =
        policy("inner", vec![(vec![prefixes(vec![line("10.2.0.0/16", 16, 32)])], vec![], REJECT)], Action::Next);
    let outer = policy("outer", vec![(vec![wide], vec![Set::NoMed], Then::Call(1))], Action::Accept);
    let chain = chain(vec![outer, inner]);
    let attributes = attributes();
    let verdict = |prefix: &str| chain.consider(&Route { prefix: net(prefix), ..route(&attributes) });
    assert!(matches!(verdict("10.2.0.0/16"), Verdict::Reject(by) if by.to_string() == "rule 1 of policy inner"));
    let Verdict::Accept(accepted) = verdict("10.3.0.0/16") else { panic!("rejected") };
    assert_eq!((accepted.by, accepted.changes.iter().count()), (Decider::Default("outer".into()), 1));
    let Verdict::Accept(accepted) = verdict("192.0.2.0/24") else { panic!("rejected") };
    assert!(accepted.changes.is_none());
    let mut trace = Trace::default();
    chain.observe(&route(&attributes), &mut trace);
    let lines: Vec<_> = trace.lines.iter().map(|line| format!("{}: {}", line.place, line.text)).collect();
    assert_eq!(lines, ["rule 1 of policy outer: med none, call", "rule 1 of policy inner: reject"]);
}

#[test]
fn a_chain_goes_from_step_to_step_and_rejects_at_its_end() {
    let attributes = attributes();
    let passing = policy("p", vec![(vec![], vec![Set::NoMed], NEXT)], Action::Next);
    let steps = vec![
        Step::Lines(PrefixList::new(vec![deny("10.9.0.0/16", 16, 32)])),
        Step::Policy(0),
        Step::Lines(PrefixList::new(vec![line("10.2.0.0/16", 16, 24)])),
        Step::Networks,
    ];
    let chain = Chain::new(Arc::new(PolicySet::new(vec![passing]).unwrap()), steps, Basis::Written);
    assert_eq!(
        chain.to_string(),
        "deny 10.9.0.0/16 le 32, then policy p, then 10.2.0.0/16 le 24, then the router's networks"
    );
    let of = |prefix: &str, source| chain.consider(&Route { prefix: net(prefix), source, ..route(&attributes) });
    assert_eq!(of("10.9.1.0/24", Source::Bgp), Verdict::Reject(Decider::Line(1)));
    assert!(
        matches!(of("10.2.1.0/24", Source::Bgp), Verdict::Accept(a) if a.by == Decider::Line(2) && !a.changes.is_none())
    );
    assert_eq!(of("10.3.1.0/24", Source::Bgp), Verdict::Reject(Decider::End));
    assert!(matches!(of("10.3.1.0/24", Source::Originated), Verdict::Accept(a) if a.by == Decider::Networks));
    assert_eq!(Chain::missing().consider(&route(&attributes)), Verdict::Reject(Decider::Missing));
    assert!(matches!(Chain::everything().consider(&route(&attributes)), Verdict::Accept(a) if a.changes.is_none()));
}

#[test]
fn a_default_route_is_named_only_by_a_line_for_it_alone() {
    let attributes = attributes();
    let named = |chain: Chain| match chain.consider(&Route { prefix: net("0.0.0.0/0"), ..route(&attributes) }) {
        Verdict::Accept(accepted) => accepted.names_default,
        Verdict::Reject(by) => panic!("{by}"),
    };
    assert!(named(Chain::lines(vec![line("0.0.0.0/0", 0, 0)])));
    assert!(!named(Chain::lines(vec![line("0.0.0.0/0", 0, 32)])));
    assert!(!named(Chain::everything()));
    let by = |lines| chain(vec![policy("p", vec![(vec![prefixes(lines)], vec![], ACCEPT)], Action::Reject)]);
    assert!(named(by(vec![line("0.0.0.0/0", 0, 0)])));
    assert!(!named(by(vec![line("0.0.0.0/0", 0, 8)])));
}

#[test]
fn policies_that_call_themselves_are_refused() {
    let calls = |name: &str, callee: usize| policy(name, vec![(vec![], vec![], Then::Call(callee))], Action::Next);
    let refused = |policies: Vec<Policy>| PolicySet::new(policies).unwrap_err();
    assert_eq!(refused(vec![calls("a", 0)]), PolicySetError::Loop { policy: "a".into() });
    assert!(matches!(refused(vec![calls("a", 1), calls("b", 0)]), PolicySetError::Loop { .. }));
    assert_eq!(refused(vec![calls("a", 1)]), PolicySetError::NoCallee { policy: "a".into(), callee: 1 });
    let deep = |count: usize| {
        let mut all: Vec<_> = (0..count).map(|at| calls(&at.to_string(), at + 1)).collect();
        all.push(policy("last", vec![], Action::Next));
        all
    };
    assert!(PolicySet::new(deep(rule::MAX_CALLS)).is_ok());
    assert!(matches!(refused(deep(rule::MAX_CALLS + 1)), PolicySetError::TooDeep { .. }));
    assert!(matches!(refused(deep(100_000)), PolicySetError::TooDeep { .. }));
}

#[test]
fn chains_are_equal_when_they_say_the_same_and_counting_goes_on() {
    let named = |name: &str, default| policy(name, vec![(vec![], vec![Set::NoMed], NEXT)], default);
    let steps = |at| vec![Step::Policy(at)];
    let one = Arc::new(PolicySet::new(vec![named("p", Action::Accept), named("q", Action::Reject)]).unwrap());
    let two = PolicySet::new(vec![named("q", Action::Reject), named("p", Action::Accept)]).unwrap();
    let three = PolicySet::new(vec![named("p", Action::Reject)]).unwrap();
    let chain = |set: PolicySet, at| Chain::new(Arc::new(set), steps(at), Basis::Written);
    let running = Chain::new(Arc::clone(&one), steps(0), Basis::Written);
    assert_eq!(running, chain(two.clone(), 1));
    assert_ne!(running, chain(two.clone(), 0));
    assert_ne!(running, chain(three.clone(), 0));
    let attributes = attributes();
    drop(running.judge(&route(&attributes)));
    let hits = |mut set: PolicySet, at: usize| {
        set.keep_hits(&one);
        set.policies()[at].hits().collect::<Vec<_>>()
    };
    assert_eq!((hits(two, 1), hits(three, 0)), (vec![1, 1], vec![0, 0]));
}

proptest! {
    /// Conditions on single bits of the prefix: the first rule whose bits fit must decide.
    #[test]
    fn the_order_of_rules_is_the_order_of_deciding(
        rules in prop::collection::vec((0_u8..16, 0_u8..16, any::<bool>()), 0..12),
        octet in any::<u8>(),
        default in any::<bool>(),
    ) {
        let prefix: IpNet = format!("10.{octet}.0.0/16").parse().unwrap();
        let action = |accept| Then::Do(if accept { Action::Accept } else { Action::Reject });
        let matches = |high: u8, low: u8| high == octet >> 4 && (low < 8 || low & 7 == octet & 7);
        let condition = |high: u8, low: u8| {
            let all = (0..=15_u8).filter(|other| matches!((high, low), (h, l) if {
                let octet = h << 4 | other;
                l < 8 || l & 7 == octet & 7
            }));
            prefixes(all.map(|other| line(&format!("10.{}.0.0/16", high << 4 | other), 16, 16)).collect())
        };
        let built = rules.iter().map(|(high, low, accept)| (vec![condition(*high, *low)], vec![], action(*accept))).collect();
        let default_action = if default { Action::Accept } else { Action::Reject };
        let chain = chain(vec![policy("p", built, default_action)]);
        let expected = rules.iter().find(|(high, low, _)| matches(*high, *low)).map_or(default, |(_, _, accept)| *accept);
        let attributes = attributes();
        let verdict = chain.consider(&Route { prefix, ..route(&attributes) });
        prop_assert_eq!(matches!(verdict, Verdict::Accept(_)), expected);
    }
}
