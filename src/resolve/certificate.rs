//! Certificates: the one we show, the CAs we trust, and whether they can do what they are for.

use std::path::PathBuf;
use std::sync::Arc;

use certificate::{Certificate, ENDS_SOON, LoadError, LocalCertificate, TrustedCas, UnixTime};
use identity::Identity;

use crate::secrets::{FoundSecret, SecretReference, SecretSource};
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, OneOf, missing};
use document::scalar::Legacy;
use document::source::{At, Span};
use schema::{CertificateSection, OriginSection};

type Origin = Field<OneOf<PathBuf, OriginSection>>;

/// Where certificates come from, and where to say what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) secrets: &'a dyn SecretSource,
    pub(super) findings: &'a Findings,
    /// Where the section stands.
    pub(super) at: Span,
}

impl Reader<'_> {
    /// Our certificate, its chain and its key.
    pub(super) fn local(&self, section: &CertificateSection) -> Option<At<Arc<LocalCertificate>>> {
        let chain = self.fetch("chain", section.chain.clone(), "chain: gateway.pem");
        let key = self.fetch("key", section.key.clone(), "key: gateway.key");
        let (chain, key) = (chain?, key?);
        if let Some(mode) = key.value.mode.filter(|mode| mode & 0o077 != 0) {
            self.findings.push(
                Finding::warning(Code::CertificateKeyMode, key.span, "others may read or write the private key's file")
                    .label(format!("has mode {mode:04o}"))
                    .remedy("run `chmod 600` on it"),
            );
        }
        let padding = section.rsa.clone().value().unwrap_or_default();
        match LocalCertificate::from_pem(chain.value.secret.expose(), &key.value.secret, padding) {
            Ok(local) => {
                local.chain().iter().for_each(|certificate| self.check_time(certificate, chain.span));
                Some(At::new(Arc::new(local), chain.span))
            }
            Err(error) => {
                let span = match error {
                    LoadError::EncryptedKey
                    | LoadError::NoKey
                    | LoadError::UnsupportedKey
                    | LoadError::WeakKey(_)
                    | LoadError::KeyMismatch { .. } => key.span,
                    LoadError::NoCertificate
                    | LoadError::Unreadable { .. }
                    | LoadError::LeafIsCa { .. }
                    | LoadError::NotCa { .. }
                    | LoadError::TooLarge { .. }
                    | LoadError::Crl { .. }
                    | LoadError::NoCrl => chain.span,
                };
                self.unusable("certificate", &error, span);
                None
            }
        }
    }

    /// The CAs that the peer's certificate may come from.
    pub(super) fn trusted(&self, section: &CertificateSection, legacy: Legacy) -> Option<Arc<TrustedCas>> {
        let ca = self.fetch("ca", section.ca.clone(), "ca: peer-ca.pem")?;
        let mut trusted = TrustedCas::from_pem(ca.value.secret.expose())
            .map_err(|error| self.unusable("CA", &error, ca.span))
            .ok()?;
        trusted.authorities().iter().for_each(|authority| self.check_time(authority, ca.span));
        if section.crl.span().is_some() {
            let crl = self.fetch("crl", section.crl.clone(), "crl: peer-ca.crl")?;
            trusted.add_crls(crl.value.secret.expose()).map_err(|error| self.unusable("CRL", &error, crl.span)).ok()?;
        }
        if legacy == Legacy::Allow {
            trusted.take_sha1();
        }
        Some(Arc::new(trusted))
    }

    fn fetch(&self, key: &str, origin: Origin, example: &str) -> Option<At<FoundSecret>> {
        if origin.span().is_none() {
            self.findings.push(missing(key, self.at, &format!("say where it is: `{example}`")));
        }
        let At { value, span } = origin.at()?;
        let reference = match value {
            OneOf::Short(path) => SecretReference::File(path.0),
            OneOf::Long(section) => self.reference(section, span)?,
        };
        match self.secrets.fetch(&reference) {
            Ok(found) => Some(At::new(found, span)),
            Err(error) => {
                let remedy = match reference {
                    SecretReference::File(_) | SecretReference::Env(_) => "put it there, readable by the process",
                    SecretReference::Credential(_) => "add `LoadCredential=NAME:PATH` to the systemd unit",
                };
                self.findings.push(
                    Finding::error(Code::CertificateUnavailable, span, format!("no {key}: {error}"))
                        .label("looked for here")
                        .remedy(remedy),
                );
                None
            }
        }
    }

    fn reference(&self, section: OriginSection, span: Span) -> Option<SecretReference> {
        let OriginSection { file, credential } = section;
        match (file.span(), credential.span()) {
            (Some(_), None) => file.value().map(SecretReference::File),
            (None, Some(_)) => credential.value().map(|name| SecretReference::Credential(name.0)),
            (None, None) | (Some(_), Some(_)) => {
                self.findings.push(
                    Finding::error(Code::CertificateChoice, span, "this is to be found in one place")
                        .label("names none or two")
                        .remedy("give a path, `{file: PATH}` or `{credential: NAME}`"),
                );
                None
            }
        }
    }

    fn unusable(&self, what: &str, error: &LoadError, span: Span) {
        self.findings.push(
            Finding::error(Code::CertificateUnusable, span, format!("this {what} cannot be used: {error}"))
                .label("read from here")
                .remedy(error.remedy()),
        );
    }

    fn check_time(&self, certificate: &Certificate, span: Span) {
        time_finding(certificate, self.secrets.unix_time(), span).into_iter().for_each(|it| self.findings.push(it));
    }
}

/// What is to be said about a certificate at this time, in seconds since 1970.
pub(super) fn time_finding(certificate: &Certificate, now: u64, span: Span) -> Option<Finding> {
    let now = UnixTime(now);
    let summary = certificate.summary();
    let (subject, not_before, not_after) = (summary.subject, summary.not_before, summary.not_after);
    let text = if now > not_after {
        format!("the certificate of {subject} expired at {not_after}")
    } else if now < not_before {
        format!("the certificate of {subject} is not valid before {not_before}")
    } else if now.0 + ENDS_SOON > not_after.0 {
        format!("the certificate of {subject} expires at {not_after}")
    } else {
        return None;
    };
    let finding = Finding::warning(Code::CertificateTime, span, text).label("peers refuse it outside of its time");
    Some(finding.remedy("renew it and reload; or set the clock if it is wrong"))
}

/// Whether our certificate is for whom we say we are.
pub(super) fn check_identity(identity: &At<Identity>, local: &LocalCertificate, findings: &Findings) {
    if !local.leaf().covers(&identity.value) {
        let summary = local.leaf().summary();
        let names: Vec<_> = std::iter::once(summary.subject).chain(summary.names).collect();
        findings.push(
            Finding::warning(Code::CertificateIdentity, identity.span, "our certificate is not for this identity")
                .label(format!("it is for {}", names.join("; ")))
                .remedy("set local-id to one of these, or leave it out"),
        );
    }
}

/// Whom we say we are where nothing is configured: our address if the certificate is for it, its subject otherwise.
pub(super) fn default_identity(address: Identity, local: &LocalCertificate) -> Identity {
    if local.leaf().covers(&address) {
        return address;
    }
    let named = || local.leaf().names().first().cloned();
    local.leaf().subject().map(Identity::Dn).or_else(named).unwrap_or(address)
}

/// A certificate never holds an identity of this kind.
pub(super) fn check_remote(identity: &At<Identity>, findings: &Findings) {
    if matches!(identity.value, Identity::KeyId(_) | Identity::Other { .. }) {
        findings.push(
            Finding::error(Code::CertificateIdentity, identity.span, "no certificate is for a key ID")
                .label("the peer could never prove this")
                .remedy("name the peer as its certificate does: an address, a domain name, or `C=.., CN=..`"),
        );
    }
}
