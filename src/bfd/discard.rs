//! Why a packet counts for nothing (RFC 5880 6.8.6).

use wire::DecodeError;

use crate::packet::{AuthType, State};

/// What was wrong with a packet, or with whom it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Discard {
    /// It ends too early.
    #[error("{0}")]
    Truncated(#[from] DecodeError),
    /// Another version of BFD.
    #[error("version {found}, expected 1")]
    Version {
        /// The packet's.
        found: u8,
    },
    /// Its length is too small to be one.
    #[error("a length of {length} octets, expected at least {least}")]
    Short {
        /// The packet's.
        length: u8,
        /// With or without authentication.
        least: u8,
    },
    /// Its length goes beyond the datagram.
    #[error("a length of {length} octets in a datagram of {available}")]
    Overlong {
        /// The packet's.
        length: u8,
        /// The datagram's.
        available: usize,
    },
    /// The length of the authentication section contradicts the packet's.
    #[error("an authentication section of {length} octets where {available} are left")]
    AuthLength {
        /// The section's.
        length: u8,
        /// What is left of the packet.
        available: usize,
    },
    /// A detect multiplier of zero.
    #[error("a detect multiplier of 0")]
    NoMultiplier,
    /// The multipoint bit, which RFC 5880 reserves.
    #[error("the multipoint bit is set")]
    Multipoint,
    /// The sender has no number for the session.
    #[error("my discriminator is 0")]
    NoDiscriminator,
    /// A state that only one who knows us can be in.
    #[error("state {state} without our discriminator")]
    StateWithoutDiscriminator {
        /// The sender's.
        state: State,
    },
    /// It came over more hops than it may.
    #[error("TTL {found}, expected at least {least}: it does not come from the neighbour")]
    Ttl {
        /// The packet's; without, the kernel did not say.
        found: u8,
        /// What a packet must have left.
        least: u8,
    },
    /// No session of ours has this number, or it is another peer's.
    #[error("no session has the discriminator {discriminator} and this path")]
    UnknownDiscriminator {
        /// The packet's.
        discriminator: u32,
    },
    /// No session is configured with this sender.
    #[error("no session is configured with this sender")]
    NoSession,
    /// Our end is held down.
    #[error("the session is administratively down here")]
    HeldDown,
    /// Proof where none is configured.
    #[error("authenticated ({kind}), and no authentication is configured here")]
    AuthUnexpected {
        /// The packet's.
        kind: AuthType,
    },
    /// No proof where one is configured.
    #[error("not authenticated, and {expected} is configured here")]
    AuthMissing {
        /// Ours.
        expected: AuthType,
    },
    /// Another kind of proof.
    #[error("authenticated with {found}, expected {expected}")]
    AuthKind {
        /// The packet's.
        found: AuthType,
        /// Ours.
        expected: AuthType,
    },
    /// Another key.
    #[error("key {found}, expected {expected}")]
    AuthKey {
        /// The packet's.
        found: u8,
        /// Ours.
        expected: u8,
    },
    /// Sent before.
    #[error("sequence number {found} is not among the next after {last}: replayed, or the peer began anew")]
    AuthSequence {
        /// The packet's.
        found: u32,
        /// The last one accepted.
        last: u32,
    },
    /// The digest is wrong: another key, or forged.
    #[error("the digest is wrong: the keys differ, or it is forged")]
    AuthDigest,
}

impl Discard {
    /// A stable name for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Truncated(_) | Self::Short { .. } | Self::Overlong { .. } | Self::AuthLength { .. } => "length",
            Self::Version { .. } => "version",
            Self::NoMultiplier | Self::Multipoint | Self::StateWithoutDiscriminator { .. } => "malformed",
            Self::NoDiscriminator | Self::UnknownDiscriminator { .. } => "discriminator",
            Self::Ttl { .. } => "ttl",
            Self::NoSession => "no-session",
            Self::HeldDown => "admin-down",
            Self::AuthUnexpected { .. }
            | Self::AuthMissing { .. }
            | Self::AuthKind { .. }
            | Self::AuthKey { .. }
            | Self::AuthSequence { .. }
            | Self::AuthDigest => "authentication",
        }
    }
}
