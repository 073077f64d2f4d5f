//! What a session shows of itself.

use std::time::Instant;

use super::established::Established;
use super::reason::DownReason;
use super::state::State;
use crate::message::{MessageType, Notification, UpdateFaults};

/// A snapshot of one session. Counters count from the creation of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerStatus {
    /// Where it stands.
    pub state: State,
    /// Since when; `None` before the first start.
    pub since: Option<Instant>,
    /// What was agreed on, while Established.
    pub negotiated: Option<Established>,
    /// Messages from the peer.
    pub received: MessageCounts,
    /// Messages to the peer.
    pub sent: MessageCounts,
    /// Times an Established session ended.
    pub flaps: u64,
    /// The last end of the session or of an attempt at it.
    pub last_down: Option<LastDown>,
    /// When the next attempt starts, if one waits.
    pub retry_at: Option<Instant>,
    /// The last NOTIFICATION from the peer.
    pub notification_received: Option<NotificationRecord>,
    /// The last NOTIFICATION to the peer.
    pub notification_sent: Option<NotificationRecord>,
    /// UPDATEs with errors that the session survived (RFC 7606).
    pub faulty_updates: u64,
    /// What was wrong with the last of them.
    pub last_faults: Option<UpdateFaults>,
}

/// Messages by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
}

impl MessageCounts {
    pub(super) const fn count(&mut self, kind: MessageType) {
        let counter = match kind {
            MessageType::Open => &mut self.open,
            MessageType::Update => &mut self.update,
            MessageType::Notification => &mut self.notification,
            MessageType::Keepalive => &mut self.keepalive,
            MessageType::RouteRefresh => &mut self.route_refresh,
        };
        *counter += 1;
    }
}

/// How a session, or an attempt at it, ended. [`DownReason`] prints as a sentence and has a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastDown {
    /// When.
    pub at: Instant,
    /// Why.
    pub reason: DownReason,
    /// Whether it had been Established.
    pub was_established: bool,
}

/// A NOTIFICATION that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationRecord {
    /// When.
    pub at: Instant,
    /// The message; prints as words.
    pub notification: Notification,
}
