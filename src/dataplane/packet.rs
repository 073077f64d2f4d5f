//! What is done to packets between TUN and ESP, without I/O.

pub(crate) mod checksum;
pub(crate) mod coalesce;
pub(crate) mod ecn;
pub(crate) mod icmp;
pub(crate) mod ip;
pub(crate) mod laws;
pub(crate) mod mss;
pub(crate) mod segment;
pub(crate) mod virtio;

#[cfg(test)]
mod tests;

/// The big-endian number at `at`. The caller knows that it is there.
pub(crate) fn be16(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

/// The big-endian number at `at`. The caller knows that it is there.
pub(crate) fn be32(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

/// Writes a big-endian number.
pub(crate) fn put16(octets: &mut [u8], at: usize, value: u16) {
    octets[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Writes a big-endian number.
pub(crate) fn put32(octets: &mut [u8], at: usize, value: u32) {
    octets[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// A length that is known to fit the 16 bits of an IP length field.
pub(crate) fn len16(len: usize) -> u16 {
    u16::try_from(len).expect("a packet is at most 65,535 octets")
}
