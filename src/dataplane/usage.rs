//! What each SA has carried, for the process to show.
//!
//! The worker that owns an SA enters it here once, when it comes and when it goes, and counts in numbers of the SA's
//! own that are read from here: per packet there is neither a lock nor an allocation.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use esp::Usage;
use wire::ipsec::{Direction, Spi};

/// What one SA has carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaUsage {
    /// Which way.
    pub direction: Direction,
    /// The SA.
    pub spi: Spi,
    /// Octets of inner packets.
    pub bytes: u64,
    /// Inner packets.
    pub packets: u64,
    /// Octets until it is to be rekeyed, where that depends on octets.
    pub remaining_bytes: Option<u64>,
    /// Packets until it is to be rekeyed, where that depends on packets.
    pub remaining_packets: Option<u64>,
}

/// The SAs of one tunnel.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<(Direction, Spi, Arc<Usage>)>>);

impl Ledger {
    /// An SA came; one of the same name is replaced.
    pub(crate) fn enter(&self, direction: Direction, spi: Spi, usage: Arc<Usage>) {
        let mut entries = self.entries();
        entries.retain(|entry| (entry.0, entry.1) != (direction, spi));
        entries.push((direction, spi, usage));
    }

    /// An SA is gone.
    pub(crate) fn strike(&self, direction: Direction, spi: Spi) {
        self.entries().retain(|entry| (entry.0, entry.1) != (direction, spi));
    }

    pub(crate) fn snapshot(&self) -> Vec<SaUsage> {
        let usage = |(direction, spi, usage): &(Direction, Spi, Arc<Usage>)| SaUsage {
            direction: *direction,
            spi: *spi,
            bytes: usage.bytes(),
            packets: usage.packets(),
            remaining_bytes: usage.remaining_bytes(),
            remaining_packets: usage.remaining_packets(),
        };
        self.entries().iter().map(usage).collect()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<(Direction, Spi, Arc<Usage>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
