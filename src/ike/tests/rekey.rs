//! Rekeying from either side: nothing that carries traffic is ever missing.

use std::time::Duration;

use isakmp::ExchangeType;
use negotiation::{DownReason, Event, Failure, LimitReached, RekeyKind, TunnelConfig};
use wire::ipsec::{Direction, Spi};

use super::network::*;

fn outbound(network: &Network, end: usize) -> Spi {
    network.ends[end].data.outbound.as_ref().unwrap().spi
}

fn both(mut change: impl FnMut(&mut TunnelConfig)) -> (TunnelConfig, TunnelConfig) {
    let (mut a, mut b) = (config_a(), config_b());
    change(&mut a);
    change(&mut b);
    (a, b)
}

fn esp(a: &str, b: &str) -> (TunnelConfig, TunnelConfig) {
    let (mut config_a, mut config_b) = (config_a(), config_b());
    config_a.esp_proposals = a.split(',').map(|suite| suite.parse().unwrap()).collect();
    config_b.esp_proposals = b.split(',').map(|suite| suite.parse().unwrap()).collect();
    (config_a, config_b)
}

#[test]
fn a_child_rekey_from_either_side_replaces_both_spis_without_a_flap() {
    for (seed, pfs) in [(1, "aes128gcm16-x25519"), (2, "aes128gcm16")] {
        for end in [A, B] {
            let (a, b) = esp(pfs, pfs);
            let mut network = Network::up_with(seed, a, b);
            let before = [outbound(&network, A), outbound(&network, B)];
            network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
            network.run(Duration::from_secs(20));
            network.assert_settled();
            network.assert_no_flap();
            assert!(before[A] != outbound(&network, A) && before[B] != outbound(&network, B));
            for side in [A, B] {
                assert_eq!(network.count(side, |event| matches!(event, Event::ChildRekeyed { .. })), 1);
            }
        }
    }
}

#[test]
fn the_old_inbound_sa_outlives_its_deletion_by_five_seconds() {
    let mut network = Network::up(3);
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(4));
    assert_eq!(network.ends.each_ref().map(|end| end.data.inbound.len()), [2, 2]);
    network.run(Duration::from_secs(2));
    assert_eq!(network.ends.each_ref().map(|end| end.data.inbound.len()), [1, 1]);
}

#[test]
fn the_responder_switches_only_when_the_old_sa_is_deleted() {
    let mut network = Network::up(4);
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    let before = outbound(&network, B);
    network.run(Duration::from_millis(15));
    assert_eq!(network.ends[B].data.inbound.len(), 2, "it receives on both");
    assert_eq!(outbound(&network, B), before, "it sends on the old");
    network.run(Duration::from_millis(520));
    assert_ne!(outbound(&network, B), before);
}

#[test]
fn what_was_sent_on_the_old_sa_arrives_before_its_deletion() {
    let mut network = Network::up(4);
    let before = outbound(&network, A);
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_millis(25));
    assert_ne!(outbound(&network, A), before, "it sends on the new");
    network.run(Duration::from_millis(450));
    let status = network.ends[B].endpoint.status(TUNNEL).unwrap();
    assert!(status.children.iter().any(|child| child.inbound == before), "the peer still receives on the old");
    network.run(Duration::from_millis(100));
    let status = network.ends[B].endpoint.status(TUNNEL).unwrap();
    assert!(status.children.iter().all(|child| child.inbound != before), "it is deleted");
}

#[test]
fn an_ike_rekey_from_either_side_keeps_the_children() {
    for end in [A, B] {
        let mut network = Network::up(5);
        let before = [outbound(&network, A), outbound(&network, B)];
        let spi = network.ends[A].endpoint.status(TUNNEL).unwrap().ike[0].our_spi;
        network.with(end, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
        network.run(Duration::from_secs(20));
        network.assert_settled();
        network.assert_no_flap();
        assert_eq!(before, [outbound(&network, A), outbound(&network, B)]);
        assert_ne!(spi, network.ends[A].endpoint.status(TUNNEL).unwrap().ike[0].our_spi);
        for side in [A, B] {
            assert_eq!(network.count(side, |event| matches!(event, Event::IkeRekeyed { .. })), 1);
        }
        // The new SA works, both ways.
        for side in [A, B] {
            network.with(side, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
            network.run(Duration::from_secs(20));
            network.assert_settled();
        }
    }
}

#[test]
fn lifetimes_rekey_by_themselves_for_days() {
    let (a, b) = both(|config| {
        config.ike_lifetime = Duration::from_secs(7200);
        config.child_lifetime.time = Duration::from_secs(3600);
    });
    let mut network = Network::up_with(6, a, b);
    network.run(Duration::from_secs(2 * 86_400));
    network.assert_settled();
    network.assert_no_flap();
    let rekeys = network.count(A, |event| matches!(event, Event::ChildRekeyed { .. }));
    assert!((48..70).contains(&rekeys), "{rekeys} rekeys in two days");
    assert!(network.count(A, |event| matches!(event, Event::IkeRekeyed { .. })) >= 24);
}

#[test]
fn a_soft_limit_of_octets_rekeys_once() {
    let mut network = Network::up(7);
    let spi = outbound(&network, A);
    for _ in 0..3 {
        network.with(A, |endpoint, now| {
            endpoint.handle_sa_limit(TUNNEL, Direction::Outbound, spi, LimitReached::Soft, now);
        });
    }
    network.run(Duration::from_secs(20));
    network.assert_settled();
    network.assert_no_flap();
    assert_eq!(network.count(A, |event| matches!(event, Event::ChildRekeyed { .. })), 1);
}

#[test]
fn octet_limits_reach_the_data_plane_with_soft_below_hard() {
    let (a, b) = both(|config| config.child_lifetime.bytes = Some(1_000_000));
    let network = Network::up_with(8, a, b);
    let lifetime = network.ends[A].data.outbound.as_ref().unwrap().lifetime;
    assert_eq!(lifetime.hard_bytes, Some(1_000_000));
    assert!((850_000..=900_000).contains(&lifetime.soft_bytes.unwrap()));
    assert!(lifetime.soft_time.unwrap() < lifetime.hard_time.unwrap());
}

#[test]
fn a_hard_limit_ends_the_tunnel_which_comes_back() {
    let mut network = Network::up(9);
    let spi = *network.ends[A].data.inbound.keys().next().unwrap();
    network.with(A, |endpoint, now| {
        endpoint.handle_sa_limit(TUNNEL, Direction::Inbound, spi, LimitReached::Hard, now);
    });
    assert_eq!(network.downs(A), [DownReason::Expired]);
    network.run(Duration::from_secs(10));
    network.assert_settled();
    assert_eq!(network.downs(B), [DownReason::PeerDeleted]);
}

#[test]
fn pfs_is_settled_where_the_ends_differ() {
    for (a, b) in [
        ("aes128gcm16-x25519-modpnone", "aes128gcm16"),
        ("aes128gcm16", "aes128gcm16-x25519-modpnone"),
        ("aes128gcm16-x25519,aes128gcm16-ecp384", "aes128gcm16-ecp384"),
        ("aes128gcm16-ecp384", "aes128gcm16-x25519,aes128gcm16-ecp384"),
    ] {
        for end in [A, B] {
            let (a, b) = esp(a, b);
            let mut network = Network::up_with(10, a, b);
            network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
            network.run(Duration::from_secs(20));
            network.assert_settled();
            network.assert_no_flap();
            assert_eq!(network.failures(end), []);
            assert_eq!(network.count(end, |event| matches!(event, Event::ChildRekeyed { .. })), 1);
        }
    }
}

#[test]
fn what_is_in_use_reads_as_it_is_configured() {
    for suite in ["aes128gcm16-x25519-esn", "aes128gcm16-x25519", "aes128-sha256-ecp384-ke1_ecp256-esn"] {
        let (a, b) = esp(suite, suite);
        let mut network = Network::up_with(16, a, b);
        network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        network.run(Duration::from_secs(20));
        let agreed = |end: usize| network.ends[end].endpoint.status(TUNNEL).unwrap().children[0].agreed().to_string();
        assert_eq!([agreed(A), agreed(B)], [suite, suite]);
    }
}

#[test]
fn a_pfs_mismatch_is_named_and_the_old_sa_is_renewed_from_the_start_before_it_ends() {
    let (a, b) = esp("aes128gcm16-x25519", "aes128gcm16-ecp384");
    let mut network = Network::up_with(11, a, b);
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(100));
    network.assert_up();
    network.assert_no_flap();
    let failures = network.failures(A);
    assert!(failures.len() > 3, "it is tried again");
    assert!(failures.iter().all(|failure| failure.reason() == "pfs_mismatch"), "{failures:?}");
    let failed = |event: &Event| matches!(event, Event::RekeyFailed { kind: RekeyKind::Child, .. });
    assert_eq!(network.count(A, failed), failures.len());
    network.run(Duration::from_secs(3600));
    network.assert_up();
    network.assert_no_flap();
    let renewed = network.count(A, |event| matches!(event, Event::IkeUp { .. }));
    assert!((1..=2).contains(&renewed), "{renewed} times from the start");
    let failures = [network.failures(A), network.failures(B)].concat();
    assert!(!failures.iter().any(|failure| matches!(failure, Failure::LifetimeExpired { .. })));
}

#[test]
fn a_failed_rekey_of_ours_does_not_stop_the_peers() {
    // B accepts what A offers, yet A refuses what B offers: B has a group that A lacks in front.
    let (a, b) = esp("aes128gcm16-x25519", "aes128gcm16-ecp384");
    let mut network = Network::up_with(12, a, b);
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(5));
    let mut fixed = config_b();
    fixed.esp_proposals = config_a().esp_proposals;
    assert!(!network.failures(A).is_empty());
    network.restart(B, fixed);
    network.run(Duration::from_secs(100));
    network.assert_settled();
}

#[test]
fn lost_messages_of_a_rekey_are_sent_again() {
    for lost in 0..6_usize {
        for ike in [false, true] {
            let mut network = Network::up(13);
            let mut count = 0;
            network.fate = Box::new(move |_| {
                count += 1;
                (count != lost + 1).then_some(10)
            });
            network.with(A, |endpoint, now| {
                if ike {
                    endpoint.rekey_ike(TUNNEL, now);
                } else {
                    endpoint.rekey_child(TUNNEL, now);
                }
            });
            network.run(Duration::from_secs(60));
            network.assert_settled();
            network.assert_no_flap();
        }
    }
}

#[test]
fn a_late_delete_switches_the_responder_by_itself() {
    let mut network = Network::up(14);
    // The deletion of the old SA does not get through, all else does.
    network.fate = Box::new(|packet| {
        let delete = packet.from == A && packet.exchange == ExchangeType::INFORMATIONAL && !packet.response;
        (!delete).then_some(10)
    });
    let before = outbound(&network, B);
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(9));
    // Nothing proves to B that A has the new SA.
    assert_eq!(outbound(&network, B), before);
    network.fate = Box::new(|_| Some(10));
    network.run(Duration::from_secs(30));
    network.assert_settled();
    network.assert_no_flap();
}
