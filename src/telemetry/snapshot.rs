//! How things are at the moment of a scrape, as metric families.

use dataplane::EngineCounters;
use prometheus::core::{AtomicF64, AtomicU64};
use prometheus::core::{Collector as _, GenericCounterVec, GenericGaugeVec};
use prometheus::{Opts, proto::MetricFamily};

use super::metrics::name;
use super::{policies, pools};
use view::policy::PoliciesView;
use view::{
    BfdView, ChildView, ConnectionsView, FibView, FlowState, FlowView, MessageCounts, PeerView, PoolView, StatusView,
    StrangersView, TunnelState, TunnelView,
};

/// FSM states of RFC 4271 8.2.2, for `quadspan_bgp_peer_state`.
const BGP_STATES: [&str; 6] = ["Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"];

/// What the router says of itself at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The router, its tunnels and sessions.
    pub status: StatusView,
    /// What the kernel has from us.
    pub fib: FibView,
    /// What each tunnel carries.
    pub flows: Vec<FlowView>,
    /// Who asked without proving who they are.
    pub strangers: StrangersView,
    /// What the data plane counted that belongs to no tunnel.
    pub engine: EngineCounters,
    /// BFD sessions.
    pub bfd: BfdView,
    /// Connections and probes.
    pub connections: ConnectionsView,
    /// Policies with their hits.
    pub policies: PoliciesView,
    /// Pools of remote clients.
    pub pools: Vec<PoolView>,
}

impl Snapshot {
    /// All of it.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        let Self { status, fib, .. } = self;
        let mut families = Vec::new();
        router(status, &mut families);
        tunnels(&status.tunnels, fib, &self.flows, &mut families);
        flows(&self.flows, &mut families);
        sa_lifetimes(&status.tunnels, &mut families);
        sas(&status.tunnels, &mut families);
        strangers(&self.strangers, &mut families);
        certificates(&status.tunnels, &mut families);
        traffic(&status.tunnels, &mut families);
        engine(&self.engine, &mut families);
        peers(&status.peers, &mut families);
        bfd(&self.bfd, &mut families);
        connections(&self.connections, &status.tunnels, &mut families);
        prefixes(&status.peers, &mut families);
        messages(&status.peers, &mut families);
        tables(status, fib, &mut families);
        policies::gather(&self.policies, &mut families);
        pools::pools(&self.pools, &mut families);
        families
    }
}

fn router(status: &StatusView, families: &mut Vec<MetricFamily>) {
    let info = gauge("build_info", "Version of the program; always 1.", &["version", "router"]);
    info.with_label_values(&[&status.router.version, &status.router.name]).set(1.0);
    let dataplane = gauge("dataplane_info", "What moves packets, `userspace` or `kernel`; always 1.", &["engine"]);
    dataplane.with_label_values(&[&status.router.dataplane]).set(1.0);
    let uptime = gauge("uptime_seconds", "Time since the process started.", &[]);
    uptime.with_label_values::<&str>(&[]).set(float(status.router.uptime));
    let memory = gauge("process_resident_memory_bytes", "Resident memory of the process.", &[]);
    let files = gauge("process_open_fds", "Open file descriptors of the process.", &[]);
    memory.with_label_values::<&str>(&[]).set(float(resident_memory()));
    files.with_label_values::<&str>(&[]).set(float(open_files()));
    collect(families, &[info, dataplane, uptime, memory, files]);
}

pub(crate) fn tunnels(tunnels: &[TunnelView], fib: &FibView, flows: &[FlowView], families: &mut Vec<MetricFamily>) {
    let ike = gauge("tunnel_ike_up", "Whether the tunnel's IKE SA is established.", &["tunnel"]);
    let child = gauge("tunnel_child_up", "Whether a CHILD SA carries the tunnel's traffic.", &["tunnel"]);
    let rests = gauge(
        "tunnel_at_rest",
        "Whether the tunnel is on demand and nobody asks for it: it is down as it should be.",
        &["tunnel"],
    );
    let active = gauge("tunnel_active", "Whether a route in the kernel leads into the tunnel.", &["tunnel"]);
    let info = gauge(
        "tunnel_info",
        "What the tunnel connects; always 1.",
        &["tunnel", "profile", "version", "local", "remote", "interface"],
    );
    for tunnel in tunnels {
        let routed = fib.routes.iter().flat_map(|route| &route.next_hops).any(|hop| hop.tunnel == tunnel.name);
        let mut rules = flows.iter().filter_map(|flow| flow.rule.as_ref());
        let used = routed || rules.any(|rule| rule.through.contains(&tunnel.name));
        ike.with_label_values(&[&tunnel.name]).set(flag(tunnel.ike.is_some()));
        child.with_label_values(&[&tunnel.name]).set(flag(tunnel.state == TunnelState::Up));
        rests.with_label_values(&[&tunnel.name]).set(flag(tunnel.is_at_rest()));
        active.with_label_values(&[&tunnel.name]).set(flag(used));
        let (local, remote) = (tunnel.local.to_string(), tunnel.remote.to_string());
        let labels = [&tunnel.name, &tunnel.profile, &tunnel.version, &local, &remote, &tunnel.interface];
        info.with_label_values(&labels).set(1.0);
    }
    collect(families, &[ike, child, rests, active, info]);
}

fn flows(flows: &[FlowView], families: &mut Vec<MetricFamily>) {
    let labels = ["tunnel", "local", "remote"];
    let up = gauge("flow_up", "Whether a CHILD SA carries all of a protected flow.", &labels);
    for flow in flows.iter().filter(|flow| flow.rule.is_some()) {
        let labels = [&flow.tunnel, &flow.local, &flow.remote];
        up.with_label_values(&labels).set(flag(flow.state == FlowState::Up));
    }
    collect(families, &[up]);
}

fn sa_lifetimes(tunnels: &[TunnelView], families: &mut Vec<MetricFamily>) {
    let ike = gauge("ike_sa_remaining_seconds", "Time until the IKE SA is rekeyed.", &["tunnel"]);
    let child = gauge("child_sa_remaining_seconds", "Time until the CHILD SA is rekeyed.", &["tunnel"]);
    let bytes = gauge(
        "child_sa_remaining_bytes",
        "Octets until the CHILD SA is rekeyed, where its lifetime is limited in octets.",
        &["tunnel"],
    );
    let packets = gauge(
        "child_sa_remaining_packets",
        "Packets until the CHILD SA is rekeyed, where its lifetime is limited in packets.",
        &["tunnel"],
    );
    for tunnel in tunnels {
        let labels = [&tunnel.name];
        if let Some(seconds) = tunnel.ike.as_ref().and_then(|sa| sa.rekey_in) {
            ike.with_label_values(&labels).set(float(seconds));
        }
        // Of several CHILD SAs the one whose turn is next.
        let least =
            |value: fn(&ChildView) -> Option<u64>| tunnel.children.iter().chain(&tunnel.child).filter_map(value).min();
        if let Some(seconds) = least(|sa| sa.rekey_in) {
            child.with_label_values(&labels).set(float(seconds));
        }
        if let Some(octets) = least(|sa| sa.remaining_bytes) {
            bytes.with_label_values(&labels).set(float(octets));
        }
        if let Some(count) = least(|sa| sa.remaining_packets) {
            packets.with_label_values(&labels).set(float(count));
        }
    }
    collect(families, &[ike, child, bytes, packets]);
}

fn sas(tunnels: &[TunnelView], families: &mut Vec<MetricFamily>) {
    let ike =
        gauge("ike_sas", "IKE SAs, those included that are being replaced: two at times, never many.", &["tunnel"]);
    let child = gauge("child_sas", "CHILD SAs, those included that are being replaced.", &["tunnel"]);
    let missing = gauge("child_sas_missing", "CHILD SAs that should be there and are not.", &["tunnel"]);
    let refused = counter(
        "ike_auth_failures_total",
        "Times that one end refused to believe who the other one is; `show strangers` has the sources.",
        &["tunnel"],
    );
    for tunnel in tunnels {
        let labels = [&tunnel.name];
        ike.with_label_values(&labels).set(float(tunnel.ike_sas as u64));
        child.with_label_values(&labels).set(float(tunnel.child_sas as u64));
        missing.with_label_values(&labels).set(float(tunnel.missing_children.len() as u64));
        refused.with_label_values(&labels).inc_by(tunnel.auth_failures);
    }
    collect(families, &[ike, child, missing]);
    families.extend(refused.collect());
}

fn strangers(view: &StrangersView, families: &mut Vec<MetricFamily>) {
    let half_open = gauge("ike_half_open", "Negotiations that have begun and are not authenticated.", &[]);
    half_open.with_label_values::<&str>(&[]).set(float(view.half_open as u64));
    let refused = counter(
        "ike_refused_total",
        "First messages that began no negotiation, by what was done about them.",
        &["cause"],
    );
    for (cause, count) in [("cookie", view.cookies_sent), ("full", view.refused_full), ("rate", view.refused_rate)] {
        refused.with_label_values(&[cause]).inc_by(count);
    }
    collect(families, &[half_open]);
    families.extend(refused.collect());
}

fn traffic(tunnels: &[TunnelView], families: &mut Vec<MetricFamily>) {
    let bytes = counter("tunnel_bytes_total", "Octets of inner packets.", &["tunnel", "direction"]);
    let packets = counter("tunnel_packets_total", "Inner packets.", &["tunnel", "direction"]);
    let replays = counter("replay_drops_total", "Packets dropped by the anti-replay window.", &["tunnel"]);
    let drops = counter("tunnel_drops_total", "Packets dropped, by cause.", &["tunnel", "cause"]);
    for tunnel in tunnels {
        let traffic = &tunnel.traffic;
        bytes.with_label_values(&[tunnel.name.as_str(), "in"]).inc_by(traffic.bytes_in);
        bytes.with_label_values(&[tunnel.name.as_str(), "out"]).inc_by(traffic.bytes_out);
        packets.with_label_values(&[tunnel.name.as_str(), "in"]).inc_by(traffic.packets_in);
        packets.with_label_values(&[tunnel.name.as_str(), "out"]).inc_by(traffic.packets_out);
        replays.with_label_values(&[&tunnel.name]).inc_by(traffic.drops.get("replay").copied().unwrap_or(0));
        for (cause, count) in &traffic.drops {
            drops.with_label_values(&[&tunnel.name, cause]).inc_by(*count);
        }
    }
    for family in [bytes, packets, replays, drops] {
        families.extend(family.collect());
    }
}

fn engine(counters: &EngineCounters, families: &mut Vec<MetricFamily>) {
    let datagrams = counter(
        "dataplane_datagrams_total",
        "Datagrams that belong to no tunnel, or to none yet. `unknown_spi` is ESP without an SA; `early` are those of them \
         whose SA came within two seconds, so that nothing was lost.",
        &["kind"],
    );
    let EngineCounters { unknown_spi, early, malformed, keepalives_in, keepalives_out, ike_in, ike_dropped } =
        *counters;
    let kinds = [
        ("unknown_spi", unknown_spi),
        ("early", early),
        ("malformed", malformed),
        ("keepalive_in", keepalives_in),
        ("keepalive_out", keepalives_out),
        ("ike_in", ike_in),
        ("ike_dropped", ike_dropped),
    ];
    for (kind, count) in kinds {
        datagrams.with_label_values(&[kind]).inc_by(count);
    }
    families.extend(datagrams.collect());
}

fn certificates(tunnels: &[TunnelView], families: &mut Vec<MetricFamily>) {
    let expiry = gauge(
        "certificate_expiry_timestamp_seconds",
        "When the certificate expires, in seconds since 1970: ours (`local`) or the peer's (`peer`).",
        &["tunnel", "which"],
    );
    for tunnel in tunnels {
        for (which, certificate) in [("local", &tunnel.local_certificate), ("peer", &tunnel.peer_certificate)] {
            if let Some(certificate) = certificate {
                expiry.with_label_values(&[tunnel.name.as_str(), which]).set(float(certificate.not_after_unix));
            }
        }
    }
    collect(families, &[expiry]);
}

fn peers(peers: &[PeerView], families: &mut Vec<MetricFamily>) {
    let state = gauge(
        "bgp_peer_state",
        "State of the session's FSM (RFC 4271 8.2.2): 1 for the state it is in, 0 for the others.",
        &["tunnel", "peer", "state"],
    );
    let since = gauge(
        "bgp_peer_established_timestamp_seconds",
        "When the session was established, in seconds since 1970; 0 while it is not.",
        &["tunnel", "peer"],
    );
    let flaps = counter("bgp_flaps_total", "Times an established session was lost.", &["tunnel", "peer"]);
    for peer in peers {
        let address = peer.address.to_string();
        for name in BGP_STATES {
            state.with_label_values(&[&peer.tunnel, &address, name]).set(flag(peer.state == name));
        }
        let established =
            if peer.state == "Established" { system::unix_time().0.saturating_sub(peer.since) } else { 0 };
        since.with_label_values(&[&peer.tunnel, &address]).set(float(established));
        flaps.with_label_values(&[&peer.tunnel, &address]).inc_by(peer.flaps);
    }
    collect(families, &[state, since]);
    families.extend(flaps.collect());
}

fn prefixes(peers: &[PeerView], families: &mut Vec<MetricFamily>) {
    let routes = gauge("bgp_routes", "Prefixes of the session by kind.", &["tunnel", "peer", "kind"]);
    let limits = gauge("bgp_prefix_limit", "Configured limits of prefixes.", &["tunnel", "peer", "direction"]);
    for peer in peers {
        let address = peer.address.to_string();
        let counts = &peer.prefixes;
        let kinds = [
            ("received", counts.received),
            ("accepted", counts.accepted),
            ("filtered", counts.filtered),
            ("stale", counts.stale),
            ("best", counts.best),
            ("advertised", counts.advertised),
            ("held_back", counts.held_back),
        ];
        for (kind, count) in kinds {
            routes.with_label_values(&[&peer.tunnel, &address, kind]).set(float(count as u64));
        }
        for (direction, limit) in [("in", counts.limit_in), ("out", counts.limit_out)] {
            if let Some(limit) = limit {
                limits.with_label_values(&[&peer.tunnel, &address, direction]).set(limit.into());
            }
        }
    }
    collect(families, &[routes, limits]);
}

fn messages(peers: &[PeerView], families: &mut Vec<MetricFamily>) {
    let messages =
        counter("bgp_messages_total", "BGP messages by direction and type.", &["tunnel", "peer", "direction", "type"]);
    for peer in peers {
        let address = peer.address.to_string();
        for (direction, kind, count) in by_kind(&peer.messages) {
            messages.with_label_values(&[peer.tunnel.as_str(), &address, direction, kind]).inc_by(count);
        }
    }
    families.extend(messages.collect());
}

fn by_kind(counts: &MessageCounts) -> [(&'static str, &'static str, u64); 10] {
    [
        ("in", "open", counts.open_in),
        ("out", "open", counts.open_out),
        ("in", "update", counts.update_in),
        ("out", "update", counts.update_out),
        ("in", "notification", counts.notification_in),
        ("out", "notification", counts.notification_out),
        ("in", "keepalive", counts.keepalive_in),
        ("out", "keepalive", counts.keepalive_out),
        ("in", "route_refresh", counts.refresh_in),
        ("out", "route_refresh", counts.refresh_out),
    ]
}

fn bfd(view: &BfdView, families: &mut Vec<MetricFamily>) {
    let up = gauge("bfd_session_up", "Whether the BFD session is up.", &["tunnel"]);
    let usable = gauge("bfd_path_usable", "Whether BFD has nothing against the path.", &["tunnel"]);
    let interval = gauge("bfd_transmit_interval_seconds", "Agreed interval of our BFD packets.", &["tunnel"]);
    let detection = gauge("bfd_detection_time_seconds", "Silence after which the peer is given up.", &["tunnel"]);
    let packets = counter("bfd_packets_total", "BFD packets by direction.", &["tunnel", "direction"]);
    let discarded = counter("bfd_packets_ignored_total", "BFD packets ignored by cause.", &["cause"]);
    for session in &view.sessions {
        let tunnel = [session.tunnel.as_str()];
        up.with_label_values(&tunnel).set(flag(session.state == "Up"));
        usable.with_label_values(&tunnel).set(flag(session.obstacle.is_none()));
        interval.with_label_values(&tunnel).set(float(session.transmit_microseconds) / 1e6);
        detection.with_label_values(&tunnel).set(float(session.detection_microseconds) / 1e6);
        packets.with_label_values(&[tunnel[0], "in"]).inc_by(session.packets_in);
        packets.with_label_values(&[tunnel[0], "out"]).inc_by(session.packets_out);
    }
    for (cause, count) in &view.discarded {
        discarded.with_label_values(&[cause]).inc_by(*count);
    }
    collect(families, &[up, usable, interval, detection]);
    families.extend(packets.collect());
    families.extend(discarded.collect());
}

pub(crate) fn connections(view: &ConnectionsView, tunnels: &[TunnelView], families: &mut Vec<MetricFamily>) {
    let labels = ["connection", "tunnel"];
    let active = gauge("connection_tunnel_active", "Whether the tunnel carries its connection's traffic.", &labels);
    let healthy = gauge("connection_tunnel_healthy", "Whether nothing speaks against the tunnel.", &labels);
    let held = gauge(
        "connection_hold_down_seconds",
        "Time until the tunnel, healthy again, may carry its connection's traffic.",
        &labels,
    );
    let away = gauge(
        "connection_failed_over",
        "Whether others than the tunnels of the best priority carry the connection's traffic, or none does; 0 while \
         those are at rest.",
        &["connection"],
    );
    for connection in &view.connections {
        away.with_label_values(&[&connection.name]).set(flag(connection.is_away(tunnels)));
        for tunnel in &connection.tunnels {
            let labels = [&connection.name, &tunnel.tunnel];
            active.with_label_values(&labels).set(flag(tunnel.active));
            healthy.with_label_values(&labels).set(flag(tunnel.healthy));
            held.with_label_values(&labels).set(float(tunnel.held_for.unwrap_or(0)));
        }
    }
    let answers = gauge("probe_success", "Whether the target answers through the tunnel.", &["tunnel", "target"]);
    for health in &view.health {
        for probe in &health.probes {
            answers.with_label_values(&[&health.tunnel, &probe.target]).set(flag(probe.verdict == "good"));
        }
    }
    collect(families, &[active, healthy, held, away, answers]);
}

fn tables(status: &StatusView, fib: &FibView, families: &mut Vec<MetricFamily>) {
    let routing = &status.routing;
    let next_hops: std::collections::BTreeSet<_> =
        fib.routes.iter().flat_map(|route| &route.next_hops).map(|hop| (&hop.tunnel, hop.address)).collect();
    let gauges = [
        ("rib_routes", "Prefixes with at least one path.", routing.rib_prefixes),
        ("rib_paths", "Paths in all Adj-RIBs-In.", routing.rib_paths),
        ("fib_routes", "Routes that the kernel should have from us.", routing.fib_routes),
        ("fib_installed_routes", "Routes that the kernel confirmed.", routing.fib_installed),
        ("fib_nexthops", "Distinct next hops of these routes.", next_hops.len()),
        ("fib_groups", "Next-hop groups (ECMP sets) in the kernel.", fib.groups),
    ];
    for (suffix, help, value) in gauges {
        let family = gauge(suffix, help, &[]);
        family.with_label_values::<&str>(&[]).set(float(value as u64));
        collect(families, &[family]);
    }
    let matches = gauge("fib_matches_kernel", "Whether the last comparison with the kernel found no difference.", &[]);
    matches.with_label_values::<&str>(&[]).set(flag(routing.fib_matches_kernel));
    collect(families, &[matches]);
    let failover =
        gauge("fib_last_failover_seconds", "Time the kernel's routes led into the last tunnel that was lost.", &[]);
    let took = fib.last_failover.as_ref().map_or(0, |failover| failover.microseconds);
    failover.with_label_values::<&str>(&[]).set(float(took) / 1e6);
    collect(families, &[failover]);
    let operations = counter("fib_operations_total", "Operations on the kernel's tables by kind.", &["kind"]);
    for (kind, count) in &fib.counters {
        operations.with_label_values(&[kind]).inc_by(*count);
    }
    families.extend(operations.collect());
}

pub(super) fn gauge(suffix: &str, help: &str, labels: &[&str]) -> GenericGaugeVec<AtomicF64> {
    GenericGaugeVec::new(Opts::new(name(suffix), help), labels).expect("names and labels are valid")
}

pub(super) fn counter(suffix: &str, help: &str, labels: &[&str]) -> GenericCounterVec<AtomicU64> {
    GenericCounterVec::new(Opts::new(name(suffix), help), labels).expect("names and labels are valid")
}

pub(super) fn collect(families: &mut Vec<MetricFamily>, gauges: &[GenericGaugeVec<AtomicF64>]) {
    for gauge in gauges {
        families.extend(gauge.collect());
    }
}

pub(super) fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// Prometheus values are floats; counts above 2^53 lose their last digits and nothing else.
#[expect(clippy::cast_precision_loss, reason = "the loss is said above")]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

/// Octets of resident memory (proc(5), `statm`, second field, in pages).
fn resident_memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages
        * nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
            .ok()
            .flatten()
            .and_then(|size| u64::try_from(size).ok())
            .unwrap_or(4096)
}

fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}
