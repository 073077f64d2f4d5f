//! From the owners' own terms to what a person reads.

mod beyond;
mod bfd;
mod connections;
mod fib;
mod flows;
mod pools;
mod verdict;

use std::collections::BTreeSet;
use std::time::Instant;

use bgp::message::{Capability, CapabilityCode};
use dataplane::{InterfaceInfo, SaUsage, TunnelCounters};
use ipnet::IpNet;
use rib::{CandidateView, LocalKind, Verdict as RibVerdict};
use settings::{Router, Session};
use wire::ipsec::Direction;

pub(crate) use beyond::{neighbor, static_route};
pub(crate) use bfd::bfd;
pub(crate) use connections::{connections, note_connections};
pub(crate) use fib::{fib, route_state};
pub(crate) use flows::views as flows;
pub(crate) use pools::{note_pools, pool};
pub(crate) use verdict::verdict;

use daemon::Owners;
use daemon::topology::{Part, Topology, Unmade};
use view::cause::TunnelNames as _;
use view::explain;
use view::policy::AttributesView;
use view::{
    CapabilityView, CertificateView, ChildView, FailureView, IkeView, MessageCounts, MissingChildView,
    NotificationView, PathView, PeerPlace, PeerView, PrefixCounts, RouteView, RouterView, RoutingView, StrangerView,
    StrangersView, TrafficView, TunnelState, TunnelView,
};

/// The router itself.
pub(crate) fn router(router: &Router, owners: &Owners) -> RouterView {
    RouterView {
        name: router.name.clone(),
        asn: router.asn.0,
        router_id: router.router_id.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: owners.started.elapsed().as_secs(),
        dataplane: owners.dataplane.word().to_owned(),
        pid: std::process::id(),
        file: Some(owners.file.to_path_buf()),
        warnings: owners.warnings.to_vec(),
    }
}

/// Sizes of the tables.
pub(crate) fn routing(totals: rib::Totals, fib: &::fib::FibStatus) -> RoutingView {
    RoutingView {
        rib_prefixes: totals.prefixes,
        rib_paths: totals.paths,
        fib_routes: fib.desired,
        fib_installed: fib.installed,
        fib_matches_kernel: fib.matches_kernel,
    }
}

/// A tunnel that could not be made.
pub(crate) fn unmade_tunnel(unmade: &Unmade, now: Instant) -> TunnelView {
    let tunnel = &unmade.tunnel;
    let ago = seconds(now, unmade.since);
    TunnelView {
        name: tunnel.name.clone(),
        state: TunnelState::Down,
        since: ago,
        profile: tunnel.profile.as_str().to_owned(),
        version: tunnel.ike.version.label().to_owned(),
        local: tunnel.ike.local,
        remote: tunnel.ike.remote,
        ike_port: tunnel.ike.ike_port,
        interface: tunnel.interface.clone(),
        mtu: None,
        inside_local: tunnel.inside.local,
        inside_peer: tunnel.inside.peer,
        inside_made_up: tunnel.inside_made_up,
        inside6_local: tunnel.inside6.map(|link| link.local),
        on_demand: tunnel.ike.start == negotiation::StartAction::OnDemand,
        ike: None,
        child: None,
        children: Vec::new(),
        missing_children: Vec::new(),
        ike_sas: 0,
        child_sas: 0,
        auth_failures: 0,
        traffic: TrafficView::default(),
        local_certificate: None,
        peer_certificate: None,
        last_failure: Some(FailureView {
            reason: unmade.trouble.reason.to_owned(),
            text: unmade.trouble.text.clone(),
            remedy: format!("{}; it is tried again by itself", unmade.trouble.remedy),
            ago,
        }),
        retry_in: None,
        bgp: None,
    }
}

/// One tunnel, from IKE, the data plane and BGP.
pub(crate) fn tunnel(
    part: &Part,
    interface: InterfaceInfo,
    ike: Option<&negotiation::TunnelStatus>,
    bgp: Option<&peering::PeerStatus>,
    counters: &TunnelCounters,
    sas: &[SaUsage],
    now: Instant,
) -> TunnelView {
    let tunnel = &part.tunnel;
    let last_failure =
        ike.and_then(|status| status.last_failure.as_ref()).map(|(failure, at)| ike_failure(failure, *at, now));
    TunnelView {
        name: tunnel.name.clone(),
        state: ike.map_or(TunnelState::Down, state),
        since: ike.map_or(0, |status| seconds(now, status.since)),
        profile: tunnel.profile.as_str().to_owned(),
        version: tunnel.ike.version.label().to_owned(),
        local: tunnel.ike.local,
        remote: tunnel.ike.remote,
        ike_port: tunnel.ike.ike_port,
        interface: tunnel.interface.clone(),
        mtu: Some(interface.mtu),
        inside_local: tunnel.inside.local,
        inside_peer: tunnel.inside.peer,
        inside_made_up: tunnel.inside_made_up,
        inside6_local: tunnel.inside6.map(|link| link.local),
        on_demand: tunnel.ike.start == negotiation::StartAction::OnDemand,
        ike: ike.and_then(|status| status.ike.last()).map(|sa| ike_sa(sa, now)),
        child: ike.and_then(|status| child_sa(status, sas, now)),
        children: ike.map(|status| children(status, sas, now)).unwrap_or_default(),
        missing_children: ike.map(|status| missing_children(status, now)).unwrap_or_default(),
        ike_sas: ike.map_or(0, |status| status.ike.len()),
        child_sas: ike.map_or(0, |status| status.children.len()),
        auth_failures: ike.map_or(0, |status| status.counters.auth_failures),
        traffic: traffic(counters),
        local_certificate: ike.and_then(|status| status.local_certificate.as_ref()).map(certificate),
        peer_certificate: ike.and_then(|status| status.peer_certificate.as_ref()).map(certificate),
        last_failure,
        retry_in: ike.and_then(|status| status.retry_at).map(|at| remaining(now, at)),
        bgp: bgp.map(|status| status.state.to_string()),
    }
}

fn certificate(summary: &certificate::CertificateSummary) -> CertificateView {
    CertificateView {
        subject: summary.subject.clone(),
        issuer: summary.issuer.clone(),
        names: summary.names.clone(),
        key: summary.key.to_string(),
        not_before: summary.not_before.to_string(),
        not_after: summary.not_after.to_string(),
        not_after_unix: summary.not_after.0,
        expires_in: summary.not_after.0.saturating_sub(system::unix_time().0),
    }
}

fn state(status: &negotiation::TunnelStatus) -> TunnelState {
    // What has failed since it was last well is not at rest, though nothing is done before the next packet.
    let failed = status.last_failure.as_ref().is_some_and(|(_, at)| *at >= status.since);
    match status.state {
        negotiation::TunnelState::Up => TunnelState::Up,
        negotiation::TunnelState::Connecting
        | negotiation::TunnelState::Authenticating
        | negotiation::TunnelState::IkeOnly => TunnelState::Connecting,
        negotiation::TunnelState::Idle if failed => TunnelState::Down,
        negotiation::TunnelState::Listening | negotiation::TunnelState::Idle => TunnelState::Waiting,
        negotiation::TunnelState::Waiting | negotiation::TunnelState::Stopped => TunnelState::Down,
    }
}

fn ike_sa(sa: &negotiation::IkeStatus, now: Instant) -> IkeView {
    IkeView {
        role: if sa.initiator { "initiator" } else { "responder" }.to_owned(),
        suite: sa.suite.to_string(),
        ppk: sa.ppk,
        age: seconds(now, sa.established_at),
        rekey_in: sa.rekey_at.map(|at| remaining(now, at)),
        nat: sa.nat_local || sa.nat_remote,
        spi_local: format!("{:016x}", sa.our_spi),
        spi_peer: format!("{:016x}", sa.peer_spi),
    }
}

fn child_sa(status: &negotiation::TunnelStatus, sas: &[SaUsage], now: Instant) -> Option<ChildView> {
    let sa = status.children.iter().find(|child| child.carries_outbound).or(status.children.last())?;
    Some(child_view(status, sa, sas, now))
}

fn children(status: &negotiation::TunnelStatus, sas: &[SaUsage], now: Instant) -> Vec<ChildView> {
    let carrying = status.children.iter().filter(|child| child.carries_outbound);
    carrying.map(|child| child_view(status, child, sas, now)).collect()
}

fn missing_children(status: &negotiation::TunnelStatus, now: Instant) -> Vec<MissingChildView> {
    let view = |child: &negotiation::MissingChild| MissingChildView {
        local_selectors: child.local_selectors.iter().map(ToString::to_string).collect(),
        remote_selectors: child.remote_selectors.iter().map(ToString::to_string).collect(),
        failure: child.failure.as_ref().map(|(failure, at)| ike_failure(failure, *at, now)),
        retry_in: child.retry_at.map(|at| remaining(now, at)),
    };
    status.missing.iter().map(view).collect()
}

pub(crate) fn ike_failure(failure: &negotiation::Failure, at: Instant, now: Instant) -> FailureView {
    FailureView {
        reason: failure.reason().to_owned(),
        text: failure.to_string(),
        remedy: failure.remedy().to_owned(),
        ago: seconds(now, at),
    }
}

/// Who asked without proving who they are.
pub(crate) fn strangers(
    counters: &ike::EndpointCounters,
    strangers: &[ike::Stranger],
    topology: &Topology,
    now: Instant,
) -> StrangersView {
    let view = |stranger: &ike::Stranger| StrangerView {
        source: stranger.source,
        tunnel: stranger.tunnel.map(|tunnel| topology.name(tunnel)),
        count: stranger.count,
        first_ago: seconds(now, stranger.first),
        failure: ike_failure(&stranger.failure, stranger.last, now),
    };
    StrangersView {
        half_open: counters.half_open,
        cookies_sent: counters.cookies_sent,
        refused_full: counters.refused_full,
        refused_rate: counters.refused_rate,
        dropped: counters.dropped,
        sources: strangers.iter().map(view).collect(),
    }
}

fn child_view(
    status: &negotiation::TunnelStatus,
    sa: &negotiation::ChildStatus,
    sas: &[SaUsage],
    now: Instant,
) -> ChildView {
    let carried = |direction, spi| sas.iter().find(|usage| (usage.direction, usage.spi) == (direction, spi));
    let inbound = carried(Direction::Inbound, sa.inbound);
    let outbound = carried(Direction::Outbound, sa.outbound);
    let both = || inbound.into_iter().chain(outbound);
    ChildView {
        suite: sa.agreed().to_string(),
        encapsulation: match sa.encapsulation {
            wire::ipsec::Encapsulation::Esp => "esp",
            wire::ipsec::Encapsulation::Udp => "udp",
        }
        .to_owned(),
        spi_in: sa.inbound.to_string(),
        spi_out: sa.outbound.to_string(),
        age: seconds(now, sa.established_at),
        rekey_in: sa.rekey_at.map(|at| remaining(now, at)),
        local_selectors: sa.local_selectors.iter().map(ToString::to_string).collect(),
        remote_selectors: sa.remote_selectors.iter().map(ToString::to_string).collect(),
        bytes_in: inbound.map_or(0, |usage| usage.bytes),
        packets_in: inbound.map_or(0, |usage| usage.packets),
        bytes_out: outbound.map_or(0, |usage| usage.bytes),
        packets_out: outbound.map_or(0, |usage| usage.packets),
        // Whichever direction gets there first has both renewed.
        remaining_bytes: both().filter_map(|usage| usage.remaining_bytes).min(),
        remaining_packets: both().filter_map(|usage| usage.remaining_packets).min(),
        rekeys: status.counters.child_rekeys,
    }
}

fn traffic(counters: &TunnelCounters) -> TrafficView {
    let drops = [
        ("replay", counters.replay_drops),
        ("integrity", counters.integrity_drops),
        ("malformed", counters.malformed_drops),
        ("selector", counters.selector_drops),
        ("lifetime", counters.lifetime_drops),
        ("no_sa", counters.no_sa_drops),
        ("loop", counters.loop_drops),
        ("too_big", counters.too_big_drops),
        ("send", counters.send_drops),
        ("interface", counters.interface_drops),
        ("ecn", counters.ecn_drops),
    ];
    TrafficView {
        bytes_in: counters.bytes_in,
        packets_in: counters.packets_in,
        bytes_out: counters.bytes_out,
        packets_out: counters.packets_out,
        drops: drops.into_iter().map(|(cause, count)| (cause.to_owned(), count)).collect(),
    }
}

/// One session, from BGP and the routing tables.
pub(crate) fn session(bgp: &Session, status: &peering::PeerStatus, counts: rib::PeerCounts, now: Instant) -> PeerView {
    let last_error = status.last_down.as_ref().map(|down| FailureView {
        reason: down.reason.label().to_owned(),
        text: down.reason.to_string(),
        remedy: down.reason.remedy().to_owned(),
        ago: seconds(now, down.at),
    });
    PeerView {
        tunnel: bgp.name.clone(),
        place: PeerPlace::Tunnel,
        interface: None,
        address: bgp.peer.peer_address,
        asn: bgp.peer.peer_asn.0,
        local_asn: bgp.policy.treatment.local_as.map(|local| local.asn.0),
        state: status.state.to_string(),
        since: status.since.map_or(0, |since| seconds(now, since)),
        router_id: status.negotiated.as_ref().map(|session| session.peer_router_id.to_string()),
        hold_time: status.negotiated.as_ref().map(|session| session.hold_time.as_secs()),
        families: status.negotiated.iter().flat_map(|session| &session.families).map(ToString::to_string).collect(),
        prefixes: PrefixCounts {
            received: counts.received,
            accepted: counts.accepted,
            filtered: counts.refused,
            stale: counts.stale,
            best: counts.best + counts.multipath,
            advertised: counts.advertised,
            held_back: counts.held_back,
            limit_in: bgp.policy.max_prefix_in,
            limit_out: bgp.policy.max_prefix_out,
        },
        messages: messages(&status.received, &status.sent),
        draining: bgp.policy.graceful_shutdown.drain,
        flaps: status.flaps,
        last_error,
        waiting: status.waiting.map(|waiting| waiting.to_string()),
        retry_in: status.retry_at.map(|at| at.saturating_duration_since(now).as_secs()),
        notification_received: status.notification_received.as_ref().map(|record| notification(record, now)),
        notification_sent: status.notification_sent.as_ref().map(|record| notification(record, now)),
        capabilities: capabilities(&status.offered, &status.peer_offered),
        stale: status.stale.iter().flat_map(|(families, _)| families).map(ToString::to_string).collect(),
        role: bgp.peer.offers.role.map(|role| role.to_string()),
    }
}

fn notification(record: &peering::NotificationRecord, now: Instant) -> NotificationView {
    NotificationView { text: record.notification.to_string(), ago: seconds(now, record.at) }
}

/// Side by side, in order of our offer, then of the peer's.
fn capabilities(ours: &[Capability], theirs: &[Capability]) -> Vec<CapabilityView> {
    let mut codes: Vec<_> = ours.iter().chain(theirs).map(Capability::code).collect();
    let mut seen = BTreeSet::new();
    codes.retain(|code| seen.insert(*code));
    let said = |by: &[Capability], code| {
        let words: Vec<String> = by.iter().filter(|one| one.code() == code).map(ToString::to_string).collect();
        (!words.is_empty()).then(|| words.join(", "))
    };
    let name = |code: CapabilityCode| {
        code.name().map_or_else(|| code.0.to_string(), |name| name.to_ascii_lowercase().replace('_', "-"))
    };
    codes
        .into_iter()
        .map(|code| CapabilityView { name: name(code), ours: said(ours, code), theirs: said(theirs, code) })
        .collect()
}

const fn messages(received: &peering::MessageCounts, sent: &peering::MessageCounts) -> MessageCounts {
    MessageCounts {
        open_in: received.open,
        open_out: sent.open,
        update_in: received.update,
        update_out: sent.update,
        notification_in: received.notification,
        notification_out: sent.notification,
        keepalive_in: received.keepalive,
        keepalive_out: sent.keepalive,
        refresh_in: received.route_refresh,
        refresh_out: sent.route_refresh,
    }
}

/// All prefixes, or one, with every path.
pub(crate) fn routes(rib: &rib::Rib, prefix: Option<IpNet>) -> Vec<RouteView> {
    match prefix {
        Some(prefix) => rib.route(&prefix).iter().map(route).collect(),
        None => rib.routes().map(|view| route(&view)).collect(),
    }
}

fn route(view: &rib::RouteView<'_>) -> RouteView {
    let own = view.local.map(|kind| PathView {
        source: source(kind).to_owned(),
        tunnel: None,
        next_hop: None,
        as_path: String::new(),
        origin: "igp".to_owned(),
        local_preference: None,
        med: None,
        communities: Vec::new(),
        best: true,
        multipath: false,
        reason: match kind {
            LocalKind::Network => "originated here",
            LocalKind::Connected => "a network of an interface",
            LocalKind::Static => "a static route",
            LocalKind::Pool => "a pool of clients whose server serves",
            LocalKind::Aggregate => "an aggregate with something in it",
        }
        .to_owned(),
        path_id: 0,
        stale: false,
        bandwidth: None,
    });
    RouteView { prefix: view.prefix, paths: own.into_iter().chain(view.candidates.iter().map(path)).collect() }
}

fn path(candidate: &CandidateView<'_>) -> PathView {
    let AttributesView { as_path, origin, med, communities, .. } =
        explain::attributes(candidate.changed.unwrap_or(candidate.attributes));
    PathView {
        source: "bgp".to_owned(),
        tunnel: Some(candidate.name.to_owned()),
        next_hop: Some(candidate.next_hop),
        as_path,
        origin,
        local_preference: Some(candidate.local_preference),
        med,
        communities,
        best: candidate.verdict == RibVerdict::Best,
        multipath: matches!(candidate.verdict, RibVerdict::Best | RibVerdict::Multipath),
        reason: match (candidate.stale, candidate.path_id) {
            (false, 0) => candidate.verdict.to_string(),
            (true, 0) => format!("{}; stale", candidate.verdict),
            (false, id) => format!("{}; path {id}", candidate.verdict),
            (true, id) => format!("{}; path {id}, stale", candidate.verdict),
        },
        path_id: candidate.path_id,
        stale: candidate.stale,
        bandwidth: candidate.bandwidth,
    }
}

/// Where a route of our own making comes from.
pub(crate) const fn source(kind: LocalKind) -> &'static str {
    match kind {
        LocalKind::Network => "network",
        LocalKind::Connected => "connected",
        LocalKind::Static => "static",
        LocalKind::Pool => "pool",
        LocalKind::Aggregate => "aggregate",
    }
}

pub(crate) fn seconds(now: Instant, then: Instant) -> u64 {
    now.saturating_duration_since(then).as_secs()
}

fn remaining(now: Instant, deadline: Instant) -> u64 {
    deadline.saturating_duration_since(now).as_secs()
}

#[cfg(test)]
pub(crate) mod tests;
