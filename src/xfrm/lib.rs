//! Lets Linux's own IPsec (XFRM) move the packets.
//!
//! An [`Xfrm`] is what a [`dataplane::Dataplane`] is, with the same methods and events, but for who moves the packets.

mod engine;
mod probe;

pub use engine::Xfrm;
pub use probe::{Missing, probe};
