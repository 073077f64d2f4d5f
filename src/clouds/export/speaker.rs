//! The BGP speaker at the other end, where that is one for all tunnels and in one AS: a device, or FRR beside strongSwan.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use wire::Asn;

use super::peer::Peer;
use crate::ExportError;

/// What is said once.
pub(super) struct Speaker<'a> {
    pub(super) asn: Asn,
    pub(super) router_id: Ipv4Addr,
    pub(super) neighbors: Vec<Neighbor<'a>>,
}

/// Our end of a tunnel, which the speaker has for a neighbour.
pub(super) struct Neighbor<'a> {
    pub(super) peer: &'a Peer<'a>,
    pub(super) asn: Asn,
    /// Seconds.
    pub(super) hold: u64,
    /// Seconds.
    pub(super) keepalive: u64,
}

impl<'a> Speaker<'a> {
    /// Of the tunnels that have BGP; none where no tunnel has.
    ///
    /// # Errors
    /// When they end in different AS; `target` is who has one only.
    pub(super) fn of(peers: &'a [Peer<'_>], target: &'static str) -> Result<Option<Self>, ExportError> {
        let Some((first, (asn, _))) = peers.iter().find_map(|peer| Some((peer, peer.asns()?))) else { return Ok(None) };
        if let Some(other) = peers.iter().find(|peer| peer.asns().is_some_and(|(other, _)| other != asn)) {
            let what = format!("{} and {} end in different AS, and one speaker is in one", first.name(), other.name());
            return Err(ExportError::Shape { target, what });
        }
        let neighbor = |peer: &'a Peer<'_>| {
            let ((_, asn), (hold, keepalive)) = (peer.asns()?, peer.timers()?);
            Some(Neighbor { peer, asn, hold, keepalive })
        };
        let neighbors = peers.iter().filter_map(neighbor).collect();
        Ok(Some(Self { asn, router_id: first.router_id(), neighbors }))
    }
}

/// What the peer announces: what the options say is behind it.
pub(super) fn announced(peers: &[Peer<'_>], notes: &mut Vec<String>) -> Vec<IpNet> {
    let networks = peers.first().map(|peer| peer.options.networks.clone()).unwrap_or_default();
    if networks.is_empty() {
        notes.push("the speaker announces nothing: `--network PREFIX` names what is behind it".to_owned());
    }
    networks
}

/// The same for a speaker whose IPv6 networks are not written; `file` is where they are to be added.
pub(super) fn announced_v4(peers: &[Peer<'_>], file: &str, notes: &mut Vec<String>) -> Vec<Ipv4Net> {
    let mut written = Vec::new();
    for network in announced(peers, notes) {
        match network {
            IpNet::V4(network) => written.push(network),
            IpNet::V6(_) => notes.push(format!("{network}: add IPv6 networks to {file} by hand")),
        }
    }
    written
}
