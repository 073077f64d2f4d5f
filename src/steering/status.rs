//! A connection at one moment, for people.

use std::time::{Duration, Instant};

use wire::ipsec::TunnelId;

use crate::{Mode, Obstacle, Standing, Switch};

/// A connection at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How it uses its tunnels.
    pub mode: Mode,
    /// The tunnel that the operator chose, if one.
    pub forced: Option<TunnelId>,
    /// How often traffic moved.
    pub switches: u64,
    /// The last time.
    pub last: Option<Switch>,
    /// Its tunnels by priority.
    pub members: Vec<MemberStatus>,
}

/// A tunnel of a connection at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Which.
    pub tunnel: TunnelId,
    /// The lower is preferred.
    pub priority: u16,
    /// Of the best priority there is.
    pub first: bool,
    /// It carries traffic.
    pub active: bool,
    /// What speaks against it.
    pub obstacle: Option<Obstacle>,
    /// Since when it is as healthy as it is.
    pub since: Instant,
    /// Failures that are not forgotten.
    pub flaps: u32,
    /// Until it may carry traffic again.
    pub held_for: Option<Duration>,
    /// Behind how many it stands.
    pub standing: Standing,
}
