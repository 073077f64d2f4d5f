//! Further key exchanges that the end which began them finishes late, or never (RFC 9370 2.2.4).

use std::time::Duration;

use isakmp::ExchangeType;
use negotiation::{LimitReached, StartAction, TunnelConfig};
use wire::ipsec::Direction;

use super::network::*;

/// With two key exchanges for everything.
fn hybrid(config: TunnelConfig) -> TunnelConfig {
    let ike_proposals = vec!["aes256gcm16-prfsha384-x25519-ke1_mlkem768".parse().unwrap()];
    let esp_proposals = vec!["aes256gcm16-x25519-ke1_mlkem768".parse().unwrap()];
    TunnelConfig { ike_proposals, esp_proposals, ..config }
}

/// The CHILD SA of an end has come to a limit.
fn limit(network: &mut Network, end: usize, limit: LimitReached) {
    let spi = network.ends[end].endpoint.status(TUNNEL).unwrap().children[0].inbound;
    network.with(end, |endpoint, now| endpoint.handle_sa_limit(TUNNEL, Direction::Inbound, spi, limit, now));
}

#[test]
fn a_soft_limit_counts_although_the_peer_never_finishes_what_replaces_the_sa() {
    let mut network = Network::new(1, hybrid(config_a()), hybrid(config_b()));
    network.run(Duration::from_secs(2));
    network.fate =
        Box::new(|packet| (packet.exchange != ExchangeType::IKE_FOLLOWUP_KE || packet.response).then_some(10));
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(5));
    limit(&mut network, B, LimitReached::Soft);
    network.run(Duration::from_secs(30));
    let asks =
        |packet: &Packet| packet.from == B && !packet.response && packet.exchange == ExchangeType::CREATE_CHILD_SA;
    assert!(network.sent.iter().any(asks), "it is the other end's turn");
    network.fate = Box::new(|_| Some(10));
    network.run(Duration::from_secs(90));
    network.assert_settled();
}

#[test]
fn an_ike_sa_on_demand_is_not_idle_while_the_peer_exchanges_keys() {
    let mut a = hybrid(config_a());
    a.start = StartAction::OnDemand;
    let mut network = Network::new(1, a, hybrid(config_b()));
    network.with(A, |endpoint, now| endpoint.handle_demand(TUNNEL, now));
    network.run(Duration::from_secs(2));
    let ike = |network: &Network| network.ends[A].endpoint.status(TUNNEL).unwrap().ike[0].our_spi;
    let (before, began) = (ike(&network), network.now);
    // B asks when the time for another CHILD SA is running out, and goes on after that.
    network.fate = Box::new(move |packet| {
        let from = match packet.exchange {
            ExchangeType::CREATE_CHILD_SA => 18_000,
            ExchangeType::IKE_FOLLOWUP_KE => 30_500,
            _ => 0,
        };
        (packet.sent - began >= Duration::from_millis(from)).then_some(10)
    });
    limit(&mut network, B, LimitReached::Hard);
    network.run(Duration::from_secs(60));
    network.assert_settled();
    assert_eq!(ike(&network), before);
}
