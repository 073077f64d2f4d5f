//! Lifetimes, rekeying, liveness and the replay window.
//!
//! ```text
//!   SA begins                    rekey starts                     SA ends
//!      |-----------------------------|------ margin * (1..1+fuzz) ---|
//! ```

use std::time::Duration;

use negotiation::{ChildLifetime, Dpd, DpdAction, StartAction};

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Leaf, Word};
use document::scalar::Within;
use document::source::At;
use profile::Cloud;
use schema::{DpdSection, EspSection, IkeSection, RekeySection};

#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) ike_lifetime: Duration,
    pub(super) child_lifetime: ChildLifetime,
    pub(super) rekey_margin: Duration,
    pub(super) rekey_fuzz: u8,
    pub(super) dpd: Dpd,
    pub(super) replay_window: u32,
}

pub(super) struct Sections {
    pub(super) ike: IkeSection,
    pub(super) esp: EspSection,
    pub(super) rekey: RekeySection,
    pub(super) dpd: DpdSection,
    pub(super) start: StartAction,
}

pub(super) fn resolve(sections: Sections, cloud: &Cloud, findings: &Findings) -> Timing {
    let Sections { ike, esp, rekey, dpd, start } = sections;
    let ike_lifetime = ike.lifetime.scalar();
    let child_lifetime = esp.lifetime.scalar();
    let mut sound = lifetime(ike_lifetime, cloud, cloud.lifetimes.ike_range.as_ref(), findings);
    sound &= lifetime(child_lifetime, cloud, cloud.lifetimes.child_range.as_ref(), findings);
    let ike_time = ike_lifetime.map_or(cloud.lifetimes.ike.0, |at| at.value);
    // A default never outlives what was written.
    let child_time = child_lifetime.map_or_else(|| cloud.lifetimes.child.0.min(ike_time), |at| at.value);
    if let Some(at) = child_lifetime.or(ike_lifetime).filter(|_| sound && child_time > ike_time) {
        findings.push(
            Finding::warning(Code::LifetimeOrder, at.span, "a CHILD SA would outlive the IKE SA above it")
                .label(format!("CHILD SA {}s, IKE SA {}s", child_time.as_secs(), ike_time.as_secs()))
                .remedy("make `esp.lifetime` shorter than `ike.lifetime`"),
        );
    }
    let bytes = esp.bytes.scalar().map(|at| At::new(at.value.0, at.span));
    volume(bytes, MIN_BYTES, "octets", findings);
    let packets = esp.packets.scalar().map(|at| At::new(at.value.0, at.span));
    volume(packets, MIN_PACKETS, "packets", findings);
    let (rekey_margin, rekey_fuzz) = margin(rekey, cloud, ike_time.min(child_time), sound, findings);
    Timing {
        ike_lifetime: ike_time,
        child_lifetime: ChildLifetime {
            time: child_time,
            bytes: bytes.map(|at| at.value).or(cloud.lifetimes.child_bytes.map(|Word(bytes)| bytes.0)),
            packets: packets.map(|at| at.value),
        },
        rekey_margin,
        rekey_fuzz,
        dpd: liveness(dpd, start, cloud, findings),
        replay_window: replay_window(esp.replay_window, cloud, findings),
    }
}

/// Below these a rekey can hardly be done in time.
const MIN_BYTES: u64 = 1_000_000;
const MIN_PACKETS: u64 = 1_000;

fn lifetime(
    written: Option<At<Duration>>,
    cloud: &Cloud,
    range: Option<&(Word<Duration>, Word<Duration>)>,
    findings: &Findings,
) -> bool {
    let Some(At { value, span }) = written else { return true };
    if value.is_zero() {
        // S0-30: zero is within the range a cloud states, without a meaning.
        findings.push(
            Finding::error(Code::LifetimeZero, span, "a lifetime of zero means nothing")
                .label("neither for ever nor never")
                .remedy("leave the key out for the profile's lifetime, or give one such as `8h`"),
        );
        return false;
    }
    let range = range.map(|(Word(shortest), Word(longest))| (*shortest, *longest));
    if let Some((shortest, longest)) = range.filter(|(shortest, longest)| !(*shortest..=*longest).contains(&value)) {
        findings.push(
            Finding::warning(Code::LifetimeCloud, span, format!("{} has no lifetime like this", cloud.name))
                .label("the two ends will rekey at different times")
                .remedy(format!("{} takes {}s to {}s", cloud.name, shortest.as_secs(), longest.as_secs())),
        );
    }
    true
}

fn volume(written: Option<At<u64>>, least: u64, unit: &str, findings: &Findings) {
    if let Some(at) = written.filter(|at| at.value < least) {
        findings.push(
            Finding::warning(Code::LifetimeVolume, at.span, format!("a CHILD SA would end after {} {unit}", at.value))
                .label("used up before a rekey is done")
                .remedy(format!("allow at least {least} {unit}; a busy tunnel carries that in milliseconds")),
        );
    }
}

fn margin(
    section: RekeySection,
    cloud: &Cloud,
    shortest: Duration,
    sound: bool,
    findings: &Findings,
) -> (Duration, u8) {
    let (margin, fuzz) = (section.margin.scalar(), section.fuzz.scalar());
    let span = margin.map(|at| at.span).or(fuzz.map(|at| at.span));
    let margin = margin.map_or_else(|| (shortest / 10).min(cloud.rekey.margin.0), |at| at.value);
    let percent = fuzz.map_or(u32::from(cloud.rekey.fuzz), |at| at.value.0);
    let earliest = margin.saturating_mul(100 + percent) / 100;
    if let Some(span) = span.filter(|_| sound && (margin.is_zero() || earliest >= shortest)) {
        let finding = if margin.is_zero() {
            Finding::error(Code::RekeyMargin, span, "without a margin an SA ends before its successor is there")
                .label("zero")
        } else {
            Finding::error(Code::RekeyMargin, span, "the rekey margin is longer than a lifetime")
                .label(format!("up to {:?} before the end of a life of {shortest:?}", earliest))
        };
        findings.push(finding.remedy("leave `rekey` out, or keep margin * (100 + fuzz) / 100 below both lifetimes"));
    }
    (margin, u8::try_from(percent).unwrap_or(100))
}

fn liveness(section: DpdSection, start: StartAction, cloud: &Cloud, findings: &Findings) -> Dpd {
    let action = dpd_action(&section, start, findings);
    let positive = |written: Leaf<Duration>, default| {
        let at = written.scalar();
        if let Some(at) = at.filter(|at| at.value.is_zero()) {
            findings.push(
                Finding::error(Code::Dpd, at.span, "liveness checks cannot be without time")
                    .label("zero")
                    .remedy("leave the key out; a dead peer that nobody notices swallows traffic"),
            );
        }
        at.map_or(default, |at| at.value)
    };
    Dpd {
        interval: positive(section.interval, cloud.dpd.interval.0),
        timeout: positive(section.timeout, cloud.dpd.timeout.0),
        action,
    }
}

/// What the two ends of the tunnel would make of a dead peer.
fn dpd_action(section: &DpdSection, start: StartAction, findings: &Findings) -> DpdAction {
    let default = match start {
        StartAction::Initiate => DpdAction::Restart,
        StartAction::OnDemand | StartAction::Respond => DpdAction::Clear,
    };
    let Some(At { value: action, span }) = section.action.clone().scalar() else { return default };
    match (action, start, section.interval.span().or(section.timeout.span())) {
        (DpdAction::Clear, StartAction::Initiate, _) => findings.push(
            Finding::warning(Code::DpdAction, span, "after a dead peer this tunnel stays down")
                .label("we begin once, at the start")
                .remedy("write `action: restart`, or `start: respond` if it is the peer's turn to begin"),
        ),
        (DpdAction::None, _, Some(unused)) => findings.push(
            Finding::warning(Code::DpdAction, unused, "no liveness check uses this")
                .label("without effect")
                .also(span, "no checks")
                .remedy("leave it out, or choose `action: clear` or `restart`"),
        ),
        (DpdAction::None, _, None) => findings.push(
            // S0-40.
            Finding::warning(Code::DpdAction, span, "a dead peer goes unnoticed until its BGP session ends")
                .label("no checks")
                .remedy("choose `clear` or `restart`"),
        ),
        (DpdAction::Clear | DpdAction::Restart, _, _) => {}
    }
    action
}

fn replay_window(written: Leaf<Within<0, { u32::MAX }>>, cloud: &Cloud, findings: &Findings) -> u32 {
    let Some(At { value: Within(window), span }) = written.scalar() else { return cloud.replay.window };
    let remedy = "give 64 to 4096 packets; 1024 (default) suits most lines";
    match window {
        0 => findings.push(
            // RFC 4303 3.4.3: anti-replay is on unless the receiver has a reason.
            Finding::warning(Code::ReplayWindow, span, "replayed packets would be accepted")
                .label("off")
                .remedy(remedy),
        ),
        64..=4096 => {}
        _ => findings.push(
            Finding::error(Code::ReplayWindow, span, format!("an anti-replay window cannot have {window} packets"))
                .label("neither 0 nor 64 to 4096")
                .remedy(remedy),
        ),
    }
    window
}
