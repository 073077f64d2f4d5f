//! Alibaba: parameters of CreateCustomerGateway and CreateVpnConnection, as `aliyun vpc ... --cli-input` and SDKs take
//! them. A connection has two tunnels: the first is the primary for good (S0-03, S0-04).

use crypto::Group;
use negotiation::{IkeVersion, V1Mode};
use profile::Profile;
use serde_json::{Value, json};
use wire::ipsec::Encryption;

use super::artifact::{Artifact, line};
use super::peer::{Peer, hash, pfs, prf_follows};
use super::quote::Quote;
use crate::ExportError;

pub(super) fn write(peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<Vec<Artifact>, ExportError> {
    if peers.len() > 2 {
        let what = format!("a connection has two tunnels, and these are {}", peers.len());
        return Err(ExportError::Shape { target: "Alibaba", what });
    }
    if peers.len() == 1 {
        // S0-16.
        notes.push("a connection has two tunnels, and only with both there is redundancy: add the other".to_owned());
    }
    let mut files = vec![gateways(peers)?];
    files.push(connection(peers)?);
    notes.push("put the id of the VPN gateway and those of the customer gateways where `<..>` stands".to_owned());
    notes.push("the order of the tunnels is that of the gateway's two addresses: compare `remote` of ours".to_owned());
    Ok(files)
}

fn gateways(peers: &[Peer<'_>]) -> Result<Artifact, ExportError> {
    let mut file = Artifact::new("create-customer-gateways.json");
    let mut list: Vec<Value> = Vec::new();
    for peer in peers {
        let address = peer.our_public()?.to_string();
        if list.iter().any(|known| known["IpAddress"] == address) {
            continue;
        }
        let mut gateway = json!({ "Name": format!("quadspan-{}", list.len() + 1), "IpAddress": address });
        if let Some((_, ours)) = peer.asns() {
            // S1-10.
            if Profile::Alibaba.keeps_asn(ours) {
                return Err(peer.unsupported(format!("customer gateway with AS {ours}"), "any AS number but its own"));
            }
            // S0-18: without one BGP cannot be turned on later.
            gateway["Asn"] = json!(ours.0.to_string());
        }
        list.push(gateway);
    }
    line!(file, "{:#}", Value::Array(list));
    Ok(file)
}

fn connection(peers: &[Peer<'_>]) -> Result<Artifact, ExportError> {
    let mut file = Artifact::new("create-vpn-connection.json");
    let bgp = peers.iter().any(|peer| peer.asns().is_some());
    let list = |networks: Vec<ipnet::IpNet>| networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let (local, remote) = match peers.first() {
        // Local is the cloud's side here.
        Some(peer) => (list(peer.networks()), list(peer.our_networks())),
        None => (String::new(), String::new()),
    };
    line!(file, "{{");
    line!(file, "  \"VpnGatewayId\": \"<vpn-..>\",");
    line!(file, "  \"Name\": \"quadspan\",");
    line!(file, "  \"LocalSubnet\": \"{local}\",");
    line!(file, "  \"RemoteSubnet\": \"{remote}\",");
    line!(file, "  \"EffectImmediately\": {},", peers.iter().any(Peer::begins));
    line!(file, "  \"AutoConfigRoute\": true,");
    line!(file, "  \"EnableTunnelsBgp\": {bgp},");
    line!(file, "  \"TunnelOptionsSpecification\": [");
    for (index, peer) in peers.iter().enumerate() {
        tunnel(&mut file, peer, index)?;
        line!(file, "{}", if index + 1 < peers.len() { "," } else { "" });
    }
    line!(file, "  ]");
    line!(file, "}}");
    Ok(file)
}

fn tunnel(file: &mut Artifact, peer: &Peer<'_>, index: usize) -> Result<(), ExportError> {
    const ACCEPTS: &str = "AES-CBC, 3DES or DES with MD5, SHA-1 or SHA-2, and groups 1, 2, 5 and 14, without ESN";
    let tunnel = &peer.tunnel.ike;
    let ike = peer.ike(
        |suite| {
            prf_follows(suite).then_some(())?;
            (!suite.encryption.is_aead()).then_some(())?;
            Some((cipher(suite.encryption)?, hash(suite), group(suite.group)?))
        },
        ACCEPTS,
    )?;
    let esp = peer.esp(
        |suite| {
            let group = match pfs(suite) {
                None => "disabled",
                Some(of) => group(of)?,
            };
            let no_esn = !suite.suite.esn || suite.or_without_esn;
            no_esn.then_some((cipher(suite.suite.encryption)?, suite.suite.integrity?, group))
        },
        ACCEPTS,
    )?;
    check_key(peer)?;
    let (version, mode) = match tunnel.version {
        IkeVersion::V2 => ("ikev2", "main"),
        IkeVersion::V1(V1Mode::Main) => ("ikev1", "main"),
        IkeVersion::V1(V1Mode::Aggressive) => ("ikev1", "aggressive"),
    };
    let longest = *Profile::Alibaba.ike_lifetimes().end();
    let lifetime = |time: std::time::Duration| time.as_secs().min(longest);
    line!(file, "    {{");
    line!(file, "      \"Role\": \"{}\",", if index == 0 { "master" } else { "slave" });
    line!(file, "      \"CustomerGatewayId\": \"<cgw-..>\",");
    line!(file, "      \"EnableDpd\": true,");
    line!(file, "      \"EnableNatTraversal\": true,");
    if let Some((theirs, _)) = peer.asns() {
        let link = peer.tunnel.inside;
        // S0-47.
        if link.prefix.prefix_len() != 30 || !link.prefix.addr().is_link_local() {
            return Err(peer.unsupported(format!("tunnel CIDR {}", link.prefix), "a /30 of 169.254.0.0/16"));
        }
        line!(file, "      \"TunnelBgpConfig\": {{");
        line!(file, "        \"LocalAsn\": {theirs},");
        line!(file, "        \"TunnelCidr\": \"{}\",", link.prefix);
        line!(file, "        \"LocalBgpIp\": \"{}\"", link.peer);
        line!(file, "      }},");
    }
    line!(file, "      \"TunnelIkeConfig\": {{");
    file.part(format_args!("        \"Psk\": "));
    file.key(peer, Quote::Json)?;
    line!(file, ",");
    line!(file, "        \"IkeVersion\": \"{version}\",");
    line!(file, "        \"IkeMode\": \"{mode}\",");
    line!(file, "        \"IkeEncAlg\": \"{}\",", ike.0);
    line!(file, "        \"IkeAuthAlg\": \"{}\",", ike.1);
    line!(file, "        \"IkePfs\": \"{}\",", ike.2);
    line!(file, "        \"IkeLifetime\": {},", lifetime(tunnel.ike_lifetime));
    line!(file, "        \"LocalId\": {},", Value::String(peer.id()));
    line!(file, "        \"RemoteId\": {}", Value::String(peer.our_id()));
    line!(file, "      }},");
    line!(file, "      \"TunnelIpsecConfig\": {{");
    line!(file, "        \"IpsecEncAlg\": \"{}\",", esp.0);
    line!(file, "        \"IpsecAuthAlg\": \"{}\",", esp.1);
    line!(file, "        \"IpsecPfs\": \"{}\",", esp.2);
    line!(file, "        \"IpsecLifetime\": {}", lifetime(tunnel.child_lifetime.time));
    line!(file, "      }}");
    file.part(format_args!("    }}"));
    Ok(())
}

/// S1-17.
fn check_key(peer: &Peer<'_>) -> Result<(), ExportError> {
    let name = || peer.name().to_owned();
    let check = Profile::Alibaba.check_key(peer.psk()?.expose());
    check.map_err(|reason| ExportError::Key { tunnel: name(), target: "Alibaba", reason })
}

const fn cipher(encryption: Encryption) -> Option<&'static str> {
    match encryption {
        Encryption::AesCbc(128) => Some("aes"),
        Encryption::AesCbc(192) => Some("aes192"),
        Encryption::AesCbc(256) => Some("aes256"),
        Encryption::TripleDesCbc => Some("3des"),
        Encryption::DesCbc => Some("des"),
        Encryption::AesCbc(_) | Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 => None,
    }
}

fn group(group: Group) -> Option<&'static str> {
    Some(match group.id().0 {
        1 => "group1",
        2 => "group2",
        5 => "group5",
        14 => "group14",
        _ => return None,
    })
}
