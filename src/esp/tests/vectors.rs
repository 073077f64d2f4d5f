//! Published packets, and packets that an independent implementation makes.

use hex_literal::hex;
use wire::Secret;
use wire::ipsec::{Encryption, Integrity, SaKeys};

use super::*;
use crate::transform::{Layout, Opener};

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
