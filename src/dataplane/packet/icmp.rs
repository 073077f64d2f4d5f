//! Answers to packets that the tunnel does not carry (RFC 792, RFC 1191 4, RFC 1812 5.2.7.1, RFC 4443 3.1 and 3.2).

use super::checksum::{Sum, fill_ipv4_header, pseudo_header};
use super::ip::Ip;
use super::{len16, put16, put32};

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// RFC 1812 4.3.2.3: no more than 576 octets in all.
const QUOTE_V4: usize = 576 - 20 - 8;
/// RFC 4443 2.4(c): no more than the minimum MTU in all.
const QUOTE_V6: usize = 1280 - 40 - 8;

/// Why a packet is not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is longer than `mtu` and must not be fragmented.
    TooBig { mtu: usize },
    /// No SA is for it.
    Prohibited,
}

/// The ICMP packet that answers `packet`, or `None` where none is allowed. It comes from the packet's destination.
pub(crate) fn answer(ip: &Ip, packet: &[u8], refusal: Refusal) -> Option<Vec<u8>> {
    if ip.v6 { answer_v6(packet, refusal) } else { answer_v4(ip, packet, refusal) }
}

fn answer_v4(ip: &Ip, packet: &[u8], refusal: Refusal) -> Option<Vec<u8>> {
    let icmp_type = packet.get(ip.header_len).copied();
    // RFC 1122 3.2.2: never about an ICMP error, a later fragment or a multicast, never to an address that is no host.
    let icmp_error = ip.protocol == ICMP && icmp_type.is_none_or(|kind| !matches!(kind, 0 | 8 | 13 | 14));
    let later_fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff != 0;
    let no_host = packet[12] == 0 || packet[12] >= 224;
    if icmp_error || later_fragment || packet[16] >= 224 || no_host {
        return None;
    }
    // RFC 1191 4: fragmentation needed and DF set, next-hop MTU. RFC 4301 6.1.1: administratively prohibited.
    let (code, mtu) = match refusal {
        Refusal::TooBig { .. } if !ip.dont_fragment => return None,
        Refusal::TooBig { mtu } => (4, u16::try_from(mtu).unwrap_or(u16::MAX)),
        Refusal::Prohibited => (13, 0),
    };
    let quote = &packet[..packet.len().min(QUOTE_V4)];
    let mut answer = vec![0; 28];
    answer[0] = 0x45;
    put16(&mut answer, 2, len16(28 + quote.len()));
    answer[8] = 64;
    answer[9] = ICMP;
    answer[12..16].copy_from_slice(&packet[16..20]);
    answer[16..20].copy_from_slice(&packet[12..16]);
    fill_ipv4_header(&mut answer[..20]);
    (answer[20], answer[21]) = (3, code);
    put16(&mut answer, 26, mtu);
    answer.extend_from_slice(quote);
    let checksum = Sum::default().add(&answer[20..]).checksum();
    answer[22..24].copy_from_slice(&checksum);
    Some(answer)
}

fn answer_v6(packet: &[u8], refusal: Refusal) -> Option<Vec<u8>> {
    // RFC 4443 2.4(e): never about an ICMP error, never to an address that is no host. A multicast has no address that
    // the answer could come from.
    let icmp_error = packet[6] == ICMPV6 && packet.get(40).is_none_or(|kind| *kind < 128);
    let no_host = packet[8] == 0xff || packet[8..24] == [0; 16];
    if icmp_error || no_host || packet[24] == 0xff {
        return None;
    }
    // RFC 4443 3.2: type 2, MTU in 32 bits; 3.1: type 1, code 1, administratively prohibited.
    let (kind, code, mtu) = match refusal {
        Refusal::TooBig { mtu } => (2, 0, u32::try_from(mtu).unwrap_or(u32::MAX)),
        Refusal::Prohibited => (1, 1, 0),
    };
    let quote = &packet[..packet.len().min(QUOTE_V6)];
    let mut answer = vec![0; 48];
    answer[0] = 0x60;
    put16(&mut answer, 4, len16(8 + quote.len()));
    answer[6] = ICMPV6;
    answer[7] = 64;
    answer[8..24].copy_from_slice(&packet[24..40]);
    answer[24..40].copy_from_slice(&packet[8..24]);
    (answer[40], answer[41]) = (kind, code);
    put32(&mut answer, 44, mtu);
    answer.extend_from_slice(quote);
    let ip = Ip::parse(&answer)?;
    let sum = pseudo_header(&ip, &answer, ICMPV6).add16(len16(answer.len() - 40)).add(&answer[40..]);
    answer[42..44].copy_from_slice(&sum.checksum());
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::be16;

    fn udp_v4(len: usize) -> Vec<u8> {
        let mut packet = vec![0; len];
        packet[0] = 0x45;
        put16(&mut packet, 2, len16(len));
        packet[6] = 0x40;
        packet[9] = 17;
        packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 9, 0, 2]);
        packet
    }

    #[test]
    fn an_ipv4_packet_is_answered_with_the_mtu_and_its_head() {
        let packet = udp_v4(1500);
        let answer = answer(&Ip::parse(&packet).unwrap(), &packet, Refusal::TooBig { mtu: 1438 }).unwrap();
        let ip = Ip::parse(&answer).unwrap();
        assert_eq!((ip.total_len, answer.len()), (576, 576));
        assert_eq!(answer[12..20], [10, 9, 0, 2, 10, 0, 0, 1]);
        assert_eq!((answer[20], answer[21], be16(&answer, 26)), (3, 4, 1438));
        assert!(Sum::default().add(&answer[..20]).is_valid());
        assert!(Sum::default().add(&answer[20..]).is_valid());
        assert_eq!(answer[28..], packet[..548]);
    }

    #[test]
    fn an_ipv6_packet_is_answered_with_the_mtu_and_its_head() {
        let mut packet = vec![0; 1500];
        packet[0] = 0x60;
        put16(&mut packet, 4, 1460);
        packet[6] = 17;
        packet[8] = 0xfd;
        packet[24] = 0xfc;
        let answer = answer(&Ip::parse(&packet).unwrap(), &packet, Refusal::TooBig { mtu: 1418 }).unwrap();
        let ip = Ip::parse(&answer).unwrap();
        assert_eq!((ip.total_len, answer.len(), answer[8], answer[24]), (1280, 1280, 0xfc, 0xfd));
        assert_eq!((answer[40], answer[41], &answer[44..48]), (2, 0, &1418u32.to_be_bytes()[..]));
        let sum = pseudo_header(&ip, &answer, ICMPV6).add16(len16(answer.len() - 40)).add(&answer[40..]);
        assert!(sum.is_valid());
    }

    #[test]
    fn errors_fragments_and_multicasts_are_not_answered() {
        let too_big = Refusal::TooBig { mtu: 1400 };
        let refused = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut packet = udp_v4(1500);
            change(&mut packet);
            answer(&Ip::parse(&packet).unwrap(), &packet, too_big).is_none()
        };
        assert!(!refused(&|_| ()));
        assert!(refused(&|packet| packet[6] = 0), "may be fragmented");
        assert!(refused(&|packet| packet[7] = 5), "a later fragment");
        assert!(refused(&|packet| packet[16] = 224), "a multicast");
        assert!(refused(&|packet| packet[12] = 0), "from nowhere");
        assert!(refused(&|packet| (packet[9], packet[20]) = (ICMP, 3)), "an ICMP error");
        assert!(!refused(&|packet| (packet[9], packet[20]) = (ICMP, 8)), "a ping");
    }

    #[test]
    fn what_no_sa_is_for_is_prohibited() {
        let mut packet = udp_v4(100);
        packet[6] = 0;
        let v4 = answer(&Ip::parse(&packet).unwrap(), &packet, Refusal::Prohibited).unwrap();
        assert_eq!((v4[20], v4[21], be16(&v4, 26), v4.len()), (3, 13, 0, 128));
        assert!(Sum::default().add(&v4[20..]).is_valid());
        let mut packet = vec![0; 60];
        packet[0] = 0x60;
        put16(&mut packet, 4, 20);
        (packet[6], packet[8], packet[24]) = (17, 0xfd, 0xfc);
        let v6 = answer(&Ip::parse(&packet).unwrap(), &packet, Refusal::Prohibited).unwrap();
        assert_eq!((v6[40], v6[41], &v6[44..48]), (1, 1, &[0; 4][..]));
        packet[24] = 0xff;
        assert!(answer(&Ip::parse(&packet).unwrap(), &packet, Refusal::Prohibited).is_none(), "a multicast");
        packet[24] = 0xfc;
        packet[8] = 0;
        assert!(answer(&Ip::parse(&packet).unwrap(), &packet, Refusal::Prohibited).is_none(), "from nowhere");
    }
}
