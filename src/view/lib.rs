//! What the running router shows of itself: the JSON of the control socket and of `-o json`.
//!
//! * [`client`] asks for it over the control socket, [`answer`] is what comes back where no view is asked for.
//! * [`explain`], [`cause`] and [`rendered_report`] put routes, policies, switches and configurations into words, for the
//!   running process and the command line alike.
//!
//! The shapes are stable: fields are added, never renamed or removed. Durations are whole seconds, counters count
//! from the start of the process, absent means "not known now". No secret is in any of them.

pub mod answer;
mod beyond;
mod bfd;
pub mod cause;
pub mod client;
mod connections;
mod diagnostic;
pub mod explain;
mod fib;
mod flow;
pub mod policy;
mod pools;
mod strangers;
mod tunnel;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use beyond::{PeerPlace, StaticHopView, StaticView};
pub use bfd::{BfdSessionView, BfdView};
pub use connections::{
    ConnectionState, ConnectionTunnelView, ConnectionView, ConnectionsView, HealthView, ProbeTargetView, SwitchView,
};
pub use diagnostic::rendered_report;
pub use fib::{FailoverView, FibNextHopView, FibRouteView, FibView};
pub use flow::{FlowRuleView, FlowState, FlowView};
pub use pools::{PoolClientView, PoolView};
pub use strangers::{StrangerView, StrangersView};
pub use tunnel::{CertificateView, ChildView, IkeView, MissingChildView, TrafficView, TunnelState, TunnelView};

/// `quadspan status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusView {
    /// The router itself.
    pub router: RouterView,
    /// All in one word and one sentence.
    pub verdict: Verdict,
    /// One row per configured tunnel, down ones too.
    pub tunnels: Vec<TunnelView>,
    /// One row per configured session.
    pub peers: Vec<PeerView>,
    /// One row per pool of clients, without the clients themselves.
    #[serde(default)]
    pub pools: Vec<PoolView>,
    /// Sizes of the tables.
    pub routing: RoutingView,
}

/// The router itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouterView {
    /// Configured name.
    pub name: String,
    /// Autonomous system number.
    pub asn: u32,
    /// BGP identifier.
    pub router_id: String,
    /// Program version.
    pub version: String,
    /// Seconds since the process started.
    pub uptime: u64,
    /// The data plane in use: `userspace` or `kernel`.
    pub dataplane: String,
    /// Process id.
    pub pid: u32,
    /// The configuration file that it runs by.
    #[serde(default)]
    pub file: Option<std::path::PathBuf>,
    /// Conditions of the machine that hinder routing, each with its remedy.
    pub warnings: Vec<String>,
}

/// How the router is as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Every tunnel and session is up, but for tunnels on demand that nobody asks for; every pool is served, and the
    /// kernel agrees.
    Ok,
    /// Traffic flows, redundancy is reduced or a table is behind.
    Degraded,
    /// Of the tunnels and sessions that are configured none is up.
    Down,
}

/// [`Health`] with its explanation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// In one word.
    pub health: Health,
    /// In one sentence.
    pub text: String,
}

/// Sizes of the tables.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct RoutingView {
    /// Prefixes with at least one path in the Loc-RIB.
    pub rib_prefixes: usize,
    /// Paths in all Adj-RIBs-In.
    pub rib_paths: usize,
    /// Routes that the kernel should have from us.
    pub fib_routes: usize,
    /// Of those, routes that the kernel confirmed.
    pub fib_installed: usize,
    /// Whether the last comparison with the kernel found no difference.
    pub fib_matches_kernel: bool,
}

/// A failure in words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailureView {
    /// Stable label, as in `quadspan_ike_failures_total{reason=..}`.
    pub reason: String,
    /// What was expected, what came, from whom.
    pub text: String,
    /// What to do.
    pub remedy: String,
    /// Seconds since it happened.
    pub ago: u64,
}

/// `quadspan show peers`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerView {
    /// The tunnel the session runs in, or the name of the neighbour.
    pub tunnel: String,
    /// Where the peer is.
    #[serde(default)]
    pub place: PeerPlace,
    /// The interface it is behind, outside tunnels.
    #[serde(default)]
    pub interface: Option<String>,
    /// The peer's inside address.
    pub address: IpAddr,
    /// The peer's autonomous system number.
    pub asn: u32,
    /// The number that the peer knows us by, where it is not the router's own (RFC 7705).
    #[serde(default)]
    pub local_asn: Option<u32>,
    /// FSM state in the words of RFC 4271 8.2.2: `Idle` to `Established`.
    pub state: String,
    /// Seconds in this state.
    pub since: u64,
    /// The peer's BGP identifier, once known.
    pub router_id: Option<String>,
    /// Negotiated hold time in seconds.
    pub hold_time: Option<u64>,
    /// Negotiated address families.
    pub families: Vec<String>,
    /// Prefix counts.
    pub prefixes: PrefixCounts,
    /// Messages received and sent, by type.
    pub messages: MessageCounts,
    /// Traffic is to leave the session, as configured or by command (RFC 8326).
    #[serde(default)]
    pub draining: bool,
    /// Times the session was lost.
    pub flaps: u64,
    /// Why the session is, or last was, down.
    pub last_error: Option<FailureView>,
    /// What a session that is not Established waits for.
    #[serde(default)]
    pub waiting: Option<String>,
    /// Seconds until the next attempt, if one is planned.
    #[serde(default)]
    pub retry_in: Option<u64>,
    /// The last NOTIFICATION that came, in words.
    #[serde(default)]
    pub notification_received: Option<NotificationView>,
    /// The last NOTIFICATION that went, in words.
    #[serde(default)]
    pub notification_sent: Option<NotificationView>,
    /// What each side offered in its last OPEN.
    #[serde(default)]
    pub capabilities: Vec<CapabilityView>,
    /// Families of which stale routes are kept until the peer is back (RFC 4724).
    #[serde(default)]
    pub stale: Vec<String>,
    /// What we are to the peer (RFC 9234), if that is configured.
    #[serde(default)]
    pub role: Option<String>,
}

/// A NOTIFICATION.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NotificationView {
    /// Codes and text in words.
    pub text: String,
    /// Seconds since.
    pub ago: u64,
}

/// A capability, and who offered it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CapabilityView {
    /// What it is called, such as `add-path`.
    pub name: String,
    /// As we offered it, if we did.
    pub ours: Option<String>,
    /// As the peer offered it, if it did.
    pub theirs: Option<String>,
}

/// Prefix counts of one session.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct PrefixCounts {
    /// In the Adj-RIB-In.
    pub received: usize,
    /// Accepted by import policy.
    pub accepted: usize,
    /// Refused by import policy.
    pub filtered: usize,
    /// Kept over a restart of the peer, or asked for again, and not repeated yet.
    #[serde(default)]
    pub stale: usize,
    /// In use: best or in the multipath set.
    pub best: usize,
    /// Announced to the peer.
    pub advertised: usize,
    /// Not announced because of `max-prefix: {out: ..}`.
    pub held_back: usize,
    /// Limit of accepted prefixes.
    pub limit_in: Option<u32>,
    /// Limit of announced prefixes.
    pub limit_out: Option<u32>,
}

/// BGP messages by type and direction.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct MessageCounts {
    /// OPEN received.
    pub open_in: u64,
    /// OPEN sent.
    pub open_out: u64,
    /// UPDATE received.
    pub update_in: u64,
    /// UPDATE sent.
    pub update_out: u64,
    /// NOTIFICATION received.
    pub notification_in: u64,
    /// NOTIFICATION sent.
    pub notification_out: u64,
    /// KEEPALIVE received.
    pub keepalive_in: u64,
    /// KEEPALIVE sent.
    pub keepalive_out: u64,
    /// ROUTE-REFRESH received.
    pub refresh_in: u64,
    /// ROUTE-REFRESH sent.
    pub refresh_out: u64,
}

/// `quadspan show routes`: one prefix with every path known for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteView {
    /// Destination.
    pub prefix: IpNet,
    /// Paths, best first.
    pub paths: Vec<PathView>,
}

/// One path to a prefix.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PathView {
    /// `bgp`, `static`, `connected`, `aggregate` or `network` (originated here).
    #[serde(default)]
    pub source: String,
    /// The tunnel or the neighbour it was learned from; absent for routes of our own.
    pub tunnel: Option<String>,
    /// Next hop.
    pub next_hop: Option<IpAddr>,
    /// `64512 65010 {65011}`.
    pub as_path: String,
    /// `igp`, `egp` or `incomplete`.
    pub origin: String,
    /// LOCAL_PREF.
    pub local_preference: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// Communities of all three kinds in their text forms.
    pub communities: Vec<String>,
    /// The path is the best one.
    pub best: bool,
    /// The path is in the multipath set.
    pub multipath: bool,
    /// Why it won, lost or was refused.
    pub reason: String,
    /// Which of several paths from one peer (ADD-PATH); 0 without path identifiers.
    #[serde(default)]
    pub path_id: u32,
    /// Kept over a restart of the peer, or asked for again, and not repeated yet.
    #[serde(default)]
    pub stale: bool,
    /// Octets per second by its link bandwidth community.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u64>,
}
