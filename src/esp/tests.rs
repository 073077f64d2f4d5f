//! Whole packets: published vectors, golden packets, and what must never be accepted.

mod sequence;

use hex_literal::hex;
use proptest::prelude::*;
use wire::Secret;
use wire::ipsec::{
    Encapsulation, Encryption, EspSuite, Integrity, SaKeys, SaLifetime, SecurityAssociation, Spi, TrafficSelector,
};

use crate::transform::{Layout, Opener, Sealer};
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
fn published_gcm_packets_open() {
    // draft-mcgrew-gcm-test-01: AES-128 with extended sequence numbers, AES-192, AES-256.
    struct Vector {
        encryption: Encryption,
        key: &'static [u8],
        sequence: u64,
        esn: bool,
        packet: Vec<u8>,
        text: &'static [u8],
    }
    let vectors = [
        Vector {
            encryption: Encryption::gcm16(128),
            key: &hex!("4c80cdefbb5d10da906ac73c3613a6342e443b68"),
            sequence: 0x8765_4321_0000_0000,
            esn: true,
            packet: hex!(
                "00004321 00000000 4956ed7e3b244cfe"
                "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34"
                "cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce"
                "61bc17d768fd9732 459018148f6cbe722fd04796562dfdb4"
            )
            .to_vec(),
            text: &hex!(
                "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000"
                "00000000045f736970045f756470037369700963796265726369747902646b00"
                "0021000101020201"
            ),
        },
        Vector {
            encryption: Encryption::gcm16(192),
            key: &hex!("feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe"),
            sequence: 0x0a,
            esn: false,
            packet: hex!(
                "0000a5f8 0000000a facedbaddecaf888"
                "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0"
                "315b27452144cc77 95457b9652037f5318027b5b4cd7a636"
            )
            .to_vec(),
            text: &hex!(
                "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e"
                "501016d075680001"
            ),
        },
        Vector {
            encryption: Encryption::gcm16(256),
            key: &hex!("abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344"),
            sequence: 2,
            esn: false,
            packet: hex!(
                "4a2cbfe3 00000002 0102030405060708"
                "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763"
                "748a637985771d347f0545659f14e99def842d8e b335f4eecfdbf831824b4c4915956c96"
            )
            .to_vec(),
            text: &hex!(
                "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000"
                "7002400020bf0000020405b40101040201020201"
            ),
        },
    ];
    for mut vector in vectors {
        let suite = suite((vector.encryption, None), vector.esn);
        let keys = SaKeys { encryption: Secret::from(vector.key), integrity: Secret::default() };
        let mut opener = Opener::new(suite, &keys).unwrap();
        opener.open(&mut vector.packet, vector.sequence, Layout::of(suite)).unwrap();
        assert_eq!(&vector.packet[16..vector.packet.len() - 16], vector.text, "{suite}");
    }
}

/// RFC 7634 appendix A.
#[test]
fn the_published_chacha20_poly1305_packet_opens() {
    let suite = suite((Encryption::ChaCha20Poly1305, None), false);
    let key: Vec<u8> = (0x80..0xa0).chain(0xa0..0xa4).collect();
    let keys = SaKeys { encryption: Secret::new(key), integrity: Secret::default() };
    let mut packet = hex!(
        "0102030400000005 1011121314151617"
        "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e076aaa8266b7fb0f7b11b369907e1ad43"
    );
    Opener::new(suite, &keys).unwrap().open(&mut packet, 5, Layout::of(suite)).unwrap();
    let text = hex!(
        "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204"
    );
    assert_eq!(packet[16..packet.len() - 16], text);
}

#[test]
fn published_cbc_texts_decrypt() {
    // RFC 3602 4, cases 2 and 4; the ICV around them is made here with an independent HMAC call.
    let vectors: [([u8; 16], &[u8], Vec<u8>); 2] = [
        (
            hex!("c286696d887c9aa0611bbb3e2025a45a"),
            &hex!(
                "562e17996d093d28ddb3ba695a2e6f58"
                "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1"
            ),
            (0..32).collect(),
        ),
        (
            hex!("56e47a38c5598974bc46903dba290349"),
            &hex!(
                "8ce82eefbea0da3c44699ed7db51b7d9"
                "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e"
                "35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55"
            ),
            (0xa0..=0xdf).collect(),
        ),
    ];
    let suite = suite((Encryption::AesCbc(128), Some(Integrity::HmacSha256)), false);
    for (key, iv_and_text, plain) in vectors {
        let keys = SaKeys { encryption: Secret::from(key.as_slice()), integrity: Secret::new(vec![7; 32]) };
        let mut packet = [&hex!("0000432100000001"), iv_and_text].concat();
        let mac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[7; 32]);
        let icv = aws_lc_rs::hmac::sign(&mac, &packet);
        packet.extend(&icv.as_ref()[..16]);
        Opener::new(suite, &keys).unwrap().open(&mut packet, 1, Layout::of(suite)).unwrap();
        assert_eq!(packet[24..packet.len() - 16], plain);
    }
}

/// A sequence number that needs more than 32 bits.
const LATE: u64 = 0x2_0000_0005;

/// Index of the suite, extended sequence numbers, sequence number, packet; made with Python's `cryptography` and `hmac`.
const GOLDEN: [(usize, bool, u64, &[u8]); 21] = [
    (
        0,
        false,
        1,
        &hex!(
            "1122334400000001000000000000000103711cee6c857750c77d20d91b049667d7c17d89951d80976df98b101da45d16994846643500b9c63b362d81b2244e72"
        ),
    ),
    (
        0,
        true,
        LATE,
        &hex!(
            "11223344000000050000000200000005afbbc6512b8104e29c8ff3264990af4508d6f13b3a0d022d98557fa8cd89361a8009bc6eca0fbec6529686407eef544b"
        ),
    ),
    (
        2,
        true,
        LATE,
        &hex!(
            "112233440000000500000002000000056c373b039c68f01205df2a384d441606c881a83b1557ef0b555c8462abbc0c5484ac700f31920a242b0219c541841bba"
        ),
    ),
    (
        3,
        false,
        1,
        &hex!(
            "11223344000000017346139595c0b41e497bbde365f42d0aa78e3adc819944fefc2a5ef686d69ed35f075e39f8b58ada3e1371337c57714544f54e39c6497ee70675fef2"
        ),
    ),
    (
        5,
        false,
        1,
        &hex!(
            "1122334400000001494e385a4b3fafb713eaeca808626717062f340b3dd5e0ebe3c7c640670b1863ed01a33a59e1d0c251c3a3af919da92d782fbf2ccf1c36fc2c72b5d07829f501"
        ),
    ),
    (
        8,
        true,
        LATE,
        &hex!(
            "11223344000000057a071119a080b225f1dc8320106377eaf1567462c67b256ff18c6d0933e80865886c737470cad81b83127f9868f1baef37f472e51c108184b725a3f202681ba2c61325fe879c5d61"
        ),
    ),
    (
        9,
        false,
        1,
        &hex!(
            "1122334400000001f05d76ae4ab99fe5a6f69b3148c2363d76846a147649de20fa64284c91c15837e42ca66f8954a1799c41229107965bf402140391f2447285c678c1180792e08e51bcae91fbb1ff6325e271b17821b537"
        ),
    ),
    (
        10,
        false,
        1,
        &hex!(
            "1122334400000001000000000000000103711cee6c857750c77d20d91b049667d7c17d89951d80976df98b101da45d16994846643500b9c63b362d81"
        ),
    ),
    (
        11,
        true,
        LATE,
        &hex!(
            "11223344000000050000000200000005b781263850472c0435ccb780033e894bf6c6d5904a0fef419463aa33264667a4f30ba9eb3d3d93ce42bdd0d7"
        ),
    ),
    (
        12,
        false,
        1,
        &hex!(
            "11223344000000010000000000000001f5afb8926c75c6b45bcbcba4bb6b0f8b8b29fd576b881c18a9dd8d5e2ffc25976ebdc7fcbf975a0e1d76dbe0"
        ),
    ),
    (
        13,
        false,
        1,
        &hex!(
            "1122334400000001000000000000000103711cee6c857750c77d20d91b049667d7c17d89951d80976df98b101da45d16994846643500b9c6"
        ),
    ),
    (
        14,
        true,
        LATE,
        &hex!(
            "11223344000000050000000200000005b781263850472c0435ccb780033e894bf6c6d5904a0fef419463aa33264667a4f30ba9eb3d3d93ce"
        ),
    ),
    (
        15,
        false,
        1,
        &hex!(
            "11223344000000010000000000000001f5afb8926c75c6b45bcbcba4bb6b0f8b8b29fd576b881c18a9dd8d5e2ffc25976ebdc7fcbf975a0e"
        ),
    ),
    (
        16,
        false,
        1,
        &hex!(
            "1122334400000001000000000000000162dc35d25ab45a704982addadcc9c2af03f06afa1b57fc3e9c7de54092b6ec3ed13cbe2f0c7dc5872b27671fca54fc40"
        ),
    ),
    (
        16,
        true,
        LATE,
        &hex!(
            "11223344000000050000000200000005228ec516af82c9a40f9b616930d6bca80244c68a2969f7a34d86f6f7e71b603bd29d0f94ddfeff6b965d197adab5a138"
        ),
    ),
    (
        17,
        false,
        1,
        &hex!(
            "112233440000000174768beb02846c448d1a6a0628b4958e3823c82edcac44e9ed6e578e1e95eb77e572ffbc3025a8c0fb704a0a83daaffe05cf0d14"
        ),
    ),
    (
        18,
        true,
        LATE,
        &hex!(
            "11223344000000054c095056741e658d167b698b6ae5eb37fc3c6cdd1ff9042d63e3cace32f35560e751bb08da3be77ef4b08de99434c929c24a2d96"
        ),
    ),
    (
        19,
        false,
        1,
        &hex!(
            "112233440000000174768beb02846c448d1a6a0628b4958e3823c82edcac44e9ed6e578e1e95eb77e572ffbc3025a8c0dadd71c737e77629dff6da0ca591cf95fd9c94c3ad02a7a4a3b7cab11d1cfc56"
        ),
    ),
    (
        20,
        true,
        LATE,
        &hex!(
            "1122334400000005f193a4e878d2ef608668bedfbdca168dc20b91561ae14c8c682972e83344b579f6c7190740676e568f4cf59f4c08ad5ee317fdf3"
        ),
    ),
    (
        21,
        false,
        1,
        &hex!(
            "1122334400000001f1536b499928b38e2cf1886849cdac72728cd620a6dce428c8eb6622be760fbeb7deaf4fc714dc1f5e11a4b3836e0194fc85c35cbc1d0a1f"
        ),
    ),
    (
        22,
        false,
        1,
        &hex!(
            "1122334400000001494e385a4b3fafb713eaeca808626717062f340b3dd5e0ebe3c7c640670b1863ed01a33a59e1d0c251c3a3af919da92d90e72055e0726ba76f9c91cb"
        ),
    ),
];

#[test]
fn sealed_packets_are_as_an_independent_implementation_makes_them() {
    for (index, esn, sequence, packet) in GOLDEN {
        let (mut out, mut inbound) = pair(suite(SUITES[index], esn));
        out.set_last_sequence(sequence - 1);
        assert_eq!(seal(&mut out, &INNER).unwrap(), packet, "{:?}", SUITES[index]);
        if sequence == 1 {
            assert_eq!(opened(&mut inbound, packet).unwrap().unwrap(), INNER);
        }
    }
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
