//! Proposals, their transforms and attributes (RFC 7296 3.3).
//!
//! ```text
//! SA payload
//!  +-- proposal #1: protocol, SPI
//!  |     +-- transform: ENCR = AES-CBC, attribute key length = 256
//!  |     +-- transform: INTEG = HMAC-SHA2-256-128
//!  |     ...
//!  +-- proposal #2
//! ```
//!
//! This is structure only; what may be chosen is decided in [`super::select`].

use std::fmt;

use crypto::GroupId;
use wire::ipsec::{IkeSpi, Spi};
use wire::{DecodeError, Decoder, Encoder};

use super::code_points::{EncryptionId, EsnId, IntegrityId, PrfId, ProtocolId, TransformType};

/// More follow, in the first octet of a proposal or a transform.
const MORE_PROPOSALS: u8 = 2;
const MORE_TRANSFORMS: u8 = 3;
const LAST: u8 = 0;

/// Marks an attribute whose value is the two octets after its type.
const SHORT_FORM: u16 = 0x8000;
const KEY_LENGTH: u16 = 14;

/// One way to protect an SA: the responder picks one transform of each type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// 1 for the first, one more for each that follows; the answer repeats the number of what it accepts.
    pub number: u8,
    /// What the SA is for.
    pub protocol: ProtocolId,
    /// The name the sender gives the SA: 4 octets for ESP, 8 for the rekey of an IKE SA, else empty.
    pub spi: Vec<u8>,
    /// Alternatives.
    pub transforms: Vec<Transform>,
}

/// One algorithm in one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// The role.
    pub kind: TransformType,
    /// The algorithm, in the registry of its role.
    pub id: u16,
    /// Refinements; only the key length is defined.
    pub attributes: Vec<Attribute>,
}

/// A refinement of a transform (RFC 7296 3.3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Key length in bits.
    KeyLength(u16),
    /// An attribute that is not known here, in the short form.
    Short(u16, u16),
    /// An attribute that is not known here, in the long form.
    Long(u16, Vec<u8>),
}

impl Proposal {
    /// The ESP SPI.
    #[must_use]
    pub fn esp_spi(&self) -> Option<Spi> {
        self.spi.as_slice().try_into().ok().map(|octets| Spi(u32::from_be_bytes(octets)))
    }

    /// The IKE SPI, in the rekey of an IKE SA.
    #[must_use]
    pub fn ike_spi(&self) -> Option<IkeSpi> {
        self.spi.as_slice().try_into().ok().map(|octets| IkeSpi(u64::from_be_bytes(octets)))
    }

    /// The transforms of one role.
    pub fn of_kind(&self, kind: TransformType) -> impl Iterator<Item = &Transform> {
        self.transforms.iter().filter(move |transform| transform.kind == kind)
    }
}

impl Transform {
    /// A transform without attributes.
    #[must_use]
    pub const fn new(kind: TransformType, id: u16) -> Self {
        Self { kind, id, attributes: Vec::new() }
    }

    /// A cipher with a key of `bits`.
    #[must_use]
    pub fn with_key_length(kind: TransformType, id: u16, bits: u16) -> Self {
        Self { kind, id, attributes: vec![Attribute::KeyLength(bits)] }
    }
}

/// Alternatives of one role are joined by `/`, roles by `-`.
impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous = None;
        for transform in &self.transforms {
            match previous.replace(transform.kind) {
                None => {}
                Some(kind) if kind == transform.kind => f.write_str("/")?,
                Some(_) => f.write_str("-")?,
            }
            write!(f, "{transform}")?;
        }
        Ok(())
    }
}

/// The keyword a user would write, or the registered name, or the number.
impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(encryption) = self.encryption() {
            return write!(f, "{encryption}");
        }
        if let Some(integrity) = self.integrity() {
            return write!(f, "{integrity}");
        }
        if let Some(prf) = self.prf() {
            return write!(f, "{prf}");
        }
        if let Some(group) = self.group() {
            return write!(f, "{group}");
        }
        if let Some((place, group)) = self.additional_key_exchange() {
            return write!(f, "ke{}_{group}", place + 1);
        }
        if let Some(place) = self.kind.place() {
            return match self.id {
                0 => write!(f, "ke{}_none", place + 1),
                id => write!(f, "ke{}_{}", place + 1, GroupId(id)),
            };
        }
        match self.kind {
            TransformType::ENCRYPTION => write!(f, "{}", EncryptionId(self.id))?,
            TransformType::PRF => write!(f, "PRF_{}", PrfId(self.id))?,
            TransformType::INTEGRITY if self.id == 0 => f.write_str("integrity none")?,
            TransformType::INTEGRITY => write!(f, "{}", IntegrityId(self.id))?,
            TransformType::GROUP if self.id == 0 => f.write_str("modpnone")?,
            TransformType::GROUP => write!(f, "{}", GroupId(self.id))?,
            TransformType::ESN if self.id == EsnId::ESN.0 => f.write_str("esn")?,
            TransformType::ESN if self.id == EsnId::NO_ESN.0 => f.write_str("noesn")?,
            kind => write!(f, "{kind}={}", self.id)?,
        }
        for attribute in &self.attributes {
            match attribute {
                Attribute::KeyLength(bits) => write!(f, "_{bits}")?,
                Attribute::Short(kind, _) | Attribute::Long(kind, _) => write!(f, "+attribute{kind}")?,
            }
        }
        Ok(())
    }
}

/// Decodes the body of an SA payload.
pub(super) fn decode(mut body: Decoder<'_>) -> Result<Vec<Proposal>, DecodeError> {
    let mut proposals = Vec::new();
    while !body.is_empty() {
        let more = body.u8("last proposal or more")?;
        let mut proposal = sub_structure(&mut body, "proposal length")?;
        // RFC 7296 3.3.1: 0 in the last proposal, 2 in all others.
        if more != (if body.is_empty() { LAST } else { MORE_PROPOSALS }) {
            return Err(body.invalid("last proposal or more", more));
        }
        proposals.push(decode_proposal(&mut proposal)?);
        proposal.finish("proposal")?;
    }
    if proposals.is_empty() {
        return Err(body.invalid("proposals", 0_u8));
    }
    Ok(proposals)
}

/// Writes the body of an SA payload.
pub(super) fn encode(proposals: &[Proposal], encoder: &mut Encoder) {
    for (index, proposal) in proposals.iter().enumerate() {
        let last = index + 1 == proposals.len();
        encoder.u8(if last { LAST } else { MORE_PROPOSALS });
        encoder.u8(0);
        let mut encoder = encoder.length(2, 4);
        encoder.u8(proposal.number);
        encoder.u8(proposal.protocol.0);
        encoder.count_u8(proposal.spi.len());
        encoder.count_u8(proposal.transforms.len());
        encoder.bytes(&proposal.spi);
        for (index, transform) in proposal.transforms.iter().enumerate() {
            let last = index + 1 == proposal.transforms.len();
            encode_transform(transform, last, &mut encoder);
        }
    }
}

/// Reads the reserved octet and the length that proposals and transforms share, and splits off the rest.
fn sub_structure<'a>(body: &mut Decoder<'a>, field: &'static str) -> Result<Decoder<'a>, DecodeError> {
    body.u8("reserved")?;
    let length = body.u16(field)?;
    match length.checked_sub(4) {
        Some(rest) => body.sub(rest.into(), field),
        None => Err(body.invalid(field, length)),
    }
}

fn decode_proposal(body: &mut Decoder<'_>) -> Result<Proposal, DecodeError> {
    let number = body.u8("proposal number")?;
    let protocol = ProtocolId(body.u8("protocol ID")?);
    let spi_size = body.u8("SPI size")?;
    let count = body.u8("number of transforms")?;
    let spi = body.take(spi_size.into(), "SPI")?.to_vec();
    let mut transforms = Vec::new();
    for index in 1..=count {
        let more = body.u8("last transform or more")?;
        // RFC 7296 3.3.2: 0 in the last transform, 3 in all others.
        if more != (if index == count { LAST } else { MORE_TRANSFORMS }) {
            return Err(body.invalid("last transform or more", more));
        }
        let mut transform = sub_structure(body, "transform length")?;
        transforms.push(decode_transform(&mut transform)?);
    }
    Ok(Proposal { number, protocol, spi, transforms })
}

fn decode_transform(body: &mut Decoder<'_>) -> Result<Transform, DecodeError> {
    let kind = TransformType(body.u8("transform type")?);
    body.u8("reserved")?;
    let id = body.u16("transform ID")?;
    let mut attributes = Vec::new();
    while !body.is_empty() {
        attributes.push(decode_attribute(body)?);
    }
    Ok(Transform { kind, id, attributes })
}

fn decode_attribute(body: &mut Decoder<'_>) -> Result<Attribute, DecodeError> {
    let kind = body.u16("attribute type")?;
    let value = body.u16("attribute value or length")?;
    Ok(match kind {
        _ if kind == SHORT_FORM | KEY_LENGTH => Attribute::KeyLength(value),
        _ if kind & SHORT_FORM != 0 => Attribute::Short(kind & !SHORT_FORM, value),
        kind => Attribute::Long(kind, body.take(value.into(), "attribute value")?.to_vec()),
    })
}

fn encode_transform(transform: &Transform, last: bool, encoder: &mut Encoder) {
    encoder.u8(if last { LAST } else { MORE_TRANSFORMS });
    encoder.u8(0);
    let mut encoder = encoder.length(2, 4);
    encoder.u8(transform.kind.0);
    encoder.u8(0);
    encoder.u16(transform.id);
    for attribute in &transform.attributes {
        match attribute {
            Attribute::KeyLength(bits) => {
                encoder.u16(SHORT_FORM | KEY_LENGTH);
                encoder.u16(*bits);
            }
            Attribute::Short(kind, value) => {
                encoder.u16(SHORT_FORM | *kind);
                encoder.u16(*value);
            }
            Attribute::Long(kind, value) => {
                encoder.u16(*kind & !SHORT_FORM);
                encoder.count_u16(value.len());
                encoder.bytes(value);
            }
        }
    }
}
