//! What is never accepted nor announced.
//!
//! Refused from every peer, whatever the configuration says:
//!
//! | what | because |
//! |---|---|
//! | our own AS in AS_PATH | RFC 4271 9.1.2: a loop |
//! | a next hop that is our own address | RFC 4271 5.1.3: a loop |
//! | a next hop other than the peer's inside address | the tunnel ends at the peer; what lies behind it is the peer's business, and another tunnel's address would divert traffic |
//! | 0.0.0.0/8 and 127.0.0.0/8 with what is in them, ::/96, ::ffff:0:0/96 | mean the host itself (RFC 1122 3.2.1.3, RFC 4291 2.5); the default route is not meant |
//! | 169.254.0.0/16, fe80::/10 | link scope (RFC 3927, RFC 4291): tunnels use it for their insides, the cloud for its metadata (S0-47) |
//! | 224.0.0.0/4, ff00::/8 | multicast, not routed by unicast tables |
//! | 240.0.0.0/4 | reserved (RFC 1112 4) |
//! | a prefix inside the link of a tunnel | would take the address of a BGP peer away from its tunnel |
//! | a prefix that covers the outside address of an IKE peer | would route a tunnel into itself or another one |
//! | on internal sessions: our own identifier in ORIGINATOR_ID or CLUSTER_LIST | RFC 4456 8: a loop |
//!
//! The default route is the one exception to the last but one rule. It covers all outside addresses of its family,
//! so it is refused too, unless the import policy has a line for exactly it (`0.0.0.0/0` and no longer prefix, or `::/0`). Who
//! writes that wants it; [`Rib::captures`](crate::Rib::captures) then tells which addresses it covers, so that
//! the process keeps a more specific route to each of them outside the tunnels.
//!
//! The first group of address blocks is never announced either, even if originated.

use std::fmt;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use wire::LinkId;

use crate::config::Ends;
use crate::{PeerPolicy, Reach};

/// An address block that has no place in a routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Special {
    /// The host itself, or no address at all.
    Host,
    /// Valid on one link only.
    LinkScope,
    /// Multicast.
    Multicast,
    /// Reserved for ever.
    Reserved,
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "addresses that mean the host itself",
            Self::LinkScope => "addresses of link scope",
            Self::Multicast => "multicast addresses",
            Self::Reserved => "reserved addresses",
        })
    }
}

impl Special {
    /// The block `prefix` lies in, if any. A prefix that merely covers such a block is none.
    #[must_use]
    pub fn of(prefix: &IpNet) -> Option<Self> {
        match prefix {
            IpNet::V4(net) => Self::of_v4(*net),
            IpNet::V6(net) => Self::of_v6(*net),
        }
    }

    fn of_v4(net: Ipv4Net) -> Option<Self> {
        match (net.network().octets(), net.prefix_len()) {
            ([0 | 127, ..], 8..) => Some(Self::Host),
            ([169, 254, ..], 16..) => Some(Self::LinkScope),
            ([224..=239, ..], 3..) => Some(Self::Multicast),
            ([240..=255, ..], 4..) => Some(Self::Reserved),
            _ => None,
        }
    }

    fn of_v6(net: Ipv6Net) -> Option<Self> {
        match (net.network().segments(), net.prefix_len()) {
            ([0, 0, 0, 0, 0, 0 | 0xffff, ..], 96..) => Some(Self::Host),
            ([0xfe80..=0xfebf, ..], 10..) => Some(Self::LinkScope),
            ([0xff00..=0xffff, ..], 8..) => Some(Self::Multicast),
            _ => None,
        }
    }
}

/// The smallest prefix with both ends of a tunnel's inside link in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InsideLink {
    pub(crate) link: LinkId,
    pub(crate) prefix: IpNet,
}

impl InsideLink {
    /// Those of one tunnel, without any whose ends are of different families.
    pub(crate) fn of(policy: &PeerPolicy) -> impl Iterator<Item = Self> {
        let inside = policy.reach == Reach::Tunnel;
        policy.all_ends().filter(move |_| inside).filter_map(|Ends { local, peer }| {
            let prefix = (0..=IpNet::from(local).prefix_len()).rev().find_map(|length| {
                let net = IpNet::new(local, length).ok()?;
                net.contains(&peer).then(|| net.trunc())
            })?;
            Some(Self { link: policy.link, prefix })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn special_blocks_are_known_with_all_that_is_in_them() {
        let table = [
            ("0.0.0.0/8", Some(Special::Host)),
            ("0.1.2.0/24", Some(Special::Host)),
            ("127.0.0.1/32", Some(Special::Host)),
            ("169.254.0.0/16", Some(Special::LinkScope)),
            ("169.254.21.0/30", Some(Special::LinkScope)),
            ("224.0.0.0/3", Some(Special::Multicast)),
            ("224.0.0.0/4", Some(Special::Multicast)),
            ("239.255.255.255/32", Some(Special::Multicast)),
            ("240.0.0.0/4", Some(Special::Reserved)),
            ("255.255.255.255/32", Some(Special::Reserved)),
            ("::/128", Some(Special::Host)),
            ("::1/128", Some(Special::Host)),
            ("::ffff:10.0.0.0/104", Some(Special::Host)),
            ("fe80::/10", Some(Special::LinkScope)),
            ("febf::/16", Some(Special::LinkScope)),
            ("ff02::/16", Some(Special::Multicast)),
            ("0.0.0.0/0", None),
            ("0.0.0.0/1", None),
            ("128.0.0.0/1", None),
            ("126.0.0.0/7", None),
            ("169.0.0.0/8", None),
            ("10.0.0.0/8", None),
            ("192.0.2.0/24", None),
            ("::/0", None),
            ("64:ff9b::/96", None),
            ("fd00::/8", None),
            ("2001:db8::/32", None),
            ("fec0::/10", None),
        ];
        for (prefix, expected) in table {
            assert_eq!(Special::of(&net(prefix)), expected, "{prefix}");
        }
    }
}
