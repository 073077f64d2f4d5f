//! `IKE_INTERMEDIATE` (RFC 9242): further key exchanges (RFC 9370) between `IKE_SA_INIT` and `IKE_AUTH`.
//!
//! ```text
//!  initiator                                   responder
//!  IKE_SA_INIT, keys 0
//!  SK { KEi(1) }, under keys 0 ------->
//!                              <------- SK { KEr(1) }, under keys 0
//!  keys 1 = f(SK_d 0, secret 1)                                            ... and so on for each method
//!  IKE_AUTH under the last keys; AUTH covers all of these messages, too
//! ```
//!
//! These messages are protected, hence may come in fragments, which `IKE_SA_INIT` must not. The peer is not
//! authenticated yet: the responder keeps what it has in its bounded table of half-open SAs, and does no more of these
//! computations for one of them than its suite has methods.

use crypto::{Group, IkeKeys, KeyPair, Nonces, Role};
use isakmp::{ExchangeType, Frame, KeyExchange, Message, Notify, NotifyType, Payload, covered};
use negotiation::{ATTEMPT, Cx, Failure, Path, Retransmit, Waiting};
use wire::ipsec::IkeSpi;
use wire::{Entropy, Secret};

use crate::endpoint::{HalfOpen, Tunnel};
use crate::sa::attempt::{Attempt, Stage};
use crate::sa::auth::PlannedAuth;
use crate::sa::contents::Contents;
use crate::sa::init::FirstExchange;
use crate::sa::key_exchange::key_payload;
use crate::sa::negotiate::{Refusal, protocol};
use crate::sa::protect::{Incoming, Protection, header};

/// What these exchanges add to the proofs of identity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intermediate {
    exchanges: u32,
    initiator: Option<Secret>,
    responder: Option<Secret>,
}

impl Intermediate {
    /// Takes in an exchange, made under `keys`, by what is covered of its two messages.
    fn add(&mut self, keys: &IkeKeys, request: &[u8], response: &[u8]) {
        self.initiator = Some(keys.intermediate_auth(Role::Initiator, self.initiator.as_ref(), request));
        self.responder = Some(keys.intermediate_auth(Role::Responder, self.responder.as_ref(), response));
        self.exchanges += 1;
    }

    /// The message ID of the next exchange: one more of these, or `IKE_AUTH`.
    pub(crate) const fn next_id(&self) -> u32 {
        1 + self.exchanges
    }

    /// How many of these exchanges were made.
    pub(crate) fn exchanges(&self) -> usize {
        usize::try_from(self.exchanges).unwrap_or(usize::MAX)
    }

    /// What AUTH covers at its end; empty without any such exchange.
    pub(crate) fn octets(&self) -> Vec<u8> {
        // RFC 9242 3.3.2: IntAuth = IntAuth_iN | IntAuth_rN | IKE_AUTH_MID.
        match (&self.initiator, &self.responder) {
            (Some(initiator), Some(responder)) => {
                [initiator.expose(), responder.expose(), &self.next_id().to_be_bytes()].concat()
            }
            (_, _) => Vec::new(),
        }
    }
}

/// We sent `IKE_INTERMEDIATE`.
#[derive(Debug)]
pub(crate) struct ExpectIntermediateResponse {
    peer_spi: IkeSpi,
    first: FirstExchange,
    protection: Protection,
    key: KeyPair,
    /// Our request, as AUTH covers it.
    request: Vec<u8>,
    pub(crate) transmission: Retransmit,
}

impl ExpectIntermediateResponse {
    /// The ID of the message under way.
    pub(crate) const fn message_id(&self) -> u32 {
        self.first.intermediate.next_id()
    }
}

impl Tunnel {
    /// Goes on to the next `IKE_INTERMEDIATE`, or to `IKE_AUTH` when all are done.
    pub(crate) fn proceed(
        &self,
        cx: &mut Cx<'_>,
        spis: (IkeSpi, IkeSpi),
        path: Path,
        sole: bool,
        first: FirstExchange,
        mut protection: Protection,
    ) -> Stage {
        let groups = first.suite.additional.groups();
        let Some(group) = groups.get(first.intermediate.exchanges()) else {
            return Stage::Auth(Box::new(self.send_auth(cx, PlannedAuth { spis, path, sole, first, protection })));
        };
        let key = group.generate(cx.entropy);
        let header = header(spis, ExchangeType::IKE_INTERMEDIATE, true, false, first.intermediate.next_id());
        let message = Message { header, payloads: vec![key_payload(&key)] };
        let request = message.covered().unwrap_or_default();
        let datagrams = protection.seal(header, message.payloads, path.remote, cx.entropy);
        cx.transmit(path, &datagrams);
        let transmission = Retransmit::new(datagrams, cx.now, cx.entropy);
        let expect = ExpectIntermediateResponse { peer_spi: spis.1, first, protection, key, request, transmission };
        Stage::Intermediate(Box::new(expect))
    }

    /// Takes the answer to our `IKE_INTERMEDIATE`.
    pub(crate) fn handle_intermediate_response(&mut self, cx: &mut Cx<'_>, frame: &Frame<'_>) {
        let Some(mut attempt) = self.attempt.take() else { return };
        let peer = attempt.path.remote;
        let Stage::Intermediate(state) = &mut attempt.stage else {
            self.attempt = Some(attempt);
            return;
        };
        match state.protection.open(frame) {
            Incoming::Message { contents: Ok(contents), key, inner } => {
                let response = covered(&key, &inner).unwrap_or_default();
                self.finish_intermediate(cx, attempt, &contents, &response);
            }
            Incoming::Message { contents: Err(rejected), .. } => {
                self.abandon(cx, attempt.spi, protocol(peer, &rejected.detail));
            }
            Incoming::InTheClear => {
                // RFC 7296 2.21.2: an error in the clear is a hint, no more.
                let contents = frame.payloads().ok().and_then(|payloads| Contents::collect(payloads).ok());
                if let Some(notify) = contents.as_ref().and_then(Contents::error) {
                    attempt.doubt(refused(peer, notify), cx.now);
                }
                self.attempt = Some(attempt);
            }
            Incoming::Partial => self.attempt = Some(attempt),
            Incoming::Invalid => {
                self.counters.invalid_messages += 1;
                self.attempt = Some(attempt);
            }
        }
    }

    fn finish_intermediate(&mut self, cx: &mut Cx<'_>, attempt: Attempt, contents: &Contents, response: &[u8]) {
        let Attempt { spi, path, began, sole, stage: Stage::Intermediate(state), .. } = attempt else { return };
        let ExpectIntermediateResponse { peer_spi, mut first, protection, key, request, .. } = *state;
        let shared = match take_key_exchange(key, contents, path) {
            Ok(shared) => shared,
            Err(failure) => {
                // RFC 9242 3.4: an error ends the attempt; nothing is established that would have to be deleted.
                self.abandon(cx, spi, failure);
                return;
            }
        };
        first.intermediate.add(&first.keys, &request, response);
        let nonces = Nonces { initiator: &first.nonce_i, responder: &first.nonce_r };
        first.keys = first.keys.rekey(&first.suite, &shared, &[], nonces, spi, peer_spi);
        let protection = Protection::new(first.keys.ciphers(Role::Initiator), protection.fragmentation());
        let stage = self.proceed(cx, (spi, peer_spi), path, sole, first, protection);
        // What was doubted before the answer is doubted no more.
        let deadline = began + ATTEMPT;
        self.attempt = Some(Attempt { spi, path, began, deadline, verdict: None, sole, stage });
    }
}

fn take_key_exchange(key: KeyPair, contents: &Contents, path: Path) -> Result<Secret, Failure> {
    let (peer, group) = (path.remote, key.group());
    if let Some(notify) = contents.error() {
        return Err(refused(peer, notify));
    }
    match &contents.key_exchange {
        Some(theirs) if theirs.group == group.id() => {
            key.agree(&theirs.data).map_err(|_| Failure::BadPublicValue { peer, group })
        }
        Some(_) | None => Err(protocol(peer, "an IKE_INTERMEDIATE response without the key exchange that is due")),
    }
}

const fn refused(peer: std::net::SocketAddr, notify: &Notify) -> Failure {
    Failure::Refused { peer, what: Waiting::Intermediate, notify: notify.kind }
}

/// An `IKE_INTERMEDIATE` request, and what it was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    id: u32,
    /// The datagram, or the first fragment.
    request: Vec<u8>,
    response: Vec<Vec<u8>>,
    /// What it came under.
    protection: Protection,
}

impl Answered {
    /// The answer, if `frame` is the request once more: bit by bit, or the first of other fragments (RFC 7383 2.6.1).
    pub(crate) fn again(&self, frame: &Frame<'_>) -> Option<&[Vec<u8>]> {
        let header = &frame.header;
        let recut = || {
            (header.exchange, header.message_id) == (ExchangeType::IKE_INTERMEDIATE, self.id)
                && header.flags.initiator
                && !header.flags.response
                && self.protection.is_first_fragment(frame)
        };
        (self.request == frame.datagram() || recut()).then_some(self.response.as_slice())
    }
}

impl HalfOpen {
    /// The exchange and message ID that the initiator has to send next.
    pub(crate) fn awaits(&self) -> (ExchangeType, u32) {
        let exchange = match self.next_group() {
            Some(_) => ExchangeType::IKE_INTERMEDIATE,
            None => ExchangeType::IKE_AUTH,
        };
        (exchange, self.intermediate.next_id())
    }

    fn next_group(&self) -> Option<Group> {
        self.suite.additional.groups().get(self.intermediate.exchanges()).copied()
    }

    /// Answers an `IKE_INTERMEDIATE` request: `key` are its octets, or those of its first fragment, `inner` is what
    /// was encrypted. What is returned is to be sent.
    pub(crate) fn answer_intermediate(
        &mut self,
        entropy: &mut dyn Entropy,
        contents: &Contents,
        key: Vec<u8>,
        inner: &[u8],
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        let peer = self.path.remote;
        let (payload, shared) = self.agree(entropy, contents.key_exchange.as_ref())?;
        let Some((keys, mut protection)) = self.opened.take() else {
            return Err(Refusal::syntax(peer, "an IKE_INTERMEDIATE request before there are keys"));
        };
        let (spis, id) = ((self.peer_spi, self.spi), self.intermediate.next_id());
        let header = header(spis, ExchangeType::IKE_INTERMEDIATE, false, true, id);
        let message = Message { header, payloads: vec![payload] };
        let (request, response) = (covered(&key, inner).unwrap_or_default(), message.covered().unwrap_or_default());
        let datagrams = protection.seal(header, message.payloads, peer, entropy);
        self.intermediate.add(&keys, &request, &response);
        let nonces = Nonces { initiator: &self.nonce_i, responder: &self.nonce_r };
        let keys = keys.rekey(&self.suite, &shared, &[], nonces, self.peer_spi, self.spi);
        let next = Protection::half_open(keys.ciphers(Role::Responder), self.fragmentation);
        self.opened = Some((keys, next));
        self.answered = Some(Answered { id, request: key, response: datagrams.clone(), protection });
        Ok(datagrams)
    }

    fn agree(&self, entropy: &mut dyn Entropy, theirs: Option<&KeyExchange>) -> Result<(Payload, Secret), Refusal> {
        let peer = self.path.remote;
        let due = self.next_group().zip(theirs).filter(|(group, theirs)| theirs.group == group.id());
        let Some((group, theirs)) = due else {
            return Err(Refusal::syntax(peer, "an IKE_INTERMEDIATE request without the key exchange that is due"));
        };
        let bad = |_| Refusal {
            notify: Notify::new(NotifyType::INVALID_SYNTAX),
            failure: Failure::BadPublicValue { peer, group },
        };
        let key = group.answer(&theirs.data, entropy).map_err(bad)?;
        let payload = key_payload(&key);
        Ok((payload, key.agree(&theirs.data).map_err(bad)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::GroupId;

    #[test]
    fn a_request_cut_into_other_fragments_is_known_again() {
        let suite = "aes256gcm16-prfsha384-x25519-ke1_mlkem768".parse().unwrap();
        let nonces = Nonces { initiator: &[1; 32], responder: &[2; 32] };
        let spis = (IkeSpi(1), IkeSpi(2));
        let keys = |secret: u8| IkeKeys::derive(&suite, &Secret::from([secret; 32].as_slice()), nonces, spis.0, spis.1);
        let mut entropy = |out: &mut [u8]| out.fill(7);
        let mut cut = |secret: u8, id: u32, most: usize| {
            let header = header(spis, ExchangeType::IKE_INTERMEDIATE, true, false, id);
            let data = KeyExchange { group: GroupId::ML_KEM_768, data: vec![9; 1184] };
            let message = Message { header, payloads: vec![Payload::KeyExchange(data)] };
            message.seal(&mut keys(secret).ciphers(Role::Initiator).outbound, &mut entropy, Some(most)).unwrap()
        };
        let request = cut(3, 1, 1000).remove(0);
        let answered = Answered {
            id: 1,
            request: request.clone(),
            response: vec![vec![1]],
            protection: Protection::half_open(keys(3).ciphers(Role::Responder), true),
        };
        let again = |datagram: &[u8]| answered.again(&Frame::decode(datagram).unwrap()).is_some();
        let smaller = cut(3, 1, 500);
        assert!(again(&request) && again(&smaller[0]), "one answer for each repetition");
        assert!(!again(&smaller[1]), "and no more than one");
        assert!(!again(&cut(3, 2, 500)[0]), "the next request is another");
        assert!(!again(&cut(4, 1, 500)[0]), "it must be authentic");
    }
}
