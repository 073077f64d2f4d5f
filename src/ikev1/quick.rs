//! Quick mode (RFC 2409 5.5): one pair of ESP SAs for one pair of selectors.
//!
//! ```text
//!  1 -->  HASH(1), SA, Ni [, KE], IDci, IDcr
//!  2 <--  HASH(2), SA, Nr [, KE], IDci, IDcr        the responder receives on the new SA before it sends this
//!  3 -->  HASH(3)                                   and sends on it when it gets this
//! ```
//!
//! The responder repeats message 2 until message 3 comes; the initiator repeats message 3 whenever message 2 comes again.
//! Every message continues the chain of IVs of its exchange, so a repetition is known by its octets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crypto::{Group, KeyPair, Nonces, Role};
use isakmp::narrow;
use isakmp::v1::{Exchange, Frame, Identification, Notify, NotifyKind, Payload};
use negotiation::{ATTEMPT, Cx, Failure, Path, Phase, Retransmit, Theirs};
use wire::Secret;
use wire::ipsec::{IkeSpi, Spi};

use crate::children::{CROSSING, Child, Selectors};
use crate::contents::Contents;
use crate::install::{Parts, encapsulation};
use crate::keys::holds;
use crate::sa::{Sa, Sealed, is_authentic};
use crate::select::{EspOffer, Lifetimes, accepted_esp, esp_offer, esp_offers, select_esp};
use crate::tunnel::Tunnel;

/// Exchanges that the peer may have under way at once.
const MAX_ANSWERED: usize = 64;
/// Pairs of ESP SAs that a tunnel may have, those that linger included; more where many pairs of selectors are
/// configured. A peer that wants another waits until one is gone.
pub const MAX_CHILDREN: usize = 128;
const CHILDREN_PER_PAIR: usize = 6;
/// How long message 3 is repeated on request.
const KEEP: Duration = Duration::from_secs(60);

/// Quick mode under way, or just over.
#[derive(Debug)]
pub(crate) struct Quick {
    /// Our cookie of the ISAKMP SA.
    pub(crate) sa: IkeSpi,
    pub(crate) message_id: u32,
    pub(crate) selectors: Selectors,
    /// What we receive on.
    pub(crate) spi: Spi,
    pub(crate) began: Instant,
    pub(crate) deadline: Instant,
    /// IV of the next message.
    iv: Vec<u8>,
    /// The message that we answered last.
    answers: Vec<u8>,
    /// Our last message.
    datagrams: Vec<Vec<u8>>,
    pub(super) retransmit: Option<Retransmit>,
    pub(crate) crossing: bool,
    pub(crate) stage: Stage,
}

/// What the peer is told, and what our user is.
type Refusal = (NotifyKind, Failure);

/// What is awaited.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Message 2.
    Answer(Box<AwaitAnswer>),
    /// Message 3, with this hash.
    Confirmation(Secret),
    /// Nothing; message 3 may be asked for again.
    Done,
}

#[derive(Debug)]
pub(crate) struct AwaitAnswer {
    offers: Vec<EspOffer>,
    nonce: Vec<u8>,
    key: Option<KeyPair>,
}

impl Quick {
    pub(crate) const fn is_pending(&self) -> bool {
        !matches!(self.stage, Stage::Done)
    }

    pub(crate) const fn is_ours(&self) -> bool {
        matches!(self.stage, Stage::Answer(_))
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        let next = self.retransmit.as_ref().and_then(Retransmit::next);
        next.map_or(self.deadline, |next| next.min(self.deadline))
    }
}

impl Tunnel {
    /// Begins quick mode under the SA in use. Nothing happens if it is under way already.
    pub(crate) fn begin_quick(&mut self, cx: &mut Cx<'_>, selectors: Selectors) {
        let under_way = |quick: &Quick| quick.is_pending() && quick.selectors == selectors;
        if self.quicks.iter().any(under_way) {
            return;
        }
        let offers = self.offers_of_turn();
        let Some(group) = offers.first().map(|offer| offer.group) else { return };
        let lifetime = Lifetimes::of_child(&self.config.child_lifetime);
        let Some(position) = self.sas.iter().rposition(Sa::is_current) else { return };
        let spi = cx.claim_esp_spi();
        let sa = &mut self.sas[position];
        let (nonce, key) = (cx.nonce(), group.map(|group| group.generate(cx.entropy)));
        let mut payloads =
            vec![Payload::Sa(esp_offer(&offers, spi, encapsulation(sa), lifetime)), Payload::Nonce(nonce.clone())];
        payloads.extend(key.as_ref().map(|key| Payload::KeyExchange(key.public().to_vec())));
        payloads.extend(identifications(selectors, Role::Initiator));
        let message_id = sa.fresh_message_id(cx);
        let iv = sa.first_iv(message_id);
        let Sealed { datagrams, last_block } =
            sa.seal(cx, (Exchange::QUICK, message_id, &iv), payloads, |keys, covered| keys.hash1(message_id, covered));
        cx.transmit(sa.path, &datagrams);
        let retransmit = Some(Retransmit::new(datagrams.clone(), cx.now, cx.entropy));
        let sa = sa.cookie;
        self.quicks.push(Quick {
            sa,
            message_id,
            selectors,
            spi,
            began: cx.now,
            deadline: cx.now + ATTEMPT,
            iv: last_block,
            answers: Vec::new(),
            datagrams,
            retransmit,
            crossing: false,
            stage: Stage::Answer(Box::new(AwaitAnswer { offers, nonce, key })),
        });
    }

    /// The suites of one group: the group cannot be negotiated. After a refusal it is another one's turn.
    pub(super) fn offers_of_turn(&self) -> Vec<EspOffer> {
        let offers = esp_offers(&self.config.esp_proposals);
        let mut groups: Vec<Option<Group>> = Vec::new();
        for offer in &offers {
            if !groups.contains(&offer.group) {
                groups.push(offer.group);
            }
        }
        let group = groups.get(self.esp_turn % groups.len().max(1)).copied().flatten();
        offers.into_iter().filter(|offer| offer.group == group).collect()
    }

    /// Takes a message of quick mode.
    pub(crate) fn handle_quick(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, frame: &Frame<'_>, path: Path) {
        let message_id = frame.header.message_id;
        let known = self.quicks.iter().position(|quick| quick.sa == cookie && quick.message_id == message_id);
        let Some(index) = known else {
            self.answer_quick(cx, cookie, frame, path);
            return;
        };
        if frame.datagram == self.quicks[index].answers {
            let datagrams = self.quicks[index].datagrams.clone();
            cx.transmit(path, &datagrams);
            return;
        }
        let mut quick = self.quicks.remove(index);
        match std::mem::replace(&mut quick.stage, Stage::Done) {
            Stage::Answer(state) => self.take_answer(cx, quick, *state, frame, path),
            Stage::Confirmation(hash) => self.take_confirmation(cx, quick, hash, frame, path),
            Stage::Done => self.quicks.push(quick),
        }
    }

    /// Message 1, and our message 2.
    fn answer_quick(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, frame: &Frame<'_>, path: Path) {
        let message_id = frame.header.message_id;
        let answered = self.quicks.iter().filter(|quick| matches!(quick.stage, Stage::Confirmation(_))).count();
        let full = answered >= MAX_ANSWERED || self.children.len() >= self.most_children();
        let Some(sa) = self.sas.iter_mut().find(|sa| sa.cookie == cookie) else { return };
        if full || message_id == 0 || !sa.is_new(message_id) {
            return;
        }
        let iv = sa.first_iv(message_id);
        let opened = sa.open(frame, &iv).filter(|(chain, plaintext, _)| {
            is_authentic(chain, plaintext, |covered| sa.keys.hash1(message_id, covered))
        });
        let Some((chain, plaintext, last_block)) = opened else {
            self.counters.invalid_messages += 1;
            return;
        };
        sa.remember(message_id);
        let contents = Contents::collect(chain, &plaintext);
        self.heard(cx, cookie, path);
        if let Err((kind, failure)) = self.accept_quick(cx, cookie, message_id, &contents, frame, last_block) {
            if let Some(sa) = self.sas.iter_mut().find(|sa| sa.cookie == cookie) {
                let spi = contents.sa.iter().flat_map(|(proposals, _)| proposals).find_map(|one| one.esp_spi());
                let notify = spi.map_or_else(|| Notify::isakmp(kind), |spi| Notify::esp(kind, spi));
                sa.inform(cx, vec![Payload::Notify(notify)]);
            }
            self.note_failure(cx, failure);
        }
    }

    fn most_children(&self) -> usize {
        MAX_CHILDREN.max(CHILDREN_PER_PAIR * self.pairs.len())
    }

    /// Makes what message 1 asks for, and sends message 2.
    fn accept_quick(
        &mut self,
        cx: &mut Cx<'_>,
        cookie: IkeSpi,
        message_id: u32,
        contents: &Contents,
        frame: &Frame<'_>,
        last_block: Vec<u8>,
    ) -> Result<(), Refusal> {
        let Some(sa) = self.sas.iter().find(|sa| sa.cookie == cookie) else { return Ok(()) };
        let peer = sa.path.remote;
        let Contents { sa: Some((proposals, _)), nonce: Some(peer_nonce), .. } = contents else {
            return Err(broken(peer, "quick mode without proposals or nonce"));
        };
        let offers = esp_offers(&self.config.esp_proposals);
        let encapsulation = encapsulation(sa);
        let chosen = select_esp(&offers, proposals, encapsulation).map_err(|error| {
            let (phase, theirs) = (Phase::Child, Theirs::Listed(error.theirs));
            let failure = Failure::NoProposalChosen { phase, peer, ours: error.ours, theirs };
            (NotifyKind::NO_PROPOSAL_CHOSEN, failure)
        })?;
        let selectors = self.judge_selectors(contents, sa)?;
        let (shared, public) = agree(cx, chosen.group, contents, peer)?.unzip();
        let (spi, nonce) = (cx.claim_esp_spi(), cx.nonce());
        let nonces = Nonces { initiator: peer_nonce, responder: &nonce };
        let ours = Lifetimes::of_child(&self.config.child_lifetime);
        let theirs = Lifetimes { time: Some(chosen.lifetime.time_or_default()), ..chosen.lifetime };
        let lifetime = theirs.least(ours);
        let parts = Parts {
            inbound: sa.keys.esp(chosen.suite, shared.as_ref(), nonces, spi),
            outbound: sa.keys.esp(chosen.suite, shared.as_ref(), nonces, chosen.spi),
            lifetime,
            chosen,
        };
        let payloads = answer(&parts, spi, (nonce.clone(), public), contents, theirs);
        let hash = sa.keys.hash3(message_id, nonces);
        let Sealed { datagrams, last_block } =
            sa.seal(cx, (Exchange::QUICK, message_id, &last_block), payloads, |keys, covered| {
                keys.hash2(message_id, peer_nonce, covered)
            });
        let path = sa.path;
        let crossing = self.note_crossing(cx.now, selectors);
        self.use_own_before(cx, selectors);
        // The peer may use it as soon as it has our answer.
        self.install_parts(cx, cookie, spi, selectors, false, peer_nonce.clone(), crossing, parts);
        cx.transmit(path, &datagrams);
        let retransmit = Some(Retransmit::new(datagrams.clone(), cx.now, cx.entropy));
        self.quicks.push(Quick {
            sa: cookie,
            message_id,
            selectors,
            spi,
            began: cx.now,
            deadline: cx.now + ATTEMPT,
            iv: last_block,
            answers: frame.datagram.to_vec(),
            datagrams,
            retransmit,
            crossing,
            stage: Stage::Confirmation(hash),
        });
        Ok(())
    }

    /// What we were about to send on is in use before the peer's is made, so that both ends compare the same two.
    fn use_own_before(&mut self, cx: &mut Cx<'_>, selectors: Selectors) {
        let waits = |child: &&Child| child.crossing && child.initiator && child.complete && child.adopt_at.is_some();
        if let Some(ours) = self.children.iter().find(|child| child.selectors == selectors && waits(child)) {
            self.switch_to(cx, ours.spi);
        }
    }

    /// Whether the peer's exchange crosses one of ours; both are marked then.
    fn note_crossing(&mut self, now: Instant, selectors: Selectors) -> bool {
        let mut crossing = false;
        for quick in self.quicks.iter_mut().filter(|quick| quick.is_ours() && quick.selectors == selectors) {
            quick.crossing = true;
            crossing = true;
        }
        let recent = |child: &&mut Child| {
            child.initiator && child.is_live() && child.selectors == selectors && now < child.began + CROSSING
        };
        for child in self.children.iter_mut().filter(recent) {
            child.crossing = true;
            crossing = true;
        }
        crossing
    }

    /// What the peer wants carried: all of it within one of our pairs.
    fn judge_selectors(&self, contents: &Contents, sa: &Sa) -> Result<Selectors, Refusal> {
        let host = |address: std::net::IpAddr| wire::ipsec::TrafficSelector::range(address, address);
        let asked = match contents.identifications.as_slice() {
            // RFC 2409 5.5: left out, they are the addresses of the two ends.
            [] => Some(Selectors { local: host(sa.path.local.ip()), remote: host(sa.path.remote.ip()) }),
            [(initiator, _), (responder, _), ..] => {
                initiator.traffic().and_then(|remote| responder.traffic().map(|local| Selectors { local, remote }))
            }
            [_] => None,
        };
        let fits = |asked: &Selectors| self.pair_of(*asked).is_some();
        asked.filter(fits).ok_or_else(|| {
            let (peer, ours) = (sa.path.remote, self.selectors_text());
            let theirs = asked.map_or_else(
                || "not pairs of addresses".to_owned(),
                |asked| format!("{} === {}", asked.local, asked.remote),
            );
            let theirs = Theirs::Listed(theirs);
            (NotifyKind::INVALID_ID_INFORMATION, Failure::SelectorsUnacceptable { peer, ours, theirs })
        })
    }

    /// The pair of ours that covers these selectors.
    pub(crate) fn pair_of(&self, selectors: Selectors) -> Option<usize> {
        let covers = |ours, asked| narrow(&[asked], &[ours]) == [asked];
        self.pairs.iter().position(|pair| {
            covers(pair.selectors.local, selectors.local) && covers(pair.selectors.remote, selectors.remote)
        })
    }

    /// Message 2, and our message 3.
    fn take_answer(&mut self, cx: &mut Cx<'_>, mut quick: Quick, state: AwaitAnswer, frame: &Frame<'_>, path: Path) {
        let Some(sa) = self.sas.iter().find(|sa| sa.cookie == quick.sa) else {
            cx.names.release_esp(quick.spi);
            return;
        };
        let message_id = quick.message_id;
        let opened = sa.open(frame, &quick.iv).filter(|(chain, plaintext, _)| {
            is_authentic(chain, plaintext, |covered| sa.keys.hash2(message_id, &state.nonce, covered))
        });
        let Some((chain, plaintext, last_block)) = opened else {
            self.counters.invalid_messages += 1;
            quick.stage = Stage::Answer(Box::new(state));
            self.quicks.push(quick);
            return;
        };
        let contents = Contents::collect(chain, &plaintext);
        let judged = judge_answer(sa, &quick, state, &contents);
        self.heard(cx, quick.sa, path);
        let (parts, nonce, hash) = match judged {
            Ok(judged) => judged,
            Err(failure) => {
                self.quick_failed(cx, &quick, failure);
                return;
            }
        };
        let Some(sa) = self.sas.iter().find(|sa| sa.cookie == quick.sa) else { return };
        let place = (Exchange::QUICK, message_id, &last_block[..]);
        let Sealed { datagrams, last_block } = sa.seal(cx, place, Vec::new(), |_, _| hash);
        let (cookie, spi, path) = (quick.sa, quick.spi, sa.path);
        self.install_parts(cx, cookie, spi, quick.selectors, true, nonce, quick.crossing, parts);
        if let Some(child) = self.child_mut(spi) {
            child.began = quick.began;
        }
        cx.transmit(path, &datagrams);
        quick.iv = last_block;
        quick.answers = frame.datagram.to_vec();
        quick.datagrams = datagrams;
        quick.retransmit = None;
        quick.deadline = cx.now + KEEP;
        quick.stage = Stage::Done;
        self.quicks.push(quick);
        self.complete_child(cx, spi);
    }

    /// Message 3.
    fn take_confirmation(&mut self, cx: &mut Cx<'_>, mut quick: Quick, hash: Secret, frame: &Frame<'_>, path: Path) {
        let sa = self.sas.iter().find(|sa| sa.cookie == quick.sa);
        let opened = sa.and_then(|sa| sa.open(frame, &quick.iv));
        let genuine =
            opened.is_some_and(|(chain, _, _)| chain.leading_hash().is_some_and(|(found, _)| holds(&hash, found)));
        if !genuine {
            self.counters.invalid_messages += 1;
            quick.stage = Stage::Confirmation(hash);
            self.quicks.push(quick);
            return;
        }
        self.heard(cx, quick.sa, path);
        let spi = quick.spi;
        quick.retransmit = None;
        quick.deadline = cx.now + KEEP;
        quick.answers = frame.datagram.to_vec();
        quick.datagrams = Vec::new();
        quick.stage = Stage::Done;
        self.quicks.push(quick);
        self.complete_child(cx, spi);
    }
}

/// IDci and IDcr.
fn identifications(selectors: Selectors, role: Role) -> [Payload; 2] {
    let Selectors { local, remote } = selectors;
    let (initiator, responder) = match role {
        Role::Initiator => (local, remote),
        Role::Responder => (remote, local),
    };
    [initiator, responder].map(|selector| Payload::Identification(Identification::of_traffic(&selector)))
}

/// A refusal of message 1 that makes no sense.
fn broken(peer: SocketAddr, detail: &str) -> Refusal {
    (NotifyKind::PAYLOAD_MALFORMED, Failure::Protocol { peer, detail: detail.to_owned() })
}

/// The responder's half of the key exchange, if a group is agreed on: the secret, and our public value.
fn agree(
    cx: &mut Cx<'_>,
    group: Option<Group>,
    contents: &Contents,
    peer: SocketAddr,
) -> Result<Option<(Secret, Vec<u8>)>, Refusal> {
    match (group, &contents.key_exchange) {
        (None, None) => Ok(None),
        (Some(group), Some(theirs)) => {
            let key = group.generate(cx.entropy);
            let public = key.public().to_vec();
            let bad = |_| (NotifyKind::INVALID_KEY_INFORMATION, Failure::BadPublicValue { peer, group });
            Ok(Some((key.agree(theirs).map_err(bad)?, public)))
        }
        (Some(_), None) => Err(broken(peer, "a group for perfect forward secrecy, and no public value")),
        (None, Some(_)) => Err(broken(peer, "a public value, and no group for it")),
    }
}

/// Message 2, but for its hash: what is chosen, our nonce and public value, and the peer's selectors.
fn answer(
    parts: &Parts,
    spi: Spi,
    (nonce, public): (Vec<u8>, Option<Vec<u8>>),
    contents: &Contents,
    offered: Lifetimes,
) -> Vec<Payload> {
    let mut payloads = vec![Payload::Sa(vec![parts.chosen.answer(spi)]), Payload::Nonce(nonce)];
    payloads.extend(public.map(Payload::KeyExchange));
    payloads.extend(contents.identifications.iter().take(2).map(|(id, _)| Payload::Identification(id.clone())));
    if parts.lifetime != offered {
        // RFC 2407 4.6.3.1: we keep to less than was offered.
        let notify = Notify::esp(NotifyKind::RESPONDER_LIFETIME, spi);
        payloads.push(Payload::Notify(notify.with_attributes(&parts.lifetime.esp_attributes())));
    }
    payloads
}

/// Judges message 2: what is agreed, our nonce, and HASH(3).
fn judge_answer(
    sa: &Sa,
    quick: &Quick,
    state: AwaitAnswer,
    contents: &Contents,
) -> Result<(Parts, Vec<u8>, Secret), Failure> {
    let peer = sa.path.remote;
    let broken = |detail: &str| Failure::Protocol { peer, detail: detail.to_owned() };
    let AwaitAnswer { offers, nonce, key } = state;
    let Contents { sa: Some((answer, _)), nonce: Some(peer_nonce), .. } = contents else {
        return Err(broken("quick mode without a choice or a nonce"));
    };
    let chosen = accepted_esp(&offers, answer, encapsulation(sa)).map_err(|error| {
        let theirs = Theirs::Listed(error.theirs);
        Failure::NoProposalChosen { phase: Phase::Child, peer, ours: error.ours, theirs }
    })?;
    if let [(initiator, _), (responder, _), ..] = contents.identifications.as_slice() {
        let found = (initiator.traffic(), responder.traffic());
        let Selectors { local, remote } = quick.selectors;
        if found != (Some(local), Some(remote)) {
            let said =
                |side: Option<wire::ipsec::TrafficSelector>| side.map_or("?".to_owned(), |side| side.to_string());
            let theirs = Theirs::Listed(format!("{} === {}", said(found.0), said(found.1)));
            return Err(Failure::SelectorsUnacceptable { peer, ours: format!("{local} === {remote}"), theirs });
        }
    }
    let shared = match (key, &contents.key_exchange) {
        (None, None) => None,
        (Some(key), Some(public)) => {
            let group = key.group();
            Some(key.agree(public).map_err(|_| Failure::BadPublicValue { peer, group })?)
        }
        (Some(_), None) => return Err(broken("quick mode without the public value of its group")),
        (None, Some(_)) => return Err(broken("quick mode with a public value that was not asked for")),
    };
    let nonces = Nonces { initiator: &nonce, responder: peer_nonce };
    let hash = sa.keys.hash3(quick.message_id, nonces);
    // RFC 2407 4.6.3.1: the responder may keep to less than we offered.
    let told = contents.notifies.iter().filter(|notify| notify.kind == NotifyKind::RESPONDER_LIFETIME);
    let told = told.filter_map(|notify| notify.attributes().ok()).map(|attributes| Lifetimes::from_esp(&attributes));
    let lifetime = told.fold(chosen.lifetime, Lifetimes::least);
    let parts = Parts {
        inbound: sa.keys.esp(chosen.suite, shared.as_ref(), nonces, quick.spi),
        outbound: sa.keys.esp(chosen.suite, shared.as_ref(), nonces, chosen.spi),
        lifetime,
        chosen,
    };
    Ok((parts, nonce, hash))
}
