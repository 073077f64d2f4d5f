//! Messages in octets (RFC 4271 4): framing, structure, validation, packing.
//!
//! ```text
//!  octets ── frame_len ──► one message ── decode ──► Open | Notification | RouteRefresh
//!                                      └─ decode_update ──► Update + faults (RFC 7606)
//!  Updates ── encode_updates ──► messages of at most 4096 octets, or 65535 (RFC 8654)
//! ```

pub mod attribute;
mod capability;
mod fault;
mod header;
mod nlri;
mod notification;
mod open;
mod pack;
mod route_refresh;
mod update;

pub use capability::{Capability, CapabilityCode, GracefulRestart};
pub use fault::{Fault, Problem, UpdateFaults, Verdict};
pub use header::{HEADER_LEN, HeaderError, MAX_EXTENDED_LEN, MAX_MESSAGE_LEN, MessageType, frame_len};
pub use notification::{
    CeaseSubcode, ErrorCode, FsmSubcode, HeaderSubcode, Notification, OpenSubcode, RefreshSubcode, UpdateSubcode,
};
pub use open::{Open, OpenError};
pub use pack::{Packed, encode_updates};
pub use route_refresh::{RefreshKind, RouteRefresh};
pub use update::{Decoded, Terms, decode_update};

/// The KEEPALIVE message (RFC 4271 4.4): a header only.
pub const KEEPALIVE: [u8; HEADER_LEN] = {
    let mut message = [0xff; HEADER_LEN];
    message[16] = 0;
    message[17] = 19;
    message[18] = 4;
    message
};
