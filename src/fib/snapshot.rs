//! What can be seen of the forwarding table from outside.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Serialize, Serializer};
use wire::LinkId;

/// Everything at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct FibSnapshot {
    /// The cheap part.
    #[serde(flatten)]
    pub status: FibStatus,
    /// Desired routes in order of prefix.
    pub routes: Vec<FibRoute>,
    /// ECMP groups in order of id; empty without nexthop objects.
    pub groups: Vec<FibGroup>,
    /// Protected flows in the order they were given.
    pub flows: Vec<FibFlow>,
}

/// Figures that cost nothing to read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FibStatus {
    /// How routes carry their next hops.
    pub mode: ForwardingMode,
    /// Kernel table.
    pub table: u32,
    /// Our protocol number.
    pub protocol: u8,
    /// Metric of our routes.
    pub metric: u32,
    /// Routes there should be, if every tunnel were up.
    pub desired: usize,
    /// Routes of ours in the kernel, adopted ones included.
    pub installed: usize,
    /// Routes, nexthops and groups that the kernel refused at the last attempt.
    pub refused: usize,
    /// Routes of a previous process that nobody claimed yet.
    pub adopted: usize,
    /// Nexthop objects of ours that are not groups.
    pub nexthops: usize,
    /// Groups of ours.
    pub groups: usize,
    /// Whether the kernel held at the last comparison what it was thought to hold, and nothing is refused or undone.
    pub matches_kernel: bool,
    /// What was done since the start.
    pub counters: FibCounters,
    /// The last time a tunnel went down while routes used it.
    pub last_failover: Option<Failover>,
}

/// How routes carry their next hops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardingMode {
    /// By reference to nexthop objects: failover costs one message.
    #[default]
    NexthopObjects,
    /// In themselves: failover costs one message per route.
    Multipath,
}

/// What was done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FibCounters {
    /// Routes created.
    pub installs: u64,
    /// Routes led elsewhere.
    pub replaces: u64,
    /// Routes deleted one by one.
    pub deletes: u64,
    /// Nexthops and groups created, changed or deleted.
    pub nexthop_changes: u64,
    /// Rules and routes of protected flows created, changed or deleted.
    pub policy_changes: u64,
    /// Operations the kernel refused.
    pub errors: u64,
    /// Comparisons with the kernel.
    pub resyncs: u64,
    /// Routes and nexthops that were found changed by others, or by the kernel itself.
    pub drift: u64,
    /// Times notifications or answers were lost.
    pub overruns: u64,
    /// Tunnels that went down while routes used them.
    pub failovers: u64,
}

/// How a dead tunnel's routes were moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Failover {
    /// Which tunnel.
    pub link: LinkId,
    /// From the report that the tunnel is down to the kernel's answer that it is out of the table.
    #[serde(rename = "took_us", serialize_with = "microseconds")]
    pub took: Duration,
    /// Messages it took.
    pub messages: usize,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
}

/// One desired route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FibRoute {
    /// Destination.
    pub prefix: IpNet,
    /// Whether packets are dropped.
    pub blackhole: bool,
    /// How it stands.
    #[serde(flatten)]
    pub state: RouteState,
    /// The nexthop object or group it is on.
    pub nexthop_id: Option<u32>,
    /// Where it should lead.
    pub next_hops: Vec<FibNextHop>,
}

/// How a desired route stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RouteState {
    /// The kernel has it.
    Installed,
    /// It is about to be installed, or none of its tunnels is up.
    Pending,
    /// It cannot be installed as things are. It is tried again.
    Failed {
        /// Why.
        reason: String,
    },
}

/// One protected flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FibFlow {
    /// The network on our side.
    pub local: IpNet,
    /// The network on the peers' side.
    pub remote: IpNet,
    /// Priority of its rule in the kernel.
    pub priority: u32,
    /// Its routing table; none while there is no free one.
    pub table: Option<u32>,
    /// How it stands: pending while no tunnel is up.
    #[serde(flatten)]
    pub state: RouteState,
    /// The tunnels it leaves through now.
    pub next_hops: Vec<LinkId>,
}

/// One next hop of a route or group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FibNextHop {
    /// The tunnel.
    pub link: LinkId,
    /// Its interface, once it was up.
    pub interface: Option<String>,
    /// The peer's inside address.
    pub address: IpAddr,
    /// Whether packets can take it now.
    pub active: bool,
    /// Its part of the traffic beside the others, 1 to 256.
    pub weight: u16,
}

/// One ECMP group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FibGroup {
    /// Its nexthop id.
    pub id: u32,
    /// Desired routes on it.
    pub routes: usize,
    /// Its members, dead ones included.
    pub next_hops: Vec<FibNextHop>,
}

/// News from the forwarding table. They are for logs: a reader that falls behind loses some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FibEvent {
    /// A tunnel that routes used went down and its routes were moved.
    FailedOver(Failover),
    /// Others changed what is ours; it is being put right.
    Drift {
        /// Routes and nexthops that were not as they should be.
        differences: usize,
    },
    /// The kernel refused something.
    Refused {
        /// The operation.
        operation: String,
        /// Why.
        reason: String,
    },
    /// The kernel could not be asked; it is tried again.
    Trouble {
        /// Why.
        reason: String,
    },
}

fn microseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(duration.as_micros())
}
