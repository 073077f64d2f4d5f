//! Configurations and peers in any state.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use wire::{Asn, RouterId};

use crate::{Family, PeerConfig};

/// A session of AS `local` with AS `peer`; `host` makes up identifier and address.
pub(in crate::peer) fn config(name: &str, local: u32, peer: u32, host: u8) -> PeerConfig {
    PeerConfig {
        name: name.to_owned(),
        local_asn: Asn(local),
        peer_asn: Asn(peer),
        router_id: RouterId(Ipv4Addr::new(10, 0, 0, host)),
        local_address: IpAddr::V4(Ipv4Addr::new(169, 254, 21, host)),
        peer_address: IpAddr::V4(Ipv4Addr::new(169, 254, 21, 3 - host.min(2))),
        hold_time: Duration::from_secs(30),
        keepalive: Duration::from_secs(10),
        connect_retry: Duration::from_secs(8),
        passive: false,
        families: vec![Family::Ipv4Unicast, Family::Ipv6Unicast],
    }
}
