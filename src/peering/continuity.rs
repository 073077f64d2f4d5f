//! What outlives a session: graceful restart (RFC 4724) with its extension to NOTIFICATION (RFC 8538).
//!
//! ```text
//!  the session ends ── tunnel dead, hard reset, operator, too many prefixes ──► nothing is kept
//!                   └─ otherwise, and the peer can restart ──► stale: its restart time, at most ours
//!                          ├─ not back in time ──► StaleExpired
//!                          └─ back ── did not keep forwarding a family ──► StaleExpired for it
//!                                  └─ kept it ──► stale until End-of-RIB, or our time is over
//! ```
//!
//! The other way round: after a restart of our own OPEN says so (the R bit), and whether packets went on meanwhile (the F
//! bit), until a session was Established. Packets of a session inside a tunnel did not: the tunnel's keys were those of the
//! process that ended.

use std::time::{Duration, Instant};

use bgp::Family;

use super::Peer;
use super::clock::Timer;
use super::established::{PeerRestart, StaleRoutes};
use super::negotiate::Agreed;
use super::output::Event;
use super::reason::{DownReason, StopReason};

/// What our next OPEN says of us (RFC 4724 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// We have just restarted.
    pub(super) restarted: bool,
    /// Routes stayed in use meanwhile.
    pub(super) forwarding: bool,
}

/// What is kept while there is no session, and at its beginning.
#[derive(Debug, Default)]
pub(super) struct Continuity {
    pub(super) flags: Flags,
    /// Families with stale routes of the peer.
    stale: Vec<Family>,
}

impl Peer {
    /// This process took over from a predecessor: the peer is told so, and waits for our End-of-RIB. `forwarding` says
    /// whether what the peer sent us was forwarded meanwhile (RFC 4724 4.1), so that it may go on sending it. To be called
    /// before the first start.
    pub const fn set_restarted(&mut self, forwarding: bool) {
        self.continuity.flags = Flags { restarted: true, forwarding };
    }

    /// Whether routes are held for a peer that restarts: from the end of its session until it has said all it has, or
    /// takes too long.
    #[must_use]
    pub fn holds_stale_routes(&self) -> bool {
        !self.continuity.stale.is_empty() && self.timers.deadline(Timer::Stale).is_some()
    }

    /// Families of which stale routes are kept, and until when.
    pub(super) fn stale(&self) -> Option<(Vec<Family>, Instant)> {
        let until = self.timers.deadline(Timer::Stale)?;
        (!self.continuity.stale.is_empty()).then(|| (self.continuity.stale.clone(), until))
    }

    /// What is kept of a session that ended for `reason`.
    pub(super) fn to_keep(&self, agreed: &Agreed, reason: &DownReason) -> Option<StaleRoutes> {
        let ours = self.config.offers.graceful_restart?;
        let theirs = agreed.established.graceful_restart.as_ref()?;
        let time = theirs.time.min(ours.stale);
        let families: Vec<Family> = theirs.families.iter().map(|(family, _)| *family).collect();
        (survives(reason, theirs) && !families.is_empty() && !time.is_zero()).then_some(StaleRoutes { families, time })
    }

    /// A session ended: what was stale before it is gone, what is to be kept is stale from now on.
    pub(super) fn begin_stale(&mut self, stale: Option<&StaleRoutes>, now: Instant) {
        // RFC 4724 4.2: a route that is stale already does not survive another restart.
        self.expire_stale(|_| true);
        if let Some(StaleRoutes { families, time }) = stale {
            self.continuity.stale.clone_from(families);
            self.timers.set(Timer::Stale, now + *time);
        }
    }

    /// A session began: families that the peer did not keep, or no longer speaks, are not kept here either.
    pub(super) fn resume_stale(&mut self, restart: Option<&PeerRestart>, now: Instant) {
        // The bits are about a restart that is over now; from here on only the link can fail, not our forwarding.
        self.continuity.flags = Flags { restarted: false, forwarding: true };
        if self.continuity.stale.is_empty() {
            return;
        }
        let kept = |family: &Family| restart.is_some_and(|restart| restart.families.contains(&(*family, true)));
        self.expire_stale(|family| !kept(family));
        if !self.continuity.stale.is_empty() {
            let longest = self.config.offers.graceful_restart.map_or(Duration::ZERO, |ours| ours.stale);
            self.timers.set(Timer::Stale, now + longest);
        }
    }

    /// The peer has announced all it has: what it did not repeat, the routing tables drop by themselves.
    pub(super) fn on_end_of_rib(&mut self, family: Family) {
        self.continuity.stale.retain(|stale| *stale != family);
        if self.continuity.stale.is_empty() {
            self.timers.stop(Timer::Stale);
        }
    }

    /// Stale routes of the families that `gone` names are kept no longer.
    pub(super) fn expire_stale(&mut self, gone: impl Fn(&Family) -> bool) {
        let expired: Vec<Family> = self.continuity.stale.extract_if(.., |family| gone(family)).collect();
        if self.continuity.stale.is_empty() {
            self.timers.stop(Timer::Stale);
        }
        if !expired.is_empty() {
            self.emit(Event::StaleExpired(expired));
        }
    }
}

/// Whether the peer may come back from this with its routes in place.
fn survives(reason: &DownReason, theirs: &PeerRestart) -> bool {
    match reason {
        // RFC 4724 4.2: TCP ended without a word.
        DownReason::ConnectionClosed { .. } | DownReason::Replaced => true,
        // RFC 8538 4: so does what comes with one, unless it is a Hard Reset.
        DownReason::NotificationReceived(notification) => theirs.notification && !notification.is_hard_reset(),
        DownReason::HoldTimerExpired { .. } | DownReason::SendHoldTimerExpired { .. } | DownReason::Protocol(_) => {
            theirs.notification
        }
        DownReason::Stopped(reason) => theirs.notification && !reason.is_hard(),
        DownReason::ConnectFailed { .. } => false,
    }
}

impl StopReason {
    /// Whether nothing may be kept: the peer, or the way to it, is not to be used any more.
    #[must_use]
    pub const fn is_hard(&self) -> bool {
        match self {
            Self::AdminShutdown(_)
            | Self::TunnelDown
            | Self::BfdDown
            | Self::PrefixLimit { .. }
            | Self::Deconfigured
            | Self::Reset(_)
            | Self::OutOfResources(_) => true,
            Self::ConfigurationChanged | Self::Restarting => false,
        }
    }
}
