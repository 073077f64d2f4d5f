//! What is known about the gateways of each cloud: defaults toward such a peer, and the bounds it keeps to.
//!
//! Limits of clouds are data that changes; they are in this file and nowhere else. A profile names what the *peer*
//! is: `aws` means that an AWS gateway is at the other end.

use std::time::Duration;

use ipnet::Ipv4Net;

/// What kind of gateway the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// AWS Site-to-Site VPN.
    Aws,
    /// Azure VPN Gateway.
    Azure,
    /// Anything else; nothing is assumed.
    Generic,
}

impl Profile {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Generic => "generic",
        }
    }

    pub(crate) const fn cloud(self) -> &'static Cloud {
        match self {
            Self::Aws => &AWS,
            Self::Azure => &AZURE,
            Self::Generic => &GENERIC,
        }
    }
}

/// Which host of the inside prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    First,
    Second,
}

/// Defaults and bounds.
pub(crate) struct Cloud {
    /// To begin a sentence with.
    pub(crate) name: &'static str,
    /// Our host of the inside prefix.
    pub(crate) our_side: Option<Side>,
    pub(crate) ike_proposals: &'static [&'static str],
    pub(crate) esp_proposals: &'static [&'static str],
    pub(crate) ike_lifetime: Duration,
    pub(crate) child_lifetime: Duration,
    pub(crate) child_bytes: Option<u64>,
    /// What the cloud takes, shortest and longest.
    pub(crate) ike_lifetime_range: Option<(Duration, Duration)>,
    pub(crate) child_lifetime_range: Option<(Duration, Duration)>,
    pub(crate) dpd_interval: Duration,
    pub(crate) dpd_timeout: Duration,
    pub(crate) hold_time: Duration,
    pub(crate) keepalive: Duration,
    pub(crate) max_prefix_in: Option<u32>,
    pub(crate) max_prefix_out: Option<u32>,
    /// Whether all that it announces is accepted where nothing else is said (RFC 8212). What a cloud gateway announces is what its
    /// owner attached to it.
    pub(crate) trusted: bool,
    /// More than this the cloud takes from nobody.
    pub(crate) accepts_prefixes: Option<u32>,
    pub(crate) psk: Option<PskRule>,
}

/// Which pre-shared keys a cloud accepts.
pub(crate) struct PskRule {
    pub(crate) shortest: usize,
    pub(crate) longest: usize,
    pub(crate) accepts: fn(u8) -> bool,
    pub(crate) leading_zero: bool,
    /// To follow "accepts".
    pub(crate) text: &'static str,
}

/// S0-48, the same for AWS and Alibaba: used by the clouds themselves; the last holds the metadata service.
pub(crate) const RESERVED_INSIDE: [Ipv4Net; 7] =
    [slash30(0, 0), slash30(1, 0), slash30(2, 0), slash30(3, 0), slash30(4, 0), slash30(5, 0), slash30(169, 252)];

/// S4-06: 169.254.21.0 to 169.254.22.255.
pub(crate) const AZURE_INSIDE: [Ipv4Net; 2] = [
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(169, 254, 21, 0), 24),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(169, 254, 22, 0), 24),
];

/// Azure keeps these for itself and takes none of them from a peer.
pub(crate) const AZURE_ASNS: [u32; 8] = [8074, 8075, 12076, 65515, 65517, 65518, 65519, 65520];

/// What AWS takes as the AS number of a customer gateway.
pub(crate) const AWS_MAX_ASN: u32 = 2_147_483_647;

const fn slash30(third: u8, fourth: u8) -> Ipv4Net {
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(169, 254, third, fourth), 30)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One suite, since AWS takes the weakest it has in common with a peer, whatever the peer prefers.
const AWS: Cloud = Cloud {
    name: "AWS",
    our_side: Some(Side::Second),
    ike_proposals: &["aes256gcm16-prfsha384-ecp384"],
    esp_proposals: &["aes256gcm16-ecp384"],
    ike_lifetime: seconds(28_800),
    child_lifetime: seconds(3_600),
    child_bytes: None,
    ike_lifetime_range: Some((seconds(900), seconds(28_800))),
    child_lifetime_range: Some((seconds(900), seconds(3_600))),
    dpd_interval: seconds(10),
    dpd_timeout: seconds(30),
    hold_time: seconds(30),
    keepalive: seconds(10),
    max_prefix_in: Some(5_000),
    max_prefix_out: Some(100),
    trusted: true,
    accepts_prefixes: Some(1_000),
    psk: Some(PskRule {
        shortest: 8,
        longest: 64,
        accepts: |octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_'),
        leading_zero: false,
        text: "8 to 64 letters, digits, `.` and `_`, not beginning with `0`",
    }),
};

/// The second and third IKE suite are for gateways without a custom IPsec policy: Azure's default policy knows group 2
/// and, as responder, group 14. It offers no PFS when it initiates.
const AZURE: Cloud = Cloud {
    name: "Azure",
    our_side: Some(Side::First),
    ike_proposals: &["aes256gcm16-prfsha384-ecp384", "aes256-sha256-modp2048", "aes256-sha256-modp1024"],
    esp_proposals: &["aes256gcm16-ecp384-modpnone"],
    ike_lifetime: seconds(28_800),
    child_lifetime: seconds(27_000),
    child_bytes: Some(102_400_000 * 1024),
    ike_lifetime_range: None,
    child_lifetime_range: Some((seconds(300), seconds(172_799))),
    dpd_interval: seconds(10),
    dpd_timeout: seconds(45),
    hold_time: seconds(180),
    keepalive: seconds(60),
    max_prefix_in: Some(4_000),
    max_prefix_out: Some(4_000),
    trusted: true,
    accepts_prefixes: Some(4_000),
    psk: Some(PskRule {
        shortest: 1,
        longest: 128,
        accepts: |octet| matches!(octet, b' '..=b'~'),
        leading_zero: true,
        text: "1 to 128 printable ASCII characters",
    }),
};

const GENERIC: Cloud = Cloud {
    name: "the peer",
    our_side: None,
    ike_proposals: &["aes256gcm16-prfsha384-ecp384"],
    esp_proposals: &["aes256gcm16-ecp384"],
    ike_lifetime: seconds(28_800),
    child_lifetime: seconds(3_600),
    child_bytes: None,
    ike_lifetime_range: None,
    child_lifetime_range: None,
    dpd_interval: seconds(10),
    dpd_timeout: seconds(30),
    hold_time: seconds(90),
    keepalive: seconds(30),
    max_prefix_in: None,
    max_prefix_out: None,
    trusted: false,
    accepts_prefixes: None,
    psk: None,
};
