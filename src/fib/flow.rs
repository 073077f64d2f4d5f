//! Protected flows as the forwarding table is told of them: traffic that is routed by source and destination.

use std::net::IpAddr;

use ipnet::IpNet;
use rib::NextHop;

/// What the forwarding table is to do with protected flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// The flows, each pair of networks once.
    pub flows: Vec<Flow>,
    /// Outside addresses of IKE peers: packets to them never follow a flow.
    pub outside: Vec<IpAddr>,
}

/// What comes from `local` and goes to `remote`, and where it leaves. Both networks are of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The network on our side.
    pub local: IpNet,
    /// The network on the peers' side.
    pub remote: IpNet,
    /// The tunnels that may carry it.
    pub ways: Vec<FlowWay>,
}

/// A tunnel that may carry a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowWay {
    /// The tunnel, and the peer inside it.
    pub next_hop: NextHop,
    /// Of the tunnels that are up, and of which none of the same connection stands before them, those with the lowest are
    /// used, side by side if they are several.
    pub distance: u8,
    /// The tunnel's interface, if there is one. While no tunnel is up, packets go into the first of these, where they
    /// are dropped and have the tunnel brought up if it is an on-demand one.
    pub interface: Option<u32>,
}
