//! AWS `CustomerGatewayConfiguration`: what CreateVpnConnection and DescribeVpnConnections return.
//!
//! ```text
//!  vpn_connection[id]
//!    ipsec_tunnel, one or two, in any order
//!      customer_gateway   tunnel_outside_address, tunnel_inside_address, bgp     ours
//!      vpn_gateway        the same                                               theirs
//!      ike                suite, lifetime, mode, pre_shared_key
//!      ipsec              suite, lifetime, dead_peer_detection, tcp_mss_adjustment, ...
//! ```
//!
//! A static connection has `NoBGPVPNConnection` among its attributes, and no `bgp`. The suites are the weakest that
//! AWS takes, not the best.

use negotiation::IkeVersion;
use profile::Profile;
use wire::ipsec::Encryption;

use super::text::Text;
use super::value::{Value, shown_value};
use super::xml::{self, Element};
use crate::note::Notes;
use crate::site::{Site, SiteLink, SiteSession, SiteTunnel};
use crate::words::{esp_proposal, ike_proposal};
use crate::{ImportError, Place};

pub(super) fn read(texts: &[Text], notes: &mut Notes) -> Result<Site, ImportError> {
    let mut site = Site::default();
    for file in texts {
        let root = xml::parse(file)?;
        let connections: Vec<&Element> = if root.name == "vpn_connection" {
            vec![&root]
        } else {
            root.children.iter().filter(|child| child.name == "vpn_connection").collect()
        };
        for connection in connections {
            read_connection(file, connection, &mut site, notes)?;
        }
    }
    Ok(site)
}

fn read_connection(file: &Text, connection: &Element, site: &mut Site, notes: &mut Notes) -> Result<(), ImportError> {
    let id = connection.attribute("id").unwrap_or("aws");
    let mut fixed = false;
    for child in &connection.children {
        let value = child.value(file);
        match child.name.as_str() {
            "ipsec_tunnel" => {}
            "vpn_connection_attributes" => fixed = value.text.contains("NoBGP"),
            "vpn_connection_type" if value.text == "ipsec.1" => {}
            "customer_gateway_id" | "vpn_gateway_id" | "transit_gateway_id" => {
                notes.read(&value.place, child.name.clone(), crate::note::shown(value.text));
            }
            "ipv4_network_cidr" => {}
            _ => unknown(file, child, notes),
        }
    }
    let mut tunnels: Vec<&Element> = connection.children.iter().filter(|child| child.name == "ipsec_tunnel").collect();
    // The order in the file means nothing: that of the addresses is the same each time.
    tunnels.sort_by_key(|tunnel| {
        let address = tunnel.at(&["vpn_gateway", "tunnel_outside_address", "ip_address"]);
        address.map(|address| address.text.trim().to_owned())
    });
    for (index, element) in tunnels.into_iter().enumerate() {
        let name = format!("{id}-{}", index + 1);
        let mut tunnel = SiteTunnel::new(&name, file.place(element.line), Profile::Aws);
        read_tunnel(file, element, &mut tunnel, site, fixed, notes)?;
        site.tunnels.push(tunnel);
    }
    Ok(())
}

fn read_tunnel(
    file: &Text,
    element: &Element,
    tunnel: &mut SiteTunnel,
    site: &mut Site,
    fixed: bool,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    let (mut ours, mut theirs) = (End::default(), End::default());
    for child in &element.children {
        match child.name.as_str() {
            "customer_gateway" => ours = End::read(file, child, &format!("{} our", tunnel.name), notes)?,
            "vpn_gateway" => theirs = End::read(file, child, &format!("{} peer's", tunnel.name), notes)?,
            "ike" => read_ike(file, child, tunnel, notes)?,
            "ipsec" => read_ipsec(file, child, tunnel, notes)?,
            _ => unknown(file, child, notes),
        }
    }
    (tunnel.local, tunnel.remote) = (ours.outside, theirs.outside);
    if let (Some(local), Some(peer)) = (ours.inside, theirs.inside) {
        tunnel.inside = SiteLink::between(local, peer);
        if tunnel.inside.is_none() {
            let place = ours.inside_place.unwrap_or_else(|| tunnel.place.clone());
            let found = format!("{local} and {peer}");
            return Err(Value::new("tunnel_inside_address", &found, place).wrong("the two hosts of one /30"));
        }
    }
    match (fixed, theirs.asn) {
        (false, Some(asn)) => {
            site.asn = site.asn.or(ours.asn);
            let hold_time = theirs.hold_time.or(ours.hold_time);
            tunnel.session = Some(SiteSession { asn: Some(asn), hold_time, ..SiteSession::default() });
        }
        (true, _) | (false, None) => {
            notes.assumed_at(&tunnel.place, format!("{} bgp", tunnel.name), "none: the connection is a static one");
        }
    }
    Ok(())
}

#[derive(Default)]
struct End {
    outside: Option<std::net::IpAddr>,
    inside: Option<std::net::Ipv4Addr>,
    inside_place: Option<Place>,
    asn: Option<wire::Asn>,
    hold_time: Option<std::time::Duration>,
}

impl End {
    fn read(file: &Text, element: &Element, title: &str, notes: &mut Notes) -> Result<Self, ImportError> {
        let mut end = Self::default();
        for child in &element.children {
            for leaf in &child.children {
                let value = leaf.value(file);
                let mut said = |what: &str| notes.read(&value.place, format!("{title} {what}"), value.text);
                match (child.name.as_str(), leaf.name.as_str()) {
                    ("tunnel_outside_address", "ip_address") => {
                        end.outside = value.address_or_blank()?;
                        said("outside address");
                    }
                    ("tunnel_inside_address", "ip_address") => {
                        end.inside = Some(value.address4()?);
                        end.inside_place = Some(value.place.clone());
                        said("inside address");
                    }
                    ("tunnel_inside_address", "network_mask") if value.text == "255.255.255.252" => {}
                    ("tunnel_inside_address", "network_cidr") if value.text == "30" => {}
                    ("bgp", "asn") => {
                        end.asn = Some(value.asn()?);
                        said("AS number");
                    }
                    ("bgp", "hold_time") => {
                        end.hold_time = value.lifetime()?;
                        said("hold time");
                    }
                    _ => unknown(file, leaf, notes),
                }
            }
            if child.children.is_empty() {
                unknown(file, child, notes);
            }
        }
        Ok(end)
    }
}

/// The parts of a suite.
#[derive(Default)]
struct Parts {
    encryption: Option<Encryption>,
    integrity: Option<wire::ipsec::Integrity>,
    group: Option<crypto::Group>,
}

impl Parts {
    /// Whether `element` is one of them.
    fn take(&mut self, file: &Text, element: &Element, title: &str, notes: &mut Notes) -> Result<bool, ImportError> {
        let whole = element.value(file);
        let (value, rest) = whole.first();
        match element.name.as_str() {
            "authentication_protocol" => self.integrity = Some(value.integrity()?),
            "encryption_protocol" => self.encryption = Some(value.encryption()?),
            "perfect_forward_secrecy" => self.group = value.group()?,
            _ => return Ok(false),
        }
        let what = format!("{title} {}", element.name);
        notes.read(&value.place, what.clone(), value.text);
        if let Some(rest) = rest {
            notes.unmapped(&value.place, what, format!("{rest}: AWS takes the weakest of several"));
        }
        Ok(true)
    }
}

fn read_ike(file: &Text, element: &Element, tunnel: &mut SiteTunnel, notes: &mut Notes) -> Result<(), ImportError> {
    let mut parts = Parts::default();
    for child in &element.children {
        if parts.take(file, child, &format!("{} ike", tunnel.name), notes)? {
            continue;
        }
        let value = child.value(file);
        match child.name.as_str() {
            "lifetime" => {
                tunnel.ike_lifetime = value.lifetime()?;
                notes.read(&value.place, format!("{} IKE lifetime", tunnel.name), value.text);
            }
            "pre_shared_key" => {
                tunnel.psk = Some(value.secret()?);
                notes.read(&value.place, format!("{} pre-shared key", tunnel.name), "(masked)");
            }
            "mode" if value.text == "main" => {
                // AWS has no aggressive mode; its IKEv2, which has no modes, carries the same word.
                notes.read(&value.place, format!("{} mode", tunnel.name), "main");
            }
            "ike_version" | "version" => {
                let v1 = value.text.contains('1');
                tunnel.version = Some(if v1 { IkeVersion::V1(negotiation::V1Mode::Main) } else { IkeVersion::V2 });
                notes.read(&value.place, format!("{} version", tunnel.name), value.text);
            }
            _ => unknown(file, child, notes),
        }
    }
    if let (Some(encryption), Some(group)) = (parts.encryption, parts.group) {
        tunnel.ike = vec![ike_proposal(encryption, parts.integrity, group)];
    }
    Ok(())
}

fn read_ipsec(file: &Text, element: &Element, tunnel: &mut SiteTunnel, notes: &mut Notes) -> Result<(), ImportError> {
    let mut parts = Parts::default();
    for child in &element.children {
        if parts.take(file, child, &format!("{} ipsec", tunnel.name), notes)? {
            continue;
        }
        let value = child.value(file);
        match (child.name.as_str(), value.text) {
            ("lifetime", _) => {
                tunnel.child_lifetime = value.lifetime()?;
                notes.read(&value.place, format!("{} ESP lifetime", tunnel.name), value.text);
            }
            ("protocol", "esp") | ("mode", "tunnel") => {}
            ("clear_df_bit", "true") => {
                notes.read(
                    &value.place,
                    format!("{} clear_df_bit", tunnel.name),
                    "true, as outer packets are by default",
                );
            }
            ("fragmentation_before_encryption", "true") => {
                let what = format!("{} fragmentation_before_encryption", tunnel.name);
                notes.read(&value.place, what, "true, as it always is");
            }
            ("tcp_mss_adjustment", size) => {
                let what = format!("{} tcp_mss_adjustment {}", tunnel.name, shown_value("mss", size));
                notes.unmapped(&value.place, what, "computed from the suite, and kept to in both directions");
            }
            ("dead_peer_detection", _) => read_dpd(file, child, tunnel, notes)?,
            _ => unknown(file, child, notes),
        }
    }
    if let Some(encryption) = parts.encryption {
        tunnel.esp = vec![esp_proposal(encryption, parts.integrity, parts.group)];
    }
    Ok(())
}

fn read_dpd(file: &Text, element: &Element, tunnel: &mut SiteTunnel, notes: &mut Notes) -> Result<(), ImportError> {
    let mut retries = None;
    for child in &element.children {
        let value = child.value(file);
        match child.name.as_str() {
            "interval" => tunnel.dpd_interval = value.lifetime()?,
            "retries" => retries = Some(value.number32()?),
            _ => {
                unknown(file, child, notes);
                continue;
            }
        }
        notes.read(&value.place, format!("{} DPD {}", tunnel.name, child.name), value.text);
    }
    if let (Some(interval), Some(retries)) = (tunnel.dpd_interval, retries) {
        tunnel.dpd_timeout = Some(interval * retries.clamp(1, 100));
    }
    Ok(())
}

fn unknown(file: &Text, element: &Element, notes: &mut Notes) {
    let what = format!("<{}> {}", element.name, shown_value(&element.name, element.text.trim()));
    notes.unmapped(&file.place(element.line), what, "has no meaning here");
}
