//! The owners of the router's state, and what can be asked of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bgp::Family;
use fib::Fib;
use ike::{EndpointCounters, Stranger};
use negotiation::TunnelStatus;
use rib::{PeerId, Rib};
use tokio::sync::{mpsc, oneshot, watch};
use view::answer::ControlError;
use wire::ipsec::TunnelId;

use super::engine::Engine;
use super::reload::{ReloadOutcome, ReloadRequest};
use super::topology::{Topology, TopologyReader};
use super::{bfd_task, ike_task, pools, rib_task, steering_task};

/// Where the owners of the router's state are reached.
///
/// Whatever is asked of them ends in [`ControlError::Stopping`] once they are gone.
#[derive(Clone, Debug)]
pub struct Owners {
    pub(super) ike: mpsc::Sender<ike_task::Command>,
    pub(super) rib: mpsc::Sender<rib_task::Command>,
    pub(super) bfd: bfd_task::Handle,
    pub(super) steering: steering_task::Handle,
    pub(super) pools: watch::Receiver<pools::Reports>,
    pub(super) reload: mpsc::Sender<ReloadRequest>,
    /// The kernel's routes.
    pub fib: Fib,
    /// SAs and interfaces.
    pub dataplane: Engine,
    /// What is configured, and where the tasks of its parts are.
    pub topology: TopologyReader,
    /// The configuration file.
    pub file: Arc<Path>,
    /// When the process began.
    pub started: Instant,
    /// What is wrong with the machine.
    pub warnings: Arc<[String]>,
}

impl Owners {
    /// How IKE sees every tunnel.
    ///
    /// # Errors
    /// [`ControlError::Stopping`]; so for the others.
    pub async fn ike_statuses(&self) -> Result<BTreeMap<TunnelId, TunnelStatus>, ControlError> {
        self.ask_ike(|reply| ike_task::Command::Status { reply }).await
    }

    /// Who asked IKE without proving who they are.
    pub async fn strangers(&self) -> Result<(EndpointCounters, Vec<Stranger>), ControlError> {
        self.ask_ike(|reply| ike_task::Command::Strangers { reply }).await
    }

    /// The pools of remote clients, by name.
    #[must_use]
    pub fn pools(&self) -> Vec<Arc<pools::Report>> {
        self.pools.borrow().values().cloned().collect()
    }

    /// Deletes a tunnel's SAs and negotiates anew.
    pub async fn reset_tunnel(&self, tunnel: TunnelId) -> Result<(), ControlError> {
        self.tell_ike(ike_task::Command::Reset { tunnel }).await
    }

    /// Renews the keys of a tunnel's CHILD SAs.
    pub async fn rekey_child(&self, tunnel: TunnelId) -> Result<(), ControlError> {
        self.tell_ike(ike_task::Command::RekeyChild { tunnel }).await
    }

    /// Renews the keys of a tunnel's IKE SA.
    pub async fn rekey_ike(&self, tunnel: TunnelId) -> Result<(), ControlError> {
        self.tell_ike(ike_task::Command::RekeyIke { tunnel }).await
    }

    /// Reads the routing tables: the closure runs where they are, so that readers share nothing with their owner.
    pub async fn read_rib<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Rib) -> T + Send + 'static,
    ) -> Result<T, ControlError> {
        rib_task::read(&self.rib, question).await.ok_or(ControlError::Stopping)
    }

    /// Announces a session's routes again.
    pub async fn announce_again(&self, peer: PeerId, family: Family) -> Result<(), ControlError> {
        self.tell_rib(rib_task::Command::Refresh { peer, family }).await
    }

    /// Has traffic leave a session (RFC 8326), or come back.
    pub async fn set_draining(&self, peer: PeerId, draining: bool) -> Result<(), ControlError> {
        self.tell_rib(rib_task::Command::SetDraining { peer, draining }).await
    }

    /// How every session that runs sees itself.
    pub async fn session_statuses(&self, topology: &Topology) -> BTreeMap<PeerId, peering::PeerStatus> {
        let mut statuses = BTreeMap::new();
        for (id, session) in topology.sessions() {
            let (reply, answer) = oneshot::channel();
            if session.commands.send(session::Command::Status(reply)).await.is_ok()
                && let Ok(status) = answer.await
            {
                statuses.insert(id, status);
            }
        }
        statuses
    }

    /// All BFD sessions.
    pub async fn bfd(&self) -> Result<bfd_task::Report, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.bfd.send(bfd_task::Command::Status(reply)).await.map_err(|_| ControlError::Stopping)?;
        answer.await.map_err(|_| ControlError::Stopping)
    }

    /// All connections and probes.
    pub async fn connections(&self) -> Result<steering_task::Report, ControlError> {
        self.ask_steering(steering_task::Command::Status).await
    }

    /// Moves a connection's traffic to a tunnel, or to the best that does not carry it; which one, or why not.
    pub async fn switch_connection(
        &self,
        connection: String,
        to: Option<TunnelId>,
    ) -> Result<Result<TunnelId, steering::Refusal>, ControlError> {
        self.ask_steering(|reply| steering_task::Command::Switch { connection, to, reply }).await
    }

    /// Leaves a connection to its rules again; whether the operator had chosen.
    pub async fn release_connection(&self, connection: String) -> Result<bool, ControlError> {
        self.ask_steering(|reply| steering_task::Command::Release { connection, reply }).await
    }

    /// Reads the configuration file again.
    ///
    /// # Errors
    /// When the file cannot be applied: with [`ControlError::PartlyApplied`] it is in force but for tunnels that cannot be
    /// made, with anything else nothing was changed.
    pub async fn reload(&self) -> ReloadOutcome {
        let (reply, answer) = oneshot::channel();
        self.reload.send(ReloadRequest { reply }).await.map_err(|_| ControlError::Stopping)?;
        answer.await.map_err(|_| ControlError::Stopping)?
    }

    async fn ask_ike<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> ike_task::Command,
    ) -> Result<T, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.tell_ike(question(reply)).await?;
        answer.await.map_err(|_| ControlError::Stopping)
    }

    async fn tell_ike(&self, command: ike_task::Command) -> Result<(), ControlError> {
        self.ike.send(command).await.map_err(|_| ControlError::Stopping)
    }

    async fn tell_rib(&self, command: rib_task::Command) -> Result<(), ControlError> {
        self.rib.send(command).await.map_err(|_| ControlError::Stopping)
    }

    async fn ask_steering<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> steering_task::Command,
    ) -> Result<T, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.steering.send(question(reply)).await.map_err(|_| ControlError::Stopping)?;
        answer.await.map_err(|_| ControlError::Stopping)
    }
}
