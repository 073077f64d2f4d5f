//! Mistakes in what is beside tunnels: static routes, neighbours.

use super::{Case, ROOT, ROUTER_END};
use crate::Code;

pub(super) const CASES: &[Case] = &[
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
