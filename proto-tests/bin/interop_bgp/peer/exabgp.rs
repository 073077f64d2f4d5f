//! ExaBGP's configuration. `export` is attributes of its static routes; `session` is said of the neighbour.

use std::fmt::Write as _;

use proto_tests::lab::exabgp::Exabgp;
use serde_json::Value;

use super::{Ends, Told, is_ipv6};

pub(super) fn configuration(ends: &Ends, told: &Told) -> String {
    let mut text = String::new();
    for [ours, theirs] in &ends.pairs {
        let mut routes = String::new();
        for prefix in told.networks {
            let next_hop = if is_ipv6(prefix) { "fd00:9:1::2" } else { "self" };
            let _infallible = writeln!(routes, "  route {prefix} next-hop {next_hop} {};", told.export);
        }
        let _infallible = write!(
            text,
            "neighbor {ours} {{\n router-id 10.9.0.2;\n local-address {theirs};\n local-as {};\n peer-as {};\n \
             hold-time 9;\n{}\n family {{\n  ipv4 unicast;\n  ipv6 unicast;\n }}\n static {{\n{routes} }}\n \
             api {{\n  processes [ scribe ];\n  neighbor-changes;\n  receive {{ parsed; update; notification; open; refresh; }}\n }}\n}}\n",
            ends.peer_asn, ends.our_asn, told.session
        );
    }
    text
}

/// What the last event about the session said.
pub(super) fn is_up(events: &str) -> bool {
    let events = events.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter_map(|event| event["neighbor"]["state"].as_str().map(str::to_owned)).next().as_deref() == Some("up")
}

/// The last event that names the prefix, unless that is its withdrawal.
pub(super) fn route(exabgp: &Exabgp, prefix: &str) -> String {
    let mut last = String::new();
    for event in exabgp.heard() {
        let update = &event["neighbor"]["message"]["update"];
        if update["announce"].to_string().contains(prefix) {
            last = update.to_string();
        } else if update["withdraw"].to_string().contains(prefix) {
            last.clear();
        }
    }
    last
}
