//! What is exported for Terraform, read by a parser of its language: types of resources, names of arguments, references.
//!
//! The names are those of the providers' documentation (`hashicorp/aws` 5, `hashicorp/azurerm` 4).

use std::collections::BTreeSet;

use hcl::{Block, Body, Expression};

use super::exports::{KEY, aws, azure};
use crate::export::{Options, Reveal, Target, export};

/// Arguments that a resource may have and we write.
const ARGUMENTS: &[(&str, &[&str])] = &[
    ("aws_customer_gateway", &["type", "ip_address", "bgp_asn", "bgp_asn_extended"]),
    (
        "aws_vpn_connection",
        &[
            "type",
            "customer_gateway_id",
            "vpn_gateway_id",
            "static_routes_only",
            "tunnel_inside_ip_version",
            "local_ipv4_network_cidr",
            "remote_ipv4_network_cidr",
        ],
    ),
    ("aws_vpn_connection_route", &["vpn_connection_id", "destination_cidr_block"]),
    ("azurerm_local_network_gateway", &["name", "location", "resource_group_name", "gateway_address", "address_space"]),
    (
        "azurerm_virtual_network_gateway_connection",
        &[
            "name",
            "location",
            "resource_group_name",
            "type",
            "connection_protocol",
            "connection_mode",
            "virtual_network_gateway_id",
            "local_network_gateway_id",
            "shared_key",
            "dpd_timeout_seconds",
            "enable_bgp",
        ],
    ),
];

/// What stands behind `tunnel1_` and `tunnel2_`.
const OF_TUNNEL: &[&str] = &[
    "inside_cidr",
    "preshared_key",
    "ike_versions",
    "phase1_encryption_algorithms",
    "phase1_integrity_algorithms",
    "phase1_dh_group_numbers",
    "phase1_lifetime_seconds",
    "phase2_encryption_algorithms",
    "phase2_integrity_algorithms",
    "phase2_dh_group_numbers",
    "phase2_lifetime_seconds",
    "rekey_margin_time_seconds",
    "rekey_fuzz_percentage",
    "replay_window_size",
    "dpd_timeout_seconds",
    "dpd_timeout_action",
    "startup_action",
];

/// Blocks inside a resource, with their arguments.
const INNER: &[(&str, &[&str])] = &[
    ("bgp_settings", &["asn", "bgp_peering_address"]),
    ("custom_bgp_addresses", &["primary", "secondary"]),
    (
        "ipsec_policy",
        &[
            "ike_encryption",
            "ike_integrity",
            "dh_group",
            "ipsec_encryption",
            "ipsec_integrity",
            "pfs_group",
            "sa_lifetime",
            "sa_datasize",
        ],
    ),
];

fn files(target: Target, router: &settings::Router) -> Vec<(String, Body)> {
    let exported = export(router, target, &Options::default()).unwrap();
    let parsed = exported.files.iter().map(|file| {
        let text = file.text(Reveal::Shown);
        (
            file.name().to_owned(),
            hcl::parse(&text).unwrap_or_else(|error| panic!("{}: {error}\n{}", file.name(), *text)),
        )
    });
    parsed.collect()
}

fn labels(block: &Block) -> Vec<&str> {
    block.labels().iter().map(hcl::structure::BlockLabel::as_str).collect()
}

fn allowed(list: &[(&str, &[&str])], name: &str) -> BTreeSet<String> {
    let found = list.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name} is not known"));
    let of_tunnel = [1, 2].iter().flat_map(|number| OF_TUNNEL.iter().map(move |name| format!("tunnel{number}_{name}")));
    let more: Vec<String> = if name == "aws_vpn_connection" { of_tunnel.collect() } else { Vec::new() };
    found.1.iter().map(ToString::to_string).chain(more).collect()
}

fn check_arguments(body: &Body, allowed: &BTreeSet<String>, place: &str) {
    let mut seen = BTreeSet::new();
    for attribute in body.attributes() {
        assert!(allowed.contains(attribute.key()), "{place} has no argument {}", attribute.key());
        assert!(seen.insert(attribute.key()), "{place} has {} twice", attribute.key());
    }
}

/// Every `a.b.c` in an expression.
fn references(body: &Body) -> Vec<String> {
    let attributes = body.attributes();
    let traversals = attributes.filter_map(|attribute| {
        let Expression::Traversal(traversal) = attribute.expr() else { return None };
        Some(hcl::format::to_string(&**traversal).unwrap())
    });
    traversals.collect()
}

fn check(target: Target, router: &settings::Router, expected: &[(&str, usize)]) {
    let files = files(target, router);
    let (_, main) = files.iter().find(|(name, _)| name.ends_with(".tf")).unwrap();
    let resources: Vec<&Block> = main.blocks().filter(|block| block.identifier() == "resource").collect();
    let names: BTreeSet<String> = resources.iter().map(|block| labels(block).join(".")).collect();
    assert_eq!(names.len(), resources.len(), "each has a name of its own");
    for (kind, count) in expected {
        assert_eq!(resources.iter().filter(|block| labels(block)[0] == *kind).count(), *count, "{kind}");
    }
    let variables = main.blocks().filter(|block| block.identifier() == "variable");
    let variables: BTreeSet<String> = variables.map(|block| format!("var.{}", labels(block)[0])).collect();
    for resource in resources {
        let place = labels(resource).join(".");
        check_arguments(resource.body(), &allowed(ARGUMENTS, labels(resource)[0]), &place);
        for inner in resource.body().blocks() {
            check_arguments(inner.body(), &allowed(INNER, inner.identifier()), &place);
        }
        for reference in references(resource.body()) {
            let known = names.iter().chain(&variables).any(|name| reference.starts_with(name.as_str()));
            assert!(known, "{place} refers to {reference}");
        }
    }
    let (_, keys) = files.iter().find(|(name, _)| name.ends_with(".tfvars")).unwrap();
    let value = keys.attributes().find(|attribute| attribute.key() == "preshared_keys").unwrap().expr();
    let Expression::Object(keys) = value else { panic!("{value:?}") };
    assert_eq!(keys.len(), router.tunnels.len());
    assert!(keys.values().all(|key| *key == Expression::String(KEY.to_owned())));
}

#[test]
fn aws_has_the_resources_and_arguments_of_its_provider() {
    check(Target::AwsTerraform, &aws(), &[("aws_customer_gateway", 2), ("aws_vpn_connection", 2)]);
}

#[test]
fn azure_has_the_resources_and_arguments_of_its_provider() {
    let expected = [("azurerm_local_network_gateway", 4), ("azurerm_virtual_network_gateway_connection", 4)];
    check(Target::AzureTerraform, &azure(), &expected);
}
