//! The messages of IKE, which packet analysers call ISAKMP: those of IKEv2 (RFC 7296 3, RFC 7383) here, those of IKEv1
//! in [`v1`].
//!
//! ```text
//!  datagram --Frame::decode--> header            enough to find the SA
//!                 |
//!                 +--payloads()--> [Payload]      in the clear: IKE_SA_INIT, errors
//!                 |
//!                 +--protected()--> Protected --open(cipher)--> Whole(Plaintext) --payloads()--> [Payload]
//!                                                         \---> Fragment --Reassembly::insert--> Plaintext
//!
//!  Message { header, payloads } --encode()--> datagram
//!                               --seal(cipher)--> datagram, or several where it would be too long
//! ```
//!
//! Decoding is structural: lengths, counts and ranges. What the values mean for an SA is decided by the
//! caller, with [`select_ike`] and [`select_esp`] for proposals and [`narrow()`] for traffic selectors.

mod algorithm;
mod certificate;
mod chain;
mod code_points;
mod covered;
mod delete;
mod fragment;
mod frame;
mod header;
mod identification;
mod message_id_sync;
mod narrow;
mod notify;
mod payload;
mod proposal;
mod seal;
mod select;
mod traffic_selector;
pub mod v1;

#[cfg(test)]
mod tests;

pub use certificate::{AUTHORITY_LEN, CertificatePayload, CertificateRequest};
pub use chain::PayloadError;
pub use code_points::{
    AuthMethod, CertEncoding, EncryptionId, EsnId, ExchangeType, HashId, IdType, IntegrityId, NotifyType, PayloadType,
    PrfId, ProtocolId, TransformType,
};
pub use covered::covered;
pub use delete::Delete;
pub use fragment::{Fragment, FragmentRefused, MAX_FRAGMENTS, MAX_OCTETS, Reassembly};
pub use frame::{Frame, Opened, Plaintext, Protected};
pub use header::{Flags, HEADER_LEN, Header, Version};
pub use identification::Identification;
pub use message_id_sync::MessageIdSync;
pub use narrow::narrow;
pub use notify::Notify;
pub use payload::{Auth, KeyExchange, Payload, RawPayload};
pub use proposal::{Attribute, Proposal, Transform};
pub use seal::SealError;
pub use select::{
    ChildExchange, ChosenEsp, ChosenIke, NoProposalChosen, accepted_esp, accepted_ike, esp_proposals, ike_proposals,
    select_esp, select_ike,
};
pub use traffic_selector::SelectorType;

use wire::{Encoder, TooLong};

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What identifies it.
    pub header: Header,
    /// What it says, in order.
    pub payloads: Vec<Payload>,
}

impl Message {
    /// Decodes a message that is in the clear.
    ///
    /// # Errors
    /// [`PayloadError`]; a message with an encrypted payload yields what precedes that.
    pub fn decode(datagram: &[u8]) -> Result<Self, PayloadError> {
        let frame = Frame::decode(datagram)?;
        Ok(Self { header: frame.header, payloads: frame.payloads()? })
    }

    /// Encodes it in the clear.
    ///
    /// # Errors
    /// [`TooLong`] if a payload, a list or a field outgrows what counts it.
    pub fn encode(&self) -> Result<Vec<u8>, TooLong> {
        let mut body = Encoder::new();
        chain::encode(&self.payloads, &mut body);
        let body = body.finish()?;
        let length = HEADER_LEN + body.len();
        let mut encoder = Encoder::reuse(Vec::with_capacity(length));
        let field = u32::try_from(length).map_err(|_| TooLong { length, width: 4 })?;
        self.header.encode(chain::first_kind(&self.payloads), field, &mut encoder);
        encoder.bytes(&body);
        encoder.finish()
    }
}
