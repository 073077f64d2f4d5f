//! Responders that await `IKE_AUTH`: what they cost is bounded, whoever asks.
//!
//! ```text
//!  first message --+-- many half-open, or several from this source --> COOKIE, nothing kept   (RFC 7296 2.6)
//!                  +-- too many altogether ------------------------> silence
//!                  +-- else ---------------------------------------> an entry, for at most 30 s
//! ```
//!
//! Nothing of this touches an established tunnel.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use wire::ipsec::IkeSpi;
use wire::{Entropy, Secret};

use crate::sources::network;
use crate::{Contents, HalfOpen};

/// Half-open SAs from which on everyone must return a cookie.
const COOKIE_THRESHOLD: usize = 30;
/// The same, for one source: an IPv4 address or an IPv6 /64, of which one host has as many addresses as it wants.
const COOKIE_THRESHOLD_SOURCE: usize = 3;
/// Half-open SAs of one source beyond which it is ignored, cookie or not.
const MAX_SOURCE: usize = 64;
/// Half-open SAs beyond which everyone is ignored.
const MAX: usize = 4096;
/// Of these, places that only the addresses of configured peers get.
const RESERVED: usize = 1024;
/// How long a half-open SA waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of a first message: one with a hundred suites and the longest public value takes half of it.
pub const MAX_REQUEST: usize = 16 * 1024;
/// How long one secret makes cookies; they are accepted twice as long.
const SECRET_AGE: Duration = Duration::from_secs(60);

/// What becomes of a first message before it is looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may have an entry.
    Welcome,
    /// It has shown that it receives what is sent to its address, and may have one if that does not ask too often.
    Proven,
    /// It must first show that it receives what is sent to its address.
    Cookie(Vec<u8>),
    /// There are too many.
    Full,
}

/// All half-open SAs.
#[derive(Debug, Default)]
pub struct HalfOpenTable {
    by_spi: BTreeMap<IkeSpi, HalfOpen>,
    /// By the peer's address and SPI, to know a first message that is sent again.
    by_peer: BTreeMap<(IpAddr, IkeSpi), IkeSpi>,
    /// By what [`network`] makes of the peer's address.
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
    /// How many there are, of how many peers, from how many sources.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.by_spi.len(), self.by_peer.len(), self.by_source.len())
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, spi: IkeSpi) -> Option<&HalfOpen> {
        self.by_spi.get(&spi)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, spi: IkeSpi) -> Option<&mut HalfOpen> {
        self.by_spi.get_mut(&spi)
    }

    /// The one that answered this very first message before.
    #[must_use]
    pub fn repeated(&self, peer: IkeSpi, source: IpAddr, request: &[u8]) -> Option<&HalfOpen> {
        let spi = self.by_peer.get(&(source, peer))?;
        self.by_spi.get(spi).filter(|half| half.request == request)
    }

    /// Whether a first message may have an entry; `expected` if a tunnel is configured with its addresses, `within_rate`
    /// if not too many come in the name of its source.
    pub fn admit(
        &mut self,
        contents: &Contents,
        peer: IkeSpi,
        (source, expected, within_rate): (IpAddr, bool, bool),
        now: Instant,
        entropy: &mut dyn Entropy,
    ) -> Admission {
        let from_source = self.by_source.get(&network(source)).copied().unwrap_or(0);
        let most = if expected { MAX } else { MAX - RESERVED };
        if self.by_spi.len() >= most || from_source >= MAX_SOURCE {
            return Admission::Full;
        }
        if within_rate && self.by_spi.len() < COOKIE_THRESHOLD && from_source < COOKIE_THRESHOLD_SOURCE {
            return Admission::Welcome;
        }
        let Some(nonce) = &contents.nonce else { return Admission::Full };
        let secrets = self.secrets(now, entropy);
        let cookie = |secret| crypto::cookie(secret, nonce, source, peer);
        let returned = contents.notify(isakmp::NotifyType::COOKIE);
        let holds = |secret| {
            let expected = Secret::from(cookie(secret).as_slice());
            returned.is_some_and(|notify| Secret::from(notify.data.as_slice()) == expected)
        };
        if holds(&secrets.current) || holds(&secrets.previous) {
            Admission::Proven
        } else {
            Admission::Cookie(cookie(&secrets.current).to_vec())
        }
    }

    /// Keeps one that was admitted.
    pub fn insert(&mut self, half: HalfOpen) {
        let source = half.source;
        self.by_peer.insert((source, half.peer_spi), half.spi);
        *self.by_source.entry(network(source)).or_default() += 1;
        self.ends.push_back((half.began + PATIENCE, half.spi));
        self.by_spi.insert(half.spi, half);
    }

    /// Takes one out: it is established, or over.
    pub fn remove(&mut self, spi: IkeSpi) -> Option<HalfOpen> {
        let half = self.by_spi.remove(&spi)?;
        let source = half.source;
        if self.by_peer.get(&(source, half.peer_spi)) == Some(&spi) {
            self.by_peer.remove(&(source, half.peer_spi));
        }
        if let Some(count) = self.by_source.get_mut(&network(source)) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&network(source));
            }
        }
        // Entries that were answered leave their end behind; those at the front are over soon enough.
        while self.ends.front().is_some_and(|(_, spi)| !self.by_spi.contains_key(spi)) {
            self.ends.pop_front();
        }
        Some(half)
    }

    /// Takes an entry whose time is over.
    pub fn expired(&mut self, now: Instant) -> Option<HalfOpen> {
        while let Some(&(_, spi)) = self.ends.front().filter(|(end, _)| *end <= now) {
            self.ends.pop_front();
            if let Some(half) = self.remove(spi) {
                return Some(half);
            }
        }
        None
    }

    /// When the next one may be over.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use negotiation::{Nat, Path};

    use super::*;
    use crate::intermediate::Intermediate;

    fn half(source: IpAddr, spi: u64, now: Instant) -> HalfOpen {
        let address = SocketAddr::new(source, 500);
        HalfOpen {
            spi: IkeSpi(spi),
            peer_spi: IkeSpi(spi),
            source,
            path: Path { local: address, remote: address },
            began: now,
            suite: "aes128gcm16-prfsha256-x25519".parse().unwrap(),
            nat: Nat::default(),
            candidates: Vec::new(),
            request: Vec::new(),
            response: Vec::new(),
            nonce_i: Vec::new(),
            nonce_r: Vec::new(),
            key: None,
            fragmentation: false,
            opened: None,
            intermediate: Intermediate::default(),
            answered: None,
            refusal: None,
        }
    }

    fn admitted(table: &mut HalfOpenTable, source: &str, expected: bool, now: Instant) -> Admission {
        let contents = Contents { nonce: Some(vec![1; 32]), ..Contents::default() };
        let mut zeros = |out: &mut [u8]| out.fill(0);
        table.admit(&contents, IkeSpi(1), (source.parse().unwrap(), expected, true), now, &mut zeros)
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_count_as_one_source() {
        let now = Instant::now();
        let mut table = HalfOpenTable::default();
        for spi in 1..=3_u64 {
            let source = format!("2001:db8:0:1::{spi}");
            assert_eq!(admitted(&mut table, &source, false, now), Admission::Welcome);
            table.insert(half(source.parse().unwrap(), spi, now));
        }
        assert!(matches!(admitted(&mut table, "2001:db8:0:1::99", false, now), Admission::Cookie(_)));
        assert_eq!(admitted(&mut table, "2001:db8:0:2::99", false, now), Admission::Welcome);
        assert_eq!(table.counts(), (3, 3, 1));
        (1..=3).for_each(|spi| assert!(table.remove(IkeSpi(spi)).is_some()));
        assert_eq!(table.counts(), (0, 0, 0));
    }

    #[test]
    fn strangers_leave_places_for_configured_peers() {
        let now = Instant::now();
        let mut table = HalfOpenTable::default();
        for spi in 1..=u64::try_from(MAX - RESERVED).unwrap() {
            table.insert(half(std::net::Ipv4Addr::from_bits(u32::try_from(spi).unwrap()).into(), spi, now));
        }
        assert_eq!(admitted(&mut table, "192.0.2.1", false, now), Admission::Full);
        assert!(matches!(admitted(&mut table, "192.0.2.1", true, now), Admission::Cookie(_)));
    }
}
