//! Signatures in AUTH payloads: RFC 7427 (method 14), RFC 8420 (Ed25519), and what was before: RSA (method 1) and
//! ECDSA on one curve each (RFC 4754, methods 9 to 11).
//!
//! ```text
//! method 14:  | length | AlgorithmIdentifier (DER) | signature |
//! the others: | signature |
//! ```

use std::fmt;

use aws_lc_rs::signature::{self as aws, UnparsedPublicKey, VerificationAlgorithm};
use isakmp::{Auth, AuthMethod, HashId};
use x509_cert::der::asn1::{ContextSpecific, ObjectIdentifier};
use x509_cert::der::{Decode, Reader, SliceReader, TagNumber};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::key::{KeyKind, RsaPadding};

/// Hashes that we take in signatures, in order of preference: SHA-1 is not among them.
pub const OFFERED_HASHES: [HashId; 4] = [HashId::SHA2_256, HashId::SHA2_384, HashId::SHA2_512, HashId::IDENTITY];

/// SHA-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sha2 {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Sha2 {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    const fn id(self) -> HashId {
        match self {
            Self::Sha256 => HashId::SHA2_256,
            Self::Sha384 => HashId::SHA2_384,
            Self::Sha512 => HashId::SHA2_512,
        }
    }

    const fn bits(self) -> u16 {
        match self {
            Self::Sha256 => 256,
            Self::Sha384 => 384,
            Self::Sha512 => 512,
        }
    }

    /// The hash whose length is that of the curve, which is the one RFC 4754 pairs it with.
    pub(super) const fn of_curve(kind: KeyKind) -> Option<Self> {
        match kind {
            KeyKind::P256 => Some(Self::Sha256),
            KeyKind::P384 => Some(Self::Sha384),
            KeyKind::P521 => Some(Self::Sha512),
            KeyKind::Rsa(_) | KeyKind::Ed25519 => None,
        }
    }
}

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RSASSA-PSS with MGF1 and a salt as long as the hash.
    RsaPss(Sha2),
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(Sha2),
    /// ECDSA on any curve, the signature in DER.
    Ecdsa(Sha2),
    /// ECDSA with the hash of its curve, the signature as two numbers of fixed length (RFC 4754).
    EcdsaFixed(KeyKind),
    /// Ed25519.
    Ed25519,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaPss(hash) => write!(f, "RSA-PSS with SHA2-{}", hash.bits()),
            Self::RsaPkcs1(hash) => write!(f, "RSA PKCS#1 with SHA2-{}", hash.bits()),
            Self::Ecdsa(hash) => write!(f, "ECDSA with SHA2-{}", hash.bits()),
            Self::EcdsaFixed(kind) => write!(f, "{kind} as of RFC 4754"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// Hashes that an end understands, from its `SIGNATURE_HASH_ALGORITHMS` (RFC 7427 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashList(pub Vec<HashId>);

impl HashList {
    /// The data of the notification; an odd octet at the end is ignored.
    #[must_use]
    pub fn decode(data: &[u8]) -> Self {
        Self(data.as_chunks().0.iter().map(|id| HashId(u16::from_be_bytes(*id))).collect())
    }

    /// The data of the notification.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|id| id.0.to_be_bytes()).collect()
    }
}

impl fmt::Display for HashList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(if names.is_empty() { "none".to_owned() } else { names.join(", ") }.as_str())
    }
}

/// Why a signature is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemeError {
    /// Made in a way that is not supported.
    #[error("signed with {0}")]
    Unsupported(String),
    /// Not made by the key in the certificate over what was to be signed.
    #[error("the signature is not that of the certificate's key")]
    Wrong,
}

impl Scheme {
    /// How a key of `kind` signs for a peer that understands `hashes`, or that sent no such list.
    pub(super) fn choose(kind: KeyKind, padding: RsaPadding, hashes: Option<&HashList>) -> Option<(AuthMethod, Self)> {
        let Some(HashList(hashes)) = hashes else {
            // RFC 7427 4: without the notification, the methods of before.
            return match kind {
                KeyKind::Rsa(_) => Some((AuthMethod::RSA_SIGNATURE, Self::RsaPkcs1(Sha2::Sha256))),
                KeyKind::P256 => Some((AuthMethod::ECDSA_P256, Self::EcdsaFixed(kind))),
                KeyKind::P384 => Some((AuthMethod::ECDSA_P384, Self::EcdsaFixed(kind))),
                KeyKind::P521 => Some((AuthMethod::ECDSA_P521, Self::EcdsaFixed(kind))),
                KeyKind::Ed25519 => None,
            };
        };
        let taken = |hash: &Sha2| hashes.contains(&hash.id());
        let scheme = match (kind, padding) {
            (KeyKind::Rsa(_), RsaPadding::Pss) => Sha2::ALL.into_iter().find(taken).map(Self::RsaPss),
            (KeyKind::Rsa(_), RsaPadding::Pkcs1) => Sha2::ALL.into_iter().find(taken).map(Self::RsaPkcs1),
            (KeyKind::P256 | KeyKind::P384 | KeyKind::P521, _) => Sha2::of_curve(kind).filter(taken).map(Self::Ecdsa),
            (KeyKind::Ed25519, _) => hashes.contains(&HashId::IDENTITY).then_some(Self::Ed25519),
        };
        scheme.map(|scheme| (AuthMethod::DIGITAL_SIGNATURE, scheme))
    }

    /// The AUTH payload that holds `signature`.
    pub(super) fn auth(self, method: AuthMethod, signature: Vec<u8>) -> Auth {
        if method != AuthMethod::DIGITAL_SIGNATURE {
            return Auth { method, data: signature };
        }
        let identifier = self.identifier();
        let length = u8::try_from(identifier.len()).unwrap_or_default();
        Auth { method, data: [&[length], identifier.as_slice(), &signature].concat() }
    }

    /// The AlgorithmIdentifier, DER (RFC 7427 appendix A, RFC 8420 appendix A). Fixed-length ECDSA has none.
    #[must_use]
    pub fn identifier(self) -> Vec<u8> {
        const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
        const SHA2: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
        match self {
            Self::RsaPkcs1(hash) => {
                let last = [0x0b + hash.index()];
                sequence(&[&tlv(6, &[&RSA[..], &last].concat()), &[5, 0]])
            }
            Self::Ecdsa(hash) => sequence(&[&tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2 + hash.index()])]),
            Self::Ed25519 => sequence(&[&tlv(6, &[0x2b, 0x65, 0x70])]),
            Self::EcdsaFixed(_) => Vec::new(),
            Self::RsaPss(hash) => {
                let digest = sequence(&[&tlv(6, &[&SHA2[..], &[1 + hash.index()]].concat()), &[5, 0]]);
                let mask = sequence(&[&tlv(6, &[&RSA[..], &[8]].concat()), &digest]);
                let salt = tlv(2, &[[0x20, 0x30, 0x40][usize::from(hash.index())]]);
                // The trailer field has its default value, which DER leaves out.
                let parameters = sequence(&[&tlv(0xa0, &digest), &tlv(0xa1, &mask), &tlv(0xa2, &salt)]);
                sequence(&[&tlv(6, &[&RSA[..], &[0x0a]].concat()), &parameters])
            }
        }
    }

    /// Reads an AlgorithmIdentifier.
    ///
    /// # Errors
    /// [`SchemeError::Unsupported`] names what it is.
    pub fn from_identifier(der: &[u8]) -> Result<Self, SchemeError> {
        let unsupported = |what: String| SchemeError::Unsupported(what);
        let identifier = AlgorithmIdentifierRef::from_der(der)
            .map_err(|error| unsupported(format!("an algorithm that cannot be read: {error}")))?;
        Ok(match identifier.oid.to_string().as_str() {
            "1.2.840.113549.1.1.11" => Self::RsaPkcs1(Sha2::Sha256),
            "1.2.840.113549.1.1.12" => Self::RsaPkcs1(Sha2::Sha384),
            "1.2.840.113549.1.1.13" => Self::RsaPkcs1(Sha2::Sha512),
            "1.2.840.10045.4.3.2" => Self::Ecdsa(Sha2::Sha256),
            "1.2.840.10045.4.3.3" => Self::Ecdsa(Sha2::Sha384),
            "1.2.840.10045.4.3.4" => Self::Ecdsa(Sha2::Sha512),
            "1.3.101.112" => Self::Ed25519,
            "1.2.840.113549.1.1.10" => Self::RsaPss(pss_hash(&identifier).ok_or_else(|| {
                unsupported("RSA-PSS whose hash is not SHA-2, or whose salt is not as long as that".into())
            })?),
            // RFC 8247 3.2: SHA-1 in signatures must not be.
            "1.2.840.113549.1.1.5" => return Err(unsupported("RSA PKCS#1 with SHA1".into())),
            "1.2.840.10045.4.1" => return Err(unsupported("ECDSA with SHA1".into())),
            "1.3.101.113" => return Err(unsupported("Ed448".into())),
            other => return Err(unsupported(format!("algorithm {other}"))),
        })
    }
}

impl Sha2 {
    const fn index(self) -> u8 {
        match self {
            Self::Sha256 => 0,
            Self::Sha384 => 1,
            Self::Sha512 => 2,
        }
    }

    fn of_oid(oid: ObjectIdentifier) -> Option<Self> {
        match oid.to_string().as_str() {
            "2.16.840.1.101.3.4.2.1" => Some(Self::Sha256),
            "2.16.840.1.101.3.4.2.2" => Some(Self::Sha384),
            "2.16.840.1.101.3.4.2.3" => Some(Self::Sha512),
            _ => None,
        }
    }
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    // Everything here is shorter than 128 octets.
    let mut out = vec![tag, u8::try_from(value.len()).unwrap_or_default()];
    out.extend_from_slice(value);
    out
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// The hash of RSASSA-PSS-params, if the rest fits it (RFC 4055 3.1).
fn pss_hash(identifier: &AlgorithmIdentifierRef<'_>) -> Option<Sha2> {
    let body = identifier.parameters?.value();
    let mut reader = SliceReader::new(body).ok()?;
    let hash = ContextSpecific::<AlgorithmIdentifierRef<'_>>::decode_explicit(&mut reader, TagNumber(0)).ok()??;
    let mask = ContextSpecific::<AlgorithmIdentifierRef<'_>>::decode_explicit(&mut reader, TagNumber(1)).ok()??;
    let salt = ContextSpecific::<u16>::decode_explicit(&mut reader, TagNumber(2)).ok()??;
    let trailer = ContextSpecific::<u8>::decode_explicit(&mut reader, TagNumber(3)).ok()?;
    let hash = Sha2::of_oid(hash.value.oid)?;
    let inner: AlgorithmIdentifierRef<'_> = mask.value.parameters?.decode_as().ok()?;
    let fits = reader.is_finished()
        && mask.value.oid.to_string() == "1.2.840.113549.1.1.8"
        && Sha2::of_oid(inner.oid) == Some(hash)
        && salt.value == hash.bits() / 8
        && trailer.is_none_or(|trailer| trailer.value == 1);
    fits.then_some(hash)
}

/// Judges an AUTH payload over `octets` with a certificate's key; `sha1` takes what old peers sign with.
pub(crate) fn verify(kind: KeyKind, key: &[u8], auth: &Auth, octets: &[u8], sha1: bool) -> Result<(), SchemeError> {
    let holds = |algorithm: &'static dyn VerificationAlgorithm, signature: &[u8]| {
        UnparsedPublicKey::new(algorithm, key).verify(octets, signature).is_ok()
    };
    let mismatch = |what: &dyn fmt::Display| SchemeError::Unsupported(format!("{what}, by a certificate with {kind}"));
    match auth.method {
        AuthMethod::DIGITAL_SIGNATURE => {
            let short = || SchemeError::Unsupported("an algorithm that is cut off".to_owned());
            let (length, rest) = auth.data.split_first().ok_or_else(short)?;
            let (identifier, signature) = rest.split_at_checked(usize::from(*length)).ok_or_else(short)?;
            let scheme = Scheme::from_identifier(identifier)?;
            let algorithm = verifier(scheme, kind).ok_or_else(|| mismatch(&scheme))?;
            if holds(algorithm, signature) { Ok(()) } else { Err(SchemeError::Wrong) }
        }
        AuthMethod::RSA_SIGNATURE => {
            let schemes = Sha2::ALL.into_iter().filter_map(|hash| verifier(Scheme::RsaPkcs1(hash), kind));
            let schemes: Vec<_> = schemes.collect();
            if schemes.is_empty() {
                return Err(mismatch(&auth.method));
            }
            if schemes.into_iter().any(|algorithm| holds(algorithm, &auth.data)) {
                return Ok(());
            }
            // RFC 7296 3.8: SHA-1 unless the ends agree otherwise. RFC 8247 3.2: it must not be. We never sign so.
            match (holds(&aws::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, &auth.data), sha1) {
                (true, true) => Ok(()),
                (true, false) => Err(SchemeError::Unsupported("RSA PKCS#1 with SHA1".to_owned())),
                (false, _) => Err(SchemeError::Wrong),
            }
        }
        AuthMethod::ECDSA_P256 | AuthMethod::ECDSA_P384 | AuthMethod::ECDSA_P521 => {
            let curve = match auth.method {
                AuthMethod::ECDSA_P256 => KeyKind::P256,
                AuthMethod::ECDSA_P384 => KeyKind::P384,
                _ => KeyKind::P521,
            };
            let algorithm = verifier(Scheme::EcdsaFixed(curve), kind).ok_or_else(|| mismatch(&auth.method))?;
            if holds(algorithm, &auth.data) { Ok(()) } else { Err(SchemeError::Wrong) }
        }
        method => Err(SchemeError::Unsupported(format!("AUTH method {method}"))),
    }
}

/// What checks a signature of this scheme by this kind of key.
pub(super) fn verifier(scheme: Scheme, kind: KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
    use KeyKind::{Ed25519, P256, P384, P521, Rsa};
    use Sha2::{Sha256, Sha384, Sha512};

    Some(match (scheme, kind) {
        (Scheme::RsaPss(Sha256), Rsa(_)) => &aws::RSA_PSS_2048_8192_SHA256,
        (Scheme::RsaPss(Sha384), Rsa(_)) => &aws::RSA_PSS_2048_8192_SHA384,
        (Scheme::RsaPss(Sha512), Rsa(_)) => &aws::RSA_PSS_2048_8192_SHA512,
        (Scheme::RsaPkcs1(Sha256), Rsa(_)) => &aws::RSA_PKCS1_2048_8192_SHA256,
        (Scheme::RsaPkcs1(Sha384), Rsa(_)) => &aws::RSA_PKCS1_2048_8192_SHA384,
        (Scheme::RsaPkcs1(Sha512), Rsa(_)) => &aws::RSA_PKCS1_2048_8192_SHA512,
        (Scheme::Ecdsa(Sha256), P256) => &aws::ECDSA_P256_SHA256_ASN1,
        (Scheme::Ecdsa(Sha384), P256) => &aws::ECDSA_P256_SHA384_ASN1,
        (Scheme::Ecdsa(Sha512), P256) => &aws::ECDSA_P256_SHA512_ASN1,
        (Scheme::Ecdsa(Sha256), P384) => &aws::ECDSA_P384_SHA256_ASN1,
        (Scheme::Ecdsa(Sha384), P384) => &aws::ECDSA_P384_SHA384_ASN1,
        (Scheme::Ecdsa(Sha512), P384) => &aws::ECDSA_P384_SHA512_ASN1,
        (Scheme::Ecdsa(Sha256), P521) => &aws::ECDSA_P521_SHA256_ASN1,
        (Scheme::Ecdsa(Sha384), P521) => &aws::ECDSA_P521_SHA384_ASN1,
        (Scheme::Ecdsa(Sha512), P521) => &aws::ECDSA_P521_SHA512_ASN1,
        (Scheme::EcdsaFixed(P256), P256) => &aws::ECDSA_P256_SHA256_FIXED,
        (Scheme::EcdsaFixed(P384), P384) => &aws::ECDSA_P384_SHA384_FIXED,
        (Scheme::EcdsaFixed(P521), P521) => &aws::ECDSA_P521_SHA512_FIXED,
        (Scheme::Ed25519, Ed25519) => &aws::ED25519,
        (
            Scheme::RsaPss(_) | Scheme::RsaPkcs1(_) | Scheme::Ecdsa(_) | Scheme::EcdsaFixed(_) | Scheme::Ed25519,
            Rsa(_) | P256 | P384 | P521 | Ed25519,
        ) => return None,
    })
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// RFC 7427 appendix A, RFC 8420 appendix A; RSA-PSS as DER has it, without the trailer field.
    #[test]
    fn algorithm_identifiers_have_the_octets_of_the_rfcs() {
        let cases = [
            (Scheme::RsaPkcs1(Sha2::Sha256), &hex!("300d06092a864886f70d01010b0500")[..]),
            (Scheme::RsaPkcs1(Sha2::Sha384), &hex!("300d06092a864886f70d01010c0500")),
            (Scheme::RsaPkcs1(Sha2::Sha512), &hex!("300d06092a864886f70d01010d0500")),
            (Scheme::Ecdsa(Sha2::Sha256), &hex!("300a06082a8648ce3d040302")),
            (Scheme::Ecdsa(Sha2::Sha384), &hex!("300a06082a8648ce3d040303")),
            (Scheme::Ecdsa(Sha2::Sha512), &hex!("300a06082a8648ce3d040304")),
            (Scheme::Ed25519, &hex!("300506032b6570")),
            (
                Scheme::RsaPss(Sha2::Sha256),
                &hex!(
                    "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108"
                    "300d06096086480165030402010500a203020120"
                ),
            ),
        ];
        for (scheme, identifier) in cases {
            assert_eq!(scheme.identifier(), identifier, "{scheme}");
            assert_eq!(Scheme::from_identifier(identifier), Ok(scheme));
        }
        for hash in Sha2::ALL {
            assert_eq!(Scheme::from_identifier(&Scheme::RsaPss(hash).identifier()), Ok(Scheme::RsaPss(hash)));
        }
    }

    #[test]
    fn rsa_pss_is_read_with_and_without_what_der_leaves_out() {
        let with_trailer = hex!(
            "304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d010108"
            "300d06096086480165030402010500a203020120a303020101"
        );
        assert_eq!(Scheme::from_identifier(&with_trailer), Ok(Scheme::RsaPss(Sha2::Sha256)));
        let without_null = hex!(
            "303d06092a864886f70d01010a3030a00d300b0609608648016503040201a11a301806092a864886f70d010108"
            "300b0609608648016503040201a203020120"
        );
        assert_eq!(Scheme::from_identifier(&without_null), Ok(Scheme::RsaPss(Sha2::Sha256)));
    }

    #[test]
    fn weak_and_unknown_algorithms_are_refused_by_name() {
        let refused = |der: &[u8]| Scheme::from_identifier(der).unwrap_err().to_string();
        assert_eq!(refused(&hex!("300d06092a864886f70d0101050500")), "signed with RSA PKCS#1 with SHA1");
        assert_eq!(refused(&hex!("300906072a8648ce3d0401")), "signed with ECDSA with SHA1");
        assert!(refused(&hex!("300b06072a8648ce3804030500")).contains("1.2.840.10040.4.3"));
        // Default parameters: SHA-1.
        assert!(refused(&hex!("300d06092a864886f70d01010a3000")).contains("RSA-PSS"));
        // A salt of 20 octets.
        let mut salted = Scheme::RsaPss(Sha2::Sha256).identifier();
        *salted.last_mut().unwrap() = 20;
        assert!(refused(&salted).contains("salt"));
        let whole = Scheme::RsaPss(Sha2::Sha256).identifier();
        for len in 0..whole.len() {
            assert!(Scheme::from_identifier(&whole[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn a_key_signs_with_what_the_peer_understands() {
        let list = |ids: &[HashId]| HashList(ids.to_vec());
        let choose = |kind, list: Option<&HashList>| Scheme::choose(kind, RsaPadding::Pss, list);
        let all = list(&OFFERED_HASHES);
        let new = AuthMethod::DIGITAL_SIGNATURE;
        assert_eq!(choose(KeyKind::Rsa(2048), Some(&all)), Some((new, Scheme::RsaPss(Sha2::Sha256))));
        let big = list(&[HashId::SHA1, HashId::SHA2_512]);
        assert_eq!(choose(KeyKind::Rsa(2048), Some(&big)), Some((new, Scheme::RsaPss(Sha2::Sha512))));
        assert_eq!(choose(KeyKind::P384, Some(&all)), Some((new, Scheme::Ecdsa(Sha2::Sha384))));
        assert_eq!(choose(KeyKind::P384, Some(&big)), None);
        assert_eq!(choose(KeyKind::Ed25519, Some(&all)), Some((new, Scheme::Ed25519)));
        assert_eq!(choose(KeyKind::Ed25519, None), None);
        assert_eq!(choose(KeyKind::P256, None), Some((AuthMethod::ECDSA_P256, Scheme::EcdsaFixed(KeyKind::P256))));
        let old = Some((AuthMethod::RSA_SIGNATURE, Scheme::RsaPkcs1(Sha2::Sha256)));
        assert_eq!(choose(KeyKind::Rsa(2048), None), old);
    }

    #[test]
    fn hash_lists_round_trip() {
        let list = HashList(OFFERED_HASHES.to_vec());
        assert_eq!(list.encode(), hex!("0002 0003 0004 0005"));
        assert_eq!(HashList::decode(&list.encode()), list);
        assert_eq!(HashList::decode(&[0, 2, 9]), HashList(vec![HashId::SHA2_256]));
    }

    /// By OpenSSL: `openssl dgst -sha1 -sign KEY`.
    const KEY: [u8; 270] = hex!(
        "3082010a0282010100e690e80a11d489e095acefe621a6a4c72392aa0a56fddf51e830b7479e81c3ebe9ac8124d1f1e08848"
        "2ef9da1b8cf3b8d4ad066bc27bcc33e584fc8b55dd5ed2576aa272337d4da4251c2e3c07209da67010317d3ac76f296546b0"
        "87f0a1c67a9b2e1901034f2fdf8449b10e617a7c6ace475fe33b04c7ba7df63767128d57ce5c4ebaf2c177b963ca034a225b"
        "65161548933fb65bfa24a3fa463b8f9f4ff7643895da30f51ad3f6343805395e9f9a124a13610121a0f2126af743878ab717"
        "a63f9b9788bf951f929a382cf41baaae391048e036ffb7a02dc8989e0a74db377c96e63ed7300b1f931bb9a4a7d686473deb"
        "cbf67a615243718cb67cbb40f74b430203010001"
    );
    const SIGNED_WITH_SHA1: [u8; 256] = hex!(
        "38154389a019e68d62077cd1177e5e4b52842d7339c2d613853051e78178a81e76acf256c8b7ea5b89739d5f3fa29a1cbdb4"
        "5881c248ff169a0b1100eb07431de807e266f843ce1dd628c601f6f5a113e2bbf4ad0185e3e23a563f3df3664979c9f7e115"
        "b176e28da674a5544f623535eeacab69031bfd96aa705f0ad17917211aa063a56f789883e06d5342aa4230542f43ffd64492"
        "462dc69eaa90deff390d16114fb47e10ee70263b2d2de8e46b0a1167dd24106139a437504f3261fac7accfb2d6e2cc117ea1"
        "629a5ea6d4f6c8fa8c2d9a903a0f3654c4a5b1e9f9d4bc3eb118487d12eddc04142a5196efa6856272ab615c67287f402cee"
        "40ec40b9587b"
    );

    #[test]
    fn sha1_is_taken_only_where_it_is_allowed() {
        let auth = Auth { method: AuthMethod::RSA_SIGNATURE, data: SIGNED_WITH_SHA1.to_vec() };
        let verdict = |octets: &[u8], sha1| verify(KeyKind::Rsa(2048), &KEY, &auth, octets, sha1);
        let octets = b"message, nonce, identity";
        assert_eq!(verdict(octets, true), Ok(()));
        let refused = verdict(octets, false).unwrap_err().to_string();
        assert!(refused.contains("SHA1"), "{refused}");
        assert_eq!(verdict(b"another", true), Err(SchemeError::Wrong));
        let of_7427 = Auth { method: AuthMethod::DIGITAL_SIGNATURE, ..auth.clone() };
        assert!(verify(KeyKind::Rsa(2048), &KEY, &of_7427, octets, true).is_err());
    }
}
