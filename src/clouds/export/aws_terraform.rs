//! AWS by Terraform: the connections, and the keys as a sensitive variable whose values are a file of their own.

use super::artifact::{Artifact, line};
use super::aws::{self, Connection};
use super::peer::Peer;
use super::quote::Quote;
use crate::ExportError;

pub(super) fn write(peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<Vec<Artifact>, ExportError> {
    let connections = aws::connections(peers, notes)?;
    let mut main = Artifact::new("aws.tf");
    line!(main, "terraform {{");
    line!(main, "  required_providers {{");
    line!(main, "    aws = {{");
    line!(main, "      source = \"hashicorp/aws\"");
    line!(main, "    }}");
    line!(main, "  }}");
    line!(main, "}}");
    line!(main);
    line!(main, "variable \"vpn_gateway_id\" {{");
    line!(main, "  description = \"The virtual private gateway, such as vgw-..\"");
    line!(main, "  type        = string");
    line!(main, "}}");
    keys_variable(&mut main);
    for (index, connection) in connections.iter().enumerate() {
        resources(&mut main, connection, index + 1)?;
    }
    // S4-14.
    notes.push("turn route propagation on in the route tables of the VPC".to_owned());
    Ok(vec![main, keys(peers)?])
}

/// The declaration that [`keys`] gives values to.
pub(super) fn keys_variable(main: &mut Artifact) {
    line!(main);
    line!(main, "variable \"preshared_keys\" {{");
    line!(main, "  description = \"Pre-shared keys by the name of the tunnel\"");
    line!(main, "  type        = map(string)");
    line!(main, "  sensitive   = true");
    line!(main, "}}");
}

pub(super) fn keys(peers: &[Peer<'_>]) -> Result<Artifact, ExportError> {
    let mut keys = Artifact::new("keys.auto.tfvars");
    line!(keys, "preshared_keys = {{");
    for peer in peers {
        keys.part(format_args!("  \"{}\" = ", peer.name()));
        keys.key(peer, Quote::Json)?;
        line!(keys);
    }
    line!(keys, "}}");
    Ok(keys)
}

fn resources(main: &mut Artifact, connection: &Connection<'_, '_>, number: usize) -> Result<(), ExportError> {
    line!(main);
    line!(main, "resource \"aws_customer_gateway\" \"gateway_{number}\" {{");
    let (argument, asn) = (connection.asn_argument(), connection.asn());
    let width = argument.len().max("ip_address".len());
    line!(main, "  {:width$} = \"ipsec.1\"", "type");
    line!(main, "  {:width$} = \"{}\"", "ip_address", connection.address);
    line!(main, "  {argument:width$} = \"{asn}\"");
    line!(main, "}}");
    line!(main);
    line!(main, "resource \"aws_vpn_connection\" \"connection_{number}\" {{");
    line!(main, "  type                     = \"ipsec.1\"");
    line!(main, "  customer_gateway_id      = aws_customer_gateway.gateway_{number}.id");
    line!(main, "  vpn_gateway_id           = var.vpn_gateway_id");
    line!(main, "  static_routes_only       = {}", connection.is_static());
    line!(main, "  tunnel_inside_ip_version = \"ipv4\"");
    line!(main, "  local_ipv4_network_cidr  = \"0.0.0.0/0\"");
    line!(main, "  remote_ipv4_network_cidr = \"0.0.0.0/0\"");
    for (index, peer) in connection.tunnels.iter().enumerate() {
        tunnel(main, peer, index + 1)?;
    }
    line!(main, "}}");
    for (index, route) in connection.routes().into_iter().enumerate() {
        line!(main);
        line!(main, "resource \"aws_vpn_connection_route\" \"connection_{number}_route_{}\" {{", index + 1);
        line!(main, "  vpn_connection_id      = aws_vpn_connection.connection_{number}.id");
        line!(main, "  destination_cidr_block = \"{route}\"");
        line!(main, "}}");
    }
    Ok(())
}

fn tunnel(main: &mut Artifact, peer: &Peer<'_>, number: usize) -> Result<(), ExportError> {
    let terms = aws::terms(peer)?;
    let mut set = |key: &str, value: String| line!(main, "  tunnel{number}_{key:<29} = {value}");
    let text = |value: &str| format!("\"{value}\"");
    let list = |value: &str| format!("[\"{value}\"]");
    set("inside_cidr", text(&terms.inside));
    set("preshared_key", format!("var.preshared_keys[\"{}\"]", peer.name()));
    set("ike_versions", list(terms.version));
    set("phase1_encryption_algorithms", list(terms.ike.encryption));
    set("phase1_integrity_algorithms", list(terms.ike.integrity));
    set("phase1_dh_group_numbers", format!("[{}]", terms.ike.group));
    set("phase1_lifetime_seconds", terms.ike_lifetime.to_string());
    set("phase2_encryption_algorithms", list(terms.esp.encryption));
    set("phase2_integrity_algorithms", list(terms.esp.integrity));
    set("phase2_dh_group_numbers", format!("[{}]", terms.esp.group));
    set("phase2_lifetime_seconds", terms.esp_lifetime.to_string());
    set("rekey_margin_time_seconds", terms.margin.to_string());
    set("rekey_fuzz_percentage", terms.fuzz.to_string());
    set("replay_window_size", terms.replay_window.to_string());
    set("dpd_timeout_seconds", terms.dpd_timeout.to_string());
    set("dpd_timeout_action", text(terms.dpd_action));
    set("startup_action", text(terms.startup));
    Ok(())
}
