//! The shape of a profile's file. Every section says where its facts are from.

use std::net::IpAddr;
use std::time::Duration;

use crypto::{EspProposal, IkeProposal, Pfs, Prf};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use negotiation::{StartAction, V1Mode};
use serde::Deserialize;
use wire::Asn;
use wire::ipsec::Integrity;

use document::asn_range::AsnRange;
use document::field::Word;
use document::scalar::{IkeGeneration, Octets};
use document::yaml;

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
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
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
        /// Suites.
        suites: Suites,
        /// Versions and identities.
        ike: IkeRules,
        /// Ages of SAs.
        lifetimes: Lifetimes,
        /// When they are renewed.
        rekey: Rekey,
        /// Liveness.
        dpd: DpdRules,
        /// Anti-replay windows.
        replay: Replay,
        /// Who begins.
        start: Start,
        /// Sessions.
        bgp: BgpRules,
        /// Routes.
        routes: Routes,
        /// Sizes.
        mtu: Mtu,
        /// Links inside tunnels.
        inside: Inside,
        /// AS numbers.
        asn: AsnRules,
        /// What a pre-shared key may look like, if the cloud cares.
        psk: Option<PskRule>,
        /// Outside addresses.
        outside: Outside,
    }

    /// What is proposed unless the configuration says otherwise, and what the cloud takes at all.
    struct Suites {
        /// For IKE SAs of IKEv2, the best first.
        ike: Vec<Word<IkeProposal>>,
        /// For their CHILD SAs.
        esp: Vec<Word<EspProposal>>,
        /// The same for IKEv1.
        ikev1_ike: Vec<Word<IkeProposal>>,
        /// The same for IKEv1.
        ikev1_esp: Vec<Word<EspProposal>>,
        /// Which of several of ours is used.
        of_several: OfSeveral,
        /// Whether its own rekeys have a key exchange.
        default_pfs: DefaultPfs,
        /// All that it takes, if that is known.
        accepts: Option<Accepts>,
        /// Where that is from.
        source: String,
    }

    /// All that the cloud takes.
    struct Accepts {
        /// For IKE SAs.
        ike: IkeAlgorithms,
        /// For CHILD SAs.
        esp: EspAlgorithms,
    }

    /// By the names that suites are made of.
    struct IkeAlgorithms {
        /// Ciphers.
        encryption: Vec<String>,
        /// Hashes.
        integrity: Vec<String>,
        /// Key exchanges.
        groups: Vec<String>,
    }

    /// By the names that suites are made of; the group `none` is the absence of PFS.
    struct EspAlgorithms {
        /// Ciphers.
        encryption: Vec<String>,
        /// Hashes.
        integrity: Vec<String>,
        /// Key exchanges.
        groups: Vec<String>,
        /// Whether it has extended sequence numbers.
        esn: bool,
    }

    /// What is spoken.
    struct IkeRules {
        /// The versions of IKE, the best first.
        versions: Vec<Word<IkeGeneration>>,
        /// The modes of IKEv1.
        ikev1_modes: Vec<Word<V1Mode>>,
        /// Whether an end may be called by a name.
        fqdn_identities: bool,
        /// Where that is from.
        source: String,
    }

    /// Ages at which SAs end. Ranges are what the cloud can be told, shortest and longest.
    struct Lifetimes {
        /// Of IKE SAs, by default.
        ike: Word<Duration>,
        /// What it can be told.
        ike_range: Option<(Word<Duration>, Word<Duration>)>,
        /// Of CHILD SAs, by default.
        child: Word<Duration>,
        /// What it can be told.
        child_range: Option<(Word<Duration>, Word<Duration>)>,
        /// How much a CHILD SA may carry.
        child_bytes: Option<Word<Octets>>,
        /// Where that is from.
        source: String,
    }

    /// How long before the end a rekey begins.
    struct Rekey {
        /// At most.
        margin: Word<Duration>,
        /// Percent.
        fuzz: u8,
        /// Where that is from.
        source: String,
    }

    /// Liveness checks of ours, and when the cloud takes us for dead.
    struct DpdRules {
        /// Between checks.
        interval: Word<Duration>,
        /// Until it is dead to us.
        timeout: Word<Duration>,
        /// Until we are dead to it.
        cloud_timeout: Option<Word<Duration>>,
        /// Where that is from.
        source: String,
    }

    /// Packets of the anti-replay window, ours and what the cloud can be told.
    struct Replay {
        /// Ours.
        window: u32,
        /// What it can be told.
        cloud_range: Option<(u32, u32)>,
        /// Where that is from.
        source: String,
    }

    /// Who begins.
    struct Start {
        /// What we do, by default.
        ours: Word<StartAction>,
        /// What it does.
        cloud: Begins,
        /// Where that is from.
        source: String,
    }

    /// BGP inside the tunnel.
    struct BgpRules {
        /// Whether the cloud opens TCP connections to us.
        cloud_opens: bool,
        /// Hold time.
        hold: Word<Duration>,
        /// Between KEEPALIVE messages.
        keepalive: Word<Duration>,
        /// Whether it takes no others.
        cloud_keeps_to_its_timers: bool,
        /// Whether it speaks BFD.
        bfd: bool,
        /// Where that is from.
        source: String,
    }

    /// Routes from it and to it.
    struct Routes {
        /// The most prefixes it announces.
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
        /// Whether it takes one.
        default_route: DefaultRoute,
        /// Neither these, nor parts of them, nor what holds them.
        refuses: Vec<IpNet>,
        /// Where that is from.
        source: String,
    }

    /// Sizes inside the tunnel over a path of 1,500 octets.
    struct Mtu {
        /// The largest MTU.
        most: Option<u32>,
        /// By suite.
        table: Vec<MtuRow>,
        /// Where that is from.
        source: String,
    }

    /// One row of the table.
    struct MtuRow {
        /// The suite.
        suite: String,
        /// Whether it is encapsulated in UDP.
        in_udp: bool,
        /// The MTU.
        mtu: u32,
        /// The largest TCP segment.
        mss: u32,
    }

    /// Links inside tunnels.
    struct Inside {
        /// Where they may lie.
        ranges: Vec<Ipv4Net>,
        /// Any if empty.
        lengths: Vec<u8>,
        /// Our host of the link, unless the configuration says otherwise.
        our_host: Option<Side>,
        /// Whether the cloud leaves no choice.
        our_host_is_fixed: bool,
        /// Which of them it keeps.
        reserved: Vec<Ipv4Net>,
        /// What it says of IPv6, if it has it.
        ipv6: Option<Inside6>,
        /// Where that is from.
        source: String,
    }

    /// IPv6 links.
    struct Inside6 {
        /// Where they may lie.
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
        /// Where that is from.
        source: String,
    }

    /// Which pre-shared keys it accepts.
    struct PskRule {
        /// Shortest and longest, in octets.
        length: (usize, usize),
        /// Of what.
        characters: Characters,
        /// Beside these.
        also: String,
        /// Whether the first may be a zero.
        leading_zero: bool,
        /// To follow "accepts".
        text: String,
        /// Where that is from.
        source: String,
    }

    /// Outside addresses.
    struct Outside {
        /// Where no tunnel of a customer can end.
        customer_forbidden: Vec<IpNet>,
        /// Where that is from.
        source: String,
    }
}

macro_rules! words {
    ($($(#[$title:meta])* enum $name:ident { $($(#[$doc:meta])* $variant:ident,)* })*) => {$(
        $(#[$title])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }
    )*};
}

words! {
    /// Which host of the inside prefix.
    enum Side {
        /// The lower.
        First,
        /// The higher.
        Second,
    }

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
    enum Begins {
        /// By itself.
        Always,
        /// Where its owner asked for it.
        IfTold,
        /// It waits for us.
        Never,
    }

    /// What becomes of a default route that is announced to it.
    enum DefaultRoute {
        /// It takes it.
        Accepted,
        /// It does not.
        Refused,
    }

    /// Letters and digits, or all of printable ASCII.
    enum Characters {
        /// Letters and digits.
        Alphanumeric,
        /// What has a glyph, and the space.
        Printable,
    }
}

impl Suites {
    /// Whether rekeys that the cloud begins may come without a key exchange.
    pub fn pfs_may_be_absent(&self) -> bool {
        self.default_pfs == DefaultPfs::MayBeAbsent
    }
}

impl Accepts {
    /// What of an IKE suite the cloud does not take.
    pub fn obstacle_ike(&self, proposal: &IkeProposal) -> Option<String> {
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
    pub fn obstacle_esp(&self, proposal: &EspProposal) -> Option<String> {
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
    pub fn is_reserved(&self, asn: Asn) -> bool {
        self.reserved.iter().any(|Word(range)| range.contains(asn))
    }
}

impl PskRule {
    /// Whether both ends can have this key.
    pub fn fits(&self, key: &[u8]) -> bool {
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
    pub fn takes(&self, link: Ipv4Net) -> bool {
        self.ranges.iter().any(|range| range.contains(&link))
            && (self.lengths.is_empty() || self.lengths.contains(&link.prefix_len()))
    }

    /// The link that the cloud keeps for itself, if `link` touches one.
    pub fn reserved(&self, link: Ipv4Net) -> Option<Ipv4Net> {
        self.reserved.iter().copied().find(|reserved| reserved.contains(&link) || link.contains(reserved))
    }
}

impl Inside6 {
    /// Whether the cloud has such links.
    pub fn takes(&self, link: Ipv6Net) -> bool {
        self.within.contains(&link) && (self.lengths.0..=self.lengths.1).contains(&link.prefix_len())
    }
}

impl Outside {
    /// The range in which no tunnel of a customer can end.
    pub fn forbidden(&self, address: IpAddr) -> Option<IpNet> {
        self.customer_forbidden.iter().copied().find(|range| range.contains(&address))
    }
}
