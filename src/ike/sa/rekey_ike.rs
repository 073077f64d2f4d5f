//! `CREATE_CHILD_SA` for IKE SAs (RFC 7296 1.3.2, 2.8.2, 2.18): new keys for the IKE SA itself.
//!
//! ```text
//!  SK { SA with a new SPI, Ni, KEi } ------->
//!           <------- SK { SA with a new SPI, Nr, KEr }
//!  on the old SA: DELETE ------->                         CHILD SAs belong to the new SA from here on
//! ```

use std::collections::VecDeque;

use crate::crypto::{Group, KeyPair, Nonces, Role};
use crate::endpoint::{Cx, DownReason, Event, Owner, RekeyKind, Tunnel};
use crate::failure::{Failure, Phase as Negotiation, Theirs, Waiting};
use crate::message::{ExchangeType, IkeSpi, Notify, NotifyType, Payload, accepted_ike, ike_proposals, select_ike};
use crate::sa::collision::{Rival, loses};
use crate::sa::contents::Contents;
use crate::sa::create_child::{MAX_GROUP_CHANGES, OVERDUE, REKEY_RETRY, TEMPORARY, agree, busy, key_payload};
use crate::sa::negotiate::{Refusal, list, no_proposal, protocol, soft};
use crate::sa::protect::Protection;
use crate::sa::retransmit::between;
use crate::sa::window::{Requests, Responses};
use crate::sa::{IkeSa, MAX_IKE_SAS, Pending, Phase, Task};

/// We asked for a new IKE SA.
#[derive(Debug)]
pub(crate) struct ExpectIkeRekeyResponse {
    /// Our name for it.
    pub(crate) spi: IkeSpi,
    nonce: Vec<u8>,
    key: KeyPair,
    group_changes: u8,
    rival: Option<Rival<IkeSpi>>,
}

/// What the exchange settled about the new IKE SA.
struct Successor {
    spi: IkeSpi,
    peer_spi: IkeSpi,
    role: Role,
    suite: crate::config::IkeProposal,
    keys: crate::crypto::IkeKeys,
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
        let expect = ExpectIkeRekeyResponse { spi, nonce, key, group_changes, rival };
        self.request(cx, ike, ExchangeType::CREATE_CHILD_SA, payloads, Pending::RekeyIke(Box::new(expect)));
    }

    /// Takes the answer to our request.
    pub(crate) fn finish_ike_rekey(
        &mut self,
        cx: &mut Cx<'_>,
        old: IkeSpi,
        expect: ExpectIkeRekeyResponse,
        contents: &Contents,
    ) {
        if let Some(notify) = contents.error() {
            cx.names.release(expect.spi);
            self.ike_rekey_refused(cx, old, expect, notify);
            return;
        }
        let (spi, rival, nonce) = (expect.spi, expect.rival.clone(), expect.nonce.clone());
        match self.accept_ike(old, expect, contents) {
            Ok((successor, peer_nonce)) => {
                let lost = rival.as_ref().is_some_and(|rival| loses((&nonce, &peer_nonce), rival));
                self.settle_ike(cx, old, successor, rival.map(|rival| rival.spi), lost);
            }
            Err(failure) => {
                cx.names.release(spi);
                self.ike_rekey_failed(cx, old, failure);
            }
        }
    }

    fn accept_ike(
        &self,
        old: IkeSpi,
        expect: ExpectIkeRekeyResponse,
        contents: &Contents,
    ) -> Result<(Successor, Vec<u8>), Failure> {
        let sa = self.sa(old).ok_or_else(|| protocol(self.first_path().remote, "no IKE SA"))?;
        let peer = sa.path.remote;
        let (Some(proposals), Some(theirs), Some(peer_nonce)) = (&contents.sa, &contents.key_exchange, &contents.nonce)
        else {
            return Err(protocol(peer, "an answer to an IKE rekey lacks SA, KE or nonce"));
        };
        let chosen = accepted_ike(&self.config.ike_proposals, proposals)
            .map_err(|error| no_proposal(error, Negotiation::Ike, peer))?;
        let group = expect.key.group();
        let Some(peer_spi) = chosen.spi.filter(|spi| *spi != IkeSpi::ZERO) else {
            return Err(protocol(peer, "an answer to an IKE rekey names no SPI"));
        };
        if chosen.proposal.group != group || theirs.group != group.id() {
            return Err(protocol(peer, "an answer with another group than our key exchange"));
        }
        let shared = expect.key.agree(&theirs.data).map_err(|_| Failure::BadPublicValue { peer, group })?;
        let nonces = Nonces { initiator: &expect.nonce, responder: peer_nonce };
        let keys = sa.keys.rekey(&chosen.proposal, &shared, nonces, expect.spi, peer_spi);
        let suite = chosen.proposal;
        Ok((Successor { spi: expect.spi, peer_spi, role: Role::Initiator, suite, keys }, peer_nonce.clone()))
    }

    fn settle_ike(&mut self, cx: &mut Cx<'_>, old: IkeSpi, successor: Successor, rival: Option<IkeSpi>, lost: bool) {
        let spi = successor.spi;
        let unwanted = self.sa(old).is_none_or(|sa| sa.phase == Phase::Closing);
        self.add_successor(cx, old, successor);
        if lost || unwanted {
            // RFC 7296 2.8.2: we delete what we made; the peer deletes the old SA, whose CHILD SAs go to its own.
            self.begin_delete_ike(spi);
            return;
        }
        if let Some(rival) = rival.and_then(|rival| self.sa_mut(rival)).filter(|rival| rival.is_current()) {
            // The peer deletes it.
            rival.phase = Phase::Replaced { by: spi, overdue_at: cx.now + OVERDUE };
        }
        self.adopt(cx, old, spi, true);
        self.begin_delete_ike(old);
    }

    fn ike_rekey_refused(&mut self, cx: &mut Cx<'_>, old: IkeSpi, expect: ExpectIkeRekeyResponse, notify: &Notify) {
        let Some(peer) = self.sa(old).map(|sa| sa.path.remote) else { return };
        let contested = expect.rival.is_some();
        let wanted = notify.wanted_group().and_then(Group::from_id).filter(|group| {
            *group != expect.key.group() && self.config.ike_proposals.iter().any(|ours| ours.group == *group)
        });
        match (notify.kind, wanted) {
            (NotifyType::INVALID_KE_PAYLOAD, Some(group)) if expect.group_changes < MAX_GROUP_CHANGES => {
                // The retry stays in the comparison with what the peer made meanwhile.
                self.ask_for_ike(cx, old, group, expect.group_changes + 1, expect.rival);
            }
            (NotifyType::TEMPORARY_FAILURE, _) => {
                // RFC 7296 2.25: the peer is busy with this SA or its CHILD SAs; later.
                let at = cx.now + between(TEMPORARY.0, TEMPORARY.1, cx.entropy);
                if let Some(sa) = self.sa_mut(old).filter(|sa| sa.is_current() && !contested) {
                    sa.rekey_at = Some(at);
                }
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

    pub(crate) fn answer_ike_rekey(
        &mut self,
        cx: &mut Cx<'_>,
        old: IkeSpi,
        contents: &Contents,
    ) -> Result<Vec<Payload>, Refusal> {
        let Some(sa) = self.sa(old) else { return Ok(Vec::new()) };
        let peer = sa.path.remote;
        // RFC 7296 2.25.2: not while the SA is being deleted, nor while we ask for something about a CHILD SA.
        let in_the_way = match &sa.pending {
            None | Some(Pending::Liveness | Pending::RekeyIke(_)) => false,
            Some(Pending::DeleteChild(_) | Pending::DeleteIke | Pending::Child(_)) => true,
        };
        if sa.phase != Phase::Current || in_the_way {
            return Err(busy(peer));
        }
        self.room_for_ike(peer)?;
        let (Some(proposals), Some(peer_nonce)) = (&contents.sa, &contents.nonce) else {
            return Err(Refusal::syntax(peer, "a request for an IKE SA without a nonce"));
        };
        let chosen = select_ike(&self.config.ike_proposals, proposals).map_err(|error| Refusal {
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
        let nonces = Nonces { initiator: peer_nonce, responder: &nonce };
        let Some(sa) = self.sa(old) else { return Ok(Vec::new()) };
        let keys = sa.keys.rekey(&chosen.proposal, &shared, nonces, peer_spi, spi);
        let payloads = vec![Payload::Sa(vec![chosen.answer(Some(spi))]), Payload::Nonce(nonce.clone()), key];
        let low_nonce = peer_nonce.clone().min(nonce);
        let successor = Successor { spi, peer_spi, role: Role::Responder, suite: chosen.proposal, keys };
        self.add_successor(cx, old, successor);
        let overdue_at = cx.now + OVERDUE;
        if let Some(sa) = self.sa_mut(old) {
            sa.phase = Phase::Replaced { by: spi, overdue_at };
            sa.rekey_at = None;
            if let Some(Pending::RekeyIke(expect)) = &mut sa.pending {
                expect.rival = Some(Rival { spi, low_nonce });
            }
        }
        Ok(payloads)
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
            pending: None,
            queue: VecDeque::new(),
            established_at: cx.now,
            rekey_at: soft(lifetime, &self.config, cx.entropy).map(|soft| cx.now + soft),
            expires_at: (!lifetime.is_zero()).then(|| cx.now + lifetime),
            reauthenticate_at: sa.reauthenticate_at,
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
        let tasks = self.sa_mut(old).map(|sa| std::mem::take(&mut sa.queue)).unwrap_or_default();
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
