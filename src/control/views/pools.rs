//! Pools of remote clients, for a person.

use std::time::Instant;

use certificate::ENDS_SOON;
use openvpn::{Client, Protocol};

use daemon::PoolReport;
use view::{FailureView, PoolClientView, PoolView};

use super::seconds;

/// S2-14: what certificates and keys take.
const MOST_CLOCK_DIFFERENCE: u64 = 600;

pub(crate) fn pool(report: &PoolReport, now: Instant) -> PoolView {
    let PoolReport { pool, server, trouble, since, troubled, clock_ahead: _ } = report;
    let clock = system::unix_time().0;
    PoolView {
        name: pool.name.clone(),
        networks: pool.pool.networks().collect(),
        serving: server.serving,
        since: seconds(now, *since),
        announced: server.serving && pool.announce,
        management: pool.management.to_string(),
        protocol: match pool.protocol {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
        }
        .to_owned(),
        version: server.version.clone(),
        capacity: pool.pool.capacity,
        limit: pool.pool.limit(),
        connected: server.status.connected(),
        clients: server.status.clients.iter().map(|it| client(it, clock)).collect(),
        certificate_expires_unix: pool.expires.map(|end| end.0),
        trouble: trouble.as_ref().map(|trouble| FailureView {
            reason: trouble.label().to_owned(),
            text: trouble.to_string(),
            remedy: trouble.remedy().to_owned(),
            ago: seconds(now, *troubled),
        }),
        warnings: warnings(report, clock),
    }
}

/// A router on which all is well but for a pool whose server does not serve.
pub(crate) fn note_pools(verdict: view::Verdict, pools: &[PoolView]) -> view::Verdict {
    let away = pools.iter().find_map(|pool| Some((&pool.name, pool.trouble.as_ref()?)));
    match (verdict.health, away) {
        (view::Health::Ok, Some((name, trouble))) => view::Verdict {
            health: view::Health::Degraded,
            text: format!("pool {name} is not served: {}", trouble.text),
        },
        (view::Health::Ok | view::Health::Degraded | view::Health::Down, _) => verdict,
    }
}

fn client(client: &Client, clock: u64) -> PoolClientView {
    PoolClientView {
        name: client.common_name.clone(),
        from: client.real_address.clone(),
        address: client.virtual_address.clone(),
        cipher: client.cipher.clone(),
        bytes_in: client.bytes_in,
        bytes_out: client.bytes_out,
        connected_for: clock.saturating_sub(client.since),
    }
}

fn warnings(report: &PoolReport, clock: u64) -> Vec<String> {
    let PoolReport { pool, server, clock_ahead, .. } = report;
    let (connected, limit) = (server.status.connected(), pool.pool.limit());
    let mut warnings = Vec::new();
    // S2-05.
    if connected > 0 && connected as u64 * 10 >= u64::from(limit) * 9 {
        warnings.push(format!(
            "{connected} of {limit} clients are connected: raise `max-clients`, widen the network, or have idle ones leave; a \
             client that goes without a word keeps its place until it is missed"
        ));
    }
    // S2-03.
    if let Some(end) = pool.expires.filter(|end| end.0 < clock.saturating_add(ENDS_SOON)) {
        warnings.push(format!(
            "a certificate of the server or its CA ends at {end}: renew it, hand the CA's to the clients, restart the server \
             and reload"
        ));
    }
    // S2-14.
    if let Some(ahead) = clock_ahead.filter(|ahead| ahead.unsigned_abs() > MOST_CLOCK_DIFFERENCE) {
        warnings.push(format!("the server's clock is {ahead} s ahead of ours: keep both with NTP"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_is_not_served_makes_the_router_less_than_well() {
        let mut pool: PoolView = serde_json::from_value(serde_json::json!({
            "name": "staff", "networks": ["10.8.0.0/24"], "serving": true, "since": 61, "announced": true,
            "management": "/run/m.sock", "protocol": "udp", "version": null, "capacity": 253, "limit": 100,
            "connected": 0, "certificate_expires_unix": null, "trouble": null, "warnings": [], "clients": []
        }))
        .unwrap();
        let noted = |health, pool: &PoolView| {
            let verdict = note_pools(view::Verdict { health, text: "before".to_owned() }, std::slice::from_ref(pool));
            (verdict.health, verdict.text)
        };
        let before = |health| (health, "before".to_owned());
        assert_eq!(noted(view::Health::Ok, &pool), before(view::Health::Ok));
        let (reason, text, remedy) = ("closed".to_owned(), "it closed".to_owned(), "see its log".to_owned());
        pool.trouble = Some(FailureView { reason, text, remedy, ago: 1 });
        let away = (view::Health::Degraded, "pool staff is not served: it closed".to_owned());
        assert_eq!(noted(view::Health::Ok, &pool), away);
        assert_eq!(noted(view::Health::Degraded, &pool), before(view::Health::Degraded));
        assert_eq!(noted(view::Health::Down, &pool), before(view::Health::Down));
    }
}
