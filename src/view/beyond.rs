//! What lies beyond the tunnels: where peers are, static routes.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Where a BGP peer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerPlace {
    /// At the other end of a tunnel.
    #[default]
    Tunnel,
    /// On a network of this router.
    Interface,
    /// Several hops away.
    Multihop,
    /// In a range that peers may connect from.
    Range,
}

/// `quadspan show static`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StaticView {
    /// Destination.
    pub prefix: IpNet,
    /// What became of it, in words.
    pub state: String,
    /// Whether packets follow it.
    pub active: bool,
    /// Compared with other sources; the lower wins.
    pub distance: u8,
    /// Whether peers without an export list are told.
    pub announce: bool,
    /// Packets are dropped.
    pub blackhole: bool,
    /// Next hops as configured.
    pub via: Vec<StaticHopView>,
}

/// A next hop of a static route.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StaticHopView {
    /// The next hop.
    pub address: IpAddr,
    /// The interface it is behind, if that is said.
    pub interface: Option<String>,
    /// Its share of the traffic.
    pub weight: u16,
    /// Whether it is reached.
    pub alive: bool,
}
