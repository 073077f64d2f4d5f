//! Traffic selectors as the kernel matches them: prefixes, and ports under a mask.
//!
//! ```text
//!   10.0.0.1-10.0.0.6  -->  10.0.0.1/32, 10.0.0.2/31, 10.0.0.4/31, 10.0.0.6/32
//!   ports 1000-1003    -->  1000 under 0xfffc
//!   ICMP 8/0-8/255     -->  source port 8 under 0xff, destination port 0 under 0: type and code have their places
//! ```

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use wire::ipsec::TrafficSelector;

/// More than this many policies for one SA are refused.
pub(crate) const MOST: usize = 512;

const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;

/// Ports `port` with `port & mask == value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ports {
    pub(crate) value: u16,
    pub(crate) mask: u16,
}

impl Ports {
    pub(crate) const ANY: Self = Self { value: 0, mask: 0 };

    fn intersects(self, other: Self) -> bool {
        (self.value ^ other.value) & self.mask & other.mask == 0
    }
}

/// Inner packets that one policy is for. For ICMP the source port is the type and the destination port the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Selector {
    pub(crate) source: IpNet,
    pub(crate) destination: IpNet,
    /// 0 for any.
    pub(crate) protocol: u8,
    pub(crate) source_port: Ports,
    pub(crate) destination_port: Ports,
}

impl Selector {
    /// Everything between two networks.
    pub(crate) const fn between(source: IpNet, destination: IpNet) -> Self {
        Self { source, destination, protocol: 0, source_port: Ports::ANY, destination_port: Ports::ANY }
    }

    /// The same traffic in the other direction.
    pub(crate) const fn reversed(self) -> Self {
        let (source_port, destination_port) = if is_icmp(self.protocol) {
            (self.source_port, self.destination_port)
        } else {
            (self.destination_port, self.source_port)
        };
        Self { source: self.destination, destination: self.source, source_port, destination_port, ..self }
    }

    /// Whether a packet can match both.
    pub(crate) fn intersects(&self, other: &Self) -> bool {
        let nets = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
        nets(&self.source, &other.source)
            && nets(&self.destination, &other.destination)
            && (self.protocol == 0 || other.protocol == 0 || self.protocol == other.protocol)
            && self.source_port.intersects(other.source_port)
            && self.destination_port.intersects(other.destination_port)
    }
}

const fn is_icmp(protocol: u8) -> bool {
    matches!(protocol, ICMP | ICMP_V6)
}

/// The traffic from `local` to `remote`, each of which is any of its selectors (RFC 4301 4.4.1). `None` if that takes more
/// than [`MOST`].
pub(crate) fn expand(local: &[TrafficSelector], remote: &[TrafficSelector]) -> Option<Vec<Selector>> {
    let mut found = Vec::new();
    for from in local {
        for to in remote.iter().filter(|to| to.start.is_ipv4() == from.start.is_ipv4()) {
            let protocol = match (from.protocol, to.protocol) {
                (0, protocol) | (protocol, 0) => protocol,
                (one, other) if one == other => one,
                _ => continue,
            };
            let ports = port_pairs(protocol, from, to);
            for source in prefixes(from) {
                for destination in prefixes(to) {
                    for (source_port, destination_port) in &ports {
                        let (source_port, destination_port) = (*source_port, *destination_port);
                        found.push(Selector { source, destination, protocol, source_port, destination_port });
                        if found.len() > MOST {
                            return None;
                        }
                    }
                }
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Some(found)
}

fn prefixes(selector: &TrafficSelector) -> Vec<IpNet> {
    match (selector.start, selector.end) {
        (IpAddr::V4(start), IpAddr::V4(end)) => Ipv4Subnets::new(start, end, 0).map(IpNet::V4).collect(),
        (IpAddr::V6(start), IpAddr::V6(end)) => Ipv6Subnets::new(start, end, 0).map(IpNet::V6).collect(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Vec::new(),
    }
}

fn port_pairs(protocol: u8, from: &TrafficSelector, to: &TrafficSelector) -> Vec<(Ports, Ports)> {
    let (from, to) = (range(from), range(to));
    if is_icmp(protocol) {
        // RFC 4301 4.4.1.1: type and code are one number, which both sides name.
        let (start, end) = (from.0.max(to.0), from.1.min(to.1));
        return masks(start, end).into_iter().map(type_and_code).collect();
    }
    let to = masks(to.0, to.1);
    masks(from.0, from.1).into_iter().flat_map(|from| to.iter().map(move |to| (from, *to))).collect()
}

/// RFC 7296 3.13.1: a packet whose port is not to be seen is OPAQUE; the kernel takes its port for zero.
fn range(selector: &TrafficSelector) -> (u16, u16) {
    match (selector.start_port, selector.end_port) {
        (65535, 0) => (0, 0),
        range => range,
    }
}

fn type_and_code(both: Ports) -> (Ports, Ports) {
    let kind = Ports { value: both.value >> 8, mask: both.mask >> 8 };
    (kind, Ports { value: both.value & 0xff, mask: both.mask & 0xff })
}

/// The fewest masks that make up a range.
fn masks(start: u16, end: u16) -> Vec<Ports> {
    let mut found = Vec::new();
    let (mut next, end) = (u32::from(start), u32::from(end));
    while next <= end {
        let aligned = if next == 0 { 16 } else { next.trailing_zeros().min(16) };
        let left = end - next + 1;
        let size = 1 << aligned.min(left.ilog2());
        let narrow = |value: u32| u16::try_from(value).expect("within the range of ports");
        found.push(Ports { value: narrow(next), mask: narrow((0x1_0000 - size) & 0xffff) });
        next += size;
    }
    found
}

#[cfg(test)]
mod tests;
