//! The objects around a connection: what they are, whatever shape they come in.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use wire::{Asn, Secret};

use super::json::{Json, Member};
use crate::note::{Notes, shown};
use crate::{ImportError, Place};

/// Everything in the files.
#[derive(Default)]
pub(super) struct Found<'a> {
    pub(super) connections: Vec<Json<'a>>,
    pub(super) locals: Vec<Local>,
    pub(super) gateways: Vec<Gateway>,
    /// What `az network vpn-connection shared-key show` prints, in the order of the files.
    pub(super) keys: Vec<Secret>,
}

/// A local network gateway: we, as Azure knows us.
pub(super) struct Local {
    pub(super) name: String,
    pub(super) address: Option<IpAddr>,
    pub(super) asn: Option<Asn>,
    pub(super) inside: Option<(Ipv4Addr, Place)>,
    pub(super) networks: Vec<IpNet>,
}

/// A virtual network gateway.
pub(super) struct Gateway {
    pub(super) name: String,
    pub(super) asn: Option<Asn>,
    pub(super) instances: Vec<Instance>,
}

/// One of the two machines of a gateway.
#[derive(Default)]
pub(super) struct Instance {
    /// Of its IP configuration.
    pub(super) name: Option<String>,
    pub(super) outside: Option<IpAddr>,
    pub(super) custom: Vec<Ipv4Addr>,
}

/// The members of an object, those of its `properties` among them.
pub(super) fn properties<'a>(json: &Json<'a>) -> Result<Vec<(String, Json<'a>)>, ImportError> {
    let mut all = Vec::new();
    for (key, value) in json.members()? {
        if key == "properties" && value.is_object() {
            all.extend(value.members()?);
        } else {
            all.push((key, value));
        }
    }
    Ok(all)
}

/// The last part of `/subscriptions/../NAME`, or of `[resourceId('TYPE', 'NAME')]`.
pub(super) fn name_in(id: &str) -> String {
    let mut parts = id.split(['/', '\'', '(', ')', '[', ']', ',', ' ', '"']);
    parts.rfind(|part| !part.is_empty()).unwrap_or_default().to_owned()
}

impl<'a> Found<'a> {
    pub(super) fn collect(&mut self, json: &Json<'a>, notes: &mut Notes) -> Result<(), ImportError> {
        if json.is_array() {
            return json.items()?.iter().try_for_each(|item| self.collect(item, notes));
        }
        let members = properties(json)?;
        let get = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        if get("virtualNetworkGateway1").is_some() {
            self.connections.push(*json);
        } else if get("gatewayIpAddress").is_some() || get("localNetworkAddressSpace").is_some() {
            self.locals.push(Local::read(&members, notes)?);
        } else if get("gatewayType").is_some() || get("vpnType").is_some() || get("bgpSettings").is_some() {
            self.gateways.push(Gateway::read(&members, notes)?);
        } else if let Some(resources) = get("resources").or(get("value").filter(|value| value.is_array())) {
            self.collect(resources, notes)?;
            for (key, value) in members.iter().filter(|(key, _)| !["resources", "value"].contains(&key.as_str())) {
                let what = format!("{}: {}", shown(key), value.shown(key));
                notes.unmapped(&value.place(), what, "parameters and variables of templates are not resolved");
            }
        } else if let Some(key) = get("value").filter(|_| members.len() == 1) {
            let member = Member::new("sharedKey", key)?;
            self.keys.push(member.value().secret()?);
            notes.read(&key.place(), "shared key", "(masked)");
        } else {
            let name = get("name").and_then(Json::text).unwrap_or_else(|| "an object".to_owned());
            notes.unmapped(&json.place(), shown(&name), "is no connection and no gateway");
        }
        Ok(())
    }
}

impl Local {
    fn read(members: &[(String, Json<'_>)], notes: &mut Notes) -> Result<Self, ImportError> {
        let mut local = Self { name: String::new(), address: None, asn: None, inside: None, networks: Vec::new() };
        for (key, json) in members.iter().filter(|(_, json)| !json.is_null()) {
            match key.as_str() {
                "name" => local.name = name_in(&json.text().unwrap_or_default()),
                "gatewayIpAddress" => {
                    local.address = Some(Member::new(key, json)?.value().address()?);
                    notes.read(&json.place(), format!("{} {key}", local.name), json.shown(key));
                }
                "bgpSettings" => local.bgp(json, notes)?,
                "localNetworkAddressSpace" => {
                    for (key, json) in json.members()? {
                        for item in json.items()? {
                            local.networks.push(Member::new(&key, &item)?.value().prefix()?);
                            notes.read(&item.place(), format!("{} {key}", local.name), item.shown(&key));
                        }
                    }
                }
                key => other(&local.name, key, json, notes),
            }
        }
        Ok(local)
    }

    fn bgp(&mut self, json: &Json<'_>, notes: &mut Notes) -> Result<(), ImportError> {
        for (key, json) in json.members()?.into_iter().filter(|(_, json)| !json.is_null()) {
            let member = Member::new(&key, &json);
            match key.as_str() {
                "asn" => self.asn = Some(member?.value().asn()?),
                "bgpPeeringAddress" => self.inside = Some((member?.value().address4()?, json.place())),
                _ => {
                    other(&self.name, &key, &json, notes);
                    continue;
                }
            }
            notes.read(&json.place(), format!("{} {key}", self.name), json.shown(&key));
        }
        Ok(())
    }
}

impl Gateway {
    fn read(members: &[(String, Json<'_>)], notes: &mut Notes) -> Result<Self, ImportError> {
        let mut gateway = Self { name: String::new(), asn: None, instances: Vec::new() };
        for (key, json) in members.iter().filter(|(_, json)| !json.is_null()) {
            match key.as_str() {
                "name" => gateway.name = name_in(&json.text().unwrap_or_default()),
                "bgpSettings" => gateway.bgp(json, notes)?,
                key => other(&gateway.name, key, json, notes),
            }
        }
        Ok(gateway)
    }

    fn bgp(&mut self, json: &Json<'_>, notes: &mut Notes) -> Result<(), ImportError> {
        for (key, json) in json.members()?.into_iter().filter(|(_, json)| !json.is_null()) {
            match key.as_str() {
                "asn" => {
                    self.asn = Some(Member::new(&key, &json)?.value().asn()?);
                    notes.read(&json.place(), format!("{} asn", self.name), json.shown(&key));
                }
                "bgpPeeringAddresses" => {
                    for item in json.items()? {
                        let instance = Instance::read(&item, &self.name, notes)?;
                        self.instances.push(instance);
                    }
                }
                // The first default address of each instance, which link-local peers do not use.
                "bgpPeeringAddress" | "peerWeight" => {}
                key => other(&self.name, key, &json, notes),
            }
        }
        Ok(())
    }
}

impl Instance {
    fn read(json: &Json<'_>, owner: &str, notes: &mut Notes) -> Result<Self, ImportError> {
        let mut instance = Self::default();
        for (key, json) in json.members()?.into_iter().filter(|(_, json)| !json.is_null()) {
            match key.as_str() {
                "ipconfigurationId" | "ipConfigurationId" => {
                    instance.name = json.text().map(|id| name_in(&id));
                    continue;
                }
                "customBgpIpAddresses" => {
                    for item in json.items()? {
                        instance.custom.push(Member::new(&key, &item)?.value().address4()?);
                    }
                }
                "tunnelIpAddresses" => {
                    for item in json.items()? {
                        let address = Member::new(&key, &item)?.value().address()?;
                        // A private one is of gateways over private lines; the public one comes first.
                        instance.outside = instance.outside.or(Some(address));
                    }
                }
                "defaultBgpIpAddresses" => continue,
                key => {
                    other(owner, key, &json, notes);
                    continue;
                }
            }
            let items = json.items()?.iter().filter_map(Json::text).collect::<Vec<_>>().join(", ");
            notes.read(&json.place(), format!("{owner} {key}"), shown(&items));
        }
        Ok(instance)
    }
}

/// What an object says beyond what a tunnel needs.
fn other(owner: &str, key: &str, json: &Json<'_>, notes: &mut Notes) {
    let frame = ["id", "type", "location", "etag", "resourceGroup", "resourceGuid", "apiVersion", "tags", "name"];
    if frame.contains(&key) {
        return;
    }
    notes.unmapped(&json.place(), format!("{owner} {key}: {}", json.shown(key)), "is Azure's own affair");
}
