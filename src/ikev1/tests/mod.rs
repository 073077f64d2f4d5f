//! Key derivation against values computed by another program (Python's hmac and hashlib, OpenSSL's ciphers).

use crypto::{IkeProposal, Nonces, Prf, Role};
use hex_literal::hex;
use wire::Secret;
use wire::ipsec::{IkeSpi, Spi};

use super::keys::{Cookies, Keys, Publics, nat_hash};

const COOKIES: Cookies = Cookies { initiator: IkeSpi(0x0102_0304_0506_0708), responder: IkeSpi(0x1112_1314_1516_1718) };
const MESSAGE_ID: u32 = 0x1122_3344;
const SA: [u8; 12] = hex!("00000001 00000001 deadbeef");
const ID: [u8; 8] = hex!("01000000 c0000201");

struct Expected {
    suite: &'static str,
    hash_i: &'static [u8],
    hash_r: &'static [u8],
    hash1: &'static [u8],
    hash2: &'static [u8],
    hash3: &'static [u8],
    iv: &'static [u8],
    phase2_iv: &'static [u8],
    /// AES-128-CBC with HMAC-SHA2-256: 16 and 32 octets, without and with perfect forward secrecy.
    keymat: [&'static [u8]; 2],
    ciphertext: &'static [u8],
}

fn cases() -> [Expected; 3] {
    [
        Expected {
            suite: "aes256-sha1-modp1024",
            hash_i: &hex!("c681ae8ef2b324154a3d2abb81c6676952abe94f"),
            hash_r: &hex!("5c4da1617682d7aac83044c021eec8fd97bba01d"),
            hash1: &hex!("7195cf3b2d8df004bfd232b23ddfb30e9f7e14e1"),
            hash2: &hex!("1ee275dad6664a651a40c3b5272b6a319989ef7f"),
            hash3: &hex!("a67d9f6b29f0d59ccac668346535d5f3c0370991"),
            iv: &hex!("31bb0e0865a36e0fa55100e73f0e4fef"),
            phase2_iv: &hex!("5015def8ad3b1c5d78e675017bc366a0"),
            keymat: [
                &hex!(
                    "8dc4eaa1419820be0371cad15437860ee492df3de45c0d912e9120796f19ce562802dfaeb9da81b3d9311b5953d315b4"
                ),
                &hex!(
                    "79a0b3412b832bf8b10411dbef5c96bc10f8019d48eb6a9d92c7ef935eb12399edeb2d14fef07b8a2afb5b55865d2c9c"
                ),
            ],
            ciphertext: &hex!(
                "88d6ed0004e6620fa303a4357fd90635067f20f1378aa1fa0d86ce9ca8d7dd943ff7aac1c624ee188513d2918f748cbe"
            ),
        },
        Expected {
            suite: "3des-sha256-modp1024",
            hash_i: &hex!("db2deb307eac06a005c4823b4582dfb20328983655ce07e94351069525ebfe9c"),
            hash_r: &hex!("6d377923ee6dbe1e6bb53608b7fe102d4653be0a7dff5f7876bf6ee4b9346696"),
            hash1: &hex!("82b69bcaa65da988de3b5e824291547577846fe58dc49a2d8246d9e243b30830"),
            hash2: &hex!("f79c889544c42def215d6d2a6f207e4f9f360792362e5ad12c8db3b3c0cdee90"),
            hash3: &hex!("0287f532b5b050110f1e17a0b47773b6c6dea897b580c77334253802f56abf7e"),
            iv: &hex!("4ee63ad27587f0e3"),
            phase2_iv: &hex!("c7e31c54e1686a38"),
            keymat: [
                &hex!(
                    "617a18a24a6b6a949513601b66aea3a973645e1ea0c32c270c1c805984f029ff71e211ca55ba514272b37dbf116ad613"
                ),
                &hex!(
                    "cb907f125d3fd7109e1b47a6b395fcad9bb1aaf25cebc74f229558c53ea48a5fb0a5435118530dd76c76c238b456a824"
                ),
            ],
            ciphertext: &hex!("046724e4010affcd86d968bb0f50e6681dc090080827037b86503ea7894d7a02d63ff821d53bfd14"),
        },
        Expected {
            suite: "3des-md5-modp1024",
            hash_i: &hex!("d191ecd1a4e3862c31c76349757f149e"),
            hash_r: &hex!("8143b55906270b5e2a38d93f06ff3811"),
            hash1: &hex!("c354b89b78058b18c6ffa140102813ee"),
            hash2: &hex!("9c123aa39f1ca15ecebcc02460b8abc1"),
            hash3: &hex!("89ac26c8cd067c1cf773017fcd153724"),
            iv: &hex!("60ca1524ecd80809"),
            phase2_iv: &hex!("6feecb0b1b30abcb"),
            keymat: [
                &hex!(
                    "cf150a0caef75817b069a9ad92902a29c624f429862d3c5373302663dd486112b0c5b745400cb36a6ad6d0a8904db7f0"
                ),
                &hex!(
                    "2ed7ff4f11125d8c3e242f84d03ee02b4ed4741558caaf9fbae4a991d70f8db0b8b9e1020172fe1cdada1c6a0a463542"
                ),
            ],
            ciphertext: &hex!("a20e3d098dcd5717c03b807771d608b4cdf0456ec7065ecf1b9186360d4b922b64a61d10af7a0e51"),
        },
    ]
}

fn nonces() -> (Vec<u8>, Vec<u8>) {
    ((0..16).collect(), (0x80..0x94).collect())
}

fn keys(suite: &IkeProposal) -> Keys {
    let (initiator, responder) = nonces();
    let nonces = Nonces { initiator: &initiator, responder: &responder };
    let psk = Secret::from(b"correct horse battery staple".as_slice());
    Keys::derive(suite, &psk, nonces, &Secret::new(vec![0x5a; 128]), COOKIES).unwrap()
}

#[test]
fn keys_and_hashes_are_those_another_program_computes() {
    let (ni, nr) = nonces();
    let nonces = Nonces { initiator: &ni, responder: &nr };
    let (gi, gr) = (vec![0xa1; 128], vec![0xb2; 128]);
    let publics = Publics { initiator: &gi, responder: &gr };
    let rest = b"the rest of the message";
    for expected in cases() {
        let suite: IkeProposal = expected.suite.parse().unwrap();
        let keys = keys(&suite);
        let phase1 = |signer| keys.phase1_hash(signer, publics, COOKIES, &SA, &ID);
        assert_eq!(phase1(Role::Initiator).expose(), expected.hash_i, "{suite}");
        assert_eq!(phase1(Role::Responder).expose(), expected.hash_r, "{suite}");
        assert_eq!(keys.hash1(MESSAGE_ID, rest).expose(), expected.hash1);
        assert_eq!(keys.hash2(MESSAGE_ID, &ni, rest).expose(), expected.hash2);
        assert_eq!(keys.hash3(MESSAGE_ID, nonces).expose(), expected.hash3);
        assert_eq!(keys.phase1_iv(publics), expected.iv);
        let last: Vec<u8> = (0..16).collect();
        assert_eq!(keys.phase2_iv(&last, MESSAGE_ID), expected.phase2_iv);
    }
}

#[test]
fn key_material_of_esp_is_what_another_program_computes() {
    let (ni, nr) = nonces();
    let nonces = Nonces { initiator: &ni, responder: &nr };
    let esp: crypto::EspProposal = "aes128-sha256".parse().unwrap();
    let shared = Secret::new(vec![0x5a; 128]);
    for expected in cases() {
        let keys = keys(&expected.suite.parse().unwrap());
        for (shared, keymat) in [None, Some(&shared)].into_iter().zip(expected.keymat) {
            let found = keys.esp(esp.suite, shared, nonces, Spi(0xcafe_0102));
            assert_eq!([found.encryption.expose(), found.integrity.expose()].concat(), keymat, "{}", expected.suite);
        }
    }
}

#[test]
fn messages_are_encrypted_as_another_program_does() {
    for expected in cases() {
        let keys = keys(&expected.suite.parse().unwrap());
        let plaintext: Vec<u8> = (0..40).collect();
        let mut body = plaintext.clone();
        let last = keys.encrypt(expected.iv, &mut body).unwrap();
        assert_eq!(body, expected.ciphertext, "{}", expected.suite);
        assert!(body.ends_with(&last));
        let (opened, last_block) = keys.decrypt(expected.iv, &body).unwrap();
        assert!(opened.starts_with(&plaintext));
        assert_eq!(last_block, last);
        assert!(keys.decrypt(expected.iv, &body[1..]).is_none());
        assert!(keys.decrypt(expected.iv, &[]).is_none());
    }
}

#[test]
fn a_nat_hash_covers_cookies_address_and_port() {
    let address = "192.0.2.1:500".parse().unwrap();
    assert_eq!(nat_hash(Prf::HmacSha1, COOKIES, address), hex!("d798d986143f878f70765e0e869c80bbc375f701"));
}

#[test]
fn only_so_many_of_a_strangers_suites_are_named() {
    use isakmp::v1::{IkeAttribute, Proposal, Protocol, Transform};
    let attributes = vec![isakmp::v1::Attribute::Short(IkeAttribute::ENCRYPTION.0, 5)];
    let transforms = vec![Transform { number: 1, id: 1, attributes }; 255];
    let proposal = Proposal { number: 1, protocol: Protocol::ISAKMP, spi: Vec::new(), transforms };
    let refused = super::select::select_ike(&[], &vec![proposal; 8]).unwrap_err();
    assert!(refused.theirs.starts_with("3des, 3des") && refused.theirs.ends_with(", ..."), "{}", refused.theirs);
    assert!(refused.theirs.len() < 500);
}
