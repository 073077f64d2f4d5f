//! The few fields of an IP header that steer a packet.

use super::be16;

/// Protocol numbers.
pub(crate) const TCP: u8 = 6;
/// See [`TCP`].
pub(crate) const UDP: u8 = 17;

/// An IP packet's shape. The header is all there; nothing is said of what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ip {
    pub(crate) v6: bool,
    /// Octets of the IPv4 header with options, or of the fixed IPv6 header.
    pub(crate) header_len: usize,
    /// What the header says; no longer than the octets there.
    pub(crate) total_len: usize,
    /// The IPv4 protocol or the first IPv6 next header.
    pub(crate) protocol: u8,
    /// A part of a packet, in IPv4.
    pub(crate) fragment: bool,
    /// RFC 791 3.1: must not be fragmented. True for IPv6.
    pub(crate) dont_fragment: bool,
    /// Differentiated services and ECN.
    pub(crate) tos: u8,
}

impl Ip {
    /// Reads the header. `None` if it is not all there or contradicts itself.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::parse_v4(packet),
            6 => Self::parse_v6(packet),
            _ => None,
        }
    }

    fn parse_v4(packet: &[u8]) -> Option<Self> {
        if packet.len() < 20 {
            return None;
        }
        let header_len = usize::from(packet[0] & 15) * 4;
        let total_len = usize::from(be16(packet, 2));
        let flags = be16(packet, 6);
        (header_len >= 20 && total_len >= header_len && packet.len() >= total_len).then_some(Self {
            v6: false,
            header_len,
            total_len,
            protocol: packet[9],
            fragment: flags & 0x3fff != 0,
            dont_fragment: flags & 0x4000 != 0,
            tos: packet[1],
        })
    }

    fn parse_v6(packet: &[u8]) -> Option<Self> {
        if packet.len() < 40 {
            return None;
        }
        let total_len = 40 + usize::from(be16(packet, 4));
        (packet.len() >= total_len).then_some(Self {
            v6: true,
            header_len: 40,
            total_len,
            protocol: packet[6],
            fragment: false,
            dont_fragment: true,
            tos: packet[0] << 4 | packet[1] >> 4,
        })
    }
}
