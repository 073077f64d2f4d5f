//! The shape of a profile's file. Every section says where its facts are from.

use std::net::IpAddr;
use std::time::Duration;

use crypto::{EspProposal, IkeProposal, Pfs, Prf};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use negotiation::{StartAction, V1Mode};
use serde::Deserialize;
use wire::Asn;
use wire::ipsec::Integrity;

use crate::asn_range::AsnRange;
use crate::field::Word;
use crate::scalar::{IkeGeneration, Octets};
use crate::yaml;

/// Reads a profile's file.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn read(text: &str) -> Result<Cloud, String> {
    yaml::document(text)
}

macro_rules! sections {
    ($($(#[$title:meta])* struct $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$title])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }
    )*};
}

sections! {
    /// Defaults toward a cloud, and the bounds it keeps to.
    struct Cloud {
        /// What it is, for people.
        title: String,
        /// To begin a sentence with.
        name: String,
        /// What is worth knowing and is not a number.
        notes: Vec<String>,
        suites: Suites,
        ike: IkeRules,
        lifetimes: Lifetimes,
        rekey: Rekey,
        dpd: DpdRules,
        replay: Replay,
        start: Start,
        bgp: BgpRules,
        routes: Routes,
        mtu: Mtu,
        inside: Inside,
        asn: AsnRules,
        /// What a pre-shared key may look like, if the cloud cares.
        psk: Option<PskRule>,
        outside: Outside,
    }

    /// What is proposed unless the configuration says otherwise, and what the cloud takes at all.
    struct Suites {
        ike: Vec<Word<IkeProposal>>,
        esp: Vec<Word<EspProposal>>,
        ikev1_ike: Vec<Word<IkeProposal>>,
        ikev1_esp: Vec<Word<EspProposal>>,
        of_several: OfSeveral,
        default_pfs: DefaultPfs,
        accepts: Option<Accepts>,
        source: String,
    }

    /// All that the cloud takes.
    struct Accepts {
        ike: IkeAlgorithms,
        esp: EspAlgorithms,
    }

    /// By the names that suites are made of.
    struct IkeAlgorithms {
        encryption: Vec<String>,
        integrity: Vec<String>,
        groups: Vec<String>,
    }

    /// By the names that suites are made of; the group `none` is the absence of PFS.
    struct EspAlgorithms {
        encryption: Vec<String>,
        integrity: Vec<String>,
        groups: Vec<String>,
        esn: bool,
    }

    /// What is spoken.
    struct IkeRules {
        versions: Vec<Word<IkeGeneration>>,
        ikev1_modes: Vec<Word<V1Mode>>,
        fqdn_identities: bool,
        source: String,
    }

    /// Ages at which SAs end. Ranges are what the cloud can be told, shortest and longest.
    struct Lifetimes {
        ike: Word<Duration>,
        ike_range: Option<(Word<Duration>, Word<Duration>)>,
        child: Word<Duration>,
        child_range: Option<(Word<Duration>, Word<Duration>)>,
        child_bytes: Option<Word<Octets>>,
        source: String,
    }

    /// How long before the end a rekey begins.
    struct Rekey {
        margin: Word<Duration>,
        /// Percent.
        fuzz: u8,
        source: String,
    }

    /// Liveness checks of ours, and when the cloud takes us for dead.
    struct DpdRules {
        interval: Word<Duration>,
        timeout: Word<Duration>,
        cloud_timeout: Option<Word<Duration>>,
        source: String,
    }

    /// Packets of the anti-replay window, ours and what the cloud can be told.
    struct Replay {
        window: u32,
        cloud_range: Option<(u32, u32)>,
        source: String,
    }

    /// Who begins.
    struct Start {
        ours: Word<StartAction>,
        cloud: Begins,
        source: String,
    }

    /// BGP inside the tunnel.
    struct BgpRules {
        /// Whether the cloud opens TCP connections to us.
        cloud_opens: bool,
        hold: Word<Duration>,
        keepalive: Word<Duration>,
        cloud_keeps_to_its_timers: bool,
        bfd: bool,
        source: String,
    }

    /// Routes from it and to it.
    struct Routes {
        #[serde(rename = "in")]
        inbound: Option<u32>,
        /// What we hold ourselves to.
        out: Option<u32>,
        /// More than this no gateway of the cloud takes.
        out_most: Option<u32>,
        /// What happens then.
        above: String,
        /// Whether all that it announces is accepted where nothing else is said (RFC 8212). What a cloud gateway
        /// announces is what its owner attached to it.
        trusted: bool,
        default_route: DefaultRoute,
        /// Neither these, nor parts of them, nor what holds them.
        refuses: Vec<IpNet>,
        source: String,
    }

    /// Sizes inside the tunnel over a path of 1,500 octets.
    struct Mtu {
        most: Option<u32>,
        table: Vec<MtuRow>,
        source: String,
    }

    /// One row of the table.
    struct MtuRow {
        suite: String,
        in_udp: bool,
        mtu: u32,
        mss: u32,
    }

    /// Links inside tunnels.
    struct Inside {
        ranges: Vec<Ipv4Net>,
        /// Any if empty.
        lengths: Vec<u8>,
        /// Our host of the link, unless the configuration says otherwise.
        our_host: Option<Side>,
        /// Whether the cloud leaves no choice.
        our_host_is_fixed: bool,
        reserved: Vec<Ipv4Net>,
        ipv6: Option<Inside6>,
        source: String,
    }

    /// IPv6 links.
    struct Inside6 {
        within: Ipv6Net,
        /// Shortest and longest.
        lengths: (u8, u8),
    }

    /// AS numbers.
    struct AsnRules {
        /// What its gateways have unless told otherwise.
        cloud_default: Option<u32>,
        /// What it takes from nobody.
        reserved: Vec<Word<AsnRange>>,
        /// What to take instead, to follow "take".
        take: String,
        source: String,
    }

    /// Which pre-shared keys it accepts.
    struct PskRule {
        /// Shortest and longest, in octets.
        length: (usize, usize),
        characters: Characters,
        /// Beside these.
        also: String,
        leading_zero: bool,
        /// To follow "accepts".
        text: String,
        source: String,
    }

    /// Outside addresses.
    struct Outside {
        /// Where no tunnel of a customer can end.
        customer_forbidden: Vec<IpNet>,
        source: String,
    }
}

macro_rules! words {
    ($($(#[$title:meta])* enum $name:ident { $($(#[$doc:meta])* $variant:ident,)* })*) => {$(
        $(#[$title])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum $name {
            $($(#[$doc])* $variant,)*
        }
    )*};
}

words! {
    /// Which host of the inside prefix.
    enum Side { First, Second, }

    /// Which of several suites of ours comes to be used.
    enum OfSeveral {
        /// The weakest that it has, too.
        Weakest,
        /// The one that it likes best.
        Theirs,
        /// The one that we like best.
        Ours,
    }

    /// What the cloud's own rekeys have, unless its owner said otherwise.
    enum DefaultPfs {
        /// A key exchange.
        Always,
        /// None, at least when it begins.
        MayBeAbsent,
    }

    /// Whether the cloud begins a tunnel.
    enum Begins { Always, IfTold, Never, }

    /// What becomes of a default route that is announced to it.
    enum DefaultRoute { Accepted, Refused, }

    /// Letters and digits, or all of printable ASCII.
    enum Characters { Alphanumeric, Printable, }
}

impl Suites {
    /// Whether rekeys that the cloud begins may come without a key exchange.
    pub(crate) fn pfs_may_be_absent(&self) -> bool {
        self.default_pfs == DefaultPfs::MayBeAbsent
    }
}

impl Accepts {
    /// What of an IKE suite the cloud does not take.
    pub(crate) fn obstacle_ike(&self, proposal: &IkeProposal) -> Option<String> {
        let rules = &self.ike;
        let encryption = proposal.encryption.to_string();
        if !rules.encryption.contains(&encryption) {
            return Some(encryption);
        }
        if let Some(integrity) = proposal.integrity.filter(|hash| !rules.integrity.contains(&hash.to_string())) {
            return Some(integrity.to_string());
        }
        if !integrities(&rules.integrity).any(|hash| Prf::from(hash) == proposal.prf) {
            return Some(proposal.prf.to_string());
        }
        let additional = proposal.additional.groups();
        let mut groups = std::iter::once(proposal.group).chain(additional).map(|group| group.to_string());
        groups.find(|group| !rules.groups.contains(group))
    }

    /// What of an ESP suite the cloud does not take.
    pub(crate) fn obstacle_esp(&self, proposal: &EspProposal) -> Option<String> {
        let rules = &self.esp;
        let encryption = proposal.suite.encryption.to_string();
        if !rules.encryption.contains(&encryption) {
            return Some(encryption);
        }
        if let Some(integrity) = proposal.suite.integrity.filter(|hash| !rules.integrity.contains(&hash.to_string())) {
            return Some(integrity.to_string());
        }
        if proposal.suite.esn && !proposal.or_without_esn && !rules.esn {
            return Some("esn".to_owned());
        }
        let group = match proposal.pfs {
            Pfs::Off => "none".to_owned(),
            Pfs::Required(group) | Pfs::Preferred(group) => group.to_string(),
        };
        let additional: Vec<_> = proposal.additional.groups().iter().map(ToString::to_string).collect();
        let mut groups = std::iter::once(group).chain(additional);
        groups
            .find(|group| !rules.groups.contains(group))
            .map(|group| if group == "none" { "no PFS".to_owned() } else { group })
    }
}

fn integrities(names: &[String]) -> impl Iterator<Item = Integrity> {
    Integrity::ALL.into_iter().filter(move |hash| names.contains(&hash.to_string()))
}

impl AsnRules {
    /// Whether the cloud takes this number from nobody.
    pub(crate) fn is_reserved(&self, asn: Asn) -> bool {
        self.reserved.iter().any(|Word(range)| range.contains(asn))
    }
}

impl PskRule {
    /// Whether both ends can have this key.
    pub(crate) fn fits(&self, key: &[u8]) -> bool {
        (self.length.0..=self.length.1).contains(&key.len())
            && key.iter().all(|octet| self.has(*octet))
            && (self.leading_zero || key.first() != Some(&b'0'))
    }

    fn has(&self, octet: u8) -> bool {
        let usual = match self.characters {
            Characters::Alphanumeric => octet.is_ascii_alphanumeric(),
            Characters::Printable => matches!(octet, b' '..=b'~'),
        };
        usual || self.also.bytes().any(|other| other == octet)
    }
}

impl Inside {
    /// Whether the cloud has such links.
    pub(crate) fn takes(&self, link: Ipv4Net) -> bool {
        self.ranges.iter().any(|range| range.contains(&link))
            && (self.lengths.is_empty() || self.lengths.contains(&link.prefix_len()))
    }

    /// The link that the cloud keeps for itself, if `link` touches one.
    pub(crate) fn reserved(&self, link: Ipv4Net) -> Option<Ipv4Net> {
        self.reserved.iter().copied().find(|reserved| reserved.contains(&link) || link.contains(reserved))
    }
}

impl Inside6 {
    /// Whether the cloud has such links.
    pub(crate) fn takes(&self, link: Ipv6Net) -> bool {
        self.within.contains(&link) && (self.lengths.0..=self.lengths.1).contains(&link.prefix_len())
    }
}

impl Outside {
    /// The range in which no tunnel of a customer can end.
    pub(crate) fn forbidden(&self, address: IpAddr) -> Option<IpNet> {
        self.customer_forbidden.iter().copied().find(|range| range.contains(&address))
    }
}
