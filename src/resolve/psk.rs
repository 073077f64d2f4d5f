//! The pre-shared key: where it comes from, and whether the peer can have the same. No finding shows any of it.

use wire::Secret;

use crate::secrets::{FoundSecret, SecretReference, SecretSource};
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, missing};
use document::source::{At, Span};
use profile::{NEW_KEY, Profile};
use schema::PskSection;

pub(super) fn resolve(
    field: Field<PskSection>,
    profile: Profile,
    owner: Span,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Option<Secret> {
    if field.span().is_none() {
        findings.push(missing("psk", owner, "say where the pre-shared key is: `psk: {file: tunnel.psk}`"));
    }
    let At { value: key, span } = fetch(field.at()?, "pre-shared key", secrets, findings)?;
    check_key(key.expose(), profile, span, findings);
    Some(key)
}

/// Fetches the key, called `what`, from where the section says it is.
pub(super) fn fetch(
    section: At<PskSection>,
    what: &str,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Option<At<Secret>> {
    let At { value: origin, span } = origin(section, what, findings)?;
    let (octets, mode) = match origin {
        Origin::Inline(text) => {
            findings.push(
                Finding::warning(Code::PskInline, span, format!("the {what} is written into the configuration"))
                    .label("everyone who reads this file can pass for one of the two ends")
                    .remedy("move it to a file with mode 0600 and write `{file: NAME}`"),
            );
            (Secret::new(text.into_bytes()), None)
        }
        Origin::Reference(reference) => match secrets.fetch(&reference) {
            Ok(FoundSecret { secret, mode }) => (without_line_end(&secret), mode),
            Err(error) => {
                findings.push(
                    Finding::error(Code::PskUnavailable, span, format!("no {what}: {error}"))
                        .label("looked for here")
                        .remedy(unavailable_remedy(&reference)),
                );
                return None;
            }
        },
    };
    check_mode(mode, what, span, findings);
    Some(At::new(octets, span))
}

enum Origin {
    Inline(String),
    Reference(SecretReference),
}

fn origin(section: At<PskSection>, what: &str, findings: &Findings) -> Option<At<Origin>> {
    let At { value: PskSection { file, env, credential, inline }, span } = section;
    let written = [file.span(), env.span(), credential.span(), inline.span()];
    let mut written = written.into_iter().flatten();
    let (first, second) = (written.next(), written.next());
    if first.is_none() || second.is_some() {
        let finding = match (first, second) {
            (Some(first), Some(second)) => {
                Finding::error(Code::PskChoice, second, format!("the {what} is given in more than one way"))
                    .label("another")
                    .also(first, "one")
            }
            (_, _) => Finding::error(Code::PskChoice, span, format!("nothing says where the {what} is"))
                .label("gives no usable way"),
        };
        findings.push(finding.remedy("give exactly one of `file`, `env` and `credential`"));
        return None;
    }
    let file = file.scalar().map(|path| At::new(Origin::Reference(SecretReference::File(path.value)), path.span));
    let env = env.scalar().map(|name| At::new(Origin::Reference(SecretReference::Env(name.value.0)), name.span));
    let credential = credential
        .scalar()
        .map(|name| At::new(Origin::Reference(SecretReference::Credential(name.value.0)), name.span));
    let inline = inline.scalar().map(|text| At::new(Origin::Inline(text.value.0), text.span));
    file.or(env).or(credential).or(inline)
}

/// What to do about a reference that leads nowhere.
pub(super) fn unavailable_remedy(reference: &SecretReference) -> &'static str {
    match reference {
        SecretReference::File(_) => "put the key into this file, readable by the process alone (mode 0600)",
        SecretReference::Env(_) => "set the variable in the environment of the process",
        SecretReference::Credential(_) => "add `LoadCredential=NAME:PATH` to the systemd unit",
    }
}

/// Editors and `echo` end a file with a line ending; exactly one is not part of the key.
pub(super) fn without_line_end(secret: &Secret) -> Secret {
    let octets = secret.expose();
    let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
    Secret::from(octets.strip_suffix(b"\r").unwrap_or(octets))
}

pub(super) fn check_mode(mode: Option<u32>, what: &str, span: Span, findings: &Findings) {
    if let Some(mode) = mode.filter(|mode| mode & 0o077 != 0) {
        findings.push(
            Finding::warning(Code::PskFileMode, span, format!("others may read or write the {what}'s file"))
                .label(format!("has mode {mode:04o}"))
                .remedy("run `chmod 600` on it"),
        );
    }
}

fn check_key(key: &[u8], profile: Profile, span: Span, findings: &Findings) {
    if key.is_empty() {
        findings.push(
            Finding::error(Code::PskEmpty, span, "the pre-shared key is empty")
                .label("without a key anyone is the peer")
                .remedy(format!("make one: `{NEW_KEY}`")),
        );
        return;
    }
    if key.first().is_some_and(u8::is_ascii_whitespace) || key.last().is_some_and(u8::is_ascii_whitespace) {
        findings.push(
            Finding::warning(Code::PskWhiteSpace, span, "the pre-shared key begins or ends with white space")
                .label("part of the key as it stands")
                .remedy("remove it unless the peer's key has it too; one line ending is dropped anyway"),
        );
    } else if key.len() < SHORT_KEY {
        // RFC 7296 2.15: a shared secret as unpredictable as the strongest key negotiated.
        findings.push(
            Finding::warning(Code::PskShort, span, format!("the pre-shared key has fewer than {SHORT_KEY} octets"))
                .label("can be guessed off-line from one recorded attempt")
                .remedy(format!("make a longer one at random: `{NEW_KEY}`")),
        );
    }
    let cloud = profile.cloud();
    let Some(rule) = &cloud.psk else { return };
    // S1-17 and its like.
    if !rule.fits(key) {
        findings.push(
            Finding::warning(Code::PskCloud, span, format!("{} does not take this pre-shared key", cloud.name))
                .label("the two ends cannot have the same")
                .remedy(format!("{} accepts {}", cloud.name, rule.text)),
        );
    }
}

const SHORT_KEY: usize = 16;
