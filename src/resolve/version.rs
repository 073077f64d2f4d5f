//! Which IKE is spoken, and what IKEv1 asks of the rest of a tunnel.
//!
//! ```text
//! main mode        the responder looks the pre-shared key up by address: identities are the addresses
//! aggressive mode  the key is looked up by identity, which travels in the clear, with a hash made from the key
//! ```

use crypto::{AdditionalKeyExchanges, EspProposal, Group, IkeProposal, Prf};
use identity::Identity;
use negotiation::{IkeVersion, V1Mode};
use wire::Secret;
use wire::ipsec::Encryption;

use super::auth::AuthDraft;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::Word;
use document::scalar::IkeGeneration;
use document::source::{At, Span};
use profile::{NEW_KEY, Profile};
use schema::IkeSection;

/// A key of fewer octets, even if random, deserves stronger words where it can be guessed off-line.
const GUESSABLE: usize = 20;

/// The version and the place that says so.
pub(super) fn resolve(ike: &IkeSection, at: Span, profile: Profile, findings: &Findings) -> At<IkeVersion> {
    let version = ike.version.clone().scalar();
    let mode = ike.mode.clone().scalar();
    let generation = version.as_ref().map_or(IkeGeneration::V2, |version| version.value);
    let span = version.as_ref().map_or(at, |version| version.span);
    if generation == IkeGeneration::V1 && speaks_v1(profile) && profile != Profile::Generic {
        // S0-23.
        findings.push(
            Finding::advice(Code::Ikev1Old, span, format!("{} speaks IKEv2, too", profile.cloud().name))
                .label("needs fewer messages, and carries several prefixes")
                .remedy("write `version: ikev2` here, and choose it there"),
        );
    }
    if generation == IkeGeneration::V1 && !speaks_v1(profile) {
        findings.push(
            Finding::error(Code::Ikev1Cloud, span, format!("{} does not speak IKEv1", profile.cloud().name))
                .label("never answered")
                .remedy("write `version: ikev2`"),
        );
    }
    match (generation, mode) {
        (IkeGeneration::V2, None) => At::new(IkeVersion::V2, span),
        (IkeGeneration::V2, Some(mode)) => {
            findings.push(
                Finding::error(Code::Ikev1Mode, mode.span, "IKEv2 has no modes")
                    .label("belongs to IKEv1")
                    .remedy("leave `mode` out, or write `version: ikev1` beside it"),
            );
            At::new(IkeVersion::V2, span)
        }
        (IkeGeneration::V1, None) => At::new(IkeVersion::V1(V1Mode::Main), span),
        (IkeGeneration::V1, Some(mode)) => {
            let cloud = profile.cloud();
            if speaks_v1(profile) && !cloud.ike.ikev1_modes.iter().any(|Word(known)| *known == mode.value) {
                findings.push(
                    Finding::error(
                        Code::Ikev1Cloud,
                        mode.span,
                        format!("{} speaks IKEv1 in main mode only", cloud.name),
                    )
                    .label("never answered")
                    .remedy("write `mode: main`, or better `version: ikev2`"),
                );
            }
            At::new(IkeVersion::V1(mode.value), mode.span)
        }
    }
}

fn speaks_v1(profile: Profile) -> bool {
    profile.cloud().ike.versions.iter().any(|Word(version)| *version == IkeGeneration::V1)
}

/// Main mode with a pre-shared key knows no identities but addresses (S0-33).
pub(super) fn check_identities(version: IkeVersion, identities: [Option<&At<Identity>>; 2], findings: &Findings) {
    if version != IkeVersion::V1(V1Mode::Main) {
        return;
    }
    for identity in identities.into_iter().flatten() {
        if matches!(identity.value, Identity::Ip(_)) {
            continue;
        }
        // RFC 2409 5.4: in main mode a pre-shared key can only be found by the peer's address.
        findings.push(
            Finding::error(
                Code::Ikev1Identity,
                identity.span,
                format!("main mode of IKEv1 cannot use the identity {} with a pre-shared key", identity.value),
            )
            .label("is known only after the key is used")
            .remedy("write `mode: aggressive`, better `version: ikev2`, or identify both ends by their addresses"),
        );
    }
}

/// IKEv1 is spoken with pre-shared keys only, and what aggressive mode gives away of them.
pub(super) fn check_auth(version: &At<IkeVersion>, auth: Option<&AuthDraft>, findings: &Findings) {
    let psk = auth.and_then(AuthDraft::shared_key);
    if version.value != IkeVersion::V2 && auth.is_some() && psk.is_none() {
        findings.push(
            Finding::error(Code::Ikev1Certificate, version.span, "IKEv1 is spoken with a pre-shared key only")
                .label("and this tunnel has a certificate")
                .remedy("write `version: ikev2`, or give a `psk` in place of the certificate"),
        );
        return;
    }
    check_key(version, psk, findings);
}

fn check_key(version: &At<IkeVersion>, psk: Option<&Secret>, findings: &Findings) {
    if version.value != IkeVersion::V1(V1Mode::Aggressive) {
        return;
    }
    let guessable = psk.is_some_and(|psk| psk.len() < GUESSABLE);
    let (label, remedy) = if guessable {
        (
            format!("and this key has fewer than {GUESSABLE} octets: expect it to be found"),
            format!("make a key no one can guess, `{NEW_KEY}`, and prefer `version: ikev2`"),
        )
    } else {
        (
            "anyone who knows the two addresses can ask for a hash and try keys off-line".to_owned(),
            format!("prefer `version: ikev2`; else keep the key long and random, `{NEW_KEY}`"),
        )
    };
    findings.push(
        Finding::warning(Code::Ikev1Aggressive, version.span, "aggressive mode exposes the pre-shared key to guessing")
            .label(label)
            .remedy(remedy),
    );
}

/// Why IKEv1 cannot negotiate a suite for IKE.
pub(super) fn ike_obstacle(proposal: &IkeProposal) -> Option<(String, &'static str)> {
    if proposal.encryption.is_aead() {
        return Some((
            format!("IKEv1 has no {} for its own messages", proposal.encryption),
            "use a CBC cipher with a hash, such as `aes256-sha256-modp2048`; ESP may still use GCM",
        ));
    }
    if proposal.integrity.map(Prf::from) != Some(proposal.prf) {
        return Some((
            "IKEv1 negotiates one hash for integrity and PRF".to_owned(),
            "leave the PRF out: it is that of the hash",
        ));
    }
    additional_obstacle(&proposal.additional).or_else(|| group_obstacle(proposal.group))
}

/// Why IKEv1 cannot negotiate a suite for ESP.
pub(super) fn esp_obstacle(proposal: &EspProposal) -> Option<(String, &'static str)> {
    if proposal.suite.encryption == Encryption::ChaCha20Poly1305 {
        let text = format!("IKEv1 has no number for {}", proposal.suite.encryption);
        return Some((text, "use `aes256gcm16-modp2048` or `aes256-sha256-modp2048`"));
    }
    if let obstacle @ Some(_) = additional_obstacle(&proposal.additional) {
        return obstacle;
    }
    match proposal.pfs {
        crypto::Pfs::Off => None,
        crypto::Pfs::Required(group) | crypto::Pfs::Preferred(group) => group_obstacle(group),
    }
}

fn additional_obstacle(additional: &AdditionalKeyExchanges) -> Option<(String, &'static str)> {
    let text = || "IKEv1 has one key exchange, and no further ones".to_owned();
    (!additional.is_empty()).then(|| (text(), "leave `ke1_` and the like out, or speak IKEv2"))
}

fn group_obstacle(group: Group) -> Option<(String, &'static str)> {
    (group == Group::X25519 || group.is_kem())
        .then(|| (format!("IKEv1 has no number for the group {group}"), "use `ecp256`, `ecp384` or `modp2048`"))
}
