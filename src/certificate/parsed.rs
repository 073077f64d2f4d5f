//! One certificate, read: whom it names, when and for what it is valid, which key it holds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest;
use identity::{DistinguishedName, Identity};
use isakmp::AUTHORITY_LEN;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use super::key::KeyKind;
use super::time::UnixTime;

/// Extended usages with which a certificate may authenticate an IKE peer: serverAuth, clientAuth, ipsecIKE
/// (RFC 4945 5.1.3.12), iKEIntermediate and any. Clouds and device vendors issue with each of these.
pub(super) const EXTENDED_USAGES: [&str; 5] =
    ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.17", "1.3.6.1.5.5.8.2.2", "2.5.29.37.0"];

/// Characters of names in a message.
const MAX_TEXT: usize = 512;

/// An X.509 certificate whose signature nobody has checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    x509: x509_cert::Certificate,
    key: KeyKind,
    names: Vec<Identity>,
    key_usage: Option<KeyUsage>,
    extended: Option<Vec<String>>,
    ca: bool,
}

/// Octets that are no X.509 certificate, or one with a key of a kind that is not supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// What a person wants to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSummary {
    /// Whom it names.
    pub subject: String,
    /// Who vouches for it.
    pub issuer: String,
    /// Further names: addresses, domain names, mail addresses.
    pub names: Vec<String>,
    /// Kind of its key.
    pub key: KeyKind,
    /// From when on it is valid.
    pub not_before: UnixTime,
    /// The last second in which it is valid.
    pub not_after: UnixTime,
}

impl Certificate {
    /// Reads a certificate: all of `der` and nothing behind it.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn from_der(der: &[u8]) -> Result<Self, Unreadable> {
        let unreadable = |error: x509_cert::der::Error| Unreadable(error.to_string());
        let x509 = x509_cert::Certificate::from_der(der).map_err(unreadable)?;
        let tbs = x509.tbs_certificate();
        let key = KeyKind::of(tbs.subject_public_key_info())
            .ok_or_else(|| Unreadable("its key is neither RSA, ECDSA on P-256, P-384 or P-521, nor Ed25519".into()))?;
        let alternative = tbs.get_extension::<SubjectAltName>().map_err(unreadable)?;
        let names = alternative.map(|(_, names)| names.0.iter().filter_map(identity).collect()).unwrap_or_default();
        let key_usage = tbs.get_extension::<KeyUsage>().map_err(unreadable)?.map(|(_, usage)| usage);
        let extended = tbs.get_extension::<ExtendedKeyUsage>().map_err(unreadable)?;
        let extended = extended.map(|(_, usages)| usages.0.iter().map(ToString::to_string).collect());
        let ca = tbs.get_extension::<BasicConstraints>().map_err(unreadable)?.is_some_and(|(_, basic)| basic.ca);
        Ok(Self { der: der.to_vec(), key, names, key_usage, extended, ca, x509 })
    }

    /// As it travels.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whom it names; `None` if the subject is empty.
    #[must_use]
    pub fn subject(&self) -> Option<DistinguishedName> {
        DistinguishedName::of(self.x509.tbs_certificate().subject())
    }

    /// Alternative names that can be identities.
    #[must_use]
    pub fn names(&self) -> &[Identity] {
        &self.names
    }

    /// Kind of its key.
    #[must_use]
    pub const fn key(&self) -> KeyKind {
        self.key
    }

    /// Whether it may vouch for others.
    #[must_use]
    pub const fn is_ca(&self) -> bool {
        self.ca
    }

    /// The last second in which it is valid.
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        UnixTime(self.x509.tbs_certificate().validity().not_after.to_unix_duration().as_secs())
    }

    /// The first second in which it is valid.
    #[must_use]
    pub fn not_before(&self) -> UnixTime {
        UnixTime(self.x509.tbs_certificate().validity().not_before.to_unix_duration().as_secs())
    }

    /// What a person wants to know of it.
    #[must_use]
    pub fn summary(&self) -> CertificateSummary {
        CertificateSummary {
            subject: self.subject_text(),
            issuer: self.issuer_text(),
            names: self.names.iter().map(ToString::to_string).collect(),
            key: self.key,
            not_before: self.not_before(),
            not_after: self.not_after(),
        }
    }

    pub(super) fn subject_text(&self) -> String {
        self.subject().map_or_else(|| "(no subject)".to_owned(), |name| shortened(name.to_string()))
    }

    pub(super) fn issuer_text(&self) -> String {
        let issuer = DistinguishedName::of(self.x509.tbs_certificate().issuer());
        issuer.map_or_else(|| "(no issuer)".to_owned(), |name| shortened(name.to_string()))
    }

    /// Every name in it, for messages.
    pub(super) fn all_names(&self) -> String {
        let subject = self.subject().map(|name| name.to_string());
        let names: Vec<_> = subject.into_iter().chain(self.names.iter().map(ToString::to_string)).collect();
        if names.is_empty() { "nobody".to_owned() } else { shortened(names.join("; ")) }
    }

    /// Whether its key may sign AUTH payloads.
    pub(super) fn may_sign(&self) -> bool {
        // RFC 4945 5.1.3.2: digitalSignature or nonRepudiation, where the extension is there at all.
        self.key_usage.is_none_or(|usage| usage.digital_signature() || usage.non_repudiation())
    }

    /// Whether its key may sign certificates.
    pub(super) fn may_certify(&self) -> bool {
        self.key_usage.is_none_or(|usage| usage.key_cert_sign())
    }

    /// Whether its extended usages, if it has any, let it authenticate a peer.
    pub(super) fn may_authenticate(&self) -> bool {
        let fits = |usages: &Vec<String>| usages.iter().any(|usage| EXTENDED_USAGES.contains(&usage.as_str()));
        self.extended.as_ref().is_none_or(fits)
    }

    /// The key without what says of which kind it is.
    pub(super) fn public_key(&self) -> &[u8] {
        self.x509.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes()
    }

    /// How a request names it as an authority (RFC 7296 3.7).
    pub(super) fn authority(&self) -> [u8; AUTHORITY_LEN] {
        let key = self.x509.tbs_certificate().subject_public_key_info().to_der().unwrap_or_default();
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &key);
        hash.as_ref().try_into().unwrap_or_default()
    }
}

fn identity(name: &GeneralName) -> Option<Identity> {
    match name {
        GeneralName::DnsName(name) => Some(Identity::Fqdn(printable(name.as_str())?)),
        GeneralName::Rfc822Name(name) => Some(Identity::Email(printable(name.as_str())?)),
        GeneralName::DirectoryName(name) => DistinguishedName::of(name).map(Identity::Dn),
        GeneralName::IpAddress(octets) => {
            let octets = octets.as_bytes();
            let v4 = || <[u8; 4]>::try_from(octets).map(|octets| IpAddr::from(Ipv4Addr::from(octets)));
            let v6 = || <[u8; 16]>::try_from(octets).map(|octets| IpAddr::from(Ipv6Addr::from(octets)));
            v4().or_else(|_| v6()).ok().map(Identity::Ip)
        }
        GeneralName::OtherName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::UniformResourceIdentifier(_)
        | GeneralName::RegisteredId(_) => None,
    }
}

/// Names are whatever a stranger wrote, and go into logs and what is remembered of strangers.
fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

fn printable(text: &str) -> Option<String> {
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}
