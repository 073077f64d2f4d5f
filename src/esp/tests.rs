//! Whole packets: published vectors, golden packets, and what must never be accepted.

mod sequence;
mod vectors;

use hex_literal::hex;
use proptest::prelude::*;
use wire::Secret;
use wire::ipsec::{
    Encapsulation, Encryption, EspSuite, Integrity, SaKeys, SaLifetime, SecurityAssociation, Spi, TrafficSelector,
};

use crate::transform::{Layout, Sealer};
use crate::{InboundSa, KeyError, Malformed, OpenError, OutboundSa, ReplayReject, SaDb, SealError};

/// UDP from 192.0.2.1 to 198.51.100.10.
const INNER: [u8; 28] = hex!("4500001c00010000401166cec0000201c633640a03e8003500080000");
const SPI: Spi = Spi(0x1122_3344);

const SUITES: [(Encryption, Option<Integrity>); 23] = [
    (Encryption::gcm16(128), None),
    (Encryption::gcm16(192), None),
    (Encryption::gcm16(256), None),
    (Encryption::AesCbc(128), Some(Integrity::HmacSha1)),
    (Encryption::AesCbc(128), Some(Integrity::HmacSha256)),
    (Encryption::AesCbc(192), Some(Integrity::HmacSha256)),
    (Encryption::AesCbc(256), Some(Integrity::HmacSha1)),
    (Encryption::AesCbc(256), Some(Integrity::HmacSha256)),
    (Encryption::AesCbc(256), Some(Integrity::HmacSha384)),
    (Encryption::AesCbc(256), Some(Integrity::HmacSha512)),
    (Encryption::AesGcm { bits: 128, tag: 12 }, None),
    (Encryption::AesGcm { bits: 192, tag: 12 }, None),
    (Encryption::AesGcm { bits: 256, tag: 12 }, None),
    (Encryption::AesGcm { bits: 128, tag: 8 }, None),
    (Encryption::AesGcm { bits: 192, tag: 8 }, None),
    (Encryption::AesGcm { bits: 256, tag: 8 }, None),
    (Encryption::ChaCha20Poly1305, None),
    (Encryption::TripleDesCbc, Some(Integrity::HmacMd5)),
    (Encryption::TripleDesCbc, Some(Integrity::HmacSha1)),
    (Encryption::TripleDesCbc, Some(Integrity::HmacSha512)),
    (Encryption::DesCbc, Some(Integrity::HmacMd5)),
    (Encryption::DesCbc, Some(Integrity::HmacSha256)),
    (Encryption::AesCbc(192), Some(Integrity::HmacMd5)),
];

fn suite((encryption, integrity): (Encryption, Option<Integrity>), esn: bool) -> EspSuite {
    EspSuite { encryption, integrity, esn }
}

/// Keys that count: 0, 1, 2, ... with salt `a0a1a2a3`, and 80, 81, 82, ... for integrity.
fn association(suite: EspSuite) -> SecurityAssociation {
    let key_len = suite.encryption.key_material_len() - if suite.encryption.is_aead() { 4 } else { 0 };
    let mut encryption: Vec<u8> = (0..=255).take(key_len).collect();
    if suite.encryption.is_aead() {
        encryption.extend([0xa0, 0xa1, 0xa2, 0xa3]);
    }
    let integrity = (0x80..=0xff).take(suite.integrity.map_or(0, Integrity::key_len)).collect();
    SecurityAssociation {
        spi: SPI,
        suite,
        keys: SaKeys { encryption: Secret::new(encryption), integrity: Secret::new(integrity) },
        local: "192.0.2.1:4500".parse().unwrap(),
        remote: "198.51.100.1:4500".parse().unwrap(),
        encapsulation: Encapsulation::Udp,
        replay_window: 1024,
        lifetime: SaLifetime::default(),
        local_selectors: vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6],
        remote_selectors: vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6],
    }
}

fn pair(suite: EspSuite) -> (OutboundSa, InboundSa) {
    let sa = association(suite);
    (OutboundSa::new(&sa).unwrap(), InboundSa::new(&sa).unwrap())
}

fn seal(sa: &mut OutboundSa, inner: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut buffer = vec![0xee; sa.sealed_len(inner.len())];
    buffer[sa.headroom()..][..inner.len()].copy_from_slice(inner);
    let sealed = sa.seal(&mut buffer, inner.len())?;
    assert_eq!(sealed.len, buffer.len());
    Ok(buffer)
}

/// Seals a plaintext of our choice, trailer included.
fn seal_text(suite: EspSuite, text: &[u8], sequence: u32) -> Vec<u8> {
    let layout = Layout::of(suite);
    let mut packet = SPI.0.to_be_bytes().to_vec();
    packet.extend(sequence.to_be_bytes());
    packet.extend(vec![0; layout.iv]);
    packet.extend(text);
    packet.extend(vec![0; layout.icv]);
    Sealer::new(suite, &association(suite).keys).unwrap().seal(&mut packet, sequence.into(), layout).unwrap();
    packet
}

fn opened(sa: &mut InboundSa, packet: &[u8]) -> Result<Option<Vec<u8>>, OpenError> {
    let mut packet = packet.to_vec();
    let opened = sa.open(&mut packet)?;
    Ok(opened.inner.map(|inner| packet[inner].to_vec()))
}

#[test]
fn every_suite_round_trips_with_and_without_extended_sequence_numbers() {
    for algorithms in SUITES {
        for esn in [false, true] {
            let (mut out, mut inbound) = pair(suite(algorithms, esn));
            for _ in 0..3 {
                let packet = seal(&mut out, &INNER).unwrap();
                assert_eq!(opened(&mut inbound, &packet).unwrap().unwrap(), INNER);
                assert_eq!(opened(&mut inbound, &packet), Err(OpenError::Replay(ReplayReject::Duplicate)));
            }
        }
    }
}

#[test]
fn ivs_of_cbc_never_repeat_and_do_not_count() {
    let (mut out, _) = pair(suite(SUITES[3], false));
    let first = seal(&mut out, &INNER).unwrap();
    let second = seal(&mut out, &INNER).unwrap();
    let differing = first[8..24].iter().zip(&second[8..24]).filter(|(a, b)| a != b).count();
    assert!(differing > 8, "{differing} octets differ");
}

#[test]
fn any_truncation_and_any_flipped_bit_is_refused() {
    for algorithms in SUITES {
        let (mut out, mut inbound) = pair(suite(algorithms, true));
        let packet = seal(&mut out, &INNER).unwrap();
        for len in 0..packet.len() {
            assert!(opened(&mut inbound, &packet[..len]).is_err(), "{algorithms:?} {len}");
        }
        for bit in 32..packet.len() * 8 {
            let mut flipped = packet.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(opened(&mut inbound, &flipped).is_err(), "{algorithms:?} bit {bit}");
        }
        assert_eq!(inbound.highest_sequence(), 0, "a forged packet must not move the window");
        assert!(opened(&mut inbound, &packet).is_ok());
    }
}

#[test]
fn the_low_sequence_bits_wrap_under_extended_sequence_numbers() {
    for index in [0, 5] {
        let (mut out, mut inbound) = pair(suite(SUITES[index], true));
        // The receiver follows in steps that inference covers.
        for sequence in [0x7000_0000, 0xe000_0000, 0xffff_fffd] {
            out.set_last_sequence(sequence);
            opened(&mut inbound, &seal(&mut out, &INNER).unwrap()).unwrap();
        }
        let held_back = seal(&mut out, &INNER).unwrap();
        for _ in 0..4 {
            opened(&mut inbound, &seal(&mut out, &INNER).unwrap()).unwrap();
        }
        assert_eq!(inbound.highest_sequence(), 0x1_0000_0003);
        assert!(opened(&mut inbound, &held_back).is_ok(), "from before the wrap, still in the window");
    }
}

#[test]
fn the_sequence_number_never_repeats() {
    let (mut out, _) = pair(suite(SUITES[0], false));
    out.set_last_sequence(u64::from(u32::MAX) - 1);
    assert!(seal(&mut out, &INNER).is_ok());
    for _ in 0..3 {
        assert_eq!(seal(&mut out, &INNER), Err(SealError::SequenceExhausted));
    }
    let (mut out, _) = pair(suite(SUITES[0], true));
    out.set_last_sequence(u64::MAX);
    assert_eq!(seal(&mut out, &INNER), Err(SealError::SequenceExhausted));
}

#[test]
fn a_dwindling_sequence_space_asks_for_a_rekey_once() {
    let (mut out, _) = pair(suite(SUITES[0], false));
    out.set_last_sequence(u64::from(u32::MAX) / 4 * 3 - 2);
    let mut buffer = vec![0x45; 200];
    let limits: Vec<_> = (0..3).map(|_| out.seal(&mut buffer, 100).unwrap().soft_limit).collect();
    assert_eq!(limits, [false, true, false]);
}

#[test]
fn a_forged_packet_neither_counts_nor_ends_an_sa() {
    let mut sa = association(suite(SUITES[0], true));
    sa.lifetime = SaLifetime { soft_bytes: Some(28), hard_bytes: Some(28), ..SaLifetime::default() };
    let (mut out, mut inbound) = (OutboundSa::new(&sa).unwrap(), InboundSa::new(&sa).unwrap());
    let genuine = seal(&mut out, &INNER).unwrap();
    let mut long = genuine.clone();
    long.extend([0; 64]);
    assert_eq!(opened(&mut inbound, &long), Err(OpenError::Integrity), "beyond the limit, but not authentic");
    let usage = inbound.usage();
    assert_eq!((usage.bytes(), usage.remaining_bytes()), (0, Some(28)));
    assert!(opened(&mut inbound, &genuine).is_ok());
    assert_eq!((usage.bytes(), usage.packets(), usage.remaining_bytes()), (28, 1, Some(0)));
    assert_eq!((out.usage().bytes(), out.usage().packets()), (28, 1));
}

#[test]
fn lifetimes_hold_both_ways() {
    let mut sa = association(suite(SUITES[0], false));
    sa.lifetime = SaLifetime { soft_packets: Some(1), hard_packets: Some(2), ..SaLifetime::default() };
    let (mut out, mut inbound) = (OutboundSa::new(&sa).unwrap(), InboundSa::new(&sa).unwrap());
    let packets = [seal(&mut out, &INNER).unwrap(), seal(&mut out, &INNER).unwrap()];
    assert_eq!(seal(&mut out, &INNER), Err(SealError::Lifetime));
    assert!(inbound.open(&mut packets[0].clone()).unwrap().soft_limit);
    assert!(!inbound.open(&mut packets[1].clone()).unwrap().soft_limit);
    let (mut other, _) = pair(suite(SUITES[0], false));
    other.set_last_sequence(2);
    assert_eq!(opened(&mut inbound, &seal(&mut other, &INNER).unwrap()), Err(OpenError::Lifetime));
}

#[test]
fn dummies_and_padding_beyond_the_packet_are_discarded() {
    let suite = suite(SUITES[0], false);
    let (_, mut inbound) = pair(suite);
    let dummy = seal_text(suite, &[[0; 30].as_slice(), &[0, 59]].concat(), 1);
    assert_eq!(opened(&mut inbound, &dummy), Ok(None));
    let padded = seal_text(suite, &[INNER.as_slice(), &[0; 34], &[0, 4]].concat(), 2);
    assert_eq!(opened(&mut inbound, &padded), Ok(Some(INNER.to_vec())));
}

#[test]
fn authentic_nonsense_is_malformed() {
    let suite = suite(SUITES[0], false);
    let (_, mut inbound) = pair(suite);
    let cases: [(&[u8], Malformed); 5] = [
        (&[1, 2, 200, 4], Malformed::Padding(200)),
        (&[1, 2, 0, 6], Malformed::NextHeader(6)),
        (&[0x45, 0, 0, 4], Malformed::Inner),
        (&[[0x65].as_slice(), &INNER[1..], &[1, 2, 0, 41]].concat(), Malformed::Inner),
        (&[INNER.as_slice(), &[1, 2, 0, 41]].concat(), Malformed::Inner),
    ];
    for (sequence, (text, expected)) in (1..).zip(cases) {
        assert_eq!(opened(&mut inbound, &seal_text(suite, text, sequence)), Err(expected.into()), "{text:02x?}");
    }
    let mut long = INNER;
    long[3] = 29;
    let packet = seal_text(suite, &[long.as_slice(), &[1, 2, 2, 4]].concat(), 9);
    assert_eq!(opened(&mut inbound, &packet), Err(Malformed::Inner.into()));
}

#[test]
fn packets_outside_the_selectors_are_refused_but_marked() {
    let mut sa = association(suite(SUITES[0], false));
    sa.remote_selectors = vec![TrafficSelector::range([10, 0, 0, 0].into(), [10, 255, 255, 255].into())];
    let (mut out, mut inbound) = (OutboundSa::new(&sa).unwrap(), InboundSa::new(&sa).unwrap());
    assert!(!out.permits(&INNER));
    let packet = seal(&mut out, &INNER).unwrap();
    assert_eq!(opened(&mut inbound, &packet), Err(OpenError::Selector));
    assert_eq!(inbound.highest_sequence(), 1);
}

#[test]
fn the_database_finds_by_spi() {
    let sa = association(suite(SUITES[0], false));
    let mut db = SaDb::new();
    assert!(db.insert(InboundSa::new(&sa).unwrap(), "owner").is_none());
    let packet = seal(&mut OutboundSa::new(&sa).unwrap(), &INNER).unwrap();
    assert_eq!(db.lookup(&packet).unwrap().owner, "owner");
    assert_eq!(db.lookup(&[0; 8]).unwrap_err(), OpenError::UnknownSpi(Spi(0)));
    assert_eq!(db.lookup(&packet[..7]).unwrap_err(), Malformed::Short { got: 7, need: 8 }.into());
    assert!(db.get_mut(SPI).unwrap().sa.is_same(&sa));
    assert!(db.remove(SPI).is_some());
    assert!(db.is_empty());
}

#[test]
fn keys_must_fit_the_suite() {
    let refused = |change: &dyn Fn(&mut SecurityAssociation), algorithms| {
        let mut sa = association(suite(algorithms, false));
        change(&mut sa);
        let errors = (OutboundSa::new(&sa).map(drop).unwrap_err(), InboundSa::new(&sa).map(drop).unwrap_err());
        assert_eq!(errors.0, errors.1);
        errors.0
    };
    assert_eq!(
        refused(&|sa| sa.keys.encryption = Secret::new(vec![0; 16]), SUITES[0]),
        KeyError::EncryptionKey { got: 16, need: 20 }
    );
    assert_eq!(
        refused(&|sa| sa.keys.integrity = Secret::new(vec![0; 19]), SUITES[3]),
        KeyError::IntegrityKey { got: 19, need: 20 }
    );
    assert_eq!(
        refused(&|sa| sa.suite.integrity = Some(Integrity::HmacSha1), SUITES[0]),
        KeyError::RedundantIntegrity(Integrity::HmacSha1)
    );
    assert_eq!(
        refused(&|sa| sa.suite.integrity = None, SUITES[3]),
        KeyError::MissingIntegrity(Encryption::AesCbc(128))
    );
    let mut sa = association(suite(SUITES[0], false));
    sa.replay_window = 32;
    assert_eq!(InboundSa::new(&sa).map(drop).unwrap_err(), KeyError::ReplayWindow(32));
    let odd = Encryption::AesCbc(136);
    let mut sa = association(suite((odd, Some(Integrity::HmacSha1)), false));
    sa.keys.encryption = Secret::new(vec![0; 17]);
    assert_eq!(OutboundSa::new(&sa).map(drop).unwrap_err(), KeyError::Cipher(odd));
}

#[test]
fn a_buffer_too_small_is_refused_without_using_a_sequence_number() {
    let (mut out, _) = pair(suite(SUITES[0], false));
    let mut buffer = [0x45; 64];
    assert_eq!(out.seal(&mut buffer[..63], 28), Err(SealError::Room { got: 63, need: 64 }));
    buffer[16..44].copy_from_slice(&INNER);
    out.seal(&mut buffer, 28).unwrap();
    assert_eq!(buffer[4..8], [0, 0, 0, 1]);
}

#[test]
fn no_key_is_printed() {
    let (out, inbound) = pair(suite(SUITES[0], false));
    assert_eq!(
        format!("{out:?}"),
        "OutboundSa { spi: 0x11223344, suite: EspSuite { encryption: AesGcm { bits: 128, tag: 16 }, integrity: None, esn: false }, .. }"
    );
    assert!(!format!("{inbound:?}").contains("a0, a1"));
}

proptest! {
    #[test]
    fn any_inner_packet_round_trips(
        index in 0..SUITES.len(),
        esn in any::<bool>(),
        payload in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        let (mut out, mut inbound) = pair(suite(SUITES[index], esn));
        let mut inner = INNER[..20].to_vec();
        inner[2..4].copy_from_slice(&u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
        inner.extend(payload);
        let packet = seal(&mut out, &inner).unwrap();
        prop_assert_eq!(opened(&mut inbound, &packet).unwrap().unwrap(), inner);
    }

    #[test]
    fn octets_that_are_no_packet_are_refused(
        index in 0..SUITES.len(),
        mut octets in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (_, mut inbound) = pair(suite(SUITES[index], octets.len() % 2 == 0));
        prop_assert!(inbound.open(&mut octets).is_err());
    }

    #[test]
    fn authentic_octets_of_any_kind_do_not_panic(
        text in prop::collection::vec(any::<u8>(), 1..40),
        next in prop_oneof![Just(4u8), Just(41), Just(59), any::<u8>()],
    ) {
        let suite = suite(SUITES[0], false);
        let (_, mut inbound) = pair(suite);
        let mut text = text.repeat(4);
        let end = text.len() - 1;
        text[end] = next;
        let _ = opened(&mut inbound, &seal_text(suite, &text, 1));
    }
}
