//! What both ends have settled when the handshake is over.

use std::time::Instant;

use crypto::{IkeKeys, IkeProposal};
use negotiation::{Nat, Path};
use wire::ipsec::IkeSpi;

use crate::Protection;
use crate::intermediate::Intermediate;

/// An IKE SA to be.
#[derive(Debug)]
pub struct Opening {
    /// Our name for it.
    pub spi: IkeSpi,
    /// The peer's.
    pub peer_spi: IkeSpi,
    /// Where both ends are.
    pub path: Path,
    /// When we sent, or answered, the first message.
    pub began: Instant,
    /// What was settled in the clear, and added to since.
    pub first: FirstExchange,
    /// The ciphers, and fragments of messages not yet complete.
    pub protection: Protection,
}

/// What `IKE_SA_INIT` settled, and the exchanges up to `IKE_AUTH` add to.
#[derive(Debug)]
pub struct FirstExchange {
    /// Its algorithms.
    pub suite: IkeProposal,
    /// What is between the ends.
    pub nat: Nat,
    /// Its keys.
    pub keys: IkeKeys,
    /// As sent, for the AUTH payloads.
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
    /// The initiator's.
    pub nonce_i: Vec<u8>,
    /// The responder's.
    pub nonce_r: Vec<u8>,
    pub(crate) intermediate: Intermediate,
    /// Both ends have a post-quantum pre-shared key for someone; from `IKE_AUTH` on, whether one is mixed in.
    pub ppk: bool,
    /// The responder does without a CHILD SA in `IKE_AUTH`.
    pub childless: bool,
}

impl FirstExchange {
    /// The message ID of the exchange that comes next: `IKE_AUTH`, when all key exchanges are made.
    #[must_use]
    pub const fn next_id(&self) -> u32 {
        self.intermediate.next_id()
    }
}
