//! Moves packets between TUN interfaces and ESP, in user space.
//!
//! ```text
//!              outbound worker (owns sequence numbers)
//!   TUN read --> segment --> seal in place --> UDP GSO sendmsg / raw ESP sendmmsg
//!
//!              inbound worker (owns replay windows)
//!   UDP GRO / raw recvmmsg --> demux --> open in place --> coalesce --> TUN write
//!                                 |
//!                                 +--> Event::Ike
//! ```
//!
//! A [`Dataplane`] is a handle. Behind it live a control thread (interfaces, addresses, sysctls) and a few workers
//! in each direction. Every SA belongs to exactly one worker, which takes commands from a channel, so that no lock
//! surrounds a sequence number or a replay window. All threads and sockets belong to the network namespace of the
//! thread that called [`Dataplane::start`].

mod batch;
mod control;
mod counters;
mod crew;
mod engine;
mod error;
mod event;
mod inbound;
mod interface;
mod message;
pub mod netlink;
mod outbound;
mod outbox;
mod packet;
mod poll;
mod socket;
mod tun;
mod tunnel;
mod usage;

pub use counters::{EngineCounters, TunnelCounters};
pub use engine::{Config, Dataplane};
pub use error::Error;
pub use event::{Event, Failure, Limit};
pub use interface::{InterfaceInfo, LEAST_MTU, TunnelInterface};
pub use outbox::Outbox;
pub use packet::laws::packet_laws;
pub use socket::{bind_udp, require_address};
pub use usage::SaUsage;

/// The port of IKE (RFC 7296 2).
pub const IKE_PORT: u16 = 500;
/// The port of IKE and ESP behind a NAT (RFC 3948).
pub const NAT_PORT: u16 = 4500;
