//! Makes the running router match a configuration: at start, and again at each reload.
//!
//! A reload changes what differs and leaves every other tunnel alone. A file with errors, or with a change that needs
//! a restart, changes nothing. A tunnel that can't be made (its interface's name is taken, say, or its outside address is
//! yet to come) is listed as down with the reason and tried again, and keeps no other tunnel waiting.

mod plan;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataplane::TunnelInterface;
use ipnet::IpNet;
use peering::StopReason;
use rib::PeerId;
use settings::{Router, Tunnel};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wire::ipsec::TunnelId;

use self::plan::{NOTHING, Plan, refuse_restart_only};
use super::coupling::Coupling;
use super::engine::Engine;
use super::neighbors::Neighborhood;
use super::pools::Pools;
use super::topology::{Part, Topology, Trouble, Unmade};
use super::watches::WatchNumbers;
use super::{flows, ike_task, rib_task};
use telemetry::report::Reporter;
use view::answer::ControlError;
use view::rendered_report;

/// How long a session gets to say goodbye.
const SESSION_END: Duration = Duration::from_secs(2);

/// How long the kernel gets to take over other routes.
const SETTLES: Duration = Duration::from_secs(2);

/// What a reload came to: what changed in words, or why nothing did.
pub type ReloadOutcome = Result<String, ControlError>;

/// Somebody asks for a reload and waits for its outcome.
#[derive(Debug)]
pub(super) struct ReloadRequest {
    pub(super) reply: oneshot::Sender<ReloadOutcome>,
}

/// Those who make the parts of tunnels and sessions.
#[derive(Debug)]
pub(super) struct Makers {
    pub(super) dataplane: Engine,
    pub(super) ike: mpsc::Sender<ike_task::Command>,
    pub(super) rib: mpsc::Sender<rib_task::Command>,
    pub(super) coupling: Coupling,
    pub(super) neighborhood: Neighborhood,
    pub(super) pools: Pools,
}

/// The one who starts and ends tunnels.
#[derive(Debug)]
pub(super) struct Supervisor {
    file: PathBuf,
    pub(super) topology: watch::Sender<Arc<Topology>>,
    dataplane: Engine,
    ike: mpsc::Sender<ike_task::Command>,
    pub(super) rib: mpsc::Sender<rib_task::Command>,
    pub(super) reporter: Reporter,
    /// A predecessor left routes in the kernel.
    pub(super) restarted: bool,
    pub(super) sessions: BTreeMap<PeerId, JoinHandle<()>>,
    pub(super) coupling: Coupling,
    pub(super) neighborhood: Neighborhood,
    pub(super) watch_numbers: WatchNumbers,
    pools: Pools,
}

impl Supervisor {
    pub(super) fn new(
        file: PathBuf,
        topology: watch::Sender<Arc<Topology>>,
        makers: Makers,
        reporter: Reporter,
    ) -> Self {
        let Makers { dataplane, ike, rib, coupling, neighborhood, pools } = makers;
        let (sessions, restarted, watch_numbers) = (BTreeMap::new(), false, WatchNumbers::default());
        Self {
            file,
            topology,
            dataplane,
            ike,
            rib,
            reporter,
            restarted,
            sessions,
            coupling,
            neighborhood,
            watch_numbers,
            pools,
        }
    }

    /// Starts every tunnel of a router that has none yet. If a predecessor left routes in the kernel (`restarted`), peers
    /// are asked to keep ours (RFC 4724 4.1).
    ///
    /// # Errors
    /// When no tunnel can be made, and not only since its outside address is yet to come.
    pub(super) async fn apply_first(&mut self, router: &Router, restarted: bool) -> Result<(), dataplane::Error> {
        self.restarted = restarted;
        self.tell_rib(rib_task::Command::Sources(router.statics.clone(), router.connected.clone())).await;
        self.tell_flows();
        let mut failure = None;
        for tunnel in &router.tunnels {
            let error = self.try_add(tunnel, router).await;
            failure = failure.or(error.filter(|error| !error.is_absent_address()));
        }
        // Where none can be made, it is the machine that lacks something.
        if let Some(failure) = failure.filter(|_| self.topology.borrow().tunnels.is_empty()) {
            return Err(failure);
        }
        self.pools.apply(&router.pools).await;
        drop(self.ike.send(ike_task::Command::Listen).await);
        Ok(())
    }

    /// Reads the file again and applies what differs.
    pub(super) async fn reload(&mut self) -> ReloadOutcome {
        let loaded = config::load(&self.file)
            .map_err(|report| ControlError::Configuration { report: rendered_report(&report) })?;
        let mut router = loaded.router;
        let current = self.topology.borrow().clone();
        refuse_restart_only(&current.router, &router)?;
        router.keep_ids(&current.router);
        router.keep_hits(&current.router);
        let plan = Plan::between(&current, &router);
        let mut summary = plan.summary();
        let router = Arc::new(router);
        // Flows that come, and the exceptions among them, are there before the tunnels are, and those that go stay.
        self.change_topology(|topology| topology.next = Some(Arc::clone(&router)));
        self.tell_flows();
        let (old, new) = (&current.router, &router);
        let moves = leads_otherwise(old, new);
        if moves {
            self.wait_settled().await;
        }
        self.carry_out(plan, &router).await;
        self.end_watches(&new.watches).await;
        let neighbors = self.change_neighbors(old, new).await;
        let sources = (old.statics != new.statics || old.watches != new.watches || old.connected != new.connected)
            .then(|| "static and connected routes changed".to_owned());
        self.tell_rib(rib_task::Command::Sources(new.statics.clone(), new.connected.clone())).await;
        if moves {
            self.wait_settled().await;
        }
        let pools = self.pools.apply(&router.pools).await;
        for part in neighbors.into_iter().chain(sources).chain(pools) {
            summary = if summary == NOTHING { part } else { format!("{summary}; {part}") };
        }
        self.change_topology(|topology| (topology.router, topology.next) = (Arc::clone(&router), None));
        self.tell_flows();
        self.tell_who_is_wanted().await;
        self.place_neighbors().await;
        self.place_watches().await;
        let unmade = self.topology.borrow().unmade.clone();
        if unmade.is_empty() {
            return Ok(summary);
        }
        let failed = unmade.values().map(|unmade| format!("{}: {}", unmade.tunnel.name, unmade.trouble.text));
        Err(ControlError::PartlyApplied { summary, failed: failed.collect::<Vec<_>>().join("; ") })
    }

    /// Waits until what leads into tunnels from now on is in the kernel, so that what led there can go without a packet in
    /// between going elsewhere. A kernel that takes longer, with a full table on its way, keeps nobody waiting for ever.
    async fn wait_settled(&self) {
        let settled = async {
            rib_task::passed(&self.rib).await;
            self.coupling.fib.settled().await;
        };
        if tokio::time::timeout(SETTLES, settled).await.is_err() {
            tracing::warn!("the kernel is busy: what is protected may go by other routes for a moment");
        }
    }

    /// Makes a tunnel anew whose interface was taken away. That may be said more than once: one that is there stays.
    pub(super) async fn restart(&mut self, id: TunnelId) {
        let Some(part) = self.topology.borrow().tunnels.get(&id).cloned() else { return };
        let ifindex = self.dataplane.interface(id).map(|info| info.ifindex);
        if nix::net::if_::if_nametoindex(part.tunnel.interface.as_str()).ok() == ifindex && ifindex.is_some() {
            return;
        }
        self.remove(id, StopReason::ConfigurationChanged).await;
        let router = Arc::clone(&self.topology.borrow().router);
        drop(self.try_add(&part.tunnel, &router).await);
    }

    /// Tries again to make what could not be made.
    pub(super) async fn retry_unmade(&mut self) {
        let (unmade, router) = {
            let topology = self.topology.borrow();
            (topology.unmade.clone(), Arc::clone(&topology.router))
        };
        for Unmade { tunnel, .. } in unmade.values() {
            drop(self.try_add(tunnel, &router).await);
        }
    }

    /// Ends every session with a NOTIFICATION and waits until it is out; or without, if we will be back and the peer
    /// keeps our routes meanwhile (RFC 4724 4.1).
    pub(super) async fn stop_sessions(&mut self, returning: bool) {
        let topology = self.topology.borrow().clone();
        for part in topology.tunnels.values() {
            let Some(session) = &part.tunnel.bgp else { continue };
            let reason = farewell(returning, session);
            self.end_session(part, reason).await;
        }
        for part in topology.neighbors.values() {
            let reason = farewell(returning, &part.session);
            drop(part.handle.commands.send(session::Command::Shutdown(reason)).await);
        }
        for (_, task) in std::mem::take(&mut self.sessions) {
            drop(tokio::time::timeout(SESSION_END, task).await);
        }
    }

    async fn carry_out(&mut self, plan: Plan, router: &Router) {
        let returns = |id: &TunnelId| plan.add.iter().any(|tunnel| tunnel.id == *id);
        for id in &plan.remove {
            let reason = if returns(id) { StopReason::ConfigurationChanged } else { StopReason::Deconfigured };
            self.remove(*id, reason).await;
        }
        self.change_topology(|topology| topology.unmade.clear());
        self.tell_rib(rib_task::Command::Reconfigure(Box::new(router.rib.clone()))).await;
        for tunnel in &plan.add {
            drop(self.try_add(tunnel, router).await);
        }
        for tunnel in plan.policy {
            self.change_policy(tunnel).await;
        }
        for tunnel in plan.credentials {
            self.change_credentials(tunnel).await;
        }
    }

    /// Renewed certificates: the tunnel stays up, and the ends authenticate anew.
    async fn change_credentials(&mut self, tunnel: Tunnel) {
        let (id, auth) = (tunnel.id, Box::new(tunnel.ike.auth.clone()));
        self.change_policy(tunnel).await;
        drop(self.ike.send(ike_task::Command::Credentials { tunnel: id, auth }).await);
    }

    /// Makes a tunnel, or keeps it in mind and returns why. One tunnel that can't be made must not keep others from being
    /// made.
    async fn try_add(&mut self, tunnel: &Tunnel, router: &Router) -> Option<dataplane::Error> {
        let error = self.add(tunnel, router).await.err();
        let trouble = error.as_ref().map(Trouble::new);
        if let Some((error, trouble)) = error.as_ref().zip(trouble.as_ref()) {
            self.reporter.tunnel_not_made(&tunnel.name, error, &trouble.remedy);
        }
        self.change_topology(|topology| match trouble {
            None => drop(topology.unmade.remove(&tunnel.id)),
            Some(trouble) => {
                let since = topology.unmade.get(&tunnel.id).map_or_else(Instant::now, |unmade| unmade.since);
                topology.unmade.insert(tunnel.id, Unmade { tunnel: Arc::new(tunnel.clone()), trouble, since });
            }
        });
        error
    }

    async fn add(&mut self, tunnel: &Tunnel, router: &Router) -> Result<(), dataplane::Error> {
        dataplane::require_address(tunnel.ike.local)?;
        let interface = TunnelInterface {
            name: tunnel.interface.clone(),
            addresses: inside_addresses(tunnel),
            peer: Some(tunnel.inside.peer),
            mtu: tunnel.mtu,
            outer: tunnel.outer,
        };
        let interface = self.dataplane.add_tunnel(tunnel.id, interface).await?;
        let session = match &tunnel.bgp {
            Some(bgp) => {
                let policy = Box::new(bgp.policy.clone());
                self.tell_rib(rib_task::Command::AddPeer { peer: bgp.id, policy }).await;
                let (rib, reporter) = (self.rib.clone(), self.reporter.clone());
                let (handle, task) = session::spawn(bgp, session::Life::Configured, self.restarted, rib, reporter);
                self.sessions.insert(bgp.id, task);
                Some(handle)
            }
            None => None,
        };
        let known = rib::Interface { name: tunnel.interface.clone(), addresses: inside_addresses(tunnel) };
        self.tell_rib(rib_task::Command::Interface { link: tunnel.id.into(), interface: Some(known) }).await;
        let part = Part { tunnel: Arc::new(tunnel.clone()), interface, session };
        self.set_part(tunnel.id, Some(part.clone()));
        self.coupling.watch(&part, None, tunnel.bgp.as_ref()).await;
        self.reporter.tunnel_added(tunnel);
        let (config, eager) = (Box::new(tunnel.ike.clone()), is_wanted(tunnel, router));
        drop(self.ike.send(ike_task::Command::Add { tunnel: tunnel.id, config, eager }).await);
        Ok(())
    }

    /// A tunnel that stayed may have static routes now, or none any more.
    async fn tell_who_is_wanted(&self) {
        let topology = self.topology.borrow().clone();
        for (id, part) in &topology.tunnels {
            let eager = is_wanted(&part.tunnel, &topology.router);
            drop(self.ike.send(ike_task::Command::Eager { tunnel: *id, eager }).await);
        }
    }

    async fn remove(&mut self, id: TunnelId, reason: StopReason) {
        let Some(part) = self.topology.borrow().tunnels.get(&id).cloned() else { return };
        self.end_session(&part, reason).await;
        self.coupling.watch(&part, part.tunnel.bgp.as_ref(), None).await;
        if let Some(session) = &part.tunnel.bgp {
            self.finish_session(session.id).await;
        }
        let (done, removed) = oneshot::channel();
        if self.ike.send(ike_task::Command::Remove { tunnel: id, done }).await.is_ok() {
            drop(removed.await);
        }
        if let Some(session) = &part.tunnel.bgp {
            self.tell_rib(rib_task::Command::RemovePeer { peer: session.id }).await;
        }
        self.tell_rib(rib_task::Command::Interface { link: id.into(), interface: None }).await;
        if let Err(error) = self.dataplane.remove_tunnel(id).await {
            tracing::warn!(tunnel = part.tunnel.name, %error, "interface not removed");
        }
        self.set_part(id, None);
    }

    async fn change_policy(&mut self, tunnel: Tunnel) {
        let Some(part) = self.topology.borrow().tunnels.get(&tunnel.id).cloned() else { return };
        if let Some(bgp) = &tunnel.bgp {
            let policy = Box::new(bgp.policy.clone());
            self.tell_rib(rib_task::Command::SetPolicy { peer: bgp.id, policy }).await;
            let old = part.tunnel.bgp.as_ref();
            if let Some(handle) = part.session.as_ref().filter(|_| old.is_some_and(|old| differs(old, bgp))) {
                let command = session::Command::Reconfigure(Box::new(bgp.peer.clone()), bgp.transport.clone());
                drop(handle.commands.send(command).await);
            }
        }
        let next = Part { tunnel: Arc::new(tunnel), ..part.clone() };
        self.set_part(next.tunnel.id, Some(next.clone()));
        self.coupling.watch(&next, part.tunnel.bgp.as_ref(), next.tunnel.bgp.as_ref()).await;
    }

    async fn end_session(&self, part: &Part, reason: StopReason) {
        if let Some(session) = &part.session {
            drop(session.commands.send(session::Command::Shutdown(reason)).await);
        }
    }

    /// Waits until a session has said goodbye, but not for ever.
    pub(super) async fn finish_session(&mut self, id: PeerId) {
        if let Some(task) = self.sessions.remove(&id) {
            drop(tokio::time::timeout(SESSION_END, task).await);
        }
    }

    pub(super) async fn tell_rib(&self, command: rib_task::Command) {
        drop(self.rib.send(command).await);
    }

    fn set_part(&self, id: TunnelId, part: Option<Part>) {
        self.change_topology(|topology| match part {
            Some(part) => drop(topology.tunnels.insert(id, part)),
            None => drop(topology.tunnels.remove(&id)),
        });
        self.tell_flows();
    }

    fn tell_flows(&self) {
        flows::tell(&self.topology.borrow(), &self.coupling.fib);
    }

    pub(super) fn change_topology(&self, change: impl FnOnce(&mut Topology)) {
        self.topology.send_modify(|topology| {
            let mut next = Topology::clone(topology);
            change(&mut next);
            *topology = Arc::new(next);
        });
    }
}

/// Whether packets get into a tunnel in another way: by routes that were by protected flows, or the reverse.
fn leads_otherwise(old: &Router, new: &Router) -> bool {
    let flows = |router: &Router| -> BTreeMap<String, Option<settings::Protected>> {
        router.tunnels.iter().map(|tunnel| (tunnel.name.clone(), tunnel.protected.clone())).collect()
    };
    flows(old) != flows(new)
}

/// Whether there is always traffic for a tunnel: it is brought up without waiting for some.
fn is_wanted(tunnel: &Tunnel, router: &Router) -> bool {
    let connects = tunnel.bgp.as_ref().is_some_and(|session| !session.peer.passive);
    connects || router.has_static_routes(tunnel)
}

/// Our inside addresses with the length of their link.
fn inside_addresses(tunnel: &Tunnel) -> Vec<IpNet> {
    let mut addresses = Vec::new();
    addresses.extend(IpNet::new(tunnel.inside.local, tunnel.inside.prefix.prefix_len()));
    addresses.extend(tunnel.inside6.and_then(|link| IpNet::new(link.local.into(), link.prefix.prefix_len()).ok()));
    addresses
}

/// How to leave a peer: without a word if we will be back, and it keeps our routes meanwhile (RFC 4724 4.1). In a tunnel
/// it had better not: nothing comes through before the next key exchange, and there may be another way.
fn farewell(returning: bool, session: &settings::Session) -> StopReason {
    let forwards = session.policy.reach != rib::Reach::Tunnel;
    match session.peer.offers.graceful_restart {
        Some(restart) if returning && forwards && restart.time.is_some() => StopReason::Restarting,
        Some(_) | None => StopReason::AdminShutdown("router is stopping".to_owned()),
    }
}

/// Whether the speaker has something to take over.
fn differs(old: &settings::Session, new: &settings::Session) -> bool {
    old.peer != new.peer || old.transport != new.transport
}
