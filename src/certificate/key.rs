//! Keys: their kinds, and the private one that signs.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::signature::{Scheme, Sha2};

/// Kind and strength of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with the length of the modulus in bits.
    Rsa(usize),
    /// ECDSA.
    P256,
    /// ECDSA.
    P384,
    /// ECDSA.
    P521,
    /// EdDSA.
    Ed25519,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::P256 => f.write_str("ECDSA P-256"),
            Self::P384 => f.write_str("ECDSA P-384"),
            Self::P521 => f.write_str("ECDSA P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

impl KeyKind {
    pub(super) fn of(key: &SubjectPublicKeyInfoOwned) -> Option<Self> {
        let curve = || key.algorithm.parameters.as_ref()?.decode_as().ok();
        match key.algorithm.oid.to_string().as_str() {
            "1.2.840.113549.1.1.1" => Some(Self::Rsa(modulus_bits(key.subject_public_key.raw_bytes())?)),
            "1.3.101.112" => Some(Self::Ed25519),
            "1.2.840.10045.2.1" => {
                let curve: x509_cert::der::asn1::ObjectIdentifier = curve()?;
                match curve.to_string().as_str() {
                    "1.2.840.10045.3.1.7" => Some(Self::P256),
                    "1.3.132.0.34" => Some(Self::P384),
                    "1.3.132.0.35" => Some(Self::P521),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// RFC 8017 A.1.1: RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }
fn modulus_bits(key: &[u8]) -> Option<usize> {
    use x509_cert::der::asn1::UintRef;
    use x509_cert::der::{Decode, Reader, SliceReader};

    let mut reader = SliceReader::new(key).ok()?;
    let modulus = reader
        .sequence(|inner| {
            let modulus = UintRef::decode(inner)?.as_bytes().to_vec();
            UintRef::decode(inner)?;
            Ok::<_, x509_cert::der::Error>(modulus)
        })
        .ok()?;
    reader.is_finished().then_some(())?;
    let unused = modulus.first()?.leading_zeros();
    Some(modulus.len() * 8 - usize::try_from(unused).ok()?)
}

/// How an RSA key signs. Peers do not tell which they understand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaPadding {
    /// RSASSA-PSS, which every implementation of RFC 7427 must know (RFC 8247 3.2).
    #[default]
    Pss,
    /// RSASSA-PKCS1-v1_5, for peers that know nothing else.
    Pkcs1,
}

/// A private key.
pub(super) enum SigningKey {
    Rsa(RsaKeyPair),
    /// The same key twice: aws-lc ties it to the form of the signature.
    Ecdsa {
        kind: KeyKind,
        asn1: EcdsaKeyPair,
        fixed: EcdsaKeyPair,
    },
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Takes a key of whatever kind it is; `None` if no supported one.
    pub(super) fn new(der: &PrivateKeyDer<'_>) -> Option<Self> {
        match der {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok().map(Self::Rsa),
            PrivateKeyDer::Sec1(key) => {
                let read = |algorithm| EcdsaKeyPair::from_private_key_der(algorithm, key.secret_sec1_der()).ok();
                Self::ecdsa(&read)
            }
            PrivateKeyDer::Pkcs8(key) => {
                let der = key.secret_pkcs8_der();
                let read = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der).ok();
                let rsa = || RsaKeyPair::from_pkcs8(der).ok().map(Self::Rsa);
                let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Self::Ed25519);
                Self::ecdsa(&read).or_else(rsa).or_else(ed25519)
            }
            _ => None,
        }
    }

    fn ecdsa(read: &dyn Fn(&'static EcdsaSigningAlgorithm) -> Option<EcdsaKeyPair>) -> Option<Self> {
        let curves: [(_, &EcdsaSigningAlgorithm, &EcdsaSigningAlgorithm); 3] = [
            (KeyKind::P256, &ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P256_SHA256_FIXED_SIGNING),
            (KeyKind::P384, &ECDSA_P384_SHA384_ASN1_SIGNING, &ECDSA_P384_SHA384_FIXED_SIGNING),
            (KeyKind::P521, &ECDSA_P521_SHA512_ASN1_SIGNING, &ECDSA_P521_SHA512_FIXED_SIGNING),
        ];
        let pair = |(kind, asn1, fixed)| Some(Self::Ecdsa { kind, asn1: read(asn1)?, fixed: read(fixed)? });
        curves.into_iter().find_map(pair)
    }

    pub(super) fn kind(&self) -> KeyKind {
        match self {
            Self::Rsa(key) => KeyKind::Rsa(key.public_modulus_len() * 8),
            Self::Ecdsa { kind, .. } => *kind,
            Self::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    /// As it is in a certificate.
    pub(super) fn public_key(&self) -> &[u8] {
        match self {
            Self::Rsa(key) => key.public_key().as_ref(),
            Self::Ecdsa { asn1, .. } => asn1.public_key().as_ref(),
            Self::Ed25519(key) => key.public_key().as_ref(),
        }
    }

    /// Signs; `None` if the scheme is not one of this key, or the generator of the system fails.
    pub(super) fn sign(&self, scheme: Scheme, octets: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match (self, scheme) {
            (Self::Rsa(key), Scheme::RsaPss(hash) | Scheme::RsaPkcs1(hash)) => {
                let encoding: &'static dyn RsaEncoding = match (scheme == Scheme::RsaPss(hash), hash) {
                    (true, Sha2::Sha256) => &RSA_PSS_SHA256,
                    (true, Sha2::Sha384) => &RSA_PSS_SHA384,
                    (true, Sha2::Sha512) => &RSA_PSS_SHA512,
                    (false, Sha2::Sha256) => &RSA_PKCS1_SHA256,
                    (false, Sha2::Sha384) => &RSA_PKCS1_SHA384,
                    (false, Sha2::Sha512) => &RSA_PKCS1_SHA512,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, octets, &mut signature).ok()?;
                Some(signature)
            }
            (Self::Ecdsa { kind, asn1, fixed }, Scheme::Ecdsa(_) | Scheme::EcdsaFixed(_)) => {
                let key = match scheme {
                    scheme if scheme == Scheme::Ecdsa(Sha2::of_curve(*kind)?) => asn1,
                    scheme if scheme == Scheme::EcdsaFixed(*kind) => fixed,
                    _ => return None,
                };
                key.sign(&random, octets).ok().map(|signature| signature.as_ref().to_vec())
            }
            (Self::Ed25519(key), Scheme::Ed25519) => Some(key.sign(octets).as_ref().to_vec()),
            (Self::Rsa(_) | Self::Ecdsa { .. } | Self::Ed25519(_), _) => None,
        }
    }
}
