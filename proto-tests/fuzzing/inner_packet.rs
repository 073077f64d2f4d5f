//! What the data plane does to inner packets between the interface and ESP: clamped, answered, cut and joined again.

use super::input::Script;

/// Octets: MTU, segment size, outer traffic class, the kernel's virtio header, then the packet.
pub fn body(octets: &[u8]) {
    dataplane::packet_laws(octets);
}

/// A SYN with its options, a TCP segment of three and a UDP datagram of two to be cut, of each family, and a packet to
/// be fragmented.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let tcp_v4 = v4(6, &tcp(0x18, &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], &[7; 300]));
    let tcp_v6 = v6(6, &tcp(0x10, &[], &[7; 300]));
    let udp_v4 = v4(17, &udp(&[9; 200]));
    let udp_v6 = v6(17, &udp(&[9; 200]));
    vec![
        read(1300, [0; 10], &v4(6, &tcp(0x02, &[2, 4, 5, 0xb4, 1, 3, 3, 7], &[]))),
        read(1300, offload(1, 52, 100, 20, 16), &tcp_v4),
        read(1300, offload(4, 60, 100, 40, 16), &tcp_v6),
        read(1300, offload(5, 28, 100, 20, 6), &udp_v4),
        read(1300, offload(5, 48, 100, 40, 6), &udp_v6),
        read(100, [0; 10], &udp_v4),
        read(100, [0; 10], &v4(1, &[8, 0, 0, 0, 0, 1, 0, 1])),
    ]
}

fn read(mtu: u16, vnet: [u8; 10], packet: &[u8]) -> Vec<u8> {
    Script::default().octets(&mtu.to_be_bytes()).octets(&[0x05, 0x00, 2]).octets(&vnet).octets(packet).done()
}

/// A virtio header that asks for a cut.
fn offload(kind: u8, headers: u16, size: u16, start: u16, offset: u16) -> [u8; 10] {
    let mut header = [0; 10];
    (header[0], header[1]) = (1, kind);
    header[2..].copy_from_slice([headers, size, start, offset].map(u16::to_ne_bytes).as_flattened());
    header
}

fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = length(20 + payload.len());
    let header = [0x45, 2, high, low, 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&header, payload].concat()
}

fn v6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = length(payload.len());
    let mut header = [0; 40];
    (header[0], header[4], header[5], header[6], header[7]) = (0x60, high, low, protocol, 64);
    (header[8], header[24], header[39]) = (0xfd, 0xfd, 1);
    [&header, payload].concat()
}

fn tcp(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let words = u8::try_from(5 + options.len() / 4).unwrap_or(15);
    let header = [15, 160, 0, 80, 0, 0, 3, 232, 0, 0, 0, 0, words << 4, flags, 1, 0, 0, 0, 0, 0];
    [&header, options, payload].concat()
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let [high, low] = length(8 + payload.len());
    [&[15, 160, 0, 53, high, low, 0, 0], payload].concat()
}

fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets).unwrap_or(u16::MAX).to_be_bytes()
}
