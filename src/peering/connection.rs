//! One open TCP connection and how far its handshake has come.

use bgp::message::MAX_MESSAGE_LEN;

use super::collision::Side;
use super::inbox::Inbox;
use super::negotiate::Agreed;
use super::output::ConnectionId;
use super::state::State;
use super::{Peer, clock};

/// A connection over which OPEN was sent.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) phase: Phase,
    pub(super) inbox: Inbox,
}

/// What is known in each state of RFC 4271 8.2.2 that has a connection.
#[derive(Debug)]
pub(super) enum Phase {
    OpenSent,
    /// The peer's OPEN is fine, yet a connection that outranks this one is still to prove itself.
    Parked {
        agreed: Box<Agreed>,
        /// Whether the peer has confirmed our OPEN in the meantime.
        confirmed: bool,
    },
    OpenConfirm(Box<Agreed>),
    Established {
        agreed: Box<Agreed>,
        since: std::time::Instant,
    },
}

impl Connection {
    /// Octets of the longest message the peer may send now. RFC 8654 4: beyond 4096 only after both OPENs.
    pub(super) fn longest(&self) -> usize {
        match &self.phase {
            Phase::OpenSent => MAX_MESSAGE_LEN,
            Phase::Parked { agreed, .. } | Phase::OpenConfirm(agreed) | Phase::Established { agreed, .. } => {
                agreed.terms.longest()
            }
        }
    }

    pub(super) const fn state(&self) -> State {
        match self.phase {
            Phase::OpenSent | Phase::Parked { .. } => State::OpenSent,
            Phase::OpenConfirm(_) => State::OpenConfirm,
            Phase::Established { .. } => State::Established,
        }
    }
}

impl Peer {
    pub(super) const fn connection(&self, side: Side) -> Option<&Connection> {
        self.connections[side.slot()].as_ref()
    }

    pub(super) const fn connection_mut(&mut self, side: Side) -> Option<&mut Connection> {
        self.connections[side.slot()].as_mut()
    }

    pub(super) fn side_of(&self, id: ConnectionId) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| self.connection(*side).is_some_and(|connection| connection.id == id))
    }

    /// Frees the slot and stops its timers. The world is not told.
    pub(super) fn remove(&mut self, side: Side) -> Option<Connection> {
        self.timers.stop(clock::Timer::Hold(side));
        self.timers.stop(clock::Timer::Keepalive(side));
        self.timers.stop(clock::Timer::SendHold(side));
        self.connections[side.slot()].take()
    }

    /// What was agreed on, once Established.
    pub(super) fn established(&self) -> Option<&Agreed> {
        self.connections.iter().flatten().find_map(|connection| match &connection.phase {
            Phase::Established { agreed, .. } => Some(agreed.as_ref()),
            Phase::OpenSent | Phase::Parked { .. } | Phase::OpenConfirm(_) => None,
        })
    }

    /// The Established connection.
    pub(super) fn established_id(&self) -> Option<ConnectionId> {
        self.connections.iter().flatten().find(|connection| connection.state() == State::Established).map(|c| c.id)
    }
}
