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

use std::net::SocketAddr;

use crypto::{Group, IkeKeys, IkeProposal, KeyPair, Nonces, Role};
use isakmp::{
    ChosenIke, ExchangeType, Frame, Message, NoProposalChosen, Notify, NotifyType, Payload, accepted_ike,
    ike_proposals, select_ike,
};
use negotiation::{
    ATTEMPT, Cx, EncapsulationPolicy, Failure, Owner, PORT_NAT, Path, Phase as Negotiation, Retransmit, Slot, Theirs,
    TunnelConfig, Waiting, list,
};
use wire::ipsec::IkeSpi;

use crate::attempt::{Course, Stage};
use crate::intermediate::{Intermediate, proceed};
use crate::proof::can_prove;
use crate::{
    Attempt, Contents, FirstExchange, HalfOpen, Progress, Protection, Wish, certificates, header, key_payload, nat,
    no_proposal, protocol,
};

/// Cookies and group changes we follow in one attempt.
const MAX_RESTARTS: u8 = 6;

/// We sent `IKE_SA_INIT`.
#[derive(Debug)]
pub(crate) struct ExpectSaInitResponse {
    offer: Offer,
    request: Vec<u8>,
    pub(crate) transmission: Retransmit,
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

impl Attempt {
    /// Sends the first message, to begin with over `path`. `sole` says that the peer has lost what it had of ours. Nothing
    /// begins without a suite to offer.
    pub fn begin(cx: &mut Cx<'_>, config: &TunnelConfig, slot: Slot, path: Path, sole: bool) -> Option<Self> {
        let group = config.ike_proposals.first()?.group;
        let spi = cx.claim_ike_spi(Owner::Tunnel(slot));
        let nat = nat::notifications(config.encapsulation, (spi, IkeSpi::ZERO), path, cx.entropy);
        let (key, nonce) = (group.generate(cx.entropy), cx.nonce());
        let state = send(cx, config, spi, path, Offer { key, nonce, nat, cookie: None, restarts: 0 });
        let (began, deadline) = (cx.now, cx.now + ATTEMPT);
        let course = Course { spi, path, began, deadline, verdict: None, sole };
        Some(Self { course, stage: Stage::SaInit(Box::new(state)) })
    }
}

fn send(cx: &mut Cx<'_>, config: &TunnelConfig, spi: IkeSpi, path: Path, offer: Offer) -> ExpectSaInitResponse {
    let spis = (spi, IkeSpi::ZERO);
    let mut payloads = Vec::new();
    if let Some(cookie) = &offer.cookie {
        // RFC 7296 2.6: the cookie comes first, all else stays as it was.
        payloads.push(Payload::Notify(Notify::with_data(NotifyType::COOKIE, cookie.clone())));
    }
    payloads.extend([
        Payload::Sa(ike_proposals(&config.ike_proposals, None)),
        key_payload(&offer.key),
        Payload::Nonce(offer.nonce.clone()),
    ]);
    payloads.extend(offer.nat.clone());
    payloads.push(Payload::Notify(Notify::new(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED)));
    if config.ike_proposals.iter().any(|proposal| !proposal.additional.is_empty()) {
        payloads.push(Payload::Notify(Notify::new(NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED)));
    }
    if config.ppk.is_some() {
        payloads.push(Payload::Notify(Notify::new(NotifyType::USE_PPK)));
    }
    payloads.extend(certificates::announce([config]));
    let header = header(spis, ExchangeType::IKE_SA_INIT, true, false, 0);
    let request = Message { header, payloads }.encode().unwrap_or_default();
    cx.transmit(path, std::slice::from_ref(&request));
    let transmission = Retransmit::new(vec![request.clone()], cx.now, cx.entropy);
    ExpectSaInitResponse { offer, request, transmission }
}

impl ExpectSaInitResponse {
    /// Takes the answer.
    pub(crate) fn take(
        self: Box<Self>,
        cx: &mut Cx<'_>,
        config: &TunnelConfig,
        wish: Wish,
        mut course: Course,
        frame: &Frame<'_>,
    ) -> Progress {
        let Some(contents) = Contents::in_the_clear(frame) else {
            return Progress::Invalid(Attempt { course, stage: Stage::SaInit(self) });
        };
        match self.judge(config, course.path.remote, frame, &contents) {
            Verdict::Restart(restart) => {
                let state = self.restart(cx, config, &course, restart);
                return Progress::Goes(Attempt { course, stage: Stage::SaInit(Box::new(state)) });
            }
            Verdict::Repeated => {}
            Verdict::Doubt(failure) => course.doubt(failure, cx.now),
            Verdict::Accept(accepted) => {
                let peer_spi = frame.header.responder_spi;
                return match self.accept(config, &course, frame, &contents, accepted) {
                    Ok((path, first, protection)) => {
                        let course = course.onward(path);
                        Progress::Goes(proceed(cx, config, wish, course, peer_spi, first, protection))
                    }
                    Err(failure) => Progress::Over(failure),
                };
            }
        }
        Progress::Goes(Attempt { course, stage: Stage::SaInit(self) })
    }

    fn restart(self, cx: &mut Cx<'_>, config: &TunnelConfig, course: &Course, restart: Restart) -> Self {
        let mut offer = self.offer;
        offer.restarts += 1;
        match restart {
            Restart::Group(group) => offer.key = group.generate(cx.entropy),
            Restart::Cookie(cookie) => offer.cookie = Some(cookie),
        }
        send(cx, config, course.spi, course.path, offer)
    }

    /// What is settled, and where the ends go on.
    fn accept(
        self,
        config: &TunnelConfig,
        course: &Course,
        frame: &Frame<'_>,
        contents: &Contents,
        accepted: Accepted,
    ) -> Result<(Path, FirstExchange, Protection), Failure> {
        let Accepted { chosen, public, nonce: peer_nonce } = accepted;
        let (spi, path, peer) = (course.spi, course.path, course.path.remote);
        let suite = chosen.proposal;
        let Self { offer: Offer { key, nonce, .. }, request, .. } = self;
        let bad = |_| Failure::BadPublicValue { peer, group: suite.group };
        let shared = key.agree(&public).map_err(bad)?;
        let peer_spi = frame.header.responder_spi;
        let nat = nat::detect(contents, (spi, peer_spi), path);
        if nat.any() && config.encapsulation == EncapsulationPolicy::Never {
            return Err(Failure::NatForbidden { peer });
        }
        check_extensions(config, &suite, contents, path)?;
        let moves = nat.any() || config.encapsulation == EncapsulationPolicy::Always;
        let path = if moves { path.with_port(PORT_NAT) } else { path };
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
            ppk: config.ppk.is_some() && contents.has(NotifyType::USE_PPK),
            childless: contents.has(NotifyType::CHILDLESS_IKEV2_SUPPORTED),
        };
        can_prove(config, (path.remote, frame.datagram()))?;
        Ok((path, first, protection))
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

enum Verdict {
    Restart(Restart),
    /// What it asks for has been done.
    Repeated,
    Doubt(Failure),
    Accept(Accepted),
}

/// What the responder chose, and its half.
struct Accepted {
    chosen: ChosenIke,
    public: Vec<u8>,
    nonce: Vec<u8>,
}

/// What the peer wants in our first message.
enum Restart {
    Group(Group),
    Cookie(Vec<u8>),
}

impl ExpectSaInitResponse {
    fn judge(&self, config: &TunnelConfig, peer: SocketAddr, frame: &Frame<'_>, contents: &Contents) -> Verdict {
        let offer = &self.offer;
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
            return Verdict::Doubt(refused(config, notify, peer));
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
            Ok(chosen) => Verdict::Accept(Accepted { chosen, public: exchange.data.clone(), nonce: nonce.clone() }),
        }
    }
}

fn refused(config: &TunnelConfig, notify: &Notify, peer: SocketAddr) -> Failure {
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
pub enum InitRefusal {
    /// Not worth an answer.
    Malformed,
    /// The peer should try another group; nothing is kept.
    OtherGroup(Group),
    /// No suite in common.
    NoProposal(NoProposalChosen),
}

/// A tunnel that the first message may be for.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its place in the endpoint.
    pub slot: Slot,
    /// What it is told.
    pub config: &'a TunnelConfig,
}

/// Answers a first message, as far as anything can be answered without knowing who asks.
///
/// # Errors
/// If it is not worth an answer, or is to be refused.
pub fn answer_sa_init(
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
    let mut payloads = vec![Payload::Sa(vec![chosen.answer(None)]), key_payload(&key), Payload::Nonce(nonce_r.clone())];
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
