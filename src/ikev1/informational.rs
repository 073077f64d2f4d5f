//! Informational exchanges (RFC 2409 5.7): DELETE, errors, statuses, dead peer detection. Each is one message, not
//! acknowledged, and believed only if its hash holds.

use isakmp::v1::{Delete, Frame, Notify, NotifyKind, Payload, Protocol};
use negotiation::{Cx, DownReason, Failure, Path, Phase};
use wire::ipsec::IkeSpi;

use crate::contents::Contents;
use crate::sa::{SaPhase, is_authentic};
use crate::select::Lifetimes;
use crate::tunnel::{COURTESY, Tunnel};

/// How far the peer's sequence number of dead peer detection may fall behind: what was reordered.
const SEQUENCE_SLACK: u32 = 16;

impl Tunnel {
    /// Takes an informational message under an SA.
    pub(crate) fn handle_informational(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, frame: &Frame<'_>, path: Path) {
        let message_id = frame.header.message_id;
        let Some(sa) = self.sas.iter_mut().find(|sa| sa.cookie == cookie) else { return };
        if message_id == 0 || !sa.is_new(message_id) {
            return;
        }
        let iv = sa.first_iv(message_id);
        let opened = sa.open(frame, &iv).filter(|(chain, plaintext, _)| {
            is_authentic(chain, plaintext, |covered| sa.keys.hash1(message_id, covered))
        });
        // What is not authentic, errors in the clear above all, changes nothing.
        let Some((chain, plaintext, _)) = opened else {
            self.counters.invalid_messages += 1;
            return;
        };
        sa.remember(message_id);
        let contents = Contents::collect(chain, &plaintext);
        self.heard(cx, cookie, path);
        for notify in &contents.notifies {
            self.take_notify(cx, cookie, notify);
        }
        for delete in &contents.deletes {
            self.take_delete(cx, delete);
        }
    }

    fn take_notify(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, notify: &Notify) {
        match notify.kind {
            NotifyKind::R_U_THERE => self.answer_probe(cx, cookie, notify),
            NotifyKind::R_U_THERE_ACK => self.take_probe_answer(cookie, notify),
            NotifyKind::INITIAL_CONTACT => {
                let began = self.sas.iter().find(|sa| sa.cookie == cookie).map(|sa| sa.began);
                if let Some(began) = began {
                    self.forget_before(cx, began);
                }
            }
            NotifyKind::RESPONDER_LIFETIME => self.take_lifetime(cx, cookie, notify),
            kind if kind.is_error() => self.quick_refused(cx, cookie, notify),
            // CONNECTED and other statuses ask for nothing.
            _ => {}
        }
    }

    /// RFC 2407 4.6.3.1: the peer keeps to less than was offered.
    fn take_lifetime(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, notify: &Notify) {
        let Ok(attributes) = notify.attributes() else { return };
        let Some(time) = Lifetimes::from_esp(&attributes).time else { return };
        let soft = time * 4 / 5;
        let sooner = |at: Option<std::time::Instant>, new| Some(at.map_or(new, |at: std::time::Instant| at.min(new)));
        if notify.protocol == Protocol::ISAKMP {
            if let Some(sa) = self.sas.iter_mut().find(|sa| sa.cookie == cookie) {
                sa.rekey_at = sooner(sa.rekey_at, sa.established_at + soft);
                sa.expires_at = sooner(sa.expires_at, sa.established_at + time);
            }
            return;
        }
        let now = cx.now;
        let named = |child: &&mut crate::children::Child| notify.spi == child.peer_spi.0.to_be_bytes();
        if let Some(child) = self.children.iter_mut().find(named).filter(|child| child.is_installed()) {
            child.rekey_at = sooner(child.rekey_at, (child.established_at + soft).max(now));
            child.expires_at = sooner(child.expires_at, child.established_at + time);
        }
    }

    fn answer_probe(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, notify: &Notify) {
        let Some(sa) = self.sas.iter_mut().find(|sa| sa.cookie == cookie) else { return };
        let Some(sequence) = notify.sequence() else { return };
        // RFC 3706 7: numbers only grow; the peer repeats one that was not answered.
        if sa.peer_sequence.is_some_and(|last| sequence.wrapping_add(SEQUENCE_SLACK) < last) {
            return;
        }
        sa.peer_sequence = Some(sa.peer_sequence.map_or(sequence, |last| last.max(sequence)));
        let answer = Notify { kind: NotifyKind::R_U_THERE_ACK, ..notify.clone() };
        sa.inform(cx, vec![Payload::Notify(answer)]);
    }

    fn take_probe_answer(&mut self, cookie: IkeSpi, notify: &Notify) {
        let Some(sa) = self.sas.iter_mut().find(|sa| sa.cookie == cookie) else { return };
        if notify.sequence() == Some(sa.our_sequence) {
            sa.probe = None;
        }
    }

    fn take_delete(&mut self, cx: &mut Cx<'_>, delete: &Delete) {
        for spi in delete.esp_spis() {
            // The peer names what it received on: what we send with.
            let found = self.children.iter().find(|child| child.peer_spi == spi && child.is_live());
            let Some(child) = found.map(|child| child.spi) else { continue };
            let was_up = self.is_up();
            self.retire_child(cx, child, &DownReason::PeerDeleted);
            if was_up && !self.is_up() {
                let peer = self.path().remote;
                self.fail(cx, Failure::PeerDeleted { peer, phase: Phase::Child });
            }
            self.want_pairs(cx);
        }
        let named: Vec<_> = self
            .sas
            .iter()
            .filter(|sa| delete.names(sa.cookies.initiator, sa.cookies.responder))
            .map(|sa| sa.cookie)
            .collect();
        for cookie in named {
            self.take_sa_delete(cx, cookie);
        }
    }

    /// The peer has deleted an ISAKMP SA. What it carried lives on.
    fn take_sa_delete(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi) {
        let was_current = self.sas.iter().any(|sa| sa.cookie == cookie && sa.is_current());
        self.forget_sa(cx, cookie, &DownReason::PeerDeleted);
        if !was_current || self.current().is_some() {
            return;
        }
        // The peer prefers another that we thought superseded; else a new one is made, by the peer if it hurries.
        let newest = self.sas.iter_mut().rev().find(|sa| matches!(sa.phase, SaPhase::Superseded { .. }));
        match newest {
            Some(sa) => sa.phase = SaPhase::Current,
            None if self.retry_at.is_none() => self.retry_at = Some(cx.now + COURTESY),
            None => {}
        }
    }
}
