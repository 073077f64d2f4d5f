//! How long to stay Idle after a failure (RFC 4271 8.1.1, DampPeerOscillations), and jitter (RFC 4271 10).

use std::time::Duration;

use wire::Entropy;

/// After the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// A session that was up for this long makes up for one failure.
const STABLE: Duration = Duration::from_secs(60);

/// Counts failures in a row; every one doubles the pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure, at most `longest`, without jitter.
    pub(super) fn fail(&mut self, longest: Duration) -> Duration {
        let pause = FIRST.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(longest);
        self.failures = self.failures.saturating_add(1).min(16);
        pause
    }

    /// A session ended that had been up for `lasted`.
    pub(super) fn decay(&mut self, lasted: Duration) {
        let made_up = u32::try_from(lasted.as_secs() / STABLE.as_secs()).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_sub(made_up);
    }

    /// Begins anew.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// RFC 4271 10: between three quarters of `duration` and all of it.
pub(super) fn jittered(duration: Duration, entropy: &mut dyn Entropy) -> Duration {
    let parts = 768 + entropy.random_u32() % 257;
    duration.saturating_mul(parts) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_longest_and_begins_anew() {
        const LONGEST: Duration = Duration::from_secs(60);
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..8).map(|_| backoff.fail(LONGEST).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        (0..100).for_each(|_| assert_eq!(backoff.fail(LONGEST), LONGEST));
        backoff.reset();
        assert_eq!(backoff.fail(LONGEST), FIRST);
        assert_eq!(backoff.fail(Duration::from_millis(1500)), Duration::from_millis(1500));
    }

    #[test]
    fn every_minute_of_a_session_makes_up_for_a_failure() {
        let longest = Duration::from_secs(600);
        let mut backoff = Backoff::default();
        let first: Vec<u64> = (0..6).map(|_| backoff.fail(longest).as_secs()).collect();
        assert_eq!(first, [1, 2, 4, 8, 16, 32]);
        backoff.decay(Duration::from_secs(59));
        assert_eq!(backoff.fail(longest).as_secs(), 64);
        backoff.decay(Duration::from_secs(3 * 60));
        assert_eq!(backoff.fail(longest).as_secs(), 16);
        backoff.decay(Duration::from_secs(3600));
        assert_eq!(backoff.fail(longest), FIRST);
    }

    #[test]
    fn jitter_takes_away_at_most_a_quarter() {
        let whole = Duration::from_secs(40);
        let mut low = |out: &mut [u8]| out.fill(0);
        assert_eq!(jittered(whole, &mut low), Duration::from_secs(30));
        let mut high = |out: &mut [u8]| out.copy_from_slice(&256_u32.to_be_bytes());
        assert_eq!(jittered(whole, &mut high), whole);
    }
}
