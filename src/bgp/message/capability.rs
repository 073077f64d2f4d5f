//! Capabilities (RFC 5492) a speaker announces in its OPEN.
//!
//! Understood: multiprotocol (RFC 4760 8), route refresh (RFC 2918 2) and its marks (RFC 7313), extended next hops
//! (RFC 8950 4), extended messages (RFC 8654 3), roles (RFC 9234 4.1), graceful restart (RFC 4724 3, RFC 8538 2),
//! four-octet AS numbers (RFC 6793 3), ADD-PATH (RFC 7911 4). All others are kept with their number and value, and
//! ignored (RFC 5492 3).

use std::fmt;

use wire::{Asn, DecodeError, DecodeReason, Decoder, Encoder, code_point};

use crate::{Family, Role};

code_point! {
    /// <https://www.iana.org/assignments/capability-codes>
    pub struct CapabilityCode(u8) {
        MULTIPROTOCOL = 1;
        ROUTE_REFRESH = 2;
        OUTBOUND_ROUTE_FILTERING = 3;
        EXTENDED_NEXT_HOP = 5;
        EXTENDED_MESSAGE = 6;
        BGPSEC = 7;
        MULTIPLE_LABELS = 8;
        ROLE = 9;
        GRACEFUL_RESTART = 64;
        FOUR_OCTET_AS = 65;
        DYNAMIC = 67;
        MULTISESSION = 68;
        ADD_PATH = 69;
        ENHANCED_ROUTE_REFRESH = 70;
        LONG_LIVED_GRACEFUL_RESTART = 71;
        FQDN = 73;
        BFD = 74;
        SOFTWARE_VERSION = 75;
        PATHS_LIMIT = 76;
        ROUTE_REFRESH_CISCO = 128;
    }
}

/// One capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Speaks an address family.
    Multiprotocol {
        /// Address family identifier.
        afi: u16,
        /// Subsequent address family identifier.
        safi: u8,
    },
    /// Announces everything again when asked.
    RouteRefresh,
    /// Takes next hops of another family (RFC 8950 4): AFI and SAFI of the prefixes, AFI of the next hop.
    ExtendedNextHop(Vec<(u16, u8, u16)>),
    /// Takes messages of more than 4096 octets (RFC 8654).
    ExtendedMessage,
    /// What it is to us, as a number (RFC 9234 4.1).
    Role(u8),
    /// Can restart, or knows how to behave when the other side does (RFC 4724 3).
    GracefulRestart(GracefulRestart),
    /// Speaks four-octet AS numbers; this is its own.
    FourOctetAs(Asn),
    /// Takes (1) or sends (2) several paths, or both (3): AFI, SAFI and that number (RFC 7911 4).
    AddPath(Vec<(u16, u8, u8)>),
    /// Marks begin and end of what it announces again (RFC 7313).
    EnhancedRouteRefresh,
    /// Something else.
    Other {
        /// Which.
        code: CapabilityCode,
        /// As received.
        value: Vec<u8>,
    },
}

/// The value of the graceful restart capability (RFC 4724 3, RFC 8538 2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GracefulRestart {
    /// The R bit: the speaker has just restarted.
    pub restarting: bool,
    /// The N bit: it keeps routes over a NOTIFICATION.
    pub notification: bool,
    /// Seconds until it is back, at most 4095.
    pub time: u16,
    /// AFI, SAFI and flags, of which the highest bit says that forwarding went on.
    pub families: Vec<(u16, u8, u8)>,
}

impl GracefulRestart {
    /// The F bit of a family.
    pub const FORWARDING: u8 = 0x80;
    /// What twelve bits hold.
    pub const LONGEST: u16 = 0x0fff;

    const RESTARTING: u16 = 0x8000;
    const NOTIFICATION: u16 = 0x4000;

    fn decode(value: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let word = value.u16("Restart Flags and Time")?;
        let mut families = Vec::with_capacity(value.remaining() / 4);
        while !value.is_empty() {
            families.push((value.u16("AFI")?, value.u8("SAFI")?, value.u8("Flags")?));
        }
        Ok(Self {
            restarting: word & Self::RESTARTING != 0,
            notification: word & Self::NOTIFICATION != 0,
            time: word & Self::LONGEST,
            families,
        })
    }

    fn encode(&self, value: &mut Encoder) {
        let flag = |set, bit| if set { bit } else { 0 };
        let flags = flag(self.restarting, Self::RESTARTING) | flag(self.notification, Self::NOTIFICATION);
        value.u16(flags | self.time.min(Self::LONGEST));
        for (afi, safi, flags) in &self.families {
            value.u16(*afi);
            value.u8(*safi);
            value.u8(*flags);
        }
    }
}

impl Capability {
    /// Speaks `family`.
    #[must_use]
    pub const fn family(family: Family) -> Self {
        let (afi, safi) = family.codes();
        Self::Multiprotocol { afi, safi }
    }

    /// Its number.
    #[must_use]
    pub const fn code(&self) -> CapabilityCode {
        match self {
            Self::Multiprotocol { .. } => CapabilityCode::MULTIPROTOCOL,
            Self::RouteRefresh => CapabilityCode::ROUTE_REFRESH,
            Self::ExtendedNextHop(_) => CapabilityCode::EXTENDED_NEXT_HOP,
            Self::ExtendedMessage => CapabilityCode::EXTENDED_MESSAGE,
            Self::Role(_) => CapabilityCode::ROLE,
            Self::GracefulRestart(_) => CapabilityCode::GRACEFUL_RESTART,
            Self::FourOctetAs(_) => CapabilityCode::FOUR_OCTET_AS,
            Self::AddPath(_) => CapabilityCode::ADD_PATH,
            Self::EnhancedRouteRefresh => CapabilityCode::ENHANCED_ROUTE_REFRESH,
            Self::Other { code, .. } => *code,
        }
    }

    /// Reads one; the cursor moves behind it.
    ///
    /// # Errors
    /// [`DecodeError`] if it runs over the end, or has not the length its code demands.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let code = CapabilityCode(decoder.u8("Capability Code")?);
        let length = decoder.u8("Capability Length")?;
        let mut value = decoder.sub(length.into(), "Capability Value")?;
        let capability = Self::decode_value(code, &mut value)?;
        match value.remaining() {
            0 => Ok(capability),
            _ => Err(value.error("Capability Length", DecodeReason::Length { length: length.into() })),
        }
    }

    fn decode_value(code: CapabilityCode, value: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match code {
            CapabilityCode::MULTIPROTOCOL => {
                let afi = value.u16("AFI")?;
                value.u8("Reserved")?;
                Self::Multiprotocol { afi, safi: value.u8("SAFI")? }
            }
            CapabilityCode::ROUTE_REFRESH => Self::RouteRefresh,
            CapabilityCode::EXTENDED_NEXT_HOP => {
                let mut families = Vec::with_capacity(value.remaining() / 6);
                while !value.is_empty() {
                    let afi = value.u16("AFI")?;
                    value.u8("Reserved")?;
                    families.push((afi, value.u8("SAFI")?, value.u16("Nexthop AFI")?));
                }
                Self::ExtendedNextHop(families)
            }
            CapabilityCode::EXTENDED_MESSAGE => Self::ExtendedMessage,
            CapabilityCode::ROLE => Self::Role(value.u8("Role")?),
            CapabilityCode::GRACEFUL_RESTART => Self::GracefulRestart(GracefulRestart::decode(value)?),
            CapabilityCode::FOUR_OCTET_AS => Self::FourOctetAs(Asn(value.u32("AS number")?)),
            CapabilityCode::ADD_PATH => {
                let mut families = Vec::with_capacity(value.remaining() / 4);
                while !value.is_empty() {
                    families.push((value.u16("AFI")?, value.u8("SAFI")?, value.u8("Send/Receive")?));
                }
                Self::AddPath(families)
            }
            CapabilityCode::ENHANCED_ROUTE_REFRESH => Self::EnhancedRouteRefresh,
            _ => Self::Other { code, value: value.take_rest().to_vec() },
        })
    }

    /// Appends it.
    pub fn encode(&self, encoder: &mut Encoder) {
        encoder.u8(self.code().0);
        let mut value = encoder.length_u8();
        match self {
            Self::Multiprotocol { afi, safi } => {
                value.u16(*afi);
                value.u8(0);
                value.u8(*safi);
            }
            Self::RouteRefresh | Self::ExtendedMessage | Self::EnhancedRouteRefresh => {}
            Self::ExtendedNextHop(families) => {
                for (afi, safi, next_hop) in families {
                    value.u16(*afi);
                    value.u16((*safi).into());
                    value.u16(*next_hop);
                }
            }
            Self::Role(role) => value.u8(*role),
            Self::GracefulRestart(restart) => restart.encode(&mut value),
            Self::FourOctetAs(asn) => value.u32(asn.0),
            Self::AddPath(families) => {
                for (afi, safi, directions) in families {
                    value.u16(*afi);
                    value.u8(*safi);
                    value.u8(*directions);
                }
            }
            Self::Other { value: octets, .. } => value.bytes(octets),
        }
    }

    /// A list of capabilities, as in the data of Unsupported Capability (RFC 5492 5), in words.
    pub(super) fn list_in_words(octets: &[u8]) -> Option<String> {
        let mut decoder = Decoder::new(octets);
        let mut names = Vec::new();
        while !decoder.is_empty() {
            names.push(Self::decode(&mut decoder).ok()?.to_string());
        }
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// In words: `multiprotocol ipv4-unicast`, `add-path ipv4-unicast receive`.
impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multiprotocol { afi, safi } => {
                f.write_str("multiprotocol ")?;
                write_family(f, *afi, *safi)
            }
            Self::RouteRefresh => f.write_str("route-refresh"),
            Self::ExtendedNextHop(families) => {
                f.write_str("extended-next-hop")?;
                for (afi, safi, next_hop) in families {
                    f.write_str(" ")?;
                    write_family(f, *afi, *safi)?;
                    write!(f, " over {}", afi_name(*next_hop))?;
                }
                Ok(())
            }
            Self::ExtendedMessage => f.write_str("extended-messages"),
            Self::Role(code) => match Role::from_code(*code) {
                Some(role) => write!(f, "role {role}"),
                None => write!(f, "role {code}"),
            },
            Self::GracefulRestart(restart) => restart.fmt(f),
            Self::FourOctetAs(asn) => write!(f, "four-octet-as {asn}"),
            Self::AddPath(families) => {
                f.write_str("add-path")?;
                for (afi, safi, directions) in families {
                    f.write_str(" ")?;
                    write_family(f, *afi, *safi)?;
                    match directions {
                        1 => f.write_str(" receive")?,
                        2 => f.write_str(" send")?,
                        3 => f.write_str(" both")?,
                        other => write!(f, " {other}")?,
                    }
                }
                Ok(())
            }
            Self::EnhancedRouteRefresh => f.write_str("enhanced-refresh"),
            Self::Other { code, .. } => match code.name() {
                Some(name) => f.write_str(&name.to_ascii_lowercase().replace('_', "-")),
                None => write!(f, "capability {}", code.0),
            },
        }
    }
}

impl fmt::Display for GracefulRestart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "graceful-restart {} s", self.time)?;
        if self.restarting {
            f.write_str(", restarting")?;
        }
        if self.notification {
            f.write_str(", over notifications")?;
        }
        if self.families.is_empty() {
            f.write_str(", helper only")?;
        }
        for (afi, safi, flags) in &self.families {
            f.write_str(", ")?;
            write_family(f, *afi, *safi)?;
            if flags & Self::FORWARDING != 0 {
                f.write_str(" forwarding")?;
            }
        }
        Ok(())
    }
}

fn write_family(f: &mut fmt::Formatter<'_>, afi: u16, safi: u8) -> fmt::Result {
    match Family::from_codes(afi, safi) {
        Some(family) => write!(f, "{family}"),
        None => write!(f, "AFI {afi} SAFI {safi}"),
    }
}

fn afi_name(afi: u16) -> String {
    match afi {
        1 => "ipv4".to_owned(),
        2 => "ipv6".to_owned(),
        other => format!("AFI {other}"),
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn golden() -> Vec<(Capability, &'static [u8], &'static str)> {
        let restart = GracefulRestart {
            restarting: true,
            notification: true,
            time: 120,
            families: vec![(1, 1, 0x80), (2, 1, 0), (1, 128, 0)],
        };
        vec![
            (Capability::family(Family::Ipv6Unicast), &hex!("01 04 00020001"), "multiprotocol ipv6-unicast"),
            (Capability::Multiprotocol { afi: 25, safi: 70 }, &hex!("01 04 00190046"), "multiprotocol AFI 25 SAFI 70"),
            (Capability::RouteRefresh, &hex!("02 00"), "route-refresh"),
            (
                Capability::ExtendedNextHop(vec![(1, 1, 2), (1, 128, 2)]),
                &hex!("05 0c 0001 0001 0002 0001 0080 0002"),
                "extended-next-hop ipv4-unicast over ipv6 AFI 1 SAFI 128 over ipv6",
            ),
            (Capability::ExtendedMessage, &hex!("06 00"), "extended-messages"),
            (Capability::Role(3), &hex!("09 01 03"), "role customer"),
            (Capability::Role(9), &hex!("09 01 09"), "role 9"),
            (
                Capability::GracefulRestart(restart),
                &hex!("40 0e c078 0001 01 80 0002 01 00 0001 80 00"),
                "graceful-restart 120 s, restarting, over notifications, ipv4-unicast forwarding, ipv6-unicast, \
                 AFI 1 SAFI 128",
            ),
            (
                Capability::GracefulRestart(GracefulRestart::default()),
                &hex!("40 02 0000"),
                "graceful-restart 0 s, helper only",
            ),
            (Capability::FourOctetAs(Asn(70000)), &hex!("41 04 00011170"), "four-octet-as 70000"),
            (
                Capability::AddPath(vec![(1, 1, 3), (2, 1, 1), (2, 1, 2), (1, 1, 9)]),
                &hex!("45 10 0001 01 03 0002 01 01 0002 01 02 0001 01 09"),
                "add-path ipv4-unicast both ipv6-unicast receive ipv6-unicast send ipv4-unicast 9",
            ),
            (Capability::EnhancedRouteRefresh, &hex!("46 00"), "enhanced-refresh"),
            (
                Capability::Other { code: CapabilityCode::FQDN, value: vec![1, b'a', 0] },
                &hex!("49 03 01 61 00"),
                "fqdn",
            ),
            (Capability::Other { code: CapabilityCode(200), value: Vec::new() }, &hex!("c8 00"), "capability 200"),
        ]
    }

    #[test]
    fn every_capability_is_the_same_both_ways_and_has_words() {
        for (capability, octets, words) in golden() {
            let mut encoder = Encoder::new();
            capability.encode(&mut encoder);
            assert_eq!(encoder.finish().unwrap(), octets, "{words}");
            let mut decoder = Decoder::new(octets);
            assert_eq!(Capability::decode(&mut decoder), Ok(capability.clone()), "{words}");
            assert!(decoder.is_empty());
            assert_eq!(capability.to_string(), words);
        }
    }

    #[test]
    fn truncation_at_every_length_is_an_error() {
        for (_, octets, words) in golden() {
            for length in 0..octets.len() {
                assert!(Capability::decode(&mut Decoder::new(&octets[..length])).is_err(), "{words}, {length} octets");
            }
        }
    }

    #[test]
    fn a_length_that_the_code_does_not_have_is_an_error() {
        for octets in [
            &hex!("01 05 0002000100")[..],
            &hex!("02 01 00"),
            &hex!("05 05 0001000100"),
            &hex!("06 01 00"),
            &hex!("09 00"),
            &hex!("09 02 0303"),
            &hex!("40 01 00"),
            &hex!("40 03 0000 00"),
            &hex!("41 03 000000"),
            &hex!("45 03 000101"),
            &hex!("46 01 00"),
        ] {
            assert!(Capability::decode(&mut Decoder::new(octets)).is_err(), "{octets:02x?}");
        }
    }

    #[test]
    fn a_restart_time_beyond_its_twelve_bits_is_cut() {
        let mut encoder = Encoder::new();
        let long = GracefulRestart { time: u16::MAX, ..GracefulRestart::default() };
        Capability::GracefulRestart(long).encode(&mut encoder);
        assert_eq!(encoder.finish().unwrap(), hex!("40 02 0fff"));
    }
}
