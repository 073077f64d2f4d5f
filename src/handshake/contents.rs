//! A message's payloads, each in its place.

use isakmp::{
    Auth, CertificatePayload, Delete, Frame, Identification, KeyExchange, Notify, NotifyType, Payload, PayloadType,
    Proposal,
};
use wire::ipsec::TrafficSelector;

/// What a message says. Order among different payloads has no meaning (RFC 7296 2.5).
#[derive(Debug, Default)]
pub struct Contents {
    /// Offered, or chosen.
    pub sa: Option<Vec<Proposal>>,
    /// The sender's half of a key exchange.
    pub key_exchange: Option<KeyExchange>,
    /// The sender's nonce.
    pub nonce: Option<Vec<u8>>,
    /// IDi.
    pub id_initiator: Option<Identification>,
    /// IDr.
    pub id_responder: Option<Identification>,
    /// The sender's own first.
    pub certificates: Vec<CertificatePayload>,
    /// The sender's proof.
    pub auth: Option<Auth>,
    /// TSi.
    pub ts_initiator: Option<Vec<TrafficSelector>>,
    /// TSr.
    pub ts_responder: Option<Vec<TrafficSelector>>,
    /// All of them, known or not.
    pub notifies: Vec<Notify>,
    /// What the sender deletes.
    pub deletes: Vec<Delete>,
}

/// A payload that may come once came twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two {0} payloads")]
pub struct Duplicate(pub PayloadType);

impl Contents {
    /// Puts payloads in their places.
    ///
    /// # Errors
    /// If there are two of what may come once.
    pub fn collect(payloads: Vec<Payload>) -> Result<Self, Duplicate> {
        let mut contents = Self::default();
        for payload in payloads {
            let kind = payload.kind();
            let duplicate = match payload {
                Payload::Sa(proposals) => contents.sa.replace(proposals).is_some(),
                Payload::KeyExchange(exchange) => contents.key_exchange.replace(exchange).is_some(),
                Payload::Nonce(nonce) => contents.nonce.replace(nonce).is_some(),
                Payload::IdInitiator(id) => contents.id_initiator.replace(id).is_some(),
                Payload::IdResponder(id) => contents.id_responder.replace(id).is_some(),
                Payload::Certificate(certificate) => {
                    contents.certificates.push(certificate);
                    false
                }
                Payload::Auth(auth) => contents.auth.replace(auth).is_some(),
                Payload::TsInitiator(selectors) => contents.ts_initiator.replace(selectors).is_some(),
                Payload::TsResponder(selectors) => contents.ts_responder.replace(selectors).is_some(),
                Payload::Notify(notify) => {
                    contents.notifies.push(notify);
                    false
                }
                Payload::Delete(delete) => {
                    contents.deletes.push(delete);
                    false
                }
                Payload::CertificateRequest(_) | Payload::VendorId(_) | Payload::Raw(_) => false,
            };
            if duplicate {
                return Err(Duplicate(kind));
            }
        }
        Ok(contents)
    }

    /// What a message says that is not protected. Anyone may have sent it.
    #[must_use]
    pub fn in_the_clear(frame: &Frame<'_>) -> Option<Self> {
        frame.payloads().ok().and_then(|payloads| Self::collect(payloads).ok())
    }

    /// The first notification of a kind.
    #[must_use]
    pub fn notify(&self, kind: NotifyType) -> Option<&Notify> {
        self.notifies.iter().find(|notify| notify.kind == kind)
    }

    /// Whether there is a notification of a kind.
    #[must_use]
    pub fn has(&self, kind: NotifyType) -> bool {
        self.notify(kind).is_some()
    }

    /// The first error.
    #[must_use]
    pub fn error(&self) -> Option<&Notify> {
        self.notifies.iter().find(|notify| notify.is_error())
    }
}
