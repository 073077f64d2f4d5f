//! The router's answering side: asks the tasks that own the state and puts their answers together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use dataplane::{Dataplane, EngineCounters};
use ipnet::IpNet;
use tokio::sync::{mpsc, oneshot};
use wire::ipsec::TunnelId;

use super::neighbors::NeighborPart;
use super::reload::ReloadRequest;
use super::topology::{Part, Topology, TopologyReader};
use super::{bfd_task, flows, ike_task, rib_task, session, steering_task, views};
use crate::explain::ProbeError;
use crate::view::{BfdView, FibView, FlowView, PeerView, RouteView, StaticView, StatusView, StrangersView, TunnelView};

/// Why a request could not be met.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// No tunnel of this name.
    #[error("there is no tunnel `{name}`; there are {known}")]
    NoTunnel {
        /// The name asked for.
        name: String,
        /// Configured names.
        known: String,
    },
    /// The tunnel has no BGP session.
    #[error("tunnel `{name}` has no BGP session")]
    NoSession {
        /// The tunnel.
        name: String,
    },
    /// No route to this prefix.
    #[error("no path to {prefix} is known")]
    NoRoute {
        /// The prefix asked for.
        prefix: IpNet,
    },
    /// No session of this name.
    #[error("there is no BGP session `{name}`; there are {known}")]
    NoSuchSession {
        /// The name asked for.
        name: String,
        /// Configured names.
        known: String,
    },
    /// No connection of this name.
    #[error("there is no connection `{name}`; there are {known}")]
    NoConnection {
        /// The name asked for.
        name: String,
        /// Configured names.
        known: String,
    },
    /// A connection's traffic cannot be moved.
    #[error("connection `{name}` is not switched: {reason}")]
    NotSwitched {
        /// The connection.
        name: String,
        /// What speaks against it.
        reason: String,
        /// What to do about that.
        remedy: &'static str,
    },
    /// A made-up route cannot be judged.
    #[error(transparent)]
    Probe(ProbeError),
    /// The router is on its way out.
    #[error("the router is stopping")]
    Stopping,
    /// The configuration has errors; nothing was changed.
    #[error("the configuration has errors, nothing was changed\n{report}")]
    Configuration {
        /// All errors, rendered.
        report: String,
    },
    /// The configuration is in force, but for some tunnels.
    #[error("applied ({summary}), but these tunnels cannot be made: {failed}")]
    PartlyApplied {
        /// What changed.
        summary: String,
        /// Tunnels and why.
        failed: String,
    },
    /// There is nothing to renew or reset.
    #[error("tunnel `{name}` is not up")]
    NotUp {
        /// The tunnel.
        name: String,
    },
    /// The configuration is right but can't be applied.
    #[error("not applied: {reason}")]
    Apply {
        /// What stands in the way.
        reason: String,
    },
}

impl ControlError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::NoTunnel { .. } => "use a name from `quadspan show tunnels`",
            Self::NoConnection { .. } => "use a name from `quadspan show connections`",
            Self::NotSwitched { remedy, .. } => remedy,
            Self::NoSuchSession { .. } => "use a name from `quadspan show peers`",
            Self::Probe(error) => error.remedy(),
            Self::NoSession { .. } => "give the tunnel a `bgp:` section and reload",
            Self::NoRoute { .. } => "see `quadspan show routes` for what is known; a prefix must match exactly",
            Self::Stopping => "start it again with `quadspan run FILE`",
            Self::Configuration { .. } => "correct the file; `quadspan check FILE` shows the same errors",
            Self::PartlyApplied { .. } => "free what stands in the way; they are tried again every few seconds",
            Self::NotUp { .. } => "see `quadspan show tunnels` for why",
            Self::Apply { .. } => "restart the router to apply the file",
        }
        .to_owned()
    }
}

/// A handle on the running router for the control socket and the scrape.
#[derive(Clone, Debug)]
pub struct Control {
    pub(super) ike: mpsc::Sender<ike_task::Command>,
    pub(super) rib: mpsc::Sender<rib_task::Command>,
    pub(super) bfd: bfd_task::Handle,
    pub(super) steering: steering_task::Handle,
    pub(super) fib: fib::Fib,
    pub(super) dataplane: Dataplane,
    pub(super) topology: TopologyReader,
    pub(super) reload: mpsc::Sender<ReloadRequest>,
    pub(super) file: Arc<Path>,
    pub(super) started: Instant,
    pub(super) warnings: Arc<[String]>,
}

impl Control {
    /// The router as a whole.
    ///
    /// # Errors
    /// [`ControlError::Stopping`]; so for the other readers.
    pub async fn status(&self) -> Result<StatusView, ControlError> {
        let (tunnels, peers) = (self.tunnels().await?, self.peers().await?);
        let totals = self.read_rib(rib::Rib::totals).await?;
        let routing = views::routing(totals, &self.fib.status());
        let topology = self.topology.borrow().clone();
        Ok(StatusView {
            router: views::router(&topology.router, &self.file, self.started, &self.warnings),
            verdict: views::note_connections(
                views::verdict(&topology.router, &tunnels, &peers, &routing),
                &self.connections().await?,
            ),
            tunnels,
            peers,
            routing,
        })
    }

    /// Every configured tunnel.
    pub async fn tunnels(&self) -> Result<Vec<TunnelView>, ControlError> {
        let topology = self.topology.borrow().clone();
        let ike = self.ike_statuses().await?;
        let bgp = self.session_statuses(&topology).await;
        let now = Instant::now();
        let view = |(id, part): (&TunnelId, &Part)| {
            let counters = self.dataplane.counters(*id).unwrap_or_default();
            let interface = self.dataplane.interface(*id).unwrap_or(part.interface);
            let sas = self.dataplane.sas(*id);
            let session = part.tunnel.bgp.as_ref().and_then(|session| bgp.get(&session.id));
            views::tunnel(part, interface, ike.get(id), session, &counters, &sas, now)
        };
        let unmade = topology.unmade.values().map(|unmade| views::unmade_tunnel(unmade, now));
        Ok(topology.tunnels.iter().map(view).chain(unmade).collect())
    }

    /// Every configured session.
    pub async fn peers(&self) -> Result<Vec<PeerView>, ControlError> {
        let topology = self.topology.borrow().clone();
        let statuses = self.session_statuses(&topology).await;
        let ids: Vec<rib::PeerId> = statuses.keys().copied().collect();
        let counts = self
            .read_rib(move |rib| -> BTreeMap<rib::PeerId, rib::PeerCounts> {
                ids.iter().filter_map(|id| Some((*id, rib.counts(*id)?))).collect()
            })
            .await?;
        let draining = self.draining().await?;
        let draining: Vec<String> = draining.into_iter().map(|id| topology.session_name(id)).collect();
        let now = Instant::now();
        let view = |part: &Part| {
            let id = part.tunnel.bgp.as_ref()?.id;
            let session = part.tunnel.bgp.as_ref()?;
            Some(views::session(session, statuses.get(&id)?, counts.get(&id).copied().unwrap_or_default(), now))
        };
        let beyond = |(id, part): (&rib::PeerId, &NeighborPart)| {
            let counts = counts.get(id).copied().unwrap_or_default();
            Some(views::neighbor(part, views::session(&part.session, statuses.get(id)?, counts, now)))
        };
        let views = topology.tunnels.values().filter_map(view).chain(topology.neighbors.iter().filter_map(beyond));
        let drained = |view: PeerView| PeerView { draining: view.draining || draining.contains(&view.tunnel), ..view };
        Ok(views.map(drained).collect())
    }

    /// All prefixes, or one, with every path.
    pub async fn routes(&self, prefix: Option<IpNet>) -> Result<Vec<RouteView>, ControlError> {
        let routes = self.read_rib(move |rib| views::routes(rib, prefix)).await?;
        match prefix {
            Some(prefix) if routes.is_empty() => Err(ControlError::NoRoute { prefix }),
            Some(_) | None => Ok(routes),
        }
    }

    /// The static routes, those not in use with the reason.
    pub async fn statics(&self) -> Result<Vec<StaticView>, ControlError> {
        let topology = self.topology.borrow().clone();
        self.read_rib(move |rib| rib.statics().map(|view| views::static_route(&view, &topology)).collect()).await
    }

    /// What each tunnel carries, network by network.
    pub async fn flows(&self) -> Result<Vec<FlowView>, ControlError> {
        let topology = self.topology.borrow().clone();
        let (statuses, rules) = (self.ike_statuses().await?, self.fib.snapshot().await.flows);
        Ok(flows::views(&topology, &statuses, &rules, |id| self.dataplane.sas(id), Instant::now()))
    }

    /// What the kernel has from us.
    pub async fn fib(&self) -> Result<FibView, ControlError> {
        let topology = self.topology.borrow().clone();
        Ok(views::fib(&self.fib.snapshot().await, &topology))
    }

    /// Reads the configuration file again.
    ///
    /// # Errors
    /// Anything but a missing tunnel; then nothing was changed.
    pub async fn reload(&self) -> Result<String, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.reload.send(ReloadRequest { reply }).await.map_err(|_| ControlError::Stopping)?;
        answer.await.map_err(|_| ControlError::Stopping)?
    }

    /// Deletes a tunnel's SAs and negotiates anew.
    ///
    /// # Errors
    /// When there is no such tunnel; so for the other actions.
    pub async fn reset_tunnel(&self, name: &str) -> Result<String, ControlError> {
        let tunnel = self.tunnel(name)?;
        self.tell_ike(ike_task::Command::Reset { tunnel }).await?;
        Ok(format!("tunnel {name}: SAs deleted, negotiating anew"))
    }

    /// Renews the CHILD SA's keys.
    pub async fn rekey_child(&self, name: &str) -> Result<String, ControlError> {
        let tunnel = self.live_tunnel(name).await?;
        self.tell_ike(ike_task::Command::RekeyChild { tunnel }).await?;
        Ok(format!("tunnel {name}: rekeying the CHILD SA"))
    }

    /// Renews the IKE SA's keys.
    pub async fn rekey_ike(&self, name: &str) -> Result<String, ControlError> {
        let tunnel = self.live_tunnel(name).await?;
        self.tell_ike(ike_task::Command::RekeyIke { tunnel }).await?;
        Ok(format!("tunnel {name}: rekeying the IKE SA"))
    }

    /// Ends a BGP session and opens it again, with a text for the peer's operator (RFC 9003).
    pub async fn reset_peer(&self, name: &str, reason: String) -> Result<String, ControlError> {
        self.tell_session(name, session::Command::Reset(reason)).await?;
        Ok(format!("{name}: BGP session reset"))
    }

    /// Keeps a BGP session down, with a text for the peer's operator (RFC 9003).
    pub async fn shut_down_peer(&self, name: &str, reason: String) -> Result<String, ControlError> {
        self.tell_session(name, session::Command::ShutDown(reason)).await?;
        Ok(format!("{name}: BGP session shut down until `quadspan bgp enable {name}`"))
    }

    /// Takes a shutdown back.
    pub async fn enable_peer(&self, name: &str) -> Result<String, ControlError> {
        self.tell_session(name, session::Command::Enable).await?;
        Ok(format!("{name}: BGP session enabled"))
    }

    /// Asks for the peer's routes again, or announces ours again, or both, without ending the session.
    pub async fn soft_reset_peer(&self, name: &str, inbound: bool, outbound: bool) -> Result<String, ControlError> {
        let (id, session) = self.session_named(name)?;
        for family in [bgp::Family::Ipv4Unicast, bgp::Family::Ipv6Unicast] {
            if inbound {
                drop(session.commands.send(session::Command::Refresh(family)).await);
            }
            if outbound {
                drop(self.rib.send(rib_task::Command::Refresh { peer: id, family }).await);
            }
        }
        let what = match (inbound, outbound) {
            (true, true) => "routes asked for and announced again",
            (true, false) => "routes asked for again",
            (false, _) => "routes announced again",
        };
        Ok(format!("{name}: {what}"))
    }

    async fn tell_session(&self, name: &str, command: session::Command) -> Result<(), ControlError> {
        let (_, session) = self.session_named(name)?;
        session.commands.send(command).await.map_err(|_| ControlError::Stopping)
    }

    fn session_named(&self, name: &str) -> Result<(rib::PeerId, session::Handle), ControlError> {
        let topology = self.topology.borrow();
        let mut sessions = topology.sessions().filter(|(id, _)| topology.session_name(*id) == name);
        let found = sessions.next().map(|(id, handle)| (id, handle.clone()));
        found.ok_or_else(|| ControlError::NoSession { name: name.to_owned() })
    }

    fn tunnel(&self, name: &str) -> Result<TunnelId, ControlError> {
        let topology = self.topology.borrow();
        topology.by_name(name).map(|(id, _)| id).ok_or_else(|| ControlError::NoTunnel {
            name: name.to_owned(),
            known: topology.tunnels.values().map(|part| part.tunnel.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    async fn live_tunnel(&self, name: &str) -> Result<TunnelId, ControlError> {
        let id = self.tunnel(name)?;
        let ike = self.ike_statuses().await?;
        let is_up = ike.get(&id).is_some_and(|status| status.state == negotiation::TunnelState::Up);
        if is_up { Ok(id) } else { Err(ControlError::NotUp { name: name.to_owned() }) }
    }

    /// Every BFD session.
    ///
    /// # Errors
    /// [`ControlError::Stopping`].
    pub async fn bfd(&self) -> Result<BfdView, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.bfd.send(bfd_task::Command::Status(reply)).await.map_err(|_| ControlError::Stopping)?;
        let report = answer.await.map_err(|_| ControlError::Stopping)?;
        Ok(views::bfd(&report, Instant::now()))
    }

    /// What the data plane counted that belongs to no tunnel.
    #[must_use]
    pub fn engine_counters(&self) -> EngineCounters {
        self.dataplane.engine_counters()
    }

    /// Who asked without proving who they are.
    ///
    /// # Errors
    /// [`ControlError::Stopping`].
    pub async fn strangers(&self) -> Result<StrangersView, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.tell_ike(ike_task::Command::Strangers { reply }).await?;
        let (counters, strangers) = answer.await.map_err(|_| ControlError::Stopping)?;
        let topology = self.topology.borrow().clone();
        Ok(views::strangers(&counters, &strangers, &topology, Instant::now()))
    }

    async fn ike_statuses(&self) -> Result<BTreeMap<TunnelId, negotiation::TunnelStatus>, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.tell_ike(ike_task::Command::Status { reply }).await?;
        answer.await.map_err(|_| ControlError::Stopping)
    }

    async fn tell_ike(&self, command: ike_task::Command) -> Result<(), ControlError> {
        self.ike.send(command).await.map_err(|_| ControlError::Stopping)
    }

    pub(super) async fn read_rib<T: Send + 'static>(
        &self,
        question: impl FnOnce(&rib::Rib) -> T + Send + 'static,
    ) -> Result<T, ControlError> {
        rib_task::read(&self.rib, question).await.ok_or(ControlError::Stopping)
    }

    async fn session_statuses(&self, topology: &Topology) -> BTreeMap<rib::PeerId, bgp::PeerStatus> {
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
}
