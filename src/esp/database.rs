//! Inbound SAs by SPI.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use wire::ipsec::Spi;

use crate::{HEADER_LEN, InboundSa, Malformed, OpenError};

/// The inbound SAs of one receiver. SPIs are ours and unique over all peers (RFC 4301 4.1), so they alone decide.
#[derive(Debug)]
pub struct SaDb<T> {
    entries: HashMap<Spi, Entry<T>, BuildHasherDefault<SpiHasher>>,
}

/// An SA and what its owner wants to find with it.
#[derive(Debug)]
pub struct Entry<T> {
    /// The SA.
    pub sa: InboundSa,
    /// The owner's data.
    pub owner: T,
}

impl<T> SaDb<T> {
    /// No SAs.
    #[must_use]
    pub fn new() -> Self {
        Self { entries: HashMap::default() }
    }

    /// Adds an SA; an SA that had its SPI is returned.
    pub fn insert(&mut self, sa: InboundSa, owner: T) -> Option<Entry<T>> {
        self.entries.insert(sa.spi(), Entry { sa, owner })
    }

    /// Forgets an SA.
    pub fn remove(&mut self, spi: Spi) -> Option<Entry<T>> {
        self.entries.remove(&spi)
    }

    /// Keeps the SAs that `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Entry<T>) -> bool) {
        self.entries.retain(|_, entry| keep(entry));
    }

    /// Takes out the SAs that `wanted` picks.
    pub fn extract(&mut self, mut wanted: impl FnMut(&Entry<T>) -> bool) -> Vec<Entry<T>> {
        self.entries.extract_if(|_, entry| wanted(entry)).map(|(_, entry)| entry).collect()
    }

    /// The SA of this name.
    pub fn get_mut(&mut self, spi: Spi) -> Option<&mut Entry<T>> {
        self.entries.get_mut(&spi)
    }

    /// How many SAs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The SA that `packet`, an ESP packet, belongs to.
    ///
    /// # Errors
    /// When the packet has no header or its SPI is unknown.
    pub fn lookup(&mut self, packet: &[u8]) -> Result<&mut Entry<T>, OpenError> {
        let Some((spi, _)) = packet.split_first_chunk().filter(|_| packet.len() >= HEADER_LEN) else {
            return Err(Malformed::Short { got: packet.len(), need: HEADER_LEN }.into());
        };
        let spi = Spi(u32::from_be_bytes(*spi));
        self.entries.get_mut(&spi).ok_or(OpenError::UnknownSpi(spi))
    }
}

impl<T> Default for SaDb<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// One multiplication. SPIs are drawn at random by us, so a peer cannot make them collide.
#[derive(Default)]
struct SpiHasher(u64);

impl Hasher for SpiHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (u64::from(number) | 1 << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
