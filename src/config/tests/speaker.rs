//! What a session offers, how long things take, and what protects its TCP: from the keys to what they mean.

use std::time::Duration;

use bgp::{AddPath, Family, Role};
use peering::{PeerConfig, Timers};

use super::{GOOD, changed, check, rendered};
use settings::Session;

/// The session of the first tunnel of a good file with these keys.
fn session(keys: &str) -> Session {
    let text = changed(GOOD, "bgp: {asn: 64512}", &format!("bgp: {{asn: 64512, {keys}}}"));
    check(&text).unwrap_or_else(|_| panic!("{}", rendered(&text))).router.tunnels.swap_remove(0).bgp.unwrap()
}

fn refused(keys: &str) -> String {
    let text = changed(GOOD, "bgp: {asn: 64512}", &format!("bgp: {{asn: 64512, {keys}}}"));
    assert!(check(&text).is_err(), "{keys} is fine");
    rendered(&text)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn by_default_only_what_no_peer_minds_is_offered() {
    let PeerConfig { offers, timers, shutdown, .. } = session("families: [ipv4]").peer;
    assert!(offers.enhanced_refresh);
    assert!(!offers.extended_messages && !offers.extended_next_hop && !offers.role_strict);
    assert_eq!((offers.add_path.len(), offers.graceful_restart, offers.role), (0, None, None));
    assert_eq!((timers.send_hold, timers.shortest_hold), (seconds(480), seconds(3)));
    assert_eq!((timers.longest_pause, timers.prefix_restart, shutdown), (seconds(60), None, None));
    assert_eq!(session("families: [ipv4]").transport, settings::Transport::default());
}

#[test]
fn every_offer_can_be_made() {
    let offers = session(
        "enhanced-refresh: false, extended-messages: true, extended-next-hop: true, role: customer, role-strict: true",
    )
    .peer
    .offers;
    assert!(!offers.enhanced_refresh && offers.extended_messages && offers.extended_next_hop && offers.role_strict);
    assert_eq!(offers.role, Some(Role::Customer));
}

#[test]
fn paths_are_offered_for_all_families_or_for_some() {
    let (receive, both) = (AddPath { receive: true, send: false }, AddPath { receive: true, send: true });
    assert_eq!(session("add-path: receive").peer.offers.add_path, [(Family::Ipv4Unicast, receive)]);
    assert_eq!(session("add-path: {ipv4: both}").peer.offers.add_path, [(Family::Ipv4Unicast, both)]);
    assert!(refused("add-path: {ipv6: both}").contains("add-path"));
    assert!(refused("add-path: all").contains("`receive`, `send` or `both`"));
}

#[test]
fn graceful_restart_is_one_word_or_a_section() {
    let restart = |keys: &str| session(keys).peer.offers.graceful_restart;
    assert_eq!(restart("graceful-restart: off"), None);
    let helper = restart("graceful-restart: helper").unwrap();
    assert_eq!((helper.time, helper.stale, helper.notification), (None, seconds(360), true));
    assert_eq!(restart("graceful-restart: full").unwrap().time, Some(seconds(120)));
    let own = restart("graceful-restart: {restart-time: 30s, stale-time: 90s, notification: false}").unwrap();
    assert_eq!((own.time, own.stale, own.notification), (Some(seconds(30)), seconds(90), false));
    for keys in ["{restart-time: 4096s}", "{restart-time: 0s}", "{stale-time: 0s}"] {
        assert!(refused(&format!("graceful-restart: {keys}")).contains("graceful-restart"), "{keys}");
    }
}

#[test]
fn timers_are_what_is_written() {
    let Timers { shortest_hold, send_hold, longest_pause, prefix_restart, .. } =
        session("hold-time: 30s, min-hold-time: 20s, send-hold-time: 0s, idle-hold-max: 5m, max-prefix-restart: 5m")
            .peer
            .timers;
    assert_eq!((shortest_hold, send_hold), (seconds(20), Duration::ZERO));
    assert_eq!((longest_pause, prefix_restart), (seconds(300), Some(seconds(300))));
    assert!(refused("hold-time: 30s, min-hold-time: 31s").contains("raise `hold-time`"));
    assert!(refused("max-prefix-restart: 1ms").contains("prefix-restart"));
}

#[test]
fn a_session_can_be_kept_down_with_a_text() {
    assert_eq!(session("shutdown: until noon").peer.shutdown.as_deref(), Some("until noon"));
}

#[test]
fn a_role_needs_another_as_and_strictness_a_role() {
    assert!(refused("role-strict: true").contains("without `role` there is nothing to compare"));
    assert!(refused("role: upstream").contains("`provider`"));
    let text = changed(GOOD, "bgp: {asn: 64512}", "bgp: {asn: 65000, role: peer}");
    assert!(rendered(&text).contains("inside one AS nobody is provider"), "{}", rendered(&text));
}

#[test]
fn the_transport_has_a_key_a_distance_and_a_segment_size() {
    let transport = session("md5: {file: good.psk}, ttl-security: 1, tcp-mss: 1200").transport;
    assert_eq!(transport.md5.unwrap().expose(), b"Correct.Horse.Battery.Staple");
    assert_eq!((transport.ttl_security, transport.mss), (Some(1), Some(1200)));
    assert!(refused("md5: {file: absent}").contains("no TCP MD5 key"));
    assert!(refused("md5: {}").contains("nothing says where the TCP MD5 key is"));
    assert!(refused("ttl-security: 255").contains("not between 1 and 254"));
    assert!(refused("tcp-mss: 100").contains("not between 536 and 65535"));
    let long = format!("md5: {{inline: {}}}", "x".repeat(81));
    let report = refused(&long);
    assert!(report.contains("md5-key"), "{report}");
}
