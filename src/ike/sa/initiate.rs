//! Our initiation under way: what it is to ask for, what became of it, what to do when it was for nothing. How it goes is
//! in the room `handshake`.

use handshake::{Attempt, Progress, Wish};
use isakmp::Frame;
use negotiation::{Cx, Failure};
use wire::ipsec::IkeSpi;

use crate::endpoint::Tunnel;
use crate::sa::sync;

impl Tunnel {
    /// Sends the first message. `sole` says that the peer has lost what it had of ours.
    pub(crate) fn begin_attempt(&mut self, cx: &mut Cx<'_>, sole: bool) {
        let Some(attempt) = Attempt::begin(cx, &self.config, self.slot, self.first_path(), sole) else { return };
        self.retry_at = None;
        self.counters.attempts += 1;
        self.attempt = Some(attempt);
    }

    /// Takes a datagram for our attempt.
    pub(crate) fn handle_attempt(&mut self, cx: &mut Cx<'_>, frame: &Frame<'_>) {
        let Some(attempt) = self.attempt.take() else { return };
        let spi = attempt.spi();
        if !attempt.is_proving() {
            self.asked = self.first_flow();
        }
        let wish = self.wish(&attempt);
        match attempt.handle(cx, &self.config, wish, frame) {
            Progress::Goes(attempt) => self.attempt = Some(attempt),
            Progress::Invalid(attempt) => {
                self.counters.invalid_messages += 1;
                self.attempt = Some(attempt);
            }
            Progress::Over(failure) => self.abandon(cx, spi, failure),
            Progress::Answered(answer) => self.finish_auth(cx, *answer),
        }
    }

    fn wish(&self, attempt: &Attempt) -> Wish {
        let alone = attempt.is_sole() || !self.sas.iter().any(|sa| !sa.is_closed());
        Wish {
            selectors: self.selectors_of(self.asked),
            childless: self.childless,
            // RFC 7296 2.4: whatever else the peer has between these two identities is gone.
            initial_contact: alone && !self.shares_identities,
            extensions: vec![sync::supported()],
        }
    }

    pub(crate) fn handle_attempt_timeout(&mut self, cx: &mut Cx<'_>) {
        let Some(attempt) = &mut self.attempt else { return };
        if attempt.deadline() <= cx.now {
            let (spi, failure) = (attempt.spi(), attempt.failure());
            self.drop_attempt(cx);
            // The peer may have brought the tunnel up meanwhile.
            if !self.is_up() {
                self.abandon(cx, spi, failure);
            }
            return;
        }
        self.counters.retransmissions += u64::from(attempt.retransmit(cx));
    }

    /// Our attempt is over without an answer of consequence.
    fn abandon(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, failure: Failure) {
        cx.names.release(spi);
        self.fail(cx, failure);
    }

    /// Forgets our attempt.
    pub(crate) fn drop_attempt(&mut self, cx: &mut Cx<'_>) {
        if let Some(attempt) = self.attempt.take() {
            cx.names.release(attempt.spi());
            if let Some(child) = attempt.child() {
                cx.names.release_esp(child);
            }
        }
    }

    /// Drops our own attempt if the peer cannot have established anything from it yet: its SA serves as well.
    pub(crate) fn yield_attempt(&mut self, cx: &mut Cx<'_>) {
        if self.is_up() && self.attempt.as_ref().is_some_and(|attempt| !attempt.is_proving()) {
            self.drop_attempt(cx);
        }
    }
}
