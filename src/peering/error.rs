//! How a peer can break a session: one error for the room, with the NOTIFICATION that answers it.

use bgp::message::{ErrorCode, Fault, FsmSubcode, HeaderError, MessageType, Notification, OpenError, RefreshSubcode};

use crate::State;

/// What the peer did that ends the session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// What it sent is no message.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// We cannot agree with its OPEN.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// Its UPDATE makes what it announced unknowable (RFC 7606 2: session reset).
    #[error("the peer's UPDATE is malformed: {0}")]
    Update(#[from] Fault),
    /// A mark around what is announced again, of a length it cannot have (RFC 7313 5).
    #[error("the peer sent a ROUTE-REFRESH of {} octets, expected 23", message.len())]
    Refresh {
        /// The whole message.
        message: Vec<u8>,
    },
    /// A message that has no place in this state (RFC 6608).
    #[error("the peer sent {message} in {state}")]
    Unexpected {
        /// What it sent.
        message: MessageType,
        /// How far the connection had come.
        state: State,
    },
}

impl SessionError {
    /// What the peer is told.
    #[must_use]
    pub fn notification(&self) -> Notification {
        match self {
            Self::Header(error) => error.notification(),
            Self::Open(error) => error.notification(),
            Self::Update(fault) => fault.notification(),
            // RFC 7313 5: the data is the whole message.
            Self::Refresh { message } => {
                let subcode = RefreshSubcode::INVALID_MESSAGE_LENGTH.0;
                Notification::new(ErrorCode::ROUTE_REFRESH, subcode, message.clone())
            }
            Self::Unexpected { message, state } => {
                // RFC 6608 4: the data is the type of the message.
                let data = vec![message.code()];
                Notification::new(ErrorCode::FINITE_STATE_MACHINE, fsm_subcode(*state), data)
            }
        }
    }

    /// What the operator can do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Open(error) => error.remedy(),
            Self::Header(_) => {
                "what listens on TCP port 179 there is no BGP speaker, or something between changes data"
            }
            Self::Update(_) => "the peer sends broken routes: see its log; an upgrade there may be needed",
            Self::Refresh { .. } | Self::Unexpected { .. } => {
                "the peer's BGP implementation is broken: see its log and version"
            }
        }
    }
}

const fn fsm_subcode(state: State) -> u8 {
    match state {
        State::Idle | State::Connect | State::Active => 0,
        State::OpenSent => FsmSubcode::UNEXPECTED_IN_OPEN_SENT.0,
        State::OpenConfirm => FsmSubcode::UNEXPECTED_IN_OPEN_CONFIRM.0,
        State::Established => FsmSubcode::UNEXPECTED_IN_ESTABLISHED.0,
    }
}
