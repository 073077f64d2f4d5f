//! When to try again, for ever.
//!
//! The first retry comes quickly: most failures are a peer that restarts. A peer that refuses is asked less
//! and less often. A peer that is silent was already given half a minute of retransmissions, so that the pause
//! between attempts stays short and its return is noticed within seconds. A tunnel that comes up and is lost
//! again and again counts as one that is refused.

use std::time::{Duration, Instant};

use wire::Entropy;

use crate::{between, jittered};

const QUICK: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(700));
const CEILING_REFUSED: Duration = Duration::from_secs(30);
const CEILING_SILENT: Duration = Duration::from_secs(3);
const JITTER: u32 = 20;
/// A tunnel that was up for so long has worked.
const STABLE: Duration = Duration::from_secs(60);

/// Counts failures in a row, and tunnels in a row that did not last.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    short_lived: u32,
}

impl Backoff {
    /// When to try after one more failure.
    pub fn fail(&mut self, silent: bool, now: Instant, entropy: &mut dyn Entropy) -> Instant {
        self.failures = self.failures.saturating_add(1);
        let failures = self.failures.saturating_add(self.short_lived.saturating_sub(1));
        if failures == 1 {
            return now + between(QUICK.0, QUICK.1, entropy);
        }
        let ceiling = if silent { CEILING_SILENT } else { CEILING_REFUSED };
        let exponent = (failures - 2).min(6);
        now + jittered(Duration::from_secs(1 << exponent).min(ceiling), JITTER, entropy)
    }

    /// The tunnel is up.
    pub const fn up(&mut self) {
        self.failures = 0;
    }

    /// The tunnel is down again, after so long.
    pub fn down(&mut self, lasted: Duration) {
        self.short_lived = if lasted < STABLE { self.short_lived.saturating_add(1) } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_retry_is_quick_and_the_pause_is_bounded() {
        let now = Instant::now();
        let mut zeros = |out: &mut [u8]| out.fill(0);
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..8).map(|_| (backoff.fail(false, now, &mut zeros) - now).as_millis()).collect();
        assert_eq!(pauses, [200, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(backoff.fail(true, now, &mut zeros) - now, CEILING_SILENT);
        backoff.up();
        assert_eq!((backoff.fail(true, now, &mut zeros) - now).as_millis(), 200);
    }

    #[test]
    fn tunnels_that_do_not_last_are_begun_less_and_less_often() {
        let now = Instant::now();
        let mut zeros = |out: &mut [u8]| out.fill(0);
        let mut backoff = Backoff::default();
        let mut loss = |lasted| {
            backoff.up();
            backoff.down(Duration::from_secs(lasted));
            (backoff.fail(false, now, &mut zeros) - now).as_millis()
        };
        assert_eq!([2, 2, 2, 2, 2, 2, 2, 2].map(&mut loss), [200, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!([60, 2].map(loss), [200, 200]);
    }
}
