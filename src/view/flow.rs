//! What tunnels carry, network by network.

use serde::{Deserialize, Serialize};

use super::FailureView;

/// A flow's condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowState {
    /// A CHILD SA carries all of it.
    Up,
    /// A CHILD SA carries a part: the peer takes less than we asked for.
    Narrowed,
    /// No CHILD SA carries any of it.
    Down,
}

/// `quadspan show flows`: a pair of networks that a tunnel is to carry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FlowView {
    /// The tunnel.
    pub tunnel: String,
    /// Addresses on our side.
    pub local: String,
    /// Addresses on the peer's side.
    pub remote: String,
    /// What leads packets into the tunnel: `destination`, or `protected` for source and destination.
    pub routing: String,
    /// Condition.
    pub state: FlowState,
    /// What the CHILD SA carries, `10.1.0.0/16 === 10.2.0.0/16`.
    pub carries: Option<String>,
    /// Our SPI of that CHILD SA.
    pub spi_in: Option<String>,
    /// The peer's SPI.
    pub spi_out: Option<String>,
    /// Packets received on that CHILD SA, which other flows may share.
    pub packets_in: u64,
    /// Packets sent on it.
    pub packets_out: u64,
    /// Octets received on it.
    pub bytes_in: u64,
    /// Octets sent on it.
    pub bytes_out: u64,
    /// The kernel's rule for it, if the flow is protected.
    pub rule: Option<FlowRuleView>,
    /// Why it is not up.
    pub failure: Option<FailureView>,
}

/// A rule of policy routing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FlowRuleView {
    /// Its priority; the lower is asked first.
    pub priority: u32,
    /// The table it leads to.
    pub table: Option<u32>,
    /// `installed`, `pending` (no tunnel is up) or `failed: reason`.
    pub state: String,
    /// Tunnels that packets leave through now.
    pub through: Vec<String>,
}
