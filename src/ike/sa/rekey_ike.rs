//! `CREATE_CHILD_SA` for IKE SAs (RFC 7296 1.3.2, 2.8.2, 2.18): new keys for the IKE SA itself.
//!
//! ```text
//!  SK { SA with a new SPI, Ni, KEi } ------->
//!           <------- SK { SA with a new SPI, Nr, KEr }
//!  on the old SA: DELETE ------->                         CHILD SAs belong to the new SA from here on
//! ```

use std::time::Duration;

use std::collections::VecDeque;

use crypto::{Group, IkeKeys, IkeProposal, KeyPair, Nonces, Role};
use handshake::{Contents, Protection, Refusal, key_payload, no_proposal, protocol};
use isakmp::{ExchangeType, Notify, NotifyType, Payload, accepted_ike, ike_proposals, select_ike};
use negotiation::{
    Cx, DownReason, Event, Failure, MAX_IKE_SAS, Owner, Phase as Negotiation, RekeyKind, Theirs, Waiting, between,
    list, soft,
};
use wire::Secret;
use wire::ipsec::IkeSpi;

use crate::endpoint::Tunnel;
use crate::sa::collision::{Rival, loses};
use crate::sa::create_child::{MAX_GROUP_CHANGES, OVERDUE, REKEY_RETRY, TEMPORARY};
use crate::sa::followup::{FollowUp, Goal, Step};
use crate::sa::key_exchange::{agree, busy};
use crate::sa::window::{Requests, Responses};
use crate::sa::{IkeSa, Pending, Phase, Task};

/// We asked for a new IKE SA.
#[derive(Debug)]
pub(crate) struct ExpectIkeRekeyResponse {
    /// Our name for it.
    pub(crate) spi: IkeSpi,
    nonce: Vec<u8>,
    /// Of the first key exchange, until it is answered.
    key: Option<KeyPair>,
    /// What was settled, while further keys are exchanged.
    follow: Option<(HalfIke, FollowUp)>,
    group_changes: u8,
    rival: Option<Rival<IkeSpi>>,
}

/// What `CREATE_CHILD_SA` settled about the new IKE SA, but for further key exchanges.
#[derive(Debug)]
pub(crate) struct HalfIke {
    /// Our name for it.
    pub(crate) spi: IkeSpi,
    peer_spi: IkeSpi,
    suite: IkeProposal,
    shared: Secret,
    /// Of the exchange's initiator.
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
}

impl HalfIke {
    /// What it becomes under the keys of the SA it replaces.
    fn complete(self, old: &IkeKeys, additional: &[Secret], role: Role) -> Successor {
        let Self { spi, peer_spi, suite, shared, nonce_i, nonce_r } = self;
        let nonces = Nonces { initiator: &nonce_i, responder: &nonce_r };
        let (initiator, responder) = match role {
            Role::Initiator => (spi, peer_spi),
            Role::Responder => (peer_spi, spi),
        };
        let keys = old.rekey(&suite, &shared, additional, nonces, initiator, responder);
        Successor { spi, peer_spi, role, suite, keys }
    }
}

impl ExpectIkeRekeyResponse {
    /// Whether the peer has asked for the same.
    pub(super) const fn is_contested(&self) -> bool {
        self.rival.is_some()
    }

    /// Whether what the peer made, or is about to make, of the same SA stays instead of ours.
    fn has_lost(&self, half: &HalfIke) -> bool {
        self.rival.as_ref().is_some_and(|rival| loses((&half.nonce_i, &half.nonce_r), rival))
    }
}

/// What comes after a response.
enum IkeStep {
    /// One more request with these payloads.
    Next(Vec<Payload>),
    /// Not worth going on: the peer's exchange is the one that counts.
    Lost,
    /// The peer has made the SA, with these secrets of further key exchanges.
    Done(Box<HalfIke>, Vec<Secret>),
}

/// The new IKE SA.
struct Successor {
    spi: IkeSpi,
    peer_spi: IkeSpi,
    role: Role,
    suite: IkeProposal,
    keys: IkeKeys,
}

impl IkeSa {
    /// Whether the peer may replace it now.
    fn may_be_replaced(&self) -> bool {
        // RFC 7296 2.25.2: not while the SA is being deleted, nor while we ask for something about a CHILD SA.
        let in_the_way = match &self.pending {
            None | Some(Pending::Liveness | Pending::RekeyIke(_)) => false,
            Some(Pending::DeleteChild(_) | Pending::DeleteIke | Pending::Child(_)) => true,
        };
        self.phase == Phase::Current && !in_the_way
    }
}

impl Tunnel {
    pub(crate) fn start_ike_rekey(&mut self, cx: &mut Cx<'_>, ike: IkeSpi) {
        let Some(sa) = self.sa_mut(ike) else { return };
        sa.rekey_at = None;
        let group = sa.suite.group;
        self.ask_for_ike(cx, ike, group, 0, None);
    }

    fn ask_for_ike(
        &mut self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        group: Group,
        group_changes: u8,
        rival: Option<Rival<IkeSpi>>,
    ) {
        let ours = &self.config.ike_proposals;
        let offered = ours.iter().map(|proposal| proposal.group).find(|offered| *offered == group);
        let Some(group) = offered.or_else(|| ours.first().map(|proposal| proposal.group)) else { return };
        let spi = cx.claim_ike_spi(Owner::Tunnel(self.slot));
        let (key, nonce) = (group.generate(cx.entropy), cx.nonce());
        let payloads =
            vec![Payload::Sa(ike_proposals(ours, Some(spi))), Payload::Nonce(nonce.clone()), key_payload(&key)];
        let (key, follow) = (Some(key), None);
        let expect = ExpectIkeRekeyResponse { spi, nonce, key, follow, group_changes, rival };
        self.request(cx, ike, ExchangeType::CREATE_CHILD_SA, payloads, Pending::RekeyIke(Box::new(expect)));
    }

    /// Takes the answer to our request.
    pub(crate) fn finish_ike_rekey(
        &mut self,
        cx: &mut Cx<'_>,
        old: IkeSpi,
        mut expect: ExpectIkeRekeyResponse,
        contents: &Contents,
    ) {
        if let Some(notify) = contents.error() {
            cx.names.release(expect.spi);
            self.ike_rekey_refused(cx, old, expect, notify);
            return;
        }
        match self.advance_ike(cx, old, &mut expect, contents) {
            Ok(IkeStep::Next(payloads)) => {
                self.request(cx, old, ExchangeType::IKE_FOLLOWUP_KE, payloads, Pending::RekeyIke(Box::new(expect)));
            }
            Ok(IkeStep::Lost) => {
                // The peer goes on in our stead. Should it not come to an end, we try again.
                cx.names.release(expect.spi);
                self.rekey_ike_later(cx, old, REKEY_RETRY);
            }
            Ok(IkeStep::Done(half, secrets)) => {
                let (lost, rival) = (expect.has_lost(&half), expect.rival.map(|rival| rival.spi));
                let Some(sa) = self.sa(old) else { return };
                let successor = half.complete(&sa.keys, &secrets, Role::Initiator);
                self.settle_ike(cx, old, successor, rival, lost);
            }
            Err(failure) => {
                cx.names.release(expect.spi);
                self.ike_rekey_failed(cx, old, failure);
            }
        }
    }

    /// Takes a response; what is next.
    fn advance_ike(
        &self,
        cx: &mut Cx<'_>,
        old: IkeSpi,
        expect: &mut ExpectIkeRekeyResponse,
        contents: &Contents,
    ) -> Result<IkeStep, Failure> {
        let peer = self.sa(old).map_or(self.first_path().remote, |sa| sa.path.remote);
        let (half, step) = match expect.follow.take() {
            Some((half, follow)) => (half, follow.take(contents, peer, cx.entropy)?),
            None => {
                let half = self.accept_ike(old, expect, contents)?;
                let step = FollowUp::begin(&half.suite.additional, contents, peer, cx.entropy)?;
                (half, step)
            }
        };
        match step {
            Step::Done(secrets) => Ok(IkeStep::Done(Box::new(half), secrets)),
            Step::Next(..) if expect.has_lost(&half) => Ok(IkeStep::Lost),
            Step::Next(follow, payloads) => {
                expect.follow = Some((half, follow));
                Ok(IkeStep::Next(payloads))
            }
        }
    }

    fn accept_ike(
        &self,
        old: IkeSpi,
        expect: &mut ExpectIkeRekeyResponse,
        contents: &Contents,
    ) -> Result<HalfIke, Failure> {
        let sa = self.sa(old).ok_or_else(|| protocol(self.first_path().remote, "no IKE SA"))?;
        let peer = sa.path.remote;
        let (Some(proposals), Some(theirs), Some(nonce_r)) = (&contents.sa, &contents.key_exchange, &contents.nonce)
        else {
            return Err(protocol(peer, "an answer to an IKE rekey lacks SA, KE or nonce"));
        };
        let chosen = accepted_ike(&self.config.ike_proposals, proposals)
            .map_err(|error| no_proposal(error, Negotiation::Ike, peer))?;
        let Some(peer_spi) = chosen.spi.filter(|spi| *spi != IkeSpi::ZERO) else {
            return Err(protocol(peer, "an answer to an IKE rekey names no SPI"));
        };
        let suite = chosen.proposal;
        let is_due = |key: &KeyPair| suite.group == key.group() && theirs.group == key.group().id();
        let Some(key) = expect.key.take().filter(is_due) else {
            return Err(protocol(peer, "an answer with another group than our key exchange"));
        };
        let group = key.group();
        let shared = key.agree(&theirs.data).map_err(|_| Failure::BadPublicValue { peer, group })?;
        let (spi, nonce_i, nonce_r) = (expect.spi, expect.nonce.clone(), nonce_r.clone());
        Ok(HalfIke { spi, peer_spi, suite, shared, nonce_i, nonce_r })
    }

    fn settle_ike(&mut self, cx: &mut Cx<'_>, old: IkeSpi, successor: Successor, rival: Option<IkeSpi>, lost: bool) {
        let spi = successor.spi;
        let unwanted = self.sa(old).is_none_or(|sa| sa.phase == Phase::Closing);
        self.add_successor(cx, old, successor);
        if lost || unwanted {
            // RFC 7296 2.8.2: we delete what we made; the peer deletes the old SA, whose CHILD SAs go to its own.
            self.begin_delete_ike(cx, spi);
            return;
        }
        if let Some(rival) = rival.and_then(|rival| self.sa_mut(rival)).filter(|rival| rival.is_current()) {
            // The peer deletes it.
            rival.phase = Phase::Replaced { by: spi, overdue_at: cx.now + OVERDUE };
        }
        self.adopt(cx, old, spi, true);
        self.begin_delete_ike(cx, old);
    }

    fn ike_rekey_refused(&mut self, cx: &mut Cx<'_>, old: IkeSpi, expect: ExpectIkeRekeyResponse, notify: &Notify) {
        let Some(peer) = self.sa(old).map(|sa| sa.path.remote) else { return };
        let contested = expect.is_contested();
        let tried = expect.key.as_ref().map(KeyPair::group);
        let wanted = notify
            .wanted_group()
            .and_then(Group::from_id)
            .filter(|group| Some(*group) != tried && self.config.ike_proposals.iter().any(|ours| ours.group == *group));
        match (notify.kind, wanted) {
            (NotifyType::INVALID_KE_PAYLOAD, Some(group)) if expect.group_changes < MAX_GROUP_CHANGES => {
                // The retry stays in the comparison with what the peer made meanwhile.
                self.ask_for_ike(cx, old, group, expect.group_changes + 1, expect.rival);
            }
            // RFC 9370 2.2.4: or it has given our exchange up.
            (NotifyType::TEMPORARY_FAILURE | NotifyType::STATE_NOT_FOUND, _) => {
                // RFC 7296 2.25: the peer is busy with this SA or its CHILD SAs; later. Where it is about to replace
                // the SA itself, that may come to nothing.
                self.rekey_ike_later(cx, old, if contested { REKEY_RETRY } else { TEMPORARY });
            }
            (NotifyType::NO_PROPOSAL_CHOSEN, _) => {
                let ours = list(&self.config.ike_proposals);
                let failure =
                    Failure::NoProposalChosen { phase: Negotiation::Ike, peer, ours, theirs: Theirs::Unknown };
                self.ike_rekey_failed(cx, old, failure);
            }
            (NotifyType::INVALID_KE_PAYLOAD, _) => {
                let ours = list(&self.config.ike_proposals);
                let wanted = notify.wanted_group().map_or(0, |group| group.0);
                let failure = Failure::InvalidKe { phase: Negotiation::Ike, peer, wanted, ours };
                self.ike_rekey_failed(cx, old, failure);
            }
            (kind, _) => {
                let failure = Failure::Refused { peer, what: Waiting::CreateChild, notify: kind };
                self.ike_rekey_failed(cx, old, failure);
            }
        }
    }

    fn ike_rekey_failed(&mut self, cx: &mut Cx<'_>, old: IkeSpi, failure: Failure) {
        let retry_at = cx.now + between(REKEY_RETRY.0, REKEY_RETRY.1, cx.entropy);
        if let Some(sa) = self.sa_mut(old).filter(|sa| sa.is_current()) {
            sa.rekey_at = Some(retry_at);
            let ends = sa.expires_at;
            self.renew_before(cx, ends);
        }
        self.rekey_failed(cx, RekeyKind::Ike, failure, retry_at);
    }

    /// Some time `within` the two, a rekey of the IKE SA is tried again.
    pub(super) fn rekey_ike_later(&mut self, cx: &mut Cx<'_>, old: IkeSpi, within: (Duration, Duration)) {
        let at = cx.now + between(within.0, within.1, cx.entropy);
        if let Some(sa) = self.sa_mut(old).filter(|sa| sa.is_current()) {
            sa.rekey_at = Some(at);
        }
    }

    pub(crate) fn answer_ike_rekey(
        &mut self,
        cx: &mut Cx<'_>,
        old: IkeSpi,
        contents: &Contents,
    ) -> Result<Vec<Payload>, Refusal> {
        let Some(sa) = self.sa(old) else { return Ok(Vec::new()) };
        let peer = sa.path.remote;
        if !sa.may_be_replaced() {
            return Err(busy(peer));
        }
        self.room_for_ike(peer)?;
        let (Some(proposals), Some(peer_nonce)) = (&contents.sa, &contents.nonce) else {
            return Err(Refusal::syntax(peer, "a request for an IKE SA without a nonce"));
        };
        let chosen = select_ike(&self.config.ike_proposals, proposals, true).map_err(|error| Refusal {
            notify: Notify::new(NotifyType::NO_PROPOSAL_CHOSEN),
            failure: no_proposal(error, Negotiation::Ike, peer),
        })?;
        let Some(peer_spi) = chosen.spi.filter(|spi| *spi != IkeSpi::ZERO) else {
            let failure = protocol(peer, "a request for an IKE SA names no SPI");
            return Err(Refusal { notify: Notify::new(NotifyType::NO_PROPOSAL_CHOSEN), failure });
        };
        let group = Some(chosen.proposal.group);
        let Some((key, shared)) = agree(cx, group, contents.key_exchange.as_ref(), peer)? else {
            return Err(busy(peer));
        };
        let (spi, nonce) = (cx.claim_ike_spi(Owner::Tunnel(self.slot)), cx.nonce());
        let suite = chosen.proposal;
        let mut payloads = vec![Payload::Sa(vec![chosen.answer(Some(spi))]), Payload::Nonce(nonce.clone()), key];
        let low_nonce = peer_nonce.clone().min(nonce.clone());
        if let Some(Pending::RekeyIke(expect)) = self.sa_mut(old).and_then(|sa| sa.pending.as_mut()) {
            expect.rival = Some(Rival { spi, low_nonce });
        }
        let half = HalfIke { spi, peer_spi, suite, shared, nonce_i: peer_nonce.clone(), nonce_r: nonce };
        if suite.additional.is_empty() {
            self.complete_ike_rekey(cx, old, half, &[])?;
        } else {
            payloads.push(self.await_followup(cx, old, &suite.additional, Goal::Ike(Box::new(half))));
        }
        Ok(payloads)
    }

    /// Makes the IKE SA that the peer asked for, with the secrets of further key exchanges.
    pub(crate) fn complete_ike_rekey(
        &mut self,
        cx: &mut Cx<'_>,
        old: IkeSpi,
        half: HalfIke,
        additional: &[Secret],
    ) -> Result<(), Refusal> {
        let Some(sa) = self.sa(old) else { return Ok(()) };
        let spi = half.spi;
        // Much may have happened between the first key exchange and the last.
        if !sa.may_be_replaced() {
            cx.names.release(spi);
            return Err(busy(sa.path.remote));
        }
        let successor = half.complete(&sa.keys, additional, Role::Responder);
        self.add_successor(cx, old, successor);
        let overdue_at = cx.now + OVERDUE;
        if let Some(sa) = self.sa_mut(old) {
            sa.phase = Phase::Replaced { by: spi, overdue_at };
            sa.rekey_at = None;
        }
        Ok(())
    }

    /// Whether there may be one more IKE SA.
    pub(crate) fn room_for_ike(&self, peer: std::net::SocketAddr) -> Result<(), Refusal> {
        if self.sas.iter().filter(|sa| !sa.is_closed()).count() < MAX_IKE_SAS {
            return Ok(());
        }
        Err(Refusal {
            notify: Notify::new(NotifyType::NO_ADDITIONAL_SAS),
            failure: Failure::TooManySas { peer, phase: Negotiation::Ike, most: MAX_IKE_SAS },
        })
    }

    fn add_successor(&mut self, cx: &mut Cx<'_>, old: IkeSpi, new: Successor) {
        let lifetime = self.config.ike_lifetime;
        let Some(sa) = self.sa(old) else { return };
        let successor = IkeSa {
            spi: new.spi,
            peer_spi: new.peer_spi,
            role: new.role,
            path: sa.path,
            nat: sa.nat,
            suite: new.suite,
            protection: Protection::new(new.keys.ciphers(new.role), sa.protection.fragmentation()),
            keys: new.keys,
            origin: sa.origin.clone(),
            phase: Phase::Current,
            heir: None,
            forgotten: sa.forgotten,
            confirmed: new.role == Role::Initiator,
            requests: Requests::starting_at(0),
            responses: Responses::starting_at(0),
            sync: sa.sync.inherited(),
            pending: None,
            queue: VecDeque::new(),
            unfinished: Vec::new(),
            ppk: sa.ppk,
            established_at: cx.now,
            rekey_at: soft(lifetime, &self.config, cx.entropy).map(|soft| cx.now + soft),
            expires_at: (!lifetime.is_zero()).then(|| cx.now + lifetime),
            reauthentication: sa.reauthentication,
            child_due: sa.child_due,
            last_heard: cx.now,
        };
        self.sas.push(successor);
    }

    /// Gives the CHILD SAs of `old`, and what it still had to ask, to `new`.
    pub(crate) fn adopt(&mut self, cx: &mut Cx<'_>, old: IkeSpi, new: IkeSpi, initiator: bool) {
        for child in self.children.iter_mut().filter(|child| child.parent == old) {
            child.parent = new;
        }
        for sa in self.sas.iter_mut().filter(|sa| sa.spi == old || sa.heir == Some(old)) {
            sa.heir = Some(new);
        }
        // One rekey may follow another before the SA they began with is deleted.
        for sa in self.sas.iter_mut().filter(|sa| sa.is_replaced_by(old)) {
            if let Phase::Replaced { by, .. } = &mut sa.phase {
                *by = new;
            }
        }
        let tasks = self.sa_mut(old).map(|sa| {
            sa.drop_unfinished(cx);
            std::mem::take(&mut sa.queue)
        });
        let tasks = tasks.unwrap_or_default();
        if let Some(sa) = self.sa_mut(new) {
            for task in tasks {
                match task {
                    Task::CreateChild(_) | Task::RekeyChild(_) | Task::DeleteChild(_) => sa.enqueue(task),
                    Task::Liveness | Task::RekeyIke | Task::DeleteIke => {}
                }
            }
        }
        self.counters.ike_rekeys += 1;
        cx.event(Event::IkeRekeyed { tunnel: self.id, initiator });
    }

    /// A replaced SA was not deleted by the end that replaced it.
    pub(crate) fn take_over(&mut self, cx: &mut Cx<'_>, old: IkeSpi) {
        let Some(Phase::Replaced { by, .. }) = self.sa(old).map(|sa| sa.phase) else { return };
        if self.sa(by).is_some_and(IkeSa::is_current) {
            self.close_politely(cx, old, &DownReason::Superseded);
        } else if let Some(sa) = self.sa_mut(old) {
            sa.phase = Phase::Current;
        }
    }
}
