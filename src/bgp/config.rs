//! What a session is configured with. Checked by the `config` room before it gets here.

use std::net::IpAddr;
use std::time::Duration;

use wire::{Asn, RouterId};

use crate::Family;

/// One BGP session over one tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// The name the user gave the tunnel; for messages only.
    pub name: String,
    /// Our autonomous system.
    pub local_asn: Asn,
    /// The peer's autonomous system; anything else in its OPEN is refused.
    pub peer_asn: Asn,
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// Our end of the inside link.
    pub local_address: IpAddr,
    /// The peer's end of the inside link.
    pub peer_address: IpAddr,
    /// Hold time we propose; zero turns hold and keepalive timers off.
    pub hold_time: Duration,
    /// Keepalive interval; never more than a third of the negotiated hold time.
    pub keepalive: Duration,
    /// Pause between attempts to connect.
    pub connect_retry: Duration,
    /// Whether we wait for the peer to connect. Otherwise we open and listen at once.
    pub passive: bool,
    /// Address families to offer, IPv4 unicast and IPv6 unicast.
    pub families: Vec<Family>,
}
