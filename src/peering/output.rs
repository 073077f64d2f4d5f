//! What a session asks of the process and tells it.

use std::fmt;
use std::time::Duration;

use bgp::message::UpdateFaults;
use bgp::{Family, Update};
use bytes::Bytes;

use super::established::{Established, StaleRoutes};
use super::reason::DownReason;
use super::state::State;

/// Names one TCP connection, or one attempt at it, of one session; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u32);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// One request or event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a TCP connection to the peer; answered by `handle_connected` or `handle_connect_failed`.
    Connect {
        /// What to call it.
        id: ConnectionId,
    },
    /// Close the connection once everything sent before is on its way, or give up the attempt. Needs no answer.
    Close {
        /// Which.
        id: ConnectionId,
    },
    /// Send one or more whole messages.
    Send {
        /// Over which connection.
        id: ConnectionId,
        /// The messages, one behind the other.
        bytes: Bytes,
    },
    /// Something happened.
    Event(Event),
}

/// Something worth telling the routing tables or the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Routes can be exchanged.
    Established(Established),
    /// The session, or an attempt at it, ended.
    Down {
        /// Why.
        reason: DownReason,
        /// Whether it had been Established: then every route of the peer is gone, but for those that are stale.
        was_established: bool,
        /// Routes to keep for a while, since the peer said that it would be back (RFC 4724 4.2).
        stale: Option<StaleRoutes>,
        /// When the next attempt starts, if it starts by itself.
        retry_in: Option<Duration>,
    },
    /// The peer announced or withdrew routes.
    Update(Update),
    /// The peer wants all our routes of this family again (RFC 2918).
    RefreshRequested(Family),
    /// The peer begins to announce everything of this family again (RFC 7313 4.2): what it does not repeat until
    /// [`Self::RefreshEnded`] is gone.
    RefreshBegun(Family),
    /// The peer has announced everything of this family again.
    RefreshEnded(Family),
    /// Stale routes of these families are kept no longer: the peer did not come back in time, or came back without
    /// having kept them.
    StaleExpired(Vec<Family>),
    /// The session moved on.
    StateChanged {
        /// From where.
        from: State,
        /// To where.
        to: State,
    },
    /// The peer ended the session.
    NotificationReceived {
        /// Error code (RFC 4271 4.5).
        code: u8,
        /// Error subcode.
        subcode: u8,
        /// Both in words, with what the message said beyond them.
        text: String,
    },
    /// We ended the session.
    NotificationSent {
        /// Error code (RFC 4271 4.5).
        code: u8,
        /// Error subcode.
        subcode: u8,
        /// Both in words, with what the message said beyond them.
        text: String,
    },
    /// The peer sent an UPDATE with errors that the session survived (RFC 7606). Told at most every ten seconds;
    /// the rest is counted.
    UpdateFaulty {
        /// What was wrong and what became of it.
        faults: UpdateFaults,
        /// Faulty updates since the last one told.
        suppressed: u64,
    },
    /// Routes were withdrawn from the peer rather than announced, since no message can carry them.
    Unsendable {
        /// How many prefixes.
        prefixes: usize,
        /// Octets their attributes take.
        attribute_octets: usize,
    },
}
