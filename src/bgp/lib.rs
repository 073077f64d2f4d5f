//! BGP-4 (RFC 4271) as pure state machines.
//!
//! ```text
//!  TCP octets ──► Peer::handle_bytes ──► message::frame_len ──► message::* ──► FSM ──► Event (Update, Down, ...)
//!  rib Updates ──► Peer::send_updates ──► message::encode_updates ──► Output::Send
//! ```
//!
//! * [`Peer`] is one session: two connection slots, timers, back-off. Nothing in it waits, reads a clock or draws
//!   randomness.
//! * [`message`] knows the octets: framing, OPEN and capabilities, UPDATE with the verdicts of RFC 7606, NOTIFICATION
//!   in words.
//! * [`Update`] and [`Attributes`] are routes as the routing tables see them; [`Role`] knows which of them leak.

pub mod config;
mod error;
mod family;
pub mod message;
pub mod peer;
mod rare;
mod role;
mod route;

pub use config::{Offers, PeerConfig, Restart, Timers};
pub use error::SessionError;
pub use family::Family;
pub use peer::{
    AddPath, ConnectionId, DownReason, Established, Event, LastDown, MessageCounts, NotificationRecord, Output, Peer,
    PeerRestart, PeerStatus, StaleRoutes, State, StopReason, Waiting,
};
pub use rare::{Rare, RareAttributes};
pub use role::{Leak, OnlyToCustomer, Role, UnknownRole};
pub use route::{Announcement, AsPath, AsPathSegment, Attributes, Nlri, Origin, UnknownAttribute, Update};
