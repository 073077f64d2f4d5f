//! The SA payload (RFC 2408 3.4 to 3.6): proposals, each with transforms that stand for whole suites.
//!
//! ```text
//! SA: DOI, situation
//!  +-- proposal #1: protocol, SPI
//!        +-- transform #1: AES-CBC, SHA2-256, group 14, pre-shared key, 8 hours
//!        +-- transform #2: ...
//! ```
//!
//! Unlike IKEv2, a transform is complete: the responder takes one as it is. Proposals with one number belong
//! together (AH and ESP); those are not taken here.

use wire::ipsec::Spi;
use wire::{DecodeError, DecodeReason, Decoder, Encoder};

use super::DOI_IPSEC;
use super::attribute::Attribute;
use super::code_points::{PayloadKind, Protocol};

/// `SIT_IDENTITY_ONLY` (RFC 2407 4.2.1).
const SITUATION: u32 = 1;
/// Octets of the generic payload header.
const GENERIC_LEN: usize = 4;

/// Alternatives for one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// 1 for the first.
    pub number: u8,
    /// What the SA is for.
    pub protocol: Protocol,
    /// The name the sender gives the SA: 4 octets for ESP; in phase 1 empty, or ignored.
    pub spi: Vec<u8>,
    /// Alternatives, best first.
    pub transforms: Vec<Transform>,
}

/// One suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// 1 for the first.
    pub number: u8,
    /// `KEY_IKE` in phase 1, the cipher in phase 2.
    pub id: u8,
    /// The rest of the suite.
    pub attributes: Vec<Attribute>,
}

impl Proposal {
    /// The ESP SPI.
    #[must_use]
    pub fn esp_spi(&self) -> Option<Spi> {
        self.spi.as_slice().try_into().ok().map(|octets| Spi(u32::from_be_bytes(octets)))
    }
}

impl Transform {
    /// The value of an attribute.
    #[must_use]
    pub fn value(&self, kind: u16) -> Option<u64> {
        self.attributes.iter().find(|attribute| attribute.kind() == kind).and_then(Attribute::value)
    }
}

/// Decodes the body of an SA payload.
pub(super) fn decode(mut body: Decoder<'_>) -> Result<Vec<Proposal>, DecodeError> {
    let doi = body.u32("domain of interpretation")?;
    if doi != DOI_IPSEC {
        return Err(body.invalid("domain of interpretation", doi));
    }
    let situation = body.u32("situation")?;
    if situation != SITUATION {
        return Err(body.invalid("situation", situation));
    }
    let mut proposals = Vec::new();
    let mut next = PayloadKind::PROPOSAL;
    while next == PayloadKind::PROPOSAL {
        let (following, mut proposal) = generic(&mut body, "proposal")?;
        proposals.push(decode_proposal(&mut proposal)?);
        proposal.finish("proposal")?;
        next = following;
    }
    if next != PayloadKind::NONE {
        return Err(body.invalid("next proposal", next.0));
    }
    body.finish("proposals")?;
    Ok(proposals)
}

/// Writes the body of an SA payload.
pub(super) fn encode(proposals: &[Proposal], encoder: &mut Encoder) {
    encoder.u32(DOI_IPSEC);
    encoder.u32(SITUATION);
    for (index, proposal) in proposals.iter().enumerate() {
        let last = index + 1 == proposals.len();
        encoder.u8(if last { PayloadKind::NONE.0 } else { PayloadKind::PROPOSAL.0 });
        encoder.u8(0);
        let mut encoder = encoder.length(2, GENERIC_LEN);
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

/// Splits off a sub-structure with the generic header.
fn generic<'a>(body: &mut Decoder<'a>, field: &'static str) -> Result<(PayloadKind, Decoder<'a>), DecodeError> {
    let next = PayloadKind(body.u8("next payload")?);
    body.u8("reserved")?;
    let length = usize::from(body.u16(field)?);
    match length.checked_sub(GENERIC_LEN) {
        Some(rest) => Ok((next, body.sub(rest, field)?)),
        None => Err(body.error(field, DecodeReason::Length { length })),
    }
}

fn decode_proposal(body: &mut Decoder<'_>) -> Result<Proposal, DecodeError> {
    let number = body.u8("proposal number")?;
    let protocol = Protocol(body.u8("protocol ID")?);
    let spi_size = body.u8("SPI size")?;
    let count = body.u8("number of transforms")?;
    let spi = body.take(spi_size.into(), "SPI")?.to_vec();
    let mut transforms = Vec::new();
    for index in 1..=count {
        let (next, mut transform) = generic(body, "transform")?;
        let expected = if index == count { PayloadKind::NONE } else { PayloadKind::TRANSFORM };
        if next != expected {
            return Err(body.invalid("next transform", next.0));
        }
        let number = transform.u8("transform number")?;
        let id = transform.u8("transform ID")?;
        transform.u16("reserved")?;
        let mut attributes = Vec::new();
        while !transform.is_empty() {
            attributes.push(Attribute::decode(&mut transform)?);
        }
        transforms.push(Transform { number, id, attributes });
    }
    Ok(Proposal { number, protocol, spi, transforms })
}

fn encode_transform(transform: &Transform, last: bool, encoder: &mut Encoder) {
    encoder.u8(if last { PayloadKind::NONE.0 } else { PayloadKind::TRANSFORM.0 });
    encoder.u8(0);
    let mut encoder = encoder.length(2, GENERIC_LEN);
    encoder.u8(transform.number);
    encoder.u8(transform.id);
    encoder.u16(0);
    transform.attributes.iter().for_each(|attribute| attribute.encode(&mut encoder));
}
