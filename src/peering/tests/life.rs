//! The life of one session, event by event.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use bgp::message::{Capability, KEEPALIVE, Notification, Open, RouteRefresh, encode_updates};
use bgp::{Announcement, AsPath, AsPathSegment, Attributes, Family, Update};
use hex_literal::hex;
use wire::RouterId;

use super::support::{Rig, config, established_with, local, peer_open, peer_open_message, seconds};
use crate::Restart;
use crate::negotiate;
use crate::{DownReason, Event, Offers, Output, PeerConfig, State, StopReason};

fn update(prefixes: u32) -> Update {
    let net = |n: u32| format!("10.{}.{}.0/24", n / 256, n % 256).parse::<ipnet::IpNet>().unwrap();
    let prefixes = (0..prefixes).map(|n| net(n).into()).collect();
    let as_path = AsPath(vec![AsPathSegment::Sequence(vec![wire::Asn(64512)])]);
    Update {
        announced: vec![Announcement { next_hop: "169.254.21.1".parse().unwrap(), prefixes }],
        attributes: Attributes { as_path, ..Attributes::default() }.into(),
        ..Update::default()
    }
}

fn down(rig: &Rig) -> DownReason {
    rig.peer.status().last_down.unwrap().reason
}

/// A peer's UPDATEs, for a session that is up.
fn updates_from_peer(update: &Update) -> Vec<u8> {
    let mut rig = Rig::new(config("peer", 64512, 65000, 1));
    let id = rig.start();
    rig.peer.handle_connected(id, rig.now);
    let open = Open { router_id: RouterId([10, 0, 0, 2].into()), ..negotiate::open(&local(), Default::default()) };
    rig.receive(id, &open.encode());
    rig.receive(id, &KEEPALIVE);
    let packed = encode_updates(from_ref(update), &rig.peer.established().unwrap().terms);
    packed.messages().collect::<Vec<_>>().concat()
}

#[test]
fn our_open_is_golden() {
    let mut rig = Rig::new(local());
    let id = rig.start();
    rig.peer.handle_connected(id, rig.now);
    let sent = rig.drain();
    let golden = hex!(
        "ffffffffffffffffffffffffffffffff 0033 01 04 fde8 001e 0a000002 16"
        "02 14 0104 00010001 0104 00020001 0200 4104 0000fde8"
    );
    assert_eq!(sent[0], Output::Send { id, bytes: golden.to_vec().into() });
}

#[test]
fn a_session_is_told_in_the_order_things_happen() {
    let mut rig = Rig::new(local());
    let id = rig.start();
    rig.peer.handle_connected(id, rig.now);
    let octets = [peer_open(1), KEEPALIVE.to_vec(), updates_from_peer(&update(3))].concat();
    // However the octets are cut.
    for octet in octets {
        rig.receive(id, &[octet]);
    }
    let asked = rig.asked();
    assert_eq!(
        asked,
        [
            "send 1 OPEN",
            "Connect > OpenSent",
            "send 1 KEEPALIVE",
            "OpenSent > OpenConfirm",
            "OpenConfirm > Established",
            "established",
            "update +1 -0"
        ]
    );
    let negotiated = rig.peer.status().negotiated.unwrap();
    assert_eq!(negotiated.peer_router_id, RouterId([10, 0, 0, 1].into()));
    assert_eq!((negotiated.hold_time, negotiated.keepalive), (seconds(30), seconds(10)));
    assert_eq!(negotiated.families, [Family::Ipv4Unicast, Family::Ipv6Unicast]);
    assert!(negotiated.four_octet && negotiated.route_refresh && negotiated.opened_by_us);
}

#[test]
fn keepalives_go_out_with_jitter_and_silence_ends_the_session_after_the_hold_time() {
    let mut rig = Rig::new(local());
    let id = rig.bring_to(State::Established);
    let mut pauses = Vec::new();
    for _ in 0..20 {
        pauses.push(rig.next_timer());
        assert_eq!(rig.asked(), ["send 1 KEEPALIVE"]);
        rig.receive(id, &KEEPALIVE);
    }
    assert!(pauses.iter().all(|pause| (7_500..=10_000).contains(&pause.as_millis())), "{pauses:?}");
    assert!(pauses.iter().any(|pause| *pause != pauses[0]), "jitter");
    let silent_since = rig.now;
    while rig.peer.state() == State::Established {
        rig.next_timer();
    }
    assert_eq!(rig.now - silent_since, seconds(30));
    assert_eq!(down(&rig), DownReason::HoldTimerExpired { hold_time: seconds(30), state: State::Established });
    assert!(rig.asked().contains(&"send 1 4/0".to_owned()));
}

#[test]
fn every_message_restarts_the_hold_timer() {
    let mut rig = Rig::new(local());
    let id = rig.bring_to(State::Established);
    let messages =
        [KEEPALIVE.to_vec(), RouteRefresh::request(Family::Ipv4Unicast).encode(), updates_from_peer(&update(1))];
    for message in messages {
        rig.advance(seconds(29));
        rig.receive(id, &message);
    }
    rig.advance(seconds(29));
    assert_eq!(rig.peer.state(), State::Established);
    rig.advance(seconds(1));
    assert_eq!(rig.peer.state(), State::Idle);
}

#[test]
fn a_hold_time_of_zero_turns_both_timers_off() {
    let mut config = local();
    config.timers.hold = Duration::ZERO;
    let mut rig = Rig::new(config);
    rig.bring_to(State::Established);
    assert_eq!(rig.peer.poll_timeout(), None);
    rig.advance(seconds(1_000_000));
    assert_eq!(rig.peer.state(), State::Established);
    assert_eq!(rig.asked(), [""; 0]);
}

#[test]
fn the_pause_after_a_failure_grows_until_a_session_has_lasted() {
    let mut rig = Rig::new(local());
    let id = rig.start();
    let fail = |rig: &mut Rig, id| {
        rig.peer.handle_connected(id, rig.now);
        rig.receive(id, &Open { hold_time: 1, ..peer_open_message(1) }.encode());
        let pause = rig.next_timer();
        let connect = rig.drain().into_iter().find_map(|output| match output {
            Output::Connect { id } => Some(id),
            Output::Close { .. } | Output::Send { .. } | Output::Event(_) => None,
        });
        (pause, connect.unwrap())
    };
    let mut id = id;
    for longest in [1, 2, 4, 8, 16, 32, 60, 60] {
        let (pause, next) = fail(&mut rig, id);
        id = next;
        assert!(pause <= seconds(longest) && pause >= seconds(longest) * 3 / 4, "{pause:?} of {longest}");
    }
    // Every minute of a session makes up for one of them.
    rig.peer.handle_connected(id, rig.now);
    rig.receive(id, &peer_open(1));
    rig.receive(id, &KEEPALIVE);
    for _ in 0..24 {
        rig.advance(seconds(20));
        rig.receive(id, &KEEPALIVE);
    }
    rig.peer.handle_closed(id, Some("reset".into()), rig.now);
    assert!(rig.next_timer() <= seconds(1));
    assert_eq!(rig.peer.status().flaps, 1);
}

#[test]
fn a_start_does_not_wait_for_the_pause() {
    let mut rig = Rig::new(local());
    let id = rig.bring_to(State::OpenConfirm);
    rig.receive(id, b"not BGP, not at all");
    assert_eq!(rig.peer.state(), State::Idle);
    rig.drain();
    rig.peer.start(rig.now);
    assert_eq!(rig.asked(), ["connect 2", "Idle > Connect"]);
    rig.peer.start(rig.now);
    assert_eq!(rig.asked(), [""; 0], "a second start changes nothing");
}

#[test]
fn a_tunnel_that_goes_down_takes_everything_with_it_and_nothing_stale_comes_back() {
    let mut rig = Rig::new(local());
    let old = rig.bring_to(State::Established);
    rig.peer.stop(StopReason::TunnelDown, rig.now);
    assert_eq!(rig.asked(), ["close 1", "Established > Idle", "down stopped true stay"]);
    assert_eq!(rig.peer.poll_timeout(), None);
    rig.peer.start(rig.now);
    assert_eq!(rig.asked(), ["connect 2", "Idle > Connect"]);
    rig.receive(old, &updates_from_peer(&update(1)));
    rig.peer.handle_closed(old, Some("gone".into()), rig.now);
    rig.peer.handle_connect_failed(old, "gone".into(), rig.now);
    assert_eq!(rig.asked(), [""; 0]);
    rig.peer.handle_connected(old, rig.now);
    assert_eq!(rig.asked(), ["close 1"], "a connection nobody wants is closed");
}

#[test]
fn nothing_is_read_behind_an_error() {
    let mut rig = Rig::new(local());
    let id = rig.bring_to(State::Established);
    let mut octets = KEEPALIVE.to_vec();
    octets[18] = 77;
    octets.extend(updates_from_peer(&update(1)));
    rig.receive(id, &octets);
    assert_eq!(rig.asked(), ["send 1 1/3", "sent 1/3", "close 1", "Established > Idle", "down protocol true again"]);
}

#[test]
fn routes_are_sent_only_while_established() {
    let mut rig = Rig::new(local());
    rig.peer.send_updates(&[update(5)]);
    assert_eq!(rig.asked(), [""; 0]);
    rig.bring_to(State::Established);
    rig.peer.send_updates(&[update(3000)]);
    assert_eq!(rig.asked(), ["send 1 UPDATE x3"]);
    assert_eq!(rig.peer.status().sent.update, 3);
    let mut large = update(2);
    Arc::make_mut(&mut large.attributes).communities = vec![7; 2000];
    rig.peer.send_updates(&[large]);
    assert_eq!(rig.asked(), ["send 1 UPDATE", "unsendable 2"], "withdrawn instead");
}

#[test]
fn a_refresh_is_asked_for_only_where_the_peer_can() {
    let mut rig = Rig::new(local());
    rig.bring_to(State::Established);
    rig.peer.request_refresh(Family::Ipv6Unicast);
    assert_eq!(rig.asked(), ["send 1 ROUTE-REFRESH"]);
    let mut rig = Rig::new(local());
    let id = rig.bring_to(State::OpenSent);
    let mut open = peer_open_message(1);
    open.capabilities.retain(|capability| !matches!(capability, Capability::RouteRefresh));
    open.capabilities.retain(|capability| *capability != Capability::family(Family::Ipv6Unicast));
    rig.receive(id, &open.encode());
    rig.receive(id, &KEEPALIVE);
    rig.drain();
    rig.peer.request_refresh(Family::Ipv4Unicast);
    rig.receive(id, &RouteRefresh::request(Family::Ipv6Unicast).encode());
    assert_eq!(rig.asked(), [""; 0], "nor is a family refreshed that was not negotiated");
}

#[test]
fn a_refresh_asked_for_again_and_again_is_answered_once_more_when_it_is_done() {
    let (mut rig, id, _) = established_with(Offers { enhanced_refresh: true, ..Offers::default() });
    let end = Update { end_of_refresh: Some(Family::Ipv4Unicast), ..Update::default() };
    let counted = |rig: &mut Rig| {
        let outputs = rig.drain();
        let asked = |output: &&Output| matches!(output, Output::Event(Event::RefreshRequested(_)));
        let sent = |output: &&Output| matches!(output, Output::Send { .. });
        (outputs.iter().filter(asked).count(), outputs.iter().filter(sent).count())
    };
    for _ in 0..1000 {
        rig.receive(id, &RouteRefresh::request(Family::Ipv4Unicast).encode());
    }
    assert_eq!(counted(&mut rig), (1, 1), "one request, one begin");
    rig.receive(id, &RouteRefresh::request(Family::Ipv6Unicast).encode());
    assert_eq!(counted(&mut rig), (1, 1), "the other family is on its own");
    rig.peer.send_updates(from_ref(&end));
    assert_eq!(counted(&mut rig), (1, 2), "the end, and once more from the beginning");
    rig.peer.send_updates(from_ref(&end));
    assert_eq!(counted(&mut rig), (0, 1), "the end");
    rig.receive(id, &RouteRefresh::request(Family::Ipv4Unicast).encode());
    assert_eq!(counted(&mut rig), (1, 1), "and a new one");
}

#[test]
fn after_a_restart_of_ours_the_peer_learns_whether_packets_went_on() {
    for forwarding in [true, false] {
        let restart = Restart { time: Some(seconds(60)), stale: seconds(120), notification: false };
        let offers = Offers { graceful_restart: Some(restart), ..Offers::default() };
        let mut rig = Rig::new(PeerConfig { offers, ..local() });
        rig.peer.set_restarted(forwarding);
        rig.bring_to(State::OpenSent);
        let said = rig.peer.status().offered.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        assert!(said.contains("restarting"), "{said}");
        assert_eq!(said.contains("ipv4-unicast forwarding"), forwarding, "{said}");
    }
}

#[test]
fn nothing_is_stale_any_more_once_the_peer_is_back_and_has_said_all() {
    let restart = Restart { time: Some(seconds(60)), stale: seconds(120), notification: false };
    let (mut rig, id, open) = established_with(Offers { graceful_restart: Some(restart), ..Offers::default() });
    assert!(!rig.peer.holds_stale_routes());
    rig.peer.handle_closed(id, None, rig.now);
    assert!(rig.peer.holds_stale_routes());
    rig.drain();
    rig.peer.start(rig.now);
    let id = rig.peer.handle_accepted(rig.now).unwrap();
    rig.receive(id, &open);
    rig.advance(seconds(6));
    rig.receive(id, &KEEPALIVE);
    assert_eq!(rig.peer.state(), State::Established);
    for (family, held) in [(Family::Ipv4Unicast, true), (Family::Ipv6Unicast, false)] {
        rig.receive(id, &updates_from_peer(&Update { end_of_rib: Some(family), ..Update::default() }));
        assert_eq!(rig.peer.holds_stale_routes(), held, "{family:?}");
    }
}

#[test]
fn a_flood_of_faulty_updates_is_told_once_in_a_while_and_counted() {
    let mut rig = Rig::new(local());
    let id = rig.bring_to(State::Established);
    let mut faulty = updates_from_peer(&update(1));
    faulty[26] = 9;
    for _ in 0..50 {
        rig.receive(id, &faulty);
    }
    rig.receive(id, &KEEPALIVE);
    rig.advance(seconds(10));
    rig.receive(id, &faulty);
    let told: Vec<String> = rig.asked().into_iter().filter(|line| line.starts_with("faulty")).collect();
    assert_eq!(told, ["faulty 0", "faulty 49"]);
    let status = rig.peer.status();
    assert_eq!(status.faulty_updates, 51);
    assert_eq!(status.last_faults.unwrap().to_string(), "ORIGIN has the undefined value 9 (treated as withdrawn)");
}

#[test]
fn the_peer_is_told_why_it_is_stopped() {
    let cases: [(StopReason, &str); 6] = [
        (StopReason::AdminShutdown("back at noon".into()), "Cease: Administrative Shutdown (6/2): \"back at noon\""),
        (StopReason::Reset(String::new()), "Cease: Administrative Reset (6/4)"),
        (StopReason::Deconfigured, "Cease: Peer Deconfigured (6/3)"),
        (StopReason::ConfigurationChanged, "Cease: Other Configuration Change (6/6)"),
        (StopReason::OutOfResources("memory".into()), "Cease: Out Of Resources (6/8)"),
        (
            StopReason::PrefixLimit { limit: 100, count: 101 },
            "Cease: Maximum Prefixes (6/1): at most 100 prefixes of ipv4-unicast",
        ),
    ];
    for (reason, text) in cases {
        let mut rig = Rig::new(PeerConfig { families: vec![Family::Ipv4Unicast], ..local() });
        rig.bring_to(State::Established);
        rig.peer.stop(reason.clone(), rig.now);
        let status = rig.peer.status();
        assert_eq!(status.notification_sent.unwrap().notification.to_string(), text);
        assert_eq!(down(&rig), DownReason::Stopped(reason.clone()));
        assert_eq!(rig.peer.poll_timeout().is_some(), reason.reopens());
    }
}

#[test]
fn the_status_tells_the_whole_story() {
    let mut rig = Rig::new(local());
    assert_eq!(rig.peer.status().since, None);
    let id = rig.bring_to(State::Established);
    let since = rig.now;
    rig.receive(id, &updates_from_peer(&update(2)));
    rig.advance(seconds(5));
    let status = rig.peer.status();
    assert_eq!((status.state, status.since), (State::Established, Some(since)));
    assert_eq!((status.received.open, status.received.keepalive, status.received.update), (1, 1, 1));
    assert_eq!((status.sent.open, status.sent.keepalive), (1, 1));
    assert_eq!((status.retry_at, status.flaps), (None, 0));
    rig.receive(id, &Notification::decode(&hex!("0601 0001 01 00000064")).unwrap().encode());
    let status = rig.peer.status();
    assert_eq!((status.flaps, status.negotiated, status.received.notification), (1, None, 1));
    assert!(status.retry_at.is_some());
    let down = status.last_down.unwrap();
    assert!(down.was_established);
    assert_eq!(
        down.reason.to_string(),
        "the peer sent NOTIFICATION Cease: Maximum Prefixes (6/1): at most 100 prefixes of ipv4-unicast"
    );
    assert!(down.reason.remedy().contains("max-prefix"), "{}", down.reason.remedy());
    assert_eq!(down.reason.label(), "notification-received");
}

#[test]
fn a_down_event_says_when_the_next_attempt_is() {
    let mut rig = Rig::new(local());
    let id = rig.bring_to(State::Established);
    rig.peer.handle_closed(id, None, rig.now);
    let retry = rig.drain().into_iter().find_map(|output| match output {
        Output::Event(Event::Down { retry_in, .. }) => retry_in,
        Output::Event(_) | Output::Connect { .. } | Output::Close { .. } | Output::Send { .. } => None,
    });
    assert_eq!(rig.now + retry.unwrap(), rig.peer.poll_timeout().unwrap());
}
