//! Cutting what a TUN with offloads delivers, up to 64 KB under one header, into packets that fit the tunnel.
//!
//! ```text
//!   read:     | IP | TCP |  payload 0  |  payload 1  | payload 2 |
//!   written:  | IP | TCP |  payload 0  |    IP identification and length, TCP sequence number, flags,
//!             | IP | TCP |  payload 1  |    both checksums are made for each
//!             | IP | TCP | payload 2 |
//! ```
//!
//! An IPv4 packet by itself that is too long, and may be fragmented, is cut into fragments (RFC 791 3.2): better here
//! than outside, where the peer would have to put ESP packets together again, which cloud gateways do not.

use super::checksum::{Sum, fill_ipv4_header, pseudo_header};
use super::ip::{Ip, TCP, UDP};
use super::virtio::{GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM, VnetHeader};
use super::{be16, be32, len16, put16, put32};

/// RFC 791 3.1: more fragments follow.
const MORE_FRAGMENTS: u16 = 0x2000;
/// Where the fragment belongs, in units of eight octets.
const FRAGMENT_OFFSET: u16 = 0x1fff;

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// How a packet is to be cut. Made once per read, used once per segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    kind: Kind,
    v6: bool,
    /// Where the transport header begins.
    transport: usize,
    /// Octets of all headers.
    headers: usize,
    /// Octets of payload in each segment but the last.
    step: usize,
    /// Octets of the packet.
    total: usize,
    pseudo: Sum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole,
    Fragments,
    Tcp,
    Udp,
}

/// The packet and what the kernel says about it do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inconsistent;

impl Plan {
    /// Plans for `packet`. A packet by itself whose checksum is pending gets it now, and is fragmented where it may be.
    /// TCP is cut no longer than `mtu`, whatever size the kernel asks for; UDP is cut as asked.
    pub(crate) fn new(ip: &Ip, vnet: &VnetHeader, packet: &mut [u8], mtu: usize) -> Result<Self, Inconsistent> {
        let kind = match vnet.gso_type & !GSO_ECN {
            GSO_NONE => {
                complete_checksum(ip, vnet, packet)?;
                return Ok(Self::whole(ip, packet, mtu));
            }
            GSO_TCPV4 if !ip.v6 => Kind::Tcp,
            GSO_TCPV6 if ip.v6 => Kind::Tcp,
            GSO_UDP_L4 => Kind::Udp,
            _ => return Err(Inconsistent),
        };
        let transport = usize::from(vnet.csum_start);
        // RFC 9293 3.1: a TCP header has at least five words, whatever its data offset says.
        let (protocol, least) = if kind == Kind::Tcp { (TCP, 20) } else { (UDP, 8) };
        if transport < ip.header_len || vnet.gso_size == 0 || packet.len() < transport + least {
            return Err(Inconsistent);
        }
        let words = if kind == Kind::Tcp { usize::from(packet[transport + 12] >> 4) } else { 2 };
        let headers = transport + words * 4;
        if headers < transport + least || headers >= packet.len() {
            return Err(Inconsistent);
        }
        let asked = usize::from(vnet.gso_size);
        let step = if kind == Kind::Tcp { asked.min(mtu.saturating_sub(headers)).max(8) } else { asked };
        let pseudo = pseudo_header(ip, packet, protocol);
        Ok(Self { kind, v6: ip.v6, transport, headers, step, total: packet.len(), pseudo })
    }

    fn whole(ip: &Ip, packet: &[u8], mtu: usize) -> Self {
        let (transport, headers, total) = (ip.header_len, ip.header_len, packet.len());
        let whole =
            Self { kind: Kind::Whole, v6: ip.v6, transport, headers, step: total, total, pseudo: Sum::default() };
        if total <= mtu || ip.dont_fragment {
            return whole;
        }
        // RFC 791 3.2: all fragments but the last carry a multiple of eight octets. A fragment may be cut again.
        let step = mtu.saturating_sub(headers) & !7;
        let end = usize::from(be16(packet, 6) & FRAGMENT_OFFSET) * 8 + total;
        if step == 0 || end > usize::from(u16::MAX) {
            return whole;
        }
        Self { kind: Kind::Fragments, step, ..whole }
    }

    /// Whether IP fragments come out.
    pub(crate) fn fragments(&self) -> bool {
        self.kind == Kind::Fragments
    }

    /// The same packet, not fragmented.
    pub(crate) fn whole_again(self) -> Self {
        Self { kind: Kind::Whole, step: self.total, ..self }
    }

    /// How many segments there are.
    pub(crate) fn count(&self) -> usize {
        match self.kind {
            Kind::Whole => 1,
            Kind::Fragments | Kind::Tcp | Kind::Udp => (self.total - self.headers).div_ceil(self.step),
        }
    }

    /// Octets of segment `index`.
    pub(crate) fn len(&self, index: usize) -> usize {
        match self.kind {
            Kind::Whole => self.total,
            Kind::Fragments | Kind::Tcp | Kind::Udp => self.headers + self.payload(index).len(),
        }
    }

    /// Writes segment `index` of `packet` to `out`, which is [`Self::len`] long.
    pub(crate) fn write(&self, index: usize, packet: &[u8], out: &mut [u8]) {
        if self.kind == Kind::Whole {
            out.copy_from_slice(packet);
            return;
        }
        let payload = self.payload(index);
        out[..self.headers].copy_from_slice(&packet[..self.headers]);
        out[self.headers..].copy_from_slice(&packet[payload.clone()]);
        if self.kind == Kind::Fragments {
            self.patch_fragment(&payload, out);
            return;
        }
        self.patch_ip(index, out);
        let transport_len = len16(out.len() - self.transport);
        let checksum_at = self.transport + if self.kind == Kind::Tcp { 16 } else { 6 };
        if self.kind == Kind::Tcp {
            self.patch_tcp(index, payload.end == self.total, out);
        } else {
            put16(out, self.transport + 4, transport_len);
        }
        out[checksum_at..checksum_at + 2].fill(0);
        let sum = self.pseudo.add16(transport_len).add(&out[self.transport..]);
        // RFC 768: a UDP checksum that comes out as zero is sent as all ones; for TCP the two mean the same.
        let checksum = match sum.checksum() {
            [0, 0] if self.kind == Kind::Udp => [0xff, 0xff],
            checksum => checksum,
        };
        out[checksum_at..checksum_at + 2].copy_from_slice(&checksum);
    }

    fn payload(&self, index: usize) -> std::ops::Range<usize> {
        let start = self.headers + index * self.step;
        start..(start + self.step).min(self.total)
    }

    fn patch_ip(&self, index: usize, out: &mut [u8]) {
        if self.v6 {
            put16(out, 4, len16(out.len() - 40));
        } else {
            put16(out, 2, len16(out.len()));
            let step = u16::try_from(index & 0xffff).expect("masked");
            put16(out, 4, be16(out, 4).wrapping_add(step));
            let header_len = usize::from(out[0] & 15) * 4;
            fill_ipv4_header(&mut out[..header_len]);
        }
    }

    /// RFC 791 3.2: offset and "more fragments"; options that belong to the first fragment alone give way to no-ops.
    fn patch_fragment(&self, payload: &std::ops::Range<usize>, out: &mut [u8]) {
        let before = be16(out, 6);
        let offset = len16(payload.start - self.headers) / 8;
        let more = if payload.end == self.total { before & MORE_FRAGMENTS } else { MORE_FRAGMENTS };
        put16(out, 2, len16(out.len()));
        put16(out, 6, ((before & FRAGMENT_OFFSET) + offset) | more);
        if offset > 0 {
            drop_uncopied_options(&mut out[20..self.headers]);
        }
        fill_ipv4_header(&mut out[..self.headers]);
    }

    fn patch_tcp(&self, index: usize, last: bool, out: &mut [u8]) {
        let offset = u32::try_from(index * self.step).expect("a packet is at most 65,535 octets");
        let sequence = be32(out, self.transport + 4).wrapping_add(offset);
        put32(out, self.transport + 4, sequence);
        let flags = &mut out[self.transport + 13];
        if !last {
            *flags &= !(FIN | PSH);
        }
        // RFC 3168 6.1.2: CWR goes with the first segment only.
        if index > 0 {
            *flags &= !CWR;
        }
    }
}

/// RFC 791 3.1: the first bit of an option says whether all fragments carry it.
fn drop_uncopied_options(options: &mut [u8]) {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const COPIED: u8 = 0x80;
    let mut at = 0;
    while at < options.len() && options[at] != END {
        let len = match options[at] {
            NO_OPERATION => 1,
            _ => options.get(at + 1).map_or(options.len(), |len| usize::from(*len).max(2)),
        };
        let end = (at + len).min(options.len());
        if options[at] & COPIED == 0 {
            options[at..end].fill(NO_OPERATION);
        }
        at = end;
    }
}

/// The kernel left the pseudo-header's sum in the checksum field for the device to complete.
fn complete_checksum(ip: &Ip, vnet: &VnetHeader, packet: &mut [u8]) -> Result<(), Inconsistent> {
    if vnet.flags & NEEDS_CSUM == 0 {
        return Ok(());
    }
    let start = usize::from(vnet.csum_start);
    let at = start + usize::from(vnet.csum_offset);
    if start < ip.header_len || at + 2 > packet.len() {
        return Err(Inconsistent);
    }
    let checksum = match Sum::default().add(&packet[start..]).checksum() {
        [0, 0] if ip.protocol == UDP => [0xff, 0xff],
        checksum => checksum,
    };
    packet[at..at + 2].copy_from_slice(&checksum);
    Ok(())
}
