//! What is configured and where its tasks are: read by everyone, written by the supervisor alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use dataplane::InterfaceInfo;
use rib::PeerId;
use settings::{Router, Tunnel};
use tokio::sync::watch;
use wire::LinkId;
use wire::ipsec::TunnelId;

use super::interfaces::Interfaces;
use super::neighbors::Neighbors;
use super::watches::Watches;
use view::cause::TunnelNames;

/// The router's parts at one moment.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The configuration in force.
    pub router: Arc<Router>,
    /// The one that a reload is about to put in force.
    pub(super) next: Option<Arc<Router>>,
    /// Tunnels by number.
    pub tunnels: BTreeMap<TunnelId, Part>,
    /// Sessions outside tunnels.
    pub neighbors: Neighbors,
    /// Next hops of static routes that BFD watches, by the number of their BFD session.
    pub(super) watches: Watches,
    /// The plain interfaces of the machine.
    pub(super) interfaces: Arc<Interfaces>,
    /// Tunnels that could not be made; tried again by the supervisor.
    pub unmade: BTreeMap<TunnelId, Unmade>,
}

/// A tunnel that could not be made.
#[derive(Clone, Debug)]
pub struct Unmade {
    /// As configured.
    pub tunnel: Arc<Tunnel>,
    /// What stands in the way.
    pub trouble: Trouble,
    /// Since when.
    pub since: Instant,
}

/// Why a tunnel could not be made.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// A stable word.
    pub reason: &'static str,
    /// In words.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
}

impl Trouble {
    pub(super) fn new(error: &dataplane::Error) -> Self {
        let (reason, remedy) = if let dataplane::Error::Bind { address, .. } = error
            && error.is_absent_address()
        {
            ("address", format!("give {} to an interface, or correct `local:`", address.ip()))
        } else {
            ("interface", "free the interface's name or choose another with `interface:`".to_owned())
        };
        Self { reason, text: error.to_string(), remedy }
    }
}

/// One tunnel's parts.
#[derive(Clone, Debug)]
pub struct Part {
    /// As configured.
    pub tunnel: Arc<Tunnel>,
    /// As made.
    pub interface: InterfaceInfo,
    pub(super) session: Option<session::Handle>,
}

/// How the others see it.
pub type TopologyReader = watch::Receiver<Arc<Topology>>;

impl Topology {
    /// Before anything is made.
    pub(super) fn empty(router: Router) -> Self {
        Self {
            router: Arc::new(router),
            next: None,
            tunnels: BTreeMap::new(),
            neighbors: BTreeMap::new(),
            watches: Watches::new(),
            interfaces: Arc::default(),
            unmade: BTreeMap::new(),
        }
    }

    /// Every running session, by number.
    pub fn sessions(&self) -> impl Iterator<Item = (PeerId, &session::Handle)> {
        let inside = self.tunnels.values();
        let inside = inside.filter_map(|part| Some((part.tunnel.bgp.as_ref()?.id, part.session.as_ref()?)));
        inside.chain(self.neighbors.iter().map(|(id, part)| (*id, &part.handle)))
    }

    pub(super) fn session(&self, peer: PeerId) -> Option<&session::Handle> {
        let inside = self.tunnels.get(&TunnelId(peer.0)).and_then(|part| part.session.as_ref());
        inside.or_else(|| self.neighbors.get(&peer).map(|part| &part.handle))
    }

    /// What the user calls a session; its number, if it is gone.
    #[must_use]
    pub fn session_name(&self, peer: PeerId) -> String {
        self.configured(peer).map_or_else(|| peer.0.to_string(), |session| session.name.clone())
    }

    /// The name that things about a session are counted under: for a peer of a range, the range's.
    pub(super) fn counted_name(&self, peer: PeerId) -> String {
        self.configured(peer).map_or_else(|| peer.0.to_string(), |session| session.peer.name.clone())
    }

    fn configured(&self, peer: PeerId) -> Option<&settings::Session> {
        let inside = self.tunnels.get(&TunnelId(peer.0)).and_then(|part| part.tunnel.bgp.as_ref());
        inside.or_else(|| self.neighbors.get(&peer).map(|part| &*part.session))
    }

    /// What the user calls what packets leave through.
    #[must_use]
    pub fn link_name(&self, link: LinkId) -> String {
        match link.tunnel() {
            Some(tunnel) => self.name(tunnel),
            None => self.interfaces.name(link).map_or_else(|| link.to_string(), ToOwned::to_owned),
        }
    }

    /// The interface behind it, if it still exists.
    #[must_use]
    pub fn link_interface(&self, link: LinkId) -> String {
        match link.tunnel() {
            Some(tunnel) => self.tunnels.get(&tunnel).map_or_else(String::new, |part| part.tunnel.interface.clone()),
            None => self.interfaces.name(link).unwrap_or_default().to_owned(),
        }
    }

    /// Whether an interface of this name is, or is about to be, that of a tunnel.
    pub(super) fn claims(&self, interface: &str) -> bool {
        let configured = self.routers().flat_map(|router| &router.tunnels);
        let mut tunnels = configured.chain(self.tunnels.values().map(|part| &*part.tunnel));
        tunnels.any(|tunnel| tunnel.interface == interface)
    }

    /// The configuration in force, and before it the one that is to be.
    pub(super) fn routers(&self) -> impl Iterator<Item = &Router> {
        self.next.iter().chain([&self.router]).map(|router| &**router)
    }

    /// The tunnel that the user calls so.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<(TunnelId, &Part)> {
        self.tunnels.iter().find(|(_, part)| part.tunnel.name == name).map(|(id, part)| (*id, part))
    }
}

impl TunnelNames for Topology {
    fn name(&self, id: TunnelId) -> String {
        self.tunnels.get(&id).map_or_else(|| id.to_string(), |part| part.tunnel.name.clone())
    }
}
