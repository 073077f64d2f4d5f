//! `show flows`: what each tunnel carries.

use super::render::{dash, failure, octets, plain};
use view::{FlowState, FlowView};

/// One row per pair of networks, then what is wrong with those that are not up.
pub(super) fn flows(view: &[FlowView]) -> String {
    let mut table = plain([
        "TUNNEL",
        "LOCAL",
        "REMOTE",
        "ROUTING",
        "STATE",
        "SPI IN",
        "SPI OUT",
        "PKTS IN",
        "PKTS OUT",
        "IN",
        "OUT",
        "RULE",
        "TABLE",
        "LEAVES BY",
    ]);
    for flow in view {
        let rule = flow.rule.as_ref();
        table.add_row([
            flow.tunnel.clone(),
            flow.local.clone(),
            flow.remote.clone(),
            flow.routing.clone(),
            state(flow.state).to_owned(),
            flow.spi_in.clone().unwrap_or_else(dash),
            flow.spi_out.clone().unwrap_or_else(dash),
            flow.packets_in.to_string(),
            flow.packets_out.to_string(),
            octets(flow.bytes_in),
            octets(flow.bytes_out),
            rule.map_or_else(dash, |rule| format!("{} {}", rule.priority, rule.state)),
            rule.and_then(|rule| rule.table).map_or_else(dash, |table| table.to_string()),
            rule.map_or_else(dash, |rule| if rule.through.is_empty() { dash() } else { rule.through.join(", ") }),
        ]);
    }
    let mut text = format!("{table}\n");
    for flow in view.iter().filter(|flow| flow.state != FlowState::Up) {
        let what = format!("{} === {} in tunnel {}", flow.local, flow.remote, flow.tunnel);
        text.push_str(&format!("\n{what} is {}\n{}", state(flow.state), failure(flow.failure.as_ref())));
    }
    text
}

const fn state(state: FlowState) -> &'static str {
    match state {
        FlowState::Up => "up",
        FlowState::Narrowed => "narrowed",
        FlowState::Down => "down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrowed_flow_is_shown_with_what_both_sides_said() {
        let view: Vec<FlowView> = serde_json::from_value(serde_json::json!([{
            "tunnel": "dc", "local": "10.1.0.0/16", "remote": "10.2.0.0/15", "routing": "protected", "state": "narrowed",
            "carries": "10.1.0.0/16 === 10.2.0.0/16", "spi_in": "0xc0000001", "spi_out": "0xc0000002", "packets_in": 3,
            "packets_out": 4, "bytes_in": 1000, "bytes_out": 2000,
            "rule": {"priority": 10595, "table": 1073741825, "state": "installed", "through": ["dc"]},
            "failure": {"reason": "narrowed", "text": "we asked for this, the peer takes that", "remedy": "agree", "ago": 3}
        }]))
        .unwrap();
        let text = flows(&view);
        assert!(text.contains("dc      10.1.0.0/16  10.2.0.0/15  protected  narrowed  0xc0000001"), "{text}");
        assert!(text.contains("10595 installed  1073741825  dc"), "{text}");
        assert!(text.contains("10.1.0.0/16 === 10.2.0.0/15 in tunnel dc is narrowed\n  why:    we asked"), "{text}");
    }
}
