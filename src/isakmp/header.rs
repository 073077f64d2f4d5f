//! The IKE header (RFC 7296 3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------------------------+
//! |                     initiator's SPI (8 octets)                |
//! |                     responder's SPI (8 octets)                |
//! +---------------+-------+-------+---------------+---------------+
//! | next payload  | major | minor | exchange type |    flags      |
//! +---------------+-------+-------+---------------+---------------+
//! |                           message ID                          |
//! |                  length of the whole message                  |
//! +---------------------------------------------------------------+
//! ```

use std::fmt;

use wire::ipsec::IkeSpi;
use wire::{DecodeError, DecodeReason, Decoder, Encoder};

use super::code_points::{ExchangeType, PayloadType};

/// Octets of the header.
pub const HEADER_LEN: usize = 28;

/// Protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// 2 for IKEv2; 4 bits.
    pub major: u8,
    /// 0; ignored on receipt; 4 bits.
    pub minor: u8,
}

impl Version {
    /// IKEv2.
    pub const V2: Self = Self { major: 2, minor: 0 };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The three flags in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The sender is the original initiator of the IKE SA.
    pub initiator: bool,
    /// The message is a response.
    pub response: bool,
    /// The sender could speak a higher major version.
    pub higher_version: bool,
}

impl Flags {
    const INITIATOR: u8 = 0x08;
    const HIGHER_VERSION: u8 = 0x10;
    const RESPONSE: u8 = 0x20;

    const fn from_octet(octet: u8) -> Self {
        Self {
            initiator: octet & Self::INITIATOR != 0,
            response: octet & Self::RESPONSE != 0,
            higher_version: octet & Self::HIGHER_VERSION != 0,
        }
    }

    const fn to_octet(self) -> u8 {
        (if self.initiator { Self::INITIATOR } else { 0 })
            | (if self.response { Self::RESPONSE } else { 0 })
            | (if self.higher_version { Self::HIGHER_VERSION } else { 0 })
    }
}

/// What identifies a message. The next payload and the length belong to the codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// SPI of the IKE SA's original initiator.
    pub initiator_spi: IkeSpi,
    /// SPI of its original responder; zero in the first message.
    pub responder_spi: IkeSpi,
    /// Version of the rest of the message.
    pub version: Version,
    /// What the message is for.
    pub exchange: ExchangeType,
    /// Who sent it, and whether it answers.
    pub flags: Flags,
    /// Pairs a response with its request.
    pub message_id: u32,
}

impl Header {
    /// Reads the header and checks that the length it declares is that of `decoder`'s input.
    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<(Self, PayloadType), DecodeError> {
        let available = decoder.remaining();
        let initiator_spi = IkeSpi(decoder.u64("initiator SPI")?);
        let responder_spi = IkeSpi(decoder.u64("responder SPI")?);
        let next = PayloadType(decoder.u8("next payload")?);
        let version = decoder.u8("version")?;
        let exchange = ExchangeType(decoder.u8("exchange type")?);
        let flags = Flags::from_octet(decoder.u8("flags")?);
        let message_id = decoder.u32("message ID")?;
        let length = decoder.u32("length")?;
        if usize::try_from(length) != Ok(available) {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            return Err(decoder.error("length", DecodeReason::Length { length }));
        }
        let version = Version { major: version >> 4, minor: version & 0x0f };
        Ok((Self { initiator_spi, responder_spi, version, exchange, flags, message_id }, next))
    }

    /// Writes the header of a message of `length` octets in all.
    pub(super) fn encode(&self, next: PayloadType, length: u32, encoder: &mut Encoder) {
        encoder.u64(self.initiator_spi.0);
        encoder.u64(self.responder_spi.0);
        encoder.u8(next.0);
        encoder.u8(self.version.major << 4 | self.version.minor & 0x0f);
        encoder.u8(self.exchange.0);
        encoder.u8(self.flags.to_octet());
        encoder.u32(self.message_id);
        encoder.u32(length);
    }
}
