//! `CREATE_CHILD_SA` for CHILD SAs (RFC 7296 1.3.1, 1.3.3): a new one, or one that replaces another.
//!
//! ```text
//!  SK { [N(REKEY_SA)], SA, Ni, [KEi], TSi, TSr } ------->
//!                  <------- SK { SA, Nr, [KEr], TSi, TSr }
//!                         | SK { N(INVALID_KE_PAYLOAD | TEMPORARY_FAILURE | CHILD_SA_NOT_FOUND | ...) }
//! ```
//!
//! A peer that makes a CHILD SA with the selectors of another replaces it: the newest wins, and the old one is deleted
//! when the peer is known to have the new one. With other selectors it is another flow, beside the rest.

use std::time::Duration;

use crypto::{Group, IkeKeys, KeyPair, Nonces, Pfs, Role};
use handshake::{Contents, Refusal, Terms, judge_answer, judge_offer, key_payload, protocol};
use isakmp::{ChildExchange, ExchangeType, Notify, NotifyType, Payload, ProtocolId, esp_proposals};
use negotiation::{ChildSelectors, Cx, Event, Failure, Outbound, Phase as Negotiation};
use wire::Secret;
use wire::ipsec::{IkeSpi, Spi};

use crate::endpoint::{FlowId, Tunnel};
use crate::sa::child::ChildPhase;
use crate::sa::collision::{Rival, loses};
use crate::sa::followup::{FollowUp, Goal, Step};
use crate::sa::key_exchange::{agree, busy};
use crate::sa::new_child::NewChild;
use crate::sa::{Pending, Phase, Task};

/// How long the peer, once it has a new SA, may take to delete the old one before we switch by ourselves.
pub(crate) const SWITCH_DELAY: Duration = Duration::from_secs(3);
/// How long a replaced SA may stay before we delete it ourselves.
pub(crate) const OVERDUE: Duration = Duration::from_secs(30);
/// Pause after `TEMPORARY_FAILURE`: random, so that ends in each other's way do not stay there.
pub(crate) const TEMPORARY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));
/// Pause after a rekey failed for a reason that may last.
pub(crate) const REKEY_RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));
/// Deletions of unknown SAs we remember during one exchange.
const MAX_DELETED: usize = 8;
/// CHILD SAs that a peer may pile up, besides two for each that we want.
const MAX_CHILDREN: usize = 16;
/// Group changes we follow in one exchange.
pub(crate) const MAX_GROUP_CHANGES: u8 = 3;

/// We asked for a CHILD SA.
#[derive(Debug)]
pub(crate) struct ExpectChildResponse {
    /// What it is for.
    pub(crate) flow: FlowId,
    /// The SA to be replaced, by the SPI we receive on.
    pub(crate) replaces: Option<Spi>,
    pub(crate) offered: ChildSelectors,
    /// The peer refused what is in use, so that all that is configured is offered.
    pub(super) widened: bool,
    /// The SPI we will receive on.
    pub(crate) spi: Spi,
    nonce: Vec<u8>,
    pub(super) key: Option<KeyPair>,
    /// What was settled, while further keys are exchanged.
    follow: Option<(HalfChild, FollowUp)>,
    pub(super) group_changes: u8,
    pub(crate) rival: Option<Rival<Spi>>,
    /// What the peer deleted meanwhile and we never had: maybe what its answer, still on its way, brings.
    deleted: Vec<Spi>,
}

/// What to ask for.
pub(super) struct Ask {
    pub(super) flow: FlowId,
    pub(super) replaces: Option<Spi>,
    pub(super) group: Option<Group>,
    pub(super) group_changes: u8,
    pub(super) rival: Option<Rival<Spi>>,
    pub(super) widened: bool,
}

impl ExpectChildResponse {
    /// The same again, with another group.
    pub(super) fn again(self, group: Option<Group>) -> Ask {
        let Self { flow, replaces, group_changes, rival, widened, .. } = self;
        Ask { flow, replaces, group, group_changes: group_changes + 1, rival, widened }
    }
}

/// What `CREATE_CHILD_SA` settled about a CHILD SA, but for further key exchanges.
#[derive(Debug)]
pub(crate) struct HalfChild {
    /// What it is for.
    pub(crate) flow: FlowId,
    /// The SA to be replaced, by the SPI we receive on.
    pub(crate) replaces: Option<Spi>,
    /// The SPI we will receive on.
    pub(crate) spi: Spi,
    terms: Terms,
    shared: Option<Secret>,
    /// Of the exchange's initiator.
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
}

impl HalfChild {
    /// What it becomes under the IKE SA's `keys` with the secrets of further key exchanges.
    fn complete(self, keys: &IkeKeys, additional: &[Secret], role: Role) -> NewChild {
        let nonces = Nonces { initiator: &self.nonce_i, responder: &self.nonce_r };
        let keys = keys.child(self.terms.chosen.suite, self.shared.as_ref(), additional, nonces);
        let group = self.terms.chosen.group;
        NewChild { flow: self.flow, terms: self.terms, spi: self.spi, role, group, keys }
    }
}

impl Tunnel {
    pub(crate) fn start_create_child(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, flow: FlowId) {
        if !self.has_usable(ike, flow) {
            let ask = Ask { flow, replaces: None, group: None, group_changes: 0, rival: None, widened: false };
            self.ask_for_child(cx, ike, ask);
        }
    }

    pub(crate) fn start_rekey_child(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, old: Spi) {
        let Some(child) = self.child_mut(old).filter(|child| child.is_live() && child.carries() && !child.redundant)
        else {
            return;
        };
        child.rekey_at = None;
        let (flow, group) = (child.flow, child.group);
        let rival = self.standing_rival(ike, old);
        let ask = Ask { flow, replaces: Some(old), group, group_changes: 0, rival, widened: false };
        self.ask_for_child(cx, ike, ask);
    }

    /// RFC 7296 2.9.2: a rekey asks for what is in use; some peers take that for another policy than the one they
    /// negotiated first and want to see the whole of it again.
    pub(super) fn offered(&self, ask: &Ask) -> ChildSelectors {
        let old = ask.replaces.filter(|_| !ask.widened).and_then(|old| self.child(old));
        old.map_or_else(
            || self.selectors_of(ask.flow),
            |old| ChildSelectors { local: old.local_selectors.clone(), remote: old.remote_selectors.clone() },
        )
    }

    pub(super) fn ask_for_child(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, ask: Ask) {
        let offered = self.offered(&ask);
        let Ask { flow, replaces, group, group_changes, rival, widened } = ask;
        let groups = self.child_groups();
        let group = group.filter(|group| groups.contains(group)).or_else(|| groups.first().copied());
        let key = group.map(|group| group.generate(cx.entropy));
        let (spi, nonce) = (cx.claim_esp_spi(), cx.nonce());
        let mut payloads = Vec::new();
        // RFC 7296 1.3.3: the SA to be replaced is named as the sender receives on it.
        payloads.extend(replaces.map(|old| Payload::Notify(Notify::rekey_sa(old))));
        payloads.push(Payload::Sa(esp_proposals(&self.config.esp_proposals, spi, ChildExchange::Create)));
        payloads.push(Payload::Nonce(nonce.clone()));
        payloads.extend(key.as_ref().map(key_payload));
        payloads.push(Payload::TsInitiator(offered.local.clone()));
        payloads.push(Payload::TsResponder(offered.remote.clone()));
        let expect = ExpectChildResponse {
            flow,
            replaces,
            offered,
            widened,
            spi,
            nonce,
            key,
            follow: None,
            group_changes,
            rival,
            deleted: Vec::new(),
        };
        self.request(cx, ike, ExchangeType::CREATE_CHILD_SA, payloads, Pending::Child(Box::new(expect)));
    }

    pub(super) fn child_groups(&self) -> Vec<Group> {
        let group = |pfs| match pfs {
            Pfs::Off => None,
            Pfs::Required(group) | Pfs::Preferred(group) => Some(group),
        };
        self.config.esp_proposals.iter().filter_map(|proposal| group(proposal.pfs)).collect()
    }

    /// Takes the answer to our request.
    pub(crate) fn finish_child(
        &mut self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        mut expect: ExpectChildResponse,
        contents: &Contents,
    ) {
        if self.sa(ike).is_none_or(|sa| sa.phase == Phase::Closing) {
            // The IKE SA is about to go, and all under it.
            cx.names.release_esp(expect.spi);
            return;
        }
        if let Some(notify) = contents.error() {
            cx.names.release_esp(expect.spi);
            self.child_refused(cx, ike, expect, notify);
            return;
        }
        match self.advance_child(cx, ike, &mut expect, contents) {
            Ok(ChildStep::Next(payloads)) => {
                self.request(cx, ike, ExchangeType::IKE_FOLLOWUP_KE, payloads, Pending::Child(Box::new(expect)));
            }
            Ok(ChildStep::Lost) => {
                cx.names.release_esp(expect.spi);
                self.lose(cx, &expect);
            }
            Ok(ChildStep::Done(half, _)) if expect.deleted.contains(&half.terms.chosen.spi) => {
                cx.names.release_esp(expect.spi);
                self.try_child_later(cx, &expect);
            }
            Ok(ChildStep::Done(half, secrets)) => self.settle_child(cx, ike, &expect, *half, &secrets),
            Err(failure) => {
                // The peer has made the SA all the same.
                if let Some(sa) = self.sa_mut(ike) {
                    sa.enqueue(Task::DeleteChild(expect.spi));
                }
                cx.names.release_esp(expect.spi);
                self.child_failed(cx, ike, expect.flow, expect.replaces, failure);
            }
        }
    }

    /// Takes a response; what is next.
    fn advance_child(
        &self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        expect: &mut ExpectChildResponse,
        contents: &Contents,
    ) -> Result<ChildStep, Failure> {
        let peer = self.sa(ike).map_or(self.first_path().remote, |sa| sa.path.remote);
        let (half, step) = match expect.follow.take() {
            Some((half, follow)) => (half, follow.take(contents, peer, cx.entropy)?),
            None => {
                let half = self.accept_child(ike, expect, contents)?;
                let step = FollowUp::begin(&half.terms.chosen.additional, contents, peer, cx.entropy)?;
                (half, step)
            }
        };
        match step {
            Step::Done(secrets) => Ok(ChildStep::Done(Box::new(half), secrets)),
            Step::Next(..) if expect.has_lost(&half) => Ok(ChildStep::Lost),
            Step::Next(follow, payloads) => {
                expect.follow = Some((half, follow));
                Ok(ChildStep::Next(payloads))
            }
        }
    }

    /// The peer deleted an SA that we do not have.
    pub(crate) fn note_unknown_delete(&mut self, ike: IkeSpi, peer_spi: Spi) {
        if let Some(Pending::Child(expect)) = self.sa_mut(ike).and_then(|sa| sa.pending.as_mut())
            && expect.deleted.len() < MAX_DELETED
        {
            expect.deleted.push(peer_spi);
        }
    }

    fn accept_child(
        &self,
        ike: IkeSpi,
        expect: &mut ExpectChildResponse,
        contents: &Contents,
    ) -> Result<HalfChild, Failure> {
        let sa = self.sa(ike).ok_or_else(|| protocol(self.first_path().remote, "no IKE SA"))?;
        let peer = sa.path.remote;
        let terms = judge_answer(&self.config, &expect.offered, contents, ChildExchange::Create, peer)?;
        let nonce_r = contents.nonce.clone().ok_or_else(|| protocol(peer, "an answer without a nonce"))?;
        let shared = match (terms.chosen.group, expect.key.take(), &contents.key_exchange) {
            (None, _, _) => None,
            (Some(group), Some(key), Some(theirs)) if key.group() == group && theirs.group == group.id() => {
                Some(key.agree(&theirs.data).map_err(|_| Failure::BadPublicValue { peer, group })?)
            }
            (Some(_), _, _) => return Err(protocol(peer, "an answer with another group than its key exchange")),
        };
        let (flow, replaces, spi, nonce_i) = (expect.flow, expect.replaces, expect.spi, expect.nonce.clone());
        Ok(HalfChild { flow, replaces, spi, terms, shared, nonce_i, nonce_r })
    }

    /// Our new SA exists at both ends: take it into use, or see that it is redundant.
    fn settle_child(
        &mut self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        expect: &ExpectChildResponse,
        half: HalfChild,
        additional: &[Secret],
    ) {
        let Some(sa) = self.sa(ike) else { return };
        // It counts even if the rival has since been replaced itself: the peer has come to its own conclusion.
        let lost = expect.has_lost(&half);
        let rival = expect.rival.as_ref().map(|rival| rival.spi);
        let new = half.complete(&sa.keys, additional, Role::Initiator);
        let (spi, peer_spi) = (new.spi, new.terms.chosen.spi);
        if lost {
            // It never carries what we send; we receive on it until the peer knows that it is gone.
            self.add_redundant(cx, ike, new);
            self.lose(cx, expect);
            return;
        }
        self.add_child(cx, ike, new);
        self.switch_within(cx, ike, spi);
        if let Some(rival) = rival {
            self.mark_redundant(cx, rival);
        }
        let old: Vec<_> = match expect.replaces {
            Some(old) => vec![old],
            // RFC 7296 1.3.1 allows several; a flow has one.
            None => self.others_under(ike, expect.flow, spi, rival),
        };
        if expect.replaces.is_some() {
            self.mark_held_redundant(cx, ike, |child| child.flow == expect.flow && child.spi != spi);
        }
        for old in old {
            self.drain_child(cx, old);
        }
        if expect.replaces.is_some() {
            self.counters.child_rekeys += 1;
            cx.event(Event::ChildRekeyed { tunnel: self.id, initiator: true, inbound: spi, outbound: peer_spi });
        }
    }

    fn add_redundant(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, new: NewChild) {
        let spi = new.spi;
        self.add_child(cx, ike, new);
        self.mark_redundant(cx, spi);
        self.begin_delete_child(spi);
    }

    fn others_under(&self, ike: IkeSpi, flow: FlowId, spi: Spi, rival: Option<Spi>) -> Vec<Spi> {
        let other = |child: &&crate::sa::child::ChildSa| {
            child.parent == ike && child.flow == flow && child.is_live() && child.spi != spi && Some(child.spi) != rival
        };
        self.children.iter().filter(other).map(|child| child.spi).collect()
    }

    /// Answers a request for a CHILD SA, or for the rekey of the IKE SA. A failure is one that ends the IKE SA.
    pub(crate) fn answer_create_child(
        &mut self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        contents: &Contents,
    ) -> (Vec<Payload>, Option<Failure>) {
        let is_ike = |sa: &Vec<isakmp::Proposal>| sa.iter().any(|proposal| proposal.protocol == ProtocolId::IKE);
        let answer = if contents.sa.as_ref().is_some_and(is_ike) {
            self.answer_ike_rekey(cx, ike, contents)
        } else {
            self.answer_child(cx, ike, contents)
        };
        match answer {
            Ok(payloads) => (payloads, None),
            Err(refusal) if refusal.is_fatal() => (refusal.payloads(), Some(refusal.failure)),
            Err(refusal) => {
                let temporary = matches!(
                    refusal.notify.kind,
                    NotifyType::TEMPORARY_FAILURE | NotifyType::CHILD_SA_NOT_FOUND | NotifyType::INVALID_KE_PAYLOAD
                );
                if !temporary {
                    self.note_failure(cx, refusal.failure.clone());
                }
                (refusal.payloads(), None)
            }
        }
    }

    fn answer_child(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, contents: &Contents) -> Result<Vec<Payload>, Refusal> {
        let Some(sa) = self.sa(ike) else { return Ok(Vec::new()) };
        let peer = sa.path.remote;
        // RFC 7296 2.25.2: not while the IKE SA itself is being replaced or deleted.
        if sa.phase != Phase::Current || matches!(sa.pending, Some(Pending::RekeyIke(_) | Pending::DeleteIke)) {
            return Err(busy(peer));
        }
        let old = self.rekeyed_child(ike, contents, peer)?;
        let most = MAX_CHILDREN + 2 * self.flows.iter().filter(|flow| flow.wanted).count();
        if self.children.len() >= most {
            return Err(Refusal {
                notify: Notify::new(NotifyType::NO_ADDITIONAL_SAS),
                failure: Failure::TooManySas { peer, phase: Negotiation::Child, most },
            });
        }
        let terms = judge_offer(&self.config, &self.acceptable_for(ike, old), contents, ChildExchange::Create, peer)?;
        let Some(peer_nonce) = contents.nonce.clone() else {
            return Err(Refusal::syntax(peer, "a request for a CHILD SA without a nonce"));
        };
        let (key, shared) = agree(cx, terms.chosen.group, contents.key_exchange.as_ref(), peer)?.unzip();
        let (spi, nonce) = (cx.claim_esp_spi(), cx.nonce());
        let mut payloads = vec![Payload::Sa(vec![terms.chosen.answer(spi)]), Payload::Nonce(nonce.clone())];
        payloads.extend(key);
        payloads.push(Payload::TsInitiator(terms.remote_selectors.clone()));
        payloads.push(Payload::TsResponder(terms.local_selectors.clone()));
        let (rival, additional) =
            (Rival { spi, low_nonce: peer_nonce.clone().min(nonce.clone()) }, terms.chosen.additional);
        let flow = match old.and_then(|old| self.child(old)) {
            Some(old) => old.flow,
            None => self.flow_for(&terms.selectors()),
        };
        self.note_rival(ike, old, flow, rival);
        let half = HalfChild { flow, replaces: old, spi, terms, shared, nonce_i: peer_nonce, nonce_r: nonce };
        if additional.is_empty() {
            self.complete_child(cx, ike, half, &[])?;
        } else {
            payloads.push(self.await_followup(cx, ike, &additional, Goal::Child(Box::new(half))));
        }
        Ok(payloads)
    }

    /// Makes what the peer asked for, with the secrets of further key exchanges.
    pub(crate) fn complete_child(
        &mut self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        mut half: HalfChild,
        additional: &[Secret],
    ) -> Result<(), Refusal> {
        let (old, spi, peer_spi) = (half.replaces, half.spi, half.terms.chosen.spi);
        let Some(sa) = self.sa(ike) else { return Ok(()) };
        // Much may have happened between the first key exchange and the last.
        let in_the_way = matches!(sa.pending, Some(Pending::RekeyIke(_) | Pending::DeleteIke));
        let gone = old.filter(|old| self.child(*old).is_none_or(|old| !old.is_live() || old.redundant));
        if sa.phase != Phase::Current || in_the_way || gone.is_some() {
            cx.names.release_esp(spi);
            return Err(busy(sa.path.remote));
        }
        let keys = sa.keys.clone();
        if self.flow(half.flow).is_none() {
            // It was of the peer's making, and had no SA until now.
            half.flow = self.flow_for(&half.terms.selectors());
        }
        let low_nonce = half.nonce_i.clone().min(half.nonce_r.clone());
        let new = half.complete(&keys, additional, Role::Responder);
        self.add_child(cx, ike, new);
        if let Some(old) = old {
            self.supersede(cx, ike, old, Rival { spi, low_nonce });
            self.counters.child_rekeys += 1;
            cx.event(Event::ChildRekeyed { tunnel: self.id, initiator: false, inbound: spi, outbound: peer_spi });
        }
        Ok(())
    }

    /// What the peer may get: in place of `old`, what that one's flow is for.
    fn acceptable_for(&self, ike: IkeSpi, old: Option<Spi>) -> Vec<ChildSelectors> {
        let flow = old.and_then(|old| self.child(old)).and_then(|old| self.flow(old.flow));
        flow.filter(|flow| flow.wanted).map_or_else(|| self.acceptable(ike), |flow| vec![flow.selectors.clone()])
    }

    /// The SA that the peer wants to replace, if it names one.
    fn rekeyed_child(
        &self,
        ike: IkeSpi,
        contents: &Contents,
        peer: std::net::SocketAddr,
    ) -> Result<Option<Spi>, Refusal> {
        let Some(notify) = contents.notify(NotifyType::REKEY_SA) else { return Ok(None) };
        let Some(named) = notify.esp_spi() else {
            let failure = protocol(peer, "REKEY_SA names no ESP SA");
            return Err(Refusal { notify: Notify::new(NotifyType::CHILD_SA_NOT_FOUND), failure });
        };
        match self.child_by_peer_spi(ike, named) {
            Some(child) if child.phase == ChildPhase::Live && !child.redundant => Ok(Some(child.spi)),
            // RFC 7296 2.25.1: it is being deleted.
            Some(_) => Err(busy(peer)),
            // It may be the one that the peer has made at our request, in an answer still on its way.
            None if self.sa(ike).is_some_and(|sa| matches!(sa.pending, Some(Pending::Child(_)))) => Err(busy(peer)),
            None => Err(Refusal {
                notify: Notify::about_esp(NotifyType::CHILD_SA_NOT_FOUND, named),
                failure: protocol(peer, "it rekeys a CHILD SA that does not exist"),
            }),
        }
    }
}

/// What comes after a response.
enum ChildStep {
    /// One more request with these payloads.
    Next(Vec<Payload>),
    /// Not worth going on: the peer's exchange is the one that counts.
    Lost,
    /// The peer has made the SA, with these secrets of further key exchanges.
    Done(Box<HalfChild>, Vec<Secret>),
}

impl ExpectChildResponse {
    /// Whether what the peer made, or is about to make, of the same SA stays instead of ours.
    fn has_lost(&self, half: &HalfChild) -> bool {
        self.rival.as_ref().is_some_and(|rival| loses((&half.nonce_i, &half.nonce_r), rival))
    }
}

impl crate::sa::child::ChildSa {
    /// The peer made it, and we do not send on it yet.
    pub(crate) fn awaits_switch(&self) -> bool {
        self.is_live() && !self.redundant && matches!(self.outbound, Outbound::Held(_))
    }
}
