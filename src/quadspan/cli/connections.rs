//! Commands for connections.

use std::process::ExitCode;

use clap::Subcommand;

use super::render::{dash, plain, seconds};
use super::{AskArgs, ask};
use view::client::encoded;
use view::{ConnectionState, ConnectionView, ConnectionsView};

#[derive(Debug, Subcommand)]
pub(super) enum ConnectionCommand {
    /// Move a connection's traffic to another tunnel, for maintenance, until released.
    Switch {
        /// The connection's name.
        name: String,
        /// The tunnel to move to; by default the best that does not carry traffic.
        #[arg(long, value_name = "TUNNEL")]
        to: Option<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Leave a connection to its rules again.
    Release {
        /// The connection's name.
        name: String,
        #[command(flatten)]
        ask: AskArgs,
    },
}

pub(super) fn execute(command: &ConnectionCommand) -> ExitCode {
    match command {
        ConnectionCommand::Switch { name, to: None, ask } => {
            ask::post(ask, &format!("/v1/connections/{}/switch", encoded(name)))
        }
        ConnectionCommand::Switch { name, to: Some(to), ask } => {
            ask::post(ask, &format!("/v1/connections/{}/switch?to={}", encoded(name), encoded(to)))
        }
        ConnectionCommand::Release { name, ask } => {
            ask::post(ask, &format!("/v1/connections/{}/release", encoded(name)))
        }
    }
}

pub(super) fn show(args: &AskArgs) -> ExitCode {
    ask::show(args, "/v1/connections", connections)
}

/// Each connection in a line, its tunnels in a table; then what probes tell.
fn connections(view: &ConnectionsView) -> String {
    let mut text = String::new();
    for connection in &view.connections {
        text.push_str(&one(connection));
        text.push('\n');
    }
    if view.connections.is_empty() {
        text.push_str("no connections; add `connections:` to group tunnels to one place\n");
    }
    if !view.health.is_empty() {
        let mut table = plain(["TUNNEL", "HEALTH", "NEEDS", "PROBE", "ANSWERS", "LAST ANSWER", "MISSING"]);
        for health in &view.health {
            for probe in &health.probes {
                table.add_row([
                    health.tunnel.clone(),
                    health.verdict.clone(),
                    health.policy.clone(),
                    probe.target.clone(),
                    probe.verdict.clone(),
                    probe.answered.map_or_else(dash, |ago| format!("{} ago", seconds(ago))),
                    probe.missing.to_string(),
                ]);
            }
        }
        text.push_str(&format!("{table}\n"));
    }
    text
}

fn one(connection: &ConnectionView) -> String {
    let state = match connection.state {
        ConnectionState::Normal => "normal",
        ConnectionState::FailedOver => "FAILED OVER",
        ConnectionState::Switched => "SWITCHED",
        ConnectionState::Down => "DOWN",
    };
    let active = if connection.active.is_empty() { dash() } else { connection.active.join(", ") };
    let mut text =
        format!("{} ({}): {state}, active {active}: {}\n", connection.name, connection.mode, connection.reason);
    if let Some(switch) = &connection.last_switch {
        let list = |tunnels: &[String]| if tunnels.is_empty() { "none".to_owned() } else { tunnels.join(", ") };
        text.push_str(&format!(
            "  switched {} times, last {} ago from {} to {}: {}\n",
            connection.switches,
            seconds(switch.ago),
            list(&switch.from),
            list(&switch.to),
            switch.text
        ));
    }
    let mut table = plain(["TUNNEL", "ROLE", "PRIORITY", "TRAFFIC", "HEALTH", "FOR", "FLAPS", "HELD FOR", "EFFECT"]);
    for tunnel in &connection.tunnels {
        let effect = match (tunnel.local_preference_less, tunnel.med_more, tunnel.prepend_more) {
            (0, 0, 0) => dash(),
            (less, med, prepend) => format!("local-preference -{less}, med +{med}, prepend +{prepend}"),
        };
        table.add_row([
            tunnel.tunnel.clone(),
            tunnel.role.clone(),
            tunnel.priority.to_string(),
            if tunnel.active { "active" } else { "-" }.to_owned(),
            tunnel.reason.clone().unwrap_or_else(|| "healthy".to_owned()),
            seconds(tunnel.since),
            tunnel.flaps.to_string(),
            tunnel.held_for.map_or_else(dash, seconds),
            effect,
        ]);
    }
    text + &format!("{table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use view::{ConnectionTunnelView, SwitchView};

    fn tunnel(name: &str, active: bool) -> ConnectionTunnelView {
        ConnectionTunnelView {
            tunnel: name.to_owned(),
            role: if active { "standby" } else { "primary" }.to_owned(),
            priority: if active { 2 } else { 1 },
            active,
            healthy: active,
            obstacle: (!active).then(|| "tunnel-down".to_owned()),
            reason: (!active).then(|| "the tunnel is down".to_owned()),
            since: 62,
            flaps: u32::from(!active),
            held_for: None,
            local_preference_less: if active { 0 } else { 10 },
            med_more: if active { 0 } else { 100 },
            prepend_more: u8::from(!active),
        }
    }

    #[test]
    fn a_connection_says_what_it_does_and_why() {
        let view = ConnectionsView {
            connections: vec![ConnectionView {
                name: "frankfurt".to_owned(),
                mode: "primary-standby".to_owned(),
                state: ConnectionState::FailedOver,
                active: vec!["t2".to_owned()],
                reason: "t1 is not healthy: the tunnel is down".to_owned(),
                forced: None,
                way_back: "both".to_owned(),
                switches: 2,
                last_switch: Some(SwitchView {
                    from: vec!["t1".to_owned()],
                    to: vec!["t2".to_owned()],
                    cause: "failed".to_owned(),
                    text: "t1 failed: the tunnel is down".to_owned(),
                    ago: 62,
                }),
                tunnels: vec![tunnel("t1", false), tunnel("t2", true)],
            }],
            health: vec![],
        };
        let text = connections(&view);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(
            lines[0],
            "frankfurt (primary-standby): FAILED OVER, active t2: t1 is not healthy: the tunnel is down"
        );
        assert_eq!(lines[1], "  switched 2 times, last 1m02s ago from t1 to t2: t1 failed: the tunnel is down");
        assert!(lines[3].ends_with("local-preference -10, med +100, prepend +1"), "{text}");
        assert!(lines[4].contains("active   healthy"), "{text}");
    }
}
