//! Bringing tunnels up: every suite, through NATs, in fragments, against cookies and wrong guesses.

use std::time::Duration;

use crypto::{Group, Prf};
use esp::{InboundSa, OutboundSa};
use hex_literal::hex;
use identity::Identity;
use isakmp::ExchangeType;
use negotiation::{EncapsulationPolicy, Event, PORT_NAT, StartAction, TunnelState};
use wire::ipsec::{Encapsulation, Encryption, Integrity, TrafficSelector};

use fixtures::Seeded;

use super::network::*;

fn up_with_suites(seed: u64, ike: &str, esp: &str) {
    let (mut a, mut b) = (config_a(), config_b());
    for config in [&mut a, &mut b] {
        config.ike_proposals = vec![ike.parse().unwrap()];
        config.esp_proposals = vec![esp.parse().unwrap()];
    }
    let network = Network::up_with(seed, a, b);
    let status = network.ends[A].endpoint.status(TUNNEL).unwrap();
    assert_eq!(status.ike[0].suite, ike.parse().unwrap());
    assert_eq!(status.children[0].suite, esp.parse::<crypto::EspProposal>().unwrap().suite);
    network.assert_settled();
    carry(&network);
}

/// A packet each way, sealed and opened with what was negotiated.
fn carry(network: &Network) {
    for (from, to) in [(A, B), (B, A)] {
        let outbound = network.ends[from].data.outbound.as_ref().unwrap();
        let inbound = &network.ends[to].data.inbound[&outbound.spi];
        let (mut sealer, mut opener) = (OutboundSa::new(outbound).unwrap(), InboundSa::new(inbound).unwrap());
        // UDP from 192.0.2.1 to 198.51.100.10.
        let inner = hex!("4500001c00010000401166cec0000201c633640a03e8003500080000");
        let mut packet = vec![0; sealer.sealed_len(inner.len())];
        packet[sealer.headroom()..][..inner.len()].copy_from_slice(&inner);
        sealer.seal(&mut packet, inner.len()).unwrap();
        let opened = opener.open(&mut packet).unwrap().inner.unwrap();
        assert_eq!(packet[opened], inner, "{}", outbound.suite);
    }
}

#[test]
fn every_cipher_with_every_hash_comes_up() {
    let mut seed = 0;
    for cipher in Encryption::ALL {
        for hash in Integrity::ALL {
            seed += 1;
            if cipher.is_aead() {
                up_with_suites(seed, &format!("{cipher}-prf{hash}-x25519"), &cipher.to_string());
                up_with_suites(seed, &format!("{cipher}-prf{hash}-x25519"), &format!("{cipher}-esn"));
            } else {
                up_with_suites(seed, &format!("{cipher}-{hash}-x25519"), &format!("{cipher}-{hash}"));
                for prf in Prf::ALL {
                    up_with_suites(seed, &format!("{cipher}-{hash}-{prf}-x25519"), &format!("{cipher}-{hash}-esn"));
                }
            }
        }
    }
}

#[test]
fn every_group_comes_up_and_rekeys() {
    for (seed, group) in (0..).zip(Group::ALL) {
        let (mut a, mut b) = (config_a(), config_b());
        for config in [&mut a, &mut b] {
            config.ike_proposals = vec![format!("aes256-sha256-{group}").parse().unwrap()];
            config.esp_proposals = vec![format!("aes256-sha256-{group}").parse().unwrap()];
        }
        let mut network = Network::up_with(seed, a, b);
        network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        network.run(Duration::from_secs(20));
        network.with(B, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
        network.run(Duration::from_secs(20));
        network.assert_settled();
        network.assert_no_flap();
        let group = network.ends[B].endpoint.status(TUNNEL).unwrap().children[0].group;
        assert_eq!(group, network.ends[B].endpoint.tunnel(TUNNEL).unwrap().config.ike_proposals[0].group.into());
    }
}

#[test]
fn without_nat_ike_stays_on_500_and_esp_is_raw() {
    let network = Network::up(1);
    let sa = network.ends[A].data.outbound.as_ref().unwrap();
    assert_eq!(sa.encapsulation, Encapsulation::Esp);
    assert_eq!((sa.local.ip(), sa.remote.ip()), (ADDRESS_A, ADDRESS_B));
    assert_eq!(network.ends[A].endpoint.status(TUNNEL).unwrap().remote.port(), 500);
}

#[test]
fn a_nat_moves_both_ends_to_4500_and_esp_into_udp() {
    let mut b = config_b();
    b.remote = ADDRESS_NAT;
    let mut network = Network::new(2, config_a(), b);
    network.nat = Some(7000);
    network.run(Duration::from_secs(2));
    network.assert_settled();
    let [a, b] = [A, B].map(|end| network.ends[end].data.outbound.clone().unwrap());
    assert_eq!((a.local.port(), a.remote.port(), a.encapsulation), (4500, 4500, Encapsulation::Udp));
    assert_eq!((b.local.port(), b.remote.to_string()), (4500, "203.0.113.3:11500".into()));
    let status = network.ends[B].endpoint.status(TUNNEL).unwrap();
    assert!(status.ike[0].nat_remote && !status.ike[0].nat_local);
}

#[test]
fn on_4500_from_the_first_message_on_nothing_goes_through_500() {
    for (seed, nat) in [(60, None), (61, Some(7000))] {
        let (mut a, mut b) = (config_a(), config_b());
        a.ike_port = PORT_NAT;
        b.remote = if nat.is_some() { ADDRESS_NAT } else { ADDRESS_A };
        b.remote_id = ADDRESS_A.into();
        let mut network = Network::new(seed, a, b);
        network.nat = nat;
        network.run(Duration::from_secs(2));
        network.assert_settled();
        network.with(A, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
        network.run(Duration::from_secs(20));
        network.with(B, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        network.run(Duration::from_secs(20));
        network.assert_settled();
        let shifted = PORT_NAT + nat.unwrap_or_default();
        let ports = |packet: &Packet| [packet.source.port(), packet.destination.port()];
        assert!(network.arrived.iter().flat_map(ports).all(|port| [PORT_NAT, shifted].contains(&port)));
        // RFC 7296 2.23: the port alone does not put ESP into UDP.
        let carrier = if nat.is_some() { Encapsulation::Udp } else { Encapsulation::Esp };
        for end in &network.ends {
            assert_eq!(end.data.outbound.as_ref().unwrap().encapsulation, carrier);
        }
    }
}

#[test]
fn a_peer_behind_an_unknown_nat_is_known_by_its_identity() {
    let mut network = Network::new(3, config_a(), config_b());
    network.nat = Some(7000);
    network.run(Duration::from_secs(2));
    network.assert_settled();
}

#[test]
fn a_new_nat_mapping_is_followed_by_the_end_without_nat() {
    let mut network = Network::new(4, config_a(), config_b());
    network.nat = Some(7000);
    network.run(Duration::from_secs(2));
    network.assert_settled();
    network.forget();
    network.nat = Some(8000);
    // A's next liveness check comes from the new port.
    network.run(Duration::from_secs(60));
    network.assert_settled();
    network.assert_no_flap();
    assert_eq!(network.count(B, |event| matches!(event, Event::PeerMoved { .. })), 1);
    assert_eq!(network.ends[B].data.outbound.as_ref().unwrap().remote.port(), 12500);
}

#[test]
fn esp_from_a_new_mapping_is_followed_too() {
    let mut network = Network::new(5, config_a(), config_b());
    network.nat = Some(7000);
    network.run(Duration::from_secs(2));
    let local = network.ends[B].data.outbound.as_ref().unwrap().local;
    let moved = "203.0.113.3:12500".parse().unwrap();
    network.with(B, |endpoint, now| endpoint.handle_peer_moved(TUNNEL, local, moved, now));
    assert_eq!(network.ends[B].data.outbound.as_ref().unwrap().remote, moved);
    // A believes itself behind a NAT and follows nobody.
    let elsewhere = "192.0.2.99:4500".parse().unwrap();
    let before = network.ends[A].data.outbound.as_ref().unwrap().remote;
    network.with(A, |endpoint, now| endpoint.handle_peer_moved(TUNNEL, local, elsewhere, now));
    assert_eq!(network.ends[A].data.outbound.as_ref().unwrap().remote, before);
}

#[test]
fn without_nat_nobody_is_followed() {
    let mut network = Network::up(6);
    let sa = network.ends[B].data.outbound.clone().unwrap();
    let elsewhere = "192.0.2.99:500".parse().unwrap();
    network.with(B, |endpoint, now| endpoint.handle_peer_moved(TUNNEL, sa.local, elsewhere, now));
    assert_eq!(network.ends[B].data.outbound.as_ref().unwrap().remote, sa.remote);
}

#[test]
fn forced_encapsulation_at_either_end_is_enough() {
    for (seed, forced) in [(7, [true, false]), (8, [false, true]), (9, [true, true])] {
        let (mut a, mut b) = (config_a(), config_b());
        for (config, forced) in [&mut a, &mut b].into_iter().zip(forced) {
            if forced {
                config.encapsulation = EncapsulationPolicy::Always;
            }
        }
        let network = Network::up_with(seed, a, b);
        for end in &network.ends {
            let sa = end.data.outbound.as_ref().unwrap();
            assert_eq!(sa.encapsulation, Encapsulation::Udp);
            assert_eq!((sa.local.port(), sa.remote.port()), (4500, 4500));
        }
    }
}

#[test]
fn long_messages_travel_in_fragments() {
    let (mut a, mut b) = (config_a(), config_b());
    let id = Identity::Fqdn("x".repeat(3000));
    a.local_id = id.clone();
    b.remote_id = id;
    let mut network = Network::new(10, a, b);
    network.jitter = 50;
    network.run(Duration::from_secs(2));
    network.assert_settled();
    let auth = |packet: &&Packet| packet.exchange == ExchangeType::IKE_AUTH && !packet.response;
    assert!(network.sent.iter().filter(auth).count() >= 3);
}

#[test]
fn fragments_survive_loss_and_repetition() {
    for seed in 0..10 {
        let (mut a, mut b) = (config_a(), config_b());
        let id = Identity::Fqdn("x".repeat(3000));
        a.remote_id = id.clone();
        a.local_id = id.clone();
        b.local_id = id.clone();
        b.remote_id = id;
        let mut network = Network::new(seed, a, b);
        (network.loss, network.repeat, network.jitter) = (20, 20, 100);
        network.run_until(Duration::from_secs(300), Network::is_up);
        (network.loss, network.repeat) = (0, 0);
        network.run(Duration::from_secs(200));
        network.assert_settled();
    }
}

#[test]
fn a_wrong_guess_of_the_group_costs_one_round_trip() {
    let (mut a, mut b) = (config_a(), config_b());
    a.ike_proposals =
        ["aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-ecp384"].map(|s| s.parse().unwrap()).into();
    b.ike_proposals = vec!["aes128gcm16-prfsha256-ecp384".parse().unwrap()];
    let network = Network::up_with(11, a, b);
    let suite = network.ends[A].endpoint.status(TUNNEL).unwrap().ike[0].suite;
    assert_eq!(suite.to_string(), "aes128gcm16-prfsha256-ecp384");
    network.assert_settled();
}

#[test]
fn selectors_are_narrowed_to_what_both_allow() {
    let range = |last: u8| TrafficSelector::range([10, 0, 0, 0].into(), [10, 0, 0, last].into());
    let (a, mut b) = (config_a(), config_b());
    b.local_selectors = vec![range(15)];
    b.remote_selectors = vec![range(63), TrafficSelector::range([172, 16, 0, 0].into(), [172, 16, 0, 9].into())];
    let mut network = Network::up_with(12, a, b);
    for round in 0..2 {
        let status = network.ends[A].endpoint.status(TUNNEL).unwrap();
        assert_eq!(status.children[0].remote_selectors, [range(15)]);
        assert_eq!(status.children[0].local_selectors.len(), 2);
        // The rekey comes to the same.
        network.with(round, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        network.run(Duration::from_secs(20));
        network.assert_settled();
    }
}

/// A hundred others knock at B's door and say no more.
fn crowd(network: &mut Network) {
    let mut strangers: Vec<_> = (0..100_u64)
        .map(|seed| {
            let mut endpoint = crate::Endpoint::new(Box::new(Seeded::new(1000 + seed)));
            let octet = u8::try_from(seed).unwrap();
            let local = std::net::IpAddr::from([192, 0, 2, 100 + octet % 100]);
            endpoint.add_tunnel(TUNNEL, config(local, ADDRESS_B, StartAction::Initiate), network.now);
            endpoint.handle_timeout(network.now + Duration::from_secs(1));
            endpoint
        })
        .collect();
    for stranger in &mut strangers {
        while let Some(output) = stranger.poll_output() {
            if let negotiation::Output::Transmit { local, remote, datagram } = output {
                network.with(B, |endpoint, now| endpoint.handle_datagram(remote, local, &datagram, now));
            }
        }
    }
}

#[test]
fn a_cookie_demanded_twice_is_returned_once_with_all_else_unchanged() {
    use isakmp::{Message, Notify, NotifyType, Payload};
    let mut network = Network::bare(17);
    network.add(B, config_b());
    crowd(&mut network);
    network.repeat = 100;
    network.add(A, config_a());
    network.fate =
        Box::new(|packet| (packet.destination.ip() == ADDRESS_B || packet.destination.ip() == ADDRESS_A).then_some(10));
    network.run(Duration::from_millis(900));
    network.assert_up();
    let first = network.sent.iter().filter(|packet| packet.from == A && packet.exchange == ExchangeType::IKE_SA_INIT);
    let first: Vec<_> = first.map(|packet| Message::decode(&packet.datagram).unwrap().payloads).collect();
    assert_eq!(first.len(), 2);
    // RFC 7296 2.6: the cookie comes first, all else stays as it was.
    assert!(matches!(&first[1][0], Payload::Notify(Notify { kind: NotifyType::COOKIE, .. })));
    assert_eq!(first[1][1..], first[0][..]);
}

#[test]
fn a_repeated_wrong_guess_does_not_hurry_the_authentication() {
    let (mut a, mut b) = (config_a(), config_b());
    a.ike_proposals =
        ["aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-ecp384"].map(|s| s.parse().unwrap()).into();
    b.ike_proposals = vec!["aes128gcm16-prfsha256-ecp384".parse().unwrap()];
    let mut network = Network::new(18, a, b);
    network.repeat = 100;
    network.fate = Box::new(|packet| Some(if packet.exchange == ExchangeType::IKE_AUTH { 900 } else { 10 }));
    network.run(Duration::from_secs(5));
    network.assert_up();
    assert_eq!(network.failures(A), []);
    assert_eq!(network.ends[A].endpoint.status(TUNNEL).unwrap().counters.attempts, 1);
}

#[test]
fn many_half_open_strangers_bring_cookies_and_leave_nothing() {
    let mut network = Network::bare(13);
    network.add(B, config_b());
    crowd(&mut network);
    let counters = network.ends[B].endpoint.counters();
    assert_eq!((counters.half_open, counters.cookies_sent), (30, 70));
    // The real peer returns its cookie and gets in.
    network.add(A, config_a());
    network.fate =
        Box::new(|packet| (packet.destination.ip() == ADDRESS_B || packet.destination.ip() == ADDRESS_A).then_some(10));
    network.run(Duration::from_secs(2));
    network.assert_up();
    let first = network.sent.iter().filter(|packet| packet.from == A && packet.exchange == ExchangeType::IKE_SA_INIT);
    assert_eq!(first.count(), 2);
    network.run(Duration::from_secs(40));
    assert_eq!(network.ends[B].endpoint.counters().half_open, 0);
    network.assert_settled();
}

#[test]
fn a_spoofed_flood_in_the_peers_name_does_not_keep_it_out() {
    let mut network = Network::bare(14);
    network.add(B, config_b());
    for seed in 0..50 {
        let mut forger = crate::Endpoint::new(Box::new(Seeded::new(2000 + seed)));
        forger.add_tunnel(TUNNEL, config_a(), network.now);
        forger.handle_timeout(network.now + Duration::from_secs(1));
        while let Some(output) = forger.poll_output() {
            if let negotiation::Output::Transmit { local, remote, datagram } = output {
                network.with(B, |endpoint, now| endpoint.handle_datagram(remote, local, &datagram, now));
            }
        }
    }
    assert_eq!(network.ends[B].endpoint.counters().half_open, 3);
    network.add(A, config_a());
    network.run(Duration::from_secs(2));
    network.assert_up();
}

#[test]
fn a_peer_that_authenticates_from_elsewhere_leaves_no_half_open_account() {
    let mut network = Network::new(16, config_a(), config_b());
    network.fate = Box::new(|packet| (packet.from == B || packet.exchange == ExchangeType::IKE_SA_INIT).then_some(10));
    network.run(Duration::from_millis(500));
    assert_eq!(network.ends[B].endpoint.half_open_counts(), (1, 1, 1));
    let auth = network.sent.iter().find(|packet| packet.exchange == ExchangeType::IKE_AUTH).unwrap().clone();
    let elsewhere = std::net::SocketAddr::new(ADDRESS_NAT, auth.source.port());
    network.with(B, |endpoint, now| endpoint.handle_datagram(auth.destination, elsewhere, &auth.datagram, now));
    assert_eq!(network.ends[B].endpoint.half_open_counts(), (0, 0, 0));
    network.run(Duration::from_secs(1));
    network.assert_settled();
}

#[test]
fn a_listening_tunnel_can_be_told_to_begin() {
    let mut a = config_a();
    a.start = StartAction::Respond;
    let mut network = Network::new(15, a, config_b());
    network.run(Duration::from_secs(60));
    assert_eq!(network.ends[A].endpoint.status(TUNNEL).unwrap().state, TunnelState::Listening);
    network.with(B, |endpoint, now| endpoint.initiate(TUNNEL, now));
    network.run(Duration::from_secs(1));
    network.assert_settled();
}

#[test]
fn loss_and_reordering_only_delay_the_start() {
    for seed in 0..40 {
        let mut network = Network::new(seed, config_a(), config_b());
        (network.loss, network.repeat, network.jitter) = (40, 30, 500);
        network.run_until(Duration::from_secs(400), Network::is_up);
        (network.loss, network.repeat) = (0, 0);
        network.run(Duration::from_secs(200));
        network.assert_settled();
    }
}
