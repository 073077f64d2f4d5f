//! Byte and packet limits of one SA. Time limits are kept by IKE.

use wire::ipsec::SaLifetime;

/// What an SA has carried, against what it may.
#[derive(Debug)]
pub(crate) struct Meter {
    bytes: u64,
    packets: u64,
    limits: SaLifetime,
    warned: bool,
}

impl Meter {
    pub(crate) fn new(limits: SaLifetime) -> Self {
        Self { bytes: 0, packets: 0, limits, warned: false }
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
}
