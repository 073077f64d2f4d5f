//! Peers that die, restart, are told to stop, and come back.

use std::time::Duration;

use isakmp::{ExchangeType, Frame, Message, Notify, NotifyType, Payload};
use negotiation::{DownReason, Event, StartAction, TunnelState};

use super::network::*;

fn liveness(network: &Network, end: usize) -> usize {
    let checks = network
        .sent
        .iter()
        .filter(|packet| packet.from == end && packet.exchange == ExchangeType::INFORMATIONAL && !packet.response);
    checks.count()
}

#[test]
fn an_idle_peer_is_asked_and_a_busy_one_is_not() {
    let mut network = Network::up(1);
    network.run(Duration::from_secs(60));
    assert!((4..16).contains(&(liveness(&network, A) + liveness(&network, B))));
    network.forget();
    for _ in 0..60 {
        for end in [A, B] {
            network.with(end, |endpoint, now| endpoint.handle_inbound_traffic(TUNNEL, now));
        }
        network.run(Duration::from_secs(1));
    }
    assert_eq!(liveness(&network, A) + liveness(&network, B), 0);
    network.assert_settled();
}

#[test]
fn a_dead_peer_is_noticed_in_time_and_found_again() {
    let mut network = Network::up(2);
    network.fate = Box::new(|_| None);
    network.run_until(Duration::from_secs(41), |network| !network.ends[A].data.up && !network.ends[B].data.up);
    for end in [A, B] {
        let downs = network.downs(end);
        assert!(matches!(downs.as_slice(), [DownReason::PeerSilent(_)]), "{downs:?}");
        assert_eq!(network.failures(end)[0].reason(), "dpd");
        assert_eq!(network.ends[end].endpoint.status(TUNNEL).unwrap().counters.dpd_timeouts, 1);
    }
    network.run(Duration::from_secs(600));
    network.fate = Box::new(|_| Some(10));
    network.run_until(Duration::from_secs(13), Network::is_up);
    network.run(Duration::from_secs(60));
    network.assert_settled();
}

#[test]
fn a_short_cut_of_the_link_costs_nothing() {
    let mut network = Network::up(3);
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.fate = Box::new(|_| None);
    network.run(Duration::from_secs(20));
    network.fate = Box::new(|_| Some(10));
    network.run(Duration::from_secs(60));
    network.assert_settled();
    network.assert_no_flap();
}

#[test]
fn a_restarted_initiator_replaces_what_its_peer_still_has() {
    let mut network = Network::up(4);
    network.restart(A, config_a());
    network.run(Duration::from_secs(2));
    network.assert_up();
    network.run(Duration::from_secs(30));
    network.assert_settled();
    assert_eq!(network.downs(B), [], "the new SA is there before the old one goes");
    assert_eq!(network.count(B, |event| matches!(event, Event::IkeDown { reason: DownReason::PeerRestarted, .. })), 1);
}

#[test]
fn a_restarted_responder_is_found_out_by_its_answer_in_the_clear() {
    let mut network = Network::up(5);
    network.restart(B, config_b());
    // The next liveness check is answered INVALID_IKE_SPI; a new SA is authenticated within the second.
    network.run(Duration::from_secs(12));
    network.assert_up();
    network.run(Duration::from_secs(60));
    network.assert_settled();
    assert_eq!(network.downs(A), []);
}

#[test]
fn a_forged_invalid_ike_spi_costs_no_traffic() {
    let mut network = Network::up(6);
    network.with(A, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
    let request = network.sent.last().unwrap().clone();
    let mut header = Frame::decode(&request.datagram).unwrap().header;
    (header.flags.initiator, header.flags.response) = (false, true);
    let payloads = vec![Payload::Notify(Notify::new(NotifyType::INVALID_IKE_SPI))];
    let forged = Message { header, payloads }.encode().unwrap();
    network.with(A, |endpoint, now| endpoint.handle_datagram(request.source, request.destination, &forged, now));
    network.run(Duration::from_secs(60));
    network.assert_settled();
    network.assert_no_flap();
}

#[test]
fn both_restarting_at_once_come_back() {
    for seed in 0..10 {
        let mut b = config_b();
        b.start = StartAction::Initiate;
        let mut network = Network::up_with(seed, config_a(), config_b());
        network.restart(A, config_a());
        network.restart(B, b);
        network.run(Duration::from_secs(60));
        network.assert_settled();
    }
}

#[test]
fn a_terminated_tunnel_goes_down_at_both_ends_and_comes_back() {
    for end in [A, B] {
        let mut network = Network::up(7);
        network.with(end, |endpoint, now| endpoint.terminate(TUNNEL, now));
        assert_eq!(network.downs(end), [DownReason::Operator]);
        network.run(Duration::from_millis(50));
        assert_eq!(network.downs(1 - end), [DownReason::PeerDeleted]);
        network.run(Duration::from_secs(30));
        network.assert_settled();
    }
}

#[test]
fn a_deleted_ike_sa_is_renewed_within_a_second_by_who_is_to_begin() {
    let mut network = Network::up(8);
    network.with(B, |endpoint, now| endpoint.terminate(TUNNEL, now));
    network.run_until(Duration::from_secs(1), |network| network.ends[A].data.up && !network.downs(A).is_empty());
}

#[test]
fn shutdown_deletes_everywhere_and_begins_nothing() {
    let mut network = Network::up(9);
    network.with(A, |endpoint, now| endpoint.shutdown(now));
    assert_eq!(network.downs(A), [DownReason::Shutdown]);
    assert!(network.ends[A].data.inbound.is_empty());
    network.run(Duration::from_secs(120));
    assert_eq!(network.downs(B), [DownReason::PeerDeleted]);
    for end in [A, B] {
        assert!(network.ends[end].data.inbound.is_empty());
        assert_eq!(network.ends[end].endpoint.names_in_use(), (0, 0));
        assert_eq!(network.ends[end].endpoint.poll_timeout(), None);
    }
    assert_eq!(network.ends[A].endpoint.status(TUNNEL).unwrap().state, TunnelState::Stopped);
    assert_eq!(network.ends[B].endpoint.status(TUNNEL).unwrap().state, TunnelState::Listening);
}

#[test]
fn a_removed_tunnel_is_deleted_at_the_peer_even_if_the_first_message_is_lost() {
    let mut network = Network::up(10);
    let mut first = true;
    network.fate = Box::new(move |_| (!std::mem::replace(&mut first, false)).then_some(10));
    network.with(A, |endpoint, now| endpoint.remove_tunnel(TUNNEL, now));
    assert_eq!(network.downs(A), [DownReason::Removed]);
    assert!(network.ends[A].endpoint.status(TUNNEL).is_none());
    network.run(Duration::from_secs(30));
    assert_eq!(network.downs(B), [DownReason::PeerDeleted]);
    assert_eq!(network.ends[A].endpoint.names_in_use(), (0, 0));
}

#[test]
fn a_changed_configuration_takes_over_under_the_same_number() {
    let mut network = Network::up(11);
    let mut changed = config_a();
    changed.name = "changed".into();
    network.with(A, |endpoint, now| endpoint.add_tunnel(TUNNEL, changed, now));
    network.run(Duration::from_secs(30));
    network.assert_settled();
    assert_eq!(network.ends[A].endpoint.status(TUNNEL).unwrap().name, "changed");
}

#[test]
fn one_lost_child_is_made_anew_on_the_ike_sa() {
    let mut network = Network::up(12);
    let spi = *network.ends[B].data.inbound.keys().next().unwrap();
    network.with(B, |endpoint, now| {
        let limit = negotiation::LimitReached::Hard;
        endpoint.handle_sa_limit(TUNNEL, wire::ipsec::Direction::Inbound, spi, limit, now);
    });
    network.run(Duration::from_secs(10));
    network.assert_settled();
    let inits = network.sent.iter().filter(|packet| packet.exchange == ExchangeType::IKE_SA_INIT).count();
    assert_eq!(inits, 0);
}

#[test]
fn a_granted_lifetime_makes_the_initiator_authenticate_anew_before_its_end() {
    use handshake::Contents;
    let mut network = Network::up(13);
    let lifetime = Notify::with_data(NotifyType::AUTH_LIFETIME, 100_u32.to_be_bytes().to_vec());
    let contents = Contents::collect(vec![Payload::Notify(lifetime)]).unwrap();
    network.with(A, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, cx| {
            let spi = tunnel.sas[0].spi;
            tunnel.note_auth_lifetime(cx, spi, &contents);
        });
    });
    network.run(Duration::from_secs(85));
    assert_eq!(network.count(B, |event| matches!(event, Event::IkeUp { .. })), 0);
    network.run(Duration::from_secs(14));
    assert_eq!(network.count(B, |event| matches!(event, Event::IkeUp { .. })), 1);
    network.run(Duration::from_secs(30));
    network.assert_settled();
    network.assert_no_flap();
}
