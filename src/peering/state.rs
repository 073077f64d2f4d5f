//! The states of RFC 4271 8.2.2.

use std::fmt;

/// Where a session stands. With two connections open at once it is the state of the one further on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum State {
    /// Stopped, or waiting out a failure; refuses connections.
    #[default]
    Idle,
    /// Waits for its own TCP connection to complete.
    Connect,
    /// Waits for the peer to connect, or to try again itself.
    Active,
    /// Has sent OPEN and waits for the peer's.
    OpenSent,
    /// Has accepted the peer's OPEN and waits for KEEPALIVE.
    OpenConfirm,
    /// Exchanges routes.
    Established,
}

impl State {
    /// The name RFC 4271 gives the state.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
