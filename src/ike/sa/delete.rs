//! INFORMATIONAL: DELETE both ways (RFC 7296 1.4.1), and the empty one that asks for a sign of life.

use std::time::Duration;

use handshake::Contents;
use isakmp::{Delete, ExchangeType, Payload};
use negotiation::{Cx, DownReason, Event};
use wire::ipsec::{IkeSpi, Spi};

use crate::endpoint::Tunnel;
use crate::sa::child::{ChildPhase, ChildSa, DRAIN, LINGER, LINGER_CLOSED};
use crate::sa::exchange::release;
use crate::sa::{Pending, Phase, Task};

/// How long a closed IKE SA repeats its last answer.
const ECHO: Duration = Duration::from_secs(10);

impl Tunnel {
    /// Answers an INFORMATIONAL request; true if it deleted the IKE SA.
    pub(crate) fn answer_informational(
        &mut self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        contents: &Contents,
    ) -> (Vec<Payload>, bool) {
        self.note_auth_lifetime(cx, ike, contents);
        if contents.deletes.contains(&Delete::Ike) {
            // RFC 7296 1.4.1: the deletion of an IKE SA is answered with an empty message.
            return (Vec::new(), true);
        }
        let mut deleted = Vec::new();
        for delete in &contents.deletes {
            if let Delete::Esp(spis) = delete {
                for spi in spis {
                    deleted.extend(self.peer_deletes_child(cx, ike, *spi));
                }
            }
        }
        if deleted.is_empty() { (Vec::new(), false) } else { (vec![Payload::Delete(Delete::Esp(deleted))], false) }
    }

    /// The other half of what the peer deletes, for the answer.
    fn peer_deletes_child(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, peer_spi: Spi) -> Option<Spi> {
        let Some(child) = self.child_by_peer_spi(ike, peer_spi) else {
            self.note_unknown_delete(ike, peer_spi);
            return None;
        };
        let (spi, phase) = (child.spi, child.phase);
        self.retire_child(cx, spi, &DownReason::PeerDeleted);
        self.note_replaced(cx.now, spi);
        match phase {
            ChildPhase::Live | ChildPhase::Draining { .. } => Some(spi),
            // RFC 7296 1.4.1: where both delete, neither names its half again.
            ChildPhase::Closing | ChildPhase::Lingering { .. } => None,
        }
    }

    /// A CHILD SA has been replaced by us: it goes when what we sent on it has arrived.
    pub(crate) fn drain_child(&mut self, cx: &Cx<'_>, spi: Spi) {
        if let Some(child) = self.child_mut(spi).filter(|child| child.is_live()) {
            child.phase = ChildPhase::Draining { until: cx.now + DRAIN };
            child.rekey_at = None;
            child.switch_at = None;
        }
    }

    /// Marks a CHILD SA as being deleted by us and queues the message.
    pub(crate) fn begin_delete_child(&mut self, spi: Spi) {
        let doomed = |child: &&mut ChildSa| match child.phase {
            ChildPhase::Live | ChildPhase::Draining { .. } => true,
            ChildPhase::Closing | ChildPhase::Lingering { .. } => false,
        };
        let Some(child) = self.child_mut(spi).filter(doomed) else { return };
        child.phase = ChildPhase::Closing;
        child.rekey_at = None;
        child.switch_at = None;
        let parent = child.parent;
        if let Some(sa) = self.sa_mut(parent) {
            sa.enqueue(Task::DeleteChild(spi));
        }
    }

    pub(crate) fn start_delete_child(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, spi: Spi) {
        // The peer may have deleted it first.
        if self.child(spi).is_some_and(|child| matches!(child.phase, ChildPhase::Lingering { .. })) {
            return;
        }
        let payloads = vec![Payload::Delete(Delete::Esp(vec![spi]))];
        self.request(cx, ike, ExchangeType::INFORMATIONAL, payloads, Pending::DeleteChild(spi));
    }

    pub(crate) fn finish_delete_child(&mut self, cx: &mut Cx<'_>, spi: Spi) {
        if self.child(spi).is_some_and(|child| child.phase == ChildPhase::Closing) {
            self.retire_child(cx, spi, &DownReason::Superseded);
        }
    }

    /// Tells the peer that a CHILD SA is gone, and forgets it.
    pub(crate) fn delete_child(&mut self, cx: &mut Cx<'_>, spi: Spi, reason: &DownReason) {
        self.begin_delete_child(spi);
        self.drop_child(cx, spi, reason);
    }

    /// Marks an IKE SA as being deleted by us and queues the message.
    pub(crate) fn begin_delete_ike(&mut self, cx: &mut Cx<'_>, spi: IkeSpi) {
        if let Some(sa) = self.sa_mut(spi).filter(|sa| !sa.is_closed()) {
            sa.phase = Phase::Closing;
            sa.drop_unfinished(cx);
            sa.queue.clear();
            sa.enqueue(Task::DeleteIke);
        }
    }

    pub(crate) fn start_delete_ike(&mut self, cx: &mut Cx<'_>, ike: IkeSpi) {
        let payloads = vec![Payload::Delete(Delete::Ike)];
        self.request(cx, ike, ExchangeType::INFORMATIONAL, payloads, Pending::DeleteIke);
    }

    /// Tells the peer that an IKE SA is gone, and forgets what lives under it.
    pub(crate) fn close_politely(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, reason: &DownReason) {
        if self.sa(spi).is_none_or(|sa| sa.is_closed()) {
            return;
        }
        self.hand_over_or_drop(cx, spi, reason, LINGER_CLOSED);
        self.begin_delete_ike(cx, spi);
    }

    /// An IKE SA is gone at both ends.
    pub(crate) fn close(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, reason: &DownReason) {
        let now = cx.now;
        if self.sa(spi).is_none_or(|sa| sa.is_closed()) {
            return;
        }
        self.hand_over_or_drop(cx, spi, reason, LINGER);
        let Some(sa) = self.sa_mut(spi) else { return };
        sa.phase = Phase::Closed { until: now + ECHO };
        sa.drop_unfinished(cx);
        sa.queue.clear();
        sa.requests.complete();
        if let Some(pending) = sa.pending.take() {
            release(cx, &pending);
        }
    }

    /// What lives under an IKE SA goes to its successor, or is gone.
    fn hand_over_or_drop(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, reason: &DownReason, linger: Duration) {
        let Some(phase) = self.sa(spi).map(|sa| sa.phase) else { return };
        let has_estate = self.children.iter().any(|child| child.parent == spi)
            || self.sas.iter().any(|sa| sa.is_replaced_by(spi) || (sa.spi == spi && !sa.queue.is_empty()));
        match phase {
            Phase::Replaced { by, .. } if self.sa(by).is_some_and(|sa| !sa.is_closed()) => {
                if has_estate {
                    self.adopt(cx, spi, by, false);
                }
            }
            Phase::Current | Phase::Replaced { .. } => {
                self.drop_children_of(cx, spi, reason, linger);
                cx.event(Event::IkeDown { tunnel: self.id, reason: reason.clone() });
            }
            Phase::Closing | Phase::Closed { .. } => self.drop_children_of(cx, spi, reason, linger),
        }
    }

    /// Notes that the peer has lost all IKE SAs that were there before `spi` began. They go when `spi` has
    /// proven to work: should the statement be a mistake, no packet is lost by it.
    pub(crate) fn forget_older(&mut self, spi: IkeSpi) {
        let Some(began) = self.sa(spi).map(|sa| sa.origin.began) else { return };
        for sa in self.sas.iter_mut().filter(|sa| sa.spi != spi && sa.origin.authenticated <= began) {
            sa.forgotten = true;
        }
    }
}
