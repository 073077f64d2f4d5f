//! Putting a fragmented message together (RFC 7383 2.6).
//!
//! Only authentic fragments get here, so that what is held is bounded by what one peer may send: one message of
//! at most [`MAX_FRAGMENTS`] pieces and [`MAX_OCTETS`] octets at a time.

use std::collections::BTreeMap;

use super::code_points::PayloadType;
use super::frame::Plaintext;

/// Pieces a message may come in.
pub const MAX_FRAGMENTS: u16 = 256;

/// Octets a message may have.
pub const MAX_OCTETS: usize = 64 * 1024;

/// A piece of a message that was opened, hence is authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// 1 for the first piece.
    pub number: u16,
    /// How many there are; at least `number`.
    pub total: u16,
    /// The piece of the payload chain; knows the chain's first payload in the first piece only.
    pub plaintext: Plaintext,
}

/// Why a fragment was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentRefused {
    /// The message comes in more pieces than are taken.
    #[error("a message in {0} fragments is not accepted")]
    TooMany(u16),
    /// The message is longer than is taken.
    #[error("a fragmented message of more than {MAX_OCTETS} octets is not accepted")]
    TooLong,
    /// The peer has since cut the message into more and smaller pieces.
    #[error("a fragment of {found} pieces, where the message now comes in {current}")]
    Outdated {
        /// Pieces of the newer set.
        current: u16,
        /// Pieces of the set it belongs to.
        found: u16,
    },
    /// This piece is here already.
    #[error("fragment {0} is here already")]
    Duplicate(u16),
}

/// The pieces of one message, until they are complete. One for each message ID.
#[derive(Clone, Debug, Default)]
pub struct Reassembly {
    total: u16,
    first: Option<PayloadType>,
    pieces: BTreeMap<u16, Vec<u8>>,
    octets: usize,
}

impl Reassembly {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Pieces that wait for others.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pieces.len()
    }

    /// Octets of those.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// Takes a piece; returns the message if it was the last one missing, and starts over.
    ///
    /// # Errors
    /// [`FragmentRefused`]: the piece is to be ignored.
    pub fn insert(&mut self, fragment: Fragment) -> Result<Option<Plaintext>, FragmentRefused> {
        let Fragment { number, total, plaintext } = fragment;
        if total > MAX_FRAGMENTS {
            return Err(FragmentRefused::TooMany(total));
        }
        // RFC 7383 2.6: a larger total is a new, finer cut that replaces the old one; a smaller is outdated.
        if total < self.total {
            return Err(FragmentRefused::Outdated { current: self.total, found: total });
        }
        if total > self.total {
            *self = Self { total, ..Self::default() };
        }
        if self.pieces.contains_key(&number) {
            return Err(FragmentRefused::Duplicate(number));
        }
        if self.octets + plaintext.octets.len() > MAX_OCTETS {
            return Err(FragmentRefused::TooLong);
        }
        if number == 1 {
            self.first = Some(plaintext.first);
        }
        self.octets += plaintext.octets.len();
        self.pieces.insert(number, plaintext.octets);
        Ok(self.take_complete())
    }

    fn take_complete(&mut self) -> Option<Plaintext> {
        let first = self.first.filter(|_| self.pieces.len() == usize::from(self.total))?;
        let complete = std::mem::take(self);
        Some(Plaintext { first, octets: complete.pieces.into_values().flatten().collect() })
    }
}
