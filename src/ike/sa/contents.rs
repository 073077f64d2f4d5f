//! A message's payloads, each in its place.

use isakmp::{
    Auth, CertificatePayload, Delete, Identification, KeyExchange, Notify, NotifyType, Payload, PayloadType, Proposal,
};
use wire::ipsec::TrafficSelector;

/// What a message says. Order among different payloads has no meaning (RFC 7296 2.5).
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) sa: Option<Vec<Proposal>>,
    pub(crate) key_exchange: Option<KeyExchange>,
    pub(crate) nonce: Option<Vec<u8>>,
    pub(crate) id_initiator: Option<Identification>,
    pub(crate) id_responder: Option<Identification>,
    pub(crate) certificates: Vec<CertificatePayload>,
    pub(crate) auth: Option<Auth>,
    pub(crate) ts_initiator: Option<Vec<TrafficSelector>>,
    pub(crate) ts_responder: Option<Vec<TrafficSelector>>,
    pub(crate) notifies: Vec<Notify>,
    pub(crate) deletes: Vec<Delete>,
}

/// A payload that may come once came twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two {0} payloads")]
pub(crate) struct Duplicate(pub(crate) PayloadType);

impl Contents {
    pub(crate) fn collect(payloads: Vec<Payload>) -> Result<Self, Duplicate> {
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

    pub(crate) fn notify(&self, kind: NotifyType) -> Option<&Notify> {
        self.notifies.iter().find(|notify| notify.kind == kind)
    }

    pub(crate) fn has(&self, kind: NotifyType) -> bool {
        self.notify(kind).is_some()
    }

    /// The first error.
    pub(crate) fn error(&self) -> Option<&Notify> {
        self.notifies.iter().find(|notify| notify.is_error())
    }
}
