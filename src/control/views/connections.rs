//! Connections as they are shown.

use std::time::{Duration, Instant};

use steering::{MemberStatus, Mode, ProbeStatus, Status, Verdict};
use wire::ipsec::TunnelId;

use daemon::SteeringReport;
use daemon::topology::Topology;
use view::cause::{TunnelNames, sentence};
use view::{
    ConnectionState, ConnectionTunnelView, ConnectionView, ConnectionsView, HealthView, ProbeTargetView, SwitchView,
    TunnelView,
};

pub(crate) fn connections(report: &SteeringReport, topology: &Topology, now: Instant) -> ConnectionsView {
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

/// A router on which all is well but for a connection that does without its first tunnels, or for probes.
pub(crate) fn note_connections(
    verdict: view::Verdict,
    view: &ConnectionsView,
    tunnels: &[TunnelView],
) -> view::Verdict {
    let away = view.connections.iter().find(|connection| connection.is_away(tunnels));
    let away = away.map(|connection| format!("connection {}: {}", connection.name, connection.reason));
    let silent = view.health.iter().find(|health| health.verdict == Verdict::Bad.label());
    let silent = silent.map(|health| format!("{}: its probes are not answered", health.tunnel));
    match (verdict.health, away.or(silent)) {
        (view::Health::Ok, Some(text)) => view::Verdict { health: view::Health::Degraded, text },
        (view::Health::Ok | view::Health::Degraded | view::Health::Down, _) => verdict,
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
        held_for: member.held_for.map(whole),
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
                (None, Some(left)) => format!("{name} is healthy again and held down for {} s more", whole(left)),
                (None, None) => format!("{name} is about to take over"),
            }
        }
        (ConnectionState::FailedOver, None) => {
            "no tunnel is healthy; this one is used for want of a better one".to_owned()
        }
    }
}

/// In seconds; a part of one is not nothing.
fn whole(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
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

#[cfg(test)]
mod tests {
    use steering::{Config, Connection, Failback, Member, Obstacle};
    use view::TunnelState;

    use super::*;

    struct Names;

    impl TunnelNames for Names {
        fn name(&self, tunnel: TunnelId) -> String {
            format!("t{}", tunnel.0)
        }
    }

    const T1: TunnelId = TunnelId(1);
    const T2: TunnelId = TunnelId(2);

    fn made(members: &[(TunnelId, u16)], start: Instant) -> Connection {
        let members =
            members.iter().map(|(tunnel, priority)| Member { tunnel: *tunnel, priority: *priority }).collect();
        Connection::new(Config { mode: Mode::PrimaryStandby, members, failback: Failback::default() }, start)
    }

    fn seen(connection: &Connection, now: Instant) -> ConnectionView {
        super::connection("c", rib::WayBack { med: true, prepend: false }, &connection.status(now), &Names, now)
    }

    #[test]
    fn a_connection_is_shown_with_its_reasons() {
        let start = Instant::now();
        let mut connection = made(&[(T1, 1), (T2, 2)], start);
        assert_eq!(seen(&connection, start).state, ConnectionState::Down);
        connection.handle_health(T1, None, start);
        connection.handle_health(T2, None, start);
        let view = seen(&connection, start);
        assert_eq!((view.state, view.reason.as_str()), (ConnectionState::Normal, "healthy, and first by priority"));
        assert_eq!((view.tunnels[1].med_more, view.tunnels[1].prepend_more), (100, 0), "as the way back is said");

        connection.handle_health(T1, Some(Obstacle::Bfd), start);
        let view = seen(&connection, start);
        assert_eq!((view.state, view.active), (ConnectionState::FailedOver, vec!["t2".to_owned()]));
        assert_eq!(view.reason, "t1 is not healthy: BFD does not hear the peer");
        assert_eq!(view.last_switch.map(|switch| switch.cause), Some("failed".to_owned()));

        connection.handle_health(T1, None, start);
        let view = seen(&connection, start + Duration::from_millis(500));
        assert_eq!(view.reason, "t1 is healthy again and held down for 10 s more");
        assert_eq!(view.tunnels[0].held_for, Some(10));

        assert_eq!(connection.switch(Some(T1), start), Ok(T1));
        let view = seen(&connection, start);
        assert_eq!((view.state, view.forced), (ConnectionState::Switched, Some("t1".to_owned())));
    }

    #[test]
    fn a_connection_whose_tunnels_nobody_asks_for_is_well() {
        let start = Instant::now();
        let mut connection = made(&[(T1, 1), (T2, 2)], start);
        let noted = |connection: &Connection, states: [TunnelState; 2]| {
            let well = view::Verdict { health: view::Health::Ok, text: "all is well".to_owned() };
            let view = ConnectionsView { connections: vec![seen(connection, start)], health: vec![] };
            let named = |(number, state): (usize, TunnelState)| TunnelView {
                name: format!("t{}", number + 1),
                state,
                ..crate::views::tests::on_demand(start)
            };
            let tunnels: Vec<_> = states.into_iter().enumerate().map(named).collect();
            note_connections(well, &view, &tunnels).health
        };
        let (down, waiting, up) = (TunnelState::Down, TunnelState::Waiting, TunnelState::Up);
        assert_eq!(noted(&connection, [waiting, waiting]), view::Health::Ok);
        assert_eq!(noted(&connection, [down, waiting]), view::Health::Degraded, "it was asked for, and failed");
        connection.handle_health(T2, None, start);
        assert_eq!(noted(&connection, [waiting, up]), view::Health::Ok);
        connection.handle_health(T1, None, start);
        assert_eq!(connection.switch(Some(T2), start), Ok(T2));
        assert_eq!(noted(&connection, [waiting, up]), view::Health::Degraded, "the operator has it so");
    }

    #[test]
    fn a_connection_without_its_first_tunnels_is_less_than_well() {
        let start = Instant::now();
        let mut connection = made(&[(T1, 1)], start);
        let noted = |connection: &Connection| {
            let well = view::Verdict { health: view::Health::Ok, text: "all is well".to_owned() };
            note_connections(well, &ConnectionsView { connections: vec![seen(connection, start)], health: vec![] }, &[])
        };
        let down = noted(&connection);
        assert_eq!((down.health, down.text.as_str()), (view::Health::Degraded, "connection c: no tunnel is healthy"));
        connection.handle_health(T1, None, start);
        assert_eq!(noted(&connection).health, view::Health::Ok);
    }
}
