//! Fragments of messages: payload type 132, as Cisco, Microsoft and strongSwan speak it.
//!
//! ```text
//! | ISAKMP header of the message, exchange and message ID too, next payload 132 |
//! | generic header | fragment ID (2) | number, from 1 (1) | flags: 1 on the last (1) | piece of the whole datagram |
//! ```
//!
//! Nothing of it is authentic until the message is whole, so what is held is bounded: one message at a time.

use std::collections::BTreeMap;

use wire::{DecodeError, Decoder, Encoder, TooLong};

use super::assemble;
use super::code_points::PayloadKind;
use super::header::{Flags, Header};
use crate::HEADER_LEN;

/// Pieces a message may come in.
pub const MAX_FRAGMENTS: u8 = 64;
/// Octets a message may have.
pub const MAX_OCTETS: usize = 64 * 1024;

const LAST: u8 = 1;
/// Octets in front of a piece: header, generic header, numbering.
const OVERHEAD: usize = HEADER_LEN + 8;

/// A piece of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The same in all pieces of a message.
    pub id: u16,
    /// 1 for the first.
    pub number: u8,
    /// Whether it is the last.
    pub last: bool,
    /// Its octets.
    pub octets: Vec<u8>,
}

impl Fragment {
    pub(super) fn decode(mut body: Decoder<'_>) -> Result<Self, DecodeError> {
        let id = body.u16("fragment ID")?;
        let number = body.u8("fragment number")?;
        let flags = body.u8("fragment flags")?;
        if number == 0 {
            return Err(body.invalid("fragment number", number));
        }
        Ok(Self { id, number, last: flags & LAST != 0, octets: body.take_rest().to_vec() })
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.u16(self.id);
        encoder.u8(self.number);
        encoder.u8(if self.last { LAST } else { 0 });
        encoder.bytes(&self.octets);
    }
}

/// Why a fragment was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentRefused {
    /// The message comes in more pieces than are taken.
    #[error("fragment {0} of a message: more than {MAX_FRAGMENTS} are not accepted")]
    TooMany(u8),
    /// The message is longer than is taken.
    #[error("a fragmented message of more than {MAX_OCTETS} octets is not accepted")]
    TooLong,
}

/// The pieces of one message, until they are complete.
#[derive(Clone, Debug, Default)]
pub struct Reassembly {
    id: u16,
    total: Option<u8>,
    pieces: BTreeMap<u8, Vec<u8>>,
    octets: usize,
}

impl Reassembly {
    /// Octets that wait for others.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.octets
    }

    /// Takes a piece; returns the datagram if it was the last one missing, and starts over.
    ///
    /// # Errors
    /// [`FragmentRefused`]: the piece is to be ignored.
    pub fn insert(&mut self, fragment: Fragment) -> Result<Option<Vec<u8>>, FragmentRefused> {
        let Fragment { id, number, last, octets } = fragment;
        if number > MAX_FRAGMENTS {
            return Err(FragmentRefused::TooMany(number));
        }
        // Some give all their messages one ID: a piece that contradicts what is held is of another message.
        let other_piece = self.pieces.get(&number).is_some_and(|held| *held != octets);
        let other_end = last && self.total.is_some_and(|total| total != number);
        if id != self.id || other_piece || other_end {
            *self = Self { id, ..Self::default() };
        }
        if last {
            self.total = Some(number);
        }
        if self.pieces.contains_key(&number) {
            return Ok(None);
        }
        if self.octets + octets.len() > MAX_OCTETS {
            return Err(FragmentRefused::TooLong);
        }
        self.octets += octets.len();
        self.pieces.insert(number, octets);
        let complete = self.total.is_some_and(|total| {
            self.pieces.len() == usize::from(total)
                && self.pieces.last_key_value().is_some_and(|(last, _)| *last == total)
        });
        Ok(complete.then(|| std::mem::take(self).pieces.into_values().flatten().collect()))
    }
}

/// Cuts a datagram into pieces of at most `limit` octets each, header included. One that fits stays whole.
///
/// # Errors
/// [`TooLong`] if it would take more than [`MAX_FRAGMENTS`] pieces.
pub fn split(header: &Header, datagram: &[u8], id: u16, limit: usize) -> Result<Vec<Vec<u8>>, TooLong> {
    let room = limit.saturating_sub(OVERHEAD).max(1);
    if datagram.len() <= limit {
        return Ok(vec![datagram.to_vec()]);
    }
    let too_long = TooLong { length: datagram.len(), width: 1 };
    let count = u8::try_from(datagram.len().div_ceil(room)).ok().filter(|count| *count <= MAX_FRAGMENTS);
    let count = count.ok_or(too_long)?;
    // The pieces are in the clear; what is encrypted is the message in them.
    let header = Header { flags: Flags { encrypted: false, ..header.flags }, ..*header };
    (1..=count)
        .zip(datagram.chunks(room))
        .map(|(number, piece)| {
            let fragment = Fragment { id, number, last: number == count, octets: piece.to_vec() };
            let mut encoder = Encoder::new();
            encoder.u8(PayloadKind::NONE.0);
            encoder.u8(0);
            fragment.encode(&mut encoder.length(2, 4));
            assemble(&header, PayloadKind::FRAGMENT, &encoder.finish()?)
        })
        .collect()
}
