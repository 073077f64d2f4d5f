//! Time passing on ISAKMP SAs: dead peer detection (RFC 3706), renewal, expiry, repetition of what is not acknowledged.

use std::time::{Duration, Instant};

use isakmp::v1::{Delete, Notify, NotifyKind, Payload};
use negotiation::{Cx, DownReason, DpdAction, Failure, Path, Phase, StartAction, Waiting};
use wire::ipsec::IkeSpi;

use crate::sa::{Probe, Sa, SaPhase};
use crate::tunnel::{Tunnel, Will};

/// Pause between questions that are not answered.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// Fewer would mistake a busy peer for a dead one.
const LEAST_PATIENCE: Duration = Duration::from_secs(4);

impl Tunnel {
    /// An authentic message came over this path: the peer lives, and may have moved.
    pub(crate) fn heard(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, path: Path) {
        let Some(sa) = self.sas.iter_mut().find(|sa| sa.cookie == cookie) else { return };
        sa.last_heard = cx.now;
        let moved = sa.path != path && sa.nat.remote && !sa.nat.local;
        if moved {
            self.follow_peer(cx, path);
        }
    }

    /// The last sign of life, ESP included.
    fn last_heard(&self, sa: &Sa) -> Instant {
        self.last_traffic.map_or(sa.last_heard, |traffic| traffic.max(sa.last_heard))
    }

    /// Does what is due on the ISAKMP SAs.
    pub(crate) fn handle_sa_timeouts(&mut self, cx: &mut Cx<'_>) {
        for sa in &mut self.sas {
            sa.repeat_farewells(cx);
        }
        let cookies: Vec<_> = self.sas.iter().map(|sa| sa.cookie).collect();
        for cookie in cookies {
            self.handle_sa_timeout(cx, cookie);
        }
        let over = |sa: &Sa| sa.phase == SaPhase::Closing && sa.farewells.is_empty();
        self.sas.iter().filter(|sa| over(sa)).for_each(|sa| cx.names.release(sa.cookie));
        self.sas.retain(|sa| !over(sa));
    }

    fn handle_sa_timeout(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi) {
        let Some(sa) = self.sas.iter().find(|sa| sa.cookie == cookie) else { return };
        let now = cx.now;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match sa.phase {
            SaPhase::Closing => {}
            _ if due(sa.expires_at) => self.expire_sa(cx, cookie),
            SaPhase::Superseded { delete_at } if delete_at <= now => {
                self.close_sa(cx, cookie, &DownReason::Superseded);
            }
            SaPhase::Superseded { .. } => {}
            SaPhase::Current => {
                if due(sa.rekey_at) {
                    self.renew_sa(cx, cookie);
                }
                self.probe_if_due(cx, cookie);
            }
        }
    }

    fn expire_sa(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi) {
        let last = self.sas.iter().all(|sa| sa.cookie == cookie || !sa.is_current());
        let peer = self.path().remote;
        self.close_sa(cx, cookie, &DownReason::Expired);
        if last && !self.has_attempt() {
            self.note_failure(cx, Failure::LifetimeExpired { peer, phase: Phase::Ike });
        }
    }

    /// Phase 1 is not rekeyed but begun anew; the old SA stays until the new one is there.
    pub(crate) fn renew_sa(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi) {
        if let Some(sa) = self.sas.iter_mut().find(|sa| sa.cookie == cookie) {
            sa.rekey_at = None;
        }
        if !self.has_attempt() {
            self.begin_phase1(cx);
        }
    }

    /// When to ask for a sign of life, or to give up asking.
    fn probe_due_at(&self, sa: &Sa) -> Option<Instant> {
        let dpd = &self.config.dpd;
        let able = sa.is_current() && sa.abilities.dead_peer_detection && !dpd.interval.is_zero();
        if !able || dpd.action == DpdAction::None {
            return None;
        }
        match &sa.probe {
            Some(probe) => Some(probe.next.min(self.patience_ends(sa, probe))),
            None => Some(self.last_heard(sa) + dpd.interval),
        }
    }

    fn patience_ends(&self, sa: &Sa, probe: &Probe) -> Instant {
        let patience = self.config.dpd.timeout.max(LEAST_PATIENCE);
        self.last_heard(sa).max(probe.first_sent) + patience
    }

    fn probe_if_due(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi) {
        let now = cx.now;
        let Some(index) = self.sas.iter().position(|sa| sa.cookie == cookie) else { return };
        let sa = &self.sas[index];
        if self.probe_due_at(sa).is_none_or(|at| at > now) {
            return;
        }
        let heard = self.last_heard(sa);
        if let Some(probe) = sa.probe {
            if self.patience_ends(sa, &probe) <= now {
                let (peer, tries) = (sa.path.remote, probe.tries);
                self.give_up(cx, Failure::PeerSilent { peer, what: Waiting::Liveness, tries });
                return;
            }
            // ESP or another message came meanwhile: that is an answer too.
            if heard > probe.first_sent {
                self.sas[index].probe = None;
                return;
            }
        }
        let sa = &mut self.sas[index];
        let (first_sent, tries) = sa.probe.map_or((now, 0), |probe| (probe.first_sent, probe.tries));
        if tries == 0 {
            sa.our_sequence = sa.our_sequence.wrapping_add(1);
        }
        sa.probe = Some(Probe { first_sent, next: now + ASK_AGAIN, tries: tries + 1 });
        let spi = [sa.cookies.initiator.to_be_bytes(), sa.cookies.responder.to_be_bytes()].concat();
        let data = sa.our_sequence.to_be_bytes().to_vec();
        let probe = Notify { spi, data, ..Notify::isakmp(NotifyKind::R_U_THERE) };
        sa.inform(cx, vec![Payload::Notify(probe)]);
        if tries > 0 {
            self.counters.retransmissions += 1;
        }
    }

    /// The peer is dead: nothing that was shared with it is of use.
    fn give_up(&mut self, cx: &mut Cx<'_>, failure: Failure) {
        self.counters.dpd_timeouts += 1;
        self.apply_dpd_action();
        let reason = DownReason::PeerSilent(failure.clone());
        self.forget_all(cx, &reason);
        self.fail(cx, failure);
    }

    fn apply_dpd_action(&mut self) {
        if self.will == Will::Stop {
            return;
        }
        match self.config.dpd.action {
            DpdAction::Restart => self.will = Will::Connect,
            DpdAction::Clear if self.config.start == StartAction::Initiate => self.will = Will::Listen,
            DpdAction::Clear | DpdAction::None => {}
        }
    }

    /// Without an ISAKMP SA there is no asking: a peer that answers no attempt and sends nothing is dead too.
    pub(crate) fn judge_silence(&mut self, cx: &mut Cx<'_>, failure: &Failure) {
        let patience = self.config.dpd.timeout.max(LEAST_PATIENCE);
        let silent = self.last_traffic.is_none_or(|last| cx.now >= last + patience);
        if failure.is_silence() && silent && self.is_up() && self.current().is_none() {
            self.counters.dpd_timeouts += 1;
            self.forget_all(cx, &DownReason::PeerSilent(failure.clone()));
        }
    }

    /// Forgets all SAs, without a word.
    pub(crate) fn forget_all(&mut self, cx: &mut Cx<'_>, reason: &DownReason) {
        let cookies: Vec<_> = self.sas.iter().map(|sa| sa.cookie).collect();
        for cookie in cookies {
            self.forget_sa(cx, cookie, reason);
        }
        self.drop_children(cx, reason);
    }

    /// Tells the peer that an ISAKMP SA is gone.
    pub(crate) fn close_sa(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, reason: &DownReason) {
        let tunnel = self.id;
        let Some(sa) = self.sas.iter_mut().find(|sa| sa.cookie == cookie) else { return };
        if sa.phase == SaPhase::Closing {
            return;
        }
        let delete = Delete::isakmp(sa.cookies.initiator, sa.cookies.responder);
        let was_current = sa.is_current();
        sa.bid_farewell(cx, vec![Payload::Delete(delete)]);
        sa.phase = SaPhase::Closing;
        if was_current {
            cx.event(negotiation::Event::IkeDown { tunnel, reason: reason.clone() });
        }
        self.drop_quicks_of(cx, cookie);
    }

    /// Forgets an ISAKMP SA, without a word.
    pub(crate) fn forget_sa(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, reason: &DownReason) {
        let Some(index) = self.sas.iter().position(|sa| sa.cookie == cookie) else { return };
        let sa = self.sas.remove(index);
        cx.names.release(cookie);
        if sa.is_current() {
            let tunnel = self.id;
            cx.event(negotiation::Event::IkeDown { tunnel, reason: reason.clone() });
        }
        self.drop_quicks_of(cx, cookie);
    }

    /// Exchanges under an SA that is gone will not be completed.
    fn drop_quicks_of(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi) {
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.quicks).into_iter().partition(|quick| quick.sa == cookie);
        self.quicks = kept;
        for quick in gone.iter().filter(|quick| quick.is_pending()) {
            if quick.is_ours() {
                cx.names.release_esp(quick.spi);
            } else {
                self.drop_child(cx, quick.spi, &DownReason::PeerDeleted);
            }
        }
    }

    /// When anything on this SA is due.
    pub(crate) fn sa_deadline(&self, sa: &Sa) -> Option<Instant> {
        let farewell = sa.next_farewell();
        let own = match sa.phase {
            SaPhase::Closing => None,
            SaPhase::Superseded { delete_at } => [Some(delete_at), sa.expires_at].into_iter().flatten().min(),
            SaPhase::Current => [sa.rekey_at, sa.expires_at, self.probe_due_at(sa)].into_iter().flatten().min(),
        };
        [farewell, own].into_iter().flatten().min()
    }
}
