//! An `IKE_INTERMEDIATE` message as the authentication covers it (RFC 9242 3.3.2).
//!
//! ```text
//!  on the wire   header, length L   | SK header, length l | IV | ciphertext | ICV    or several with SKF
//!  covered       header, length L'  | SK header, length l'| the payloads inside
//! ```
//!
//! The lengths count neither the initialisation vector nor padding and check value, and a fragmented message is as it
//! would be whole: both ends see the same octets, however the message was cut.

use wire::{Encoder, TooLong};

use super::chain::{self, GENERIC_LEN};
use super::code_points::PayloadType;
use super::header::HEADER_LEN;
use super::{Frame, Message};

/// Where the header names the first payload.
const NEXT_PAYLOAD: usize = 16;

/// Where the header says how long the message is.
const LENGTH: std::ops::Range<usize> = 24..28;

/// A received message as the authentication covers it. `datagram` is the message, or its first fragment; `inner` is
/// what was encrypted in all of it. `None` if it is not an encrypted message.
#[must_use]
pub fn covered(datagram: &[u8], inner: &[u8]) -> Option<Vec<u8>> {
    let at = Frame::decode(datagram).ok()?.sealed_at()?;
    let mut message = datagram.get(..at)?.to_vec();
    // The octet that announces the encrypted payload: in the header, or in the payload before.
    let (mut announces, mut payload) = (NEXT_PAYLOAD, HEADER_LEN);
    while payload + GENERIC_LEN < at {
        let length = u16::from_be_bytes(message.get(payload + 2..payload + 4)?.try_into().ok()?);
        (announces, payload) = (payload, payload + usize::from(length));
    }
    message[announces] = PayloadType::ENCRYPTED.0;
    let length = u16::try_from(GENERIC_LEN + inner.len()).ok()?;
    message[at - 2..at].copy_from_slice(&length.to_be_bytes());
    message.extend_from_slice(inner);
    let length = u32::try_from(message.len()).ok()?;
    message[LENGTH].copy_from_slice(&length.to_be_bytes());
    Some(message)
}

impl Message {
    /// The message as the authentication covers it when it is sent protected.
    ///
    /// # Errors
    /// [`TooLong`] if a payload, a list or the whole outgrows what counts it.
    pub fn covered(&self) -> Result<Vec<u8>, TooLong> {
        let mut inner = Encoder::new();
        chain::encode(&self.payloads, &mut inner);
        let inner = inner.finish()?;
        let length = HEADER_LEN + GENERIC_LEN + inner.len();
        let mut encoder = Encoder::reuse(Vec::with_capacity(length));
        let field = u32::try_from(length).map_err(|_| TooLong { length, width: 4 })?;
        self.header.encode(PayloadType::ENCRYPTED, field, &mut encoder);
        encoder.u8(chain::first_kind(&self.payloads).0);
        encoder.u8(0);
        encoder.count_u16(GENERIC_LEN + inner.len());
        encoder.bytes(&inner);
        encoder.finish()
    }
}
