//! What Azure's command line and Terraform have in common: instances, custom BGP addresses, and Azure's names.
//!
//! ```text
//!  instance 0 = the first outside address of Azure in our file, instance 1 = the second         (two at most)
//!  connection to instance 0: primary = its inside address, secondary = the first of instance 1  (S4-18)
//!  connection to instance 1: secondary = its inside address, primary = the first of instance 0
//! ```
//!
//! Naming both on every connection is what keeps Azure from using the first of the gateway's list for all (S4-09).

use std::net::IpAddr;

use crypto::Group;
use profile::Profile;
use wire::ipsec::{Encryption, Integrity};

use super::peer::{Peer, hash, pfs, prf_follows};
use crate::ExportError;

/// Which tunnel ends at which instance.
pub(super) struct Plan<'a, 'b> {
    /// The outside addresses of the instances.
    pub(super) instances: Vec<IpAddr>,
    pub(super) tunnels: Vec<Placed<'a, 'b>>,
}

/// A tunnel in the plan.
pub(super) struct Placed<'a, 'b> {
    pub(super) peer: &'b Peer<'a>,
    /// Our outside address.
    pub(super) address: IpAddr,
    pub(super) instance: usize,
    /// The custom BGP addresses, primary and secondary; none without BGP.
    pub(super) custom: Option<(IpAddr, Option<IpAddr>)>,
}

pub(super) fn plan<'a, 'b>(peers: &'b [Peer<'a>], notes: &mut Vec<String>) -> Result<Plan<'a, 'b>, ExportError> {
    let mut instances = Vec::new();
    for peer in peers {
        if !instances.contains(&peer.outside()) {
            instances.push(peer.outside());
        }
    }
    if instances.len() > 2 {
        let what = format!("the tunnels end at {} addresses, and a gateway has two instances", instances.len());
        return Err(ExportError::Shape { target: "Azure", what });
    }
    for (number, address) in instances.iter().enumerate() {
        notes.push(format!("instance {number} of the gateway is taken to be the one at {address}"));
    }
    let first_of = |instance: usize| {
        let of = peers.iter().find(|peer| peer.asns().is_some() && instances.get(instance) == Some(&peer.outside()));
        of.map(|peer| peer.tunnel.inside.peer)
    };
    let mut tunnels = Vec::new();
    for peer in peers {
        let instance = instances.iter().position(|address| *address == peer.outside()).unwrap_or(0);
        let own = peer.tunnel.inside.peer;
        check_inside(peer)?;
        let custom = peer.asns().map(|_| match instance {
            0 => (own, first_of(1)),
            _ => (first_of(0).unwrap_or(own), Some(own)),
        });
        tunnels.push(Placed { peer, address: peer.our_public()?, instance, custom });
    }
    Ok(Plan { instances, tunnels })
}

impl Plan<'_, '_> {
    /// The custom BGP addresses of an instance.
    pub(super) fn addresses(&self, instance: usize) -> Vec<IpAddr> {
        let placed = self.tunnels.iter().filter(|placed| placed.instance == instance && placed.custom.is_some());
        placed.map(|placed| placed.peer.tunnel.inside.peer).collect()
    }

    /// Azure's AS number, if BGP is spoken.
    pub(super) fn asn(&self) -> Option<u32> {
        self.tunnels.iter().find_map(|placed| placed.peer.asns()).map(|(azure, _)| azure.0)
    }
}

/// S4-06: what Azure takes for custom BGP addresses.
fn check_inside(peer: &Peer<'_>) -> Result<(), ExportError> {
    let IpAddr::V4(address) = peer.tunnel.inside.peer else { return Ok(()) };
    if peer.asns().is_none() || Profile::Azure.takes_link(peer.tunnel.inside.prefix) {
        return Ok(());
    }
    Err(peer.unsupported(format!("BGP address {address}"), "169.254.21.0 to 169.254.22.255"))
}

/// A custom IPsec policy, in Azure's words.
pub(super) struct Policy {
    pub(super) ike_encryption: &'static str,
    pub(super) ike_integrity: &'static str,
    pub(super) dh_group: &'static str,
    pub(super) ipsec_encryption: &'static str,
    pub(super) ipsec_integrity: &'static str,
    pub(super) pfs_group: &'static str,
    pub(super) seconds: u64,
    pub(super) kilobytes: u64,
}

const ACCEPTS: &str = "IKE with AES-CBC, AES-128-GCM or AES-256-GCM, SHA1, SHA256 or SHA384 and a group of 1, 2, 14, 19, \
                       20 or 24; ESP with AES-CBC and SHA1 or SHA256, or AES-GCM; no ESN";

pub(super) fn policy(peer: &Peer<'_>) -> Result<Policy, ExportError> {
    let (ike_encryption, ike_integrity, dh_group) = peer.ike(
        |suite| {
            prf_follows(suite).then_some(())?;
            Some((ike_cipher(suite.encryption)?, digest(hash(suite))?, group(suite.group)?))
        },
        ACCEPTS,
    )?;
    let (ipsec_encryption, ipsec_integrity, pfs_group) = peer.esp(
        |suite| {
            let encryption = esp_cipher(suite.suite.encryption)?;
            let integrity = match suite.suite.integrity {
                // GCM is named twice.
                None => encryption,
                Some(Integrity::HmacSha384) => return None,
                Some(integrity) => digest(integrity)?,
            };
            let group = match pfs(suite) {
                None => "None",
                Some(of) => pfs_group(of)?,
            };
            (!suite.suite.esn || suite.or_without_esn).then_some((encryption, integrity, group))
        },
        ACCEPTS,
    )?;
    let life = peer.tunnel.ike.child_lifetime;
    Ok(Policy {
        ike_encryption,
        ike_integrity,
        dh_group,
        ipsec_encryption,
        ipsec_integrity,
        pfs_group,
        seconds: life.time.as_secs().max(300),
        kilobytes: life.bytes.map_or(102_400_000, |bytes| (bytes / 1024).max(1024)),
    })
}

const fn ike_cipher(encryption: Encryption) -> Option<&'static str> {
    match encryption {
        Encryption::AesCbc(128) => Some("AES128"),
        Encryption::AesCbc(192) => Some("AES192"),
        Encryption::AesCbc(256) => Some("AES256"),
        Encryption::AesGcm { bits: 128, tag: 16 } => Some("GCMAES128"),
        Encryption::AesGcm { bits: 256, tag: 16 } => Some("GCMAES256"),
        Encryption::TripleDesCbc => Some("DES3"),
        Encryption::DesCbc => Some("DES"),
        Encryption::AesCbc(_) | Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 => None,
    }
}

const fn esp_cipher(encryption: Encryption) -> Option<&'static str> {
    match encryption {
        Encryption::AesGcm { bits: 192, tag: 16 } => Some("GCMAES192"),
        Encryption::AesCbc(_)
        | Encryption::AesGcm { .. }
        | Encryption::ChaCha20Poly1305
        | Encryption::TripleDesCbc
        | Encryption::DesCbc => ike_cipher(encryption),
    }
}

const fn digest(integrity: Integrity) -> Option<&'static str> {
    match integrity {
        Integrity::HmacMd5 => Some("MD5"),
        Integrity::HmacSha1 => Some("SHA1"),
        Integrity::HmacSha256 => Some("SHA256"),
        Integrity::HmacSha384 => Some("SHA384"),
        Integrity::HmacSha512 => None,
    }
}

fn group(group: Group) -> Option<&'static str> {
    Some(match group.id().0 {
        1 => "DHGroup1",
        2 => "DHGroup2",
        14 => "DHGroup14",
        19 => "ECP256",
        20 => "ECP384",
        24 => "DHGroup24",
        _ => return None,
    })
}

fn pfs_group(group: Group) -> Option<&'static str> {
    Some(match group.id().0 {
        1 => "PFS1",
        2 => "PFS2",
        14 => "PFS2048",
        19 => "ECP256",
        20 => "ECP384",
        24 => "PFS24",
        _ => return None,
    })
}
