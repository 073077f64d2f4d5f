//! Cisco IOS-XE: IKEv2, an IPsec profile and a tunnel interface per tunnel, and BGP over them.

use crypto::Group;
use ipnet::IpNet;
use wire::ipsec::{Encryption, Integrity};

use super::artifact::{Artifact, line};
use super::peer::{Peer, hash, pfs};
use super::quote::Quote;
use super::speaker::{Neighbor, Speaker, announced_v4};
use crate::ExportError;

pub(super) fn write(peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<Vec<Artifact>, ExportError> {
    let mut file = Artifact::new("ios-xe.txt");
    line!(file, "! The other end of our tunnels. It holds keys: mode 0600.");
    for (index, peer) in peers.iter().enumerate() {
        if peer.is_v1() {
            return Err(peer.unsupported("IKEv1 among what is written", "IKEv2"));
        }
        ike(&mut file, peer)?;
        interface(&mut file, peer, index + 1)?;
    }
    bgp(&mut file, peers, notes)?;
    notes.push(
        "the interface that has the outside address must be up and named by `tunnel source`'s address".to_owned(),
    );
    Ok(vec![file])
}

fn ike(file: &mut Artifact, peer: &Peer<'_>) -> Result<(), ExportError> {
    const ACCEPTS: &str =
        "AES-CBC, AES-128-GCM or AES-256-GCM, 3DES, SHA-1 or SHA-2 and groups 1, 2, 5, 14 to 16, 19 to 21 and 24";
    let name = peer.name();
    let (encryption, integrity, prf, group) = peer.ike(
        |suite| {
            let (integrity, prf) = (suite.integrity, hash(suite));
            // Without a PRF line it is that of the integrity algorithm.
            let own = suite.integrity.is_none() || suite.integrity.map(crypto::Prf::from) == Some(suite.prf);
            own.then_some((ike_cipher(suite.encryption)?, integrity, prf, number(suite.group)?))
        },
        ACCEPTS,
    )?;
    line!(file, "!");
    line!(file, "crypto ikev2 proposal {name}");
    line!(file, " encryption {encryption}");
    match integrity {
        Some(integrity) => line!(file, " integrity {integrity}"),
        None => line!(file, " prf {prf}"),
    }
    line!(file, " group {group}");
    line!(file, "crypto ikev2 policy {name}");
    line!(file, " match address local {}", peer.outside());
    line!(file, " proposal {name}");
    line!(file, "crypto ikev2 keyring {name}");
    line!(file, " peer {name}");
    line!(file, "  address {}", peer.our_outside());
    file.part(format_args!("  pre-shared-key "));
    file.key(peer, Quote::Device)?;
    line!(file);
    line!(file, "crypto ikev2 profile {name}");
    line!(file, " match address local {}", peer.outside());
    line!(file, " match identity remote {}", identity(peer, &peer.our_id())?);
    line!(file, " identity local {}", identity(peer, &peer.id())?.replace(" 255.255.255.255", ""));
    line!(file, " authentication remote pre-share");
    line!(file, " authentication local pre-share");
    line!(file, " keyring local {name}");
    line!(file, " lifetime {}", peer.tunnel.ike.ike_lifetime.as_secs());
    line!(file, " dpd {} 3 periodic", peer.tunnel.ike.dpd.interval.as_secs().clamp(10, 3_600));
    line!(file, "crypto ipsec transform-set {name} {}", peer.esp(transform, ACCEPTS)?);
    line!(file, " mode tunnel");
    line!(file, "crypto ipsec profile {name}");
    line!(file, " set transform-set {name}");
    line!(file, " set ikev2-profile {name}");
    line!(file, " set security-association lifetime seconds {}", peer.tunnel.ike.child_lifetime.time.as_secs());
    if let Some(bytes) = peer.tunnel.ike.child_lifetime.bytes {
        line!(file, " set security-association lifetime kilobytes {}", (bytes / 1024).clamp(2_560, 4_294_967_295));
    }
    if let Some(group) = peer.esp(|suite| transform(suite).map(|_| pfs(suite).map(number)), ACCEPTS)? {
        let group = group.ok_or_else(|| peer.unsupported("group of PFS", ACCEPTS))?;
        line!(file, " set pfs group{group}");
    }
    Ok(())
}

fn identity(peer: &Peer<'_>, id: &str) -> Result<String, ExportError> {
    if id.parse::<std::net::Ipv4Addr>().is_ok() {
        Ok(format!("address {id} 255.255.255.255"))
    } else if id.parse::<std::net::IpAddr>().is_ok() {
        Ok(format!("address {id}/128"))
    } else if id.contains(['=', ' ', ':', '#']) {
        Err(peer.unsupported(format!("identity {id}"), "an address, a domain name or a mail address"))
    } else if id.contains('@') {
        Ok(format!("email {id}"))
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
    let mtu = peer.tunnel.mtu.unwrap_or(1_400);
    line!(file, "interface Tunnel{number}");
    line!(file, " description {}", peer.name());
    line!(file, " ip address {} {}", link.peer, link.prefix.netmask());
    line!(file, " ip mtu {mtu}");
    line!(file, " ip tcp adjust-mss {}", mtu.saturating_sub(40).clamp(500, 1_460));
    line!(file, " tunnel source {}", peer.outside());
    line!(file, " tunnel mode ipsec {}", if peer.outside().is_ipv4() { "ipv4" } else { "ipv6" });
    line!(file, " tunnel destination {}", peer.our_outside());
    line!(file, " tunnel protection ipsec profile {}", peer.name());
    line!(file, " no shutdown");
    if peer.asns().is_none() {
        for route in peer.routes() {
            if let IpNet::V4(route) = route {
                line!(file, "ip route {} {} Tunnel{number}", route.addr(), route.netmask());
            }
        }
    }
    Ok(())
}

fn bgp(file: &mut Artifact, peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<(), ExportError> {
    let Some(speaker) = Speaker::of(peers, "IOS-XE")? else { return Ok(()) };
    line!(file, "!");
    line!(file, "router bgp {}", speaker.asn);
    line!(file, " bgp log-neighbor-changes");
    for Neighbor { peer, asn, hold, keepalive } in &speaker.neighbors {
        line!(file, " neighbor {} remote-as {asn}", peer.tunnel.inside.local);
        line!(file, " neighbor {} description {}", peer.tunnel.inside.local, peer.name());
        line!(file, " neighbor {} timers {keepalive} {hold}", peer.tunnel.inside.local);
    }
    line!(file, " address-family ipv4 unicast");
    for network in announced_v4(peers, "ios-xe.txt", notes) {
        line!(file, "  network {} mask {}", network.addr(), network.netmask());
    }
    for Neighbor { peer, .. } in &speaker.neighbors {
        line!(file, "  neighbor {} activate", peer.tunnel.inside.local);
    }
    line!(file, " exit-address-family");
    Ok(())
}

const fn ike_cipher(encryption: Encryption) -> Option<&'static str> {
    match encryption {
        Encryption::AesCbc(128) => Some("aes-cbc-128"),
        Encryption::AesCbc(192) => Some("aes-cbc-192"),
        Encryption::AesCbc(256) => Some("aes-cbc-256"),
        Encryption::AesGcm { bits: 128, tag: 16 } => Some("aes-gcm-128"),
        Encryption::AesGcm { bits: 256, tag: 16 } => Some("aes-gcm-256"),
        Encryption::TripleDesCbc => Some("3des"),
        Encryption::AesCbc(_) | Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 | Encryption::DesCbc => None,
    }
}

fn transform(suite: &crypto::EspProposal) -> Option<String> {
    if suite.suite.esn && !suite.or_without_esn {
        return None;
    }
    let cipher = match suite.suite.encryption {
        Encryption::AesCbc(bits) => format!("esp-aes {bits}"),
        Encryption::AesGcm { bits, tag: 16 } => format!("esp-gcm {bits}"),
        Encryption::TripleDesCbc => "esp-3des".to_owned(),
        Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 | Encryption::DesCbc => return None,
    };
    Some(match suite.suite.integrity {
        None => cipher,
        Some(Integrity::HmacMd5) => return None,
        Some(Integrity::HmacSha1) => format!("{cipher} esp-sha-hmac"),
        Some(integrity) => format!("{cipher} esp-{integrity}-hmac"),
    })
}

fn number(group: Group) -> Option<u16> {
    Some(group.id().0).filter(|number| matches!(number, 1 | 2 | 5 | 14..=16 | 19..=21 | 24))
}
