//! FRR beside strongSwan: a neighbour per tunnel.

use ipnet::IpNet;

use super::artifact::{Artifact, line};
use super::peer::Peer;
use super::swanctl::announced;
use crate::ExportError;

pub(super) fn beside(
    mut files: Vec<Artifact>,
    peers: &[Peer<'_>],
    notes: &mut Vec<String>,
) -> Result<Vec<Artifact>, ExportError> {
    let Some((first, (asn, _))) = peers.iter().find_map(|peer| Some((peer, peer.asns()?))) else { return Ok(files) };
    if let Some(other) = peers.iter().find(|peer| peer.asns().is_some_and(|(other, _)| other != asn)) {
        let what = format!("{} and {} end in different AS, and one bgpd is in one", first.name(), other.name());
        return Err(ExportError::Shape { target: "FRR", what });
    }
    let mut conf = Artifact::new("frr.conf");
    line!(conf, "! /etc/frr/frr.conf");
    line!(conf, "router bgp {asn}");
    line!(conf, " bgp router-id {}", first.router_id());
    line!(conf, " no bgp ebgp-requires-policy");
    line!(conf, " no bgp network import-check");
    let sessions = || peers.iter().filter_map(|peer| Some((peer, peer.asns()?, peer.timers()?)));
    for (peer, (_, our_asn), (hold, keepalive)) in sessions() {
        let link = peer.tunnel.inside;
        line!(conf, " neighbor {} remote-as {our_asn}", link.local);
        line!(conf, " neighbor {} description {}", link.local, peer.name());
        line!(conf, " neighbor {} update-source {}", link.local, link.peer);
        line!(conf, " neighbor {} timers {keepalive} {hold}", link.local);
        line!(conf, " neighbor {} timers connect 5", link.local);
    }
    line!(conf, " address-family ipv4 unicast");
    for network in announced(peers, notes) {
        match network {
            IpNet::V4(_) => line!(conf, "  network {network}"),
            IpNet::V6(_) => notes.push(format!("{network}: add IPv6 networks to frr.conf by hand")),
        }
    }
    for (peer, _, _) in sessions() {
        line!(conf, "  neighbor {} activate", peer.tunnel.inside.local);
    }
    line!(conf, " exit-address-family");
    line!(conf, "exit");
    files.push(conf);
    Ok(files)
}
