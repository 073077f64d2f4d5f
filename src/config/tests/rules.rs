//! Every rule with a configuration that breaks it and one, as near as may be, that does not.

use std::collections::{BTreeMap, BTreeSet};

use super::clouds::t1;
use super::diagnostics::{Case, codes, every_case, text};
use super::{GOOD, check};
use crate::{Code, Severity};

const NETWORKS: &str = "  networks: [10.1.0.0/16]\n";
const ROOT: &str = "tunnels:\n";
const PSK: &str = "psk: {file: good.psk}";
const BGP: &str = "{asn: 64512}";

/// One per rule. Without a change it is the configuration that all others are made from.
const PASSES: &[Case] = &[
    (Code::Empty, &[("router:\n", "# nothing\nrouter:\n")]),
    (Code::YamlSyntax, &[("asn: 65000", "asn: \"65000\"")]),
    (Code::TooDeep, &[("networks: [10.1.0.0/16]", "networks: [[[[[[10.1.0.0/16]]]]]]")]),
    (Code::TooLarge, &[("router:\n", "# a comment of some length, repeated nowhere\nrouter:\n")]),
    (Code::Unreadable, &[]),
    (Code::DuplicateKey, &[("  - name: t1\n", "  - name: t3\n")]),
    (Code::UnknownKey, &[(BGP, "{asn: 64512, hold-time: 30s}")]),
    (Code::MissingKey, &[("    remote: 203.0.113.12\n", "    remote: 203.0.113.13\n")]),
    (Code::Value, &[("asn: 65000", "asn: 0.65000")]),
    (Code::Name, &[("name: edge", "name: my-router_1.x")]),
    (Code::DuplicateName, &[("name: t2", "name: T1")]),
    (Code::Interface, &[t1!("interface: fifteen-octets1")]),
    (Code::DuplicateInterface, &[t1!("interface: qs-t3")]),
    (Code::NoTunnels, &[]),
    (Code::SingleTunnel, &[]),
    (Code::KernelTable, &[("asn: 65000", "asn: 65000\n  table: 100")]),
    (
        Code::KernelHeader,
        &[
            ("asn: 65000", "asn: 65000\n  dataplane: kernel"),
            t1!("dscp: clear"),
            ("  - name: t2\n", "  - name: t2\n    df: copy\n"),
        ],
    ),
    (Code::SocketPath, &[("asn: 65000", "asn: 65000\n  api: {socket: /run/qs.sock}")]),
    (Code::MetricsExposed, &[("asn: 65000", "asn: 65000\n  metrics: {listen: '127.0.0.1:9179'}")]),
    (Code::AsnReserved, &[("asn: 65000", "asn: 65534")]),
    (Code::AsnDocumentation, &[("asn: 65000", "asn: 64512"), ("{asn: 64512}", "{asn: 64513}")]),
    (Code::AsnCloud, &[("asn: 65000", "asn: 65515")]),
    (Code::AsnPublic, &[("asn: 65000", "asn: 64514")]),
    (Code::AsnEqual, &[("asn: 64512", "asn: 65001")]),
    (Code::RouterId, &[("router-id: 10.1.0.1", "router-id: 192.0.2.10")]),
    (Code::StaticTarget, &[(NETWORKS, "  static:\n    - {prefix: 10.8.0.0/16, blackhole: true}\n")]),
    (Code::StaticHop, &[(NETWORKS, "  static:\n    - {prefix: 10.8.0.0/16, via: [{tunnel: t1}, 10.1.0.9]}\n")]),
    (Code::StaticPrefix, &[(NETWORKS, "  static:\n    - {prefix: 169.253.0.0/16, via: [10.1.0.9]}\n")]),
    (
        Code::StaticDuplicate,
        &[(
            NETWORKS,
            "  static:\n    - {prefix: 10.8.0.0/16, via: [10.1.0.9]}\n    \
             - {prefix: 10.8.0.0/16, blackhole: true, distance: 200}\n",
        )],
    ),
    (Code::StaticCapture, &[(NETWORKS, "  static:\n    - {prefix: 203.0.112.0/24, via: [{tunnel: t1}]}\n")]),
    (Code::NeighborAddress, &[(ROOT, "neighbors:\n  - {name: core, asn: 65010, address: 10.1.0.9}\ntunnels:\n")]),
    (Code::NeighborAsn, &[(ROOT, "neighbors:\n  - {name: core, asn: 65010-65019, range: 10.1.0.0/24}\ntunnels:\n")]),
    (
        Code::NeighborPlace,
        &[(
            ROOT,
            "neighbors:\n  - {name: core, asn: 65010, address: 10.9.0.1, multihop: 2, local-address: 10.1.0.1}\ntunnels:\n",
        )],
    ),
    (
        Code::NeighborDuplicate,
        &[(
            ROOT,
            "neighbors:\n  - {name: a, asn: 65010, address: 10.1.0.9}\n  - {name: b, asn: 65010, address: 10.1.0.8}\n\
             tunnels:\n",
        )],
    ),
    (
        Code::LocalAsn,
        &[(
            ROOT,
            "neighbors:\n  - {name: a, asn: 65010, address: 10.1.0.9, bgp: {local-asn: 65001}}\n  \
             - {name: b, asn: [65010-65019, 65002], range: 10.2.0.0/24, bgp: {local-asn: 65001}}\n  \
             - {name: c, asn: external, range: 10.3.0.0/24, bgp: {local-asn: 65001}}\ntunnels:\n",
        )],
    ),
    (
        Code::StaticBfd,
        &[(
            NETWORKS,
            "  static:\n    - {prefix: 10.8.0.0/16, via: [{address: 10.1.0.9, interface: eth0, bfd: true}]}\n    \
             - {prefix: 10.9.0.0/16, via: [{address: 10.1.0.9, interface: eth1, bfd: {interval: 1s}}]}\n",
        )],
    ),
    (
        Code::NeighborKey,
        &[(
            ROOT,
            "neighbors:\n  - {name: a, asn: 65010, address: 10.2.0.9, local-address: 10.2.0.1}\n  \
             - {name: b, asn: 65010, address: 10.2.0.10, bgp: {md5: {inline: key-of-the-peer}}}\n  \
             - {name: c, asn: 65010, address: 10.3.0.9}\n  \
             - {name: d, asn: 65010, range: 10.2.0.0/24, local-address: 10.2.0.2, \
             bgp: {md5: {inline: key-of-the-range}}}\ntunnels:\n",
        )],
    ),
    (Code::NeighborInside, &[(ROOT, "neighbors:\n  - {name: a, asn: 65010, address: 169.254.23.1}\ntunnels:\n")]),
    (Code::NetworkDuplicate, &[("[10.1.0.0/16]", "[10.1.0.0/16, 10.1.0.0/17]")]),
    (Code::NetworkMartian, &[("[10.1.0.0/16]", "[169.253.0.0/16]")]),
    (Code::NetworkInside, &[("[10.1.0.0/16]", "[10.1.0.0/16, 10.9.0.0/16]")]),
    (Code::NetworkOutside, &[("[10.1.0.0/16]", "[203.0.112.0/24]")]),
    (Code::NetworkDefault, &[("[10.1.0.0/16]", "[10.0.0.0/8]")]),
    (Code::NetworkCloud, &[("[10.1.0.0/16]", "[0.0.0.0/0]")]),
    (Code::NetworkOverlap, &[t1!("selectors: {remote: [10.2.0.0/16, 169.254.21.0/30]}")]),
    (Code::NetworkPublic, &[("[10.1.0.0/16]", "[192.168.0.0/16, 198.51.100.0/24]")]),
    (Code::NetworkShared, &[("[10.1.0.0/16]", "[100.128.0.0/16]")]),
    (Code::ImportDefault, &[(BGP, "{asn: 64512, import: [10.0.0.0/8 le 24]}")]),
    (Code::NetworkFamily, &[("[10.1.0.0/16]", "[10.1.0.0/16, '2001:db8:1::/48']"), t1!("inside6: 'fd00:21::/126'")]),
    (Code::NothingAnnounced, &[(BGP, "{asn: 64512, export: [10.2.0.0/16]}"), (NETWORKS, "")]),
    (Code::AggregateDuplicate, &[(NETWORKS, "  aggregates: [{prefix: 10.2.0.0/16}, {prefix: 10.3.0.0/16}]\n")]),
    (Code::AggregatePrefix, &[(NETWORKS, "  aggregates: [{prefix: 10.2.0.0/31}]\n")]),
    (Code::AggregateCapture, &[(NETWORKS, "  aggregates: [{prefix: 203.0.112.0/24}]\n")]),
    (Code::AggregateAsSet, &[(NETWORKS, "  aggregates: [{prefix: 10.2.0.0/16, as-set: false}]\n")]),
    (Code::AggregateNetwork, &[(NETWORKS, "  networks: [10.2.1.0/24]\n  aggregates: [{prefix: 10.2.0.0/16}]\n")]),
    (Code::OutsideForbidden, &[("203.0.113.11", "100.63.255.255")]),
    (Code::OutsideCloud, &[("local: 192.0.2.10", "local: 100.64.0.1")]),
    (Code::OutsideShared, &[("local: 192.0.2.10", "local: 100.128.0.1")]),
    (
        Code::OutsideFamily,
        &[
            ("203.0.113.11", "2001:db8::11"),
            ("local: 192.0.2.10", "local: '2001:db8::10'"),
            ("203.0.113.12", "2001:db8::12"),
        ],
    ),
    (Code::OutsideEqual, &[("203.0.113.11", "192.0.2.11")]),
    (Code::OutsideSamePair, &[("203.0.113.12", "203.0.113.11\n    local: 192.0.2.11")]),
    (Code::InsideRange, &[("169.254.21.0/30", "169.254.255.252/30")]),
    (Code::InsideReserved, &[("169.254.21.0/30", "169.254.6.0/30"), ("169.254.22.0/30", "169.254.169.248/30")]),
    (Code::InsideCloudRange, &[("profile: aws", "profile: azure"), ("169.254.22.0/30", "169.254.22.252/30")]),
    (Code::InsideAddress, &[("169.254.21.0/30", "{local: 169.254.21.2, peer: 169.254.21.1}")]),
    (Code::InsideSide, &[("profile: aws", "profile: gcp")]),
    (Code::InsideCloudSide, &[("169.254.21.0/30", "{prefix: 169.254.21.0/30, side: second}")]),
    (Code::InsideOverlap, &[("169.254.22.0/30", "169.254.21.4/30")]),
    (Code::AzureOneAddress, &[("profile: aws", "profile: azure")]),
    (Code::AzureCustomAddress, &[("profile: aws", "profile: azure")]),
    (Code::PskChoice, &[(PSK, "psk: {env: PSK}")]),
    (Code::PskUnavailable, &[(PSK, "psk: {credential: good.psk}")]),
    (Code::PskEmpty, &[("good.psk", "short.psk")]),
    (Code::PskInline, &[(PSK, "psk: {env: PSK}")]),
    (Code::PskFileMode, &[]),
    (Code::PskShort, &[]),
    (Code::PskWhiteSpace, &[]),
    (Code::PskCloud, &[("good.psk", "dash.psk"), ("profile: aws", "profile: azure")]),
    (Code::PpkChoice, &[t1!("ppk: {id: k1, env: PPK}")]),
    (Code::PpkUnavailable, &[t1!("ppk: {id: k1, credential: long.ppk}")]),
    (Code::PpkEmpty, &[t1!("ppk: {id: k1, file: long.ppk}")]),
    (Code::PpkFileMode, &[t1!("ppk: {id: k1, file: long.ppk}")]),
    (Code::PpkShort, &[t1!("ppk: {id: k1, file: long.ppk}")]),
    (Code::PpkName, &[t1!("ppk: {id: kkkkkkkkkkkkkkkk, file: long.ppk}")]),
    (Code::PpkVersion, &[t1!("ike: {version: ikev2}\n    ppk: {id: k1, file: long.ppk}")]),
    (
        Code::AuthChoice,
        &[(
            PSK,
            "psk: {file: good.psk}\n  certificate: {chain: gateway.pem, key: gateway.key, ca: root.pem}\n  \
             auth: {local: certificate, remote: psk}",
        )],
    ),
    (Code::CertificateChoice, &[(PSK, CERTIFICATE)]),
    (Code::CertificateUnavailable, &[(PSK, CERTIFICATE)]),
    (Code::CertificateUnusable, &[(PSK, CERTIFICATE)]),
    (Code::CertificateKeyMode, &[(PSK, CERTIFICATE)]),
    (Code::CertificateTime, &[(PSK, CERTIFICATE)]),
    (Code::CertificateIdentity, &[(PSK, CERTIFICATE), t1!("local-id: 192.0.2.10")]),
    (Code::Ikev1Certificate, &[(PSK, CERTIFICATE), t1!("ike: {version: ikev2}")]),
    (Code::IdentityEqual, &[t1!("local-id: gw.example\n    remote-id: vpn.example")]),
    (Code::SuiteNone, &[t1!("ike: {proposals: [aes256-sha384-ecp384]}")]),
    (Code::SuiteLegacy, &[t1!("ike: {proposals: [aes128-sha256-modp2048]}")]),
    (Code::SuiteBroken, &[t1!("ike: {proposals: [3des-sha1-modp1024]}")]),
    (
        Code::SuiteWeakest,
        &[("profile: aws", "profile: azure"), t1!("ike: {proposals: [aes256-sha384-ecp384, aes128-sha256-modp2048]}")],
    ),
    (Code::SuiteCloud, &[t1!("esp: {proposals: [aes128gcm16-modp4096]}")]),
    (Code::SuiteTooLarge, &[t1!("ike: {proposals: [aes256gcm16-prfsha384-x25519-ke1_mlkem1024]}")]),
    (Code::PfsCloud, &[("profile: aws", "profile: azure\n  esp: {proposals: [aes256gcm16-ecp384-modpnone]}")]),
    (Code::Ikev1Mode, &[t1!("ike: {version: ikev1, mode: main}")]),
    (
        Code::Ikev1Suite,
        &[t1!("ike: {version: ikev1, proposals: [aes256-sha256-ecp384]}\n    esp: {proposals: [aes256gcm16-ecp384]}")],
    ),
    (Code::Ikev1Identity, &[t1!("ike: {version: ikev1}\n    remote-id: 203.0.113.99")]),
    (Code::Ikev1Aggressive, &[t1!("ike: {version: ikev1, mode: main}")]),
    (Code::Ikev1Cloud, &[("profile: aws", "profile: alibaba\n  ike: {version: ikev1, mode: aggressive}")]),
    (
        Code::Ikev1SamePair,
        &[("profile: aws", "profile: aws\n  ike: {version: ikev1}"), ("203.0.113.12", "203.0.113.13")],
    ),
    (Code::Ikev1Selectors, &[t1!("selectors: {local: [10.1.0.0/16, 169.254.21.0/30]}")]),
    (
        Code::Ikev1Old,
        &[
            ("profile: aws", "profile: generic\n  ike: {version: ikev1}"),
            ("169.254.21.0/30", "{prefix: 169.254.21.0/30, side: first}"),
            ("169.254.22.0/30", "{prefix: 169.254.22.0/30, side: first}"),
        ],
    ),
    (Code::LifetimeZero, &[t1!("ike: {lifetime: 8h}\n    esp: {lifetime: 15m}")]),
    (Code::LifetimeCloud, &[("profile: aws", "profile: alibaba\n  ike: {lifetime: 24h}\n  esp: {lifetime: 24h}")]),
    (Code::LifetimeOrder, &[t1!("ike: {lifetime: 1h}\n    esp: {lifetime: 1h}")]),
    (Code::RekeyMargin, &[t1!("rekey: {margin: 29m}")]),
    (Code::LifetimeVolume, &[t1!("esp: {bytes: 100000kB, packets: 1000}")]),
    (Code::ReplayWindow, &[t1!("esp: {replay-window: 64}")]),
    (Code::Dpd, &[t1!("dpd: {interval: 5s, timeout: 30s}")]),
    (Code::DpdAction, &[t1!("dpd: {action: restart}")]),
    (Code::StartCloud, &[("profile: aws", "profile: azure\n  start: respond")]),
    (Code::OnDemand, &[t1!("start: on-demand\n    bgp: {passive: true}")]),
    (Code::SelectorsInside, &[t1!("selectors: {local: [169.254.21.2/32], remote: [169.254.21.1/32]}")]),
    (
        Code::SelectorPairs,
        &[t1!("selectors: {local: [10.1.0.0/16, 169.254.21.0/30], remote: [169.254.0.0/16], layout: per-pair}")],
    ),
    (Code::MtuCloud, &[("profile: aws", "profile: azure\n  mtu: 1400")]),
    (
        Code::BfdRange,
        &[(ROOT, "neighbors:\n  - {name: a, asn: 65010, address: 10.1.0.9, bgp: {bfd: true}}\ntunnels:\n")],
    ),
    (
        Code::BfdCloud,
        &[(ROOT, "neighbors:\n  - {name: a, asn: 65010, address: 10.1.0.9, bgp: {bfd: true}}\ntunnels:\n")],
    ),
    (Code::BfdInterval, &[(BGP, "{asn: 64512, bfd: {interval: 10ms, min-receive: 60s}}")]),
    (Code::BfdHasty, &[(BGP, "{asn: 64512, bfd: {interval: 300ms}}")]),
    (Code::BfdSlow, &[(BGP, "{asn: 64512, bfd: {interval: 1s, min-receive: 1s}}")]),
    (Code::BfdKey, &[(BGP, "{asn: 64512, bfd: {authentication: {key-id: 1, file: bfd.key}}}")]),
    (Code::BfdKeyMode, &[(BGP, "{asn: 64512, bfd: {authentication: {key-id: 1, file: bfd.key}}}")]),
    (Code::HoldTime, &[(BGP, "{asn: 64512, hold-time: 3s}")]),
    (Code::HoldTimeOff, &[(BGP, "{asn: 64512, hold-time: 3s}")]),
    (Code::Keepalive, &[(BGP, "{asn: 64512, hold-time: 30s, keepalive: 10s}")]),
    (Code::TimersCloud, &[("profile: aws", "profile: azure"), (BGP, "{asn: 64512, hold-time: 180s}")]),
    (Code::PassiveCloud, &[(BGP, "{asn: 64512, passive: true}")]),
    (Code::NoSession, &[]),
    (Code::PrefixLimitZero, &[(BGP, "{asn: 64512, max-prefix: {in: 1}}")]),
    (Code::PrefixLimitOut, &[(BGP, "{asn: 64512, max-prefix: {out: 1}}")]),
    (Code::PrefixLimitCloud, &[("profile: aws", "profile: aws-tgw"), (BGP, "{asn: 64512, max-prefix: {out: 1000}}")]),
    (Code::PrefixRestart, &[(BGP, "{asn: 64512, max-prefix-restart: 5m}")]),
    (Code::AddPath, &[(BGP, "{asn: 64512, add-path: {ipv4: both}}")]),
    (Code::GracefulRestart, &[(BGP, "{asn: 64512, graceful-restart: {restart-time: 1h}}")]),
    (Code::Role, &[(BGP, "{asn: 64512, role: customer, role-strict: true}")]),
    (Code::FlowNetworks, &[FLOWS]),
    (Code::FlowCount, &[FLOWS]),
    (Code::FlowOverlap, &[FLOWS]),
    (Code::FlowIdle, &[FLOWS]),
    (Code::RoutingIdle, &[t1!("routes: [10.9.0.0/16]")]),
    (Code::Md5Key, &[(BGP, "{asn: 64512, md5: {file: good.psk}}")]),
    (Code::TreatmentIdle, &[(BGP, "{asn: 64512, add-path: send, send-paths: ecmp}")]),
    (Code::FamilyWithoutLink, &[(BGP, "{asn: 64512, families: [ipv4]}")]),
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: server.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (Code::PoolManagement, &[(ROOT, "pools:\n  - {name: p, openvpn: {config: unix.ovpn}}\ntunnels:\n")]),
    (Code::PoolRoom, &[(ROOT, "pools:\n  - {name: p, openvpn: {config: snug.ovpn, management: /run/m}}\ntunnels:\n")]),
    (
        Code::PoolKeepalive,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: tcp.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolCipher,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: server.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolOverlap,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: around.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
];

/// The inside link is no flow: its session has it in the same CHILD SA.
const FLOWS: (&str, &str) = t1!(
    "selectors: {local: [10.1.0.0/16, 169.254.21.2/32], remote: [10.2.0.0/16, 169.254.21.1/32]}\n    routing: protected"
);

const CERTIFICATE: &str = "certificate: {chain: gateway.pem, key: gateway.key, ca: root.pem}";

#[test]
fn every_rule_has_a_configuration_that_does_not_break_it() {
    let (mut shown, mut broken) = (BTreeSet::new(), Vec::new());
    for (code, changes) in PASSES.iter().chain(super::connections::PASSES) {
        let found = codes(&text(changes));
        if found.contains(code) {
            broken.push(format!("{code} {} is among {found:?}", code.name()));
        }
        assert!(shown.insert(*code), "{code} twice");
    }
    assert!(broken.is_empty(), "{broken:#?}");
    let policies =
        super::policies::CASES.iter().map(|(code, _)| *code).filter(|code| code.as_str().starts_with("QS19"));
    for code in policies {
        assert!(!super::policies::codes_of_the_good_one().contains(&code), "{code}");
        shown.insert(code);
    }
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !shown.contains(code)).map(|code| code.name()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_page_names_the_severities_that_findings_have() {
    let mut seen: BTreeMap<Code, BTreeSet<Severity>> = BTreeMap::new();
    for text in every_case() {
        let diagnostics = match check(&text) {
            Ok(loaded) => loaded.warnings,
            Err(report) => report.diagnostics().to_vec(),
        };
        for diagnostic in diagnostics {
            seen.entry(diagnostic.code()).or_default().insert(diagnostic.severity());
        }
    }
    let said = |code: Code| code.rule().unwrap().severity.iter().copied().collect::<BTreeSet<_>>();
    let wrong: Vec<_> = seen.iter().filter(|(code, severities)| said(**code) != **severities).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_base_configuration_is_without_findings() {
    assert_eq!(codes(GOOD), []);
}
