//! One BFD session in asynchronous mode (RFC 5880 6).
//!
//! ```text
//!               recv Down              recv Init, Up
//!      Down ───────────────► Init ──────────────────► Up
//!       │ ▲                   │                        │
//!       │ └──── silence ──────┘                        │
//!       │ ◄──── silence, or recv Down, AdminDown ──────┘
//!       └────────────── recv Init ─────────────────────►
//! ```
//!
//! * `receive` applies a packet (6.8.6), `transition` is the table above,
//! * `timing` agrees on intervals with polls (6.8.2 to 6.8.4), `transmit` sends (6.8.7),
//! * `status` is what a person reads.

mod receive;
mod status;
mod timing;
mod transition;
mod transmit;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use wire::TimerTable;

pub use status::{Counters, DownReason, LastDown, Status};
use timing::{Poll, Timing};
pub(crate) use transition::{Step, step};

use crate::auth::Sequence;
use crate::config::Config;
use crate::packet::{Diagnostic, State};
use crate::verdict::{Obstacle, SILENCE, Verdict};

/// What a session asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this.
    Transmit(Vec<u8>),
    /// Something happened.
    Event(Event),
}

/// What happened to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is in another state.
    StateChanged {
        /// The state before.
        from: State,
        /// The state now.
        to: State,
        /// Why it is no longer Up, if it was.
        reason: Option<DownReason>,
    },
    /// Routes over the path are to be used, or not any more.
    Verdict(Verdict),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The next periodic packet.
    Transmit,
    /// What we say changed.
    Prompt,
    /// The peer has been silent for too long.
    Detect,
    /// Sequence numbers are forgotten.
    Forget,
    /// The peer has no BFD any more.
    Silence,
}

/// What the peer said last.
#[derive(Clone, Copy, Debug)]
struct Remote {
    discriminator: u32,
    state: State,
    diagnostic: Diagnostic,
    timing: Timing,
    multiplier: u8,
    demand: bool,
    control_plane_independent: bool,
}

impl Remote {
    /// RFC 5880 6.8.1: what is assumed of a peer that was not heard.
    const UNKNOWN: Self = Self {
        discriminator: 0,
        state: State::Down,
        diagnostic: Diagnostic::NONE,
        timing: Timing::UNKNOWN,
        multiplier: 0,
        demand: false,
        control_plane_independent: false,
    };
}

/// One session.
#[derive(Debug)]
pub struct Session {
    config: Config,
    discriminator: u32,
    state: State,
    since: Instant,
    diagnostic: Diagnostic,
    remote: Remote,
    /// What our packets say.
    announced: Timing,
    /// What we keep to until the peer has seen what our packets say.
    in_force: Timing,
    poll: Poll,
    sequence: Sequence,
    timers: TimerTable<Timer>,
    last_transmit: Option<Instant>,
    /// What the transmit timer was set for.
    armed: Duration,
    verdict: Verdict,
    /// The path below is there.
    linked: bool,
    outputs: VecDeque<Output>,
    counters: Counters,
    last_down: Option<LastDown>,
    /// Of the generator that jitter comes from: it needs to differ, not to be unpredictable.
    jitter: u64,
}

impl Session {
    /// A session that sleeps until [`Session::start`]. `discriminator` is not 0 and no other session's; `seed` is random.
    #[must_use]
    pub fn new(config: Config, discriminator: u32, seed: u64, now: Instant) -> Self {
        let timing = Timing::of(&config, State::Down);
        let verdict = if config.strict { Verdict::Failed(Obstacle::NotUpYet) } else { Verdict::Usable };
        Self {
            config,
            discriminator,
            state: State::Down,
            since: now,
            diagnostic: Diagnostic::NONE,
            remote: Remote::UNKNOWN,
            announced: timing,
            in_force: timing,
            poll: Poll::Idle,
            sequence: Sequence::new(u32::try_from(seed >> 32).unwrap_or_default()),
            timers: TimerTable::new(),
            last_transmit: None,
            armed: Duration::ZERO,
            verdict,
            linked: false,
            outputs: VecDeque::new(),
            counters: Counters::default(),
            last_down: None,
            jitter: seed,
        }
    }

    /// The path below is there: begin, with nothing known of the peer.
    pub fn start(&mut self, now: Instant) {
        if self.linked {
            return;
        }
        self.linked = true;
        self.outputs.push_back(Output::Event(Event::Verdict(self.verdict)));
        self.arm_transmit(now);
    }

    /// The path below is gone: whoever knows that needs no BFD to say so.
    pub fn stop(&mut self, now: Instant) {
        if !self.linked {
            return;
        }
        self.linked = false;
        self.leave(State::Down, Diagnostic::PATH_DOWN, DownReason::LinkDown, now);
        self.forget_remote(now);
        self.timers.clear();
        self.sequence.forget();
        self.verdict = if self.config.strict { Verdict::Failed(Obstacle::NotUpYet) } else { Verdict::Usable };
    }

    /// Takes the session down and tells the peer that this is no failure (RFC 5880 6.8.16). It is to be polled on for
    /// [`Session::farewell`].
    pub fn admin_down(&mut self, now: Instant) {
        self.leave(State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN, DownReason::AdminDown, now);
        self.timers.stop(Timer::Detect);
        self.judge(Verdict::Usable, now);
    }

    /// How long the peer may take to notice that we are administratively down, if it hears anything at all.
    #[must_use]
    pub fn farewell(&self) -> Duration {
        self.transmit_interval() * u32::from(self.config.multiplier)
    }

    /// Other settings from now on; an established session stays up (RFC 5880 6.8.3).
    pub fn reconfigure(&mut self, config: Config, now: Instant) {
        let loosened = self.config.strict && !config.strict;
        if self.config.authentication != config.authentication {
            self.sequence.forget();
        }
        self.config = config;
        self.announce();
        self.transmit_soon(now);
        if loosened && self.verdict == Verdict::Failed(Obstacle::NotUpYet) {
            self.judge(Verdict::Usable, now);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_expired(now) {
            match timer {
                Timer::Transmit | Timer::Prompt => self.transmit_due(now),
                Timer::Detect => self.detected(now),
                Timer::Forget => self.sequence.forget(),
                Timer::Silence if self.config.strict => {}
                Timer::Silence => self.judge(Verdict::Usable, now),
            }
        }
    }

    /// What to do, in order. Drain after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Session::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// When the peer is taken for dead, if nothing comes.
    #[must_use]
    pub fn detection_deadline(&self) -> Option<Instant> {
        self.timers.deadline(Timer::Detect)
    }

    /// Our number of the session.
    #[must_use]
    pub const fn discriminator(&self) -> u32 {
        self.discriminator
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// RFC 5880 6.8.4: the detection time went by.
    fn detected(&mut self, now: Instant) {
        let time = self.detection_time();
        match self.state {
            State::Init | State::Up => {
                let reason = DownReason::Silence { time };
                self.leave(State::Down, Diagnostic::CONTROL_DETECTION_TIME_EXPIRED, reason, now);
            }
            State::Down | State::AdminDown => {}
        }
        self.forget_remote(now);
    }

    /// RFC 5880 6.8.1, bfd.RemoteDiscr. A passive end waits for the peer again.
    fn forget_remote(&mut self, now: Instant) {
        self.remote = Remote::UNKNOWN;
        self.poll = Poll::Idle;
        self.in_force = self.announced;
        self.arm_transmit(now);
    }

    /// To Down or AdminDown, for a reason of our own.
    fn leave(&mut self, to: State, diagnostic: Diagnostic, reason: DownReason, now: Instant) {
        if self.state != to {
            self.enter(to, diagnostic, Some(reason), now);
        }
    }

    fn enter(&mut self, to: State, diagnostic: Diagnostic, reason: Option<DownReason>, now: Instant) {
        let from = std::mem::replace(&mut self.state, to);
        self.since = now;
        self.diagnostic = diagnostic;
        let reason = reason.filter(|_| from == State::Up);
        if let Some(reason) = &reason {
            self.counters.flaps += u64::from(reason.is_failure());
            self.last_down = Some(LastDown { at: now, reason: reason.clone() });
        }
        self.announce();
        // RFC 5880 6.8.7: a change is told at once.
        self.transmit_soon(now);
        self.outputs.push_back(Output::Event(Event::StateChanged { from, to, reason: reason.clone() }));
        match (to, reason) {
            (State::Up, _) => self.judge(Verdict::Usable, now),
            (State::Init | State::Down | State::AdminDown, Some(reason)) => self.judge_down(&reason, now),
            (State::Init | State::Down | State::AdminDown, None) => {}
        }
    }

    fn judge_down(&mut self, reason: &DownReason, now: Instant) {
        match reason {
            DownReason::Silence { .. } => self.judge(Verdict::Failed(Obstacle::Silent), now),
            DownReason::PeerDown { .. } => self.judge(Verdict::Failed(Obstacle::PeerDown), now),
            // RFC 5882 3.2: an administrator's will is no failure.
            DownReason::PeerAdminDown | DownReason::AdminDown => self.judge(Verdict::Usable, now),
            DownReason::LinkDown => {}
        }
    }

    fn judge(&mut self, verdict: Verdict, now: Instant) {
        self.timers.stop(Timer::Silence);
        if !verdict.is_usable() && !self.config.strict {
            self.timers.set(Timer::Silence, now + SILENCE);
        }
        if self.verdict != verdict {
            self.verdict = verdict;
            self.outputs.push_back(Output::Event(Event::Verdict(verdict)));
        }
    }
}
