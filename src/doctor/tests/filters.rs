//! What filters are said to do to a packet.

use crate::firewall::{Fate, Hook, Packet, Rewrite, Ruleset, TCP, UDP, iptables, nft};
use crate::sockets;

/// As `nft -j list ruleset` prints them: a set, a jump, states, ranges, prefixes.
const NFT: &str = r#"{"nftables": [
 {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
 {"table": {"family": "inet", "name": "fw", "handle": 1}},
 {"set": {"family": "inet", "name": "ike", "table": "fw", "type": "inet_service", "elem": [500, {"elem": {"val": 4500, "timeout": 5}}]}},
 {"chain": {"family": "inet", "table": "fw", "name": "in", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
 {"chain": {"family": "inet", "table": "fw", "name": "vpn", "handle": 2}},
 {"rule": {"family": "inet", "table": "fw", "chain": "in", "expr": [{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}, {"accept": null}]}},
 {"rule": {"family": "inet", "table": "fw", "chain": "in", "expr": [{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, {"accept": null}]}},
 {"rule": {"family": "inet", "table": "fw", "chain": "in", "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": "@ike"}}, {"counter": {"packets": 0, "bytes": 0}}, {"jump": {"target": "vpn"}}]}},
 {"rule": {"family": "inet", "table": "fw", "chain": "vpn", "expr": [{"match": {"op": "!=", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"prefix": {"addr": "203.0.113.0", "len": 24}}}}, {"drop": null}]}},
 {"rule": {"family": "inet", "table": "fw", "chain": "vpn", "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "sport"}}, "right": {"range": [400, 600]}}}, {"accept": null}]}},
 {"chain": {"family": "ip", "table": "nat", "name": "post", "handle": 1, "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}},
 {"rule": {"family": "ip", "table": "nat", "chain": "post", "expr": [{"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": {"set": ["eth0", "eth1"]}}}, {"masquerade": null}]}}
]}"#;

fn udp(source: &str, ports: (u16, u16)) -> Packet<'_> {
    Packet {
        protocol: Some(UDP),
        source: source.parse().ok(),
        destination: Some([192, 0, 2, 1].into()),
        source_port: Some(ports.0),
        destination_port: Some(ports.1),
        input: Some("eth0"),
        output: None,
        version: None,
    }
}

/// Without the rule that depends on states, which makes everything uncertain.
fn stateless() -> Ruleset {
    let mut ruleset = nft::read(NFT, &[]).unwrap();
    let table = ruleset.tables.iter_mut().find(|table| table.name == "inet fw").unwrap();
    table.chains.get_mut("in").unwrap().rules.remove(0);
    ruleset
}

#[test]
fn nftables_are_followed_through_sets_jumps_and_policies() {
    let ruleset = stateless();
    assert_eq!(ruleset.fate(Hook::Input, &udp("203.0.113.9", (500, 500))), Fate::Passes);
    let Fate::Blocked(by) = ruleset.fate(Hook::Input, &udp("198.51.100.9", (500, 4500))) else { panic!("it passes") };
    assert_eq!(by.to_string(), "table inet fw, chain vpn: ip saddr != 203.0.113.0/24 drop");
    let Fate::Blocked(by) = ruleset.fate(Hook::Input, &udp("203.0.113.9", (9, 4500))) else { panic!("it passes") };
    assert_eq!((by.chain.as_str(), by.rule.as_str()), ("in", "policy drop: no rule accepts it"));
    assert_eq!(ruleset.fate(Hook::Forward, &udp("203.0.113.9", (9, 9))), Fate::Passes, "nothing hangs there");
    let local = Packet { input: Some("lo"), ..udp("198.51.100.9", (9, 9)) };
    assert_eq!(ruleset.fate(Hook::Input, &local), Fate::Passes);
}

#[test]
fn what_depends_on_the_state_of_a_connection_is_never_said_to_be_blocked() {
    let ruleset = nft::read(NFT, &[]).unwrap();
    assert_eq!(ruleset.fate(Hook::Input, &udp("203.0.113.9", (9, 4500))), Fate::Perhaps);
}

#[test]
fn translations_are_found_where_they_are_certain() {
    let ruleset = nft::read(NFT, &[]).unwrap();
    let out = |name| Packet { output: Some(name), version: Some(4), ..Packet::default() };
    let (culprit, rewrite) = ruleset.translation(Hook::Postrouting, &out("eth1")).unwrap();
    assert!(culprit.rule.ends_with("masquerade"));
    assert_eq!(rewrite, Rewrite::OfInterface);
    assert_eq!(ruleset.translation(Hook::Postrouting, &out("qs-t")), None);
    assert_eq!(ruleset.translation(Hook::Postrouting, &Packet { version: Some(6), ..out("eth1") }), None);
    assert_eq!(nft::read(NFT, &["ip nat".to_owned()]).unwrap().tables.len(), 1, "left to iptables");
}

#[test]
fn the_routers_own_table_drops_nothing() {
    // As `nft -j list ruleset` prints what `dataplane: kernel` made.
    let own = r#"{"nftables": [
     {"map": {"family": "inet", "name": "mss", "table": "quadspan-xfrm-0", "type": ["nf_proto", "ifname"], "handle": 3, "map": "integer",
      "elem": [[{"concat": ["ipv4", "tun0"]}, 1350], [{"concat": ["ipv6", "tun0"]}, 1330]]}},
     {"chain": {"family": "inet", "table": "quadspan-xfrm-0", "name": "arriving", "type": "filter", "hook": "prerouting", "prio": -150, "policy": "accept"}},
     {"rule": {"family": "inet", "table": "quadspan-xfrm-0", "chain": "arriving", "expr": [
      {"match": {"op": "==", "left": {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, "syn"]}, "right": "syn"}},
      {"mangle": {"key": {"tcp option": {"name": "maxseg", "field": "size"}}, "value": {"map": {"key": {"concat": [
       {"meta": {"key": "nfproto"}}, {"meta": {"key": "iifname"}}]}, "data": "@mss"}}}}]}}
    ]}"#;
    let ruleset = nft::read(own, &[]).unwrap();
    assert_eq!(ruleset.tables.len(), 1);
    assert_eq!(ruleset.fate(Hook::Prerouting, &Packet { protocol: Some(TCP), ..Packet::default() }), Fate::Passes);
}

#[test]
fn iptables_are_followed_with_negations_lists_and_chains() {
    let text = "# Generated\n*filter\n:INPUT DROP [1:2]\n:VPN - [0:0]\n-A INPUT -i lo -j ACCEPT\n\
                -A INPUT -s 203.0.113.0/24 -p udp -m multiport --dports 500,4500 -m comment --comment \"the vpn\" -g VPN\n\
                -A VPN ! -d 192.0.2.1/32 -j RETURN\n-A VPN -j ACCEPT\nCOMMIT\n*nat\n:POSTROUTING ACCEPT\nCOMMIT\n";
    let ruleset = Ruleset { tables: iptables::read(text, 4) };
    assert_eq!(ruleset.fate(Hook::Input, &udp("203.0.113.9", (9, 4500))), Fate::Passes);
    let other = Packet { destination: Some([192, 0, 2, 2].into()), ..udp("203.0.113.9", (9, 4500)) };
    assert!(matches!(ruleset.fate(Hook::Input, &other), Fate::Blocked(by) if by.rule.starts_with("policy")));
    let tcp = Packet { protocol: Some(TCP), ..udp("203.0.113.9", (9, 179)) };
    assert!(matches!(ruleset.fate(Hook::Input, &tcp), Fate::Blocked(_)));
    let v6 = Packet { source: "2001:db8::1".parse().ok(), ..tcp };
    assert_eq!(ruleset.fate(Hook::Input, &v6), Fate::Passes, "the table sees IPv4 alone");
}

#[test]
fn options_without_a_value_leave_the_target_alone() {
    let accepted = |rule: &str| {
        let text = format!("*filter\n:INPUT DROP\n-A INPUT {rule}\n-A INPUT -p udp -j DROP\n");
        Ruleset { tables: iptables::read(&text, 4) }.fate(Hook::Input, &udp("203.0.113.9", (500, 500)))
    };
    for option in ["--rsource", "--invert", "! --invert", "--rcheck --rsource", "--string \"-j DROP -d 9.9.9.9\""] {
        // It perhaps accepts: nothing after it is certain.
        assert_eq!(accepted(&format!("-m it {option} -j ACCEPT")), Fate::Perhaps, "{option}");
    }
    let dropping =
        "*filter\n:INPUT ACCEPT\n-A INPUT -m comment --comment \"no \\\"-j ACCEPT\\\" -s 10.0.0.0/8\" -j DROP\n";
    let ruleset = Ruleset { tables: iptables::read(dropping, 4) };
    assert!(matches!(ruleset.fate(Hook::Input, &udp("203.0.113.9", (500, 500))), Fate::Blocked(_)));
    let odd = "*filter\n:INPUT ACCEPT\n-A INPUT --comment \"\n-A INPUT \"\" \"\\\n-A \"\n";
    let _no_panic = iptables::read(odd, 4);
}

#[test]
fn translations_say_to_what() {
    let rewrite = |rule: &str| {
        let text = format!("*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING {rule}\n");
        let ruleset = Ruleset { tables: iptables::read(&text, 4) };
        ruleset.translation(Hook::Postrouting, &udp("192.0.2.1", (500, 500))).map(|(_, rewrite)| rewrite)
    };
    let cases = [
        ("-j MASQUERADE", Rewrite::OfInterface),
        ("-j MASQUERADE --random-fully", Rewrite::Other),
        ("-p udp -j MASQUERADE --to-ports 1024-2048", Rewrite::Other),
        ("-j SNAT --to-source 192.0.2.9 --persistent", Rewrite::To([192, 0, 2, 9].into())),
        ("-j SNAT --to-source 192.0.2.9-192.0.2.12", Rewrite::Other),
        ("-j SNAT --to-source 192.0.2.9 --random", Rewrite::Other),
        ("-j NETMAP", Rewrite::Other),
    ];
    for (rule, expected) in cases {
        assert_eq!(rewrite(rule), Some(expected), "{rule}");
    }
    let statements = [
        (r#"{"snat": {"family": "ip", "addr": "192.0.2.9"}}"#, Rewrite::To([192, 0, 2, 9].into())),
        (r#"{"snat": {"addr": "192.0.2.9", "port": 7}}"#, Rewrite::Other),
        (r#"{"masquerade": {"flags": "random"}}"#, Rewrite::Other),
        (r#"{"redirect": {"port": 7}}"#, Rewrite::Other),
    ];
    for (statement, expected) in statements {
        let ruleset = nft::read(&NFT.replace(r#"{"masquerade": null}"#, statement), &[]).unwrap();
        let packet = Packet { output: Some("eth1"), version: Some(4), ..Packet::default() };
        assert_eq!(ruleset.translation(Hook::Postrouting, &packet).map(|it| it.1), Some(expected), "{statement}");
    }
}

#[test]
fn remedies_are_in_the_words_of_the_program_that_wrote_the_rules() {
    let remedy = |tables: Vec<crate::firewall::Table>| {
        let Fate::Blocked(by) = (Ruleset { tables }).fate(Hook::Input, &udp("198.51.100.9", (500, 4500))) else {
            panic!("it passes")
        };
        by.put_before("udp dport 500", "-p udp --dport 500")
    };
    assert_eq!(remedy(stateless().tables), "`nft insert rule inet fw vpn udp dport 500 accept`");
    let mut old = iptables::read("*filter\n:INPUT DROP\n", 4);
    assert_eq!(remedy(old.clone()), "`iptables -t filter -I INPUT -p udp --dport 500 -j ACCEPT`");
    old[0].program = "iptables-legacy";
    assert_eq!(remedy(old), "`iptables-legacy -t filter -I INPUT -p udp --dport 500 -j ACCEPT`");
}

#[test]
fn chains_that_call_each_other_come_to_an_end() {
    let text = "*filter\n:INPUT DROP\n:A -\n:B -\n-A INPUT -j A\n-A A -j B\n-A A -j B\n-A B -j A\n-A B -j A\n";
    let ruleset = Ruleset { tables: iptables::read(text, 4) };
    let _some_fate = ruleset.fate(Hook::Input, &udp("203.0.113.9", (500, 500)));
}

#[test]
fn listings_that_are_cut_or_mangled_do_no_harm() {
    for length in 0..NFT.len() {
        let _no_panic = nft::read(&NFT[..length], &[]);
    }
    let _no_panic = nft::read(&"[".repeat(100_000), &[]);
    let odd = "*\n:\n-A\n-A \n-A X\n-A X -j\n-A X -p\n-A X ! \n*filter\n:INPUT\n-A INPUT --dport 99999 -j DROP\n-A INPUT -s 1/99 -j DROP\n";
    let ruleset = Ruleset { tables: iptables::read(odd, 4) };
    assert_eq!(
        ruleset.fate(Hook::Input, &udp("203.0.113.9", (500, 500))),
        Fate::Passes,
        "what is not understood drops nothing"
    );
}

#[test]
fn sockets_are_read_with_owner_and_losses() {
    let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
                 12: 010200C0:01F4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 42\n\
                 broken\n 1: XX:01F4 0 0 0 0 0 0 0 1 2\n";
    let found: Vec<_> = sockets::read(text).collect();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].port, found[0].inode, found[0].drops), (500, 4711, 42));
    if cfg!(target_endian = "little") {
        assert_eq!(found[0].address, std::net::IpAddr::from([192, 0, 2, 1]));
    }
    let six = "\n 1: 00000000000000000000000001000000:1194 0 07 0 0 0 0 0 9 2 0 0\n";
    assert_eq!(sockets::read(six).next().map(|it| (it.address.is_loopback(), it.port)), Some((true, 4500)));
}
