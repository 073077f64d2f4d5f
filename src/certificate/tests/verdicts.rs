//! The table of what a peer may show and what comes of it.

use fixtures::pki::{Ca, Leaf, WORLD};
use identity::Identity;
use isakmp::{Auth, AuthMethod, CertificatePayload};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, date_time_ymd,
};

use super::{TODAY, local, trusted};
use crate::path::{Peer, judge};
use crate::signature::OFFERED_HASHES;
use crate::{CertificateProblem, HashList, LocalCertificate, RsaPadding, TrustedCas, UnixTime};

const OCTETS: &[u8] = b"message, nonce, identity";
const NAME: &str = "gw.example.net";

fn plain(_: &mut CertificateParams) {}

fn shown(chain: &[&[u8]]) -> Vec<CertificatePayload> {
    chain.iter().map(|der| CertificatePayload::x509(der.to_vec())).collect()
}

fn hashes() -> HashList {
    HashList(OFFERED_HASHES.to_vec())
}

/// The verdict on a peer that shows `chain`, has the key of `leaf` and says it is `identity`.
fn verdict_at(
    leaf: &Leaf,
    chain: &[&[u8]],
    trusted: &TrustedCas,
    identity: &str,
    now: UnixTime,
) -> Result<(), CertificateProblem> {
    let auth = local(leaf, &[]).sign(OCTETS, Some(&hashes())).unwrap();
    let identity: Identity = identity.parse().unwrap();
    let peer = Peer { identity: &identity, certificates: &shown(chain), auth: &auth, octets: OCTETS };
    judge(&peer, trusted, now).map(|_| ())
}

fn reason(leaf: &Leaf, chain: &[&[u8]], identity: &str) -> &'static str {
    let verdict = verdict_at(leaf, chain, &trusted(&WORLD.root), identity, TODAY);
    verdict.map_or_else(|problem| problem.reason(), |()| "ok")
}

#[test]
fn every_identity_in_a_certificate_is_one_and_no_other() {
    let names = [NAME, "192.0.2.1", "2001:db8::1", "ops@example.net"];
    let leaf = WORLD.issuing.leaf("gateway", &names, plain);
    let chain = [leaf.der.as_slice(), &WORLD.issuing.der];
    for good in [
        "GW.example.net",
        "192.0.2.1",
        "2001:db8::1",
        "ops@example.net",
        "O=Example, CN=gateway",
        "CN=Gateway, O=example",
    ] {
        assert_eq!(reason(&leaf, &chain, good), "ok", "{good}");
    }
    for bad in ["example.net", "gateway", "192.0.2.2", "fqdn:192.0.2.1", "keyid:gateway", "CN=gateway", "x@example.net"]
    {
        assert_eq!(reason(&leaf, &chain, bad), "cert_identity", "{bad}");
    }
    let problem = verdict_at(&leaf, &chain, &trusted(&WORLD.root), "other", TODAY).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "it says it is other, and its certificate is for O=Example, CN=gateway; gw.example.net; 192.0.2.1; \
         2001:db8::1; ops@example.net"
    );
}

#[test]
fn who_has_not_the_key_of_what_it_shows_has_no_path_looked_for() {
    let (leaf, other) = (WORLD.issuing.leaf("gateway", &[NAME], plain), WORLD.issuing.leaf("gateway", &[NAME], plain));
    let strange = Ca::root("Strange").leaf("gateway", &[NAME], plain);
    for shown in [&leaf, &strange] {
        assert_eq!(reason(&other, &[&shown.der, &WORLD.issuing.der], NAME), "cert_signature");
    }
    let many = [&[leaf.der.as_slice()][..], &[WORLD.issuing.der.as_slice(); 8]].concat();
    assert_eq!(reason(&leaf, &many, NAME), "cert_chain");
    assert_eq!(reason(&leaf, &many[..8], NAME), "ok");
}

#[test]
fn what_a_certificate_may_not_be_used_for_is_refused() {
    type Change = fn(&mut CertificateParams);
    let cases: [(&str, Change); 8] = [
        ("ok", |params| params.key_usages.clear()),
        ("ok", |params| params.key_usages = vec![KeyUsagePurpose::ContentCommitment]),
        ("cert_usage", |params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]),
        ("ok", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        ("ok", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
        ("ok", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 8, 2, 2])];
        }),
        ("cert_usage", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning]),
        ("cert_usage", |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
    ];
    for (number, (expected, change)) in cases.into_iter().enumerate() {
        let leaf = WORLD.issuing.leaf("gateway", &[NAME], change);
        if number == 7 {
            // No end of ours would sign with it; the peer might.
            let other = WORLD.issuing.leaf("gateway", &[NAME], plain);
            let leaf = WORLD.issuing.another(&other, "gateway", &[NAME], change);
            assert_eq!(reason(&other, &[&leaf.der, &WORLD.issuing.der], NAME), expected);
        } else {
            assert_eq!(reason(&leaf, &[&leaf.der, &WORLD.issuing.der], NAME), expected, "case {number}");
        }
    }
}

#[test]
fn a_chain_leads_to_a_trusted_ca_or_nowhere() {
    let leaf = WORLD.issuing.leaf("gateway", &[NAME], plain);
    let issuing = WORLD.issuing.der.as_slice();
    assert_eq!(reason(&leaf, &[], NAME), "cert_missing");
    assert_eq!(reason(&leaf, &[&leaf.der], NAME), "cert_untrusted", "the one between is not there");
    assert_eq!(reason(&leaf, &[&leaf.der, &WORLD.root.der, issuing], NAME), "ok", "any order, root or not");
    let stranger = Ca::root("Root");
    let other = stranger.leaf("gateway", &[NAME], plain);
    assert_eq!(reason(&other, &[&other.der, &stranger.der], NAME), "cert_forged", "same name, other key");
    let elsewhere = Ca::root("Elsewhere");
    let other = elsewhere.leaf("gateway", &[NAME], plain);
    let problem = verdict_at(&other, &[&other.der], &trusted(&WORLD.root), NAME, TODAY).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "the certificate of O=Example, CN=gateway was issued by O=Example, CN=Elsewhere, which leads to none of the \
         trusted CAs: O=Example, CN=Root"
    );
    // The issuing CA itself may be the one that is trusted.
    let trusted = trusted(&WORLD.issuing);
    assert_eq!(verdict_at(&leaf, &[&leaf.der], &trusted, NAME, TODAY), Ok(()));
}

#[test]
fn cas_are_held_to_what_they_may_do() {
    let below = |change: fn(&mut CertificateParams)| WORLD.root.below("Odd", change);
    let cases = [
        ("ok", below(|_| {})),
        ("cert_usage", below(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign])),
        ("cert_usage", below(|params| params.is_ca = IsCa::NoCa)),
        ("cert_expired", below(|params| params.not_after = date_time_ymd(2021, 1, 1))),
        ("cert_not_yet_valid", below(|params| params.not_before = date_time_ymd(2030, 1, 1))),
        ("cert_usage", below(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning])),
        (
            "cert_name_constraint",
            below(|params| {
                params.name_constraints = Some(NameConstraints {
                    permitted_subtrees: vec![GeneralSubtree::DnsName("example.org".into())],
                    excluded_subtrees: Vec::new(),
                });
            }),
        ),
        (
            "ok",
            below(|params| {
                params.name_constraints = Some(NameConstraints {
                    permitted_subtrees: vec![GeneralSubtree::DnsName("example.net".into())],
                    excluded_subtrees: Vec::new(),
                });
            }),
        ),
    ];
    for (number, (expected, ca)) in cases.iter().enumerate() {
        let leaf = ca.leaf("gateway", &[NAME], plain);
        assert_eq!(reason(&leaf, &[&leaf.der, &ca.der], NAME), *expected, "case {number}");
    }
    let short = below(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let deeper = short.below("Deeper", plain);
    let leaf = deeper.leaf("gateway", &[NAME], plain);
    assert_eq!(reason(&leaf, &[&leaf.der, &deeper.der, &short.der], NAME), "cert_chain");
}

#[test]
fn a_certificate_is_good_in_its_time_only() {
    let leaf = WORLD.issuing.leaf("gateway", &[NAME], |params| {
        params.not_before = date_time_ymd(2023, 1, 1);
        params.not_after = date_time_ymd(2024, 1, 1);
    });
    let chain = [leaf.der.as_slice(), &WORLD.issuing.der];
    let at = |seconds| verdict_at(&leaf, &chain, &trusted(&WORLD.root), NAME, UnixTime(seconds));
    let (from, until) = (1_672_531_200, 1_704_067_200);
    assert_eq!(at(from - 1).unwrap_err().reason(), "cert_not_yet_valid");
    assert_eq!(at(from), Ok(()));
    assert_eq!(at(until), Ok(()));
    assert_eq!(
        at(until + 1).unwrap_err().to_string(),
        "the certificate of O=Example, CN=gateway expired at 2024-01-01T00:00:00Z; it is 2024-01-01T00:00:01Z"
    );
    // A root that is over vouches for nobody.
    let problem = verdict_at(&leaf, &chain, &trusted(&WORLD.root), NAME, UnixTime(2_300_000_000)).unwrap_err();
    assert_eq!(problem.reason(), "cert_expired");
}

#[test]
fn a_revoked_certificate_is_refused_even_by_an_old_list() {
    let leaf = WORLD.issuing.leaf("gateway", &[NAME], |params| params.serial_number = Some(77_u64.into()));
    let other = WORLD.issuing.leaf("gateway", &[NAME], |params| params.serial_number = Some(78_u64.into()));
    let mut trusted = trusted(&WORLD.root);
    trusted.add_crls(&WORLD.issuing.revoke(77)).unwrap();
    let verdict = |leaf: &Leaf| verdict_at(leaf, &[&leaf.der, &WORLD.issuing.der], &trusted, NAME, TODAY);
    assert_eq!(verdict(&leaf).unwrap_err().reason(), "cert_revoked");
    assert_eq!(verdict(&other), Ok(()));
}

#[test]
fn octets_that_are_no_certificate_are_refused() {
    let leaf = WORLD.issuing.leaf("gateway", &[NAME], plain);
    let issuing = WORLD.issuing.der.as_slice();
    let mut trailing = leaf.der.clone();
    trailing.push(0);
    assert_eq!(reason(&leaf, &[&trailing, issuing], NAME), "cert_unreadable");
    assert_eq!(reason(&leaf, &[&vec![0x30; 60_000], issuing], NAME), "cert_unreadable");
    for len in (0..leaf.der.len()).step_by(7) {
        assert_eq!(reason(&leaf, &[&leaf.der[..len], issuing], NAME), "cert_unreadable", "{len}");
    }
    // Any change of what was signed, or of the signature, is noticed.
    for index in (0..leaf.der.len()).step_by(11) {
        let mut changed = leaf.der.clone();
        changed[index] ^= 1;
        assert_ne!(reason(&leaf, &[&changed, issuing], NAME), "ok", "octet {index}");
    }
    let many: Vec<&[u8]> = std::iter::once(leaf.der.as_slice()).chain([issuing; 12]).collect();
    assert_eq!(reason(&leaf, &many, NAME), "cert_chain");
    let junk = [leaf.der.as_slice(), &[1, 2, 3], issuing];
    assert_ne!(reason(&leaf, &junk, NAME), "cert_missing");
}

#[test]
fn the_key_of_another_certificate_proves_nothing() {
    let (leaf, other) = (WORLD.issuing.leaf("a", &[NAME], plain), WORLD.issuing.leaf("b", &[NAME], plain));
    assert_eq!(reason(&other, &[&leaf.der, &WORLD.issuing.der], NAME), "cert_signature");
    let identity: Identity = NAME.parse().unwrap();
    let certificates = shown(&[&leaf.der, &WORLD.issuing.der]);
    let mut auth = local(&leaf, &[]).sign(OCTETS, Some(&hashes())).unwrap();
    let verdict = |auth: &Auth, octets: &[u8]| {
        let peer = Peer { identity: &identity, certificates: &certificates, auth, octets };
        judge(&peer, &trusted(&WORLD.root), TODAY).map_or_else(|problem| problem.reason(), |_| "ok")
    };
    assert_eq!(verdict(&auth, OCTETS), "ok");
    assert_eq!(verdict(&auth, b"another message"), "cert_signature");
    for len in 0..auth.data.len() {
        let cut = Auth { data: auth.data[..len].to_vec(), ..auth.clone() };
        assert!(["cert_signature", "cert_scheme"].contains(&verdict(&cut, OCTETS)), "{len}");
    }
    auth.method = AuthMethod::RSA_SIGNATURE;
    assert_eq!(verdict(&auth, OCTETS), "cert_scheme");
    auth.method = AuthMethod(99);
    assert_eq!(verdict(&auth, OCTETS), "cert_scheme");
}

#[test]
fn every_kind_of_key_signs_and_is_believed_in_the_new_way_and_the_old() {
    let kinds = [
        &PKCS_RSA_SHA256,
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ECDSA_P521_SHA512,
        &PKCS_ED25519,
    ];
    let identity: Identity = NAME.parse().unwrap();
    for kind in kinds {
        let leaf = WORLD.issuing.leaf_with(kind, "gateway", &[NAME], plain);
        let certificates = shown(&[&leaf.der, &WORLD.issuing.der]);
        let key = wire::Secret::from(leaf.key.as_bytes());
        for padding in [RsaPadding::Pss, RsaPadding::Pkcs1] {
            let local = LocalCertificate::from_pem(leaf.pem.as_bytes(), &key, padding).unwrap();
            for list in [Some(hashes()), None] {
                let Ok(auth) = local.sign(OCTETS, list.as_ref()) else {
                    assert!(*kind == PKCS_ED25519 && list.is_none(), "only Ed25519 has no old way");
                    continue;
                };
                assert_eq!(auth.method == AuthMethod::DIGITAL_SIGNATURE, list.is_some());
                let peer = Peer { identity: &identity, certificates: &certificates, auth: &auth, octets: OCTETS };
                let judged = judge(&peer, &trusted(&WORLD.root), TODAY);
                assert_eq!(judged.unwrap().summary().subject, "O=Example, CN=gateway", "{}", local.leaf().key());
            }
        }
    }
}

#[test]
fn what_a_stranger_calls_itself_is_not_repeated_at_length() {
    let long = "x".repeat(20_000);
    let leaf = Ca::root("Elsewhere").leaf(&long, &[NAME], plain);
    let text = verdict_at(&leaf, &[&leaf.der], &trusted(&WORLD.root), NAME, TODAY).unwrap_err().to_string();
    assert!(text.contains("xxx..."), "{text}");
    assert!(text.len() < 2000, "{} octets", text.len());
}

#[test]
fn a_second_path_is_found_where_the_first_one_ends_nowhere() {
    let (other, issuing) = (Ca::root("Other root"), &WORLD.issuing);
    let leaf = issuing.leaf("gateway", &[NAME], plain);
    // The same CA, vouched for by a root that nobody trusts, by the trusted one no longer, and by the trusted one.
    let untrusted = other.vouch_for(issuing, "Issuing", 2040);
    let expired = WORLD.root.vouch_for(issuing, "Issuing", 2021);
    let verdict = |above: &[&[u8]]| {
        let chain: Vec<&[u8]> = std::iter::once(leaf.der.as_slice()).chain(above.iter().copied()).collect();
        verdict_at(&leaf, &chain, &trusted(&WORLD.root), NAME, TODAY)
    };
    assert!(verdict(&[&untrusted.der]).is_err());
    assert!(verdict(&[&expired.der]).is_err());
    assert_eq!(verdict(&[&untrusted.der, &expired.der, &issuing.der]), Ok(()));
    assert_eq!(verdict(&[&issuing.der, &untrusted.der]), Ok(()));
}
