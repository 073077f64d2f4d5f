//! How a session is reached: what it can be asked and told.

use std::net::SocketAddr;

use bgp::{Family, Update};
use peering::{PeerConfig, PeerStatus, StopReason};
use settings::Transport;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use view::answer::ControlError;

use crate::Link;

/// What others ask of a session.
#[derive(Debug)]
pub enum Command {
    /// The tunnel carries traffic: open the session over it.
    TunnelUp(Link),
    /// The tunnel is gone: so is the session, at once.
    TunnelDown,
    /// BFD says that the peer cannot be reached: the session ends, and waits for the opposite.
    BfdDown,
    /// BFD has nothing against the session.
    BfdUp,
    /// End the session and open it again, with a text for the peer's operator.
    Reset(String),
    /// Keep the session down until it is enabled, with a text for the peer's operator.
    ShutDown(String),
    /// Take that back.
    Enable,
    /// Take over what is configured anew. The session ends only if the change needs it.
    Reconfigure(Box<PeerConfig>, Transport),
    /// The peer announced more than it may, or takes no updates.
    Stop {
        /// The session that is meant: one that has ended by itself is not ended again.
        incarnation: u64,
        /// Why.
        reason: StopReason,
    },
    /// Somebody has connected to an address that sessions share.
    Accepted(TcpStream, SocketAddr),
    /// Ask the peer to announce everything again, after import policy changed.
    Refresh(Family),
    /// Report.
    Status(oneshot::Sender<PeerStatus>),
    /// End the session for good and the task with it.
    Shutdown(StopReason),
}

/// Updates for the peer in their order, with the incarnation of the session that they are meant for.
pub type Updates = (u64, Vec<Update>);

/// How long a session's task lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// As long as it is configured.
    Configured,
    /// As long as the connection it was made for, and as the peer may come back to its routes (RFC 4724).
    OneConnection,
}

/// Where to reach a session's task.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Takes what is asked of it.
    pub commands: mpsc::Sender<Command>,
    /// Takes what the peer is to be told.
    pub updates: mpsc::Sender<Updates>,
    pub(crate) stale: watch::Receiver<bool>,
}

impl Handle {
    /// Ends the session and opens it again, with a text for the peer's operator (RFC 9003).
    ///
    /// # Errors
    /// [`ControlError::Stopping`]; so for the others.
    pub async fn reset(&self, reason: String) -> Result<(), ControlError> {
        self.tell(Command::Reset(reason)).await
    }

    /// Keeps the session down until it is enabled, with a text for the peer's operator (RFC 9003).
    pub async fn shut_down(&self, reason: String) -> Result<(), ControlError> {
        self.tell(Command::ShutDown(reason)).await
    }

    /// Takes that back.
    pub async fn enable(&self) -> Result<(), ControlError> {
        self.tell(Command::Enable).await
    }

    /// Asks the peer to announce everything again.
    pub async fn refresh(&self, family: Family) -> Result<(), ControlError> {
        self.tell(Command::Refresh(family)).await
    }

    async fn tell(&self, command: Command) -> Result<(), ControlError> {
        self.commands.send(command).await.map_err(|_| ControlError::Stopping)
    }

    /// Whether routes are held for a peer that restarts (RFC 4724).
    #[must_use]
    pub fn keeps_stale_routes(&self) -> bool {
        *self.stale.borrow()
    }

    /// Waits until none are held; whether the session still runs.
    pub async fn stale_routes_gone(&self) -> bool {
        self.stale.clone().wait_for(|stale| !stale).await.is_ok()
    }
}
