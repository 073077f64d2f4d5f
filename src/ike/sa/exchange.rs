//! Messages of established IKE SAs: which one it is, whether it is authentic, who takes it.
//!
//! Nothing changes before a message has proven authentic: not the window, not the peer's address, not the
//! signs of life.

use crypto::Role;
use handshake::{Contents, Incoming, Rejected, header, protocol};
use isakmp::{ExchangeType, Frame, Notify, NotifyType, Payload};
use negotiation::{Cx, DownReason, Failure, Path, Retransmit, Waiting};
use wire::ipsec::IkeSpi;

use crate::endpoint::Tunnel;
use crate::sa::child::ChildSa;
use crate::sa::window::Arrival;
use crate::sa::{IkeSa, Pending, Phase, Task};

impl Tunnel {
    /// Takes a datagram for the IKE SA `spi`.
    pub(crate) fn handle_established(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, frame: &Frame<'_>, path: Path) {
        let Some(sa) = self.sa_mut(spi).filter(|sa| sa.matches(&frame.header)) else { return };
        let id = frame.header.message_id;
        if frame.header.flags.response {
            if sa.requests.awaits(id) {
                self.handle_response(cx, spi, frame, path);
            }
            return;
        }
        if sa.sync.concerns(frame) && self.handle_sync(cx, spi, frame, path) {
            return;
        }
        let Some(sa) = self.sa_mut(spi) else { return };
        let arrival = match sa.responses.judge(id, frame.datagram()) {
            // RFC 7383 2.5.2: a sender that got no answer may have cut its request into smaller fragments.
            Arrival::Altered if sa.protection.is_first_fragment(frame) => Arrival::Repeated,
            arrival @ (Arrival::New | Arrival::Repeated | Arrival::Altered | Arrival::Stale) => arrival,
        };
        match arrival {
            Arrival::New => self.handle_request(cx, spi, frame, path),
            // Its answer would establish what is gone.
            Arrival::Repeated if sa.is_ending() && frame.header.exchange == ExchangeType::IKE_AUTH => {}
            Arrival::Repeated => {
                // RFC 7296 2.1: the same answer again, to where the request came from.
                let response = sa.responses.last_response().to_vec();
                cx.transmit(path, &response);
            }
            Arrival::Altered | Arrival::Stale => {}
        }
    }

    fn handle_response(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, frame: &Frame<'_>, path: Path) {
        let Some(sa) = self.sa_mut(spi) else { return };
        let contents = match sa.protection.open(frame) {
            Incoming::Message { contents, .. } => contents,
            Incoming::Partial => return,
            Incoming::InTheClear => {
                self.handle_hint(cx, spi, frame);
                return;
            }
            Incoming::Invalid => {
                self.counters.invalid_messages += 1;
                return;
            }
        };
        sa.requests.complete();
        let pending = sa.pending.take();
        self.heard(cx, spi, path);
        match (pending, contents) {
            (None, _) => {}
            (Some(pending), Ok(contents)) if contents.has(NotifyType::INVALID_SYNTAX) => {
                self.response_condemns(cx, spi, &pending);
            }
            (Some(pending), Err(rejected)) => self.reject_response(cx, spi, pending, &rejected),
            (Some(Pending::Liveness), Ok(_)) => {}
            (Some(Pending::DeleteChild(child)), Ok(_)) => self.finish_delete_child(cx, child),
            (Some(Pending::DeleteIke), Ok(_)) => self.close(cx, spi, &DownReason::Superseded),
            (Some(Pending::Child(expect)), Ok(contents)) => self.finish_child(cx, spi, *expect, &contents),
            (Some(Pending::RekeyIke(expect)), Ok(contents)) => self.finish_ike_rekey(cx, spi, *expect, &contents),
        }
    }

    /// RFC 7296 2.21.3: the peer could not read our request, and has forgotten the SA.
    fn response_condemns(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, pending: &Pending) {
        release(cx, pending);
        let Some(sa) = self.sa(spi) else { return };
        let (peer, what) = (sa.path.remote, pending.waiting());
        let deleting = sa.phase == Phase::Closing;
        let failure = Failure::Refused { peer, what, notify: NotifyType::INVALID_SYNTAX };
        if deleting {
            self.close(cx, spi, &DownReason::Superseded);
        } else {
            self.condemn(cx, spi, failure);
        }
    }

    /// RFC 7296 2.21.3: after INVALID_SYNTAX both ends forget the SA without DELETE.
    fn condemn(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, failure: Failure) {
        self.close(cx, spi, &DownReason::Failed(failure.clone()));
        self.fail(cx, failure);
    }

    /// RFC 7296 2.21.3: a response that cannot be read leaves the ends in different states; the SA goes.
    fn reject_response(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, pending: Pending, rejected: &Rejected) {
        let Some(sa) = self.sa(spi) else { return };
        let failure = protocol(sa.path.remote, &rejected.detail);
        release(cx, &pending);
        if matches!(pending, Pending::DeleteIke) {
            // It answers our DELETE all the same.
            self.close(cx, spi, &DownReason::Superseded);
            return;
        }
        self.close_politely(cx, spi, &DownReason::Failed(failure.clone()));
        self.fail(cx, failure);
    }

    fn handle_request(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, frame: &Frame<'_>, path: Path) {
        let Some(sa) = self.sa_mut(spi).filter(|sa| !sa.is_closed()) else { return };
        let (contents, key) = match sa.protection.open(frame) {
            Incoming::Message { contents, key, .. } => (contents, key),
            Incoming::Partial => return,
            Incoming::InTheClear | Incoming::Invalid => {
                self.counters.invalid_messages += 1;
                return;
            }
        };
        self.heard(cx, spi, path);
        self.note_progress(cx, spi);
        let (exchange, id) = (frame.header.exchange, frame.header.message_id);
        let contents = match contents {
            Ok(contents) => contents,
            Err(rejected) => {
                let answer = vec![Payload::Notify(rejected.notify.clone())];
                self.respond(cx, spi, exchange, id, path, &key, answer);
                if rejected.is_syntax() {
                    self.condemn(cx, spi, protocol(path.remote, &rejected.detail));
                }
                return;
            }
        };
        match exchange {
            ExchangeType::CREATE_CHILD_SA => {
                let (answer, fatal) = self.answer_create_child(cx, spi, &contents);
                self.respond(cx, spi, exchange, id, path, &key, answer);
                if let Some(failure) = fatal {
                    self.condemn(cx, spi, failure);
                }
            }
            ExchangeType::IKE_FOLLOWUP_KE => {
                let (answer, fatal) = self.answer_followup(cx, spi, &contents);
                self.respond(cx, spi, exchange, id, path, &key, answer);
                if let Some(failure) = fatal {
                    self.condemn(cx, spi, failure);
                }
            }
            // Our own DELETE is the answer to whether we are there.
            ExchangeType::INFORMATIONAL if self.is_closing(spi) && contents.deletes.is_empty() => {}
            ExchangeType::INFORMATIONAL => {
                let (answer, closing) = self.answer_informational(cx, spi, &contents);
                self.respond(cx, spi, exchange, id, path, &key, answer);
                if closing {
                    self.close(cx, spi, &DownReason::PeerDeleted);
                }
            }
            _ => {
                let answer = vec![Payload::Notify(Notify::new(NotifyType::INVALID_SYNTAX))];
                self.respond(cx, spi, exchange, id, path, &key, answer);
                self.condemn(cx, spi, protocol(path.remote, "a request of an exchange that has no place here"));
            }
        }
    }

    fn is_closing(&self, spi: IkeSpi) -> bool {
        self.sa(spi).is_some_and(|sa| sa.phase == Phase::Closing)
    }

    /// Sends the answer to a request, and keeps it for the case that it gets lost.
    #[expect(clippy::too_many_arguments, reason = "a message and where it goes")]
    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        spi: IkeSpi,
        exchange: ExchangeType,
        id: u32,
        path: Path,
        request: &[u8],
        payloads: Vec<Payload>,
    ) {
        let Some(sa) = self.sa_mut(spi) else { return };
        let header = header(sa.spis(), exchange, sa.role == Role::Initiator, true, id);
        let response = sa.protection.seal(header, payloads, path.remote, cx.entropy);
        cx.transmit(path, &response);
        sa.responses.answered(request, response);
    }

    /// Sends a request. The window is open.
    pub(crate) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        spi: IkeSpi,
        exchange: ExchangeType,
        payloads: Vec<Payload>,
        pending: Pending,
    ) {
        let Some(sa) = self.sa_mut(spi) else { return };
        let Some(id) = sa.requests.open() else {
            release(cx, &pending);
            return;
        };
        let header = header(sa.spis(), exchange, sa.role == Role::Initiator, false, id);
        let datagrams = sa.protection.seal(header, payloads, sa.path.remote, cx.entropy);
        cx.transmit(sa.path, &datagrams);
        sa.requests.begin(Retransmit::new(datagrams, cx.now, cx.entropy));
        sa.pending = Some(pending);
    }

    /// Starts what is queued on every SA whose window is open.
    pub(crate) fn start_tasks(&mut self, cx: &mut Cx<'_>) {
        let spis: Vec<_> = self.sas.iter().map(|sa| sa.spi).collect();
        for spi in spis {
            while let Some(task) = self.sa_mut(spi).and_then(next_task) {
                self.start_task(cx, spi, task);
            }
        }
    }

    fn start_task(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, task: Task) {
        match task {
            Task::Liveness => self.request(cx, spi, ExchangeType::INFORMATIONAL, Vec::new(), Pending::Liveness),
            Task::CreateChild(flow) => self.start_create_child(cx, spi, flow),
            Task::RekeyChild(child) => self.start_rekey_child(cx, spi, child),
            Task::DeleteChild(child) => self.start_delete_child(cx, spi, child),
            Task::RekeyIke => self.start_ike_rekey(cx, spi),
            Task::DeleteIke => self.start_delete_ike(cx, spi),
        }
    }

    /// An authentic message arrived: a sign of life, maybe from a new address.
    pub(crate) fn heard(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, path: Path) {
        let now = cx.now;
        let Some(sa) = self.sa_mut(spi) else { return };
        sa.last_heard = now;
        sa.confirmed = true;
        let established_at = sa.established_at;
        // RFC 7296 2.23: an end that is not itself behind a NAT follows one that is.
        let follows = sa.nat.remote && !sa.nat.local;
        if follows && sa.path != path {
            self.follow_peer(cx, path);
        }
        // Who speaks under the IKE SA has the CHILD SA that came with it.
        let first = |child: &&mut ChildSa| child.parent == spi && child.established_at == established_at;
        self.children.iter_mut().filter(first).for_each(|child| child.confirmed = true);
    }

    /// The peer asks something new under an IKE SA, hence has our last answer under that one: it can receive on what that
    /// answer made. What it asks under the successor of that IKE SA says nothing about it.
    fn note_progress(&mut self, cx: &mut Cx<'_>, spi: IkeSpi) {
        let contested = self.sas.iter().any(|sa| matches!(sa.pending, Some(Pending::Child(_))));
        let at = cx.now + crate::sa::create_child::SWITCH_DELAY;
        for child in self.children.iter_mut().filter(|child| child.parent == spi) {
            let answered = child.answer.as_ref().is_some_and(|answer| answer.is_proven_under(spi));
            child.confirmed |= answered || child.carries();
            if answered && !contested && child.awaits_switch() {
                child.switch_at.get_or_insert(at);
            }
        }
    }

    /// An error in the clear, in answer to a request of ours. Whoever sees our requests can forge it, so it
    /// costs no SA; yet the peer may have restarted, and an authenticated new beginning does no harm.
    fn handle_hint(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, frame: &Frame<'_>) {
        let lost = Contents::in_the_clear(frame).is_some_and(|contents| contents.has(NotifyType::INVALID_IKE_SPI));
        // Both ends must see the new SA as younger than the old, which the peer must have had, too.
        let known = self.sa(spi).is_some_and(|sa| sa.is_current() && sa.confirmed);
        let only = self.sas.iter().all(|sa| sa.spi == spi || !sa.is_current());
        if lost && known && only && self.may_hint(cx.now) {
            self.begin_attempt(cx, true);
        }
    }

    /// No answer to a request came in time.
    pub(crate) fn give_up_on(&mut self, cx: &mut Cx<'_>, spi: IkeSpi) {
        let Some(sa) = self.sa(spi) else { return };
        let failure = Failure::PeerSilent {
            peer: sa.path.remote,
            what: sa.pending.as_ref().map_or(Waiting::Liveness, Pending::waiting),
            tries: sa.requests.under_way().map_or(0, Retransmit::tries),
        };
        let deleting = matches!(sa.phase, Phase::Closing);
        self.close(cx, spi, &DownReason::PeerSilent(failure.clone()));
        if !deleting {
            self.counters.dpd_timeouts += 1;
            self.note_dead_peer();
            self.fail(cx, failure);
        }
    }
}

/// The next task that may start in the SA's phase.
fn next_task(sa: &mut IkeSa) -> Option<Task> {
    if sa.pending.is_some() || sa.requests.open().is_none() {
        return None;
    }
    let may_start = |task: &Task| match sa.phase {
        Phase::Current => !sa.holds_back(task),
        Phase::Replaced { .. } => *task == Task::Liveness,
        Phase::Closing => *task == Task::DeleteIke,
        Phase::Closed { .. } => false,
    };
    let index = sa.queue.iter().position(may_start)?;
    sa.queue.remove(index)
}

/// Gives back the names that a request had claimed for SAs which will not be.
pub(crate) fn release(cx: &mut Cx<'_>, pending: &Pending) {
    match pending {
        Pending::Liveness | Pending::DeleteChild(_) | Pending::DeleteIke => {}
        Pending::Child(expect) => cx.names.release_esp(expect.spi),
        Pending::RekeyIke(expect) => cx.names.release(expect.spi),
    }
}
