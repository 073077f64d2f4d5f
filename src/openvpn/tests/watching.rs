//! The machine, against what OpenVPN 2.6.14 says.

use std::time::{Duration, Instant};

use wire::Secret;

use crate::{Output, Trouble, Watch, WatchConfig};

const INFO: &str = ">INFO:OpenVPN Management Interface Version 5 -- type 'help' for more info\r\n";
const STATE: &str = "1700000000,CONNECTED,SUCCESS,10.8.0.1,,,,\r\nEND\r\n";
const VERSION: &str =
    "OpenVPN Version: OpenVPN 2.6.14 x86_64-pc-linux-gnu [SSL (OpenSSL)]\r\nManagement Version: 5\r\nEND\r\n";
const STATUS: &str = "TITLE\tOpenVPN 2.6.14\r\nTIME\t2023-11-14 22:13:20\t1700000000\r\n\
HEADER\tCLIENT_LIST\tCommon Name\tReal Address\tVirtual Address\tVirtual IPv6 Address\tBytes Received\tBytes Sent\tConnected Since\tConnected Since (time_t)\tUsername\tClient ID\tPeer ID\tData Channel Cipher\r\n\
CLIENT_LIST\talice\t198.51.100.9:40000\t10.8.0.2\t\t1234\t5678\t2023-11-14 22:00:00\t1699999200\tUNDEF\t0\t0\tAES-256-GCM\r\n\
CLIENT_LIST\tUNDEF\t198.51.100.7:1\t\t\t0\t0\tx\t0\tUNDEF\t1\t1\t\r\n\
HEADER\tROUTING_TABLE\tVirtual Address\tCommon Name\tReal Address\tLast Ref\tLast Ref (time_t)\r\n\
ROUTING_TABLE\t10.8.0.2\talice\t198.51.100.9:40000\tx\t1\r\nGLOBAL_STATS\tMax bcast/mcast queue length\t0\r\nEND\r\n";

fn config(password: Option<&str>) -> WatchConfig {
    WatchConfig {
        network: "10.8.0.0/24".parse().unwrap(),
        network6: None,
        password: password.map(|text| Secret::new(text.as_bytes().to_vec())),
        interval: Duration::from_secs(2),
        patience: Duration::from_secs(5),
        retry: Duration::from_secs(1),
    }
}

/// What it wants, in words.
fn outputs(watch: &mut Watch) -> Vec<String> {
    let word = |output| match output {
        Output::Connect => "connect".to_owned(),
        Output::Send(text) => String::from_utf8_lossy(text.expose()).trim().to_owned(),
        Output::Close => "close".to_owned(),
        Output::Changed => "changed".to_owned(),
    };
    std::iter::from_fn(|| watch.poll_output()).map(word).collect()
}

fn begun(password: Option<&str>) -> (Watch, Instant) {
    let now = Instant::now();
    let mut watch = Watch::new(config(password), now);
    watch.handle_timeout(now);
    assert_eq!(outputs(&mut watch), ["connect"]);
    watch.handle_connected(now);
    (watch, now)
}

fn say(watch: &mut Watch, text: &str, now: Instant) -> Vec<String> {
    watch.handle_bytes(text.as_bytes(), now);
    outputs(watch)
}

/// One that has been told everything.
fn serving() -> (Watch, Instant) {
    let (mut watch, now) = begun(None);
    assert_eq!(say(&mut watch, INFO, now), ["state"]);
    assert_eq!(say(&mut watch, STATE, now), ["version"]);
    assert_eq!(say(&mut watch, VERSION, now), ["status 3"]);
    assert_eq!(say(&mut watch, STATUS, now), ["changed"]);
    (watch, now)
}

#[test]
fn a_server_that_says_connected_serves_and_its_clients_are_known() {
    let (watch, _) = serving();
    assert!(watch.server().serving && watch.trouble().is_none());
    assert_eq!(watch.server().version.as_deref(), Some("OpenVPN 2.6.14"));
    assert_eq!(watch.server().status.time, Some(1_700_000_000));
    let [alice] = watch.clients() else { panic!("who is in the handshake is no client: {:?}", watch.clients()) };
    assert_eq!((alice.common_name.as_str(), alice.virtual_address.as_str()), ("alice", "10.8.0.2"));
    assert_eq!((alice.bytes_in, alice.bytes_out, alice.since), (1234, 5678, 1_699_999_200));
    assert_eq!(alice.cipher, "AES-256-GCM");
}

#[test]
fn it_is_asked_again_and_missed_when_it_does_not_answer() {
    let (mut watch, now) = serving();
    assert_eq!(watch.poll_timeout(), Some(now + Duration::from_secs(2)));
    watch.handle_timeout(now + Duration::from_secs(2));
    assert_eq!(outputs(&mut watch), ["state"]);
    watch.handle_timeout(now + Duration::from_secs(7));
    assert_eq!(outputs(&mut watch), ["changed", "close"]);
    assert!(!watch.server().serving && matches!(watch.trouble(), Some(Trouble::Silent { .. })));
    watch.handle_timeout(now + Duration::from_secs(8));
    assert_eq!(outputs(&mut watch), ["connect"]);
    watch.handle_unreachable("Connection refused".to_owned(), now + Duration::from_secs(8));
    assert_eq!(outputs(&mut watch), ["changed"]);
}

#[test]
fn a_connection_that_ends_ends_the_service_at_once() {
    let (mut watch, now) = serving();
    watch.handle_closed(now);
    assert_eq!(outputs(&mut watch), ["changed"]);
    assert!(!watch.server().serving && watch.clients().is_empty());
    assert_eq!(watch.trouble(), Some(&Trouble::Closed));
}

#[test]
fn other_states_and_holds_are_no_service() {
    let (mut watch, now) = begun(None);
    say(&mut watch, INFO, now);
    assert_eq!(
        say(&mut watch, ">HOLD:Waiting for hold release:0\r\n", now),
        Vec::<String>::new(),
        "it is not released"
    );
    say(&mut watch, "1700000000,RECONNECTING,SIGUSR1,,,,,\r\nEND\r\n", now);
    say(&mut watch, VERSION, now);
    say(&mut watch, "END\r\n", now);
    assert_eq!(watch.trouble(), Some(&Trouble::State { state: "RECONNECTING".to_owned() }));
}

#[test]
fn a_server_of_another_network_than_the_file_says_is_no_service() {
    let served = |address: &str| {
        let (mut watch, now) = begun(None);
        say(&mut watch, INFO, now);
        say(&mut watch, &format!("1700000000,CONNECTED,SUCCESS,{address},,,,\r\nEND\r\n"), now);
        say(&mut watch, VERSION, now);
        say(&mut watch, STATUS, now);
        (watch.server().serving, watch.trouble().map(Trouble::label))
    };
    assert_eq!(served("10.8.0.1"), (true, None));
    assert_eq!(served(""), (true, None), "it says none");
    assert_eq!(served("10.9.0.1"), (false, Some("elsewhere")));
}

#[test]
fn a_server_of_another_ipv6_network_or_none_is_no_service() {
    let served = |network6: Option<&str>, fields: &str| {
        let now = Instant::now();
        let network6 = network6.map(|network| network.parse().unwrap());
        let mut watch = Watch::new(WatchConfig { network6, ..config(None) }, now);
        watch.handle_timeout(now);
        watch.handle_connected(now);
        say(&mut watch, INFO, now);
        say(&mut watch, &format!("1700000000,CONNECTED,SUCCESS,{fields}\r\nEND\r\n"), now);
        say(&mut watch, VERSION, now);
        say(&mut watch, STATUS, now);
        assert_eq!(watch.server().serving, watch.trouble().is_none());
        watch.trouble().map(ToString::to_string)
    };
    assert_eq!(served(Some("fd08::/64"), "10.8.0.1,,,,,fd08::1"), None);
    assert_eq!(served(Some("fd08::/64"), "10.8.0.1,192.0.2.9,40000,192.0.2.1,1194,fd08::1"), None);
    let elsewhere = "the server has the address fd08::1, and its file says fd09::/64";
    assert_eq!(served(Some("fd09::/64"), "10.8.0.1,,,,,fd08::1").as_deref(), Some(elsewhere));
    let without = "the server has no IPv6 address, and its file says fd08::/64";
    assert_eq!(served(Some("fd08::/64"), "10.8.0.1,,,,").as_deref(), Some(without));
    assert_eq!(served(Some("fd08::/64"), ",,,,"), None, "it says none at all");
    assert_eq!(served(None, "10.8.0.1,,,,,fd08::1"), None, "nothing of it is announced");
}

#[test]
fn names_are_cut_and_move_no_cursor() {
    let (mut watch, now) = begun(None);
    say(&mut watch, INFO, now);
    say(&mut watch, STATE, now);
    say(&mut watch, VERSION, now);
    let name = format!("\x1b[2J{}", "x".repeat(3000));
    say(&mut watch, &STATUS.replace("alice", &name), now);
    let [client] = watch.clients() else { panic!("one client") };
    assert_eq!(client.common_name.chars().count(), 128);
    assert!(client.common_name.chars().all(|c| !c.is_control()), "{:?}", client.common_name);
}

#[test]
fn clients_beyond_the_limit_are_counted() {
    let (mut watch, now) = begun(None);
    say(&mut watch, INFO, now);
    say(&mut watch, STATE, now);
    say(&mut watch, VERSION, now);
    let (head, rest) = STATUS.split_at(STATUS.find("CLIENT_LIST\talice").unwrap());
    let (alice, tail) = rest.split_at(rest.find('\n').unwrap() + 1);
    say(&mut watch, &[head, alice.repeat(10_003).as_str(), tail].concat(), now);
    assert_eq!((watch.clients().len(), watch.server().status.connected()), (10_000, 10_003));
}

#[test]
fn a_password_is_given_where_it_is_wanted_and_nowhere_else() {
    let (mut watch, now) = begun(Some("open sesame"));
    assert_eq!(say(&mut watch, "ENTER PASSWORD:", now), ["open sesame"]);
    assert_eq!(say(&mut watch, "SUCCESS: password is correct\r\n", now), ["state"]);
    assert_eq!(say(&mut watch, INFO, now), Vec::<String>::new());
    let (mut watch, now) = begun(Some("open sesame"));
    say(&mut watch, "ENTER PASSWORD:", now);
    assert_eq!(say(&mut watch, "ENTER PASSWORD:", now), ["changed", "close"]);
    assert!(matches!(watch.trouble(), Some(Trouble::Password(_))));
    let (mut watch, now) = begun(Some("open sesame"));
    say(&mut watch, "ENTER PASSWORD:", now);
    assert_eq!(say(&mut watch, "ERROR: bad password\r\n", now), ["changed", "close"]);
    assert!(matches!(watch.trouble(), Some(Trouble::Password(_))));
    let (mut watch, now) = begun(None);
    assert_eq!(say(&mut watch, "ENTER PASSWORD:", now), ["changed", "close"]);
    let (mut watch, now) = begun(Some("open sesame"));
    assert_eq!(say(&mut watch, INFO, now), ["state"], "it is not volunteered");
}

#[test]
fn octets_may_come_in_any_pieces() {
    let whole = [INFO, STATE, VERSION, STATUS].concat();
    let (mut watch, now) = begun(None);
    for octet in whole.as_bytes() {
        watch.handle_bytes(&[*octet], now);
    }
    assert!(watch.server().serving);
    assert_eq!(watch.clients().len(), 1);
}

#[test]
fn nonsense_and_floods_do_no_harm() {
    let whole = [INFO, STATE, VERSION, STATUS].concat();
    for length in 0..whole.len() {
        let (mut watch, now) = begun(None);
        watch.handle_bytes(&whole.as_bytes()[..length], now);
        assert!(!watch.server().serving, "not before all is said");
    }
    let (mut watch, now) = begun(None);
    say(&mut watch, INFO, now);
    for _ in 0..9 {
        watch.handle_bytes(&vec![b'x'; 1 << 20], now);
        watch.handle_bytes(&b"\xff\x00,\n".repeat(1000), now);
    }
    assert!(watch.poll_output().is_some_and(|output| output == Output::Changed));
    assert_eq!(watch.trouble(), Some(&Trouble::Flood));
}
