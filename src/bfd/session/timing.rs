//! Which intervals hold (RFC 5880 6.8.2 to 6.8.4), and the polls that agree on them (6.5).
//!
//! ```text
//!   we send every      max(our Desired Min TX, the peer's Required Min RX), less jitter
//!   the peer is dead   after its Detect Mult * max(our Required Min RX, its Desired Min TX)
//! ```
//!
//! Once Up, an interval gets longer (ours to send, or shorter: ours to hear) only when the peer has answered a poll, so
//! that neither end takes the other for dead.

use std::time::Duration;

use super::Session;
use crate::config::{Config, SLOW_INTERVAL, micros};
use crate::packet::State;

/// How often one end would like to send and can hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) desired_tx: Duration,
    /// Zero: it wants no periodic packets.
    pub(super) required_rx: Duration,
}

impl Timing {
    /// RFC 5880 6.8.1: of a peer that was not heard.
    pub(super) const UNKNOWN: Self = Self { desired_tx: Duration::ZERO, required_rx: Duration::from_micros(1) };

    /// Ours in `state`.
    pub(super) fn of(config: &Config, state: State) -> Self {
        let desired_tx = match state {
            // RFC 5880 6.8.3: who is not Up is slow.
            State::AdminDown | State::Down | State::Init => config.interval.max(SLOW_INTERVAL),
            State::Up => config.interval,
        };
        Self { desired_tx, required_rx: config.min_receive }
    }

    pub(super) fn from_wire(desired_tx: u32, required_rx: u32) -> Self {
        Self {
            desired_tx: Duration::from_micros(desired_tx.into()),
            required_rx: Duration::from_micros(required_rx.into()),
        }
    }

    /// Desired Min TX and Required Min RX in microseconds.
    pub(super) fn to_wire(self) -> (u32, u32) {
        (micros(self.desired_tx), micros(self.required_rx))
    }
}

/// Whether the peer is being asked to confirm what we announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Poll {
    /// It has.
    Idle,
    /// Packets have the P bit; an F ends that.
    Active {
        /// What we announce changed since the first of them.
        outdated: bool,
    },
    /// One packet without the P bit, so that answers to the poll before can be told from those to the next.
    Pause,
}

impl Session {
    /// The agreed interval of our packets, without jitter.
    pub(super) fn transmit_interval(&self) -> Duration {
        self.in_force.desired_tx.max(self.remote.timing.required_rx)
    }

    /// RFC 5880 6.8.4.
    pub(super) fn detection_time(&self) -> Duration {
        self.in_force.required_rx.max(self.remote.timing.desired_tx) * u32::from(self.remote.multiplier)
    }

    /// From now on packets say what follows from configuration and state (RFC 5880 6.8.3).
    pub(super) fn announce(&mut self) {
        let timing = Timing::of(&self.config, self.state);
        if timing == self.announced {
            return;
        }
        self.announced = timing;
        self.in_force = match self.state {
            State::AdminDown | State::Down | State::Init => timing,
            State::Up => Timing {
                desired_tx: timing.desired_tx.min(self.in_force.desired_tx),
                required_rx: timing.required_rx.max(self.in_force.required_rx),
            },
        };
        if self.remote.discriminator == 0 {
            return;
        }
        self.poll = match self.poll {
            Poll::Idle => Poll::Active { outdated: false },
            Poll::Active { .. } => Poll::Active { outdated: true },
            Poll::Pause => Poll::Pause,
        };
    }

    /// RFC 5880 6.8.7: up to a quarter less than `interval`, so that sessions do not march in step; at most nine tenths
    /// of it where a single packet decides.
    pub(super) fn jittered(&mut self, interval: Duration) -> Duration {
        let percent = if self.config.multiplier == 1 { 75 + self.random() % 16 } else { 75 + self.random() % 26 };
        interval * percent / 100
    }

    /// The next number of SplitMix64.
    fn random(&mut self) -> u32 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.jitter;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default()
    }
}
