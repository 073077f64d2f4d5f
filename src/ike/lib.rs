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
//! * What a tunnel is told and what it tells is in the room `negotiation`: both versions of IKE share it.
//! * Tunnels of the older protocol are machines of the room `ikev1`; the endpoint gives them what is theirs.

mod endpoint;
mod sa;
#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, EndpointCounters, Stranger};
