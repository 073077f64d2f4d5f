//! libreswan: `ipsec.conf` and `ipsec.secrets`, each tunnel with an `ipsec-interface`.

use crypto::{EspProposal, Group, IkeProposal};
use negotiation::{EncapsulationPolicy, IkeVersion, V1Mode};
use wire::ipsec::{Encryption, Integrity};

use super::artifact::{Artifact, line};
use super::peer::{Peer, hash, pfs, prf_follows};
use super::quote::Quote;
use crate::ExportError;

pub(super) fn write(peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<Vec<Artifact>, ExportError> {
    let mut conf = Artifact::new("ipsec.conf");
    let mut secrets = Artifact::new("ipsec.secrets");
    line!(conf, "# /etc/ipsec.d/quadspan.conf: the other end of our tunnels.");
    line!(secrets, "# /etc/ipsec.d/quadspan.secrets, mode 0600.");
    for (index, peer) in peers.iter().enumerate() {
        connection(&mut conf, peer, index + 1)?;
        secrets.part(format_args!("{} {} : PSK ", identity(&peer.id()), identity(&peer.our_id())));
        secrets.key(peer, Quote::Libreswan)?;
        line!(secrets);
        if peer.asns().is_some() {
            notes.push(format!(
                "{}: libreswan speaks no BGP: run a speaker on {} ({})",
                peer.name(),
                peer.inside(),
                "`export swanctl-bird` writes its configuration"
            ));
        }
    }
    Ok(vec![conf, secrets])
}

fn connection(conf: &mut Artifact, peer: &Peer<'_>, number: usize) -> Result<(), ExportError> {
    const ACCEPTS: &str = "AES-CBC or AES-GCM (16-octet tag), SHA-1 or SHA-2, groups 5, 14 to 16, 18 to 21 and 31";
    let tunnel = &peer.tunnel.ike;
    let (version, aggressive) = match tunnel.version {
        IkeVersion::V2 => ("insist", false),
        IkeVersion::V1(mode) => ("no", mode == V1Mode::Aggressive),
    };
    let (networks, our_networks) = (single(peer, &peer.networks())?, single(peer, &peer.our_networks())?);
    line!(conf);
    line!(conf, "conn {}", peer.name());
    line!(conf, "    ikev2={version}");
    if aggressive {
        line!(conf, "    aggressive=yes");
    }
    line!(conf, "    authby=secret");
    line!(conf, "    left={}", peer.outside());
    line!(conf, "    leftid={}", identity(&peer.id()));
    line!(conf, "    leftsubnet={networks}");
    line!(conf, "    right={}", peer.our_outside());
    line!(conf, "    rightid={}", identity(&peer.our_id()));
    line!(conf, "    rightsubnet={our_networks}");
    line!(conf, "    ike={}", peer.ike(ike, ACCEPTS)?);
    let group = peer.esp(|suite| esp(suite).map(|_| pfs(suite)), ACCEPTS)?;
    line!(conf, "    esp={}", peer.esp(esp, ACCEPTS)?);
    line!(conf, "    pfs={}", if group.is_some() { "yes" } else { "no" });
    line!(conf, "    ikelifetime={}s", tunnel.ike_lifetime.as_secs());
    line!(conf, "    salifetime={}s", tunnel.child_lifetime.time.as_secs());
    line!(conf, "    dpddelay={}", tunnel.dpd.interval.as_secs());
    line!(conf, "    dpdtimeout={}", tunnel.dpd.timeout.as_secs());
    line!(conf, "    replay-window={}", tunnel.replay_window);
    line!(
        conf,
        "    encapsulation={}",
        match tunnel.encapsulation {
            EncapsulationPolicy::Auto => "auto",
            EncapsulationPolicy::Always => "yes",
            EncapsulationPolicy::Never => "no",
        }
    );
    line!(conf, "    ipsec-interface={number}");
    line!(conf, "    # the interface ipsec{number} gets the address {}", peer.inside());
    line!(conf, "    auto={}", if peer.begins() { "start" } else { "add" });
    Ok(())
}

fn single(peer: &Peer<'_>, networks: &[ipnet::IpNet]) -> Result<String, ExportError> {
    match networks {
        [network] => Ok(network.to_string()),
        several => Err(peer.unsupported(format!("{} networks at one end", several.len()), "one in a connection")),
    }
}

/// An `@` says that a name is not to be looked up.
fn identity(id: &str) -> String {
    let plain = id.parse::<std::net::IpAddr>().is_ok() || id.contains(['@', '=']);
    if plain { id.to_owned() } else { format!("@{id}") }
}

fn ike(suite: &IkeProposal) -> Option<String> {
    prf_follows(suite).then_some(())?;
    Some(format!("{}-{};{}", cipher(suite.encryption)?, digest(hash(suite))?, group(suite.group)?))
}

fn esp(suite: &EspProposal) -> Option<String> {
    let integrity = match suite.suite.integrity {
        Some(integrity) => format!("-{}", digest(integrity)?),
        None => String::new(),
    };
    let group = match pfs(suite) {
        Some(of) => format!(";{}", group(of)?),
        None => String::new(),
    };
    Some(format!("{}{integrity}{group}", cipher(suite.suite.encryption)?))
}

fn cipher(encryption: Encryption) -> Option<String> {
    match encryption {
        Encryption::AesCbc(bits) => Some(format!("aes{bits}")),
        Encryption::AesGcm { bits, tag: 16 } => Some(format!("aes_gcm{bits}")),
        Encryption::ChaCha20Poly1305 => Some("chacha20_poly1305".to_owned()),
        Encryption::TripleDesCbc => Some("3des".to_owned()),
        Encryption::AesGcm { .. } | Encryption::DesCbc => None,
    }
}

fn digest(integrity: Integrity) -> Option<&'static str> {
    match integrity {
        Integrity::HmacMd5 => None,
        Integrity::HmacSha1 => Some("sha1"),
        Integrity::HmacSha256 => Some("sha2_256"),
        Integrity::HmacSha384 => Some("sha2_384"),
        Integrity::HmacSha512 => Some("sha2_512"),
    }
}

fn group(group: Group) -> Option<String> {
    matches!(group.id().0, 5 | 14..=16 | 18..=21 | 31).then(|| format!("dh{}", group.id().0))
}
