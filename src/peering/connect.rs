//! TCP comes and goes (RFC 4271 8.2.2, events 9 and 14 to 18).

use std::time::{Duration, Instant};

use bgp::message::{CeaseSubcode, KEEPALIVE, MessageType, Notification};

use super::Peer;
use super::clock::Timer;
use super::collision::Side;
use super::connection::{Connection, Phase};
use super::inbox::Inbox;
use super::negotiate;
use super::output::{ConnectionId, Output};
use super::reason::DownReason;
use super::state::State;

/// RFC 4271 8.2.2: while the peer's OPEN is awaited, the hold timer has this large value.
pub(super) const OPEN_HOLD: Duration = Duration::from_secs(240);

impl Peer {
    /// Our connection is open. Answers [`Output::Connect`].
    pub fn handle_connected(&mut self, id: ConnectionId, now: Instant) {
        if self.attempt != Some(id) {
            // Given up in the meantime.
            if self.side_of(id).is_none() {
                self.outputs.push_back(Output::Close { id });
            }
            return;
        }
        self.attempt = None;
        self.introduce(Side::Ours, id, now);
    }

    /// Our connection did not come to be, for a reason in the words of the operating system.
    pub fn handle_connect_failed(&mut self, id: ConnectionId, error: String, now: Instant) {
        if self.attempt != Some(id) {
            return;
        }
        self.attempt = None;
        if self.connections.iter().all(Option::is_none) {
            let pause = self.jittered(self.config.timers.connect_retry);
            self.wait_active(pause, now);
            self.report_down(DownReason::ConnectFailed { error }, None, Some(pause), now);
        }
    }

    /// The peer connected to us. `None` means that the connection is not wanted and is to be closed.
    pub fn handle_accepted(&mut self, now: Instant) -> Option<ConnectionId> {
        match self.state() {
            // RFC 4271 8.2.2: Idle refuses all connections.
            State::Idle => return None,
            // RFC 4271 6.8: the session there is stays. Yet a peer that connects anew may have lost it: if so, its
            // TCP answers a KEEPALIVE with a reset, long before the hold timer would end the session.
            State::Established if self.peer_restarts() => self.give_way(now),
            State::Established => {
                if let Some(id) = self.established_id() {
                    self.send(id, MessageType::Keepalive, &KEEPALIVE[..]);
                }
                return None;
            }
            State::Connect | State::Active | State::OpenSent | State::OpenConfirm => {}
        }
        // A peer that connects a second time has given up the first.
        self.close_with(Side::Theirs, Notification::cease(CeaseSubcode::CONNECTION_COLLISION_RESOLUTION), now);
        let id = self.new_id();
        self.introduce(Side::Theirs, id, now);
        Some(id)
    }

    // RFC 4724 4.2: a peer that can restart and connects anew has done so.
    fn peer_restarts(&self) -> bool {
        let restart = self.established().and_then(|agreed| agreed.established.graceful_restart.as_ref());
        restart.is_some_and(|restart| !restart.families.is_empty())
    }

    // RFC 4724 5: the old connection goes without a word, as if TCP had ended.
    fn give_way(&mut self, now: Instant) {
        for side in Side::BOTH {
            if let Some(Connection { phase: Phase::Established { agreed, .. }, .. }) = self.take(side) {
                self.report_down(DownReason::Replaced, Some(&agreed), None, now);
            }
        }
    }

    /// A connection is gone; without an error the peer closed it.
    pub fn handle_closed(&mut self, id: ConnectionId, error: Option<String>, now: Instant) {
        let Some(side) = self.side_of(id) else { return };
        let Some(connection) = self.remove(side) else { return };
        let reason = DownReason::ConnectionClosed { error, state: connection.state() };
        self.ended(connection, reason, now);
    }

    /// Begins to look for the peer.
    pub(super) fn open(&mut self, now: Instant) {
        if !self.config.passive {
            let id = self.new_id();
            self.attempt = Some(id);
            self.outputs.push_back(Output::Connect { id });
            self.arm_connect_retry(self.config.timers.connect_retry, now);
        }
        self.sync_state(now);
    }

    /// Waits for the peer, or for the next attempt of our own.
    pub(super) fn wait_active(&mut self, pause: Duration, now: Instant) {
        if !self.config.passive {
            self.timers.set(Timer::ConnectRetry, now + pause);
        }
        self.sync_state(now);
    }

    pub(super) fn on_connect_retry(&mut self, now: Instant) {
        self.give_up_attempt();
        if self.connections.iter().all(Option::is_none) {
            self.open(now);
        }
    }

    pub(super) fn give_up_attempt(&mut self) {
        if let Some(id) = self.attempt.take() {
            self.outputs.push_back(Output::Close { id });
        }
    }

    /// Whether the peer can still come to be reached without a new attempt.
    pub(super) fn has_another_way(&self) -> bool {
        self.attempt.is_some() || self.connections.iter().any(Option::is_some)
    }

    fn arm_connect_retry(&mut self, interval: Duration, now: Instant) {
        let interval = self.jittered(interval);
        self.timers.set(Timer::ConnectRetry, now + interval);
    }

    /// Our OPEN.
    fn offer(&mut self) -> Vec<u8> {
        let open = negotiate::open(&self.config, self.continuity.flags);
        let octets = open.encode();
        self.status.offered = open.capabilities;
        octets
    }

    /// Sends OPEN over a connection just opened.
    fn introduce(&mut self, side: Side, id: ConnectionId, now: Instant) {
        if self.attempt.is_none() {
            self.timers.stop(Timer::ConnectRetry);
        }
        self.connections[side.slot()] = Some(Connection { id, phase: Phase::OpenSent, inbox: Inbox::default() });
        let open = self.offer();
        self.send(id, MessageType::Open, open);
        self.timers.set(Timer::Hold(side), now + OPEN_HOLD);
        self.sync_state(now);
    }
}
