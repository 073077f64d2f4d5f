//! FRR's configuration. `export` is the lines of a route map's first entry.

use std::fmt::Write as _;

use super::{Ends, Told, is_ipv6};

pub(super) fn configuration(ends: &Ends, told: &Told) -> String {
    let mut text = format!(
        "{}\nrouter bgp {}\n bgp router-id 10.9.0.2\n no bgp ebgp-requires-policy\n no bgp network import-check\n \
         no bgp default ipv4-unicast\n",
        told.global, ends.peer_asn
    );
    let (mut ipv4, mut ipv6) = (String::new(), String::new());
    for [ours, theirs] in &ends.pairs {
        let _infallible = write!(
            text,
            " neighbor {ours} remote-as {}\n neighbor {ours} update-source {theirs}\n neighbor {ours} timers 3 9\n \
             neighbor {ours} timers connect 1\n neighbor {ours} advertisement-interval 0\n{}\n",
            ends.our_asn,
            told.session.replace("US", ours)
        );
        for (family, extra) in [(&mut ipv4, told.ipv4.replace("US", ours)), (&mut ipv6, String::new())] {
            let _infallible =
                write!(family, "  neighbor {ours} activate\n  neighbor {ours} route-map OUT out\n{extra}\n");
        }
    }
    for prefix in told.networks {
        let family = if is_ipv6(prefix) { &mut ipv6 } else { &mut ipv4 };
        let _infallible = writeln!(family, "  network {prefix}");
    }
    let _infallible = write!(
        text,
        " address-family ipv4 unicast\n{ipv4} exit-address-family\n address-family ipv6 unicast\n{ipv6} \
         exit-address-family\nexit\nroute-map OUT permit 10\n{}\nexit\n",
        told.export
    );
    text
}

pub(super) fn family(prefix: &str) -> &'static str {
    if is_ipv6(prefix) { "ipv6" } else { "ipv4" }
}
