//! Byte and packet limits of one SA. Time limits are kept by IKE.
//!
//! The thread that owns the SA counts in plain numbers and publishes them; others read [`Usage`] without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wire::ipsec::SaLifetime;

/// What an SA has carried, for others than its owner to read. The two numbers are each right, but not of one instant.
#[derive(Debug)]
pub struct Usage {
    bytes: AtomicU64,
    packets: AtomicU64,
    limits: SaLifetime,
}

impl Usage {
    /// Octets of inner packets.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Inner packets.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// Octets until the soft limit, or the hard one where there is no soft one. `None`: unlimited.
    #[must_use]
    pub fn remaining_bytes(&self) -> Option<u64> {
        let limit = self.limits.soft_bytes.or(self.limits.hard_bytes)?;
        Some(limit.saturating_sub(self.bytes()))
    }

    /// Packets until the soft limit, or the hard one where there is no soft one. `None`: unlimited.
    #[must_use]
    pub fn remaining_packets(&self) -> Option<u64> {
        let limit = self.limits.soft_packets.or(self.limits.hard_packets)?;
        Some(limit.saturating_sub(self.packets()))
    }
}

/// What an SA has carried, against what it may.
#[derive(Debug)]
pub(crate) struct Meter {
    bytes: u64,
    packets: u64,
    limits: SaLifetime,
    warned: bool,
    published: Arc<Usage>,
}

impl Meter {
    pub(crate) fn new(limits: SaLifetime) -> Self {
        let published = Arc::new(Usage { bytes: AtomicU64::new(0), packets: AtomicU64::new(0), limits });
        Self { bytes: 0, packets: 0, limits, warned: false, published }
    }

    pub(crate) fn usage(&self) -> &Arc<Usage> {
        &self.published
    }

    /// Whether `bytes` more may pass.
    pub(crate) fn admits(&self, bytes: usize) -> bool {
        let within = |limit: Option<u64>, used: u64| limit.is_none_or(|limit| used <= limit);
        within(self.limits.hard_bytes, self.bytes.saturating_add(bytes as u64))
            && within(self.limits.hard_packets, self.packets.saturating_add(1))
    }

    /// Counts a packet. Returns true once, when a soft limit is reached or `soft` says so for another reason.
    pub(crate) fn count(&mut self, bytes: usize, soft: bool) -> bool {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.packets = self.packets.saturating_add(1);
        self.published.bytes.store(self.bytes, Ordering::Relaxed);
        self.published.packets.store(self.packets, Ordering::Relaxed);
        let reached = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used >= limit);
        let soft =
            soft || reached(self.limits.soft_bytes, self.bytes) || reached(self.limits.soft_packets, self.packets);
        soft && !std::mem::replace(&mut self.warned, soft)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soft_limit_warns_once() {
        let mut meter = Meter::new(SaLifetime { soft_bytes: Some(100), ..SaLifetime::default() });
        assert!(!meter.count(99, false));
        assert!(meter.count(1, false));
        assert!(!meter.count(1, false));
    }

    #[test]
    fn a_hard_limit_is_never_passed() {
        let mut meter =
            Meter::new(SaLifetime { hard_bytes: Some(100), hard_packets: Some(2), ..SaLifetime::default() });
        assert!(meter.admits(100));
        assert!(!meter.admits(101));
        meter.count(10, false);
        assert!(meter.admits(90));
        assert!(!meter.admits(91));
        meter.count(10, false);
        assert!(!meter.admits(1));
    }

    #[test]
    fn others_read_what_was_counted_and_what_is_left() {
        let limits = SaLifetime { soft_bytes: Some(100), hard_bytes: Some(200), ..SaLifetime::default() };
        let mut meter = Meter::new(limits);
        let usage = Arc::clone(meter.usage());
        meter.count(30, false);
        assert_eq!((usage.bytes(), usage.packets()), (30, 1));
        assert_eq!((usage.remaining_bytes(), usage.remaining_packets()), (Some(70), None));
        meter.count(90, false);
        assert_eq!(usage.remaining_bytes(), Some(0), "beyond the soft limit");
        let meter = Meter::new(SaLifetime { hard_packets: Some(5), ..SaLifetime::default() });
        assert_eq!(meter.usage().remaining_packets(), Some(5), "the hard limit where there is no soft one");
    }
}
