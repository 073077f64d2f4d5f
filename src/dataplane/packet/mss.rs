//! TCP MSS clamping: connections through the tunnel agree on segments that fit it, where path MTU discovery fails.

use super::ip::{Ip, TCP};
use super::{be16, checksum, put16};

const SYN: u8 = 0x02;
const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_MSS: u8 = 2;

/// How the TCP checksum of the packet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TcpChecksum {
    /// It covers the packet.
    Complete,
    /// It will be computed later.
    Pending,
}

/// Lowers the MSS option of a SYN to `mss`. Other packets stay as they are.
pub(crate) fn clamp(ip: &Ip, packet: &mut [u8], mss: u16, state: TcpChecksum) {
    if ip.protocol != TCP || ip.fragment {
        return;
    }
    let tcp = ip.header_len;
    if packet.len() < tcp + 20 || packet[tcp + 13] & SYN == 0 {
        return;
    }
    let end = tcp + usize::from(packet[tcp + 12] >> 4) * 4;
    let Some(at) = find_option(packet, tcp + 20, end.min(packet.len())) else { return };
    let offered = be16(packet, at);
    if offered <= mss {
        return;
    }
    put16(packet, at, mss);
    if state == TcpChecksum::Complete {
        if (at - tcp).is_multiple_of(2) {
            checksum::update(packet, tcp + 16, offered, mss);
        } else {
            // RFC 1071 2(B): at an odd offset the octets count in the other half of the words.
            checksum::update(packet, tcp + 16, offered.swap_bytes(), mss.swap_bytes());
        }
    }
}

/// Where the value of the MSS option lies (RFC 9293 3.2).
fn find_option(packet: &[u8], mut at: usize, end: usize) -> Option<usize> {
    while at < end {
        match packet[at] {
            OPTION_END => return None,
            OPTION_NOP => at += 1,
            OPTION_MSS if at + 4 <= end && packet[at + 1] == 4 => return Some(at + 2),
            _ => {
                let len = usize::from(*packet[..end].get(at + 1)?);
                if len < 2 {
                    return None;
                }
                at += len;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::checksum::{Sum, pseudo_header};

    fn syn(options: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet.extend(options);
        packet[0] = 0x45;
        packet[3] = u8::try_from(packet.len()).unwrap();
        packet[9] = TCP;
        packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        packet[32] = u8::try_from((20 + options.len()) / 4).unwrap() << 4;
        packet[33] = SYN;
        let ip = Ip::parse(&packet).unwrap();
        let sum = tcp_sum(&ip, &packet).checksum();
        packet[36..38].copy_from_slice(&sum);
        packet
    }

    fn tcp_sum(ip: &Ip, packet: &[u8]) -> Sum {
        let len = u16::try_from(packet.len() - 20).unwrap();
        pseudo_header(ip, packet, TCP).add16(len).add(&packet[20..])
    }

    fn clamped(options: &[u8], mss: u16) -> Vec<u8> {
        let mut packet = syn(options);
        let ip = Ip::parse(&packet).unwrap();
        clamp(&ip, &mut packet, mss, TcpChecksum::Complete);
        assert!(tcp_sum(&ip, &packet).is_valid());
        packet[40..].to_vec()
    }

    #[test]
    fn a_greater_mss_is_lowered() {
        assert_eq!(clamped(&[2, 4, 0x05, 0xb4], 1398), [2, 4, 0x05, 0x76]);
    }

    #[test]
    fn a_smaller_mss_stays() {
        assert_eq!(clamped(&[2, 4, 0x02, 0x00], 1398), [2, 4, 0x02, 0x00]);
    }

    #[test]
    fn the_option_is_found_behind_others_and_at_odd_offsets() {
        assert_eq!(clamped(&[1, 3, 3, 7, 2, 4, 0x05, 0xb4], 1398), [1, 3, 3, 7, 2, 4, 0x05, 0x76]);
        assert_eq!(clamped(&[1, 2, 4, 0x05, 0xb4, 0, 0, 0], 1398), [1, 2, 4, 0x05, 0x76, 0, 0, 0]);
    }

    #[test]
    fn broken_options_end_the_search() {
        for options in [[3, 0, 2, 4], [0, 2, 4, 9], [1, 1, 2, 4], [5, 200, 2, 4], [1, 1, 1, 9]] {
            assert_eq!(clamped(&options, 1), options);
        }
    }

    #[test]
    fn only_syns_are_touched() {
        let mut packet = syn(&[2, 4, 0x05, 0xb4]);
        packet[33] = 0x10;
        let before = packet.clone();
        clamp(&Ip::parse(&packet).unwrap(), &mut packet, 500, TcpChecksum::Complete);
        assert_eq!(packet, before);
    }

    proptest! {
        #[test]
        fn any_options_are_survived(mut options in prop::collection::vec(any::<u8>(), 0..40), mss: u16) {
            options.truncate(options.len() / 4 * 4);
            clamped(&options, mss);
        }
    }
}
