//! Protected messages: one SK payload, or several SKF payloads (RFC 7296 3.14, RFC 7383 2.5).

use crypto::SkCipher;
use wire::{Encoder, Entropy, TooLong};

use super::chain::{self, GENERIC_LEN};
use super::code_points::PayloadType;
use super::header::HEADER_LEN;
use super::{Header, Message};

/// Octets of fragment number and total.
const NUMBERING_LEN: usize = 4;

/// Why a message cannot be sent protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A payload, a list or the whole outgrows what counts it.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// No fragment of the message would fit.
    #[error("{max_datagram} octets leave no room for a fragment")]
    NoRoom {
        /// The limit that was given.
        max_datagram: usize,
    },
}

/// The encrypted payload that is about to be written.
struct Envelope<'a> {
    header: &'a Header,
    kind: PayloadType,
    first: PayloadType,
    numbering: &'a [u8],
}

impl Message {
    /// Encodes and encrypts it: to one datagram or, where that would exceed `max_datagram` octets of UDP
    /// payload, to several that do not. A retransmission sends the same octets again.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(
        &self,
        cipher: &mut SkCipher,
        entropy: &mut dyn Entropy,
        max_datagram: Option<usize>,
    ) -> Result<Vec<Vec<u8>>, SealError> {
        let mut inner = Encoder::new();
        chain::encode(&self.payloads, &mut inner);
        let inner = inner.finish()?;
        let first = chain::first_kind(&self.payloads);
        let whole = HEADER_LEN + GENERIC_LEN + cipher.sealed_len(inner.len());
        match max_datagram {
            Some(max) if whole > max => self.seal_fragments(&inner, cipher, entropy, max),
            _ => {
                let envelope = Envelope { header: &self.header, kind: PayloadType::ENCRYPTED, first, numbering: &[] };
                Ok(vec![envelope.seal(&inner, cipher, entropy)?])
            }
        }
    }

    fn seal_fragments(
        &self,
        inner: &[u8],
        cipher: &mut SkCipher,
        entropy: &mut dyn Entropy,
        max_datagram: usize,
    ) -> Result<Vec<Vec<u8>>, SealError> {
        let room = max_datagram.saturating_sub(HEADER_LEN + GENERIC_LEN + NUMBERING_LEN);
        let piece = cipher.plaintext_room(room);
        if piece == 0 || inner.is_empty() {
            return Err(SealError::NoRoom { max_datagram });
        }
        let pieces = inner.chunks(piece);
        let count = pieces.len();
        let total = u16::try_from(count).map_err(|_| TooLong { length: count, width: 2 })?;
        let mut datagrams = Vec::with_capacity(count);
        for (number, piece) in (1..=total).zip(pieces) {
            let mut numbering = Encoder::new();
            numbering.u16(number);
            numbering.u16(total);
            // RFC 7383 2.5: only the first fragment names the first payload; the others have zero.
            let first = if number == 1 { chain::first_kind(&self.payloads) } else { PayloadType::NONE };
            let envelope = Envelope {
                header: &self.header,
                kind: PayloadType::ENCRYPTED_FRAGMENT,
                first,
                numbering: numbering.as_slice(),
            };
            datagrams.push(envelope.seal(piece, cipher, entropy)?);
        }
        Ok(datagrams)
    }
}

impl Envelope<'_> {
    fn seal(&self, plaintext: &[u8], cipher: &mut SkCipher, entropy: &mut dyn Entropy) -> Result<Vec<u8>, TooLong> {
        let payload = GENERIC_LEN + self.numbering.len() + cipher.sealed_len(plaintext.len());
        let length = HEADER_LEN + payload;
        let mut encoder = Encoder::reuse(Vec::with_capacity(length));
        let field = u32::try_from(length).map_err(|_| TooLong { length, width: 4 })?;
        self.header.encode(self.kind, field, &mut encoder);
        encoder.u8(self.first.0);
        encoder.u8(0);
        encoder.count_u16(payload);
        encoder.bytes(self.numbering);
        let mut message = encoder.finish()?;
        cipher.seal(&mut message, plaintext, entropy);
        debug_assert_eq!(message.len(), length, "the cipher keeps to the length it announced");
        Ok(message)
    }
}
