//! What moves packets: one of two engines, chosen at start and the same until the end.
//!
//! ```text
//!                       ┌─ Userspace: dataplane::Dataplane   TUN interfaces, threads of the process
//!   everyone ── Engine ─┤
//!                       └─ Kernel: xfrm::Xfrm                xfrm interfaces, states and policies of the kernel
//! ```
//!
//! Both take the same orders and report the same events, so that nobody else asks which of them it is.

use std::io;
use std::net::SocketAddr;

use dataplane::{Config, Dataplane, EngineCounters, Event, InterfaceInfo, SaUsage, TunnelCounters, TunnelInterface};
use settings::{DataplaneChoice, Router};
use tokio::sync::mpsc;
use wire::ipsec::{SaAction, TunnelId};
use xfrm::Xfrm;

/// A running engine. Clones are the same engine; when the last one is dropped, it ends.
#[derive(Clone, Debug)]
pub enum Engine {
    /// The process itself moves packets.
    Userspace(Dataplane),
    /// The kernel does.
    Kernel(Xfrm),
}

/// Calls a method of whichever engine it is.
macro_rules! either {
    ($engine:expr, $running:ident => $call:expr) => {
        match $engine {
            Engine::Userspace($running) => $call,
            Engine::Kernel($running) => $call,
        }
    };
}

impl Engine {
    /// Starts the one that the configuration names, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// What the engine cannot be without. Where the kernel lacks it, nothing was made.
    pub(super) fn start(router: &Router, events: mpsc::Sender<Event>) -> Result<Self, dataplane::Error> {
        let config = Config::new(router.local_addresses());
        match router.dataplane {
            DataplaneChoice::Kernel => Ok(Self::Kernel(Xfrm::start(config, &router.esp_suites(), events)?)),
            DataplaneChoice::Auto | DataplaneChoice::Userspace => {
                Ok(Self::Userspace(Dataplane::start(config, events)?))
            }
        }
    }

    /// Which one it is, in the word that the configuration has for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Userspace(_) => "userspace",
            Self::Kernel(_) => "kernel",
        }
    }

    /// What of the machine hinders, but did not keep the engine from starting; each with its remedy.
    pub(super) fn warnings(&self) -> Vec<String> {
        match self {
            Self::Userspace(_) => Vec::new(),
            Self::Kernel(engine) => engine.warning().into_iter().collect(),
        }
    }

    /// Makes the interface of a tunnel. It is up at once and stays up whatever becomes of the tunnel's SAs.
    ///
    /// # Errors
    /// When the interface cannot be made; then nothing of it stays behind.
    pub(super) async fn add_tunnel(
        &self,
        id: TunnelId,
        interface: TunnelInterface,
    ) -> Result<InterfaceInfo, dataplane::Error> {
        either!(self, engine => engine.add_tunnel(id, interface).await)
    }

    /// Forgets a tunnel, its SAs and its interface.
    ///
    /// # Errors
    /// When there is no such tunnel.
    pub(super) async fn remove_tunnel(&self, id: TunnelId) -> Result<(), dataplane::Error> {
        either!(self, engine => engine.remove_tunnel(id).await)
    }

    /// Installs, removes or moves SAs. When this returns, an installed SA is in force; what fails is an event.
    pub(super) fn apply(&self, action: SaAction) {
        either!(self, engine => engine.apply(action));
    }

    /// Sends an IKE message from `local`.
    ///
    /// # Errors
    /// What the socket says.
    pub(super) fn send_ike(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        either!(self, engine => engine.send_ike(local, remote, datagram))
    }

    /// What a tunnel has carried.
    #[must_use]
    pub fn counters(&self, id: TunnelId) -> Option<TunnelCounters> {
        either!(self, engine => engine.counters(id))
    }

    /// What each SA of a tunnel has carried, in no particular order.
    #[must_use]
    pub fn sas(&self, id: TunnelId) -> Vec<SaUsage> {
        either!(self, engine => engine.sas(id))
    }

    /// What belongs to no tunnel.
    #[must_use]
    pub fn engine_counters(&self) -> EngineCounters {
        either!(self, engine => engine.engine_counters())
    }

    /// A tunnel's interface as it is now.
    #[must_use]
    pub fn interface(&self, id: TunnelId) -> Option<InterfaceInfo> {
        either!(self, engine => engine.interface(id))
    }

    /// Ends it and removes all interfaces, and with them what the kernel knows of SAs. The sockets close with the last
    /// clone.
    pub(super) async fn stop(self) {
        either!(self, engine => engine.stop().await);
    }
}
