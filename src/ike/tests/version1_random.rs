//! Random operations at both ends of an IKEv1 tunnel over a bad network. The network model checks after every step that
//! what one end sends with is what the other receives with; here, that both ends agree again once it is quiet.

use std::time::Duration;

use isakmp::v1::{Attribute, Delete, Exchange, Identification, Notify, NotifyKind, Payload, PayloadKind};
use negotiation::{LimitReached, StartAction, V1Mode};
use proptest::prelude::*;

use super::network::*;
use super::version1::pair;

#[derive(Clone, Copy, Debug)]
enum Step {
    RekeyChild(usize),
    RekeyIke(usize),
    Terminate(usize),
    Initiate(usize),
    SoftLimit(usize),
    Restart(usize),
    Wait(u64),
    Cut(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let end = 0..2_usize;
    prop_oneof![
        5 => end.clone().prop_map(Step::RekeyChild),
        4 => end.clone().prop_map(Step::RekeyIke),
        1 => end.clone().prop_map(Step::Terminate),
        1 => end.clone().prop_map(Step::Initiate),
        2 => end.clone().prop_map(Step::SoftLimit),
        1 => end.prop_map(Step::Restart),
        8 => (1..200_u64).prop_map(Step::Wait),
        4 => (200..8000_u64).prop_map(Step::Wait),
        1 => (1000..60_000_u64).prop_map(Step::Cut),
    ]
}

fn take(network: &mut Network, step: Step, mode: V1Mode, both: bool) {
    match step {
        Step::RekeyChild(end) => network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now)),
        Step::RekeyIke(end) => network.with(end, |endpoint, now| endpoint.rekey_ike(TUNNEL, now)),
        Step::Terminate(end) => network.with(end, |endpoint, now| endpoint.terminate(TUNNEL, now)),
        Step::Initiate(end) => network.with(end, |endpoint, now| endpoint.initiate(TUNNEL, now)),
        Step::SoftLimit(end) => {
            let Some(spi) = network.ends[end].data.outbound.as_ref().map(|sa| sa.spi) else { return };
            network.with(end, |endpoint, now| {
                endpoint.handle_sa_limit(TUNNEL, wire::ipsec::Direction::Outbound, spi, LimitReached::Soft, now);
            });
        }
        Step::Restart(end) => {
            let (a, b) = configs(mode, both);
            network.restart(end, [a, b][end].clone());
        }
        Step::Wait(millis) => network.run(Duration::from_millis(millis)),
        Step::Cut(millis) => {
            network.fate = Box::new(|_| None);
            network.run(Duration::from_millis(millis));
            network.fate = Box::new(|_| Some(10));
        }
    }
}

fn configs(mode: V1Mode, both: bool) -> (negotiation::TunnelConfig, negotiation::TunnelConfig) {
    let (a, mut b) = pair(mode);
    if both {
        b.start = StartAction::Initiate;
    }
    (a, b)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_ends_of_version_1_agree_once_it_is_quiet(
        seed in 0..u64::MAX / 4,
        steps in prop::collection::vec(step(), 1..25),
        loss in 0..30_u64,
        repeat in 0..30_u64,
        jitter in 0..300_u64,
        both: bool,
        aggressive: bool,
    ) {
        let mode = if aggressive { V1Mode::Aggressive } else { V1Mode::Main };
        let (a, b) = configs(mode, both);
        let mut network = Network::new(seed, a, b);
        // A DELETE is not acknowledged: while packets are lost, an end may send on what the other has forgotten.
        network.lenient_until = network.now + Duration::from_secs(100_000);
        (network.loss, network.repeat, network.jitter) = (loss, repeat, jitter);
        for step in &steps {
            take(&mut network, *step, mode, both);
        }
        (network.loss, network.repeat, network.jitter) = (0, 0, 0);
        network.run(Duration::from_secs(300));
        // From here on nothing is missing, whatever is renewed.
        network.lenient_until = network.now;
        network.forget();
        network.run(Duration::from_secs(100));
        network.assert_no_flap();
        network.assert_settled();
    }
}

fn payload() -> impl Strategy<Value = Payload> {
    let octets = || prop::collection::vec(any::<u8>(), 0..40);
    let spi = any::<u32>().prop_map(wire::ipsec::Spi);
    let kinds = prop_oneof![
        any::<u16>(),
        Just(NotifyKind::R_U_THERE.0),
        Just(NotifyKind::R_U_THERE_ACK.0),
        Just(NotifyKind::RESPONDER_LIFETIME.0),
        Just(NotifyKind::NO_PROPOSAL_CHOSEN.0),
        Just(NotifyKind::INVALID_ID_INFORMATION.0),
    ];
    let lifetime = (any::<u32>(), 0..4_u16).prop_map(|(value, unit)| {
        let attributes = [Attribute::number(1, unit.into()), Attribute::number(2, value)];
        Payload::Notify(Notify::isakmp(NotifyKind::RESPONDER_LIFETIME).with_attributes(&attributes))
    });
    prop_oneof![
        octets().prop_map(Payload::KeyExchange),
        prop::collection::vec(any::<u8>(), 8..40).prop_map(Payload::Nonce),
        octets().prop_map(Payload::Hash),
        octets().prop_map(Payload::NatDetection),
        (any::<u8>(), octets()).prop_map(|(kind, data)| Payload::Other(PayloadKind(kind | 0x80), data)),
        spi.prop_map(|spi| Payload::Delete(Delete::esp(&[spi]))),
        (kinds, octets()).prop_map(|(kind, data)| Payload::Notify(Notify { data, ..Notify::isakmp(NotifyKind(kind)) })),
        lifetime,
        Just(Payload::Identification(Identification::of_traffic(&wire::ipsec::TrafficSelector::ANY_V4))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_peer_with_keys_and_no_manners_breaks_nothing(
        seed in 0..u64::MAX / 4,
        messages in prop::collection::vec((any::<bool>(), 1..u32::MAX, prop::collection::vec(payload(), 0..6)), 1..12),
    ) {
        let (a, b) = pair(V1Mode::Main);
        let mut network = Network::up_with(seed, a, b);
        network.lenient_until = network.now + Duration::from_secs(100_000);
        for (quick, message_id, payloads) in &messages {
            let tunnel = network.ends[A].endpoint.v1_tunnel(TUNNEL).unwrap();
            let exchange = if *quick { Exchange::QUICK } else { Exchange::INFORMATIONAL };
            let (path, composed) = (tunnel.path(), tunnel.compose(exchange, *message_id, payloads));
            let Some(datagram) = composed else { continue };
            network.with(B, |endpoint, now| endpoint.handle_datagram(path.remote, path.local, &datagram, now));
            network.run(Duration::from_millis(100));
        }
        // A short lifetime that the peer named may have to run out, and everything be renewed.
        network.run(Duration::from_secs(400));
        network.assert_up();
        for end in &network.ends {
            prop_assert!(end.data.inbound.len() <= 8, "{} inbound SAs", end.data.inbound.len());
        }
    }
}
