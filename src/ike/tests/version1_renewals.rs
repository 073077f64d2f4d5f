//! Renewals of IKEv1: of ESP SAs, of the ISAKMP SA, at one end or both, for hours.

use std::time::Duration;

use ikev1::MAX_CHILDREN;
use negotiation::{LimitReached, MAX_IKE_SAS, V1Mode};
use wire::ipsec::{Direction, TrafficSelector};

use super::network::*;
use super::version1::*;

#[test]
fn either_end_renews_the_esp_sas_without_a_gap() {
    for (seed, mode) in (50..).zip(MODES) {
        let mut network = up(seed, mode);
        for end in [A, B, A, B] {
            let before = spis(&network);
            network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
            network.run(Duration::from_secs(60));
            let after = spis(&network);
            assert!(before.iter().zip(&after).all(|(before, after)| before != after), "end {end}");
        }
        settle(&mut network);
        network.assert_no_flap();
        assert_eq!(network.ends[B].endpoint.status(TUNNEL).unwrap().counters.child_rekeys, 4);
    }
}

#[test]
fn either_end_renews_the_isakmp_sa_and_the_esp_sas_survive() {
    for (seed, mode) in (60..).zip(MODES) {
        let mut network = up(seed, mode);
        for end in [A, B] {
            let before = (spis(&network), network.ends[A].endpoint.status(TUNNEL).unwrap().ike[0].our_spi);
            network.with(end, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
            network.run(Duration::from_secs(100));
            let status = network.ends[A].endpoint.status(TUNNEL).unwrap();
            assert_eq!((status.ike.len(), spis(&network)), (1, before.0.clone()));
            assert_ne!(status.ike[0].our_spi, before.1);
        }
        settle(&mut network);
        network.assert_no_flap();
    }
}

/// RFC 3947 4: UDP 500 of the NAT's outside address leads nowhere.
#[test]
fn the_end_outside_renews_the_isakmp_sa_through_the_nat() {
    for (seed, mode) in (65..).zip(MODES) {
        let (a, mut b) = pair(mode);
        (b.remote, b.remote_id) = (ADDRESS_NAT, ADDRESS_A.into());
        let mut network = Network::bare(seed);
        network.nat = Some(1000);
        network.add(B, b);
        network.add(A, a);
        network.run(Duration::from_secs(3));
        network.assert_up();
        let before = network.ends[A].endpoint.status(TUNNEL).unwrap().ike[0].our_spi;
        network.with(B, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
        network.run(Duration::from_secs(10));
        assert_ne!(network.ends[A].endpoint.status(TUNNEL).unwrap().ike[0].our_spi, before);
        assert_eq!(network.failures(B), []);
    }
}

#[test]
fn renewals_at_both_ends_at_once_leave_one_of_each() {
    for seed in 70..90 {
        let mut network = up(seed, MODES[usize::try_from(seed % 2).unwrap()]);
        network.jitter = 40;
        for _ in 0..3 {
            for end in [A, B] {
                network.with(end, |endpoint, now| {
                    endpoint.rekey_child(TUNNEL, now);
                    endpoint.rekey_ike(TUNNEL, now);
                });
            }
            network.run(Duration::from_secs(30));
        }
        settle(&mut network);
        network.assert_no_flap();
    }
}

#[test]
fn lifetimes_run_out_and_are_renewed_for_hours() {
    let (mut a, mut b) = pair(V1Mode::Main);
    for config in [&mut a, &mut b] {
        config.child_lifetime.time = Duration::from_secs(900);
        config.ike_lifetime = Duration::from_secs(1800);
        config.rekey_margin = Duration::from_secs(120);
    }
    let mut network = Network::up_with(120, a, b);
    network.run(Duration::from_secs(6 * 3600));
    network.assert_no_flap();
    let counters = network.ends[A].endpoint.status(TUNNEL).unwrap().counters;
    assert!(counters.child_rekeys >= 20 && counters.ike_rekeys >= 10, "{counters:?}");
    for end in &network.ends {
        assert!(end.data.inbound.len() <= 4, "{} inbound SAs", end.data.inbound.len());
    }
}

#[test]
fn the_shorter_lifetime_counts_whoever_has_it() {
    for (seed, shorter) in [(130, A), (131, B)] {
        let (mut a, mut b) = pair(V1Mode::Main);
        let config = [&mut a, &mut b][shorter].clone();
        let mut config = config;
        config.child_lifetime.time = Duration::from_secs(1200);
        config.child_lifetime.bytes = Some(50 << 20);
        config.ike_lifetime = Duration::from_secs(3600);
        if shorter == A {
            a = config
        } else {
            b = config
        }
        let network = Network::up_with(seed, a, b);
        for end in &network.ends {
            let sa = end.data.outbound.as_ref().unwrap();
            assert_eq!(sa.lifetime.hard_time, Some(Duration::from_secs(1200)));
            assert_eq!(sa.lifetime.hard_bytes, Some(50 << 20));
        }
        let status = network.ends[shorter].endpoint.status(TUNNEL).unwrap();
        let lives = status.ike[0].expires_at.unwrap() - status.ike[0].established_at;
        assert_eq!(lives, Duration::from_secs(3600));
    }
}

#[test]
fn a_volume_limit_renews_the_esp_sas() {
    let mut network = up(140, V1Mode::Main);
    for (end, limit) in [(A, LimitReached::Soft), (B, LimitReached::Soft), (A, LimitReached::Hard)] {
        let spi = network.ends[end].data.outbound.as_ref().unwrap().spi;
        network.lenient_until = network.now + Duration::from_secs(10);
        network.with(end, |endpoint, now| endpoint.handle_sa_limit(TUNNEL, Direction::Outbound, spi, limit, now));
        network.run(Duration::from_secs(60));
        network.assert_up();
        assert_ne!(network.ends[end].data.outbound.as_ref().unwrap().spi, spi);
    }
    settle(&mut network);
}

#[test]
fn what_was_said_thousands_of_messages_ago_is_not_believed_again() {
    let mut network = up(290, V1Mode::Main);
    network.forget();
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(1));
    let first = network.sent.iter().find(|packet| packet.from == A && packet.exchange == QUICK).cloned().unwrap();
    let ike = |network: &Network| network.ends[B].endpoint.status(TUNNEL).unwrap().ike[0].our_spi;
    let before = ike(&network);
    network.run(Duration::from_secs(6000));
    assert_eq!(ike(&network), before);
    assert!(network.sent.iter().filter(|packet| packet.exchange == INFORMATIONAL).count() > 1000);
    network.forget();
    network.with(B, |endpoint, now| endpoint.handle_datagram(first.destination, first.source, &first.datagram, now));
    assert!(network.sent.is_empty());
}

#[test]
fn a_peer_that_renews_all_the_time_gets_no_more_than_so_many_sas() {
    let (mut a, mut b) = pair(V1Mode::Main);
    let range = |second: u8| TrafficSelector::range([10, second, 0, 0].into(), [10, second, 255, 255].into());
    a.local_selectors = (1..=4).map(range).collect();
    b.remote_selectors = a.local_selectors.clone();
    let mut network = Network::bare(310);
    network.lenient_until = network.now + Duration::from_secs(3600);
    network.add(B, b);
    network.add(A, a);
    network.run(Duration::from_secs(10));
    network.forget();
    let most = |network: &Network| {
        let counts =
            network.ends.each_ref().map(|end| (end.data.inbound.len(), end.endpoint.status(TUNNEL).unwrap().ike.len()));
        (counts[A].0.max(counts[B].0), counts[A].1.max(counts[B].1))
    };
    let (mut children, mut sas) = (0, 0);
    for turn in 0..400 {
        network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        if turn % 4 == 0 {
            network.with(A, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
        }
        network.run(Duration::from_millis(100));
        let now = most(&network);
        (children, sas) = (children.max(now.0), sas.max(now.1));
    }
    // One that is asked for just before counts at whoever asks only when it is there.
    assert!(children <= MAX_CHILDREN + 2 && sas <= MAX_IKE_SAS, "{children} pairs of ESP SAs, {sas} ISAKMP SAs");
    network.run(Duration::from_secs(200));
    let left = most(&network);
    assert_eq!(left, (4, 1));
    network.assert_no_flap();
}

#[test]
fn renewals_that_follow_each_other_at_once_do_not_take_the_newest_down() {
    let mut network = up(320, V1Mode::Main);
    for _ in 0..20 {
        network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        network.run(Duration::from_millis(100));
    }
    settle(&mut network);
    network.assert_no_flap();
}
