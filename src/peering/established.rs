//! What both sides of a session agreed on, and what remains of it when the session ends.

use std::time::Duration;

use bgp::{AddPath, Family, Role};
use wire::{Asn, RouterId};

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Established {
    /// The peer's BGP identifier.
    pub peer_router_id: RouterId,
    /// The peer's autonomous system.
    pub peer_asn: Asn,
    /// Our autonomous system.
    pub local_asn: Asn,
    /// The lower of both proposals; zero means that neither side watches the other.
    pub hold_time: Duration,
    /// How often we send KEEPALIVE; zero means never.
    pub keepalive: Duration,
    /// Families both sides speak.
    pub families: Vec<Family>,
    /// Whether the peer speaks four-octet AS numbers (RFC 6793).
    pub four_octet: bool,
    /// Whether the peer can announce everything again on request (RFC 2918).
    pub route_refresh: bool,
    /// Whether both sides mark begin and end of what is announced again (RFC 7313).
    pub enhanced_refresh: bool,
    /// Whether messages may have up to 65535 octets (RFC 8654).
    pub extended_messages: bool,
    /// Whether IPv4 routes may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// Families in which prefixes have path identifiers (RFC 7911), in at least one direction.
    pub add_path: Vec<(Family, AddPath)>,
    /// What the peer said of graceful restart (RFC 4724), where both sides do it.
    pub graceful_restart: Option<PeerRestart>,
    /// What we are to the peer (RFC 9234), if that is configured: the rules of [`Role`] apply to its routes.
    pub role: Option<Role>,
    /// Whether we opened the connection that was kept.
    pub opened_by_us: bool,
}

impl Established {
    /// How prefixes of `family` travel.
    #[must_use]
    pub fn add_path(&self, family: Family) -> AddPath {
        self.add_path.iter().find(|(of, _)| *of == family).map_or(AddPath::default(), |(_, directions)| *directions)
    }
}

/// The peer's side of graceful restart (RFC 4724 3, RFC 8538 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRestart {
    /// Whether it has restarted just now (the R bit): it waits for our End-of-RIB before it decides.
    pub restarting: bool,
    /// How long it takes to be back, by its own estimate.
    pub time: Duration,
    /// Whether both sides keep routes over a NOTIFICATION, too (RFC 8538).
    pub notification: bool,
    /// The families in which it can restart, and whether it kept forwarding in the restart just gone (the F bit).
    pub families: Vec<(Family, bool)>,
}

/// What is kept when a session ends in a way that the peer may come back from (RFC 4724 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleRoutes {
    /// Families whose routes stay in use, marked stale; all others are gone.
    pub families: Vec<Family>,
    /// How long they may stay without a new session.
    pub time: Duration,
}
