//! What is configured and where its tasks are: read by everyone, written by the supervisor alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use config::{Router, Tunnel};
use dataplane::InterfaceInfo;
use tokio::sync::watch;
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
    pub(super) fn by_name(&self, name: &str) -> Option<(TunnelId, &Part)> {
        self.tunnels.iter().find(|(_, part)| part.tunnel.name == name).map(|(id, part)| (*id, part))
    }
}

impl TunnelNames for Topology {
    fn name(&self, id: TunnelId) -> String {
        self.tunnels.get(&id).map_or_else(|| id.to_string(), |part| part.tunnel.name.clone())
    }
}
