//! Random operations at both ends of an IKEv1 tunnel over a bad network. The network model checks after every step that
//! what one end sends with is what the other receives with; here, that both ends agree again once it is quiet.

use std::time::Duration;

use proptest::prelude::*;

use super::network::*;
use super::version1::pair;
use crate::LimitReached;
use crate::config::{StartAction, V1Mode};

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

fn configs(mode: V1Mode, both: bool) -> (crate::config::TunnelConfig, crate::config::TunnelConfig) {
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
