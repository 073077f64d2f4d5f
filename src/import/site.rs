//! What all formats have in common: a site and its tunnels, as one end sees them. Absent is what nobody said.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crypto::{EspProposal, IkeProposal};
use identity::Identity;
use ipnet::{IpNet, Ipv4Net};
use negotiation::{IkeVersion, StartAction};
use profile::Profile;
use settings::name_of;
use wire::{Asn, Secret};

use crate::Place;

/// One end of a number of tunnels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Its name.
    pub name: Option<String>,
    /// Its AS number.
    pub asn: Option<Asn>,
    /// Its BGP identifier.
    pub router_id: Option<Ipv4Addr>,
    /// What it announces.
    pub networks: Vec<IpNet>,
    /// Its tunnels.
    pub tunnels: Vec<SiteTunnel>,
}

/// One tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteTunnel {
    /// Its name, fit for our configuration.
    pub name: String,
    /// Where it is described.
    pub place: Place,
    /// What the peer is.
    pub profile: Profile,
    /// Our outside address.
    pub local: Option<IpAddr>,
    /// The peer's outside address.
    pub remote: Option<IpAddr>,
    /// How we identify ourselves, if not by our outside address.
    pub local_id: Option<Identity>,
    /// How the peer identifies itself, if not by its outside address.
    pub remote_id: Option<Identity>,
    /// The pre-shared key.
    pub psk: Option<Secret>,
    /// Which IKE is spoken.
    pub version: Option<IkeVersion>,
    /// UDP port at which IKE begins.
    pub ike_port: Option<u16>,
    /// IKE suites; the profile's if empty.
    pub ike: Vec<IkeProposal>,
    /// ESP suites; the profile's if empty.
    pub esp: Vec<EspProposal>,
    /// Age at which the IKE SA ends.
    pub ike_lifetime: Option<Duration>,
    /// Age at which a CHILD SA ends.
    pub child_lifetime: Option<Duration>,
    /// Octets after which a CHILD SA ends.
    pub child_bytes: Option<u64>,
    /// Silence after which the peer is asked.
    pub dpd_interval: Option<Duration>,
    /// Time without an answer after which the peer is dead.
    pub dpd_timeout: Option<Duration>,
    /// Anti-replay window in packets.
    pub replay_window: Option<u32>,
    /// Who begins.
    pub start: Option<StartAction>,
    /// ESP always in UDP.
    pub always_udp: bool,
    /// The link inside.
    pub inside: Option<SiteLink>,
    /// The BGP session over it.
    pub session: Option<SiteSession>,
    /// What we may send from; everything if empty.
    pub local_networks: Vec<IpNet>,
    /// What the peer may send from; everything if empty.
    pub remote_networks: Vec<IpNet>,
    /// What leads into the tunnel without BGP.
    pub routes: Vec<IpNet>,
    /// Only what is between the networks of both sides enters the tunnel.
    pub protected: bool,
    /// MTU of the tunnel interface.
    pub mtu: Option<u32>,
}

/// The link inside a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteLink {
    /// Its network.
    pub prefix: Ipv4Net,
    /// Our end.
    pub local: Ipv4Addr,
    /// The peer's end.
    pub peer: Ipv4Addr,
}

/// The BGP session inside a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteSession {
    /// The peer's AS number.
    pub asn: Option<Asn>,
    /// Proposed hold time.
    pub hold_time: Option<Duration>,
    /// Time between keepalives.
    pub keepalive: Option<Duration>,
    /// Wait for the peer to connect.
    pub passive: bool,
}

impl SiteTunnel {
    pub(crate) fn new(name: &str, place: Place, profile: Profile) -> Self {
        Self {
            name: name_of(name),
            place,
            profile,
            local: None,
            remote: None,
            local_id: None,
            remote_id: None,
            psk: None,
            version: None,
            ike_port: None,
            ike: Vec::new(),
            esp: Vec::new(),
            ike_lifetime: None,
            child_lifetime: None,
            child_bytes: None,
            dpd_interval: None,
            dpd_timeout: None,
            replay_window: None,
            start: None,
            always_udp: false,
            inside: None,
            session: None,
            local_networks: Vec::new(),
            remote_networks: Vec::new(),
            routes: Vec::new(),
            protected: false,
            mtu: None,
        }
    }

    fn mirrored(self, asn: Option<Asn>) -> Self {
        Self {
            // The peer of the peer is we, and nobody's cloud.
            profile: Profile::Generic,
            local: self.remote,
            remote: self.local,
            local_id: self.remote_id,
            remote_id: self.local_id,
            start: self.start.map(|start| match start {
                StartAction::Initiate | StartAction::OnDemand => StartAction::Respond,
                StartAction::Respond => StartAction::Initiate,
            }),
            inside: self.inside.map(|link| SiteLink { local: link.peer, peer: link.local, ..link }),
            session: self.session.map(|session| SiteSession { asn, passive: false, ..session }),
            local_networks: self.remote_networks,
            remote_networks: self.local_networks,
            routes: Vec::new(),
            ..self
        }
    }
}

impl Site {
    /// The same tunnels from the other end. What belongs to this end alone (name, identifier, networks) is gone; its
    /// AS number becomes that of the sessions.
    #[must_use]
    pub fn mirrored(self) -> Self {
        let theirs = self.tunnels.iter().find_map(|tunnel| tunnel.session.and_then(|session| session.asn));
        let ours = self.asn;
        Self {
            name: None,
            asn: theirs,
            router_id: None,
            networks: Vec::new(),
            tunnels: self.tunnels.into_iter().map(|tunnel| tunnel.mirrored(ours)).collect(),
        }
    }
}

impl SiteLink {
    /// The link of two addresses: the smallest network of at most a /30 that holds both.
    #[must_use]
    pub fn between(local: Ipv4Addr, peer: Ipv4Addr) -> Option<Self> {
        let prefix = Ipv4Net::new(local, 30).ok()?.trunc();
        let hosts = prefix.hosts().collect::<Vec<_>>();
        if local != peer && hosts.contains(&local) && hosts.contains(&peer) {
            return Some(Self { prefix, local, peer });
        }
        let pair = Ipv4Net::new(local, 31).ok()?.trunc();
        (local != peer && pair.contains(&peer)).then_some(Self { prefix: pair, local, peer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hosts_of_a_slash_30_are_a_link() {
        let link = |a: [u8; 4], b: [u8; 4]| SiteLink::between(a.into(), b.into()).map(|link| link.prefix.to_string());
        assert_eq!(link([169, 254, 21, 2], [169, 254, 21, 1]).as_deref(), Some("169.254.21.0/30"));
        assert_eq!(link([10, 0, 0, 4], [10, 0, 0, 5]).as_deref(), Some("10.0.0.4/31"));
        assert_eq!(link([169, 254, 21, 2], [169, 254, 21, 5]), None);
        assert_eq!(link([169, 254, 21, 2], [169, 254, 21, 2]), None);
        assert_eq!(link([169, 254, 21, 0], [169, 254, 21, 3]), None);
    }
}
