//! Every event in every state (RFC 4271 8.2.2), against the tables beside this file, and laws that hold for all.
//!
//! A row is `event -> new state: what is asked for`. To change the machine, change the tables by hand. Both axes are
//! complete by construction: a state, a phase of a connection, a reason to stop, a type of message or a timer without a
//! row does not compile; a function of [`Peer`](crate::Peer) that no event goes through, and a pair without a row, fail.

mod events;
mod laws;
mod states;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bgp::Family;
use bgp::message::{MessageType, RefreshKind};

use super::support::Rig;
use crate::Side;
use crate::clock::Timer;
use crate::{State, StopReason};
use events::{Happening, of_message, of_refresh, of_stop, of_timer};
use states::{Place, place_of_phase, places_of, rig_in};

/// What comes of an event.
fn played(place: Place, event: Happening) -> String {
    let (mut rig, id) = rig_in(place);
    event.play(&mut rig, id);
    let asked = rig.asked().join(", ");
    format!("{}: {asked}", rig.peer.state()).trim_end().to_owned()
}

/// The rows of a table; each event has one.
fn rows(place: Place) -> BTreeMap<&'static str, &'static str> {
    let mut rows = BTreeMap::new();
    for line in place.table().lines() {
        let (event, outcome) = line.split_once(" -> ").unwrap_or_else(|| panic!("{place:?}: no row: {line}"));
        assert!(rows.insert(event, outcome.trim_end()).is_none(), "{place:?}: two rows for {event}");
    }
    rows
}

#[test]
fn every_event_in_every_state_does_what_the_tables_say() {
    let mut wrong = Vec::new();
    for &place in Place::ALL {
        let mut rows = rows(place);
        for &event in Happening::ALL {
            let (found, expected) = (played(place, event), rows.remove(event.text()).unwrap_or("no row"));
            if found != expected {
                wrong.push(format!("{place:?}: {}\n   found {found}\nexpected {expected}", event.text()));
            }
        }
        wrong.extend(rows.keys().map(|event| format!("{place:?}: a row for {event}, which is no event")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_state_and_phase_has_a_place_and_every_event_a_name() {
    let states = [State::Idle, State::Connect, State::Active, State::OpenSent, State::OpenConfirm, State::Established];
    let places: BTreeSet<Place> = states.into_iter().flat_map(|state| places_of(state).iter().copied()).collect();
    assert!(Place::ALL.iter().eq(&places), "{places:?}");
    for &place in Place::ALL {
        let (rig, id) = rig_in(place);
        let connection = rig.peer.side_of(id).and_then(|side| rig.peer.connection(side));
        let phase = connection.map(|connection| place_of_phase(&connection.phase));
        let expected = match place {
            Place::Collision | Place::Rival => Some(Place::OpenSent),
            Place::Graceful => Some(Place::Established),
            Place::OpenSent | Place::Parked | Place::OpenConfirm | Place::Established => Some(place),
            Place::Stopped
            | Place::ShutDown
            | Place::Waiting
            | Place::Stale
            | Place::Connect
            | Place::Active
            | Place::Passive => None,
        };
        assert_eq!(phase, expected, "{place:?}");
    }
    let names: BTreeSet<&str> = Happening::ALL.iter().map(|event| event.text()).collect();
    assert_eq!(names.len(), Happening::ALL.len());
}

#[test]
fn every_kind_of_stop_message_refresh_and_timer_is_an_event() {
    let text = String::new;
    let stops = [
        StopReason::AdminShutdown(text()),
        StopReason::TunnelDown,
        StopReason::BfdDown,
        StopReason::Restarting,
        StopReason::PrefixLimit { limit: 0, count: 0 },
        StopReason::Deconfigured,
        StopReason::Reset(text()),
        StopReason::ConfigurationChanged,
        StopReason::OutOfResources(text()),
    ];
    let stops: BTreeSet<Happening> = stops.iter().map(of_stop).collect();
    let by = |function: &str| Happening::ALL.iter().filter(|event| event.function() == function).count();
    assert_eq!(stops.len(), by("stop") - 1, "one stop is followed by a start");
    let messages = (1..=255).filter_map(MessageType::from_code).map(of_message);
    assert!(
        messages
            .chain([RefreshKind::Request, RefreshKind::Begin, RefreshKind::End].map(of_refresh))
            .all(|event| event.function() == "handle_bytes")
    );
    let timers = [
        Timer::IdleHold,
        Timer::Parked,
        Timer::ConnectRetry,
        Timer::Hold(Side::Ours),
        Timer::Keepalive(Side::Ours),
        Timer::SendHold(Side::Ours),
        Timer::Stale,
        Timer::Refresh(Family::Ipv4Unicast),
    ];
    let timers: BTreeSet<Happening> = timers.map(of_timer).into_iter().collect();
    assert_eq!(timers.len(), 8);
}

/// What changes a session comes through its public functions; each is played.
#[test]
fn every_function_that_changes_a_session_is_an_event() {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut functions = BTreeSet::new();
    for file in std::fs::read_dir(room).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let heads = text.lines().filter_map(|line| {
            let head = line.trim_start().strip_prefix("pub ")?;
            head.strip_prefix("const ").unwrap_or(head).strip_prefix("fn ")?.split_once("(&mut self")
        });
        functions.extend(heads.map(|(name, _)| name.to_owned()));
    }
    let played: BTreeSet<String> = Happening::ALL.iter().map(|event| event.function().to_owned()).collect();
    assert_eq!(functions, played);
}

#[test]
fn no_state_is_left_without_a_way_on() {
    for (place, event) in laws::pairs() {
        let (mut rig, id) = rig_in(place);
        event.play(&mut rig, id);
        let waits = rig.peer.started && !rig.peer.config.passive;
        assert!(!waits || rig.peer.poll_timeout().is_some(), "{place:?}, {event:?}: a started session has a timer");
        let idle = !rig.peer.started && rig.peer.continuity.flags.restarted;
        assert!(rig.peer.started || idle || rig.peer.state() == State::Idle, "{place:?}, {event:?}");
    }
}

#[test]
fn the_send_hold_timer_is_twice_the_hold_time_where_that_is_longer() {
    // RFC 9687 3: also where the hold time is that of an OPEN awaited, by chance.
    for (hold, configured, expected) in [(30, 480, 480), (30, 20, 60), (240, 60, 480), (300, 60, 600), (0, 60, 60)] {
        let mut config = super::support::local();
        config.timers.hold = Duration::from_secs(hold);
        config.timers.send_hold = Duration::from_secs(configured);
        let mut rig = Rig::new(config);
        let id = rig.bring_to(State::OpenSent);
        let open = bgp::message::Open { hold_time: 65535, ..super::support::peer_open_message(1) };
        rig.receive(id, &open.encode());
        rig.receive(id, &bgp::message::KEEPALIVE);
        rig.peer.handle_send_blocked(id, false, rig.now);
        let deadline = rig.peer.timers.deadline(Timer::SendHold(Side::Ours)).unwrap();
        assert_eq!(deadline - rig.now, Duration::from_secs(expected), "hold time {hold}, {configured} configured");
    }
}
