//! strongSwan: `swanctl.conf`, the secrets in a file of their own, and a script that makes the interfaces.
//!
//! Our lifetimes are ends. strongSwan renews a tenth before that, so that either end may be first. The peer waits for
//! whoever begins at our end, and the reverse.

use std::time::Duration;

use ipnet::IpNet;
use negotiation::{EncapsulationPolicy, IkeVersion, PORT_NAT, V1Mode};

use super::Carrier;
use super::artifact::{Artifact, line};
use super::peer::Peer;
use super::quote::Quote;
use crate::ExportError;

pub(super) fn write(peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<Vec<Artifact>, ExportError> {
    if let ([_, _, ..], Some(Carrier::Userspace)) = (peers, peers.first().map(|peer| peer.options.carrier)) {
        let what = "strongSwan in user space has one interface, so that it takes one tunnel".to_owned();
        return Err(ExportError::Shape { target: "strongSwan", what });
    }
    let mut conf = Artifact::new("swanctl.conf");
    let mut secrets = Artifact::new("swanctl-secrets.conf");
    let mut script = Artifact::new("interfaces.sh");
    line!(conf, "# /etc/swanctl/conf.d/quadspan.conf: the other end of our tunnels.");
    line!(conf, "connections {{");
    line!(secrets, "# /etc/swanctl/conf.d/quadspan-secrets.conf, mode 0600.");
    line!(secrets, "secrets {{");
    line!(script, "#!/bin/sh");
    line!(script, "# The interfaces of the tunnels, before strongSwan starts.");
    line!(script, "set -eu");
    for (index, peer) in peers.iter().enumerate() {
        let number = index + 1;
        connection(&mut conf, peer, number);
        secret(&mut secrets, peer)?;
        interface(&mut script, peer, number);
    }
    line!(conf, "}}");
    line!(secrets, "}}");
    notes.push(
        "strongSwan: turn its own routes off, or they catch everything: `charon { install_routes = no }`".to_owned(),
    );
    Ok(vec![conf, secrets, script])
}

/// The interface of a tunnel at the peer.
pub(super) fn interface_name(peer: &Peer<'_>, number: usize) -> String {
    match peer.options.carrier {
        Carrier::Xfrm => format!("xfrm{number}"),
        Carrier::Userspace => "ipsec0".to_owned(),
    }
}

fn connection(conf: &mut Artifact, peer: &Peer<'_>, number: usize) {
    let ike = &peer.tunnel.ike;
    let (version, aggressive) = match ike.version {
        IkeVersion::V2 => (2, false),
        IkeVersion::V1(mode) => (1, mode == V1Mode::Aggressive),
    };
    let udp = peer.options.carrier == Carrier::Userspace || ike.encapsulation == EncapsulationPolicy::Always;
    let seconds = |time: Duration| time.as_secs();
    let (rekey, over) = renewal(ike.ike_lifetime);
    line!(conf, "    {} {{", peer.name());
    line!(conf, "        version = {version}");
    if aggressive {
        line!(conf, "        aggressive = yes");
    }
    line!(conf, "        local_addrs = {}", peer.outside());
    line!(conf, "        remote_addrs = {}", peer.our_outside());
    if ike.ike_port == PORT_NAT {
        line!(conf, "        local_port = {PORT_NAT}");
        line!(conf, "        remote_port = {PORT_NAT}");
    }
    line!(conf, "        proposals = {}", joined(&ike.ike_proposals));
    line!(conf, "        encap = {}", if udp { "yes" } else { "no" });
    line!(conf, "        mobike = no");
    line!(conf, "        dpd_delay = {}s", seconds(ike.dpd.interval));
    line!(conf, "        dpd_timeout = {}s", seconds(ike.dpd.timeout));
    line!(conf, "        rekey_time = {rekey}s");
    line!(conf, "        over_time = {over}s");
    line!(conf, "        keyingtries = 0");
    line!(conf, "        unique = replace");
    if peer.options.carrier == Carrier::Xfrm {
        line!(conf, "        if_id_in = {number}");
        line!(conf, "        if_id_out = {number}");
    }
    line!(conf, "        local {{");
    line!(conf, "            auth = psk");
    line!(conf, "            id = \"{}\"", peer.id());
    line!(conf, "        }}");
    line!(conf, "        remote {{");
    line!(conf, "            auth = psk");
    line!(conf, "            id = \"{}\"", peer.our_id());
    line!(conf, "        }}");
    line!(conf, "        children {{");
    let children = peer.children();
    for (index, (theirs, ours)) in children.iter().enumerate() {
        let name = if children.len() == 1 { peer.name().to_owned() } else { format!("{}-{}", peer.name(), index + 1) };
        child(conf, peer, &name, [theirs, ours]);
    }
    line!(conf, "        }}");
    line!(conf, "    }}");
}

fn child(conf: &mut Artifact, peer: &Peer<'_>, name: &str, [theirs, ours]: [&[IpNet]; 2]) {
    let ike = &peer.tunnel.ike;
    let (start, dead) = if peer.begins() { ("start", "restart") } else { ("none", "clear") };
    line!(conf, "            {name} {{");
    line!(conf, "                local_ts = {}", joined(theirs));
    line!(conf, "                remote_ts = {}", joined(ours));
    line!(conf, "                esp_proposals = {}", joined(&ike.esp_proposals));
    line!(conf, "                mode = tunnel");
    let (rekey, _) = renewal(ike.child_lifetime.time);
    line!(conf, "                rekey_time = {rekey}s");
    line!(conf, "                life_time = {}s", ike.child_lifetime.time.as_secs());
    if let Some(bytes) = ike.child_lifetime.bytes {
        line!(conf, "                rekey_bytes = {}", bytes - bytes / 10);
        line!(conf, "                life_bytes = {bytes}");
    }
    line!(conf, "                replay_window = {}", ike.replay_window);
    line!(conf, "                start_action = {start}");
    line!(conf, "                close_action = {start}");
    line!(conf, "                dpd_action = {dead}");
    line!(conf, "            }}");
}

/// When to renew what lives so long, and what is left then; seconds.
fn renewal(life: Duration) -> (u64, u64) {
    let rekey = life.as_secs() - life.as_secs() / 10;
    (rekey, life.as_secs() - rekey)
}

fn secret(secrets: &mut Artifact, peer: &Peer<'_>) -> Result<(), ExportError> {
    line!(secrets, "    ike-{} {{", peer.name());
    line!(secrets, "        id-1 = \"{}\"", peer.id());
    line!(secrets, "        id-2 = \"{}\"", peer.our_id());
    secrets.part(format_args!("        secret = "));
    secrets.key(peer, Quote::Swanctl)?;
    line!(secrets);
    line!(secrets, "    }}");
    Ok(())
}

fn interface(script: &mut Artifact, peer: &Peer<'_>, number: usize) {
    let name = interface_name(peer, number);
    line!(script);
    line!(script, "# {}", peer.name());
    if peer.options.carrier == Carrier::Xfrm {
        line!(script, "ip link add {name} type xfrm if_id {number}");
    }
    line!(script, "ip address add {} dev {name}", peer.inside());
    if let Some(link) = peer.tunnel.inside6 {
        line!(script, "ip address add {}/{} dev {name}", link.peer, link.prefix.prefix_len());
    }
    if let Some(mtu) = peer.tunnel.mtu {
        line!(script, "ip link set {name} mtu {mtu}");
    }
    line!(script, "ip link set {name} up");
    line!(script, "sysctl -q -w net.ipv4.conf.{name}.rp_filter=2");
    if peer.asns().is_none() {
        for route in peer.routes() {
            line!(script, "ip route add {route} dev {name}");
        }
    }
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
