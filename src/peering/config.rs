//! What a session is configured with. Checked by the `config` room before it gets here.

use std::net::IpAddr;
use std::time::Duration;

use bgp::{AddPath, Family, Role};
use wire::{Asn, RouterId};

/// One BGP session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// The name the user gave the session; for messages only.
    pub name: String,
    /// Our autonomous system.
    pub local_asn: Asn,
    /// The peer's autonomous system; anything else in its OPEN is refused.
    pub peer_asn: Asn,
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// Our end of the link.
    pub local_address: IpAddr,
    /// The peer's end of the link.
    pub peer_address: IpAddr,
    /// Address families to offer, IPv4 unicast and IPv6 unicast.
    pub families: Vec<Family>,
    /// How long things take.
    pub timers: Timers,
    /// What else to offer.
    pub offers: Offers,
    /// Whether we wait for the peer to connect. Otherwise we open and listen at once.
    pub passive: bool,
    /// Keeps the session down, with a text for the peer's operator (RFC 9003), which may be empty.
    pub shutdown: Option<String>,
}

impl PeerConfig {
    /// Whether a session with `self` has to end for `next` to hold: whatever OPEN says, and who the two ends are.
    #[must_use]
    pub fn needs_new_session(&self, next: &Self) -> bool {
        let timers = Timers { hold: next.timers.hold, keepalive: next.timers.keepalive, ..self.timers };
        let alike = Self {
            name: self.name.clone(),
            timers,
            passive: self.passive,
            shutdown: self.shutdown.clone(),
            ..next.clone()
        };
        alike != *self
    }
}

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Hold time we propose; zero turns hold and keepalive timers off.
    pub hold: Duration,
    /// The shortest hold time we agree to, but for none at all; whole seconds.
    pub shortest_hold: Duration,
    /// Keepalive interval; never more than a third of the negotiated hold time.
    pub keepalive: Duration,
    /// How long the peer may leave everything unread (RFC 9687); zero turns it off. Where the hold time is longer,
    /// twice that counts.
    pub send_hold: Duration,
    /// Pause between attempts to connect.
    pub connect_retry: Duration,
    /// The longest pause after failures in a row.
    pub longest_pause: Duration,
    /// When a session that ended for too many prefixes opens again; `None` waits for the operator.
    pub prefix_restart: Option<Duration>,
}

/// What is offered beyond RFC 4271, RFC 4760, RFC 6793 and RFC 2918.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// Marks around what is announced again (RFC 7313).
    pub enhanced_refresh: bool,
    /// Messages of up to 65535 octets (RFC 8654).
    pub extended_messages: bool,
    /// IPv4 routes with IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// Several paths per prefix (RFC 7911).
    pub add_path: Vec<(Family, AddPath)>,
    /// Graceful restart (RFC 4724); `None` does not even mention it.
    pub graceful_restart: Option<Restart>,
    /// What we are to the peer (RFC 9234).
    pub role: Option<Role>,
    /// Whether the peer must say its role.
    pub role_strict: bool,
}

/// Graceful restart as configured (RFC 4724, RFC 8538).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// How long the peer is asked to wait for us, at most 4095 s; `None` only helps a peer that restarts.
    pub time: Option<Duration>,
    /// How long stale routes stay at most: until the session is back, and then until End-of-RIB.
    pub stale: Duration,
    /// Whether routes are kept over a NOTIFICATION, too (RFC 8538).
    pub notification: bool,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(90),
            shortest_hold: Duration::from_secs(3),
            keepalive: Duration::from_secs(30),
            // RFC 9687 3: eight minutes, or twice the hold time.
            send_hold: Duration::from_secs(480),
            connect_retry: Duration::from_secs(5),
            longest_pause: Duration::from_secs(60),
            prefix_restart: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::support::local;

    #[test]
    fn only_what_open_says_needs_a_new_session() {
        let now = local();
        let mut gentle = local();
        gentle.name = "renamed".into();
        gentle.passive = true;
        gentle.shutdown = Some("later".into());
        gentle.timers.connect_retry *= 2;
        gentle.timers.prefix_restart = Some(Duration::from_secs(60));
        gentle.timers.send_hold *= 2;
        gentle.timers.shortest_hold *= 2;
        assert!(!now.needs_new_session(&gentle));
        let mut hold = local();
        hold.timers.hold *= 2;
        let mut keepalive = local();
        keepalive.timers.keepalive /= 2;
        let offers = PeerConfig { offers: Offers { extended_messages: true, ..Offers::default() }, ..local() };
        let families = PeerConfig { families: vec![Family::Ipv4Unicast], ..local() };
        let asn = PeerConfig { local_asn: Asn(7), ..local() };
        for changed in [hold, keepalive, offers, families, asn] {
            assert!(now.needs_new_session(&changed), "{changed:?}");
        }
    }
}
