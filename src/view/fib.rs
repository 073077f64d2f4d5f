//! What the kernel has from us.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// `quadspan show fib`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FibView {
    /// Kernel routing table.
    pub table: u32,
    /// Route protocol number that marks our routes.
    pub protocol: u8,
    /// Whether the last comparison with the kernel found no difference.
    pub matches_kernel: bool,
    /// Routes.
    pub routes: Vec<FibRouteView>,
    /// Groups of next hops shared by the routes.
    pub groups: usize,
    /// Operations since start, by kind.
    pub counters: BTreeMap<String, u64>,
    /// The last time a tunnel's next hop was taken out.
    pub last_failover: Option<FailoverView>,
}

/// How long the kernel's routes led into a dead tunnel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailoverView {
    /// The tunnel that was lost.
    pub tunnel: String,
    /// From the word that it is dead until the kernel confirmed the change, in microseconds.
    pub microseconds: u64,
    /// Netlink messages it took.
    pub messages: usize,
}

/// One route in the kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FibRouteView {
    /// Destination.
    pub prefix: IpNet,
    /// `installed`, `pending` or `failed: reason`.
    pub state: String,
    /// Whether packets are dropped: an aggregate, or a static route that says so.
    #[serde(default)]
    pub blackhole: bool,
    /// Next hops.
    pub next_hops: Vec<FibNextHopView>,
}

/// One next hop of a route in the kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FibNextHopView {
    /// Tunnel.
    pub tunnel: String,
    /// Interface.
    pub interface: String,
    /// Address.
    pub address: IpAddr,
    /// Whether it takes traffic now: its tunnel is up and the kernel has it.
    pub active: bool,
    /// Its part of the traffic beside the others, 1 to 256.
    #[serde(default = "one")]
    pub weight: u16,
}

const fn one() -> u16 {
    1
}
