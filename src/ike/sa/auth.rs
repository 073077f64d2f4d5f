//! `IKE_AUTH` (RFC 7296 1.2, 2.15): who is who, and the first CHILD SA.
//!
//! ```text
//!  SK { IDi, [CERT..], [N(INITIAL_CONTACT)], [CERTREQ], IDr, AUTH, SA, TSi, TSr } ------->
//!                        <------- SK { IDr, [CERT..], AUTH, SA, TSr, TSi }
//!                               | SK { IDr, AUTH, N(error) }      IKE SA without CHILD SA
//!                               | SK { N(AUTHENTICATION_FAILED) }
//! ```

use certificate::UnixTime;
use crypto::{AuthInput, IkeKeys, Nonces, Role};
use identity::Identity;
use isakmp::{Auth, ChildExchange, ExchangeType, Frame, Notify, NotifyType, Payload, esp_proposals};
use negotiation::{Cx, DownReason, Failure, Path, Retransmit, Waiting};
use wire::ipsec::{IkeSpi, Spi};

use crate::endpoint::{FlowId, HalfOpen, Tunnel};
use crate::sa::attempt::{Attempt, Stage};
use crate::sa::contents::Contents;
use crate::sa::establish::NewIke;
use crate::sa::init::FirstExchange;
use crate::sa::negotiate::{NewChild, Refusal, judge_answer, judge_offer, protocol, refused_child};
use crate::sa::proof::{Claim, can_prove, method, prove, verify};
use crate::sa::protect::{Incoming, Protection, header};
use crate::sa::window::{Requests, Responses};
use crate::sa::{Phase, Task, certificates, ppk, sync};

/// We sent `IKE_AUTH`.
#[derive(Debug)]
pub(crate) struct ExpectAuthResponse {
    peer_spi: IkeSpi,
    pub(crate) first: FirstExchange,
    protection: Protection,
    /// The SPI we will receive on, unless we go without a CHILD SA.
    pub(crate) child: Option<Spi>,
    /// What that CHILD SA is for.
    flow: FlowId,
    /// Credentials have changed since it was sent.
    pub(crate) outdated: bool,
    pub(crate) transmission: Retransmit,
}

impl ExpectAuthResponse {
    /// The ID of the message under way.
    pub(crate) const fn message_id(&self) -> u32 {
        self.first.intermediate.next_id()
    }
}

/// An authentication about to be sent.
pub(crate) struct PlannedAuth {
    pub(crate) spis: (IkeSpi, IkeSpi),
    pub(crate) path: Path,
    /// The peer is believed to have lost what it had of ours.
    pub(crate) sole: bool,
    pub(crate) first: FirstExchange,
    pub(crate) protection: Protection,
}

impl Tunnel {
    pub(crate) fn send_auth(&self, cx: &mut Cx<'_>, planned: PlannedAuth) -> ExpectAuthResponse {
        let PlannedAuth { spis, path, sole, first, mut protection } = planned;
        let flow = self.first_flow();
        let child = (!self.goes_without(&first)).then(|| cx.claim_esp_spi());
        let selectors = self.selectors_of(flow);
        let id = self.config.local_id.to_payload();
        let (id_body, intermediate) = (id.body(), first.intermediate.octets());
        let input = AuthInput {
            message: &first.request,
            peer_nonce: &first.nonce_r,
            id_body: &id_body,
            intermediate: &intermediate,
        };
        let theirs = (path.remote, first.response.as_slice());
        // Without randomness to sign with, the proof is empty and the peer refuses it.
        let prove = |keys: &IkeKeys| {
            prove(&self.config, keys, Role::Initiator, input, theirs).map_or_else(|_| Vec::new(), |auth| auth.data)
        };
        let (auth, notifies) = ppk::offer(self.config.ppk.as_ref().filter(|_| first.ppk), &first.keys, prove);
        let mut payloads = vec![Payload::IdInitiator(id)];
        payloads.extend(certificates::shown(&self.config.auth.local));
        // RFC 7296 2.4: whatever else the peer has between these two identities is gone.
        if !self.shares_identities && (sole || !self.sas.iter().any(|sa| !sa.is_closed())) {
            payloads.push(Payload::Notify(Notify::new(NotifyType::INITIAL_CONTACT)));
        }
        payloads.extend(certificates::request([&self.config], certificates::MAX_IN_AUTH));
        payloads.extend([
            Payload::IdResponder(self.config.remote_id.to_payload()),
            Payload::Auth(Auth { method: method(&self.config, first.response.as_slice()), data: auth }),
        ]);
        if let Some(child) = child {
            payloads.extend([
                Payload::Sa(esp_proposals(&self.config.esp_proposals, child, ChildExchange::Auth)),
                Payload::TsInitiator(selectors.local),
                Payload::TsResponder(selectors.remote),
            ]);
        }
        payloads.push(sync::supported());
        payloads.extend(notifies);
        let header = header(spis, ExchangeType::IKE_AUTH, true, false, first.intermediate.next_id());
        let datagrams = protection.seal(header, payloads, path.remote, cx.entropy);
        cx.transmit(path, &datagrams);
        let transmission = Retransmit::new(datagrams, cx.now, cx.entropy);
        ExpectAuthResponse { peer_spi: spis.1, first, protection, child, flow, outdated: false, transmission }
    }

    /// Takes the answer to our authentication.
    pub(crate) fn handle_auth_response(&mut self, cx: &mut Cx<'_>, frame: &Frame<'_>) {
        let Some(mut attempt) = self.attempt.take() else { return };
        let Stage::Auth(state) = &mut attempt.stage else {
            self.attempt = Some(attempt);
            return;
        };
        let contents = match state.protection.open(frame) {
            Incoming::Message { contents: Ok(contents), .. } => contents,
            Incoming::Message { contents: Err(rejected), .. } => {
                let failure = protocol(attempt.path.remote, &rejected.detail);
                self.abandon_auth(cx, attempt, failure, true);
                return;
            }
            Incoming::InTheClear => {
                // RFC 7296 2.21.2: an error in the clear is a hint, no more.
                let contents = frame.payloads().ok().and_then(|payloads| Contents::collect(payloads).ok());
                if let Some(notify) = contents.as_ref().and_then(Contents::error) {
                    let failure = self.refused_auth(notify, attempt.path);
                    attempt.doubt(failure, cx.now);
                }
                self.attempt = Some(attempt);
                return;
            }
            Incoming::Partial => {
                self.attempt = Some(attempt);
                return;
            }
            Incoming::Invalid => {
                self.counters.invalid_messages += 1;
                self.attempt = Some(attempt);
                return;
            }
        };
        self.note_refused_child(&contents, state);
        match self.verify_responder(&contents, state, attempt.path, cx.wall) {
            Ok(ppk) => self.finish_auth(cx, attempt, contents, ppk),
            // The responder holds the SA for established unless it refused itself.
            Err(failure) => {
                let established = contents.auth.is_some();
                self.abandon_auth(cx, attempt, failure, established);
            }
        }
    }

    fn refused_auth(&self, notify: &Notify, path: Path) -> Failure {
        match notify.kind {
            NotifyType::AUTHENTICATION_FAILED => {
                let (peer, identity) = (path.remote, self.config.local_id.clone());
                match &self.config.ppk {
                    Some(ppk) => Failure::PpkAuthenticationFailed { peer, identity, id: ppk.name() },
                    None => Failure::AuthenticationFailed { peer, identity },
                }
            }
            kind => Failure::Refused { peer: path.remote, what: Waiting::Auth, notify: kind },
        }
    }

    /// Who answers is who we expect; whether by our post-quantum pre-shared key, too.
    fn verify_responder(
        &self,
        contents: &Contents,
        state: &ExpectAuthResponse,
        path: Path,
        wall: UnixTime,
    ) -> Result<bool, Failure> {
        let peer = path.remote;
        let (Some(id), Some(auth)) = (&contents.id_responder, &contents.auth) else {
            return Err(match contents.error() {
                Some(notify) => self.refused_auth(notify, path),
                None => protocol(peer, "an IKE_AUTH response lacks identity or AUTH"),
            });
        };
        let found = Identity::from_payload(id).map_err(|error| protocol(peer, &error.to_string()))?;
        let expected = self.config.remote_id.clone();
        if !expected.matches(&found) {
            return Err(Failure::IdentityMismatch { peer, expected, found });
        }
        let first = &state.first;
        let (id_body, intermediate) = (id.body(), first.intermediate.octets());
        let input = AuthInput {
            message: &first.response,
            peer_nonce: &first.nonce_i,
            id_body: &id_body,
            intermediate: &intermediate,
        };
        let ppk = self.config.ppk.as_ref().filter(|_| first.ppk);
        let mixed = ppk::answered(ppk, contents, peer)?;
        let keys = ppk::mixed(ppk.filter(|_| mixed), &first.keys);
        let claim = Claim::new(peer, &found, auth, contents);
        verify(&self.config.auth.remote, &keys, Role::Responder, input, claim, wall)?;
        Ok(mixed)
    }

    fn finish_auth(&mut self, cx: &mut Cx<'_>, attempt: Attempt, contents: Contents, mixed: bool) {
        let Attempt { spi, path, began, sole, stage: Stage::Auth(state), .. } = attempt else { return };
        let ExpectAuthResponse { peer_spi, mut first, protection, child, flow, outdated, .. } = *state;
        first.ppk = mixed;
        first.keys = ppk::mixed(self.config.ppk.as_ref().filter(|_| mixed), &first.keys);
        let next_id = first.intermediate.next_id() + 1;
        let (keys, nonce_i, nonce_r) = (first.keys.clone(), first.nonce_i.clone(), first.nonce_r.clone());
        self.establish(
            cx,
            NewIke {
                spi,
                peer_spi,
                role: Role::Initiator,
                path,
                first,
                protection,
                began,
                requests: Requests::starting_at(next_id),
                responses: Responses::starting_at(0),
            },
        );
        self.note_sync(spi, &contents);
        self.note_peer_certificate(&contents);
        self.note_auth_lifetime(cx, spi, &contents);
        self.plan_before_expiry(cx, spi);
        if outdated {
            self.renew_outdated(cx.now, spi);
        }
        let Some(child) = child else {
            self.begin_first_child(cx, spi, flow);
            if sole {
                self.forget_older(spi);
            }
            return;
        };
        let judged = match contents.error() {
            Some(notify) => Err(refused_child(&self.config, &self.selectors_of(flow), notify, path.remote)),
            None => judge_answer(&self.config, &self.selectors_of(flow), &contents, ChildExchange::Auth, path.remote),
        };
        match judged {
            Ok(terms) => {
                let nonces = Nonces { initiator: &nonce_i, responder: &nonce_r };
                let keys = keys.child(terms.chosen.suite, None, &[], nonces);
                let new = NewChild { flow, terms, spi: child, role: Role::Initiator, group: None, keys };
                self.add_child(cx, spi, new);
                self.plan_early_rekey(cx, child);
                if sole {
                    self.forget_older(spi);
                }
            }
            Err(failure) => {
                // An IKE SA alone is of no use; both ends get rid of it and we try again later.
                cx.names.release_esp(child);
                if self.is_up() || !self.try_other_flow(cx, spi, flow, &failure) {
                    self.close_politely(cx, spi, &DownReason::Failed(failure.clone()));
                    self.fail(cx, failure);
                }
            }
        }
    }

    /// Gives an attempt up that the responder may hold for established.
    fn abandon_auth(&mut self, cx: &mut Cx<'_>, attempt: Attempt, failure: Failure, established: bool) {
        let Attempt { spi, path, began, stage: Stage::Auth(state), .. } = attempt else { return };
        let ExpectAuthResponse { peer_spi, first, protection, child, .. } = *state;
        if let Some(child) = child {
            cx.names.release_esp(child);
        }
        if established {
            // RFC 7296 2.21.2: the responder is told in an exchange of its own.
            let next_id = first.intermediate.next_id() + 1;
            let mut sa = self.new_ike(
                cx,
                NewIke {
                    spi,
                    peer_spi,
                    role: Role::Initiator,
                    path,
                    first,
                    protection,
                    began,
                    requests: Requests::starting_at(next_id),
                    responses: Responses::starting_at(0),
                },
            );
            sa.phase = Phase::Closing;
            sa.enqueue(Task::DeleteIke);
            self.sas.push(sa);
        } else {
            cx.names.release(spi);
        }
        self.fail(cx, failure);
    }

    /// Who asks is who we expect: proven by identity and key; whether by our post-quantum pre-shared key, too.
    pub(crate) fn verify_initiator(
        &self,
        half: &HalfOpen,
        keys: &IkeKeys,
        contents: &Contents,
        wall: UnixTime,
    ) -> Result<bool, Refusal> {
        let peer = half.path.remote;
        let refuse = |failure| Refusal { notify: Notify::new(NotifyType::AUTHENTICATION_FAILED), failure };
        let (Some(id), Some(auth)) = (&contents.id_initiator, &contents.auth) else {
            return Err(refuse(protocol(peer, "an IKE_AUTH request lacks identity or AUTH")));
        };
        let found = Identity::from_payload(id).map_err(|error| refuse(protocol(peer, &error.to_string())))?;
        let expected = self.config.remote_id.clone();
        if !expected.matches(&found) {
            return Err(refuse(Failure::IdentityMismatch { peer, expected, found }));
        }
        if !self.config.ike_proposals.iter().any(|proposal| proposal.allows(&half.suite)) {
            let failure = Failure::NoProposalChosen {
                phase: negotiation::Phase::Ike,
                peer,
                ours: negotiation::list(&self.config.ike_proposals),
                theirs: negotiation::Theirs::Listed(half.suite.to_string()),
            };
            return Err(refuse(failure));
        }
        let (id_body, intermediate) = (id.body(), half.intermediate.octets());
        let input = AuthInput {
            message: &half.request,
            peer_nonce: &half.nonce_r,
            id_body: &id_body,
            intermediate: &intermediate,
        };
        let ppk = self.config.ppk.as_ref();
        let claim = ppk::claimed(ppk, contents, &auth.data, peer).map_err(refuse)?;
        let proving = ppk::mixed(ppk.filter(|_| claim.mixed), keys);
        let holds = |keys: &IkeKeys, data: &[u8]| {
            let auth = Auth { method: auth.method, data: data.to_vec() };
            let claim = Claim::new(peer, &found, &auth, contents);
            verify(&self.config.auth.remote, keys, Role::Initiator, input, claim, wall)
        };
        if let Err(failure) = holds(&proving, claim.auth) {
            let plain_holds = claim.plain.is_some_and(|auth| holds(keys, auth).is_ok());
            // What only a key can be wrong about may be either of the two.
            let of_a_key = plain_holds || matches!(failure, Failure::WrongPsk { .. });
            let disproven = || ppk::disproven(ppk, claim, plain_holds, peer, found.clone());
            return Err(refuse(if of_a_key { disproven() } else { failure }));
        }
        can_prove(&self.config, (peer, half.request.as_slice())).map_err(refuse)?;
        if half.nat.any() && self.config.encapsulation == negotiation::EncapsulationPolicy::Never {
            return Err(refuse(Failure::NatForbidden { peer }));
        }
        self.room_for_ike(peer)?;
        Ok(claim.mixed)
    }

    /// Whether a request names the post-quantum pre-shared key of this tunnel.
    pub(crate) fn has_named_ppk(&self, contents: &Contents) -> bool {
        let named = contents.notify(NotifyType::PPK_IDENTITY);
        self.config.ppk.as_ref().zip(named).is_some_and(|(ppk, notify)| ppk::names(&notify.data, ppk))
    }

    /// Whether the identities in a request are those of this tunnel.
    pub(crate) fn is_meant(&self, contents: &Contents) -> bool {
        let is = |ours: &Identity, payload: &isakmp::Identification| {
            Identity::from_payload(payload).is_ok_and(|found| ours.matches(&found))
        };
        contents.id_initiator.as_ref().is_some_and(|id| is(&self.config.remote_id, id))
            && contents.id_responder.as_ref().is_none_or(|id| is(&self.config.local_id, id))
    }

    /// Establishes what an authenticated peer asked for, and answers.
    pub(crate) fn answer_auth(
        &mut self,
        cx: &mut Cx<'_>,
        half: HalfOpen,
        keys: IkeKeys,
        protection: Protection,
        contents: &Contents,
        key: &[u8],
    ) {
        let (spi, path, began, message_id) = (half.spi, half.path, half.began, half.intermediate.next_id());
        let keys = ppk::mixed(self.config.ppk.as_ref().filter(|_| half.ppk), &keys);
        let id = self.config.local_id.to_payload();
        let (id_body, intermediate) = (id.body(), half.intermediate.octets());
        let input = AuthInput {
            message: &half.response,
            peer_nonce: &half.nonce_i,
            id_body: &id_body,
            intermediate: &intermediate,
        };
        let proof = match prove(&self.config, &keys, Role::Responder, input, (path.remote, half.request.as_slice())) {
            Ok(proof) => proof,
            Err(failure) => {
                // The system has no randomness to sign with. The peer hears nothing and tries again.
                cx.names.release(spi);
                self.note_failure(cx, failure);
                return;
            }
        };
        let nonces = (half.nonce_i.clone(), half.nonce_r.clone());
        let mixed = half.ppk;
        self.establish(
            cx,
            NewIke {
                spi,
                peer_spi: half.peer_spi,
                role: Role::Responder,
                path,
                first: FirstExchange {
                    suite: half.suite,
                    nat: half.nat,
                    keys: keys.clone(),
                    request: half.request,
                    response: half.response,
                    nonce_i: half.nonce_i,
                    nonce_r: half.nonce_r,
                    intermediate: half.intermediate,
                    ppk: half.ppk,
                    childless: false,
                },
                protection,
                began,
                requests: Requests::starting_at(0),
                responses: Responses::starting_at(message_id),
            },
        );
        self.note_sync(spi, contents);
        self.note_peer_certificate(contents);
        let mut payloads = vec![Payload::IdResponder(id)];
        payloads.extend(certificates::shown(&self.config.auth.local));
        payloads.push(Payload::Auth(proof));
        // RFC 8784 3: an empty identity says that the one the initiator named is mixed in.
        payloads.extend(mixed.then(|| Payload::Notify(Notify::new(NotifyType::PPK_IDENTITY))));
        payloads.extend(sync::is_supported(contents).then(sync::supported));
        payloads.extend(self.granted(cx.wall));
        payloads.extend(self.answer_first_child(cx, spi, &keys, (&nonces.0, &nonces.1), contents));
        self.respond(cx, spi, ExchangeType::IKE_AUTH, message_id, path, key, payloads);
        // RFC 7296 2.4: the peer has nothing else of ours. What was authenticated while this was under way is
        // younger than that statement.
        if contents.has(NotifyType::INITIAL_CONTACT) {
            self.forget_older(spi);
        }
        self.yield_attempt(cx);
    }

    fn answer_first_child(
        &mut self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        keys: &IkeKeys,
        nonces: (&[u8], &[u8]),
        contents: &Contents,
    ) -> Vec<Payload> {
        let Some(peer) = self.sa(ike).map(|sa| sa.path.remote) else { return Vec::new() };
        if contents.sa.is_none() {
            self.await_first_child(cx, ike);
            return Vec::new();
        }
        let terms = match judge_offer(&self.config, &self.acceptable(ike), contents, ChildExchange::Auth, peer) {
            Ok(terms) => terms,
            Err(refusal) => {
                let payloads = refusal.payloads();
                self.fail(cx, refusal.failure);
                self.await_another_child(cx.now);
                return payloads;
            }
        };
        let spi = cx.claim_esp_spi();
        let payloads = vec![
            Payload::Sa(vec![terms.chosen.answer(spi)]),
            Payload::TsInitiator(terms.remote_selectors.clone()),
            Payload::TsResponder(terms.local_selectors.clone()),
        ];
        let nonces = Nonces { initiator: nonces.0, responder: nonces.1 };
        let keys = keys.child(terms.chosen.suite, None, &[], nonces);
        let flow = self.flow_for(&terms.selectors());
        self.add_child(cx, ike, NewChild { flow, terms, spi, role: Role::Responder, group: None, keys });
        payloads
    }

    /// Drops our own attempt if the peer cannot have established anything from it yet: its SA serves as well.
    fn yield_attempt(&mut self, cx: &mut Cx<'_>) {
        if self.is_up()
            && let Some(attempt) =
                self.attempt.take_if(|attempt| matches!(attempt.stage, Stage::SaInit(_) | Stage::Intermediate(_)))
        {
            cx.names.release(attempt.spi);
        }
    }
}
