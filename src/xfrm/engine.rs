//! The handle of the engine.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use dataplane::{Config, EngineCounters, Error, Event, InterfaceInfo, SaUsage, TunnelCounters, TunnelInterface};
use tokio::sync::mpsc;
use wire::ipsec::{SaAction, TunnelId};

/// A running engine. Clones are the same engine; when the last one is dropped, it ends.
#[derive(Clone, Debug)]
pub struct Xfrm(Arc<Inner>);

#[derive(Debug)]
struct Inner;

impl Xfrm {
    /// Binds the sockets and starts the control thread, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When an address is unusable, the kernel lacks IPsec, or the system is out of resources.
    pub fn start(config: Config, events: mpsc::Sender<Event>) -> Result<Self, Error> {
        drop((config, events, Self(Arc::new(Inner))));
        Err(Error::Start(io::ErrorKind::Unsupported.into()))
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

    /// Installs, removes or moves SAs. When this returns, an installed SA is in force. What fails is reported as
    /// [`Event::Failed`].
    pub fn apply(&self, action: SaAction) {
        drop(action);
    }

    /// Sends an IKE message from `local`, with the four zero octets before it where the port is 4500.
    ///
    /// # Errors
    /// What the socket says.
    pub fn send_ike(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let _ = (local, remote, datagram);
        Err(io::ErrorKind::AddrNotAvailable.into())
    }

    /// What a tunnel has carried.
    #[must_use]
    pub fn counters(&self, id: TunnelId) -> Option<TunnelCounters> {
        let _ = id;
        None
    }

    /// What each SA of a tunnel has carried, in no particular order.
    #[must_use]
    pub fn sas(&self, id: TunnelId) -> Vec<SaUsage> {
        let _ = id;
        Vec::new()
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

    /// Ends the control thread and removes all interfaces, states and policies. The sockets close with the last clone.
    pub async fn stop(self) {}
}
