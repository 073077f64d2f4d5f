//! Windows Server: a netsh script with a rule per tunnel (S3-14), and main mode for all of them.
//!
//! Windows speaks IKEv1 in main mode in such rules, and no BGP: its networks have to be said.

use crypto::{EspProposal, Group, IkeProposal};
use ipnet::IpNet;
use negotiation::{IkeVersion, V1Mode};
use wire::ipsec::{Encryption, Integrity};

use super::artifact::Artifact;
use super::peer::{Peer, hash, pfs, prf_follows};
use super::quote::Quote;
use crate::ExportError;

pub(super) fn write(peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<Vec<Artifact>, ExportError> {
    let mut script = Artifact::new("tunnels.cmd");
    script.part(format_args!("@rem Rules for the other end of our tunnels. It holds keys: delete it afterwards.\r\n"));
    let mut modes: Vec<(String, u64)> = Vec::new();
    for peer in peers {
        let mode = main_mode(peer)?;
        if !modes.contains(&mode) {
            modes.push(mode);
        }
    }
    let [(methods, minutes)] = modes.as_slice() else {
        let what = "main mode is set once for all of Windows, and these tunnels want different suites or lifetimes";
        return Err(ExportError::Shape { target: "Windows", what: what.to_owned() });
    };
    script.part(format_args!("netsh advfirewall set global mainmode mmsecmethods {methods}\r\n"));
    script.part(format_args!("netsh advfirewall set global mainmode mmkeylifetime {minutes}min,0sess\r\n"));
    for peer in peers {
        rule(&mut script, peer)?;
        if peer.asns().is_some() {
            notes.push(format!(
                "{}: Windows speaks no BGP in such a tunnel: leave `bgp` out and route by hand",
                peer.name()
            ));
        }
    }
    // S3-09.
    notes.push("Windows takes one tunnel at a time for one pair of networks: the others stand by".to_owned());
    Ok(vec![script])
}

/// S3-12: the methods and the minutes.
fn main_mode(peer: &Peer<'_>) -> Result<(String, u64), ExportError> {
    const ACCEPTS: &str = "AES-CBC or 3DES, SHA-1, SHA-256 or SHA-384, and groups 2, 14, 19, 20 and 24";
    if peer.tunnel.ike.version != IkeVersion::V1(V1Mode::Main) {
        return Err(peer.unsupported(peer.tunnel.ike.version.to_string(), "`ike: {version: ikev1, mode: main}`"));
    }
    let methods = |suite: &IkeProposal| {
        prf_follows(suite).then_some(())?;
        (!suite.encryption.is_aead()).then_some(())?;
        Some(format!("{}:{}-{}", group(suite.group)?, cipher(suite.encryption)?, digest(hash(suite))?))
    };
    let minutes = (peer.tunnel.ike.ike_lifetime.as_secs() / 60).clamp(1, 2_879);
    Ok((peer.ike(methods, ACCEPTS)?, minutes))
}

fn rule(script: &mut Artifact, peer: &Peer<'_>) -> Result<(), ExportError> {
    const ACCEPTS: &str = "AES-CBC, AES-GCM or 3DES with SHA-1 or SHA-256, groups 2, 14, 19, 20 and 24, and no ESN";
    let theirs = some(peer.networks()).or_else(|| some(peer.options.networks.clone()));
    let theirs = theirs.ok_or_else(|| ExportError::Shape {
        target: "Windows",
        what: format!("a rule names networks: say what is behind {} by `--network PREFIX`", peer.name()),
    })?;
    let ours = some(peer.our_networks()).or_else(|| some(peer.router.rib.originated.clone()));
    let ours = ours.ok_or_else(|| ExportError::Shape {
        target: "Windows",
        what: "a rule names networks: give the router some, `networks: [10.1.0.0/16]`".to_owned(),
    })?;
    let (method, group) = peer.esp(esp, ACCEPTS)?;
    let life = peer.tunnel.ike.child_lifetime;
    let minutes = (life.time.as_secs() / 60).clamp(5, 2_880);
    let kilobytes = life.bytes.map_or(100_000, |bytes| (bytes / 1024).clamp(20_480, 2_147_483_647));
    let mut put = |text: std::fmt::Arguments<'_>| script.part(format_args!("{text} ^\r\n"));
    put(format_args!("netsh advfirewall consec add rule Name=\"{}\"", peer.name()));
    put(format_args!("  Enable=Yes Profile=any Type=Static Mode=Tunnel"));
    put(format_args!("  LocalTunnelEndpoint={}", peer.outside()));
    put(format_args!("  RemoteTunnelEndpoint={} Endpoint1={theirs}", peer.our_outside()));
    put(format_args!("  Endpoint2={ours} Protocol=Any Action=RequireInClearOut"));
    script.part(format_args!("  Auth1=ComputerPSK Auth1PSK="));
    script.key(peer, Quote::Netsh)?;
    script.part(format_args!(" ^\r\n"));
    script.part(format_args!("  QMSecMethods=ESP:{method}+{minutes}min+{kilobytes}kb ^\r\n"));
    script.part(format_args!("  ExemptIPsecProtectedConnections=No ApplyAuthz=No QMPFS={group}\r\n"));
    Ok(())
}

/// Networks joined by commas; none if they are everything.
fn some(networks: Vec<IpNet>) -> Option<String> {
    let real: Vec<_> = networks.iter().filter(|network| network.prefix_len() > 0).map(ToString::to_string).collect();
    (!real.is_empty()).then(|| real.join(","))
}

fn esp(suite: &EspProposal) -> Option<(String, &'static str)> {
    (!suite.suite.esn || suite.or_without_esn).then_some(())?;
    let method = match (suite.suite.encryption, suite.suite.integrity) {
        (Encryption::AesGcm { bits, tag: 16 }, _) => format!("AESGCM{bits}-AESGCM{bits}"),
        (encryption, Some(integrity @ (Integrity::HmacSha1 | Integrity::HmacSha256))) => {
            format!("{}-{}", digest(integrity)?.to_uppercase(), cipher(encryption)?.to_uppercase())
        }
        (_, _) => return None,
    };
    let group = match pfs(suite) {
        None => "none",
        Some(of) => group(of)?,
    };
    Some((method, group))
}

const fn cipher(encryption: Encryption) -> Option<&'static str> {
    match encryption {
        Encryption::AesCbc(128) => Some("aes128"),
        Encryption::AesCbc(192) => Some("aes192"),
        Encryption::AesCbc(256) => Some("aes256"),
        Encryption::TripleDesCbc => Some("3des"),
        Encryption::AesCbc(_) | Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 | Encryption::DesCbc => None,
    }
}

const fn digest(integrity: Integrity) -> Option<&'static str> {
    match integrity {
        Integrity::HmacSha1 => Some("sha1"),
        Integrity::HmacSha256 => Some("sha256"),
        Integrity::HmacSha384 => Some("sha384"),
        Integrity::HmacMd5 | Integrity::HmacSha512 => None,
    }
}

fn group(group: Group) -> Option<&'static str> {
    Some(match group.id().0 {
        2 => "dhgroup2",
        14 => "dhgroup14",
        19 => "ecdhp256",
        20 => "ecdhp384",
        24 => "dhgroup24",
        _ => return None,
    })
}
