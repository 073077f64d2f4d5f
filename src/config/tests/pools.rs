//! What a configuration with pools of clients comes to.

use openvpn::Protocol;
use wire::Secret;

use super::diagnostics::{Case, codes, text};
use super::{GOOD, changed, check};
use crate::Code;
use settings::Management;

const SERVER: &str = "server 10.8.0.0 255.255.255.0\ntopology subnet\nkeepalive 10 60\nmax-clients 100\n";

/// Configurations of servers.
pub(super) fn file(name: &str) -> Option<&'static str> {
    Some(match name {
        "server.ovpn" | "/etc/openvpn/server/staff.conf" => SERVER,
        "tcp.ovpn" => {
            "server 10.8.0.0 255.255.255.0\ntopology subnet\nmax-clients 9\nproto tcp-server\nmanagement 127.0.0.1 7505 good.psk\n"
        }
        "unix.ovpn" => {
            "server 10.9.0.0 255.255.255.0\ntopology subnet\nmax-clients 9\nkeepalive 10 60\nmanagement /run/o unix\n"
        }
        "client.ovpn" => "client\nremote 192.0.2.1\n",
        "broken.ovpn" => "server 10.8.0.0\n",
        "narrow.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nmax-clients 63\n",
        "deaf.ovpn" => "server 10.8.0.0 255.255.255.0\ntopology subnet\nmax-clients 9\n",
        "weak.ovpn" => {
            "server 10.8.0.0 255.255.255.0\ntopology subnet\nmax-clients 9\nkeepalive 10 60\ncipher BF-CBC\n"
        }
        "snug.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nmax-clients 62\n",
        "thin.ovpn" => "server 10.8.0.0 255.255.255.252\nkeepalive 10 60\n",
        "vast.ovpn" => "server 10.8.0.0 255.255.255.0\nserver-ipv6 ::/0\nkeepalive 10 60\n",
        "stray.ovpn" => "server 10.8.0.0 255.255.255.0\nifconfig-pool 10.9.0.4 10.9.0.8\nkeepalive 10 60\n",
        "typed.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nmanagement /run/o unix stdin\n",
        "calls.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nmanagement-client\n",
        "held.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nmanagement-hold\n",
        "logins.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nmanagement-client-auth\n",
        "filter.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nmanagement-client-pf\n",
        "asks.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nmanagement-query-passwords\n",
        "signal.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nmanagement-signal\n",
        "askpass.ovpn" => {
            "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nmanagement-query-passwords\naskpass key.pass\n"
        }
        "lines.pw" => "open sesame\r\nsignal SIGTERM\n",
        "lost.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nca absent.psk\n",
        "abroad.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nmanagement 10.1.0.1 7505\n",
        "rigid.ovpn" => "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\nncp-disable\n",
        "shared.ovpn" => "server 100.64.8.0 255.255.255.0\ntopology subnet\nkeepalive 10 60\n",
        "public.ovpn" => "server 11.8.0.0 255.255.255.0\ntopology subnet\nkeepalive 10 60\n",
        "both.ovpn" => "server 10.8.0.0 255.255.255.0\nserver-ipv6 fd08::/64\ntopology subnet\nkeepalive 10 60\n",
        "link.ovpn" => "server 169.254.0.0 255.255.255.0\nkeepalive 10 60\n",
        "lan.ovpn" => "server 10.1.0.0 255.255.0.0\ntopology subnet\nmax-clients 9\nkeepalive 10 60\n",
        "around.ovpn" => {
            "server 10.1.8.0 255.255.255.0\ntopology subnet\nkeepalive 10 60\npush \"route 10.1.0.0 255.255.248.0\"\n"
        }
        "pushy.ovpn" => {
            "server 10.8.0.0 255.255.255.0\ntopology subnet\nmax-clients 9\nkeepalive 10 60\npush \"route 10.0.0.0 255.0.0.0\"\n"
        }
        "old.ovpn" => {
            "server 10.8.0.0 255.255.255.0\ntopology subnet\nmax-clients 9\nkeepalive 10 60\ncert expired.pem\n"
        }
        _ => return None,
    })
}

#[test]
fn a_pool_is_what_its_servers_file_says() {
    let pools = "pools:\n  - {name: staff, openvpn: {config: tcp.ovpn}}\n  \
                 - {name: guests, announce: false, openvpn: {config: unix.ovpn}}\ntunnels:\n";
    let loaded = check(&changed(GOOD, "tunnels:\n", pools)).unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let [staff, guests] = loaded.router.pools.as_slice() else { panic!("two pools") };
    assert_eq!((staff.name.as_str(), staff.announce, staff.protocol), ("staff", true, Protocol::Tcp));
    assert_eq!((staff.pool.network, staff.pool.capacity), ("10.8.0.0/24".parse().unwrap(), 253));
    assert_eq!(staff.management, Management::Tcp("127.0.0.1:7505".parse().unwrap()));
    assert!(staff.password.is_some() && guests.password.is_none() && !guests.announce);
    assert_eq!(guests.management, Management::Unix("/run/o".into()));
}

/// As OpenVPN reads the file; what follows would be commands.
#[test]
fn a_password_is_the_first_line_of_its_file() {
    for server in ["unix.ovpn", "typed.ovpn"] {
        let pools =
            format!("pools:\n  - {{name: p, openvpn: {{config: {server}, password-file: lines.pw}}}}\ntunnels:\n");
        let loaded =
            check(&changed(GOOD, "tunnels:\n", &pools)).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let [pool] = loaded.router.pools.as_slice() else { panic!("one pool") };
        assert_eq!(pool.password, Some(Secret::from(b"open sesame".as_slice())));
    }
}

/// Nobody but the router is connected there, and it only asks.
#[test]
fn what_a_server_leaves_to_its_management_interface_nobody_does() {
    let checked = |server: &str| {
        let pools = format!("pools:\n  - {{name: p, openvpn: {{config: {server}, management: /run/m}}}}\ntunnels:\n");
        check(&changed(GOOD, "tunnels:\n", &pools))
    };
    for (server, option) in [
        ("calls.ovpn", "management-client`"),
        ("held.ovpn", "management-hold`"),
        ("logins.ovpn", "management-client-auth`"),
        ("filter.ovpn", "management-client-pf`"),
    ] {
        let report = checked(server).unwrap_err();
        let [diagnostic] = report.diagnostics() else { panic!("{}", report.render(false)) };
        assert_eq!(diagnostic.code(), Code::PoolManagement, "{server}");
        assert!(report.render(false).contains(option), "{}", report.render(false));
    }
    for (server, warnings) in [("asks.ovpn", 1), ("signal.ovpn", 1), ("askpass.ovpn", 0)] {
        let loaded = checked(server).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let codes: Vec<_> = loaded.warnings.iter().map(|warning| warning.code()).collect();
        assert_eq!(codes, vec![Code::PoolManagement; warnings], "{server}");
    }
}

/// What a protected flow has behind a tunnel is there for packets to clients, too: rules come before routes.
#[test]
fn protected_flows_around_a_pool_take_its_packets() {
    let pools = "pools:\n  - {name: p, openvpn: {config: server.ovpn, management: /run/m}}\ntunnels:\n";
    let flow = "inside: 169.254.21.0/30\n    selectors: {remote: [10.0.0.0/8, 169.254.21.0/30]}";
    let text = changed(&changed(GOOD, "tunnels:\n", pools), "inside: 169.254.21.0/30", flow);
    let report = check(&text).unwrap_err();
    assert!(report.diagnostics().iter().any(|it| it.code() == Code::PoolOverlap), "{}", report.render(false));
}

/// What holds for `networks` holds for pools, if they are announced.
#[test]
fn networks_of_pools_are_announced_by_the_rules_of_networks() {
    let alibaba = &[("profile: aws", "profile: alibaba")];
    let one_prefix = &[("{asn: 64512}", "{asn: 64512, max-prefix: {out: 1}}")];
    let cases: [(Case, &str); 6] = [
        ((Code::NetworkMartian, &[]), "link.ovpn"),
        ((Code::NetworkShared, &[]), "shared.ovpn"),
        ((Code::NetworkPublic, &[]), "public.ovpn"),
        ((Code::NetworkCloud, alibaba), "shared.ovpn"),
        ((Code::NetworkFamily, &[]), "both.ovpn"),
        ((Code::PrefixLimitOut, one_prefix), "server.ovpn"),
    ];
    for ((code, changes), server) in cases {
        let found = |pools: &str| {
            let text = changed(&text(changes), "tunnels:\n", &format!("{pools}tunnels:\n"));
            codes(&text).contains(&code)
        };
        let pool = |announce: bool| {
            format!(
                "pools:\n  - {{name: p, announce: {announce}, openvpn: {{config: {server}, management: /run/m}}}}\n"
            )
        };
        assert!(found(&pool(true)), "{code} of {server}");
        assert!(!found(&pool(false)), "{code} of {server} that is not announced");
        assert!(!found(""), "{code} without a pool");
    }
}
