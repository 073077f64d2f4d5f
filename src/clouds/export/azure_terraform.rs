//! Azure by Terraform: a local network gateway and a connection per tunnel. The gateway itself exists already; what its
//! list of custom BGP addresses has to hold is said in a comment.

use super::artifact::{Artifact, line};
use super::aws_terraform::{keys, keys_variable};
use super::azure::{self, Placed};
use super::peer::Peer;
use crate::ExportError;

pub(super) fn write(peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<Vec<Artifact>, ExportError> {
    let plan = azure::plan(peers, notes)?;
    let mut main = Artifact::new("azure.tf");
    line!(main, "terraform {{");
    line!(main, "  required_providers {{");
    line!(main, "    azurerm = {{");
    line!(main, "      source  = \"hashicorp/azurerm\"");
    line!(main, "      version = \"~> 4.0\"");
    line!(main, "    }}");
    line!(main, "  }}");
    line!(main, "}}");
    for (name, what) in [
        ("resource_group_name", "The resource group of the virtual network gateway"),
        ("location", "Its region, such as westeurope"),
        ("virtual_network_gateway_id", "The virtual network gateway"),
    ] {
        line!(main);
        line!(main, "variable \"{name}\" {{");
        line!(main, "  description = \"{what}\"");
        line!(main, "  type        = string");
        line!(main, "}}");
    }
    keys_variable(&mut main);
    if let Some(asn) = plan.asn() {
        line!(main);
        line!(
            main,
            "# The virtual network gateway must have, in its bgp_settings: asn = {asn}, and as apipa_addresses"
        );
        for (instance, address) in plan.instances.iter().enumerate() {
            let list: Vec<_> = plan.addresses(instance).iter().map(|address| format!("\"{address}\"")).collect();
            line!(main, "#   of instance {instance} (at {address}): [{}]", list.join(", "));
        }
    }
    for placed in &plan.tunnels {
        resources(&mut main, placed)?;
    }
    Ok(vec![main, keys(peers)?])
}

fn resources(main: &mut Artifact, placed: &Placed<'_, '_>) -> Result<(), ExportError> {
    let Placed { peer, address, custom, .. } = placed;
    let policy = azure::policy(peer)?;
    let (name, word) = (peer.name(), peer.word());
    line!(main);
    line!(main, "resource \"azurerm_local_network_gateway\" \"{word}\" {{");
    line!(main, "  name                = \"{name}\"");
    line!(main, "  location            = var.location");
    line!(main, "  resource_group_name = var.resource_group_name");
    line!(main, "  gateway_address     = \"{address}\"");
    match peer.asns() {
        // S4-17: with BGP the address space stays empty.
        Some((_, ours)) => {
            line!(main);
            line!(main, "  bgp_settings {{");
            line!(main, "    asn                 = {ours}");
            line!(main, "    bgp_peering_address = \"{}\"", peer.tunnel.inside.local);
            line!(main, "  }}");
        }
        None => {
            let routes: Vec<_> = peer.routes().iter().map(|route| format!("\"{route}\"")).collect();
            line!(main, "  address_space       = [{}]", routes.join(", "));
        }
    }
    line!(main, "}}");
    line!(main);
    line!(main, "resource \"azurerm_virtual_network_gateway_connection\" \"{word}\" {{");
    line!(main, "  name                       = \"{name}\"");
    line!(main, "  location                   = var.location");
    line!(main, "  resource_group_name        = var.resource_group_name");
    line!(main, "  type                       = \"IPsec\"");
    line!(main, "  connection_protocol        = \"{}\"", if peer.is_v1() { "IKEv1" } else { "IKEv2" });
    line!(main, "  connection_mode            = \"{}\"", if peer.begins() { "Default" } else { "ResponderOnly" });
    line!(main, "  virtual_network_gateway_id = var.virtual_network_gateway_id");
    line!(main, "  local_network_gateway_id   = azurerm_local_network_gateway.{word}.id");
    line!(main, "  shared_key                 = var.preshared_keys[\"{name}\"]");
    line!(main, "  dpd_timeout_seconds        = {}", peer.tunnel.ike.dpd.timeout.as_secs().clamp(9, 3_600));
    line!(main, "  enable_bgp                 = {}", peer.asns().is_some());
    if let Some((primary, secondary)) = custom {
        line!(main);
        line!(main, "  custom_bgp_addresses {{");
        line!(main, "    primary   = \"{primary}\"");
        if let Some(secondary) = secondary {
            line!(main, "    secondary = \"{secondary}\"");
        }
        line!(main, "  }}");
    }
    line!(main);
    line!(main, "  ipsec_policy {{");
    line!(main, "    ike_encryption   = \"{}\"", policy.ike_encryption);
    line!(main, "    ike_integrity    = \"{}\"", policy.ike_integrity);
    line!(main, "    dh_group         = \"{}\"", policy.dh_group);
    line!(main, "    ipsec_encryption = \"{}\"", policy.ipsec_encryption);
    line!(main, "    ipsec_integrity  = \"{}\"", policy.ipsec_integrity);
    line!(main, "    pfs_group        = \"{}\"", policy.pfs_group);
    line!(main, "    sa_lifetime      = {}", policy.seconds);
    line!(main, "    sa_datasize      = {}", policy.kilobytes);
    line!(main, "  }}");
    line!(main, "}}");
    Ok(())
}
