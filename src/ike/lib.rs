//! IKEv2 (RFC 7296) as pure state machines: bytes, time and randomness in; datagrams, SAs and events out. How an IKE SA
//! begins is in the room `handshake`.
//!
//! ```text
//!  handle_datagram --> Endpoint: header, SPI --+--> half-open table (handshake): cookies, first exchanges
//!  handle_timeout                              |
//!  initiate, ...                               +--> Tunnel --+--> attempt   (handshake: our initiation)
//!                                                            +--> IKE SAs   (windows, keys, exchanges)
//!                                                            +--> CHILD SAs (what the data plane carries)
//!  poll_output <--- Transmit | Sa(Install, Remove, Move) | Event(TunnelUp, TunnelDown, ...)
//! ```
//!
//! * [`Endpoint`] is the whole machine: one for the process, all tunnels in it.
//! * What a tunnel is told and what it tells is in the room `negotiation`: both versions of IKE share it.
//! * Tunnels of the older protocol are machines of the room `ikev1`; the endpoint gives them what is theirs.

mod endpoint;
mod sa;
#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, EndpointCounters};
pub use handshake::Stranger;
