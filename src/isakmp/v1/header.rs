//! The ISAKMP header (RFC 2408 3.1): the layout of IKEv2's, with other flags and other rules for message IDs.
//!
//! ```text
//!  initiator's cookie (8) | responder's cookie (8) | next payload | version 1.0 | exchange | flags | message ID | length
//! ```

use wire::ipsec::IkeSpi;
use wire::{DecodeError, DecodeReason, Decoder, Encoder};

use super::code_points::{Exchange, PayloadKind};
use crate::HEADER_LEN;

const VERSION: u8 = 0x10;

/// The flags (RFC 2408 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// All that follows the header is encrypted.
    pub encrypted: bool,
    /// The sender wants to be told when the SA is established. Tolerated, never set by us.
    pub commit: bool,
    /// Authenticated and not encrypted; only notifications may be.
    pub authentication: bool,
}

impl Flags {
    const fn from_octet(octet: u8) -> Self {
        Self { encrypted: octet & 1 != 0, commit: octet & 2 != 0, authentication: octet & 4 != 0 }
    }

    const fn to_octet(self) -> u8 {
        (self.encrypted as u8) | (self.commit as u8) << 1 | (self.authentication as u8) << 2
    }
}

/// What identifies a message. The next payload and the length belong to the codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Chosen by whoever began phase 1.
    pub initiator: IkeSpi,
    /// Chosen by the other end; zero in the first message.
    pub responder: IkeSpi,
    /// What the message is for.
    pub exchange: Exchange,
    /// How it is protected.
    pub flags: Flags,
    /// Zero in phase 1; names the exchange after that.
    pub message_id: u32,
}

impl Header {
    /// Writes the header of a message of `length` octets in all.
    pub(super) fn encode(&self, next: PayloadKind, length: u32, encoder: &mut Encoder) {
        encoder.u64(self.initiator.0);
        encoder.u64(self.responder.0);
        encoder.u8(next.0);
        encoder.u8(VERSION);
        encoder.u8(self.exchange.0);
        encoder.u8(self.flags.to_octet());
        encoder.u32(self.message_id);
        encoder.u32(length);
    }
}

/// A datagram whose header is decoded, and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What identifies the message.
    pub header: Header,
    /// Kind of the first payload, inside the encryption if there is one.
    pub first: PayloadKind,
    /// What follows the header.
    pub body: &'a [u8],
    /// All of it.
    pub datagram: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Decodes the header. `datagram` is a whole message without a non-ESP marker.
    ///
    /// # Errors
    /// [`DecodeError`] if it is shorter than a header, of another major version, or not as long as it says.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(datagram);
        let initiator = IkeSpi(decoder.u64("initiator cookie")?);
        let responder = IkeSpi(decoder.u64("responder cookie")?);
        let first = PayloadKind(decoder.u8("next payload")?);
        let version = decoder.u8("version")?;
        if version >> 4 != VERSION >> 4 {
            return Err(decoder.invalid("version", version));
        }
        let exchange = Exchange(decoder.u8("exchange type")?);
        let flags = Flags::from_octet(decoder.u8("flags")?);
        let message_id = decoder.u32("message ID")?;
        let length = usize::try_from(decoder.u32("length")?).unwrap_or(usize::MAX);
        if length != HEADER_LEN + decoder.remaining() {
            return Err(decoder.error("length", DecodeReason::Length { length }));
        }
        let header = Header { initiator, responder, exchange, flags, message_id };
        Ok(Self { header, first, body: decoder.rest(), datagram })
    }
}
