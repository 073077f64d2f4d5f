//! Configuration files and the pools in them.

use crate::{MAX_CONFIG, ParseError, Pool, PoolError, Protocol, Reliance, Topology, parse};

const FILE: &str = "\
# a comment
; another
port 1194
proto tcp-server
dev tun
setenv OWNER O'Brien
ca ca.crt
cert \"my server.crt\"
cd /etc/openvpn
<key>
server 1.2.3.4 255.255.255.255
</key>
<extra-certs>
-----BEGIN CERTIFICATE-----
</extra-certs>
<ca>
one
two
</ca>
topology subnet
server 10.8.0.0 255.255.255.0   # the clients
server-ipv6 fd08::/64
push \"route 10.1.0.0 255.255.0.0\"
push \"route-ipv6 fd01::1/48\"
push 'dhcp-option DNS 10.1.0.53'
keepalive 10 60
cipher AES-256-CBC
data-ciphers AES-256-GCM:?AES-128-GCM
max-clients 100
management \"/run/open vpn/server.sock\" unix pw
some-option of another version
";

#[test]
fn a_file_is_read_past_comments_quotations_and_blocks() {
    let config = parse(FILE.as_bytes()).unwrap();
    assert_eq!(config.network, Some("10.8.0.0/24".parse().unwrap()));
    assert_eq!(config.network6, Some("fd08::/64".parse().unwrap()));
    assert_eq!((config.topology, config.protocol), (Topology::Subnet, Protocol::Tcp));
    assert_eq!(config.certificates, ["ca.crt", "my server.crt"]);
    assert_eq!(config.inline_certificates, "one\ntwo\n");
    assert_eq!(config.folder.as_deref(), Some("/etc/openvpn"));
    assert_eq!(config.pushed.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.1.0.0/16", "fd01::/48"]);
    assert_eq!(config.data_ciphers, ["AES-256-GCM", "AES-128-GCM"]);
    assert_eq!(config.fallbacks, ["AES-256-CBC"]);
    assert_eq!((config.max_clients, config.keepalive, config.no_negotiation), (Some(100), true, false));
    assert_eq!(config.management, ["/run/open vpn/server.sock", "unix", "pw"]);
}

/// Latin-1 in a comment and in what is passed over, and a key of which nothing is text.
#[test]
fn a_file_may_be_in_any_character_set() {
    let config = parse(b"# f\xfcr alle\r\nserver 10.8.0.0 255.255.255.0\r\nsetenv B\xfcro 1\r\n<key>\r\n\xff\xfe\r\n</key>\r\ncd /\r\n");
    let config = config.unwrap();
    assert_eq!((config.network, config.folder.as_deref()), (Some("10.8.0.0/24".parse().unwrap()), Some("/")));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_line() {
    let error = |text: &str| parse(text.as_bytes()).unwrap_err();
    assert_eq!(error("\nserver 10.8.0.0 24\n"), ParseError::Value { line: 2, option: "server" });
    assert_eq!(error("topology ring"), ParseError::Value { line: 1, option: "topology" });
    assert_eq!(error("max-clients -1"), ParseError::Value { line: 1, option: "max-clients" });
    assert_eq!(error("ifconfig-pool 10.8.0.9 10.8.0.2"), ParseError::Value { line: 1, option: "ifconfig-pool" });
    assert_eq!(error("push \"route"), ParseError::Quote { line: 1 });
    assert_eq!(error("push 'route"), ParseError::Quote { line: 1 });
    assert_eq!(error(&" ".repeat(MAX_CONFIG + 1)), ParseError::TooLarge { octets: MAX_CONFIG + 1 });
    assert_eq!(parse(" ".repeat(MAX_CONFIG).as_bytes()), Ok(crate::ServerConfig::default()));
}

#[test]
fn a_quotation_begins_and_ends_a_word() {
    let management = |line: &str| parse(line.as_bytes()).map(|config| config.management);
    for (line, words) in [
        ("management O'Brien 7505 O\"Neill", ["O'Brien", "7505", "O\"Neill"]),
        ("management \"127.0.0.1\"7505\"the pw\"#x", ["127.0.0.1", "7505\"the", "pw\"#x"]),
        ("management \"127.0.0.1\"'7505'\"the pw\"#x", ["127.0.0.1", "7505", "the pw"]),
        ("management '' \"\" it\\'s", ["", "", "it's"]),
    ] {
        assert_eq!(management(line), Ok(words.map(str::to_owned).to_vec()), "{line}");
    }
}

#[test]
fn pools_have_the_room_that_openvpn_gives_them() {
    let pool = |text: &str| Pool::of(&parse(text.as_bytes()).unwrap());
    let room = |text: &str| pool(text).ok().map(|pool| (pool.capacity, pool.each));
    // S2-09: 64 blocks of four; the first is the server's, the last is kept back.
    assert_eq!(room("server 192.168.0.0 255.255.255.0"), Some((62, 4)));
    assert_eq!(room("server 192.168.0.0 255.255.255.0\ntopology subnet"), Some((253, 1)));
    assert_eq!(
        room("server 10.8.0.0 255.255.255.0\nifconfig-pool 10.8.0.100 10.8.0.199\ntopology subnet"),
        Some((100, 1))
    );
    assert_eq!(room("server 10.8.0.0 255.255.255.248"), Some((1, 4)));
    assert_eq!(room("server 10.8.0.0 255.255.255.240"), Some((2, 4)));
    assert_eq!(room("server 10.8.0.0 255.255.255.0\nifconfig-pool 10.8.0.4 10.8.0.251"), Some((62, 4)));
    assert_eq!(room("server 10.8.0.0 255.255.255.0\nifconfig-pool 10.8.0.6 10.8.0.9"), Some((2, 4)), "both in part");
    assert_eq!(room("server 10.8.0.0 255.255.0.0\ntopology subnet"), Some((65_533, 1)));
    assert!(matches!(
        pool("server 10.8.0.0 255.255.255.252"),
        Err(PoolError::Length { length: 30, narrowest: 29, .. })
    ));
    assert!(matches!(pool("server 0.0.0.0 0.0.0.0"), Err(PoolError::Length { length: 0, .. })));
    let outside = "server 10.8.0.0 255.255.255.0\nifconfig-pool 10.9.0.4 10.9.0.8";
    assert!(matches!(pool(outside), Err(PoolError::Range { .. })));
    assert_eq!(pool("client"), Err(PoolError::NoServer));
    let pool6 = |network: &str| pool(&format!("server 10.8.0.0 255.255.255.0\nserver-ipv6 {network}"));
    for (network, length) in [("::/0", 0), ("fd08::/63", 63), ("fd08::/125", 125)] {
        assert_eq!(pool6(network), Err(PoolError::Length6 { network: network.parse().unwrap(), length }));
    }
    assert!(pool6("fd08::/64").is_ok() && pool6("fd08::/124").is_ok());
    // S2-08: as many addresses as four times the clients.
    let has_room = |clients: u32| {
        let text = format!("server 192.168.0.0 255.255.255.0\nmax-clients {clients}");
        pool(&text).unwrap().has_room()
    };
    assert!(has_room(62) && !has_room(63));
    let unsaid = pool("server 192.168.0.0 255.255.255.0").unwrap();
    assert!(unsaid.has_room(), "who does not say how many asks for no more than fit");
    assert_eq!(unsaid.limit(), 62);
    assert_eq!(pool("server 10.0.0.0 255.255.0.0\ntopology subnet").unwrap().limit(), 1024);
    let both = pool("server 10.8.0.0 255.255.255.0\nserver-ipv6 fd08::/64").unwrap();
    assert_eq!(both.networks().map(|it| it.to_string()).collect::<Vec<_>>(), ["10.8.0.0/24", "fd08::/64"]);
}

#[test]
fn what_is_left_to_the_management_interface_is_known() {
    let relied = |text: &str| parse(text.as_bytes()).unwrap().reliances;
    for (line, reliance) in [
        ("management-client", Reliance::Calls),
        ("management-hold", Reliance::Release),
        ("--management-client-auth", Reliance::Logins),
        ("management-client-pf", Reliance::Filter),
        ("management-query-passwords", Reliance::Passphrase),
        ("askpass stdin\nmanagement-query-passwords", Reliance::Passphrase),
        ("management-signal", Reliance::Presence),
    ] {
        assert_eq!(relied(line), [reliance], "{line}");
    }
    // What is in a file is not asked for; the others say more, or who may come, or are a client's.
    let harmless = "management-query-passwords\naskpass pass.txt\nmanagement-up-down\nmanagement-log-cache 9\n\
                    management-forget-disconnect\nmanagement-client-user root\nmanagement-query-remote\n";
    assert_eq!(relied(harmless), []);
}

/// On an Ethernet each client has one address, whatever `topology` says.
#[test]
fn a_tap_device_is_one_network() {
    let pool = |text: &str| Pool::of(&parse(text.as_bytes()).unwrap());
    let lines = |lines: &str| pool(&format!("server 10.8.0.0 255.255.255.0\nmax-clients 100\n{lines}")).unwrap();
    for taps in ["dev tap", "dev tap0\ntopology net30", "topology p2p\ndev tap-staff", "dev gw\ndev-type tap"] {
        let pool = lines(taps);
        assert_eq!((pool.capacity, pool.each, pool.has_room(), pool.limit()), (253, 1, true, 100), "{taps}");
    }
    for tuns in ["", "dev tun", "dev gw", "dev tap0\ndev-type tun"] {
        let pool = lines(tuns);
        assert_eq!((pool.capacity, pool.each, pool.has_room(), pool.limit()), (62, 4, false, 62), "{tuns}");
    }
    assert_eq!(pool("dev tap\nserver 10.8.0.0 255.255.255.252").map(|pool| pool.capacity), Ok(1));
    let narrow = pool("dev tap\nserver 10.8.0.0 255.255.255.254");
    assert!(matches!(narrow, Err(PoolError::Length { length: 31, narrowest: 30, .. })));
}

#[test]
fn files_that_are_cut_do_no_harm() {
    for length in 0..FILE.len() {
        let _some_answer = parse(&FILE.as_bytes()[..length]);
    }
}
