//! `quadspan show pools`.

use std::process::ExitCode;

use comfy_table::Table;

use super::render::{dash, failure, octets, plain, seconds};
use super::{AskArgs, ask};
use view::PoolView;

pub(super) fn pools(args: &AskArgs) -> ExitCode {
    ask::show(args, "/v1/pools", |view: &Vec<PoolView>| table(view))
}

/// One row per pool, one per client, then what needs attention.
fn table(view: &[PoolView]) -> String {
    let mut clients = plain(["POOL", "CLIENT", "FROM", "ADDRESS", "CIPHER", "IN", "OUT", "FOR"]);
    for pool in view {
        for client in &pool.clients {
            clients.add_row([
                pool.name.clone(),
                client.name.clone(),
                client.from.clone(),
                client.address.clone(),
                if client.cipher.is_empty() { dash() } else { client.cipher.clone() },
                octets(client.bytes_in),
                octets(client.bytes_out),
                seconds(client.connected_for),
            ]);
        }
    }
    let clients = if clients.is_empty() { String::new() } else { format!("\n{clients}\n") };
    format!("{}\n{clients}{}", rows(view), notes(view))
}

/// One row per pool.
pub(super) fn rows(view: &[PoolView]) -> Table {
    let header = ["POOL", "NETWORK", "SERVER", "FOR", "ANNOUNCED", "PROTOCOL", "CLIENTS", "ROOM", "VERSION"];
    let mut pools = plain(header);
    for pool in view {
        pools.add_row([
            pool.name.clone(),
            pool.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            if pool.serving { "serves" } else { "away" }.to_owned(),
            seconds(pool.since),
            if pool.announced { "yes" } else { "no" }.to_owned(),
            pool.protocol.clone(),
            format!("{}/{}", pool.connected, pool.limit),
            pool.capacity.to_string(),
            pool.version.clone().unwrap_or_else(dash),
        ]);
    }
    pools
}

/// What needs attention.
pub(super) fn notes(view: &[PoolView]) -> String {
    let mut notes = String::new();
    for pool in view {
        if pool.trouble.is_some() {
            notes.push_str(&format!("\npool {} is away\n{}", pool.name, failure(pool.trouble.as_ref())));
        }
        for warning in &pool.warnings {
            notes.push_str(&format!("\npool {}: {warning}\n", pool.name));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render;

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
            "tunnels": [], "peers": [],
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
    fn a_status_has_a_row_for_each_pool_and_says_what_is_wrong_with_it() {
        let view: view::StatusView = serde_json::from_value(status()).unwrap();
        let text: Vec<String> = render::status(&view).lines().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(
            text.join("\n"),
            "\
DEGRADED: pool guests is not served: it closed
router edge (AS 65000, id 10.1.0.1), up 1h00m, userspace data plane, quadspan 0.1.0

TUNNEL  STATE  FOR  PEER  BGP  RECEIVED  ADVERTISED  IN  OUT

POOL    NETWORK      SERVER  FOR    ANNOUNCED  PROTOCOL  CLIENTS  ROOM  VERSION
staff   10.8.0.0/24  serves  1m01s  yes        udp       0/100    253   OpenVPN 2.6.14
guests  10.9.0.0/24  away    1m01s  no         udp       0/100    253   -

2 prefixes, 2 paths; FIB 1/1 routes, kernel agrees

pool staff: a certificate ends

pool guests is away
  why:    it closed (1s ago)
  remedy: see its log"
        );
    }

    #[test]
    fn a_status_in_json_has_the_pools_and_one_of_before_has_none() {
        let mut status = status();
        let read = |json: &serde_json::Value| -> view::StatusView { serde_json::from_value(json.clone()).unwrap() };
        assert_eq!(serde_json::to_value(read(&status)).unwrap(), status);
        status.as_object_mut().unwrap().remove("pools");
        assert!(read(&status).pools.is_empty());
    }

    #[test]
    fn pools_are_listed_with_their_clients_and_what_is_wrong() {
        let mut pool = serde_json::json!({
            "name": "staff", "networks": ["10.8.0.0/24"], "serving": true, "since": 61, "announced": true,
            "management": "/run/m.sock", "protocol": "udp", "version": "OpenVPN 2.6.14", "capacity": 253,
            "limit": 100, "connected": 1, "certificate_expires_unix": null, "trouble": null, "warnings": [],
            "clients": [{"name": "alice", "from": "198.51.100.9:1194", "address": "10.8.0.2", "cipher": "AES-256-GCM",
                "bytes_in": 10, "bytes_out": 20_000, "connected_for": 5}]
        });
        let shown = |pool: &serde_json::Value| table(&[serde_json::from_value(pool.clone()).unwrap()]);
        let text = shown(&pool);
        assert!(text.contains("staff  10.8.0.0/24  serves  1m01s  yes"), "{text}");
        assert!(text.contains("alice   198.51.100.9:1194  10.8.0.2  AES-256-GCM  10 B  20.0 kB  5s"), "{text}");
        pool["serving"] = false.into();
        pool["trouble"] =
            serde_json::json!({"reason": "closed", "text": "it closed", "remedy": "see its log", "ago": 1});
        let text = shown(&pool);
        assert!(text.contains("pool staff is away\n  why:    it closed (1s ago)\n  remedy: see its log\n"), "{text}");
    }
}
