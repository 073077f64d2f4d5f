//! What BGP-4 (RFC 4271) says: routes, and the messages that carry them, pure. A session is in the room `peering`.
//!
//! ```text
//!  octets ──► message::frame_len ──► message::decode_update ──► Update, faults
//!  Update ──► message::encode_updates ──► octets
//! ```
//!
//! * [`message`] knows the octets: framing, OPEN and capabilities, UPDATE with the verdicts of RFC 7606, NOTIFICATION
//!   in words.
//! * [`Update`] and [`Attributes`] are routes as the routing tables see them; [`Role`] knows which of them leak.

mod family;
pub mod message;
mod rare;
mod role;
mod route;

pub use family::{AddPath, Family};
pub use rare::{Rare, RareAttributes};
pub use role::{Leak, OnlyToCustomer, Role, UnknownRole};
pub use route::{Announcement, AsPath, AsPathSegment, Attributes, Nlri, Origin, UnknownAttribute, Update};
