//! AWS by its command line: one JSON input per connection, which holds the keys, and a script that names no key.

use super::artifact::{Artifact, line};
use super::aws::{self, Connection};
use super::peer::Peer;
use super::quote::Quote;
use crate::ExportError;

pub(super) fn write(peers: &[Peer<'_>], notes: &mut Vec<String>) -> Result<Vec<Artifact>, ExportError> {
    let connections = aws::connections(peers, notes)?;
    let mut script = Artifact::new("create.sh");
    line!(script, "#!/bin/sh");
    line!(script, "# Makes customer gateways and VPN connections. The keys are in the JSON files beside it.");
    line!(script, "set -eu");
    line!(script, "cd \"$(dirname \"$0\")\"");
    line!(script, ": \"${{VPN_GATEWAY_ID:?the virtual private gateway, such as vgw-..}}\"");
    let mut files = Vec::new();
    for (index, connection) in connections.iter().enumerate() {
        let number = index + 1;
        files.push(input(connection, number)?);
        line!(script);
        line!(
            script,
            "gateway{number}=$(aws ec2 create-customer-gateway --type ipsec.1 --ip-address {} \\",
            connection.address
        );
        let (argument, asn) = (connection.asn_argument().replace('_', "-"), connection.asn());
        line!(script, "    --{argument} {asn} --query CustomerGateway.CustomerGatewayId --output text)");
        line!(
            script,
            "connection{number}=$(aws ec2 create-vpn-connection --cli-input-json file://connection-{number}.json \\"
        );
        line!(script, "    --customer-gateway-id \"$gateway{number}\" --vpn-gateway-id \"$VPN_GATEWAY_ID\" \\");
        line!(script, "    --query VpnConnection.VpnConnectionId --output text)");
        for route in connection.routes() {
            line!(script, "aws ec2 create-vpn-connection-route --vpn-connection-id \"$connection{number}\" \\");
            line!(script, "    --destination-cidr-block {route}");
        }
        line!(script, "echo \"connection {number}: $connection{number}\"");
    }
    files.push(script);
    // S4-14.
    notes.push("turn route propagation on in the route tables of the VPC".to_owned());
    Ok(files)
}

fn input(connection: &Connection<'_, '_>, number: usize) -> Result<Artifact, ExportError> {
    let mut json = Artifact::new(&format!("connection-{number}.json"));
    line!(json, "{{");
    line!(json, "  \"Type\": \"ipsec.1\",");
    line!(json, "  \"Options\": {{");
    line!(json, "    \"StaticRoutesOnly\": {},", connection.is_static());
    line!(json, "    \"TunnelInsideIpVersion\": \"ipv4\",");
    line!(json, "    \"LocalIpv4NetworkCidr\": \"0.0.0.0/0\",");
    line!(json, "    \"RemoteIpv4NetworkCidr\": \"0.0.0.0/0\",");
    line!(json, "    \"TunnelOptions\": [");
    for (index, peer) in connection.tunnels.iter().enumerate() {
        tunnel(&mut json, peer)?;
        line!(json, "{}", if index + 1 < connection.tunnels.len() { "," } else { "" });
    }
    line!(json, "    ]");
    line!(json, "  }}");
    line!(json, "}}");
    Ok(json)
}

fn tunnel(json: &mut Artifact, peer: &Peer<'_>) -> Result<(), ExportError> {
    let terms = aws::terms(peer)?;
    line!(json, "      {{");
    line!(json, "        \"TunnelInsideCidr\": \"{}\",", terms.inside);
    json.part(format_args!("        \"PreSharedKey\": "));
    json.key(peer, Quote::Json)?;
    line!(json, ",");
    line!(json, "        \"IKEVersions\": [{{\"Value\": \"{}\"}}],", terms.version);
    line!(json, "        \"Phase1EncryptionAlgorithms\": [{{\"Value\": \"{}\"}}],", terms.ike.encryption);
    line!(json, "        \"Phase1IntegrityAlgorithms\": [{{\"Value\": \"{}\"}}],", terms.ike.integrity);
    line!(json, "        \"Phase1DHGroupNumbers\": [{{\"Value\": {}}}],", terms.ike.group);
    line!(json, "        \"Phase1LifetimeSeconds\": {},", terms.ike_lifetime);
    line!(json, "        \"Phase2EncryptionAlgorithms\": [{{\"Value\": \"{}\"}}],", terms.esp.encryption);
    line!(json, "        \"Phase2IntegrityAlgorithms\": [{{\"Value\": \"{}\"}}],", terms.esp.integrity);
    line!(json, "        \"Phase2DHGroupNumbers\": [{{\"Value\": {}}}],", terms.esp.group);
    line!(json, "        \"Phase2LifetimeSeconds\": {},", terms.esp_lifetime);
    line!(json, "        \"RekeyMarginTimeSeconds\": {},", terms.margin);
    line!(json, "        \"RekeyFuzzPercentage\": {},", terms.fuzz);
    line!(json, "        \"ReplayWindowSize\": {},", terms.replay_window);
    line!(json, "        \"DPDTimeoutSeconds\": {},", terms.dpd_timeout);
    line!(json, "        \"DPDTimeoutAction\": \"{}\",", terms.dpd_action);
    line!(json, "        \"StartupAction\": \"{}\"", terms.startup);
    json.part(format_args!("      }}"));
    Ok(())
}
