//! The end of connections and of the session.
//!
//! ```text
//!   a connection ends ── another is open or being opened ──► nothing more
//!                     ├─ it lost a collision, or TCP ended before the peer's OPEN ──► Active: listen, try again
//!                     └─ anything else ──► Idle for a while that grows, then try again
//! ```

use std::time::{Duration, Instant};

use bgp::message::{MessageType, Notification};

use super::Peer;
use super::clock::Timer;
use super::collision::Side;
use super::connection::{Connection, Phase};
use super::negotiate::Agreed;
use super::output::{Event, Output};
use super::reason::DownReason;
use super::state::State;
use super::status::{LastDown, NotificationRecord};
use crate::SessionError;

/// After a lost collision the peer's own connection is about to arrive.
const COLLISION_PAUSE: Duration = Duration::from_secs(5);

impl Peer {
    /// The peer broke the protocol: it is told so, and the connection ends.
    pub(super) fn fail(&mut self, side: Side, error: SessionError, now: Instant) {
        self.say(side, error.notification(), now);
        let Some(connection) = self.take(side) else { return };
        self.ended(connection, DownReason::Protocol(error), now);
    }

    /// Sends a NOTIFICATION.
    pub(super) fn say(&mut self, side: Side, notification: Notification, now: Instant) {
        let Some(id) = self.connection(side).map(|connection| connection.id) else { return };
        self.send(id, MessageType::Notification, notification.encode());
        let (code, subcode) = (notification.code.0, notification.subcode);
        self.emit(Event::NotificationSent { code, subcode, text: notification.to_string() });
        self.status.notification_sent = Some(NotificationRecord { at: now, notification });
    }

    /// Closes a connection without a word. The session is not told.
    pub(super) fn close(&mut self, side: Side) {
        drop(self.take(side));
    }

    /// Closes a connection with a NOTIFICATION. The session is not told.
    pub(super) fn close_with(&mut self, side: Side, notification: Notification, now: Instant) {
        self.say(side, notification, now);
        self.close(side);
    }

    /// Closes a connection and hands out what is left of it.
    pub(super) fn take(&mut self, side: Side) -> Option<Connection> {
        let connection = self.remove(side)?;
        self.outputs.push_back(Output::Close { id: connection.id });
        Some(connection)
    }

    /// What follows from the end of `connection`, which is already gone.
    pub(super) fn ended(&mut self, connection: Connection, reason: DownReason, now: Instant) {
        let (agreed, lasted) = match connection.phase {
            Phase::OpenSent | Phase::Parked { .. } | Phase::OpenConfirm(_) => (None, Duration::ZERO),
            Phase::Established { agreed, since } => (Some(agreed), now.saturating_duration_since(since)),
        };
        if self.has_another_way() {
            self.status.last_down = Some(LastDown { at: now, reason, was_established: agreed.is_some() });
            self.sync_state(now);
            self.resume_parked(now);
            return;
        }
        self.backoff.decay(lasted);
        let retry_in = match active_pause(&reason, self.config.timers.connect_retry) {
            Some(pause) => {
                let pause = self.jittered(pause);
                self.wait_active(pause, now);
                pause
            }
            None => self.hold_idle(now),
        };
        self.report_down(reason, agreed.as_deref(), Some(retry_in), now);
    }

    /// Goes to Idle for a while; returns for how long.
    pub(super) fn hold_idle(&mut self, now: Instant) -> Duration {
        self.timers.stop(Timer::ConnectRetry);
        let pause = self.backoff.fail(self.config.timers.longest_pause);
        let pause = self.jittered(pause);
        self.rest(pause, now);
        pause
    }

    /// Stays Idle for `pause`.
    pub(super) fn rest(&mut self, pause: Duration, now: Instant) {
        self.timers.set(Timer::IdleHold, now + pause);
    }

    /// Tells of the end of an attempt, or of the session that had agreed on `ended`.
    pub(super) fn report_down(
        &mut self,
        reason: DownReason,
        ended: Option<&Agreed>,
        retry_in: Option<Duration>,
        now: Instant,
    ) {
        let was_established = ended.is_some();
        let stale = ended.and_then(|agreed| self.to_keep(agreed, &reason));
        if was_established {
            self.begin_stale(stale.as_ref(), now);
            self.reset_tables();
        }
        self.sync_state(now);
        self.status.flaps += u64::from(was_established);
        self.status.last_down = Some(LastDown { at: now, reason: reason.clone(), was_established });
        self.emit(Event::Down { reason, was_established, stale, retry_in });
    }
}

/// How long to listen before the next attempt, where the reason is not one to stay Idle for.
fn active_pause(reason: &DownReason, connect_retry: Duration) -> Option<Duration> {
    match reason {
        // The connection that was kept may not have reached us yet.
        DownReason::NotificationReceived(notification) if notification.is_collision() => {
            Some(connect_retry.min(COLLISION_PAUSE))
        }
        // RFC 4271 8.2.2, OpenSent, event 18.
        DownReason::ConnectionClosed { state: State::OpenSent, .. } => Some(connect_retry),
        DownReason::NotificationReceived(_)
        | DownReason::ConnectionClosed { .. }
        | DownReason::Stopped(_)
        | DownReason::ConnectFailed { .. }
        | DownReason::HoldTimerExpired { .. }
        | DownReason::SendHoldTimerExpired { .. }
        | DownReason::Replaced
        | DownReason::Protocol(_) => None,
    }
}
