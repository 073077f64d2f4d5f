//! Who begins, and what a dead peer changes about it.

use std::time::Duration;

use negotiation::{DpdAction, Event, IkeVersion, StartAction, TunnelConfig, TunnelState, V1Mode};

use super::network::*;

fn ends(start: StartAction, action: DpdAction) -> (TunnelConfig, TunnelConfig) {
    let (mut a, b) = (config_a(), config_b());
    (a.start, a.dpd.action) = (start, action);
    (a, b)
}

fn state(network: &Network) -> TunnelState {
    network.ends[A].endpoint.status(TUNNEL).unwrap().state
}

fn demand(network: &mut Network) {
    network.with(A, |endpoint, now| endpoint.handle_demand(TUNNEL, now));
}

/// Cuts the line until A has given the peer up.
fn kill(network: &mut Network) {
    network.fate = Box::new(|_| None);
    network.run(Duration::from_secs(60));
    assert!(!network.ends[A].data.up);
    network.fate = Box::new(|_| Some(10));
}

#[test]
fn a_tunnel_on_demand_waits_for_a_packet() {
    let (a, b) = ends(StartAction::OnDemand, DpdAction::Clear);
    let mut network = Network::new(1, a, b);
    network.run(Duration::from_secs(300));
    assert!(network.sent.is_empty());
    assert_eq!(state(&network), TunnelState::Idle);
    demand(&mut network);
    network.run(Duration::from_secs(1));
    network.assert_settled();
    // While it is up, packets ask for nothing.
    network.forget();
    demand(&mut network);
    network.run(Duration::from_secs(1));
    assert!(network.sent.is_empty());
}

#[test]
fn a_tunnel_on_demand_tries_again_only_for_another_packet_and_not_too_often() {
    let (a, _) = ends(StartAction::OnDemand, DpdAction::Clear);
    let mut network = Network::bare(2);
    network.add(A, a);
    network.fate = Box::new(|_| None);
    demand(&mut network);
    network.run(Duration::from_secs(600));
    let attempts = |network: &Network| network.ends[A].endpoint.status(TUNNEL).unwrap().counters.attempts;
    assert_eq!((attempts(&network), state(&network)), (1, TunnelState::Idle));
    for _ in 0..600 {
        demand(&mut network);
        network.run(Duration::from_secs(1));
    }
    let count = attempts(&network);
    assert!((15..30).contains(&count), "{count} attempts in ten minutes of traffic");
    network.add(B, config_b());
    network.fate = Box::new(|_| Some(10));
    network.run(Duration::from_secs(40));
    demand(&mut network);
    network.run(Duration::from_secs(10));
    network.assert_settled();
}

#[test]
fn the_peer_may_begin_a_tunnel_on_demand() {
    let (a, mut b) = ends(StartAction::OnDemand, DpdAction::Clear);
    b.start = StartAction::Initiate;
    let mut network = Network::new(3, a, b);
    network.run(Duration::from_secs(2));
    network.assert_settled();
}

#[test]
fn clear_leaves_a_dead_peer_alone() {
    let (a, b) = ends(StartAction::Initiate, DpdAction::Clear);
    let mut network = Network::up_with(4, a, b);
    kill(&mut network);
    network.forget();
    network.run(Duration::from_secs(600));
    assert!(network.sent.iter().all(|packet| packet.from != A), "A begins nothing");
    assert_eq!(state(&network), TunnelState::Listening);
    network.with(A, |endpoint, now| endpoint.initiate(TUNNEL, now));
    network.run(Duration::from_secs(5));
    network.assert_settled();
    // It is as configured again: a deletion is followed by a new beginning.
    network.with(B, |endpoint, now| endpoint.terminate(TUNNEL, now));
    network.run(Duration::from_secs(30));
    network.assert_settled();
}

#[test]
fn clear_on_demand_comes_back_with_the_next_packet() {
    let (a, b) = ends(StartAction::OnDemand, DpdAction::Clear);
    let mut network = Network::new(5, a, b);
    demand(&mut network);
    network.run(Duration::from_secs(2));
    network.assert_settled();
    kill(&mut network);
    network.run(Duration::from_secs(60));
    assert_eq!(state(&network), TunnelState::Idle);
    demand(&mut network);
    network.run(Duration::from_secs(5));
    network.assert_settled();
}

#[test]
fn restart_begins_anew_whoever_began() {
    for start in [StartAction::Initiate, StartAction::OnDemand, StartAction::Respond] {
        let (mut a, mut b) = ends(start, DpdAction::Restart);
        a.dpd.timeout = Duration::from_secs(10);
        (b.start, b.dpd.action) = (StartAction::Initiate, DpdAction::Clear);
        let mut network = Network::up_with(6, a, b.clone());
        b.start = StartAction::Respond;
        network.restart(B, b);
        network.run(Duration::from_secs(120));
        network.assert_settled();
        assert!(network.sent.iter().any(|packet| packet.from == A && packet.message_id == 0), "{start:?}");
    }
}

#[test]
fn without_checks_nobody_is_asked_and_a_failed_exchange_still_counts() {
    let (a, mut b) = ends(StartAction::Initiate, DpdAction::None);
    b.dpd.action = DpdAction::None;
    let mut network = Network::up_with(7, a, b);
    network.run(Duration::from_secs(600));
    assert!(network.sent.is_empty(), "no liveness checks");
    network.fate = Box::new(|_| None);
    network.run(Duration::from_secs(600));
    assert!(network.ends[A].data.up, "nobody notices");
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(100));
    assert!(!network.ends[A].data.up);
    assert!(network.sent.iter().any(|packet| packet.from == A && packet.message_id == 0), "it begins anew");
}

#[test]
fn an_early_rekey_proves_that_rekeys_work() {
    let (mut a, b) = (config_a(), config_b());
    a.early_rekey = true;
    let mut network = Network::new(8, a, b);
    network.run(Duration::from_secs(30));
    network.assert_settled();
    assert_eq!(network.count(A, |event| matches!(event, Event::ChildRekeyed { initiator: true, .. })), 1);
    assert_eq!(network.count(A, |event| matches!(event, Event::TunnelDown { .. })), 0);
    network.forget();
    network.run(Duration::from_secs(1000));
    assert_eq!(network.count(A, |event| matches!(event, Event::ChildRekeyed { .. })), 0, "once is enough");
}

#[test]
fn an_early_rekey_tells_a_mismatch_of_groups_and_leaves_the_tunnel_up() {
    let (mut a, mut b) = (config_a(), config_b());
    a.early_rekey = true;
    b.esp_proposals = vec!["aes128gcm16-ecp384".parse().unwrap()];
    let mut network = Network::new(9, a, b);
    network.run(Duration::from_secs(600));
    network.assert_settled();
    let [failure] = network.failures(A).try_into().unwrap();
    assert_eq!(failure.reason(), "pfs_mismatch");
    assert!(failure.remedy().contains("PFS"));
    let [failure] = network.failures(B).try_into().unwrap();
    let text = failure.to_string();
    assert_eq!(failure.reason(), "pfs_mismatch");
    assert!(text.contains("ecp384") && text.contains("x25519"), "both lists: {text}");
    let rekey_at = network.ends[A].endpoint.status(TUNNEL).unwrap().children[0].rekey_at.unwrap();
    assert!(rekey_at > network.now + Duration::from_secs(1000), "the next one has its usual time");
}

#[test]
fn ikev1_on_demand_waits_for_a_packet_and_is_not_asked_too_often() {
    let (mut a, mut b) = ends(StartAction::OnDemand, DpdAction::Clear);
    for config in [&mut a, &mut b] {
        config.version = IkeVersion::V1(V1Mode::Main);
        config.ike_proposals = vec!["aes128-sha256-modp2048".parse().unwrap()];
        config.esp_proposals = vec!["aes128-sha256".parse().unwrap()];
    }
    let mut network = Network::bare(10);
    network.add(A, a);
    network.run(Duration::from_secs(100));
    assert!(network.sent.is_empty());
    for _ in 0..300 {
        demand(&mut network);
        network.run(Duration::from_secs(1));
    }
    let attempts = network.ends[A].endpoint.status(TUNNEL).unwrap().counters.attempts;
    assert!((3..20).contains(&attempts), "{attempts} attempts in five minutes of traffic");
    network.add(B, b);
    for _ in 0..100 {
        demand(&mut network);
        network.run(Duration::from_secs(1));
    }
    assert!(network.is_up());
}
