//! Whatever arrives from the network: no panic, and no established tunnel is touched.

use std::time::Duration;

use proptest::prelude::*;

use super::network::*;
use crate::config::StartAction;

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
                let place = usize::try_from(random.next() % packet.datagram.len() as u64).unwrap();
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
