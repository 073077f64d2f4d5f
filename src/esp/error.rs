//! What can go wrong with an SA or a packet.

use wire::ipsec::{Encryption, Integrity};

/// Keys that do not fit their algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The cipher has no such key size.
    #[error("{0} is not a cipher")]
    Cipher(Encryption),
    /// Encryption key material of the wrong length.
    #[error("{got} octets of encryption key, {need} needed")]
    EncryptionKey {
        /// Octets given.
        got: usize,
        /// Octets needed.
        need: usize,
    },
    /// Integrity key of the wrong length.
    #[error("{got} octets of integrity key, {need} needed")]
    IntegrityKey {
        /// Octets given.
        got: usize,
        /// Octets needed.
        need: usize,
    },
    /// An AEAD together with an integrity algorithm.
    #[error("an AEAD takes no {0}")]
    RedundantIntegrity(Integrity),
    /// A cipher that does not authenticate, alone.
    #[error("{0} needs an integrity algorithm")]
    MissingIntegrity(Encryption),
    /// A replay window that is neither 0 nor 64 to 4096 packets.
    #[error("a replay window of {0} packets is not supported")]
    ReplayWindow(u32),
}
