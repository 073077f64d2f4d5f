//! Sealing: the sender's side of an SA (RFC 4303 3.3).

use std::fmt;
use std::sync::Arc;

use wire::ipsec::{Direction, EspSuite, SaKeys, SecurityAssociation, Spi};

use crate::inner::next_header;
use crate::lifetime::Meter;
use crate::overhead;
use crate::transform::{Layout, Sealer};
use crate::{HEADER_LEN, KeyError, SealError, Selectors, Usage};

/// An SA that protects packets to the peer. It must never exist twice with the same keys: the sequence number is
/// also the AEAD's nonce.
pub struct OutboundSa {
    spi: Spi,
    suite: EspSuite,
    keys: SaKeys,
    sealer: Sealer,
    layout: Layout,
    last_sequence: u64,
    meter: Meter,
    selectors: Selectors,
}

/// A sealed packet, at the start of the buffer given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Octets of the ESP packet.
    pub len: usize,
    /// Said once: a soft limit is reached, or most of the sequence space is used up. Time to rekey.
    pub soft_limit: bool,
}

impl OutboundSa {
    /// Prepares the ciphers.
    ///
    /// # Errors
    /// When the keys do not fit the suite.
    pub fn new(sa: &SecurityAssociation) -> Result<Self, KeyError> {
        Ok(Self {
            spi: sa.spi,
            suite: sa.suite,
            keys: sa.keys.clone(),
            sealer: Sealer::new(sa.suite, &sa.keys)?,
            layout: Layout::of(sa.suite),
            last_sequence: 0,
            meter: Meter::new(sa.lifetime),
            selectors: Selectors::new(&sa.local_selectors, &sa.remote_selectors),
        })
    }

    /// The peer's SPI.
    #[must_use]
    pub fn spi(&self) -> Spi {
        self.spi
    }

    /// The algorithms.
    #[must_use]
    pub fn suite(&self) -> EspSuite {
        self.suite
    }

    /// Whether `sa` is this very SA, so that installing it again must change nothing.
    #[must_use]
    pub fn is_same(&self, sa: &SecurityAssociation) -> bool {
        self.spi == sa.spi
            && self.suite == sa.suite
            && self.keys.encryption == sa.keys.encryption
            && self.keys.integrity == sa.keys.integrity
    }

    /// What it has carried, to be read from anywhere.
    #[must_use]
    pub fn usage(&self) -> Arc<Usage> {
        Arc::clone(self.meter.usage())
    }

    /// Octets to leave before the inner packet.
    #[must_use]
    pub fn headroom(&self) -> usize {
        HEADER_LEN + self.layout.iv
    }

    /// Octets of the ESP packet around an inner packet of `inner_len`.
    #[must_use]
    pub fn sealed_len(&self, inner_len: usize) -> usize {
        overhead::esp_len(self.suite, inner_len)
    }

    /// Whether the SA may carry `packet`.
    #[must_use]
    pub fn permits(&self, packet: &[u8]) -> bool {
        self.selectors.permit(packet, Direction::Outbound)
    }

    /// Whether the SA may carry later fragments of `packet`, in which no ports are to be seen.
    #[must_use]
    pub fn permits_later_fragment(&self, packet: &[u8]) -> bool {
        self.selectors.permit_later_fragment(packet, Direction::Outbound)
    }

    /// Seals the inner packet of `inner_len` octets that lies at [`Self::headroom`] in `buffer`. The ESP packet
    /// begins at the start of `buffer`, which must be at least [`Self::sealed_len`] long.
    ///
    /// # Errors
    /// When a limit is reached or the buffer is too short. The inner packet is then unchanged.
    pub fn seal(&mut self, buffer: &mut [u8], inner_len: usize) -> Result<Sealed, SealError> {
        let need = self.sealed_len(inner_len);
        let got = buffer.len();
        let packet = buffer.get_mut(..need).ok_or(SealError::Room { got, need })?;
        if !self.meter.admits(inner_len) {
            return Err(SealError::Lifetime);
        }
        let sequence = self.next_sequence()?;
        let [_, _, _, _, low @ ..] = sequence.to_be_bytes();
        packet[..4].copy_from_slice(&self.spi.0.to_be_bytes());
        packet[4..8].copy_from_slice(&low);
        let start = self.headroom();
        let next = if packet[start] >> 4 == 6 { next_header::IPV6 } else { next_header::IPV4 };
        pad(&mut packet[start + inner_len..need - self.layout.icv], next);
        self.sealer.seal(packet, sequence, self.layout).map_err(|_| SealError::Cipher)?;
        let soft = sequence >= self.soft_sequence();
        Ok(Sealed { len: need, soft_limit: self.meter.count(inner_len, soft) })
    }

    /// RFC 4303 3.3.3: the counter starts at 1 and must not cycle.
    fn next_sequence(&mut self) -> Result<u64, SealError> {
        if self.last_sequence >= self.end_of_space() {
            return Err(SealError::SequenceExhausted);
        }
        self.last_sequence += 1;
        Ok(self.last_sequence)
    }

    fn end_of_space(&self) -> u64 {
        if self.layout.esn { u64::MAX } else { u64::from(u32::MAX) }
    }

    fn soft_sequence(&self) -> u64 {
        self.end_of_space() / 4 * 3
    }

    #[cfg(test)]
    pub(crate) fn set_last_sequence(&mut self, sequence: u64) {
        self.last_sequence = sequence;
    }
}

impl fmt::Debug for OutboundSa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundSa").field("spi", &self.spi).field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// RFC 4303 2.4: the padding counts 1, 2, 3, ...; its length and the next header close the plaintext.
fn pad(trailer: &mut [u8], next: u8) {
    let padding = trailer.len() - 2;
    for (octet, value) in trailer[..padding].iter_mut().zip(1..) {
        *octet = value;
    }
    trailer[padding] = u8::try_from(padding).expect("padding is less than a block");
    trailer[padding + 1] = next;
}
