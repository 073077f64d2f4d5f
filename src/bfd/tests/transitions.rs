//! Every received state in every state (RFC 5880 6.2, 6.8.6).

use super::support::{OURS, Rig, ms, packet};
use crate::{Config, Diagnostic, Event, State, Verdict};

/// Own state, received state, state after it, diagnostic after it.
const TABLE: [(State, State, State, Diagnostic); 16] = [
    (State::AdminDown, State::AdminDown, State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN),
    (State::AdminDown, State::Down, State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN),
    (State::AdminDown, State::Init, State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN),
    (State::AdminDown, State::Up, State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN),
    (State::Down, State::AdminDown, State::Down, Diagnostic::NONE),
    (State::Down, State::Down, State::Init, Diagnostic::NONE),
    (State::Down, State::Init, State::Up, Diagnostic::NONE),
    (State::Down, State::Up, State::Down, Diagnostic::NONE),
    (State::Init, State::AdminDown, State::Down, Diagnostic::NEIGHBOR_SIGNALED_SESSION_DOWN),
    (State::Init, State::Down, State::Init, Diagnostic::NONE),
    (State::Init, State::Init, State::Up, Diagnostic::NONE),
    (State::Init, State::Up, State::Up, Diagnostic::NONE),
    (State::Up, State::AdminDown, State::Down, Diagnostic::NEIGHBOR_SIGNALED_SESSION_DOWN),
    (State::Up, State::Down, State::Down, Diagnostic::NEIGHBOR_SIGNALED_SESSION_DOWN),
    (State::Up, State::Init, State::Up, Diagnostic::NONE),
    (State::Up, State::Up, State::Up, Diagnostic::NONE),
];

#[test]
fn every_received_state_in_every_state_does_what_the_table_says() {
    for (own, received, after, diagnostic) in TABLE {
        let mut rig = Rig::in_state(Config::default(), own);
        rig.receive(packet(received, OURS));
        let status = rig.session.status();
        assert_eq!((status.state, status.diagnostic), (after, diagnostic), "{own} hears {received}");
        // RFC 5880 6.8.7: a change is told at once, and nothing else is.
        let told = rig.sent.iter().map(|sent| sent.packet.state).collect::<Vec<_>>();
        assert_eq!(told, if own == after { vec![] } else { vec![after] }, "{own} hears {received}");
    }
    let mut pairs: Vec<_> = TABLE.iter().map(|(own, received, ..)| (*own, *received)).collect();
    pairs.dedup();
    assert_eq!(pairs.len(), 16, "every pair once");
}

#[test]
fn only_a_loss_that_nobody_wanted_speaks_against_the_path() {
    for (own, received, after, _) in TABLE {
        let mut rig = Rig::in_state(Config::default(), own);
        rig.receive(packet(received, OURS));
        let failed = rig.verdicts().iter().any(|verdict| !verdict.is_usable());
        assert_eq!(failed, own == State::Up && received == State::Down, "{own} hears {received}");
        let changed = rig.events.iter().any(|event| matches!(event, Event::StateChanged { .. }));
        assert_eq!(changed, own != after);
    }
}

#[test]
fn silence_brings_every_state_to_down_but_the_held_one() {
    for own in State::ALL {
        let mut rig = Rig::in_state(Config::default(), own);
        rig.pass(ms(10_000));
        let expected = if own == State::AdminDown { own } else { State::Down };
        assert_eq!(rig.session.state(), expected, "{own}");
        assert_eq!(rig.session.status().remote_state, None);
        let failed = rig.verdicts().iter().any(|verdict| matches!(verdict, Verdict::Failed(_)));
        assert_eq!(failed, own == State::Up, "{own}");
    }
}
