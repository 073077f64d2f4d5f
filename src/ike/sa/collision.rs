//! Both ends replace the same SA at the same time (RFC 7296 2.8.1, 2.8.2), or begin at the same time.
//!
//! ```text
//!   A --- rekey C, nonce 7 --->  <--- rekey C, nonce 3 --- B     requests cross
//!   A <--- answer, nonce 9 ----  ---- answer, nonce 5 ---> B     both make both SAs
//!         {7, 9}                         {3, 5}                  3 is the lowest of the four
//!   A deletes C                          B deletes its own new SA
//! ```
//!
//! The SA whose exchange holds the lowest of the four nonces is redundant, and deleted by the end that began
//! it. The other end deletes the SA that was to be replaced. Each end knows all four nonces, so both agree.
//!
//! What the peer began and does not finish is no reason to stand still. After a while it is our turn:
//!
//! ```text
//!   A                    <--- rekey C, nonce 3 --- B     A makes X, sends on C until B deletes that, or asks something new
//!     answer, nonce 5 --- lost, or B makes nothing of it
//!   A --- rekey C, nonce 7 --->                          X may yet be B's choice: the four nonces decide, as above
//!   A --- rekey C, nonce 8 --->                          it was, and B has not gone on; or the IKE SA is another one, and
//!                                                        that exchange over: X is redundant
//! ```

use std::time::{Duration, Instant};

use negotiation::{Cx, DownReason};
use wire::ipsec::{IkeSpi, Spi};

use crate::endpoint::{FlowId, Tunnel, Will};
use crate::sa::child::ChildSa;
use crate::sa::create_child::{REKEY_RETRY, SWITCH_DELAY, TEMPORARY};
use crate::sa::{IkeSa, Origin, Pending, Task};

/// What the peer made in the meantime out of the SA that we are replacing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rival<Name> {
    pub(crate) spi: Name,
    pub(crate) low_nonce: Vec<u8>,
}

/// Pause between the transmissions of a question that decides which of two IKE SAs stays.
const CONTESTED: Duration = Duration::from_millis(400);

/// Our answer that made a CHILD SA.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The IKE SA it went out on. Only what the peer asks next under this one proves that it came.
    on: IkeSpi,
    /// The CHILD SA that it replaces. That the peer deletes this one proves it, too.
    replaces: Option<Spi>,
    /// The lower of both nonces, as long as an exchange of ours about the same may have to be compared with it.
    low_nonce: Option<Vec<u8>>,
}

impl Answer {
    pub(crate) const fn on(on: IkeSpi) -> Self {
        Self { on, replaces: None, low_nonce: None }
    }

    /// Whether a request of the peer's under an IKE SA proves that it came. Where nothing is replaced there is nothing to
    /// fall back on, and a successor of the IKE SA serves as well.
    pub(crate) fn is_proven_under(&self, ike: IkeSpi) -> bool {
        self.on == ike || self.replaces.is_none()
    }
}

/// Whether our exchange, with the nonces `ours`, made the redundant SA.
pub(crate) fn loses<Name>(ours: (&[u8], &[u8]), rival: &Rival<Name>) -> bool {
    // RFC 7296 2.8.1: octets are compared from the left; where one nonce is the beginning of another, it is
    // the lower.
    ours.0.min(ours.1) < rival.low_nonce.as_slice()
}

impl Tunnel {
    /// Several IKE SAs where one is enough: both ends began at once, or the peer began anew. The one that stays
    /// is the youngest; of two that were under way at the same time, the one without the lowest nonce, as above.
    ///
    /// Traffic moves over once the peer is known to have the SA that stays; only then the others are deleted.
    pub(crate) fn resolve_duplicates(&mut self, cx: &mut Cx<'_>) {
        let serving: Vec<_> = self.sas.iter().filter(|sa| self.serves(sa)).map(|sa| sa.spi).collect();
        let Some(winner) = self.winner().filter(|_| serving.len() > 1).map(|sa| sa.spi) else { return };
        let youngest = self.sas.iter().filter(|sa| serving.contains(&sa.spi)).map(|sa| sa.origin.authenticated).max();
        let Some(sa) = self.sa_mut(winner) else { return };
        // An SA that is contested is given up early: a lossy line must not look like a peer that dropped it.
        if let (Some(Pending::Liveness), Some(probe)) = (&sa.pending, sa.requests.under_way_mut()) {
            probe.hasten(cx.now + CONTESTED);
        }
        // A sign of life that is younger than all of them: what established an SA may have been long under way, and
        // a peer may have dropped the SA when it took another for the only one.
        let proven = sa.confirmed && Some(sa.last_heard) > youngest;
        if !proven {
            if sa.is_idle() {
                sa.enqueue(Task::Liveness);
            }
            return;
        }
        let origin = sa.origin.clone();
        self.move_flows(cx, winner);
        // What others carry still is asked for, or waits for a sign that the peer has it.
        if self.awaits_flow(winner) {
            return;
        }
        for spi in serving.into_iter().filter(|spi| *spi != winner) {
            let Some(sa) = self.sa(spi) else { continue };
            if sa.forgotten {
                self.close(cx, spi, &DownReason::PeerRestarted);
            } else if sa.origin.ours || sa.origin.authenticated <= origin.began {
                self.close_politely(cx, spi, &DownReason::Superseded);
            }
        }
    }

    /// Of the IKE SAs in use, the one that stays.
    pub(crate) fn winner(&self) -> Option<&IkeSa> {
        let serving = self.sas.iter().filter(|sa| self.serves(sa));
        serving.reduce(|a, b| if stays(&a.origin, &b.origin) { a } else { b })
    }

    /// Sends on the CHILD SAs under the IKE SA that stays.
    fn move_flows(&mut self, cx: &mut Cx<'_>, winner: IkeSpi) {
        let flows: Vec<_> = self.flows.iter().map(|flow| flow.id).collect();
        for flow in flows {
            if self.carrier(flow).is_some_and(|child| self.is_under(child, winner)) {
                continue;
            }
            if !self.has_usable(winner, flow) {
                self.adopt_covered(flow, Some(winner));
            }
            let under = |child: &&ChildSa| {
                child.flow == flow && child.awaits_switch() && child.confirmed && self.is_under(child, winner)
            };
            // The oldest: a newer one may just be in the making.
            let heir = self.children.iter().filter(under).min_by_key(|child| child.established_at);
            if let Some(heir) = heir.map(|child| child.spi) {
                self.switch_outbound(cx, heir);
            }
        }
    }

    /// Whether an IKE SA is in use and has a CHILD SA.
    pub(crate) fn serves(&self, sa: &IkeSa) -> bool {
        sa.is_current() && self.children.iter().any(|child| child.parent == sa.spi && child.is_live())
    }

    /// IKE SAs without a CHILD SA while another one carries the traffic, or while there is none to be carried.
    pub(crate) fn drop_idle(&mut self, cx: &mut Cx<'_>) {
        let reason = match (self.is_up(), self.will) {
            (true, _) => DownReason::Superseded,
            (false, Will::Demand) if !self.demanded => DownReason::Unused,
            (false, Will::Demand | Will::Connect | Will::Listen | Will::Stop) => return,
        };
        let carries = |ike| self.children.iter().any(|child| child.carries() && child.parent == ike);
        let is_idle = |sa: &&IkeSa| {
            sa.is_current()
                && !carries(sa.spi)
                && sa.is_idle()
                && sa.child_due.is_none()
                && !self.sas.iter().any(|other| other.is_replaced_by(sa.spi))
                && !self.children.iter().any(|child| child.parent == sa.spi && child.is_live())
        };
        let idle: Vec<_> = self.sas.iter().filter(is_idle).map(|sa| sa.spi).collect();
        for spi in idle {
            self.close_politely(cx, spi, &reason);
        }
    }

    /// Marks a CHILD SA as the one that its initiator deletes.
    pub(crate) fn mark_redundant(&mut self, cx: &Cx<'_>, spi: Spi) {
        let at = cx.now + crate::sa::create_child::OVERDUE;
        if let Some(child) = self.child_mut(spi) {
            child.redundant = true;
            child.rekey_at = None;
            child.switch_at = None;
            child.expires_at = Some(child.expires_at.map_or(at, |expires| expires.min(at)));
        }
    }
}

/// Whether the IKE SA of the first origin stays, of two.
fn stays(a: &Origin, b: &Origin) -> bool {
    if a.authenticated <= b.began {
        false
    } else if b.authenticated <= a.began {
        true
    } else {
        a.low_nonce > b.low_nonce
    }
}

impl Tunnel {
    /// If we are asking for the same thing, the nonces decide when our answer comes.
    pub(super) fn note_rival(&mut self, ike: IkeSpi, old: Option<Spi>, flow: FlowId, rival: Rival<Spi>) {
        if let Some(Pending::Child(expect)) = self.sa_mut(ike).and_then(|sa| sa.pending.as_mut())
            && expect.replaces == old
            && expect.flow == flow
        {
            expect.rival = Some(rival);
        }
    }

    /// The peer has replaced `old` by `rival`, and will delete it.
    pub(super) fn supersede(&mut self, cx: &Cx<'_>, ike: IkeSpi, old: Spi, rival: Rival<Spi>) {
        let Rival { spi, low_nonce } = rival;
        // It begins that anew: what it began before has come to nothing.
        self.mark_held_redundant(cx, ike, |child| child.spi != spi && child.replaced() == Some(old));
        if let Some(answer) = self.child_mut(spi).and_then(|child| child.answer.as_mut()) {
            (answer.replaces, answer.low_nonce) = (Some(old), Some(low_nonce));
        }
        if let Some(child) = self.child_mut(old) {
            child.rekey_at = None;
        }
        if let Some(carrier) = self.child(spi).and_then(|child| self.carrier(child.flow)).map(|child| child.spi) {
            self.await_turn(cx.now, carrier);
        }
        if let Some(sa) = self.sa_mut(ike) {
            sa.queue.retain(|task| *task != Task::RekeyChild(old));
        }
    }

    /// The peer's exchange is the one that replaces `old`. Should it not come to an end, we replace it ourselves, long
    /// before it ends.
    pub(super) fn await_turn(&mut self, now: Instant, old: Spi) {
        if let Some(child) = self.child_mut(old).filter(|child| child.is_live() && child.carries()) {
            let left = child.expires_at.map(|at| at.saturating_duration_since(now) / 2);
            let turn = now + left.map_or(REKEY_RETRY.1, |left| left.clamp(TEMPORARY.0, REKEY_RETRY.1));
            child.rekey_at = Some(child.rekey_at.map_or(turn, |planned| planned.min(turn)));
        }
    }

    /// What the peer has made is in no more comparison.
    pub(super) fn note_lost(&mut self, rival: Spi) {
        if let Some(answer) = self.child_mut(rival).and_then(|child| child.answer.as_mut()) {
            answer.low_nonce = None;
        }
    }

    /// What the peer has made to replace `old` under this IKE SA, and may not know yet.
    pub(super) fn standing_rival(&self, ike: IkeSpi, old: Spi) -> Option<Rival<Spi>> {
        let contends = |child: &&ChildSa| !child.confirmed && child.replaced() == Some(old);
        let newest = self.successors(old).filter(contends).max_by_key(|child| child.established_at)?;
        let answer = newest.answer.as_ref().filter(|answer| answer.on == ike)?;
        answer.low_nonce.clone().map(|low_nonce| Rival { spi: newest.spi, low_nonce })
    }

    /// What the peer has made to replace `old`, and is known to have.
    pub(super) fn proven_successor(&self, old: Spi) -> Option<Spi> {
        let proven = self.successors(old).filter(|child| child.confirmed);
        proven.max_by_key(|child| child.established_at).map(|child| child.spi)
    }

    fn successors(&self, old: Spi) -> impl Iterator<Item = &ChildSa> {
        let old = self.child(old).map(|old| (old.flow, old.parent));
        let held = |child: &&ChildSa| child.awaits_switch() && child.answer.is_some();
        self.children
            .iter()
            .filter(held)
            .filter(move |child| old.is_some_and(|(flow, parent)| child.flow == flow && self.is_under(child, parent)))
    }

    /// Marks what the peer has made under an IKE SA and what we never sent on, as far as it is `meant`.
    pub(super) fn mark_held_redundant(&mut self, cx: &Cx<'_>, ike: IkeSpi, meant: impl Fn(&ChildSa) -> bool) {
        let held = |child: &&ChildSa| child.answer.is_some() && child.awaits_switch() && self.is_under(child, ike);
        let held: Vec<_> =
            self.children.iter().filter(held).filter(|child| meant(child)).map(|child| child.spi).collect();
        for spi in held {
            self.mark_redundant(cx, spi);
        }
    }

    /// The peer deletes a CHILD SA, hence has what it made to replace that.
    pub(super) fn note_replaced(&mut self, now: Instant, deleted: Spi) {
        for child in self.children.iter_mut().filter(|child| child.replaced() == Some(deleted)) {
            child.confirmed = true;
            if child.awaits_switch() {
                child.switch_at.get_or_insert(now + SWITCH_DELAY);
            }
        }
    }

    /// The end that was answered under an IKE SA goes on from a state that may lack these answers.
    pub(super) fn forget_answers(&mut self, ike: IkeSpi) {
        for child in self.children.iter_mut().filter(|child| !child.confirmed) {
            if let Some(answer) = child.answer.as_mut().filter(|answer| answer.on == ike) {
                answer.on = IkeSpi::ZERO;
            }
        }
    }
}

impl ChildSa {
    /// What it replaces, if the peer began that.
    fn replaced(&self) -> Option<Spi> {
        self.answer.as_ref().and_then(|answer| answer.replaces)
    }
}

impl IkeSa {
    /// Whether we are asking the peer to replace a CHILD SA.
    pub(crate) fn asks_to_replace(&self, child: Spi) -> bool {
        matches!(&self.pending, Some(Pending::Child(expect)) if expect.replaces == Some(child))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_of_four_nonces_loses() {
        let rival = Rival { spi: (), low_nonce: vec![5, 0] };
        assert!(loses((&[9], &[4, 255]), &rival));
        assert!(loses((&[5], &[9]), &rival), "a prefix is lower");
        assert!(!loses((&[6], &[5, 1]), &rival));
    }
}
