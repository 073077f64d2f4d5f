//! IKE SAs that begin without a CHILD SA (RFC 6023): who insists on it, who does not say so, and what the first CHILD SA
//! then has. The scenarios over bad lines are in the checklist.

use std::time::Duration;

use crypto::Role;
use isakmp::{ExchangeType, Notify, NotifyType, Payload};
use negotiation::Event;

use super::network::*;
use crate::sa::attempt::Stage;
use crate::sa::protect::{Protection, header};

/// How many attempts there were.
fn begun(network: &Network) -> usize {
    network.sent.iter().filter(|packet| packet.exchange == ExchangeType::IKE_SA_INIT && !packet.response).count()
}

/// Runs until A's `IKE_AUTH` is under way.
fn authenticating() -> Network {
    let mut network = Network::new(1, config_a(), config_b());
    network.fate = Box::new(|packet| (packet.exchange != ExchangeType::IKE_AUTH).then_some(10));
    network.run_until(Duration::from_secs(2), |network| {
        network.sent.iter().any(|packet| packet.exchange == ExchangeType::IKE_AUTH)
    });
    network
}

#[test]
fn a_peer_that_insists_on_none_gets_none_at_the_next_attempt() {
    let mut network = authenticating();
    network.fate = Box::new(|_| Some(10));
    let request = network.sent.last().cloned().unwrap();
    let mut answer = Vec::new();
    network.with(A, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, cx| {
            let attempt = tunnel.attempt.as_ref().unwrap();
            let Stage::Auth(state) = &attempt.stage else { panic!("{attempt:?}") };
            let frame = isakmp::Frame::decode(&request.datagram).unwrap();
            let spis = (attempt.spi, frame.header.responder_spi);
            let header = header(spis, ExchangeType::IKE_AUTH, false, true, 1);
            let refusal = vec![Payload::Notify(Notify::new(NotifyType::INVALID_SYNTAX))];
            let mut protection = Protection::new(state.first.keys.ciphers(Role::Responder), false);
            answer = protection.seal(header, refusal, attempt.path.remote, cx.entropy);
        });
    });
    let (local, remote) = (request.source, request.destination);
    network.with(A, |endpoint, now| endpoint.handle_datagram(local, remote, &answer[0], now));
    assert_eq!(network.failures(A).len(), 1);
    assert!(network.ends[A].endpoint.tunnel(TUNNEL).unwrap().childless);
    network.run(Duration::from_secs(60));
    network.assert_settled();
    assert_eq!(begun(&network), 2);
    let asks = |packet: &&Packet| packet.from == A && packet.exchange == ExchangeType::CREATE_CHILD_SA;
    assert_eq!(network.sent.iter().filter(asks).count(), 1, "the first CHILD SA has an exchange of its own");
}

#[test]
fn a_peer_that_does_not_say_so_is_asked_for_a_child_sa_at_once() {
    let mut network = authenticating();
    network.with(A, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, _| {
            tunnel.childless = true;
            let mut attempt = tunnel.attempt.take().unwrap();
            let Stage::Auth(state) = &mut attempt.stage else { panic!("{attempt:?}") };
            assert!(tunnel.goes_without(&state.first), "this one has said so");
            state.first.childless = false;
            assert!(!tunnel.goes_without(&state.first));
            tunnel.attempt = Some(attempt);
        });
    });
}

/// Both up, A having begun without a CHILD SA.
fn up() -> Network {
    let mut network = Network::bare(3);
    network.add(B, config_b());
    network.add(A, config_a());
    network.with(A, |endpoint, now| endpoint.with(TUNNEL, now, |tunnel, _| tunnel.childless = true));
    network.run(Duration::from_secs(2));
    network.assert_settled();
    network
}

#[test]
fn the_first_child_sa_then_has_a_group() {
    let network = up();
    for end in &network.ends {
        assert!(end.endpoint.tunnel(TUNNEL).unwrap().children[0].group.is_some());
    }
    let plain = Network::up(3);
    assert!(plain.ends[A].endpoint.tunnel(TUNNEL).unwrap().children[0].group.is_none());
}

#[test]
fn a_group_that_the_first_child_sa_does_not_get_costs_one_attempt() {
    let (a, mut b) = (config_a(), config_b());
    b.esp_proposals = vec!["aes128gcm16-ecp384".parse().unwrap()];
    let mut network = Network::bare(4);
    network.add(B, b);
    network.add(A, a);
    network.with(A, |endpoint, now| endpoint.with(TUNNEL, now, |tunnel, _| tunnel.childless = true));
    network.run(Duration::from_secs(60));
    network.assert_settled();
    assert_eq!((begun(&network), network.failures(A).len()), (2, 1));
}

#[test]
fn authenticating_anew_without_a_child_sa_costs_no_traffic() {
    let mut network = up();
    for round in 0..5 {
        network.forget();
        // The CHILD SA comes long after the IKE SA.
        let mut late = round;
        network.fate = Box::new(move |packet| {
            let asks = packet.exchange == ExchangeType::CREATE_CHILD_SA && !packet.response;
            if asks && late > 0 {
                late -= 1;
                return None;
            }
            Some(10)
        });
        network.with(A, |endpoint, now| endpoint.with(TUNNEL, now, |tunnel, cx| tunnel.begin_attempt(cx, false)));
        network.run(Duration::from_secs(60));
        network.assert_settled();
        network.assert_no_flap();
        assert_eq!(network.count(B, |event| matches!(event, Event::IkeUp { .. })), 1, "round {round}");
    }
}
