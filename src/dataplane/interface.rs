//! The TUN interface of a tunnel as its owner sees it.

use std::net::IpAddr;

use ipnet::IpNet;
use wire::outer::OuterHeader;

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
