//! BGP-4 (RFC 4271) as pure state machines.

pub mod config;
mod family;
mod route;

pub use config::PeerConfig;
pub use family::Family;
pub use route::{Announcement, AsPath, AsPathSegment, Attributes, Origin, UnknownAttribute, Update};
