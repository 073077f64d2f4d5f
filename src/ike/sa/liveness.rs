//! Time passing on an established IKE SA: retransmission, liveness (RFC 7296 2.4), rekeying, expiry.

use std::time::{Duration, Instant};

use negotiation::{Cx, DownReason, DpdAction, Failure, Phase as Negotiation, between};
use wire::ipsec::IkeSpi;

use crate::endpoint::Tunnel;
use crate::sa::child::ChildPhase;
use crate::sa::create_child::TEMPORARY;
use crate::sa::{IkeSa, Pending, Phase, Task};

/// How long a DELETE is repeated: what it is about is gone here anyway.
const DELETE_PATIENCE: Duration = Duration::from_secs(10);
/// Fewer would mistake a busy peer for a dead one.
const LEAST_PATIENCE: Duration = Duration::from_secs(4);

impl Tunnel {
    /// Does what is due on all IKE SAs.
    pub(crate) fn handle_ike_timeouts(&mut self, cx: &mut Cx<'_>) {
        let spis: Vec<_> = self.sas.iter().map(|sa| sa.spi).collect();
        for spi in spis {
            self.handle_ike_timeout(cx, spi);
        }
        let now = cx.now;
        self.sas.retain(|sa| {
            let keep = !matches!(sa.phase, Phase::Closed { until } if until <= now);
            if !keep {
                cx.names.release(sa.spi);
            }
            keep
        });
    }

    fn handle_ike_timeout(&mut self, cx: &mut Cx<'_>, spi: IkeSpi) {
        let Some(sa) = self.sa(spi) else { return };
        let (now, phase) = (cx.now, sa.phase);
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.patience_ends(sa)) {
            self.give_up_on(cx, spi);
            return;
        }
        let (probe, rekey, expire) = (due(self.probe_at(sa)), due(sa.rekey_at), due(sa.expires_at));
        self.retransmit(cx, spi);
        if let Some(sa) = self.sa_mut(spi) {
            sa.give_up_unfinished(cx);
        }
        match phase {
            Phase::Current if expire => {
                let failure = self.expired(spi, Negotiation::Ike);
                self.close_politely(cx, spi, &DownReason::Expired);
                self.fail(cx, failure);
            }
            Phase::Current => {
                let Some(sa) = self.sa_mut(spi) else { return };
                if rekey {
                    sa.rekey_at = None;
                    sa.enqueue(Task::RekeyIke);
                }
                if probe {
                    sa.enqueue(Task::Liveness);
                }
                // It is as good as any other that has no CHILD SA.
                sa.child_due = sa.child_due.filter(|at| *at > now);
                self.reauthenticate_if_due(cx, spi);
            }
            Phase::Replaced { overdue_at, .. } if overdue_at <= now => self.take_over(cx, spi),
            Phase::Replaced { .. } | Phase::Closing | Phase::Closed { .. } => {}
        }
    }

    fn retransmit(&mut self, cx: &mut Cx<'_>, spi: IkeSpi) {
        let Some(sa) = self.sa_mut(spi) else { return };
        let path = sa.path;
        let Some(under_way) = sa.requests.under_way_mut() else { return };
        if let Some(datagrams) = under_way.due(cx.now, cx.entropy) {
            let datagrams = datagrams.to_vec();
            cx.transmit(path, &datagrams);
            self.counters.retransmissions += 1;
        }
    }

    /// When the peer counts as dead, if it keeps a request unanswered.
    fn patience_ends(&self, sa: &IkeSa) -> Option<Instant> {
        let first_sent = sa.requests.under_way()?.first_sent();
        let patience = self.config.dpd.timeout.max(LEAST_PATIENCE);
        if sa.phase == Phase::Closing {
            return Some(first_sent + DELETE_PATIENCE.min(patience));
        }
        // Two IKE SAs wait for the decision between them. One that carries traffic is not given up for a few losses.
        let serves = |other: &IkeSa| other.spi != sa.spi && other.confirmed && self.serves(other);
        let carries = self.children.iter().any(|child| child.carries() && child.parent == sa.spi);
        let asked = matches!(sa.pending, Some(Pending::Liveness));
        if sa.is_current() && (asked || !carries) && self.sas.iter().any(serves) {
            let patience = if carries { LEAST_PATIENCE * 2 } else { LEAST_PATIENCE };
            return Some(sa.last_heard.max(first_sent) + patience);
        }
        // RFC 7296 2.4: any authentic sign of life counts; yet an exchange must not hang for ever.
        let heard = self.last_heard(sa).clamp(first_sent, first_sent + patience * 3);
        Some(heard + patience)
    }

    /// When to ask for a sign of life.
    fn probe_at(&self, sa: &IkeSa) -> Option<Instant> {
        let interval = self.config.dpd.interval;
        let asks = !interval.is_zero() && self.config.dpd.action != DpdAction::None;
        (asks && sa.is_current() && sa.is_idle()).then(|| self.last_heard(sa) + interval)
    }

    /// The last sign of life under this IKE SA, ESP included.
    fn last_heard(&self, sa: &IkeSa) -> Instant {
        let carries = self.children.iter().any(|child| child.carries() && child.parent == sa.spi);
        self.last_traffic.filter(|_| carries).map_or(sa.last_heard, |traffic| traffic.max(sa.last_heard))
    }

    fn expired(&self, spi: IkeSpi, phase: Negotiation) -> Failure {
        let peer = self.sa(spi).map_or(self.first_path().remote, |sa| sa.path.remote);
        Failure::LifetimeExpired { peer, phase }
    }

    /// Does what is due on all CHILD SAs.
    pub(crate) fn handle_child_timeouts(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        let due: Vec<_> = self
            .children
            .iter()
            .filter(|child| child.next_deadline().is_some_and(|at| at <= now))
            .map(|child| (child.spi, child.phase))
            .collect();
        for (spi, phase) in due {
            match phase {
                ChildPhase::Lingering { .. } | ChildPhase::Closing => {
                    self.drop_child(cx, spi, &DownReason::Expired);
                }
                ChildPhase::Draining { .. } => self.begin_delete_child(spi),
                ChildPhase::Live => self.handle_child_timeout(cx, spi),
            }
        }
    }

    fn handle_child_timeout(&mut self, cx: &mut Cx<'_>, spi: wire::ipsec::Spi) {
        let now = cx.now;
        let Some(child) = self.child_mut(spi) else { return };
        let parent = child.parent;
        if child.expires_at.is_some_and(|at| at <= now) {
            let (flow, needed) = (child.flow, child.carries());
            let failure = self.expired(parent, Negotiation::Child);
            self.delete_child(cx, spi, &DownReason::Expired);
            if !self.is_up() && needed {
                self.fail(cx, failure);
            } else if needed && self.carrier(flow).is_none() {
                self.flow_failed(cx, flow, failure);
            }
            return;
        }
        if child.switch_at.is_some_and(|at| at <= now) {
            child.switch_at = None;
            self.switch_within(cx, parent, spi);
        }
        self.rekey_child_if_due(cx, spi);
    }

    fn rekey_child_if_due(&mut self, cx: &mut Cx<'_>, spi: wire::ipsec::Spi) {
        let now = cx.now;
        let Some(child) = self.child_mut(spi).filter(|child| child.rekey_at.is_some_and(|at| at <= now)) else {
            return;
        };
        let (parent, carries, held) = (child.parent, child.carries(), child.awaits_switch());
        child.rekey_at = None;
        if self.sa(parent).is_some_and(|sa| sa.asks_to_replace(spi)) {
            self.await_turn(now, spi);
        } else if carries && let Some(successor) = self.proven_successor(spi) {
            self.switch_within(cx, parent, successor);
        } else if carries && let Some(sa) = self.sa_mut(parent).filter(|sa| sa.is_current()) {
            sa.enqueue(Task::RekeyChild(spi));
        } else if carries || held {
            // Its IKE SA is being replaced, or the peer may not have it yet; a moment later.
            let at = now + between(TEMPORARY.0, TEMPORARY.1, cx.entropy);
            if let Some(child) = self.child_mut(spi) {
                child.rekey_at = Some(at);
            }
        }
    }

    /// When anything on this IKE SA is due.
    pub(crate) fn ike_deadline(&self, sa: &IkeSa) -> Option<Instant> {
        let under_way = sa.requests.under_way().and_then(negotiation::Retransmit::next);
        match sa.phase {
            Phase::Current => {
                let own = [sa.rekey_at, sa.expires_at, sa.reauthentication.at(), sa.gives_up_at(), sa.child_due];
                let others = [under_way, self.patience_ends(sa), self.probe_at(sa)];
                own.into_iter().chain(others).flatten().min()
            }
            Phase::Replaced { overdue_at, .. } => {
                [Some(overdue_at), under_way, self.patience_ends(sa), sa.gives_up_at()].into_iter().flatten().min()
            }
            Phase::Closing => [under_way, self.patience_ends(sa)].into_iter().flatten().min(),
            Phase::Closed { until } => Some(until),
        }
    }
}
