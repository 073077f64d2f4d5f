//! Fragmentation and reassembly.

use fixtures::Seeded;
use proptest::prelude::*;
use wire::Entropy;

use super::{ciphers, message, suites};
use crate::{
    Fragment, FragmentRefused, Frame, MAX_FRAGMENTS, MAX_OCTETS, Message, Notify, NotifyType, Opened, Payload,
    PayloadType, Plaintext, Reassembly, SealError,
};

fn long_message(len: usize) -> Message {
    message(vec![
        Payload::Notify(Notify::new(NotifyType::INITIAL_CONTACT)),
        Payload::VendorId((0..len).map(|i| i.to_le_bytes()[0]).collect()),
    ])
}

fn fragment(number: u16, total: u16, octets: &[u8]) -> Fragment {
    let first = if number == 1 { PayloadType::VENDOR_ID } else { PayloadType::NONE };
    Fragment { number, total, plaintext: Plaintext { first, octets: octets.to_vec() } }
}

proptest! {
    #[test]
    fn any_cut_comes_together_in_any_order(
        len in 0_usize..6000,
        max in 150_usize..1500,
        suite in prop::sample::select(suites()),
        order: u64,
        duplicates: bool,
    ) {
        let message = long_message(len);
        let (mut initiator, responder) = ciphers(&suite);
        let mut datagrams = message.seal(&mut initiator.outbound, &mut Seeded::new(1), Some(max)).unwrap();
        prop_assert!(datagrams.iter().all(|datagram| datagram.len() <= max));
        let count = datagrams.len();
        if duplicates {
            datagrams.extend(datagrams.clone());
        }
        shuffle(&mut datagrams, order);
        let mut reassembly = Reassembly::new();
        let mut complete = Vec::new();
        for datagram in &datagrams {
            let sealed = Frame::decode(datagram).unwrap().protected().unwrap().unwrap();
            match sealed.open(&responder.inbound).unwrap() {
                Opened::Whole(plaintext) => complete.push(plaintext),
                Opened::Fragment(fragment) => match reassembly.insert(fragment) {
                    Ok(plaintext) => complete.extend(plaintext),
                    Err(FragmentRefused::Duplicate(_)) => prop_assert!(duplicates),
                    Err(refused) => panic!("{refused}"),
                },
            }
        }
        prop_assert!(!complete.is_empty() && (duplicates || complete.len() == 1), "{count}");
        for plaintext in complete {
            prop_assert_eq!(plaintext.payloads(), Ok(message.payloads.clone()));
        }
    }

    #[test]
    fn arbitrary_fragments_stay_within_bounds(
        fragments in prop::collection::vec((1_u16..400, 1_u16..400, 0_usize..9000), 0..80),
    ) {
        let mut reassembly = Reassembly::new();
        for (number, total, len) in fragments {
            let result = reassembly.insert(fragment(number.min(total), total, &vec![0; len]));
            if let Ok(Some(plaintext)) = result {
                prop_assert!(plaintext.octets.len() <= MAX_OCTETS);
            }
            prop_assert!(reassembly.pending() < usize::from(MAX_FRAGMENTS));
        }
    }
}

fn shuffle(datagrams: &mut [Vec<u8>], seed: u64) {
    let mut entropy = Seeded::new(seed);
    for last in (1..datagrams.len()).rev() {
        let mut octets = [0; 8];
        entropy.fill(&mut octets);
        datagrams.swap(last, usize::from_le_bytes(octets) % (last + 1));
    }
}

#[test]
fn a_message_that_fits_is_not_cut() {
    let (mut initiator, _) = ciphers(&suites()[0]);
    let message = long_message(100);
    let whole = message.seal(&mut initiator.outbound, &mut Seeded::new(1), None).unwrap()[0].len();
    for (max, pieces) in [(whole, 1), (whole - 1, 2)] {
        let sealed = message.seal(&mut initiator.outbound, &mut Seeded::new(1), Some(max)).unwrap();
        assert_eq!(sealed.len(), pieces);
    }
}

#[test]
fn a_limit_without_room_is_an_error() {
    for suite in suites() {
        let (mut initiator, _) = ciphers(&suite);
        let sealed = long_message(100).seal(&mut initiator.outbound, &mut Seeded::new(1), Some(40));
        assert_eq!(sealed, Err(SealError::NoRoom { max_datagram: 40 }));
        let empty = message(Vec::new()).seal(&mut initiator.outbound, &mut Seeded::new(1), Some(40));
        assert_eq!(empty, Err(SealError::NoRoom { max_datagram: 40 }));
    }
}

#[test]
fn a_finer_cut_replaces_a_coarser_one_and_never_the_reverse() {
    let mut reassembly = Reassembly::new();
    assert_eq!(reassembly.insert(fragment(1, 2, b"old")), Ok(None));
    assert_eq!(reassembly.insert(fragment(2, 3, b"b")), Ok(None));
    assert_eq!(reassembly.pending(), 1);
    assert_eq!(reassembly.insert(fragment(2, 2, b"old")), Err(FragmentRefused::Outdated { current: 3, found: 2 }));
    assert_eq!(reassembly.insert(fragment(3, 3, b"c")), Ok(None));
    assert_eq!(reassembly.insert(fragment(3, 3, b"x")), Err(FragmentRefused::Duplicate(3)));
    let complete = reassembly.insert(fragment(1, 3, b"a")).unwrap().unwrap();
    assert_eq!(complete, Plaintext { first: PayloadType::VENDOR_ID, octets: b"abc".to_vec() });
    assert_eq!(reassembly.pending(), 0);
}

#[test]
fn one_fragment_of_one_is_a_message() {
    let complete = Reassembly::new().insert(fragment(1, 1, b"a")).unwrap().unwrap();
    assert_eq!(complete.octets, b"a");
}

#[test]
fn limits_hold() {
    let mut reassembly = Reassembly::new();
    let total = MAX_FRAGMENTS + 1;
    assert_eq!(reassembly.insert(fragment(1, total, b"a")), Err(FragmentRefused::TooMany(total)));
    assert_eq!(reassembly.insert(fragment(1, 3, &vec![0; MAX_OCTETS])), Ok(None));
    assert_eq!(reassembly.insert(fragment(2, 3, b"a")), Err(FragmentRefused::TooLong));
}
