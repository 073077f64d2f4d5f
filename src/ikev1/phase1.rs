//! Phase 1 under way, either role and mode (RFC 2409 5).
//!
//! ```text
//!             main mode                                   aggressive mode
//!  1 -->  SA, VIDs                                    1 -->  SA, KE, Ni, IDii, VIDs
//!  2 <--  SA, VIDs                                    2 <--  SA, KE, Nr, IDir, HASH_R, VIDs, NAT-D
//!  3 -->  KE, Ni, NAT-D                               3 -->  HASH_I, NAT-D          (encrypted)
//!  4 <--  KE, Nr, NAT-D
//!  5 -->  IDii, HASH_I    (encrypted)
//!  6 <--  IDir, HASH_R    (encrypted)
//! ```
//!
//! The initiator repeats what is not answered; the responder repeats an answer when it is asked for it again, and, in
//! aggressive mode, by itself, as the last message has no answer. What cannot be trusted yet, above all an error in the
//! clear, ends the attempt only after a moment in which the real answer is still welcome.

use std::time::{Duration, Instant};

use crypto::{IkeProposal, KeyPair, Nonces, Role};
use isakmp::v1::{
    Chain, Exchange, Flags, Frame, Header, Payload, PayloadKind, Reassembly, VendorId, assemble, encode, encode_body,
    split,
};
use negotiation::{ATTEMPT, Cx, Failure, Nat, Owner, PORT_NAT, Path, Retransmit, V1Mode, Waiting, max_datagram};
use wire::Secret;
use wire::ipsec::IkeSpi;

use crate::keys::{Cookies, Keys, Publics};
use crate::select::{ChosenIke, Lifetimes};
use crate::tunnel::Tunnel;
use crate::{Abilities, Contents};

/// How long the real answer is welcome after something that cannot be trusted.
const DOUBT: Duration = Duration::from_secs(1);
/// How often at most an answer goes to an address that nobody has shown to be the peer's.
const UNASKED: u32 = 3;

/// Phase 1 under way.
#[derive(Debug)]
pub(crate) struct Negotiation {
    /// Our cookie.
    pub(crate) cookie: IkeSpi,
    /// Zero until known.
    pub(crate) peer_cookie: IkeSpi,
    pub(crate) role: Role,
    pub(crate) mode: V1Mode,
    pub(crate) path: Path,
    pub(crate) began: Instant,
    pub(crate) deadline: Instant,
    /// A reason to give up at the deadline that cannot be trusted.
    pub(crate) verdict: Option<Failure>,
    pub(crate) abilities: Abilities,
    pub(crate) sent: Sent,
    pub(crate) partial: Reassembly,
    pub(crate) stage: Stage,
}

/// The last message of ours, and what it answers.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The message answered.
    pub(crate) answers: Vec<u8>,
    /// Our message.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// Its number in the exchange, from 1.
    pub(crate) number: u8,
    /// Where it is ours to repeat it.
    pub(crate) retransmit: Option<Retransmit>,
}

/// What is awaited, and what is known so far.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Initiator of main mode: the choice among our suites. We know the body of our SA payload.
    Choice(Vec<u8>),
    /// Initiator of main mode: the peer's public value.
    Public(Box<AwaitPublic>),
    /// Initiator of aggressive mode: everything.
    Everything(Box<AwaitEverything>),
    /// Responder of main mode: the peer's public value.
    Request(Box<AwaitRequest>),
    /// Either: the proof of who the peer is.
    Proof(Box<Keyed>),
}

#[derive(Debug)]
pub(crate) struct AwaitPublic {
    pub(crate) chosen: ChosenIke,
    pub(crate) sa: Vec<u8>,
    pub(crate) key: KeyPair,
    pub(crate) nonce: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct AwaitEverything {
    pub(crate) sa: Vec<u8>,
    pub(crate) key: KeyPair,
    pub(crate) nonce: Vec<u8>,
    pub(crate) id: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct AwaitRequest {
    pub(crate) chosen: ChosenIke,
    pub(crate) sa: Vec<u8>,
}

/// Phase 1 with keys.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) suite: IkeProposal,
    pub(crate) lifetime: Lifetimes,
    pub(crate) cookies: Cookies,
    pub(crate) keys: Keys,
    /// Public values, initiator's first.
    pub(crate) publics: (Vec<u8>, Vec<u8>),
    /// Body of the initiator's SA payload.
    pub(crate) sa: Vec<u8>,
    pub(crate) nat: Nat,
    /// IV of the next encrypted message.
    pub(crate) iv: Vec<u8>,
    /// In aggressive mode, the body of the initiator's ID payload.
    pub(crate) peer_id: Option<Vec<u8>>,
}

/// What a public value and a nonce of each end come to.
pub(crate) struct Agreement<'a> {
    pub(crate) key: KeyPair,
    pub(crate) nonce: &'a [u8],
    pub(crate) peer_public: &'a [u8],
    pub(crate) peer_nonce: &'a [u8],
}

impl Keyed {
    /// Computes the keys.
    pub(crate) fn agree(
        negotiation: &Negotiation,
        psk: &Secret,
        chosen: &ChosenIke,
        sa: Vec<u8>,
        agreement: Agreement<'_>,
    ) -> Result<Self, Failure> {
        let Agreement { key, nonce, peer_public, peer_nonce } = agreement;
        let peer = negotiation.path.remote;
        let suite = chosen.suite;
        let public = key.public().to_vec();
        let shared = key.agree(peer_public).map_err(|_| Failure::BadPublicValue { peer, group: suite.group })?;
        let (publics, nonces) = match negotiation.role {
            Role::Initiator => ((public, peer_public.to_vec()), Nonces { initiator: nonce, responder: peer_nonce }),
            Role::Responder => ((peer_public.to_vec(), public), Nonces { initiator: peer_nonce, responder: nonce }),
        };
        let cookies = negotiation.cookies();
        let keys = Keys::derive(&suite, psk, nonces, &shared, cookies)
            .ok_or_else(|| Failure::Protocol { peer, detail: format!("{suite} has no block cipher") })?;
        let iv = keys.phase1_iv(Publics { initiator: &publics.0, responder: &publics.1 });
        let (lifetime, nat) = (chosen.lifetime, Nat::default());
        Ok(Self { suite, lifetime, cookies, keys, publics, sa, nat, iv, peer_id: None })
    }

    pub(crate) fn publics(&self) -> Publics<'_> {
        Publics { initiator: &self.publics.0, responder: &self.publics.1 }
    }

    /// HASH_I or HASH_R.
    pub(crate) fn hash(&self, signer: Role, id: &[u8]) -> Secret {
        self.keys.phase1_hash(signer, self.publics(), self.cookies, &self.sa, id)
    }
}

impl Negotiation {
    pub(crate) fn new(cookie: IkeSpi, role: Role, mode: V1Mode, path: Path, now: Instant, stage: Stage) -> Self {
        Self {
            cookie,
            peer_cookie: IkeSpi::ZERO,
            role,
            mode,
            path,
            began: now,
            deadline: now + ATTEMPT,
            verdict: None,
            abilities: Abilities::default(),
            sent: Sent::default(),
            partial: Reassembly::default(),
            stage,
        }
    }

    pub(crate) const fn cookies(&self) -> Cookies {
        match self.role {
            Role::Initiator => Cookies { initiator: self.cookie, responder: self.peer_cookie },
            Role::Responder => Cookies { initiator: self.peer_cookie, responder: self.cookie },
        }
    }

    pub(crate) const fn exchange(&self) -> Exchange {
        match self.mode {
            V1Mode::Main => Exchange::IDENTITY_PROTECTION,
            V1Mode::Aggressive => Exchange::AGGRESSIVE,
        }
    }

    fn header(&self, encrypted: bool) -> Header {
        let Cookies { initiator, responder } = self.cookies();
        let flags = Flags { encrypted, ..Flags::default() };
        Header { initiator, responder, exchange: self.exchange(), flags, message_id: 0 }
    }

    /// Sends a message in the clear.
    pub(crate) fn send(&mut self, cx: &mut Cx<'_>, number: u8, payloads: &[Payload], repeat: bool) {
        let header = self.header(false);
        let datagram = encode(&header, payloads).unwrap_or_default();
        self.transmit(cx, number, &header, datagram, repeat);
    }

    /// Sends an encrypted message; returns its last block.
    pub(crate) fn send_encrypted(
        &mut self,
        cx: &mut Cx<'_>,
        number: u8,
        payloads: &[Payload],
        keyed: &Keyed,
        repeat: bool,
    ) -> Vec<u8> {
        let header = self.header(true);
        let first = payloads.first().map_or(PayloadKind::NONE, Payload::kind);
        let mut body = encode_body(payloads).unwrap_or_default();
        let last = keyed.keys.encrypt(&keyed.iv, &mut body).unwrap_or_default();
        let datagram = assemble(&header, first, &body).unwrap_or_default();
        self.transmit(cx, number, &header, datagram, repeat);
        last
    }

    fn transmit(&mut self, cx: &mut Cx<'_>, number: u8, header: &Header, datagram: Vec<u8>, repeat: bool) {
        let datagrams = pieces(header, datagram, self.abilities, self.path, cx);
        cx.transmit(self.path, &datagrams);
        let retransmit = repeat.then(|| Retransmit::new(datagrams.clone(), cx.now, cx.entropy));
        let retransmit = retransmit.map(|retransmit| match self.role {
            Role::Initiator => retransmit,
            Role::Responder => retransmit.at_most(UNASKED),
        });
        self.sent = Sent { answers: std::mem::take(&mut self.sent.answers), datagrams, number, retransmit };
    }

    /// What to blame when the deadline passes.
    pub(crate) fn failure(&self) -> Failure {
        let what = Waiting::Phase1 { mode: self.mode, message: self.sent.number };
        let tries = self.sent.retransmit.as_ref().map_or(1, Retransmit::tries);
        self.verdict.clone().unwrap_or(Failure::PeerSilent { peer: self.path.remote, what, tries })
    }

    /// Remembers a reason that cannot be trusted.
    pub(crate) fn doubt(&mut self, failure: Failure, now: Instant) {
        self.deadline = self.deadline.min(now + DOUBT);
        self.verdict = Some(failure);
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        let next = self.sent.retransmit.as_ref().and_then(Retransmit::next);
        next.map_or(self.deadline, |next| next.min(self.deadline))
    }

    /// Moves to the port for NATs where one was found (RFC 3947 4).
    pub(crate) fn float(&mut self, nat: Nat) {
        if nat.any() && self.path.local.port() != PORT_NAT {
            self.path = self.path.with_port(PORT_NAT);
        }
    }
}

/// A datagram, in pieces where it is too long and the peer can put pieces together.
pub(crate) fn pieces(
    header: &Header,
    datagram: Vec<u8>,
    abilities: Abilities,
    path: Path,
    cx: &mut Cx<'_>,
) -> Vec<Vec<u8>> {
    let limit = max_datagram(path.remote.ip());
    if datagram.len() <= limit || !abilities.fragmentation {
        return vec![datagram];
    }
    let id = u16::try_from(cx.entropy.random_u32() & 0xffff).unwrap_or(1);
    split(header, &datagram, id, limit).unwrap_or_else(|_| vec![datagram])
}

/// The vendor IDs that announce what we can do.
pub(crate) fn vendor_ids() -> impl Iterator<Item = Payload> {
    VendorId::ALL.into_iter().map(|id| Payload::VendorId(id.octets()))
}

/// Decodes a message in the clear.
pub(crate) fn open_clear(frame: &Frame<'_>) -> Option<Contents> {
    let chain = Chain::decode(frame.first, frame.body, false).ok()?;
    Some(Contents::collect(chain, frame.body))
}

impl Tunnel {
    /// Sends the first message of our mode.
    pub(crate) fn begin_phase1(&mut self, cx: &mut Cx<'_>) {
        self.retry_at = None;
        self.counters.attempts += 1;
        let cookie = cx.claim_ike_spi(Owner::Tunnel(self.slot));
        // RFC 3947 4: once NAT traversal is in use, a renewal begins where the last negotiation ended.
        let path = self.path();
        let negotiation = match self.mode() {
            V1Mode::Main => self.begin_main(cx, cookie, path),
            V1Mode::Aggressive => self.begin_aggressive(cx, cookie, path),
        };
        match negotiation {
            Some(negotiation) => self.negotiations.push(negotiation),
            None => cx.names.release(cookie),
        }
    }

    /// Takes a message for a negotiation under way.
    pub(crate) fn handle_negotiation(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, frame: &Frame<'_>, path: Path) {
        let Some(index) = self.negotiations.iter().position(|negotiation| negotiation.cookie == cookie) else { return };
        let negotiation = &mut self.negotiations[index];
        if frame.first == PayloadKind::FRAGMENT {
            let fragment = open_clear(frame).and_then(|contents| contents.fragment);
            let whole = fragment.and_then(|fragment| negotiation.partial.insert(fragment).ok().flatten());
            if let Some(Ok(whole)) = whole.as_deref().map(Frame::decode)
                && whole.first != PayloadKind::FRAGMENT
            {
                self.handle_negotiation(cx, cookie, &whole, path);
            }
            return;
        }
        if frame.datagram == negotiation.sent.answers {
            let datagrams = negotiation.sent.datagrams.clone();
            cx.transmit(path, &datagrams);
            return;
        }
        if frame.header.exchange == Exchange::INFORMATIONAL {
            self.handle_phase1_notify(cx, index, frame);
            return;
        }
        if frame.header.exchange != negotiation.exchange() || frame.header.message_id != 0 {
            return;
        }
        let negotiation = self.negotiations.remove(index);
        let kept = match negotiation.mode {
            V1Mode::Main => self.handle_main(cx, negotiation, frame, path),
            V1Mode::Aggressive => self.handle_aggressive(cx, negotiation, frame, path),
        };
        self.negotiations.extend(kept);
    }

    /// A negotiation is over without an SA.
    pub(crate) fn abandon(&mut self, cx: &mut Cx<'_>, negotiation: &Negotiation, failure: Failure) {
        cx.names.release(negotiation.cookie);
        match negotiation.role {
            Role::Initiator => self.phase1_failed(cx, failure),
            Role::Responder => self.refuse(cx, negotiation.path, failure),
        }
    }

    /// Does what is due on the negotiations.
    pub(crate) fn handle_negotiation_timeouts(&mut self, cx: &mut Cx<'_>) {
        for mut negotiation in std::mem::take(&mut self.negotiations) {
            if negotiation.deadline <= cx.now {
                let failure = negotiation.failure();
                let stranger = negotiation.role == Role::Responder && negotiation.verdict.is_none();
                if stranger && !matches!(negotiation.stage, Stage::Proof(_)) {
                    // Whoever it was never showed that it is there: no failure of the tunnel.
                    cx.names.release(negotiation.cookie);
                } else {
                    self.abandon(cx, &negotiation, failure);
                }
                continue;
            }
            let due = negotiation.sent.retransmit.as_mut().and_then(|sent| sent.due(cx.now, cx.entropy));
            if let Some(datagrams) = due {
                let datagrams = datagrams.to_vec();
                cx.transmit(negotiation.path, &datagrams);
                self.counters.retransmissions += 1;
            }
            self.negotiations.push(negotiation);
        }
    }
}
