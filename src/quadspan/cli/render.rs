//! Views as aligned tables.

use comfy_table::Table;
use comfy_table::presets;

use view::{
    BfdView, FailureView, FibView, IkeView, PeerPlace, PeerView, RouteView, StaticView, StrangersView, TunnelState,
    TunnelView,
};

/// One row per tunnel, then the failures of those that are not up.
pub(super) fn tunnels(view: &[TunnelView]) -> String {
    let mut table = plain([
        "TUNNEL",
        "STATE",
        "FOR",
        "LOCAL",
        "REMOTE",
        "INSIDE",
        "INTERFACE",
        "VERSION",
        "IKE",
        "ESP",
        "REKEY IN",
        "SA IN",
        "SA OUT",
        "PKTS IN",
        "PKTS OUT",
        "DROPS",
    ]);
    for tunnel in view {
        let esp = tunnel.child.as_ref().map(|child| format!("{} in {}", child.suite, child.encapsulation));
        table.add_row([
            tunnel.name.clone(),
            state(tunnel.state).to_owned(),
            seconds(tunnel.since),
            tunnel.local.to_string(),
            tunnel.remote.to_string(),
            format!("{} > {}", tunnel.inside_local, tunnel.inside_peer),
            tunnel.interface.clone(),
            tunnel.version.clone(),
            tunnel.ike.as_ref().map_or_else(dash, ike_suite),
            esp.unwrap_or_else(dash),
            tunnel.child.as_ref().and_then(|child| child.rekey_in).map_or_else(dash, seconds),
            tunnel.child.as_ref().map_or_else(dash, |child| octets(child.bytes_in)),
            tunnel.child.as_ref().map_or_else(dash, |child| octets(child.bytes_out)),
            tunnel.traffic.packets_in.to_string(),
            tunnel.traffic.packets_out.to_string(),
            tunnel.traffic.drops.values().sum::<u64>().to_string(),
        ]);
    }
    format!("{table}\n{}{}", certificates(view), attention(view, &[]))
}

/// The certificates in use, one row each; nothing where all tunnels have pre-shared keys.
fn certificates(tunnels: &[TunnelView]) -> String {
    let mut table = plain(["TUNNEL", "CERTIFICATE", "SUBJECT", "NAMES", "ISSUER", "KEY", "EXPIRES"]);
    for tunnel in tunnels {
        for (whose, certificate) in [("ours", &tunnel.local_certificate), ("peer's", &tunnel.peer_certificate)] {
            let Some(certificate) = certificate else { continue };
            let expires = match certificate.expires_in {
                0 => format!("{} (expired)", certificate.not_after),
                left => format!("{} (in {})", certificate.not_after, seconds(left)),
            };
            table.add_row([
                tunnel.name.clone(),
                whose.to_owned(),
                certificate.subject.clone(),
                certificate.names.join(" "),
                certificate.issuer.clone(),
                certificate.key.clone(),
                expires,
            ]);
        }
    }
    if table.is_empty() { String::new() } else { format!("\n{table}\n") }
}

fn ike_suite(ike: &IkeView) -> String {
    if ike.ppk { format!("{} with PPK", ike.suite) } else { ike.suite.clone() }
}

/// One row per source, the most recent first.
pub(super) fn strangers(view: &StrangersView) -> String {
    let mut table = plain(["SOURCE", "TUNNEL", "TIMES", "LAST", "REASON", "WHY"]);
    for stranger in &view.sources {
        table.add_row([
            stranger.source.to_string(),
            stranger.tunnel.clone().unwrap_or_else(dash),
            stranger.count.to_string(),
            format!("{} ago", seconds(stranger.failure.ago)),
            stranger.failure.reason.clone(),
            stranger.failure.text.clone(),
        ]);
    }
    let StrangersView { half_open, cookies_sent, refused_full, refused_rate, dropped, .. } = view;
    format!(
        "{table}\n{half_open} half open; cookies asked {cookies_sent}, ignored as too many {refused_full}, as too often \
         {refused_rate}, no IKE {dropped}\n"
    )
}

/// One row per BFD session, then the last failure of those that are not up.
pub(super) fn bfd(view: &BfdView) -> String {
    let mut table = plain([
        "TUNNEL",
        "PEER",
        "STATE",
        "FOR",
        "PEER STATE",
        "SENDS EVERY",
        "GIVES UP AFTER",
        "PATH",
        "IN",
        "OUT",
        "FLAPS",
    ]);
    for session in &view.sessions {
        table.add_row([
            session.tunnel.clone(),
            session.peer.to_string(),
            session.state.clone(),
            seconds(session.since),
            session.peer_state.clone().unwrap_or_else(dash),
            milliseconds(session.transmit_microseconds),
            milliseconds(session.detection_microseconds),
            session.obstacle.as_ref().map_or("usable", |_| "not used").to_owned(),
            session.packets_in.to_string(),
            session.packets_out.to_string(),
            session.flaps.to_string(),
        ]);
    }
    let mut text = format!("{table}\n");
    for session in view.sessions.iter().filter(|session| session.state != "Up") {
        text.push_str(&format!("\nBFD with {} in {} is {}", session.peer, session.tunnel, session.state));
        text.push_str(&session.obstacle.as_ref().map_or_else(String::new, |obstacle| format!(": {obstacle}")));
        text.push('\n');
        text.push_str(&failure(session.last_failure.as_ref()));
    }
    if !view.discarded.is_empty() {
        let counts = view.discarded.iter().map(|(cause, count)| format!("{cause} {count}")).collect::<Vec<_>>();
        text.push_str(&format!("\npackets ignored: {}\n", counts.join(", ")));
    }
    text
}

/// `300ms`, `0.3ms`; a dash for nothing.
fn milliseconds(micros: u64) -> String {
    match (micros, micros % 1000) {
        (0, _) => dash(),
        (_, 0) => format!("{}ms", micros / 1000),
        (_, _) => format!("{}.{:03}ms", micros / 1000, micros % 1000),
    }
}

/// One row per session, then the last error of those that are not established.
pub(super) fn peers(view: &[PeerView]) -> String {
    let mut table = plain([
        "PEER",
        "TUNNEL",
        "AS",
        "STATE",
        "FOR",
        "ROUTER ID",
        "HOLD",
        "RECEIVED",
        "ACCEPTED",
        "BEST",
        "ADVERTISED",
        "UPDATES IN",
        "UPDATES OUT",
        "FLAPS",
    ]);
    for peer in view {
        table.add_row([
            peer.address.to_string(),
            peer.tunnel.clone(),
            peer.asn.to_string(),
            if peer.draining { format!("{}, draining", peer.state) } else { peer.state.clone() },
            seconds(peer.since),
            peer.router_id.clone().unwrap_or_else(dash),
            peer.hold_time.map_or_else(dash, seconds),
            limited(peer.prefixes.received, peer.prefixes.limit_in),
            peer.prefixes.accepted.to_string(),
            peer.prefixes.best.to_string(),
            limited(peer.prefixes.advertised, peer.prefixes.limit_out),
            peer.messages.update_in.to_string(),
            peer.messages.update_out.to_string(),
            peer.flaps.to_string(),
        ]);
    }
    format!("{table}\n{}", attention(&[], view))
}

/// Every path of every prefix: `>` marks the best, `=` members of the multipath set.
pub(super) fn routes(view: &[RouteView]) -> String {
    let mut table = plain(["", "PREFIX", "TUNNEL", "NEXT HOP", "AS PATH", "PREF", "MED", "ORIGIN", "WHY"]);
    for route in view {
        for (index, path) in route.paths.iter().enumerate() {
            let mark = match (path.best, path.multipath) {
                (true, _) => ">",
                (false, true) => "=",
                (false, false) => "",
            };
            table.add_row([
                mark.to_owned(),
                if index == 0 { route.prefix.to_string() } else { String::new() },
                path.tunnel.clone().unwrap_or_else(|| own_source(&path.source)),
                path.next_hop.map_or_else(dash, |address| address.to_string()),
                path.as_path.clone(),
                path.local_preference.map_or_else(dash, |value| value.to_string()),
                path.med.map_or_else(dash, |value| value.to_string()),
                path.origin.clone(),
                path.reason.clone(),
            ]);
        }
    }
    table.to_string()
}

fn own_source(source: &str) -> String {
    if matches!(source, "" | "network") { "originated".to_owned() } else { source.to_owned() }
}

/// One row per next hop of every static route.
pub(super) fn statics(view: &[StaticView]) -> String {
    let mut table = plain(["PREFIX", "NEXT HOP", "INTERFACE", "WEIGHT", "REACHED", "DISTANCE", "STATE"]);
    for route in view {
        let (prefix, distance) = (route.prefix.to_string(), route.distance.to_string());
        if route.blackhole {
            table.add_row([prefix, "blackhole".to_owned(), dash(), dash(), dash(), distance, route.state.clone()]);
            continue;
        }
        for (index, hop) in route.via.iter().enumerate() {
            let first = |text: &str| if index == 0 { text.to_owned() } else { String::new() };
            table.add_row([
                first(&prefix),
                hop.address.to_string(),
                hop.interface.clone().unwrap_or_else(dash),
                hop.weight.to_string(),
                if hop.alive { "yes" } else { "no" }.to_owned(),
                first(&distance),
                first(&route.state),
            ]);
        }
    }
    table.to_string()
}

/// One row per next hop of every route of ours in the kernel.
pub(super) fn fib(view: &FibView) -> String {
    let weighted = view.routes.iter().flat_map(|route| &route.next_hops).any(|next_hop| next_hop.weight != 1);
    let mut table = plain(["PREFIX", "STATE", "NEXT HOP", "INTERFACE", "TUNNEL", "IN USE"]);
    for route in &view.routes {
        if route.blackhole {
            let [prefix, state] = [route.prefix.to_string(), route.state.clone()];
            table.add_row([prefix, state, "dropped".to_owned(), String::new(), String::new(), "yes".to_owned()]);
        }
        for (index, next_hop) in route.next_hops.iter().enumerate() {
            let first = index == 0;
            table.add_row([
                if first { route.prefix.to_string() } else { String::new() },
                if first { route.state.clone() } else { String::new() },
                next_hop.address.to_string(),
                next_hop.interface.clone(),
                next_hop.tunnel.clone(),
                match (next_hop.active, weighted) {
                    (true, true) => format!("yes, weight {}", next_hop.weight),
                    (true, false) => "yes".to_owned(),
                    (false, _) => "no".to_owned(),
                },
            ]);
        }
    }
    let agreement = if view.matches_kernel { "the kernel agrees" } else { "the kernel differs, reconciling" };
    format!(
        "{table}\n\n{} routes in table {} (protocol {}), {} next-hop groups; {agreement}\n",
        view.routes.len(),
        view.table,
        view.protocol,
        view.groups
    )
}

/// What is down, why, and what to do.
pub(super) fn attention(tunnels: &[TunnelView], peers: &[PeerView]) -> String {
    let mut text = String::new();
    for tunnel in tunnels.iter().filter(|tunnel| tunnel.state != TunnelState::Up) {
        let retry = match (tunnel.retry_in, tunnel.state) {
            (Some(retry), _) => format!("; next attempt in {}", seconds(retry)),
            (None, TunnelState::Waiting) => "; waiting for the peer or for traffic".to_owned(),
            (None, TunnelState::Up | TunnelState::Connecting | TunnelState::Down) => String::new(),
        };
        text.push_str(&format!("\ntunnel {} is {}{retry}\n", tunnel.name, state(tunnel.state)));
        text.push_str(&failure(tunnel.last_failure.as_ref()));
    }
    for tunnel in tunnels.iter().filter(|tunnel| tunnel.state == TunnelState::Up) {
        for child in &tunnel.missing_children {
            let selectors = format!("{} === {}", child.local_selectors.join(", "), child.remote_selectors.join(", "));
            let retry =
                child.retry_in.map_or_else(String::new, |retry| format!("; next attempt in {}", seconds(retry)));
            text.push_str(&format!("\ntunnel {} does not carry {selectors}{retry}\n", tunnel.name));
            text.push_str(&failure(child.failure.as_ref()));
        }
    }
    let tunnel_up = |name: &str| tunnels.iter().all(|tunnel| tunnel.name != name || tunnel.state == TunnelState::Up);
    for peer in peers.iter().filter(|peer| peer.state != "Established" && tunnel_up(&peer.tunnel)) {
        let waiting = peer.waiting.as_ref().map_or_else(String::new, |waiting| format!(", waiting {waiting}"));
        let place = match peer.place {
            PeerPlace::Tunnel => format!("in tunnel {}", peer.tunnel),
            PeerPlace::Interface | PeerPlace::Multihop | PeerPlace::Range => format!("({})", peer.tunnel),
        };
        text.push_str(&format!("\nBGP with {} {place} is {}{waiting}\n", peer.address, peer.state));
        text.push_str(&failure(peer.last_error.as_ref()));
    }
    text
}

pub(super) fn failure(failure: Option<&FailureView>) -> String {
    failure.map_or_else(String::new, |failure| {
        format!("  why:    {} ({} ago)\n  remedy: {}\n", failure.text, seconds(failure.ago), failure.remedy)
    })
}

pub(super) fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

pub(super) fn state(state: TunnelState) -> &'static str {
    match state {
        TunnelState::Up => "up",
        TunnelState::Connecting => "connecting",
        TunnelState::Down => "down",
        TunnelState::Waiting => "waiting",
    }
}

pub(super) fn dash() -> String {
    "-".to_owned()
}

fn limited(count: usize, limit: Option<u32>) -> String {
    limit.map_or_else(|| count.to_string(), |limit| format!("{count}/{limit}"))
}

/// `42s`, `3m07s`, `5h12m`, `2d03h`.
pub(super) fn seconds(total: u64) -> String {
    match total {
        0..60 => format!("{total}s"),
        60..3600 => format!("{}m{:02}s", total / 60, total % 60),
        3600..86400 => format!("{}h{:02}m", total / 3600, total % 3600 / 60),
        86400.. => format!("{}d{:02}h", total / 86400, total % 86400 / 3600),
    }
}

/// `831 B`, `12.4 kB`, `3.0 GB`.
pub(super) fn octets(count: u64) -> String {
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count;
    let mut unit = 0;
    while value >= 1_000_000 {
        value /= 1000;
        unit += 1;
    }
    format!("{}.{} {}B", value / 1000, value % 1000 / 100, ["k", "M", "G", "T", "P", "E"][unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_well() {
        let durations = [0, 59, 60, 3599, 3600, 86399, 86400, 200_000].map(seconds);
        assert_eq!(durations, ["0s", "59s", "1m00s", "59m59s", "1h00m", "23h59m", "1d00h", "2d07h"]);
        let sizes = [0, 999, 1000, 12_400, 999_999, 3_000_000_000, u64::MAX].map(octets);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "12.4 kB", "999.9 kB", "3.0 GB", "18.4 EB"]);
    }

    #[test]
    fn certificates_are_listed_where_there_are_any() {
        let certificate = |expires_in: u64| {
            serde_json::json!({
                "subject": "CN=gw", "issuer": "CN=ca", "names": ["192.0.2.1"], "key": "RSA 2048",
                "not_before": "2026-01-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z",
                "not_after_unix": 1_798_761_600, "expires_in": expires_in
            })
        };
        let mut tunnel = serde_json::json!({
            "name": "aws-1", "state": "up", "since": 75, "profile": "aws", "local": "192.0.2.1",
            "remote": "203.0.113.1", "interface": "qs-aws-1", "mtu": null, "inside_local": "169.254.21.2",
            "inside_peer": "169.254.21.1", "ike": null, "child": null,
            "traffic": {"bytes_in": 0, "packets_in": 0, "bytes_out": 0, "packets_out": 0, "drops": {}},
            "last_failure": null, "retry_in": null, "bgp": null
        });
        let shown = |tunnel: &serde_json::Value| tunnels(&[serde_json::from_value(tunnel.clone()).unwrap()]);
        assert!(!shown(&tunnel).contains("SUBJECT"));
        tunnel["local_certificate"] = certificate(86_400);
        tunnel["peer_certificate"] = certificate(0);
        let text = shown(&tunnel);
        assert!(
            text.contains("ours         CN=gw    192.0.2.1  CN=ca   RSA 2048  2027-01-01T00:00:00Z (in 1d00h)"),
            "{text}"
        );
        assert!(text.contains("peer's"), "{text}");
        assert!(text.contains("(expired)"), "{text}");
    }

    #[test]
    fn a_down_tunnel_is_listed_with_reason_and_remedy() {
        let tunnel: TunnelView = serde_json::from_value(serde_json::json!({
            "name": "aws-1", "state": "down", "since": 75, "profile": "aws", "version": "ikev2", "local": "192.0.2.1",
            "remote": "203.0.113.1", "interface": "qs-aws-1", "mtu": null, "inside_local": "169.254.21.2",
            "inside_peer": "169.254.21.1", "ike": null, "child": null,
            "traffic": {"bytes_in": 0, "packets_in": 0, "bytes_out": 0, "packets_out": 0, "drops": {}},
            "last_failure": {"reason": "psk", "text": "keys differ", "remedy": "set the same PSK", "ago": 3},
            "retry_in": 12, "bgp": "Idle"
        }))
        .unwrap();
        let text = tunnels(&[tunnel]);
        assert!(text.contains("aws-1   down   1m15s"), "{text}");
        assert!(text.contains("tunnel aws-1 is down; next attempt in 12s"), "{text}");
        assert!(text.contains("  why:    keys differ (3s ago)\n  remedy: set the same PSK\n"), "{text}");
    }
}
