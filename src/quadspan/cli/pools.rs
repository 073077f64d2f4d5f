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
