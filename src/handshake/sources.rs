//! What is remembered of who asks without having proven who they are: how often, and why they were refused.
//!
//! ```text
//!  first message --> rate of its source --+-- within --> half-open table
//!                                         +-- above ---> only with a cookie
//!  with a cookie --> rate of its own ------+-- within --> half-open table
//!                                         +-- above ---> ignored for a while
//!  refusal ------> last reason and count of its source, for operators
//! ```
//!
//! Anyone can send first messages in the name of another, who must not be locked out by it: only those with a cookie
//! are held against a source.
//!
//! A source is an IPv4 address or an IPv6 /64, of which one host has as many addresses as it wants. Both tables are
//! bounded: the source that was not heard of for the longest time makes room.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use negotiation::Failure;
use wire::ipsec::TunnelId;

/// Sources whose rate is known.
const MAX_RATES: usize = 4096;
/// Refused sources that are remembered.
const MAX_STRANGERS: usize = 256;
/// First messages a source may send at once, and one more each [`EVERY`].
const BURST: u32 = 40;
const EVERY: Duration = Duration::from_millis(50);
/// The same for the address of a configured peer, behind which may be a thousand tunnels.
const BURST_EXPECTED: u32 = 1000;
const EVERY_EXPECTED: Duration = Duration::from_millis(5);

/// What a source is counted under.
pub(crate) fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

/// Keys with the time they were last heard of; the oldest makes room.
#[derive(Debug)]
struct Recent<T> {
    most: usize,
    entries: BTreeMap<IpAddr, (Instant, T)>,
    order: BTreeSet<(Instant, IpAddr)>,
}

impl<T> Recent<T> {
    const fn new(most: usize) -> Self {
        Self { most, entries: BTreeMap::new(), order: BTreeSet::new() }
    }

    fn touch(&mut self, source: IpAddr, now: Instant, fresh: impl FnOnce() -> T) -> &mut T {
        match self.entries.get(&source) {
            Some((before, _)) => {
                self.order.remove(&(*before, source));
            }
            None if self.entries.len() >= self.most => {
                if let Some((_, oldest)) = self.order.pop_first() {
                    self.entries.remove(&oldest);
                }
            }
            None => {}
        }
        self.order.insert((now, source));
        let (heard, value) = self.entries.entry(source).or_insert_with(|| (now, fresh()));
        *heard = now;
        value
    }
}

/// How often first messages come, by source.
#[derive(Debug)]
pub struct Rates(Recent<(u32, Instant)>);

impl Default for Rates {
    fn default() -> Self {
        Self(Recent::new(MAX_RATES))
    }
}

impl Rates {
    /// Counts a first message; false if too many have come from its source. `expected` if a tunnel has its address.
    pub fn take(&mut self, source: IpAddr, expected: bool, now: Instant) -> bool {
        let (burst, every) = if expected { (BURST_EXPECTED, EVERY_EXPECTED) } else { (BURST, EVERY) };
        let (tokens, since) = self.0.touch(network(source), now, || (burst, now));
        let gained = now.saturating_duration_since(*since).as_millis() / every.as_millis();
        if gained > 0 {
            *tokens = tokens.saturating_add(u32::try_from(gained).unwrap_or(burst)).min(burst);
            *since = now;
        }
        let passes = *tokens > 0;
        *tokens = tokens.saturating_sub(1);
        passes
    }

    /// How many sources are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.0.entries.len()
    }
}

/// Somebody who was refused before proving who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// An IPv4 address, or the first of an IPv6 /64.
    pub source: IpAddr,
    /// The tunnel it seems to mean, if any.
    pub tunnel: Option<TunnelId>,
    /// How often it was refused.
    pub count: u64,
    /// Why, the last time.
    pub failure: Failure,
    /// When, the first time.
    pub first: Instant,
    /// When, the last time.
    pub last: Instant,
}

/// Who was refused, and why.
#[derive(Debug)]
pub struct Strangers(Recent<Stranger>);

impl Default for Strangers {
    fn default() -> Self {
        Self(Recent::new(MAX_STRANGERS))
    }
}

impl Strangers {
    /// A source was refused, `tunnel` is what it seems to mean.
    pub fn note(&mut self, source: IpAddr, tunnel: Option<TunnelId>, failure: &Failure, now: Instant) {
        let source = network(source);
        let fresh = || Stranger { source, tunnel, count: 0, failure: failure.clone(), first: now, last: now };
        let stranger = self.0.touch(source, now, fresh);
        stranger.count = stranger.count.saturating_add(1);
        if stranger.failure != *failure {
            stranger.failure = failure.clone();
        }
        (stranger.tunnel, stranger.last) = (tunnel, now);
    }

    /// The most recent first.
    #[must_use]
    pub fn list(&self) -> Vec<Stranger> {
        let entry = |(_, source): &(Instant, IpAddr)| self.0.entries.get(source).map(|(_, stranger)| stranger.clone());
        self.0.order.iter().rev().filter_map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_source_has_a_burst_and_then_a_rate() {
        let (now, mut rates) = (Instant::now(), Rates::default());
        let source = "2001:db8:0:1::1".parse().unwrap();
        let neighbour = "2001:db8:0:1:ffff::1".parse().unwrap();
        let passed =
            (0..200).filter(|turn| rates.take(if turn % 2 == 0 { source } else { neighbour }, false, now)).count();
        assert_eq!(passed, BURST as usize, "one /64 is one source");
        assert!(rates.take("2001:db8:0:2::1".parse().unwrap(), false, now));
        assert!(rates.take(source, false, now + EVERY));
        assert!(!rates.take(source, false, now + EVERY));
        assert_eq!((0..2000).filter(|_| rates.take([192, 0, 2, 1].into(), true, now)).count(), BURST_EXPECTED as usize);
    }

    #[test]
    fn tables_of_sources_forget_the_oldest() {
        let (now, mut rates, mut strangers) = (Instant::now(), Rates::default(), Strangers::default());
        for number in 0..20_000_u32 {
            let source: IpAddr = Ipv4Addr::from_bits(0x0a00_0000 + number).into();
            let at = now + Duration::from_millis(number.into());
            assert!(rates.take(source, false, at));
            let address = std::net::SocketAddr::new(source, 500);
            strangers.note(source, None, &Failure::UnknownPeer { local: address, peer: address }, at);
        }
        assert_eq!(rates.known(), MAX_RATES);
        let list = strangers.list();
        assert_eq!(list.len(), MAX_STRANGERS);
        assert_eq!(list[0].source, IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + 19_999)));
    }
}
