//! `IKE_AUTH` (RFC 7296 1.2, 2.15): who is who.
//!
//! ```text
//!  SK { IDi, [CERT..], [N(INITIAL_CONTACT)], [CERTREQ], IDr, AUTH, SA, TSi, TSr } ------->
//!                        <------- SK { IDr, [CERT..], AUTH, SA, TSr, TSi }
//!                               | SK { IDr, AUTH, N(error) }      IKE SA without CHILD SA
//!                               | SK { N(AUTHENTICATION_FAILED) }
//! ```

use certificate::UnixTime;
use crypto::{AuthInput, IkeKeys, Role};
use identity::Identity;
use isakmp::{Auth, ChildExchange, ExchangeType, Frame, Notify, NotifyType, Payload, esp_proposals};
use negotiation::{
    ChildSelectors, Cx, EncapsulationPolicy, Failure, Path, Phase, Retransmit, Theirs, TunnelConfig, Waiting, list,
};
use wire::ipsec::{IkeSpi, Spi};

use crate::attempt::{Course, Disproven, Proven, Stage};
use crate::proof::{Claim, can_prove, method, prove, verify};
use crate::{
    Attempt, AuthAnswer, Contents, FirstExchange, HalfOpen, Incoming, Opening, Progress, Protection, Refusal, Wish,
    certificates, header, judge_answer, ppk, protocol, refused_child,
};

/// We sent `IKE_AUTH`.
#[derive(Debug)]
pub(crate) struct ExpectAuthResponse {
    peer_spi: IkeSpi,
    first: FirstExchange,
    protection: Protection,
    /// The SPI we will receive on, unless we go without a CHILD SA.
    child: Option<Spi>,
    /// What that CHILD SA is to carry.
    selectors: ChildSelectors,
    /// Credentials have changed since it was sent.
    outdated: bool,
    pub(crate) transmission: Retransmit,
}

/// Sends our authentication.
pub(crate) fn send_auth(
    cx: &mut Cx<'_>,
    config: &TunnelConfig,
    wish: Wish,
    course: &Course,
    peer_spi: IkeSpi,
    first: FirstExchange,
    mut protection: Protection,
) -> ExpectAuthResponse {
    let Wish { selectors, childless, initial_contact, extensions } = wish;
    // RFC 6023 3: only where the responder has said so.
    let child = (!(childless && first.childless)).then(|| cx.claim_esp_spi());
    let path = course.path;
    let id = config.local_id.to_payload();
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
        prove(config, keys, Role::Initiator, input, theirs).map_or_else(|_| Vec::new(), |auth| auth.data)
    };
    let (auth, notifies) = ppk::offer(config.ppk.as_ref().filter(|_| first.ppk), &first.keys, prove);
    let mut payloads = vec![Payload::IdInitiator(id)];
    payloads.extend(certificates::shown(&config.auth.local));
    payloads.extend(initial_contact.then(|| Payload::Notify(Notify::new(NotifyType::INITIAL_CONTACT))));
    payloads.extend(certificates::request([config], certificates::MAX_IN_AUTH));
    payloads.extend([
        Payload::IdResponder(config.remote_id.to_payload()),
        Payload::Auth(Auth { method: method(config, first.response.as_slice()), data: auth }),
    ]);
    if let Some(child) = child {
        payloads.extend([
            Payload::Sa(esp_proposals(&config.esp_proposals, child, ChildExchange::Auth)),
            Payload::TsInitiator(selectors.local.clone()),
            Payload::TsResponder(selectors.remote.clone()),
        ]);
    }
    payloads.extend(extensions);
    payloads.extend(notifies);
    let header = header((course.spi, peer_spi), ExchangeType::IKE_AUTH, true, false, first.next_id());
    let datagrams = protection.seal(header, payloads, path.remote, cx.entropy);
    cx.transmit(path, &datagrams);
    let transmission = Retransmit::new(datagrams, cx.now, cx.entropy);
    ExpectAuthResponse { peer_spi, first, protection, child, selectors, outdated: false, transmission }
}

impl ExpectAuthResponse {
    /// The ID of the message under way.
    pub(crate) const fn message_id(&self) -> u32 {
        self.first.next_id()
    }

    pub(crate) const fn child(&self) -> Option<Spi> {
        self.child
    }

    pub(crate) const fn outdate(&mut self) {
        self.outdated = true;
    }

    /// Takes the answer.
    pub(crate) fn take(
        mut self: Box<Self>,
        cx: &mut Cx<'_>,
        config: &TunnelConfig,
        mut course: Course,
        frame: &Frame<'_>,
    ) -> Progress {
        match self.protection.open(frame) {
            Incoming::Message { contents: Ok(contents), .. } => {
                let unread = contents.has(NotifyType::INVALID_SYNTAX);
                let verdict = self.judge(config, contents, course.path, cx.wall);
                return self.answered(course, verdict, unread);
            }
            Incoming::Message { contents: Err(rejected), .. } => {
                let failure = protocol(course.path.remote, &rejected.detail);
                return self.answered(course, Err(Disproven { failure, established: true }), false);
            }
            Incoming::InTheClear => {
                // RFC 7296 2.21.2: an error in the clear is a hint, no more.
                let contents = Contents::in_the_clear(frame);
                if let Some(notify) = contents.as_ref().and_then(Contents::error) {
                    course.doubt(refused(config, notify, course.path), cx.now);
                }
            }
            Incoming::Partial => {}
            Incoming::Invalid => return Progress::Invalid(Attempt { course, stage: Stage::Auth(self) }),
        }
        Progress::Goes(Attempt { course, stage: Stage::Auth(self) })
    }

    fn answered(self, course: Course, verdict: Result<Proven, Disproven>, unread: bool) -> Progress {
        let Self { peer_spi, first, protection, child, outdated, .. } = self;
        let Course { spi, path, began, sole, .. } = course;
        let opening = Opening { spi, peer_spi, path, began, first, protection };
        Progress::Answered(Box::new(AuthAnswer { opening, sole, outdated, child, unread, verdict }))
    }

    /// Whether who answers is who we expect, and takes what we asked for. If so, a post-quantum pre-shared key that it
    /// knows, too, is mixed in.
    fn judge(
        &mut self,
        config: &TunnelConfig,
        contents: Contents,
        path: Path,
        wall: UnixTime,
    ) -> Result<Proven, Disproven> {
        let mixed = match self.verify(config, &contents, path, wall) {
            Ok(mixed) => mixed,
            // The responder holds the SA for established unless it refused itself.
            Err(failure) => return Err(Disproven { failure, established: contents.auth.is_some() }),
        };
        self.first.ppk = mixed;
        self.first.keys = ppk::mixed(config.ppk.as_ref().filter(|_| mixed), &self.first.keys);
        let terms = self.child.map(|_| match contents.error() {
            Some(notify) => Err(refused_child(config, &self.selectors, notify, path.remote)),
            None => judge_answer(config, &self.selectors, &contents, ChildExchange::Auth, path.remote),
        });
        Ok(Proven { contents, terms })
    }

    /// Who answers is who we expect; whether by our post-quantum pre-shared key, too.
    fn verify(&self, config: &TunnelConfig, contents: &Contents, path: Path, wall: UnixTime) -> Result<bool, Failure> {
        let peer = path.remote;
        let (Some(id), Some(auth)) = (&contents.id_responder, &contents.auth) else {
            return Err(match contents.error() {
                Some(notify) => refused(config, notify, path),
                None => protocol(peer, "an IKE_AUTH response lacks identity or AUTH"),
            });
        };
        let found = Identity::from_payload(id).map_err(|error| protocol(peer, &error.to_string()))?;
        let expected = config.remote_id.clone();
        if !expected.matches(&found) {
            return Err(Failure::IdentityMismatch { peer, expected, found });
        }
        let first = &self.first;
        let (id_body, intermediate) = (id.body(), first.intermediate.octets());
        let input = AuthInput {
            message: &first.response,
            peer_nonce: &first.nonce_i,
            id_body: &id_body,
            intermediate: &intermediate,
        };
        let ppk = config.ppk.as_ref().filter(|_| first.ppk);
        let mixed = ppk::answered(ppk, contents, peer)?;
        let keys = ppk::mixed(ppk.filter(|_| mixed), &first.keys);
        let claim = Claim::new(peer, &found, auth, contents);
        verify(&config.auth.remote, &keys, Role::Responder, input, claim, wall)?;
        Ok(mixed)
    }
}

fn refused(config: &TunnelConfig, notify: &Notify, path: Path) -> Failure {
    match notify.kind {
        NotifyType::AUTHENTICATION_FAILED => {
            let (peer, identity) = (path.remote, config.local_id.clone());
            match &config.ppk {
                Some(ppk) => Failure::PpkAuthenticationFailed { peer, identity, id: ppk.name() },
                None => Failure::AuthenticationFailed { peer, identity },
            }
        }
        kind => Failure::Refused { peer: path.remote, what: Waiting::Auth, notify: kind },
    }
}

/// Whether the identities in a request are those of this tunnel.
#[must_use]
pub fn is_meant(config: &TunnelConfig, contents: &Contents) -> bool {
    let is = |ours: &Identity, payload: &isakmp::Identification| {
        Identity::from_payload(payload).is_ok_and(|found| ours.matches(&found))
    };
    contents.id_initiator.as_ref().is_some_and(|id| is(&config.remote_id, id))
        && contents.id_responder.as_ref().is_none_or(|id| is(&config.local_id, id))
}

/// Whether a request names the post-quantum pre-shared key of this tunnel.
#[must_use]
pub fn names_ppk(config: &TunnelConfig, contents: &Contents) -> bool {
    let named = contents.notify(NotifyType::PPK_IDENTITY);
    config.ppk.as_ref().zip(named).is_some_and(|(ppk, notify)| ppk::names(&notify.data, ppk))
}

impl HalfOpen {
    /// Who asks is who this tunnel expects, proven by identity and key; whether by its post-quantum pre-shared key, too.
    ///
    /// # Errors
    /// If it is not, or the tunnel forbids what was settled before anybody knew who asks.
    pub fn verify(&self, config: &TunnelConfig, contents: &Contents, wall: UnixTime) -> Result<bool, Refusal> {
        let peer = self.path.remote;
        let refuse = |failure| Refusal { notify: Notify::new(NotifyType::AUTHENTICATION_FAILED), failure };
        let (Some(id), Some(auth)) = (&contents.id_initiator, &contents.auth) else {
            return Err(refuse(protocol(peer, "an IKE_AUTH request lacks identity or AUTH")));
        };
        let Some((keys, _)) = &self.opened else {
            return Err(refuse(protocol(peer, "an IKE_AUTH request before there are keys")));
        };
        let found = Identity::from_payload(id).map_err(|error| refuse(protocol(peer, &error.to_string())))?;
        let expected = config.remote_id.clone();
        if !expected.matches(&found) {
            return Err(refuse(Failure::IdentityMismatch { peer, expected, found }));
        }
        if !config.ike_proposals.iter().any(|proposal| proposal.allows(&self.suite)) {
            let failure = Failure::NoProposalChosen {
                phase: Phase::Ike,
                peer,
                ours: list(&config.ike_proposals),
                theirs: Theirs::Listed(self.suite.to_string()),
            };
            return Err(refuse(failure));
        }
        let (id_body, intermediate) = (id.body(), self.intermediate.octets());
        let input = AuthInput {
            message: &self.request,
            peer_nonce: &self.nonce_r,
            id_body: &id_body,
            intermediate: &intermediate,
        };
        let ppk = config.ppk.as_ref();
        let claim = ppk::claimed(ppk, contents, &auth.data, peer).map_err(refuse)?;
        let proving = ppk::mixed(ppk.filter(|_| claim.mixed), keys);
        let holds = |keys: &IkeKeys, data: &[u8]| {
            let auth = Auth { method: auth.method, data: data.to_vec() };
            let claim = Claim::new(peer, &found, &auth, contents);
            verify(&config.auth.remote, keys, Role::Initiator, input, claim, wall)
        };
        if let Err(failure) = holds(&proving, claim.auth) {
            let plain_holds = claim.plain.is_some_and(|auth| holds(keys, auth).is_ok());
            // What only a key can be wrong about may be either of the two.
            let of_a_key = plain_holds || matches!(failure, Failure::WrongPsk { .. });
            let disproven = || ppk::disproven(ppk, claim, plain_holds, peer, found.clone());
            return Err(refuse(if of_a_key { disproven() } else { failure }));
        }
        can_prove(config, (peer, self.request.as_slice())).map_err(refuse)?;
        if self.nat.any() && config.encapsulation == EncapsulationPolicy::Never {
            return Err(refuse(Failure::NatForbidden { peer }));
        }
        Ok(claim.mixed)
    }

    /// Our own proof, to an initiator that [`Self::verify`] believes: what is settled now, and what to answer before all
    /// else. `ppk` is what `verify` found.
    ///
    /// # Errors
    /// If the system has no randomness to sign with.
    pub fn prove(self, config: &TunnelConfig, ppk: bool) -> Result<(Opening, Vec<Payload>), Failure> {
        let (path, peer) = (self.path, self.path.remote);
        let Some((keys, protection)) = self.opened else {
            return Err(protocol(peer, "an IKE_AUTH request before there are keys"));
        };
        let keys = ppk::mixed(config.ppk.as_ref().filter(|_| ppk), &keys);
        let id = config.local_id.to_payload();
        let (id_body, intermediate) = (id.body(), self.intermediate.octets());
        let input = AuthInput {
            message: &self.response,
            peer_nonce: &self.nonce_i,
            id_body: &id_body,
            intermediate: &intermediate,
        };
        let proof = prove(config, &keys, Role::Responder, input, (peer, self.request.as_slice()))?;
        let mut payloads = vec![Payload::IdResponder(id)];
        payloads.extend(certificates::shown(&config.auth.local));
        payloads.push(Payload::Auth(proof));
        // RFC 8784 3: an empty identity says that the one the initiator named is mixed in.
        payloads.extend(ppk.then(|| Payload::Notify(Notify::new(NotifyType::PPK_IDENTITY))));
        let first = FirstExchange {
            suite: self.suite,
            nat: self.nat,
            keys,
            request: self.request,
            response: self.response,
            nonce_i: self.nonce_i,
            nonce_r: self.nonce_r,
            intermediate: self.intermediate,
            ppk,
            childless: false,
        };
        let (spi, peer_spi, began) = (self.spi, self.peer_spi, self.began);
        Ok((Opening { spi, peer_spi, path, began, first, protection }, payloads))
    }
}
