//! What the data plane tells the process.

use std::net::SocketAddr;

use wire::ipsec::{Direction, Spi, TunnelId};

/// Something the process should know. Sent over a bounded channel: IKE datagrams and unknown SPIs are dropped (and
/// counted) when it is full, everything else is kept and offered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An IKE message arrived. On port 4500 the four zero octets before it (RFC 3948 2.2) are gone.
    Ike {
        /// The socket it came to.
        local: SocketAddr,
        /// Who sent it.
        remote: SocketAddr,
        /// The message, from the initiator SPI on.
        datagram: Vec<u8>,
    },
    /// An SA reached a byte, packet or sequence number limit.
    SaLimit {
        /// Whose SA.
        tunnel: TunnelId,
        /// Which way.
        direction: Direction,
        /// The SA.
        spi: Spi,
        /// Which limit.
        limit: Limit,
    },
    /// An authentic packet, newer than all before, came from another outside address or port than the one in use.
    PeerMoved {
        /// Whose peer.
        tunnel: TunnelId,
        /// Our side.
        local: SocketAddr,
        /// Where the peer is now.
        remote: SocketAddr,
    },
    /// The kernel routed a packet into a tunnel that has no SA to send it with; at most one a second for each tunnel.
    Demand {
        /// Which tunnel.
        tunnel: TunnelId,
    },
    /// ESP for an SPI that is not ours; at most one a second (the sender probably lost state, or we did).
    UnknownSpi {
        /// Who sent it.
        from: SocketAddr,
        /// The SPI.
        spi: Spi,
    },
    /// Something asked for earlier could not be done.
    Failed {
        /// Whose, where one tunnel is concerned.
        tunnel: Option<TunnelId>,
        /// What failed.
        failure: Failure,
    },
}

/// Which of an SA's two limits was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Rekey now.
    Soft,
    /// The SA carries no more packets.
    Hard,
}

/// Why an action or a worker failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// An SA was installed for a tunnel without an interface.
    #[error("the tunnel has no interface")]
    NoInterface,
    /// An SA names a local address that the data plane has no socket on.
    #[error("no socket on {0}")]
    NoSocket(SocketAddr),
    /// The keys do not fit the algorithms.
    #[error("cannot use SA {spi}: {reason}")]
    BadSa {
        /// The SA.
        spi: Spi,
        /// What is wrong with it.
        reason: esp::KeyError,
    },
    /// The kernel that moves the packets refuses an SA or its policies.
    #[error("cannot use SA {spi}: the kernel refuses to {action}: {reason}")]
    Refused {
        /// The SA.
        spi: Spi,
        /// What was asked of the kernel.
        action: &'static str,
        /// The kernel's answer.
        reason: String,
    },
    /// The TUN interface went away under a running tunnel.
    #[error("interface {0} is gone")]
    InterfaceLost(String),
    /// The MTU could not be changed.
    #[error("cannot set the MTU of {name} to {mtu}: {reason}")]
    Mtu {
        /// The interface.
        name: String,
        /// The value wanted.
        mtu: u32,
        /// The kernel's answer.
        reason: String,
    },
}
