//! What is counted, under which names, and what a scrape finds.

use std::sync::Arc;

use view::answer::ControlError;
use view::{ConnectionsView, FibView, TunnelView};

use crate::metrics::Metrics;
use crate::report::Reporter;
use crate::snapshot;

fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    scraped(&metrics.counts(), series)
}

/// The value of a series, as it is scraped.
fn scraped(families: &[prometheus::proto::MetricFamily], series: &str) -> Option<f64> {
    let text = prometheus::TextEncoder::new().encode_to_string(families).unwrap();
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
}

fn series(metrics: &Metrics, family: &str) -> usize {
    let name = format!("quadspan_{family}");
    metrics.counts().iter().filter(|family| family.name() == name).map(|family| family.get_metric().len()).sum()
}

fn reporter() -> (Reporter, Metrics) {
    let reporter = Reporter::new(Arc::new(Metrics::new()));
    let metrics = reporter.metrics();
    (reporter, metrics)
}

fn session(name: &str, peer: &str) -> peering::PeerConfig {
    let text = format!(
        "router: {{name: r, asn: 65000, router-id: 10.0.0.1}}\nneighbors: [{{name: {name}, address: {peer}, bgp: {{asn: \
         65001}}}}]\n"
    );
    let parsed = config::parse("test.yaml", &text, &config::SystemSecrets::new(".".as_ref())).unwrap();
    parsed.router.neighbors[0].session.peer.clone()
}

#[test]
fn a_reload_that_is_in_force_but_for_some_tunnels_is_no_refusal() {
    let (reporter, metrics) = reporter();
    let reloads = |result: &str| value(&metrics, &format!("quadspan_config_reload_total{{result=\"{result}\"}}"));
    let read = || value(&metrics, "quadspan_config_last_reload_success_timestamp_seconds");
    assert_eq!([reloads("ok"), reloads("partly"), reloads("failed")], [Some(0.0); 3], "before the first");
    let (summary, failed) = ("1 tunnel added".to_owned(), "t: no interface".to_owned());
    reporter.reloaded(&Err(ControlError::Apply { reason: "asn".to_owned() }));
    assert_eq!(read(), Some(0.0));
    reporter.reloaded(&Err(ControlError::PartlyApplied { summary, failed }));
    assert_eq!([reloads("ok"), reloads("partly"), reloads("failed")], [Some(0.0), Some(1.0), Some(1.0)]);
    assert!(read() > Some(0.0));
}

#[test]
fn what_a_peer_may_choose_makes_no_series_without_end() {
    let (reporter, metrics) = reporter();
    let session = session("n", "192.0.2.9");
    for (code, subcode) in (0..=u8::MAX).flat_map(|code| (0..=u8::MAX).map(move |subcode| (code, subcode))) {
        let text = String::new();
        reporter.bgp_event(&session, &peering::Event::NotificationReceived { code, subcode, text });
    }
    assert!(series(&metrics, "bgp_notifications_total") < 64);
    let of = |code: &str, subcode: &str| {
        let labels = format!("code=\"{code}\",direction=\"in\",subcode=\"{subcode}\",tunnel=\"n\"");
        value(&metrics, &format!("quadspan_bgp_notifications_total{{{labels}}}"))
    };
    assert_eq!([of("6", "2"), of("6", "0"), of("6", "200"), of("200", "2")], [Some(1.0), Some(1.0), None, None]);
    assert_eq!(of("other", "other"), Some(248.0 * 256.0));
}

#[test]
fn peers_of_a_range_are_counted_under_its_name() {
    let (reporter, metrics) = reporter();
    reporter.bgp_added(&session("edge", "192.0.2.9"));
    assert_eq!(value(&metrics, "quadspan_bgp_prefix_warnings_total{tunnel=\"edge\"}"), Some(0.0), "before it is up");
    reporter.bfd_added("edge");
    let lost = bfd::Event::StateChanged {
        from: bfd::State::Up,
        to: bfd::State::Down,
        reason: Some(bfd::DownReason::Silence { time: std::time::Duration::from_secs(1) }),
    };
    for last in 1..=3_u8 {
        let name = format!("edge-192.0.2.{last}");
        reporter.prefix_limit_near(&name, "edge", 80, 100);
        reporter.bfd_event(&name, "edge", [192, 0, 2, last].into(), &lost);
    }
    assert_eq!(value(&metrics, "quadspan_bgp_prefix_warnings_total{tunnel=\"edge\"}"), Some(3.0));
    assert_eq!(value(&metrics, "quadspan_bfd_failures_total{reason=\"silence\",tunnel=\"edge\"}"), Some(3.0));
    assert_eq!((series(&metrics, "bgp_prefix_warnings_total"), series(&metrics, "bfd_failures_total")), (1, 2));
}

fn tunnel(name: &str, state: &str, on_demand: bool) -> TunnelView {
    let view = serde_json::json!({
        "name": name, "state": state, "since": 1, "profile": "generic", "local": "198.51.100.1", "remote": "203.0.113.1",
        "interface": name, "inside_local": "169.254.21.1", "inside_peer": "169.254.21.2", "on_demand": on_demand,
        "traffic": {"bytes_in": 0, "packets_in": 0, "bytes_out": 0, "packets_out": 0, "drops": {}},
    });
    serde_json::from_value(view).unwrap()
}

/// A connection of `t1` and, with the lesser priority, `t2`.
fn connection(state: &str) -> ConnectionsView {
    let member = |name: &str, role: &str, priority: u16| {
        serde_json::json!({
            "tunnel": name, "role": role, "priority": priority, "active": false, "healthy": false, "since": 1, "flaps": 0,
            "local_preference_less": 0, "med_more": 0, "prepend_more": 0,
        })
    };
    let view = serde_json::json!({
        "connections": [{
            "name": "c", "mode": "primary-standby", "state": state, "active": [], "reason": "", "way_back": "free",
            "switches": 0, "tunnels": [member("t1", "primary", 1), member("t2", "standby", 2)],
        }],
        "health": [],
    });
    serde_json::from_value(view).unwrap()
}

fn no_routes() -> FibView {
    serde_json::from_value(serde_json::json!({"table": 254, "protocol": 77, "matches_kernel": true, "groups": 0, "routes": [], "counters": {}})).unwrap()
}

#[test]
fn tunnels_that_nobody_asks_for_are_at_rest_and_so_is_their_connection() {
    // How the first tunnel is; whether it rests, and whether the connection does without it.
    let rows = [
        (("waiting", true), 1.0, ("down", 0.0)),
        (("waiting", true), 1.0, ("failed-over", 0.0)),
        (("waiting", true), 1.0, ("normal", 0.0)),
        (("waiting", false), 0.0, ("down", 1.0)),
        (("down", true), 0.0, ("down", 1.0)),
        (("connecting", true), 0.0, ("failed-over", 1.0)),
        (("up", true), 0.0, ("normal", 0.0)),
    ];
    for ((state, on_demand), rests, (connected, away)) in rows {
        let (tunnels, mut families) = ([tunnel("t1", state, on_demand), tunnel("t2", "waiting", true)], Vec::new());
        snapshot::tunnels(&tunnels, &no_routes(), &[], &mut families);
        snapshot::connections(&connection(connected), &tunnels, &mut families);
        families.retain(|family| !family.get_metric().is_empty());
        let what = format!("{state} {on_demand} {connected}");
        assert_eq!(scraped(&families, "quadspan_tunnel_at_rest{tunnel=\"t1\"}"), Some(rests), "{what}");
        assert_eq!(scraped(&families, "quadspan_connection_failed_over{connection=\"c\"}"), Some(away), "{what}");
    }
}
