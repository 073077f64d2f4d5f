//! Bidirectional forwarding detection of a session's path.

use std::time::Duration;

use bfd::{AuthKind, Authentication, Config, MAX_KEY_LEN};
use wire::Secret;

use super::place::Over;
use super::psk::{unavailable_remedy, without_line_end};
use crate::secrets::{FoundSecret, SecretReference, SecretSource};
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Leaf, OneOf, Word};
use document::source::{At, Span};
use profile::Profile;
use schema::{BfdAuthSection, BfdField, BfdSection};

const FASTEST: Duration = Duration::from_millis(10);
const SLOWEST: Duration = Duration::from_secs(60);
/// Below this a busy machine or a moment of loss is taken for a dead peer.
const HASTY: Duration = Duration::from_millis(150);

/// `None` without BFD.
pub(super) fn resolve(
    written: BfdField,
    profile: Profile,
    over: Over,
    hold_time: Duration,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Option<Config> {
    let At { value, span } = written.at()?;
    let section = match value {
        OneOf::Short(Word(false)) => return None,
        OneOf::Short(Word(true)) => BfdSection::default(),
        OneOf::Long(section) => section,
    };
    check_place(span, profile, over, findings);
    let usual = Config::default();
    let interval = interval(section.interval, usual.interval, findings);
    let min_receive = self::interval(section.min_receive, usual.min_receive, findings);
    let multiplier = section.multiplier.scalar().map(|at| At::new(at.value.0, at.span));
    check_speed(span, interval.max(min_receive), multiplier, hold_time, findings);
    let authentication = section.authentication.at();
    Some(Config {
        interval,
        min_receive,
        multiplier: multiplier.and_then(|at| u8::try_from(at.value).ok()).unwrap_or(usual.multiplier),
        passive: section.passive.value().unwrap_or(usual.passive),
        strict: section.strict.value().unwrap_or(usual.strict),
        authentication: match authentication {
            Some(section) => Some(self::authentication(section, secrets, findings)?),
            None => None,
        },
    })
}

fn check_place(span: Span, profile: Profile, over: Over, findings: &Findings) {
    if over.accepts() {
        findings.push(
            Finding::error(Code::BfdRange, span, "BFD needs to know the peer beforehand")
                .label("this neighbour is a range of addresses")
                .remedy("leave `bfd` out, or make a neighbour with `address` of each peer that speaks it"),
        );
    }
    let cloud = profile.cloud();
    if !cloud.bgp.bfd {
        let name = &cloud.name;
        findings.push(
            Finding::warning(Code::BfdCloud, span, format!("the VPN gateways of {name} do not speak BFD"))
                .label("will never be up")
                .remedy("leave `bfd` out: liveness checks of the tunnel (`dpd`) notice a dead gateway"),
        );
    }
}

fn interval(written: Leaf<Duration>, usual: Duration, findings: &Findings) -> Duration {
    let Some(At { value, span }) = written.scalar() else { return usual };
    if !(FASTEST..=SLOWEST).contains(&value) {
        findings.push(
            Finding::error(Code::BfdInterval, span, "BFD does not work at this pace")
                .label(if value < FASTEST { "shorter than 10ms" } else { "longer than 60s" })
                .remedy("give `300ms`, which suits tunnels over the Internet, or up to `1s` where packets are lost"),
        );
    }
    value
}

fn check_speed(span: Span, pace: Duration, multiplier: Option<At<u32>>, hold_time: Duration, findings: &Findings) {
    let detection = pace.saturating_mul(multiplier.map_or(3, |at| at.value));
    if let Some(at) = multiplier.filter(|at| at.value == 1) {
        findings.push(
            Finding::warning(Code::BfdHasty, at.span, "a single lost packet takes the path down")
                .label("no packet may be missing")
                .remedy("leave `multiplier` out; the usual value is 3"),
        );
    } else if detection < HASTY {
        findings.push(
            Finding::warning(Code::BfdHasty, span, "a busy machine or a moment of loss is taken for a dead peer")
                .label(format!("gives up after {detection:?} without a packet"))
                .remedy("give a longer `interval`, or a higher `multiplier`"),
        );
    }
    if !hold_time.is_zero() && detection >= hold_time {
        findings.push(
            Finding::warning(Code::BfdSlow, span, "BGP notices a dead peer earlier than BFD does")
                .label(format!("{detection:?} of silence; the hold time is {hold_time:?}"))
                .remedy("give a shorter `interval`, or leave `bfd` out"),
        );
    }
}

fn authentication(
    section: At<BfdAuthSection>,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Option<Authentication> {
    let At { value: section, span } = section;
    let key_id = section.key_id.clone().require("key-id", span, "give the key's number at the peer", findings);
    let kind = section.kind.clone().value().unwrap_or(AuthKind::MeticulousKeyedSha1);
    let reference = reference(section, span, findings)?;
    let key = fetch(&reference, secrets, findings)?;
    Some(Authentication { kind, key_id: u8::try_from(key_id?.value.0).ok()?, key })
}

fn reference(section: BfdAuthSection, span: Span, findings: &Findings) -> Option<At<SecretReference>> {
    let BfdAuthSection { kind: _, key_id: _, file, env, credential } = section;
    let given = [file.span(), env.span(), credential.span()].into_iter().flatten().count();
    if given != 1 {
        findings.push(
            Finding::error(Code::BfdKey, span, "where is the key?")
                .label(if given == 0 { "gives no way to it" } else { "gives more than one way to it" })
                .remedy("give exactly one of `file`, `env` and `credential`"),
        );
        return None;
    }
    let file = file.scalar().map(|path| At::new(SecretReference::File(path.value), path.span));
    let env = env.scalar().map(|name| At::new(SecretReference::Env(name.value.0), name.span));
    let credential = credential.scalar();
    let credential = credential.map(|name| At::new(SecretReference::Credential(name.value.0), name.span));
    file.or(env).or(credential)
}

fn fetch(reference: &At<SecretReference>, secrets: &dyn SecretSource, findings: &Findings) -> Option<Secret> {
    let span = reference.span;
    let FoundSecret { secret, mode } = match secrets.fetch(&reference.value) {
        Ok(found) => found,
        Err(error) => {
            findings.push(
                Finding::error(Code::BfdKey, span, format!("no key: {error}"))
                    .label("looked for here")
                    .remedy(unavailable_remedy(&reference.value)),
            );
            return None;
        }
    };
    let key = without_line_end(&secret);
    // RFC 5880 4.4: the key takes the place of the digest.
    if key.is_empty() || key.len() > MAX_KEY_LEN {
        findings.push(
            Finding::error(Code::BfdKey, span, format!("a key of BFD has 1 to {MAX_KEY_LEN} octets"))
                .label(format!("this one has {}", key.len()))
                .remedy("make one at random: `openssl rand -hex 10`"),
        );
        return None;
    }
    if let Some(mode) = mode.filter(|mode| mode & 0o077 != 0) {
        findings.push(
            Finding::warning(Code::BfdKeyMode, span, "others may read or write the key's file")
                .label(format!("has mode {mode:04o}"))
                .remedy("run `chmod 600` on it"),
        );
    }
    Some(key)
}
