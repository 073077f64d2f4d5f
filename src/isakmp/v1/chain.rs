//! Payload chains (RFC 2408 3.2): each payload names the kind of the next.

use std::ops::Range;

use wire::{DecodeError, DecodeReason, Decoder, Encoder};

use super::code_points::PayloadKind;
use super::payload::Payload;

/// Octets of the generic payload header.
const GENERIC_LEN: usize = 4;
/// Payloads a message may have. No exchange has a quarter of it.
pub const MAX_PAYLOADS: usize = 64;

/// A payload and where its body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// What it says.
    pub payload: Payload,
    /// The octets that said it, without the generic header.
    pub body: Range<usize>,
}

/// The payloads of a message, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The payloads.
    pub payloads: Vec<Located>,
    /// Where the last one ends; padding may follow.
    pub end: usize,
}

impl Chain {
    /// Decodes a chain that starts with `first`. `padded` says that it was encrypted and may be followed by padding.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(first: PayloadKind, octets: &[u8], padded: bool) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(octets);
        let mut payloads = Vec::new();
        let mut kind = first;
        while kind != PayloadKind::NONE {
            if payloads.len() == MAX_PAYLOADS {
                return Err(decoder.invalid("next payload", kind.0));
            }
            let next = PayloadKind(decoder.u8("next payload")?);
            let reserved = decoder.u8("reserved")?;
            // RFC 2408 3.2: zero. What was decrypted with a wrong key rarely has it.
            if reserved != 0 && padded {
                return Err(decoder.invalid("reserved", reserved));
            }
            let length = usize::from(decoder.u16("payload length")?);
            let Some(len) = length.checked_sub(GENERIC_LEN) else {
                return Err(decoder.error("payload length", DecodeReason::Length { length }));
            };
            let start = decoder.offset();
            let body = decoder.sub(len, "payload")?;
            payloads.push(Located { payload: Payload::decode(kind, body)?, body: start..start + len });
            kind = next;
        }
        let end = decoder.offset();
        if !padded {
            decoder.finish("payload chain")?;
        }
        Ok(Self { payloads, end })
    }

    /// The hash that opens a protected message, and the octets after it that it covers (RFC 2409 5.5, 5.7).
    #[must_use]
    pub fn leading_hash(&self) -> Option<(&[u8], Range<usize>)> {
        match self.payloads.first() {
            Some(Located { payload: Payload::Hash(hash), body }) => Some((hash, body.end..self.end)),
            Some(_) | None => None,
        }
    }
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
pub(super) fn first_kind(payloads: &[Payload]) -> PayloadKind {
    payloads.first().map_or(PayloadKind::NONE, Payload::kind)
}
