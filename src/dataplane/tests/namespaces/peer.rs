//! What passes between the two sides, played by a test. For the tests of every engine.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use esp::OutboundSa;
use wire::ipsec::{Direction, Encapsulation, SecurityAssociation, TrafficSelector};

use crate::lab::*;

/// The octet at a place of a stream.
pub(crate) fn octet(at: usize) -> u8 {
    (at.wrapping_mul(0x9e37_79b9) >> 13 & 0xff).try_into().unwrap()
}

/// Sends a known stream of `count` octets from side 0 to side 1 and compares every octet.
pub(crate) fn tcp(lab: &Lab, to: IpAddr, count: usize) {
    let listener = lab.sides[1].run(|| TcpListener::bind((to, 0)).unwrap());
    let address = listener.local_addr().unwrap();
    let receiver = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets).unwrap();
        octets
    });
    lab.sides[0].run(|| {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        let octets: Vec<u8> = (0..count).map(octet).collect();
        stream.write_all(&octets).unwrap();
    });
    let octets = receiver.join().unwrap();
    assert_eq!(octets.len(), count);
    assert!(octets.into_iter().enumerate().all(|(at, value)| value == octet(at)), "the stream came as it was sent");
}

/// A UDP packet to the first inside address, sealed.
pub(crate) fn seal(sa: &mut OutboundSa, tos: u8) -> Vec<u8> {
    let mut inner = vec![0x45, tos, 0, 32, 0, 0, 0x40, 0, 64, 17, 0, 0, 169, 254, 10, 2, 169, 254, 10, 1];
    let sum: u32 = inner.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let checksum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    inner[10..12].copy_from_slice(&checksum.to_be_bytes());
    inner.extend([0x10, 0, 0x10, 0, 0, 12, 0, 0, 1, 2, 3, 4]);
    let mut packet = vec![0; sa.sealed_len(inner.len())];
    packet[sa.headroom()..][..inner.len()].copy_from_slice(&inner);
    sa.seal(&mut packet, inner.len()).unwrap();
    packet
}

/// A socket of the peer, on side 1.
pub(crate) fn bind(lab: &Lab, port: u16) -> UdpSocket {
    let socket = lab.sides[1].run(|| UdpSocket::bind((OUTSIDE[1], port)).unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

/// Where the engine is, on side 0.
pub(crate) fn engine(port: u16) -> SocketAddr {
    SocketAddr::new(OUTSIDE[0], port)
}

/// Installs SAs with a peer that the test plays.
pub(crate) fn install_alone<E: Orders>(end: &End<E>, change: impl Fn(&mut SecurityAssociation)) {
    for direction in [Direction::Inbound, Direction::Outbound] {
        let mut sa = association(GCM, Encapsulation::Udp, 0, direction, 1);
        change(&mut sa);
        end.install(direction, sa);
    }
}

/// The same SA between the outside addresses of IPv6.
pub(crate) fn over_ipv6(mut sa: SecurityAssociation, side: usize) -> SecurityAssociation {
    let outside = |side: usize| SocketAddr::new(OUTSIDE_V6[side].parse().unwrap(), 4500);
    (sa.local, sa.remote) = (outside(side), outside(1 - side));
    sa
}

/// An SA for the networks 10.N.0.0/24 that pair `pair` joins.
pub(crate) fn narrow(side: usize, direction: Direction, pair: u8, generation: u32) -> SecurityAssociation {
    let mut sa = association(GCM, Encapsulation::Udp, side, direction, generation);
    let [mine, theirs] = [pair * 2 + 1, pair * 2 + 2]
        .map(|net| TrafficSelector::range([10, net, 0, 0].into(), [10, net, 0, 255].into()));
    (sa.local_selectors, sa.remote_selectors) =
        if side == 0 { (vec![mine], vec![theirs]) } else { (vec![theirs], vec![mine]) };
    sa
}

/// Two pairs of networks, each with SAs of its own, of generations 1 and 2.
pub(crate) fn two_pairs<E: Orders>(lab: &Lab, ends: &[End<E>; 2]) {
    for pair in 0..2 {
        install(ends, |side, direction| narrow(side, direction, pair, u32::from(pair) + 1));
        let (mine, theirs) = (pair * 2 + 1, pair * 2 + 2);
        lab.sides[0].sh(&format!("ip addr add 10.{mine}.0.1/32 dev lo"));
        lab.sides[1].sh(&format!("ip addr add 10.{theirs}.0.1/32 dev lo"));
        lab.sides[0].sh(&format!("ip route add 10.{theirs}.0.0/24 dev tun0 src 10.{mine}.0.1"));
        lab.sides[1].sh(&format!("ip route add 10.{mine}.0.0/24 dev tun0 src 10.{theirs}.0.1"));
    }
}
