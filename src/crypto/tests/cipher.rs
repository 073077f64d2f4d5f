//! Protection of messages, in every suite.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use hex_literal::hex;
use proptest::prelude::*;
use wire::ipsec::{Encryption, Integrity};

use crate::{AdditionalKeyExchanges, Group, IkeProposal, OpenError, Prf, Role, SkCiphers};
use fixtures::Seeded;

/// All suites that a message may be protected with.
fn suites() -> Vec<IkeProposal> {
    let suite = |encryption, integrity| IkeProposal {
        encryption,
        integrity,
        prf: Prf::HmacSha256,
        group: Group::X25519,
        additional: AdditionalKeyExchanges::NONE,
    };
    Encryption::ALL
        .into_iter()
        .flat_map(|encryption| {
            if encryption.is_aead() {
                vec![suite(encryption, None)]
            } else {
                Integrity::ALL.into_iter().map(|integrity| suite(encryption, Some(integrity))).collect()
            }
        })
        .collect()
}

fn ciphers(suite: &IkeProposal) -> (SkCiphers, SkCiphers) {
    let keys = super::derivation::keys(suite);
    (keys.ciphers(Role::Initiator), keys.ciphers(Role::Responder))
}

#[test]
fn what_one_end_seals_the_other_opens() {
    for suite in suites() {
        let (mut initiator, mut responder) = ciphers(&suite);
        for len in [0, 1, 14, 15, 16, 17, 100, 1000] {
            let plaintext = vec![7; len];
            let mut message = b"header".to_vec();
            initiator.outbound.seal(&mut message, &plaintext, &mut Seeded::new(1));
            assert_eq!(message.len(), 6 + initiator.outbound.sealed_len(len), "{suite}");
            assert_eq!(responder.inbound.open(&message, 6).unwrap(), plaintext, "{suite}");
            let mut answer = b"header".to_vec();
            responder.outbound.seal(&mut answer, &plaintext, &mut Seeded::new(1));
            assert_eq!(initiator.inbound.open(&answer, 6).unwrap(), plaintext, "{suite}");
            // Directions have their own keys.
            assert_eq!(responder.inbound.open(&answer, 6), Err(OpenError::NotAuthentic), "{suite}");
        }
    }
}

#[test]
fn a_changed_octet_anywhere_is_noticed() {
    for suite in suites() {
        let (mut initiator, responder) = ciphers(&suite);
        let mut message = b"header".to_vec();
        initiator.outbound.seal(&mut message, b"content", &mut Seeded::new(1));
        for at in 0..message.len() {
            message[at] ^= 0x10;
            assert_eq!(responder.inbound.open(&message, 6), Err(OpenError::NotAuthentic), "{suite} octet {at}");
            message[at] ^= 0x10;
        }
        assert!(responder.inbound.open(&message, 6).is_ok());
    }
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    for suite in suites() {
        let (mut initiator, responder) = ciphers(&suite);
        let mut message = b"header".to_vec();
        initiator.outbound.seal(&mut message, b"content", &mut Seeded::new(1));
        for len in 0..message.len() {
            assert!(responder.inbound.open(&message[..len], 6).is_err(), "{suite} length {len}");
            assert!(responder.inbound.open(&message[..len], len).is_err(), "{suite} length {len}");
        }
    }
}

#[test]
fn room_is_what_fits_and_no_more() {
    for suite in suites() {
        let (cipher, _) = ciphers(&suite);
        for room in 0..400 {
            let plaintext = cipher.outbound.plaintext_room(room);
            if plaintext > 0 {
                assert!(cipher.outbound.sealed_len(plaintext) <= room, "{suite} {room}");
            }
            assert!(cipher.outbound.sealed_len(plaintext + 1) > room, "{suite} {room}");
        }
    }
}

#[test]
fn an_initialisation_vector_of_an_aead_is_never_used_twice() {
    for suite in suites().iter().filter(|suite| suite.encryption.is_aead()) {
        let (mut initiator, _) = ciphers(suite);
        let mut seen = Vec::new();
        for _ in 0..100 {
            let mut message = Vec::new();
            initiator.outbound.seal(&mut message, b"same", &mut Seeded::new(1));
            message.truncate(8);
            assert!(!seen.contains(&message));
            seen.push(message);
        }
    }
}

#[test]
fn padding_longer_than_the_content_is_refused() {
    let suite = "aes128gcm16-prfsha256-x25519".parse().unwrap();
    // Sealed by hand: one octet, which says that 255 octets of padding precede it.
    let sk_ei = hex!("7169796acf6a90588ef6fc6762df3cb1aa4aa611");
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &sk_ei[..16]).unwrap());
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&sk_ei[16..]);
    let mut content = vec![255];
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(b"header"), &mut content).unwrap();
    let message = [b"header".as_slice(), &[0; 8], &content].concat();
    let (_, responder) = ciphers(&suite);
    assert_eq!(responder.inbound.open(&message, 6), Err(OpenError::Padding));
}

proptest! {
    #[test]
    fn arbitrary_octets_are_never_authentic(message: Vec<u8>, at in 0_usize..64) {
        for suite in suites() {
            let (_, responder) = ciphers(&suite);
            prop_assert!(responder.inbound.open(&message, at).is_err());
        }
    }
}
