//! The TUN interface of a tunnel as its owner sees it.

use std::net::IpAddr;

use esp::overhead;
use ipnet::IpNet;
use wire::outer::OuterHeader;

use crate::Error;

/// Room for the largest name, less the terminating zero (`IFNAMSIZ`).
const MAX_NAME: usize = 15;
/// RFC 791 3.1: what every IPv4 host takes. No path is so narrow that less is left inside.
pub const LEAST_MTU: u32 = 576;

/// The interface to make for a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelInterface {
    /// Its name, 1 to 15 octets.
    pub name: String,
    /// Inside addresses with their prefix, such as `169.254.10.2/30`. May be empty.
    pub addresses: Vec<IpNet>,
    /// The peer's inside address. A host route is made when no prefix of `addresses` covers it.
    pub peer: Option<IpAddr>,
    /// Octets of the largest inner packet. `None`: the least any suite allows at first, then what the SA in use
    /// allows.
    pub mtu: Option<u32>,
    /// What outer packets say.
    pub outer: OuterHeader,
}

impl TunnelInterface {
    /// Whether the kernel takes its name.
    ///
    /// # Errors
    /// [`Error::InterfaceName`].
    pub fn check_name(&self) -> Result<(), Error> {
        let name = self.name.as_str();
        let plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'/' | b':' | b'%');
        let good = (1..=MAX_NAME).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(plain);
        if good { Ok(()) } else { Err(Error::InterfaceName(self.name.clone())) }
    }

    /// Octets of the largest inner packet until there is an SA, over a path of `outer_mtu` to an address of the family
    /// of `outer`.
    #[must_use]
    pub fn first_mtu(&self, outer: IpAddr, outer_mtu: usize) -> u32 {
        let least = u32::try_from(overhead::least_inner_mtu(outer, outer_mtu)).unwrap_or(u32::MAX);
        self.mtu.unwrap_or(least.max(LEAST_MTU))
    }
}

/// The interface as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// The kernel's number for it.
    pub ifindex: u32,
    /// Octets of the largest inner packet.
    pub mtu: u32,
    /// What TCP's maximum segment size is clamped to for IPv4; 20 less for IPv6.
    pub mss: u16,
}
