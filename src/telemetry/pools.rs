//! Pools of remote clients at the moment of a scrape.

use std::collections::BTreeMap;

use prometheus::proto::MetricFamily;

use super::snapshot::{collect, flag, float, gauge};
use view::{PoolClientView, PoolView};

/// Ciphers told apart; what a server says beyond is `other`, so that it cannot make series without end.
const MOST_CIPHERS: usize = 16;

pub(super) fn pools(pools: &[PoolView], families: &mut Vec<MetricFamily>) {
    let up = gauge("pool_up", "Whether the pool's server serves.", &["pool"]);
    let announced = gauge("pool_announced", "Whether the pool's networks are announced.", &["pool"]);
    let clients = gauge("pool_clients", "Connected clients.", &["pool"]);
    let limit = gauge("pool_clients_limit", "Clients that have room and are let in.", &["pool"]);
    let ciphers = gauge("pool_clients_by_cipher", "Connected clients by negotiated cipher.", &["pool", "cipher"]);
    let octets = gauge("pool_connected_bytes", "Octets of the clients connected now.", &["pool", "direction"]);
    let expiry = gauge(
        "pool_certificate_expiry_timestamp_seconds",
        "When the first certificate of the pool's server and its CA expires, in seconds since 1970.",
        &["pool"],
    );
    for pool in pools {
        let name = pool.name.as_str();
        up.with_label_values(&[name]).set(flag(pool.serving));
        announced.with_label_values(&[name]).set(flag(pool.announced));
        clients.with_label_values(&[name]).set(float(pool.connected as u64));
        limit.with_label_values(&[name]).set(float(pool.limit.into()));
        for (cipher, count) in by_cipher(&pool.clients) {
            ciphers.with_label_values(&[name, cipher]).set(float(count));
        }
        let sum = |octets: fn(&PoolClientView) -> u64| pool.clients.iter().map(octets).fold(0, u64::saturating_add);
        octets.with_label_values(&[name, "in"]).set(float(sum(|client| client.bytes_in)));
        octets.with_label_values(&[name, "out"]).set(float(sum(|client| client.bytes_out)));
        if let Some(end) = pool.certificate_expires_unix {
            expiry.with_label_values(&[name]).set(float(end));
        }
    }
    collect(families, &[up, announced, clients, limit, ciphers, octets, expiry]);
}

fn by_cipher(clients: &[PoolClientView]) -> BTreeMap<&str, u64> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for client in clients {
        let known = counts.len() < MOST_CIPHERS || counts.contains_key(client.cipher.as_str());
        *counts.entry(if known { client.cipher.as_str() } else { "other" }).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_make_series_without_end() {
        let client = |cipher: String| PoolClientView {
            name: String::new(),
            from: String::new(),
            address: String::new(),
            cipher,
            bytes_in: 0,
            bytes_out: 0,
            connected_for: 0,
        };
        let clients: Vec<_> = (0..1000).map(|number| client(format!("cipher-{number}"))).collect();
        let counts = by_cipher(&clients);
        assert_eq!((counts.len(), counts["other"]), (MOST_CIPHERS + 1, 984));
        assert_eq!(counts.values().sum::<u64>(), 1000);
    }
}
