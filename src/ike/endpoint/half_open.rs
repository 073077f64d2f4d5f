//! Responders that await `IKE_AUTH`: what they cost is bounded, whoever asks.
//!
//! ```text
//!  first message --+-- many half-open, or several from this source --> COOKIE, nothing kept   (RFC 7296 2.6)
//!                  +-- too many altogether ------------------------> silence
//!                  +-- else ---------------------------------------> an entry, for at most 30 s
//! ```
//!
//! The Diffie-Hellman computation waits for `IKE_AUTH`, so that a forged source address costs us less than it
//! costs the forger. Nothing of this touches an established tunnel.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use wire::{Entropy, Secret};

use super::context::{Path, Slot};
use crate::config::IkeProposal;
use crate::crypto::{self, IkeKeys, KeyPair, Nonces, Role};
use crate::message::{Frame, IkeSpi};
use crate::sa::contents::Contents;
use crate::sa::nat::Nat;
use crate::sa::protect::{Incoming, Protection};

/// Half-open SAs from which on everyone must return a cookie.
pub(crate) const COOKIE_THRESHOLD: usize = 30;
/// The same, for one source address.
pub(crate) const COOKIE_THRESHOLD_SOURCE: usize = 3;
/// Half-open SAs of one source address beyond which it is ignored, cookie or not.
pub(crate) const MAX_SOURCE: usize = 64;
/// Half-open SAs beyond which everyone is ignored.
pub(crate) const MAX: usize = 4096;
/// How long a half-open SA waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long one secret makes cookies; they are accepted twice as long.
const SECRET_AGE: Duration = Duration::from_secs(60);

/// A responder that awaits `IKE_AUTH`.
#[derive(Debug)]
pub(crate) struct HalfOpen {
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
    /// Our half and the peer's public value, until `IKE_AUTH` calls for the shared secret.
    pub(crate) key: Option<(KeyPair, Vec<u8>)>,
    pub(crate) fragmentation: bool,
    pub(crate) opened: Option<(IkeKeys, Protection)>,
    /// A refused request, and what it was answered.
    pub(crate) refusal: Option<(Vec<u8>, Vec<Vec<u8>>)>,
}

impl HalfOpen {
    /// Opens an `IKE_AUTH` request, computing the keys first if need be.
    pub(crate) fn open(&mut self, frame: &Frame<'_>) -> Incoming {
        if let Some((key, public)) = self.key.take()
            && let Ok(shared) = key.agree(&public)
        {
            let nonces = Nonces { initiator: &self.nonce_i, responder: &self.nonce_r };
            let keys = IkeKeys::derive(&self.suite, &shared, nonces, self.peer_spi, self.spi);
            let protection = Protection::new(keys.ciphers(Role::Responder), self.fragmentation);
            self.opened = Some((keys, protection));
        }
        match &mut self.opened {
            Some((_, protection)) => protection.open(frame),
            None => Incoming::Invalid,
        }
    }
}

/// What becomes of a first message before it is looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may have an entry.
    Welcome,
    /// It must first show that it receives what is sent to its address.
    Cookie(Vec<u8>),
    /// There are too many.
    Full,
}

/// All half-open SAs.
#[derive(Debug, Default)]
pub(crate) struct HalfOpenTable {
    by_spi: BTreeMap<IkeSpi, HalfOpen>,
    /// By the peer's address and SPI, to know a first message that is sent again.
    by_peer: BTreeMap<(IpAddr, IkeSpi), IkeSpi>,
    by_source: BTreeMap<IpAddr, usize>,
    /// In the order of their ends.
    ends: VecDeque<(Instant, IkeSpi)>,
    secrets: Option<Secrets>,
}

#[derive(Debug)]
struct Secrets {
    current: Secret,
    previous: Secret,
    since: Instant,
}

impl HalfOpenTable {
    pub(crate) fn len(&self) -> usize {
        self.by_spi.len()
    }

    pub(crate) fn get(&self, spi: IkeSpi) -> Option<&HalfOpen> {
        self.by_spi.get(&spi)
    }

    pub(crate) fn get_mut(&mut self, spi: IkeSpi) -> Option<&mut HalfOpen> {
        self.by_spi.get_mut(&spi)
    }

    /// The answer to this very first message, if it was answered before.
    pub(crate) fn repeated(&self, peer: IkeSpi, source: IpAddr, request: &[u8]) -> Option<&HalfOpen> {
        let spi = self.by_peer.get(&(source, peer))?;
        self.by_spi.get(spi).filter(|half| half.request == request)
    }

    /// Whether a first message may have an entry.
    pub(crate) fn admit(
        &mut self,
        contents: &Contents,
        peer: IkeSpi,
        source: IpAddr,
        now: Instant,
        entropy: &mut dyn Entropy,
    ) -> Admission {
        let from_source = self.by_source.get(&source).copied().unwrap_or(0);
        if self.len() >= MAX || from_source >= MAX_SOURCE {
            return Admission::Full;
        }
        if self.len() < COOKIE_THRESHOLD && from_source < COOKIE_THRESHOLD_SOURCE {
            return Admission::Welcome;
        }
        let Some(nonce) = &contents.nonce else { return Admission::Full };
        let secrets = self.secrets(now, entropy);
        let cookie = |secret| crypto::cookie(secret, nonce, source, peer);
        let returned = contents.notify(crate::message::NotifyType::COOKIE);
        let holds = |secret| {
            let expected = Secret::from(cookie(secret).as_slice());
            returned.is_some_and(|notify| Secret::from(notify.data.as_slice()) == expected)
        };
        if holds(&secrets.current) || holds(&secrets.previous) {
            Admission::Welcome
        } else {
            Admission::Cookie(cookie(&secrets.current).to_vec())
        }
    }

    pub(crate) fn insert(&mut self, half: HalfOpen) {
        let source = half.source;
        self.by_peer.insert((source, half.peer_spi), half.spi);
        *self.by_source.entry(source).or_default() += 1;
        self.ends.push_back((half.began + PATIENCE, half.spi));
        self.by_spi.insert(half.spi, half);
    }

    pub(crate) fn remove(&mut self, spi: IkeSpi) -> Option<HalfOpen> {
        let half = self.by_spi.remove(&spi)?;
        let source = half.source;
        if self.by_peer.get(&(source, half.peer_spi)) == Some(&spi) {
            self.by_peer.remove(&(source, half.peer_spi));
        }
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
        // Entries that were answered leave their end behind; those at the front are over soon enough.
        while self.ends.front().is_some_and(|(_, spi)| !self.by_spi.contains_key(spi)) {
            self.ends.pop_front();
        }
        Some(half)
    }

    /// Takes an entry whose time is over.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<HalfOpen> {
        while let Some(&(_, spi)) = self.ends.front().filter(|(end, _)| *end <= now) {
            self.ends.pop_front();
            if let Some(half) = self.remove(spi) {
                return Some(half);
            }
        }
        None
    }

    /// Entries, peers and sources counted.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.by_spi.len(), self.by_peer.len(), self.by_source.len())
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    fn secrets(&mut self, now: Instant, entropy: &mut dyn Entropy) -> &Secrets {
        let mut fresh = || {
            let mut octets = vec![0; 32];
            entropy.fill(&mut octets);
            Secret::new(octets)
        };
        let secrets = self.secrets.get_or_insert_with(|| Secrets { current: fresh(), previous: fresh(), since: now });
        if now >= secrets.since + SECRET_AGE {
            secrets.previous = std::mem::replace(&mut secrets.current, fresh());
            secrets.since = now;
        }
        secrets
    }
}
