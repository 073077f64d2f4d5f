//! The codec kit and the vocabulary that every room shares.
//!
//! * [`Decoder`] walks a framed slice and says *where* and *at which field* decoding failed.
//! * [`Encoder`] appends big-endian fields; [`LengthGuard`] patches a length when its body is complete.
//! * [`code_point!`] makes newtypes over registry numbers that keep values they do not know.
//! * [`TimerTable`] holds the deadlines of a pure state machine.
//! * [`ipsec`] is what a key exchange tells a data plane: algorithms, keys, selectors, SAs.
//! * [`LinkId`] numbers what packets leave through: tunnels and plain interfaces.
//! * [`Secret`] is key material that is wiped on drop and never printed.
//!
//! Nothing in here does I/O, reads a clock or draws randomness.

mod asn;
mod code_point;
mod decode;
mod encode;
mod entropy;
pub mod ipsec;
mod link;
pub mod outer;
mod secret;
mod timer;

pub use asn::{Asn, ParseAsnError, RouterId};
pub use decode::{DecodeError, DecodeReason, Decoder};
pub use encode::{Encoder, LengthGuard, TooLong};
pub use entropy::Entropy;
pub use link::LinkId;
pub use secret::Secret;
pub use timer::TimerTable;
