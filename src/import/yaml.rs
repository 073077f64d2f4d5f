//! A completed site as our configuration file. What equals the profile's default is written all the same: a file that
//! came out of another says everything that the other said.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::time::Duration;

use ipnet::IpNet;
use negotiation::{IkeVersion, StartAction, V1Mode};
use profile::Profile;

use super::value::join;
use super::{Format, KeyFile};
use crate::site::{Site, SiteTunnel};
use crate::words::is_broken;

/// Our file, and the keys it refers to.
pub(super) fn render(site: &Site, format: Format) -> (String, Vec<KeyFile>) {
    let mut text = String::new();
    let mut keys = Vec::new();
    line(&mut text, 0, format_args!("# Written by `quadspan import` out of {}.", title(format)));
    line(&mut text, 0, format_args!("\nrouter:"));
    line(&mut text, 2, format_args!("name: {}", quoted(site.name.as_deref().unwrap_or("edge"))));
    if let Some(asn) = site.asn {
        line(&mut text, 2, format_args!("asn: {asn}"));
    }
    if let Some(router_id) = site.router_id {
        line(&mut text, 2, format_args!("router-id: {router_id}"));
    }
    if !site.networks.is_empty() {
        line(&mut text, 2, format_args!("networks: [{}]", join(&site.networks)));
    }
    routes(&mut text, site);
    line(&mut text, 0, format_args!("\ntunnels:"));
    for tunnel in &site.tunnels {
        render_tunnel(&mut text, tunnel, &mut keys);
    }
    (text, keys)
}

/// What leads into tunnels without BGP: a route is spread over all tunnels that have it.
fn routes(text: &mut String, site: &Site) {
    let mut all: BTreeMap<IpNet, Vec<&str>> = BTreeMap::new();
    for tunnel in site.tunnels.iter().filter(|tunnel| tunnel.session.is_none()) {
        for route in &tunnel.routes {
            let tunnels = all.entry(*route).or_default();
            if !tunnels.contains(&tunnel.name.as_str()) {
                tunnels.push(&tunnel.name);
            }
        }
    }
    if !all.is_empty() {
        line(text, 2, format_args!("static:"));
    }
    for (route, tunnels) in all {
        let via: Vec<_> = tunnels.iter().map(|name| format!("{{tunnel: {}}}", quoted(name))).collect();
        line(text, 4, format_args!("- {{prefix: {route}, via: [{}]}}", via.join(", ")));
    }
}

const fn title(format: Format) -> &'static str {
    match format {
        Format::AwsXml => "the XML of an AWS VPN connection",
        Format::AwsGeneric => "the generic download of an AWS VPN connection",
        Format::AwsWindows => "the Windows download of an AWS VPN connection",
        Format::Alibaba => "the peer configuration of an Alibaba IPsec connection",
        Format::Azure => "the parameters of Azure VPN connections",
        Format::Swanctl => "a strongSwan configuration",
    }
}

fn render_tunnel(text: &mut String, tunnel: &SiteTunnel, keys: &mut Vec<KeyFile>) {
    line(text, 2, format_args!("- name: {}", quoted(&tunnel.name)));
    line(text, 4, format_args!("profile: {}", tunnel.profile.as_str()));
    optional(text, "local", tunnel.local.as_ref());
    optional(text, "remote", tunnel.remote.as_ref());
    optional(text, "local-id", tunnel.local_id.as_ref().map(|id| quoted(&id.to_string())).as_ref());
    optional(text, "remote-id", tunnel.remote_id.as_ref().map(|id| quoted(&id.to_string())).as_ref());
    if let Some(psk) = &tunnel.psk {
        let path = format!("keys/{}", tunnel.name);
        line(text, 4, format_args!("psk: {{file: {}}}", quoted(&path)));
        keys.push(KeyFile { path, secret: psk.clone() });
    }
    if let Some(link) = tunnel.inside {
        line(text, 4, format_args!("inside: {{prefix: {}, local: {}, peer: {}}}", link.prefix, link.local, link.peer));
    }
    section(text, "ike", &ike(tunnel));
    section(text, "esp", &esp(tunnel));
    if is_broken(&tunnel.ike, &tunnel.esp) {
        line(text, 4, format_args!("legacy: allow"));
    }
    if let Some(start) = tunnel.start {
        let word = match start {
            StartAction::Initiate => "initiate",
            StartAction::OnDemand => "on-demand",
            StartAction::Respond => "respond",
        };
        line(text, 4, format_args!("start: {word}"));
    }
    if tunnel.always_udp {
        line(text, 4, format_args!("encapsulation: always"));
    }
    let dpd = [("interval", tunnel.dpd_interval), ("timeout", tunnel.dpd_timeout)];
    section(text, "dpd", &dpd.into_iter().filter_map(|(key, time)| Some((key, seconds(time?)))).collect::<Vec<_>>());
    optional(text, "mtu", tunnel.mtu.as_ref());
    let networks = [("local", &tunnel.local_networks), ("remote", &tunnel.remote_networks)];
    let networks = networks.into_iter().filter(|(_, list)| !list.is_empty());
    section(text, "selectors", &networks.map(|(key, list)| (key, format!("[{}]", join(list)))).collect::<Vec<_>>());
    if tunnel.protected {
        line(text, 4, format_args!("routing: protected"));
    }
    session(text, tunnel);
}

fn ike(tunnel: &SiteTunnel) -> Vec<(&'static str, String)> {
    let mut keys = Vec::new();
    match tunnel.version {
        None => {}
        Some(IkeVersion::V2) => keys.push(("version", "ikev2".to_owned())),
        Some(IkeVersion::V1(mode)) => {
            let mode = match mode {
                V1Mode::Main => "main",
                V1Mode::Aggressive => "aggressive",
            };
            keys.extend([("version", "ikev1".to_owned()), ("mode", mode.to_owned())]);
        }
    }
    keys.extend(tunnel.ike_port.map(|port| ("port", port.to_string())));
    if !tunnel.ike.is_empty() {
        keys.push(("proposals", format!("[{}]", join(&tunnel.ike))));
    }
    keys.extend(tunnel.ike_lifetime.map(|time| ("lifetime", seconds(time))));
    keys
}

fn esp(tunnel: &SiteTunnel) -> Vec<(&'static str, String)> {
    let mut keys = Vec::new();
    if !tunnel.esp.is_empty() {
        keys.push(("proposals", format!("[{}]", join(&tunnel.esp))));
    }
    keys.extend(tunnel.child_lifetime.map(|time| ("lifetime", seconds(time))));
    keys.extend(tunnel.child_bytes.map(|bytes| ("bytes", octets(bytes))));
    keys.extend(tunnel.replay_window.map(|window| ("replay-window", window.to_string())));
    keys
}

fn session(text: &mut String, tunnel: &SiteTunnel) {
    let Some(session) = tunnel.session else { return };
    let mut keys = Vec::new();
    keys.extend(session.asn.map(|asn| ("asn", asn.to_string())));
    keys.extend(session.hold_time.map(|time| ("hold-time", seconds(time))));
    keys.extend(session.keepalive.map(|time| ("keepalive", seconds(time))));
    if session.passive {
        keys.push(("passive", "true".to_owned()));
    }
    // RFC 8212 2: without a policy nothing is accepted of a peer that is no cloud.
    if tunnel.profile == Profile::Generic {
        keys.push(("import", "[0.0.0.0/0 ge 1]".to_owned()));
    }
    section(text, "bgp", &keys);
}

fn section(text: &mut String, name: &str, keys: &[(&str, String)]) {
    if !keys.is_empty() {
        let keys: Vec<_> = keys.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        line(text, 4, format_args!("{name}: {{{}}}", keys.join(", ")));
    }
}

fn optional<T: Display>(text: &mut String, key: &str, value: Option<&T>) {
    if let Some(value) = value {
        line(text, 4, format_args!("{key}: {value}"));
    }
}

fn line(text: &mut String, indent: usize, content: std::fmt::Arguments<'_>) {
    let _infallible = writeln!(text, "{:indent$}{content}", "");
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

fn octets(bytes: u64) -> String {
    if bytes.is_multiple_of(1024) { format!("{}KiB", bytes / 1024) } else { format!("{bytes}B") }
}

/// Plain where YAML reads it as the text it is, in double quotes otherwise.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let word = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let taken = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    if word && !taken.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    // A JSON string is a YAML one.
    serde_json::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_plain_and_all_else_is_quoted() {
        let quoted = ["edge-1", "keys/aws-1", "1a", "on", "a: b", "x\"y", "192.0.2.1"].map(quoted);
        let expected = ["edge-1", "keys/aws-1", "\"1a\"", "\"on\"", "\"a: b\"", "\"x\\\"y\"", "\"192.0.2.1\""];
        assert_eq!(quoted, expected);
    }

    #[test]
    fn sizes_are_written_in_the_unit_they_came_in() {
        assert_eq!([octets(102_400_000 * 1024), octets(1_000_001)], ["102400000KiB", "1000001B"]);
    }
}
