//! Sending a request until it is answered (RFC 7296 2.1, 2.4).
//!
//! The interval grows by a factor and has some jitter, so that ends and tunnels do not act in step; it stays
//! below a ceiling, so that a peer that comes back is found quickly.

use std::time::{Duration, Instant};

use wire::Entropy;

/// Interval after the first transmission.
const FIRST: Duration = Duration::from_millis(1000);
/// Growth, in percent.
const GROWTH: u32 = 180;
/// Longest interval.
const CEILING: Duration = Duration::from_secs(4);
/// At most so much is added at random, in percent.
const JITTER: u32 = 20;

/// A request under way: its datagrams, bit by bit as first sent.
#[derive(Debug)]
pub struct Retransmit {
    datagrams: Vec<Vec<u8>>,
    tries: u32,
    most: u32,
    interval: Duration,
    first_sent: Instant,
    next: Instant,
}

impl Retransmit {
    /// The caller has just sent `datagrams` for the first time.
    #[must_use]
    pub fn new(datagrams: Vec<Vec<u8>>, now: Instant, entropy: &mut dyn Entropy) -> Self {
        let next = now + jittered(FIRST, JITTER, entropy);
        Self { datagrams, tries: 1, most: u32::MAX, interval: FIRST, first_sent: now, next }
    }

    /// Sends it so often, the first time counted.
    #[must_use]
    pub fn at_most(self, most: u32) -> Self {
        Self { most, ..self }
    }

    /// What to send again, if it is time.
    pub fn due(&mut self, now: Instant, entropy: &mut dyn Entropy) -> Option<&[Vec<u8>]> {
        if self.next().is_none_or(|next| now < next) {
            return None;
        }
        self.tries += 1;
        self.interval = (self.interval * GROWTH / 100).min(CEILING);
        self.next = now + jittered(self.interval, JITTER, entropy);
        Some(&self.datagrams)
    }

    /// Sends it again at `at`, if not before.
    pub fn hasten(&mut self, at: Instant) {
        self.next = self.next.min(at);
    }

    /// When to look again, if it is to be sent again.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        (self.tries < self.most).then_some(self.next)
    }

    /// When it was first sent.
    #[must_use]
    pub const fn first_sent(&self) -> Instant {
        self.first_sent
    }

    /// How often it was sent.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        self.tries
    }
}

/// `base` and up to `percent` of it at random.
pub fn jittered(base: Duration, percent: u32, entropy: &mut dyn Entropy) -> Duration {
    base + between(Duration::ZERO, base * percent / 100, entropy)
}

/// A random time from `low` up to `high`.
pub fn between(low: Duration, high: Duration, entropy: &mut dyn Entropy) -> Duration {
    let span = high.saturating_sub(low);
    low + Duration::from_secs_f64(span.as_secs_f64() * f64::from(entropy.random_u32()) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeros() -> impl Entropy {
        |out: &mut [u8]| out.fill(0)
    }

    #[test]
    fn intervals_grow_up_to_the_ceiling() {
        let start = Instant::now();
        let mut entropy = zeros();
        let mut request = Retransmit::new(vec![vec![1]], start, &mut entropy);
        let mut times = Vec::new();
        while times.len() < 7 {
            let at = request.next().unwrap();
            assert!(request.due(at - Duration::from_millis(1), &mut entropy).is_none());
            assert_eq!(request.due(at, &mut entropy), Some([vec![1]].as_slice()));
            times.push((at - start).as_millis());
        }
        assert_eq!(times, [1000, 2800, 6040, 10040, 14040, 18040, 22040]);
        assert_eq!(request.tries(), 8);
    }

    #[test]
    fn a_limited_request_ends() {
        let (start, mut entropy) = (Instant::now(), zeros());
        let mut request = Retransmit::new(vec![vec![1]], start, &mut entropy).at_most(3);
        for _ in 0..2 {
            let at = request.next().unwrap();
            assert!(request.due(at, &mut entropy).is_some());
        }
        assert_eq!((request.next(), request.tries()), (None, 3));
        assert!(request.due(start + Duration::from_secs(100), &mut entropy).is_none());
    }

    #[test]
    fn a_hastened_request_is_sent_sooner_and_never_later() {
        let (start, mut entropy) = (Instant::now(), zeros());
        let mut request = Retransmit::new(vec![vec![1]], start, &mut entropy);
        let at = start + Duration::from_millis(300);
        request.hasten(at);
        request.hasten(at + Duration::from_secs(1));
        assert_eq!(request.next(), Some(at));
        assert!(request.due(at, &mut entropy).is_some());
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let mut ones = |out: &mut [u8]| out.fill(0xff);
        assert_eq!(jittered(Duration::from_secs(10), 20, &mut ones), Duration::from_secs(12));
        assert_eq!(jittered(Duration::from_secs(10), 20, &mut zeros()), Duration::from_secs(10));
    }
}
