//! One BGP session: the finite state machine of RFC 4271 8, with a slot for each side's connection.
//!
//! ```text
//!            start                     connected             OPEN           KEEPALIVE
//!   Idle ───────────► Connect ─────────────────► OpenSent ────────► OpenConfirm ────────► Established
//!    ▲  ▲   retry  ▲     │ failed                 │ ▲  │ closed       │                     │
//!    │  └──────────│─────┼─► Active ◄─────────────┼─┼──┘              │                     │
//!    │             └─────────────┘   accepted ────┼─┘                 │                     │
//!    └── idle hold, growing with every failure ◄──┴───────────────────┴─────────────────────┘
//! ```
//!
//! | what | where |
//! |---|---|
//! | start, stop, the world outside | this file |
//! | TCP comes and goes | `connect` |
//! | octets, messages by state | `receive` |
//! | OPEN, collisions (RFC 4271 6.8) | `introduce`, `negotiate`, `collision` |
//! | routes in and out | `exchange` |
//! | timers | `clock`, `backoff` |
//! | the end of a connection | `down` |
//!
//! Of the optional attributes of RFC 4271 8.1.1 there are DampPeerOscillations (the growing idle hold),
//! PassiveTcpEstablishment (configured) and collision detection by identifier; there is no DelayOpen.
//!
//! Errors: RFC 4271 6, RFC 7606, RFC 6608. Cease: RFC 4486, RFC 9003.

mod backoff;
mod clock;
mod collision;
mod connect;
mod connection;
mod down;
mod established;
mod exchange;
mod inbox;
mod introduce;
mod negotiate;
mod output;
mod reason;
mod receive;
mod state;
mod status;

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use wire::{Entropy, TimerTable};

use crate::PeerConfig;
use crate::message::{CeaseSubcode, MessageType, Notification};
use backoff::Backoff;
use clock::Timer;
use collision::Side;
use connection::Connection;

pub use established::{AddPath, Established, PeerRestart, StaleRoutes};
pub use output::{ConnectionId, Event, Output};
pub use reason::{DownReason, StopReason};
pub use state::State;
pub use status::{LastDown, MessageCounts, NotificationRecord, PeerStatus};

/// One session with one peer. Feed it what happens, then drain [`Peer::poll_output`] and re-arm from
/// [`Peer::poll_timeout`].
pub struct Peer {
    config: PeerConfig,
    entropy: Box<dyn Entropy>,
    /// Whether the session is wanted: from start to stop, failures notwithstanding.
    started: bool,
    /// Our TCP connection while it is being opened.
    attempt: Option<ConnectionId>,
    /// Open connections, by [`Side::slot`].
    connections: [Option<Connection>; 2],
    timers: TimerTable<Timer>,
    backoff: Backoff,
    outputs: VecDeque<Output>,
    next_id: u32,
    status: PeerStatus,
    faults: exchange::FaultLog,
}

impl Peer {
    /// A session that waits to be started.
    #[must_use]
    pub fn new(config: PeerConfig, entropy: Box<dyn Entropy>) -> Self {
        Self {
            config,
            entropy,
            started: false,
            attempt: None,
            connections: [None, None],
            timers: TimerTable::new(),
            backoff: Backoff::default(),
            outputs: VecDeque::new(),
            next_id: 0,
            status: PeerStatus::default(),
            faults: exchange::FaultLog::default(),
        }
    }

    /// Opens the session, at once even where a failure is being waited out. Nothing happens if it is already on.
    pub fn start(&mut self, now: Instant) {
        // RFC 4271 8.2.2: a start in any state but Idle is ignored.
        if self.started && !self.timers.stop(Timer::IdleHold) {
            return;
        }
        self.started = true;
        self.backoff.reset();
        self.open(now);
    }

    /// Ends the session. Whether it opens again by itself is the reason's matter ([`StopReason::reopens`]).
    pub fn stop(&mut self, reason: StopReason, now: Instant) {
        if !self.started {
            return;
        }
        let notification = self.farewell(&reason);
        let was_established = self.is_established();
        for side in Side::BOTH {
            match &notification {
                Some(notification) => self.close_with(side, notification.clone(), now),
                None => self.close(side),
            }
        }
        self.give_up_attempt();
        self.timers.clear();
        self.started = reason.reopens();
        let retry_in = self.started.then(|| self.hold_idle(now));
        self.report_down(DownReason::Stopped(reason), was_established, retry_in, now);
    }

    /// The next request or event. Drain until `None` after every call that may change something.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Peer::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> State {
        let furthest = self.connections.iter().flatten().map(Connection::state).max();
        let waiting = if !self.started || self.timers.deadline(Timer::IdleHold).is_some() {
            State::Idle
        } else if self.attempt.is_some() {
            State::Connect
        } else {
            State::Active
        };
        furthest.unwrap_or(waiting)
    }

    /// Everything the session shows of itself.
    #[must_use]
    pub fn status(&self) -> PeerStatus {
        let retry = [Timer::IdleHold, Timer::ConnectRetry].into_iter().find_map(|timer| self.timers.deadline(timer));
        PeerStatus {
            negotiated: self.established().map(|agreed| agreed.established.clone()),
            retry_at: retry.filter(|_| self.connections.iter().all(Option::is_none) && self.attempt.is_none()),
            ..self.status.clone()
        }
    }

    fn is_established(&self) -> bool {
        self.state() == State::Established
    }

    // RFC 4486 4: what the peer is told; nothing where nothing can reach it.
    fn farewell(&self, reason: &StopReason) -> Option<Notification> {
        match reason {
            StopReason::TunnelDown => None,
            StopReason::AdminShutdown(text) => {
                Some(Notification::cease_with_text(CeaseSubcode::ADMINISTRATIVE_SHUTDOWN, text))
            }
            StopReason::Reset(text) => Some(Notification::cease_with_text(CeaseSubcode::ADMINISTRATIVE_RESET, text)),
            StopReason::PrefixLimit { limit, .. } => {
                // The family is only known where there is but one.
                let family = self.established().and_then(|agreed| match agreed.terms.families.as_slice() {
                    [family] => Some(*family),
                    _ => None,
                });
                Some(Notification::maximum_prefixes(family, *limit))
            }
            StopReason::Deconfigured => Some(Notification::cease(CeaseSubcode::PEER_DECONFIGURED)),
            StopReason::ConfigurationChanged => Some(Notification::cease(CeaseSubcode::OTHER_CONFIGURATION_CHANGE)),
            StopReason::OutOfResources(_) => Some(Notification::cease(CeaseSubcode::OUT_OF_RESOURCES)),
        }
    }

    fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn send(&mut self, id: ConnectionId, kind: MessageType, bytes: impl Into<bytes::Bytes>) {
        self.status.sent.count(kind);
        self.outputs.push_back(Output::Send { id, bytes: bytes.into() });
    }

    fn new_id(&mut self) -> ConnectionId {
        self.next_id = self.next_id.wrapping_add(1);
        ConnectionId(self.next_id)
    }

    fn jittered(&mut self, duration: Duration) -> Duration {
        backoff::jittered(duration, self.entropy.as_mut())
    }

    /// Tells of a change of state, if there was one.
    fn sync_state(&mut self, now: Instant) {
        let (from, to) = (self.status.state, self.state());
        if from != to {
            self.status.state = to;
            self.status.since = Some(now);
            self.emit(Event::StateChanged { from, to });
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("name", &self.config.name).field("state", &self.state()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
