//! Choice among proposals.

use crypto::{EspProposal, Group, GroupId, IkeProposal, Pfs, Prf};
use proptest::prelude::*;
use wire::ipsec::{Encryption, IkeSpi, Integrity, Spi};

use crate::{
    Attribute, ChildExchange, EncryptionId, IntegrityId, Proposal, ProtocolId, Transform, TransformType, accepted_esp,
    accepted_ike, esp_proposals, ike_proposals, select_esp, select_ike,
};

const SPI: Spi = Spi(0xc1c2_c3c4);

fn ike(texts: &str) -> Vec<IkeProposal> {
    texts.split_whitespace().map(|text| text.parse().unwrap()).collect()
}

fn esp(texts: &str) -> Vec<EspProposal> {
    texts.split_whitespace().map(|text| text.parse().unwrap()).collect()
}

fn proposal(protocol: ProtocolId, spi: &[u8], transforms: &[Transform]) -> Proposal {
    Proposal { number: 1, protocol, spi: spi.to_vec(), transforms: transforms.to_vec() }
}

/// An offer as other implementations write it: one proposal with alternatives.
fn wide() -> Proposal {
    let mut transforms: Vec<Transform> =
        [128, 192, 256].into_iter().map(|bits| Encryption::AesCbc(bits).into()).collect();
    transforms.extend([Integrity::HmacSha256, Integrity::HmacSha1].map(Transform::from));
    transforms.extend([Prf::HmacSha256, Prf::HmacSha1].map(Transform::from));
    transforms.extend([Group::X25519, Group::Modp2048].map(Transform::from));
    proposal(ProtocolId::IKE, &[], &transforms)
}

fn no_integrity() -> Transform {
    Transform::new(TransformType::INTEGRITY, IntegrityId::NONE.0)
}

fn no_group() -> Transform {
    Transform::new(TransformType::GROUP, GroupId::NONE.0)
}

#[test]
fn our_preference_decides_among_what_is_offered() {
    let ours = ike("aes256gcm16-prfsha256-x25519 aes256-sha256-modp2048 aes128-sha1-modp2048");
    let chosen = select_ike(&ours, &[wide()], true).unwrap();
    assert_eq!((chosen.proposal, chosen.number, chosen.spi), (ours[1], 1, None));
    let answer = chosen.answer(None);
    assert_eq!(answer.to_string(), "aes256-prfsha256-sha256-modp2048");
    assert_eq!(accepted_ike(&ours[1..], &[answer]).unwrap().proposal, ours[1]);
}

#[test]
fn the_answer_has_the_number_of_the_proposal_it_accepts() {
    let offer = ike_proposals(&ike("aes256-sha256-modp2048 aes128gcm16-prfsha256-x25519"), None);
    let chosen = select_ike(&ike("aes128gcm16-prfsha256-x25519"), &offer, true).unwrap();
    assert_eq!(chosen.number, 2);
    assert_eq!(chosen.answer(None).number, 2);
}

#[test]
fn a_rekey_of_an_ike_sa_carries_both_spis() {
    let ours = ike("aes256-sha256-modp2048");
    let offer = ike_proposals(&ours, Some(IkeSpi(7)));
    let chosen = select_ike(&ours, &offer, true).unwrap();
    assert_eq!(chosen.spi, Some(IkeSpi(7)));
    let answer = [chosen.answer(Some(IkeSpi(8)))];
    assert_eq!(accepted_ike(&ours, &answer).unwrap().spi, Some(IkeSpi(8)));
}

#[test]
fn without_a_common_suite_both_lists_are_told() {
    let refused = select_ike(&ike("aes256-sha384-modp4096 aes128gcm16-prfsha256-x25519"), &[wide()], true).unwrap_err();
    assert_eq!(refused.ours, "aes256-sha384-modp4096, aes128gcm16-prfsha256-x25519");
    assert_eq!(refused.theirs, "aes128/aes192/aes256-sha256/sha1-prfsha256/prfsha1-x25519/modp2048");

    let mut exotic = wide();
    exotic.transforms = vec![
        Transform::new(TransformType::ENCRYPTION, EncryptionId::TRIPLE_DES.0),
        Transform::with_key_length(TransformType::ENCRYPTION, EncryptionId::AES_CTR.0, 128),
        Transform::new(TransformType::GROUP, 999),
        Transform::new(TransformType(6), 36),
    ];
    let refused = select_ike(&ike("aes256-sha256-modp2048"), &[exotic], true).unwrap_err();
    assert_eq!(refused.theirs, "3des/AES_CTR_128-GroupId(999)-ke1_mlkem768");
}

#[test]
fn a_proposal_with_what_is_not_understood_is_unacceptable() {
    let ours = ike("aes256-sha256-modp2048");
    assert!(select_ike(&ours, &[wide()], true).is_ok());
    let with = |change: fn(&mut Proposal)| {
        let mut offer = wide();
        change(&mut offer);
        select_ike(&ours, &[offer], true).is_ok()
    };
    // RFC 7296 3.3.6
    assert!(!with(|offer| offer.transforms.push(Transform::new(TransformType(6), 36))), "unknown type");
    assert!(!with(|offer| offer.transforms.push(Transform::esn(false))), "type of another protocol");
    assert!(!with(|offer| offer.transforms.retain(|t| t.kind != TransformType::PRF)), "missing type");
    assert!(!with(|offer| offer.protocol = ProtocolId::ESP), "other protocol");
    assert!(!with(|offer| offer.spi = vec![0; 4]), "SPI of another length");
    assert!(
        !with(|offer| offer.transforms.iter_mut().for_each(|t| t.attributes.push(Attribute::Short(99, 1)))),
        "unknown attribute"
    );
    assert!(!with(|offer| offer.transforms.iter_mut().for_each(|t| t.attributes.clear())), "no key length");
    // An unknown algorithm of a known type is one more alternative.
    assert!(with(|offer| offer.transforms.insert(0, Transform::new(TransformType::ENCRYPTION, 999))));
}

#[test]
fn an_aead_goes_without_integrity_or_with_none() {
    let ours = ike("aes128gcm16-prfsha256-x25519");
    let base = [Encryption::gcm16(128).into(), Prf::HmacSha256.into(), Group::X25519.into()];
    let select = |extra: &[Transform]| {
        let offer = [proposal(ProtocolId::IKE, &[], &[&base[..], extra].concat())];
        select_ike(&ours, &offer, true).map(|chosen| chosen.answer(None))
    };
    assert_eq!(select(&[]).unwrap().to_string(), "aes128gcm16-prfsha256-x25519");
    // The answer has each type that was offered.
    assert!(select(&[no_integrity()]).unwrap().transforms.contains(&no_integrity()));
    assert!(select(&[Integrity::HmacSha256.into()]).is_err());
    assert!(select(&[Integrity::HmacSha256.into(), no_integrity()]).is_ok());
}

#[test]
fn an_answer_that_was_not_offered_is_refused() {
    let ours = ike("aes256-sha256-modp2048 aes128-sha1-modp2048");
    let right = select_ike(&ours, &ike_proposals(&ours, None), true).unwrap().answer(None);
    assert!(accepted_ike(&ours, std::slice::from_ref(&right)).is_ok());
    let wrong = |change: fn(&mut Proposal)| {
        let mut answer = right.clone();
        change(&mut answer);
        assert!(accepted_ike(&ours, &[answer.clone()]).is_err(), "{answer:?}");
    };
    wrong(|answer| answer.number = 0);
    wrong(|answer| answer.number = 2);
    wrong(|answer| answer.number = 3);
    wrong(|answer| answer.transforms[0] = Encryption::AesCbc(128).into());
    wrong(|answer| answer.transforms.push(Encryption::AesCbc(256).into()));
    wrong(|answer| {
        answer.transforms.pop();
    });
    assert!(accepted_ike(&ours, &[]).is_err());
    assert!(accepted_ike(&ours, &[right.clone(), right]).is_err());
}

#[test]
fn esp_in_the_first_exchange_has_no_group() {
    let ours = esp("aes128gcm16-x25519 aes256-sha256-modp2048-modpnone aes256-sha256");
    let offer = esp_proposals(&ours, SPI, ChildExchange::Auth);
    let texts: Vec<String> = offer.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["aes128gcm16-noesn", "aes256-sha256-noesn"]);
    assert!(offer.iter().all(|proposal| proposal.esp_spi() == Some(SPI)));
    // A peer that lists groups all the same is taken at the rest, and gets none back.
    let with_groups = esp_proposals(&esp("aes256-sha256-modp4096"), SPI, ChildExchange::Create);
    let chosen = select_esp(&ours, &with_groups, ChildExchange::Auth).unwrap();
    assert_eq!((chosen.suite, chosen.group, chosen.spi), (ours[1].suite, None, SPI));
    assert_eq!(chosen.answer(Spi(300)).to_string(), "aes256-sha256-noesn");
}

#[test]
fn perfect_forward_secrecy_is_off_required_or_preferred() {
    let offers = [
        ("none", vec![]),
        ("explicit none", vec![no_group()]),
        ("modp2048", vec![Group::Modp2048.into()]),
        ("modp2048 or none", vec![Group::Modp2048.into(), no_group()]),
        ("x25519", vec![Group::X25519.into()]),
    ];
    let some = Some(Some(Group::Modp2048));
    let none = Some(None);
    let cases = [
        ("aes256-sha256", [none, none, None, none, None]),
        ("aes256-sha256-modp2048", [None, None, some, some, None]),
        ("aes256-sha256-modp2048-modpnone", [none, none, some, some, None]),
    ];
    for (ours, expected) in cases {
        for ((what, groups), expected) in offers.iter().zip(expected) {
            let base = [Encryption::AesCbc(256).into(), Integrity::HmacSha256.into(), Transform::esn(false)];
            let offer = [proposal(ProtocolId::ESP, &SPI.0.to_be_bytes(), &[&base[..], groups].concat())];
            let chosen = select_esp(&esp(ours), &offer, ChildExchange::Create);
            assert_eq!(chosen.map(|chosen| chosen.group).ok(), expected, "{ours}, offered {what}");
        }
    }
}

#[test]
fn a_preferred_group_is_offered_with_and_without() {
    let ours = esp("aes128gcm16-ecp256-modpnone");
    let offer = esp_proposals(&ours, SPI, ChildExchange::Create);
    let texts: Vec<String> = offer.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["aes128gcm16-ecp256-noesn", "aes128gcm16-noesn"]);
    assert_eq!(offer.iter().map(|proposal| proposal.number).collect::<Vec<_>>(), [1, 2]);
    // Azure as a responder with its default policy takes what has no group.
    let answer = select_esp(&esp("aes128gcm16"), &offer, ChildExchange::Create).unwrap().answer(Spi(300));
    let accepted = accepted_esp(&ours, &[answer], ChildExchange::Create).unwrap();
    assert_eq!((accepted.group, accepted.spi, accepted.number), (None, Spi(300), 2));
}

#[test]
fn extended_sequence_numbers_are_what_both_say() {
    let base = [Transform::from(Encryption::gcm16(128))];
    let offers = [
        ("absent", vec![], [true, false]),
        ("no", vec![Transform::esn(false)], [true, false]),
        ("yes", vec![Transform::esn(true)], [false, true]),
        ("either", vec![Transform::esn(true), Transform::esn(false)], [true, true]),
    ];
    for (what, esn, expected) in offers {
        let offer = [proposal(ProtocolId::ESP, &SPI.0.to_be_bytes(), &[&base[..], &esn].concat())];
        for (ours, expected) in ["aes128gcm16", "aes128gcm16-esn"].into_iter().zip(expected) {
            let chosen = select_esp(&esp(ours), &offer, ChildExchange::Auth);
            assert_eq!(chosen.is_ok(), expected, "{ours}, offered {what}");
            if let Ok(chosen) = chosen {
                let said = chosen.answer(SPI).of_kind(TransformType::ESN).count();
                assert_eq!(said, usize::from(!esn.is_empty()), "{ours}, offered {what}");
            }
        }
    }
}

#[test]
fn an_esp_spi_is_four_octets_and_not_reserved() {
    let ours = esp("aes128gcm16");
    for (spi, ok) in [(vec![0, 0, 1, 0], true), (vec![0, 0, 0, 255], false), (vec![], false), (vec![1; 8], false)] {
        let offer = [proposal(ProtocolId::ESP, &spi, &[Encryption::gcm16(128).into(), Transform::esn(false)])];
        assert_eq!(select_esp(&ours, &offer, ChildExchange::Auth).is_ok(), ok, "{spi:?}");
    }
}

fn any_esp() -> impl Strategy<Value = EspProposal> {
    let suites = prop::sample::select(esp("aes128gcm16 aes256gcm16-esn aes128-sha1 aes256-sha256 aes256-sha512-esn"));
    let pfs = prop::sample::select(Group::ALL.to_vec())
        .prop_flat_map(|group| prop::sample::select(vec![Pfs::Off, Pfs::Required(group), Pfs::Preferred(group)]));
    (suites, pfs).prop_map(|(proposal, pfs)| EspProposal { pfs, ..proposal })
}

proptest! {
    #[test]
    fn what_a_responder_selects_its_initiator_accepts(
        initiator in prop::collection::vec(any_esp(), 1..5),
        responder in prop::collection::vec(any_esp(), 1..5),
        create: bool,
    ) {
        let exchange = if create { ChildExchange::Create } else { ChildExchange::Auth };
        let offer = esp_proposals(&initiator, SPI, exchange);
        if let Ok(chosen) = select_esp(&responder, &offer, exchange) {
            let accepted = accepted_esp(&initiator, &[chosen.answer(Spi(4096))], exchange).unwrap();
            prop_assert_eq!((accepted.suite, accepted.group), (chosen.suite, chosen.group));
            prop_assert_eq!((chosen.spi, accepted.spi), (SPI, Spi(4096)));
            prop_assert!(create || chosen.group.is_none());
        } else {
            let common = initiator.iter().any(|a| responder.contains(a));
            prop_assert!(!common, "a common proposal was not found");
        }
    }

    #[test]
    fn any_suite_reads_back_as_printed(proposal in any_esp()) {
        prop_assert_eq!(proposal.to_string().parse(), Ok(proposal));
    }
}
