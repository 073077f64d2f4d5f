//! What each mistake looks like: one case per rule, rendered.

mod beyond;
mod ipsec;
mod pools;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{GOOD, changed, check, rendered};
use crate::{Code, Severity};

/// The rule that is broken, and how.
pub(super) type Case = (Code, &'static [(&'static str, &'static str)]);

const T1: &str = "    inside: 169.254.21.0/30\n";

const SHAPE: &[Case] = &[
    (Code::Empty, &[(GOOD, "# nothing\n")]),
    (Code::YamlSyntax, &[("asn: 65000", "asn: 65000: 1")]),
    (Code::YamlSyntax, &[("name: edge", "name: !edge x")]),
    (Code::YamlSyntax, &[("  asn: 65000", "\tasn: 65000")]),
    (Code::TooDeep, &[("name: edge", "name: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]")]),
    (Code::DuplicateKey, &[("asn: 65000", "asn: 65000\n  name: other")]),
    (Code::UnknownKey, &[("router-id", "router_id")]),
    (Code::UnknownKey, &[("{asn: 64512}", "{asn: 64512, hold-tim: 30s, colour: red}")]),
    (Code::MissingKey, &[("  asn: 65000\n  router-id: 10.1.0.1\n", "")]),
    (Code::MissingKey, &[("{asn: 64512}", "{}"), ("    remote: 203.0.113.11\n", "")]),
    (Code::MissingKey, &[("router:\n", "x-router:\n")]),
    (Code::Value, &[("asn: 65000", "asn: 4294967296"), ("asn: 64512", "asn: AS1")]),
    (Code::Value, &[("router:\n", "router: []\nx:\n")]),
    (Code::Value, &[("networks: [10.1.0.0/16]", "networks: 10.1.0.0/16")]),
    (Code::Value, &[("[10.1.0.0/16]", "[10.1.0.1/16, 10.2.0.0]")]),
    (Code::Value, &[("profile: aws", "profile: awz")]),
    (Code::Value, &[("router-id: 10.1.0.1", "router-id:")]),
    (
        Code::Value,
        &[("{asn: 64512}", "{asn: 64512, hold-time: 30, passive: yes, prepend: 17, import: [10.0.0.0/8 le 4]}")],
    ),
    (Code::Value, &[(T1, "    inside: [169.254.21.0/30]\n    esp: {lifetime: 1 h, bytes: 100}\n")]),
    (Code::Value, &[(T1, "    inside: 169.254.21.0/30\n    ike: {port: 4501}\n")]),
    (Code::Value, &[(T1, "    inside: 169.254.21.0/30\n    dscp: 64\n    df: maybe\n")]),
    (
        Code::Value,
        &[(T1, "    inside: 169.254.21.0/30\n    ike: {proposals: [aes999-sha256-modp2048, aes256gcm16]}\n")],
    ),
];

const ROUTER: &[Case] = &[
    (Code::Name, &[("name: edge", "name: my router")]),
    (Code::RouterId, &[("router-id: 10.1.0.1", "router-id: 169.254.21.2")]),
    (Code::RouterId, &[("router-id: 10.1.0.1", "router-id: 0.0.0.0")]),
    (Code::KernelTable, &[("asn: 65000", "asn: 65000\n  table: 255")]),
    (Code::SocketPath, &[("asn: 65000", "asn: 65000\n  api: {socket: run/qs.sock}")]),
    (Code::MetricsExposed, &[("asn: 65000", "asn: 65000\n  metrics: {listen: '0.0.0.0:9179'}")]),
    (Code::AsnReserved, &[("asn: 65000", "asn: 23456"), ("asn: 64512", "asn: 65535")]),
    (Code::AsnDocumentation, &[("asn: 65000", "asn: 64496")]),
    (Code::AsnCloud, &[("asn: 65000", "asn: 65515"), ("profile: aws", "profile: azure")]),
    (Code::AsnEqual, &[("asn: 64512", "asn: 65000")]),
    (Code::NetworkDuplicate, &[("[10.1.0.0/16]", "[10.1.0.0/16, 10.1.0.0/16]")]),
    (Code::NetworkMartian, &[("[10.1.0.0/16]", "[127.0.0.0/8, 169.254.0.0/17, 'ff02::/16']")]),
    (
        Code::NetworkInside,
        &[
            ("profile: aws", "profile: generic"),
            ("[10.1.0.0/16]", "[10.0.0.0/8]"),
            ("169.254.21.0/30", "{prefix: 10.9.0.0/30, side: first}"),
            ("169.254.22.0/30", "{prefix: 169.254.22.0/30, side: first}"),
        ],
    ),
    (Code::NetworkOutside, &[("[10.1.0.0/16]", "[203.0.113.0/24]")]),
    (
        Code::NetworkInside,
        &[
            ("[10.1.0.0/16]", "[10.1.0.0/16, 'fd00:21::/48']"),
            (T1, "    inside: 169.254.21.0/30\n    inside6: fd00:21::/126\n"),
        ],
    ),
    (Code::NetworkDefault, &[("[10.1.0.0/16]", "[0.0.0.0/0]")]),
    (Code::ImportDefault, &[("{asn: 64512}", "{asn: 64512, import: [0.0.0.0/0]}")]),
    (Code::NetworkFamily, &[("[10.1.0.0/16]", "[10.1.0.0/16, '2001:db8:1::/48']")]),
    (Code::NothingAnnounced, &[("  networks: [10.1.0.0/16]\n", "")]),
];

const TUNNELS: &[Case] = &[
    (Code::NoTunnels, &[("tunnels:\n", "tunnels: []\nx-tunnels:\n")]),
    (Code::SingleTunnel, &[("  - name: t2\n    remote: 203.0.113.12\n    inside: 169.254.22.0/30\n", "")]),
    (Code::NoSession, &[("  bgp: {asn: 64512}\n", "")]),
    (Code::DuplicateName, &[("name: t2", "name: t1")]),
    (
        Code::KernelHeader,
        &[("asn: 65000", "asn: 65000\n  dataplane: kernel"), (T1, "    inside: 169.254.21.0/30\n    dscp: ef\n")],
    ),
    (
        Code::KernelHeader,
        &[("asn: 65000", "asn: 65000\n  dataplane: kernel"), (T1, "    inside: 169.254.21.0/30\n    df: set\n")],
    ),
    (Code::Interface, &[(T1, "    inside: 169.254.21.0/30\n    interface: much-too-long-a-name\n")]),
    (Code::DuplicateInterface, &[(T1, "    inside: 169.254.21.0/30\n    interface: qs-t2\n")]),
    (Code::OutsideForbidden, &[("203.0.113.11", "100.64.0.1"), ("local: 192.0.2.10", "local: 127.0.0.1")]),
    (Code::OutsideForbidden, &[("203.0.113.11", "224.0.0.1"), ("203.0.113.12", "255.0.0.1")]),
    (Code::OutsideShared, &[("local: 192.0.2.10", "local: 100.64.0.1")]),
    (Code::OutsideFamily, &[("203.0.113.11", "2001:db8::11")]),
    (Code::OutsideEqual, &[("203.0.113.11", "192.0.2.10")]),
    (Code::OutsideSamePair, &[("203.0.113.12", "203.0.113.11")]),
    (Code::InsideRange, &[("169.254.21.0/30", "10.9.0.0/30"), ("169.254.22.0/30", "169.254.22.0/29")]),
    (Code::InsideReserved, &[("169.254.21.0/30", "169.254.5.0/30"), ("169.254.22.0/30", "169.254.169.252/30")]),
    (Code::InsideCloudRange, &[("profile: aws", "profile: azure"), ("169.254.21.0/30", "169.254.20.252/30")]),
    (Code::InsideAddress, &[("169.254.21.0/30", "{prefix: 169.254.21.0/30, local: 169.254.21.3, peer: 169.254.21.9}")]),
    (Code::InsideAddress, &[("169.254.21.0/30", "{local: 169.254.21.2}")]),
    (Code::InsideSide, &[("profile: aws", "profile: generic")]),
    (Code::InsideCloudSide, &[("169.254.21.0/30", "{prefix: 169.254.21.0/30, side: first}")]),
    (Code::InsideOverlap, &[("169.254.22.0/30", "169.254.21.0/30")]),
    (
        Code::IdentityEqual,
        &[(T1, "    inside: 169.254.21.0/30\n    local-id: gw.example\n    remote-id: gw.example\n")],
    ),
];

const ROUTER_END: &str = "  networks: [10.1.0.0/16]\n";
const ROOT: &str = "tunnels:\n";

const BGP: &[Case] = &[
    (Code::HoldTime, &[("{asn: 64512}", "{asn: 64512, hold-time: 2s}")]),
    (Code::HoldTimeOff, &[("{asn: 64512}", "{asn: 64512, hold-time: 0s}")]),
    (Code::Keepalive, &[("{asn: 64512}", "{asn: 64512, hold-time: 30s, keepalive: 20s}")]),
    (Code::TimersCloud, &[("profile: aws", "profile: azure"), ("{asn: 64512}", "{asn: 64512, hold-time: 30s}")]),
    (Code::PassiveCloud, &[("profile: aws", "profile: azure"), ("{asn: 64512}", "{asn: 64512, passive: true}")]),
    (Code::PrefixLimitZero, &[("{asn: 64512}", "{asn: 64512, max-prefix: {in: 0}}")]),
    (
        Code::PrefixLimitOut,
        &[("[10.1.0.0/16]", "[10.1.0.0/16, 10.3.0.0/16]"), ("{asn: 64512}", "{asn: 64512, max-prefix: {out: 1}}")],
    ),
    (Code::PrefixLimitCloud, &[("{asn: 64512}", "{asn: 64512, max-prefix: {out: 1001}}")]),
    (Code::PrefixLimitCloud, &[("{asn: 64512}", "{asn: 64512, max-prefix: {out: 500}}")]),
    (Code::FamilyWithoutLink, &[("{asn: 64512}", "{asn: 64512, families: [ipv4, ipv6]}")]),
    (Code::BfdCloud, &[("{asn: 64512}", "{asn: 64512, bfd: true}")]),
    (Code::BfdInterval, &[("{asn: 64512}", "{asn: 64512, bfd: {interval: 5ms, min-receive: 2m}}")]),
    (Code::BfdHasty, &[("{asn: 64512}", "{asn: 64512, bfd: {interval: 20ms, min-receive: 20ms}}")]),
    (Code::BfdHasty, &[("{asn: 64512}", "{asn: 64512, bfd: {multiplier: 1}}")]),
    (Code::BfdSlow, &[("{asn: 64512}", "{asn: 64512, bfd: {interval: 10s}}")]),
    (Code::BfdKey, &[("{asn: 64512}", "{asn: 64512, bfd: {authentication: {key-id: 1}}}")]),
    (Code::BfdKey, &[("{asn: 64512}", "{asn: 64512, bfd: {authentication: {key-id: 1, file: good.psk}}}")]),
    (Code::BfdKey, &[("{asn: 64512}", "{asn: 64512, bfd: {authentication: {kind: md5, file: absent.psk}}}")]),
    (Code::BfdKeyMode, &[("{asn: 64512}", "{asn: 64512, bfd: {authentication: {key-id: 1, env: bfd-open.key}}}")]),
    (
        Code::BfdRange,
        &[(ROOT, "neighbors:\n  - {name: a, asn: 65010, range: 10.1.0.0/24, bgp: {bfd: true}}\ntunnels:\n")],
    ),
];

const SPEAKER: &[Case] = &[
    (Code::PrefixRestart, &[("{asn: 64512}", "{asn: 64512, max-prefix-restart: 1ms}")]),
    (Code::AddPath, &[("{asn: 64512}", "{asn: 64512, add-path: {ipv6: both}}")]),
    (Code::GracefulRestart, &[("{asn: 64512}", "{asn: 64512, graceful-restart: {restart-time: 2h}}")]),
    (Code::GracefulRestart, &[("{asn: 64512}", "{asn: 64512, graceful-restart: {stale-time: 0s}}")]),
    (Code::Role, &[("{asn: 64512}", "{asn: 64512, role-strict: true}")]),
    (Code::Role, &[("{asn: 64512}", "{asn: 65000, role: customer}")]),
    (Code::Md5Key, &[("{asn: 64512}", "{asn: 64512, md5: {file: empty.psk}}")]),
    (Code::HoldTime, &[("{asn: 64512}", "{asn: 64512, hold-time: 30s, min-hold-time: 31s}")]),
];

/// What is done to routes.
const ROUTES: &[Case] = &[
    (Code::AggregateDuplicate, &[(NETWORKS, "  aggregates: [{prefix: 10.2.0.0/16}, {prefix: 10.2.0.0/16}]\n")]),
    (Code::AggregatePrefix, &[(NETWORKS, "  aggregates: [{prefix: 169.254.0.0/16}]\n")]),
    (Code::AggregatePrefix, &[(NETWORKS, "  aggregates: [{prefix: 10.2.0.1/32}]\n")]),
    (Code::AggregateCapture, &[(NETWORKS, "  aggregates: [{prefix: 203.0.113.0/24}]\n")]),
    (Code::AggregateAsSet, &[(NETWORKS, "  aggregates: [{prefix: 10.2.0.0/16, as-set: true}]\n")]),
    (Code::AggregateNetwork, &[(NETWORKS, "  networks: [10.2.0.0/16]\n  aggregates: [{prefix: 10.2.0.0/16}]\n")]),
    (Code::MissingKey, &[(NETWORKS, "  aggregates: [{summary-only: true}]\n")]),
    (Code::Value, &[("{asn: 64512}", "{asn: 64512, send-paths: some}")]),
    (Code::Value, &[("{asn: 64512}", "{asn: 64512, remove-private-as: none}")]),
    (Code::Value, &[("{asn: 64512}", "{asn: 64512, allowas-in: 0}")]),
    (Code::TreatmentIdle, &[("{asn: 64512}", "{asn: 64512, next-hop-self: false}")]),
    (Code::TreatmentIdle, &[("{asn: 64512}", "{asn: 64512, send-paths: ecmp}")]),
    (
        Code::TreatmentIdle,
        &[("profile: aws", "profile: generic"), ("{asn: 64512}", "{asn: 64512, max-prefix: {warn: 80}}")],
    ),
    (Code::TreatmentIdle, &[("{asn: 64512}", "{asn: 65000, as-override: true}")]),
    (Code::PrefixLimitOut, &[("{asn: 64512}", "{asn: 64512, default-originate: true, max-prefix: {out: 1}}")]),
];

/// Pools of clients beside the router.
const NETWORKS: &str = "  networks: [10.1.0.0/16]\n";

const GROUPS: [(&str, &[Case]); 14] = [
    ("clouds", super::clouds::CASES),
    ("speaker", SPEAKER),
    ("post-quantum", ipsec::POST_QUANTUM),
    ("shape", SHAPE),
    ("router", ROUTER),
    ("tunnels", TUNNELS),
    ("beyond", beyond::CASES),
    ("connections", super::connections::CASES),
    ("secrets", ipsec::SECRETS),
    ("certificates", ipsec::CERTIFICATES),
    ("ipsec", ipsec::IPSEC),
    ("bgp", BGP),
    ("routes", ROUTES),
    ("pools", pools::CASES),
];

pub(super) fn text(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(GOOD.to_owned(), |text, (from, to)| changed(&text, from, to))
}

pub(super) fn codes(text: &str) -> Vec<Code> {
    match check(text) {
        Ok(loaded) => loaded.warnings.iter().map(crate::Diagnostic::code).collect(),
        Err(report) => report.diagnostics().iter().map(crate::Diagnostic::code).collect(),
    }
}

/// The configurations of all cases.
pub(super) fn every_case() -> Vec<String> {
    let cases = GROUPS.iter().flat_map(|(_, cases)| cases.iter().map(|(_, changes)| text(changes)));
    cases.chain(super::policies::every_case()).chain(super::flows::every_case()).collect()
}

#[test]
fn every_mistake_is_found_and_looks_like_this() {
    for (group, cases) in GROUPS {
        let mut all = String::new();
        for (code, changes) in cases {
            let text = text(changes);
            assert!(codes(&text).contains(code), "{code} is not among\n{}", rendered(&text));
            writeln!(all, "==== {code}\n\n{}", rendered(&text)).unwrap();
        }
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(group, all) });
    }
}

#[test]
fn every_rule_has_a_case() {
    let shown: BTreeSet<_> = GROUPS.iter().flat_map(|(_, cases)| cases.iter().map(|(code, _)| *code)).collect();
    let shown: BTreeSet<_> = shown.into_iter().chain(super::policies::CASES.iter().map(|(code, _)| *code)).collect();
    let shown: BTreeSet<_> = shown.into_iter().chain(super::flows::CASES.iter().map(|(code, _)| *code)).collect();
    let elsewhere = [Code::Unreadable, Code::TooLarge, Code::FlowCount, Code::FlowIdle];
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !shown.contains(code) && !elsewhere.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn all_seven_reserved_links_are_refused_with_every_profile() {
    // S0-48.
    for profile in ["aws", "azure", "generic"] {
        for reserved in ["0.0", "1.0", "2.0", "3.0", "4.0", "5.0", "169.252"] {
            let link = format!("{{prefix: 169.254.{reserved}/30, side: second}}");
            let text =
                changed(&changed(GOOD, "profile: aws", &format!("profile: {profile}")), "169.254.21.0/30", &link);
            assert!(codes(&text).contains(&Code::InsideReserved), "{profile} {reserved}");
        }
    }
}

#[test]
fn every_link_of_azures_range_is_taken_and_its_neighbours_are_not() {
    // S4-06: 128 links.
    let azure = changed(GOOD, "profile: aws", "profile: azure");
    let mut taken = 0;
    for number in 0..=255_u32 {
        let (third, fourth) = (20 + number * 4 / 256, number * 4 % 256);
        let text = changed(&azure, "169.254.21.0/30", &format!("169.254.{third}.{fourth}/30"));
        let refused = codes(&text).contains(&Code::InsideCloudRange);
        assert_eq!(refused, !(21..=22).contains(&third), "169.254.{third}.{fourth}");
        taken += u32::from(!refused);
    }
    assert_eq!(taken, 128);
}

#[test]
fn a_finding_knows_its_place_text_reason_and_remedy() {
    let report = check(&changed(GOOD, "asn: 64512", "asn: 65000")).unwrap_err();
    let [finding] = report.diagnostics() else { panic!("{report}") };
    assert_eq!((finding.file(), finding.line(), finding.column()), ("edge.yaml", 10, 14));
    assert_eq!((finding.text(), finding.severity()), ("65000", Severity::Error));
    assert_eq!(finding.to_string(), "both ends are AS 65000");
    assert_eq!(finding.brief(), "edge.yaml:10:14: error: both ends are AS 65000");
    assert!(finding.remedy().contains("private number"));
    assert_eq!(report.to_string(), "edge.yaml: 1 error");
}

#[test]
fn all_findings_of_all_stages_come_at_once() {
    let text = text(&[
        ("name: edge", "name: my router"),
        ("asn: 65000", "asn: x\n  colour: red"),
        ("10.1.0.0/16", "127.0.0.0/8"),
        ("good.psk", "absent.psk"),
        ("169.254.22.0/30", "169.254.21.0/30"),
    ]);
    let found = codes(&text);
    for code in
        [Code::Name, Code::Value, Code::UnknownKey, Code::NetworkMartian, Code::PskUnavailable, Code::InsideOverlap]
    {
        assert!(found.contains(&code), "{code} is not among {found:?}");
    }
}

#[test]
fn a_mistake_in_the_defaults_is_reported_once() {
    let text = changed(GOOD, "{asn: 64512}", "{asn: 64512, hold-time: 2s}");
    assert_eq!(codes(&text), [Code::HoldTime]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_report_too() {
    let folder = tempfile::tempdir().unwrap();
    let report = crate::load(&folder.path().join("absent.yaml")).unwrap_err();
    assert_eq!(report.diagnostics()[0].code(), Code::Unreadable);
    std::fs::write(folder.path().join("latin1.yaml"), [0x72, 0xfc]).unwrap();
    let report = crate::load(&folder.path().join("latin1.yaml")).unwrap_err();
    assert!(report.render(false).contains("not UTF-8"), "{}", report.render(false));
}

#[test]
fn a_file_is_read_with_the_secrets_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.psk"), "Correct.Horse.Battery.Staple\r\n").unwrap();
    std::fs::write(folder.path().join("edge.yaml"), GOOD).unwrap();
    let loaded = crate::load(&folder.path().join("edge.yaml")).unwrap();
    assert_eq!(loaded.router.tunnels[0].ike.auth.shared_key().unwrap().expose(), b"Correct.Horse.Battery.Staple");
}

#[test]
fn places_are_right_whatever_line_ends_and_letters_precede_them() {
    let place = |text: &str| {
        let report = check(text).unwrap_err();
        let [finding] = report.diagnostics() else { panic!("{}", report.render(false)) };
        (finding.line(), finding.column(), finding.text().to_owned())
    };
    let wrong = changed(GOOD, "asn: 64512", "asn: 65000");
    assert_eq!(place(&wrong), (10, 14, "65000".to_owned()));
    assert_eq!(place(&wrong.replace('\n', "\r\n")), (10, 14, "65000".to_owned()));
    let letters = changed(&wrong, "  psk:", "  # \u{fc}\u{20ac}\u{1f600}\n  psk:");
    assert_eq!(place(&letters), (11, 14, "65000".to_owned()));
    let quoted = changed(&wrong, "bgp: {asn: 65000}", "bgp: {import: [], \"asn\": \"65000\"}");
    assert_eq!(place(&quoted), (10, 28, "\"65000\"".to_owned()));
}
