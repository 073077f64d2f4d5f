//! Joining consecutive packets of a flow into one write to the TUN, the reverse of segmentation.
//!
//! Packets stay where they were decrypted. A group is a list of ranges in that buffer: the first packet whole, with
//! room before it for the virtio header, then the payloads that follow it. One `writev` hands it to the kernel.
//!
//! ```text
//!   buffer:  ..| ESP | IP TCP payload 0 |..| ESP | IP TCP payload 1 |..| ESP | IP TCP payload 2 |..
//!   group:     [vnet][----------------]                  [--------]                  [--------]
//! ```
//!
//! Only packets with a valid checksum are joined, since the kernel makes new checksums when it cuts the result again;
//! order within a flow never changes.

use std::ops::Range;

use super::checksum::{Sum, fill_ipv4_header, pseudo_header};
use super::ip::{Ip, TCP, UDP};
use super::virtio::{self, DATA_VALID, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM, VnetHeader};
use super::{be16, be32, len16, put16};

const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
/// The kernel takes at most this many segments in one.
const MAX_SEGMENTS: usize = 64;

/// Collects the packets of one receive batch. `T` says where a packet goes.
#[derive(Debug)]
pub(crate) struct Coalescer<T> {
    groups: Vec<Group<T>>,
    used: usize,
}

/// Where a packet goes.
#[derive(Debug)]
pub(crate) struct Target<'a, T> {
    pub(crate) target: &'a T,
    /// Tells targets apart.
    pub(crate) number: u32,
    /// Whether it takes joined UDP datagrams.
    pub(crate) udp: bool,
}

/// Packets that leave in one write.
#[derive(Debug)]
pub(crate) struct Group<T> {
    target: Option<T>,
    flow: Option<Flow>,
    shape: Shape,
    pieces: Vec<Range<usize>>,
    /// Octets of all pieces.
    len: usize,
    open: bool,
    verified: bool,
}

/// What tells flows apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flow {
    target: u32,
    protocol: u8,
    v6: bool,
    addresses: [u8; 32],
    ports: u32,
}

/// Where the headers end, and what the next packet must continue.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    transport: usize,
    headers: usize,
    payload: usize,
    next_sequence: u32,
}

impl<T: Clone> Coalescer<T> {
    pub(crate) fn new() -> Self {
        Self { groups: Vec::new(), used: 0 }
    }

    /// Takes the inner packet at `packet` of `buffer`, with at least [`virtio::LEN`] octets before it that are free
    /// to use.
    pub(crate) fn push(&mut self, buffer: &[u8], packet: Range<usize>, ip: &Ip, target: Target<'_, T>) {
        let octets = &buffer[packet.clone()];
        let parsed = parse(ip, octets, &target);
        if let Some((flow, shape)) = parsed {
            let latest = self.groups[..self.used].iter_mut().rfind(|group| group.flow == Some(flow));
            let joinable = is_joinable(ip, octets, &flow, &shape);
            if let Some(group) = latest {
                if joinable && group.continues(buffer, octets, &flow, &shape) {
                    group.append(packet, octets, &flow, &shape);
                    return;
                }
                group.open = false;
            }
            self.start(buffer, packet, parsed, joinable, target.target);
        } else {
            self.start(buffer, packet, None, false, target.target);
        }
    }

    /// Completes the headers and gives every group to `write`, in order. Nothing is left.
    pub(crate) fn drain(&mut self, buffer: &mut [u8], mut write: impl FnMut(&T, &[u8], &[Range<usize>])) {
        for group in &mut self.groups[..self.used] {
            group.finish(buffer);
            if let (Some(target), Some(first)) = (group.target.take(), group.pieces.first_mut()) {
                first.start -= virtio::LEN;
                write(&target, buffer, &group.pieces);
            }
        }
        self.used = 0;
    }

    fn start(
        &mut self,
        buffer: &[u8],
        packet: Range<usize>,
        parsed: Option<(Flow, Shape)>,
        joinable: bool,
        target: &T,
    ) {
        let (flow, shape) = parsed.unzip();
        let shape = shape.unwrap_or_default();
        if self.used == self.groups.len() {
            self.groups.push(Group {
                target: None,
                flow: None,
                shape,
                pieces: Vec::with_capacity(MAX_SEGMENTS),
                len: 0,
                open: false,
                verified: false,
            });
        }
        let group = &mut self.groups[self.used];
        self.used += 1;
        group.target = Some(target.clone());
        group.flow = flow;
        group.shape = shape;
        group.len = packet.len();
        group.pieces.clear();
        group.pieces.push(packet);
        group.open = joinable && flow.is_some_and(|flow| !is_pushed(&buffer[group.pieces[0].clone()], &flow, &shape));
        group.verified = joinable;
    }
}

impl<T> Group<T> {
    /// Whether the packet `octets` is what a cut of one bigger packet would have made next.
    fn continues(&self, buffer: &[u8], octets: &[u8], flow: &Flow, shape: &Shape) -> bool {
        let own = &self.shape;
        let payload = octets.len() - shape.headers;
        if !self.open
            || shape.headers != own.headers
            || payload > own.payload
            || self.len + payload > usize::from(u16::MAX)
            || self.pieces.len() >= MAX_SEGMENTS
        {
            return false;
        }
        let first = &buffer[self.pieces[0].start..][..own.headers];
        let header = &octets[..own.headers];
        ip_continues(flow.v6, first, header, self.pieces.len())
            && match flow.protocol {
                TCP => {
                    let (a, b) = (&first[own.transport..], &header[own.transport..]);
                    be32(b, 4) == own.next_sequence
                        && a[8..13] == b[8..13]
                        && a[14..16] == b[14..16]
                        && a[18..] == b[18..]
                }
                _ => true,
            }
    }

    fn append(&mut self, packet: Range<usize>, octets: &[u8], flow: &Flow, shape: &Shape) {
        let payload = octets.len() - shape.headers;
        self.len += payload;
        self.pieces.push(packet.start + shape.headers..packet.end);
        self.shape.next_sequence = shape.next_sequence;
        self.open = payload == self.shape.payload && !is_pushed(octets, flow, shape);
    }

    /// Writes the virtio header and, for more than one packet, lengths and checksums.
    fn finish(&mut self, buffer: &mut [u8]) {
        let Some(start) = self.pieces.first().map(|first| first.start) else { return };
        let vnet = match self.flow {
            Some(flow) if self.pieces.len() > 1 => {
                let pushed = flow.protocol == TCP && {
                    let last = &self.pieces[self.pieces.len() - 1];
                    buffer[last.start - self.shape.headers + self.shape.transport + 13] & PSH != 0
                };
                self.join(&mut buffer[start..], &flow, pushed)
            }
            _ if self.verified => VnetHeader { flags: DATA_VALID, ..VnetHeader::default() },
            _ => VnetHeader::default(),
        };
        buffer[start - virtio::LEN..start].copy_from_slice(&vnet.encode());
    }

    fn join(&self, first: &mut [u8], flow: &Flow, pushed: bool) -> VnetHeader {
        let Shape { transport, headers, payload, .. } = self.shape;
        if flow.v6 {
            put16(first, 4, len16(self.len - 40));
        } else {
            put16(first, 2, len16(self.len));
            fill_ipv4_header(&mut first[..transport]);
        }
        let (gso_type, csum_offset) = match (flow.protocol, flow.v6) {
            (UDP, _) => (GSO_UDP_L4, 6),
            (_, false) => (GSO_TCPV4, 16),
            (_, true) => (GSO_TCPV6, 16),
        };
        let transport_len = len16(self.len - transport);
        if flow.protocol == UDP {
            put16(first, transport + 4, transport_len);
        } else if pushed {
            first[transport + 13] |= PSH;
        }
        // The kernel completes the checksum from the pseudo-header's sum.
        let addresses = if flow.v6 { &flow.addresses[..] } else { &flow.addresses[..8] };
        let pseudo = Sum::default().add(addresses).add16(u16::from(flow.protocol)).add16(transport_len);
        let at = transport + usize::from(csum_offset);
        first[at..at + 2].copy_from_slice(&pseudo.folded());
        VnetHeader {
            flags: NEEDS_CSUM,
            gso_type,
            hdr_len: len16(headers),
            gso_size: len16(payload),
            csum_start: len16(transport),
            csum_offset,
        }
    }
}

/// The flow of a TCP or UDP packet without IP options, whole and with all its headers.
fn parse<T>(ip: &Ip, octets: &[u8], target: &Target<'_, T>) -> Option<(Flow, Shape)> {
    let plain = ip.total_len == octets.len() && !ip.fragment && (ip.v6 || ip.header_len == 20);
    let transport = ip.header_len;
    let headers = match ip.protocol {
        _ if !plain => return None,
        TCP if octets.len() >= transport + 20 => transport + usize::from(octets[transport + 12] >> 4) * 4,
        UDP if target.udp && octets.len() >= transport + 8 => transport + 8,
        _ => return None,
    };
    if headers > octets.len() || (ip.protocol == TCP && headers < transport + 20) {
        return None;
    }
    let mut addresses = [0; 32];
    if ip.v6 {
        addresses.copy_from_slice(&octets[8..40]);
    } else {
        addresses[..8].copy_from_slice(&octets[12..20]);
    }
    let payload = octets.len() - headers;
    let sequence = if ip.protocol == TCP { be32(octets, transport + 4) } else { 0 };
    let advance = u32::from(len16(payload));
    let flow =
        Flow { target: target.number, protocol: ip.protocol, v6: ip.v6, addresses, ports: be32(octets, transport) };
    Some((flow, Shape { transport, headers, payload, next_sequence: sequence.wrapping_add(advance) }))
}

/// Whether the packet may be first or next in a group.
fn is_joinable(ip: &Ip, octets: &[u8], flow: &Flow, shape: &Shape) -> bool {
    let transport = &octets[shape.transport..];
    let plain = match flow.protocol {
        TCP => transport[13] & !PSH == ACK,
        _ => usize::from(be16(transport, 4)) == transport.len() && be16(transport, 6) != 0,
    };
    plain
        && shape.payload > 0
        && pseudo_header(ip, octets, flow.protocol).add16(len16(transport.len())).add(transport).is_valid()
}

fn is_pushed(octets: &[u8], flow: &Flow, shape: &Shape) -> bool {
    flow.protocol == TCP && octets[shape.transport + 13] & PSH != 0
}

fn ip_continues(v6: bool, first: &[u8], next: &[u8], position: usize) -> bool {
    if v6 {
        // Traffic class, flow label, hop limit.
        return first[..4] == next[..4] && first[7] == next[7];
    }
    // RFC 6864 4: the identification means something only to packets that may be fragmented.
    let dont_fragment = first[6] & 0x40 != 0;
    let expected = be16(first, 4).wrapping_add(len16(position));
    first[1] == next[1] && first[6..9] == next[6..9] && (dont_fragment || be16(next, 4) == expected)
}
