//! What the machine tells its surroundings.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use crypto::IkeProposal;
use wire::ipsec::{Encapsulation, EspSuite, SaAction, Spi, TrafficSelector, TunnelId};

use crate::Failure;

/// One thing to do or to know. Their order matters: an SA is installed before the message that lets the peer
/// use it, and `TunnelUp` follows its installations.
#[derive(Debug)]
pub enum Output {
    /// Send a datagram. On local port 4500 the sender puts the non-ESP marker (RFC 3948 2.2) before it.
    Transmit {
        /// From which socket.
        local: SocketAddr,
        /// To whom.
        remote: SocketAddr,
        /// The IKE message.
        datagram: Vec<u8>,
    },
    /// For the data plane.
    Sa(SaAction),
    /// For routing, logs and metrics.
    Event(Event),
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An IKE SA is established and authenticated.
    IkeUp {
        /// Whose.
        tunnel: TunnelId,
        /// The peer's outside address.
        peer: SocketAddr,
        /// Whether we began.
        initiator: bool,
        /// Algorithms.
        suite: IkeProposal,
        /// Whether a post-quantum pre-shared key is mixed into its keys.
        ppk: bool,
        /// Whether a NAT was found, or claimed by the peer, on either side.
        nat: bool,
    },
    /// An IKE SA is gone.
    IkeDown {
        /// Whose.
        tunnel: TunnelId,
        /// Why.
        reason: DownReason,
    },
    /// The first CHILD SA is usable: traffic flows from now on.
    TunnelUp {
        /// Whose.
        tunnel: TunnelId,
        /// Algorithms.
        suite: EspSuite,
        /// On which carrier.
        encapsulation: Encapsulation,
        /// Our outside address.
        local: SocketAddr,
        /// The peer's outside address.
        remote: SocketAddr,
        /// SPI of what we receive.
        inbound: Spi,
        /// SPI of what we send.
        outbound: Spi,
        /// Inner addresses on our side.
        local_selectors: Vec<TrafficSelector>,
        /// Inner addresses on the peer's side.
        remote_selectors: Vec<TrafficSelector>,
    },
    /// Another part of the tunnel's traffic has a CHILD SA, while the tunnel was up already.
    ChildUp {
        /// Whose.
        tunnel: TunnelId,
        /// SPI of what we receive.
        inbound: Spi,
        /// SPI of what we send.
        outbound: Spi,
        /// Inner addresses on our side.
        local_selectors: Vec<TrafficSelector>,
        /// Inner addresses on the peer's side.
        remote_selectors: Vec<TrafficSelector>,
    },
    /// A part of the tunnel's traffic has no CHILD SA any more; the rest still flows.
    ChildDown {
        /// Whose.
        tunnel: TunnelId,
        /// Inner addresses on our side.
        local_selectors: Vec<TrafficSelector>,
        /// Inner addresses on the peer's side.
        remote_selectors: Vec<TrafficSelector>,
        /// Why.
        reason: DownReason,
    },
    /// No usable CHILD SA is left: traffic has stopped.
    TunnelDown {
        /// Whose.
        tunnel: TunnelId,
        /// Why.
        reason: DownReason,
    },
    /// Something did not work. A tunnel that is up stays up.
    Failed {
        /// Whose.
        tunnel: TunnelId,
        /// Why.
        failure: Failure,
        /// When we try again; `None` when it is the peer's turn.
        retry_at: Option<Instant>,
    },
    /// A CHILD SA was replaced.
    ChildRekeyed {
        /// Whose.
        tunnel: TunnelId,
        /// Whether we began.
        initiator: bool,
        /// SPI of what we receive from now on.
        inbound: Spi,
        /// SPI of what we send from now on.
        outbound: Spi,
    },
    /// An IKE SA was replaced.
    IkeRekeyed {
        /// Whose.
        tunnel: TunnelId,
        /// Whether we began.
        initiator: bool,
    },
    /// Our attempt to renew an SA failed; the old one stays in use, and we try again until it expires.
    RekeyFailed {
        /// Whose.
        tunnel: TunnelId,
        /// Which.
        kind: RekeyKind,
        /// Why.
        failure: Failure,
        /// When we try again.
        retry_at: Instant,
    },
    /// The peer's outside address changed (NAT rebinding).
    PeerMoved {
        /// Whose.
        tunnel: TunnelId,
        /// Where it was.
        from: SocketAddr,
        /// Where it is.
        to: SocketAddr,
    },
    /// A stranger asked, or a peer in a way that fits no tunnel. Not authenticated; limited in rate.
    Stranger {
        /// Our side.
        local: SocketAddr,
        /// Who asked.
        remote: SocketAddr,
        /// Why it was refused.
        failure: Failure,
    },
}

/// Which SA a rekey is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RekeyKind {
    /// The IKE SA.
    Ike,
    /// The CHILD SA.
    Child,
}

impl RekeyKind {
    /// A short stable label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ike => "ike",
            Self::Child => "child",
        }
    }
}

/// Why a tunnel or an IKE SA went down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// The peer does not answer any more.
    PeerSilent(Failure),
    /// The peer deleted the SA.
    PeerDeleted,
    /// The peer lost its state and began anew.
    PeerRestarted,
    /// The SA reached its hard lifetime.
    Expired,
    /// Another SA with the same peer is used instead.
    Superseded,
    /// It has no CHILD SA, and nobody asks for one.
    Unused,
    /// The peer broke the protocol, or an exchange failed in a way that leaves no usable SA.
    Failed(Failure),
    /// An operator asked for it.
    Operator,
    /// The tunnel was removed from the configuration.
    Removed,
    /// The process ends.
    Shutdown,
}

impl DownReason {
    /// A short stable label for metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::PeerSilent(_) => "peer_silent",
            Self::PeerDeleted => "peer_deleted",
            Self::PeerRestarted => "peer_restarted",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
            Self::Unused => "unused",
            Self::Failed(_) => "failed",
            Self::Operator => "operator",
            Self::Removed => "removed",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerSilent(failure) | Self::Failed(failure) => failure.fmt(f),
            Self::PeerDeleted => f.write_str("the peer deleted the SA"),
            Self::PeerRestarted => f.write_str("the peer lost its state and began anew"),
            Self::Expired => f.write_str("the SA reached its hard lifetime"),
            Self::Superseded => f.write_str("another SA with the same peer took over"),
            Self::Unused => f.write_str("it carried no traffic, and none waited"),
            Self::Operator => f.write_str("an operator asked for it"),
            Self::Removed => f.write_str("the tunnel was removed from the configuration"),
            Self::Shutdown => f.write_str("the process ends"),
        }
    }
}

/// Which limit an SA reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitReached {
    /// Time to rekey.
    Soft,
    /// The SA carries no more.
    Hard,
}
