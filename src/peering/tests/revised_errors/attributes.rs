//! The attributes, what can be wrong with any of them, and the table of verdicts.

use bgp::{Nlri, Update};
use hex_literal::hex;

use super::{Fate, From, established, fate};
use crate::Offers;

/// What is wrong, whatever the attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Nothing.
    Good,
    /// The length field takes two octets where one would do, which anybody may do.
    Extended,
    /// One octet less.
    Short,
    /// One octet more.
    Long,
    /// No octets.
    Empty,
    /// The Optional bit is the other one.
    Optional,
    /// The Transitive bit is the other one.
    Transitive,
    /// It is not there.
    Missing,
    /// It is there twice.
    Duplicate,
    /// It runs over the end of the list of attributes.
    Cut,
}

/// In the order of the signs below.
pub(super) const CLASSES: [Class; 10] = [
    Class::Good,
    Class::Extended,
    Class::Short,
    Class::Long,
    Class::Empty,
    Class::Optional,
    Class::Transitive,
    Class::Missing,
    Class::Duplicate,
    Class::Cut,
];

/// Declares the attributes, in the order of their numbers.
macro_rules! attributes {
    ($($name:ident $outside:literal $inside:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Attribute {
            $($name,)*
        }

        impl Attribute {
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];
        }

        /// Verdicts from outside and inside: `.` none, `D` attribute discard, `W` treat-as-withdraw, `R` session reset, `-`
        /// there is no such error.
        pub(super) const ATTRIBUTES: &[(Attribute, &str, &str)] = &[$((Attribute::$name, $outside, $inside),)*];
    };
}

attributes! {
    // RFC 7606 7.1 to 7.3, 3 c, 3 d, 3 g, 4.
    //                  good, extended, short, long, empty, optional, transitive, missing, duplicate, cut
    Origin              "..WWWWWWDW" "..WWWWWWDW";
    // Inside, an empty path is that of a route of our own AS.
    AsPath              "..WWWWWWDW" "..WW.WWWDW";
    NextHop             "..WWWWWWDW" "..WWWWWWDW";
    Med                 "..WWWWW.DW" "..WWWWW.DW";
    // RFC 7606 7.5: from outside it is discarded, whatever it is.
    LocalPref           "DDDDDDD.DW" "..WWWWW.DW";
    // RFC 7606 7.6, 7.7: they are discarded for their length, yet not for their flags.
    AtomicAggregate     "..-D.WW.DW" "..-D.WW.DW";
    Aggregator          "..DDDWW.DW" "..DDDWW.DW";
    Communities         "..WWWWW.DW" "..WWWWW.DW";
    // RFC 7606 7.9, 7.10: as LOCAL_PREF.
    OriginatorId        "DDDDDDD.DW" "..WWWWW.DW";
    ClusterList         "DDDDDDD.DW" "..WWWWW.DW";
    // RFC 7606 5.3, 7.11, 7.12: whatever hides prefixes ends the session.
    MpReach             "..RRRWW-RR" "..RRRWW-RR";
    MpUnreach           "..RRRWW.RR" "..RRRWW.RR";
    // RFC 7606 7.14
    ExtendedCommunities "..WWWWW.DW" "..WWWWW.DW";
    LinkBandwidth       "..WWWWW.DW" "..WWWWW.DW";
    // RFC 6793 4.1: discarded from whom speaks four octets.
    As4Path             "DDDDDDD.DW" "DDDDDDD.DW";
    As4Aggregator       "DDDDDDD.DW" "DDDDDDD.DW";
    // RFC 7311 is not spoken here: optional and not transitive, so that it is ignored, and marked well-known it is unknown.
    Aigp                ".....R..DW" ".....R..DW";
    // RFC 8092 6
    LargeCommunity      "..WWWWW.DW" "..WWWWW.DW";
    // RFC 9234 5
    OnlyToCustomer      "..WWWWW.DW" "..WWWWW.DW";
    // RFC 4271 5, 6.3, 9
    UnknownTransitive   ".....R..DW" ".....R..DW";
    UnknownOptional     ".....R..DW" ".....R..DW";
    UnknownWellKnown    "RRRRR.R.RW" "RRRRR.R.RW";
}

/// 10.2.0.0/16
const PREFIX: &[u8] = &hex!("10 0a02");

impl Attribute {
    /// Flags, number, value.
    fn parts(self, from: From) -> (u8, u8, Vec<u8>) {
        match self {
            Self::Origin => (0x40, 1, vec![0]),
            Self::AsPath => (0x40, 2, from.path()),
            Self::NextHop => (0x40, 3, hex!("a9fe1501").to_vec()),
            Self::Med => (0x80, 4, hex!("00000064").to_vec()),
            Self::LocalPref => (0x40, 5, hex!("000000c8").to_vec()),
            Self::AtomicAggregate => (0x40, 6, Vec::new()),
            Self::Aggregator => (0xc0, 7, hex!("0000fc00 0a000007").to_vec()),
            Self::Communities => (0xc0, 8, hex!("fc000001").to_vec()),
            Self::OriginatorId => (0x80, 9, hex!("0a000009").to_vec()),
            Self::ClusterList => (0x80, 10, hex!("0a00000a").to_vec()),
            // 2001:db8:2::/48 behind 2001:db8::1
            Self::MpReach => {
                (0x80, 14, hex!("0002 01 10 20010db8000000000000000000000001 00 30 20010db80002").to_vec())
            }
            Self::MpUnreach => (0x80, 15, hex!("0002 01 30 20010db80003").to_vec()),
            Self::ExtendedCommunities => (0xc0, 16, hex!("0002fc0000000001").to_vec()),
            // 125,000,000 octets a second
            Self::LinkBandwidth => (0xc0, 16, hex!("4004fc00 4cee6b28").to_vec()),
            Self::As4Path => (0xc0, 17, from.path()),
            Self::As4Aggregator => (0xc0, 18, hex!("0000fc00 0a000007").to_vec()),
            Self::Aigp => (0x80, 26, hex!("01 000b 0000000000000007").to_vec()),
            Self::LargeCommunity => (0xc0, 32, hex!("0000fc00 00000001 00000002").to_vec()),
            Self::OnlyToCustomer => (0xc0, 35, hex!("0000fc00").to_vec()),
            Self::UnknownTransitive => (0xc0, 99, hex!("beef").to_vec()),
            Self::UnknownOptional => (0x80, 100, hex!("beef").to_vec()),
            Self::UnknownWellKnown => (0x40, 101, hex!("beef").to_vec()),
        }
    }

    /// The body of an UPDATE with this one broken, at the end of the list; `None` where it cannot be so.
    pub(super) fn broken(self, class: Class, from: From) -> Option<Vec<u8>> {
        let (flags, code, value) = self.parts(from);
        let one = |flags, value: &[u8]| encoded(flags, code, value);
        let broken = match class {
            Class::Good => one(flags, &value),
            Class::Extended => one(flags | 0x10, &value),
            Class::Short => one(flags, value.split_last()?.1),
            Class::Long => one(flags, &[&value[..], &[0xff]].concat()),
            Class::Empty => one(flags, &[]),
            Class::Optional => one(flags ^ 0x80, &value),
            Class::Transitive => one(flags ^ 0x40, &value),
            Class::Missing if self == Self::MpReach => return None,
            Class::Missing => Vec::new(),
            Class::Duplicate => one(flags, &value).repeat(2),
            Class::Cut => {
                let mut cut = one(flags, &value);
                cut[2] += 1;
                cut
            }
        };
        Some(self.among(&broken, from))
    }

    /// The body of an UPDATE with this value.
    pub(super) fn with_value(self, value: &[u8], from: From) -> Vec<u8> {
        let (flags, code, _) = self.parts(from);
        self.among(&encoded(flags, code, value), from)
    }

    /// Beside the others that a route needs.
    fn among(self, broken: &[u8], from: From) -> Vec<u8> {
        let classic = self != Self::MpReach;
        let needed = [Some(Self::Origin), Some(Self::AsPath), classic.then_some(Self::NextHop)];
        let mut list: Vec<u8> = needed
            .into_iter()
            .flatten()
            .filter(|attribute| *attribute != self)
            .flat_map(|attribute| {
                let (flags, code, value) = attribute.parts(from);
                encoded(flags, code, &value)
            })
            .collect();
        list.extend(broken);
        let mut body = vec![0, 0];
        body.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
        body.extend(list);
        if classic {
            body.extend(PREFIX);
        }
        body
    }

    /// What is withdrawn where the UPDATE is treated as a withdrawal.
    pub(super) fn prefixes(self, class: Class) -> Vec<Nlri> {
        let net = |text: &str| text.parse::<ipnet::IpNet>().unwrap().into();
        match (self, class) {
            (Self::MpReach, _) => vec![net("2001:db8:2::/48")],
            (Self::MpUnreach, _) => vec![net("10.2.0.0/16"), net("2001:db8:3::/48")],
            (_, _) => vec![net("10.2.0.0/16")],
        }
    }

    /// Whether a discarded attribute is left out, a good one is there, and of two the first counts.
    pub(super) fn check_left_out(self, update: &Update, class: Class, from: From) {
        let found = &update.attributes;
        let gone = class != Class::Good && class != Class::Extended && class != Class::Duplicate;
        let outside = from == From::Outside;
        let (is_there, expected) = match self {
            Self::Med => (found.med == Some(100), !gone),
            Self::LocalPref => (found.local_preference == Some(200), !gone && !outside),
            Self::AtomicAggregate => (found.atomic_aggregate, !gone || class == Class::Empty),
            Self::Aggregator => (found.aggregator.is_some(), !gone),
            Self::Communities => (found.communities == [0xfc00_0001], !gone),
            Self::OriginatorId => (found.originator_id.is_some(), !gone && !outside),
            Self::ClusterList => (found.cluster_list.len() == 1, !gone && !outside),
            Self::ExtendedCommunities | Self::LinkBandwidth => (found.extended_communities.len() == 1, !gone),
            Self::LargeCommunity => (found.large_communities == [[64512, 1, 2]], !gone),
            Self::OnlyToCustomer => (found.only_to_customer == Some(wire::Asn(64512)), !gone),
            // Whatever it holds, it is passed on as it came.
            Self::UnknownTransitive => (
                found.unknown.iter().any(|unknown| unknown.code == 99),
                !matches!(class, Class::Missing | Class::Transitive),
            ),
            Self::UnknownOptional | Self::Aigp => (!found.unknown.is_empty(), class == Class::Transitive),
            Self::UnknownWellKnown => (!found.unknown.is_empty(), class == Class::Optional),
            Self::As4Path | Self::As4Aggregator => (found.aggregator.is_some() || found.as_path.0.len() != 1, false),
            Self::Origin | Self::AsPath | Self::NextHop | Self::MpReach | Self::MpUnreach => return,
        };
        assert_eq!(is_there, expected, "{self:?} {class:?} from {from:?}: {found:?}");
    }
}

/// A body with which nothing is wrong.
pub(super) fn good(from: From) -> Vec<u8> {
    Attribute::Med.broken(Class::Good, from).unwrap()
}

fn encoded(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let mut attribute = vec![flags, code];
    if flags & 0x10 == 0 {
        attribute.push(u8::try_from(value.len()).unwrap());
    } else {
        attribute.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    }
    attribute.extend(value);
    attribute
}

/// An attribute that is known here is not one that is marked well-known and nobody knows.
#[test]
fn every_attribute_that_is_known_is_in_the_table() {
    let rows: Vec<u8> = Attribute::ALL.iter().map(|attribute| attribute.parts(From::Outside).1).collect();
    for code in 0..=255 {
        let (mut rig, id) = established(From::Outside, &Offers::default());
        let body = Attribute::UnknownWellKnown.among(&encoded(0x40, code, &[1]), From::Outside);
        let known = fate(&mut rig, id, &body) != Fate::Reset([3, 2]);
        assert!(!known || rows.contains(&code), "attribute {code} has no row");
    }
}
