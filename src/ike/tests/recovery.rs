//! Tunnels that are half there, lost again and again, or refused for good: they come back, and do not hammer.

use std::time::Duration;

use isakmp::{Delete, ExchangeType, Notify, NotifyType, Payload};
use negotiation::{DownReason, Event, Failure, LimitReached, StartAction, TunnelConfig};
use wire::ipsec::Direction;

use super::network::*;
use crate::sa::Pending;

fn respond(mut config: TunnelConfig) -> TunnelConfig {
    config.start = StartAction::Respond;
    config
}

#[test]
fn a_listening_end_makes_a_lost_child_anew_on_the_ike_sa() {
    let mut network = Network::new(1, respond(config_a()), config_b());
    network.with(A, |endpoint, now| endpoint.initiate(TUNNEL, now));
    network.run(Duration::from_secs(5));
    network.assert_settled();
    network.forget();
    let spi = *network.ends[B].data.inbound.keys().next().unwrap();
    network.with(B, |endpoint, now| {
        endpoint.handle_sa_limit(TUNNEL, Direction::Inbound, spi, LimitReached::Hard, now);
    });
    assert_eq!(network.downs(B), [DownReason::Expired]);
    network.run(Duration::from_secs(20));
    network.assert_settled();
    assert!(network.sent.iter().all(|packet| packet.exchange != ExchangeType::IKE_SA_INIT));
}

#[test]
fn a_tunnel_that_is_lost_as_soon_as_it_is_up_is_begun_less_and_less_often() {
    let mut network = Network::up(2);
    let end = network.now + Duration::from_secs(600);
    while network.now < end {
        if network.is_up() {
            network.with(B, |endpoint, now| endpoint.terminate(TUNNEL, now));
        }
        network.run(Duration::from_millis(50));
    }
    let ups = network.count(A, |event| matches!(event, Event::TunnelUp { .. }));
    assert!((15..40).contains(&ups), "{ups} times up in ten minutes");
    // Once it has lasted, a loss is repaired at once.
    network.run(Duration::from_secs(120));
    network.assert_settled();
    network.forget();
    network.with(B, |endpoint, now| endpoint.terminate(TUNNEL, now));
    network.run_until(Duration::from_secs(1), |network| network.is_up() && !network.downs(A).is_empty());
}

/// Sends a request of A's that no operation of ours would send.
fn ask(network: &mut Network, exchange: ExchangeType, payloads: Vec<Payload>) {
    network.with(A, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, cx| {
            let spi = tunnel.sas[0].spi;
            tunnel.request(cx, spi, exchange, payloads, Pending::Liveness);
        });
    });
}

#[test]
fn both_ends_forget_an_ike_sa_without_delete_after_invalid_syntax() {
    let proposals = |network: &Network| {
        let config = &network.ends[A].endpoint.tunnel(TUNNEL).unwrap().config;
        let exchange = isakmp::ChildExchange::Create;
        let sa = isakmp::esp_proposals(&config.esp_proposals, wire::ipsec::Spi(4711), exchange);
        let (local, remote) = (config.local_selectors.clone(), config.remote_selectors.clone());
        vec![Payload::Sa(sa), Payload::TsInitiator(local), Payload::TsResponder(remote)]
    };
    for exchange in [ExchangeType::CREATE_CHILD_SA, ExchangeType(40)] {
        let mut network = Network::up(3);
        let without_nonce = proposals(&network);
        ask(&mut network, exchange, without_nonce);
        network.run(Duration::from_millis(50));
        assert!(matches!(network.downs(A).as_slice(), [DownReason::Failed(Failure::Refused { .. })]));
        assert!(matches!(network.downs(B).as_slice(), [DownReason::Failed(Failure::Protocol { .. })]));
        network.run(Duration::from_secs(5));
        assert!(network.sent.iter().all(|packet| packet.exchange != ExchangeType::INFORMATIONAL));
        network.run(Duration::from_secs(20));
        network.assert_settled();
    }
}

#[test]
fn a_well_formed_request_that_makes_no_sense_costs_no_sa() {
    let mut network = Network::up(4);
    ask(&mut network, ExchangeType::CREATE_CHILD_SA, vec![Payload::Nonce(vec![1; 32])]);
    network.run(Duration::from_secs(1));
    let rekey = Notify::with_data(NotifyType::REKEY_SA, Vec::new());
    ask(&mut network, ExchangeType::CREATE_CHILD_SA, vec![Payload::Notify(rekey)]);
    network.run(Duration::from_secs(60));
    network.assert_settled();
    network.assert_no_flap();
}

/// Whether A's first `IKE_AUTH` with these tunnels, each to another peer, says that it is the only contact.
fn claims_sole_contact(identities: &[&str]) -> bool {
    let mut network = Network::new(5, config_a(), config_b());
    for (number, identity) in (100..).zip(identities) {
        let mut other = respond(config_a());
        other.remote = std::net::IpAddr::from([203, 0, 113, number]);
        other.local_id = identity.parse().unwrap();
        network.with(A, |endpoint, now| endpoint.add_tunnel(wire::ipsec::TunnelId(number.into()), other, now));
    }
    network.run(Duration::from_secs(1));
    network.assert_settled();
    let auth = network.sent.iter().find(|packet| packet.exchange == ExchangeType::IKE_AUTH).unwrap();
    let tunnel = network.ends[B].endpoint.tunnel(TUNNEL).unwrap();
    let protected = isakmp::Frame::decode(&auth.datagram).unwrap().protected().unwrap().unwrap();
    let opened = protected.open(&tunnel.sas[0].keys.ciphers(tunnel.sas[0].role).inbound).unwrap();
    let isakmp::Opened::Whole(plaintext) = opened else { panic!("a fragment") };
    let is_claim =
        |payload: &Payload| matches!(payload, Payload::Notify(notify) if notify.kind == NotifyType::INITIAL_CONTACT);
    plaintext.payloads().unwrap().iter().any(is_claim)
}

#[test]
fn initial_contact_is_not_claimed_for_identities_that_several_tunnels_share() {
    assert!(claims_sole_contact(&[]));
    assert!(claims_sole_contact(&["elsewhere.example"]));
    assert!(!claims_sole_contact(&["elsewhere.example", "192.0.2.1"]));
}

#[test]
fn a_deletion_under_the_old_ike_sa_finds_the_child_under_the_new_one() {
    let mut network = Network::up(6);
    network.with(A, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
    // B has answered, A has not got the answer yet.
    network.run(Duration::from_millis(15));
    network.with(B, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, cx| {
            let (ike, child) = (tunnel.sas[0].spi, tunnel.children[0].spi);
            let delete = vec![Payload::Delete(Delete::Esp(vec![child]))];
            tunnel.request(cx, ike, ExchangeType::INFORMATIONAL, delete, Pending::DeleteChild(child));
            tunnel.drop_child(cx, child, &DownReason::Operator);
        });
    });
    network.run(Duration::from_secs(60));
    assert_eq!(network.downs(A), [DownReason::PeerDeleted]);
    network.assert_settled();
}

#[test]
fn an_ike_sa_that_the_peer_dropped_silently_does_not_win_over_a_live_one() {
    let mut deaths = 0;
    for seed in 0..16 {
        let mut network = Network::new(seed, config_a(), config_b());
        network.fate = Box::new(|packet| {
            let slow = packet.from == A && packet.exchange == ExchangeType::IKE_AUTH && !packet.response;
            Some(if slow { 500 } else { 10 })
        });
        network.run_until(Duration::from_secs(1), |network| {
            network.sent.iter().any(|packet| packet.exchange == ExchangeType::IKE_AUTH)
        });
        network.with(B, |endpoint, now| endpoint.initiate(TUNNEL, now));
        network.run(Duration::from_millis(200));
        network.assert_up();
        network.with(B, |endpoint, now| {
            endpoint.with(TUNNEL, now, |tunnel, cx| {
                let spi = tunnel.sas[0].spi;
                tunnel.close(cx, spi, &DownReason::Superseded);
            });
        });
        // ESP goes on arriving at A all the time.
        for _ in 0..100 {
            network.with(A, |endpoint, now| endpoint.handle_inbound_traffic(TUNNEL, now));
            network.run(Duration::from_millis(100));
        }
        assert!(network.agreed, "seed {seed}");
        deaths += network.ends[A].endpoint.status(TUNNEL).unwrap().counters.dpd_timeouts;
        network.run(Duration::from_secs(60));
        network.assert_settled();
        assert_eq!(network.downs(A), []);
    }
    assert!((1..16).contains(&deaths), "either of the two is preferred by its nonces: {deaths}");
}

#[test]
fn authentication_anew_is_tried_again_while_the_old_sa_lives_and_never_without_pause() {
    let mut network = Network::up(7);
    let lifetime = Notify::with_data(NotifyType::AUTH_LIFETIME, 1_u32.to_be_bytes().to_vec());
    let contents = handshake::Contents::collect(vec![Payload::Notify(lifetime)]).unwrap();
    network.with(A, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, cx| {
            let spi = tunnel.sas[0].spi;
            tunnel.note_auth_lifetime(cx, spi, &contents);
        });
    });
    network.fate = Box::new(|packet| (packet.exchange != ExchangeType::IKE_SA_INIT).then_some(10));
    network.run(Duration::from_secs(50));
    assert!(network.sent.iter().all(|packet| packet.exchange != ExchangeType::IKE_SA_INIT));
    network.run(Duration::from_secs(40));
    network.fate = Box::new(|_| Some(10));
    network.run(Duration::from_secs(60));
    assert_eq!(network.count(B, |event| matches!(event, Event::IkeUp { .. })), 1);
    network.assert_settled();
    network.assert_no_flap();
}

#[test]
fn an_ike_sa_that_the_peer_refuses_to_rekey_is_authenticated_anew_before_it_ends() {
    let (mut a, mut b) = (config_a(), config_b());
    for config in [&mut a, &mut b] {
        config.ike_lifetime = Duration::from_secs(1800);
        config.child_lifetime.time = Duration::from_secs(86_400);
    }
    // A rekeys first.
    b.rekey_margin = Duration::from_secs(1);
    let proposals = b.ike_proposals.clone();
    let mut network = Network::up_with(21, a, b);
    let change = |network: &mut Network, proposals: Vec<crypto::IkeProposal>| {
        network.with(B, |endpoint, now| {
            endpoint.with(TUNNEL, now, |tunnel, _| tunnel.config.ike_proposals = proposals);
        });
    };
    change(&mut network, vec!["aes256-sha512-modp2048".parse().unwrap()]);
    let attempts = |network: &Network| network.ends[A].endpoint.status(TUNNEL).unwrap().counters.attempts;
    network.run_until(Duration::from_secs(1800), |network| attempts(network) > 1);
    let failed =
        network.count(A, |event| matches!(event, Event::RekeyFailed { kind: negotiation::RekeyKind::Ike, .. }));
    assert!(failed > 3, "{failed} rekeys were refused");
    change(&mut network, proposals);
    network.run(Duration::from_secs(600));
    network.assert_settled();
    network.assert_no_flap();
    assert_eq!(network.count(A, |event| matches!(event, Event::IkeUp { .. })), 1, "from the start");
    assert_eq!(network.count(A, |event| matches!(event, Event::IkeRekeyed { .. })), 0);
}
