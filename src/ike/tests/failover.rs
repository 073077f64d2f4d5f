//! A peer that is a cluster fails over (RFC 6311): its new member knows the IKE SA as it was some messages ago.
//!
//! ```text
//!  B's member that took over: window as it was `behind` messages ago, skips `skip`
//!      --- sync, ID 0 --->  A      repeated until answered
//!      <--- sync, ID 0 ---
//!  both go on from what was answered
//! ```

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fixtures::Seeded;
use isakmp::{ExchangeType, Frame, MessageIdSync, Notify, NotifyType, Payload};
use wire::ipsec::IkeSpi;

use super::network::*;
use crate::Endpoint;
use crate::sa::protect::header;
use crate::sa::sync::Synchronisation;

type Operation = fn(&mut Endpoint, Instant);

/// Answers that reached B.
type Answers = Rc<RefCell<Vec<Vec<u8>>>>;

/// Delivers with this much loss and delay, both in the hands of the test so that it knows what arrives.
fn line(network: &mut Network, seed: u64, loss: u64, delay: u64) -> Answers {
    let answers = Answers::default();
    let (seen, mut random) = (Rc::clone(&answers), Seeded::new(seed));
    network.fate = Box::new(move |packet| {
        if random.percent(loss) {
            return None;
        }
        let is_sync = packet.exchange == ExchangeType::INFORMATIONAL && packet.message_id == 0;
        if packet.from == A && packet.response && is_sync {
            seen.borrow_mut().push(packet.datagram.clone());
        }
        Some(10 + if delay == 0 { 0 } else { random.number() % delay })
    });
    answers
}

fn window(network: &Network, end: usize) -> (u32, u32) {
    let sa = network.ends[end].endpoint.tunnel(TUNNEL).unwrap().sas.iter().find(|sa| sa.is_current()).unwrap();
    (sa.requests.next(), sa.responses.expected())
}

/// The new member of B asks, with these IDs.
fn ask(network: &mut Network, sync: Option<MessageIdSync>, notify: Option<Notify>) {
    network.with(B, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, cx| {
            let sa = tunnel.sas.iter_mut().find(|sa| sa.is_current()).unwrap();
            let header = header(sa.spis(), ExchangeType::INFORMATIONAL, sa.role == crypto::Role::Initiator, false, 0);
            let payload = Payload::Notify(notify.or(sync.map(Notify::from)).unwrap());
            let datagrams = sa.protection.seal(header, vec![payload], sa.path.remote, cx.entropy);
            cx.transmit(sa.path, &datagrams);
        });
    });
}

/// What B reads in an answer of A's.
fn read(network: &Network, datagram: &[u8]) -> Option<MessageIdSync> {
    let frame = Frame::decode(datagram).ok()?;
    let sas = &network.ends[B].endpoint.tunnel(TUNNEL)?.sas;
    let contents = sas.iter().find_map(|sa| sa.protection.open_whole(&frame))?;
    contents.notify(NotifyType::IKEV2_MESSAGE_ID_SYNC).and_then(MessageIdSync::of)
}

/// Fails B over to a member that is `behind` and skips `skip`; it asks until it is answered.
fn fail_over(network: &mut Network, answers: &Answers, behind: u32, mut skip: u32) {
    let (send, receive) = window(network, B);
    let (send, receive) = (send.saturating_sub(behind), receive.saturating_sub(behind));
    // What the former member had under way is not known to this one.
    network.with(B, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, cx| {
            let sa = tunnel.sas.iter_mut().find(|sa| sa.is_current()).unwrap();
            if let Some(pending) = sa.pending.take() {
                crate::sa::exchange::release(cx, &pending);
            }
            sa.requests.resume(u32::MAX);
            sa.responses.resume(u32::MAX);
        });
    });
    answers.borrow_mut().clear();
    for attempt in 0..60 {
        let nonce = [attempt, 1, 2, 3];
        ask(network, Some(MessageIdSync { nonce, send: send + skip, receive: receive + skip }), None);
        network.run(Duration::from_millis(500));
        let answered = answers.borrow().iter().filter_map(|datagram| read(network, datagram)).next_back();
        if let Some(answer) = answered.filter(|answer| answer.nonce == nonce) {
            assert!(answer.receive >= send + skip && answer.send >= receive + skip, "{answer:?}");
            network.with(B, |endpoint, now| {
                endpoint.with(TUNNEL, now, |tunnel, _| {
                    let sa = tunnel.sas.iter_mut().find(|sa| sa.is_current()).unwrap();
                    sa.requests.resume(answer.receive);
                    sa.responses.resume(answer.send);
                });
            });
            return;
        }
        skip += 1;
    }
    panic!("the failover was not answered");
}

/// Some messages either way, so that there are IDs to be behind.
fn busy(network: &mut Network) {
    for _ in 0..3 {
        network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        network.run(Duration::from_secs(8));
        network.with(B, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        network.run(Duration::from_secs(8));
    }
}

fn ike(network: &Network) -> IkeSpi {
    network.ends[A].endpoint.tunnel(TUNNEL).unwrap().sas.iter().find(|sa| sa.is_current()).unwrap().spi
}

const LINES: [(&str, u64, u64, u64); 4] =
    [("good", 0, 0, 0), ("loss", 30, 0, 0), ("delay and repetition", 0, 50, 900), ("all of it", 20, 30, 500)];

/// What A is in the middle of when B fails over.
const UNDER_WAY: [(&str, Operation); 3] = [
    ("nothing", |_, _| {}),
    ("child rekey", |endpoint, now| endpoint.rekey_child(TUNNEL, now)),
    ("IKE rekey", |endpoint, now| endpoint.rekey_ike(TUNNEL, now)),
];

#[test]
fn a_failover_of_the_peer_costs_no_packet_whatever_is_under_way() {
    for (name, loss, repeat, delay) in LINES {
        for (what, operation) in UNDER_WAY {
            for seed in 0..6 {
                let mut network = Network::up(600 + seed);
                busy(&mut network);
                network.forget();
                let answers = line(&mut network, seed, loss, delay);
                network.repeat = repeat;
                network.with(A, operation);
                // The request is lost with the member that failed.
                fail_over(&mut network, &answers, 2, 6);
                network.run(Duration::from_secs(60));
                let _good = line(&mut network, seed, 0, 0);
                network.repeat = 0;
                for rekey in [Endpoint::rekey_child, Endpoint::rekey_ike] {
                    for end in [A, B] {
                        network.with(end, |endpoint, now| rekey(endpoint, TUNNEL, now));
                        network.run(Duration::from_secs(30));
                    }
                }
                network.run(Duration::from_secs(100));
                eprintln!("{name}, {what}, seed {seed}");
                network.assert_settled();
                network.assert_no_flap();
            }
        }
    }
}

#[test]
fn a_window_is_answered_with_the_higher_of_both_views() {
    let mut network = Network::up(620);
    busy(&mut network);
    let answers = line(&mut network, 1, 0, 0);
    let (next, expected) = window(&network, A);
    let cases = [
        // Lower than what was seen: dropped.
        (expected - 1, next, None),
        // B knows less of us than there was, and more.
        (expected, 0, Some((next, expected))),
        (expected + 5, next + 9, Some((next + 9, expected + 5))),
        // Nothing new: dropped.
        (expected + 5, next + 20, None),
        (expected + 6, 1, Some((next + 9, expected + 6))),
    ];
    for (send, receive, answer) in cases {
        answers.borrow_mut().clear();
        ask(&mut network, Some(MessageIdSync { nonce: [9; 4], send, receive }), None);
        network.run(Duration::from_millis(300));
        let found = answers.borrow().iter().filter_map(|datagram| read(&network, datagram)).next_back();
        let expected = answer.map(|(send, receive)| MessageIdSync { nonce: [9; 4], send, receive });
        assert_eq!(found, expected, "M1 {send}, P1 {receive}");
    }
    assert_eq!(window(&network, A), (next + 9, expected + 6));
}

#[test]
fn a_repeated_request_gets_the_same_octets_and_a_replayed_one_nothing() {
    let mut network = Network::up(621);
    busy(&mut network);
    let answers = line(&mut network, 1, 0, 0);
    network.forget();
    let (_, expected) = window(&network, A);
    ask(&mut network, Some(MessageIdSync { nonce: [1; 4], send: expected, receive: 0 }), None);
    let request = network.sent.last().cloned().unwrap();
    network.run(Duration::from_millis(100));
    let again = |network: &mut Network| {
        let (local, remote) = (request.destination, request.source);
        network.with(A, |endpoint, now| endpoint.handle_datagram(local, remote, &request.datagram, now));
        network.run(Duration::from_millis(100));
    };
    again(&mut network);
    let seen = answers.borrow().clone();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], seen[1]);
    ask(&mut network, Some(MessageIdSync { nonce: [2; 4], send: expected + 3, receive: 0 }), None);
    network.run(Duration::from_millis(100));
    let (before, count) = (window(&network, A), answers.borrow().len());
    again(&mut network);
    assert_eq!((window(&network, A), answers.borrow().len()), (before, count));
}

#[test]
fn nobody_is_synchronised_who_did_not_agree_or_says_it_wrong() {
    let mut network = Network::up(622);
    busy(&mut network);
    let answers = line(&mut network, 1, 0, 0);
    let before = window(&network, A);
    let sync = MessageIdSync { nonce: [1; 4], send: before.1 + 100, receive: 0 };
    let short = Notify { data: vec![0; 11], ..Notify::from(sync) };
    ask(&mut network, None, Some(short));
    network.run(Duration::from_millis(100));
    network.with(A, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, _| tunnel.sas[0].sync = Synchronisation::default());
    });
    ask(&mut network, Some(sync), None);
    network.run(Duration::from_millis(100));
    assert_eq!((window(&network, A), answers.borrow().len()), (before, 0));
}

#[test]
fn both_ends_say_that_they_can_and_a_rekeyed_ike_sa_remembers() {
    let mut network = Network::up(623);
    let old = ike(&network);
    network.with(B, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
    network.run(Duration::from_secs(40));
    assert_ne!(ike(&network), old);
    busy(&mut network);
    let answers = line(&mut network, 1, 0, 0);
    fail_over(&mut network, &answers, 1, 4);
    network.run(Duration::from_secs(60));
    network.assert_settled();
    network.assert_no_flap();
}
