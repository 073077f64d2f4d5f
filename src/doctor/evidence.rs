//! What goes in: everything that was read or tried, before any judgement. `None` is "not known".

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use crate::firewall::Ruleset;

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The router's name.
    pub name: Option<String>,
    /// Whether it runs.
    pub router: RouterState,
    /// What it complains of by itself.
    pub complaints: Vec<String>,
    /// Its configuration, as it is on disk.
    pub files: Vec<DiskFile>,
    /// The machine.
    pub machine: Machine,
    /// Each tunnel, also those that are not chosen: what leads into them is ours, too.
    pub tunnels: Vec<Tunnel>,
    /// Sessions outside tunnels.
    pub sessions: Vec<Session>,
    /// Pools of remote clients.
    pub pools: Vec<Pool>,
    /// Routes.
    pub fib: Fib,
    /// Where packets are wanted to arrive.
    pub target: Option<Target>,
    /// Whom all this is asked about.
    pub chosen: Chosen,
}

/// Tunnels, neighbours and pools by name; all of them if none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen(pub Vec<String>);

impl Chosen {
    /// Whether this one is asked about.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|chosen| chosen == name)
    }
}

/// Whether the router runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouterState {
    /// It answers.
    Running {
        /// Its process.
        pid: u32,
    },
    /// It does not.
    Absent {
        /// How that shows.
        reason: String,
    },
}

impl Default for RouterState {
    fn default() -> Self {
        Self::Absent { reason: "nobody asked".to_owned() }
    }
}

/// Something about a file that a router starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFile {
    /// `FILE:LINE:COLUMN`.
    pub place: String,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub remedy: String,
    /// Others can read a key.
    pub exposed: bool,
    /// It cannot be used as it is.
    pub unusable: bool,
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Its clock.
    pub clock: Clock,
    /// `net.ipv4.ip_forward`.
    pub forwards_v4: Option<bool>,
    /// `net.ipv6.conf.all.forwarding`.
    pub forwards_v6: Option<bool>,
    /// `rp_filter` by interface, `all` included.
    pub rp_filter: BTreeMap<String, u8>,
    /// Addresses by interface.
    pub addresses: Vec<(String, IpNet)>,
    /// Interfaces that are up.
    pub up: Vec<String>,
    /// Who has UDP ports 500 and 4500.
    pub holders: Vec<Holder>,
    /// `net.core.rmem_max` in octets.
    pub rmem_max: Option<u64>,
    /// Connections that are tracked.
    pub conntrack: Option<Conntrack>,
    /// Packet filters; `None` if they cannot be read.
    pub firewall: Option<Ruleset>,
}

/// The clock on the wall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Seconds since 1970.
    pub unix: u64,
    /// What the kernel says of it.
    pub synchronized: Option<bool>,
    /// When this program was installed, in seconds since 1970.
    pub program: u64,
}

/// The kernel's table of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conntrack {
    /// Entries.
    pub count: u64,
    /// As many as there may be.
    pub max: u64,
}

/// Who has a UDP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// At which address.
    pub address: IpAddr,
    /// Which port.
    pub port: u16,
    /// The process, if it can be told.
    pub pid: Option<u32>,
    /// Its name.
    pub program: Option<String>,
    /// Datagrams dropped for want of buffer.
    pub drops: u64,
}

/// How a tunnel is, by the router's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelState {
    /// A CHILD SA carries traffic.
    Up,
    /// A negotiation is under way.
    Connecting,
    /// The last attempt failed.
    Down,
    /// Nobody has begun.
    Waiting,
}

/// A failure in the router's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its stable label.
    pub reason: String,
    /// What happened.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

/// A tunnel.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// Its name.
    pub name: String,
    /// Our outside address.
    pub local: IpAddr,
    /// The peer's.
    pub remote: IpAddr,
    /// UDP port at which IKE begins, 500 or 4500.
    pub ike_port: u16,
    /// Its interface.
    pub interface: String,
    /// Our inside address.
    pub inside_local: IpAddr,
    /// The peer's.
    pub inside_peer: IpAddr,
    /// Nobody wrote these two: the peer does not know of them and answers nothing there.
    pub inside_made_up: bool,
    /// Our IPv6 address inside, if there is one.
    pub inside6_local: Option<Ipv6Addr>,
    /// How it is; `None` while the router does not run.
    pub state: Option<TunnelState>,
    /// It begins with the first packet for it, and without one it is as it should be.
    pub on_demand: bool,
    /// There is an IKE SA.
    pub has_ike: bool,
    /// Why it is, or last was, down.
    pub failure: Option<Failure>,
    /// CHILD SAs that should be there.
    pub missing: Vec<MissingChild>,
    /// ESP travels in UDP, if that is known.
    pub in_udp: Option<bool>,
    /// The interface's MTU in octets.
    pub mtu: Option<u32>,
    /// What went through.
    pub traffic: Traffic,
    /// Certificates in use.
    pub certificates: Vec<Certificate>,
    /// The way to the peer.
    pub route: Option<RouteLookup>,
    /// How the peer's host took a datagram for UDP 500.
    pub ike_answer: Option<IkeAnswer>,
    /// The same for UDP 4500.
    pub nat_answer: Option<IkeAnswer>,
    /// Echoes from the peer's inside address.
    pub ping: Option<Ping>,
    /// Large packets through the tunnel.
    pub sizes: Option<Sizes>,
    /// The session inside.
    pub session: Option<Session>,
}

impl Tunnel {
    /// IP versions of what goes through it.
    pub(crate) fn versions(&self) -> impl Iterator<Item = u8> {
        std::iter::once(4).chain(self.inside6_local.map(|_| 6))
    }
}

/// A CHILD SA that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingChild {
    /// `local === remote`.
    pub selectors: String,
    /// Why it is not.
    pub failure: Option<Failure>,
}

/// Counters of a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets received.
    pub packets_in: u64,
    /// Packets sent.
    pub packets_out: u64,
    /// Packets refused, by cause.
    pub drops: BTreeMap<String, u64>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it names.
    pub subject: String,
    /// From when on it is valid.
    pub not_before: String,
    /// Until when.
    pub not_after: String,
    /// The same in seconds since 1970.
    pub not_after_unix: u64,
}

/// What the kernel says about the way to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteLookup {
    /// There is one.
    Via {
        /// Out of which interface.
        interface: String,
    },
    /// There is none.
    None {
        /// In the kernel's words.
        reason: String,
    },
}

/// How a host took a datagram for an IKE daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IkeAnswer {
    /// An IKE daemon answered.
    Answered,
    /// Somebody answered with an ICMP error.
    Unreachable {
        /// What it says.
        what: String,
        /// Who.
        from: Option<IpAddr>,
    },
    /// Nobody answered.
    Silent,
    /// It could not be sent.
    NotSent {
        /// In the kernel's words.
        reason: String,
    },
}

/// Echo requests and their answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// How many were sent.
    pub sent: u32,
    /// How many came back.
    pub received: u32,
}

/// The largest packet that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The interface's MTU: the largest that was tried.
    pub mtu: u32,
    /// The largest IP packet that was answered; 0 if none was.
    pub passed: u32,
    /// Somebody said of one that it is too large (RFC 1191): path MTU discovery works.
    pub told: bool,
}

/// How a TCP port took a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortAnswer {
    /// It was accepted.
    Open,
    /// It was refused.
    Refused,
    /// Nobody answered.
    Silent,
    /// It could not be tried.
    NotTried {
        /// In the kernel's words.
        reason: String,
    },
}

/// A BGP session.
#[derive(Clone, Debug)]
pub struct Session {
    /// The tunnel or the neighbour.
    pub name: String,
    /// The interface it lives on.
    pub interface: Option<String>,
    /// Our address, if known.
    pub local: Option<IpAddr>,
    /// The peer's address.
    pub address: IpAddr,
    /// The peer's AS number.
    pub asn: u32,
    /// FSM state; `None` while the router does not run.
    pub state: Option<String>,
    /// Why it is, or last was, down.
    pub failure: Option<Failure>,
    /// What it waits for.
    pub waiting: Option<String>,
    /// How the peer's port 179 takes connections.
    pub port: Option<PortAnswer>,
    /// Prefixes received.
    pub received: usize,
    /// Prefixes accepted.
    pub accepted: usize,
    /// Prefixes announced.
    pub advertised: usize,
    /// Prefixes held back by a limit.
    pub held_back: usize,
}

/// A pool of remote clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Why its server does not serve; nothing while the router does not run.
    pub trouble: Option<Failure>,
}

/// Routes.
#[derive(Clone, Debug, Default)]
pub struct Fib {
    /// The kernel table that ours are in.
    pub table: u32,
    /// The protocol number that marks ours.
    pub protocol: u8,
    /// Priority of ours there, if any is there.
    pub metric: Option<u32>,
    /// Whether the kernel has what it should have.
    pub matches_kernel: Option<bool>,
    /// Ours.
    pub ours: Vec<OurRoute>,
    /// Everybody else's in that table.
    pub foreign: Vec<KernelRoute>,
}

/// A route of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OurRoute {
    /// Destination.
    pub prefix: IpNet,
    /// Interfaces of its next hops.
    pub interfaces: Vec<String>,
    /// Why the kernel refuses it.
    pub refused: Option<String>,
}

/// A route of somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// Destination.
    pub prefix: IpNet,
    /// Whose: `static`, `zebra`, `boot`, `kernel` or a number.
    pub protocol: String,
    /// It belongs to an address of this machine.
    pub connected: bool,
    /// Its priority.
    pub metric: u32,
    /// Its interface.
    pub interface: String,
}

/// An address that is wanted to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// It.
    pub address: IpAddr,
    /// The way there.
    pub route: RouteLookup,
    /// Echoes from it; not tried where the way is none of ours.
    pub ping: Option<Ping>,
}
