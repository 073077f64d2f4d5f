//! Capabilities (RFC 5492) a speaker announces in its OPEN.
//!
//! Understood: multiprotocol (RFC 4760 8), route refresh (RFC 2918 2), four-octet AS numbers (RFC 6793 3). All others
//! are kept with their number and value, and ignored (RFC 5492 3).

use std::fmt;

use wire::{Asn, DecodeError, DecodeReason, Decoder, Encoder, code_point};

use crate::Family;

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
    /// Speaks four-octet AS numbers; this is its own.
    FourOctetAs(Asn),
    /// Something else.
    Other {
        /// Which.
        code: CapabilityCode,
        /// As received.
        value: Vec<u8>,
    },
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
            Self::FourOctetAs(_) => CapabilityCode::FOUR_OCTET_AS,
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
        let capability = match code {
            CapabilityCode::MULTIPROTOCOL => {
                let afi = value.u16("AFI")?;
                value.u8("Reserved")?;
                Self::Multiprotocol { afi, safi: value.u8("SAFI")? }
            }
            CapabilityCode::ROUTE_REFRESH => Self::RouteRefresh,
            CapabilityCode::FOUR_OCTET_AS => Self::FourOctetAs(Asn(value.u32("AS number")?)),
            _ => Self::Other { code, value: value.take_rest().to_vec() },
        };
        match value.remaining() {
            0 => Ok(capability),
            _ => Err(value.error("Capability Length", DecodeReason::Length { length: length.into() })),
        }
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
            Self::RouteRefresh => {}
            Self::FourOctetAs(asn) => value.u32(asn.0),
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

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multiprotocol { afi, safi } => match Family::from_codes(*afi, *safi) {
                Some(family) => write!(f, "multiprotocol {family}"),
                None => write!(f, "multiprotocol AFI {afi} SAFI {safi}"),
            },
            Self::RouteRefresh => f.write_str("route-refresh"),
            Self::FourOctetAs(asn) => write!(f, "four-octet-as {asn}"),
            Self::Other { code, .. } => match code.name() {
                Some(name) => f.write_str(&name.to_ascii_lowercase().replace('_', "-")),
                None => write!(f, "capability {}", code.0),
            },
        }
    }
}
