//! A checked pool of clients beside the router.

use std::net::SocketAddr;
use std::path::PathBuf;

use certificate::UnixTime;
use openvpn::{Pool, Protocol};
use wire::Secret;

/// A pool of remote clients, served by somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPool {
    /// The name the user gave it; unique.
    pub name: String,
    /// Addresses and room.
    pub pool: Pool,
    /// How the clients' packets travel.
    pub protocol: Protocol,
    /// Whether the network is announced while the server serves.
    pub announce: bool,
    /// Where the server answers.
    pub management: Management,
    /// What it wants to hear first.
    pub password: Option<Secret>,
    /// When the first of the server's certificates ends, as far as they could be read.
    pub expires: Option<UnixTime>,
}

/// Where an OpenVPN server's management interface listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Management {
    /// At an address of this machine.
    Tcp(SocketAddr),
    /// At a Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Management {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}
