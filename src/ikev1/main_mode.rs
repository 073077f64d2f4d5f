//! Main mode (RFC 2409 5.4). The pre-shared key is found by the peer's address; identities are encrypted with keys that
//! depend on it, so that a wrong key shows as a message that does not decrypt.

use crypto::Role;
use identity::Identity;
use isakmp::v1::{Chain, Frame, Identification, Notify, NotifyKind, Payload, Proposal, encode_body};
use negotiation::{Cx, EncapsulationPolicy, Failure, Owner, Path, Phase, Side, Theirs, V1Mode};
use wire::ipsec::IkeSpi;

use crate::contents::Contents;
use crate::keys::holds;
use crate::nat;
use crate::phase1::{Agreement, AwaitPublic, AwaitRequest, Keyed, Negotiation, Stage, open_clear, vendor_ids};
use crate::select::{accepted_ike, ike_offer, select_ike};
use crate::tunnel::Tunnel;

/// Octets in front of the body of a payload.
const GENERIC_LEN: usize = 4;

/// The body of an SA payload.
pub(crate) fn sa_body(proposals: Vec<Proposal>) -> Vec<u8> {
    let mut body = encode_body(&[Payload::Sa(proposals)]).unwrap_or_default();
    body.drain(..GENERIC_LEN.min(body.len()));
    body
}

impl Tunnel {
    pub(crate) fn begin_main(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, path: Path) -> Option<Negotiation> {
        let offer = ike_offer(&self.config.ike_proposals, None, self.config.ike_lifetime);
        let stage = Stage::Choice(sa_body(offer.clone()));
        let mut negotiation = Negotiation::new(cookie, Role::Initiator, V1Mode::Main, path, cx.now, stage);
        let payloads: Vec<_> = [Payload::Sa(offer)].into_iter().chain(vendor_ids()).collect();
        negotiation.send(cx, 1, &payloads, true);
        Some(negotiation)
    }

    /// Whether a first message of main mode gets an answer that costs nothing, rather than a refusal.
    pub fn would_answer_main(&self, contents: &Contents) -> bool {
        let offered = contents.sa.as_ref().map(|(proposals, _)| proposals);
        self.mode() == V1Mode::Main
            && offered.is_some_and(|proposals| select_ike(&self.config.ike_proposals, proposals).is_ok())
    }

    /// Answers a first message, or refuses it.
    pub(crate) fn answer_main(&mut self, cx: &mut Cx<'_>, frame: &Frame<'_>, contents: Contents, path: Path) {
        let Some((proposals, sa)) = contents.sa else { return };
        let chosen = match select_ike(&self.config.ike_proposals, &proposals) {
            Ok(chosen) => chosen,
            Err(error) => {
                let theirs = Theirs::Listed(error.theirs);
                let (phase, peer, ours) = (Phase::Ike, path.remote, error.ours);
                let failure = Failure::NoProposalChosen { phase, peer, ours, theirs };
                self.refuse_first(cx, frame, path, NotifyKind::NO_PROPOSAL_CHOSEN, failure);
                return;
            }
        };
        self.make_room(cx);
        let cookie = cx.claim_ike_spi(Owner::Tunnel(self.slot));
        let answer = chosen.answer.clone();
        let stage = Stage::Request(Box::new(AwaitRequest { chosen, sa }));
        let mut negotiation = Negotiation::new(cookie, Role::Responder, V1Mode::Main, path, cx.now, stage);
        negotiation.peer_cookie = frame.header.initiator;
        negotiation.abilities = contents.abilities;
        negotiation.sent.answers = frame.datagram.to_vec();
        let payloads: Vec<_> = [Payload::Sa(vec![answer])].into_iter().chain(vendor_ids()).collect();
        negotiation.send(cx, 2, &payloads, false);
        self.negotiations.push(negotiation);
    }

    /// Takes a message of main mode. Returns the negotiation if it goes on.
    pub(crate) fn handle_main(
        &mut self,
        cx: &mut Cx<'_>,
        mut negotiation: Negotiation,
        frame: &Frame<'_>,
        path: Path,
    ) -> Option<Negotiation> {
        let placeholder = Stage::Choice(Vec::new());
        match std::mem::replace(&mut negotiation.stage, placeholder) {
            Stage::Choice(sa) => self.take_choice(cx, negotiation, sa, frame),
            Stage::Public(state) => self.take_public(cx, negotiation, *state, frame, path),
            Stage::Request(state) => self.take_request(cx, negotiation, *state, frame, path),
            Stage::Proof(keyed) => self.take_proof(cx, negotiation, *keyed, frame, path),
            // Not of this mode.
            stage @ Stage::Everything(_) => {
                negotiation.stage = stage;
                Some(negotiation)
            }
        }
    }

    /// Message 2, and our message 3.
    fn take_choice(
        &mut self,
        cx: &mut Cx<'_>,
        mut negotiation: Negotiation,
        sa: Vec<u8>,
        frame: &Frame<'_>,
    ) -> Option<Negotiation> {
        let contents = open_clear(frame).filter(|_| frame.header.responder != IkeSpi::ZERO);
        let Some(Contents { sa: Some((answer, _)), abilities, .. }) = contents else {
            self.counters.invalid_messages += 1;
            negotiation.stage = Stage::Choice(sa);
            return Some(negotiation);
        };
        let chosen = match accepted_ike(&self.config.ike_proposals, &answer) {
            Ok(chosen) => chosen,
            Err(error) => {
                let (phase, peer, theirs) = (Phase::Ike, negotiation.path.remote, Theirs::Listed(error.theirs));
                negotiation.doubt(Failure::NoProposalChosen { phase, peer, ours: error.ours, theirs }, cx.now);
                negotiation.stage = Stage::Choice(sa);
                return Some(negotiation);
            }
        };
        negotiation.peer_cookie = frame.header.responder;
        negotiation.abilities = abilities;
        negotiation.sent.answers = frame.datagram.to_vec();
        let (key, nonce) = (chosen.suite.group.generate(cx.entropy), cx.nonce());
        let payloads = self.exchange_payloads(cx, &negotiation, &chosen.suite, key.public(), &nonce);
        negotiation.send(cx, 3, &payloads, true);
        negotiation.stage = Stage::Public(Box::new(AwaitPublic { chosen, sa, key, nonce }));
        Some(negotiation)
    }

    /// KE, nonce, NAT-D.
    fn exchange_payloads(
        &self,
        cx: &mut Cx<'_>,
        negotiation: &Negotiation,
        suite: &crypto::IkeProposal,
        public: &[u8],
        nonce: &[u8],
    ) -> Vec<Payload> {
        let mut payloads = vec![Payload::KeyExchange(public.to_vec()), Payload::Nonce(nonce.to_vec())];
        if negotiation.abilities.nat_traversal {
            let (cookies, path) = (negotiation.cookies(), negotiation.path);
            payloads.extend(nat::payloads(self.config.encapsulation, suite.prf, cookies, path, cx.entropy));
        }
        payloads
    }

    /// Message 3, and our message 4.
    fn take_request(
        &mut self,
        cx: &mut Cx<'_>,
        mut negotiation: Negotiation,
        state: AwaitRequest,
        frame: &Frame<'_>,
        path: Path,
    ) -> Option<Negotiation> {
        let contents = open_clear(frame);
        let Some(Contents { key_exchange: Some(public), nonce: Some(peer_nonce), nat: hashes, abilities, .. }) =
            contents
        else {
            self.counters.invalid_messages += 1;
            negotiation.stage = Stage::Request(Box::new(state));
            return Some(negotiation);
        };
        let AwaitRequest { chosen, sa } = state;
        // Some announce dead peer detection no sooner than here.
        negotiation.abilities = negotiation.abilities.or(abilities);
        negotiation.path = path;
        let (key, nonce) = (chosen.suite.group.generate(cx.entropy), cx.nonce());
        let payloads = self.exchange_payloads(cx, &negotiation, &chosen.suite, key.public(), &nonce);
        let agreement = Agreement { key, nonce: &nonce, peer_public: &public, peer_nonce: &peer_nonce };
        match Keyed::agree(&negotiation, self.psk(), &chosen, sa, agreement) {
            Ok(mut keyed) => {
                keyed.nat = nat::detect(&hashes, chosen.suite.prf, keyed.cookies, path);
                if let Some(failure) = self.nat_refusal(&keyed, path) {
                    self.abandon(cx, &negotiation, failure);
                    return None;
                }
                self.force_nat(&mut keyed, &negotiation);
                negotiation.sent.answers = frame.datagram.to_vec();
                negotiation.send(cx, 4, &payloads, false);
                negotiation.stage = Stage::Proof(Box::new(keyed));
                Some(negotiation)
            }
            Err(failure) => {
                self.abandon(cx, &negotiation, failure);
                None
            }
        }
    }

    /// A NAT where the configuration allows none.
    pub(crate) fn nat_refusal(&self, keyed: &Keyed, path: Path) -> Option<Failure> {
        let forbidden = keyed.nat.any() && self.config.encapsulation == EncapsulationPolicy::Never;
        forbidden.then_some(Failure::NatForbidden { peer: path.remote })
    }

    /// Message 4, and our message 5.
    fn take_public(
        &mut self,
        cx: &mut Cx<'_>,
        mut negotiation: Negotiation,
        state: AwaitPublic,
        frame: &Frame<'_>,
        path: Path,
    ) -> Option<Negotiation> {
        let contents = open_clear(frame);
        let Some(Contents { key_exchange: Some(public), nonce: Some(peer_nonce), nat: hashes, abilities, .. }) =
            contents
        else {
            self.counters.invalid_messages += 1;
            negotiation.stage = Stage::Public(Box::new(state));
            return Some(negotiation);
        };
        let AwaitPublic { chosen, sa, key, nonce } = state;
        negotiation.abilities = negotiation.abilities.or(abilities);
        let agreement = Agreement { key, nonce: &nonce, peer_public: &public, peer_nonce: &peer_nonce };
        let mut keyed = match Keyed::agree(&negotiation, self.psk(), &chosen, sa, agreement) {
            Ok(keyed) => keyed,
            Err(failure) => {
                self.abandon(cx, &negotiation, failure);
                return None;
            }
        };
        keyed.nat = nat::detect(&hashes, chosen.suite.prf, keyed.cookies, path);
        if let Some(failure) = self.nat_refusal(&keyed, path) {
            self.abandon(cx, &negotiation, failure);
            return None;
        }
        self.force_nat(&mut keyed, &negotiation);
        negotiation.float(keyed.nat);
        negotiation.sent.answers = frame.datagram.to_vec();
        let mut payloads = self.proof(Role::Initiator, &keyed);
        if self.may_claim_initial_contact() {
            payloads.push(initial_contact(&keyed));
        }
        keyed.iv = negotiation.send_encrypted(cx, 5, &payloads, &keyed, true);
        negotiation.stage = Stage::Proof(Box::new(keyed));
        Some(negotiation)
    }

    /// Our identity and hash.
    pub(crate) fn proof(&self, role: Role, keyed: &Keyed) -> Vec<Payload> {
        let id = Identification::of_end(self.config.local_id.to_payload());
        let hash = keyed.hash(role, &id.body());
        vec![Payload::Identification(id), Payload::Hash(hash.expose().to_vec())]
    }

    /// Message 5, and our message 6; or message 6.
    fn take_proof(
        &mut self,
        cx: &mut Cx<'_>,
        mut negotiation: Negotiation,
        mut keyed: Keyed,
        frame: &Frame<'_>,
        path: Path,
    ) -> Option<Negotiation> {
        let opened = frame.header.flags.encrypted.then(|| open_encrypted(&keyed, frame)).flatten();
        let Some((contents, last)) = opened else {
            // The keys depend on the pre-shared key: another one yields nonsense.
            self.counters.invalid_messages += 1;
            let side = Side::Us;
            let message = negotiation.sent.number + 1;
            if frame.header.flags.encrypted {
                let failure = Failure::Undecryptable { peer: path.remote, side, message };
                negotiation.doubt(failure, cx.now);
                self.tell_in_the_clear(cx, &negotiation, NotifyKind::PAYLOAD_MALFORMED);
            }
            negotiation.stage = Stage::Proof(Box::new(keyed));
            return Some(negotiation);
        };
        keyed.iv = last;
        negotiation.path = path;
        let signer = negotiation.role.other();
        let judged = self.judge(&keyed, &contents, signer, path);
        if let Err((notify, failure)) = judged {
            self.tell_refusal(cx, &negotiation, &keyed, notify);
            self.abandon(cx, &negotiation, failure);
            return None;
        }
        if negotiation.role == Role::Responder {
            negotiation.sent.answers = frame.datagram.to_vec();
            let payloads = self.proof(Role::Responder, &keyed);
            keyed.iv = negotiation.send_encrypted(cx, 6, &payloads, &keyed, false);
        } else {
            negotiation.sent.datagrams = Vec::new();
        }
        self.establish(cx, negotiation, keyed, &contents);
        None
    }

    /// Whether the peer is who it should be, and has our key.
    pub(crate) fn judge(
        &self,
        keyed: &Keyed,
        contents: &Contents,
        signer: Role,
        path: Path,
    ) -> Result<(), (NotifyKind, Failure)> {
        let peer = path.remote;
        let (Some((id, body)), Some(hash)) = (contents.identifications.first(), &contents.hash) else {
            let detail = "no identity or no hash at the end of phase 1".to_owned();
            return Err((NotifyKind::PAYLOAD_MALFORMED, Failure::Protocol { peer, detail }));
        };
        let found = Identity::from_payload(&id.end()).map_err(|error| {
            let detail = error.to_string();
            (NotifyKind::INVALID_ID_INFORMATION, Failure::Protocol { peer, detail })
        })?;
        if !holds(&keyed.hash(signer, body), hash) {
            let failure = Failure::WrongPsk { peer, identity: found };
            return Err((NotifyKind::INVALID_HASH_INFORMATION, failure));
        }
        self.check_identity(found, path)
    }

    /// Whether an identity, proven, is the one expected.
    pub(crate) fn check_identity(&self, found: Identity, path: Path) -> Result<(), (NotifyKind, Failure)> {
        if self.config.remote_id.matches(&found) {
            return Ok(());
        }
        let (peer, expected) = (path.remote, self.config.remote_id.clone());
        Err((NotifyKind::INVALID_ID_INFORMATION, Failure::IdentityMismatch { peer, expected, found }))
    }
}

/// "I have lost all that there was between us" (RFC 2407 4.6.3.3).
pub(crate) fn initial_contact(keyed: &Keyed) -> Payload {
    let cookies = [keyed.cookies.initiator.to_be_bytes(), keyed.cookies.responder.to_be_bytes()].concat();
    Payload::Notify(Notify { spi: cookies, ..Notify::isakmp(NotifyKind::INITIAL_CONTACT) })
}

/// Decrypts and decodes a message of phase 1; returns its last block too.
pub(crate) fn open_encrypted(keyed: &Keyed, frame: &Frame<'_>) -> Option<(Contents, Vec<u8>)> {
    let (plaintext, last) = keyed.keys.decrypt(&keyed.iv, frame.body)?;
    let chain = Chain::decode(frame.first, &plaintext, true).ok()?;
    Some((Contents::collect(chain, &plaintext), last))
}
