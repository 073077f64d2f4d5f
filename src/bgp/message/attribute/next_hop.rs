//! NEXT_HOP, and which addresses can be a next hop at all (RFC 4271 5.1.3, 6.3). Whether the next hop is one that the
//! tunnel leads to, is import policy's to judge.

use std::net::{IpAddr, Ipv4Addr};

use super::exactly;
use crate::message::fault::{Defect, Problem};

// RFC 7606 7.3
pub(in crate::message) fn decode_v4(value: &[u8]) -> Result<Ipv4Addr, Defect> {
    exactly::<4>(value, "4").map(Ipv4Addr::from).map_err(Problem::withdraw)
}

/// RFC 4271 6.3: must be an address of a host, and not the receiver's own.
pub(in crate::message) fn judge(address: IpAddr, own: IpAddr) -> Result<(), Defect> {
    let why = if address.to_canonical() == own {
        "our own address"
    } else if address.is_unspecified() {
        "the unspecified address"
    } else if address.is_loopback() {
        "a loopback address"
    } else if address.is_multicast() {
        "a multicast address"
    } else if is_reserved(address) {
        "a reserved address"
    } else {
        return Ok(());
    };
    Err(Problem::NextHop { address, why }.withdraw())
}

/// 0.0.0.0/8 and 240.0.0.0/4, which no host has (RFC 1122 3.2.1.3, RFC 1112 4). An IPv4-mapped address is not refused
/// here: some speakers announce IPv6 over an IPv4 session with it, and policy can say why that is of no use.
const fn is_reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 0 || address.octets()[0] >= 240,
        IpAddr::V6(_) => false,
    }
}
