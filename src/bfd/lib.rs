//! Bidirectional Forwarding Detection (RFC 5880) of one hop (RFC 5881) or several (RFC 5883), pure.
//!
//! ```text
//!   UDP 3784/4784 ──► Endpoint: whose packet is it? ──► Session: state, timers, polls ──► Verdict: is the path usable?
//!                        │  discriminator, or path                  │
//!                        └──────────────── octets to send ◄─────────┘
//! ```
//!
//! * [`ControlPacket`] is the codec; [`Discard`] says why a packet is not for anyone.
//! * [`Session`] is one session in asynchronous mode. A peer's demand mode is obeyed, our own is never asked for; Echo
//!   is neither sent nor wanted.
//! * [`Endpoint`] owns all sessions of a router, tells packets apart and orders deadlines.
//! * [`Verdict`] is what the routing protocol above is to make of it (RFC 5882).
//!
//! Nothing in here does I/O, reads a clock or draws randomness of its own.

mod auth;
mod config;
mod discard;
mod endpoint;
mod packet;
mod session;
#[cfg(test)]
mod tests;
mod verdict;

pub use auth::{AuthKind, Authentication, MAX_KEY_LEN};
pub use config::{Config, SLOW_INTERVAL};
pub use discard::Discard;
pub use endpoint::{Arrival, Endpoint, EndpointEvent, EndpointOutput, Hops, Path, SessionId};
pub use packet::{AuthSection, AuthType, ControlPacket, Diagnostic, MAX_PACKET_LEN, State};
pub use session::{Counters, DownReason, Event, LastDown, Output, Session, Status};
pub use verdict::{Obstacle, Verdict};

/// UDP port of sessions over one hop (RFC 5881 4).
pub const SINGLE_HOP_PORT: u16 = 3784;
/// UDP port of sessions over several hops (RFC 5883 5).
pub const MULTI_HOP_PORT: u16 = 4784;
/// What packets over one hop are sent with, and must still have (RFC 5881 5, RFC 5082).
pub const TTL: u8 = 255;
/// Source ports (RFC 5881 4).
pub const SOURCE_PORTS: std::ops::RangeInclusive<u16> = 49152..=65535;
