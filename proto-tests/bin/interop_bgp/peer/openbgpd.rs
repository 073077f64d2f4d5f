//! OpenBGPD's configuration. `export` is what is set on announced networks, `ipv4` is rules behind all others.

use std::fmt::Write as _;

use proto_tests::lab::Result;
use proto_tests::lab::openbgpd::Openbgpd;

use super::{Ends, Told};

pub(super) fn configuration(ends: &Ends, told: &Told) -> String {
    let mut text = format!(
        "AS {}\nrouter-id 10.9.0.2\nfib-update no\nholdtime 9\nconnect-retry 2\n{}\n",
        ends.peer_asn, told.global
    );
    for prefix in told.networks {
        let _infallible = writeln!(text, "network {prefix} {}", told.export);
    }
    for [ours, theirs] in &ends.pairs {
        let _infallible = write!(
            text,
            "neighbor {ours} {{\n remote-as {}\n local-address {theirs}\n announce IPv4 unicast\n announce IPv6 unicast\n{}\n}}\n",
            ends.our_asn, told.session
        );
    }
    let _infallible = write!(text, "allow from any\nallow to any\n{}\n", told.ipv4);
    text
}

pub(super) fn session(bgpd: &Openbgpd) -> Result<String> {
    // Without an address it shows all; each with its description, or its address.
    bgpd.ask(&["show", "neighbor"])
}
