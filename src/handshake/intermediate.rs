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
use negotiation::{Cx, Failure, Retransmit, TunnelConfig, Waiting};
use wire::ipsec::IkeSpi;
use wire::{Entropy, Secret};

use crate::attempt::{Course, Stage};
use crate::auth::send_auth;
use crate::{
    Attempt, Contents, FirstExchange, HalfOpen, Incoming, Progress, Protection, Refusal, Wish, header, protocol,
};

/// Our half of a key exchange.
#[must_use]
pub fn key_payload(key: &KeyPair) -> Payload {
    Payload::KeyExchange(KeyExchange { group: key.group().id(), data: key.public().to_vec() })
}

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

/// Goes on to the next `IKE_INTERMEDIATE`, or to `IKE_AUTH` when all are done.
pub(crate) fn proceed(
    cx: &mut Cx<'_>,
    config: &TunnelConfig,
    wish: Wish,
    course: Course,
    peer_spi: IkeSpi,
    first: FirstExchange,
    mut protection: Protection,
) -> Attempt {
    let groups = first.suite.additional.groups();
    let Some(group) = groups.get(first.intermediate.exchanges()) else {
        let state = send_auth(cx, config, wish, &course, peer_spi, first, protection);
        return Attempt { course, stage: Stage::Auth(Box::new(state)) };
    };
    let key = group.generate(cx.entropy);
    let header = header((course.spi, peer_spi), ExchangeType::IKE_INTERMEDIATE, true, false, first.next_id());
    let message = Message { header, payloads: vec![key_payload(&key)] };
    let request = message.covered().unwrap_or_default();
    let datagrams = protection.seal(header, message.payloads, course.path.remote, cx.entropy);
    cx.transmit(course.path, &datagrams);
    let transmission = Retransmit::new(datagrams, cx.now, cx.entropy);
    let expect = ExpectIntermediateResponse { peer_spi, first, protection, key, request, transmission };
    Attempt { course, stage: Stage::Intermediate(Box::new(expect)) }
}

impl ExpectIntermediateResponse {
    /// The ID of the message under way.
    pub(crate) const fn message_id(&self) -> u32 {
        self.first.next_id()
    }

    /// Takes the answer.
    pub(crate) fn take(
        mut self: Box<Self>,
        cx: &mut Cx<'_>,
        config: &TunnelConfig,
        wish: Wish,
        mut course: Course,
        frame: &Frame<'_>,
    ) -> Progress {
        let peer = course.path.remote;
        match self.protection.open(frame) {
            Incoming::Message { contents: Ok(contents), key, inner } => {
                let response = covered(&key, &inner).unwrap_or_default();
                return self.finish(cx, config, wish, course, &contents, &response);
            }
            Incoming::Message { contents: Err(rejected), .. } => {
                return Progress::Over(protocol(peer, &rejected.detail));
            }
            Incoming::InTheClear => {
                // RFC 7296 2.21.2: an error in the clear is a hint, no more.
                let contents = Contents::in_the_clear(frame);
                if let Some(notify) = contents.as_ref().and_then(Contents::error) {
                    course.doubt(refused(peer, notify), cx.now);
                }
            }
            Incoming::Partial => {}
            Incoming::Invalid => return Progress::Invalid(Attempt { course, stage: Stage::Intermediate(self) }),
        }
        Progress::Goes(Attempt { course, stage: Stage::Intermediate(self) })
    }

    fn finish(
        self,
        cx: &mut Cx<'_>,
        config: &TunnelConfig,
        wish: Wish,
        course: Course,
        contents: &Contents,
        response: &[u8],
    ) -> Progress {
        let Self { peer_spi, mut first, protection, key, request, .. } = self;
        let path = course.path;
        let shared = match take_key_exchange(key, contents, path.remote) {
            Ok(shared) => shared,
            // RFC 9242 3.4: an error ends the attempt; nothing is established that would have to be deleted.
            Err(failure) => return Progress::Over(failure),
        };
        first.intermediate.add(&first.keys, &request, response);
        let nonces = Nonces { initiator: &first.nonce_i, responder: &first.nonce_r };
        first.keys = first.keys.rekey(&first.suite, &shared, &[], nonces, course.spi, peer_spi);
        let protection = Protection::new(first.keys.ciphers(Role::Initiator), protection.fragmentation());
        Progress::Goes(proceed(cx, config, wish, course.onward(path), peer_spi, first, protection))
    }
}

fn take_key_exchange(key: KeyPair, contents: &Contents, peer: std::net::SocketAddr) -> Result<Secret, Failure> {
    let group = key.group();
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
    /// The method of the next key exchange, while one is due.
    pub(crate) fn next_group(&self) -> Option<Group> {
        self.suite.additional.groups().get(self.intermediate.exchanges()).copied()
    }

    /// Answers an `IKE_INTERMEDIATE` request: `key` are its octets, or those of its first fragment, `inner` is what
    /// was encrypted. What is returned is to be sent.
    ///
    /// # Errors
    /// If it lacks the key exchange that is due, or that has a bad public value.
    pub fn answer_intermediate(
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
