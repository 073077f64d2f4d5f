//! Key derivation, AUTH, hashes.

use hex_literal::hex;
use wire::Secret;
use wire::ipsec::{Encryption, EspSuite, IkeSpi, Integrity};

use crate::{
    AdditionalKeyExchanges, AuthInput, ChildKeys, Group, IkeKeys, IkeProposal, Nonces, Prf, Role, cookie,
    nat_detection_hash,
};

const SPI_I: IkeSpi = IkeSpi(0x0102_0304_0506_0708);
const SPI_R: IkeSpi = IkeSpi(0x1112_1314_1516_1718);

const AES256_SHA256_PRFSHA384: IkeProposal = IkeProposal {
    encryption: Encryption::AesCbc(256),
    integrity: Some(Integrity::HmacSha256),
    prf: Prf::HmacSha384,
    group: Group::Modp2048,
    additional: AdditionalKeyExchanges::NONE,
};
const AES128GCM16_PRFSHA256: IkeProposal = IkeProposal {
    encryption: Encryption::gcm16(128),
    integrity: None,
    prf: Prf::HmacSha256,
    group: Group::X25519,
    additional: AdditionalKeyExchanges::NONE,
};
const AES128_SHA1: IkeProposal = IkeProposal {
    encryption: Encryption::AesCbc(128),
    integrity: Some(Integrity::HmacSha1),
    prf: Prf::HmacSha1,
    group: Group::Modp1024,
    additional: AdditionalKeyExchanges::NONE,
};

const ESP_CBC: EspSuite =
    EspSuite { encryption: Encryption::AesCbc(256), integrity: Some(Integrity::HmacSha256), esn: false };
const ESP_GCM: EspSuite = EspSuite { encryption: Encryption::gcm16(128), integrity: None, esn: true };

fn nonce_i() -> Vec<u8> {
    (0x10..0x30).collect()
}

fn nonce_r() -> Vec<u8> {
    (0x80..0xa8).collect()
}

fn shared() -> Secret {
    Secret::new(vec![0x5a; 32])
}

pub(super) fn keys(suite: &IkeProposal) -> IkeKeys {
    let (initiator, responder) = (nonce_i(), nonce_r());
    let nonces = Nonces { initiator: &initiator, responder: &responder };
    IkeKeys::derive(suite, &shared(), nonces, SPI_I, SPI_R)
}

fn concat(keys: &ChildKeys) -> Vec<u8> {
    [&keys.initiator, &keys.responder]
        .iter()
        .flat_map(|keys| [keys.encryption.expose(), keys.integrity.expose()].concat())
        .collect()
}

struct Expected<'a> {
    suite: IkeProposal,
    child: &'a [u8],
    child_with_pfs: &'a [u8],
    auth: &'a [u8],
    rekeyed_sk_d: &'a [u8],
}

const EXPECTED: [Expected<'_>; 3] = [
    Expected {
        suite: AES256_SHA256_PRFSHA384,
        child: &hex!(
            "60195b109250a5a9f8c0fc9c3f905bfa813e1d2d75a4cbfed65034efe80a42f4974d389a9f4d60b820ecfad5a9643e80"
            "70033221f8a40d86e9c4f77d1d276dc67aa72f3dbafafa5a7095d787351156dc62c0bc3260670a0a9c30a69c0b5c3839"
            "f7e1f19a206c6e79c5fe11aea71a18f259429448436f23ea540c197e1c495ab1"
        ),
        child_with_pfs: &hex!("3d4bce0f886fce8c471e980288bf36d0a0ca1ff1d038bad65d5430551984c6b370880ea926d03409"),
        auth: &hex!(
            "ae679256495338cee3f14daac5776f187c9468dacf6e9191"
            "82da054f0c9c6fc25027b9077d7f32820d7f47c4ea39a747"
        ),
        rekeyed_sk_d: &hex!("f548e0b5eeae4cd086c109c26ba1db60c2f1bf727cef03907bf4c373c1211f08"),
    },
    Expected {
        suite: AES128GCM16_PRFSHA256,
        child: &hex!(
            "bca30406ac0c02bc142bb0a366c25b0eb15f371d199d7961e97fdbd262859bf62320fe0ff7006d2cc1d3524a47a7a19e"
            "5a29ea1b305c3ca4b2c7eefe8565be99ae63c819667f81d1086e8fbd9cfa438ae063a4b635cbf229791fb792b3d0b9f6"
            "7c968dd3b8a79439be93a25f11c9b7ca420a58b239df0142cbdf0b9c68b1c92f"
        ),
        child_with_pfs: &hex!("46640c7b9e2a69067225c960fa1060540d2dae23e06a86c082a0d78e8b74b57ada5594d164f766f0"),
        auth: &hex!("432341d9560f0abe341ec92cd30c6063134129f92693552caec011f59998b718"),
        rekeyed_sk_d: &hex!("85d134054b34e8fa0bc052f9ec592c75b11b0ae51e89f60cb2421d2ae06e5553"),
    },
    Expected {
        suite: AES128_SHA1,
        child: &hex!(
            "5a50a57c96f88e2e0cd2e45f036c6c511e3101b5027f144409c65f63f23ac1314313343506b86bf420968fbb46ac6c43"
            "b92ba3eef9ffc2980da653ef059839de56a06d40b7c7dc116b850c9ce8c363d671cfd8c9d63c6ad8ff9bd65e8b377255"
            "5632fb855edb7c7cc66ba108c71db7e0d3efd3c20eda6233818a5da4778765fe"
        ),
        child_with_pfs: &hex!("44f61a06f2e7b7f3c010c9f20ac3c46b378c2de047a93d417bfa54fb76834db99d45ec57a4e69f36"),
        auth: &hex!("3ba0839803fbada74db061c7422652932282ff6b"),
        rekeyed_sk_d: &hex!("9eb2ef55c405faf5b2ded598be6cbccd2243081440523bf402020ba183ab06da"),
    },
];

#[test]
fn child_keys_equal_those_of_an_independent_implementation() {
    let (initiator, responder) = (nonce_i(), nonce_r());
    let nonces = Nonces { initiator: &initiator, responder: &responder };
    for expected in EXPECTED {
        let keys = keys(&expected.suite);
        assert_eq!(concat(&keys.child(ESP_CBC, None, &[], nonces)), expected.child, "{}", expected.suite);
        let with_pfs = keys.child(ESP_GCM, Some(&shared()), &[], nonces);
        assert_eq!(concat(&with_pfs), expected.child_with_pfs, "{}", expected.suite);
    }
}

#[test]
fn auth_equals_that_of_an_independent_implementation() {
    // ID_IPV4_ADDR.
    let id = [1, 0, 0, 0, 192, 0, 2, 1];
    let nonce = nonce_r();
    let input =
        AuthInput { message: b"the whole IKE_SA_INIT request", peer_nonce: &nonce, id_body: &id, intermediate: &[] };
    let psk = Secret::from(&b"secret"[..]);
    for expected in EXPECTED {
        let keys = keys(&expected.suite);
        assert_eq!(keys.psk_auth(Role::Initiator, &psk, input).expose(), expected.auth, "{}", expected.suite);
        assert!(keys.psk_auth_holds(Role::Initiator, &psk, input, expected.auth));
        // Another role, another key, a shorter proof: nothing else holds.
        assert!(!keys.psk_auth_holds(Role::Responder, &psk, input, expected.auth));
        let other = Secret::from(&b"secreT"[..]);
        assert!(!keys.psk_auth_holds(Role::Initiator, &other, input, expected.auth));
        assert!(!keys.psk_auth_holds(Role::Initiator, &psk, input, &expected.auth[1..]));
        assert!(!keys.psk_auth_holds(Role::Initiator, &psk, input, &[]));
    }
}

#[test]
fn a_rekey_seeds_with_the_old_prf_and_expands_with_the_new() {
    let (initiator, responder) = (nonce_i(), nonce_r());
    let nonces = Nonces { initiator: &initiator, responder: &responder };
    for expected in EXPECTED {
        let new = keys(&expected.suite).rekey(&AES128GCM16_PRFSHA256, &shared(), &[], nonces, SPI_I, SPI_R);
        let sk_d = Secret::from(expected.rekeyed_sk_d);
        let material = Prf::HmacSha256.plus(&sk_d, &[&initiator, &responder], 40);
        assert_eq!(concat(&new.child(ESP_GCM, None, &[], nonces)), material.expose(), "{}", expected.suite);
    }
}

#[test]
fn nat_detection_and_cookies_equal_those_of_an_independent_implementation() {
    let address = "192.0.2.1:500".parse().unwrap();
    assert_eq!(nat_detection_hash(SPI_I, SPI_R, address), hex!("d798d986143f878f70765e0e869c80bbc375f701"));
    let secret = Secret::new(vec![b'k'; 32]);
    assert_eq!(
        cookie(&secret, &nonce_i(), address.ip(), SPI_I),
        hex!("75b3a374372ce0da92528e5dba63b5831fc4324ffda6eb047c6a96d86bab33c9")
    );
    let v6 = "[2001:db8::1]:500".parse().unwrap();
    assert_ne!(nat_detection_hash(SPI_I, SPI_R, v6), nat_detection_hash(SPI_I, SPI_R, address));
}

/// RFC 2202 test case 2, RFC 4231 test cases 1 and 2
#[test]
fn hmac_vectors() {
    let jefe = |prf: Prf| prf.mac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
    assert_eq!(jefe(Prf::HmacSha1).expose(), hex!("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
    assert_eq!(
        jefe(Prf::HmacSha256).expose(),
        hex!("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    );
    assert_eq!(
        jefe(Prf::HmacSha384).expose(),
        hex!(
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47"
            "e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
        )
    );
    assert_eq!(
        jefe(Prf::HmacSha512).expose(),
        hex!(
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        )
    );
    assert_eq!(
        Prf::HmacSha256.mac(&[0x0b; 20], &[b"Hi There"]).expose(),
        hex!("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    );
}

#[test]
fn prf_plus_is_one_stream_cut_where_asked() {
    for prf in Prf::ALL {
        let key = Secret::from(&b"key"[..]);
        let long = prf.plus(&key, &[b"se", b"ed"], 255 * prf.output_len());
        let first = prf.mac(key.expose(), &[b"seed", &[1]]);
        assert_eq!(&long.expose()[..prf.output_len()], first.expose());
        let second = prf.mac(key.expose(), &[first.expose(), b"seed", &[2]]);
        assert_eq!(&long.expose()[prf.output_len()..2 * prf.output_len()], second.expose());
        for len in [0, 1, prf.output_len(), prf.output_len() + 1, 300] {
            assert_eq!(prf.plus(&key, &[b"seed"], len).expose(), &long.expose()[..len], "{prf} {len}");
        }
    }
}

#[test]
fn keys_are_not_printed() {
    let printed = format!("{:?}", keys(&AES128_SHA1));
    assert!(printed.contains("Secret(..)") && !printed.contains("3321"), "{printed}");
}

/// Computed with Python's `hmac` from the formulas of the RFCs.
#[test]
fn further_secrets_enter_as_an_independent_implementation_has_it() {
    let (initiator, responder) = (nonce_i(), nonce_r());
    let nonces = Nonces { initiator: &initiator, responder: &responder };
    let (second, third) = (Secret::new(vec![0x6b; 32]), Secret::new(vec![0x7c; 48]));
    let suite = &AES128GCM16_PRFSHA256;
    let first = keys(suite);
    // RFC 9370 2.2.2: after one IKE_INTERMEDIATE.
    let mixed = first.rekey(suite, &second, &[], nonces, SPI_I, SPI_R);
    let expected = hex!("17ab18b6d17bff7c967d7a1597a3f97d1c585057a487dfa1eb312b9f48aa0cee86162cee2b7d12e0");
    assert_eq!(concat(&mixed.child(ESP_GCM, None, &[], nonces)), expected);
    // RFC 9370 2.2.4: after two IKE_FOLLOWUP_KE, of a CHILD SA and of an IKE SA.
    let additional = [second, third];
    let expected = hex!("7c6c632252250e90984f4fe2b492b3ce04a612c4b2f7ec8c97d9f5fd60bfc02ccf9a37f954852b24");
    assert_eq!(concat(&first.child(ESP_GCM, Some(&shared()), &additional, nonces)), expected);
    let rekeyed = first.rekey(suite, &shared(), &additional, nonces, SPI_I, SPI_R);
    let expected = hex!("cce7a04a139ddfb219605766a8761391ee240a68b16af304a4ff76e1ee8e91b0e6face9514fb5dbf");
    assert_eq!(concat(&rekeyed.child(ESP_GCM, None, &[], nonces)), expected);
    // RFC 8784 3.
    let ppk = Secret::new(vec![0x77; 32]);
    let expected = hex!("5fb397bfd34c25878d1f81da137f79fd833bffd83bc1e4e778761fc80e12e0225f90429028d08e81");
    assert_eq!(concat(&mixed.with_ppk(&ppk).child(ESP_GCM, None, &[], nonces)), expected);
    // RFC 9242 3.3.2: two exchanges, the second under other keys, then AUTH with the PPK.
    let add = |role, one: &[u8], two: &[u8]| {
        let one = first.intermediate_auth(role, None, one);
        mixed.intermediate_auth(role, Some(&one), two)
    };
    let ours = add(Role::Initiator, b"request one", b"request two");
    let theirs = add(Role::Responder, b"response one", b"response two");
    let intermediate = [ours.expose(), theirs.expose(), &3_u32.to_be_bytes()].concat();
    // ID_IPV4_ADDR.
    let id = [1, 0, 0, 0, 192, 0, 2, 1];
    let message = b"the whole IKE_SA_INIT request";
    let input = AuthInput { message, peer_nonce: &responder, id_body: &id, intermediate: &intermediate };
    let auth = mixed.with_ppk(&ppk).psk_auth(Role::Initiator, &Secret::from(&b"secret"[..]), input);
    assert_eq!(auth.expose(), hex!("ace6c0cfc8f6bbb8ba881dcfb9c89b189eb754cddbf7371e151da7be77444f8f"));
}
