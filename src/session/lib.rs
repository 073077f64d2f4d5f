//! One task per BGP session: moves bytes between TCP and the pure [`peering::Peer`].
//!
//! ```text
//!  tunnel or network up, down ──► commands ┐                     ┌── reader ◄── TCP ──┐
//!  operator ── reset, ... ──────►          ├──► Session ◄── io ──┤                    │ peer
//!  routing tables ────────────────► updates┘      │              └── writer ──► TCP ──┘
//!                                                 └──► routing tables: Notice
//! ```
//!
//! Back-pressure in both directions: while the routing tables have no room, nothing is read from TCP; while TCP has no room,
//! no update is taken from them. Commands are always taken, so a dead tunnel ends its session at once. A peer that
//! stops reading is ended by the send hold timer (RFC 9687), and if that is off by `TCP_USER_TIMEOUT`.
//!
//! Who listens where for peers of several sessions, when a session begins and what follows when it ends is the matter of
//! those who [`spawn`] it.

mod connection;
mod handle;
mod outbox;
mod protect;
mod socket;
mod tables;
mod task;
#[cfg(test)]
mod tests;

pub use handle::{Command, Handle, Life, Updates};
pub use protect::{came_from_within, sign};
pub use socket::{Link, listen_plain};
pub use tables::Notice;
pub use task::spawn;
