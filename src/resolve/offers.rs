//! What a session offers beyond the usual, and its lesser timers.

use std::time::Duration;

use bgp::{AddPath, Family, Role};
use peering::{Offers, Restart, Timers};

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, Leaf, OneOf};
use document::scalar::{PathDirections, RestartMode};
use document::source::{At, Span};
use schema::{AddPathSection, BgpSection, GracefulRestartSection};

/// What the `bgp` section says of these.
#[derive(Clone, Debug)]
pub struct OffersDraft {
    /// What we are to the peer, and where that was written.
    pub role: Option<At<Role>>,
    /// Without add-path, of which the families are checked at last.
    offers: Offers,
    timers: Timers,
    shutdown: Option<String>,
}

/// How long the peer is asked to wait.
const RESTART_TIME: Duration = Duration::from_secs(120);
/// RFC 4724 3: twelve bits of seconds.
const LONGEST_RESTART: Duration = Duration::from_secs(4095);
/// How long stale routes are kept.
const STALE_TIME: Duration = Duration::from_secs(360);

/// Takes what it needs out of `section`; `families` are those of the session.
pub(super) fn resolve(section: &BgpSection, families: &[Family], hold: Duration, findings: &Findings) -> OffersDraft {
    let role = section.role.clone().scalar();
    let strict = section.role_strict.clone().scalar();
    if let Some(strict) = strict.filter(|strict| strict.value && section.role.span().is_none()) {
        findings.push(
            Finding::error(Code::Role, strict.span, "the peer must say a role, and we have none")
                .label("without `role` there is nothing to compare")
                .remedy("add `role:` with what we are to the peer: provider, customer, peer, rs-server or rs-client"),
        );
    }
    OffersDraft {
        role,
        offers: Offers {
            enhanced_refresh: section.enhanced_refresh.clone().value().unwrap_or(true),
            extended_messages: section.extended_messages.clone().value().unwrap_or(false),
            extended_next_hop: section.extended_next_hop.clone().value().unwrap_or(false),
            add_path: add_path(section.add_path.clone(), families, findings),
            graceful_restart: graceful_restart(section.graceful_restart.clone(), findings),
            role: role.map(|at| at.value),
            role_strict: strict.is_some_and(|at| at.value),
        },
        timers: timers(section, hold, findings),
        shutdown: section.shutdown.clone().value().map(|text| text.0),
    }
}

impl OffersDraft {
    /// Whether the peer is offered several paths of any family.
    #[must_use]
    pub fn sends_paths(&self) -> bool {
        self.offers.add_path.iter().any(|(_, directions)| directions.send)
    }

    pub(super) fn finish(self, hold: Duration, keepalive: Duration, connect_retry: Duration) -> (Timers, Offers) {
        (Timers { hold, keepalive, connect_retry, ..self.timers }, self.offers)
    }

    pub(super) fn shutdown(&self) -> Option<String> {
        self.shutdown.clone()
    }
}

fn add_path(
    written: Field<OneOf<PathDirections, AddPathSection>>,
    families: &[Family],
    findings: &Findings,
) -> Vec<(Family, AddPath)> {
    let Some(At { value, span }) = written.at() else { return Vec::new() };
    match value {
        OneOf::Short(word) => families.iter().map(|family| (*family, word.0.0)).collect(),
        OneOf::Long(AddPathSection { ipv4, ipv6 }) => {
            let written = [(Family::Ipv4Unicast, ipv4.scalar()), (Family::Ipv6Unicast, ipv6.scalar())];
            let written: Vec<_> = written.into_iter().filter_map(|(family, at)| Some((family, at?))).collect();
            for (_, at) in written.iter().filter(|(family, _)| !families.contains(family)) {
                findings.push(
                    Finding::error(Code::AddPath, at.span, "the session does not carry this family")
                        .label("no path of it will ever come")
                        .also(span, "of this session")
                        .remedy("add the family to `families`, or leave it out here"),
                );
            }
            written.into_iter().map(|(family, at)| (family, at.value.0)).collect()
        }
    }
}

fn graceful_restart(
    written: Field<OneOf<RestartMode, GracefulRestartSection>>,
    findings: &Findings,
) -> Option<Restart> {
    let section = match written.at()?.value {
        OneOf::Short(mode) => GracefulRestartSection { mode: short(mode.0), ..GracefulRestartSection::default() },
        OneOf::Long(section) => section,
    };
    let time = section.restart_time.scalar();
    if let Some(at) = time.filter(|at| at.value > LONGEST_RESTART || at.value.is_zero()) {
        findings.push(
            Finding::error(Code::GracefulRestart, at.span, "no OPEN can say this restart time")
                .label("1s to 4095s")
                .remedy("leave `restart-time` out, or give as long as a restart of this router takes"),
        );
    }
    let stale = section.stale_time.scalar();
    if let Some(at) = stale.filter(|at| at.value.is_zero()) {
        findings.push(
            Finding::error(Code::GracefulRestart, at.span, "nothing would be kept")
                .label("not even for a moment")
                .remedy("to keep nothing write `graceful-restart: off`"),
        );
    }
    let time = time.map_or(RESTART_TIME, |at| at.value);
    let mode = section.mode.value().unwrap_or(RestartMode::Full);
    let restart = |time| Restart {
        time,
        stale: stale.map_or(STALE_TIME, |at| at.value),
        notification: section.notification.value().unwrap_or(true),
    };
    match mode {
        RestartMode::Off => None,
        RestartMode::Helper => Some(restart(None)),
        RestartMode::Full => Some(restart(Some(time))),
    }
}

const fn short(mode: RestartMode) -> Leaf<RestartMode> {
    Leaf::written(document::field::Word(mode), Span::new(0, 0))
}

fn timers(section: &BgpSection, hold: Duration, findings: &Findings) -> Timers {
    let usual = Timers::default();
    let shortest = section.min_hold_time.clone().scalar();
    if let Some(at) = shortest.filter(|at| !hold.is_zero() && at.value > hold) {
        findings.push(
            Finding::error(Code::HoldTime, at.span, "we propose less than we would accept")
                .label(format!("the hold time proposed is {hold:?}"))
                .remedy("raise `hold-time`, or lower `min-hold-time`"),
        );
    }
    let restart = section.max_prefix_restart.clone().scalar();
    if let Some(at) = restart.filter(|at| at.value < Duration::from_secs(1)) {
        findings.push(
            Finding::error(Code::PrefixRestart, at.span, "the session would end again at once")
                .label("less than a second")
                .remedy("give the peer's operator time, `5m` or so; without this key the session stays down"),
        );
    }
    Timers {
        shortest_hold: shortest.map_or(usual.shortest_hold, |at| at.value),
        send_hold: section.send_hold_time.clone().value().unwrap_or(usual.send_hold),
        longest_pause: section.idle_hold_max.clone().value().unwrap_or(usual.longest_pause).max(Duration::from_secs(1)),
        prefix_restart: restart.map(|at| at.value),
        ..usual
    }
}
