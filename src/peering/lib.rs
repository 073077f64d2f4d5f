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
//! | what it is told | `config` |
//! | TCP comes and goes | `connect` |
//! | octets, messages by state | `receive` |
//! | OPEN, collisions (RFC 4271 6.8) | `introduce`, `negotiate`, `collision` |
//! | routes in and out | `exchange`, `refresh` |
//! | what outlives a session | `continuity` |
//! | timers | `clock`, `backoff` |
//! | the end of a connection | `down` |
//!
//! Octets come in with [`Peer::handle_bytes`] and go out as [`Output::Send`]; what they say is in the room `bgp`. Nothing
//! in here waits, reads a clock or draws randomness.
//!
//! Of the optional attributes of RFC 4271 8.1.1 there are DampPeerOscillations (the growing idle hold),
//! PassiveTcpEstablishment (configured) and collision detection by identifier; there is no DelayOpen.
//!
//! Errors: RFC 4271 6, RFC 7606, RFC 6608. Cease: RFC 4486, RFC 9003, RFC 8538. A peer that reads nothing: RFC 9687.

mod backoff;
mod clock;
mod collision;
mod config;
mod connect;
mod connection;
mod continuity;
mod down;
mod error;
mod established;
mod exchange;
mod inbox;
mod introduce;
mod negotiate;
mod output;
mod reason;
mod receive;
mod refresh;
mod state;
mod status;

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bgp::message::{CeaseSubcode, MessageType, Notification};
use wire::{Entropy, TimerTable};

use backoff::Backoff;
use clock::Timer;
use collision::Side;
use connection::Connection;

pub use config::{Offers, PeerConfig, Restart, Timers};
pub use error::SessionError;
pub use established::{Established, PeerRestart, StaleRoutes};
pub use output::{ConnectionId, Event, Output};
pub use reason::{DownReason, StopReason};
pub use state::State;
pub use status::{LastDown, MessageCounts, NotificationRecord, PeerStatus, Waiting};

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
    tables: refresh::Tables,
    continuity: continuity::Continuity,
    /// The operator's text, while the session is shut down.
    shutdown: Option<String>,
}

impl Peer {
    /// A session that waits to be started.
    #[must_use]
    pub fn new(config: PeerConfig, entropy: Box<dyn Entropy>) -> Self {
        let shutdown = config.shutdown.clone();
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
            tables: refresh::Tables::default(),
            continuity: continuity::Continuity::default(),
            shutdown,
        }
    }

    /// Opens the session, at once even where a failure is being waited out. Nothing happens if it is already on, or if
    /// the operator shut it down.
    pub fn start(&mut self, now: Instant) {
        // RFC 4271 8.2.2: a start in any state but Idle is ignored.
        if self.shutdown.is_some() || self.started && !self.timers.stop(Timer::IdleHold) {
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
        let ended = self.established().cloned();
        for side in Side::BOTH {
            match &notification {
                Some(notification) => self.close_with(side, notification.clone(), now),
                None => self.close(side),
            }
        }
        self.give_up_attempt();
        for timer in [Timer::IdleHold, Timer::Parked, Timer::ConnectRetry] {
            self.timers.stop(timer);
        }
        if reason.is_hard() {
            self.expire_stale(|_| true);
        }
        let retry_in = if matches!(reason, StopReason::PrefixLimit { .. }) {
            self.config.timers.prefix_restart.inspect(|pause| self.rest(*pause, now))
        } else {
            reason.reopens().then(|| self.hold_idle(now))
        };
        self.started = retry_in.is_some();
        self.report_down(DownReason::Stopped(reason), ended.as_ref(), retry_in, now);
    }

    /// Shuts the session down until [`Peer::enable`], with a text for the peer's operator (RFC 9003).
    pub fn shut_down(&mut self, text: String, now: Instant) {
        self.shutdown = Some(text.clone());
        self.stop(StopReason::AdminShutdown(text), now);
    }

    /// Takes a shutdown back; whether there was one. The session opens with the next start.
    pub fn enable(&mut self) -> bool {
        self.shutdown.take().is_some()
    }

    /// Takes over what is configured anew. What both sides agreed on stays until the session ends: whether it has to
    /// end for the change is [`PeerConfig::needs_new_session`]'s to say. Who only waited for the peer may look for it now.
    pub fn set_config(&mut self, config: PeerConfig, now: Instant) {
        let waited = self.state() == State::Active && self.timers.deadline(Timer::ConnectRetry).is_none();
        self.config = config;
        if waited && !self.config.passive {
            self.open(now);
        }
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
            waiting: self.waiting(),
            stale: self.stale(),
            shutdown: self.shutdown.clone(),
            ..self.status.clone()
        }
    }

    fn waiting(&self) -> Option<Waiting> {
        let last = self.status.last_down.as_ref().map(|down| &down.reason);
        Some(match self.state() {
            State::Established => return None,
            State::Idle if self.started => Waiting::IdleHold,
            State::Idle if self.shutdown.is_some() => Waiting::Enable,
            State::Idle if matches!(last, Some(DownReason::Stopped(StopReason::PrefixLimit { .. }))) => Waiting::Reset,
            State::Idle => Waiting::Link,
            State::Connect => Waiting::Tcp,
            State::Active if self.config.passive => Waiting::Peer,
            State::Active => Waiting::Retry,
            State::OpenSent => Waiting::Open,
            State::OpenConfirm => Waiting::Confirmation,
        })
    }

    // RFC 4486 4: what the peer is told; nothing where nothing can reach it.
    fn farewell(&self, reason: &StopReason) -> Option<Notification> {
        let kept = self.established().and_then(|agreed| agreed.established.graceful_restart.as_ref());
        let notification = self.last_word(reason)?;
        // RFC 8538 3: where routes are kept over a NOTIFICATION, it takes a Hard Reset to end that.
        let hard = reason.is_hard() && kept.is_some_and(|restart| restart.notification);
        Some(if hard { notification.hard_reset() } else { notification })
    }

    fn last_word(&self, reason: &StopReason) -> Option<Notification> {
        match reason {
            StopReason::TunnelDown => None,
            // RFC 4724 4.1: TCP ends and nothing is said, so that the peer keeps our routes. RFC 8538 allows a word.
            StopReason::Restarting => None,
            StopReason::BfdDown => Some(Notification::cease(CeaseSubcode::BFD_DOWN)),
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
