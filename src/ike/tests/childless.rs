//! IKE SAs that begin without a CHILD SA (RFC 6023): who insists on it, who does not say so, and what the first CHILD SA
//! then has. The scenarios over bad lines are in the checklist.

use std::time::Duration;

use handshake::{Incoming, Refusal};
use isakmp::{ExchangeType, Frame, Message, NotifyType, Payload};
use negotiation::{DownReason, Event, LimitReached, Path, StartAction, TunnelConfig, TunnelState};
use wire::ipsec::Direction;

use super::network::*;

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
    let (local, remote) = (request.source, request.destination);
    let frame = Frame::decode(&request.datagram).unwrap();
    let half = network.ends[B].endpoint.half_open(frame.header.responder_spi).unwrap();
    let incoming = half.open(&frame, Path { local: remote, remote: local });
    assert!(matches!(incoming, Incoming::Message { contents: Ok(contents), .. } if contents.sa.is_some()));
    let refusal = Refusal::syntax(local, "a CHILD SA");
    let answer = half.refuse(&request.datagram, &refusal, &mut fixtures::Seeded::new(7));
    network.with(A, |endpoint, now| endpoint.handle_datagram(local, remote, &answer[0], now));
    assert_eq!(network.failures(A).len(), 1);
    assert!(network.ends[A].endpoint.tunnel(TUNNEL).unwrap().childless);
    network.run(Duration::from_secs(60));
    network.assert_settled();
    assert_eq!(begun(&network), 2);
    let asks = |packet: &&Packet| packet.from == A && packet.exchange == ExchangeType::CREATE_CHILD_SA;
    assert_eq!(network.sent.iter().filter(asks).count(), 1, "the first CHILD SA has an exchange of its own");
}

/// Whether A's first `IKE_AUTH`, which is to do without a CHILD SA, asks for one all the same.
fn asks_at_once(says_so: bool) -> bool {
    let mut network = Network::bare(5);
    network.add(B, config_b());
    network.add(A, config_a());
    network.with(A, |endpoint, now| endpoint.with(TUNNEL, now, |tunnel, _| tunnel.childless = true));
    network.fate = Box::new(|packet| (!packet.response).then_some(10));
    network.run_until(Duration::from_secs(1), |network| network.sent.iter().any(|packet| packet.response));
    // The first exchange is in the clear, and its answer is made to say what it should.
    let answer = network.sent.iter().find(|packet| packet.response).cloned().unwrap();
    let mut message = Message::decode(&answer.datagram).unwrap();
    let is_it = |payload: &Payload| matches!(payload, Payload::Notify(notify) if notify.kind == NotifyType::CHILDLESS_IKEV2_SUPPORTED);
    assert!(message.payloads.iter().any(is_it), "as responder we say so");
    message.payloads.retain(|payload| says_so || !is_it(payload));
    let (local, remote, answer) = (answer.destination, answer.source, message.encode().unwrap());
    network.with(A, |endpoint, now| endpoint.handle_datagram(local, remote, &answer, now));
    let request = network.sent.iter().find(|packet| packet.exchange == ExchangeType::IKE_AUTH).expect("it goes on");
    let frame = Frame::decode(&request.datagram).unwrap();
    let half = network.ends[B].endpoint.half_open(frame.header.responder_spi).unwrap();
    let Incoming::Message { contents: Ok(contents), .. } =
        half.open(&frame, Path { local: request.destination, remote: request.source })
    else {
        panic!("B cannot read it")
    };
    assert!(contents.auth.is_some());
    assert_eq!(contents.sa.is_some(), contents.ts_initiator.is_some() && contents.ts_responder.is_some());
    contents.sa.is_some()
}

#[test]
fn a_peer_that_does_not_say_so_is_asked_for_a_child_sa_at_once() {
    assert!(asks_at_once(false));
    assert!(!asks_at_once(true));
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

/// Both begin on demand, and B has begun without a CHILD SA and asks for none.
fn unused() -> Network {
    let mut network = Network::bare(6);
    network.add(A, TunnelConfig { start: StartAction::OnDemand, ..config_a() });
    network.add(B, TunnelConfig { start: StartAction::OnDemand, ..config_b() });
    network.with(B, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, _| tunnel.childless = true);
        endpoint.initiate(TUNNEL, now);
    });
    network.fate = Box::new(|packet| (packet.exchange != ExchangeType::CREATE_CHILD_SA).then_some(10));
    network.run_until(Duration::from_secs(1), |network| {
        network.sent.iter().any(|packet| packet.exchange == ExchangeType::CREATE_CHILD_SA)
    });
    network.with(B, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, cx| {
            let sa = &mut tunnel.sas[0];
            crate::sa::exchange::release(cx, &sa.pending.take().expect("it has just asked"));
            sa.requests.resume(sa.requests.next() - 1);
        });
    });
    network.fate = Box::new(|_| Some(10));
    network
}

fn states(network: &Network) -> [TunnelState; 2] {
    network.ends.each_ref().map(|end| end.endpoint.status(TUNNEL).unwrap().state)
}

#[test]
fn on_demand_an_ike_sa_that_nobody_needs_ends_and_the_next_packet_brings_another() {
    let mut network = unused();
    network.run(Duration::from_secs(25));
    assert_eq!(states(&network), [TunnelState::IkeOnly; 2], "B may still ask");
    network.run(Duration::from_secs(10));
    assert_eq!(states(&network), [TunnelState::Idle; 2]);
    let unused = |event: &Event| matches!(event, Event::IkeDown { reason: DownReason::Unused, .. });
    assert_eq!(network.count(A, unused) + network.count(B, unused), 1, "one of them deletes it");
    network.run(Duration::from_secs(600));
    assert_eq!((begun(&network), network.failures(A), network.failures(B)), (1, vec![], vec![]), "it stays away");
    network.with(A, |endpoint, now| endpoint.handle_demand(TUNNEL, now));
    network.run(Duration::from_secs(30));
    network.assert_settled();
}

#[test]
fn on_demand_a_packet_in_time_gets_its_child_sa_under_the_ike_sa_that_is_there() {
    let mut network = unused();
    network.run(Duration::from_secs(25));
    network.with(A, |endpoint, now| endpoint.handle_demand(TUNNEL, now));
    network.run(Duration::from_secs(60));
    network.assert_settled();
    assert_eq!(begun(&network), 1);
}

#[test]
fn on_demand_an_ike_sa_ends_some_time_after_its_last_child_sa_was_deleted() {
    let mut network = unused();
    network.with(A, |endpoint, now| endpoint.handle_demand(TUNNEL, now));
    network.run(Duration::from_secs(60));
    network.assert_settled();
    let spi = *network.ends[B].data.inbound.keys().next().unwrap();
    network.with(B, |endpoint, now| {
        endpoint.handle_sa_limit(TUNNEL, Direction::Inbound, spi, LimitReached::Hard, now);
    });
    network.run(Duration::from_secs(25));
    assert_eq!(states(&network), [TunnelState::IkeOnly; 2]);
    network.run(Duration::from_secs(10));
    assert_eq!(states(&network), [TunnelState::Idle; 2]);
    network.with(B, |endpoint, now| endpoint.handle_demand(TUNNEL, now));
    network.run(Duration::from_secs(30));
    network.assert_settled();
}
