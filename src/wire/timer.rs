//! Deadlines of a pure machine.

use std::collections::BTreeMap;
use std::time::Instant;

/// One deadline per key. Small by design: a machine has a handful of timers, so a map walk is the cheapest heap.
#[derive(Clone, Debug)]
pub struct TimerTable<K> {
    deadlines: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> TimerTable<K> {
    /// No timer runs.
    #[must_use]
    pub const fn new() -> Self {
        Self { deadlines: BTreeMap::new() }
    }

    /// Starts or restarts the timer `key`.
    pub fn set(&mut self, key: K, deadline: Instant) {
        self.deadlines.insert(key, deadline);
    }

    /// Stops the timer `key`; true if it ran.
    pub fn stop(&mut self, key: K) -> bool {
        self.deadlines.remove(&key).is_some()
    }

    /// Stops all timers.
    pub fn clear(&mut self) {
        self.deadlines.clear();
    }

    /// When the timer `key` fires, if it runs.
    #[must_use]
    pub fn deadline(&self, key: K) -> Option<Instant> {
        self.deadlines.get(&key).copied()
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.deadlines.values().min().copied()
    }

    /// Takes the earliest timer that is due at `now`. Call until `None`.
    pub fn pop_expired(&mut self, now: Instant) -> Option<K> {
        let (key, _) = self.deadlines.iter().filter(|(_, at)| **at <= now).min_by_key(|(_, at)| **at)?;
        let key = *key;
        self.deadlines.remove(&key);
        Some(key)
    }
}

impl<K: Ord + Copy> Default for TimerTable<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timers_fire_once_in_order_of_deadline() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut timers = TimerTable::new();
        timers.set('b', after(1));
        timers.set('a', after(2));
        timers.set('c', after(9));
        assert_eq!(timers.next(), Some(after(1)));
        assert_eq!(timers.pop_expired(start), None);
        assert_eq!(timers.pop_expired(after(5)), Some('b'));
        assert_eq!(timers.pop_expired(after(5)), Some('a'));
        assert_eq!(timers.pop_expired(after(5)), None);
        assert!(timers.stop('c'));
        assert_eq!(timers.next(), None);
    }
}
