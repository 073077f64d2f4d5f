//! Suites as text.

use wire::ipsec::{Encryption, EspSuite, Integrity};

use crate::{
    AdditionalKeyExchange, AdditionalKeyExchanges, EspProposal, Group, IkeProposal, ParseSuiteError, Pfs, Prf,
};

#[test]
fn ike_suites_read_and_print_as_written() {
    let additional = AdditionalKeyExchanges::NONE;
    let suite = |encryption, integrity, prf, group| IkeProposal { encryption, integrity, prf, group, additional };
    let cases = [
        (
            "aes256-sha256-modp2048",
            suite(Encryption::AesCbc(256), Some(Integrity::HmacSha256), Prf::HmacSha256, Group::Modp2048),
        ),
        (
            "aes128-sha1-prfsha512-ecp384",
            suite(Encryption::AesCbc(128), Some(Integrity::HmacSha1), Prf::HmacSha512, Group::Ecp384),
        ),
        ("aes128gcm16-prfsha256-x25519", suite(Encryption::gcm16(128), None, Prf::HmacSha256, Group::X25519)),
    ];
    for (text, proposal) in cases {
        assert_eq!(text.parse(), Ok(proposal), "{text}");
        assert_eq!(proposal.to_string(), text);
    }
}

#[test]
fn esp_suites_read_and_print_as_written() {
    let additional = AdditionalKeyExchanges::NONE;
    let gcm = |esn| EspSuite { encryption: Encryption::gcm16(128), integrity: None, esn };
    let cbc = EspSuite { encryption: Encryption::AesCbc(256), integrity: Some(Integrity::HmacSha256), esn: false };
    let cases = [
        ("aes128gcm16", gcm(false), Pfs::Off),
        ("aes128gcm16-esn", gcm(true), Pfs::Off),
        ("aes128gcm16-x25519-esn", gcm(true), Pfs::Required(Group::X25519)),
        ("aes256-sha256-modp2048", cbc, Pfs::Required(Group::Modp2048)),
        ("aes256-sha256-modp2048-modpnone", cbc, Pfs::Preferred(Group::Modp2048)),
    ];
    for (text, suite, pfs) in cases {
        assert_eq!(text.parse(), Ok(EspProposal { suite, or_without_esn: false, pfs, additional }), "{text}");
        assert_eq!(EspProposal { suite, or_without_esn: false, pfs, additional }.to_string(), text);
    }
}

#[test]
fn additional_key_exchanges_read_and_print_as_written() {
    for text in [
        "aes256gcm16-prfsha384-x25519-ke1_mlkem768",
        "aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_none",
        "aes256-sha256-ecp384-ke1_mlkem1024-ke2_x25519-ke2_none-ke7_modp2048",
        "aes256gcm16-prfsha384-mlkem768",
    ] {
        assert_eq!(text.parse::<IkeProposal>().map(|suite| suite.to_string()), Ok(text.to_owned()));
    }
    for text in ["aes128gcm16-x25519-ke1_mlkem512", "aes128gcm16-x25519-modpnone-ke3_mlkem768-ke3_none-esn"] {
        assert_eq!(text.parse::<EspProposal>().map(|suite| suite.to_string()), Ok(text.to_owned()));
    }
    let suite: IkeProposal = "aes256gcm16-KE2_none-ke2_MLKEM768-prfsha384-x25519".parse().unwrap();
    let second = suite.additional.get(1);
    assert_eq!(second, Some(AdditionalKeyExchange { group: Group::MlKem768, optional: true }));
    assert_eq!(suite.additional.groups(), [Group::MlKem768]);
}

#[test]
fn bad_additional_key_exchanges_say_what_would_be_right() {
    let cases = [
        ("aes256gcm16-prfsha384-x25519-ke8_mlkem768", "`ke8_mlkem768` in "),
        ("aes256gcm16-prfsha384-x25519-ke0_mlkem768", "`ke0_mlkem768` in "),
        ("aes256gcm16-prfsha384-x25519-ke1_aes128", "`ke1_aes128` in "),
        ("aes256gcm16-prfsha384-x25519-ke1_ke2_mlkem768", "`ke1_ke2_mlkem768` in "),
        (
            "aes256gcm16-prfsha384-x25519-ke1_x25519",
            "`aes256gcm16-prfsha384-x25519-ke1_x25519` exchanges keys by x25519 twice",
        ),
        (
            "aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke2_mlkem768",
            "`aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke2_mlkem768` exchanges keys by mlkem768 twice",
        ),
        (
            "aes256gcm16-prfsha384-x25519-ke1_none",
            "`aes256gcm16-prfsha384-x25519-ke1_none` has no method for an additional key exchange that may be none, such",
        ),
        (
            "aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_mlkem512",
            "`aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_mlkem512` has more than one method for one additional",
        ),
        ("aes256gcm16-prfsha384-ke1_mlkem768", "`aes256gcm16-prfsha384-ke1_mlkem768` has no Diffie-Hellman group"),
    ];
    for (text, message) in cases {
        let error = text.parse::<IkeProposal>().unwrap_err().to_string();
        assert!(error.starts_with(message), "{text}: {error}");
    }
    let error = "aes128gcm16-ke1_mlkem768".parse::<EspProposal>().unwrap_err().to_string();
    assert!(error.contains("no Diffie-Hellman group before its additional key exchanges"), "{error}");
}

#[test]
fn what_is_negotiated_is_what_a_proposal_allows() {
    let allows =
        |ours: &str, chosen: &str| ours.parse::<IkeProposal>().unwrap().allows(&chosen.parse::<IkeProposal>().unwrap());
    let plain = "aes256gcm16-prfsha384-x25519";
    let (required, optional) = (format!("{plain}-ke1_mlkem768"), format!("{plain}-ke1_mlkem768-ke1_none"));
    assert!(allows(plain, plain) && allows(&required, &required));
    assert!(allows(&optional, &required) && allows(&optional, plain));
    assert!(!allows(&required, plain) && !allows(plain, &required));
    assert!(!allows(&optional, &format!("{plain}-ke1_mlkem1024")));
    assert!(!allows(&optional, "aes256gcm16-prfsha384-ecp384-ke1_mlkem768"));
}

#[test]
fn other_spellings_mean_the_same() {
    let same = [
        ("AES-SHA-MODP1024", "aes128-sha1-modp1024"),
        ("aes256-sha2_256-modp2048", "aes256-sha256-modp2048"),
        ("aes256 - sha256 - prfsha256 - modp2048", "aes256-sha256-modp2048"),
        ("modp2048-aes256-sha256", "aes256-sha256-modp2048"),
        ("aes256gcm128-prfsha384-ecp384", "aes256gcm16-prfsha384-ecp384"),
        ("aes128gcm-prfsha256-curve25519", "aes128gcm16-prfsha256-x25519"),
        ("aes192gcm96-prfsha256-x25519", "aes192gcm12-prfsha256-x25519"),
        ("aes256gcm64-prfsha256-x25519", "aes256gcm8-prfsha256-x25519"),
    ];
    for (text, plain) in same {
        assert_eq!(text.parse::<IkeProposal>().map(|suite| suite.to_string()), Ok(plain.to_owned()));
    }
    let either: EspProposal = "aes128gcm16-noesn-esn-x25519".parse().unwrap();
    assert!(either.suite.esn && either.or_without_esn);
    assert_eq!(either.to_string(), "aes128gcm16-x25519-esn-noesn");
    let esp: EspProposal = "aes128gcm16-modpnone-noesn".parse().unwrap();
    assert_eq!(esp.to_string(), "aes128gcm16");
}

#[test]
fn every_algorithm_reads_as_it_prints() {
    for encryption in Encryption::ALL {
        for prf in Prf::ALL {
            for group in Group::ALL {
                let integrity = (!encryption.is_aead()).then_some(Integrity::HmacMd5);
                let suite = IkeProposal { encryption, integrity, prf, group, additional: AdditionalKeyExchanges::NONE };
                assert_eq!(suite.to_string().parse(), Ok(suite), "{suite}");
            }
        }
    }
    for integrity in Integrity::ALL {
        let suite = EspSuite { encryption: Encryption::TripleDesCbc, integrity: Some(integrity), esn: true };
        let proposal = EspProposal {
            suite,
            or_without_esn: false,
            pfs: Pfs::Required(Group::Modp2048s256),
            additional: AdditionalKeyExchanges::NONE,
        };
        assert_eq!(proposal.to_string().parse(), Ok(proposal), "{proposal}");
    }
}

#[test]
fn a_bad_ike_suite_says_what_would_be_right() {
    let cases = [
        ("", "`` in `` is not known; known are aes128, aes192, aes256, aes128gcm16, "),
        ("aes256-sha3-modp2048", "`sha3` in `aes256-sha3-modp2048` is not known; known are "),
        ("aes256-modp2048", "`aes256-modp2048` has no integrity algorithm, such as sha256"),
        ("sha256-modp2048", "`sha256-modp2048` has no cipher, such as aes256"),
        ("aes256-sha256", "`aes256-sha256` has no Diffie-Hellman group, such as modp2048"),
        ("aes256gcm16-x25519", "`aes256gcm16-x25519` has no PRF, such as prfsha256"),
        (
            "aes256gcm16-sha384-x25519",
            "`aes256gcm16-sha384-x25519`: aes256gcm16 authenticates by itself, leave out `sha384` or write `prfsha384`",
        ),
        ("aes256-aes128-sha256-modp2048", "`aes256-aes128-sha256-modp2048` has more than one cipher: write one suite"),
        ("aes256-sha256-modp2048-esn", "`esn` in `aes256-sha256-modp2048-esn` has no place in an IKE suite"),
        ("aes256-sha256-modpnone", "`modpnone` in `aes256-sha256-modpnone` has no place in an IKE suite"),
    ];
    for (text, message) in cases {
        let error = text.parse::<IkeProposal>().unwrap_err();
        assert!(error.to_string().starts_with(message), "{text}: {error}");
    }
}

#[test]
fn a_bad_esp_suite_says_what_would_be_right() {
    let cases = [
        ("aes256", "`aes256` has no integrity algorithm, such as sha256"),
        ("aes128gcm16-prfsha256", "`prfsha256` in `aes128gcm16-prfsha256` has no place in an ESP suite"),
        ("aes128gcm16-sha256", "`aes128gcm16-sha256`: aes128gcm16 authenticates by itself, leave out `sha256`"),
        ("aes128gcm16-esn-esn", "`aes128gcm16-esn-esn` has more than one esn"),
        ("aes256ccm16", "`aes256ccm16` in `aes256ccm16` is not known; known are "),
        ("aes256gcm15", "`aes256gcm15` in `aes256gcm15` is not known; known are "),
    ];
    for (text, message) in cases {
        let error = text.parse::<EspProposal>().unwrap_err();
        assert!(error.to_string().starts_with(message), "{text}: {error}");
    }
    let Err(ParseSuiteError::Unknown { known, .. }) = "x".parse::<EspProposal>() else { panic!("not unknown") };
    assert!(
        known.ends_with("modpnone, esn, noesn, ke1_ to ke7_ before a group or none") && !known.contains("prf"),
        "{known}"
    );
}
