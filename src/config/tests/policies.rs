//! Policies and lists: what they come to, and what each mistake looks like.

use std::fmt::Write as _;

use bgp::{AsPath, AsPathSegment, Attributes};
use policy::{Accepted, Basis, Chain, Decider, Route, Source, Verdict};
use wire::Asn;

use super::diagnostics::Case;
use super::{GOOD, changed, check, rendered};
use crate::Code;
use settings::Router;

const POLICIES: &str = "\
prefix-lists:
  vpcs: [deny 10.2.9.0/24, 10.2.0.0/16 le 24]
as-path-lists:
  clean: [deny _64666_, '^64512']
community-lists:
  ours: ['65000:*', '65000:*:*']
policies:
  tag:
    rules:
      - set: {communities: {remove: ['65000:*'], add: ['65000:7', '65000:1:7', 'link-bandwidth:65000:1Gbps']}}
        action: next
    default: next
  from-aws:
    rules:
      - {match: {prefix: [vpcs, '2001:db8::/32 le 48'], as-path: clean, prefix-length: 16-24}, call: tag}
      - name: backup
        match: {prefix: vpcs, communities: [no-export, '64512:100-200'], communities-none: ours, med: 0-99}
        set: {local-preference: -20, med: none, prepend: 2, origin: incomplete, next-hop: peer}
        action: accept
      - {match: {prefix: vpcs, peer: 't*', source: [bgp, static], origin: igp, origin-as: [64512, 65000-65010]}, action: accept}
    default: reject
  to-aws:
    rules:
      - {match: {prefix: 10.1.0.0/16, family: ipv4, local-preference: 100-}, set: {prepend: [65000, 65000], med: '+5'}, action: accept}
      - {match: {next-hop: [192.0.2.1, 198.51.100.0/24], as-path-length: 0-3, communities-all: [no-peer]}, action: reject}
    default: next
";

fn with(sessions: &str) -> String {
    format!("{}{POLICIES}", changed(GOOD, "bgp: {asn: 64512}", &format!("bgp: {{asn: 64512, {sessions}}}")))
}

fn router(text: &str) -> Router {
    let loaded = check(text).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let warnings: Vec<_> = loaded.warnings.iter().map(crate::Diagnostic::brief).collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
    loaded.router
}

fn judge(chain: &Chain, prefix: &str, attributes: &Attributes) -> Verdict {
    chain.consider(&Route {
        prefix: prefix.parse().unwrap(),
        attributes,
        local_preference: 100,
        next_hop: Some("169.254.21.1".parse().unwrap()),
        source: Source::Bgp,
        peer: "t1",
        repeat: Asn(64512),
    })
}

fn sequence(numbers: &[u32]) -> AsPath {
    AsPath(vec![AsPathSegment::Sequence(numbers.iter().copied().map(Asn).collect())])
}

#[test]
fn policies_do_what_is_written() {
    let router = router(&with("import: [deny 10.2.8.0/24, from-aws], export: [to-aws, networks]"));
    let policy = &router.tunnels[0].bgp.as_ref().unwrap().policy;
    assert_eq!(policy.import.to_string(), "deny 10.2.8.0/24, then policy from-aws");
    assert_eq!(policy.export.to_string(), "policy to-aws, then the router's networks");
    let plain = Attributes { as_path: sequence(&[64512]), ..Attributes::default() };
    let by = |verdict: Verdict| match verdict {
        Verdict::Accept(accepted) => format!("accepted by {}", accepted.by),
        Verdict::Reject(by) => format!("rejected by {by}"),
    };
    let import = |prefix: &str| by(judge(&policy.import, prefix, &plain));
    assert_eq!(import("10.2.8.0/24"), "rejected by line 1 of the list");
    assert_eq!(import("10.2.9.0/24"), "rejected by the default of policy from-aws");
    assert_eq!(import("10.2.1.0/24"), "accepted by rule 3 of policy from-aws");
    assert_eq!(import("10.2.1.0/25"), "rejected by the default of policy from-aws");
    let marked =
        Attributes { communities: vec![0xffff_ff01], med: Some(50), as_path: sequence(&[64666]), ..plain.clone() };
    let Verdict::Accept(Accepted { by, changes, .. }) = judge(&policy.import, "10.2.1.0/24", &marked) else { panic!() };
    assert_eq!(by.to_string(), "rule 2 (backup) of policy from-aws");
    let words: Vec<_> = changes.iter().map(ToString::to_string).collect();
    let expected = ["local-preference -20", "med none", "prepend 2 times", "next-hop peer", "origin incomplete"];
    assert_eq!(words, expected);
    let mut tagged = plain.clone();
    let Verdict::Accept(Accepted { changes, .. }) = judge(&policy.import, "10.2.1.0/24", &plain) else { panic!() };
    changes.make(&mut tagged, Asn(64512));
    assert_eq!(
        (tagged.communities.clone(), tagged.large_communities.clone()),
        (vec![65000 << 16 | 7], vec![[65000, 1, 7]])
    );
    assert_eq!(tagged.extended_communities.len(), 1);
}

#[test]
fn without_a_policy_the_profile_or_rfc_8212_decides() {
    let policy = |text: &str| {
        let router = check(text).unwrap_or_else(|report| panic!("{}", report.render(false))).router;
        router.tunnels[0].bgp.as_ref().unwrap().policy.clone()
    };
    let generic = changed(GOOD, "profile: aws", "profile: generic");
    let generic = changed(&generic, "169.254.21.0/30", "{prefix: 169.254.21.0/30, side: first}");
    let generic = changed(&generic, "169.254.22.0/30", "{prefix: 169.254.22.0/30, side: first}");
    let attributes = Attributes::default();
    assert_eq!(policy(GOOD).import.basis(), Basis::Profile("aws"));
    assert!(matches!(judge(&policy(GOOD).import, "10.2.0.0/16", &attributes), Verdict::Accept(_)));
    assert_eq!(judge(&policy(&generic).import, "10.2.0.0/16", &attributes), Verdict::Reject(Decider::Missing));
    assert!(matches!(
        judge(&policy(&changed(&generic, "asn: 64512", "asn: 64512, import: all")).import, "10.2.0.0/16", &attributes),
        Verdict::Accept(_)
    ));
    assert_eq!(policy(GOOD).export.to_string(), "the router's networks");
    let (honor, ignore) =
        (policy(GOOD), policy(&changed(GOOD, "asn: 64512", "asn: 64512, graceful-shutdown: ignore, drain: true")));
    assert!(honor.graceful_shutdown.honor && !honor.graceful_shutdown.drain);
    assert!(!ignore.graceful_shutdown.honor && ignore.graceful_shutdown.drain);
}

#[test]
fn counting_goes_on_over_a_reload_that_changes_nothing() {
    let sessions = "import: from-aws, export: [to-aws, networks]";
    let running = router(&with(sessions));
    let attributes = Attributes::default();
    let import = &running.tunnels[0].bgp.as_ref().unwrap().policy.import;
    drop(import.judge(&Route {
        prefix: "192.0.2.0/24".parse().unwrap(),
        attributes: &attributes,
        local_preference: 100,
        next_hop: None,
        source: Source::Bgp,
        peer: "t1",
        repeat: Asn(64512),
    }));
    let hits = |router: &Router, name: &str| {
        let at = router.policies.find(name).unwrap();
        router.policies.policies()[at].hits().collect::<Vec<_>>()
    };
    assert_eq!(hits(&running, "from-aws"), [0, 0, 0, 1]);
    let mut same = router(&with(sessions));
    same.keep_hits(&running);
    assert_eq!(hits(&same, "from-aws"), [0, 0, 0, 1]);
    assert_eq!(same.tunnels, running.tunnels);
    let mut other = router(&changed(&with(sessions), "med: 0-99", "med: 0-98"));
    other.keep_hits(&running);
    assert_eq!(hits(&other, "from-aws"), [0, 0, 0, 0]);
    assert_ne!(other.tunnels, running.tunnels);
}

fn text(changes: &[(&str, &str)]) -> String {
    let base = with("import: from-aws, export: [to-aws, networks]");
    changes.iter().fold(base, |text, (from, to)| changed(&text, from, to))
}

/// The configurations of all cases.
pub(super) fn every_case() -> Vec<String> {
    CASES.iter().map(|(_, changes)| text(changes)).collect()
}

/// What is found in the configuration that the cases are made from.
pub(super) fn codes_of_the_good_one() -> Vec<Code> {
    super::diagnostics::codes(&text(&[]))
}

#[test]
fn every_mistake_in_a_policy_looks_like_this() {
    let mut all = String::new();
    for (code, changes) in CASES {
        let text = text(changes);
        let shown = rendered(&text);
        assert!(shown.contains(code.as_str()), "{code} is not among\n{shown}");
        writeln!(all, "==== {code}\n\n{shown}").unwrap();
    }
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("policies", all) });
}

pub(super) const CASES: &[Case] = &[
    (Code::PolicyName, &[("  vpcs: [deny", "  10.x: [10.0.0.0/8]\n  vpcs: [deny")]),
    (Code::PolicyName, &[("  tag:\n", "  all: {default: next}\n  tag:\n")]),
    (Code::PolicyName, &[("  ours: [", "  no-export: ['1:1']\n  ours: [")]),
    (Code::PolicyUnknown, &[("prefix: vpcs, communities:", "prefix: vpc, communities:")]),
    (Code::PolicyUnknown, &[("as-path: clean", "as-path: cleen")]),
    (Code::PolicyUnknown, &[("communities-none: ours", "communities-none: [theirs, no-exports]")]),
    (Code::PolicyUnknown, &[("call: tag", "call: tags")]),
    (Code::PolicyUnknown, &[("import: from-aws", "import: [from-azure, 10.2.0.0]")]),
    (Code::PolicyLoop, &[("        action: next\n    default: next\n", "        call: from-aws\n    default: next\n")]),
    (Code::PolicyRule, &[("prefix-length: 16-24}, call: tag}", "prefix-length: 16-24}}")]),
    (Code::PolicyRule, &[("call: tag}", "call: tag, action: accept}")]),
    (Code::PolicyRule, &[("import: from-aws", "import: [networks]")]),
    (Code::PolicySet, &[("{remove: ['65000:*'], add:", "{remove: ['65000:*'], replace: [], add:")]),
    (Code::PolicySet, &[("next-hop: peer}\n        action: accept", "next-hop: peer}\n        action: reject")]),
    (Code::PolicySet, &[("next-hop: peer", "next-hop: self")]),
    (Code::PolicySet, &[("next-hop: peer", "next-hop: 192.0.2.7"), ("med: '+5'", "med: '+5', next-hop: peer")]),
    (Code::PolicySet, &[("med: '+5'", "med: '+5', next-hop: 192.0.2.7")]),
    (Code::PolicyUnreachable, &[("      - name: backup\n", "      - action: reject\n      - name: backup\n")]),
    (Code::PolicyUnreachable, &[("import: from-aws", "import: [all, from-aws]")]),
    (Code::PolicyShadowed, &[("10.2.0.0/16 le 24]", "10.2.0.0/16 le 24, 10.2.3.0/24]")]),
    (Code::PolicyUnused, &[("export: [to-aws, networks]", "export: networks")]),
    (Code::PolicyUnused, &[("prefix-lists:\n", "prefix-lists:\n  idle: [10.9.0.0/16]\n")]),
    (
        Code::PolicyMissing,
        &[
            ("profile: aws", "profile: generic"),
            ("169.254.21.0/30", "{prefix: 169.254.21.0/30, side: first}\n    bgp: {asn: 64513}"),
            ("169.254.22.0/30", "{prefix: 169.254.22.0/30, side: first}"),
            ("import: from-aws, ", ""),
        ],
    ),
    (Code::MissingKey, &[("    default: reject\n", "")]),
    (Code::Value, &[("'^64512']", "'6451[0-9]', '(64512', AS64512]")]),
    (Code::Value, &[("'65000:*', '65000:*:*'", "'65536:1', 'no-such', '1:2:3:4'")]),
    (Code::Value, &[("10.2.0.0/16 le 24]", "10.2.0.0/16 ge 24 le 16, 10.2.0.1/16]")]),
    (Code::Value, &[("add: ['65000:7',", "add: ['65000:*',")]),
    (
        Code::Value,
        &[("local-preference: -20, med: none, prepend: 2", "local-preference: 1.5, med: never, prepend: 33")],
    ),
    (Code::Value, &[("policies:\n", "policies: [tag]\nx-policies:\n")]),
    (Code::Value, &[("import: from-aws", "graceful-shutdown: yes, import: {a: b}")]),
    (Code::UnknownKey, &[("med: 0-99}", "metric: 0-99}")]),
];
