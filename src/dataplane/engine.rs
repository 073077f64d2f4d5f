//! The handle of the data plane.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::mpsc;
use wire::ipsec::{SaAction, TunnelId};

use crate::{EngineCounters, Error, Event, InterfaceInfo, TunnelCounters, TunnelInterface};

/// How to run the data plane.
#[derive(Clone, Debug)]
pub struct Config {
    /// Outside addresses. On each, UDP 500 and 4500 and raw ESP are opened.
    pub local_addresses: Vec<IpAddr>,
    /// Octets of the largest packet the outside path carries.
    pub outer_mtu: u32,
    /// How long an encapsulated tunnel may be silent before a keepalive goes out (RFC 3948 4). `None`: never.
    pub nat_keepalive: Option<Duration>,
    /// Worker threads in each direction. `None`: half the processors, at least 1.
    pub workers: Option<usize>,
    /// Octets to ask for as socket buffers.
    pub socket_buffer: usize,
}

impl Config {
    /// Usual values: a path of 1500 octets, a keepalive every 20 s.
    #[must_use]
    pub fn new(local_addresses: Vec<IpAddr>) -> Self {
        Self {
            local_addresses,
            outer_mtu: 1500,
            nat_keepalive: Some(Duration::from_secs(20)),
            workers: None,
            socket_buffer: 8 << 20,
        }
    }
}

/// A running data plane. Clones are the same data plane.
#[derive(Clone, Debug)]
pub struct Dataplane {}

impl Dataplane {
    /// Binds the sockets and starts the threads.
    ///
    /// # Errors
    /// When an address is unusable or the system is out of resources.
    pub fn start(config: Config, events: mpsc::Sender<Event>) -> Result<Self, Error> {
        let _ = (config, events);
        Err(Error::Stopped)
    }

    /// Makes the interface of a tunnel. It is up at once and stays up whatever becomes of the tunnel's SAs.
    ///
    /// # Errors
    /// When the interface cannot be made; then nothing of it stays behind.
    pub async fn add_tunnel(&self, id: TunnelId, interface: TunnelInterface) -> Result<InterfaceInfo, Error> {
        let _ = (id, interface);
        Err(Error::Stopped)
    }

    /// Forgets a tunnel, its SAs and its interface.
    ///
    /// # Errors
    /// When there is no such tunnel.
    pub async fn remove_tunnel(&self, id: TunnelId) -> Result<(), Error> {
        Err(Error::TunnelUnknown(id))
    }

    /// Installs, removes or moves SAs. When this returns, an inbound SA is in force.
    pub fn apply(&self, action: SaAction) {
        let _ = action;
    }

    /// Sends an IKE message from `local`, with the four zero octets before it where the port is 4500.
    ///
    /// # Errors
    /// What the socket says.
    pub fn send_ike(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let _ = (local, remote, datagram);
        Err(io::ErrorKind::NotConnected.into())
    }

    /// What a tunnel has carried.
    #[must_use]
    pub fn counters(&self, id: TunnelId) -> Option<TunnelCounters> {
        let _ = id;
        None
    }

    /// What belongs to no tunnel.
    #[must_use]
    pub fn engine_counters(&self) -> EngineCounters {
        EngineCounters::default()
    }

    /// A tunnel's interface as it is now.
    #[must_use]
    pub fn interface(&self, id: TunnelId) -> Option<InterfaceInfo> {
        let _ = id;
        None
    }

    /// Ends all threads and removes all interfaces.
    pub async fn stop(self) {}
}
