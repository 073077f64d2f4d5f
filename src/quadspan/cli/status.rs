//! `quadspan status`: the router in one answer.

use std::process::ExitCode;

use comfy_table::Table;

use super::render::{attention, dash, octets, plain, seconds, state};
use super::{AskArgs, ask, pools};
use view::{Health, PeerPlace, PeerView, StatusView, TunnelView};

/// Exit code 0 if all is well, 1 if degraded or down.
pub(super) fn status(args: &AskArgs) -> ExitCode {
    let mut healthy = true;
    let code = ask::show(args, "/v1/status", |view: &StatusView| {
        healthy = view.verdict.health == Health::Ok;
        table(view)
    });
    if healthy { code } else { ExitCode::FAILURE }
}

/// The verdict; tunnels with their sessions, neighbours and pools in one row each; then what needs attention.
fn table(view: &StatusView) -> String {
    let (router, routing) = (&view.router, &view.routing);
    let word = match view.verdict.health {
        Health::Ok => "OK",
        Health::Degraded => "DEGRADED",
        Health::Down => "DOWN",
    };
    let tables = [tunnels(&view.tunnels, &view.peers), neighbors(&view.peers), pools::rows(&view.pools)];
    let tables: String = tables.iter().filter(|table| !table.is_empty()).map(|table| format!("\n{table}\n")).collect();
    let kernel = if routing.fib_matches_kernel { "kernel agrees" } else { "kernel differs, reconciling" };
    let mut text = format!(
        "{word}: {}\nrouter {} (AS {}, id {}), up {}, {} data plane, quadspan {}\n{tables}\n{} prefixes, {} paths; FIB \
         {}/{} routes, {kernel}\n",
        view.verdict.text,
        router.name,
        router.asn,
        router.router_id,
        seconds(router.uptime),
        router.dataplane,
        router.version,
        routing.rib_prefixes,
        routing.rib_paths,
        routing.fib_installed,
        routing.fib_routes,
    );
    for warning in &router.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text + &attention(&view.tunnels, &view.peers) + &pools::notes(&view.pools)
}

fn tunnels(tunnels: &[TunnelView], peers: &[PeerView]) -> Table {
    let mut table = plain(["TUNNEL", "STATE", "FOR", "PEER", "BGP", "RECEIVED", "ADVERTISED", "IN", "OUT"]);
    for tunnel in tunnels {
        let peer = peers.iter().find(|peer| peer.tunnel == tunnel.name);
        table.add_row([
            tunnel.name.clone(),
            state(tunnel.state).to_owned(),
            seconds(tunnel.since),
            tunnel.remote.to_string(),
            tunnel.bgp.clone().unwrap_or_else(dash),
            peer.map_or_else(dash, |peer| peer.prefixes.received.to_string()),
            peer.map_or_else(dash, |peer| peer.prefixes.advertised.to_string()),
            octets(tunnel.traffic.bytes_in),
            octets(tunnel.traffic.bytes_out),
        ]);
    }
    table
}

/// The sessions outside tunnels.
fn neighbors(peers: &[PeerView]) -> Table {
    let mut table = plain(["NEIGHBOR", "STATE", "FOR", "AS", "ADDRESS", "INTERFACE", "RECEIVED", "ADVERTISED"]);
    for peer in peers.iter().filter(|peer| peer.place != PeerPlace::Tunnel) {
        table.add_row([
            peer.tunnel.clone(),
            peer.state.clone(),
            seconds(peer.since),
            peer.asn.to_string(),
            peer.address.to_string(),
            peer.interface.clone().unwrap_or_else(dash),
            peer.prefixes.received.to_string(),
            peer.prefixes.advertised.to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A router of a neighbour and two pools, one of which is not served.
    fn status() -> serde_json::Value {
        let pool = |name: &str, network: &str, serving: bool, trouble: serde_json::Value| {
            serde_json::json!({
                "name": name, "networks": [network], "serving": serving, "since": 61, "announced": serving,
                "management": "/run/m.sock", "protocol": "udp", "version": serving.then_some("OpenVPN 2.6.14"),
                "capacity": 253, "limit": 100, "connected": 0, "clients": [], "certificate_expires_unix": null,
                "trouble": trouble, "warnings": if serving { vec!["a certificate ends"] } else { Vec::new() }
            })
        };
        let trouble = serde_json::json!({"reason": "closed", "text": "it closed", "remedy": "see its log", "ago": 1});
        serde_json::json!({
            "router": {
                "name": "edge", "asn": 65000, "router_id": "10.1.0.1", "version": "0.1.0", "uptime": 3600,
                "dataplane": "userspace", "pid": 7, "file": "/etc/quadspan/edge.yaml", "warnings": []
            },
            "verdict": {"health": "degraded", "text": "pool guests is not served: it closed"},
            "tunnels": [],
            "peers": [{
                "tunnel": "uplink-a", "place": "interface", "interface": "eth1", "address": "10.1.0.9", "asn": 65001,
                "state": "Active", "since": 75, "router_id": null, "hold_time": null, "families": [],
                "prefixes": view::PrefixCounts::default(), "messages": view::MessageCounts::default(), "flaps": 0,
                "last_error": {"reason": "refused", "text": "it refuses", "remedy": "start it", "ago": 2}
            }],
            "pools": [
                pool("staff", "10.8.0.0/24", true, serde_json::Value::Null),
                pool("guests", "10.9.0.0/24", false, trouble)
            ],
            "routing": {
                "rib_prefixes": 2, "rib_paths": 2, "fib_routes": 1, "fib_installed": 1, "fib_matches_kernel": true
            }
        })
    }

    #[test]
    fn each_neighbour_and_each_pool_has_a_row_and_what_is_wrong_with_it_is_said() {
        let view: StatusView = serde_json::from_value(status()).unwrap();
        let text: Vec<String> = table(&view).lines().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(
            text.join("\n"),
            "\
DEGRADED: pool guests is not served: it closed
router edge (AS 65000, id 10.1.0.1), up 1h00m, userspace data plane, quadspan 0.1.0

NEIGHBOR  STATE   FOR    AS     ADDRESS   INTERFACE  RECEIVED  ADVERTISED
uplink-a  Active  1m15s  65001  10.1.0.9  eth1       0         0

POOL    NETWORK      SERVER  FOR    ANNOUNCED  PROTOCOL  CLIENTS  ROOM  VERSION
staff   10.8.0.0/24  serves  1m01s  yes        udp       0/100    253   OpenVPN 2.6.14
guests  10.9.0.0/24  away    1m01s  no         udp       0/100    253   -

2 prefixes, 2 paths; FIB 1/1 routes, kernel agrees

BGP with 10.1.0.9 (uplink-a) is Active
  why:    it refuses (2s ago)
  remedy: start it

pool staff: a certificate ends

pool guests is away
  why:    it closed (1s ago)
  remedy: see its log"
        );
    }

    #[test]
    fn a_status_in_json_has_the_pools_and_one_of_before_has_none() {
        let mut status = status();
        let read = |json: &serde_json::Value| -> StatusView { serde_json::from_value(json.clone()).unwrap() };
        assert_eq!(serde_json::to_value(read(&status)).unwrap()["pools"], status["pools"]);
        status.as_object_mut().unwrap().remove("pools");
        assert!(read(&status).pools.is_empty());
    }
}
