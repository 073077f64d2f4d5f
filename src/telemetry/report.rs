//! The one place where something that happened becomes a log line and a count.
//!
//! Levels: `error` needs a person, `warn` may, `info` is the story (tunnels, sessions, reloads), `debug` its details.
//! Every line about a tunnel has the field `tunnel`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;
use negotiation::{DownReason, Event as IkeEvent};
use steering::{Cause, Obstacle, Verdict};
use tracing::{debug, error, info, warn};
use wire::ipsec::{Spi, TrafficSelector, TunnelId};

use super::metrics::Metrics;
use view::answer::ControlError;
use view::cause::{TunnelNames, sentence};

/// Writes the log and counts. Clones share the counts.
#[derive(Clone, Debug)]
pub struct Reporter {
    metrics: Arc<Metrics>,
}

impl Reporter {
    /// Counts into `metrics`.
    #[must_use]
    pub const fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }

    /// The counts so far, shared.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::clone(&self.metrics)
    }

    /// The process begins to serve this configuration.
    pub fn starting(&self, router: &settings::Router) {
        let version = env!("CARGO_PKG_VERSION");
        info!(router = router.name, asn = %router.asn, tunnels = router.tunnels.len(), version, "starting");
        self.metrics.reload_success_time.set(signed(system::unix_time().0));
    }

    /// A tunnel was made.
    pub fn tunnel_added(&self, tunnel: &settings::Tunnel) {
        self.metrics.know_tunnel(&tunnel.name);
        let (local, remote) = (tunnel.ike.local, tunnel.ike.remote);
        info!(tunnel = tunnel.name, %local, %remote, interface = tunnel.interface, "tunnel added");
    }

    /// A tunnel could not be made.
    pub fn tunnel_not_made(&self, tunnel: &str, error: &dataplane::Error, remedy: &str) {
        error!(tunnel, %error, remedy, "tunnel not made; it is tried again by itself");
    }

    /// The server of a pool of clients serves, or does not.
    pub fn pool_changed(&self, pool: &str, trouble: Option<&openvpn::Trouble>) {
        match trouble {
            None => info!(pool, "server serves"),
            Some(openvpn::Trouble::Unasked) => {}
            Some(trouble) => warn!(pool, remedy = trouble.remedy(), "server does not serve: {trouble}"),
        }
    }

    /// The process says goodbye.
    pub fn stopping(&self) {
        info!("stopping: telling the peers");
    }

    /// The process is about to end.
    pub fn stopped(&self, returning: bool) {
        if returning {
            info!("stopped: interfaces and sockets are gone; routes whose interface stays are left for the next start");
        } else {
            info!("stopped: interfaces, routes and sockets are gone");
        }
    }

    /// A reload is over.
    pub fn reloaded(&self, outcome: &Result<String, ControlError>) {
        match outcome {
            Ok(summary) => {
                info!(%summary, "configuration reloaded");
                self.metrics.reloads.with_label_values(&["ok"]).inc();
                self.metrics.reload_success_time.set(signed(system::unix_time().0));
            }
            Err(partly @ ControlError::PartlyApplied { .. }) => {
                warn!(outcome = %partly, remedy = partly.remedy(), "configuration reloaded, but for some tunnels");
                self.metrics.reloads.with_label_values(&["partly"]).inc();
                self.metrics.reload_success_time.set(signed(system::unix_time().0));
            }
            Err(refusal) => {
                error!(error = %refusal, remedy = refusal.remedy(), "configuration not reloaded");
                self.metrics.reloads.with_label_values(&["failed"]).inc();
            }
        }
    }

    /// Everything IKE tells.
    pub fn ike_event(&self, names: &impl TunnelNames, event: &IkeEvent) {
        match event {
            IkeEvent::IkeUp { tunnel, peer, initiator, suite, ppk, nat } => {
                let tunnel = names.name(*tunnel);
                info!(tunnel, %peer, role = role(*initiator), %suite, ppk, nat, "IKE SA established");
            }
            IkeEvent::IkeDown { tunnel, reason } => {
                info!(tunnel = names.name(*tunnel), %reason, "IKE SA gone");
            }
            IkeEvent::TunnelUp { tunnel, suite, encapsulation, local, remote, inbound, outbound, .. } => {
                let tunnel = names.name(*tunnel);
                info!(tunnel, %suite, ?encapsulation, %local, %remote, %inbound, %outbound, "tunnel up");
            }
            IkeEvent::ChildUp { tunnel, inbound, outbound, local_selectors, remote_selectors } => {
                let (tunnel, selectors) = (names.name(*tunnel), pair(local_selectors, remote_selectors));
                info!(tunnel, %inbound, %outbound, selectors, "another CHILD SA up");
            }
            IkeEvent::ChildDown { tunnel, local_selectors, remote_selectors, reason } => {
                let (tunnel, selectors) = (names.name(*tunnel), pair(local_selectors, remote_selectors));
                warn!(tunnel, selectors, %reason, "a CHILD SA is gone; the others stay");
            }
            IkeEvent::TunnelDown { tunnel, reason } => self.tunnel_down(&names.name(*tunnel), reason),
            IkeEvent::Failed { tunnel, failure, retry_at } => {
                let tunnel = names.name(*tunnel);
                let (reason, remedy) = (failure.reason(), failure.remedy());
                let retry = retry_at.map(|at| at.saturating_duration_since(Instant::now()));
                warn!(tunnel, error = %failure, reason, remedy, ?retry, "negotiation failed");
                self.metrics.ike_failures.with_label_values(&[tunnel.as_str(), reason]).inc();
            }
            IkeEvent::ChildRekeyed { tunnel, initiator, inbound, outbound } => {
                let tunnel = names.name(*tunnel);
                info!(tunnel, role = role(*initiator), %inbound, %outbound, "CHILD SA rekeyed");
                self.metrics.rekeys.with_label_values(&[tunnel.as_str(), "child", "ok"]).inc();
            }
            IkeEvent::IkeRekeyed { tunnel, initiator } => {
                let tunnel = names.name(*tunnel);
                info!(tunnel, role = role(*initiator), "IKE SA rekeyed");
                self.metrics.rekeys.with_label_values(&[tunnel.as_str(), "ike", "ok"]).inc();
            }
            IkeEvent::RekeyFailed { tunnel, kind, failure, .. } => {
                let tunnel = names.name(*tunnel);
                let sa = kind.label();
                warn!(tunnel, sa, error = %failure, remedy = failure.remedy(), "rekey failed; the old SA stays in use");
                self.metrics.rekeys.with_label_values(&[tunnel.as_str(), sa, "failed"]).inc();
            }
            IkeEvent::PeerMoved { tunnel, from, to } => {
                info!(tunnel = names.name(*tunnel), %from, %to, "peer moved");
            }
            IkeEvent::Stranger { local, remote, failure } => {
                let remedy = failure.remedy();
                warn!(%local, %remote, error = %failure, remedy, "stranger refused");
                self.metrics.ike_failures.with_label_values(&["", failure.reason()]).inc();
            }
        }
    }

    /// The peer takes less than all of what we asked for.
    pub fn narrowed(&self, tunnel: &str, asked: &str, taken: &str) {
        let remedy = "give both ends the same networks, with local and remote swapped";
        warn!(tunnel, asked, taken, remedy, "the peer takes less traffic than we asked for");
    }

    fn tunnel_down(&self, tunnel: &str, reason: &DownReason) {
        let label = reason.reason();
        warn!(tunnel, %reason, label, "tunnel down");
        if !matches!(reason, DownReason::Operator | DownReason::Removed | DownReason::Shutdown) {
            self.metrics.failovers.with_label_values(&[tunnel]).inc();
        }
        if matches!(reason, DownReason::PeerSilent(_)) {
            self.metrics.dpd_timeouts.with_label_values(&[tunnel]).inc();
        }
    }

    /// A datagram of IKE did not leave.
    pub fn ike_send_failed(&self, local: SocketAddr, remote: SocketAddr, error: &std::io::Error) {
        debug!(%local, %remote, %error, "IKE message not sent; it will be sent again");
    }

    /// A packet under an SA that we do not have.
    pub fn unknown_spi(&self, from: SocketAddr, spi: Spi) {
        debug!(%from, %spi, "ESP for no SA of ours");
    }

    /// The data plane cannot do what it was asked.
    pub fn dataplane_failed(&self, tunnel: Option<&str>, failure: &dataplane::Failure) {
        error!(tunnel, error = %failure, "data plane");
    }

    /// Everything a BGP session tells.
    pub fn bgp_event(&self, config: &peering::PeerConfig, event: &peering::Event) {
        let (tunnel, peer) = (config.name.as_str(), config.peer_address);
        match event {
            peering::Event::Established(established) => {
                let hold = established.hold_time.as_secs();
                info!(tunnel, %peer, asn = %config.peer_asn, router_id = %established.peer_router_id, hold, "BGP established");
            }
            peering::Event::Down { reason, was_established: true, retry_in, .. } => {
                warn!(tunnel, %peer, %reason, remedy = reason.remedy(), ?retry_in, "BGP session lost");
            }
            peering::Event::Down { reason, was_established: false, retry_in, .. } => {
                info!(tunnel, %peer, %reason, remedy = reason.remedy(), ?retry_in, "BGP not established");
            }
            peering::Event::StateChanged { from, to } => debug!(tunnel, %peer, %from, %to, "BGP state"),
            peering::Event::NotificationReceived { code, subcode, text } => {
                warn!(tunnel, %peer, %text, "NOTIFICATION received");
                self.notification(tunnel, "in", *code, *subcode);
            }
            peering::Event::NotificationSent { code, subcode, text } => {
                info!(tunnel, %peer, %text, "NOTIFICATION sent");
                self.notification(tunnel, "out", *code, *subcode);
            }
            peering::Event::UpdateFaulty { faults, suppressed } => {
                warn!(tunnel, %peer, %faults, suppressed, "faulty UPDATE; the session goes on");
            }
            peering::Event::Unsendable { prefixes, attribute_octets } => {
                warn!(tunnel, %peer, prefixes, attribute_octets, "attributes too long for a message; withdrawn instead");
            }
            peering::Event::StaleExpired(families) => {
                warn!(tunnel, %peer, ?families, "stale routes are gone: the peer did not come back in time");
            }
            peering::Event::Update(_)
            | peering::Event::RefreshRequested(_)
            | peering::Event::RefreshBegun(_)
            | peering::Event::RefreshEnded(_) => {}
        }
    }

    /// The peer chooses the numbers: only those that mean something have series of their own.
    fn notification(&self, tunnel: &str, direction: &str, code: u8, subcode: u8) {
        let notification = bgp::message::Notification::new(bgp::message::ErrorCode(code), subcode, Vec::new());
        let known = notification.code.name().is_some();
        let label = |known: bool, number: u8| if known { number.to_string() } else { "other".to_owned() };
        let (code, subcode) =
            (label(known, code), label(known && subcode == 0 || notification.subcode_name().is_some(), subcode));
        self.metrics.notifications.with_label_values(&[tunnel, direction, &code, &subcode]).inc();
    }

    /// A session cannot listen.
    pub fn bgp_listen_failed(&self, config: &peering::PeerConfig, error: &std::io::Error) {
        let remedy = "stop the other program on TCP port 179 of this address; tried again in 5 s";
        warn!(tunnel = config.name, address = %config.local_address, %error, remedy, "BGP does not listen");
    }

    /// Somebody else than the peer connected.
    pub fn bgp_stranger_refused(&self, config: &peering::PeerConfig, from: SocketAddr) {
        warn!(tunnel = config.name, %from, expected = %config.peer_address, "BGP connection from a stranger refused");
    }

    /// A connection lacks what protects it.
    pub fn bgp_connection_not_tuned(&self, config: &peering::PeerConfig, from: SocketAddr, error: &std::io::Error) {
        let remedy = "it was closed, since it lacks what the `bgp:` section asks for (MD5, TTL security, MSS): compare that \
                      with what the kernel takes";
        warn!(tunnel = config.name, %from, %error, remedy, "BGP connection not accepted");
    }

    /// Starts a BGP session's counters at zero; for a peer of a range, the range's.
    pub fn bgp_added(&self, config: &peering::PeerConfig) {
        self.metrics.know_session(&config.name);
    }

    /// Starts a BFD session's counters at zero, which are those of this name.
    pub fn bfd_added(&self, counted: &str) {
        for reason in ["silence", "peer-down"] {
            self.metrics.bfd_failures.with_label_values(&[counted, reason]);
        }
    }

    /// Everything a BFD session tells. Its losses are counted under the name `counted`.
    pub fn bfd_event(&self, tunnel: &str, counted: &str, peer: std::net::IpAddr, event: &bfd::Event) {
        match event {
            bfd::Event::StateChanged { from, to, reason: Some(reason) } if reason.is_failure() => {
                warn!(tunnel, %peer, %from, %to, %reason, remedy = reason.remedy(), "BFD session lost");
                self.metrics.bfd_failures.with_label_values(&[counted, reason.label()]).inc();
            }
            bfd::Event::StateChanged { from, to, reason: Some(reason) } => {
                info!(tunnel, %peer, %from, %to, %reason, "BFD session ended");
            }
            bfd::Event::StateChanged { to: bfd::State::Up, .. } => info!(tunnel, %peer, "BFD session up"),
            bfd::Event::StateChanged { from, to, reason: None } => debug!(tunnel, %peer, %from, %to, "BFD state"),
            bfd::Event::Verdict(bfd::Verdict::Usable) => debug!(tunnel, %peer, "BFD has nothing against the path"),
            bfd::Event::Verdict(bfd::Verdict::Failed(obstacle)) => {
                warn!(tunnel, %peer, %obstacle, "path not used");
            }
        }
    }

    /// BFD says down, and the routes of a peer that restarts are kept all the same (RFC 5882 4.3.2).
    pub fn bfd_overruled(&self, tunnel: &str) {
        warn!(
            tunnel,
            "BFD says that the peer cannot be reached; its routes are held while it restarts (RFC 5882 4.3.2)"
        );
    }

    /// A BFD session has no socket.
    pub fn bfd_not_opened(&self, tunnel: &str, path: &bfd::Path, error: &std::io::Error) {
        let (local, port) = (path.local, path.hops.port());
        let remedy = "stop the other program on this UDP port; tried again in 5 s";
        warn!(tunnel, %local, port, %error, remedy, "BFD does not hear");
    }

    /// Starts a connection's counters at zero.
    pub fn connection_added(&self, connection: &str) {
        for cause in ["failed", "recovered", "operator"] {
            self.metrics.connection_switches.with_label_values(&[connection, cause]);
        }
    }

    /// Traffic of a connection moved.
    pub fn connection_switched(&self, names: &impl TunnelNames, connection: &str, switch: &steering::Switch) {
        let list =
            |tunnels: &[TunnelId]| tunnels.iter().map(|tunnel| names.name(*tunnel)).collect::<Vec<_>>().join(", ");
        let (from, to, cause) = (list(&switch.from), list(&switch.to), switch.cause.label());
        let why = sentence(&switch.cause, names);
        match switch.cause {
            Cause::Failed { .. } | Cause::LastResort { .. } => {
                warn!(connection, from, to, cause, why, "connection failed over");
            }
            Cause::Began
            | Cause::Recovered { .. }
            | Cause::Operator
            | Cause::Released
            | Cause::Med
            | Cause::Reconfigured => info!(connection, from, to, cause, why, "connection switched"),
        }
        self.metrics.connection_switches.with_label_values(&[connection, cause]).inc();
    }

    /// An operator's order about a connection, whether carried out or not.
    pub fn connection_ordered(&self, connection: &str, order: &str, done: bool) {
        info!(connection, order, done, "operator's order");
    }

    /// Probes have come to an opinion about a tunnel.
    pub fn health_changed(&self, tunnel: &str, verdict: Verdict, probes: impl Iterator<Item = steering::ProbeStatus>) {
        let silent = probes.filter(|probe| probe.verdict != Verdict::Good).map(|probe| probe.target.to_string());
        match verdict {
            Verdict::Good => info!(tunnel, "probes are answered"),
            Verdict::Unknown => debug!(tunnel, "probes are yet to be answered"),
            Verdict::Bad => {
                let silent = silent.collect::<Vec<_>>().join(", ");
                let remedy = Obstacle::Probes.remedy();
                warn!(tunnel, silent, remedy, "probes are not answered; the tunnel is not used");
            }
        }
    }

    /// Sessions outside tunnels cannot be received at an address.
    pub fn neighbors_listen_failed(&self, address: std::net::IpAddr, error: &std::io::Error) {
        let remedy = "stop the other program on TCP port 179 of this address; tried again in 5 s";
        warn!(%address, %error, remedy, "BGP does not listen for neighbours");
    }

    /// Somebody connected who may not.
    pub fn neighbor_refused(&self, local: std::net::IpAddr, from: SocketAddr, reason: &str) {
        warn!(%local, %from, reason, "BGP connection from a stranger refused");
    }

    /// A session outside tunnels has its place.
    pub fn neighbor_placed(&self, tunnel: &str, interface: Option<&str>, local: std::net::IpAddr) {
        info!(tunnel, interface, %local, "neighbour's place found");
    }

    /// A session outside tunnels has no place.
    pub fn neighbor_waits(&self, tunnel: &str, reason: &str) {
        warn!(tunnel, reason, "neighbour waits for its network");
    }

    /// A prefix is not announced: the peer would get more than `max-prefix: {out: ..}` lets it have.
    pub fn prefix_held_back(&self, tunnel: &str, prefix: IpNet, limit: u32) {
        let remedy = "announce fewer prefixes: summarise `networks:` or narrow `export:`";
        warn!(tunnel, %prefix, limit, remedy, "prefix held back: the peer would get more than `max-prefix: {{out: ..}}`");
    }

    /// A peer has announced nearly as many prefixes as it may, which is counted under the name `counted`.
    pub fn prefix_limit_near(&self, tunnel: &str, counted: &str, count: u32, limit: u32) {
        let remedy = "raise `max-prefix: {in: ..}`, or accept less: one route more than that ends the session";
        self.metrics.prefix_warnings.with_label_values(&[counted]).inc();
        warn!(tunnel, count, limit, remedy, "the peer has announced nearly as many routes as it may");
    }

    /// Something happened to the routes in the kernel.
    pub fn fib_event(&self, event: &fib::FibEvent) {
        debug!(?event, "FIB");
    }
}

/// `local === remote`.
fn pair(local: &[TrafficSelector], remote: &[TrafficSelector]) -> String {
    let list = |side: &[TrafficSelector]| side.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("{} === {}", list(local), list(remote))
}

const fn role(initiator: bool) -> &'static str {
    if initiator { "initiator" } else { "responder" }
}

/// For a gauge of whole numbers.
fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
