//! Tunnels that are half there, lost again and again, or refused for good: they come back, and do not hammer.

use std::time::Duration;

use wire::ipsec::Direction;

use super::network::*;
use crate::config::{StartAction, TunnelConfig};
use crate::message::ExchangeType;
use crate::{DownReason, Event, LimitReached};

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
