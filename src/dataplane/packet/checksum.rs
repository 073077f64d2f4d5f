//! The Internet checksum (RFC 1071).
//!
//! Sums are kept in the machine's own byte order, which the ones' complement sum does not mind (RFC 1071 2(B)), over
//! 64-bit words in 128-bit accumulators: an addition with carry each, and no branch.

use super::be16;
use super::ip::Ip;

/// A sum not yet folded. Every piece added but the last has an even length.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    /// Adds octets.
    pub(crate) fn add(self, octets: &[u8]) -> Self {
        Self(self.0 + sum(octets))
    }

    /// Adds a number as it stands in a packet.
    pub(crate) fn add16(self, number: u16) -> Self {
        Self(self.0 + u64::from(u16::from_ne_bytes(number.to_be_bytes())))
    }

    /// The sum in 16 bits, as octets of a packet. This is what the kernel leaves in a checksum field for hardware to
    /// complete.
    pub(crate) fn folded(self) -> [u8; 2] {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).expect("folded to 16 bits").to_ne_bytes()
    }

    /// The checksum, as octets of a packet.
    pub(crate) fn checksum(self) -> [u8; 2] {
        self.folded().map(|octet| !octet)
    }

    /// Whether the octets added, with their checksum among them, are intact.
    pub(crate) fn is_valid(self) -> bool {
        self.folded() == [0xff, 0xff]
    }
}

/// The pseudo-header (RFC 9293 3.1, RFC 8200 8.1) but for the length.
pub(crate) fn pseudo_header(ip: &Ip, packet: &[u8], protocol: u8) -> Sum {
    let addresses = if ip.v6 { &packet[8..40] } else { &packet[12..20] };
    Sum::default().add(addresses).add16(u16::from(protocol))
}

/// Fills in the checksum of an IPv4 header.
pub(crate) fn fill_ipv4_header(header: &mut [u8]) {
    header[10..12].fill(0);
    let checksum = Sum::default().add(header).checksum();
    header[10..12].copy_from_slice(&checksum);
}

/// RFC 1624 3: corrects the checksum at `at` after one 16-bit field changed.
pub(crate) fn update(packet: &mut [u8], at: usize, old: u16, new: u16) {
    let sum = Sum::default().add16(!be16(packet, at)).add16(!old).add16(new);
    packet[at..at + 2].copy_from_slice(&sum.checksum());
}

/// Octets added in one turn: two chains of additions with carry, which run side by side.
const TURN: usize = 32;

/// The sum of all 32-bit words, the last one filled up with zeros.
fn sum(octets: &[u8]) -> u64 {
    let (turns, rest) = octets.as_chunks::<TURN>();
    let mut chains = [0_u128; 2];
    for turn in turns {
        let (words, _) = turn.as_chunks::<8>();
        for pair in words.chunks_exact(2) {
            chains[0] += u128::from(u64::from_ne_bytes(pair[0]));
            chains[1] += u128::from(u64::from_ne_bytes(pair[1]));
        }
    }
    chains.into_iter().map(halves).sum::<u64>() + sum_words(rest)
}

/// A sum of 64-bit words as one of 32-bit words (RFC 1071 2(C)). No packet is so long that it does not fit.
fn halves(sum: u128) -> u64 {
    sum.to_ne_bytes().as_chunks::<4>().0.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum()
}

fn sum_words(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<4>();
    let total: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    total + u64::from(u32::from_ne_bytes(last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 1071 4.1, word by word.
    fn reference(octets: &[u8]) -> [u8; 2] {
        let mut sum = 0u32;
        for pair in octets.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap().to_be_bytes()
    }

    #[test]
    fn the_example_of_rfc_1071_comes_out() {
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().add(&octets).folded(), [0xdd, 0xf2]);
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_reference(octets in prop::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(Sum::default().add(&octets).folded(), reference(&octets));
        }

        #[test]
        fn an_update_is_as_good_as_a_new_sum(
            mut octets in prop::collection::vec(any::<u8>(), 4..60),
            at in 1usize..30,
            new: u16,
        ) {
            if octets.len() % 2 == 1 {
                octets.pop();
            }
            let at = (at * 2).min(octets.len() - 2);
            octets[..2].fill(0);
            let checksum = Sum::default().add(&octets).checksum();
            octets[..2].copy_from_slice(&checksum);
            let old = be16(&octets, at);
            octets[at..at + 2].copy_from_slice(&new.to_be_bytes());
            update(&mut octets, 0, old, new);
            prop_assert!(Sum::default().add(&octets).is_valid() || octets.iter().all(|octet| *octet == 0));
        }
    }
}
