//! The signatures on certificates, for `webpki`: those of AUTH payloads, by the same checks.

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

use super::key::KeyKind;
use super::signature::{Scheme, Sha2, verifier};

/// Every one that a certificate may be signed with. SHA-1 is not among them.
pub(super) const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    &Algorithm(alg_id::ECDSA_P256, alg_id::ECDSA_SHA256, KeyKind::P256, Scheme::Ecdsa(Sha2::Sha256)),
    &Algorithm(alg_id::ECDSA_P256, alg_id::ECDSA_SHA384, KeyKind::P256, Scheme::Ecdsa(Sha2::Sha384)),
    &Algorithm(alg_id::ECDSA_P256, alg_id::ECDSA_SHA512, KeyKind::P256, Scheme::Ecdsa(Sha2::Sha512)),
    &Algorithm(alg_id::ECDSA_P384, alg_id::ECDSA_SHA256, KeyKind::P384, Scheme::Ecdsa(Sha2::Sha256)),
    &Algorithm(alg_id::ECDSA_P384, alg_id::ECDSA_SHA384, KeyKind::P384, Scheme::Ecdsa(Sha2::Sha384)),
    &Algorithm(alg_id::ECDSA_P384, alg_id::ECDSA_SHA512, KeyKind::P384, Scheme::Ecdsa(Sha2::Sha512)),
    &Algorithm(alg_id::ECDSA_P521, alg_id::ECDSA_SHA256, KeyKind::P521, Scheme::Ecdsa(Sha2::Sha256)),
    &Algorithm(alg_id::ECDSA_P521, alg_id::ECDSA_SHA384, KeyKind::P521, Scheme::Ecdsa(Sha2::Sha384)),
    &Algorithm(alg_id::ECDSA_P521, alg_id::ECDSA_SHA512, KeyKind::P521, Scheme::Ecdsa(Sha2::Sha512)),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA256, RSA, Scheme::RsaPkcs1(Sha2::Sha256)),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA384, RSA, Scheme::RsaPkcs1(Sha2::Sha384)),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA512, RSA, Scheme::RsaPkcs1(Sha2::Sha512)),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA256, RSA, Scheme::RsaPss(Sha2::Sha256)),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA384, RSA, Scheme::RsaPss(Sha2::Sha384)),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA512, RSA, Scheme::RsaPss(Sha2::Sha512)),
    &Algorithm(alg_id::ED25519, alg_id::ED25519, KeyKind::Ed25519, Scheme::Ed25519),
];

/// The length is in the key itself and judged there.
const RSA: KeyKind = KeyKind::Rsa(2048);

/// Identifiers of key and signature, and what they stand for.
#[derive(Debug)]
struct Algorithm(AlgorithmIdentifier, AlgorithmIdentifier, KeyKind, Scheme);

impl SignatureVerificationAlgorithm for Algorithm {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let verifier = verifier(self.3, self.2).ok_or(InvalidSignature)?;
        let key = aws_lc_rs::signature::UnparsedPublicKey::new(verifier, public_key);
        key.verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_has_its_check_and_its_name() {
        for (index, algorithm) in ALGORITHMS.iter().enumerate() {
            assert!(algorithm.verify_signature(&[], &[], &[]).is_err());
            let ids =
                |other: &&dyn SignatureVerificationAlgorithm| (other.public_key_alg_id(), other.signature_alg_id());
            assert!(ALGORITHMS[..index].iter().all(|other| ids(other) != ids(algorithm)), "{algorithm:?}");
        }
        for Algorithm(_, id, kind, scheme) in [
            Algorithm(alg_id::ECDSA_P256, alg_id::ECDSA_SHA384, KeyKind::P256, Scheme::Ecdsa(Sha2::Sha384)),
            Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA512, RSA, Scheme::RsaPss(Sha2::Sha512)),
        ] {
            assert!(verifier(scheme, kind).is_some());
            // The identifiers are those of AUTH payloads without their outer SEQUENCE.
            assert!(scheme.identifier().ends_with(id.as_ref()), "{scheme}");
        }
    }
}
