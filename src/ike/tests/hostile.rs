//! Whatever arrives from the network: no panic, and no established tunnel is touched.

use std::time::Duration;

use isakmp::{Message, NotifyType, Payload};
use negotiation::StartAction;
use proptest::prelude::*;

use fixtures::Seeded;

use super::network::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_octets_touch_nothing(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20)) {
        let mut network = Network::up(1);
        let sa = network.ends[B].data.outbound.clone().unwrap();
        for datagram in datagrams {
            network.with(B, |endpoint, now| endpoint.handle_datagram(sa.local, sa.remote, &datagram, now));
        }
        network.run(Duration::from_secs(60));
        network.assert_settled();
        network.assert_no_flap();
    }

    #[test]
    fn changed_datagrams_touch_nothing(seed in 0..50_u64, changes in prop::collection::vec((any::<u16>(), any::<u16>(), 1..=255_u8), 1..60)) {
        // All that two ends say to each other over some rekeys, changed, and said again.
        let mut b = config_b();
        b.start = StartAction::Initiate;
        let mut network = Network::new(seed, config_a(), b);
        network.run(Duration::from_secs(5));
        for end in [A, B] {
            network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
            network.with(end, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
        }
        network.run(Duration::from_secs(30));
        network.assert_settled();
        let said = std::mem::take(&mut network.sent);
        network.forget();
        for (which, place, change) in changes {
            let mut packet = said[usize::from(which) % said.len()].clone();
            let place = usize::from(place) % packet.datagram.len();
            packet.datagram[place] ^= change;
            let to = 1 - packet.from;
            network.with(to, |endpoint, now| {
                endpoint.handle_datagram(packet.destination, packet.source, &packet.datagram, now);
            });
        }
        network.run(Duration::from_secs(120));
        network.assert_settled();
        network.assert_no_flap();
    }

    #[test]
    fn changed_first_exchanges_only_delay(seed in 0..1000_u64, every in 2..5_usize, flip in 1..=255_u8) {
        let mut network = Network::new(seed, config_a(), config_b());
        let mut random = Seeded::new(seed);
        let mut count = 0;
        // Part of the packets is lost, and a changed copy of each of these arrives instead.
        let mut lost = Vec::new();
        for _ in 0..40 {
            network.run(Duration::from_secs(2));
            for packet in std::mem::take(&mut network.sent) {
                count += 1;
                if count % every == 0 {
                    lost.push(packet);
                }
            }
            for mut packet in std::mem::take(&mut lost) {
                let place = usize::try_from(random.number() % packet.datagram.len() as u64).unwrap();
                packet.datagram[place] ^= flip;
                let to = 1 - packet.from;
                network.with(to, |endpoint, now| {
                    endpoint.handle_datagram(packet.destination, packet.source, &packet.datagram, now);
                });
            }
        }
        network.run(Duration::from_secs(120));
        network.assert_settled();
    }
}

#[test]
fn truncated_datagrams_touch_nothing() {
    let mut network = Network::new(3, config_a(), config_b());
    network.run(Duration::from_secs(2));
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(20));
    for packet in std::mem::take(&mut network.sent) {
        for len in 0..packet.datagram.len() {
            let to = 1 - packet.from;
            network.with(to, |endpoint, now| {
                endpoint.handle_datagram(packet.destination, packet.source, &packet.datagram[..len], now);
            });
        }
    }
    network.run(Duration::from_secs(60));
    network.assert_settled();
}

#[test]
fn replayed_conversations_touch_nothing() {
    let mut network = Network::new(4, config_a(), config_b());
    network.run(Duration::from_secs(2));
    for end in [A, B] {
        network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        network.run(Duration::from_secs(20));
        network.with(end, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
        network.run(Duration::from_secs(20));
    }
    let said = std::mem::take(&mut network.sent);
    network.forget();
    for packet in said.iter().chain(said.iter().rev()) {
        let to = 1 - packet.from;
        network.with(to, |endpoint, now| {
            endpoint.handle_datagram(packet.destination, packet.source, &packet.datagram, now);
        });
        network.run(Duration::from_millis(500));
    }
    network.run(Duration::from_secs(60));
    network.assert_settled();
    network.assert_no_flap();
}

/// What B answers to `datagram` in the clear.
fn answers(network: &mut Network, datagram: &[u8]) -> Vec<Vec<u8>> {
    let (local, remote) = ("198.51.100.2:500".parse().unwrap(), "192.0.2.1:500".parse().unwrap());
    network.forget();
    network.with(B, |endpoint, now| endpoint.handle_datagram(local, remote, datagram, now));
    network.sent.iter().map(|packet| packet.datagram.clone()).collect()
}

fn notifies(datagram: &[u8]) -> Vec<NotifyType> {
    let payloads = Message::decode(datagram).unwrap().payloads;
    let notify = |payload| if let Payload::Notify(notify) = payload { Some(notify.kind) } else { None };
    payloads.into_iter().filter_map(notify).collect()
}

/// A header of a first message, a payload of an unknown kind after it.
fn first_message(version: u8, critical: u8) -> Vec<u8> {
    let mut datagram = vec![0x11; 8];
    datagram.extend([0; 8]);
    datagram.extend([200, version, 34, 0x08, 0, 0, 0, 0, 0, 0, 0, 32]);
    datagram.extend([0, critical, 0, 4]);
    datagram
}

#[test]
fn an_unknown_critical_payload_is_named_and_an_uncritical_one_is_not() {
    let mut network = Network::up(5);
    let answered = answers(&mut network, &first_message(0x20, 0x80));
    assert_eq!(notifies(&answered[0]), [NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD]);
    assert!(answers(&mut network, &first_message(0x20, 0)).is_empty());
}

#[test]
fn a_higher_version_is_told_ours_and_a_lower_one_nothing() {
    let mut network = Network::up(6);
    let answered = answers(&mut network, &first_message(0x30, 0));
    assert_eq!(notifies(&answered[0]), [NotifyType::INVALID_MAJOR_VERSION]);
    assert_eq!(answered[0][17], 0x20);
    assert!(answers(&mut network, &first_message(0x10, 0)).is_empty());
}

#[test]
fn messages_under_unknown_spis_are_answered_at_a_limited_rate() {
    let mut network = Network::up(7);
    let mut datagram = first_message(0x20, 0);
    datagram[8] = 9;
    datagram[18] = 37;
    let count: usize = (0..100).map(|_| answers(&mut network, &datagram).len()).sum();
    assert_eq!(count, 20);
    datagram[19] = 0x28;
    network.run(Duration::from_secs(1));
    assert!(answers(&mut network, &datagram).is_empty(), "a response is never answered");
}

#[test]
fn forged_beginnings_do_not_touch_an_established_tunnel() {
    let mut network = Network::up(8);
    for seed in 0..200 {
        let mut forger = crate::Endpoint::new(Box::new(Seeded::new(3000 + seed)));
        forger.add_tunnel(TUNNEL, config_a(), network.now);
        forger.handle_timeout(network.now + Duration::from_secs(1));
        while let Some(output) = forger.poll_output() {
            if let negotiation::Output::Transmit { local, remote, datagram } = output {
                network.with(B, |endpoint, now| endpoint.handle_datagram(remote, local, &datagram, now));
            }
        }
    }
    network.run(Duration::from_secs(60));
    network.assert_settled();
    network.assert_no_flap();
}

#[test]
fn refused_authentications_are_reported_at_a_limited_rate() {
    let mut network = Network::bare(9);
    network.add(B, config_b());
    for seed in 0..60 {
        let mut other = config_a();
        other.auth = negotiation::Authentication::psk(wire::Secret::from(b"guessed".as_slice()));
        let mut forger = crate::Endpoint::new(Box::new(Seeded::new(4000 + seed)));
        forger.add_tunnel(TUNNEL, other, network.now);
        forger.handle_timeout(network.now + Duration::from_secs(1));
        // First message, answer, authentication.
        for _ in 0..3 {
            while let Some(output) = forger.poll_output() {
                if let negotiation::Output::Transmit { local, remote, datagram } = output {
                    network.sent.clear();
                    network.with(B, |endpoint, now| endpoint.handle_datagram(remote, local, &datagram, now));
                }
            }
            for packet in network.sent.clone() {
                let (now, Packet { source, destination, datagram, .. }) = (network.now, packet);
                forger.handle_datagram(destination, source, &datagram, now);
            }
        }
    }
    let refused = network.failures(B).len();
    assert!((3..=20).contains(&refused), "{refused} reports");
}

#[test]
fn a_request_cut_into_smaller_fragments_is_answered_again() {
    use handshake::header;
    use isakmp::{Header, Notify};
    let mut network = Network::up(10);
    let tunnel = network.ends[A].endpoint.tunnel(TUNNEL).unwrap();
    let (keys, role, spis) = (tunnel.sas[0].keys.clone(), tunnel.sas[0].role, tunnel.sas[0].spis());
    let header: Header = header(spis, isakmp::ExchangeType::INFORMATIONAL, true, false, 2);
    let note = Payload::Notify(Notify::with_data(NotifyType(50_000), vec![7; 3000]));
    let mut entropy = Seeded::new(99);
    let mut ciphers = keys.ciphers(role);
    let mut cut = |limit| {
        let message = Message { header, payloads: vec![note.clone()] };
        message.seal(&mut ciphers.outbound, &mut entropy, Some(limit)).unwrap()
    };
    let said = |network: &mut Network, datagrams: &[Vec<u8>]| -> Vec<_> {
        datagrams.iter().flat_map(|datagram| answers(network, datagram)).collect()
    };
    let first = said(&mut network, &cut(1200));
    assert_eq!(first.len(), 1);
    let mut again = cut(576);
    assert_eq!(said(&mut network, &again), first);
    again[0].last_mut().map(|octet| *octet ^= 1).unwrap();
    assert!(said(&mut network, &again).is_empty());
}

#[test]
fn an_unreadable_answer_to_our_deletion_is_an_answer() {
    use handshake::header;
    let mut network = Network::up(11);
    network.fate = Box::new(|_| None);
    network.with(A, |endpoint, now| endpoint.terminate(TUNNEL, now));
    let request = network.sent.last().unwrap().clone();
    let sa = &network.ends[B].endpoint.tunnel(TUNNEL).unwrap().sas[0];
    let header = header(sa.spis(), request.exchange, false, true, request.message_id);
    let payloads = vec![Payload::Nonce(vec![1; 32]), Payload::Nonce(vec![2; 32])];
    let mut outbound = sa.keys.ciphers(sa.role).outbound;
    let answer = Message { header, payloads }.seal(&mut outbound, &mut Seeded::new(5), None).unwrap();
    network.forget();
    network.with(A, |endpoint, now| {
        endpoint.handle_datagram(request.source, request.destination, &answer[0], now);
    });
    network.run(Duration::from_secs(4));
    assert_eq!(network.sent.iter().filter(|packet| packet.from == A).count(), 0);
    assert_eq!(network.failures(A), []);
}
