//! H3C Comware 7: IKEv1 or IKEv2, an IPsec profile and a tunnel interface per tunnel, and BGP (S1-22).

use crypto::{EspProposal, Group};
use negotiation::{IkeVersion, V1Mode};
use wire::ipsec::{Encryption, Integrity};

use super::artifact::{Artifact, line};
use super::peer::{Peer, hash, pfs, prf_follows};
use super::quote::Quote;
use super::speaker::{Neighbor, Speaker, announced_v4};
use crate::ExportError;

const ACCEPTS: &str = "IKE with AES-CBC, 3DES or DES, SHA-1 or SHA-2 and groups 1, 2, 5, 14, 19, 20 and 24; ESP with these or \
                       AES-GCM, without ESN";

pub(super) fn write(peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<Vec<Artifact>, ExportError> {
    let mut file = Artifact::new("comware.txt");
    line!(file, "# The other end of our tunnels. It holds keys: mode 0600.");
    line!(file, "system-view");
    for (index, peer) in peers.iter().enumerate() {
        let number = index + 1;
        transform_set(&mut file, peer)?;
        match peer.tunnel.ike.version {
            IkeVersion::V2 => version2(&mut file, peer)?,
            IkeVersion::V1(mode) => version1(&mut file, peer, mode, number)?,
        }
        interface(&mut file, peer, number)?;
    }
    bgp(&mut file, peers, notes)?;
    line!(file, "return");
    notes.push(
        "the tunnel interfaces must be in a security zone, and the zone let through: add that by hand".to_owned(),
    );
    Ok(vec![file])
}

fn transform_set(file: &mut Artifact, peer: &Peer<'_>) -> Result<(), ExportError> {
    let (cipher, integrity, group) = peer.esp(esp, ACCEPTS)?;
    line!(file, "#");
    line!(file, "ipsec transform-set {}", peer.name());
    line!(file, " encapsulation-mode tunnel");
    line!(file, " protocol esp");
    line!(file, " esp encryption-algorithm {cipher}");
    if let Some(integrity) = integrity {
        line!(file, " esp authentication-algorithm {integrity}");
    }
    if let Some(group) = group {
        line!(file, " pfs dh-group{group}");
    }
    line!(file, " quit");
    Ok(())
}

fn version2(file: &mut Artifact, peer: &Peer<'_>) -> Result<(), ExportError> {
    let name = peer.name();
    let (cipher, integrity, group) = peer.ike(ike, ACCEPTS)?;
    line!(file, "ikev2 proposal {name}");
    line!(file, " encryption {cipher}");
    line!(file, " integrity {integrity}");
    line!(file, " prf {integrity}");
    line!(file, " dh group{group}");
    line!(file, " quit");
    line!(file, "ikev2 policy {name}");
    line!(file, " match local address {}", peer.outside());
    line!(file, " proposal {name}");
    line!(file, " quit");
    line!(file, "ikev2 keychain {name}");
    line!(file, " peer {name}");
    line!(file, "  address {}", peer.our_outside());
    file.part(format_args!("  pre-shared-key plaintext "));
    file.key(peer, Quote::Device)?;
    line!(file);
    line!(file, "  quit");
    line!(file, " quit");
    line!(file, "ikev2 profile {name}");
    line!(file, " authentication-method local pre-share");
    line!(file, " authentication-method remote pre-share");
    line!(file, " keychain {name}");
    line!(file, " identity local {}", identity(peer, &peer.id())?);
    line!(file, " match remote identity {}", identity(peer, &peer.our_id())?);
    line!(file, " sa duration {}", peer.tunnel.ike.ike_lifetime.as_secs());
    line!(file, " dpd interval {} periodic", peer.tunnel.ike.dpd.interval.as_secs().clamp(10, 3_600));
    line!(file, " quit");
    profile(file, peer, "ikev2-profile");
    Ok(())
}

fn version1(file: &mut Artifact, peer: &Peer<'_>, mode: V1Mode, number: usize) -> Result<(), ExportError> {
    let name = peer.name();
    let (cipher, integrity, group) = peer.ike(ike, ACCEPTS)?;
    line!(file, "ike proposal {number}");
    line!(file, " encryption-algorithm {cipher}");
    line!(file, " authentication-algorithm {}", integrity.to_string().replace("sha1", "sha"));
    line!(file, " dh group{group}");
    line!(file, " sa duration {}", peer.tunnel.ike.ike_lifetime.as_secs());
    line!(file, " quit");
    line!(file, "ike keychain {name}");
    file.part(format_args!(" pre-shared-key address {} key simple ", peer.our_outside()));
    file.key(peer, Quote::Device)?;
    line!(file);
    line!(file, " quit");
    line!(file, "ike profile {name}");
    line!(file, " keychain {name}");
    line!(file, " proposal {number}");
    if mode == V1Mode::Aggressive {
        line!(file, " exchange-mode aggressive");
    }
    line!(file, " local-identity {}", identity(peer, &peer.id())?);
    line!(file, " match remote identity {}", identity(peer, &peer.our_id())?);
    line!(file, " dpd interval {} periodic", peer.tunnel.ike.dpd.interval.as_secs().clamp(1, 300));
    line!(file, " quit");
    profile(file, peer, "ike-profile");
    Ok(())
}

fn profile(file: &mut Artifact, peer: &Peer<'_>, reference: &str) {
    let name = peer.name();
    let life = peer.tunnel.ike.child_lifetime;
    line!(file, "ipsec profile {name} isakmp");
    line!(file, " transform-set {name}");
    line!(file, " {reference} {name}");
    line!(file, " sa duration time-based {}", life.time.as_secs().clamp(180, 604_800));
    if let Some(bytes) = life.bytes {
        line!(file, " sa duration traffic-based {}", (bytes / 1024).clamp(2_560, 4_294_967_295));
    }
    line!(file, " quit");
}

fn identity(peer: &Peer<'_>, id: &str) -> Result<String, ExportError> {
    if id.parse::<std::net::IpAddr>().is_ok() {
        Ok(format!("address {id}"))
    } else if id.contains(['=', ' ', ':', '#', '@']) {
        Err(peer.unsupported(format!("identity {id}"), "an address or a domain name"))
    } else {
        Ok(format!("fqdn {id}"))
    }
}

fn interface(file: &mut Artifact, peer: &Peer<'_>, number: usize) -> Result<(), ExportError> {
    let selective = peer.networks().iter().chain(&peer.our_networks()).any(|network| network.prefix_len() > 0);
    if selective {
        return Err(
            peer.unsupported("tunnel interface with selectors", "everything in a tunnel: leave `selectors` out")
        );
    }
    let link = peer.tunnel.inside;
    line!(file, "interface tunnel {number} mode ipsec");
    line!(file, " description {}", peer.name());
    line!(file, " ip address {} {}", link.peer, link.prefix.netmask());
    line!(file, " mtu {}", peer.tunnel.mtu.unwrap_or(1_400));
    line!(file, " source {}", peer.outside());
    line!(file, " destination {}", peer.our_outside());
    line!(file, " tunnel protection ipsec profile {}", peer.name());
    line!(file, " quit");
    if peer.asns().is_none() {
        for route in peer.routes() {
            line!(file, "ip route-static {} {} tunnel {number}", route.addr(), route.prefix_len());
        }
    }
    Ok(())
}

fn bgp(file: &mut Artifact, peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<(), ExportError> {
    let Some(speaker) = Speaker::of(peers, "Comware")? else { return Ok(()) };
    line!(file, "bgp {}", speaker.asn);
    line!(file, " router-id {}", speaker.router_id);
    for Neighbor { peer, asn, hold, keepalive } in &speaker.neighbors {
        line!(file, " peer {} as-number {asn}", peer.tunnel.inside.local);
        line!(file, " peer {} description {}", peer.tunnel.inside.local, peer.name());
        line!(file, " peer {} timer keepalive {keepalive} hold {hold}", peer.tunnel.inside.local);
    }
    line!(file, " address-family ipv4 unicast");
    for network in announced_v4(peers, "comware.txt", notes) {
        line!(file, "  network {} {}", network.addr(), network.netmask());
    }
    for Neighbor { peer, .. } in &speaker.neighbors {
        line!(file, "  peer {} enable", peer.tunnel.inside.local);
    }
    line!(file, "  quit");
    line!(file, " quit");
    Ok(())
}

fn ike(suite: &crypto::IkeProposal) -> Option<(&'static str, Integrity, u16)> {
    prf_follows(suite).then_some(())?;
    (!suite.encryption.is_aead()).then_some(())?;
    Some((cipher(suite.encryption)?, hash(suite), number(suite.group)?))
}

fn esp(suite: &EspProposal) -> Option<(String, Option<Integrity>, Option<u16>)> {
    (!suite.suite.esn || suite.or_without_esn).then_some(())?;
    let cipher = match suite.suite.encryption {
        Encryption::AesGcm { bits, tag: 16 } => format!("aes-gcm-{bits}"),
        Encryption::AesCbc(_)
        | Encryption::AesGcm { .. }
        | Encryption::ChaCha20Poly1305
        | Encryption::TripleDesCbc
        | Encryption::DesCbc => cipher(suite.suite.encryption)?.to_owned(),
    };
    let group = match pfs(suite) {
        None => None,
        Some(of) => Some(number(of)?),
    };
    Some((cipher, suite.suite.integrity, group))
}

const fn cipher(encryption: Encryption) -> Option<&'static str> {
    match encryption {
        Encryption::AesCbc(128) => Some("aes-cbc-128"),
        Encryption::AesCbc(192) => Some("aes-cbc-192"),
        Encryption::AesCbc(256) => Some("aes-cbc-256"),
        Encryption::TripleDesCbc => Some("3des-cbc"),
        Encryption::DesCbc => Some("des-cbc"),
        Encryption::AesCbc(_) | Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 => None,
    }
}

fn number(group: Group) -> Option<u16> {
    Some(group.id().0).filter(|number| matches!(number, 1 | 2 | 5 | 14 | 19 | 20 | 24))
}
