//! Aggressive mode (RFC 2409 5.4): three messages, the key found by identity. Identities and the responder's hash travel
//! in the clear, which lets anyone who sees or provokes them guess the key off-line.

use crypto::{IkeProposal, Role};
use identity::Identity;
use isakmp::v1::{Frame, Identification, NotifyKind, Payload};
use negotiation::{Cx, Failure, Owner, Path, Phase, Theirs, V1Mode};
use wire::ipsec::IkeSpi;

use crate::contents::Contents;
use crate::keys::holds;
use crate::main_mode::{initial_contact, open_encrypted, sa_body};
use crate::nat;
use crate::phase1::{Agreement, AwaitEverything, Keyed, Negotiation, Stage, open_clear, vendor_ids};
use crate::select::{accepted_ike, ike_offer, select_ike};
use crate::tunnel::Tunnel;

impl Tunnel {
    pub(crate) fn begin_aggressive(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, path: Path) -> Option<Negotiation> {
        // RFC 2409 5: the group cannot be negotiated, so all that is offered has the same; another one next time.
        let mut groups: Vec<_> = Vec::new();
        for suite in &self.config.ike_proposals {
            if !groups.contains(&suite.group) {
                groups.push(suite.group);
            }
        }
        let group = *groups.get(self.ike_turn % groups.len().max(1))?;
        let offer = ike_offer(&self.config.ike_proposals, Some(group), self.config.ike_lifetime);
        let (key, nonce) = (group.generate(cx.entropy), cx.nonce());
        let id = Identification::of_end(self.config.local_id.to_payload());
        let mut payloads = vec![
            Payload::Sa(offer.clone()),
            Payload::KeyExchange(key.public().to_vec()),
            Payload::Nonce(nonce.clone()),
            Payload::Identification(id.clone()),
        ];
        payloads.extend(vendor_ids());
        let state = AwaitEverything { sa: sa_body(offer), key, nonce, id: id.body() };
        let stage = Stage::Everything(Box::new(state));
        let mut negotiation = Negotiation::new(cookie, Role::Initiator, V1Mode::Aggressive, path, cx.now, stage);
        negotiation.send(cx, 1, &payloads, true);
        Some(negotiation)
    }

    /// Answers a first message.
    pub(crate) fn answer_aggressive(&mut self, cx: &mut Cx<'_>, frame: &Frame<'_>, contents: Contents, path: Path) {
        let Contents { sa: Some((proposals, sa)), key_exchange: Some(public), nonce: Some(peer_nonce), .. } = contents
        else {
            return;
        };
        let Some((id, id_body)) = contents.identifications.into_iter().next() else { return };
        let peer = path.remote;
        let found = Identity::from_payload(&id.end());
        let expected = found.as_ref().is_ok_and(|found| self.config.remote_id.matches(found));
        if !expected {
            let found = found.unwrap_or_else(|_| peer.ip().into());
            let expected = self.config.remote_id.clone();
            let failure = Failure::IdentityMismatch { peer, expected, found };
            self.refuse_first(cx, frame, path, NotifyKind::INVALID_ID_INFORMATION, failure);
            return;
        }
        // The offer has one group, that of the public value which comes with it.
        let fitting = |suite: &&IkeProposal| suite.group.public_len() == public.len();
        let ours: Vec<_> = self.config.ike_proposals.iter().filter(fitting).copied().collect();
        let chosen = match select_ike(&ours, &proposals) {
            Ok(chosen) => chosen,
            Err(error) => {
                let ours = self.config.ike_proposals.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let (phase, theirs) = (Phase::Ike, Theirs::Listed(error.theirs));
                let failure = Failure::NoProposalChosen { phase, peer, ours, theirs };
                self.refuse_first(cx, frame, path, NotifyKind::NO_PROPOSAL_CHOSEN, failure);
                return;
            }
        };
        self.make_room(cx);
        let cookie = cx.claim_ike_spi(Owner::Tunnel(self.slot));
        let stage = Stage::Choice(Vec::new());
        let mut negotiation = Negotiation::new(cookie, Role::Responder, V1Mode::Aggressive, path, cx.now, stage);
        negotiation.peer_cookie = frame.header.initiator;
        negotiation.abilities = contents.abilities;
        negotiation.sent.answers = frame.datagram.to_vec();
        let (key, nonce) = (chosen.suite.group.generate(cx.entropy), cx.nonce());
        let our_public = key.public().to_vec();
        let agreement = Agreement { key, nonce: &nonce, peer_public: &public, peer_nonce: &peer_nonce };
        let mut keyed = match Keyed::agree(&negotiation, self.psk(), &chosen, sa, agreement) {
            Ok(keyed) => keyed,
            Err(failure) => {
                self.abandon(cx, &negotiation, failure);
                return;
            }
        };
        keyed.peer_id = Some(id_body);
        let our_id = Identification::of_end(self.config.local_id.to_payload());
        let hash = keyed.hash(Role::Responder, &our_id.body());
        let mut payloads = vec![
            Payload::Sa(vec![chosen.answer.clone()]),
            Payload::KeyExchange(our_public),
            Payload::Nonce(nonce.clone()),
            Payload::Identification(our_id),
            Payload::Hash(hash.expose().to_vec()),
        ];
        payloads.extend(vendor_ids());
        if negotiation.abilities.nat_traversal {
            let (policy, cookies) = (self.config.encapsulation, keyed.cookies);
            payloads.extend(nat::payloads(policy, chosen.suite.prf, cookies, path, cx.entropy));
        }
        // The last message has no answer, so that we cannot wait to be asked again.
        negotiation.send(cx, 2, &payloads, true);
        negotiation.stage = Stage::Proof(Box::new(keyed));
        self.negotiations.push(negotiation);
    }

    /// Takes a message of aggressive mode. Returns the negotiation if it goes on.
    pub(crate) fn handle_aggressive(
        &mut self,
        cx: &mut Cx<'_>,
        mut negotiation: Negotiation,
        frame: &Frame<'_>,
        path: Path,
    ) -> Option<Negotiation> {
        let placeholder = Stage::Choice(Vec::new());
        match std::mem::replace(&mut negotiation.stage, placeholder) {
            Stage::Everything(state) => self.take_everything(cx, negotiation, *state, frame, path),
            Stage::Proof(keyed) => self.take_hash(cx, negotiation, *keyed, frame, path),
            // Not of this mode.
            stage @ (Stage::Choice(_) | Stage::Public(_) | Stage::Request(_)) => {
                negotiation.stage = stage;
                Some(negotiation)
            }
        }
    }

    /// Message 2, and our message 3.
    fn take_everything(
        &mut self,
        cx: &mut Cx<'_>,
        mut negotiation: Negotiation,
        state: AwaitEverything,
        frame: &Frame<'_>,
        path: Path,
    ) -> Option<Negotiation> {
        let contents = open_clear(frame).filter(|_| frame.header.responder != IkeSpi::ZERO);
        let parts = contents.as_ref().and_then(|contents| {
            Some((contents.sa.as_ref()?, contents.key_exchange.as_deref()?, contents.nonce.as_deref()?))
        });
        let (Some(contents), Some(((answer, _), public, peer_nonce))) = (&contents, parts) else {
            self.counters.invalid_messages += 1;
            negotiation.stage = Stage::Everything(Box::new(state));
            return Some(negotiation);
        };
        let group = state.key.group();
        let offered = self.config.ike_proposals.iter().filter(|suite| suite.group == group);
        let offered: Vec<_> = offered.copied().collect();
        let chosen = match accepted_ike(&offered, answer) {
            Ok(chosen) => chosen,
            Err(error) => {
                let (phase, peer, theirs) = (Phase::Ike, path.remote, Theirs::Listed(error.theirs));
                negotiation.doubt(Failure::NoProposalChosen { phase, peer, ours: error.ours, theirs }, cx.now);
                negotiation.stage = Stage::Everything(Box::new(state));
                return Some(negotiation);
            }
        };
        let AwaitEverything { sa, key, nonce, id } = state;
        negotiation.peer_cookie = frame.header.responder;
        negotiation.abilities = contents.abilities;
        let agreement = Agreement { key, nonce: &nonce, peer_public: public, peer_nonce };
        let keyed = Keyed::agree(&negotiation, self.psk(), &chosen, sa, agreement);
        let judged = keyed.map_err(|failure| (NotifyKind::INVALID_KEY_INFORMATION, failure)).and_then(|keyed| {
            self.judge(&keyed, contents, Role::Responder, path)?;
            Ok(keyed)
        });
        let mut keyed = match judged {
            Ok(keyed) => keyed,
            Err((notify, failure)) => {
                // Nothing is proven: the message may be forged, yet our secret value is spent on it.
                self.tell_in_the_clear(cx, &negotiation, notify);
                self.abandon(cx, &negotiation, failure);
                return None;
            }
        };
        keyed.nat = nat::detect(&contents.nat, chosen.suite.prf, keyed.cookies, path);
        if let Some(failure) = self.nat_refusal(&keyed, path) {
            self.abandon(cx, &negotiation, failure);
            return None;
        }
        self.force_nat(&mut keyed, &negotiation);
        negotiation.float(keyed.nat);
        negotiation.sent.answers = frame.datagram.to_vec();
        let mut payloads = vec![Payload::Hash(keyed.hash(Role::Initiator, &id).expose().to_vec())];
        if negotiation.abilities.nat_traversal {
            let (policy, cookies) = (self.config.encapsulation, keyed.cookies);
            payloads.extend(nat::payloads(policy, chosen.suite.prf, cookies, negotiation.path, cx.entropy));
        }
        if self.may_claim_initial_contact() {
            payloads.push(initial_contact(&keyed));
        }
        keyed.iv = negotiation.send_encrypted(cx, 3, &payloads, &keyed, false);
        let nothing = Contents { abilities: contents.abilities, ..Contents::default() };
        self.establish(cx, negotiation, keyed, &nothing);
        None
    }

    /// Message 3.
    fn take_hash(
        &mut self,
        cx: &mut Cx<'_>,
        mut negotiation: Negotiation,
        mut keyed: Keyed,
        frame: &Frame<'_>,
        path: Path,
    ) -> Option<Negotiation> {
        // RFC 2409 5: the last message of aggressive mode may be encrypted or not.
        let opened = if frame.header.flags.encrypted {
            open_encrypted(&keyed, frame)
        } else {
            open_clear(frame).map(|contents| (contents, keyed.iv.clone()))
        };
        let proven = opened.filter(|(contents, _)| {
            let id = keyed.peer_id.as_deref().unwrap_or_default();
            contents.hash.as_ref().is_some_and(|hash| holds(&keyed.hash(Role::Initiator, id), hash))
        });
        let Some((contents, last)) = proven else {
            self.counters.invalid_messages += 1;
            let (peer, identity) = (path.remote, self.config.remote_id.clone());
            negotiation.doubt(Failure::WrongPsk { peer, identity }, cx.now);
            negotiation.stage = Stage::Proof(Box::new(keyed));
            return Some(negotiation);
        };
        keyed.iv = last;
        keyed.nat = nat::detect(&contents.nat, keyed.suite.prf, keyed.cookies, path);
        negotiation.path = path;
        negotiation.sent.answers = frame.datagram.to_vec();
        negotiation.sent.datagrams = Vec::new();
        if let Some(failure) = self.nat_refusal(&keyed, path) {
            self.abandon(cx, &negotiation, failure);
            return None;
        }
        self.force_nat(&mut keyed, &negotiation);
        self.establish(cx, negotiation, keyed, &contents);
        None
    }
}
