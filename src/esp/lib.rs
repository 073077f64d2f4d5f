//! ESP packet processing (RFC 4303) in tunnel mode, pure: no I/O, no clock, no randomness, no allocation per packet.
//!
//! ```text
//!   0               4               8                                            n-icv       n
//!   +---------------+---------------+------+-----------------+-----+-----+------+-----------+
//!   | SPI           | sequence      | IV   | inner packet    | pad | len | next | ICV       |
//!   +---------------+---------------+------+-----------------+-----+-----+------+-----------+
//!                                          |<------------ encrypted ----------->|
//!   |<------------------------ authenticated (with the high sequence bits) ---->|
//! ```
//!
//! * [`OutboundSa`] seals a packet where it lies, in a buffer with room before and behind it.
//! * [`InboundSa`] opens one where it lies: replay check, authentication, replay mark, lifetime, selectors, in this order.
//! * [`SaDb`] finds the inbound SA of a packet by its SPI.
//! * [`overhead`] is the arithmetic of MTU and MSS.
//!
//! Suites: AES-GCM (RFC 4106) and ChaCha20-Poly1305 (RFC 7634); AES-CBC (RFC 3602), 3DES (RFC 2451) and DES (RFC 2405)
//! with HMAC-MD5-96 (RFC 2403), HMAC-SHA1-96 (RFC 2404) or HMAC-SHA2 (RFC 4868).

mod database;
mod error;
mod inbound;
mod inner;
mod lifetime;
mod outbound;
pub mod overhead;
mod replay;
mod selector;
mod transform;

#[cfg(test)]
mod tests;

pub use database::{Entry, SaDb};
pub use error::{KeyError, Malformed, OpenError, SealError};
pub use inbound::{InboundSa, Opened};
pub use lifetime::Usage;
pub use outbound::{OutboundSa, Sealed};
pub use replay::ReplayReject;
pub use selector::Selectors;

/// Octets of SPI and sequence number before the IV.
pub const HEADER_LEN: usize = 8;
/// Octets before the inner packet, at most: header and the IV of AES-CBC.
pub const MAX_HEADROOM: usize = HEADER_LEN + 16;
/// Octets behind the inner packet, at most: padding, its length, next header, the ICV of HMAC-SHA2-512-256.
pub const MAX_TAILROOM: usize = 15 + 2 + 32;
