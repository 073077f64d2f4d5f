//! BIRD beside strongSwan: a session per tunnel, bound to its interface. Names begin with `qs_`: a tunnel may be called
//! like one of BIRD's many keywords.

use ipnet::IpNet;

use super::artifact::{Artifact, line};
use super::peer::Peer;
use super::speaker::announced;
use super::swanctl::interface_name;
use crate::ExportError;

pub(super) fn beside(
    mut files: Vec<Artifact>,
    peers: &[Peer<'_>],
    notes: &mut Vec<String>,
) -> Result<Vec<Artifact>, ExportError> {
    let Some(first) = peers.iter().find(|peer| peer.asns().is_some()) else { return Ok(files) };
    let mut conf = Artifact::new("bird.conf");
    line!(conf, "# /etc/bird/bird.conf");
    line!(conf, "log stderr all;");
    line!(conf, "router id {};", first.router_id());
    line!(conf, "protocol device {{ scan time 2; }}");
    line!(conf, "protocol kernel {{");
    line!(conf, "    merge paths yes;");
    line!(conf, "    ipv4 {{ import none; export where source = RTS_BGP; }};");
    line!(conf, "}}");
    line!(conf, "protocol static qs_networks {{");
    line!(conf, "    ipv4;");
    for network in announced(peers, notes) {
        match network {
            IpNet::V4(_) => line!(conf, "    route {network} unreachable;"),
            IpNet::V6(_) => notes.push(format!("{network}: add IPv6 networks to bird.conf by hand")),
        }
    }
    line!(conf, "}}");
    for (index, peer) in peers.iter().enumerate() {
        session(&mut conf, peer, &interface_name(peer, index + 1));
    }
    files.push(conf);
    Ok(files)
}

fn session(conf: &mut Artifact, peer: &Peer<'_>, interface: &str) {
    let (Some((asn, our_asn)), Some((hold, keepalive))) = (peer.asns(), peer.timers()) else { return };
    let link = peer.tunnel.inside;
    line!(conf, "protocol bgp qs_{} {{", peer.word());
    line!(conf, "    local {} as {asn};", link.peer);
    line!(conf, "    neighbor {} as {our_asn};", link.local);
    line!(conf, "    interface \"{interface}\";");
    line!(conf, "    direct;");
    line!(conf, "    hold time {hold};");
    line!(conf, "    keepalive time {keepalive};");
    line!(conf, "    connect delay time 1;");
    line!(conf, "    connect retry time 5;");
    line!(conf, "    error wait time 1, 10;");
    line!(conf, "    ipv4 {{ import all; export where source = RTS_STATIC; }};");
    line!(conf, "}}");
}
