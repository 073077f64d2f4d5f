//! CHILD SAs: a pair of ESP SAs, and which of several carries what we send.
//!
//! ```text
//!            inbound                         outbound
//!  created   installed at once               held back, unless nothing else carries traffic
//!  switched  installed                       installed; the one before is removed in the same step
//!  retired   kept for packets in flight      removed
//! ```
//!
//! Of a tunnel's CHILD SAs at most one is installed outbound. We switch to an SA only when the peer is known to
//! receive on it: as initiator of its exchange at once, as responder when the peer deletes what it replaces or
//! otherwise shows that it got our answer. An SA never becomes outbound twice, because its sequence numbers
//! would repeat.

use std::time::{Duration, Instant};

use wire::ipsec::{Direction, Encapsulation, EspSuite, SaAction, SecurityAssociation, Spi, TrafficSelector};

use crate::crypto::Group;
use crate::endpoint::{Cx, DownReason, Event, Tunnel};
use crate::message::IkeSpi;
use crate::sa::create_child::OVERDUE;

/// How long we receive on an SA after it was replaced.
pub(crate) const LINGER: Duration = Duration::from_secs(5);

/// The outbound half.
#[derive(Debug)]
pub(crate) enum Outbound {
    /// Ready, not in use.
    Held(Box<SecurityAssociation>),
    /// All our traffic goes through it.
    Installed,
    /// Replaced.
    Retired,
}

/// Where the inbound half stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildPhase {
    /// In use.
    Live,
    /// We are deleting it.
    Closing,
    /// Deleted; receives what is in flight.
    Lingering {
        /// Until then.
        until: Instant,
    },
}

/// A pair of ESP SAs.
#[derive(Debug)]
pub(crate) struct ChildSa {
    /// Ours: the peer sends with it.
    pub(crate) spi: Spi,
    /// The peer's.
    pub(crate) peer_spi: Spi,
    /// The IKE SA it lives under.
    pub(crate) parent: IkeSpi,
    /// Whether we began the exchange that made it.
    pub(crate) initiator: bool,
    pub(crate) suite: EspSuite,
    pub(crate) group: Option<Group>,
    pub(crate) encapsulation: Encapsulation,
    pub(crate) local_selectors: Vec<TrafficSelector>,
    pub(crate) remote_selectors: Vec<TrafficSelector>,
    pub(crate) outbound: Outbound,
    pub(crate) phase: ChildPhase,
    /// It lost a collision; its initiator deletes it.
    pub(crate) redundant: bool,
    pub(crate) established_at: Instant,
    pub(crate) rekey_at: Option<Instant>,
    pub(crate) expires_at: Option<Instant>,
    /// The peer is known to have it, and should have deleted what it replaces by then.
    pub(crate) switch_at: Option<Instant>,
}

impl ChildSa {
    pub(crate) fn is_live(&self) -> bool {
        self.phase == ChildPhase::Live
    }

    /// Whether it can take over what we send.
    fn is_ready(&self) -> bool {
        self.is_live() && matches!(self.outbound, Outbound::Held(_))
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            ChildPhase::Live => [self.rekey_at, self.expires_at, self.switch_at].into_iter().flatten().min(),
            // It goes when the peer answers, or with its IKE SA.
            ChildPhase::Closing => None,
            ChildPhase::Lingering { until } => Some(until),
        }
    }
}

impl Tunnel {
    pub(crate) fn child(&self, spi: Spi) -> Option<&ChildSa> {
        self.children.iter().find(|child| child.spi == spi)
    }

    pub(crate) fn child_mut(&mut self, spi: Spi) -> Option<&mut ChildSa> {
        self.children.iter_mut().find(|child| child.spi == spi)
    }

    /// By the SPI the peer uses in DELETE and `REKEY_SA`: its own, our outbound one.
    pub(crate) fn child_by_peer_spi(&self, ike: IkeSpi, peer_spi: Spi) -> Option<&ChildSa> {
        self.children.iter().find(|child| {
            child.peer_spi == peer_spi
                && !matches!(child.phase, ChildPhase::Lingering { .. })
                && self.is_under(child, ike)
        })
    }

    /// Whether a CHILD SA belongs to an IKE SA, will, or did: the peer may use the successor of an IKE SA before its
    /// deletion of the old one gets here, and the old one before it knows of the successor.
    pub(crate) fn is_under(&self, child: &ChildSa, ike: IkeSpi) -> bool {
        child.parent == ike
            || self.sa(child.parent).is_some_and(|sa| sa.is_replaced_by(ike))
            || self.sa(ike).is_some_and(|sa| sa.heir == Some(child.parent))
    }

    /// Takes in a new CHILD SA: receives on it at once, sends on it if nothing else carries traffic.
    pub(crate) fn install_child(&mut self, cx: &mut Cx<'_>, child: ChildSa, inbound: SecurityAssociation) {
        let spi = child.spi;
        cx.sa(SaAction::Install { tunnel: self.id, direction: Direction::Inbound, sa: Box::new(inbound) });
        self.children.push(child);
        if self.outbound.is_none() {
            self.switch_outbound(cx, spi);
        }
    }

    /// Sends on `spi` from now on. Nothing happens unless it is live and held back.
    pub(crate) fn switch_outbound(&mut self, cx: &mut Cx<'_>, spi: Spi) {
        let tunnel = self.id;
        let Some(child) = self.child_mut(spi).filter(|child| child.is_ready()) else { return };
        child.switch_at = None;
        let peer_spi = child.peer_spi;
        let Outbound::Held(sa) = std::mem::replace(&mut child.outbound, Outbound::Installed) else { return };
        let (local, remote) = (sa.local, sa.remote);
        cx.sa(SaAction::Install { tunnel, direction: Direction::Outbound, sa });
        let up = Event::TunnelUp {
            tunnel,
            suite: child.suite,
            encapsulation: child.encapsulation,
            local,
            remote,
            inbound: spi,
            outbound: peer_spi,
            local_selectors: child.local_selectors.clone(),
            remote_selectors: child.remote_selectors.clone(),
        };
        let parent = child.parent;
        match self.outbound.replace(spi).and_then(|before| self.child_mut(before)) {
            Some(before) => {
                before.outbound = Outbound::Retired;
                before.rekey_at = None;
                if before.parent == parent {
                    // Whoever replaced it deletes it; if that never happens, we do.
                    let overdue = cx.now + OVERDUE;
                    before.expires_at = Some(before.expires_at.map_or(overdue, |expires| expires.min(overdue)));
                }
                let before = before.peer_spi;
                if before != peer_spi {
                    cx.sa(SaAction::Remove { tunnel, direction: Direction::Outbound, spi: before });
                }
            }
            None => {
                self.up_since = Some(cx.now);
                self.since = cx.now;
                self.backoff.up();
                self.retry_at = None;
                cx.event(up);
            }
        }
    }

    /// Sends on `spi` from now on, unless another IKE SA than `ike` carries the traffic: which of several does is
    /// decided by [`Self::resolve_duplicates`].
    pub(crate) fn switch_within(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, spi: Spi) {
        if self.outbound.and_then(|spi| self.child(spi)).is_none_or(|child| self.is_under(child, ike)) {
            self.switch_outbound(cx, spi);
        }
    }

    /// Stops sending on `spi`. Another SA takes over if there is one; else the tunnel is down.
    pub(crate) fn release_outbound(&mut self, cx: &mut Cx<'_>, spi: Spi, reason: &DownReason) {
        if self.outbound != Some(spi) {
            return;
        }
        if let Some(heir) = self.heir(spi) {
            self.switch_outbound(cx, heir);
            return;
        }
        self.outbound = None;
        if let Some(since) = self.up_since.take() {
            self.backoff.down(cx.now.saturating_duration_since(since));
        }
        self.since = cx.now;
        let tunnel = self.id;
        if let Some(child) = self.child_mut(spi) {
            child.outbound = Outbound::Retired;
            cx.sa(SaAction::Remove { tunnel, direction: Direction::Outbound, spi: child.peer_spi });
        }
        cx.event(Event::TunnelDown { tunnel, reason: reason.clone() });
    }

    /// The best SA to take over from `spi`: one that lost no collision, made under the same IKE SA, under one
    /// that the peer is known to have, the newest.
    fn heir(&self, spi: Spi) -> Option<Spi> {
        let parent = self.child(spi).map(|child| child.parent);
        let confirmed = |child: &ChildSa| self.sa(child.parent).is_some_and(|sa| sa.confirmed);
        self.children
            .iter()
            .filter(|child| child.spi != spi && child.is_ready())
            .max_by_key(|child| {
                (!child.redundant, Some(child.parent) == parent, confirmed(child), child.established_at)
            })
            .map(|child| child.spi)
    }

    /// Forgets a CHILD SA at once.
    pub(crate) fn drop_child(&mut self, cx: &mut Cx<'_>, spi: Spi, reason: &DownReason) {
        let Some(index) = self.children.iter().position(|child| child.spi == spi) else { return };
        self.children[index].phase = ChildPhase::Closing;
        // The inbound half goes first, so that `TunnelDown` follows all removals.
        cx.sa(SaAction::Remove { tunnel: self.id, direction: Direction::Inbound, spi });
        self.release_outbound(cx, spi, reason);
        self.children.retain(|child| child.spi != spi);
        cx.names.release_esp(spi);
    }

    /// Stops sending on a CHILD SA that both ends have deleted, and receives what is in flight if the tunnel
    /// lives on.
    pub(crate) fn retire_child(&mut self, cx: &mut Cx<'_>, spi: Spi, reason: &DownReason) {
        let survives = self.outbound.is_some_and(|outbound| outbound != spi) || self.heir(spi).is_some();
        if !survives {
            self.drop_child(cx, spi, reason);
            return;
        }
        let until = cx.now + LINGER;
        if let Some(child) = self.child_mut(spi) {
            child.phase = ChildPhase::Lingering { until };
        }
        self.release_outbound(cx, spi, reason);
    }

    /// Lets go of every CHILD SA under an IKE SA that is gone. If another CHILD SA takes over, we receive what is
    /// in flight on these.
    pub(crate) fn drop_children_of(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, reason: &DownReason) {
        let (doomed, others): (Vec<_>, Vec<_>) = self.children.iter().partition(|child| child.parent == ike);
        let survives = others.iter().any(|child| self.outbound == Some(child.spi) || child.is_ready());
        let mut doomed: Vec<_> = doomed.iter().map(|child| child.spi).collect();
        // The one that carries traffic goes last, so that none of the others takes over from it.
        doomed.sort_by_key(|spi| self.outbound == Some(*spi));
        let until = cx.now + LINGER;
        for spi in doomed {
            if !survives {
                self.drop_child(cx, spi, reason);
                continue;
            }
            if let Some(child) = self.child_mut(spi) {
                child.phase = match child.phase {
                    ChildPhase::Live | ChildPhase::Closing => ChildPhase::Lingering { until },
                    lingering @ ChildPhase::Lingering { .. } => lingering,
                };
            }
            self.release_outbound(cx, spi, reason);
        }
    }
}
