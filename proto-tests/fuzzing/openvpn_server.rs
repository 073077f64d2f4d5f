//! What an OpenVPN server says, in its configuration and on its management interface.

use std::time::{Duration, Instant};

use openvpn::{Output, Pool, Watch, WatchConfig, parse};

/// The first half is a configuration, the whole what the server says in two pieces.
pub fn body(octets: &[u8]) {
    let (first, second) = octets.split_at(octets.len() / 2);
    let config = parse(first);
    if let Some(pool) = config.ok().and_then(|config| Pool::of(&config).ok()) {
        assert!((1..=65_536).contains(&pool.capacity), "{pool:?}");
    }
    let now = Instant::now();
    let second_long = Duration::from_secs(1);
    let network = ipnet::Ipv4Net::new_assert([10, 8, 0, 0].into(), 24);
    let config = WatchConfig {
        network,
        network6: None,
        password: None,
        interval: second_long,
        patience: second_long,
        retry: second_long,
    };
    let mut watch = Watch::new(config, now);
    watch.handle_timeout(now);
    assert_eq!(watch.poll_output(), Some(Output::Connect));
    watch.handle_connected(now);
    for part in [first, second] {
        watch.handle_bytes(part, now);
        while let Some(output) = watch.poll_output() {
            assert_ne!(output, Output::Connect, "it is connected, or waits");
        }
        assert!(watch.server().serving == watch.trouble().is_none());
    }
    watch.handle_closed(now);
    assert!(!watch.server().serving && watch.clients().is_empty(), "who went away serves nobody");
}

/// A configuration, and a whole conversation.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let config = "server 10.8.0.0 255.255.255.0\npush \"route 10.1.0.0 255.255.0.0\"\n<ca>\n</ca>\ntopology subnet\n";
    let talk = ">INFO:OpenVPN Management Interface Version 5\r\n1700000000,CONNECTED,SUCCESS,10.8.0.1,,,,\r\nEND\r\n\
                OpenVPN Version: OpenVPN 2.6.14 x86_64\r\nEND\r\nTIME\tx\t1700000000\r\n\
                HEADER\tCLIENT_LIST\tCommon Name\tReal Address\tVirtual Address\tData Channel Cipher\r\n\
                CLIENT_LIST\talice\t198.51.100.9:1\t10.8.0.2\tAES-256-GCM\r\nEND\r\n";
    vec![[config, config].concat().into_bytes(), talk.as_bytes().to_vec(), b"ENTER PASSWORD:".to_vec()]
}
