//! Structures of the kernel, field by field.

use std::net::{IpAddr, Ipv6Addr};

use wire::ipsec::Spi;

/// `AF_INET`.
pub(crate) const AF_INET: u16 = 2;
/// `AF_INET6`.
pub(crate) const AF_INET6: u16 = 10;
/// IP protocol number of ESP.
pub(crate) const ESP: u8 = 50;
/// `XFRM_MODE_TUNNEL`.
pub(crate) const TUNNEL_MODE: u8 = 1;

/// Reads one field after the other. What is not there is `None`, never a panic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub(crate) fn short(&mut self) -> Option<u16> {
        self.array().map(u16::from_ne_bytes)
    }

    pub(crate) fn word(&mut self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    pub(crate) fn long(&mut self) -> Option<u64> {
        self.array().map(u64::from_ne_bytes)
    }

    pub(crate) fn port(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn spi(&mut self) -> Option<Spi> {
        self.array().map(|octets| Spi(u32::from_be_bytes(octets)))
    }
}

/// An `xfrm_address_t`: IPv4 has the first four octets.
pub(crate) fn address(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The address in an `xfrm_address_t` of a family.
pub(crate) fn to_address(octets: [u8; 16], family: u16) -> Option<IpAddr> {
    match family {
        AF_INET => Some(IpAddr::from([octets[0], octets[1], octets[2], octets[3]])),
        AF_INET6 => Some(Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

/// `AF_INET` or `AF_INET6`.
pub(crate) fn family(address: IpAddr) -> u16 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}
