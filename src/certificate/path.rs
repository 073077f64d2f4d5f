//! From a peer's certificate to a CA that we trust (RFC 5280 6), and the verdict on the peer as a whole.

use std::time::Duration;

use identity::Identity;
use isakmp::{Auth, CertEncoding, CertificatePayload};
use rustls_pki_types::{CertificateDer, UnixTime as PkiTime};
use webpki::{
    EndEntityCert, Error, ExpirationPolicy, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage,
    RequiredEkuNotFoundContext, RevocationCheckDepth, RevocationOptions, RevocationOptionsBuilder, UnknownStatusPolicy,
    VerifiedPath,
};

use super::algorithms::ALGORITHMS;
use super::load::TrustedCas;
use super::parsed::{Certificate, EXTENDED_USAGES};
use super::problem::CertificateProblem;
use super::signature::{OFFERED_HASHES, SchemeError, verify};
use super::time::UnixTime;
use crate::HashList;

/// Certificates of a peer that are looked at.
const MAX_CERTIFICATES: usize = 8;

/// What a peer says and shows.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Who it says it is.
    pub identity: &'a Identity,
    /// Its certificates, its own first (RFC 7296 3.6).
    pub certificates: &'a [CertificatePayload],
    /// Its proof.
    pub auth: &'a Auth,
    /// What it had to sign.
    pub octets: &'a [u8],
}

/// The peer's certificate, if it is genuine, for whom the peer says it is, and its own.
///
/// # Errors
/// [`CertificateProblem`], the first that is found.
pub fn judge(peer: &Peer<'_>, trusted: &TrustedCas, now: UnixTime) -> Result<Certificate, CertificateProblem> {
    let x509 = peer.certificates.iter().filter(|payload| payload.encoding == CertEncoding::X509_SIGNATURE);
    let chain: Vec<&[u8]> = x509.map(|payload| payload.data.as_slice()).collect();
    let (leaf, above) = chain.split_first().ok_or(CertificateProblem::Missing)?;
    let leaf =
        Certificate::from_der(leaf).map_err(|error| CertificateProblem::Unreadable { detail: error.to_string() })?;
    if chain.len() > MAX_CERTIFICATES {
        return Err(CertificateProblem::ChainTooLong { subject: leaf.subject_text() });
    }
    // One signature tells whether the peer has the key of what it shows; looking for a path may take many.
    prove_possession(&leaf, peer, trusted.takes_sha1())?;
    check_time(&leaf, now)?;
    check_path(&leaf, above, trusted, now)?;
    if !leaf.may_sign() {
        return Err(usage(&leaf, "signatures (key usage)"));
    }
    if !leaf.covers(peer.identity) {
        return Err(CertificateProblem::Identity { identity: peer.identity.clone(), found: leaf.all_names() });
    }
    Ok(leaf)
}

/// The peer has signed with the key of its certificate.
fn prove_possession(leaf: &Certificate, peer: &Peer<'_>, sha1: bool) -> Result<(), CertificateProblem> {
    match verify(leaf.key(), leaf.public_key(), peer.auth, peer.octets, sha1) {
        Ok(()) => Ok(()),
        Err(SchemeError::Wrong) => Err(CertificateProblem::Signature { subject: leaf.subject_text() }),
        Err(SchemeError::Unsupported(theirs)) => {
            let hashes = HashList(OFFERED_HASHES.to_vec());
            Err(CertificateProblem::Scheme { theirs, ours: format!("RSA, ECDSA and Ed25519 with {hashes}") })
        }
    }
}

fn check_time(certificate: &Certificate, now: UnixTime) -> Result<(), CertificateProblem> {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    let subject = || certificate.subject_text();
    if now < not_before {
        return Err(CertificateProblem::NotYetValid { subject: subject(), not_before, now });
    }
    if now > not_after {
        return Err(CertificateProblem::Expired { subject: subject(), not_after, now });
    }
    Ok(())
}

fn usage(certificate: &Certificate, purpose: &'static str) -> CertificateProblem {
    CertificateProblem::Usage { subject: certificate.subject_text(), purpose }
}

fn check_path(
    leaf: &Certificate,
    above: &[&[u8]],
    trusted: &TrustedCas,
    now: UnixTime,
) -> Result<(), CertificateProblem> {
    let der = CertificateDer::from(leaf.der());
    let above: Vec<CertificateDer<'_>> = above.iter().map(|der| CertificateDer::from(*der)).collect();
    let explain = |error: Error| explain(error, leaf, &above, trusted, now);
    let end_entity = EndEntityCert::try_from(&der).map_err(explain)?;
    let crls: Vec<_> = trusted.crls().iter().collect();
    let path = end_entity
        .verify_for_usage(
            ALGORITHMS,
            trusted.anchors(),
            &above,
            PkiTime::since_unix_epoch(Duration::from_secs(now.0)),
            IkeUsage,
            revocation(&crls),
            None,
        )
        .map_err(explain)?;
    check_authorities(&path, trusted, now)
}

/// What `webpki` leaves to its user: the key usage of CAs, and the time of the one that we trust.
fn check_authorities(path: &VerifiedPath<'_>, trusted: &TrustedCas, now: UnixTime) -> Result<(), CertificateProblem> {
    for authority in path.intermediate_certificates() {
        let authority = Certificate::from_der(&authority.der())
            .map_err(|error| CertificateProblem::Unreadable { detail: error.to_string() })?;
        if !authority.may_certify() {
            return Err(usage(&authority, "signing certificates (key usage)"));
        }
    }
    let anchors = trusted.anchors().iter().zip(trusted.authorities());
    let same = anchors.filter(|(anchor, _)| *anchor == path.anchor()).map(|(_, authority)| authority);
    let mut verdicts = same.map(|authority| check_time(authority, now));
    let first = verdicts.next().unwrap_or(Ok(()));
    // A CA may be listed twice, before and after its renewal.
    first.or_else(|problem| verdicts.find(Result::is_ok).unwrap_or(Err(problem)))
}

/// A CRL says what it says even after its time; a certificate whose issuer has no CRL here counts as not revoked.
fn revocation<'a>(crls: &'a [&'a webpki::CertRevocationList<'a>]) -> Option<RevocationOptions<'a>> {
    let builder = RevocationOptionsBuilder::new(crls).ok()?;
    let builder = builder.with_depth(RevocationCheckDepth::Chain);
    let builder = builder.with_status_policy(UnknownStatusPolicy::Allow);
    Some(builder.with_expiration_policy(ExpirationPolicy::Ignore).build())
}

/// Any usage that a gateway's certificate is issued with, or none.
struct IkeUsage;

impl ExtendedKeyUsageValidator for IkeUsage {
    fn validate(&self, usages: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut present = Vec::new();
        for usage in usages {
            let usage = usage?.to_decoded_oid();
            let text: Vec<_> = usage.iter().map(ToString::to_string).collect();
            if EXTENDED_USAGES.contains(&text.join(".").as_str()) {
                return Ok(());
            }
            present.push(usage);
        }
        // A certificate without the extension is for anything.
        if present.is_empty() {
            return Ok(());
        }
        let required = KeyUsage::client_auth();
        Err(Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other errors say what they are, and more may come")]
fn explain(
    error: Error,
    leaf: &Certificate,
    above: &[CertificateDer<'_>],
    trusted: &TrustedCas,
    now: UnixTime,
) -> CertificateProblem {
    let subject = leaf.subject_text();
    let authorities = || above.iter().filter_map(|der| Certificate::from_der(der).ok());
    match error {
        Error::UnknownIssuer => {
            let top = authorities().next_back().filter(|top| top.subject() != leaf.subject());
            let issuer = top.as_ref().unwrap_or(leaf).issuer_text();
            CertificateProblem::Untrusted { subject, issuer, trusted: trusted.to_string() }
        }
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {
            let problem = authorities().find_map(|authority| check_time(&authority, now).err());
            problem.unwrap_or(CertificateProblem::Invalid { subject, detail: error.to_string() })
        }
        Error::InvalidSignatureForPublicKey => CertificateProblem::Forged { subject },
        Error::CertRevoked => CertificateProblem::Revoked { subject },
        Error::NameConstraintViolation => CertificateProblem::NameConstraint { subject },
        Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => {
            CertificateProblem::ChainTooLong { subject }
        }
        Error::RequiredEkuNotFoundContext(_) => {
            let culprit = authorities().find(|authority| !authority.may_authenticate());
            let culprit = culprit.filter(|_| leaf.may_authenticate());
            usage(culprit.as_ref().unwrap_or(leaf), "authenticating peers (extended key usage)")
        }
        Error::EndEntityUsedAsCa => {
            CertificateProblem::Usage { subject, purpose: "use below a certificate that is no CA's" }
        }
        Error::CaUsedAsEndEntity => usage(leaf, "authenticating peers: it is a CA's"),
        other => CertificateProblem::Invalid { subject, detail: other.to_string() },
    }
}
