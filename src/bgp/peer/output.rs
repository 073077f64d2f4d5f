//! What a session asks of the process and tells it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use wire::{Asn, RouterId};

use super::reason::DownReason;
use super::state::State;
use crate::message::UpdateFaults;
use crate::{Family, Update};

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
    /// Send one whole message.
    Send {
        /// Over which connection.
        id: ConnectionId,
        /// The message.
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
        /// Whether it had been Established: then every route of the peer is gone.
        was_established: bool,
        /// When the next attempt starts, if it starts by itself.
        retry_in: Option<Duration>,
    },
    /// The peer announced or withdrew routes.
    Update(Update),
    /// The peer wants all our routes of this family again (RFC 2918).
    RefreshRequested(Family),
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

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Established {
    /// The peer's BGP identifier.
    pub peer_router_id: RouterId,
    /// The peer's autonomous system.
    pub peer_asn: Asn,
    /// Our autonomous system.
    pub local_asn: Asn,
    /// The lower of both proposals; zero means that neither side watches the other.
    pub hold_time: Duration,
    /// How often we send KEEPALIVE; zero means never.
    pub keepalive: Duration,
    /// Families both sides speak.
    pub families: Vec<Family>,
    /// Whether the peer speaks four-octet AS numbers (RFC 6793).
    pub four_octet: bool,
    /// Whether the peer can announce everything again on request (RFC 2918).
    pub route_refresh: bool,
    /// Whether we opened the connection that was kept.
    pub opened_by_us: bool,
}
