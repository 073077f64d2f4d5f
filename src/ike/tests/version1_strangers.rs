//! IKEv1 and whoever is nobody yet: strangers, forgers and floods cost little, and the peer gets through.

use std::time::Duration;

use negotiation::{Authentication, Event, Failure, Output, TunnelConfig, V1Mode};
use wire::Secret;

use fixtures::Seeded;

use super::network::*;
use super::version1::{pair, settle};
use crate::Endpoint;

/// 200 first messages to B, each by an endpoint of its own with this configuration.
fn flood(network: &mut Network, config: &TunnelConfig, first_seed: u64) {
    for seed in first_seed..first_seed + 200 {
        let mut forger = Endpoint::new(Box::new(Seeded::new(seed)));
        forger.add_tunnel(TUNNEL, config.clone(), network.now);
        forger.handle_timeout(network.now + Duration::from_secs(1));
        while let Some(output) = forger.poll_output() {
            if let Output::Transmit { local, remote, datagram } = output {
                network.with(B, |endpoint, now| endpoint.handle_datagram(remote, local, &datagram, now));
            }
        }
    }
}

#[test]
fn a_stranger_gets_no_answer() {
    let (a, mut b) = pair(V1Mode::Main);
    b.remote = ADDRESS_NAT;
    let mut network = Network::new(270, a, b);
    network.run(Duration::from_secs(5));
    assert!(network.sent.iter().all(|packet| packet.from == A));
    assert!(network.ends[B].endpoint.counters().dropped > 0);
    let stranger = |event: &Event| matches!(event, Event::Stranger { failure: Failure::UnknownPeer { .. }, .. });
    assert!(network.ends[B].events.iter().any(stranger));
    network.run(Duration::from_secs(40));
    assert!(network.failures(A).iter().any(|failure| failure.to_string().contains("message 1 of IKEv1 main mode")));
}

#[test]
fn an_answer_in_aggressive_mode_goes_to_an_unproven_address_three_times_at_most() {
    let mut network = Network::bare(275);
    let (a, b) = pair(V1Mode::Aggressive);
    network.add(B, b);
    network.fate = Box::new(|packet| (packet.from == A).then_some(10));
    network.add(A, a);
    network.run(Duration::from_millis(500));
    // One first message, and nothing more of whoever sent it.
    network.fate = Box::new(|_| None);
    network.run(Duration::from_secs(60));
    let answers = network.sent.iter().filter(|packet| packet.from == B).count();
    assert!((2..=3).contains(&answers), "{answers} answers");
}

#[test]
fn who_is_refused_is_remembered_by_source() {
    for mode in [V1Mode::Main, V1Mode::Aggressive] {
        let (mut a, b) = pair(mode);
        a.auth = Authentication::psk(Secret::from(b"another".as_slice()));
        if mode == V1Mode::Aggressive {
            a.local_id = "somebody.example.net".parse().unwrap();
        }
        let mut network = Network::new(276, a, b);
        network.run(Duration::from_secs(40));
        let strangers = network.ends[B].endpoint.strangers();
        let [stranger] = strangers.as_slice() else { panic!("{mode:?}: one source, not {strangers:?}") };
        assert!(stranger.tunnel == Some(TUNNEL) && stranger.failure.is_about_identity(), "{stranger:?}");
        assert!(network.ends[B].endpoint.counters().auth_failures > 0);
        assert!(network.ends[B].endpoint.status(TUNNEL).unwrap().counters.auth_failures > 0);
    }
}

#[test]
fn a_source_sends_first_messages_at_a_limited_rate() {
    let mut network = Network::bare(277);
    let (a, mut b) = pair(V1Mode::Main);
    b.remote = ADDRESS_NAT;
    network.add(B, b);
    flood(&mut network, &a, 7000);
    let endpoint = &network.ends[B].endpoint;
    assert_eq!(endpoint.counters().refused_rate, 160);
    assert!(endpoint.strangers().len() == 1 && network.sent.is_empty());
}

#[test]
fn a_flood_in_the_peers_name_does_not_keep_it_out() {
    let mut network = Network::bare(280);
    let (a, b) = pair(V1Mode::Main);
    network.add(B, b);
    flood(&mut network, &a, 5000);
    assert!(network.ends[B].endpoint.names_in_use().0 <= 16);
    network.add(A, a);
    network.run(Duration::from_secs(5));
    network.assert_up();
    network.run(Duration::from_secs(60));
    settle(&mut network);
}

#[test]
fn refusals_of_first_messages_are_told_at_a_limited_rate() {
    let mut network = Network::bare(300);
    let (mut a, b) = pair(V1Mode::Main);
    a.ike_proposals = vec!["aes256-sha512-ecp384".parse().unwrap()];
    network.add(B, b);
    flood(&mut network, &a, 6000);
    let (told, noted) = (network.sent.len(), network.failures(B).len());
    assert!((1..=20).contains(&told) && (1..=20).contains(&noted), "{told} answers, {noted} failures");
}
