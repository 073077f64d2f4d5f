//! What is configured and where its tasks are: read by everyone, written by the supervisor alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use config::{Router, Tunnel};
use dataplane::InterfaceInfo;
use rib::PeerId;
use tokio::sync::watch;
use wire::LinkId;
use wire::ipsec::TunnelId;

use super::session;
use crate::telemetry::report::TunnelNames;

/// The router's parts at one moment.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    /// The configuration in force.
    pub(super) router: Arc<Router>,
    /// Tunnels by number.
    pub(super) tunnels: BTreeMap<TunnelId, Part>,
    /// Tunnels that could not be made; tried again by the supervisor.
    pub(super) unmade: BTreeMap<TunnelId, Unmade>,
}

/// A tunnel that could not be made.
#[derive(Clone, Debug)]
pub(super) struct Unmade {
    pub(super) tunnel: Arc<Tunnel>,
    pub(super) error: String,
    pub(super) since: Instant,
}

/// One tunnel's parts.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) tunnel: Arc<Tunnel>,
    pub(super) interface: InterfaceInfo,
    pub(super) session: Option<session::Handle>,
}

/// How the others see it.
pub(super) type TopologyReader = watch::Receiver<Arc<Topology>>;

impl Topology {
    /// Every running session, by number.
    pub(super) fn sessions(&self) -> impl Iterator<Item = (PeerId, &session::Handle)> {
        self.tunnels.values().filter_map(|part| Some((part.tunnel.bgp.as_ref()?.id, part.session.as_ref()?)))
    }

    pub(super) fn session(&self, peer: PeerId) -> Option<&session::Handle> {
        self.sessions().find(|(id, _)| *id == peer).map(|(_, handle)| handle)
    }

    /// What the user calls a session; its number, if it is gone.
    pub(super) fn session_name(&self, peer: PeerId) -> String {
        let mut configured = self.tunnels.values().filter_map(|part| part.tunnel.bgp.as_ref());
        configured.find(|session| session.id == peer).map_or_else(|| peer.0.to_string(), |session| session.name.clone())
    }

    /// What the user calls what packets leave through.
    pub(super) fn link_name(&self, link: LinkId) -> String {
        link.tunnel().map_or_else(|| link.to_string(), |tunnel| self.name(tunnel))
    }

    /// The interface behind it, if it still exists.
    pub(super) fn link_interface(&self, link: LinkId) -> String {
        let part = link.tunnel().and_then(|tunnel| self.tunnels.get(&tunnel));
        part.map_or_else(String::new, |part| part.tunnel.interface.clone())
    }

    pub(super) fn by_name(&self, name: &str) -> Option<(TunnelId, &Part)> {
        self.tunnels.iter().find(|(_, part)| part.tunnel.name == name).map(|(id, part)| (*id, part))
    }
}

impl TunnelNames for Topology {
    fn name(&self, id: TunnelId) -> String {
        self.tunnels.get(&id).map_or_else(|| id.to_string(), |part| part.tunnel.name.clone())
    }
}
