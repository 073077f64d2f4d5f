//! What can go wrong when the data plane is asked for something.

use std::io;
use std::net::SocketAddr;

use wire::ipsec::TunnelId;

/// A request the data plane could not carry out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `0.0.0.0` or `::` is refused: other programs may own port 500 of other addresses.
    #[error("{0} is not a specific address")]
    UnspecifiedAddress(std::net::IpAddr),
    /// A socket could not be bound.
    #[error("cannot bind {protocol} on {address}: {source}")]
    Bind {
        /// `UDP` or `ESP`.
        protocol: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The interface name is empty, longer than 15 octets, or has characters the kernel refuses.
    #[error("{0:?} is not an interface name")]
    InterfaceName(String),
    /// The tunnel has an interface already.
    #[error("{0} exists")]
    TunnelExists(TunnelId),
    /// No such tunnel.
    #[error("{0} is unknown")]
    TunnelUnknown(TunnelId),
    /// The TUN interface could not be made or set up.
    #[error("cannot {action} interface {name}: {source}")]
    Interface {
        /// What was tried.
        action: &'static str,
        /// Which interface.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// A thread, channel or poll object could not be made.
    #[error("cannot start the data plane: {0}")]
    Start(#[source] io::Error),
    /// A worker thread did not answer in time. What was asked for is undone.
    #[error("a worker of the data plane does not answer")]
    Unresponsive,
    /// The kernel lacks what the engine needs.
    #[error("{what}")]
    Missing {
        /// What was tried, and what the kernel said.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// The engine cannot make the outer headers that are asked for.
    #[error("interface {name}: {what}")]
    Unsupported {
        /// The interface.
        name: String,
        /// What it cannot do, and what to write instead.
        what: &'static str,
    },
    /// The data plane has stopped.
    #[error("the data plane has stopped")]
    Stopped,
}

impl Error {
    /// Whether no interface has the address that is asked for. It may come.
    #[must_use]
    pub fn is_absent_address(&self) -> bool {
        matches!(self, Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrNotAvailable)
    }
}
