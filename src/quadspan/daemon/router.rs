//! Start, life and end of the router.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Router;
use dataplane::Dataplane;
use fib::{Fib, FibConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wire::ipsec::TunnelId;

use super::control::Control;
use super::coupling::Coupling;
use super::error::StartError;
use super::host::HostSettings;
use super::reload::{ReloadRequest, Supervisor};
use super::topology::Topology;
use super::{ike_task, rib_task};
use crate::control::server;
use crate::telemetry::metrics::{self, Metrics};
use crate::telemetry::report::Reporter;

/// Events of the data plane waiting for IKE; a flood beyond it is dropped at the source.
const DATAPLANE_QUEUE: usize = 1024;
/// Reload requests waiting: one runs, few wait.
const RELOAD_QUEUE: usize = 4;
/// How long peers get to take our DELETEs and Ceases before the sockets close.
const FAREWELL: Duration = Duration::from_millis(500);

/// Runs the router described by `router`, read from `file`, until SIGTERM or SIGINT.
///
/// # Errors
/// [`StartError`]; then nothing is left behind.
pub async fn run(file: PathBuf, router: Router) -> Result<(), StartError> {
    let mut running = Running::start(file, router).await?;
    let outcome = running.live().await;
    running.stop().await;
    outcome
}

struct Running {
    supervisor: Supervisor,
    reloads: mpsc::Receiver<ReloadRequest>,
    lost_interfaces: mpsc::Receiver<TunnelId>,
    fib: Fib,
    dataplane: Dataplane,
    ike: mpsc::Sender<ike_task::Command>,
    host: HostSettings,
    socket: PathBuf,
    servers: Vec<JoinHandle<()>>,
    reporter: Reporter,
}

impl Running {
    async fn start(file: PathBuf, router: Router) -> Result<Self, StartError> {
        let started = Instant::now();
        let listener = server::bind(&router.api_socket).await?;
        let metrics_listener = metrics_listener(&router).await?;
        let reporter = Reporter::new(Arc::new(Metrics::new()));
        reporter.starting(&router);

        let (events, dataplane_events) = mpsc::channel(DATAPLANE_QUEUE);
        let dataplane = Dataplane::start(dataplane::Config::new(router.local_addresses()), events)?;
        let fib_config = FibConfig { table: router.table, metric: router.metric, ..FibConfig::default() };
        let (fib, fib_events) = match Fib::start(fib_config).await {
            Ok(started) => started,
            Err(error) => {
                dataplane.stop().await;
                return Err(error.into());
            }
        };
        let host = HostSettings::apply();

        let socket = router.api_socket.clone();
        let empty = Topology { router: Arc::new(router.clone()), tunnels: BTreeMap::new() };
        let (topology, reader) = watch::channel(Arc::new(empty));
        let (rib, rib_commands) = rib_task::channel();
        let coupling = Coupling { fib: fib.clone(), rib: rib.clone(), topology: reader.clone() };
        let (lost, lost_interfaces) = mpsc::channel(ike_task::LOST_QUEUE);
        let (ike, _) = ike_task::spawn(dataplane.clone(), dataplane_events, coupling, lost, reporter.clone());
        let tables = rib::Rib::new(router.rib.clone());
        rib_task::spawn(tables, rib_commands, fib.clone(), reader.clone(), reporter.clone());

        let (reload, reloads) = mpsc::channel(RELOAD_QUEUE);
        let control = Control {
            ike: ike.clone(),
            rib: rib.clone(),
            fib: fib.clone(),
            dataplane: dataplane.clone(),
            topology: reader,
            reload,
            started,
            warnings: host.warnings.clone().into(),
        };
        let mut supervisor = Supervisor::new(file, topology, dataplane.clone(), ike.clone(), rib, reporter.clone());
        let mut servers = vec![tokio::spawn(report_fib_events(fib_events, reporter.clone()))];
        servers.push(tokio::spawn(serve_control(listener, control.clone())));
        if let Some(listener) = metrics_listener {
            servers.push(tokio::spawn(metrics::serve(listener, control, reporter.metrics())));
        }
        let applied = supervisor.apply_first(&router).await;
        let running =
            Self { supervisor, reloads, lost_interfaces, fib, dataplane, ike, host, socket, servers, reporter };
        if let Err(error) = applied {
            running.stop().await;
            return Err(error.into());
        }
        Ok(running)
    }

    /// Serves signals and reload requests until told to stop.
    async fn live(&mut self) -> Result<(), StartError> {
        let handler = |kind| signal(kind).map_err(StartError::Signals);
        let mut terminate = handler(SignalKind::terminate())?;
        let mut interrupt = handler(SignalKind::interrupt())?;
        let mut hangup = handler(SignalKind::hangup())?;
        notify(&[sd_notify::NotifyState::Ready]);
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = hangup.recv() => self.reload(None).await,
                Some(request) = self.reloads.recv() => self.reload(Some(request)).await,
                Some(tunnel) = self.lost_interfaces.recv() => self.supervisor.restart(tunnel).await,
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
        self.supervisor.stop_sessions().await;
        let (done, told) = oneshot::channel();
        if self.ike.send(ike_task::Command::Shutdown { done }).await.is_ok() {
            drop(told.await);
            tokio::time::sleep(FAREWELL).await;
        }
        for server in self.servers.drain(..) {
            server.abort();
        }
        self.fib.stop().await;
        self.dataplane.stop().await;
        self.host.restore();
        drop(std::fs::remove_file(&self.socket));
        self.reporter.stopped();
    }
}

async fn metrics_listener(router: &Router) -> Result<Option<tokio::net::TcpListener>, StartError> {
    let Some(address) = router.metrics_listen else { return Ok(None) };
    match tokio::net::TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) => Err(StartError::Metrics { address, error }),
    }
}

async fn serve_control(listener: tokio::net::UnixListener, control: Control) {
    if let Err(error) = server::serve(listener, control).await {
        tracing::error!(%error, "control socket failed; restart the router to use the command line again");
    }
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
