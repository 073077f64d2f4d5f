//! Connections as they are shown.

use std::time::Instant;

use steering::{Cause, MemberStatus, Mode, ProbeStatus, Status, Verdict};
use wire::ipsec::TunnelId;

use crate::daemon::steering_task::Report;
use crate::daemon::topology::Topology;
use crate::telemetry::report::TunnelNames;
use crate::view::{
    ConnectionState, ConnectionTunnelView, ConnectionView, ConnectionsView, HealthView, ProbeTargetView, SwitchView,
};

pub(in crate::daemon) fn connections(report: &Report, topology: &Topology, now: Instant) -> ConnectionsView {
    let connections = report.connections.iter();
    let check =
        |(tunnel, policy, verdict, probes): &(TunnelId, steering::Policy, Verdict, Vec<ProbeStatus>)| HealthView {
            tunnel: topology.name(*tunnel),
            verdict: word(*verdict),
            policy: policy.to_string(),
            probes: probes.iter().map(|probe| target(probe, now)).collect(),
        };
    ConnectionsView {
        connections: connections.map(|(name, way, status)| connection(name, *way, status, topology, now)).collect(),
        health: report.checks.iter().map(check).collect(),
    }
}

fn connection(
    name: &str,
    way: rib::WayBack,
    status: &Status,
    names: &impl TunnelNames,
    now: Instant,
) -> ConnectionView {
    let active: Vec<&MemberStatus> = status.members.iter().filter(|member| member.active).collect();
    let state = match (active.as_slice(), status.forced) {
        ([], _) => ConnectionState::Down,
        ([only], Some(forced)) if only.tunnel == forced => ConnectionState::Switched,
        (some, _) if some.iter().all(|member| member.first && member.obstacle.is_none()) => ConnectionState::Normal,
        (_, _) => ConnectionState::FailedOver,
    };
    let last = status.last.as_ref().map(|switch| SwitchView {
        from: switch.from.iter().map(|tunnel| names.name(*tunnel)).collect(),
        to: switch.to.iter().map(|tunnel| names.name(*tunnel)).collect(),
        cause: switch.cause.label().to_owned(),
        text: sentence(&switch.cause, names),
        ago: now.saturating_duration_since(switch.at).as_secs(),
    });
    ConnectionView {
        name: name.to_owned(),
        mode: status.mode.to_string(),
        state,
        active: active.iter().map(|member| names.name(member.tunnel)).collect(),
        reason: reason(state, status, names),
        forced: status.forced.map(|tunnel| names.name(tunnel)),
        way_back: match (way.med, way.prepend) {
            (true, true) => "both",
            (true, false) => "med",
            (false, true) => "prepend",
            (false, false) => "free",
        }
        .to_owned(),
        switches: status.switches,
        last_switch: last,
        tunnels: status.members.iter().map(|member| tunnel(member, way, status, names, now)).collect(),
    }
}

fn tunnel(
    member: &MemberStatus,
    way: rib::WayBack,
    status: &Status,
    names: &impl TunnelNames,
    now: Instant,
) -> ConnectionTunnelView {
    let ordered = status.members.iter().any(|other| other.priority != member.priority);
    let role = match (ordered, member.first) {
        (false, _) => "equal",
        (true, true) => "primary",
        (true, false) => "standby",
    };
    let steering::Standing { import, export } = member.standing;
    ConnectionTunnelView {
        tunnel: names.name(member.tunnel),
        role: role.to_owned(),
        priority: member.priority,
        active: member.active,
        healthy: member.obstacle.is_none(),
        obstacle: member.obstacle.map(|obstacle| obstacle.label().to_owned()),
        reason: member.obstacle.map(|obstacle| obstacle.to_string()),
        since: now.saturating_duration_since(member.since).as_secs(),
        flaps: member.flaps,
        // A part of a second is not nothing.
        held_for: member.held_for.map(|left| left.as_secs() + u64::from(left.subsec_nanos() > 0)),
        local_preference_less: rib::STEP * u32::from(import),
        med_more: if way.med { rib::MED_STEP * u32::from(export) } else { 0 },
        prepend_more: if way.prepend { export } else { 0 },
    }
}

/// Why these carry traffic.
fn reason(state: ConnectionState, status: &Status, names: &impl TunnelNames) -> String {
    let better = status.members.iter().find(|member| member.first && !member.active);
    match (state, better) {
        (ConnectionState::Down, _) => "no tunnel is healthy".to_owned(),
        (ConnectionState::Switched, _) => "the operator chose it".to_owned(),
        (ConnectionState::Normal, _) if status.mode == Mode::MedSteered => {
            let all = status.members.iter().all(|member| member.active || member.obstacle.is_some());
            if all { "the peer prefers none of the healthy tunnels" } else { "the peer prefers it by its MEDs" }
                .to_owned()
        }
        (ConnectionState::Normal, _) => "healthy, and first by priority".to_owned(),
        (ConnectionState::FailedOver, Some(better)) => {
            let name = names.name(better.tunnel);
            match (better.obstacle, better.held_for) {
                (Some(obstacle), _) => format!("{name} is not healthy: {obstacle}"),
                (None, Some(left)) => {
                    format!("{name} is healthy again and held down for {} s more", left.as_secs() + 1)
                }
                (None, None) => format!("{name} is about to take over"),
            }
        }
        (ConnectionState::FailedOver, None) => {
            "no tunnel is healthy; this one is used for want of a better one".to_owned()
        }
    }
}

/// What moved traffic, in one sentence.
pub(crate) fn sentence(cause: &Cause, names: &impl TunnelNames) -> String {
    match cause {
        Cause::Began => "the first tunnel became healthy".to_owned(),
        Cause::Failed { tunnel, obstacle } => format!("{} failed: {obstacle}", names.name(*tunnel)),
        Cause::Recovered { tunnel } => format!("{} has been healthy for long enough", names.name(*tunnel)),
        Cause::LastResort { tunnel } => {
            format!("no tunnel is healthy; {} is up and only its probes fail", names.name(*tunnel))
        }
        Cause::Operator => "the operator said so".to_owned(),
        Cause::Released => "the operator left it to the rules again".to_owned(),
        Cause::Med => "the peer's MEDs changed".to_owned(),
        Cause::Reconfigured => "the configuration changed".to_owned(),
    }
}

fn target(probe: &ProbeStatus, now: Instant) -> ProbeTargetView {
    ProbeTargetView {
        target: probe.target.to_string(),
        verdict: word(probe.verdict),
        answered: probe.answered.map(|at| now.saturating_duration_since(at).as_secs()),
        missing: probe.missing,
    }
}

fn word(verdict: Verdict) -> String {
    verdict.label().to_owned()
}
