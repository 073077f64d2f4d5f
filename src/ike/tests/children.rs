//! Several CHILD SAs in one tunnel: each is asked for, rekeyed and lost by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use isakmp::ExchangeType;
use negotiation::{ChildSelectors, Event, LimitReached, SelectorLayout, StartAction, TunnelConfig};
use wire::ipsec::{Direction, TrafficSelector};

use super::network::*;

pub(super) fn net(third: u8) -> TrafficSelector {
    TrafficSelector::range([10, third, 0, 0].into(), [10, third, 255, 255].into())
}

/// Both ends with the same selectors, mirrored.
fn both(layout: [SelectorLayout; 2], a: &[u8], b: &[u8]) -> (TunnelConfig, TunnelConfig) {
    let nets = |thirds: &[u8]| thirds.iter().copied().map(net).collect::<Vec<_>>();
    let (mut one, mut two) = (config_a(), config_b());
    (one.local_selectors, one.remote_selectors, one.layout) = (nets(a), nets(b), layout[A]);
    (two.local_selectors, two.remote_selectors, two.layout) = (nets(b), nets(a), layout[B]);
    (one, two)
}

const PAIRS: [SelectorLayout; 2] = [SelectorLayout::PerPair; 2];

fn pairs_of(network: &Network, end: usize) -> BTreeSet<(TrafficSelector, TrafficSelector)> {
    let sending = &network.ends[end].data.sending;
    sending.iter().map(|sa| (sa.local_selectors[0], sa.remote_selectors[0])).collect()
}

#[test]
fn several_selectors_fit_into_one_child_sa() {
    let (a, b) = both([SelectorLayout::Together; 2], &[1, 2], &[8, 9]);
    let network = Network::up_with(1, a, b);
    network.assert_settled();
    let sa = network.ends[A].data.outbound.as_ref().unwrap();
    assert_eq!((sa.local_selectors.len(), sa.remote_selectors.len()), (2, 2));
}

#[test]
fn a_child_sa_per_pair_is_made_by_whoever_began_and_rekeyed_by_itself() {
    for seed in 0..4 {
        let (a, b) = both(PAIRS, &[1, 2], &[8, 9]);
        let mut network = Network::up_with(seed, a, b);
        network.assert_settled_with(4);
        let wanted: BTreeSet<_> = [(1, 8), (1, 9), (2, 8), (2, 9)].map(|(l, r)| (net(l), net(r))).into();
        assert_eq!(pairs_of(&network, A), wanted);
        for end in [A, B] {
            network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
            network.run(Duration::from_secs(20));
            network.assert_settled_with(4);
        }
        network.with(A, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
        network.run(Duration::from_secs(20));
        network.assert_settled_with(4);
        network.assert_no_flap();
        assert_eq!(pairs_of(&network, A), wanted, "rekeys keep what was negotiated");
        for end in [A, B] {
            assert_eq!(network.count(end, |event| matches!(event, Event::ChildRekeyed { .. })), 8);
            assert_eq!(network.count(end, |event| matches!(event, Event::ChildUp { .. } | Event::ChildDown { .. })), 0);
        }
    }
}

#[test]
fn one_lost_pair_comes_back_while_the_others_carry_traffic() {
    let (a, b) = both(PAIRS, &[1], &[7, 8, 9]);
    let mut network = Network::up_with(3, a, b);
    network.assert_settled_with(3);
    for end in [A, B] {
        let spi = *network.ends[end].data.inbound.keys().next().unwrap();
        network.with(end, |endpoint, now| {
            endpoint.handle_sa_limit(TUNNEL, Direction::Inbound, spi, LimitReached::Hard, now);
        });
        network.run(Duration::from_secs(1));
        let missing = network.ends[end].endpoint.status(TUNNEL).unwrap().missing;
        assert!(missing.len() <= 1);
        network.run(Duration::from_secs(20));
        network.assert_settled_with(3);
        network.assert_no_flap();
    }
    assert!(network.count(A, |event| matches!(event, Event::ChildDown { .. })) >= 1);
    assert!(network.sent.iter().all(|packet| packet.exchange != ExchangeType::IKE_SA_INIT));
}

#[test]
fn a_pair_that_the_peer_refuses_is_named_and_asked_for_again() {
    let (a, mut b) = both(PAIRS, &[1], &[8, 9]);
    b.local_selectors = vec![net(8)];
    let mut network = Network::up_with(4, a, b.clone());
    network.run(Duration::from_secs(60));
    network.assert_settled_with(1);
    network.assert_no_flap();
    let status = network.ends[A].endpoint.status(TUNNEL).unwrap();
    let [missing] = status.missing.as_slice() else { panic!("{:?}", status.missing) };
    assert_eq!((missing.local_selectors.clone(), missing.remote_selectors.clone()), (vec![net(1)], vec![net(9)]));
    let (failure, _) = missing.failure.as_ref().unwrap();
    assert_eq!(failure.reason(), "ts_unacceptable");
    assert!(missing.retry_at.is_some());
    let asked = network.count(A, |event| matches!(event, Event::Failed { .. }));
    assert!((4..12).contains(&asked), "asked {asked} times in a minute");
}

#[test]
fn the_first_pair_may_be_the_one_that_is_refused() {
    let (a, mut b) = both(PAIRS, &[1], &[8, 9]);
    b.local_selectors = vec![net(9)];
    let mut network = Network::new(5, a, b);
    network.run(Duration::from_secs(5));
    network.assert_settled_with(1);
    assert_eq!(pairs_of(&network, A), [(net(1), net(9))].into());
    assert_eq!(network.count(A, |event| matches!(event, Event::IkeUp { .. })), 1);
}

#[test]
fn a_peer_that_takes_pairs_narrows_an_offer_of_all() {
    for (layout, seed) in [
        ([SelectorLayout::Together, SelectorLayout::PerPair], 6),
        ([SelectorLayout::PerPair, SelectorLayout::Together], 7),
    ] {
        let (a, b) = both(layout, &[1, 2], &[8]);
        let mut network = Network::up_with(seed, a, b);
        network.run(Duration::from_secs(30));
        network.assert_settled_with(2);
        assert_eq!(pairs_of(&network, A), [(net(1), net(8)), (net(2), net(8))].into());
        for end in [A, B] {
            network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
            network.run(Duration::from_secs(20));
            network.assert_settled_with(2);
        }
        network.assert_no_flap();
        assert_eq!(pairs_of(&network, A), [(net(1), net(8)), (net(2), net(8))].into());
    }
}

#[test]
fn a_rekey_asks_for_what_was_negotiated() {
    // A offers everything, B has one network: what is in use is narrower than A's configuration.
    let (mut a, b) = both([SelectorLayout::Together; 2], &[1], &[8]);
    (a.local_selectors, a.remote_selectors) = (vec![TrafficSelector::ANY_V4], vec![TrafficSelector::ANY_V4]);
    for end in [A, B] {
        let mut network = Network::up_with(8, a.clone(), b.clone());
        network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        let asked = network.ends[end].endpoint.tunnel(TUNNEL).unwrap().sas[0].pending.as_ref().map(|pending| {
            let crate::sa::Pending::Child(expect) = pending else { panic!("{pending:?}") };
            expect.offered.clone()
        });
        let (local, remote) = if end == A { (net(1), net(8)) } else { (net(8), net(1)) };
        assert_eq!(asked, Some(ChildSelectors { local: vec![local], remote: vec![remote] }));
        network.run(Duration::from_secs(20));
        network.assert_settled();
        assert_eq!(pairs_of(&network, A), [(net(1), net(8))].into());
    }
}

#[test]
fn a_peer_that_refuses_what_is_in_use_is_offered_what_is_configured() {
    let (mut a, b) = both([SelectorLayout::Together; 2], &[1], &[8]);
    (a.local_selectors, a.remote_selectors) = (vec![TrafficSelector::ANY_V4], vec![TrafficSelector::ANY_V4]);
    let mut network = Network::up_with(9, a, b);
    // B's policy has changed: what is in use is not within it, what A is configured with still is, in part.
    network.with(B, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, _| tunnel.flows[0].selectors.local = vec![net(7)]);
    });
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(20));
    network.assert_settled();
    network.assert_no_flap();
    assert_eq!(network.failures(A), []);
    assert_eq!(network.count(A, |event| matches!(event, Event::ChildRekeyed { .. })), 1);
}

#[test]
fn both_ends_asking_for_the_same_pairs_make_each_once() {
    for seed in 0..12 {
        for gap in [0, 5, 15, 30, 60, 3000, 3020] {
            let (a, mut b) = both(PAIRS, &[1, 2], &[8, 9]);
            b.start = StartAction::Initiate;
            let mut network = Network::bare(seed);
            network.add(A, a);
            network.run(Duration::from_millis(gap));
            network.add(B, b);
            network.run(Duration::from_secs(60));
            network.assert_settled_with(4);
            for end in [A, B] {
                assert_eq!(network.downs(end), []);
                assert_eq!(network.count(end, |event| matches!(event, Event::TunnelUp { .. })), 1);
            }
        }
    }
}

#[test]
fn authenticating_anew_moves_every_pair_without_a_flap() {
    for seed in 0..6 {
        let (mut a, b) = both(PAIRS, &[1, 2], &[8, 9]);
        a.ike_lifetime = Duration::from_secs(28_800);
        let mut network = Network::up_with(seed, a, b);
        network.with(A, |endpoint, now| endpoint.with(TUNNEL, now, |tunnel, cx| tunnel.begin_attempt(cx, false)));
        network.run(Duration::from_secs(60));
        network.assert_settled_with(4);
        network.assert_no_flap();
        for end in [A, B] {
            assert_eq!(network.count(end, |event| matches!(event, Event::ChildDown { .. })), 0, "seed {seed}");
        }
    }
}

#[test]
fn pairs_survive_loss_repetition_and_disorder() {
    for seed in 0..20 {
        let _case = Case(format!("seed {seed}"));
        let (a, mut b) = both(PAIRS, &[1, 2], &[8, 9]);
        if seed % 2 == 0 {
            b.start = StartAction::Initiate;
        }
        let mut network = Network::new(seed, a, b);
        (network.loss, network.repeat, network.jitter) = (25, 20, 300);
        network.run(Duration::from_secs(60));
        for end in [A, B] {
            network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        }
        network.run(Duration::from_secs(60));
        (network.loss, network.repeat, network.jitter) = (0, 0, 0);
        network.run(Duration::from_secs(300));
        network.assert_settled_with(4);
    }
}
