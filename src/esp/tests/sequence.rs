//! Sequence numbers from end to end: across the boundaries of their low half, out of order, twice, and pinned.

use proptest::prelude::*;
use wire::ipsec::SecurityAssociation;

use super::{INNER, SUITES, association, opened, seal, suite};
use crate::{InboundSa, OpenError, OutboundSa, ReplayReject, SealError};

const LOW_HALF: u64 = 1 << 32;

fn ends(sa: &SecurityAssociation) -> (OutboundSa, InboundSa) {
    (OutboundSa::new(sa).unwrap(), InboundSa::new(sa).unwrap())
}

/// An SA of 64-bit numbers, at every suite in turn.
fn extended(index: usize, window: u32) -> SecurityAssociation {
    SecurityAssociation { replay_window: window, ..association(suite(SUITES[index % SUITES.len()], true)) }
}

/// Sends one packet of this number.
fn packet(out: &mut OutboundSa, sequence: u64) -> Vec<u8> {
    out.set_last_sequence(sequence - 1);
    seal(out, &INNER).unwrap()
}

/// Lets both ends get to `sequence` in steps that no receiver mistakes.
fn advance(out: &mut OutboundSa, inbound: &mut InboundSa, sequence: u64) {
    let mut next = inbound.highest_sequence();
    while next < sequence {
        next = sequence.min(next + LOW_HALF / 2);
        assert!(opened(inbound, &packet(out, next)).is_ok(), "{next:#x}");
    }
}

#[test]
fn traffic_goes_on_over_every_boundary() {
    for index in 0..SUITES.len() {
        let (mut out, mut inbound) = ends(&extended(index, 64));
        for boundary in [LOW_HALF, 2 * LOW_HALF, 5 * LOW_HALF] {
            advance(&mut out, &mut inbound, boundary - 3);
            out.set_last_sequence(boundary - 3);
            for sequence in boundary - 2..boundary + 3 {
                let sealed = seal(&mut out, &INNER).unwrap();
                assert_eq!(sealed[4..8], sequence.to_be_bytes()[4..], "only the low half travels");
                assert!(opened(&mut inbound, &sealed).is_ok());
                assert_eq!(inbound.highest_sequence(), sequence);
            }
        }
    }
}

#[test]
fn the_high_half_is_authenticated_though_it_does_not_travel() {
    for index in 0..SUITES.len() {
        let (mut out, mut inbound) = ends(&extended(index, 1024));
        advance(&mut out, &mut inbound, 3 * LOW_HALF);
        // The same low half one round earlier and one later.
        for sequence in [2 * LOW_HALF + 7, 4 * LOW_HALF + 7] {
            assert_eq!(opened(&mut inbound, &packet(&mut out, sequence)), Err(OpenError::Integrity));
        }
        assert!(opened(&mut inbound, &packet(&mut out, 3 * LOW_HALF + 7)).is_ok());
    }
}

#[test]
fn ends_that_disagree_about_the_size_of_numbers_understand_nothing() {
    for index in 0..SUITES.len() {
        let (mut out, _) = ends(&extended(index, 64));
        let mut short = extended(index, 64);
        short.suite.esn = false;
        let (mut short_out, mut short_inbound) = ends(&short);
        assert_eq!(opened(&mut short_inbound, &packet(&mut out, 1)), Err(OpenError::Integrity));
        let (_, mut inbound) = ends(&extended(index, 64));
        assert_eq!(opened(&mut inbound, &packet(&mut short_out, 1)), Err(OpenError::Integrity));
    }
}

#[test]
fn short_numbers_end_where_long_ones_go_on() {
    let mut short = extended(0, 64);
    short.suite.esn = false;
    let (mut out, mut inbound) = ends(&short);
    assert!(opened(&mut inbound, &packet(&mut out, LOW_HALF - 1)).is_ok());
    assert_eq!(seal_next(&mut out), Err(SealError::SequenceExhausted));
    let (mut out, _) = ends(&extended(0, 64));
    out.set_last_sequence(LOW_HALF - 1);
    assert!(seal_next(&mut out).is_ok());
    out.set_last_sequence(u64::MAX);
    assert_eq!(seal_next(&mut out), Err(SealError::SequenceExhausted));
}

fn seal_next(out: &mut OutboundSa) -> Result<(), SealError> {
    seal(out, &INNER).map(drop)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a network does around a boundary: each packet arrives any number of times, in an order that strays no
    /// further than the window. Each is accepted once.
    #[test]
    fn reordering_and_repetition_over_a_boundary_lose_nothing_within_the_window(
        window in prop::sample::select(vec![64_u32, 65, 128, 1000, 4096]),
        high in 1_u64..6,
        before in 1_u64..200,
        index in 0..SUITES.len(),
        keys in prop::collection::vec((0_u64..60, 1_usize..3), 120),
    ) {
        let (mut out, mut inbound) = ends(&extended(index, window));
        let start = high * LOW_HALF - before;
        advance(&mut out, &mut inbound, start);
        // A packet is displaced by less than 60, so within the least window.
        let mut arrivals: Vec<(u64, u64, usize)> =
            (start + 1..).zip(&keys).map(|(sequence, (late, times))| (sequence + late, sequence, *times)).collect();
        arrivals.sort_unstable();
        for (_, sequence, times) in arrivals {
            let sealed = packet(&mut out, sequence);
            prop_assert!(opened(&mut inbound, &sealed).is_ok(), "{:#x}", sequence);
            for _ in 1..times {
                prop_assert_eq!(opened(&mut inbound, &sealed), Err(OpenError::Replay(ReplayReject::Duplicate)));
            }
        }
        prop_assert_eq!(inbound.highest_sequence(), start + 120);
    }

    /// What is left of the window is taken for a number one round ahead, which its sender did not authenticate.
    #[test]
    fn what_is_older_than_the_window_is_refused(
        window in prop::sample::select(vec![64_u32, 1024, 4096]),
        high in 1_u64..4,
        back in 0_u64..5000,
    ) {
        let (mut out, mut inbound) = ends(&extended(0, window));
        let top = high * LOW_HALF + 2500;
        advance(&mut out, &mut inbound, top);
        let outcome = opened(&mut inbound, &packet(&mut out, top - back));
        if back == 0 {
            prop_assert_eq!(outcome, Err(OpenError::Replay(ReplayReject::Duplicate)));
        } else if back < u64::from(window) {
            prop_assert!(outcome.is_ok());
        } else {
            prop_assert_eq!(outcome, Err(OpenError::Integrity));
        }
        prop_assert_eq!(inbound.highest_sequence(), top);
    }
}
