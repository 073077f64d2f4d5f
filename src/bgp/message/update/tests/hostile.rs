//! Messages that break off, and octets that nobody meant.

use proptest::prelude::*;

use super::*;

#[test]
fn truncation_at_every_length_is_an_answer_not_a_panic() {
    let whole = body(
        &hex!("18 c0a801"),
        &[REACH, ORIGIN, PATH, NEXT_HOP, &hex!("c0 08 04 fc000001"), UNREACH],
        &hex!("10 0a02 18 0a0304"),
    );
    assert!(decode_update(&whole, &terms()).is_ok());
    for length in 0..whole.len() {
        let decoded = decode_update(&whole[..length], &terms());
        let nlri = whole.len() - 7;
        assert_eq!(decoded.is_err(), length < nlri || ![0, 3].contains(&(length - nlri)), "{length}: {decoded:?}");
    }
}

fn any_terms() -> impl Strategy<Value = Terms> {
    (any::<bool>(), any::<bool>()).prop_map(|(external, four_octet)| {
        let base = if external { terms() } else { internal() };
        Terms { four_octet, ..base }
    })
}

proptest! {
    #[test]
    fn random_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..300), terms in any_terms()) {
        drop(decode_update(&octets, &terms));
    }

    #[test]
    fn a_message_with_octets_changed_never_panics(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        terms in any_terms(),
    ) {
        let more: [&[u8]; 6] = [
            REACH, UNREACH, &hex!("c0 07 08 0000fc00 0a000007"), &hex!("c0 08 04 fc000001"),
            &hex!("c0 11 06 02 01 0000fc00"), &hex!("c0 20 0c 0000fc00 00000001 00000002"),
        ];
        let mut octets = route(&more);
        for (at, value) in changes {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        if let Ok(decoded) = decode_update(&octets, &terms) {
            for announcement in &decoded.update.announced {
                prop_assert!(!announcement.prefixes.is_empty());
            }
            let reset = decoded.faults.is_some_and(|faults| faults.verdict() == Verdict::Reset);
            prop_assert!(!reset, "a reset is an error");
        }
    }
}
