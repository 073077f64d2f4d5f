//! Rules about what clouds take, and about address plans between them.

use super::diagnostics::Case;
use crate::Code;

/// A tunnel with something more.
macro_rules! t1 {
    ($more:literal) => {
        ("    inside: 169.254.21.0/30\n", concat!("    inside: 169.254.21.0/30\n    ", $more, "\n"))
    };
}

pub(super) use t1;

const SECOND_AT_FIRST: (&str, &str) = ("remote: 203.0.113.12", "remote: 203.0.113.11\n    local: 192.0.2.11");

pub(super) const CASES: &[Case] = &[
    (
        Code::SuiteCloud,
        &[t1!("ike: {proposals: [aes256-sha256-x25519]}\n    esp: {proposals: [chacha20poly1305-ecp384]}")],
    ),
    (
        Code::SuiteCloud,
        &[
            ("profile: aws", "profile: alibaba"),
            t1!("esp: {proposals: [aes256gcm16-modp2048, aes256-sha256-ecp384-esn]}"),
        ],
    ),
    (Code::StartCloud, &[t1!("start: respond")]),
    (
        Code::StartCloud,
        &[
            ("profile: aws", "profile: cloudflare\n  start: respond"),
            ("169.254.21.0/30", "169.254.241.0/31"),
            ("169.254.22.0/30", "10.9.0.0/30"),
        ],
    ),
    (Code::InsideCloudRange, &[("profile: aws", "profile: cloudflare")]),
    (Code::AsnPublic, &[("asn: 65000", "asn: 3320")]),
    (Code::AsnCloud, &[("profile: aws", "profile: alibaba"), ("asn: 65000", "asn: 0.45104")]),
    (Code::NetworkCloud, &[("profile: aws", "profile: alibaba"), ("[10.1.0.0/16]", "[0.0.0.0/0, 100.64.8.0/21]")]),
    (Code::NetworkShared, &[("[10.1.0.0/16]", "[100.100.0.0/16]")]),
    (Code::NetworkPublic, &[("[10.1.0.0/16]", "[192.10.0.0/16]")]),
    (Code::NetworkOverlap, &[t1!("selectors: {remote: [10.1.128.0/17, 169.254.21.0/30]}")]),
    (
        Code::NetworkOverlap,
        &[("[10.1.0.0/16]", "[10.1.0.0/16]\n  static:\n    - {prefix: 10.1.5.0/24, via: [{tunnel: t2}]}")],
    ),
    (Code::OutsideCloud, &[("profile: aws", "profile: alibaba"), ("local: 192.0.2.10", "local: 100.64.0.1")]),
    (Code::MtuCloud, &[("profile: aws", "profile: azure\n  mtu: 1438")]),
    (Code::Ikev1Selectors, &[t1!("ike: {version: ikev1}\n    selectors: {local: [10.1.0.0/16, 169.254.21.0/30]}")]),
    (Code::Ikev1Old, &[t1!("ike: {version: ikev1}")]),
    (
        Code::Ikev1Cloud,
        &[
            ("profile: aws", "profile: cloudflare\n  ike: {version: ikev1}"),
            ("169.254.21.0/30", "169.254.241.0/31"),
            ("169.254.22.0/30", "10.9.0.0/30"),
        ],
    ),
    (Code::AzureOneAddress, &[("profile: aws", "profile: azure"), SECOND_AT_FIRST]),
    (Code::AzureCustomAddress, &[("profile: aws", "profile: azure"), SECOND_AT_FIRST]),
    (Code::InsideRange, &[("profile: aws", "profile: azure"), t1!("inside6: 'fd00:21::/126'")]),
    (Code::InsideRange, &[t1!("inside6: '2001:db8::/126'")]),
];
