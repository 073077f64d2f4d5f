//! What is known about the gateways of each cloud: one YAML file each in `profiles/`, embedded and read once.
//!
//! ```text
//!   profiles/aws.yaml --facts::Cloud--> defaults of `resolve`, bounds of `lint`
//!                     --sheet---------> `quadspan profiles`
//! ```
//!
//! Limits of clouds are data that changes; they are in those files and nowhere else, each section with its source. A
//! profile names what the *peer* is: `aws` means that an AWS gateway is at the other end.

mod facts;
mod page;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::time::Duration;

use crypto::{EspProposal, IkeProposal};
use ipnet::Ipv4Net;
use serde_json::Value;
use wire::Asn;

use document::field::Word;
use document::yaml;
pub use facts::{
    Accepts, AsnRules, Begins, BgpRules, Characters, Cloud, DefaultPfs, DefaultRoute, DpdRules, EspAlgorithms,
    IkeAlgorithms, IkeRules, Inside, Inside6, Lifetimes, Mtu, MtuRow, OfSeveral, Outside, PskRule, Rekey, Replay,
    Routes, Side, Start, Suites,
};
pub use page::Fact;

/// A command that makes a pre-shared key which every cloud takes: letters and digits, and AWS takes none that begins with 0.
pub const NEW_KEY: &str = "echo k$(openssl rand -hex 24)";

/// What kind of gateway the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// AWS Site-to-Site VPN on a virtual private gateway.
    Aws,
    /// AWS Site-to-Site VPN on a transit gateway or Cloud WAN.
    AwsTgw,
    /// Azure VPN Gateway.
    Azure,
    /// Google Cloud HA VPN.
    Gcp,
    /// Alibaba Cloud VPN Gateway.
    Alibaba,
    /// Oracle Cloud Infrastructure.
    Oci,
    /// Cloudflare WAN.
    Cloudflare,
    /// Anything else; nothing is assumed.
    Generic,
}

impl Profile {
    /// All there are.
    pub const ALL: [Self; 8] =
        [Self::Aws, Self::AwsTgw, Self::Azure, Self::Gcp, Self::Alibaba, Self::Oci, Self::Cloudflare, Self::Generic];

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsTgw => "aws-tgw",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
            Self::Alibaba => "alibaba",
            Self::Oci => "oci",
            Self::Cloudflare => "cloudflare",
            Self::Generic => "generic",
        }
    }

    /// What it stands for, for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        &self.cloud().title
    }

    /// Whether the peer is AWS, whatever the tunnels end at there.
    #[must_use]
    pub const fn is_aws(self) -> bool {
        match self {
            Self::Aws | Self::AwsTgw => true,
            Self::Azure | Self::Gcp | Self::Alibaba | Self::Oci | Self::Cloudflare | Self::Generic => false,
        }
    }

    /// Whether the first host of an inside link is ours where nothing else is said; `None` if that has to be said.
    #[must_use]
    pub fn takes_first_host(self) -> Option<bool> {
        self.cloud().inside.our_host.map(|side| side == Side::First)
    }

    /// Whether a tunnel can have this pre-shared key; if not, what the cloud accepts.
    ///
    /// # Errors
    ///
    /// What would be accepted, to follow "accepts".
    pub fn check_key(self, key: &[u8]) -> Result<(), &'static str> {
        match &self.cloud().psk {
            Some(rule) if !rule.fits(key) => Err(&rule.text),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the cloud takes this AS number from no customer.
    #[must_use]
    pub fn keeps_asn(self, asn: Asn) -> bool {
        self.cloud().asn.is_reserved(asn)
    }

    /// Whether the cloud can have this link inside a tunnel.
    #[must_use]
    pub fn takes_link(self, link: Ipv4Net) -> bool {
        let inside = &self.cloud().inside;
        inside.takes(link) && inside.reserved(link).is_none()
    }

    /// Whether the cloud leaves no choice between the two hosts of a link.
    #[must_use]
    pub fn leaves_no_choice_of_host(self) -> bool {
        self.cloud().inside.our_host_is_fixed
    }

    /// Whether the cloud has all algorithms of an IKE suite.
    #[must_use]
    pub fn takes_ike(self, suite: &IkeProposal) -> bool {
        self.cloud().suites.accepts.as_ref().is_none_or(|accepts| accepts.obstacle_ike(suite).is_none())
    }

    /// Whether the cloud has all algorithms of an ESP suite.
    #[must_use]
    pub fn takes_esp(self, suite: &EspProposal) -> bool {
        self.cloud().suites.accepts.as_ref().is_none_or(|accepts| accepts.obstacle_esp(suite).is_none())
    }

    /// The lifetimes of IKE SAs that the cloud can be told, in seconds, shortest and longest.
    #[must_use]
    pub fn ike_lifetimes(self) -> RangeInclusive<u64> {
        seconds(self.cloud().lifetimes.ike_range.as_ref())
    }

    /// Those of CHILD SAs.
    #[must_use]
    pub fn child_lifetimes(self) -> RangeInclusive<u64> {
        seconds(self.cloud().lifetimes.child_range.as_ref())
    }

    /// The anti-replay windows that the cloud can be told, in packets.
    #[must_use]
    pub fn replay_windows(self) -> RangeInclusive<u32> {
        self.cloud().replay.cloud_range.map_or(0..=u32::MAX, |(least, most)| least..=most)
    }

    /// All that is known, with sources, as the file has it.
    #[must_use]
    pub fn sheet(self) -> Value {
        yaml::document(self.text()).unwrap_or_default()
    }

    /// The same, read.
    #[must_use]
    pub fn cloud(self) -> &'static Cloud {
        static CLOUDS: LazyLock<Vec<Cloud>> = LazyLock::new(|| {
            Profile::ALL
                .into_iter()
                .map(|profile| facts::read(profile.text()).expect("tests read every file"))
                .collect()
        });
        let position = Self::ALL.iter().position(|profile| *profile == self);
        position.and_then(|position| CLOUDS.get(position)).expect("every profile is listed")
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Aws => include_str!("profiles/aws.yaml"),
            Self::AwsTgw => include_str!("profiles/aws-tgw.yaml"),
            Self::Azure => include_str!("profiles/azure.yaml"),
            Self::Gcp => include_str!("profiles/gcp.yaml"),
            Self::Alibaba => include_str!("profiles/alibaba.yaml"),
            Self::Oci => include_str!("profiles/oci.yaml"),
            Self::Cloudflare => include_str!("profiles/cloudflare.yaml"),
            Self::Generic => include_str!("profiles/generic.yaml"),
        }
    }
}

document::keywords! {
    Profile, "`aws`, `aws-tgw`, `azure`, `gcp`, `alibaba`, `oci`, `cloudflare` or `generic`", {
        "aws" => Profile::Aws,
        "aws-tgw" => Profile::AwsTgw,
        "azure" => Profile::Azure,
        "gcp" => Profile::Gcp,
        "alibaba" => Profile::Alibaba,
        "oci" => Profile::Oci,
        "cloudflare" => Profile::Cloudflare,
        "generic" => Profile::Generic,
    };
    Side, "`first` or `second`: which host of the inside prefix is ours", {
        "first" => Side::First,
        "second" => Side::Second,
    };
}

fn seconds(range: Option<&(Word<Duration>, Word<Duration>)>) -> RangeInclusive<u64> {
    range.map_or(0..=u64::MAX, |(least, most)| least.0.as_secs()..=most.0.as_secs())
}
