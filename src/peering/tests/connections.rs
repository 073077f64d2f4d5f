//! Who connects, and which of two connections stays.

use bgp::message::KEEPALIVE;

use super::support::{Rig, local, peer_open, seconds};
use crate::{PeerConfig, State};

#[test]
fn a_passive_side_waits_without_connecting() {
    let mut rig = Rig::new(PeerConfig { passive: true, ..local() });
    rig.peer.start(rig.now);
    assert_eq!(rig.asked(), ["Idle > Active"]);
    assert_eq!(rig.peer.poll_timeout(), None);
    let id = rig.peer.handle_accepted(rig.now).unwrap();
    rig.receive(id, &peer_open(1));
    rig.receive(id, &KEEPALIVE);
    assert_eq!(rig.peer.state(), State::Established);
    rig.drain();
    rig.peer.handle_closed(id, None, rig.now);
    rig.next_timer();
    assert_eq!(rig.peer.state(), State::Active);
}

#[test]
fn a_failed_attempt_is_repeated_after_the_configured_pause() {
    let mut rig = Rig::new(local());
    let id = rig.start();
    rig.advance(seconds(1));
    rig.peer.handle_connect_failed(id, "connection refused".into(), rig.now);
    assert_eq!(rig.asked(), ["Connect > Active", "down connect false again"]);
    let status = rig.peer.status();
    assert_eq!(status.last_down.unwrap().reason.to_string(), "cannot connect: connection refused");
    assert_eq!(status.retry_at, rig.peer.poll_timeout());
    let pause = rig.next_timer();
    assert!(pause <= seconds(8) && pause >= seconds(6), "{pause:?}");
    assert_eq!(rig.asked(), ["connect 2", "Active > Connect"]);
}

#[test]
fn of_two_connections_the_higher_identifiers_stays_in_every_order() {
    // We are 10.0.0.2. Who opened the connection on which OPEN comes first, the peer's identifier, what stays.
    for (first_ours, host, ours_stays) in [(true, 1, true), (false, 1, true), (true, 9, false), (false, 9, false)] {
        let mut rig = Rig::new(local());
        let ours = rig.start();
        let theirs = rig.peer.handle_accepted(rig.now).unwrap();
        rig.peer.handle_connected(ours, rig.now);
        let (first, second) = if first_ours { (ours, theirs) } else { (theirs, ours) };
        let (stays, goes) = if ours_stays { (ours, theirs) } else { (theirs, ours) };
        rig.drain();
        rig.receive(first, &peer_open(host));
        rig.receive(second, &peer_open(host));
        rig.receive(stays, &KEEPALIVE);
        let asked = rig.asked();
        assert!(asked.contains(&format!("send {goes} 6/7")), "{asked:?}");
        assert!(asked.contains(&format!("close {goes}")), "{asked:?}");
        assert!(asked.contains(&"established".to_owned()), "{asked:?}");
        assert!(!asked.iter().any(|line| line.starts_with("down")), "{asked:?}");
        assert_eq!(rig.peer.status().negotiated.unwrap().opened_by_us, ours_stays);
        assert_eq!(rig.peer.established_id(), Some(stays));
    }
}

#[test]
fn a_connection_in_open_confirm_gives_way_to_one_that_outranks_it() {
    let mut rig = Rig::new(local());
    let ours = rig.bring_to(State::OpenConfirm);
    // The same peer with a higher identifier: its own connection outranks ours, which is in OpenConfirm.
    let theirs = rig.peer.handle_accepted(rig.now).unwrap();
    rig.receive(theirs, &peer_open(9));
    assert_eq!(rig.asked()[1..], ["send 1 6/7", "sent 6/7", "close 1", "send 2 KEEPALIVE"]);
    rig.receive(ours, &KEEPALIVE);
    assert_eq!(rig.asked(), [""; 0], "what still arrives on a closed connection is ignored");
}

#[test]
fn a_better_connection_that_never_speaks_is_not_waited_for() {
    let mut rig = Rig::new(local());
    let ours = rig.start();
    let theirs = rig.peer.handle_accepted(rig.now).unwrap();
    rig.peer.handle_connected(ours, rig.now);
    rig.drain();
    // Ours outranks theirs, yet only theirs speaks; the peer has confirmed it already.
    rig.receive(theirs, &peer_open(1));
    rig.receive(theirs, &KEEPALIVE);
    rig.receive(theirs, &KEEPALIVE);
    assert_eq!((rig.asked(), rig.peer.state()), (Vec::new(), State::OpenSent), "however often");
    assert_eq!(rig.next_timer(), seconds(5));
    assert_eq!(rig.peer.established_id(), Some(theirs));
    assert!(rig.asked().contains(&format!("close {ours}")));
}

#[test]
fn a_waiting_connection_goes_on_at_once_when_the_better_one_is_gone() {
    let mut rig = Rig::new(local());
    let ours = rig.start();
    let theirs = rig.peer.handle_accepted(rig.now).unwrap();
    rig.peer.handle_connected(ours, rig.now);
    rig.receive(theirs, &peer_open(1));
    rig.drain();
    rig.peer.handle_closed(ours, None, rig.now);
    assert_eq!(rig.asked(), ["send 2 KEEPALIVE", "OpenSent > OpenConfirm"]);
    rig.receive(theirs, &KEEPALIVE);
    assert_eq!(rig.peer.state(), State::Established);
}

#[test]
fn a_peer_that_connects_again_has_given_up_its_first_connection() {
    let mut rig = Rig::new(PeerConfig { passive: true, ..local() });
    rig.peer.start(rig.now);
    let first = rig.peer.handle_accepted(rig.now).unwrap();
    rig.drain();
    let second = rig.peer.handle_accepted(rig.now).unwrap();
    assert_ne!(first, second);
    assert_eq!(rig.asked(), ["send 1 6/7", "sent 6/7", "close 1", "send 2 OPEN"]);
}

#[test]
fn an_established_session_refuses_a_connection_but_makes_sure_that_it_lives() {
    let mut rig = Rig::new(local());
    let id = rig.bring_to(State::Established);
    assert_eq!(rig.peer.handle_accepted(rig.now), None);
    assert_eq!(rig.asked(), ["send 1 KEEPALIVE"]);
    rig.peer.handle_closed(id, Some("connection reset".into()), rig.now);
    assert_eq!(rig.asked(), ["Established > Idle", "down closed true again"]);
}
