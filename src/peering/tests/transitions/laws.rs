//! What holds of every event in every state, whatever the tables say.

use std::collections::BTreeSet;

use bgp::message::{KEEPALIVE, MessageType, Notification};

use super::super::support::{Rig, local};
use super::events::Happening;
use super::states::{Place, rig_in};
use crate::{ConnectionId, Event, Output, State};

pub(super) fn pairs() -> impl Iterator<Item = (Place, Happening)> {
    Place::ALL.iter().flat_map(|&place| Happening::ALL.iter().map(move |&event| (place, event)))
}

/// State before, outputs, state after, and the connections that are open then.
fn course(place: Place, event: Happening) -> (State, Vec<Output>, State, BTreeSet<ConnectionId>) {
    let (mut rig, id) = rig_in(place);
    let before = rig.peer.state();
    event.play(&mut rig, id);
    let outputs = rig.drain();
    let open = rig.peer.connections.iter().flatten().map(|connection| connection.id).collect();
    (before, outputs, rig.peer.state(), open)
}

fn notification(bytes: &[u8]) -> Option<Notification> {
    (MessageType::from_code(bytes[18]) == Some(MessageType::Notification))
        .then(|| Notification::decode(&bytes[19..]))?
}

#[test]
fn nothing_is_sent_behind_a_notification_or_on_a_closed_connection() {
    for (place, event) in pairs() {
        let (_, outputs, _, open) = course(place, event);
        let (mut closed, mut told) = (BTreeSet::new(), BTreeSet::new());
        for output in outputs {
            match output {
                Output::Send { id, bytes } => {
                    assert!(!closed.contains(&id), "{place:?}, {event:?}: sent on {id:?}, which is closed");
                    assert!(!told.contains(&id), "{place:?}, {event:?}: sent behind a NOTIFICATION on {id:?}");
                    if notification(&bytes).is_some() {
                        told.insert(id);
                    }
                }
                Output::Close { id } => assert!(closed.insert(id), "{place:?}, {event:?}: {id:?} closed twice"),
                Output::Connect { .. } | Output::Event(_) => {}
            }
        }
        // RFC 4271 6: the connection is closed after the NOTIFICATION.
        assert!(told.is_subset(&closed), "{place:?}, {event:?}: a NOTIFICATION, and the connection stays");
        assert!(open.is_disjoint(&closed), "{place:?}, {event:?}: {open:?}");
    }
}

#[test]
fn changes_of_state_are_told_without_a_gap() {
    for (place, event) in pairs() {
        let (before, outputs, after, _) = course(place, event);
        let mut state = before;
        for output in &outputs {
            let Output::Event(Event::StateChanged { from, to }) = output else { continue };
            assert_eq!(*from, state, "{place:?}, {event:?}");
            assert_ne!(from, to);
            state = *to;
        }
        assert_eq!(state, after, "{place:?}, {event:?}: a change nobody is told of");
    }
}

#[test]
fn the_end_of_a_session_is_told_once_and_routes_come_only_while_it_lasts() {
    for (place, event) in pairs() {
        let (before, outputs, after, _) = course(place, event);
        let mut established = before == State::Established;
        for output in &outputs {
            let Output::Event(told) = output else { continue };
            match told {
                Event::Established(_) => {
                    assert!(!established, "{place:?}, {event:?}: established twice");
                    established = true;
                }
                Event::Down { was_established, .. } => {
                    assert_eq!(*was_established, established, "{place:?}, {event:?}");
                    established = false;
                }
                Event::Update(_)
                | Event::RefreshRequested(_)
                | Event::RefreshBegun(_)
                | Event::RefreshEnded(_)
                | Event::UpdateFaulty { .. }
                | Event::Unsendable { .. } => assert!(established, "{place:?}, {event:?}: {told:?}"),
                Event::StaleExpired(_)
                | Event::StateChanged { .. }
                | Event::NotificationReceived { .. }
                | Event::NotificationSent { .. } => {}
            }
        }
        assert_eq!(established, after == State::Established, "{place:?}, {event:?}");
    }
}

/// RFC 6608 3, 4: Finite State Machine Error, with the state as its subcode and the type of the message as its data.
#[test]
fn a_message_without_a_place_is_answered_with_its_state() {
    let kinds = [(Happening::Open, 1), (Happening::Update, 2), (Happening::Keepalive, 4), (Happening::Refresh, 5)];
    for &place in Place::ALL {
        for (event, kind) in kinds {
            let (mut rig, id) = rig_in(place);
            let state = rig.peer.side_of(id).and_then(|side| rig.peer.connection(side)).map(|found| found.state());
            event.play(&mut rig, id);
            let parked = place == Place::Parked && event == Happening::Keepalive;
            let expected = match (state, event) {
                (Some(State::OpenSent), Happening::Open) | (Some(State::OpenConfirm), Happening::Keepalive) => None,
                (Some(State::OpenSent), _) => (!parked).then_some(1),
                (Some(State::OpenConfirm), _) => Some(2),
                (Some(State::Established), Happening::Open) => Some(3),
                (Some(State::Established | State::Idle | State::Connect | State::Active) | None, _) => None,
            };
            // A second OPEN where one was accepted has no place either.
            let expected = if place == Place::Parked && event == Happening::Open { Some(1) } else { expected };
            let errors: Vec<_> = rig
                .drain()
                .into_iter()
                .filter_map(|output| match output {
                    Output::Send { id: on, bytes } if on == id => notification(&bytes),
                    Output::Send { .. } | Output::Connect { .. } | Output::Close { .. } | Output::Event(_) => None,
                })
                .filter(|told| told.code.0 == 5)
                .map(|told| (told.subcode, told.data))
                .collect();
            assert_eq!(
                errors,
                expected.map(|subcode| (subcode, vec![kind])).into_iter().collect::<Vec<_>>(),
                "{place:?}, {event:?}"
            );
        }
    }
}

/// Whatever happens to a connection that is not, or no more, has no effect.
#[test]
fn what_is_said_of_a_connection_that_is_gone_changes_nothing() {
    for &place in Place::ALL {
        for &event in Happening::ALL {
            let (mut rig, _) = rig_in(place);
            let of_connection = matches!(event.function(), "handle_bytes" | "handle_closed" | "handle_connect_failed");
            if !of_connection {
                continue;
            }
            let before = rig.peer.poll_timeout();
            event.play(&mut rig, ConnectionId(77));
            assert_eq!((rig.asked(), rig.peer.poll_timeout()), (Vec::new(), before), "{place:?}, {event:?}");
        }
    }
}

#[test]
fn no_octets_break_a_session_in_any_state() {
    use proptest::prelude::*;
    let states = prop_oneof![Just(State::OpenSent), Just(State::OpenConfirm), Just(State::Established)];
    let octets = proptest::collection::vec(any::<u8>(), 0..120);
    proptest!(|(state in states, kind in 1_u8..=5, body in octets, cut in 1_usize..50)| {
        let mut rig = Rig::new(local());
        let id = rig.bring_to(state);
        let mut message = vec![0xff; 16];
        message.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
        message.push(kind);
        message.extend(&body);
        message.extend(&KEEPALIVE);
        for chunk in message.chunks(cut) {
            rig.receive(id, chunk);
        }
        rig.drain();
        prop_assert!(rig.peer.poll_timeout().is_some(), "it goes on somehow");
    });
}
