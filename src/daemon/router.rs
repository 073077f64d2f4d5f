//! Start, life and end of the router.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fib::{Fib, FibConfig};
use rib::PeerId;
use settings::Router;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wire::ipsec::TunnelId;

use super::coupling::Coupling;
use super::engine::Engine;
use super::error::StartError;
use super::host::HostSettings;
use super::interfaces::{self, Followers, Interfaces};
use super::neighbors::Neighborhood;
use super::owners::Owners;
use super::pools::Pools;
use super::reception::{Accepted, Reception};
use super::reload::{Makers, ReloadRequest, Supervisor};
use super::topology::Topology;
use super::{bfd_task, ike_task, rib_task, steering_task};
use telemetry::metrics::Metrics;
use telemetry::report::Reporter;

/// Events of the data plane waiting for IKE; a flood beyond it is dropped at the source.
const DATAPLANE_QUEUE: usize = 1024;
/// Reload requests waiting: one runs, few wait.
const RELOAD_QUEUE: usize = 4;
/// How often tunnels that could not be made are tried again.
const RETRY_UNMADE: Duration = Duration::from_secs(5);
/// How long peers get to take our DELETEs and Ceases before the sockets close.
const FAREWELL: Duration = Duration::from_millis(500);

/// How much longer than peers wait for us routes of a predecessor stay: until what the last of them says is in the kernel.
const RESTART_MARGIN: Duration = Duration::from_secs(60);

/// Runs the router described by `router`, read from `file`, until a signal tells it to stop. `answer` starts those who
/// answer for its owners; they end with it.
///
/// # Errors
/// [`StartError`]; then nothing is left behind.
pub async fn run(
    file: PathBuf,
    router: Router,
    signals: Signals,
    answer: impl FnOnce(Owners, Metrics) -> Vec<JoinHandle<()>>,
) -> Result<(), StartError> {
    let mut running = Running::start(file, router, signals, answer).await?;
    let outcome = running.live().await;
    running.stop().await;
    outcome
}

struct Running {
    supervisor: Supervisor,
    reloads: mpsc::Receiver<ReloadRequest>,
    lost_interfaces: mpsc::Receiver<TunnelId>,
    surroundings: Surroundings,
    fib: Fib,
    dataplane: Engine,
    ike: mpsc::Sender<ike_task::Command>,
    bfd: bfd_task::Handle,
    host: HostSettings,
    signals: Signals,
    ike_ended: JoinHandle<()>,
    rib_ended: oneshot::Receiver<()>,
    servers: Vec<JoinHandle<()>>,
    reporter: Reporter,
    /// We will be started again: routes stay in the kernel, and peers that can are to keep theirs (RFC 4724).
    returning: bool,
}

impl Running {
    async fn start(
        file: PathBuf,
        router: Router,
        signals: Signals,
        answer: impl FnOnce(Owners, Metrics) -> Vec<JoinHandle<()>>,
    ) -> Result<Self, StartError> {
        let started = Instant::now();
        let reporter = Reporter::new(Arc::new(Metrics::new()));
        reporter.starting(&router);

        let (events, dataplane_events) = mpsc::channel(DATAPLANE_QUEUE);
        let dataplane = Engine::start(&router, events)?;
        let (fib, fib_events) = start_fib(&router, &dataplane).await?;
        let host = HostSettings::apply(&router);

        let (topology, reader) = watch::channel(Arc::new(Topology::empty(router.clone())));
        let (rib, rib_commands) = rib_task::channel();
        let levels = rib_task::Levels::default();
        let (bfd, bfd_commands) = bfd_task::channel();
        let coupling = Coupling {
            fib: fib.clone(),
            rib: Arc::clone(&levels.states),
            topology: reader.clone(),
            bfd: bfd.clone(),
            gates: Arc::default(),
            facts: Arc::clone(&levels.facts),
            overruled: Arc::default(),
            reporter: reporter.clone(),
        };
        bfd_task::spawn(bfd_commands, coupling.clone(), reporter.clone()).map_err(StartError::Bfd)?;
        let (lost, lost_interfaces) = mpsc::channel(ike_task::LOST_QUEUE);
        let (ike, ike_ended) =
            ike_task::spawn(dataplane.clone(), dataplane_events, coupling.clone(), lost, reporter.clone());
        let tables = rib::Rib::new(router.rib.clone());
        let rib_ended = rib_task::spawn(tables, rib_commands, &levels, fib.clone(), reader.clone(), reporter.clone())
            .map_err(StartError::Rib)?;
        let steering = steering_task::spawn(levels.facts, coupling.clone(), rib.clone(), reporter.clone());
        let followers =
            Followers { fib: fib.clone(), states: levels.states, rib: rib.clone(), topology: reader.clone() };
        let (neighborhood, surroundings) = Surroundings::watch(followers, reporter.clone()).await?;

        let (reload, reloads) = mpsc::channel(RELOAD_QUEUE);
        let (pools, pool_reports) = Pools::new(rib.clone(), reporter.clone());
        let owners = Owners {
            pools: pool_reports,
            ike: ike.clone(),
            rib: rib.clone(),
            bfd: bfd.clone(),
            steering,
            fib: fib.clone(),
            dataplane: dataplane.clone(),
            topology: reader,
            reload,
            file: std::path::absolute(&file).unwrap_or_else(|_| file.clone()).into(),
            started,
            warnings: host.warnings.iter().cloned().chain(dataplane.warnings()).collect(),
        };
        let makers = Makers { dataplane: dataplane.clone(), ike: ike.clone(), rib, coupling, neighborhood, pools };
        let mut supervisor = Supervisor::new(file, topology, makers, reporter.clone());
        let listening = tokio::spawn(report_fib_events(fib_events, reporter.clone()));
        let servers = answer(owners, reporter.metrics()).into_iter().chain([listening]).collect();
        let applied = supervisor.apply_first(&router, fib.snapshot().await.status.adopted > 0).await;
        let running = Self {
            supervisor,
            reloads,
            lost_interfaces,
            surroundings,
            fib,
            dataplane,
            ike,
            bfd,
            host,
            signals,
            ike_ended,
            rib_ended,
            servers,
            reporter,
            returning: false,
        };
        if let Err(error) = applied {
            running.stop().await;
            return Err(error.into());
        }
        Ok(running)
    }

    /// Serves signals and requests until told to stop.
    async fn live(&mut self) -> Result<(), StartError> {
        let mut retry = tokio::time::interval(RETRY_UNMADE);
        retry.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        self.surroundings.interfaces.mark_changed();
        notify(&[sd_notify::NotifyState::Ready]);
        loop {
            tokio::select! {
                _ = self.signals.terminate.recv() => return Ok(()),
                _ = self.signals.restart.recv() => {
                    self.returning = true;
                    return Ok(());
                }
                _ = self.signals.interrupt.recv() => return Ok(()),
                _ = self.signals.hangup.recv() => self.reload(None).await,
                Some(request) = self.reloads.recv() => self.reload(Some(request)).await,
                Some(tunnel) = self.lost_interfaces.recv() => self.supervisor.restart(tunnel).await,
                Ok(()) = self.surroundings.interfaces.changed() => {
                    let interfaces = Arc::clone(&self.surroundings.interfaces.borrow_and_update());
                    self.supervisor.follow_interfaces(interfaces).await;
                }
                Some(accepted) = self.surroundings.accepted.recv() => self.supervisor.accept_neighbor(accepted).await,
                Some(peer) = self.surroundings.ended.recv() => self.supervisor.forget_neighbor(peer).await,
                _ = retry.tick() => self.supervisor.retry_unmade().await,
                _ = &mut self.ike_ended => return Err(StartError::Ended("IKE")),
                _ = &mut self.rib_ended => return Err(StartError::Ended("RIB")),
            }
        }
    }

    async fn reload(&mut self, request: Option<ReloadRequest>) {
        notify(&[sd_notify::NotifyState::Reloading, monotonic_now()]);
        let outcome = self.supervisor.reload().await;
        self.reporter.reloaded(&outcome);
        if let Some(request) = request {
            drop(request.reply.send(outcome));
        }
        notify(&[sd_notify::NotifyState::Ready]);
    }

    /// Says goodbye to the peers, then leaves the machine as it was found.
    async fn stop(mut self) {
        notify(&[sd_notify::NotifyState::Stopping]);
        self.reporter.stopping();
        // The kernel forwards until we are back, whatever follows from the end of sessions and tunnels here.
        if self.returning {
            self.fib.leave().await;
        }
        self.supervisor.stop_sessions(self.returning).await;
        let (done, told) = oneshot::channel();
        if self.bfd.send(bfd_task::Command::Shutdown(done)).await.is_ok() {
            drop(told.await);
        }
        let (done, told) = oneshot::channel();
        if self.ike.send(ike_task::Command::Shutdown { done }).await.is_ok() {
            drop(told.await);
            tokio::time::sleep(FAREWELL).await;
        }
        for server in self.servers.drain(..) {
            server.abort();
        }
        if !self.returning {
            self.fib.stop().await;
        }
        self.dataplane.stop().await;
        self.host.restore();
        self.reporter.stopped(self.returning);
    }
}

/// What happens outside the tunnels and concerns neighbours.
struct Surroundings {
    interfaces: watch::Receiver<Arc<Interfaces>>,
    accepted: mpsc::Receiver<Accepted>,
    /// Sessions of ranges that are over.
    ended: mpsc::Receiver<PeerId>,
}

impl Surroundings {
    async fn watch(followers: Followers, reporter: Reporter) -> Result<(Neighborhood, Self), StartError> {
        let (reception, accepted) = Reception::new(followers.topology.clone(), reporter);
        let (neighborhood, ended) = Neighborhood::new(reception);
        Ok((neighborhood, Self { interfaces: interfaces::watch(followers).await?, accepted, ended }))
    }
}

async fn start_fib(router: &Router, dataplane: &Engine) -> Result<(Fib, mpsc::Receiver<fib::FibEvent>), StartError> {
    let (table, metric, tag) = (router.table, router.metric, nexthop_tag(&router.name));
    let config = FibConfig::default();
    let adopt_for = config.adopt_for.max(longest_restart(router).saturating_add(RESTART_MARGIN));
    match Fib::start(FibConfig { table, metric, tag, adopt_for, ..config }).await {
        Ok(started) => Ok(started),
        Err(error) => {
            dataplane.clone().stop().await;
            Err(error.into())
        }
    }
}

/// How long the most patient peer is told to wait for us after a restart (RFC 4724 4.1).
fn longest_restart(router: &Router) -> Duration {
    let inside = router.tunnels.iter().filter_map(|tunnel| tunnel.bgp.as_ref());
    let times = inside.chain(router.neighbors.iter().map(|neighbor| &neighbor.session)).filter_map(|session| {
        let restart = session.peer.offers.graceful_restart.as_ref()?;
        restart.time
    });
    times.max().unwrap_or_default()
}

/// Signals that arrive from this moment on wait until the router lives, so that none ends the process half started.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Ends the process, which will be started again at once.
    restart: Signal,
}

impl Signals {
    /// Begins to hold them back.
    ///
    /// # Errors
    /// [`StartError::Signals`].
    pub fn new() -> Result<Self, StartError> {
        Self::handlers().map_err(StartError::Signals)
    }

    fn handlers() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            restart: signal(SignalKind::user_defined2())?,
        })
    }
}

/// Tells the nexthop objects of routers in one network namespace apart: the FNV-1a hash of the router's name, so that
/// a router finds its own again after a crash.
fn nexthop_tag(name: &str) -> u16 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

async fn report_fib_events(mut events: mpsc::Receiver<fib::FibEvent>, reporter: Reporter) {
    while let Some(event) = events.recv().await {
        reporter.fib_event(&event);
    }
}

/// Tells systemd, if it asked to be told.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// systemd wants the moment of a reload in CLOCK_MONOTONIC (sd_notify(3)).
fn monotonic_now() -> sd_notify::NotifyState<'static> {
    sd_notify::NotifyState::monotonic_usec_now().unwrap_or(sd_notify::NotifyState::Reloading)
}
