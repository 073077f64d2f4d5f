//! How much ESP adds, and how large an inner packet and a TCP segment may therefore be.

use std::net::IpAddr;

use wire::ipsec::{Encapsulation, Encryption, EspSuite, Integrity};

use crate::HEADER_LEN;

const UDP_HEADER: usize = 8;
/// Padding length and next header.
const TRAILER: usize = 2;

/// Octets of the ESP packet around an inner packet of `inner_len`.
#[must_use]
pub const fn esp_len(suite: EspSuite, inner_len: usize) -> usize {
    let text = (inner_len + TRAILER).next_multiple_of(suite.encryption.block_len());
    HEADER_LEN + suite.encryption.iv_len() + text + suite.icv_len()
}

/// Octets of the largest inner packet whose outer packet is no longer than `path_mtu`; 0 if there is none.
#[must_use]
pub const fn inner_mtu(suite: EspSuite, encapsulation: Encapsulation, outer: IpAddr, path_mtu: usize) -> usize {
    let outer_header = match outer {
        IpAddr::V4(_) => 20,
        IpAddr::V6(_) => 40,
    };
    let carrier = match encapsulation {
        Encapsulation::Esp => 0,
        Encapsulation::Udp => UDP_HEADER,
    };
    let fixed = outer_header + carrier + HEADER_LEN + suite.encryption.iv_len() + suite.icv_len();
    let text = path_mtu.saturating_sub(fixed);
    let blocks = text - text % suite.encryption.block_len();
    blocks.saturating_sub(TRAILER)
}

/// [`inner_mtu`] of the suite with the most overhead, in UDP: what is right whatever will be negotiated.
#[must_use]
pub const fn least_inner_mtu(outer: IpAddr, path_mtu: usize) -> usize {
    let suite = EspSuite { encryption: Encryption::AesCbc(256), integrity: Some(Integrity::HmacSha512), esn: true };
    inner_mtu(suite, Encapsulation::Udp, outer, path_mtu)
}

/// The largest TCP segment in an IPv4 packet of `mtu` octets.
#[must_use]
pub fn mss_v4(mtu: usize) -> u16 {
    u16::try_from(mtu.saturating_sub(40)).unwrap_or(u16::MAX)
}

/// The largest TCP segment in an IPv6 packet of `mtu` octets.
#[must_use]
pub fn mss_v6(mtu: usize) -> u16 {
    u16::try_from(mtu.saturating_sub(60)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn suite(encryption: Encryption, integrity: Option<Integrity>) -> EspSuite {
        EspSuite { encryption, integrity, esn: false }
    }

    #[test]
    fn mtu_and_mss_are_those_that_aws_publishes() {
        let gcm = |bits| suite(Encryption::gcm16(bits), None);
        let cbc = |integrity| suite(Encryption::AesCbc(256), Some(integrity));
        // Suite, MTU and MSS without NAT traversal, MTU and MSS with it.
        let table = [
            (gcm(128), 1446, 1406, 1438, 1398),
            (gcm(256), 1446, 1406, 1438, 1398),
            (cbc(Integrity::HmacSha1), 1438, 1398, 1422, 1382),
            (cbc(Integrity::HmacSha256), 1438, 1398, 1422, 1382),
            (cbc(Integrity::HmacSha384), 1422, 1382, 1422, 1382),
            (cbc(Integrity::HmacSha512), 1422, 1382, 1406, 1366),
        ];
        for (suite, mtu, mss, nat_mtu, nat_mss) in table {
            assert_eq!(inner_mtu(suite, Encapsulation::Esp, V4, 1500), mtu, "{suite}");
            assert_eq!(mss_v4(mtu), mss, "{suite}");
            assert_eq!(mss_v6(mtu), mss - 20, "{suite}");
            assert_eq!(inner_mtu(suite, Encapsulation::Udp, V4, 1500), nat_mtu, "{suite} in UDP");
            assert_eq!(mss_v4(nat_mtu), nat_mss, "{suite} in UDP");
        }
        assert_eq!(least_inner_mtu(V4, 1500), 1406);
    }

    #[test]
    fn a_path_too_narrow_has_no_mtu() {
        assert_eq!(inner_mtu(suite(Encryption::gcm16(128), None), Encapsulation::Udp, V6, 80), 0);
        assert_eq!(mss_v4(0), 0);
        assert_eq!(mss_v6(59), 0);
    }

    proptest! {
        #[test]
        fn the_mtu_fits_and_one_more_does_not(
            encryption in prop_oneof![
                Just((Encryption::gcm16(256), None)),
                Just((Encryption::AesCbc(128), Some(Integrity::HmacSha1))),
                Just((Encryption::AesCbc(256), Some(Integrity::HmacSha384))),
            ],
            udp in any::<bool>(),
            v6 in any::<bool>(),
            path in 200usize..65000,
        ) {
            let suite = suite(encryption.0, encryption.1);
            let (encapsulation, carrier) = if udp { (Encapsulation::Udp, 8) } else { (Encapsulation::Esp, 0) };
            let (outer, header) = if v6 { (V6, 40) } else { (V4, 20) };
            let mtu = inner_mtu(suite, encapsulation, outer, path);
            prop_assert!(header + carrier + esp_len(suite, mtu) <= path);
            prop_assert!(header + carrier + esp_len(suite, mtu + 1) > path);
        }
    }
}
