//! `IKE_SA_INIT` (RFC 7296 1.2): algorithms, Diffie-Hellman, nonces. Nothing in it is authenticated.
//!
//! ```text
//!  initiator                                        responder
//!  SA, KE, Ni, N(NAT..), N(FRAGMENTATION) ------->  choose; no DH computation yet
//!             <------- N(COOKIE) | N(INVALID_KE_PAYLOAD) | error
//!  again, with the cookie or the other group ---->
//!             <------- SA, KE, Nr, N(NAT..), N(FRAGMENTATION)
//! ```
//!
//! With N(INTERMEDIATE_EXCHANGE_SUPPORTED) where the proposals have additional key exchanges, and N(USE_PPK).
//!
//! An error in the answer may be forged by whoever sees our request. It ends the attempt only after a moment in
//! which the real answer is still welcome, and has no effect on anything but the attempt.

use crypto::{Group, IkeKeys, IkeProposal, KeyPair, Nonces, Role};
use isakmp::{
    ChosenIke, ExchangeType, Frame, KeyExchange, Message, NoProposalChosen, Notify, NotifyType, Payload, accepted_ike,
    ike_proposals, select_ike,
};
use negotiation::{
    ATTEMPT, Cx, EncapsulationPolicy, Failure, Nat, Owner, PORT_NAT, Path, Phase as Negotiation, Retransmit, Slot,
    Theirs, TunnelConfig, Waiting, list,
};
use wire::ipsec::IkeSpi;

use crate::endpoint::{HalfOpen, Tunnel};
use crate::sa::attempt::{Attempt, Stage};
use crate::sa::certificates;
use crate::sa::contents::Contents;
use crate::sa::intermediate::Intermediate;
use crate::sa::nat;
use crate::sa::negotiate::{no_proposal, protocol};
use crate::sa::proof::can_prove;
use crate::sa::protect::{Protection, header};

/// Cookies and group changes we follow in one attempt.
const MAX_RESTARTS: u8 = 6;

/// We sent `IKE_SA_INIT`.
#[derive(Debug)]
pub(crate) struct ExpectSaInitResponse {
    offer: Offer,
    request: Vec<u8>,
    pub(super) transmission: Retransmit,
}

/// What a first message holds besides the proposals.
#[derive(Debug)]
struct Offer {
    key: KeyPair,
    nonce: Vec<u8>,
    nat: [Payload; 2],
    cookie: Option<Vec<u8>>,
    /// Cookies and group changes followed so far.
    restarts: u8,
}

impl Tunnel {
    /// Sends the first message. `sole` says that the peer has lost what it had of ours.
    pub(crate) fn begin_attempt(&mut self, cx: &mut Cx<'_>, sole: bool) {
        let Some(group) = self.config.ike_proposals.first().map(|proposal| proposal.group) else { return };
        self.retry_at = None;
        self.counters.attempts += 1;
        let spi = cx.claim_ike_spi(Owner::Tunnel(self.slot));
        let path = self.first_path();
        let nat = nat::notifications(self.config.encapsulation, (spi, IkeSpi::ZERO), path, cx.entropy);
        let (key, nonce) = (group.generate(cx.entropy), cx.nonce());
        let state = self.send_sa_init(cx, spi, path, Offer { key, nonce, nat, cookie: None, restarts: 0 });
        self.attempt = Some(Attempt {
            spi,
            path,
            began: cx.now,
            deadline: cx.now + ATTEMPT,
            verdict: None,
            sole,
            stage: Stage::SaInit(Box::new(state)),
        });
    }

    fn send_sa_init(&self, cx: &mut Cx<'_>, spi: IkeSpi, path: Path, offer: Offer) -> ExpectSaInitResponse {
        let group = offer.key.group().id();
        let spis = (spi, IkeSpi::ZERO);
        let mut payloads = Vec::new();
        if let Some(cookie) = &offer.cookie {
            // RFC 7296 2.6: the cookie comes first, all else stays as it was.
            payloads.push(Payload::Notify(Notify::with_data(NotifyType::COOKIE, cookie.clone())));
        }
        payloads.extend([
            Payload::Sa(ike_proposals(&self.config.ike_proposals, None)),
            Payload::KeyExchange(KeyExchange { group, data: offer.key.public().to_vec() }),
            Payload::Nonce(offer.nonce.clone()),
        ]);
        payloads.extend(offer.nat.clone());
        payloads.push(Payload::Notify(Notify::new(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED)));
        if self.config.ike_proposals.iter().any(|proposal| !proposal.additional.is_empty()) {
            payloads.push(Payload::Notify(Notify::new(NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED)));
        }
        if self.config.ppk.is_some() {
            payloads.push(Payload::Notify(Notify::new(NotifyType::USE_PPK)));
        }
        payloads.extend(certificates::announce([&self.config]));
        let header = header(spis, ExchangeType::IKE_SA_INIT, true, false, 0);
        let request = Message { header, payloads }.encode().unwrap_or_default();
        cx.transmit(path, std::slice::from_ref(&request));
        let transmission = Retransmit::new(vec![request.clone()], cx.now, cx.entropy);
        ExpectSaInitResponse { offer, request, transmission }
    }

    /// Takes the answer to our first message.
    pub(crate) fn handle_sa_init_response(&mut self, cx: &mut Cx<'_>, frame: &Frame<'_>) {
        let Some(mut attempt) = self.attempt.take() else { return };
        let state = match attempt.stage {
            Stage::SaInit(state) => state,
            Stage::Intermediate(_) | Stage::Auth(_) => {
                self.attempt = Some(attempt);
                return;
            }
        };
        attempt = Attempt { stage: Stage::SaInit(state), ..attempt };
        let contents = frame.payloads().ok().and_then(|payloads| Contents::collect(payloads).ok());
        let Some(contents) = contents else {
            self.counters.invalid_messages += 1;
            self.attempt = Some(attempt);
            return;
        };
        match judge(&self.config, &attempt, frame, &contents) {
            Verdict::Restart(restart) => self.restart(cx, attempt, restart),
            Verdict::Repeated => self.attempt = Some(attempt),
            Verdict::Doubt(failure) => {
                attempt.doubt(failure, cx.now);
                self.attempt = Some(attempt);
            }
            Verdict::Accept { chosen, public, nonce } => {
                self.accept_sa_init(cx, attempt, frame, &contents, chosen, &public, nonce);
            }
        }
    }

    fn restart(&mut self, cx: &mut Cx<'_>, attempt: Attempt, restart: Restart) {
        let Attempt { spi, path, began, deadline, verdict, sole, stage: Stage::SaInit(state) } = attempt else {
            return;
        };
        let mut offer = state.offer;
        offer.restarts += 1;
        match restart {
            Restart::Group(group) => offer.key = group.generate(cx.entropy),
            Restart::Cookie(cookie) => offer.cookie = Some(cookie),
        }
        let state = self.send_sa_init(cx, spi, path, offer);
        let stage = Stage::SaInit(Box::new(state));
        self.attempt = Some(Attempt { spi, path, began, deadline, verdict, sole, stage });
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one message, taken apart by its judge")]
    fn accept_sa_init(
        &mut self,
        cx: &mut Cx<'_>,
        attempt: Attempt,
        frame: &Frame<'_>,
        contents: &Contents,
        chosen: ChosenIke,
        public: &[u8],
        peer_nonce: Vec<u8>,
    ) {
        let Attempt { spi, path, began, sole, stage: Stage::SaInit(state), .. } = attempt else { return };
        let suite = chosen.proposal;
        let ExpectSaInitResponse { offer: Offer { key, nonce, .. }, request, .. } = *state;
        let Ok(shared) = key.agree(public) else {
            self.abandon(cx, spi, Failure::BadPublicValue { peer: path.remote, group: suite.group });
            return;
        };
        let peer_spi = frame.header.responder_spi;
        let nat = nat::detect(contents, (spi, peer_spi), path);
        if nat.any() && self.config.encapsulation == EncapsulationPolicy::Never {
            self.abandon(cx, spi, Failure::NatForbidden { peer: path.remote });
            return;
        }
        if let Err(failure) = check_extensions(&self.config, &suite, contents, path) {
            self.abandon(cx, spi, failure);
            return;
        }
        let path = if nat.any() || self.config.encapsulation == EncapsulationPolicy::Always {
            path.with_port(PORT_NAT)
        } else {
            path
        };
        let nonces = Nonces { initiator: &nonce, responder: &peer_nonce };
        let keys = IkeKeys::derive(&suite, &shared, nonces, spi, peer_spi);
        let fragmentation = contents.has(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED);
        let protection = Protection::new(keys.ciphers(Role::Initiator), fragmentation);
        let first = FirstExchange {
            suite,
            nat,
            keys,
            request,
            response: frame.datagram().to_vec(),
            nonce_i: nonce,
            nonce_r: peer_nonce,
            intermediate: Intermediate::default(),
            ppk: self.config.ppk.is_some() && contents.has(NotifyType::USE_PPK),
            childless: contents.has(NotifyType::CHILDLESS_IKEV2_SUPPORTED),
        };
        if let Err(failure) = can_prove(&self.config, (path.remote, frame.datagram())) {
            self.abandon(cx, spi, failure);
            return;
        }
        let stage = self.proceed(cx, (spi, peer_spi), path, sole, first, protection);
        // What was doubtful about the first exchange is no longer: it has the time of an attempt.
        let deadline = began + ATTEMPT;
        self.attempt = Some(Attempt { spi, path, began, deadline, verdict: None, sole, stage });
    }
}

/// Whether the responder can do what was agreed on, and what we insist on.
fn check_extensions(
    config: &TunnelConfig,
    suite: &IkeProposal,
    contents: &Contents,
    path: Path,
) -> Result<(), Failure> {
    let peer = path.remote;
    // RFC 9370 2.2.1: the additional key exchanges are made in IKE_INTERMEDIATE.
    if !suite.additional.is_empty() && !contents.has(NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED) {
        return Err(Failure::IntermediateUnsupported { peer, suite: suite.to_string() });
    }
    match &config.ppk {
        // RFC 8784 3: who insists on a PPK goes no further with a responder that has none.
        Some(ppk) if ppk.required && !contents.has(NotifyType::USE_PPK) => {
            Err(Failure::PpkMissing { peer, id: ppk.name() })
        }
        Some(_) | None => Ok(()),
    }
}

/// What `IKE_SA_INIT` settled, and the exchanges up to `IKE_AUTH` add to.
#[derive(Debug)]
pub(crate) struct FirstExchange {
    pub(crate) suite: IkeProposal,
    pub(crate) nat: Nat,
    pub(crate) keys: IkeKeys,
    /// As sent, for the AUTH payloads.
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
    pub(crate) nonce_i: Vec<u8>,
    pub(crate) nonce_r: Vec<u8>,
    pub(crate) intermediate: Intermediate,
    /// Both ends have a post-quantum pre-shared key for someone; from `IKE_AUTH` on, whether one is mixed in.
    pub(crate) ppk: bool,
    /// The responder does without a CHILD SA in `IKE_AUTH`.
    pub(crate) childless: bool,
}

enum Verdict {
    Restart(Restart),
    /// What it asks for has been done.
    Repeated,
    Doubt(Failure),
    Accept {
        chosen: ChosenIke,
        public: Vec<u8>,
        nonce: Vec<u8>,
    },
}

/// What the peer wants in our first message.
enum Restart {
    Group(Group),
    Cookie(Vec<u8>),
}

fn judge(config: &TunnelConfig, attempt: &Attempt, frame: &Frame<'_>, contents: &Contents) -> Verdict {
    let peer = attempt.path.remote;
    let Stage::SaInit(state) = &attempt.stage else {
        return Verdict::Doubt(protocol(peer, "an answer out of turn"));
    };
    let offer = &state.offer;
    let may_restart = offer.restarts < MAX_RESTARTS;
    if let Some(cookie) = contents.notify(NotifyType::COOKIE).filter(|_| contents.sa.is_none() && may_restart) {
        return if offer.cookie.as_ref() == Some(&cookie.data) {
            Verdict::Repeated
        } else {
            Verdict::Restart(Restart::Cookie(cookie.data.clone()))
        };
    }
    if let Some(notify) = contents.notify(NotifyType::INVALID_KE_PAYLOAD) {
        // RFC 7296 1.2: only a group that we offered ourselves.
        let is_ours = |group: &Group| config.ike_proposals.iter().any(|proposal| proposal.group == *group);
        match notify.wanted_group().and_then(Group::from_id).filter(is_ours) {
            Some(group) if group == offer.key.group() && offer.restarts > 0 => return Verdict::Repeated,
            Some(group) if group != offer.key.group() && may_restart => {
                return Verdict::Restart(Restart::Group(group));
            }
            Some(_) | None => {}
        }
    }
    if let Some(notify) = contents.error() {
        return Verdict::Doubt(refused(config, notify, attempt));
    }
    let (Some(sa), Some(exchange), Some(nonce)) = (&contents.sa, &contents.key_exchange, &contents.nonce) else {
        return Verdict::Doubt(protocol(peer, "an IKE_SA_INIT response lacks SA, KE or nonce"));
    };
    match accepted_ike(&config.ike_proposals, sa) {
        Err(error) => Verdict::Doubt(no_proposal(error, Negotiation::Ike, peer)),
        Ok(chosen)
            if chosen.proposal.group != offer.key.group()
                || exchange.group != offer.key.group().id()
                || frame.header.responder_spi == IkeSpi::ZERO =>
        {
            Verdict::Doubt(protocol(peer, "an IKE_SA_INIT response contradicts itself or our request"))
        }
        Ok(chosen) => Verdict::Accept { chosen, public: exchange.data.clone(), nonce: nonce.clone() },
    }
}

fn refused(config: &TunnelConfig, notify: &Notify, attempt: &Attempt) -> Failure {
    let peer = attempt.path.remote;
    match notify.kind {
        NotifyType::NO_PROPOSAL_CHOSEN => Failure::NoProposalChosen {
            phase: Negotiation::Ike,
            peer,
            ours: list(&config.ike_proposals),
            theirs: Theirs::Unknown,
        },
        NotifyType::INVALID_KE_PAYLOAD => Failure::InvalidKe {
            phase: Negotiation::Ike,
            peer,
            wanted: notify.wanted_group().map_or(0, |group| group.0),
            ours: list(&config.ike_proposals),
        },
        NotifyType::INVALID_MAJOR_VERSION => Failure::Version { peer, ours: config.version, theirs: None },
        kind => Failure::Refused { peer, what: Waiting::SaInit, notify: kind },
    }
}

/// Why a first message is not answered with an offer.
#[derive(Debug)]
pub(crate) enum InitRefusal {
    /// Not worth an answer.
    Malformed,
    /// The peer should try another group; nothing is kept.
    OtherGroup(Group),
    /// No suite in common.
    NoProposal(NoProposalChosen),
}

/// A tunnel that the first message may be for.
pub(crate) struct Candidate<'a> {
    pub(crate) slot: Slot,
    pub(crate) config: &'a TunnelConfig,
}

/// Answers a first message, as far as anything can be answered without knowing who asks.
pub(crate) fn answer_sa_init(
    cx: &mut Cx<'_>,
    candidates: &[Candidate<'_>],
    frame: &Frame<'_>,
    contents: &Contents,
    path: Path,
) -> Result<HalfOpen, InitRefusal> {
    let (Some(sa), Some(exchange), Some(nonce_i)) = (&contents.sa, &contents.key_exchange, &contents.nonce) else {
        return Err(InitRefusal::Malformed);
    };
    let intermediate = contents.has(NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED);
    let (chosen, policy) = choose(candidates, sa, intermediate)?;
    let group = chosen.proposal.group;
    if exchange.group != group.id() {
        return Err(InitRefusal::OtherGroup(group));
    }
    if exchange.data.len() != group.public_len() {
        return Err(InitRefusal::Malformed);
    }
    let key = group.answer(&exchange.data, cx.entropy).map_err(|_| InitRefusal::Malformed)?;
    let nonce_r = cx.nonce();
    let peer_spi = frame.header.initiator_spi;
    let spi = cx.claim_ike_spi(Owner::HalfOpen);
    let spis = (peer_spi, spi);
    let mut payloads = vec![
        Payload::Sa(vec![chosen.answer(None)]),
        Payload::KeyExchange(KeyExchange { group: group.id(), data: key.public().to_vec() }),
        Payload::Nonce(nonce_r.clone()),
    ];
    payloads.extend(nat::notifications(policy, spis, path, cx.entropy));
    let fragmentation = contents.has(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED);
    if fragmentation {
        payloads.push(Payload::Notify(Notify::new(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED)));
    }
    if intermediate && !chosen.proposal.additional.is_empty() {
        payloads.push(Payload::Notify(Notify::new(NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED)));
    }
    // RFC 6023 3: an initiator may come without a CHILD SA.
    payloads.push(Payload::Notify(Notify::new(NotifyType::CHILDLESS_IKEV2_SUPPORTED)));
    // RFC 8784 3: who asks is not known yet; some tunnel it may mean has a PPK.
    let ppk = contents.has(NotifyType::USE_PPK) && candidates.iter().any(|tunnel| tunnel.config.ppk.is_some());
    if ppk {
        payloads.push(Payload::Notify(Notify::new(NotifyType::USE_PPK)));
    }
    let configs = || candidates.iter().map(|candidate| candidate.config);
    payloads.extend(certificates::announce(configs()));
    // RFC 7296 1.2: the responder asks here, the initiator in IKE_AUTH.
    payloads.extend(certificates::request(configs(), certificates::MAX_IN_SA_INIT));
    let header = header(spis, ExchangeType::IKE_SA_INIT, false, true, 0);
    let response = Message { header, payloads }.encode().unwrap_or_default();
    cx.transmit(path, std::slice::from_ref(&response));
    Ok(HalfOpen {
        spi,
        peer_spi,
        source: path.remote.ip(),
        path,
        began: cx.now,
        suite: chosen.proposal,
        // RFC 7296 2.23: the sender hashed with a responder's SPI of zero.
        nat: nat::detect(contents, (peer_spi, IkeSpi::ZERO), path),
        candidates: candidates.iter().map(|candidate| candidate.slot).collect(),
        request: frame.datagram().to_vec(),
        response,
        nonce_i: nonce_i.clone(),
        nonce_r,
        key: Some((key, exchange.data.clone())),
        fragmentation,
        ppk: false,
        opened: None,
        intermediate: Intermediate::default(),
        answered: None,
        refusal: None,
    })
}

/// The first suite in common with any tunnel the peer may mean, and that tunnel's encapsulation policy.
fn choose(
    candidates: &[Candidate<'_>],
    sa: &[isakmp::Proposal],
    intermediate: bool,
) -> Result<(ChosenIke, EncapsulationPolicy), InitRefusal> {
    let mut refusal = InitRefusal::Malformed;
    for candidate in candidates {
        match select_ike(&candidate.config.ike_proposals, sa, intermediate) {
            Ok(chosen) => return Ok((chosen, candidate.config.encapsulation)),
            Err(error) => refusal = InitRefusal::NoProposal(error),
        }
    }
    Err(refusal)
}
