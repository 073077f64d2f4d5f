//! What a session is told to be.

use std::time::Duration;

use crate::auth::Authentication;

/// Whoever is not Up sends no more often than this (RFC 5880 6.8.3).
pub const SLOW_INTERVAL: Duration = Duration::from_secs(1);

/// One session's settings. All but `strict` and `passive` may change while it is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How often we would like to send once Up; at least 1 microsecond.
    pub interval: Duration,
    /// How often the peer may send; at least 1 microsecond.
    pub min_receive: Duration,
    /// So many of our packets may be missing before the peer takes us for dead; not 0.
    pub multiplier: u8,
    /// Send nothing before the peer does (RFC 5880 6.1).
    pub passive: bool,
    /// The path is not usable before the session was Up once.
    pub strict: bool,
    /// Proof of origin, both ways.
    pub authentication: Option<Authentication>,
}

impl Default for Config {
    /// 300 ms both ways, three times.
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(300),
            min_receive: Duration::from_millis(300),
            multiplier: 3,
            passive: false,
            strict: false,
            authentication: None,
        }
    }
}

/// Whole microseconds, as packets carry them.
pub(crate) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
