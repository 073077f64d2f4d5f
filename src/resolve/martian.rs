//! Networks that no network of somebody's is in: not routed, and not announced.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why `network` is one, if it is.
#[must_use]
pub fn martian(network: IpNet) -> Option<&'static str> {
    match network {
        IpNet::V4(network) => MARTIANS_V4.iter().find(|(range, _)| range.contains(&network)).map(|(_, why)| *why),
        IpNet::V6(network) => MARTIANS_V6.iter().find(|(range, _)| range.contains(&network)).map(|(_, why)| *why),
    }
}

const MARTIANS_V4: [(Ipv4Net, &str); 5] = [
    (v4(0, 0, 8), "not addresses"),
    (v4(127, 0, 8), "never leaves a machine"),
    (v4(169, 254, 16), "never leaves a link: it is inside the tunnels"),
    (v4(224, 0, 4), "multicast"),
    (v4(240, 0, 4), "reserved"),
];

const MARTIANS_V6: [(Ipv6Net, &str); 4] = [
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 96), "not addresses"),
    (Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96), "IPv4 addresses in disguise"),
    (Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10), "never leaves a link"),
    (Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8), "multicast"),
];

const fn v4(first: u8, second: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(first, second, 0, 0), length)
}
