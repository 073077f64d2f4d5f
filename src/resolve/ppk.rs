//! The post-quantum pre-shared key: its name, where it comes from, whether it is one. No finding shows any of it.

use negotiation::{IkeVersion, Ppk};
use wire::Secret;

use super::psk::{unavailable_remedy, without_line_end};
use crate::secrets::{FoundSecret, SecretReference, SecretSource};
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::Field;
use document::source::{At, Span};
use schema::PpkSection;

/// RFC 8784 5.1 sets no limit; what is longer is no name.
const MAX_NAME: usize = 128;
/// Half of the strength is left against a quantum computer (RFC 8784 6): 256 bits for 128.
const SHORT: usize = 32;
const REMEDY: &str = "make one at random: `openssl rand -hex 32`";

/// `None` where there is none, or none that can be used, which was reported.
pub(super) fn resolve(
    field: Field<PpkSection>,
    version: IkeVersion,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Option<Ppk> {
    let At { value: section, span } = field.at()?;
    if version != IkeVersion::V2 {
        findings.push(
            Finding::error(Code::PpkVersion, span, "IKEv1 has no post-quantum pre-shared keys")
                .label("RFC 8784 is for IKEv2")
                .remedy("speak IKEv2 with this peer, or remove `ppk`"),
        );
        return None;
    }
    let required = section.required.clone().value().unwrap_or(true);
    let id = section.id.clone().require("id", span, "give the name that the key has at both ends (PPK_ID)", findings);
    if let Some(id) = id.as_ref().filter(|id| id.value.0.len() > MAX_NAME) {
        findings.push(
            Finding::error(Code::PpkName, id.span, format!("a name has at most {MAX_NAME} octets"))
                .label(format!("this one has {}", id.value.0.len()))
                .remedy("use a short name, the same at both ends"),
        );
    }
    let At { value: reference, span } = reference(section, span, findings)?;
    let secret = fetch(&reference, span, secrets, findings)?;
    Some(Ppk { id: id?.value.0.into_bytes(), secret, required })
}

fn reference(section: PpkSection, span: Span, findings: &Findings) -> Option<At<SecretReference>> {
    let PpkSection { id: _, file, env, credential, required: _ } = section;
    let written = [file.span(), env.span(), credential.span()];
    let mut written = written.into_iter().flatten();
    let finding = match (written.next(), written.next()) {
        (Some(first), Some(second)) => {
            Finding::error(Code::PpkChoice, second, "the post-quantum pre-shared key is given in more than one way")
                .label("another")
                .also(first, "one")
        }
        (None, _) => Finding::error(Code::PpkChoice, span, "nothing says where the post-quantum pre-shared key is")
            .label("gives no usable way"),
        (Some(_), None) => {
            let file = file.scalar().map(|path| At::new(SecretReference::File(path.value), path.span));
            let env = env.scalar().map(|name| At::new(SecretReference::Env(name.value.0), name.span));
            let credential = credential.scalar();
            let credential = credential.map(|name| At::new(SecretReference::Credential(name.value.0), name.span));
            return file.or(env).or(credential);
        }
    };
    findings.push(finding.remedy("give exactly one of `file`, `env` and `credential`"));
    None
}

fn fetch(reference: &SecretReference, span: Span, secrets: &dyn SecretSource, findings: &Findings) -> Option<Secret> {
    let FoundSecret { secret, mode } = match secrets.fetch(reference) {
        Ok(found) => found,
        Err(error) => {
            findings.push(
                Finding::error(Code::PpkUnavailable, span, format!("no post-quantum pre-shared key: {error}"))
                    .label("looked for here")
                    .remedy(unavailable_remedy(reference)),
            );
            return None;
        }
    };
    let secret = without_line_end(&secret);
    if let Some(mode) = mode.filter(|mode| mode & 0o077 != 0) {
        findings.push(
            Finding::warning(
                Code::PpkFileMode,
                span,
                "others may read or write the post-quantum pre-shared key's file",
            )
            .label(format!("has mode {mode:04o}"))
            .remedy("run `chmod 600` on it"),
        );
    }
    if secret.is_empty() {
        findings.push(
            Finding::error(Code::PpkEmpty, span, "the post-quantum pre-shared key is empty")
                .label("protects nothing")
                .remedy(REMEDY),
        );
    } else if secret.len() < SHORT {
        // RFC 8784 6: at least 256 bits of entropy.
        let text = format!("the post-quantum pre-shared key has fewer than {SHORT} octets");
        findings.push(
            Finding::warning(Code::PpkShort, span, text)
                .label("too few to withstand a quantum computer, which is what it is for")
                .remedy(REMEDY),
        );
    }
    Some(secret)
}
