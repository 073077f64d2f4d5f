//! Alibaba's generated peer configuration (S0-50): what DownloadVpnConnectionConfig returns, JSON.
//!
//! ```text
//!  {VpnConnectionConfig: {Local, Remote, LocalSubnet, RemoteSubnet, IkeConfig, IpsecConfig,     one tunnel, or
//!     TunnelsConfig: {TunnelConfig: [{TunnelId, Local, Remote, IkeConfig, IpsecConfig}]},       two
//!     BgpConfigs: {BgpConfig: [{TunnelId, TunnelCidr, LocalBgpIp, PeerBgpIp, LocalAsn, PeerAsn}]}}}
//! ```
//!
//! It is written for the customer's device: `Local` is ours. The console's file may be the inner object alone. 45104
//! is the cloud's AS number and never a customer's (S1-10), which tells whose side `BgpConfig` is seen from.

use crypto::Group;
use negotiation::{IkeVersion, V1Mode};
use profile::Profile;
use wire::Asn;
use wire::ipsec::{Encryption, Integrity};

use super::json::{Json, Member};
use super::text::Text;
use super::value::Value;
use crate::ImportError;
use crate::note::{Notes, shown};
use crate::site::{Site, SiteLink, SiteSession, SiteTunnel};
use crate::words::{esp_proposal, ike_proposal};

/// Registered for Alibaba, and the default of its side.
const ALIBABA: Asn = Asn(45104);

pub(super) fn read(texts: &[Text], notes: &mut Notes) -> Result<Site, ImportError> {
    let mut site = Site::default();
    for file in texts {
        let root = Json::parse(file)?;
        let members = root.members()?;
        let outer = members.iter().find(|(key, _)| key == "VpnConnectionConfig");
        for (key, value) in members.iter().filter(|_| outer.is_some()) {
            match key.as_str() {
                "VpnConnectionConfig" => connection(value, &mut site, notes)?,
                _ => unknown("", key, value, notes),
            }
        }
        if outer.is_none() {
            connection(&root, &mut site, notes)?;
        }
    }
    Ok(site)
}

fn connection(json: &Json<'_>, site: &mut Site, notes: &mut Notes) -> Result<(), ImportError> {
    let mut whole = SiteTunnel::new("alibaba-1", json.place(), Profile::Alibaba);
    let mut tunnels: Vec<(String, SiteTunnel)> = Vec::new();
    let mut sessions = Vec::new();
    for (key, value) in json.members()? {
        match key.as_str() {
            "TunnelsConfig" => {
                for item in list(&value, "TunnelConfig")? {
                    let name = format!("alibaba-{}", tunnels.len() + 1);
                    let mut tunnel = SiteTunnel::new(&name, item.place(), Profile::Alibaba);
                    let id = one_tunnel(&item, &mut tunnel, notes)?;
                    tunnels.push((id, tunnel));
                }
            }
            "BgpConfigs" => sessions = list(&value, "BgpConfig")?,
            _ => part(&key, &value, &mut whole, notes)?,
        }
    }
    if tunnels.is_empty() {
        if whole.remote.is_none() && whole.psk.is_none() {
            return Ok(());
        }
        tunnels.push((String::new(), whole.clone()));
    }
    for (_, tunnel) in &mut tunnels {
        tunnel.local_networks.clone_from(&whole.local_networks);
        tunnel.remote_networks.clone_from(&whole.remote_networks);
    }
    for (index, json) in sessions.iter().enumerate() {
        session(json, index, &mut tunnels, site, notes)?;
    }
    site.tunnels.extend(tunnels.into_iter().map(|(_, tunnel)| with_selectors(tunnel)));
    Ok(())
}

/// S0-09: with 0.0.0.0/0 on both sides routes decide, and a session needs its inside addresses to pass.
fn with_selectors(mut tunnel: SiteTunnel) -> SiteTunnel {
    let any = |networks: &[ipnet::IpNet]| networks.iter().any(|network| network.prefix_len() == 0);
    if any(&tunnel.local_networks) || tunnel.session.is_some() {
        tunnel.local_networks.clear();
    }
    if any(&tunnel.remote_networks) || tunnel.session.is_some() {
        tunnel.remote_networks.clear();
    }
    tunnel
}

/// `{name: [..]}`, or the list itself.
fn list<'a>(json: &Json<'a>, name: &str) -> Result<Vec<Json<'a>>, ImportError> {
    if json.is_array() {
        return json.items();
    }
    let inner = json.members()?.into_iter().find(|(key, _)| key == name);
    inner.map_or(Ok(Vec::new()), |(_, value)| value.items())
}

fn one_tunnel(json: &Json<'_>, tunnel: &mut SiteTunnel, notes: &mut Notes) -> Result<String, ImportError> {
    let mut id = String::new();
    for (key, value) in json.members()? {
        if key == "TunnelId" {
            id = value.text().unwrap_or_default();
            notes.read(&value.place(), format!("{} TunnelId", tunnel.name), shown(&id));
        } else {
            part(&key, &value, tunnel, notes)?;
        }
    }
    Ok(id)
}

fn part(key: &str, json: &Json<'_>, tunnel: &mut SiteTunnel, notes: &mut Notes) -> Result<(), ImportError> {
    match key {
        "IkeConfig" => return ike_config(json, tunnel, notes),
        "IpsecConfig" => return ipsec_config(json, tunnel, notes),
        _ => {}
    }
    if json.is_null() {
        return Ok(());
    }
    let member = Member::new(key, json);
    match key {
        "Local" => tunnel.local = Some(member?.value().address()?),
        "Remote" => tunnel.remote = Some(member?.value().address()?),
        // Seen from the customer's device, like everything in this file.
        "LocalSubnet" => tunnel.local_networks = member?.value().prefixes()?,
        "RemoteSubnet" => tunnel.remote_networks = member?.value().prefixes()?,
        _ => {
            unknown(&tunnel.name, key, json, notes);
            return Ok(());
        }
    }
    notes.read(&json.place(), format!("{} {key}", tunnel.name), json.shown(key));
    Ok(())
}

fn ike_config(json: &Json<'_>, tunnel: &mut SiteTunnel, notes: &mut Notes) -> Result<(), ImportError> {
    let (mut encryption, mut integrity, mut group): (Option<Encryption>, Option<Integrity>, Option<Group>) =
        (None, None, None);
    let (mut v1, mut aggressive) = (None, false);
    for (key, json) in json.members()? {
        if json.is_null() {
            continue;
        }
        let member = Member::new(&key, &json)?;
        let value = member.value();
        match key.as_str() {
            "Psk" => tunnel.psk = Some(value.secret()?),
            "IkeEncAlg" => encryption = Some(value.encryption()?),
            "IkeAuthAlg" => integrity = Some(value.integrity()?),
            "IkePfs" => group = value.group()?,
            "IkeLifetime" => tunnel.ike_lifetime = lifetime(&value, tunnel, notes)?,
            "IkeVersion" => match value.text {
                "ikev1" => v1 = Some(true),
                "ikev2" => v1 = Some(false),
                _ => return Err(value.wrong("ikev1 or ikev2")),
            },
            "IkeMode" => match value.text {
                "main" => aggressive = false,
                "aggressive" => aggressive = true,
                _ => return Err(value.wrong("main or aggressive")),
            },
            "LocalId" => tunnel.local_id = Some(value.identity()?),
            "RemoteId" => tunnel.remote_id = Some(value.identity()?),
            _ => {
                unknown(&tunnel.name, &key, &json, notes);
                continue;
            }
        }
        notes.read(&value.place, format!("{} {key}", tunnel.name), json.shown(&key));
    }
    tunnel.version = v1.map(|v1| match (v1, aggressive) {
        (false, _) => IkeVersion::V2,
        (true, false) => IkeVersion::V1(V1Mode::Main),
        (true, true) => IkeVersion::V1(V1Mode::Aggressive),
    });
    if let (Some(encryption), Some(group)) = (encryption, group) {
        // S0-28: the PRF is that of the authentication algorithm.
        tunnel.ike = vec![ike_proposal(encryption, integrity, group)];
    }
    Ok(())
}

fn ipsec_config(json: &Json<'_>, tunnel: &mut SiteTunnel, notes: &mut Notes) -> Result<(), ImportError> {
    let (mut encryption, mut integrity, mut group) = (None, None, None);
    for (key, json) in json.members()? {
        if json.is_null() {
            continue;
        }
        let member = Member::new(&key, &json)?;
        let value = member.value();
        match key.as_str() {
            "IpsecEncAlg" => encryption = Some(value.encryption()?),
            "IpsecAuthAlg" => integrity = Some(value.integrity()?),
            "IpsecPfs" => group = value.group()?,
            "IpsecLifetime" => tunnel.child_lifetime = lifetime(&value, tunnel, notes)?,
            _ => {
                unknown(&tunnel.name, &key, &json, notes);
                continue;
            }
        }
        notes.read(&value.place, format!("{} {key}", tunnel.name), json.shown(&key));
    }
    if let Some(encryption) = encryption {
        tunnel.esp = vec![esp_proposal(encryption, integrity, group)];
    }
    Ok(())
}

/// S0-30: zero is in the range that the console takes, and means nothing.
fn lifetime(
    value: &Value<'_>,
    tunnel: &SiteTunnel,
    notes: &mut Notes,
) -> Result<Option<std::time::Duration>, ImportError> {
    let time = value.lifetime()?;
    if time.is_none() {
        let what = format!("{} {}", tunnel.name, value.key);
        notes.assumed_at(&value.place, what, "the profile's lifetime: zero means nothing");
    }
    Ok(time)
}

fn session(
    json: &Json<'_>,
    index: usize,
    tunnels: &mut [(String, SiteTunnel)],
    site: &mut Site,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    let mut id = None;
    let (mut cidr, mut addresses, mut asns) = (None, [None; 2], [None; 2]);
    for (key, json) in json.members()? {
        if json.is_null() {
            continue;
        }
        let member = Member::new(&key, &json)?;
        let value = member.value();
        match key.as_str() {
            "TunnelId" => id = Some(value.text.to_owned()).filter(|id| !id.is_empty()),
            "TunnelCidr" => cidr = Some(value.prefix4()?),
            "LocalBgpIp" => addresses[0] = Some(value.address4()?),
            "PeerBgpIp" => addresses[1] = Some(value.address4()?),
            "LocalAsn" => asns[0] = Some(value.asn()?),
            "PeerAsn" => asns[1] = Some(value.asn()?),
            _ => {
                unknown("bgp", &key, &json, notes);
                continue;
            }
        }
        notes.read(&value.place, format!("bgp {key}"), json.shown(&key));
    }
    if asns[0] == Some(ALIBABA) {
        notes.assumed_at(
            &json.place(),
            "bgp",
            "LocalAsn 45104 is Alibaba's own: this part is seen from the cloud's side",
        );
        asns.swap(0, 1);
        addresses.swap(0, 1);
    } else if asns[1] != Some(ALIBABA)
        && let Some(ours) = asns[0]
    {
        let why = format!("LocalAsn {ours} is taken for ours: the rest of the file is seen from our side, too");
        notes.assumed_at(&json.place(), "bgp", why);
    }
    let Some((_, tunnel)) = owner(json, index, id.as_deref(), tunnels, notes)? else {
        notes.unmapped(&json.place(), "bgp", "belongs to no tunnel of this file");
        return Ok(());
    };
    let [ours, theirs] = asns;
    site.asn = site.asn.or(ours);
    tunnel.inside = inside(cidr, addresses);
    tunnel.session = Some(SiteSession { asn: theirs, ..SiteSession::default() });
    Ok(())
}

/// Whose session it is: the tunnel's of its id. Where the session or all tunnels have none, the order decides.
fn owner<'a>(
    json: &Json<'_>,
    index: usize,
    id: Option<&str>,
    tunnels: &'a mut [(String, SiteTunnel)],
    notes: &mut Notes,
) -> Result<Option<&'a mut (String, SiteTunnel)>, ImportError> {
    let known: Vec<&str> = tunnels.iter().map(|(id, _)| id.as_str()).filter(|id| !id.is_empty()).collect();
    let found = match id {
        Some(id) if !known.is_empty() => {
            let found = tunnels.iter().position(|(known, tunnel)| known == id && tunnel.session.is_none());
            let wrong = || {
                let expected = format!("one of the tunnels' ({}), each once", shown(&known.join(", ")));
                Value::new("TunnelId", id, json.place()).wrong(expected)
            };
            found.ok_or_else(wrong)?
        }
        Some(_) | None if tunnels.get(index).is_none_or(|(_, tunnel)| tunnel.session.is_some()) => return Ok(None),
        Some(_) | None => {
            if tunnels.len() > 1 {
                let why = "belongs to the tunnel in the same place of the order: no ids agree";
                notes.assumed_at(&json.place(), "bgp", why);
            }
            index
        }
    };
    Ok(tunnels.get_mut(found))
}

/// One of the addresses is enough: the other is the other host of the tunnel's /30 (S0-49).
fn inside(cidr: Option<ipnet::Ipv4Net>, addresses: [Option<std::net::Ipv4Addr>; 2]) -> Option<SiteLink> {
    let other = |known| cidr.and_then(|net| net.hosts().find(|host| Some(*host) != known));
    match addresses {
        [Some(local), Some(peer)] => SiteLink::between(local, peer),
        [Some(local), None] => SiteLink::between(local, other(Some(local))?),
        [None, Some(peer)] => SiteLink::between(other(Some(peer))?, peer),
        [None, None] => None,
    }
}

fn unknown(owner: &str, key: &str, json: &Json<'_>, notes: &mut Notes) {
    let why = if key == "RequestId" { "tells nothing about the tunnel" } else { "has no meaning here" };
    notes.unmapped(&json.place(), format!("{owner} {key}: {}", json.shown(key)).trim_start().to_owned(), why);
}
