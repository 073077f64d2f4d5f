//! IKEv2 (RFC 7296) as pure state machines: bytes, time and randomness in; datagrams, SAs and events out.
//!
//! ```text
//!  handle_datagram --> Endpoint: header, SPI --+--> half-open table: IKE_SA_INIT, cookies, IKE_AUTH
//!  handle_timeout                              |
//!  initiate, ...                               +--> Tunnel --+--> attempt   (our initiation under way)
//!                                                            +--> IKE SAs   (windows, keys, exchanges)
//!                                                            +--> CHILD SAs (what the data plane carries)
//!  poll_output <--- Transmit | Sa(Install, Remove, Move) | Event(TunnelUp, TunnelDown, ...)
//! ```
//!
//! * [`Endpoint`] is the whole machine: one for the process, all tunnels in it.
//! * [`config`] is what a tunnel is told, [`failure`] what it answers when it cannot.
//! * [`v1`] is the older protocol, for peers that have nothing else: machines of its own, everything else shared.
//! * [`certificate`] is what ends show each other where they share no key.
//! * [`message`] is the wire format, [`crypto`] the algorithms, [`identity`] who is who.

pub mod certificate;
pub mod config;
pub mod crypto;
mod endpoint;
pub mod failure;
pub mod identity;
pub mod message;
mod sa;
#[cfg(test)]
mod tests;
pub mod v1;

pub use endpoint::{
    ChildStatus, DownReason, Endpoint, EndpointCounters, Event, IkeStatus, LimitReached, MissingChild, Output,
    RekeyKind, Stranger, TunnelCounters, TunnelState, TunnelStatus,
};
pub use failure::Failure;
