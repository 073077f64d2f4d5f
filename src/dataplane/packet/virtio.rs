//! The header between the kernel and a TUN with offloads (`struct virtio_net_hdr`), in the machine's byte order.
//!
//! ```text
//!   0       1          2          4          6            8             10
//!   | flags | gso type | hdr len  | gso size | csum start | csum offset |
//! ```

/// Octets of the header.
pub(crate) const LEN: usize = 10;

/// The checksum is to be completed.
pub(crate) const NEEDS_CSUM: u8 = 1;
/// The checksum was verified.
pub(crate) const DATA_VALID: u8 = 2;

/// A packet by itself.
pub(crate) const GSO_NONE: u8 = 0;
/// A TCP segment to be cut, over IPv4.
pub(crate) const GSO_TCPV4: u8 = 1;
/// A TCP segment to be cut, over IPv6.
pub(crate) const GSO_TCPV6: u8 = 4;
/// UDP datagrams of equal size, one after the other.
pub(crate) const GSO_UDP_L4: u8 = 5;
/// With TCP: the segment has CWR set (RFC 3168).
pub(crate) const GSO_ECN: u8 = 0x80;

/// What the kernel says about a packet, or we to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VnetHeader {
    pub(crate) flags: u8,
    pub(crate) gso_type: u8,
    pub(crate) hdr_len: u16,
    pub(crate) gso_size: u16,
    pub(crate) csum_start: u16,
    pub(crate) csum_offset: u16,
}

impl VnetHeader {
    pub(crate) fn decode(octets: &[u8; LEN]) -> Self {
        let word = |at: usize| u16::from_ne_bytes([octets[at], octets[at + 1]]);
        Self {
            flags: octets[0],
            gso_type: octets[1],
            hdr_len: word(2),
            gso_size: word(4),
            csum_start: word(6),
            csum_offset: word(8),
        }
    }

    pub(crate) fn encode(self) -> [u8; LEN] {
        let words = [self.hdr_len, self.gso_size, self.csum_start, self.csum_offset].map(u16::to_ne_bytes);
        let mut octets = [0; LEN];
        octets[0] = self.flags;
        octets[1] = self.gso_type;
        octets[2..].copy_from_slice(words.as_flattened());
        octets
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_round_trip(octets: [u8; LEN]) {
            prop_assert_eq!(VnetHeader::decode(&octets).encode(), octets);
        }
    }
}
