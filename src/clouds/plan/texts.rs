//! A matrix in words: our configuration in the place of either side, the plan file, and the table of S4-04.

use std::fmt::Write as _;

use ipnet::IpNet;
use profile::Profile;

use super::matrix::Matrix;

/// Our configuration in the place of one side, toward the other.
pub(super) fn configuration(matrix: &Matrix, side: usize) -> String {
    let (own, peer) = (&matrix.sides[side], &matrix.sides[1 - side]);
    let mut text = String::new();
    let mut put = |line: std::fmt::Arguments<'_>| {
        let _infallible = writeln!(text, "{line}");
    };
    put(format_args!("# Written by `quadspan plan four-tunnel`: {} toward {}.", own.name, peer.profile.title()));
    if peer.profile == Profile::Azure {
        put(format_args!(
            "# `quadspan check` reminds of Azure's custom BGP addresses (QS0409), which it cannot see from here:"
        ));
        put(format_args!("# plan.md and what Azure is to be given, in {}/, name them for each connection.", peer.name));
    }
    put(format_args!("\nrouter:"));
    put(format_args!("  name: {}", quoted(&own.name)));
    put(format_args!("  asn: {}", own.asn));
    if let Some(address) = own.outside.first() {
        put(format_args!("  router-id: {address}"));
    }
    put(format_args!("  networks: [{}]", list(&own.networks, ToString::to_string)));
    // Azure's default policy offers no PFS when it rekeys.
    let no_pfs = if peer.profile == Profile::Azure { "-modpnone" } else { "" };
    put(format_args!("\ndefaults:"));
    put(format_args!("  profile: {}", peer.profile.as_str()));
    put(format_args!("  ike: {{proposals: [{}]}}", matrix.suites.ike));
    put(format_args!("  esp: {{proposals: [{}{no_pfs}]}}", matrix.suites.esp));
    put(format_args!("  bgp: {{asn: {}, import: [{}]}}", peer.asn, list(&peer.networks, accepted)));
    put(format_args!("\ntunnels:"));
    for row in &matrix.rows {
        let first = row.hosts[side] < row.hosts[1 - side];
        put(format_args!("  - name: {}", quoted(&row.name)));
        put(format_args!("    local: {}", row.outside[side]));
        put(format_args!("    remote: {}", row.outside[1 - side]));
        put(format_args!("    psk: {{file: keys/{}}}", row.name));
        let word = if first { "first" } else { "second" };
        put(format_args!("    inside: {{prefix: {}, side: {word}}}", row.inside));
    }
    text
}

fn accepted(network: &IpNet) -> String {
    let most: u8 = if network.addr().is_ipv4() { 24 } else { 64 };
    if network.prefix_len() < most { format!("{network} le {most}") } else { network.to_string() }
}

fn list<T>(values: &[T], show: impl Fn(&T) -> String) -> String {
    values.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// A name as YAML takes it for text, though it be `2024` or `null`; names have nothing in them that needs more.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The plan as `quadspan plan check` reads it.
pub(super) fn plan(matrix: &Matrix) -> String {
    let mut text = String::from("# Read by `quadspan plan check`. Pairs are in the order of the sides.\nsides:\n");
    for side in &matrix.sides {
        let _infallible = writeln!(
            text,
            "  - {{name: {}, cloud: {}, asn: {}, outside: [{}], networks: [{}]}}",
            quoted(&side.name),
            side.profile.as_str(),
            side.asn,
            list(&side.outside, ToString::to_string),
            list(&side.networks, ToString::to_string),
        );
    }
    let _infallible = writeln!(text, "avoid: [{}]\ntunnels:", list(&matrix.avoid, ToString::to_string));
    for row in &matrix.rows {
        let custom = row
            .custom
            .map(|custom| format!("\n    custom: {{primary: {}, secondary: {}}}", custom.primary, custom.secondary));
        let _infallible = writeln!(
            text,
            "  - name: {}\n    outside: [{}]\n    inside: {}\n    hosts: [{}]{}",
            quoted(&row.name),
            list(&row.outside, ToString::to_string),
            row.inside,
            list(&row.hosts, ToString::to_string),
            custom.unwrap_or_default(),
        );
    }
    text
}

/// The table of S4-04: a header and a row per tunnel.
#[must_use]
pub fn table(matrix: &Matrix) -> (Vec<String>, Vec<Vec<String>>) {
    let [one, other] = &matrix.sides;
    let azure = matrix.rows.iter().any(|row| row.custom.is_some());
    let mut header = vec!["TUNNEL".to_owned()];
    header.extend([one, other].map(|side| format!("{} OUTSIDE", side.name.to_uppercase())));
    header.push("INSIDE CIDR".to_owned());
    header.extend([one, other].map(|side| format!("{} BGP", side.name.to_uppercase())));
    if azure {
        header.extend(["CUSTOM PRIMARY".to_owned(), "CUSTOM SECONDARY".to_owned()]);
    }
    let rows = matrix.rows.iter().map(|row| {
        let mut cells = vec![row.name.clone()];
        cells.extend(row.outside.map(|address| address.to_string()));
        cells.push(row.inside.to_string());
        cells.extend(row.hosts.map(|address| address.to_string()));
        if let Some(custom) = row.custom {
            cells.extend([custom.primary.to_string(), custom.secondary.to_string()]);
        }
        cells
    });
    let rows = rows.collect();
    (header, rows)
}

/// The same in Markdown, with what else is to be typed in.
pub(super) fn page(matrix: &Matrix) -> String {
    let [one, other] = &matrix.sides;
    let (header, rows) = table(matrix);
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = format!("# Four tunnels: {} and {}\n\n", one.profile.title(), other.profile.title());
    text.push_str(&line(&header));
    text.push_str(&line(&header.iter().map(|_| "---".to_owned()).collect::<Vec<_>>()));
    rows.iter().for_each(|row| text.push_str(&line(row)));
    for side in &matrix.sides {
        let networks = list(&side.networks, ToString::to_string);
        text.push_str(&format!("\n* {}: AS {}, {networks}", side.name, side.asn));
    }
    text.push_str(&format!("\n* IKE `{}`, ESP `{}`\n", matrix.suites.ike, matrix.suites.esp));
    text
}
