//! Payload chains: each payload names the kind of the next (RFC 7296 3.2).
//!
//! ```text
//! +---------------+-+-------------+-------------------------------+
//! | next payload  |C|  reserved   |        payload length         |
//! +---------------+-+-------------+-------------------------------+
//! ```

use wire::{DecodeError, DecodeReason, Decoder, Encoder};

use super::code_points::{NotifyType, PayloadType};
use super::notify::Notify;
use super::payload::Payload;

/// Octets of the generic payload header.
pub(super) const GENERIC_LEN: usize = 4;

const CRITICAL: u8 = 0x80;

/// Why the payloads of a message cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It does not have the structure it must have.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// It has a payload that is not known here, and its sender says that it must be understood.
    #[error("payload of unknown type {} is marked critical", .0.0)]
    UnsupportedCritical(PayloadType),
}

impl PayloadError {
    /// What to answer, where an answer is due.
    #[must_use]
    pub fn notify(&self) -> Notify {
        match self {
            Self::Malformed(_) => Notify::new(NotifyType::INVALID_SYNTAX),
            // RFC 7296 2.5: the notification data is the one-octet payload type.
            Self::UnsupportedCritical(kind) => {
                Notify::with_data(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![kind.0])
            }
        }
    }
}

/// An encrypted payload, found but not opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed {
    /// SK or SKF.
    pub(super) kind: PayloadType,
    /// Kind of the first payload inside.
    pub(super) first: PayloadType,
    /// Where its body starts, in octets from the start of the decoder's input.
    pub(super) at: usize,
}

/// Decodes a chain that starts with `first`, up to an encrypted payload if there is one.
pub(super) fn decode(
    first: PayloadType,
    mut decoder: Decoder<'_>,
) -> Result<(Vec<Payload>, Option<Sealed>), PayloadError> {
    let mut payloads = Vec::new();
    let mut kind = first;
    while kind != PayloadType::NONE {
        let generic = Generic::decode(&mut decoder)?;
        let at = decoder.offset();
        let body = decoder.sub(generic.body_len, "payload")?;
        if kind == PayloadType::ENCRYPTED || kind == PayloadType::ENCRYPTED_FRAGMENT {
            // RFC 7296 3.14: the encrypted payload is the last one; its next payload is the first inside.
            decoder.finish("encrypted payload")?;
            return Ok((payloads, Some(Sealed { kind, first: generic.next, at })));
        }
        match Payload::decode(kind, body)? {
            Some(payload) => payloads.push(payload),
            // RFC 7296 2.5: skipped unless critical; the bit says nothing about kinds that are known.
            None if generic.critical => return Err(PayloadError::UnsupportedCritical(kind)),
            None => {}
        }
        kind = generic.next;
    }
    decoder.finish("payload chain")?;
    Ok((payloads, None))
}

/// Writes a chain; the kind of its first payload is the caller's to write.
pub(super) fn encode(payloads: &[Payload], encoder: &mut Encoder) {
    for (index, payload) in payloads.iter().enumerate() {
        encoder.u8(first_kind(&payloads[index + 1..]).0);
        encoder.u8(0);
        payload.encode(&mut encoder.length(2, GENERIC_LEN));
    }
}

/// What the field in front of `payloads` says.
pub(super) fn first_kind(payloads: &[Payload]) -> PayloadType {
    payloads.first().map_or(PayloadType::NONE, Payload::kind)
}

struct Generic {
    next: PayloadType,
    critical: bool,
    body_len: usize,
}

impl Generic {
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let next = PayloadType(decoder.u8("next payload")?);
        let critical = decoder.u8("critical bit")? & CRITICAL != 0;
        let length = usize::from(decoder.u16("payload length")?);
        match length.checked_sub(GENERIC_LEN) {
            Some(body_len) => Ok(Self { next, critical, body_len }),
            None => Err(decoder.error("payload length", DecodeReason::Length { length })),
        }
    }
}
