//! One payload of a message: the sum of all families, and the simplest of them.

use crypto::GroupId;
use wire::ipsec::TrafficSelector;
use wire::{DecodeError, DecodeReason, Decoder, Encoder};

use super::certificate::{CertificatePayload, CertificateRequest};
use super::code_points::{AuthMethod, PayloadType};
use super::delete::Delete;
use super::identification::Identification;
use super::notify::Notify;
use super::proposal::Proposal;
use super::{proposal, traffic_selector};

/// A decoded payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Proposals, or the one that was chosen.
    Sa(Vec<Proposal>),
    /// Diffie-Hellman public value.
    KeyExchange(KeyExchange),
    /// Identity of the exchange's initiator.
    IdInitiator(Identification),
    /// Identity of the exchange's responder.
    IdResponder(Identification),
    /// A certificate.
    Certificate(CertificatePayload),
    /// Whom the sender trusts to vouch for the receiver.
    CertificateRequest(CertificateRequest),
    /// Proof of an identity.
    Auth(Auth),
    /// 16 to 256 random octets.
    Nonce(Vec<u8>),
    /// Error or status.
    Notify(Notify),
    /// SAs that are gone.
    Delete(Delete),
    /// Opaque mark of an implementation.
    VendorId(Vec<u8>),
    /// What travels from or to the initiator's side.
    TsInitiator(Vec<TrafficSelector>),
    /// What travels from or to the responder's side.
    TsResponder(Vec<TrafficSelector>),
    /// A known payload that is carried but not taken apart: CP, EAP.
    Raw(RawPayload),
}

/// Diffie-Hellman public value (RFC 7296 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyExchange {
    /// The group the value belongs to.
    pub group: GroupId,
    /// The public value, of the length its group prescribes.
    pub data: Vec<u8>,
}

/// Proof of an identity (RFC 7296 3.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// How the proof was made.
    pub method: AuthMethod,
    /// The proof.
    pub data: Vec<u8>,
}

/// A payload whose body is not looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPayload {
    /// CONFIGURATION or EAP.
    pub kind: PayloadType,
    /// What follows the generic header.
    pub body: Vec<u8>,
}

impl Payload {
    /// Its number in the chain.
    #[must_use]
    pub const fn kind(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::SA,
            Self::KeyExchange(_) => PayloadType::KE,
            Self::IdInitiator(_) => PayloadType::ID_INITIATOR,
            Self::IdResponder(_) => PayloadType::ID_RESPONDER,
            Self::Certificate(_) => PayloadType::CERT,
            Self::CertificateRequest(_) => PayloadType::CERTREQ,
            Self::Auth(_) => PayloadType::AUTH,
            Self::Nonce(_) => PayloadType::NONCE,
            Self::Notify(_) => PayloadType::NOTIFY,
            Self::Delete(_) => PayloadType::DELETE,
            Self::VendorId(_) => PayloadType::VENDOR_ID,
            Self::TsInitiator(_) => PayloadType::TS_INITIATOR,
            Self::TsResponder(_) => PayloadType::TS_RESPONDER,
            Self::Raw(raw) => raw.kind,
        }
    }

    /// Decodes the body of a payload; `None` if its kind is not known.
    pub(super) fn decode(kind: PayloadType, mut body: Decoder<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            PayloadType::SA => Self::Sa(proposal::decode(body)?),
            PayloadType::KE => Self::KeyExchange(KeyExchange::decode(body)?),
            PayloadType::ID_INITIATOR => Self::IdInitiator(Identification::decode(body)?),
            PayloadType::ID_RESPONDER => Self::IdResponder(Identification::decode(body)?),
            PayloadType::CERT => Self::Certificate(CertificatePayload::decode(body)?),
            PayloadType::CERTREQ => Self::CertificateRequest(CertificateRequest::decode(body)?),
            PayloadType::AUTH => Self::Auth(Auth::decode(body)?),
            PayloadType::NONCE => Self::Nonce(decode_nonce(body)?),
            PayloadType::NOTIFY => Self::Notify(Notify::decode(body)?),
            PayloadType::DELETE => Self::Delete(Delete::decode(body)?),
            PayloadType::VENDOR_ID => Self::VendorId(body.take_rest().to_vec()),
            PayloadType::TS_INITIATOR => Self::TsInitiator(traffic_selector::decode(body)?),
            PayloadType::TS_RESPONDER => Self::TsResponder(traffic_selector::decode(body)?),
            PayloadType::CONFIGURATION | PayloadType::EAP => {
                Self::Raw(RawPayload { kind, body: body.take_rest().to_vec() })
            }
            _ => return Ok(None),
        }))
    }

    /// Writes the body.
    pub(super) fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::Sa(proposals) => proposal::encode(proposals, encoder),
            Self::KeyExchange(exchange) => exchange.encode(encoder),
            Self::IdInitiator(id) | Self::IdResponder(id) => id.encode(encoder),
            Self::Certificate(certificate) => certificate.encode(encoder),
            Self::CertificateRequest(request) => request.encode(encoder),
            Self::Auth(auth) => auth.encode(encoder),
            Self::Nonce(octets) | Self::VendorId(octets) => encoder.bytes(octets),
            Self::Notify(notify) => notify.encode(encoder),
            Self::Delete(delete) => delete.encode(encoder),
            Self::TsInitiator(selectors) | Self::TsResponder(selectors) => {
                traffic_selector::encode(selectors, encoder);
            }
            Self::Raw(raw) => encoder.bytes(&raw.body),
        }
    }
}

impl KeyExchange {
    fn decode(mut body: Decoder<'_>) -> Result<Self, DecodeError> {
        let group = GroupId(body.u16("Diffie-Hellman group")?);
        body.u16("reserved")?;
        Ok(Self { group, data: body.take_rest().to_vec() })
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.u16(self.group.0);
        encoder.u16(0);
        encoder.bytes(&self.data);
    }
}

impl Auth {
    fn decode(mut body: Decoder<'_>) -> Result<Self, DecodeError> {
        let method = AuthMethod(body.u8("authentication method")?);
        body.take(3, "reserved")?;
        Ok(Self { method, data: body.take_rest().to_vec() })
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.u8(self.method.0);
        encoder.zeros(3);
        encoder.bytes(&self.data);
    }
}

fn decode_nonce(mut body: Decoder<'_>) -> Result<Vec<u8>, DecodeError> {
    // RFC 7296 3.9: a nonce has 16 to 256 octets.
    match body.remaining() {
        16..=256 => Ok(body.take_rest().to_vec()),
        length => Err(body.error("nonce", DecodeReason::Length { length })),
    }
}
