//! How each end proves who it is: with a pre-shared key, a certificate, or each in its own way.

use std::sync::Arc;

use ::certificate::LocalCertificate;
use identity::Identity;
use negotiation::{Authentication, LocalAuth, RemoteAuth};
use wire::Secret;

use super::certificate::{self, Reader};
use super::psk;
use crate::secrets::SecretSource;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, missing};
use document::scalar::{AuthKind, Legacy};
use document::source::{At, Span};
use profile::Profile;
use schema::{AuthSection, CertificateSection, PskSection};

/// What a tunnel says about it.
pub(super) struct Sections {
    pub(super) psk: Field<PskSection>,
    pub(super) certificate: Field<CertificateSection>,
    pub(super) auth: Field<AuthSection>,
    pub(super) local_id: Option<At<Identity>>,
    pub(super) remote_id: Option<At<Identity>>,
    pub(super) legacy: Legacy,
}

/// What could be made of it.
#[derive(Clone, Debug)]
pub(super) struct AuthDraft(Authentication);

impl AuthDraft {
    pub(super) fn finish(self) -> Authentication {
        self.0
    }

    /// The key that both ends have, if that is all they prove.
    pub(super) fn shared_key(&self) -> Option<&Secret> {
        self.0.shared_key()
    }

    /// Whom we say we are where the configuration does not say it.
    pub(super) fn default_identity(&self, address: Identity) -> Identity {
        match &self.0.local {
            LocalAuth::Psk(_) => address,
            LocalAuth::Certificate(local) => certificate::default_identity(address, local),
        }
    }
}

pub(super) fn resolve(
    sections: Sections,
    profile: Profile,
    owner: Span,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Option<AuthDraft> {
    let (ours, theirs) = kinds(&sections, owner, findings)?;
    let Sections { psk, certificate, local_id, remote_id, legacy, .. } = sections;
    let key = || psk::resolve(psk, profile, owner, secrets, findings);
    let key: Option<Secret> = if ours == AuthKind::Psk || theirs == AuthKind::Psk { Some(key()?) } else { None };
    if (ours == AuthKind::Certificate || theirs == AuthKind::Certificate) && certificate.span().is_none() {
        let remedy = "give `certificate: {chain: gateway.pem, key: gateway.key, ca: peer-ca.pem}`";
        findings.push(missing("certificate", owner, remedy));
    }
    let at = certificate.span().unwrap_or(owner);
    let section = if key.is_some() && ours == theirs { None } else { Some(certificate.at()?.value) };
    let reader = Reader { secrets, findings, at };
    // Both are looked at before either is given up, so that all findings come at once.
    let shown: Option<At<Arc<LocalCertificate>>> =
        section.as_ref().filter(|_| ours == AuthKind::Certificate).and_then(|section| reader.local(section));
    let trusted = section
        .as_ref()
        .filter(|_| theirs == AuthKind::Certificate)
        .and_then(|section| reader.trusted(section, legacy));
    if let (Some(id), Some(shown)) = (&local_id, &shown) {
        certificate::check_identity(id, &shown.value, findings);
    }
    if let (Some(id), AuthKind::Certificate) = (&remote_id, theirs) {
        certificate::check_remote(id, findings);
    }
    let local = match ours {
        AuthKind::Psk => LocalAuth::Psk(key.clone()?),
        AuthKind::Certificate => LocalAuth::Certificate(shown?.value),
    };
    let remote = match theirs {
        AuthKind::Psk => RemoteAuth::Psk(key?),
        AuthKind::Certificate => RemoteAuth::Certificate(trusted?),
    };
    Some(AuthDraft(Authentication { local, remote }))
}

/// What each end proves itself with; `None` if that cannot be told, which was reported.
fn kinds(sections: &Sections, owner: Span, findings: &Findings) -> Option<(AuthKind, AuthKind)> {
    if let Some(At { value, span }) = sections.auth.clone().at() {
        let remedy = "say `psk` or `certificate`";
        let local = value.local.require("local", span, remedy, findings);
        let remote = value.remote.require("remote", span, remedy, findings);
        return Some((local?.value, remote?.value));
    }
    if sections.auth.is_unreadable() {
        return None;
    }
    match (sections.psk.span(), sections.certificate.span()) {
        (Some(psk), Some(certificate)) => {
            findings.push(
                Finding::error(Code::AuthChoice, certificate, "there is a pre-shared key and a certificate")
                    .label("another")
                    .also(psk, "one")
                    .remedy("remove one, or say who uses which: `auth: {local: certificate, remote: psk}`"),
            );
            None
        }
        (None, Some(_)) => Some((AuthKind::Certificate, AuthKind::Certificate)),
        (Some(_), None) => Some((AuthKind::Psk, AuthKind::Psk)),
        (None, None) => {
            let remedy = "say where the pre-shared key is: `psk: {file: tunnel.psk}`; or give a `certificate`";
            findings.push(missing("psk", owner, remedy));
            None
        }
    }
}
