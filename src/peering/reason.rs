//! Why a session ends, in words a person can act on.

use std::time::Duration;

use bgp::message::{CeaseSubcode, ErrorCode, Notification, OpenSubcode};

use crate::SessionError;

use super::state::State;

/// Why the process ends a session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// The operator, or the end of the process, with a text for the peer's operator (RFC 9003). Stays down.
    #[error("shut down: {0}")]
    AdminShutdown(String),
    /// The tunnel below is gone, so that nothing can be sent. Stays down until the next start, which acts at once.
    #[error("the tunnel is down")]
    TunnelDown,
    /// BFD says that the peer cannot be reached (RFC 9384). Stays down until the next start: BFD is up again.
    #[error("BFD says that the peer cannot be reached")]
    BfdDown,
    /// This process ends to be started again, with the routes in place (RFC 4724 4.1): the peer hears nothing.
    #[error("this router restarts")]
    Restarting,
    /// The peer announced too many prefixes (RFC 4486 4). Stays down, since it would do so again, or opens again after
    /// the time configured for this.
    #[error("the peer announced {count} prefixes, more than the {limit} it may")]
    PrefixLimit {
        /// Prefixes the peer may announce.
        limit: u32,
        /// Prefixes it announced.
        count: u32,
    },
    /// The session is no longer configured. Stays down.
    #[error("no longer configured")]
    Deconfigured,
    /// A fresh start, with a text for the peer's operator (RFC 9003). Opens again after a pause, or at once when
    /// started.
    #[error("reset: {0}")]
    Reset(String),
    /// The configuration changed in a way that needs a fresh session. Opens again like [`Self::Reset`].
    #[error("the configuration changed")]
    ConfigurationChanged,
    /// Not enough memory or room in queues. Opens again like [`Self::Reset`].
    #[error("out of resources: {0}")]
    OutOfResources(String),
}

impl StopReason {
    /// Whether the session opens again by itself, no matter what is configured.
    #[must_use]
    pub const fn reopens(&self) -> bool {
        match self {
            Self::AdminShutdown(_)
            | Self::TunnelDown
            | Self::BfdDown
            | Self::PrefixLimit { .. }
            | Self::Deconfigured
            | Self::Restarting => false,
            Self::Reset(_) | Self::ConfigurationChanged | Self::OutOfResources(_) => true,
        }
    }
}

/// Why a session, or an attempt at it, ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// The process wanted it so.
    #[error("{0}")]
    Stopped(StopReason),
    /// TCP did not connect.
    #[error("cannot connect: {error}")]
    ConnectFailed {
        /// In the words of the operating system.
        error: String,
    },
    /// TCP went away.
    #[error("the connection was {how} in {state}", how = error.as_deref().map_or_else(|| "closed by the peer".into(), |error| format!("lost ({error})")))]
    ConnectionClosed {
        /// In the words of the operating system; without, the peer closed it.
        error: Option<String>,
        /// How far the connection had come.
        state: State,
    },
    /// The peer was silent for too long.
    #[error("nothing heard from the peer for {} s in {state} (hold timer expired)", hold_time.as_secs())]
    HoldTimerExpired {
        /// For how long.
        hold_time: Duration,
        /// How far the connection had come.
        state: State,
    },
    /// The peer reads nothing of what we send (RFC 9687).
    #[error("the peer has read nothing for too long in {state} (send hold timer expired)")]
    SendHoldTimerExpired {
        /// How far the connection had come.
        state: State,
    },
    /// The peer connected anew, so that it has restarted (RFC 4724 4.2).
    #[error("the peer has restarted: it connected anew")]
    Replaced,
    /// The peer ended it.
    #[error("the peer sent NOTIFICATION {0}")]
    NotificationReceived(Notification),
    /// The peer broke the protocol, or asked for what we cannot do.
    #[error("{0}")]
    Protocol(SessionError),
}

impl DownReason {
    /// A stable name for metrics and scripts.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Stopped(StopReason::AdminShutdown(_)) => "shutdown",
            Self::Stopped(StopReason::TunnelDown) => "tunnel-down",
            Self::Stopped(StopReason::BfdDown) => "bfd-down",
            Self::Stopped(StopReason::Restarting) => "restarting",
            Self::Stopped(StopReason::PrefixLimit { .. }) => "prefix-limit",
            Self::Stopped(StopReason::Deconfigured) => "deconfigured",
            Self::Stopped(StopReason::Reset(_)) => "reset",
            Self::Stopped(StopReason::ConfigurationChanged) => "configuration-changed",
            Self::Stopped(StopReason::OutOfResources(_)) => "out-of-resources",
            Self::ConnectFailed { .. } => "connect-failed",
            Self::ConnectionClosed { .. } => "connection-closed",
            Self::HoldTimerExpired { .. } => "hold-timer-expired",
            Self::SendHoldTimerExpired { .. } => "send-hold-timer-expired",
            Self::Replaced => "replaced",
            Self::NotificationReceived(_) => "notification-received",
            Self::Protocol(SessionError::Header(_)) => "bad-header",
            Self::Protocol(SessionError::Open(_)) => "open-refused",
            Self::Protocol(SessionError::Update(_)) => "malformed-update",
            Self::Protocol(SessionError::Refresh { .. }) => "malformed-refresh",
            Self::Protocol(SessionError::Unexpected { .. }) => "unexpected-message",
        }
    }

    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Stopped(reason) => stop_remedy(reason),
            Self::ConnectFailed { .. } => {
                "check that the peer runs BGP, listens on its inside address and lets TCP port 179 in"
            }
            Self::ConnectionClosed { state: State::Established, .. } => "look at the peer's log; we connect again",
            Self::ConnectionClosed { .. } => {
                "the peer hung up before the session was up: check that it has our inside address as its neighbor"
            }
            Self::HoldTimerExpired { .. } => {
                "check that packets pass both ways through the tunnel, large ones too (MTU), and that the peer is alive"
            }
            Self::SendHoldTimerExpired { .. } => {
                "the peer is overloaded or hangs: see its log; packets of full size may also be lost (MTU)"
            }
            Self::Replaced => "nothing is wrong: its routes are kept until it has said them again",
            Self::NotificationReceived(notification) => received_remedy(notification),
            Self::Protocol(error) => error.remedy(),
        }
    }
}

const fn stop_remedy(reason: &StopReason) -> &'static str {
    match reason {
        StopReason::AdminShutdown(_) => "enable it again with `quadspan bgp enable NAME`",
        StopReason::Deconfigured | StopReason::Restarting => "nothing is wrong",
        StopReason::BfdDown => "see `quadspan show bfd` for why; the session returns with BFD",
        StopReason::TunnelDown => "see the tunnel's own failure; the session returns with the tunnel",
        StopReason::PrefixLimit { .. } => {
            "raise the session's `max-prefix` or have the peer announce less, then `quadspan bgp reset NAME`; \
             `max-prefix-restart` does that by itself"
        }
        StopReason::Reset(_) | StopReason::ConfigurationChanged | StopReason::OutOfResources(_) => {
            "the session opens again by itself"
        }
    }
}

fn received_remedy(notification: &Notification) -> &'static str {
    if let Some(inner) = notification.reset_reason() {
        return received_remedy(&inner);
    }
    let subcode = notification.subcode;
    match notification.code {
        ErrorCode::OPEN if subcode == OpenSubcode::BAD_PEER_AS.0 => {
            "the peer expects another AS number of us: compare our `asn` with the one configured there"
        }
        ErrorCode::OPEN if subcode == OpenSubcode::BAD_BGP_IDENTIFIER.0 => {
            "the peer refuses our router id: give this router another one"
        }
        ErrorCode::OPEN if subcode == OpenSubcode::UNACCEPTABLE_HOLD_TIME.0 => {
            "the peer refuses our hold time: configure the one it expects"
        }
        ErrorCode::OPEN if subcode == OpenSubcode::UNSUPPORTED_CAPABILITY.0 => {
            "the peer needs an address family or capability that is not enabled here"
        }
        ErrorCode::OPEN if subcode == OpenSubcode::ROLE_MISMATCH.0 => {
            "the peer expects another role of us: compare `role` here with the one configured there"
        }
        ErrorCode::OPEN if subcode == OpenSubcode::UNSUPPORTED_OPTIONAL_PARAMETER.0 => {
            "the peer takes no capabilities: leave out what is offered beyond the usual"
        }
        ErrorCode::SEND_HOLD_TIMER_EXPIRED => {
            "we read too slowly for the peer: see the load of this router, and whether large packets pass (MTU)"
        }
        ErrorCode::HOLD_TIMER_EXPIRED => {
            "the peer heard nothing from us: check that packets pass both ways through the tunnel, large ones too (MTU)"
        }
        ErrorCode::CEASE if subcode == CeaseSubcode::MAXIMUM_PREFIXES.0 => {
            "we announce more prefixes than the peer takes: aggregate, filter, or set max-prefix out below its limit"
        }
        ErrorCode::CEASE if subcode == CeaseSubcode::ADMINISTRATIVE_SHUTDOWN.0 => {
            "the peer's operator shut the session down: enable it there"
        }
        ErrorCode::CEASE if subcode == CeaseSubcode::PEER_DECONFIGURED.0 => {
            "the peer no longer has us configured: add the session there or remove it here"
        }
        ErrorCode::CEASE if subcode == CeaseSubcode::CONNECTION_REJECTED.0 => {
            "the peer does not want this session: check that it has our inside address and AS number configured"
        }
        ErrorCode::CEASE => "we connect again; the peer's log says why it ended the session",
        _ => "the peer holds what we sent to be wrong: its log and this text say what",
    }
}
