//! What IKE computes: key exchange, key derivation, authentication, protection of messages.
//!
//! ```text
//!  Group::generate -> KeyPair --agree(peer's public value)--> g^ir
//!                                                              |
//!  nonces, SPIs ------------------------------------------> IkeKeys
//!                                                            |  |  \
//!                            SkCipher per direction <--ciphers  |   psk_auth--> AUTH data
//!                                                             child
//!                                                               \--> ChildKeys for ESP
//! ```
//!
//! The primitives come from aws-lc-rs. What it lacks comes from elsewhere: the MODP groups stand on crypto-bigint, DES
//! and MD5 on RustCrypto. Randomness is always a parameter, so that a run can be repeated.

mod aead;
mod cbc;
mod cipher;
mod ecdh;
mod group;
mod hash;
mod key_exchange;
mod keys;
mod mac;
mod mlkem;
mod modp;
mod prf;
mod proposal;
mod suite;

#[cfg(test)]
mod tests;

pub use cbc::CbcKey;
pub use cipher::{OpenError, SkCipher};
pub use group::{Group, GroupId, KeyExchangeError, KeyPair};
pub use hash::{COOKIE_LEN, cookie, nat_detection_hash};
pub use key_exchange::{AdditionalKeyExchange, AdditionalKeyExchanges, MAX_ADDITIONAL};
pub use keys::{AuthInput, ChildKeys, IkeKeys, Nonces, SkCiphers};
pub use prf::Prf;
pub use proposal::{EspProposal, IkeProposal, Pfs};
pub use suite::ParseSuiteError;

/// Which end of an exchange: the one that asks, or the one that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It sent the request.
    Initiator,
    /// It sent the response.
    Responder,
}

impl Role {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}
