//! What a session shows of itself.

use std::time::Instant;

use bgp::Family;
use bgp::message::{Capability, MessageType, Notification, UpdateFaults};

use super::established::Established;
use super::reason::DownReason;
use super::state::State;

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
    /// What a session that is not Established waits for.
    pub waiting: Option<Waiting>,
    /// What the last OPEN offered.
    pub offered: Vec<Capability>,
    /// What the peer's last OPEN offered.
    pub peer_offered: Vec<Capability>,
    /// Families of which stale routes are kept (RFC 4724), and until when.
    pub stale: Option<(Vec<Family>, Instant)>,
    /// Whether the operator shut the session down, with the text for the peer.
    pub shutdown: Option<String>,
    /// The last NOTIFICATION from the peer.
    pub notification_received: Option<NotificationRecord>,
    /// The last NOTIFICATION to the peer.
    pub notification_sent: Option<NotificationRecord>,
    /// UPDATEs with errors that the session survived (RFC 7606).
    pub faulty_updates: u64,
    /// What was wrong with the last of them.
    pub last_faults: Option<UpdateFaults>,
}

/// What a session waits for. Prints as what comes behind `waiting`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Waiting {
    /// The operator shut it down.
    #[error("for the operator to enable it")]
    Enable,
    /// It has too many prefixes.
    #[error("for the operator to reset it")]
    Reset,
    /// Nothing leads to the peer.
    #[error("for the tunnel or interface it runs over")]
    Link,
    /// Time to pass after a failure.
    #[error("out the pause after a failure")]
    IdleHold,
    /// TCP.
    #[error("for TCP to connect")]
    Tcp,
    /// The peer to connect; we do not.
    #[error("for the peer to connect (passive)")]
    Peer,
    /// The peer to connect, or the next attempt of our own.
    #[error("for the next attempt to connect, or the peer's")]
    Retry,
    /// The peer's OPEN.
    #[error("for the peer's OPEN")]
    Open,
    /// The peer's KEEPALIVE.
    #[error("for the peer to confirm our OPEN")]
    Confirmation,
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
