//! Segmentation and coalescing against each other: what one takes apart, the other puts together.

use std::ops::Range;

use proptest::prelude::*;

use super::checksum::{Sum, fill_ipv4_header, pseudo_header};
use super::coalesce::{Coalescer, Target};
use super::ip::{Ip, TCP, UDP};
use super::laws::packet_laws;
use super::segment::Plan;
use super::virtio::{self, DATA_VALID, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM, VnetHeader};
use super::{be16, be32, len16, put16, put32};

const PSH: u8 = 8;
const ACK: u8 = 16;

#[derive(Clone, Copy, Debug)]
struct Shape {
    v6: bool,
    protocol: u8,
    flags: u8,
    sequence: u32,
    source_port: u16,
}

const PLAIN: Shape = Shape { v6: false, protocol: TCP, flags: ACK, sequence: 1000, source_port: 4000 };

/// A packet with valid checksums; TCP carries a timestamp option.
fn packet(shape: Shape, payload: &[u8]) -> Vec<u8> {
    let transport = if shape.v6 { 40 } else { 20 };
    let headers = transport + if shape.protocol == TCP { 32 } else { 8 };
    let mut octets = vec![0; headers];
    octets.extend_from_slice(payload);
    let len = octets.len();
    if shape.v6 {
        octets[0] = 0x60;
        put16(&mut octets, 4, len16(len - 40));
        (octets[6], octets[7], octets[8], octets[24]) = (shape.protocol, 64, 0xfd, 0xfd);
        octets[39] = 1;
    } else {
        octets[0] = 0x45;
        put16(&mut octets, 2, len16(len));
        (octets[6], octets[8], octets[9]) = (0x40, 64, shape.protocol);
        octets[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        fill_ipv4_header(&mut octets[..20]);
    }
    put16(&mut octets, transport, shape.source_port);
    put16(&mut octets, transport + 2, 80);
    let checksum_at = if shape.protocol == TCP {
        put32(&mut octets, transport + 4, shape.sequence);
        octets[transport + 12] = 8 << 4;
        octets[transport + 13] = shape.flags;
        octets[transport + 20..transport + 24].copy_from_slice(&[1, 1, 8, 10]);
        transport + 16
    } else {
        put16(&mut octets, transport + 4, len16(len - transport));
        transport + 6
    };
    let ip = Ip::parse(&octets).unwrap();
    let sum = pseudo_header(&ip, &octets, shape.protocol).add16(len16(len - transport)).add(&octets[transport..]);
    octets[checksum_at..checksum_at + 2].copy_from_slice(&sum.checksum());
    octets
}

/// As the kernel would hand it over for cutting into payloads of `size`.
fn super_packet(shape: Shape, payload: &[u8], size: usize) -> (VnetHeader, Vec<u8>) {
    let mut octets = packet(shape, payload);
    let transport = if shape.v6 { 40 } else { 20 };
    let (headers, csum_offset) = if shape.protocol == TCP { (transport + 32, 16) } else { (transport + 8, 6) };
    let ip = Ip::parse(&octets).unwrap();
    let pseudo = pseudo_header(&ip, &octets, shape.protocol).add16(len16(octets.len() - transport));
    let at = transport + usize::from(csum_offset);
    octets[at..at + 2].copy_from_slice(&pseudo.folded());
    let gso_type = match (shape.protocol, shape.v6) {
        (UDP, _) => GSO_UDP_L4,
        (_, false) => GSO_TCPV4,
        (_, true) => GSO_TCPV6,
    };
    let vnet = VnetHeader {
        flags: NEEDS_CSUM,
        gso_type,
        hdr_len: len16(headers),
        gso_size: len16(size),
        csum_start: len16(transport),
        csum_offset,
    };
    (vnet, octets)
}

fn segments(vnet: &VnetHeader, octets: &mut [u8], mtu: usize) -> Vec<Vec<u8>> {
    let ip = Ip::parse(octets).unwrap();
    let plan = Plan::new(&ip, vnet, octets, mtu).unwrap();
    let cut = |index| {
        let mut out = vec![0xee; plan.len(index)];
        plan.write(index, octets, &mut out);
        out
    };
    (0..plan.count()).map(cut).collect()
}

fn is_valid(octets: &[u8]) -> bool {
    let ip = Ip::parse(octets).unwrap();
    let transport = &octets[ip.header_len..];
    (ip.v6 || Sum::default().add(&octets[..20]).is_valid())
        && ip.total_len == octets.len()
        && pseudo_header(&ip, octets, ip.protocol).add16(len16(transport.len())).add(transport).is_valid()
}

/// The writes that packets, received one after the other, become.
fn coalesced(packets: &[Vec<u8>]) -> Vec<(VnetHeader, Vec<u8>)> {
    let mut buffer = Vec::new();
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for packet in packets {
        buffer.extend([0; 24]);
        ranges.push(buffer.len()..buffer.len() + packet.len());
        buffer.extend(packet);
    }
    let mut coalescer = Coalescer::new();
    for range in ranges {
        let ip = Ip::parse(&buffer[range.clone()]).unwrap();
        coalescer.push(&buffer, range, &ip, Target { target: &(), number: 1, udp: true });
    }
    let mut writes = Vec::new();
    coalescer.drain(&mut buffer, |(), buffer, pieces| {
        let octets: Vec<u8> = pieces.iter().flat_map(|piece| buffer[piece.clone()].iter().copied()).collect();
        let (vnet, packet) = octets.split_first_chunk::<{ virtio::LEN }>().unwrap();
        writes.push((VnetHeader::decode(vnet), packet.to_vec()));
    });
    writes
}

fn tcp_run(count: usize, size: usize) -> Vec<Vec<u8>> {
    let payload = vec![7; size];
    let step = u32::try_from(size).unwrap();
    (0..count)
        .map(|index| {
            let sequence = 1000 + step * u32::try_from(index).unwrap();
            packet(Shape { sequence, ..PLAIN }, &payload)
        })
        .collect()
}

#[test]
fn flags_that_belong_to_one_end_go_there() {
    let shape = Shape { flags: 0x80 | PSH | ACK | 1, ..PLAIN };
    let (vnet, mut octets) = super_packet(shape, &[1; 2500], 1000);
    let flags: Vec<u8> = segments(&vnet, &mut octets, 1500).iter().map(|segment| segment[33]).collect();
    assert_eq!(flags, [0x80 | ACK, ACK, PSH | ACK | 1]);
}

#[test]
fn identification_and_sequence_numbers_count_on() {
    let (vnet, mut octets) = super_packet(PLAIN, &[1; 2500], 1000);
    let cut = segments(&vnet, &mut octets, 1500);
    let numbers: Vec<_> = cut.iter().map(|segment| (be16(segment, 4), be32(segment, 24))).collect();
    assert_eq!(numbers, [(0, 1000), (1, 2000), (2, 3000)]);
}

#[test]
fn tcp_is_cut_to_the_tunnel_though_the_kernel_asks_for_more() {
    let (vnet, mut octets) = super_packet(PLAIN, &[1; 5000], 1448);
    let cut = segments(&vnet, &mut octets, 1000);
    assert!(cut.iter().all(|segment| segment.len() <= 1000 && is_valid(segment)));
    assert_eq!(cut.len(), 6);
}

#[test]
fn a_pending_checksum_is_completed() {
    let (vnet, mut octets) = super_packet(PLAIN, &[1; 500], 1000);
    let alone = VnetHeader { gso_type: virtio::GSO_NONE, gso_size: 0, ..vnet };
    let cut = segments(&alone, &mut octets, 1500);
    assert_eq!(cut.len(), 1);
    assert!(is_valid(&cut[0]));
}

#[test]
fn the_smallest_datagrams_are_cut_and_joined() {
    let (vnet, mut octets) = super_packet(Shape { protocol: UDP, ..PLAIN }, &[1, 2], 1);
    let whole = octets.clone();
    let cut = segments(&vnet, &mut octets, 1500);
    assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [29, 29]);
    assert_eq!(coalesced(&cut), [(vnet, whole)]);
}

#[test]
fn what_may_be_fragmented_is_cut_by_ip_and_what_may_not_stays_whole() {
    let mut octets = packet(Shape { protocol: UDP, ..PLAIN }, &[9; 3000]);
    let alone = VnetHeader::default();
    assert_eq!(segments(&alone, &mut octets.clone(), 1000), [octets.clone()], "must not be fragmented");
    octets[6] = 0;
    put16(&mut octets, 4, 77);
    let cut = segments(&alone, &mut octets, 1000);
    let heads: Vec<_> = cut.iter().map(|piece| (piece.len(), be16(piece, 4), be16(piece, 6))).collect();
    assert_eq!(heads, [(996, 77, 0x2000), (996, 77, 0x2000 | 122), (996, 77, 0x2000 | 244), (100, 77, 366)]);
    let payload: Vec<u8> = cut.iter().flat_map(|piece| piece[20..].to_vec()).collect();
    assert_eq!(payload, octets[20..]);
    assert!(cut.iter().all(|piece| Sum::default().add(&piece[..20]).is_valid()));
    // A fragment is cut again, and what followed it still follows.
    let mut middle = cut[1].clone();
    let heads: Vec<_> = segments(&alone, &mut middle, 600).iter().map(|piece| be16(piece, 6)).collect();
    assert_eq!(heads, [0x2000 | 122, 0x2000 | 194]);
}

#[test]
fn later_fragments_carry_only_the_options_that_are_copied() {
    let mut octets = packet(Shape { protocol: UDP, ..PLAIN }, &[9; 500]);
    // Record route (7) is for the first fragment only, loose source route (0x83) for all.
    octets.splice(20..20, [7, 3, 4, 0x83, 3, 4, 1, 0]);
    (octets[0], octets[6]) = (0x47, 0);
    let len = octets.len();
    put16(&mut octets, 2, len16(len));
    let cut = segments(&VnetHeader::default(), &mut octets, 300);
    assert_eq!(cut[0][20..28], [7, 3, 4, 0x83, 3, 4, 1, 0]);
    assert_eq!(cut[1][20..28], [1, 1, 1, 0x83, 3, 4, 1, 0]);
}

#[test]
fn inconsistent_offload_headers_are_refused() {
    let (vnet, octets) = super_packet(PLAIN, &[1; 2500], 1000);
    let ip = Ip::parse(&octets).unwrap();
    let wrong = [
        VnetHeader { gso_size: 0, ..vnet },
        VnetHeader { gso_type: GSO_TCPV6, ..vnet },
        VnetHeader { gso_type: 9, ..vnet },
        VnetHeader { csum_start: 8, ..vnet },
        VnetHeader { csum_start: 2540, ..vnet },
        VnetHeader { gso_type: virtio::GSO_NONE, csum_start: 2552, ..vnet },
    ];
    for vnet in wrong {
        assert!(Plan::new(&ip, &vnet, &mut octets.clone(), 1500).is_err(), "{vnet:?}");
    }
}

#[test]
fn a_data_offset_short_of_a_tcp_header_is_refused() {
    let (vnet, mut octets) = super_packet(PLAIN, &[1; 2500], 1000);
    let ip = Ip::parse(&octets).unwrap();
    for (words, refused) in [(0, true), (2, true), (4, true), (5, false), (15, false)] {
        octets[20 + 12] = words << 4;
        assert_eq!(Plan::new(&ip, &vnet, &mut octets.clone(), 1500).is_err(), refused, "{words} words");
    }
}

#[test]
fn a_run_of_full_segments_becomes_one_write() {
    let writes = coalesced(&tcp_run(10, 1000));
    assert_eq!(writes.len(), 1);
    assert_eq!((writes[0].0.gso_size, writes[0].0.gso_type, writes[0].1.len()), (1000, GSO_TCPV4, 10_052));
}

#[test]
fn a_packet_alone_is_written_as_it_came_and_as_verified() {
    let run = tcp_run(1, 1000);
    let writes = coalesced(&run);
    assert_eq!(writes, [(VnetHeader { flags: DATA_VALID, ..VnetHeader::default() }, run[0].clone())]);
}

#[test]
fn a_wrong_checksum_is_never_hidden() {
    let mut run = tcp_run(3, 1000);
    run[1][500] ^= 1;
    let writes = coalesced(&run);
    assert_eq!(writes.len(), 3);
    assert_eq!(writes[1], (VnetHeader::default(), run[1].clone()), "the kernel is to look at it");
}

#[test]
fn gaps_retransmissions_and_pushes_end_a_group() {
    let mut gap = tcp_run(4, 1000);
    gap.remove(2);
    assert_eq!(coalesced(&gap).len(), 2);
    let mut repeated = tcp_run(2, 1000);
    repeated.push(repeated[1].clone());
    assert_eq!(coalesced(&repeated).len(), 2);
    let pushed = packet(Shape { flags: ACK | PSH, ..PLAIN }, &[7; 1000]);
    let writes = coalesced(&[pushed, tcp_run(2, 1000)[1].clone()]);
    assert_eq!(writes.len(), 2);
}

#[test]
fn a_shorter_segment_is_the_last_of_its_group() {
    let mut run = tcp_run(2, 1000);
    run.push(packet(Shape { sequence: 3000, ..PLAIN }, &[7; 10]));
    run.push(packet(Shape { sequence: 3010, ..PLAIN }, &[7; 10]));
    assert_eq!(coalesced(&run).len(), 2);
}

#[test]
fn connections_are_kept_apart_though_they_alternate() {
    let mut mixed = Vec::new();
    for (index, one) in tcp_run(5, 1000).into_iter().enumerate() {
        let sequence = 1000 * u32::try_from(index + 1).unwrap();
        mixed.push(one);
        mixed.push(packet(Shape { sequence, source_port: 4001, ..PLAIN }, &[8; 1000]));
    }
    let writes = coalesced(&mixed);
    assert_eq!(writes.iter().map(|(_, packet)| packet.len()).collect::<Vec<_>>(), [5052, 5052]);
}

#[test]
fn a_syn_or_fin_keeps_its_place_in_its_connection() {
    let mut run = tcp_run(2, 1000);
    run.push(packet(Shape { sequence: 3000, flags: ACK | 1, ..PLAIN }, &[]));
    run.push(packet(Shape { sequence: 3000, ..PLAIN }, &[7; 1000]));
    let writes = coalesced(&run);
    assert_eq!(writes.iter().map(|(_, packet)| packet.len()).collect::<Vec<_>>(), [2052, 52, 1052]);
}

#[test]
fn fragments_and_udp_without_checksum_stay_alone() {
    let shape = Shape { protocol: UDP, ..PLAIN };
    let mut bare = packet(shape, &[1; 100]);
    bare[26..28].fill(0);
    assert_eq!(coalesced(&[bare.clone(), bare]).len(), 2);
    let mut fragment = packet(shape, &[1; 100]);
    fragment[6] = 0x20;
    assert_eq!(coalesced(&[fragment.clone(), fragment]).len(), 2);
}

proptest! {
    #[test]
    fn segments_are_valid_and_coalesce_into_what_they_were_cut_from(
        v6: bool,
        tcp: bool,
        push: bool,
        sequence: u32,
        payload in prop::collection::vec(any::<u8>(), 2..20_000),
        size in 400usize..1400,
    ) {
        let flags = if push { ACK | PSH } else { ACK };
        let shape = Shape { v6, protocol: if tcp { TCP } else { UDP }, flags, sequence, source_port: 4000 };
        prop_assume!(payload.len() > size);
        let (vnet, mut octets) = super_packet(shape, &payload, size);
        let whole = octets.clone();
        let cut = segments(&vnet, &mut octets, 1500);
        prop_assert!(cut.iter().all(|segment| is_valid(segment)));
        let writes = coalesced(&cut);
        prop_assert_eq!(writes.len(), 1);
        prop_assert_eq!(&writes[0], &(vnet, whole));
    }

    #[test]
    fn the_laws_hold_for_any_octets(
        mut octets in prop::collection::vec(any::<u8>(), 1..300),
        gso_type in prop::sample::select(vec![virtio::GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, 0x81, 9]),
        (flags, gso_size, csum_offset) in (0_u8..4, 0_u16..200, 0_u16..30),
        csum_start in prop_oneof![Just(20_u16), Just(40), 0_u16..400],
        (v6, whole, outer) in any::<(bool, bool, u8)>(),
        mtu in 68_u16..400,
    ) {
        octets[0] = if v6 { 0x60 } else { 0x45 };
        let len = octets.len();
        if v6 && len >= 40 {
            put16(&mut octets, 4, len16(len - 40));
            octets[6] = if octets[7] % 2 == 0 { TCP } else { UDP };
        } else if len >= 20 {
            put16(&mut octets, 2, len16(len));
            octets[9] = if octets[8] % 2 == 0 { TCP } else { UDP };
            (octets[6], octets[7]) = (if whole { 0x40 } else { 0 }, 0);
        }
        let vnet = VnetHeader { flags, gso_type, gso_size, csum_start, csum_offset, ..VnetHeader::default() };
        let mut input = [mtu, 1300].map(u16::to_be_bytes).as_flattened().to_vec();
        input.push(outer);
        input.extend(vnet.encode());
        input.extend(octets);
        packet_laws(&input);
    }
}
