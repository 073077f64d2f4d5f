//! Azure by its command line. Keys are read from files by `@`; custom BGP addresses of a connection go through its REST
//! interface, as there is no option for them.

use super::artifact::{Artifact, line};
use super::azure::{self, Placed, Plan};
use super::peer::Peer;
use super::quote::Quote;
use crate::ExportError;

pub(super) fn write(peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<Vec<Artifact>, ExportError> {
    let plan = azure::plan(peers, notes)?;
    let mut script = Artifact::new("create.sh");
    line!(script, "#!/bin/sh");
    line!(script, "# Makes local network gateways and connections. The keys are in the files beside it.");
    line!(script, "set -eu");
    line!(script, "cd \"$(dirname \"$0\")\"");
    line!(script, ": \"${{GROUP:?the resource group}}\" \"${{GATEWAY:?the name of the virtual network gateway}}\"");
    gateway(&mut script, &plan);
    let mut files = Vec::new();
    for placed in &plan.tunnels {
        connection(&mut script, placed)?;
        let mut key = Artifact::new(&format!("keys/{}", placed.peer.name()));
        key.key(placed.peer, Quote::File)?;
        files.push(key);
    }
    files.push(script);
    Ok(files)
}

/// S4-10: the gateway's own list of custom addresses, by instance.
fn gateway(script: &mut Artifact, plan: &Plan<'_, '_>) {
    let Some(asn) = plan.asn() else { return };
    line!(script);
    line!(script, "az network vnet-gateway update --resource-group \"$GROUP\" --name \"$GATEWAY\" --asn {asn} \\");
    for instance in 0..plan.instances.len() {
        let addresses: Vec<_> = plan.addresses(instance).iter().map(|address| format!("\"{address}\"")).collect();
        let end = if instance + 1 < plan.instances.len() { " \\" } else { "" };
        line!(
            script,
            "    --set 'bgpSettings.bgpPeeringAddresses[{instance}].customBgpIpAddresses=[{}]'{end}",
            addresses.join(",")
        );
    }
    for instance in 0..plan.instances.len() {
        line!(
            script,
            "config{instance}=$(az network vnet-gateway show --resource-group \"$GROUP\" --name \"$GATEWAY\" \\"
        );
        line!(script, "    --query 'ipConfigurations[{instance}].id' --output tsv)");
    }
}

fn connection(script: &mut Artifact, placed: &Placed<'_, '_>) -> Result<(), ExportError> {
    let Placed { peer, address, custom, .. } = placed;
    let policy = azure::policy(peer)?;
    let name = peer.name();
    line!(script);
    // S4-17: with BGP the address space stays empty.
    line!(script, "az network local-gateway create --resource-group \"$GROUP\" --name {name} \\");
    match peer.asns() {
        Some((_, ours)) => {
            line!(script, "    --gateway-ip-address {address} \\");
            line!(script, "    --asn {ours} --bgp-peering-address {}", peer.tunnel.inside.local);
        }
        None => {
            let routes = peer.routes().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            line!(script, "    --gateway-ip-address {address} --address-prefixes {routes}");
        }
    }
    let bgp = if peer.asns().is_some() { " --enable-bgp" } else { "" };
    line!(script, "az network vpn-connection create --resource-group \"$GROUP\" --name {name} \\");
    line!(script, "    --vnet-gateway1 \"$GATEWAY\" --local-gateway2 {name} --shared-key @keys/{name}{bgp}");
    line!(script, "az network vpn-connection ipsec-policy add --resource-group \"$GROUP\" --connection-name {name} \\");
    line!(
        script,
        "    --ike-encryption {} --ike-integrity {} --dh-group {} \\",
        policy.ike_encryption,
        policy.ike_integrity,
        policy.dh_group
    );
    line!(
        script,
        "    --ipsec-encryption {} --ipsec-integrity {} --pfs-group {} \\",
        policy.ipsec_encryption,
        policy.ipsec_integrity,
        policy.pfs_group
    );
    line!(script, "    --sa-lifetime {} --sa-max-size {}", policy.seconds, policy.kilobytes);
    if let Some((primary, secondary)) = custom {
        let mut list = format!("{{\"ipConfigurationId\": \"'\"$config0\"'\", \"customBgpIpAddress\": \"{primary}\"}}");
        if let Some(secondary) = secondary {
            list +=
                &format!(", {{\"ipConfigurationId\": \"'\"$config1\"'\", \"customBgpIpAddress\": \"{secondary}\"}}");
        }
        line!(
            script,
            "id=$(az network vpn-connection show --resource-group \"$GROUP\" --name {name} --query id --output tsv)"
        );
        line!(script, "url=\"https://management.azure.com$id?api-version=2023-11-01\"");
        line!(script, "az rest --method get --url \"$url\" \\");
        line!(script, "    | jq '.properties.gatewayCustomBgpIpAddresses = [{list}]' \\");
        line!(script, "    | az rest --method put --url \"$url\" --body @/dev/stdin --output none");
    }
    Ok(())
}
