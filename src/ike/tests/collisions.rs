//! Both ends act at once. Every case runs under several seeds, so that either end's nonces are the lowest, and
//! with delays that make the messages cross in every order.

use std::time::Duration;

use isakmp::ExchangeType;
use negotiation::{DownReason, Event, StartAction};

use super::network::*;
use crate::Endpoint;

/// Delays in milliseconds of requests and responses from A and from B.
const DELAYS: [[u64; 4]; 8] = [
    [10, 10, 10, 10],
    [100, 10, 10, 10],
    [10, 100, 10, 10],
    [10, 10, 100, 10],
    [10, 10, 10, 100],
    [300, 10, 10, 10],
    [10, 300, 10, 300],
    [300, 300, 10, 10],
];

type Operation = fn(&mut Endpoint, std::time::Instant);

fn rekey_child(endpoint: &mut Endpoint, now: std::time::Instant) {
    endpoint.rekey_child(TUNNEL, now);
}

fn rekey_ike(endpoint: &mut Endpoint, now: std::time::Instant) {
    endpoint.rekey_ike(TUNNEL, now);
}

fn delayed(delays: [u64; 4]) -> Fate {
    Box::new(move |packet| Some(delays[packet.from * 2 + usize::from(packet.response)]))
}

/// Runs two operations, the second one `gap` milliseconds later, under all seeds and delays.
fn collide(a: Operation, b: Operation, mut check: impl FnMut(&Network)) {
    for gap in [0, 5, 12, 25, 60, 150] {
        for delays in DELAYS {
            for seed in 0..6 {
                for first in [A, B] {
                    let mut network = Network::up(seed);
                    network.fate = delayed(delays);
                    let operations = [a, b];
                    network.with(first, operations[first]);
                    network.run(Duration::from_millis(gap));
                    network.with(1 - first, operations[1 - first]);
                    network.run(Duration::from_secs(60));
                    network.assert_settled();
                    network.assert_no_flap();
                    check(&network);
                }
            }
        }
    }
}

#[test]
fn child_rekeys_from_both_sides_leave_one_sa() {
    let (mut rekeys, mut contested) = (0, 0);
    collide(rekey_child, rekey_child, |network| {
        let count = network.count(A, |event| matches!(event, Event::ChildRekeyed { .. }));
        assert!(count >= 1);
        rekeys += 1;
        contested += usize::from(count == 2);
    });
    assert!(contested * 5 > rekeys, "the cases do collide: {contested} of {rekeys}");
}

#[test]
fn ike_rekeys_from_both_sides_leave_one_sa() {
    collide(rekey_ike, rekey_ike, |network| {
        assert!(network.count(A, |event| matches!(event, Event::IkeRekeyed { .. })) >= 1);
    });
}

#[test]
fn a_child_rekey_against_an_ike_rekey_does_both() {
    for (a, b) in [(rekey_child as Operation, rekey_ike as Operation), (rekey_ike, rekey_child)] {
        collide(a, b, |network| {
            for end in [A, B] {
                assert!(network.count(end, |event| matches!(event, Event::IkeRekeyed { .. })) >= 1);
                assert!(network.count(end, |event| matches!(event, Event::ChildRekeyed { .. })) >= 1);
            }
        });
    }
}

#[test]
fn both_kinds_from_both_sides_settle() {
    fn everything(endpoint: &mut Endpoint, now: std::time::Instant) {
        endpoint.rekey_child(TUNNEL, now);
        endpoint.rekey_ike(TUNNEL, now);
    }
    collide(everything, everything, |_| {});
}

#[test]
fn lost_messages_in_a_collision_are_sent_again() {
    for operation in [rekey_child as Operation, rekey_ike] {
        for lost in 0..10_usize {
            for seed in 0..6 {
                let mut network = Network::up(seed);
                let mut count = 0;
                network.fate = Box::new(move |_| {
                    count += 1;
                    (count != lost + 1).then_some(10)
                });
                network.with(A, operation);
                network.with(B, operation);
                network.run(Duration::from_secs(120));
                network.assert_settled();
                network.assert_no_flap();
            }
        }
    }
}

#[test]
fn a_wrong_group_guess_in_a_collision_still_leaves_one_sa() {
    for seed in 0..8 {
        for delays in DELAYS {
            let (mut a, mut b) = (config_a(), config_b());
            a.esp_proposals = ["aes128gcm16-x25519", "aes128gcm16-ecp256"].map(|s| s.parse().unwrap()).into();
            b.esp_proposals = vec!["aes128gcm16-ecp256".parse().unwrap()];
            a.ike_proposals =
                ["aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-ecp256"].map(|s| s.parse().unwrap()).into();
            b.ike_proposals = vec!["aes128gcm16-prfsha256-ecp256".parse().unwrap()];
            let mut network = Network::up_with(seed, a, b);
            network.fate = delayed(delays);
            network.with(A, rekey_child);
            network.with(B, rekey_child);
            network.run(Duration::from_secs(60));
            network.assert_settled();
            network.with(A, rekey_ike);
            network.with(B, rekey_ike);
            network.run(Duration::from_secs(60));
            network.assert_settled();
            network.assert_no_flap();
        }
    }
}

#[test]
fn both_ends_rekeying_every_few_seconds_lose_nothing() {
    for seed in 0..10 {
        let (mut a, mut b) = (config_a(), config_b());
        for config in [&mut a, &mut b] {
            config.child_lifetime.time = Duration::from_secs(10);
            config.ike_lifetime = Duration::from_secs(20);
            config.rekey_margin = Duration::from_secs(5);
            config.rekey_fuzz = if seed % 2 == 0 { 0 } else { 50 };
        }
        let mut network = Network::up_with(seed, a, b);
        network.jitter = 30;
        network.run(Duration::from_secs(600));
        network.assert_up();
        network.assert_no_flap();
        assert!(network.count(A, |event| matches!(event, Event::ChildRekeyed { .. })) > 60);
    }
}

#[test]
fn deleting_a_child_against_its_rekey_brings_a_new_one() {
    for delays in DELAYS {
        for seed in 0..4 {
            let mut network = Network::up(seed);
            network.fate = delayed(delays);
            let spi = *network.ends[B].data.inbound.keys().next().unwrap();
            network.with(A, rekey_child);
            network.with(B, |endpoint, now| {
                let limit = negotiation::LimitReached::Hard;
                endpoint.handle_sa_limit(TUNNEL, wire::ipsec::Direction::Inbound, spi, limit, now);
            });
            network.run(Duration::from_secs(60));
            network.assert_settled();
        }
    }
}

#[test]
fn crossing_deletes_of_a_child_end_well() {
    for delays in DELAYS {
        let mut network = Network::up(1);
        network.fate = delayed(delays);
        for end in [A, B] {
            let spi = *network.ends[end].data.inbound.keys().next().unwrap();
            network.with(end, |endpoint, now| {
                let limit = negotiation::LimitReached::Hard;
                endpoint.handle_sa_limit(TUNNEL, wire::ipsec::Direction::Inbound, spi, limit, now);
            });
        }
        network.run(Duration::from_secs(60));
        network.assert_settled();
        for end in [A, B] {
            assert_eq!(network.downs(end), [DownReason::Expired]);
        }
    }
}

#[test]
fn crossing_deletes_of_the_ike_sa_end_well() {
    for delays in DELAYS {
        let mut network = Network::up(2);
        network.fate = delayed(delays);
        for end in [A, B] {
            network.with(end, |endpoint, now| endpoint.terminate(TUNNEL, now));
        }
        network.run(Duration::from_secs(60));
        network.assert_settled();
        for end in [A, B] {
            assert_eq!(network.downs(end), [DownReason::Operator]);
        }
    }
}

#[test]
fn an_ike_deletion_against_rekeys_ends_well() {
    for operation in [rekey_child as Operation, rekey_ike] {
        for delays in DELAYS {
            for seed in 0..4 {
                let mut network = Network::up(seed);
                network.fate = delayed(delays);
                network.with(A, operation);
                network.with(B, |endpoint, now| endpoint.terminate(TUNNEL, now));
                network.run(Duration::from_secs(120));
                network.assert_settled();
            }
        }
    }
}

#[test]
fn both_ends_beginning_at_once_keep_one_sa_without_a_flap() {
    let mut doubled = 0;
    for gap in [0, 5, 15, 25, 35, 45, 100] {
        for delays in DELAYS {
            for seed in 0..6 {
                let mut b = config_b();
                b.start = StartAction::Initiate;
                let mut network = Network::bare(seed);
                network.fate = delayed(delays);
                network.add(A, config_a());
                network.run(Duration::from_millis(gap));
                network.add(B, b);
                network.run(Duration::from_secs(60));
                network.assert_settled();
                for end in [A, B] {
                    assert_eq!(network.downs(end), []);
                    assert_eq!(network.count(end, |event| matches!(event, Event::TunnelUp { .. })), 1);
                }
                doubled += network.count(A, |event| matches!(event, Event::IkeUp { .. })) - 1;
            }
        }
    }
    assert!(doubled > 50, "the cases do cross: {doubled}");
}

#[test]
fn crossing_beginnings_survive_loss() {
    for seed in 0..60 {
        let mut b = config_b();
        b.start = StartAction::Initiate;
        let mut network = Network::new(seed, config_a(), b);
        (network.loss, network.repeat, network.jitter) = (30, 20, 300);
        network.run(Duration::from_secs(60));
        (network.loss, network.repeat) = (0, 0);
        network.run(Duration::from_secs(300));
        network.assert_settled();
    }
}

#[test]
fn a_duplicated_request_is_answered_with_the_same_octets() {
    let mut network = Network::up(3);
    network.repeat = 100;
    network.with(A, rekey_child);
    network.with(B, rekey_ike);
    network.run(Duration::from_secs(30));
    network.assert_settled();
    let create = |packet: &&Packet| packet.exchange == ExchangeType::CREATE_CHILD_SA && packet.response;
    let answers: Vec<_> = network.sent.iter().filter(create).collect();
    let mut distinct: Vec<_> = answers.iter().map(|packet| (&packet.datagram, packet.message_id)).collect();
    distinct.sort();
    distinct.dedup();
    assert!(answers.len() > distinct.len(), "requests were repeated");
    assert!(network.ends.iter().all(|end| end.data.up));
}
