//! What ESP needs to know of the packet inside: where it ends, and the fields that traffic selectors look at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Malformed;

/// Next header values of tunnel mode (RFC 4303 2.6).
pub(crate) mod next_header {
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const DUMMY: u8 = 59;
}

/// Addresses, protocol and, where the packet has them, ports. For ICMP the "port" is type and code (RFC 4301 4.4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InnerFields {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ports: Option<(u16, u16)>,
}

/// The length the packet's own header gives it. What follows is traffic flow confidentiality padding (RFC 4303 2.7).
pub(crate) fn length(packet: &[u8], next: u8) -> Result<usize, Malformed> {
    let length = match (next, packet.first().map(|octet| octet >> 4)) {
        (next_header::IPV4, Some(4)) if packet.len() >= 20 => {
            let header = usize::from(packet[0] & 15) * 4;
            let total = usize::from(u16_at(packet, 2));
            (header >= 20 && total >= header).then_some(total)
        }
        (next_header::IPV6, Some(6)) if packet.len() >= 40 => Some(40 + usize::from(u16_at(packet, 4))),
        (next_header::IPV4 | next_header::IPV6, _) => None,
        (other, _) => return Err(Malformed::NextHeader(other)),
    };
    length.filter(|length| *length <= packet.len()).ok_or(Malformed::Inner)
}

/// Reads what selectors need. `None` when the header is cut short.
pub(crate) fn fields(packet: &[u8]) -> Option<InnerFields> {
    match packet.first()? >> 4 {
        4 => fields_v4(packet),
        6 => fields_v6(packet),
        _ => None,
    }
}

fn fields_v4(packet: &[u8]) -> Option<InnerFields> {
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets).into())
    };
    let header = usize::from(packet.first()? & 15) * 4;
    let (source, destination) = (address(12)?, address(16)?);
    let protocol = packet[9];
    let first_fragment = u16_at(packet, 6) & 0x1fff == 0;
    let ports = if first_fragment { ports(protocol, packet.get(header..)?) } else { None };
    Some(InnerFields { source, destination, protocol, ports })
}

fn fields_v6(packet: &[u8]) -> Option<InnerFields> {
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(octets).into())
    };
    let (source, destination) = (address(8)?, address(24)?);
    let mut protocol = packet[6];
    let mut rest = packet.get(40..)?;
    let mut first_fragment = true;
    loop {
        let skip = match protocol {
            // RFC 8200 4.3, 4.4, 4.6: hop-by-hop, routing, destination options.
            0 | 43 | 60 => (usize::from(*rest.get(1)?) + 1) * 8,
            // RFC 8200 4.5: fragment.
            44 => {
                first_fragment &= u16_at(rest.get(..8)?, 2) & 0xfff8 == 0;
                8
            }
            // RFC 4302 2.2: authentication header.
            51 => (usize::from(*rest.get(1)?) + 2) * 4,
            _ => break,
        };
        protocol = *rest.first()?;
        if !first_fragment {
            break;
        }
        rest = rest.get(skip..)?;
    }
    let ports = if first_fragment { ports(protocol, rest) } else { None };
    Some(InnerFields { source, destination, protocol, ports })
}

fn ports(protocol: u8, payload: &[u8]) -> Option<(u16, u16)> {
    match protocol {
        // TCP, UDP, DCCP, SCTP, UDP-Lite.
        6 | 17 | 33 | 132 | 136 => {
            let ports = payload.get(..4)?;
            Some((u16_at(ports, 0), u16_at(ports, 2)))
        }
        // ICMP, ICMPv6.
        1 | 58 => {
            let code = u16_at(payload.get(..2)?, 0);
            Some((code, code))
        }
        _ => None,
    }
}

fn u16_at(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}
