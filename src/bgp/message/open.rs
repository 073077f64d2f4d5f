//! OPEN (RFC 4271 4.2, 6.2) with its optional parameters (RFC 5492, RFC 9072).
//!
//! ```text
//!  | version | my AS (2) | hold time (2) | BGP identifier (4) | length n | parameters (n)  |   RFC 4271
//!                                                             | 255 | 255 | length (2) | ... |   RFC 9072
//! ```

use std::net::Ipv4Addr;

use wire::{Asn, DecodeError, Decoder, Encoder, RouterId};

use super::capability::Capability;
use super::header::{MessageType, framed};
use super::notification::{ErrorCode, Notification, OpenSubcode};
use crate::Family;

const VERSION: u8 = 4;
const CAPABILITIES: u8 = 2;
/// RFC 9072 2: as length and as first type it announces the extended format.
const EXTENDED: u8 = 255;

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

    /// The whole message. More capabilities than one optional parameter holds are left out: ours never are.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let encoded = framed(MessageType::Open, |body| {
            body.u8(VERSION);
            body.u16(self.my_as);
            body.u16(self.hold_time);
            body.bytes(&self.router_id.0.octets());
            let mut parameters = body.length_u8();
            if !self.capabilities.is_empty() {
                parameters.u8(CAPABILITIES);
                encode_capabilities(&self.capabilities, &mut parameters.length_u8());
            }
        });
        encoded.unwrap_or_else(|_| Self { capabilities: Vec::new(), ..self.clone() }.encode())
    }

    fn four_octet_asn(&self) -> Option<Asn> {
        self.capabilities.iter().find_map(|capability| match capability {
            Capability::FourOctetAs(asn) => Some(*asn),
            Capability::Multiprotocol { .. } | Capability::RouteRefresh | Capability::Other { .. } => None,
        })
    }
}

fn encode_capabilities(capabilities: &[Capability], parameter: &mut Encoder) {
    for capability in capabilities {
        capability.encode(parameter);
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
            Self::HoldTime { .. } => (OpenSubcode::UNACCEPTABLE_HOLD_TIME, Vec::new()),
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
    fn capabilities_that_are_not_known_are_kept_and_ignored() {
        let body = hex!("04 0001 005a 0a000002 0a 02 08 4602 abcd 0001 49 00 05");
        assert!(matches!(Open::decode(&body), Err(OpenError::Malformed(_))));
        let body = hex!("04 0001 005a 0a000002 0a 02 08 4602 abcd 8000 4500");
        let open = Open::decode(&body).unwrap();
        assert_eq!(
            open.capabilities[0],
            Capability::Other { code: CapabilityCode::ENHANCED_ROUTE_REFRESH, value: vec![0xab, 0xcd] }
        );
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
