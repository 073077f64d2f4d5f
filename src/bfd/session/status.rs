//! What a person may know of a session.

use std::time::{Duration, Instant};

use super::{Remote, Session};
use crate::auth::AuthKind;
use crate::packet::{Diagnostic, State};
use crate::verdict::Verdict;

/// Why a session is no longer Up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// The peer was not heard.
    #[error("nothing heard from the peer for {} ms", time.as_millis())]
    Silence {
        /// The detection time.
        time: Duration,
    },
    /// The peer is Down.
    #[error("the peer is down: {}", diagnostic.words())]
    PeerDown {
        /// Its reason.
        diagnostic: Diagnostic,
    },
    /// The peer's operator wanted it so.
    #[error("the peer's operator took BFD down")]
    PeerAdminDown,
    /// Our operator wanted it so.
    #[error("taken down here")]
    AdminDown,
    /// The path below is gone.
    #[error("the link below is down")]
    LinkDown,
}

impl DownReason {
    /// A stable name for metrics and scripts.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Silence { .. } => "silence",
            Self::PeerDown { .. } => "peer-down",
            Self::PeerAdminDown => "peer-admin-down",
            Self::AdminDown => "admin-down",
            Self::LinkDown => "link-down",
        }
    }

    /// Whether it says something about the path.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::Silence { .. } | Self::PeerDown { .. } => true,
            Self::PeerAdminDown | Self::AdminDown | Self::LinkDown => false,
        }
    }

    /// What the operator can do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Silence { .. } => {
                "check that the peer is alive and lets UDP port 3784 (4784 over several hops) through both ways; a \
                 longer `interval` tolerates more loss"
            }
            Self::PeerDown { .. } => "the peer does not hear us, or began anew: look at its log",
            Self::PeerAdminDown => "nothing is wrong; BGP goes on without BFD",
            Self::AdminDown => "nothing is wrong",
            Self::LinkDown => "see the link's own failure; BFD returns with it",
        }
    }
}

/// The last time a session was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastDown {
    /// When.
    pub at: Instant,
    /// Why.
    pub reason: DownReason,
}

/// How many of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets accepted.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets for this session that were not accepted.
    pub discarded: u64,
    /// Times it failed after it was Up.
    pub flaps: u64,
}

/// A session at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Whether routes over the path are used.
    pub verdict: Verdict,
    /// Why our end left Up the last time.
    pub diagnostic: Diagnostic,
    /// The peer's state; `None` while it is not heard.
    pub remote_state: Option<State>,
    /// Why the peer's end left Up the last time.
    pub remote_diagnostic: Diagnostic,
    /// Our number of the session.
    pub discriminator: u32,
    /// The peer's number of it; 0 while it is not heard.
    pub remote_discriminator: u32,
    /// How often we send, without jitter.
    pub transmit_interval: Duration,
    /// How long the peer may be silent; zero while it is not heard.
    pub detection_time: Duration,
    /// Our Detect Mult.
    pub multiplier: u8,
    /// The peer's Desired Min TX, Required Min RX and Detect Mult.
    pub remote_timing: (Duration, Duration, u8),
    /// Whether the peer's BFD outlives its control plane (C bit).
    pub remote_control_plane_independent: bool,
    /// Proof of origin.
    pub authentication: Option<AuthKind>,
    /// How many of what.
    pub counters: Counters,
    /// The last time it was lost.
    pub last_down: Option<LastDown>,
}

impl Session {
    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        let Remote { discriminator, state, diagnostic, timing, multiplier, control_plane_independent, .. } =
            self.remote;
        Status {
            state: self.state,
            since: self.since,
            verdict: self.verdict,
            diagnostic: self.diagnostic,
            remote_state: (discriminator != 0).then_some(state),
            remote_diagnostic: diagnostic,
            discriminator: self.discriminator,
            remote_discriminator: discriminator,
            transmit_interval: self.transmit_interval(),
            detection_time: self.detection_time(),
            multiplier: self.config.multiplier,
            remote_timing: (timing.desired_tx, timing.required_rx, multiplier),
            remote_control_plane_independent: control_plane_independent,
            authentication: self.config.authentication.as_ref().map(|authentication| authentication.kind),
            counters: self.counters,
            last_down: self.last_down.clone(),
        }
    }
}
