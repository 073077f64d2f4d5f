//! FRR beside strongSwan: a neighbour per tunnel.

use super::artifact::{Artifact, line};
use super::peer::Peer;
use super::speaker::{Neighbor, Speaker, announced_v4};
use crate::ExportError;

pub(super) fn beside(
    mut files: Vec<Artifact>,
    peers: &[Peer<'_>],
    notes: &mut Vec<String>,
) -> Result<Vec<Artifact>, ExportError> {
    let Some(speaker) = Speaker::of(peers, "FRR")? else { return Ok(files) };
    let mut conf = Artifact::new("frr.conf");
    line!(conf, "! /etc/frr/frr.conf");
    line!(conf, "router bgp {}", speaker.asn);
    line!(conf, " bgp router-id {}", speaker.router_id);
    line!(conf, " no bgp ebgp-requires-policy");
    line!(conf, " no bgp network import-check");
    for Neighbor { peer, asn, hold, keepalive } in &speaker.neighbors {
        let link = peer.tunnel.inside;
        line!(conf, " neighbor {} remote-as {asn}", link.local);
        line!(conf, " neighbor {} description {}", link.local, peer.name());
        line!(conf, " neighbor {} update-source {}", link.local, link.peer);
        line!(conf, " neighbor {} timers {keepalive} {hold}", link.local);
        line!(conf, " neighbor {} timers connect 5", link.local);
    }
    line!(conf, " address-family ipv4 unicast");
    for network in announced_v4(peers, "frr.conf", notes) {
        line!(conf, "  network {network}");
    }
    for Neighbor { peer, .. } in &speaker.neighbors {
        line!(conf, "  neighbor {} activate", peer.tunnel.inside.local);
    }
    line!(conf, " exit-address-family");
    line!(conf, "exit");
    files.push(conf);
    Ok(files)
}
