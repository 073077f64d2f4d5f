//! What can go wrong with an SA or a packet.

use wire::ipsec::{Encryption, Integrity, Spi};

use crate::ReplayReject;

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

/// Why a packet was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// RFC 4303 3.3.3: the sequence number would repeat.
    #[error("no sequence number left")]
    SequenceExhausted,
    /// A hard byte or packet limit is reached.
    #[error("lifetime reached")]
    Lifetime,
    /// The buffer has not enough room around the packet.
    #[error("{got} octets of buffer, {need} needed")]
    Room {
        /// Octets given.
        got: usize,
        /// Octets needed.
        need: usize,
    },
    /// The cipher refused; this happens for no input that fits a packet.
    #[error("the cipher failed")]
    Cipher,
}

/// Why a packet was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No SA of ours has this SPI.
    #[error("no SA has SPI {0}")]
    UnknownSpi(Spi),
    /// The packet cannot be what it claims to be.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// Seen before, or too old to tell.
    #[error("replay: {0}")]
    Replay(#[from] ReplayReject),
    /// The ICV is wrong.
    #[error("authentication failed")]
    Integrity,
    /// A hard byte or packet limit is reached.
    #[error("lifetime reached")]
    Lifetime,
    /// The inner packet is none the SA was made for (RFC 4301 5.2 step 4).
    #[error("outside the traffic selectors")]
    Selector,
}

/// Why octets are not an ESP packet with an IP packet in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than header, IV, one block and ICV.
    #[error("{got} octets, at least {need} needed")]
    Short {
        /// Octets there.
        got: usize,
        /// Octets needed.
        need: usize,
    },
    /// The ciphertext is no multiple of the cipher's block.
    #[error("{0} octets of ciphertext are no whole blocks")]
    Blocks(usize),
    /// Authentic, but with more padding than content.
    #[error("{0} octets of padding do not fit")]
    Padding(u8),
    /// Authentic, but not IPv4, IPv6 or a dummy.
    #[error("next header {0} is not a tunnelled packet")]
    NextHeader(u8),
    /// Authentic, but the inner IP header is broken.
    #[error("the inner packet has no valid IP header")]
    Inner,
}
