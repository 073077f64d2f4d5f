//! A peer that is a cluster fails over (RFC 6311): its new member knows the IKE SA as it was some messages ago.
//!
//! ```text
//!  B's member that took over: window as it was `behind` messages ago, skips `skip`
//!      --- sync, ID 0 --->  A      repeated until answered
//!      <--- sync, ID 0 ---
//!  both go on from what was answered
//! ```
//!
//! What comes of it on bad lines, whatever is under way, is a table of the checklist.

use std::time::Duration;

use handshake::header;
use isakmp::{ExchangeType, MessageIdSync, Notify, NotifyType, Payload};
use wire::ipsec::IkeSpi;

use super::network::*;
use crate::sa::sync::Synchronisation;

fn window(network: &Network, end: usize) -> (u32, u32) {
    let sa = network.ends[end].endpoint.tunnel(TUNNEL).unwrap().sas.iter().find(|sa| sa.is_current()).unwrap();
    (sa.requests.next(), sa.responses.expected())
}

/// The new member of a cluster asks.
fn ask(network: &mut Network, end: usize, notify: Notify) {
    network.with(end, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, cx| {
            let sa = tunnel.sas.iter_mut().find(|sa| sa.is_current()).unwrap();
            let header = header(sa.spis(), ExchangeType::INFORMATIONAL, sa.role == crypto::Role::Initiator, false, 0);
            let datagrams = sa.protection.seal(header, vec![Payload::Notify(notify)], sa.path.remote, cx.entropy);
            cx.transmit(sa.path, &datagrams);
        });
    });
}

/// Answers that reached an end, oldest first: octets, and what it reads in them.
fn answers(network: &Network, end: usize) -> Vec<(Vec<u8>, MessageIdSync)> {
    let is_answer = |packet: &&Packet| {
        packet.from != end
            && packet.response
            && packet.exchange == ExchangeType::INFORMATIONAL
            && packet.message_id == 0
    };
    let sync = |packet: &Packet| {
        let contents = network.read(end, &packet.datagram)?;
        let sync = contents.notify(NotifyType::IKEV2_MESSAGE_ID_SYNC).and_then(MessageIdSync::of)?;
        Some((packet.datagram.clone(), sync))
    };
    network.arrived.iter().filter(is_answer).filter_map(sync).collect()
}

/// Fails an end over to a member that is `behind` and skips `skip`; it asks until it is answered.
pub(super) fn fail_over(network: &mut Network, end: usize, behind: u32, mut skip: u32) {
    let (send, receive) = window(network, end);
    let (send, receive) = (send.saturating_sub(behind), receive.saturating_sub(behind));
    // What the former member had under way is not known to this one.
    network.with(end, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, cx| {
            let sa = tunnel.sas.iter_mut().find(|sa| sa.is_current()).unwrap();
            if let Some(pending) = sa.pending.take() {
                crate::sa::exchange::release(cx, &pending);
            }
            sa.requests.resume(u32::MAX);
            sa.responses.resume(u32::MAX);
        });
    });
    for _ in 0..30 {
        // No answer to an earlier one, that failover's or this one's, counts.
        let nonce = u32::try_from(network.sent.len()).unwrap().to_be_bytes();
        ask(network, end, MessageIdSync { nonce, send: send + skip, receive: receive + skip }.into());
        let Some(answer) = answered(network, end, nonce) else {
            skip += 1;
            continue;
        };
        assert!(answer.receive >= send + skip && answer.send >= receive + skip, "{answer:?}");
        network.with(end, |endpoint, now| {
            endpoint.with(TUNNEL, now, |tunnel, _| {
                let sa = tunnel.sas.iter_mut().find(|sa| sa.is_current()).unwrap();
                sa.requests.resume(answer.receive);
                sa.responses.resume(answer.send);
            });
        });
        return;
    }
    panic!("the failover was not answered");
}

/// Waits a while for the answer to one of them.
fn answered(network: &mut Network, end: usize, nonce: [u8; 4]) -> Option<MessageIdSync> {
    (0..30).find_map(|_| {
        network.run(Duration::from_millis(100));
        answers(network, end).into_iter().map(|(_, answer)| answer).find(|answer| answer.nonce == nonce)
    })
}

/// A member speaks of IDs that were used long ago, and gets no answer.
pub(super) fn ask_with_used_ids(network: &mut Network, end: usize) {
    let (send, receive) = window(network, end);
    let sync = MessageIdSync { nonce: [7; 4], send: send.checked_sub(2).unwrap(), receive };
    ask(network, end, sync.into());
    assert_eq!(answered(network, end, sync.nonce), None);
}

/// Some messages either way, so that there are IDs to be behind.
pub(super) fn busy(network: &mut Network) {
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

#[test]
fn a_window_is_answered_with_the_higher_of_both_views() {
    let mut network = Network::up(620);
    busy(&mut network);
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
        network.arrived.clear();
        ask(&mut network, B, MessageIdSync { nonce: [9; 4], send, receive }.into());
        network.run(Duration::from_millis(300));
        let found = answers(&network, B).into_iter().map(|(_, answer)| answer).next_back();
        let expected = answer.map(|(send, receive)| MessageIdSync { nonce: [9; 4], send, receive });
        assert_eq!(found, expected, "M1 {send}, P1 {receive}");
    }
    assert_eq!(window(&network, A), (next + 9, expected + 6));
}

#[test]
fn a_repeated_request_gets_the_same_octets_and_a_replayed_one_nothing() {
    let mut network = Network::up(621);
    busy(&mut network);
    network.forget();
    let (_, expected) = window(&network, A);
    ask(&mut network, B, MessageIdSync { nonce: [1; 4], send: expected, receive: 0 }.into());
    let request = network.sent.last().cloned().unwrap();
    network.run(Duration::from_millis(100));
    let again = |network: &mut Network| {
        let (local, remote) = (request.destination, request.source);
        network.with(A, |endpoint, now| endpoint.handle_datagram(local, remote, &request.datagram, now));
        network.run(Duration::from_millis(100));
    };
    again(&mut network);
    let seen = answers(&network, B);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], seen[1]);
    ask(&mut network, B, MessageIdSync { nonce: [2; 4], send: expected + 3, receive: 0 }.into());
    network.run(Duration::from_millis(100));
    let (before, count) = (window(&network, A), answers(&network, B).len());
    again(&mut network);
    assert_eq!((window(&network, A), answers(&network, B).len()), (before, count));
}

#[test]
fn nobody_is_synchronised_who_did_not_agree_or_says_it_wrong() {
    let mut network = Network::up(622);
    busy(&mut network);
    let before = window(&network, A);
    let sync = MessageIdSync { nonce: [1; 4], send: before.1 + 100, receive: 0 };
    let short = Notify { data: vec![0; 11], ..Notify::from(sync) };
    ask(&mut network, B, short);
    network.run(Duration::from_millis(100));
    network.with(A, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, _| tunnel.sas[0].sync = Synchronisation::default());
    });
    ask(&mut network, B, sync.into());
    network.run(Duration::from_millis(100));
    assert_eq!((window(&network, A), answers(&network, B).len()), (before, 0));
}

#[test]
fn both_ends_say_that_they_can_and_a_rekeyed_ike_sa_remembers() {
    let mut network = Network::up(623);
    let old = ike(&network);
    network.with(B, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
    network.run(Duration::from_secs(40));
    assert_ne!(ike(&network), old);
    busy(&mut network);
    fail_over(&mut network, B, 1, 4);
    network.run(Duration::from_secs(60));
    network.assert_settled();
    network.assert_no_flap();
}
