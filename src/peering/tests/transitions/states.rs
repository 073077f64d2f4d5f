//! Where a session can be: the six states of RFC 4271 8.2.2, and what of it can differ within one of them.

use std::time::Duration;

use bgp::{AddPath, Family};

use super::super::support::{Rig, config, established_with, local, peer_open};
use crate::Restart;
use crate::connection::Phase;
use crate::{ConnectionId, Offers, PeerConfig, State};

/// Declares the places, each with its table.
macro_rules! places {
    ($($name:ident: $file:literal,)*) => {
        /// Where a session is before the event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Place {
            $($name,)*
        }

        impl Place {
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its rows, written by hand: `event -> new state: what is asked for`.
            pub(super) const fn table(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!($file),)*
                }
            }
        }
    };
}

places! {
    // Idle: not wanted.
    Stopped: "stopped.txt",
    // Idle: the operator shut it down.
    ShutDown: "shut_down.txt",
    // Idle: waits out a failure.
    Waiting: "waiting.txt",
    // Idle: the same, with routes kept for a peer that restarts.
    Stale: "stale.txt",
    // Our own connection is under way.
    Connect: "connect.txt",
    // Our own connection failed.
    Active: "active.txt",
    // We only wait.
    Passive: "passive.txt",
    // Our own connection is open; the subject of the events.
    OpenSent: "open_sent.txt",
    // Both connections are open; the subject is the peer's, which ours outranks.
    Collision: "collision.txt",
    // The same, and the peer's waits for ours to prove itself.
    Parked: "parked.txt",
    // Our own connection waits for KEEPALIVE.
    OpenConfirm: "open_confirm.txt",
    // The same, beside a connection of the peer; that one is the subject.
    Rival: "rival.txt",
    // Established without any option.
    Established: "established.txt",
    // Established with all of them.
    Graceful: "graceful.txt",
}

/// The places of a state: one more state does not compile without its own.
pub(super) const fn places_of(state: State) -> &'static [Place] {
    match state {
        State::Idle => &[Place::Stopped, Place::ShutDown, Place::Waiting, Place::Stale],
        State::Connect => &[Place::Connect],
        State::Active => &[Place::Active, Place::Passive],
        State::OpenSent => &[Place::OpenSent, Place::Collision, Place::Parked],
        State::OpenConfirm => &[Place::OpenConfirm, Place::Rival],
        State::Established => &[Place::Established, Place::Graceful],
    }
}

/// The place where a connection is in this phase: one more phase does not compile without its own.
pub(super) const fn place_of_phase(phase: &Phase) -> Place {
    match phase {
        Phase::OpenSent => Place::OpenSent,
        Phase::Parked { .. } => Place::Parked,
        Phase::OpenConfirm(_) => Place::OpenConfirm,
        Phase::Established { .. } => Place::Established,
    }
}

/// Everything that can be offered.
fn all_offers() -> Offers {
    let both = AddPath { receive: true, send: true };
    Offers {
        enhanced_refresh: true,
        extended_messages: true,
        extended_next_hop: true,
        add_path: vec![(Family::Ipv4Unicast, both), (Family::Ipv6Unicast, both)],
        graceful_restart: Some(Restart {
            time: Some(Duration::from_secs(60)),
            stale: Duration::from_secs(120),
            notification: true,
        }),
        role: None,
        role_strict: false,
    }
}

/// A session there, and the connection that events are about. Where there is none it has a name that nobody has.
pub(super) fn rig_in(place: Place) -> (Rig, ConnectionId) {
    let none = ConnectionId(99);
    let mut rig = Rig::new(local());
    let id = match place {
        Place::Stopped => none,
        Place::ShutDown => {
            rig.bring_to(State::Active);
            rig.peer.shut_down("optics".into(), rig.now);
            none
        }
        Place::Waiting => {
            let id = rig.bring_to(State::OpenConfirm);
            rig.peer.handle_closed(id, None, rig.now);
            id
        }
        Place::Stale => {
            let (established, id, _) = established_with(all_offers());
            rig = established;
            rig.peer.handle_closed(id, None, rig.now);
            id
        }
        Place::Connect => rig.bring_to(State::Connect),
        Place::Active => rig.bring_to(State::Active),
        Place::Passive => {
            rig = Rig::new(PeerConfig { passive: true, ..local() });
            rig.peer.start(rig.now);
            none
        }
        Place::OpenSent => rig.bring_to(State::OpenSent),
        Place::Collision | Place::Parked => {
            rig.bring_to(State::OpenSent);
            let theirs = rig.peer.handle_accepted(rig.now).unwrap();
            if place == Place::Parked {
                rig.receive(theirs, &peer_open(1));
            }
            theirs
        }
        Place::OpenConfirm => rig.bring_to(State::OpenConfirm),
        Place::Rival => {
            rig.bring_to(State::OpenConfirm);
            rig.peer.handle_accepted(rig.now).unwrap()
        }
        Place::Established => rig.bring_to(State::Established),
        Place::Graceful => {
            let (established, id, _) = established_with(all_offers());
            rig = established;
            id
        }
    };
    rig.drain();
    assert!(places_of(rig.peer.state()).contains(&place), "{place:?} is not {}", rig.peer.state());
    (rig, id)
}

/// A configuration that differs in what a running session can take over.
pub(super) fn gentler() -> PeerConfig {
    let mut config = config("renamed", 65000, 64512, 2);
    config.timers.connect_retry *= 2;
    config
}
