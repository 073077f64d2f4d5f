//! Mistakes in what a tunnel's ends agree on: keys, certificates, suites, lifetimes.

use super::{Case, T1};
use crate::Code;

pub(super) const SECRETS: &[Case] = &[
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

pub(super) const CERTIFICATES: &[Case] = &[
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

pub(super) const IPSEC: &[Case] = &[
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

pub(super) const POST_QUANTUM: &[Case] = &[
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
