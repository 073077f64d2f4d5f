//! Waiting for a fact, with a limit and with what was seen last.

use std::time::{Duration, Instant};

use super::{LabError, Result};

/// So many seconds on a usual machine; `$QUADSPAN_LAB_SLOWNESS` times as many where the processor is emulated.
#[must_use]
pub fn patience(seconds: u64) -> Duration {
    Duration::from_secs(seconds * u64::from(slowness()))
}

/// `$QUADSPAN_LAB_SLOWNESS`, at least 1.
pub(super) fn slowness() -> u32 {
    static SLOWNESS: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let read = || std::env::var("QUADSPAN_LAB_SLOWNESS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    *SLOWNESS.get_or_init(|| read().max(1))
}

/// Asks again and again until the answer is not an error, for at most `limit`.
///
/// Any error counts as "not yet": a daemon that has no socket so far is as unready as one that says so.
///
/// # Errors
/// [`LabError::Timeout`] with the last error's text.
pub fn wait_for<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(20);
    loop {
        let seen = match condition() {
            Ok(value) => return Ok(value),
            Err(error) => error.to_string(),
        };
        if start.elapsed() >= limit {
            return Err(LabError::Timeout { what: what.to_owned(), waited: start.elapsed(), seen });
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(250));
    }
}
