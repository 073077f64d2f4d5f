//! Every event in every state (RFC 4271 8.2.2), against the table beside this file.
//!
//! A line is `state: event -> new state: what is asked for`. To change the machine, change the table by hand.

use std::fmt::Write as _;
use std::time::Duration;

use hex_literal::hex;

use super::support::{Rig, local, peer_open, peer_open_message};
use crate::message::{CeaseSubcode, ErrorCode, KEEPALIVE, Notification, Open, RouteRefresh};
use crate::{ConnectionId, DownReason, Family, State, StopReason};

const TABLE: &str = include_str!("transitions.txt");

/// Where a session is before the event. Idle is two: stopped, and waiting after a failure.
#[derive(Clone, Copy, Debug)]
enum Before {
    Stopped,
    In(State),
    Waiting,
}

type Play = fn(&mut Rig, ConnectionId);

/// An UPDATE of 10.2.0.0/16 behind 169.254.21.1.
const UPDATE: &[u8] = &hex!(
    "ffffffffffffffffffffffffffffffff 002e 02 0000 0014"
    "40 01 01 00  40 02 06 02 01 0000fc00  40 03 04 a9fe1501  10 0a02"
);

const EVENTS: [(&str, Play); 24] = [
    ("start", |rig, _| rig.peer.start(rig.now)),
    ("stop", |rig, _| rig.peer.stop(StopReason::AdminShutdown("bye".into()), rig.now)),
    ("reset", |rig, _| rig.peer.stop(StopReason::Reset(String::new()), rig.now)),
    ("too many prefixes", |rig, _| rig.peer.stop(StopReason::PrefixLimit { limit: 1, count: 2 }, rig.now)),
    ("tunnel down", |rig, _| rig.peer.stop(StopReason::TunnelDown, rig.now)),
    ("connected", |rig, id| rig.peer.handle_connected(id, rig.now)),
    ("connect failed", |rig, id| rig.peer.handle_connect_failed(id, "refused".into(), rig.now)),
    ("accepted", |rig, _| assert_ne!(rig.peer.handle_accepted(rig.now), Some(ConnectionId(1)))),
    ("closed", |rig, id| rig.peer.handle_closed(id, None, rig.now)),
    ("next timer", |rig, _| {
        if rig.peer.poll_timeout().is_some() {
            rig.next_timer();
        }
    }),
    ("long silence", |rig, _| {
        let long = Duration::from_secs(1000);
        if rig.peer.poll_timeout().is_some() {
            rig.advance(long);
        }
    }),
    ("OPEN", |rig, id| rig.receive(id, &peer_open(1))),
    ("OPEN of another AS", |rig, id| {
        rig.receive(id, &Open { my_as: 7, capabilities: vec![], ..peer_open_message(1) }.encode())
    }),
    ("OPEN of version 3", |rig, id| {
        let mut open = peer_open(1);
        open[19] = 3;
        rig.receive(id, &open);
    }),
    ("KEEPALIVE", |rig, id| rig.receive(id, &KEEPALIVE)),
    ("UPDATE", |rig, id| rig.receive(id, UPDATE)),
    ("UPDATE treated as withdraw", |rig, id| {
        let mut update = UPDATE.to_vec();
        update[26] = 9;
        rig.receive(id, &update);
    }),
    ("UPDATE beyond repair", |rig, id| {
        let mut update = UPDATE.to_vec();
        update[20] = 99;
        rig.receive(id, &update);
    }),
    ("ROUTE-REFRESH", |rig, id| rig.receive(id, &RouteRefresh::request(Family::Ipv6Unicast).encode())),
    ("NOTIFICATION", |rig, id| {
        let told = Notification::cease_with_text(CeaseSubcode::ADMINISTRATIVE_SHUTDOWN, "upgrade");
        rig.receive(id, &told.encode());
    }),
    ("NOTIFICATION of collision", |rig, id| {
        rig.receive(id, &Notification::cease(CeaseSubcode::CONNECTION_COLLISION_RESOLUTION).encode());
    }),
    ("NOTIFICATION of version", |rig, id| rig.receive(id, &Notification::new(ErrorCode::OPEN, 1, vec![0, 4]).encode())),
    ("no BGP", |rig, id| rig.receive(id, b"GET / HTTP/1.1\r\n\r\n")),
    ("unknown message type", |rig, id| {
        let mut message = KEEPALIVE;
        message[18] = 6;
        rig.receive(id, &message);
    }),
];

fn rig_in(before: Before) -> (Rig, ConnectionId) {
    let mut rig = Rig::new(local());
    let id = match before {
        Before::Stopped => rig.bring_to(State::Idle),
        Before::In(state) => rig.bring_to(state),
        Before::Waiting => {
            let id = rig.bring_to(State::OpenConfirm);
            rig.peer.handle_closed(id, None, rig.now);
            rig.drain();
            id
        }
    };
    (rig, id)
}

fn played() -> String {
    let states = [
        Before::Stopped,
        Before::Waiting,
        Before::In(State::Connect),
        Before::In(State::Active),
        Before::In(State::OpenSent),
        Before::In(State::OpenConfirm),
        Before::In(State::Established),
    ];
    let mut table = String::new();
    for before in states {
        let name = match before {
            Before::Stopped => "Stopped".to_owned(),
            Before::Waiting => "Waiting".to_owned(),
            Before::In(state) => state.to_string(),
        };
        for (event, play) in EVENTS {
            let (mut rig, id) = rig_in(before);
            play(&mut rig, id);
            let asked = rig.asked().join(", ");
            writeln!(table, "{name}: {event} -> {}: {asked}", rig.peer.state()).unwrap();
        }
    }
    table
}

#[test]
fn every_event_in_every_state_does_what_the_table_says() {
    let played = played();
    for (found, expected) in played.lines().zip(TABLE.lines()) {
        assert_eq!(found.trim_end(), expected.trim_end());
    }
    assert_eq!(played.lines().count(), TABLE.lines().count());
}

#[test]
fn no_state_is_left_without_a_way_on() {
    let states = [State::Connect, State::Active, State::OpenSent, State::OpenConfirm, State::Established];
    for before in states.map(Before::In).into_iter().chain([Before::Waiting]) {
        for (event, play) in EVENTS {
            let (mut rig, id) = rig_in(before);
            play(&mut rig, id);
            let stopped = matches!(
                rig.peer.status().last_down.map(|down| down.reason),
                Some(DownReason::Stopped(reason)) if !reason.reopens()
            );
            assert_eq!(
                rig.peer.poll_timeout().is_none(),
                stopped,
                "{before:?}, {event}: a started session has a timer"
            );
        }
    }
}
