//! Our side as responder, from the first message until `IKE_AUTH` is answered.
//!
//! The Diffie-Hellman computation waits for the second message, so that a forged source address costs us less than it
//! costs the forger.

use std::net::IpAddr;
use std::time::Instant;

use crypto::{IkeKeys, IkeProposal, KeyPair, Nonces, Role};
use isakmp::{ExchangeType, Frame, Header};
use negotiation::{Nat, Path, Slot};
use wire::Entropy;
use wire::ipsec::IkeSpi;

use crate::intermediate::{Answered, Intermediate};
use crate::{Incoming, Protection, Refusal, header};

/// A responder that awaits `IKE_AUTH`.
#[derive(Debug)]
pub struct HalfOpen {
    pub(crate) spi: IkeSpi,
    pub(crate) peer_spi: IkeSpi,
    /// Where the first message came from. It is counted there, wherever the next one comes from.
    pub(crate) source: IpAddr,
    pub(crate) path: Path,
    pub(crate) began: Instant,
    pub(crate) suite: IkeProposal,
    pub(crate) nat: Nat,
    /// Tunnels the peer may mean.
    pub(crate) candidates: Vec<Slot>,
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
    pub(crate) nonce_i: Vec<u8>,
    pub(crate) nonce_r: Vec<u8>,
    /// Our half and the peer's public value, until the next message calls for the shared secret.
    pub(crate) key: Option<(KeyPair, Vec<u8>)>,
    pub(crate) fragmentation: bool,
    pub(crate) opened: Option<(IkeKeys, Protection)>,
    pub(crate) intermediate: Intermediate,
    /// The `IKE_INTERMEDIATE` request answered last, and the answer.
    pub(crate) answered: Option<Answered>,
    /// A refused request, and what it was answered.
    pub(crate) refusal: Option<(Vec<u8>, Vec<Vec<u8>>)>,
}

impl HalfOpen {
    /// Our name for what it may become.
    #[must_use]
    pub const fn spi(&self) -> IkeSpi {
        self.spi
    }

    /// Where the peer's last authentic message came from, the first one counted among them.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }

    /// Tunnels that the peer may mean.
    #[must_use]
    pub fn candidates(&self) -> &[Slot] {
        &self.candidates
    }

    /// The answer to the first message.
    #[must_use]
    pub fn response(&self) -> &[u8] {
        &self.response
    }

    /// The answer to a request that was answered, or refused, before.
    #[must_use]
    pub fn again(&self, frame: &Frame<'_>) -> Option<&[Vec<u8>]> {
        let refused = || self.refusal.as_ref().filter(|(request, _)| request == frame.datagram());
        let answered = self.answered.as_ref().and_then(|answered| answered.again(frame));
        answered.or_else(|| refused().map(|(_, response)| response.as_slice()))
    }

    /// Whether it is for a message with a header like this one that we wait.
    #[must_use]
    pub fn expects(&self, header: &Header) -> bool {
        (header.exchange, header.message_id) == self.awaits()
            && header.flags.initiator
            && !header.flags.response
            && header.initiator_spi == self.peer_spi
    }

    /// Opens an `IKE_INTERMEDIATE` or `IKE_AUTH` request, computing the keys first if need be. When one was refused, no
    /// other is taken.
    pub fn open(&mut self, frame: &Frame<'_>, path: Path) -> Incoming {
        if let Some((key, public)) = self.key.take()
            && let Ok(shared) = key.agree(&public)
        {
            let nonces = Nonces { initiator: &self.nonce_i, responder: &self.nonce_r };
            let keys = IkeKeys::derive(&self.suite, &shared, nonces, self.peer_spi, self.spi);
            let protection = Protection::half_open(keys.ciphers(Role::Responder), self.fragmentation);
            self.opened = Some((keys, protection));
        }
        let Some((_, protection)) = &mut self.opened else { return Incoming::Invalid };
        let incoming = protection.open(frame);
        match incoming {
            Incoming::Message { .. } if self.refusal.is_some() => return Incoming::Partial,
            // It is made with the keys of the exchange: its sender receives where it came from.
            Incoming::Message { .. } => self.path = path,
            Incoming::Partial | Incoming::InTheClear | Incoming::Invalid => {}
        }
        incoming
    }

    /// Refuses the request that was opened last and is known by `key`. What is returned is to be sent, and once more
    /// whenever the request comes [`Self::again`].
    pub fn refuse(&mut self, key: &[u8], refusal: &Refusal, entropy: &mut dyn Entropy) -> Vec<Vec<u8>> {
        let (spis, (exchange, id)) = ((self.peer_spi, self.spi), self.awaits());
        let Some((_, protection)) = &mut self.opened else { return Vec::new() };
        let header = header(spis, exchange, false, true, id);
        let response = protection.seal(header, refusal.payloads(), self.path.remote, entropy);
        self.refusal = Some((key.to_vec(), response.clone()));
        response
    }

    /// The exchange and message ID that the initiator has to send next.
    fn awaits(&self) -> (ExchangeType, u32) {
        let exchange = match self.next_group() {
            Some(_) => ExchangeType::IKE_INTERMEDIATE,
            None => ExchangeType::IKE_AUTH,
        };
        (exchange, self.intermediate.next_id())
    }
}
