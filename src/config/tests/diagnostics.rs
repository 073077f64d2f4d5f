//! What each mistake looks like: one case per rule, rendered.

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

const BEYOND: &[Case] = &[
    (Code::StaticTarget, &[(ROUTER_END, "  static:\n    - prefix: 10.8.0.0/16\n")]),
    (Code::StaticTarget, &[(ROUTER_END, "  static:\n    - {prefix: 10.8.0.0/16, via: [10.1.0.9], blackhole: true}\n")]),
    (
        Code::StaticHop,
        &[(
            ROUTER_END,
            "  static:\n    - {prefix: 10.8.0.0/16, via: [{tunnel: t3}, {tunnel: t1, address: 10.1.0.9}]}\n",
        )],
    ),
    (
        Code::StaticHop,
        &[(ROUTER_END, "  static:\n    - {prefix: 10.8.0.0/16, via: ['fd00::1', 127.0.0.1, 169.254.21.1]}\n")],
    ),
    (Code::StaticHop, &[(ROUTER_END, "  static:\n    - {prefix: 'fd00:8::/48', via: [{tunnel: t1}]}\n")]),
    (
        Code::StaticHop,
        &[(ROUTER_END, "  static:\n    - {prefix: 10.8.0.0/16, via: [{address: 10.1.0.9, interface: qs-t1}]}\n")],
    ),
    (
        Code::StaticPrefix,
        &[(
            ROUTER_END,
            "  static:\n    - {prefix: 169.254.0.0/16, via: [10.1.0.9]}\n    - {prefix: 169.254.21.1/32, via: [10.1.0.9]}\n",
        )],
    ),
    (
        Code::StaticDuplicate,
        &[(
            ROUTER_END,
            "  static:\n    - {prefix: 10.8.0.0/16, via: [10.1.0.9]}\n    - {prefix: 10.8.0.0/16, blackhole: true}\n",
        )],
    ),
    (
        Code::StaticBfd,
        &[
            (
                ROUTER_END,
                "  static:\n    - {prefix: 10.8.0.0/16, via: [{tunnel: t1, bfd: true}]}\n    \
                 - {prefix: 10.9.0.0/16, via: [{address: 10.1.0.9, bfd: true}, {address: 10.1.0.10, bfd: true}]}\n    \
                 - {prefix: 10.10.0.0/16, via: [{address: 10.1.0.10, interface: eth0, bfd: {interval: 1s}}]}\n",
            ),
            (ROOT, "neighbors:\n  - {name: a, asn: 65010, address: 10.1.0.9, bgp: {bfd: true}}\ntunnels:\n"),
        ],
    ),
    (Code::StaticCapture, &[(ROUTER_END, "  static:\n    - {prefix: 203.0.113.0/24, via: [{tunnel: t1}]}\n")]),
    (Code::Value, &[(ROUTER_END, "  connected: eth0\n")]),
    (Code::NeighborAddress, &[(ROOT, "neighbors:\n  - {name: core, asn: 65010}\ntunnels:\n")]),
    (
        Code::NeighborAddress,
        &[(ROOT, "neighbors:\n  - {name: core, asn: 65010, address: 10.1.0.9, range: 10.1.0.0/24}\ntunnels:\n")],
    ),
    (
        Code::NeighborAddress,
        &[(
            ROOT,
            "neighbors:\n  - {name: a, asn: 65010, address: 'ff02::1'}\n  - {name: b, asn: 1, range: 0.0.0.0/0}\ntunnels:\n",
        )],
    ),
    (Code::NeighborPlace, &[(ROOT, "neighbors:\n  - {name: a, asn: 65010, address: 'fe80::1'}\ntunnels:\n")]),
    (Code::NeighborAsn, &[(ROOT, "neighbors:\n  - {name: core, asn: 65010-65019, address: 10.1.0.9}\ntunnels:\n")]),
    (Code::MissingKey, &[(ROOT, "neighbors:\n  - {name: core, address: 10.1.0.9}\ntunnels:\n")]),
    (
        Code::NeighborPlace,
        &[(
            ROOT,
            "neighbors:\n  - {name: core, asn: 65010, address: 10.9.0.1, multihop: 2, interface: eth0}\ntunnels:\n",
        )],
    ),
    (
        Code::NeighborPlace,
        &[(ROOT, "neighbors:\n  - {name: core, asn: 65010, address: 10.1.0.9, local-address: 'fd00::1'}\ntunnels:\n")],
    ),
    (
        Code::LocalAsn,
        &[(
            ROOT,
            "neighbors:\n  - {name: a, asn: 65010, address: 10.1.0.9, bgp: {local-asn: 65000}}\n  \
             - {name: b, asn: 65010, address: 10.1.0.10, bgp: {local-asn: {asn: 65010, replace-as: true}}}\n  \
             - {name: c, asn: 65000, address: 10.1.0.11, bgp: {local-asn: 64999}}\n  \
             - {name: d, asn: [65010, 64990-65005, 65006], range: 10.2.0.0/24, bgp: {local-asn: 64999}}\n  \
             - {name: e, asn: [65010, 65000], range: 10.3.0.0/24, bgp: {local-asn: 64999}}\ntunnels:\n",
        )],
    ),
    (
        Code::NeighborDuplicate,
        &[(
            ROOT,
            "neighbors:\n  - {name: a, asn: 65010, address: 10.1.0.9}\n  - {name: b, asn: 65010, address: 10.1.0.9}\n  \
             - {name: c, asn: 65010, range: 10.2.0.0/24}\n  - {name: d, asn: 65010, range: 10.2.0.0/16}\ntunnels:\n",
        )],
    ),
    (
        Code::NeighborKey,
        &[(
            ROOT,
            "neighbors:\n  - {name: a, asn: 65010, address: 10.2.0.9}\n  \
             - {name: b, asn: 65010, range: 10.2.0.0/24, bgp: {md5: {inline: key-of-the-range}}}\ntunnels:\n",
        )],
    ),
    (
        Code::NeighborInside,
        &[(
            ROOT,
            "neighbors:\n  - {name: a, asn: 65010, address: 169.254.21.1}\n  \
             - {name: b, asn: 65010, address: 10.1.0.9, interface: qs-t2}\ntunnels:\n",
        )],
    ),
    (Code::DuplicateName, &[(ROOT, "neighbors:\n  - {name: t1, asn: 65010, address: 10.1.0.9}\ntunnels:\n")]),
    (
        Code::FamilyWithoutLink,
        &[(ROOT, "neighbors:\n  - {name: a, asn: 65010, address: 10.1.0.9, bgp: {families: [ipv6]}}\ntunnels:\n")],
    ),
    (
        Code::FamilyWithoutLink,
        &[(
            ROOT,
            "neighbors:\n  - {name: a, asn: 65010, address: '2001:db8::9', bgp: {families: [ipv4, ipv6]}}\ntunnels:\n",
        )],
    ),
];

const SECRETS: &[Case] = &[
    (Code::PskChoice, &[("{file: good.psk}", "{file: good.psk, env: PSK}")]),
    (Code::PskChoice, &[("{file: good.psk}", "{}")]),
    (Code::PskUnavailable, &[("good.psk", "absent.psk")]),
    (Code::PskUnavailable, &[("{file: good.psk}", "{env: ABSENT}")]),
    (Code::PskUnavailable, &[("{file: good.psk}", "{credential: absent}")]),
    (Code::PskEmpty, &[("good.psk", "empty.psk")]),
    (Code::PskInline, &[("{file: good.psk}", "{inline: Correct.Horse.Battery.Staple}")]),
    (Code::PskFileMode, &[("good.psk", "open.psk")]),
    (Code::PskShort, &[("good.psk", "short.psk")]),
    (Code::PskWhiteSpace, &[("good.psk", "space.psk"), ("profile: aws", "profile: azure")]),
    (Code::PskCloud, &[("good.psk", "dash.psk")]),
];

const PSK: &str = "psk: {file: good.psk}";

const CERTIFICATES: &[Case] = &[
    (
        Code::AuthChoice,
        &[(PSK, "psk: {file: good.psk}\n  certificate: {chain: gateway.pem, key: gateway.key, ca: root.pem}")],
    ),
    (Code::MissingKey, &[(PSK, "certificate: {chain: gateway.pem}")]),
    (Code::MissingKey, &[(PSK, "psk: {file: good.psk}\n  auth: {local: certificate}")]),
    (
        Code::CertificateChoice,
        &[(PSK, "certificate: {chain: {file: a, credential: b}, key: gateway.key, ca: root.pem}")],
    ),
    (
        Code::CertificateUnavailable,
        &[(PSK, "certificate: {chain: absent.psk, key: {credential: absent}, ca: root.pem}")],
    ),
    (Code::CertificateUnusable, &[(PSK, "certificate: {chain: gateway.pem, key: other.key, ca: gateway.pem}")]),
    (Code::CertificateUnusable, &[(PSK, "certificate: {chain: root.pem, key: gateway.key, ca: good.psk}")]),
    (Code::CertificateUnusable, &[(PSK, "certificate: {chain: gateway.pem, key: encrypted.key, ca: root.pem}")]),
    (
        Code::CertificateUnusable,
        &[(PSK, "certificate: {chain: gateway.pem, key: gateway.key, ca: root.pem, crl: root.pem}")],
    ),
    (Code::CertificateKeyMode, &[(PSK, "certificate: {chain: gateway.pem, key: open.key, ca: root.pem}")]),
    (Code::CertificateTime, &[(PSK, "certificate: {chain: expired.pem, key: gateway.key, ca: root.pem}")]),
    (Code::CertificateTime, &[(PSK, "certificate: {chain: soon.pem, key: gateway.key, ca: root.pem}")]),
    (
        Code::Ikev1Certificate,
        &[
            (PSK, "certificate: {chain: gateway.pem, key: gateway.key, ca: root.pem}"),
            (T1, "    inside: 169.254.21.0/30\n    ike: {version: ikev1}\n"),
        ],
    ),
    (
        Code::CertificateIdentity,
        &[
            (PSK, "certificate: {chain: gateway.pem, key: gateway.key, ca: root.pem}"),
            (T1, "    inside: 169.254.21.0/30\n    local-id: gw.example\n    remote-id: keyid:gw\n"),
        ],
    ),
];

const IPSEC: &[Case] = &[
    (Code::SuiteNone, &[(T1, "    inside: 169.254.21.0/30\n    ike: {proposals: []}\n")]),
    (
        Code::SuiteLegacy,
        &[
            (
                "profile: aws",
                "profile: generic\n  ike: {proposals: [aes128-sha1-modp1024]}\n  esp: {proposals: [aes128-sha1]}",
            ),
            ("169.254.21.0/30", "{prefix: 169.254.21.0/30, side: first}"),
            ("169.254.22.0/30", "{prefix: 169.254.22.0/30, side: first}"),
        ],
    ),
    (
        Code::SuiteBroken,
        &[
            (T1, "    inside: 169.254.21.0/30\n    ike: {proposals: [des-md5-modp768, aes256-sha256-modp2048s256]}\n"),
            (
                "169.254.22.0/30",
                "169.254.22.0/30\n    legacy: allow\n    esp: {proposals: [3des-md5-modp1024s160, 3des-sha256]}",
            ),
        ],
    ),
    (
        Code::SuiteWeakest,
        &[(T1, "    inside: 169.254.21.0/30\n    esp: {proposals: [aes256gcm16-ecp384, aes128gcm16-ecp256]}\n")],
    ),
    (Code::PfsCloud, &[("profile: aws", "profile: azure\n  esp: {proposals: [aes256gcm16-ecp384]}")]),
    (Code::Ikev1Mode, &[(T1, "    inside: 169.254.21.0/30\n    ike: {mode: main}\n")]),
    (Code::Value, &[(T1, "    inside: 169.254.21.0/30\n    ike: {version: ikev3, mode: fast}\n")]),
    (
        Code::Ikev1Suite,
        &[(
            T1,
            "    inside: 169.254.21.0/30\n    ike: {version: ikev1, proposals: [aes256gcm16-prfsha384-ecp384, \
             aes256-sha256-prfsha384-ecp384, aes256-sha256-x25519]}\n    esp: {proposals: [aes256gcm16-x25519]}\n",
        )],
    ),
    (
        Code::Ikev1Identity,
        &[(T1, "    inside: 169.254.21.0/30\n    ike: {version: ikev1}\n    remote-id: gw.example.net\n")],
    ),
    (
        Code::Ikev1Aggressive,
        &[
            ("profile: aws", "profile: generic\n  ike: {version: ikev1, mode: aggressive}"),
            ("169.254.21.0/30", "{prefix: 169.254.21.0/30, side: first}"),
            ("169.254.22.0/30", "{prefix: 169.254.22.0/30, side: first}\n    psk: {file: short.psk}"),
        ],
    ),
    (Code::Ikev1Cloud, &[(T1, "    inside: 169.254.21.0/30\n    ike: {version: ikev1, mode: aggressive}\n")]),
    (
        Code::Ikev1SamePair,
        &[("profile: aws", "profile: aws\n  ike: {version: ikev1}"), ("203.0.113.12", "203.0.113.11")],
    ),
    (Code::LifetimeZero, &[(T1, "    inside: 169.254.21.0/30\n    ike: {lifetime: 0s}\n    esp: {lifetime: 0s}\n")]),
    (Code::LifetimeCloud, &[(T1, "    inside: 169.254.21.0/30\n    ike: {lifetime: 24h}\n    esp: {lifetime: 2h}\n")]),
    (Code::LifetimeOrder, &[(T1, "    inside: 169.254.21.0/30\n    ike: {lifetime: 30m}\n    esp: {lifetime: 1h}\n")]),
    (Code::LifetimeVolume, &[(T1, "    inside: 169.254.21.0/30\n    esp: {bytes: 10kB, packets: 10}\n")]),
    (Code::RekeyMargin, &[(T1, "    inside: 169.254.21.0/30\n    rekey: {margin: 30m}\n")]),
    (Code::RekeyMargin, &[(T1, "    inside: 169.254.21.0/30\n    rekey: {margin: 0s}\n")]),
    (
        Code::ReplayWindow,
        &[
            (T1, "    inside: 169.254.21.0/30\n    esp: {replay-window: 32}\n"),
            ("169.254.22.0/30", "169.254.22.0/30\n    esp: {replay-window: 0}"),
        ],
    ),
    (Code::Dpd, &[(T1, "    inside: 169.254.21.0/30\n    dpd: {interval: 0s}\n")]),
    (
        Code::DpdAction,
        &[
            (T1, "    inside: 169.254.21.0/30\n    dpd: {action: clear}\n"),
            ("169.254.22.0/30", "169.254.22.0/30\n    dpd: {action: none, interval: 5s}"),
        ],
    ),
    (Code::DpdAction, &[(T1, "    inside: 169.254.21.0/30\n    dpd: {action: none}\n")]),
    (Code::OnDemand, &[(T1, "    inside: 169.254.21.0/30\n    start: on-demand\n")]),
    (
        Code::SelectorPairs,
        &[(
            T1,
            "    inside: 169.254.21.0/30\n    selectors: {local: ['2001:db8::/32'], remote: [169.254.0.0/16], layout: \
             per-pair}\n",
        )],
    ),
    (
        Code::SelectorsInside,
        &[(T1, "    inside: 169.254.21.0/30\n    selectors: {local: [10.1.0.0/16], remote: [10.2.0.0/16]}\n")],
    ),
];

const POST_QUANTUM: &[Case] = &[
    (Code::PpkChoice, &[(T1, "    inside: 169.254.21.0/30\n    ppk: {id: k1, file: long.ppk, env: PPK}\n")]),
    (Code::PpkChoice, &[(T1, "    inside: 169.254.21.0/30\n    ppk: {id: k1}\n")]),
    (Code::PpkUnavailable, &[(T1, "    inside: 169.254.21.0/30\n    ppk: {id: k1, credential: absent}\n")]),
    (Code::PpkEmpty, &[(T1, "    inside: 169.254.21.0/30\n    ppk: {id: k1, file: empty.psk}\n")]),
    (Code::PpkFileMode, &[(T1, "    inside: 169.254.21.0/30\n    ppk: {id: k1, file: open.psk}\n")]),
    (Code::PpkShort, &[(T1, "    inside: 169.254.21.0/30\n    ppk: {id: k1, file: short.psk, required: false}\n")]),
    (
        Code::PpkName,
        &[(
            T1,
            "    inside: 169.254.21.0/30\n    ppk: {id: kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\
     kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\
     kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk, file: long.ppk}\n",
        )],
    ),
    (Code::MissingKey, &[(T1, "    inside: 169.254.21.0/30\n    ppk: {file: long.ppk}\n")]),
    (Code::Value, &[(T1, "    inside: 169.254.21.0/30\n    ppk: {id: k1, file: long.ppk, required: maybe}\n")]),
    (
        Code::PpkVersion,
        &[(T1, "    inside: 169.254.21.0/30\n    ike: {version: ikev1}\n    ppk: {id: k1, file: long.ppk}\n")],
    ),
    (
        Code::SuiteTooLarge,
        &[(T1, "    inside: 169.254.21.0/30\n    ike: {proposals: [aes256gcm16-prfsha384-mlkem1024]}\n")],
    ),
    (
        Code::Value,
        &[(T1, "    inside: 169.254.21.0/30\n    ike: {proposals: [aes256gcm16-prfsha384-x25519-ke1_x25519]}\n")],
    ),
];

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
const POOLS: &[Case] = &[
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: absent.psk, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: client.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: broken.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (Code::PoolManagement, &[(ROOT, "pools:\n  - {name: p, openvpn: {config: server.ovpn}}\ntunnels:\n")]),
    (
        Code::PoolManagement,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: server.ovpn, management: '10.1.0.1:7505'}}\ntunnels:\n")],
    ),
    (
        Code::PoolManagement,
        &[(
            ROOT,
            "pools:\n  - {name: p, openvpn: {config: server.ovpn, management: /run/m, password-file: absent.psk}}\ntunnels:\n",
        )],
    ),
    (
        Code::PoolRoom,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: narrow.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolKeepalive,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: deaf.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolCipher,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: weak.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolOverlap,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: lan.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolOverlap,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: pushy.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::CertificateTime,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: old.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: lost.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: thin.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (Code::PoolManagement, &[(ROOT, "pools:\n  - {name: p, openvpn: {config: abroad.ovpn}}\ntunnels:\n")]),
    (
        Code::PoolCipher,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: rigid.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::NetworkMartian,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: link.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (Code::DuplicateName, &[(ROOT, TWO_POOLS)]),
    (Code::MissingKey, &[(ROOT, "pools:\n  - {name: p}\ntunnels:\n")]),
];

const TWO_POOLS: &str = "pools:\n  - {name: p, openvpn: {config: server.ovpn, management: /run/m}}\n  \
                         - {name: p, openvpn: {config: server.ovpn, management: /run/n}}\ntunnels:\n";

const NETWORKS: &str = "  networks: [10.1.0.0/16]\n";

const GROUPS: [(&str, &[Case]); 14] = [
    ("clouds", super::clouds::CASES),
    ("speaker", SPEAKER),
    ("post-quantum", POST_QUANTUM),
    ("shape", SHAPE),
    ("router", ROUTER),
    ("tunnels", TUNNELS),
    ("beyond", BEYOND),
    ("connections", super::connections::CASES),
    ("secrets", SECRETS),
    ("certificates", CERTIFICATES),
    ("ipsec", IPSEC),
    ("bgp", BGP),
    ("routes", ROUTES),
    ("pools", POOLS),
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
