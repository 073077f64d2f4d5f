//! IKEv1 messages: ISAKMP (RFC 2408) with the IPsec DOI (RFC 2407).
//!
//! ```text
//!  datagram --Frame::decode--> header, body
//!                 |
//!                 +-- in the clear ----------------------> Chain::decode(body)
//!                 +-- encrypted: body decrypted with the --> Chain::decode(plaintext, padding at its end)
//!                     keys and the IV of its exchange
//!                 +-- FRAGMENT: Reassembly::insert -------> the whole datagram, from the start
//! ```
//!
//! What hashes cover is octets as they came, so a [`Chain`] keeps the body of every payload beside its meaning.

mod attribute;
mod chain;
mod code_points;
mod delete;
mod fragment;
mod header;
mod identification;
mod notify;
mod payload;
mod proposal;
mod vendor;

#[cfg(test)]
mod tests;

pub use attribute::Attribute;
pub use chain::{Chain, Located, MAX_PAYLOADS};
pub use code_points::{
    AuthenticationMethod, EncapsulationMode, EspAttribute, EspAuthentication, EspTransform, Exchange, HashAlgorithm,
    IdKind, IkeAttribute, IkeCipher, LifeType, NotifyKind, PayloadKind, Protocol,
};
pub use delete::Delete;
pub use fragment::{Fragment, FragmentRefused, MAX_FRAGMENTS, MAX_OCTETS, Reassembly, split};
pub use header::{Flags, Frame, Header};
pub use identification::Identification;
pub use notify::Notify;
pub use payload::Payload;
pub use proposal::{Proposal, Transform};
pub use vendor::VendorId;

use wire::{DecodeError, Decoder, Encoder, TooLong};

use crate::HEADER_LEN;

/// Domain of interpretation: IPsec (RFC 2407 4.2).
pub(crate) const DOI_IPSEC: u32 = 1;

/// Reads the domain of interpretation in front of a notification or a deletion.
fn domain(body: &mut Decoder<'_>) -> Result<(), DecodeError> {
    // RFC 2408 3.14, 3.15: 0 is the generic domain; what the rest means is the same here.
    let doi = body.u32("domain of interpretation")?;
    if doi > DOI_IPSEC {
        return Err(body.invalid("domain of interpretation", doi));
    }
    Ok(())
}

/// A message in the clear: its payloads are those of `header.exchange`.
///
/// # Errors
/// [`TooLong`] if a payload, a list or a field outgrows what counts it.
pub fn encode(header: &Header, payloads: &[Payload]) -> Result<Vec<u8>, TooLong> {
    let body = encode_body(payloads)?;
    assemble(header, chain::first_kind(payloads), &body)
}

/// The payload chain alone.
///
/// # Errors
/// [`TooLong`].
pub fn encode_body(payloads: &[Payload]) -> Result<Vec<u8>, TooLong> {
    let mut encoder = Encoder::new();
    chain::encode(payloads, &mut encoder);
    encoder.finish()
}

/// A header in front of a body that is complete, encrypted or not.
///
/// # Errors
/// [`TooLong`].
pub fn assemble(header: &Header, first: PayloadKind, body: &[u8]) -> Result<Vec<u8>, TooLong> {
    let length = HEADER_LEN + body.len();
    let field = u32::try_from(length).map_err(|_| TooLong { length, width: 4 })?;
    let mut encoder = Encoder::reuse(Vec::with_capacity(length));
    header.encode(first, field, &mut encoder);
    encoder.bytes(body);
    encoder.finish()
}
