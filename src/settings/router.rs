//! A configuration after every check: what the process works with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use policy::PolicySet;
use rib::{ConnectedRule, PeerId, StaticHop, StaticRoute, StaticTarget, WayBack};
use steering::{Failback, HealthCheck, Mode};
use wire::ipsec::{EspSuite, TunnelId};
use wire::outer::OuterHeader;
use wire::{Asn, RouterId, Secret};

use crate::ClientPool;
use profile::Profile;

/// One router: one process.
#[derive(Clone, Debug)]
pub struct Router {
    /// Its name, in logs, metrics and paths.
    pub name: String,
    /// Our autonomous system.
    pub asn: Asn,
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// What moves packets.
    pub dataplane: DataplaneChoice,
    /// Kernel routing table that our routes are in.
    pub table: u32,
    /// Priority of our routes in the kernel; lower is preferred.
    pub metric: u32,
    /// How many next hops one route may have.
    pub ecmp_width: usize,
    /// Whether learned routes go into the kernel.
    pub install: bool,
    /// For the routing tables.
    pub rib: rib::RibConfig,
    /// The tunnels in the order of the file; there may be none if there are neighbours.
    pub tunnels: Vec<Tunnel>,
    /// Which tunnels lead to the same place, in the order of the file; no tunnel is in two.
    pub connections: Vec<Connection>,
    /// Health by probes, by name of the tunnel.
    pub health: BTreeMap<String, HealthCheck>,
    /// The BGP peers outside the tunnels, in the order of the file.
    pub neighbors: Vec<Neighbor>,
    /// The pools of remote clients, in the order of the file.
    pub pools: Vec<ClientPool>,
    /// The static routes, in the order of the file.
    pub statics: Vec<StaticRoute>,
    /// Next hops of static routes that BFD watches.
    pub watches: Vec<Watch>,
    /// Interfaces whose networks are known to the routing tables.
    pub connected: ConnectedRule,
    /// All policies, those that no session uses too.
    pub policies: Arc<PolicySet>,
    /// Unix socket of the control API.
    pub api_socket: PathBuf,
    /// Where `/metrics` is served, if at all.
    pub metrics_listen: Option<SocketAddr>,
    /// Logging.
    pub log: Log,
}

impl Router {
    /// Whether static routes lead into a tunnel. There is always traffic for one of which they are.
    #[must_use]
    pub fn has_static_routes(&self, tunnel: &Tunnel) -> bool {
        let leads = |hop: &StaticHop| hop.interface.as_ref() == Some(&tunnel.interface);
        self.statics.iter().any(|route| match &route.target {
            StaticTarget::Via(hops) => hops.iter().any(leads),
            StaticTarget::Blackhole | StaticTarget::Elsewhere(_) => false,
        })
    }

    /// Our outside addresses, sorted, each once.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<IpAddr> {
        self.tunnels.iter().map(|tunnel| tunnel.ike.local).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What tunnels may negotiate for ESP, each once, whether with extended sequence numbers or without.
    #[must_use]
    pub fn esp_suites(&self) -> Vec<EspSuite> {
        let mut suites = Vec::new();
        for proposal in self.tunnels.iter().flat_map(|tunnel| &tunnel.ike.esp_proposals) {
            let suite = EspSuite { esn: true, ..proposal.suite };
            if !suites.contains(&suite) {
                suites.push(suite);
            }
        }
        suites
    }

    /// Gives tunnels and sessions that `running` knows by name the ids they have there, and the others ids that are
    /// free, so that an id never passes to another one over a reload.
    pub fn keep_ids(&mut self, running: &Self) {
        let known = |name: &str| running.tunnels.iter().find(|tunnel| tunnel.name == name).map(|tunnel| tunnel.id);
        let mut free = running.tunnels.iter().map(|tunnel| tunnel.id.0).max().unwrap_or(0);
        for tunnel in &mut self.tunnels {
            let id = known(&tunnel.name).unwrap_or_else(|| {
                free += 1;
                TunnelId(free)
            });
            tunnel.id = id;
            if let Some(session) = &mut tunnel.bgp {
                session.id = PeerId(id.0);
                session.policy.link = id.into();
            }
        }
        let known = |name: &str| {
            let mut sessions = running.neighbors.iter().map(|neighbor| &neighbor.session);
            sessions.find(|session| session.name == name).map(|session| session.id)
        };
        let mut free = running.neighbors.iter().map(|neighbor| neighbor.session.id.0).max().unwrap_or(FIRST_NEIGHBOR);
        for Neighbor { session, .. } in &mut self.neighbors {
            session.id = known(&session.name).unwrap_or_else(|| {
                free += 1;
                PeerId(free)
            });
        }
    }
}

impl Router {
    /// Every configured session, those in tunnels first.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        let within = self.tunnels.iter().filter_map(|tunnel| tunnel.bgp.as_ref());
        within.chain(self.neighbors.iter().map(|neighbor| &neighbor.session))
    }

    /// Goes on counting the hits of rules where `running` stands, for policies that did not change.
    pub fn keep_hits(&mut self, running: &Self) {
        let mut policies = PolicySet::clone(&self.policies);
        policies.keep_hits(&running.policies);
        self.policies = Arc::new(policies);
        let beyond = self.neighbors.iter_mut().map(|neighbor| &mut neighbor.session);
        for session in self.tunnels.iter_mut().filter_map(|tunnel| tunnel.bgp.as_mut()).chain(beyond) {
            session.policy.import.rebase(&self.policies);
            session.policy.export.rebase(&self.policies);
        }
    }
}

/// Sessions outside tunnels are numbered above this; those inside have the numbers of their tunnels.
pub const FIRST_NEIGHBOR: u32 = 0x8000_0000;

/// What moves packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataplaneChoice {
    /// That of the process: it runs everywhere and does most.
    Auto,
    /// The kernel's own IPsec.
    Kernel,
    /// TUN devices and sockets of the process.
    Userspace,
}

impl DataplaneChoice {
    /// Whether packets are the kernel's to move.
    #[must_use]
    pub const fn is_kernel(self) -> bool {
        match self {
            Self::Kernel => true,
            Self::Auto | Self::Userspace => false,
        }
    }
}

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A filter in the syntax of `tracing`: a level, or directives such as `info,telemetry=debug`.
    pub filter: String,
    /// Form of the lines.
    pub format: LogFormat,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// One tunnel: an IPsec peer, the interface that leads to it, the session inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Its number; see [`Router::keep_ids`].
    pub id: TunnelId,
    /// The name the user gave it; unique.
    pub name: String,
    /// What kind of gateway the peer is.
    pub profile: Profile,
    /// Name of the network interface, at most 15 octets; unique.
    pub interface: String,
    /// The link inside the tunnel.
    pub inside: InsideLink,
    /// Nobody wrote that link: without BGP it is of our own making, and the peer does not know of it.
    pub inside_made_up: bool,
    /// The IPv6 link inside the tunnel, if there is one.
    pub inside6: Option<InsideLink6>,
    /// For the key exchange.
    pub ike: negotiation::TunnelConfig,
    /// The BGP session over the inside link, if there is one.
    pub bgp: Option<Session>,
    /// MTU of the interface; `None` lets the data plane compute it from suite and encapsulation.
    pub mtu: Option<u32>,
    /// What outer packets say.
    pub outer: OuterHeader,
    /// What is led into the tunnel by source and destination; `None` if routes decide by destination alone.
    pub protected: Option<Protected>,
}

/// Protected flows of a tunnel: what comes from a local network and goes to a remote one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Networks on our side.
    pub local: Vec<IpNet>,
    /// Networks on the peer's side.
    pub remote: Vec<IpNet>,
    /// Of the tunnels for the same networks those with the lowest are used.
    pub distance: u8,
    /// Whether peers may be told of the remote networks.
    pub announce: bool,
}

/// `RT_TABLE_MAIN`: what the kernel routes by unless a rule says otherwise.
pub const MAIN_TABLE: u32 = 254;

/// Most protected flows of all tunnels together.
pub const MAX_FLOWS: usize = 512;

impl Protected {
    /// Pairs of a local and a remote network of one family, in the order of the configuration.
    pub fn pairs(&self) -> impl Iterator<Item = (IpNet, IpNet)> {
        let all = self.local.iter().flat_map(|local| self.remote.iter().map(|remote| (*local, *remote)));
        all.filter(|(local, remote)| local.addr().is_ipv4() == remote.addr().is_ipv4())
    }
}

/// Tunnels that lead to the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The name the user gave it; unique.
    pub name: String,
    /// How it uses its tunnels.
    pub mode: Mode,
    /// Its tunnels, at least two.
    pub members: Vec<ConnectionMember>,
    /// When traffic goes back to a tunnel that had failed.
    pub failback: Failback,
    /// How the peer is told which tunnel to send through.
    pub way_back: WayBack,
}

/// A tunnel of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionMember {
    /// The tunnel's name.
    pub tunnel: String,
    /// The lower is preferred.
    pub priority: u16,
}

/// The two ends of the link inside a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InsideLink {
    /// The link's network.
    pub prefix: Ipv4Net,
    /// Our end.
    pub local: IpAddr,
    /// The peer's end.
    pub peer: IpAddr,
}

/// The two ends of the IPv6 link inside a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InsideLink6 {
    /// The link's network.
    pub prefix: Ipv6Net,
    /// Our end.
    pub local: Ipv6Addr,
    /// The peer's end.
    pub peer: Ipv6Addr,
}

/// A BGP peer outside the tunnels, or all that may connect from a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// The session; of a range the pattern for its sessions. Its local address is unspecified where the peer's network
    /// tells it.
    pub session: Session,
    /// Where the peer is.
    pub place: NeighborPlace,
    /// Who may connect, if the peer is not one that is known beforehand.
    pub range: Option<Range>,
}

/// Where a neighbour is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighborPlace {
    /// The interface it is behind, if that is said.
    pub interface: Option<String>,
    /// Our address for the session, if that is said.
    pub local_address: Option<IpAddr>,
    /// How many hops it may be away, if it is not on a network of ours.
    pub multihop: Option<u8>,
}

/// Peers that are not known beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where they connect from.
    pub range: IpNet,
    /// Of which autonomous systems they may be, at least one.
    pub asns: Vec<RangeInclusive<u32>>,
    /// How many at once.
    pub limit: usize,
}

/// A next hop of static routes that BFD watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// What it is called where people look.
    pub name: String,
    /// The interface it is behind, if that is said.
    pub interface: Option<String>,
    /// The next hop.
    pub address: IpAddr,
    /// How it is watched.
    pub config: bfd::Config,
}

impl Watch {
    /// Whether both are of the same next hop.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        (&self.interface, self.address) == (&other.interface, other.address)
    }
}

/// One BGP session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its number; the tunnel's if it runs in one. See [`Router::keep_ids`].
    pub id: PeerId,
    /// The name the user gave it, or the tunnel it runs in.
    pub name: String,
    /// For the speaker.
    pub peer: peering::PeerConfig,
    /// For the routing tables.
    pub policy: rib::PeerPolicy,
    /// Bidirectional forwarding detection of the session's path.
    pub bfd: Option<bfd::Config>,
    /// For its TCP connections.
    pub transport: Transport,
}

/// What protects and shapes the TCP connections of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Key of TCP MD5 (RFC 2385).
    pub md5: Option<Secret>,
    /// From how many hops away packets may come at most, 1 for a neighbour (RFC 5082).
    pub ttl_security: Option<u8>,
    /// Largest segment, in octets; `None` leaves it to what fits the link.
    pub mss: Option<u16>,
}

document::keywords! {
    DataplaneChoice, "`auto`, `kernel` or `userspace`", {
        "auto" => DataplaneChoice::Auto,
        "kernel" => DataplaneChoice::Kernel,
        "userspace" => DataplaneChoice::Userspace,
    };
    LogFormat, "`text` or `json`", {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
    };
}
