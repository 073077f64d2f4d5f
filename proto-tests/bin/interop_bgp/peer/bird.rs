//! BIRD's configuration. `export` is a filter's body that ends in `accept`.

use std::fmt::Write as _;

use super::{Ends, Told, is_ipv6};

pub(super) fn configuration(ends: &Ends, told: &Told) -> String {
    let (ipv6, ipv4): (Vec<&str>, Vec<&str>) = told.networks.iter().partition(|prefix| is_ipv6(prefix));
    let routes = |prefixes: Vec<&str>| -> String {
        prefixes.into_iter().map(|prefix| format!(" route {prefix} unreachable;")).collect()
    };
    let body = if told.export.is_empty() { "accept;" } else { told.export };
    let mut text = format!(
        "log stderr all;\nrouter id 10.9.0.2;\nprotocol device {{ scan time 10; }}\nprotocol direct {{ disabled; ipv4; }}\n\
         protocol static own4 {{ ipv4;{} }}\nprotocol static own6 {{ ipv6;{} }}\n\
         filter to_us {{ if source != RTS_STATIC then reject; {body} }}\n{}\n",
        routes(ipv4),
        routes(ipv6),
        told.global
    );
    for (index, [ours, theirs]) in ends.pairs.iter().enumerate() {
        let session = told.session.replace("US", ours);
        let reach = if session.contains("multihop") { "" } else { "direct;" };
        let _infallible = write!(
            text,
            "protocol bgp session{} {{\n local {theirs} as {};\n neighbor {ours} as {};\n {reach}\n hold time 9;\n \
             connect delay time 1;\n connect retry time 1;\n error wait time 1,2;\n startup hold time 9;\n {session}\n \
             ipv4 {{ import all; export filter to_us; {} }};\n",
            index + 1,
            ends.peer_asn,
            ends.our_asn,
            told.ipv4.replace("US", ours)
        );
        text += " ipv6 { import all; export filter to_us; };\n}\n";
    }
    text
}
