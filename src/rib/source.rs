//! Routes that no peer announced, and how next hops are reached: the shapes of both.
//!
//! | source | distance | comes from |
//! |---|---|---|
//! | connected | 0 | networks of interfaces, as far as the configuration names them |
//! | static | 1, or as configured | the configuration, while one of its next hops is alive |
//! | external BGP | 20 | peers of another AS |
//! | internal BGP | 200 | peers of our own AS |
//!
//! The lower distance wins, before any step of the decision process.

use std::net::IpAddr;

use ipnet::IpNet;

/// What routes of different sources are compared by; see the module.
#[derive(Clone, Copy, Debug)]
pub struct Distance;

impl Distance {
    /// The distance of external BGP routes.
    pub const EXTERNAL: u8 = 20;
    /// The distance of internal BGP routes.
    pub const INTERNAL: u8 = 200;
    /// The distance of static routes that say nothing else.
    pub const STATIC: u8 = 1;
}

/// How the next hops of a session's routes are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Through [`PeerPolicy::link`](crate::PeerPolicy), a tunnel: only the peer's inside address is a next hop.
    #[default]
    Tunnel,
    /// Through the plain interface that has the peer on one of its networks; every address on these networks may be a
    /// next hop (RFC 4271 5.1.3).
    Connected {
        /// Only through the interface of this name.
        interface: Option<String>,
    },
    /// Over the routes to each next hop: the peer is several hops away.
    Routed,
}

/// An interface as routes see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// As the kernel names it.
    pub name: String,
    /// Our addresses, each with the length of its network.
    pub addresses: Vec<IpNet>,
}

/// Which interfaces' networks are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectedRule {
    /// Those of every plain interface; tunnels do not count.
    All,
    /// Those of the interfaces with these names.
    Named(Vec<String>),
}

impl Default for ConnectedRule {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

impl ConnectedRule {
    /// Whether the networks of an interface are known.
    #[must_use]
    pub fn includes(&self, interface: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name == interface),
        }
    }
}

/// A route of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    /// The destination.
    pub prefix: IpNet,
    /// Where to.
    pub target: StaticTarget,
    /// Compared with that of other sources; the lower wins.
    pub distance: u8,
    /// Whether peers may be told of it.
    pub announce: bool,
}

/// Where a static route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaticTarget {
    /// Over all of these that are alive; the route is there while one is.
    Via(Vec<StaticHop>),
    /// Packets are dropped.
    Blackhole,
    /// What leads there, while one of these is alive, is not in the forwarding table: rules that look at the source, too.
    /// Peers may be told, and nothing that is learned takes its place.
    Elsewhere(Vec<StaticHop>),
}

/// A next hop of a static route: an interface, an address or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticHop {
    /// Through this interface, a tunnel's or a plain one.
    pub interface: Option<String>,
    /// To this address. Without an interface, one on the network of an interface, or one that a route leads to.
    pub address: IpAddr,
    /// Its share of the traffic.
    pub weight: u16,
}
