//! What we do about a tunnel that is down: who begins, and what a dead peer changes about that.
//!
//! ```text
//!   start          will      a packet waits    dead peer: clear     dead peer: restart
//!   initiate       Connect   -                 Listen               Connect
//!   on-demand      Demand    begin             Demand               Connect
//!   respond        Listen    -                 Listen               Connect
//! ```
//!
//! Once the tunnel is up again, `start` decides anew.

use negotiation::{Cx, DpdAction, StartAction};

use super::tunnel::Tunnel;

/// What we do about a tunnel that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Will {
    /// Connect, again and again.
    Connect,
    /// Connect when a packet waits.
    Demand,
    /// Wait for the peer.
    Listen,
    /// Nothing; the peer is refused.
    Stop,
}

impl Will {
    pub(crate) const fn of(start: StartAction) -> Self {
        match start {
            StartAction::Initiate => Self::Connect,
            StartAction::OnDemand => Self::Demand,
            StartAction::Respond => Self::Listen,
        }
    }

    /// After a dead peer was cleared away.
    const fn cleared(start: StartAction) -> Self {
        match start {
            StartAction::OnDemand => Self::Demand,
            StartAction::Initiate | StartAction::Respond => Self::Listen,
        }
    }
}

impl Tunnel {
    /// Whether it is ours to begin now.
    pub(crate) fn connects(&self) -> bool {
        match self.will {
            Will::Connect => true,
            Will::Demand => self.demanded,
            Will::Listen | Will::Stop => false,
        }
    }

    /// The peer is dead, and nothing else of it carries traffic.
    pub(crate) fn note_dead_peer(&mut self) {
        if self.will == Will::Stop || self.is_up() {
            return;
        }
        match self.config.dpd.action {
            DpdAction::Restart => self.will = Will::Connect,
            DpdAction::Clear => self.will = Will::cleared(self.config.start),
            DpdAction::None => {}
        }
    }

    /// Traffic flows: the next loss begins from what is configured.
    pub(crate) fn note_up(&mut self) {
        self.demanded = false;
        if self.will != Will::Stop {
            self.will = Will::of(self.config.start);
        }
    }

    /// A packet waits for the tunnel.
    pub(crate) fn demand(&mut self, cx: &Cx<'_>) {
        if self.will == Will::Demand && !self.is_up() && self.attempt.is_none() {
            self.demanded = true;
            self.retry_at.get_or_insert(cx.now);
        }
    }

    /// An operator wants the tunnel up.
    pub(crate) fn initiate(&mut self, cx: &mut Cx<'_>) {
        if self.is_up() || self.attempt.is_some() || self.will == Will::Stop {
            return;
        }
        if self.config.start == StartAction::Initiate {
            self.will = Will::Connect;
        }
        self.begin_on(cx);
    }
}
