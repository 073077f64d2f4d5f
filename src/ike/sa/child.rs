//! CHILD SAs: a pair of ESP SAs, and which of several carries what we send.
//!
//! ```text
//!            inbound                         outbound
//!  created   installed at once               held back, unless nothing else carries traffic
//!  switched  installed                       installed; the one before is removed in the same step
//!  drained   kept                            removed; we delete it when what we sent on it has arrived
//!  retired   kept for packets in flight      removed
//! ```
//!
//! Of the CHILD SAs of one flow at most one is installed outbound. We switch to an SA only when the peer is known to
//! receive on it: as initiator of its exchange at once, as responder when the peer deletes what it replaces or
//! otherwise shows that it got our answer. Should neither happen, we replace what carries ourselves (see
//! [`super::collision`]). An SA never becomes outbound twice, because its sequence numbers would repeat.

use std::time::{Duration, Instant};

use crypto::{AdditionalKeyExchanges, Group};
use isakmp::narrow;
use negotiation::{Cx, DownReason, Event, Outbound};
use wire::ipsec::{Direction, Encapsulation, EspSuite, IkeSpi, SaAction, SecurityAssociation, Spi, TrafficSelector};

use crate::endpoint::{FlowId, Tunnel};
use crate::sa::collision::Answer;
use crate::sa::create_child::{OVERDUE, SWITCH_DELAY};

/// How long after we stopped sending on an SA we delete it. Some peers receive nothing on it from the moment they
/// read of its deletion, which may overtake what was sent before.
pub(crate) const DRAIN: Duration = Duration::from_millis(500);
/// How long we receive on an SA after it was replaced.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// The same after an IKE SA that we close for another one: until the peer knows of it, it may send as before.
pub(crate) const LINGER_CLOSED: Duration = Duration::from_secs(15);

/// Where the inbound half stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildPhase {
    /// In use.
    Live,
    /// We have replaced it, and delete it then: what we sent on it is on its way.
    Draining {
        /// When.
        until: Instant,
    },
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
    /// What of the tunnel's traffic it is for.
    pub(crate) flow: FlowId,
    /// Whether we began the exchange that made it.
    pub(crate) initiator: bool,
    pub(crate) suite: EspSuite,
    pub(crate) group: Option<Group>,
    pub(crate) additional: AdditionalKeyExchanges,
    pub(crate) encapsulation: Encapsulation,
    pub(crate) local_selectors: Vec<TrafficSelector>,
    pub(crate) remote_selectors: Vec<TrafficSelector>,
    pub(crate) outbound: Outbound,
    pub(crate) phase: ChildPhase,
    /// The peer is known to have it.
    pub(crate) confirmed: bool,
    /// The answer that made it, if we gave it.
    pub(crate) answer: Option<Answer>,
    /// It lost a collision; its initiator deletes it.
    pub(crate) redundant: bool,
    pub(crate) established_at: Instant,
    pub(crate) rekey_at: Option<Instant>,
    /// When to rekey it should the early rekey fail that only tries whether a rekey works.
    pub(crate) regular_rekey_at: Option<Instant>,
    pub(crate) expires_at: Option<Instant>,
    /// The peer is known to have it, and should have deleted what it replaces by then.
    pub(crate) switch_at: Option<Instant>,
}

impl ChildSa {
    pub(crate) fn is_live(&self) -> bool {
        self.phase == ChildPhase::Live
    }

    /// Whether what we send goes through it.
    pub(crate) const fn carries(&self) -> bool {
        matches!(self.outbound, Outbound::Installed)
    }

    /// Whether it carries what we send, or is to.
    pub(crate) fn is_usable(&self) -> bool {
        self.is_live() && (self.carries() || self.awaits_switch())
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
            ChildPhase::Draining { until } | ChildPhase::Lingering { until } => Some(until),
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

    /// Takes in a new CHILD SA: receives on it at once, sends on it if nothing else carries its traffic.
    pub(crate) fn install_child(&mut self, cx: &mut Cx<'_>, mut child: ChildSa, inbound: SecurityAssociation) {
        let (spi, flow) = (child.spi, child.flow);
        cx.sa(SaAction::Install { tunnel: self.id, direction: Direction::Inbound, sa: Box::new(inbound) });
        let contested = self.children.iter().any(|other| other.carries() && overlap(other, &child));
        if contested && !child.initiator && self.carrier(flow).is_none() {
            // Another flow carries the same packets; the peer has our answer by then.
            child.switch_at = Some(cx.now + SWITCH_DELAY);
        }
        self.children.push(child);
        if !contested && self.carrier(flow).is_none() {
            self.switch_outbound(cx, spi);
        }
    }

    /// Sends on `spi` from now on. Nothing happens unless it is live and held back.
    pub(crate) fn switch_outbound(&mut self, cx: &mut Cx<'_>, spi: Spi) {
        let (tunnel, was_up) = (self.id, self.is_up());
        let Some(flow) = self.child(spi).filter(|child| child.is_ready()).map(|child| child.flow) else { return };
        let before = self.carrier(flow).map(|child| child.spi);
        let Some(child) = self.child_mut(spi) else { return };
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
        match before.and_then(|before| self.child_mut(before)) {
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
            None if was_up => {
                self.flow_up(cx, flow);
                cx.event(self.child_up(spi));
            }
            None => {
                self.flow_up(cx, flow);
                self.note_up();
                self.up_since = Some(cx.now);
                self.since = cx.now;
                self.backoff.up();
                self.retry_at = None;
                cx.event(up);
            }
        }
    }

    fn flow_up(&mut self, cx: &Cx<'_>, flow: FlowId) {
        if let Some(flow) = self.flow_mut(flow) {
            flow.up(cx.now);
        }
    }

    fn child_up(&self, spi: Spi) -> Event {
        let child = self.child(spi);
        Event::ChildUp {
            tunnel: self.id,
            inbound: spi,
            outbound: child.map_or(Spi(0), |child| child.peer_spi),
            local_selectors: child.map(|child| child.local_selectors.clone()).unwrap_or_default(),
            remote_selectors: child.map(|child| child.remote_selectors.clone()).unwrap_or_default(),
        }
    }

    /// Sends on `spi` from now on, unless another IKE SA than `ike` carries the traffic: which of several does is
    /// decided by [`Self::resolve_duplicates`].
    pub(crate) fn switch_within(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, spi: Spi) {
        let carrier = self.child(spi).and_then(|child| self.carrier(child.flow));
        if carrier.is_none_or(|child| self.is_under(child, ike)) {
            self.switch_outbound(cx, spi);
        }
    }

    /// Stops sending on `spi`. Another SA takes over if there is one. Where that was the last, the tunnel is down.
    pub(crate) fn release_outbound(&mut self, cx: &mut Cx<'_>, spi: Spi, reason: &DownReason) {
        let Some(flow) = self.child(spi).filter(|child| child.carries()).map(|child| child.flow) else { return };
        if let Some(heir) = self.heir(spi) {
            self.switch_outbound(cx, heir);
            return;
        }
        let tunnel = self.id;
        let Some(child) = self.child_mut(spi) else { return };
        child.outbound = Outbound::Retired;
        let (local_selectors, remote_selectors) = (child.local_selectors.clone(), child.remote_selectors.clone());
        cx.sa(SaAction::Remove { tunnel, direction: Direction::Outbound, spi: child.peer_spi });
        self.adopt_covered(flow, None);
        if self.carrier(flow).is_some() {
            return;
        }
        if let Some(flow) = self.flow_mut(flow) {
            flow.down(cx);
        }
        if self.is_up() {
            let reason = reason.clone();
            cx.event(Event::ChildDown { tunnel, local_selectors, remote_selectors, reason });
            return;
        }
        for flow in &mut self.flows {
            flow.retry_at = None;
        }
        if let Some(since) = self.up_since.take() {
            self.backoff.down(cx.now.saturating_duration_since(since));
        }
        self.since = cx.now;
        self.await_another_child(cx.now);
        cx.event(Event::TunnelDown { tunnel, reason: reason.clone() });
    }

    /// The best SA of its flow to take over from `spi`: one that lost no collision, made under the same IKE SA, under one
    /// that the peer is known to have, the newest.
    fn heir(&self, spi: Spi) -> Option<Spi> {
        let parent = self.child(spi).map(|child| child.parent);
        let flow = self.child(spi).map(|child| child.flow);
        let confirmed = |child: &ChildSa| self.sa(child.parent).is_some_and(|sa| sa.confirmed);
        self.children
            .iter()
            .filter(|child| child.spi != spi && Some(child.flow) == flow && child.is_ready())
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
        self.prune_flows();
        cx.names.release_esp(spi);
    }

    /// Stops sending on a CHILD SA that both ends have deleted, and receives what is in flight if its flow lives on.
    pub(crate) fn retire_child(&mut self, cx: &mut Cx<'_>, spi: Spi, reason: &DownReason) {
        let flow = self.child(spi).map(|child| child.flow);
        let carried = flow.and_then(|flow| self.carrier(flow)).is_some_and(|child| child.spi != spi);
        let survives = carried || self.heir(spi).is_some();
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
    pub(crate) fn drop_children_of(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, reason: &DownReason, linger: Duration) {
        let (doomed, others): (Vec<_>, Vec<_>) = self.children.iter().partition(|child| child.parent == ike);
        let lives = |flow| others.iter().any(|child| child.flow == flow && (child.carries() || child.is_ready()));
        // What carries traffic goes last, so that none of the others takes over from it.
        let mut doomed: Vec<_> = doomed.iter().map(|child| (child.carries(), child.spi, lives(child.flow))).collect();
        doomed.sort_by_key(|(carries, ..)| *carries);
        let until = cx.now + linger;
        for (_, spi, survives) in doomed {
            if !survives {
                self.drop_child(cx, spi, reason);
                continue;
            }
            if let Some(child) = self.child_mut(spi) {
                child.phase = match child.phase {
                    ChildPhase::Live | ChildPhase::Draining { .. } | ChildPhase::Closing => {
                        ChildPhase::Lingering { until }
                    }
                    lingering @ ChildPhase::Lingering { .. } => lingering,
                };
            }
            self.release_outbound(cx, spi, reason);
        }
    }
}

/// Whether two CHILD SAs carry some of the same packets.
fn overlap(one: &ChildSa, other: &ChildSa) -> bool {
    !narrow(&one.local_selectors, &other.local_selectors).is_empty()
        && !narrow(&one.remote_selectors, &other.remote_selectors).is_empty()
}
