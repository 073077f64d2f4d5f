//! GoBGP's configuration, in TOML. `session` is tables below a neighbour; `export` is words behind `gobgp global rib add`.

use std::fmt::Write as _;

use proto_tests::lab::Result;
use proto_tests::lab::gobgp::Gobgp;

use super::{Ends, Told, is_ipv6};

pub(super) fn configuration(ends: &Ends, told: &Told) -> String {
    let mut text = format!("[global.config]\nas = {}\nrouter-id = \"10.9.0.2\"\n{}\n", ends.peer_asn, told.global);
    for [ours, theirs] in &ends.pairs {
        let _infallible = write!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{ours}\"\npeer-as = {}\n{}\n\
             [neighbors.timers.config]\nhold-time = 9\nkeepalive-interval = 3\nconnect-retry = 1\n\
             idle-hold-time-after-reset = 1\n{}\n",
            ends.our_asn,
            told.ipv4,
            told.session.replace("US", ours).replace("THEM", theirs)
        );
        if !told.session.contains("afi-safis") {
            for family in ["ipv4-unicast", "ipv6-unicast"] {
                let _infallible = write!(
                    text,
                    "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{family}\"\n"
                );
            }
        }
    }
    text
}

pub(super) fn announce(gobgp: &Gobgp, told: &Told) -> Result<()> {
    for prefix in told.networks {
        let mut words = vec!["global", "rib", "add", "-a", family(prefix), prefix];
        words.extend(told.export.split_whitespace());
        gobgp.ask(&words)?;
    }
    Ok(())
}

pub(super) fn session(gobgp: &Gobgp) -> Result<String> {
    let peers = gobgp.json(&["neighbor"])?;
    let address = peers[0]["state"]["neighbor_address"].as_str().or(peers[0]["conf"]["neighbor_address"].as_str());
    gobgp.ask(&["neighbor", address.unwrap_or("10.9.1.1")])
}

pub(super) fn route(gobgp: &Gobgp, prefix: &str) -> Result<String> {
    gobgp.ask(&["global", "rib", prefix, "-a", family(prefix)])
}

fn family(prefix: &str) -> &'static str {
    if is_ipv6(prefix) { "ipv6" } else { "ipv4" }
}
