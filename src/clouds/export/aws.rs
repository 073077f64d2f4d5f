//! What AWS's command line and Terraform have in common: which tunnels make a connection, and AWS's names.
//!
//! A customer gateway is one outside address of ours; a connection has two tunnels from there. AWS chooses their
//! outside addresses itself, so that ours follow from it and not the reverse.

use std::net::IpAddr;

use crypto::Group;
use ipnet::IpNet;
use negotiation::DpdAction;
use profile::Profile;
use wire::ipsec::{Encryption, Integrity};

use super::peer::{Peer, hash, pfs};
use crate::ExportError;

/// One Site-to-Site VPN connection.
pub(super) struct Connection<'a, 'b> {
    /// Our outside address.
    pub(super) address: IpAddr,
    /// One or two.
    pub(super) tunnels: Vec<&'b Peer<'a>>,
}

impl Connection<'_, '_> {
    /// Our AS number; AWS wants one of a static connection, too.
    pub(super) fn asn(&self) -> u32 {
        self.tunnels.iter().find_map(|peer| peer.asns()).map_or(65000, |(_, ours)| ours.0)
    }

    /// The API's name of the argument for it: what takes more than 31 bits has one of its own.
    pub(super) fn asn_argument(&self) -> &'static str {
        if self.asn() > i32::MAX.cast_unsigned() { "bgp_asn_extended" } else { "bgp_asn" }
    }

    /// Whether routes are static.
    pub(super) fn is_static(&self) -> bool {
        self.tunnels.iter().all(|peer| peer.asns().is_none())
    }

    /// What AWS routes to us without BGP.
    pub(super) fn routes(&self) -> Vec<IpNet> {
        if self.is_static() { self.tunnels.first().map(|peer| peer.routes()).unwrap_or_default() } else { Vec::new() }
    }
}

pub(super) fn connections<'a, 'b>(
    peers: &'b [Peer<'a>],
    notes: &mut Vec<String>,
) -> Result<Vec<Connection<'a, 'b>>, ExportError> {
    let mut connections: Vec<Connection<'a, 'b>> = Vec::new();
    for peer in peers {
        let address = peer.our_public()?;
        let open = connections.iter_mut().find(|open| open.address == address && open.tunnels.len() < 2);
        match open {
            Some(open) => open.tunnels.push(peer),
            None => connections.push(Connection { address, tunnels: vec![peer] }),
        }
    }
    for connection in &connections {
        if let [only] = connection.tunnels.as_slice() {
            notes.push(format!(
                "{}: AWS makes two tunnels of a connection; the second one is left as it comes",
                only.name()
            ));
        }
    }
    notes.push(
        "AWS chooses its outside addresses: put them into `remote` of our tunnels once the connections exist"
            .to_owned(),
    );
    Ok(connections)
}

/// What AWS is told about one tunnel, in its own words.
pub(super) struct Terms {
    pub(super) inside: String,
    pub(super) version: &'static str,
    pub(super) ike: Suite,
    pub(super) ike_lifetime: u64,
    pub(super) esp: Suite,
    pub(super) esp_lifetime: u64,
    pub(super) margin: u64,
    pub(super) fuzz: u8,
    pub(super) replay_window: u32,
    pub(super) dpd_timeout: u64,
    pub(super) dpd_action: &'static str,
    pub(super) startup: &'static str,
}

/// One suite.
pub(super) struct Suite {
    pub(super) encryption: &'static str,
    pub(super) integrity: &'static str,
    pub(super) group: u16,
}

const ACCEPTS: &str = "AES128, AES256, AES128-GCM-16 or AES256-GCM-16 with SHA1, SHA2-256, SHA2-384 or SHA2-512 and a \
                       group of 2 (5 for ESP) or 14 to 24, with PFS";

pub(super) fn terms(peer: &Peer<'_>) -> Result<Terms, ExportError> {
    let tunnel = &peer.tunnel.ike;
    let ike = peer.ike(
        |suite| {
            let group = number(suite.group).filter(|number| *number != 5)?;
            Some(Suite { encryption: cipher(suite.encryption)?, integrity: digest(hash(suite))?, group })
        },
        ACCEPTS,
    )?;
    let esp = peer.esp(
        |suite| {
            let group = number(pfs(suite)?)?;
            let integrity = digest(suite.suite.integrity.unwrap_or(Integrity::HmacSha256))?;
            let no_esn = !suite.suite.esn || suite.or_without_esn;
            no_esn.then_some(Suite { encryption: cipher(suite.suite.encryption)?, integrity, group })
        },
        ACCEPTS,
    )?;
    let within = |what: &str, value: u64, range: std::ops::RangeInclusive<u64>| {
        if range.contains(&value) {
            return Ok(value);
        }
        Err(peer.unsupported(format!("{what} of {value}"), format!("{} to {}", range.start(), range.end())))
    };
    let esp_lifetime = within("ESP lifetime", tunnel.child_lifetime.time.as_secs(), Profile::Aws.child_lifetimes())?;
    let margin = tunnel.rekey_margin.as_secs().clamp(60, esp_lifetime / 2);
    let windows = Profile::Aws.replay_windows();
    Ok(Terms {
        inside: inside(peer)?,
        version: if peer.is_v1() { "ikev1" } else { "ikev2" },
        ike,
        ike_lifetime: within("IKE lifetime", tunnel.ike_lifetime.as_secs(), Profile::Aws.ike_lifetimes())?,
        esp,
        esp_lifetime,
        margin,
        fuzz: tunnel.rekey_fuzz,
        replay_window: tunnel.replay_window.clamp(*windows.start(), *windows.end()),
        dpd_timeout: tunnel.dpd.timeout.as_secs().max(30),
        dpd_action: match tunnel.dpd.action {
            DpdAction::None => "none",
            DpdAction::Clear | DpdAction::Restart if peer.begins() => "restart",
            DpdAction::Clear | DpdAction::Restart => "clear",
        },
        // S4-16; AWS begins by IKEv2 only.
        startup: if peer.begins() && !peer.is_v1() { "start" } else { "add" },
    })
}

/// S4-07: AWS takes the first host.
fn inside(peer: &Peer<'_>) -> Result<String, ExportError> {
    let link = peer.tunnel.inside;
    let first = link.prefix.hosts().next().map(IpAddr::V4);
    if link.prefix.prefix_len() != 30 || !link.prefix.addr().is_link_local() || first != Some(link.peer) {
        let what = format!("inside link {} with {} for itself", link.prefix, link.peer);
        return Err(peer.unsupported(what, "a /30 of 169.254.0.0/16, of which it has the first host"));
    }
    Ok(link.prefix.to_string())
}

const fn cipher(encryption: Encryption) -> Option<&'static str> {
    match encryption {
        Encryption::AesCbc(128) => Some("AES128"),
        Encryption::AesCbc(256) => Some("AES256"),
        Encryption::AesGcm { bits: 128, tag: 16 } => Some("AES128-GCM-16"),
        Encryption::AesGcm { bits: 256, tag: 16 } => Some("AES256-GCM-16"),
        Encryption::AesCbc(_)
        | Encryption::AesGcm { .. }
        | Encryption::ChaCha20Poly1305
        | Encryption::TripleDesCbc
        | Encryption::DesCbc => None,
    }
}

const fn digest(integrity: Integrity) -> Option<&'static str> {
    match integrity {
        Integrity::HmacMd5 => None,
        Integrity::HmacSha1 => Some("SHA1"),
        Integrity::HmacSha256 => Some("SHA2-256"),
        Integrity::HmacSha384 => Some("SHA2-384"),
        Integrity::HmacSha512 => Some("SHA2-512"),
    }
}

fn number(group: Group) -> Option<u16> {
    Some(group.id().0).filter(|number| matches!(number, 2 | 5 | 14..=24))
}
