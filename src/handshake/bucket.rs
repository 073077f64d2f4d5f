//! A limit on what strangers can make us do.

use std::time::{Duration, Instant};

/// Tokens at rest.
const BURST: u32 = 20;
/// One more token each.
const EVERY: Duration = Duration::from_millis(50);

/// A token bucket.
#[derive(Debug, Default)]
pub struct Bucket {
    level: Option<(u32, Instant)>,
}

impl Bucket {
    /// Takes a token if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let (tokens, since) = self.level.unwrap_or((BURST, now));
        let elapsed = now.saturating_duration_since(since).as_millis() / EVERY.as_millis();
        let gained = u32::try_from(elapsed).unwrap_or(BURST).min(BURST);
        let since = if gained > 0 { now } else { since };
        let tokens = tokens.saturating_add(gained).min(BURST);
        self.level = Some((tokens.saturating_sub(1), since));
        tokens > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_at_a_time() {
        let start = Instant::now();
        let mut bucket = Bucket::default();
        let passed = (0..100).filter(|_| bucket.take(start)).count();
        assert_eq!(passed, 20);
        assert!(bucket.take(start + EVERY));
        assert!(!bucket.take(start + EVERY));
    }
}
