//! Certificates and keys from files.

use std::fmt;

use isakmp::{AUTHORITY_LEN, Auth};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, TrustAnchor};
use webpki::{CertRevocationList, OwnedCertRevocationList};
use wire::Secret;
use zeroize::Zeroize as _;

use super::key::{KeyKind, RsaPadding, SigningKey};
use super::parsed::Certificate;
use super::problem::CertificateProblem;
use super::signature::{HashList, Scheme};

/// Octets of all our certificates together: a message has at most 64 KiB.
const MAX_CHAIN: usize = 48 * 1024;
/// Shortest modulus of an RSA key of ours: peers verify nothing shorter.
const LEAST_RSA_BITS: usize = 2048;

/// Why files are of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Neither PEM nor DER.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// One of several certificates cannot be read.
    #[error("certificate {number} in it cannot be read: {detail}")]
    Unreadable {
        /// 1 for the first.
        number: usize,
        /// What is wrong.
        detail: String,
    },
    /// The private key is protected with a passphrase.
    #[error("the private key is encrypted")]
    EncryptedKey,
    /// No private key in PEM.
    #[error("there is no private key in it")]
    NoKey,
    /// A private key that cannot be used.
    #[error("the private key is neither RSA of 2048 to 8192 bits, nor ECDSA on P-256, P-384 or P-521, nor Ed25519")]
    UnsupportedKey,
    /// Too short for anyone to believe in it.
    #[error("the private key is {0}, which is too short")]
    WeakKey(KeyKind),
    /// Key and certificate are not a pair.
    #[error("the private key does not belong to the certificate of {subject}")]
    KeyMismatch {
        /// Whom the first certificate names.
        subject: String,
    },
    /// The first certificate is a CA's.
    #[error("the first certificate, of {subject}, is a CA's")]
    LeafIsCa {
        /// Whom it names.
        subject: String,
    },
    /// What should be trusted is not a CA.
    #[error("the certificate of {subject} is not a CA's")]
    NotCa {
        /// Whom it names.
        subject: String,
    },
    /// More than fits into a message.
    #[error("the certificates have {octets} octets together, more than a message holds")]
    TooLarge {
        /// How many.
        octets: usize,
    },
    /// A CRL that cannot be read.
    #[error("CRL {number} in it cannot be read: {detail}")]
    Crl {
        /// 1 for the first.
        number: usize,
        /// What is wrong.
        detail: String,
    },
    /// No CRL.
    #[error("there is no CRL in it")]
    NoCrl,
}

impl LoadError {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NoCertificate => "give a PEM file that begins with `-----BEGIN CERTIFICATE-----`",
            Self::Unreadable { .. } => "look at it with `openssl x509 -text`",
            Self::EncryptedKey => "decrypt it once: `openssl pkey -in KEY -out PLAIN`, mode 0600",
            Self::NoKey => "give a PEM file with a PKCS#8, PKCS#1 or SEC1 private key",
            Self::UnsupportedKey | Self::WeakKey(_) => {
                "have a certificate issued to an ECDSA key on P-256, or an RSA key of 3072 bits"
            }
            Self::KeyMismatch { .. } => "give the key that the certificate was requested with",
            Self::LeafIsCa { .. } => "put our own certificate first, then the intermediate ones",
            Self::NotCa { .. } => "give the certificate of the CA that issued the peer's",
            Self::TooLarge { .. } => "leave out the root and what the peer has anyway",
            Self::Crl { .. } | Self::NoCrl => "look at it with `openssl crl -text`",
        }
    }
}

/// What we prove our identity with: a certificate, those between it and a root, and the private key.
pub struct LocalCertificate {
    chain: Vec<Certificate>,
    key: SigningKey,
    /// To tell one from another after a reload.
    key_der: Secret,
    padding: RsaPadding,
}

impl LocalCertificate {
    /// Takes a chain, our own certificate first, and its private key, both PEM.
    ///
    /// # Errors
    /// [`LoadError`]. Nothing of the key is in it.
    pub fn from_pem(chain: &[u8], key: &Secret, padding: RsaPadding) -> Result<Self, LoadError> {
        let chain = certificates(chain)?;
        let leaf = chain.first().ok_or(LoadError::NoCertificate)?;
        let subject = leaf.subject_text();
        if leaf.is_ca() {
            return Err(LoadError::LeafIsCa { subject });
        }
        let octets = chain.iter().map(|certificate| certificate.der().len()).sum();
        if octets > MAX_CHAIN {
            return Err(LoadError::TooLarge { octets });
        }
        let (key, key_der) = private_key(key)?;
        if key.public_key() != leaf.public_key() {
            return Err(LoadError::KeyMismatch { subject });
        }
        Ok(Self { chain, key, key_der, padding })
    }

    /// Our own certificate.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        self.chain.first().expect("a chain is loaded with at least one certificate")
    }

    /// Our own certificate and those above it.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// How to sign for a peer that understands these hashes, or sent no list.
    pub fn scheme(&self, hashes: Option<&HashList>) -> Result<(isakmp::AuthMethod, Scheme), CertificateProblem> {
        let key = self.key.kind();
        Scheme::choose(key, self.padding, hashes).ok_or_else(|| {
            let theirs = hashes.map_or_else(|| "the methods of before RFC 7427".to_owned(), ToString::to_string);
            CertificateProblem::NoCommonHash { key, theirs }
        })
    }

    /// The AUTH payload over `octets`.
    pub fn sign(&self, octets: &[u8], hashes: Option<&HashList>) -> Result<Auth, CertificateProblem> {
        let (method, scheme) = self.scheme(hashes)?;
        let signature = self.key.sign(scheme, octets);
        let signature =
            signature.ok_or_else(|| CertificateProblem::Signature { subject: self.leaf().subject_text() })?;
        Ok(scheme.auth(method, signature))
    }
}

impl fmt::Debug for LocalCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCertificate").field("subject", &self.leaf().subject_text()).finish_non_exhaustive()
    }
}

impl PartialEq for LocalCertificate {
    fn eq(&self, other: &Self) -> bool {
        (&self.chain, self.padding) == (&other.chain, other.padding) && self.key_der == other.key_der
    }
}

impl Eq for LocalCertificate {}

/// Whom we trust to vouch for a peer.
pub struct TrustedCas {
    authorities: Vec<Certificate>,
    /// How a request for a certificate names them, each once.
    hashes: Vec<[u8; AUTHORITY_LEN]>,
    anchors: Vec<TrustAnchor<'static>>,
    crls: Vec<CertRevocationList<'static>>,
    crl_octets: Vec<Vec<u8>>,
    /// Whether peers may sign with SHA-1.
    sha1: bool,
}

impl TrustedCas {
    /// Takes certificates of CAs, PEM or one in DER.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, LoadError> {
        let authorities = certificates(pem)?;
        if let Some(other) = authorities.iter().find(|certificate| !certificate.is_ca()) {
            return Err(LoadError::NotCa { subject: other.subject_text() });
        }
        let anchor = |(index, certificate): (usize, &Certificate)| {
            let der = CertificateDer::from(certificate.der());
            let anchor = webpki::anchor_from_trusted_cert(&der).map(|anchor| anchor.to_owned());
            anchor.map_err(|error| LoadError::Unreadable { number: index + 1, detail: error.to_string() })
        };
        let anchors = authorities.iter().enumerate().map(anchor).collect::<Result<_, _>>()?;
        let mut hashes: Vec<_> = authorities.iter().map(Certificate::authority).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Ok(Self { authorities, hashes, anchors, crls: Vec::new(), crl_octets: Vec::new(), sha1: false })
    }

    /// Adds lists of what is revoked, PEM or one in DER.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn add_crls(&mut self, pem: &[u8]) -> Result<(), LoadError> {
        let lists: Vec<Vec<u8>> = if is_der(pem) {
            vec![pem.to_vec()]
        } else {
            let lists = CertificateRevocationListDer::pem_slice_iter(pem);
            let number = |(index, list): (usize, Result<CertificateRevocationListDer<'_>, _>)| {
                list.map(|list| list.to_vec()).map_err(|error: rustls_pki_types::pem::Error| LoadError::Crl {
                    number: index + 1,
                    detail: error.to_string(),
                })
            };
            lists.enumerate().map(number).collect::<Result<_, _>>()?
        };
        if lists.is_empty() {
            return Err(LoadError::NoCrl);
        }
        for (index, octets) in lists.into_iter().enumerate() {
            let list = OwnedCertRevocationList::from_der(&octets)
                .map_err(|error| LoadError::Crl { number: index + 1, detail: error.to_string() })?;
            self.crls.push(list.into());
            self.crl_octets.push(octets);
        }
        Ok(())
    }

    /// Takes signatures by which peers prove themselves with RSA PKCS#1 and SHA-1 too: all that AUTH method 1 knew before
    /// RFC 7427, and broken (RFC 8247 3.2). Certificates signed so are still refused.
    pub const fn take_sha1(&mut self) {
        self.sha1 = true;
    }

    /// Whether all that `former` trusted still is: there may be more authorities, and nothing else differs.
    #[must_use]
    pub fn trusts_all_of(&self, former: &Self) -> bool {
        former.authorities.iter().all(|authority| self.authorities.contains(authority))
            && (&self.crl_octets, self.sha1) == (&former.crl_octets, former.sha1)
    }

    pub(super) const fn takes_sha1(&self) -> bool {
        self.sha1
    }

    /// The CAs.
    #[must_use]
    pub fn authorities(&self) -> &[Certificate] {
        &self.authorities
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    pub(super) fn crls(&self) -> &[CertRevocationList<'static>] {
        &self.crls
    }

    /// How a request for a certificate names them, each once.
    #[must_use]
    pub fn hashes(&self) -> &[[u8; AUTHORITY_LEN]] {
        &self.hashes
    }
}

/// Their names.
impl fmt::Display for TrustedCas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.authorities.iter().map(Certificate::subject_text).collect();
        f.write_str(&names.join("; "))
    }
}

impl fmt::Debug for TrustedCas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedCas({self})")
    }
}

impl PartialEq for TrustedCas {
    fn eq(&self, other: &Self) -> bool {
        (&self.authorities, &self.crl_octets, self.sha1) == (&other.authorities, &other.crl_octets, other.sha1)
    }
}

impl Eq for TrustedCas {}

/// The outermost element of every DER object here is a SEQUENCE with a long length.
fn is_der(octets: &[u8]) -> bool {
    matches!(octets, [0x30, 0x81..=0x84, ..])
}

/// Certificates in PEM, or one in DER.
///
/// # Errors
/// [`LoadError`].
pub fn certificates(octets: &[u8]) -> Result<Vec<Certificate>, LoadError> {
    let ders: Vec<Result<CertificateDer<'_>, rustls_pki_types::pem::Error>> = if is_der(octets) {
        vec![Ok(CertificateDer::from(octets))]
    } else {
        CertificateDer::pem_slice_iter(octets).collect()
    };
    if ders.is_empty() {
        return Err(LoadError::NoCertificate);
    }
    let read = |(index, der): (usize, Result<CertificateDer<'_>, rustls_pki_types::pem::Error>)| {
        let unreadable = |detail| LoadError::Unreadable { number: index + 1, detail };
        let der = der.map_err(|error| unreadable(error.to_string()))?;
        Certificate::from_der(&der).map_err(|error| unreadable(error.to_string()))
    };
    ders.into_iter().enumerate().map(read).collect()
}

fn private_key(pem: &Secret) -> Result<(SigningKey, Secret), LoadError> {
    let octets = pem.expose();
    let holds = |text: &[u8]| octets.windows(text.len()).any(|window| window == text);
    if holds(b"BEGIN ENCRYPTED PRIVATE KEY") || holds(b"Proc-Type: 4,ENCRYPTED") {
        return Err(LoadError::EncryptedKey);
    }
    let mut der = PrivateKeyDer::from_pem_slice(octets).map_err(|_| LoadError::NoKey)?;
    let (key, secret) = (SigningKey::new(&der), Secret::from(der.secret_der()));
    der.zeroize();
    let key = key.ok_or(LoadError::UnsupportedKey)?;
    if let kind @ KeyKind::Rsa(bits) = key.kind()
        && bits < LEAST_RSA_BITS
    {
        return Err(LoadError::WeakKey(kind));
    }
    Ok((key, secret))
}
