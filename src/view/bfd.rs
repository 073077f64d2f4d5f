//! BFD sessions.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::FailureView;

/// `quadspan show bfd`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BfdView {
    /// Every session.
    pub sessions: Vec<BfdSessionView>,
    /// Datagrams that counted for nothing, by cause.
    pub discarded: BTreeMap<String, u64>,
}

/// One BFD session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BfdSessionView {
    /// The tunnel it runs in, or the name of the neighbour.
    pub tunnel: String,
    /// Our address.
    pub local: IpAddr,
    /// The peer's address.
    pub peer: IpAddr,
    /// Whether the peer may be several hops away (RFC 5883).
    pub multihop: bool,
    /// `AdminDown`, `Down`, `Init` or `Up`.
    pub state: String,
    /// Seconds in this state.
    pub since: u64,
    /// What speaks against the path; nothing if it is usable.
    pub obstacle: Option<String>,
    /// The peer's state, while it is heard.
    pub peer_state: Option<String>,
    /// Why the peer's end was lost the last time, in words.
    pub peer_diagnostic: String,
    /// How often we send, in microseconds.
    pub transmit_microseconds: u64,
    /// How long the peer may be silent, in microseconds; 0 while it is not heard.
    pub detection_microseconds: u64,
    /// Our detect multiplier.
    pub multiplier: u8,
    /// The peer's Desired Min TX Interval in microseconds.
    pub peer_desired_microseconds: u64,
    /// The peer's Required Min RX Interval in microseconds.
    pub peer_required_microseconds: u64,
    /// The peer's detect multiplier.
    pub peer_multiplier: u8,
    /// Our discriminator.
    pub discriminator: u32,
    /// The peer's discriminator; 0 while it is not heard.
    pub peer_discriminator: u32,
    /// `sha1` or `meticulous-sha1`.
    pub authentication: Option<String>,
    /// Packets accepted.
    pub packets_in: u64,
    /// Packets sent.
    pub packets_out: u64,
    /// Packets for this session that were refused.
    pub packets_refused: u64,
    /// Times it failed after it was up.
    pub flaps: u64,
    /// Why it was lost the last time.
    pub last_failure: Option<FailureView>,
}
