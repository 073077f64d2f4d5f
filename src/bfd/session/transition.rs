//! What a received state does to ours (RFC 5880 6.2, 6.8.6), as a table.

use crate::packet::State;

/// What becomes of our state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Stay,
    /// The next one toward Up.
    Rise(State),
    /// Down: the peer said so.
    Fall,
}

/// `own` is not AdminDown: there, packets are discarded.
pub(crate) const fn step(own: State, received: State) -> Step {
    match (own, received) {
        (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => Step::Fall,
        (State::Down, State::Down) => Step::Rise(State::Init),
        (State::Down, State::Init) | (State::Init, State::Init | State::Up) => Step::Rise(State::Up),
        (State::AdminDown, State::AdminDown | State::Down | State::Init | State::Up)
        | (State::Down, State::AdminDown | State::Up)
        | (State::Init, State::Down)
        | (State::Up, State::Init | State::Up) => Step::Stay,
    }
}
