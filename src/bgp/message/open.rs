//! OPEN (RFC 4271 4.2, 6.2) with its optional parameters (RFC 5492, RFC 9072).
//!
//! ```text
//!  | version | my AS (2) | hold time (2) | BGP identifier (4) | length n | parameters (n)  |   RFC 4271
//!                                                             | 255 | 255 | length (2) | ... |   RFC 9072
//! ```

use std::net::Ipv4Addr;

use wire::{Asn, DecodeError, Decoder, Encoder, RouterId};

use super::capability::{Capability, GracefulRestart};
use super::header::{HEADER_LEN, MAX_MESSAGE_LEN, MessageType, framed};
use super::notification::{ErrorCode, Notification, OpenSubcode};
use crate::{AddPath, Family, Role};

const VERSION: u8 = 4;
const CAPABILITIES: u8 = 2;
/// RFC 9072 2: as length and as first type it announces the extended format.
const EXTENDED: u8 = 255;
/// What the longest OPEN (RFC 8654 4: never an extended message) has room for.
const MOST_CAPABILITIES: usize = MAX_MESSAGE_LEN - HEADER_LEN - 10 - 3 - 3;

/// How a speaker introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The two-octet AS number field; [`Open::asn`] is the real one.
    pub my_as: u16,
    /// Hold time it proposes, in seconds.
    pub hold_time: u16,
    /// Its BGP identifier.
    pub router_id: RouterId,
    /// What it can do, in its order.
    pub capabilities: Vec<Capability>,
}

impl Open {
    /// The AS number: four octets where announced (RFC 6793 4.1).
    #[must_use]
    pub fn asn(&self) -> Asn {
        self.four_octet_asn().unwrap_or(Asn(self.my_as.into()))
    }

    /// Whether it speaks four-octet AS numbers.
    #[must_use]
    pub fn four_octet(&self) -> bool {
        self.four_octet_asn().is_some()
    }

    /// Whether it takes ROUTE-REFRESH.
    #[must_use]
    pub fn route_refresh(&self) -> bool {
        self.capabilities.contains(&Capability::RouteRefresh)
    }

    /// Whether it marks begin and end of what it announces again (RFC 7313).
    #[must_use]
    pub fn enhanced_refresh(&self) -> bool {
        self.capabilities.contains(&Capability::EnhancedRouteRefresh)
    }

    /// Whether it takes messages of more than 4096 octets (RFC 8654).
    #[must_use]
    pub fn extended_messages(&self) -> bool {
        self.capabilities.contains(&Capability::ExtendedMessage)
    }

    /// Whether it takes IPv4 unicast routes with IPv6 next hops (RFC 8950 4).
    #[must_use]
    pub fn extended_next_hop(&self) -> bool {
        let over_ipv6 = |capability: &Capability| matches!(capability, Capability::ExtendedNextHop(families) if families.contains(&(1, 1, 2)));
        self.capabilities.iter().any(over_ipv6)
    }

    /// What it wants of several paths in `family`. RFC 7911 4: a number that is not one of three is ignored.
    #[must_use]
    pub fn add_path(&self, family: Family) -> AddPath {
        let mut directions = AddPath::default();
        for capability in &self.capabilities {
            let Capability::AddPath(families) = capability else { continue };
            for (afi, safi, number) in families {
                if Family::from_codes(*afi, *safi) == Some(family) && (1..=3).contains(number) {
                    directions = AddPath { receive: number & 1 != 0, send: number & 2 != 0 };
                }
            }
        }
        directions
    }

    /// What it says of graceful restart. RFC 4724 3: of several, the last counts.
    #[must_use]
    pub fn graceful_restart(&self) -> Option<&GracefulRestart> {
        self.capabilities.iter().rev().find_map(|capability| {
            if let Capability::GracefulRestart(restart) = capability { Some(restart) } else { None }
        })
    }

    /// The roles it claims, as numbers; more than one is an error unless they are the same (RFC 9234 4.2).
    pub fn roles(&self) -> impl Iterator<Item = u8> + '_ {
        self.capabilities
            .iter()
            .filter_map(|capability| if let Capability::Role(role) = capability { Some(*role) } else { None })
    }

    /// The families of ours that it speaks. RFC 4760 8: a speaker that announces none speaks IPv4 unicast.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let mut any = false;
        let mut families = Vec::new();
        for capability in &self.capabilities {
            let Capability::Multiprotocol { afi, safi } = capability else { continue };
            any = true;
            match Family::from_codes(*afi, *safi) {
                Some(family) if !families.contains(&family) => families.push(family),
                Some(_) | None => {}
            }
        }
        if any { families } else { vec![Family::Ipv4Unicast] }
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// [`OpenError`] for another version, an optional parameter that is not known, or a form that makes no sense.
    pub fn decode(body: &[u8]) -> Result<Self, OpenError> {
        let mut decoder = Decoder::new(body);
        let version = decoder.u8("Version")?;
        if version != VERSION {
            return Err(OpenError::Version { found: version });
        }
        let my_as = decoder.u16("My Autonomous System")?;
        let hold_time = decoder.u16("Hold Time")?;
        let router_id = RouterId(Ipv4Addr::from(decoder.array::<4>("BGP Identifier")?));
        let capabilities = decode_parameters(decoder)?;
        Ok(Self { my_as, hold_time, router_id, capabilities })
    }

    /// The whole message; with the extended form of RFC 9072 where the capabilities need it. What not even that has
    /// room for is left out: ours never need it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut parameter = Encoder::new();
        for capability in &self.capabilities {
            capability.encode(&mut parameter);
        }
        let capabilities =
            parameter.finish().ok().filter(|octets| octets.len() <= MOST_CAPABILITIES).unwrap_or_default();
        let encoded = framed(MessageType::Open, |body| {
            body.u8(VERSION);
            body.u16(self.my_as);
            body.u16(self.hold_time);
            body.bytes(&self.router_id.0.octets());
            put_parameters(&capabilities, body);
        });
        encoded.unwrap_or_default()
    }

    fn four_octet_asn(&self) -> Option<Asn> {
        self.capabilities
            .iter()
            .find_map(|capability| if let Capability::FourOctetAs(asn) = capability { Some(*asn) } else { None })
    }
}

/// All capabilities in one optional parameter.
fn put_parameters(capabilities: &[u8], body: &mut Encoder) {
    if capabilities.is_empty() {
        body.u8(0);
    } else if capabilities.len() + 2 < EXTENDED.into() {
        let mut parameters = body.length_u8();
        parameters.u8(CAPABILITIES);
        parameters.length_u8().bytes(capabilities);
    } else {
        // RFC 9072 2
        body.bytes(&[EXTENDED, EXTENDED]);
        let mut parameters = body.length_u16();
        parameters.u8(CAPABILITIES);
        parameters.length_u16().bytes(capabilities);
    }
}

fn decode_parameters(mut decoder: Decoder<'_>) -> Result<Vec<Capability>, OpenError> {
    let mut capabilities = Vec::new();
    let length = decoder.u8("Optional Parameters Length")?;
    // RFC 9072 2: the type decides, not the value of the length before it.
    let extended = length != 0 && decoder.rest().first() == Some(&EXTENDED);
    let mut parameters = if extended {
        decoder.u8("Extended Optional Parameters marker")?;
        let length = decoder.u16("Extended Optional Parameters Length")?;
        decoder.sub(length.into(), "Optional Parameters")?
    } else {
        decoder.sub(length.into(), "Optional Parameters")?
    };
    decoder.finish("OPEN")?;
    while !parameters.is_empty() {
        let kind = parameters.u8("Parameter Type")?;
        let length =
            if extended { parameters.u16("Parameter Length")? } else { parameters.u8("Parameter Length")?.into() };
        let mut value = parameters.sub(length.into(), "Parameter Value")?;
        if kind != CAPABILITIES {
            return Err(OpenError::Parameter { kind });
        }
        while !value.is_empty() {
            capabilities.push(Capability::decode(&mut value)?);
        }
    }
    Ok(capabilities)
}

/// Why the peer's OPEN is refused (RFC 4271 6.2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not BGP-4.
    #[error("the peer speaks BGP version {found}, this router version 4")]
    Version {
        /// Its version.
        found: u8,
    },
    /// Not the AS number it is configured with.
    #[error("the peer says that it is AS {found}, expected AS {expected}")]
    PeerAs {
        /// What it says.
        found: Asn,
        /// What is configured.
        expected: Asn,
    },
    /// RFC 6286 2.1: zero, or within one AS our own.
    #[error("the peer's BGP identifier {found} is {why}")]
    Identifier {
        /// What it says.
        found: RouterId,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Not a capability.
    #[error("the peer's OPEN has an optional parameter of type {kind}, which is not known")]
    Parameter {
        /// Which.
        kind: u8,
    },
    /// RFC 4271 4.2: must be zero or at least three seconds.
    #[error("the peer proposes a hold time of {seconds} s; zero or at least 3 s are allowed")]
    HoldTime {
        /// What it proposes.
        seconds: u16,
    },
    /// Shorter than this router accepts (RFC 4271 4.2: an implementation may reject any).
    #[error("the peer proposes a hold time of {seconds} s; at least {shortest} s are wanted here")]
    HoldTimeShort {
        /// What it proposes.
        seconds: u16,
        /// What is configured.
        shortest: u16,
    },
    /// RFC 9234 4.2: the two roles do not belong together.
    #[error("the peer says it is {}, while we are its {ours}: it should be {}", role_names(.theirs), ours.counterpart())]
    Role {
        /// What is configured here.
        ours: Role,
        /// What the peer says, as numbers; more than one is wrong by itself.
        theirs: Vec<u8>,
    },
    /// RFC 9234 4.2, strict mode.
    #[error("the peer says nothing of its role, which must be {} here", ours.counterpart())]
    RoleMissing {
        /// What is configured here.
        ours: Role,
    },
    /// Nothing to exchange.
    #[error("no address family in common: ours {}, the peer's {}", names(.ours), names(.theirs))]
    Families {
        /// What is configured here.
        ours: Vec<Family>,
        /// What the peer announces, of the families known here.
        theirs: Vec<Family>,
    },
    /// A form that makes no sense.
    #[error("the peer's OPEN is malformed: {0}")]
    Malformed(#[from] DecodeError),
}

impl OpenError {
    /// What the peer is told.
    #[must_use]
    pub fn notification(&self) -> Notification {
        let (subcode, data) = match self {
            Self::Version { .. } => (OpenSubcode::UNSUPPORTED_VERSION, vec![0, VERSION]),
            Self::PeerAs { .. } => (OpenSubcode::BAD_PEER_AS, Vec::new()),
            Self::Identifier { .. } => (OpenSubcode::BAD_BGP_IDENTIFIER, Vec::new()),
            Self::Parameter { .. } => (OpenSubcode::UNSUPPORTED_OPTIONAL_PARAMETER, Vec::new()),
            Self::HoldTime { .. } | Self::HoldTimeShort { .. } => (OpenSubcode::UNACCEPTABLE_HOLD_TIME, Vec::new()),
            Self::Role { .. } | Self::RoleMissing { .. } => (OpenSubcode::ROLE_MISMATCH, Vec::new()),
            Self::Families { ours, .. } => (OpenSubcode::UNSUPPORTED_CAPABILITY, families_data(ours)),
            Self::Malformed(_) => (OpenSubcode::UNSPECIFIC, Vec::new()),
        };
        Notification::new(ErrorCode::OPEN, subcode.0, data)
    }

    /// What the operator can do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Version { .. } | Self::Parameter { .. } | Self::Malformed(_) => {
                "the peer's BGP implementation is too old or broken: see its log and version"
            }
            Self::PeerAs { .. } => "set the session's peer AS number to the one the peer has, or correct it there",
            Self::Identifier { .. } => "give the two routers different, non-zero router ids",
            Self::HoldTime { .. } => "configure a hold time of 3 s or more at the peer",
            Self::HoldTimeShort { .. } => "configure a longer hold time at the peer, or a smaller `min-hold-time` here",
            Self::Role { .. } => {
                "give the two sides roles that belong together: provider and customer, or peer and peer"
            }
            Self::RoleMissing { .. } => "configure the peer's role there, or leave `role-strict` out here",
            Self::Families { .. } => "enable the same address family on both sides",
        }
    }
}

// RFC 5492 5: the capabilities that would have been needed.
fn families_data(families: &[Family]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    for family in families {
        Capability::family(*family).encode(&mut encoder);
    }
    encoder.finish().unwrap_or_default()
}

fn names(families: &[Family]) -> String {
    if families.is_empty() {
        return "none".to_owned();
    }
    families.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn role_names(roles: &[u8]) -> String {
    let name = |code: &u8| Role::from_code(*code).map_or_else(|| format!("role {code}"), |role| format!("a {role}"));
    roles.iter().map(name).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::message::capability::CapabilityCode;

    const GOLDEN: [u8; 51] = hex!(
        "ffffffffffffffffffffffffffffffff 0033 01"
        "04 fde8 001e 0a000001 16"
        "02 14 0104 00010001 0104 00020001 0200 4104 0000fde8"
    );

    fn golden() -> Open {
        Open {
            my_as: 65000,
            hold_time: 30,
            router_id: RouterId(Ipv4Addr::new(10, 0, 0, 1)),
            capabilities: vec![
                Capability::family(Family::Ipv4Unicast),
                Capability::family(Family::Ipv6Unicast),
                Capability::RouteRefresh,
                Capability::FourOctetAs(Asn(65000)),
            ],
        }
    }

    #[test]
    fn the_golden_message_is_the_same_both_ways() {
        assert_eq!(golden().encode(), GOLDEN);
        assert_eq!(Open::decode(&GOLDEN[19..]), Ok(golden()));
    }

    #[test]
    fn truncation_at_every_length_is_an_error() {
        for length in 0..GOLDEN.len() - 19 {
            assert!(matches!(Open::decode(&GOLDEN[19..19 + length]), Err(OpenError::Malformed(_))), "{length}");
        }
        let mut longer = GOLDEN[19..].to_vec();
        longer.push(0);
        assert!(matches!(Open::decode(&longer), Err(OpenError::Malformed(_))));
    }

    #[test]
    fn extended_optional_parameters_are_read() {
        let body = hex!("04 5ba0 005a 0a000002 ff ff 0017 02 0014 0104 00010001 0104 00020001 0200 4104 00010000");
        let open = Open::decode(&body).unwrap();
        assert_eq!((open.my_as, open.asn(), open.four_octet()), (23456, Asn(65536), true));
        assert_eq!(open.families(), [Family::Ipv4Unicast, Family::Ipv6Unicast]);
        // RFC 9072 2: the outer length is not to be relied on.
        let mut other = body;
        other[9] = 1;
        assert_eq!(Open::decode(&other).unwrap(), open);
    }

    #[test]
    fn more_capabilities_than_one_octet_counts_go_out_in_the_extended_form() {
        let other = |length| Capability::Other { code: CapabilityCode::FQDN, value: vec![7; length] };
        let with = |lengths: &[usize]| Open {
            capabilities: lengths.iter().map(|length| other(*length)).collect(),
            ..golden()
        };
        // 252 octets of capabilities are the most of the classic form: its length is 254.
        let classic = with(&[250]).encode();
        assert_eq!((classic[28], classic[29]), (254, 2));
        let extended = with(&[251]).encode();
        assert_eq!(extended[28..34], hex!("ff ff 0100 02 00"));
        assert_eq!(Open::decode(&classic[19..]), Ok(with(&[250])));
        assert_eq!(Open::decode(&extended[19..]), Ok(with(&[251])));
        let many = with(&[255; 15]);
        assert_eq!(Open::decode(&many.encode()[19..]), Ok(many));
        assert!(with(&[255; 20]).encode().len() < 100, "an OPEN never has more than 4096 octets");
    }

    #[test]
    fn of_several_graceful_restarts_the_last_counts_and_odd_directions_of_add_path_do_not() {
        let restart = |time| Capability::GracefulRestart(GracefulRestart { time, ..GracefulRestart::default() });
        let add_path = Capability::AddPath(vec![(1, 1, 1), (2, 1, 3), (1, 1, 4), (1, 128, 3)]);
        let open = Open { capabilities: vec![restart(1), add_path, restart(2)], ..golden() };
        assert_eq!(open.graceful_restart().map(|restart| restart.time), Some(2));
        assert_eq!(open.add_path(Family::Ipv4Unicast), AddPath { receive: true, send: false });
        assert_eq!(open.add_path(Family::Ipv6Unicast), AddPath { receive: true, send: true });
    }

    #[test]
    fn capabilities_that_are_not_known_are_kept_and_ignored() {
        let body = hex!("04 0001 005a 0a000002 0a 02 08 4902 abcd 0001 49 00 05");
        assert!(matches!(Open::decode(&body), Err(OpenError::Malformed(_))));
        let body = hex!("04 0001 005a 0a000002 0a 02 08 4902 abcd 8000 4500");
        let open = Open::decode(&body).unwrap();
        assert_eq!(open.capabilities[0], Capability::Other { code: CapabilityCode::FQDN, value: vec![0xab, 0xcd] });
        assert_eq!(open.families(), [Family::Ipv4Unicast], "no multiprotocol capability means IPv4 unicast");
        assert!(!open.route_refresh());
    }

    #[test]
    fn another_version_or_parameter_is_refused_with_its_code() {
        let version = Open::decode(&hex!("03 0001 005a 0a000002 00")).unwrap_err();
        assert_eq!(version.notification().to_octets(), [2, 1, 0, 4]);
        let parameter = Open::decode(&hex!("04 0001 005a 0a000002 03 01 01 00")).unwrap_err();
        assert_eq!(parameter, OpenError::Parameter { kind: 1 });
        assert_eq!(parameter.notification().to_octets(), [2, 4]);
    }

    #[test]
    fn a_missing_family_is_named_in_the_notification() {
        let error = OpenError::Families { ours: vec![Family::Ipv6Unicast], theirs: vec![Family::Ipv4Unicast] };
        assert_eq!(error.notification().to_octets(), hex!("0207 0104 00020001"));
        assert_eq!(error.to_string(), "no address family in common: ours ipv6-unicast, the peer's ipv4-unicast");
    }
}
