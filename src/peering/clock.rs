//! Timers (RFC 4271 8.2.2, events 9 to 13; RFC 9687; those of `continuity` and `refresh`).

use std::time::{Duration, Instant};

use bgp::Family;
use bgp::message::{ErrorCode, Notification};

use super::Peer;
use super::collision::Side;
use super::connect::OPEN_HOLD;
use super::connection::{Connection, Phase};
use super::established::Established;
use super::output::ConnectionId;
use super::reason::DownReason;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The pause after a failure.
    IdleHold,
    /// A connection that outranks another must have proven itself before.
    Parked,
    /// The next attempt to connect.
    ConnectRetry,
    /// The peer must be heard before.
    Hold(Side),
    /// The peer must hear from us.
    Keepalive(Side),
    /// The peer must have read something before (RFC 9687).
    SendHold(Side),
    /// Stale routes are kept no longer (RFC 4724).
    Stale,
    /// The peer must have repeated everything before (RFC 7313).
    Refresh(Family),
}

impl Peer {
    /// Time has passed; due at [`Peer::poll_timeout`], harmless before.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_expired(now) {
            match timer {
                Timer::IdleHold => self.open(now),
                Timer::Parked => self.resume_parked(now),
                Timer::ConnectRetry => self.on_connect_retry(now),
                Timer::Hold(side) => self.on_hold_expired(side, now),
                Timer::Keepalive(side) => self.on_keepalive_due(side, now),
                Timer::SendHold(side) => self.on_send_hold_expired(side, now),
                Timer::Stale => self.expire_stale(|_| true),
                Timer::Refresh(family) => self.end_refresh(family),
            }
        }
    }

    /// RFC 4271 4.4: zero turns the timer off.
    pub(super) fn arm_hold(&mut self, side: Side, hold_time: Duration, now: Instant) {
        if hold_time.is_zero() {
            self.timers.stop(Timer::Hold(side));
        } else {
            self.timers.set(Timer::Hold(side), now + hold_time);
        }
    }

    pub(super) fn arm_keepalive(&mut self, side: Side, interval: Duration, now: Instant) {
        if !interval.is_zero() {
            let interval = self.jittered(interval);
            self.timers.set(Timer::Keepalive(side), now + interval);
        }
    }

    /// The peer was heard.
    pub(super) fn restart_hold(&mut self, side: Side, now: Instant) {
        let (hold_time, _) = self.intervals(side);
        self.arm_hold(side, hold_time, now);
    }

    fn on_hold_expired(&mut self, side: Side, now: Instant) {
        let Some(connection) = self.connection(side) else { return };
        let (state, (hold_time, _)) = (connection.state(), self.intervals(side));
        self.say(side, Notification::new(ErrorCode::HOLD_TIMER_EXPIRED, 0, Vec::new()), now);
        let Some(connection) = self.take(side) else { return };
        self.ended(connection, DownReason::HoldTimerExpired { hold_time, state }, now);
    }

    /// The peer's side takes no more: what we send waits. Again for as long as that lasts, each time that some of it
    /// could be sent.
    pub fn handle_send_blocked(&mut self, id: ConnectionId, progressed: bool, now: Instant) {
        let Some(side) = self.side_of(id) else { return };
        // RFC 9687 3: the greater of what is configured and twice the hold time, as far as that is known.
        let hold_time = self.agreed_on(side).map_or(Duration::ZERO, |established| established.hold_time);
        let configured = self.config.timers.send_hold;
        if configured.is_zero() || (!progressed && self.timers.deadline(Timer::SendHold(side)).is_some()) {
            return;
        }
        self.timers.set(Timer::SendHold(side), now + configured.max(hold_time * 2));
    }

    /// Everything could be sent.
    pub fn handle_send_unblocked(&mut self, id: ConnectionId) {
        if let Some(side) = self.side_of(id) {
            self.timers.stop(Timer::SendHold(side));
        }
    }

    // RFC 9687 3.2: the NOTIFICATION is worth an attempt; most likely it waits behind what the peer does not read.
    fn on_send_hold_expired(&mut self, side: Side, now: Instant) {
        let Some(state) = self.connection(side).map(Connection::state) else { return };
        self.say(side, Notification::new(ErrorCode::SEND_HOLD_TIMER_EXPIRED, 0, Vec::new()), now);
        let Some(connection) = self.take(side) else { return };
        self.ended(connection, DownReason::SendHoldTimerExpired { state }, now);
    }

    fn on_keepalive_due(&mut self, side: Side, now: Instant) {
        let Some(id) = self.connection(side).map(|connection| connection.id) else { return };
        self.send_keepalive(id);
        let (_, keepalive) = self.intervals(side);
        self.arm_keepalive(side, keepalive, now);
    }

    /// Hold time and keepalive interval of a connection.
    fn intervals(&self, side: Side) -> (Duration, Duration) {
        let agreed = self.agreed_on(side);
        agreed.map_or((OPEN_HOLD, Duration::ZERO), |established| (established.hold_time, established.keepalive))
    }

    /// What holds on a connection since the peer's OPEN was accepted.
    fn agreed_on(&self, side: Side) -> Option<&Established> {
        match &self.connection(side)?.phase {
            Phase::OpenConfirm(agreed) | Phase::Established { agreed, .. } => Some(&agreed.established),
            Phase::OpenSent | Phase::Parked { .. } => None,
        }
    }
}
