//! The time of day, which certificates are about. It comes from outside, like everything else.

use std::fmt;
use std::time::{Duration, Instant};

use x509_cert::der::DateTime;

/// Seconds before the end of a certificate when it is time to think of it.
pub const ENDS_SOON: u64 = 30 * 86_400;

/// Seconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_unix_duration(Duration::from_secs(self.0)) {
            Ok(time) => time.fmt(f),
            // Beyond the year 9999.
            Err(_) => write!(f, "second {}", self.0),
        }
    }
}

/// What the clock on the wall showed at some instant. Never told, it shows 1970, when no certificate was valid.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock(Option<(Instant, UnixTime)>);

impl WallClock {
    /// It shows this now.
    pub fn set(&mut self, shows: UnixTime, now: Instant) {
        self.0 = Some((now, shows));
    }

    /// What it shows at `now`.
    #[must_use]
    pub fn at(&self, now: Instant) -> UnixTime {
        self.0.map_or(UnixTime(0), |(then, shows)| UnixTime(shows.0 + now.saturating_duration_since(then).as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_as_people_write_it() {
        assert_eq!(UnixTime(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(UnixTime(u64::MAX).to_string(), "second 18446744073709551615");
    }

    #[test]
    fn the_clock_goes_on_from_what_it_was_told() {
        let now = Instant::now();
        let mut clock = WallClock::default();
        assert_eq!(clock.at(now), UnixTime(0));
        clock.set(UnixTime(1000), now);
        assert_eq!(clock.at(now + Duration::from_secs(5)), UnixTime(1005));
    }
}
