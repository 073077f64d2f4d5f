//! What holds for any packet, whatever its octets: the body of a fuzz target.
//!
//! ```text
//!   octets --> packet --> answered?  clamped  cut --> pieces --> joined --> cut again = pieces
//! ```

use std::ops::Range;

use super::checksum::Sum;
use super::coalesce::{Coalescer, Target};
use super::icmp::{self, Refusal};
use super::ip::{Ip, TCP};
use super::mss::{self, TcpChecksum};
use super::segment::Plan;
use super::virtio::{self, GSO_NONE, VnetHeader};
use super::{be16, ecn, put16};

/// RFC 791 3.2: the least that every link carries.
const LEAST_MTU: u16 = 68;
/// Octets between packets in the buffer they are joined in.
const GAP: usize = 24;

/// Does to a packet all that is done between the interface and ESP, and checks what must come out. `octets` are MTU,
/// maximum segment size and outer traffic class, the virtio header that the kernel might give, and the packet.
///
/// # Panics
/// When the rules do not hold, which is a bug.
pub fn packet_laws(octets: &[u8]) {
    let Some((head, rest)) = octets.split_first_chunk::<5>() else { return };
    let Some((vnet, packet)) = rest.split_first_chunk::<{ virtio::LEN }>() else { return };
    let (mtu, mss) = (usize::from(be16(head, 0).max(LEAST_MTU)), be16(head, 2));
    let Some(ip) = Ip::parse(packet) else { return };
    let mut packet = packet[..ip.total_len].to_vec();
    answers_are_packets(&ip, &packet, mtu);
    marks_keep_the_header_valid(ip, packet.clone(), head[4]);
    mss::clamp(&ip, &mut packet, mss, TcpChecksum::Complete);
    assert_eq!(packet.len(), ip.total_len, "clamping changes no length");
    let vnet = VnetHeader::decode(vnet);
    let Ok(plan) = Plan::new(&ip, &vnet, &mut packet, mtu) else { return };
    let pieces = cut(&plan, &packet);
    for piece in &pieces {
        let piece_ip = Ip::parse(piece).expect("what is cut has a header");
        assert_eq!(piece_ip.total_len, piece.len(), "and says its length");
    }
    if plan.fragments() {
        assert!(pieces.iter().all(|piece| piece.len() <= mtu), "fragments fit");
        assert_eq!(reassembled(&pieces, &ip, &packet), packet[ip.header_len..], "fragments are the packet");
    }
    joined_pieces_come_apart_again(&pieces);
}

fn answers_are_packets(ip: &Ip, packet: &[u8], mtu: usize) {
    for refusal in [Refusal::TooBig { mtu }, Refusal::Prohibited] {
        if let Some(answer) = icmp::answer(ip, packet, refusal) {
            let parsed = Ip::parse(&answer).expect("an answer has a header");
            let most = if ip.v6 { 1280 } else { 576 };
            assert!(parsed.total_len == answer.len() && answer.len() <= most);
            assert!(ip.v6 || Sum::default().add(&answer[20..]).is_valid());
        }
    }
}

fn marks_keep_the_header_valid(ip: Ip, mut packet: Vec<u8>, outer: u8) {
    let valid = |packet: &[u8]| ip.v6 || Sum::default().add(&packet[..ip.header_len]).is_valid();
    let (before, mut marked) = (valid(&packet), ip);
    if ecn::combine(&mut marked, &mut packet, outer) {
        assert!(valid(&packet) || !before, "a new mark is in the checksum");
        assert_eq!(Ip::parse(&packet), Some(marked), "the header says what the fields say");
        assert_eq!(marked.tos >> 2, ip.tos >> 2, "differentiated services stay");
    }
}

fn cut(plan: &Plan, packet: &[u8]) -> Vec<Vec<u8>> {
    let piece = |index| {
        let mut out = vec![0xee; plan.len(index)];
        plan.write(index, packet, &mut out);
        out
    };
    (0..plan.count()).map(piece).collect()
}

/// The payload that the receiver of fragments puts together.
fn reassembled(pieces: &[Vec<u8>], ip: &Ip, packet: &[u8]) -> Vec<u8> {
    let start = usize::from(be16(packet, 6) & 0x1fff) * 8;
    let mut payload = Vec::new();
    for piece in pieces {
        assert_eq!(usize::from(be16(piece, 6) & 0x1fff) * 8, start + payload.len(), "no gap and no overlap");
        assert!(Sum::default().add(&piece[..ip.header_len]).is_valid());
        payload.extend_from_slice(&piece[ip.header_len..]);
    }
    payload
}

fn joined_pieces_come_apart_again(pieces: &[Vec<u8>]) {
    let mut again = Vec::new();
    for (vnet, mut packet) in joined(pieces) {
        if vnet.gso_type == GSO_NONE {
            again.push(comparable(packet));
            continue;
        }
        let ip = Ip::parse(&packet).expect("what is joined has a header");
        let plan = Plan::new(&ip, &vnet, &mut packet, usize::from(u16::MAX)).expect("and goes with its virtio header");
        again.extend(cut(&plan, &packet).into_iter().map(comparable));
    }
    let mut pieces: Vec<_> = pieces.iter().cloned().map(comparable).collect();
    pieces.sort_unstable();
    again.sort_unstable();
    assert_eq!(again, pieces, "joining loses and changes nothing");
}

/// What the packets, received one after the other, are handed to the kernel as.
fn joined(pieces: &[Vec<u8>]) -> Vec<(VnetHeader, Vec<u8>)> {
    let (mut buffer, mut ranges): (Vec<u8>, Vec<Range<usize>>) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend([0; GAP]);
        ranges.push(buffer.len()..buffer.len() + piece.len());
        buffer.extend(piece);
    }
    let mut coalescer = Coalescer::new();
    for range in ranges {
        let Some(ip) = Ip::parse(&buffer[range.clone()]) else { continue };
        coalescer.push(&buffer, range, &ip, Target { target: &(), number: 1, udp: true });
    }
    let mut writes = Vec::new();
    coalescer.drain(&mut buffer, |(), buffer, pieces| {
        let octets: Vec<u8> = pieces.iter().flat_map(|piece| buffer[piece.clone()].iter().copied()).collect();
        let (vnet, packet) = octets.split_first_chunk::<{ virtio::LEN }>().expect("a write begins with its header");
        writes.push((VnetHeader::decode(vnet), packet.to_vec()));
    });
    writes
}

/// Without what joining may change: the IPv4 header's checksum, the identification of a packet that nobody may
/// fragment (RFC 6864 4.1), and which of the two zeros a TCP checksum is.
fn comparable(mut packet: Vec<u8>) -> Vec<u8> {
    let Some(ip) = Ip::parse(&packet) else { return packet };
    if !ip.v6 {
        packet[10..12].fill(0);
        if ip.dont_fragment {
            packet[4..6].fill(0);
        }
    }
    let at = ip.header_len + 16;
    if ip.protocol == TCP && !ip.fragment && packet.len() >= at + 2 && be16(&packet, at) == 0xffff {
        put16(&mut packet, at, 0);
    }
    packet
}
