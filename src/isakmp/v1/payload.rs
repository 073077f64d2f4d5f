//! Payloads by kind.

use wire::{DecodeError, Decoder, Encoder};

use super::code_points::PayloadKind;
use super::delete::Delete;
use super::fragment::Fragment;
use super::identification::Identification;
use super::notify::Notify;
use super::proposal::{self, Proposal};

/// One payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Proposals, or the one that was chosen.
    Sa(Vec<Proposal>),
    /// A Diffie-Hellman public value.
    KeyExchange(Vec<u8>),
    /// Who, or what traffic.
    Identification(Identification),
    /// A keyed hash that authenticates.
    Hash(Vec<u8>),
    /// A nonce.
    Nonce(Vec<u8>),
    /// An error or a status.
    Notify(Notify),
    /// What the sender has deleted.
    Delete(Delete),
    /// What the sender can do.
    VendorId(Vec<u8>),
    /// A hash over an address (RFC 3947 3.2).
    NatDetection(Vec<u8>),
    /// A piece of a datagram.
    Fragment(Fragment),
    /// A kind that is carried but not looked into.
    Other(PayloadKind, Vec<u8>),
}

impl Payload {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> PayloadKind {
        match self {
            Self::Sa(_) => PayloadKind::SA,
            Self::KeyExchange(_) => PayloadKind::KEY_EXCHANGE,
            Self::Identification(_) => PayloadKind::IDENTIFICATION,
            Self::Hash(_) => PayloadKind::HASH,
            Self::Nonce(_) => PayloadKind::NONCE,
            Self::Notify(_) => PayloadKind::NOTIFICATION,
            Self::Delete(_) => PayloadKind::DELETE,
            Self::VendorId(_) => PayloadKind::VENDOR_ID,
            Self::NatDetection(_) => PayloadKind::NAT_D,
            Self::Fragment(_) => PayloadKind::FRAGMENT,
            Self::Other(kind, _) => *kind,
        }
    }

    pub(super) fn decode(kind: PayloadKind, mut body: Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            PayloadKind::SA => Self::Sa(proposal::decode(body)?),
            PayloadKind::KEY_EXCHANGE => Self::KeyExchange(body.take_rest().to_vec()),
            PayloadKind::IDENTIFICATION => Self::Identification(Identification::decode(body)?),
            PayloadKind::HASH => Self::Hash(body.take_rest().to_vec()),
            PayloadKind::NONCE => Self::Nonce(nonce(body)?),
            PayloadKind::NOTIFICATION => Self::Notify(Notify::decode(body)?),
            PayloadKind::DELETE => Self::Delete(Delete::decode(body)?),
            PayloadKind::VENDOR_ID => Self::VendorId(body.take_rest().to_vec()),
            PayloadKind::NAT_D => Self::NatDetection(body.take_rest().to_vec()),
            PayloadKind::FRAGMENT => Self::Fragment(Fragment::decode(body)?),
            kind => Self::Other(kind, body.take_rest().to_vec()),
        })
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::Sa(proposals) => proposal::encode(proposals, encoder),
            Self::Identification(identification) => identification.encode(encoder),
            Self::Notify(notify) => notify.encode(encoder),
            Self::Delete(delete) => delete.encode(encoder),
            Self::Fragment(fragment) => fragment.encode(encoder),
            Self::KeyExchange(octets)
            | Self::Hash(octets)
            | Self::Nonce(octets)
            | Self::VendorId(octets)
            | Self::NatDetection(octets)
            | Self::Other(_, octets) => encoder.bytes(octets),
        }
    }
}

fn nonce(mut body: Decoder<'_>) -> Result<Vec<u8>, DecodeError> {
    // RFC 2409 5: 8 to 256 octets.
    if !(8..=256).contains(&body.remaining()) {
        let length = body.remaining();
        return Err(body.error("nonce", wire::DecodeReason::Length { length }));
    }
    Ok(body.take_rest().to_vec())
}
