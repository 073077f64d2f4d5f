//! Azure's connection parameters: connections, local network gateways and virtual network gateways as JSON, of ARM
//! (`properties` inside) or of the CLI (flat), in one file or several, as objects, lists or a template's `resources`.
//!
//! ```text
//!  connection --localNetworkGateway2--> local network gateway     our outside address, AS number, inside address
//!      |                                                                                             |
//!      +--virtualNetworkGateway1--> virtual network gateway       theirs, per instance        one /30 of both
//!      +--gatewayCustomBgpIpAddresses  [instance 0, instance 1] --------------------------------------+
//! ```
//!
//! S4-18: of the two custom addresses only the one in the /30 of our inside address is used; the other fills a field.

use std::net::Ipv4Addr;

use negotiation::{IkeVersion, StartAction, V1Mode};
use profile::Profile;

use super::azure_gateway::{Found, Gateway, Local, name_in, properties};
use super::json::{Json, Member};
use super::text::Text;
use crate::ImportError;
use crate::note::{Notes, shown};
use crate::site::{Site, SiteLink, SiteSession, SiteTunnel};
use crate::words::{self, esp_proposal, ike_proposal};

pub(super) fn read(texts: &[Text], notes: &mut Notes) -> Result<Site, ImportError> {
    let mut found = Found::default();
    for file in texts {
        found.collect(&Json::parse(file)?, notes)?;
    }
    let mut site = Site::default();
    let mut keys = found.keys.iter();
    for json in &found.connections {
        let mut connection = Connection::read(json, notes)?;
        if connection.tunnel.psk.is_none() {
            connection.tunnel.psk = keys.next().cloned();
        }
        let local = pick(&found.locals, connection.local.as_deref(), |local| &local.name);
        let gateway = pick(&found.gateways, connection.gateway.as_deref(), |gateway| &gateway.name);
        connection.build(local, gateway, &mut site, notes)?;
    }
    Ok(site)
}

/// The one of this name, or the only one there is.
fn pick<'a, T>(all: &'a [T], name: Option<&str>, of: impl Fn(&T) -> &str) -> Option<&'a T> {
    let named = name.and_then(|name| all.iter().find(|item| of(item).eq_ignore_ascii_case(name)));
    named.or(if all.len() == 1 { all.first() } else { None })
}

struct Connection {
    tunnel: SiteTunnel,
    bgp: bool,
    local: Option<String>,
    gateway: Option<String>,
    /// The configuration of an instance and its BGP address.
    custom: Vec<(Option<String>, Ipv4Addr)>,
}

impl Connection {
    fn read(json: &Json<'_>, notes: &mut Notes) -> Result<Self, ImportError> {
        let tunnel = SiteTunnel::new("azure", json.place(), Profile::Azure);
        let mut connection = Self { tunnel, bgp: false, local: None, gateway: None, custom: Vec::new() };
        let members = properties(json)?;
        if let Some((_, name)) = members.iter().find(|(key, _)| key == "name") {
            connection.tunnel.name = settings::name_of(&name_in(&name.text().unwrap_or_default()));
        }
        for (key, value) in &members {
            connection.member(key, value, notes)?;
        }
        Ok(connection)
    }

    fn member(&mut self, key: &str, json: &Json<'_>, notes: &mut Notes) -> Result<(), ImportError> {
        if json.is_null() {
            return Ok(());
        }
        let id = |json: &Json<'_>| -> Result<Option<String>, ImportError> {
            let id = json.members()?.into_iter().find(|(key, _)| key == "id");
            Ok(id.and_then(|(_, id)| id.text()).map(|id| name_in(&id)))
        };
        match key {
            "name" | "id" | "type" | "location" | "etag" | "resourceGroup" | "resourceGuid" | "apiVersion" => {
                return Ok(());
            }
            "localNetworkGateway2" => self.local = id(json)?,
            "virtualNetworkGateway1" => self.gateway = id(json)?,
            "ipsecPolicies" => return self.policies(json, notes),
            "gatewayCustomBgpIpAddresses" => return self.custom(json, notes),
            "trafficSelectorPolicies" => return self.selectors(json, notes),
            _ => {
                let text = Member::new(key, json);
                if !matches!(&text, Ok(member) if self.text(key, member)?) {
                    let what = format!("{} {key}: {}", self.tunnel.name, json.shown(key));
                    notes.unmapped(&json.place(), what, reason(key));
                    return Ok(());
                }
            }
        }
        notes.read(&json.place(), format!("{} {key}", self.tunnel.name), json.shown(key));
        Ok(())
    }

    /// Whether a value that is text has a place here.
    fn text(&mut self, key: &str, member: &Member) -> Result<bool, ImportError> {
        let value = member.value();
        match key {
            "enableBgp" => self.bgp = value.boolean()?,
            "sharedKey" => self.tunnel.psk = Some(value.secret()?),
            "dpdTimeoutSeconds" => self.tunnel.dpd_timeout = value.lifetime()?,
            "connectionProtocol" => {
                self.tunnel.version = Some(match value.text.to_ascii_lowercase().as_str() {
                    "ikev2" => IkeVersion::V2,
                    "ikev1" => IkeVersion::V1(V1Mode::Main),
                    _ => return Err(value.wrong("IKEv1 or IKEv2")),
                });
            }
            "connectionMode" => match value.text {
                "Default" => {}
                "InitiatorOnly" => self.tunnel.start = Some(StartAction::Respond),
                "ResponderOnly" => self.tunnel.start = Some(StartAction::Initiate),
                _ => return Err(value.wrong("Default, InitiatorOnly or ResponderOnly")),
            },
            "connectionType" if value.text.eq_ignore_ascii_case("ipsec") => {}
            "usePolicyBasedTrafficSelectors" | "useLocalAzureIpAddress" | "expressRouteGatewayBypass"
                if !value.boolean()? => {}
            "enablePrivateLinkFastPath" if !value.boolean()? => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn policies(&mut self, json: &Json<'_>, notes: &mut Notes) -> Result<(), ImportError> {
        for (index, policy) in json.items()?.iter().enumerate() {
            if index > 0 {
                notes.unmapped(&policy.place(), format!("{} ipsecPolicies", self.tunnel.name), "a connection has one");
                continue;
            }
            self.policy(policy, notes)?;
        }
        Ok(())
    }

    fn policy(&mut self, json: &Json<'_>, notes: &mut Notes) -> Result<(), ImportError> {
        let (mut ike, mut esp) = ((None, None, None), (None, None));
        let mut pfs = None;
        for (key, json) in json.members()? {
            let member = Member::new(&key, &json)?;
            let value = member.value();
            // `GCMAES256` as integrity goes with the same cipher, and is part of it.
            let hash = || if words::encryption(value.text).is_some() { Ok(None) } else { value.integrity().map(Some) };
            match key.as_str() {
                "ikeEncryption" => ike.0 = Some(value.encryption()?),
                "ikeIntegrity" => ike.1 = hash()?,
                "dhGroup" => ike.2 = value.group()?,
                "ipsecEncryption" => esp.0 = Some(value.encryption()?),
                "ipsecIntegrity" => esp.1 = hash()?,
                "pfsGroup" if value.text.eq_ignore_ascii_case("pfsmm") => pfs = ike.2,
                "pfsGroup" => pfs = value.group()?,
                "saLifeTimeSeconds" => self.tunnel.child_lifetime = value.lifetime()?,
                "saDataSizeKilobytes" => {
                    let kilobytes = value.number32()?;
                    self.tunnel.child_bytes = Some(u64::from(kilobytes) * 1024).filter(|bytes| *bytes > 0);
                }
                _ => {
                    let what = format!("{} {key}: {}", self.tunnel.name, json.shown(&key));
                    notes.unmapped(&json.place(), what, reason(&key));
                    continue;
                }
            }
            notes.read(&value.place, format!("{} {key}", self.tunnel.name), json.shown(&key));
        }
        if let (Some(encryption), integrity, Some(group)) = ike {
            self.tunnel.ike = vec![ike_proposal(encryption, integrity, group)];
        }
        if let (Some(encryption), integrity) = esp {
            self.tunnel.esp = vec![esp_proposal(encryption, integrity, pfs)];
        }
        Ok(())
    }

    fn custom(&mut self, json: &Json<'_>, notes: &mut Notes) -> Result<(), ImportError> {
        for item in json.items()? {
            let (mut owner, mut address) = (None, None);
            for (key, json) in item.members()? {
                match key.as_str() {
                    "ipConfigurationId" => owner = json.text().map(|id| name_in(&id)),
                    "customBgpIpAddress" => address = Some(Member::new(&key, &json)?.value().address4()?),
                    _ => notes.unmapped(&json.place(), format!("{} {key}", self.tunnel.name), reason(&key)),
                }
            }
            if let Some(address) = address {
                notes.read(&item.place(), format!("{} customBgpIpAddress", self.tunnel.name), address);
                self.custom.push((owner, address));
            }
        }
        Ok(())
    }

    /// Seen from Azure: its local is our remote.
    fn selectors(&mut self, json: &Json<'_>, notes: &mut Notes) -> Result<(), ImportError> {
        for policy in json.items()? {
            for (key, json) in policy.members()? {
                let networks = match key.as_str() {
                    "localAddressRanges" => &mut self.tunnel.remote_networks,
                    "remoteAddressRanges" => &mut self.tunnel.local_networks,
                    _ => {
                        notes.unmapped(&json.place(), format!("{} {key}", self.tunnel.name), reason(&key));
                        continue;
                    }
                };
                for item in json.items()? {
                    networks.push(Member::new(&key, &item)?.value().prefix()?);
                    notes.read(&item.place(), format!("{} {key}", self.tunnel.name), item.shown(&key));
                }
            }
        }
        Ok(())
    }

    fn build(
        self,
        local: Option<&Local>,
        gateway: Option<&Gateway>,
        site: &mut Site,
        notes: &mut Notes,
    ) -> Result<(), ImportError> {
        let Self { mut tunnel, bgp, custom, .. } = self;
        if let Some(local) = local {
            tunnel.local = local.address;
            site.asn = site.asn.or(local.asn);
            site.networks.extend(local.networks.iter().copied());
        }
        let instance = if bgp {
            let asn = gateway.and_then(|gateway| gateway.asn);
            tunnel.session = Some(SiteSession { asn, ..SiteSession::default() });
            let ours = local.and_then(|local| local.inside.clone());
            let chosen = choose(&tunnel, ours, &custom, gateway, notes)?;
            tunnel.inside = chosen.map(|(link, _)| link);
            chosen.map(|(_, instance)| instance)
        } else {
            None
        };
        let outside = |index: usize| gateway.and_then(|gateway| gateway.instances.get(index)).and_then(|i| i.outside);
        tunnel.remote = outside(instance.unwrap_or(0));
        // Without BGP both instances of an active-active gateway make a tunnel of the connection.
        let second = if bgp { None } else { outside(1) };
        if let Some(remote) = second {
            let (mut one, mut two) = (tunnel.clone(), tunnel);
            one.name += "-0";
            two.name += "-1";
            two.remote = Some(remote);
            site.tunnels.extend([one, two]);
        } else {
            site.tunnels.push(tunnel);
        }
        Ok(())
    }
}

/// The instance whose address shares a /30 with ours, and that link.
fn choose(
    tunnel: &SiteTunnel,
    ours: Option<(Ipv4Addr, crate::Place)>,
    custom: &[(Option<String>, Ipv4Addr)],
    gateway: Option<&Gateway>,
    notes: &mut Notes,
) -> Result<Option<(SiteLink, usize)>, ImportError> {
    let Some((local, place)) = ours else { return Ok(None) };
    let instance_of = |owner: Option<&str>, index: usize| {
        let named = gateway.and_then(|gateway| {
            gateway.instances.iter().position(|instance| owner.is_some() && instance.name.as_deref() == owner)
        });
        named.unwrap_or(index)
    };
    let linked = |address: Ipv4Addr| SiteLink::between(local, address);
    let mut chosen = None;
    for (index, (owner, address)) in custom.iter().enumerate() {
        match linked(*address) {
            Some(link) if chosen.is_none() => chosen = Some((link, instance_of(owner.as_deref(), index))),
            Some(_) | None => {
                let what = format!("{} custom BGP address {address}", tunnel.name);
                notes.assumed_at(&tunnel.place, what, format!("fills a field only: it shares no /30 with {local}"));
            }
        }
    }
    if chosen.is_none() && custom.is_empty() {
        let of_gateway = gateway.and_then(|gateway| {
            gateway.instances.iter().enumerate().find_map(|(index, instance)| {
                // S4-09: without an address of its own a connection uses the first of the list.
                Some((linked(*instance.custom.first()?)?, index))
            })
        });
        if of_gateway.is_some() {
            let what = format!("{} custom BGP address", tunnel.name);
            notes.assumed_at(
                &tunnel.place,
                what,
                "the first of the gateway's list: the connection names none of its own",
            );
        }
        chosen = of_gateway;
    }
    if chosen.is_none() && !(custom.is_empty() && gateway.is_none()) {
        // S4-19.
        return Err(ImportError::Value {
            place,
            key: "bgpPeeringAddress".to_owned(),
            found: format!("`{}`", shown(&local.to_string())),
            expected: "the other host of the /30 of a custom BGP address of the connection".to_owned(),
        });
    }
    Ok(chosen)
}

fn reason(key: &str) -> &'static str {
    match key {
        "routingWeight"
        | "provisioningState"
        | "connectionStatus"
        | "ingressBytesTransferred"
        | "egressBytesTransferred"
        | "tunnelConnectionStatus"
        | "packetCaptureDiagnosticState" => "is Azure's own affair",
        "usePolicyBasedTrafficSelectors" => "tunnels of ours are route-based: turn it off, or give selectors",
        "ingressNatRules" | "egressNatRules" => "addresses are not translated here",
        _ => "has no meaning here",
    }
}
