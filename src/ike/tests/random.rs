//! Random operations at both ends over a bad network. The network model checks after every step that what one
//! end sends with is what the other receives with; here, that both agree again once it is quiet.

use std::time::Duration;

use negotiation::{SelectorLayout, StartAction, TunnelConfig};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::children::net;
use super::network::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    RekeyChild(usize),
    RekeyIke(usize),
    Terminate(usize),
    Initiate(usize),
    SoftLimit(usize),
    HardLimit(usize),
    Restart(usize),
    Reconfigure(usize),
    Wait(u64),
    Cut(u64),
    Outage(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let end = 0..2_usize;
    prop_oneof![
        4 => end.clone().prop_map(Step::RekeyChild),
        4 => end.clone().prop_map(Step::RekeyIke),
        1 => end.clone().prop_map(Step::Terminate),
        1 => end.clone().prop_map(Step::Initiate),
        2 => end.clone().prop_map(Step::SoftLimit),
        1 => end.clone().prop_map(Step::HardLimit),
        1 => end.clone().prop_map(Step::Restart),
        1 => end.prop_map(Step::Reconfigure),
        8 => (1..200_u64).prop_map(Step::Wait),
        4 => (200..8000_u64).prop_map(Step::Wait),
        1 => (1000..18_000_u64).prop_map(Step::Cut),
        1 => (18_000..90_000_u64).prop_map(Step::Outage),
    ]
}

fn configs(both_initiate: bool, short: bool, pairs: bool) -> [TunnelConfig; 2] {
    let (mut a, mut b) = (config_a(), config_b());
    if pairs {
        (a.local_selectors, a.remote_selectors) = (vec![net(1), net(2)], vec![net(9)]);
        (b.local_selectors, b.remote_selectors) = (vec![net(9)], vec![net(1), net(2)]);
        (a.layout, b.layout) = (SelectorLayout::PerPair, SelectorLayout::PerPair);
    }
    if both_initiate {
        b.start = StartAction::Initiate;
    }
    for config in [&mut a, &mut b] {
        if short {
            config.child_lifetime.time = Duration::from_secs(240);
            config.ike_lifetime = Duration::from_secs(300);
            config.rekey_margin = Duration::from_secs(110);
        }
    }
    [a, b]
}

fn limit(network: &mut Network, end: usize, limit: negotiation::LimitReached) {
    let Some(spi) = network.ends[end].data.outbound.as_ref().map(|sa| sa.spi) else { return };
    network.with(end, |endpoint, now| {
        endpoint.handle_sa_limit(TUNNEL, wire::ipsec::Direction::Outbound, spi, limit, now);
    });
}

/// What is taken down before both ends knew of it may come up at the other end for a moment.
fn excuse_unsettled(network: &mut Network) {
    if !network.agreed {
        network.lenient_until = network.lenient_until.max(network.now + Duration::from_secs(15));
    }
}

fn take(network: &mut Network, step: Step, configs: &[TunnelConfig; 2]) {
    if matches!(step, Step::Terminate(_) | Step::Restart(_) | Step::Reconfigure(_)) {
        excuse_unsettled(network);
    }
    match step {
        Step::RekeyChild(end) => network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now)),
        Step::RekeyIke(end) => network.with(end, |endpoint, now| endpoint.rekey_ike(TUNNEL, now)),
        Step::Terminate(end) => network.with(end, |endpoint, now| endpoint.terminate(TUNNEL, now)),
        Step::Initiate(end) => network.with(end, |endpoint, now| endpoint.initiate(TUNNEL, now)),
        Step::SoftLimit(end) => limit(network, end, negotiation::LimitReached::Soft),
        Step::HardLimit(end) => {
            // From one moment to the next, an SA that was in use is none: the other end cannot know yet.
            network.lenient_until = network.lenient_until.max(network.now + Duration::from_secs(10));
            limit(network, end, negotiation::LimitReached::Hard);
        }
        Step::Restart(end) => network.restart(end, configs[end].clone()),
        Step::Reconfigure(end) => network.add(end, configs[end].clone()),
        Step::Wait(millis) => network.run(Duration::from_millis(millis)),
        Step::Cut(millis) => {
            let unsettled = |end: &End| {
                end.endpoint.tunnel(TUNNEL).is_some_and(|tunnel| {
                    let current = tunnel.sas.iter().filter(|sa| sa.is_current()).count();
                    current > 1 || tunnel.sas.iter().any(|sa| sa.pending.is_some())
                })
            };
            if network.ends.iter().any(unsettled) {
                // Cut off from each other while one asks, it may give up sooner than the other; while they choose between
                // two IKE SAs, they may choose apart.
                let until = network.now + Duration::from_millis(millis) + Duration::from_secs(100);
                network.lenient_until = network.lenient_until.max(until);
            }
            network.fate = Box::new(|_| None);
            network.run(Duration::from_millis(millis));
            network.fate = Box::new(|_| Some(10));
        }
        Step::Outage(millis) => {
            // The ends may find each other dead, one sooner than the other.
            network.lenient_until = network.now + Duration::from_millis(millis) + Duration::from_secs(100);
            take(network, Step::Cut(millis), configs);
        }
    }
}

fn play(seed: u64, steps: &[Step], network_quality: (u64, u64, u64), [both_initiate, short, pairs]: [bool; 3]) {
    let configs = configs(both_initiate, short, pairs);
    let children = if pairs { 2 } else { 1 };
    let mut network = Network::new(seed, configs[A].clone(), configs[B].clone());
    (network.loss, network.repeat, network.jitter) = network_quality;
    for step in steps {
        take(&mut network, *step, &configs);
    }
    (network.loss, network.repeat, network.jitter) = (0, 0, 0);
    network.run(Duration::from_secs(400));
    if short {
        // Something is always being rekeyed; yet never is anything missing, and nothing piles up.
        network.assert_up();
        for end in &network.ends {
            assert!(end.data.inbound.len() <= 4 * children, "{} inbound SAs", end.data.inbound.len());
        }
        network.forget();
        network.run(Duration::from_secs(200));
        network.assert_no_flap();
    } else {
        network.assert_settled_with(children);
    }
}

/// The same 96 cases in every run, so that what fails is what was changed; `PROPTEST_CASES` asks for so many others.
fn hunt() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let rng_seed = if asked.is_some() { RngSeed::Random } else { RngSeed::Fixed(96) };
    ProptestConfig {
        cases: asked.unwrap_or(96),
        rng_seed,
        max_shrink_iters: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(hunt())]

    #[test]
    fn two_ends_agree_once_it_is_quiet(
        seed in 0..u64::MAX / 4,
        steps in prop::collection::vec(step(), 1..30),
        loss in 0..40_u64,
        repeat in 0..30_u64,
        jitter in 0..400_u64,
        both_initiate: bool,
        short: bool,
        pairs: bool,
    ) {
        play(seed, &steps, (loss, repeat, jitter), [both_initiate, short, pairs]);
    }
}

#[test]
fn a_lossy_line_while_two_ike_sas_are_chosen_from_costs_no_traffic() {
    let steps =
        [Step::Wait(4105), Step::RekeyIke(0), Step::Wait(101), Step::Wait(173), Step::RekeyChild(1), Step::Wait(6783)];
    play(1_058_523_924_097_096_258, &steps, (23, 18, 18), [true, false, true]);
}

#[test]
fn two_ike_sas_on_a_lossy_line_are_chosen_from_at_both_ends_alike() {
    let steps = [Step::Wait(1133), Step::Wait(3400), Step::Wait(4312), Step::Wait(2339)];
    play(1_343_074_698_571_059_247, &steps, (19, 0, 172), [true, false, true]);
    let steps = [Step::Initiate(1), Step::Wait(1223), Step::Wait(7610)];
    play(1_400_735_756_111_591_980, &steps, (26, 0, 216), [false, false, true]);
    let steps = [Step::Wait(191), Step::SoftLimit(0), Step::Restart(0), Step::Wait(1), Step::Wait(3638)];
    play(1_554_686_129_988_691_797, &steps, (30, 7, 1), [true, false, true]);
    play(1_338_307_491_979_108_891, &[Step::Wait(2243), Step::Wait(7989)], (18, 0, 381), [true, false, true]);
}

#[test]
fn two_ends_that_were_cut_off_while_they_asked_agree_afterwards() {
    let steps = [Step::Wait(169), Step::RekeyIke(1), Step::Cut(11_237)];
    play(2_419_877_881_184_331_266, &steps, (7, 10, 12), [true, false, true]);
    let steps = [
        Step::Terminate(0),
        Step::Restart(1),
        Step::Wait(6365),
        Step::Cut(1188),
        Step::Wait(7652),
        Step::RekeyChild(0),
        Step::Wait(1618),
        Step::Cut(16_699),
    ];
    play(2_443_229_218_529_589_462, &steps, (10, 17, 214), [false, false, true]);
}

#[test]
fn an_sa_that_is_rekeyed_before_it_was_switched_to_is_followed_by_its_successor() {
    let steps = [
        Step::Wait(3151),
        Step::Wait(5682),
        Step::Wait(5287),
        Step::RekeyIke(0),
        Step::SoftLimit(1),
        Step::RekeyChild(1),
        Step::Wait(10),
    ];
    play(3_703_959_257_581_185_120, &steps, (16, 7, 1), [false, false, true]);
}

#[test]
fn what_was_made_before_a_rekey_of_one_of_two_ike_sas_is_proven_after_it() {
    play(4_609_314_509_585_281_869, &[Step::Wait(3663), Step::RekeyIke(1)], (7, 5, 201), [true, false, true]);
}
