//! Timers (RFC 4271 8.2.2, events 9 to 13, and 10).

use std::time::{Duration, Instant};

use super::Peer;
use super::collision::Side;
use super::connect::OPEN_HOLD;
use super::connection::Phase;
use super::reason::DownReason;
use crate::message::{ErrorCode, Notification};

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

    fn on_keepalive_due(&mut self, side: Side, now: Instant) {
        let Some(id) = self.connection(side).map(|connection| connection.id) else { return };
        self.send_keepalive(id);
        let (_, keepalive) = self.intervals(side);
        self.arm_keepalive(side, keepalive, now);
    }

    /// Hold time and keepalive interval of a connection.
    fn intervals(&self, side: Side) -> (Duration, Duration) {
        match self.connection(side).map(|connection| &connection.phase) {
            Some(Phase::OpenConfirm(agreed) | Phase::Established { agreed, .. }) => {
                (agreed.established.hold_time, agreed.established.keepalive)
            }
            Some(Phase::OpenSent | Phase::Parked { .. }) | None => (OPEN_HOLD, Duration::ZERO),
        }
    }
}
