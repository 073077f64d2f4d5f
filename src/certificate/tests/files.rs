//! Files as people have them.

use fixtures::pki::{Ca, WORLD};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use wire::Secret;

use crate::{LoadError, LocalCertificate, RsaPadding, TrustedCas};

fn load(chain: &str, key: &str) -> Result<LocalCertificate, LoadError> {
    LocalCertificate::from_pem(chain.as_bytes(), &Secret::from(key.as_bytes()), RsaPadding::Pss)
}

#[test]
fn a_chain_and_its_key_load_with_anything_around_them() {
    let leaf = WORLD.issuing.leaf("gateway", &["gw.example.net"], |_| {});
    let chain = format!("subject: gateway\n{}\n# the CA\n{}", leaf.pem, WORLD.issuing.pem);
    let local = load(&chain, &leaf.key).unwrap();
    assert_eq!(local.chain().len(), 2);
    assert_eq!(local.leaf().summary().names, ["gw.example.net"]);
    assert_eq!(format!("{local:?}"), "LocalCertificate { subject: \"O=Example, CN=gateway\", .. }");
    assert_eq!(local, load(&chain, &leaf.key).unwrap());
    assert_ne!(local, load(&leaf.pem, &leaf.key).unwrap());
}

#[test]
fn files_of_no_use_are_told_apart() {
    let leaf = WORLD.issuing.leaf("gateway", &[], |_| {});
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let subject = "O=Example, CN=gateway".to_owned();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cases = [
        ("", leaf.key.as_str(), LoadError::NoCertificate),
        (&leaf.key, &leaf.key, LoadError::NoCertificate),
        (&leaf.pem, "", LoadError::NoKey),
        (&leaf.pem, encrypted, LoadError::EncryptedKey),
        (&leaf.pem, old, LoadError::EncryptedKey),
        (&leaf.pem, nonsense, LoadError::UnsupportedKey),
        (&leaf.pem, &other, LoadError::KeyMismatch { subject: subject.clone() }),
        (&WORLD.issuing.pem, &leaf.key, LoadError::LeafIsCa { subject: "O=Example, CN=Issuing".into() }),
    ];
    for (chain, key, expected) in cases {
        let error = load(chain, key).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.remedy().is_empty());
    }
    let cut = leaf.pem.replace("-----END CERTIFICATE-----", "");
    assert!(matches!(load(&cut, &leaf.key), Err(LoadError::Unreadable { number: 1, .. } | LoadError::NoCertificate)));
    let long: String = std::iter::once(leaf.pem.clone()).chain((0..200).map(|_| WORLD.issuing.pem.clone())).collect();
    assert!(matches!(load(&long, &leaf.key), Err(LoadError::TooLarge { .. })));
}

#[test]
fn only_cas_are_trusted() {
    let leaf = WORLD.issuing.leaf("gateway", &[], |_| {});
    let load = |pem: &str| TrustedCas::from_pem(pem.as_bytes());
    assert_eq!(load(&leaf.pem), Err(LoadError::NotCa { subject: "O=Example, CN=gateway".into() }));
    assert_eq!(load("# nothing"), Err(LoadError::NoCertificate));
    assert_eq!(TrustedCas::from_pem(&WORLD.root.der).unwrap(), load(&WORLD.root.pem).unwrap(), "DER is as good");
    let two = load(&format!("{}{}", WORLD.root.pem, Ca::root("Two").pem)).unwrap();
    assert_eq!(two.to_string(), "O=Example, CN=Root; O=Example, CN=Two");
    let mut trusted = two;
    assert_eq!(trusted.add_crls(b"nothing"), Err(LoadError::NoCrl));
    assert!(matches!(trusted.add_crls(&WORLD.root.der), Err(LoadError::Crl { number: 1, .. })));
}

#[test]
fn one_more_authority_takes_nothing_from_those_before() {
    let one = TrustedCas::from_pem(WORLD.root.pem.as_bytes()).unwrap();
    let two = TrustedCas::from_pem(format!("{}{}", Ca::root("Two").pem, WORLD.root.pem).as_bytes()).unwrap();
    assert!(two.trusts_all_of(&one) && one.trusts_all_of(&one));
    assert!(!one.trusts_all_of(&two), "one fewer");
    let mut lax = TrustedCas::from_pem(WORLD.root.pem.as_bytes()).unwrap();
    lax.take_sha1();
    assert_ne!(lax, one, "what is taken for a proof is a part of it");
    assert!(!lax.trusts_all_of(&one) && !one.trusts_all_of(&lax));
    let mut revoking = TrustedCas::from_pem(WORLD.root.pem.as_bytes()).unwrap();
    revoking.add_crls(&WORLD.root.revoke(77)).unwrap();
    assert!(!revoking.trusts_all_of(&one), "somebody may be revoked");
}
