//! What strangers cost: answers no larger than a few times what they send, tables that do not grow, and a name for
//! whoever fails.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use isakmp::{Message, Notify, NotifyType, Payload, Transform, TransformType};
use negotiation::StartAction;
use proptest::prelude::*;
use wire::Secret;

use super::network::*;

/// The most octets sent for each octet of an unauthenticated request.
const AMPLIFICATION: usize = 3;

/// A's first message to a peer with the suites `ike`.
fn first_message(ike: &str, seed: u64) -> Vec<u8> {
    let mut network = Network::bare(seed);
    let mut a = config_a();
    a.ike_proposals = vec![ike.parse().unwrap()];
    network.fate = Box::new(|_| None);
    network.add(A, a);
    network.run(Duration::from_millis(100));
    network.sent[0].datagram.clone()
}

/// What B sends when `source` says `datagram`.
fn answered(network: &mut Network, source: SocketAddr, datagram: &[u8]) -> usize {
    network.sent.clear();
    let local = SocketAddr::new(ADDRESS_B, source.port());
    network.with(B, |endpoint, now| endpoint.handle_datagram(local, source, datagram, now));
    network.sent.iter().map(|packet| packet.datagram.len()).sum()
}

fn listening(suite: &str) -> Network {
    let mut network = Network::bare(1);
    let mut b = config_b();
    b.ike_proposals = vec![suite.parse().unwrap()];
    network.fate = Box::new(|_| None);
    network.add(B, b);
    network
}

#[test]
fn nothing_unauthenticated_is_answered_with_much_more_than_it_has() {
    let suites = ["aes128gcm16-prfsha256-x25519", "aes256-sha512-ecp521", "aes256gcm16-prfsha384-modp2048"];
    let mut worst = (0, 1);
    for offered in suites {
        for wanted in suites {
            for source in ["192.0.2.1:500", "203.0.113.77:500", "203.0.113.77:4500"] {
                let source: SocketAddr = source.parse().unwrap();
                let mut network = listening(wanted);
                let first = first_message(offered, 3);
                let mut datagrams: Vec<Vec<u8>> = (0..8).map(|turn| changed_spi(&first, turn)).collect();
                // Too short, of another version, of no SA, of another exchange.
                datagrams.push(first[..40].to_vec());
                for (place, octet) in [(17, 0x30), (17, 0x10), (18, 35), (18, 37), (18, 36), (8, 1), (20, 9)] {
                    let mut datagram = changed_spi(&first, 99);
                    datagram[place] = octet;
                    datagrams.push(datagram);
                }
                for datagram in datagrams {
                    let sent = answered(&mut network, source, &datagram);
                    assert!(
                        sent <= AMPLIFICATION * datagram.len(),
                        "{sent} octets for {} ({offered} to {wanted})",
                        datagram.len()
                    );
                    if sent * worst.1 > worst.0 * datagram.len() {
                        worst = (sent, datagram.len());
                    }
                }
            }
        }
    }
    println!("at most {} octets for {}", worst.0, worst.1);
    assert!(worst.0 > 0, "something is answered");
}

fn changed_spi(first: &[u8], number: u32) -> Vec<u8> {
    let mut datagram = first.to_vec();
    datagram[..4].copy_from_slice(&(number + 1).to_be_bytes());
    datagram
}

#[test]
fn a_source_that_asks_too_often_is_asked_for_cookies_and_then_ignored() {
    let mut network = listening("aes128gcm16-prfsha256-x25519");
    let first = first_message("aes128gcm16-prfsha256-x25519", 4);
    let (source, other): (SocketAddr, SocketAddr) =
        ("203.0.113.77:500".parse().unwrap(), "192.0.2.1:500".parse().unwrap());
    for number in 0..2000 {
        answered(&mut network, source, &changed_spi(&first, number));
    }
    let counters = network.ends[B].endpoint.counters();
    assert!(counters.half_open <= 4, "{counters:?}");
    assert!(counters.cookies_sent > 1900, "an unproven source may be a victim: {counters:?}");
    // Whoever is at the configured address is served meanwhile.
    assert!(answered(&mut network, other, &changed_spi(&first, 5000)) > 100);
    // With its cookie it has proven itself, and answers for its rate.
    let mut ignored = 0;
    for number in 0..300 {
        let datagram = changed_spi(&first, 10_000 + number);
        answered(&mut network, source, &datagram);
        let Some(cookie) = network.sent.first().and_then(|packet| cookie_of(&packet.datagram)) else {
            ignored += 1;
            continue;
        };
        answered(&mut network, source, &with_cookie(&datagram, cookie));
        ignored += usize::from(network.sent.is_empty());
    }
    let counters = network.ends[B].endpoint.counters();
    assert!(ignored > 250 && counters.refused_rate > 250, "{ignored} ignored, {counters:?}");
}

#[test]
fn a_stranger_cannot_fill_the_log_with_what_it_offers() {
    let source: SocketAddr = "203.0.113.77:500".parse().unwrap();
    let first = first_message("aes128gcm16-prfsha256-x25519", 4);
    let offering = |count: usize| {
        let mut message = Message::decode(&first).unwrap();
        let Some(Payload::Sa(proposals)) = message.payloads.first_mut() else { panic!("SA comes first") };
        let exotic = Transform::new(TransformType::ENCRYPTION, 60_000);
        let (mut proposal, transforms) = (proposals[0].clone(), vec![exotic; 250]);
        proposal.transforms = transforms;
        *proposals = (1..=count).map(|_| proposal.clone()).collect();
        message.encode().unwrap()
    };
    let mut network = listening("aes128gcm16-prfsha256-x25519");
    assert!(answered(&mut network, source, &offering(3)) > 0, "it is refused");
    let [stranger] = network.ends[B].endpoint.strangers().try_into().unwrap();
    let told = stranger.failure.to_string();
    assert!(told.contains("EncryptionId(60000)") && told.contains("and more"), "{told}");
    assert!(told.len() < 1500, "{} octets are logged", told.len());
    // And nothing at all of a message as long as UDP can carry.
    assert_eq!(answered(&mut network, source, &offering(32)), 0);
    let endpoint = &network.ends[B].endpoint;
    assert_eq!((endpoint.strangers()[0].count, endpoint.counters().dropped), (1, 1));
}

#[test]
fn forgeries_in_the_name_of_a_peer_do_not_lock_it_out() {
    for source in ["192.0.2.1:500", "203.0.113.77:500"] {
        let source: SocketAddr = source.parse().unwrap();
        let mut network = listening("aes128gcm16-prfsha256-x25519");
        let first = first_message("aes128gcm16-prfsha256-x25519", 4);
        // Whoever sends these never sees a cookie.
        for number in 0..5000 {
            answered(&mut network, source, &changed_spi(&first, number));
        }
        let honest = changed_spi(&first, 10_000);
        answered(&mut network, source, &honest);
        let cookie = cookie_of(&network.sent[0].datagram).expect("a cookie is asked for");
        answered(&mut network, source, &with_cookie(&honest, cookie));
        let answer = network.sent.first().map(|packet| packet.datagram.clone());
        assert!(answer.is_some_and(|answer| cookie_of(&answer).is_none() && answer.len() > 100), "{source}");
    }
}

fn cookie_of(datagram: &[u8]) -> Option<Vec<u8>> {
    let notify = |payload| if let Payload::Notify(notify) = payload { Some(notify) } else { None };
    let mut notifies = Message::decode(datagram).ok()?.payloads.into_iter().filter_map(notify);
    notifies.find(|notify| notify.kind == NotifyType::COOKIE).map(|notify| notify.data)
}

fn with_cookie(datagram: &[u8], cookie: Vec<u8>) -> Vec<u8> {
    let mut message = Message::decode(datagram).unwrap();
    message.payloads.insert(0, Payload::Notify(Notify::with_data(NotifyType::COOKIE, cookie)));
    message.encode().unwrap()
}

#[test]
fn refused_peers_are_counted_by_source_and_tunnel() {
    let mut b = config_b();
    b.auth = negotiation::Authentication::psk(Secret::from(b"another".as_slice()));
    let mut network = Network::new(5, config_a(), b);
    network.run(Duration::from_secs(60));
    let [stranger] = network.ends[B].endpoint.strangers().try_into().unwrap();
    assert_eq!((stranger.source, stranger.tunnel), (ADDRESS_A, Some(TUNNEL)));
    assert_eq!(stranger.failure.reason(), "psk");
    assert!(stranger.count >= 3 && stranger.last > stranger.first);
    let counters = network.ends[B].endpoint.status(TUNNEL).unwrap().counters;
    assert_eq!(
        (counters.auth_failures, network.ends[B].endpoint.counters().auth_failures),
        (stranger.count, stranger.count)
    );
    assert!(network.ends[A].endpoint.status(TUNNEL).unwrap().counters.auth_failures >= 3, "A was not believed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn strangers_take_a_bounded_room_and_leave_it(
        seed: u32,
        count in 1000..6000_u32,
        networks in 1..5000_u32,
        ipv6: bool,
    ) {
        let mut network = listening("aes128gcm16-prfsha256-x25519");
        let first = first_message("aes128gcm16-prfsha256-x25519", 6);
        for number in 0..count {
            let which = (number ^ seed) % networks;
            let source: IpAddr = if ipv6 {
                Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(which) << 64 | u128::from(number)).into()
            } else {
                Ipv4Addr::from_bits(0x0a00_0000 + which).into()
            };
            answered(&mut network, SocketAddr::new(source, 500), &changed_spi(&first, number));
        }
        let endpoint = &network.ends[B].endpoint;
        let (half_open, peers, sources) = endpoint.half_open_counts();
        prop_assert!(half_open <= 30 && peers <= half_open && sources <= half_open);
        prop_assert!(endpoint.names_in_use().0 <= half_open);
        prop_assert!(endpoint.strangers().len() <= 256);
        prop_assert!(endpoint.sources_remembered() <= 4096);
        network.run(Duration::from_secs(31));
        prop_assert_eq!(network.ends[B].endpoint.half_open_counts(), (0, 0, 0));
        prop_assert_eq!(network.ends[B].endpoint.names_in_use().0, 0);
    }
}

#[test]
fn a_peer_that_deletes_no_ike_sa_is_refused_at_the_eighth() {
    // The responder never learns that its IKE SAs work, since nothing of it gets through.
    let mut b = config_b();
    b.start = StartAction::Respond;
    let mut network = Network::new(8, config_a(), b);
    network.run(Duration::from_secs(2));
    network.assert_settled();
    network.lenient_until = network.now + Duration::from_secs(10_000);
    for _ in 0..30 {
        network.fate = Box::new(|packet| (packet.exchange != isakmp::ExchangeType::INFORMATIONAL).then_some(10));
        network.restart(A, config_a());
        network.run(Duration::from_millis(500));
    }
    let status = network.ends[B].endpoint.status(TUNNEL).unwrap();
    assert!(status.ike.len() <= negotiation::MAX_IKE_SAS, "{} IKE SAs", status.ike.len());
    assert!(network.failures(B).iter().any(|failure| failure.reason() == "too_many_sas"));
    network.fate = Box::new(|_| Some(10));
    network.run(Duration::from_secs(120));
    network.assert_settled();
}
