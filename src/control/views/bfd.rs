//! BFD sessions as they are shown.

use std::time::Instant;

use view::{BfdSessionView, BfdView, FailureView};

use super::seconds;

/// Every BFD session.
pub(crate) fn bfd(report: &daemon::BfdReport, now: Instant) -> BfdView {
    let view = |(name, path, status): &(String, bfd::Path, bfd::Status)| bfd_session(name, path, status, now);
    BfdView {
        sessions: report.sessions.iter().map(view).collect(),
        discarded: report.discarded.iter().map(|(cause, count)| ((*cause).to_owned(), *count)).collect(),
    }
}

fn bfd_session(name: &str, path: &bfd::Path, status: &bfd::Status, now: Instant) -> BfdSessionView {
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (peer_desired, peer_required, peer_multiplier) = status.remote_timing;
    BfdSessionView {
        tunnel: name.to_owned(),
        local: path.local,
        peer: path.remote,
        multihop: path.hops != bfd::Hops::One,
        state: status.state.to_string(),
        since: seconds(now, status.since),
        obstacle: match status.verdict {
            bfd::Verdict::Usable => None,
            bfd::Verdict::Failed(obstacle) => Some(obstacle.to_string()),
        },
        peer_state: status.remote_state.map(|state| state.to_string()),
        peer_diagnostic: status.remote_diagnostic.words().to_owned(),
        transmit_microseconds: micros(status.transmit_interval),
        detection_microseconds: micros(status.detection_time),
        multiplier: status.multiplier,
        peer_desired_microseconds: micros(peer_desired),
        peer_required_microseconds: micros(peer_required),
        peer_multiplier,
        discriminator: status.discriminator,
        peer_discriminator: status.remote_discriminator,
        authentication: status.authentication.map(|kind| match kind {
            bfd::AuthKind::KeyedSha1 => "sha1".to_owned(),
            bfd::AuthKind::MeticulousKeyedSha1 => "meticulous-sha1".to_owned(),
        }),
        packets_in: status.counters.received,
        packets_out: status.counters.sent,
        packets_refused: status.counters.discarded,
        flaps: status.counters.flaps,
        last_failure: status.last_down.as_ref().map(|down| FailureView {
            reason: down.reason.label().to_owned(),
            text: down.reason.to_string(),
            remedy: down.reason.remedy().to_owned(),
            ago: seconds(now, down.at),
        }),
    }
}
