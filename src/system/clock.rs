//! The clock on the wall, which certificates are judged by.

use certificate::UnixTime;

/// What it shows now. It may be set at any time, so it is asked anew each time.
#[must_use]
pub fn unix_time() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime(since.map_or(0, |since| since.as_secs()))
}
