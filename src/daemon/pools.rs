//! Pools of remote clients: one task for each, which watches the server and tells the routing tables while it serves.
//!
//! ```text
//!   OpenVPN ◄──management──► task: openvpn::Watch ──serves, or not──► rib_task: the clients' network
//!                                      └──────────── report ────────► Control
//! ```
//!
//! The kernel has the route to the clients from OpenVPN itself. A reload leaves a pool alone whose server and networks did
//! not change.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::Attributes;
use openvpn::{Output, Server, Trouble, Watch, WatchConfig};
use rib::{LocalRoute, NextHopSet};
use settings::{ClientPool, Management};
use system::sleep_until;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::rib_task;
use telemetry::report::Reporter;

/// How often a server is asked.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before another connection.
const RETRY: Duration = Duration::from_secs(1);
/// Octets read at once.
const READ: usize = 16 * 1024;

/// What is known of each pool, by name.
pub(super) type Reports = BTreeMap<String, Arc<Report>>;

/// What is known of one pool.
#[derive(Clone, Debug)]
pub struct Report {
    /// As configured.
    pub pool: ClientPool,
    /// What the server said last.
    pub server: Server,
    /// Why it does not serve.
    pub trouble: Option<Trouble>,
    /// Since when it serves, or does not.
    pub since: Instant,
    /// Since when it does not for just this reason.
    pub troubled: Instant,
    /// How far its clock is ahead of ours, in seconds.
    pub clock_ahead: Option<i64>,
}

/// All tasks.
#[derive(Debug)]
pub(super) struct Pools {
    rib: mpsc::Sender<rib_task::Command>,
    reporter: Reporter,
    reports: Arc<watch::Sender<Reports>>,
    tasks: BTreeMap<String, Watched>,
}

/// One pool, and who watches it.
#[derive(Debug)]
struct Watched {
    pool: watch::Sender<ClientPool>,
    task: JoinHandle<()>,
}

impl Pools {
    pub(super) fn new(rib: mpsc::Sender<rib_task::Command>, reporter: Reporter) -> (Self, watch::Receiver<Reports>) {
        let (reports, reader) = watch::channel(Reports::new());
        (Self { rib, reporter, reports: Arc::new(reports), tasks: BTreeMap::new() }, reader)
    }

    /// Has exactly these pools watched. Says what changed, if anything did.
    pub(super) async fn apply(&mut self, pools: &[ClientPool]) -> Option<String> {
        let mut changed = BTreeSet::new();
        let stays = |watched: &Watched| pools.iter().any(|pool| is_same_service(&watched.pool.borrow(), pool));
        let gone = self.tasks.iter().filter(|(_, watched)| !stays(watched)).map(|(name, _)| name.clone());
        for name in gone.collect::<Vec<_>>() {
            self.end(&name).await;
            changed.insert(name);
        }
        for pool in pools {
            let Some(watched) = self.tasks.get(&pool.name) else {
                self.start(pool);
                changed.insert(pool.name.clone());
                continue;
            };
            // How many have room, when certificates end: nobody outside is told.
            let replaced = watched.pool.send_if_modified(|held| {
                let differs = *held != *pool;
                if differs {
                    held.clone_from(pool);
                }
                differs
            });
            if replaced {
                changed.insert(pool.name.clone());
            }
        }
        (!changed.is_empty()).then(|| format!("pools changed: {}", changed.into_iter().collect::<Vec<_>>().join(", ")))
    }

    fn start(&mut self, pool: &ClientPool) {
        let (sender, reader) = watch::channel(pool.clone());
        let task = Task {
            pool: reader,
            rib: self.rib.clone(),
            reporter: self.reporter.clone(),
            reports: Arc::clone(&self.reports),
        };
        self.tasks.insert(pool.name.clone(), Watched { pool: sender, task: tokio::spawn(task.run()) });
    }

    async fn end(&mut self, name: &str) {
        let Some(Watched { pool, task }) = self.tasks.remove(name) else { return };
        task.abort();
        drop(task.await);
        let pool = pool.borrow().clone();
        announce(&self.rib, &pool, false).await;
        self.reports.send_modify(|reports| drop(reports.remove(name)));
    }
}

/// Whether the server and what is announced for it are the same.
fn is_same_service(one: &ClientPool, other: &ClientPool) -> bool {
    let service = |pool: &ClientPool| (pool.pool.network, pool.pool.network6, pool.announce);
    one.name == other.name
        && service(one) == service(other)
        && one.management == other.management
        && one.password == other.password
}

/// Has the clients' networks announced, or no more.
async fn announce(rib: &mpsc::Sender<rib_task::Command>, pool: &ClientPool, serving: bool) {
    for network in pool.pool.networks().filter(|_| pool.announce) {
        let route = serving.then(|| LocalRoute::new(Arc::new(Attributes::default()), NextHopSet::default()));
        drop(rib.send(rib_task::Command::Pool { network, route }).await);
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One pool's task.
struct Task {
    pool: watch::Receiver<ClientPool>,
    rib: mpsc::Sender<rib_task::Command>,
    reporter: Reporter,
    reports: Arc<watch::Sender<Reports>>,
}

impl Task {
    async fn run(self) {
        let pool = self.pool.borrow().clone();
        let config = WatchConfig {
            network: pool.pool.network,
            network6: pool.pool.network6,
            password: pool.password,
            interval: INTERVAL,
            patience: PATIENCE,
            retry: RETRY,
        };
        let mut machine = Watch::new(config, Instant::now());
        let mut stream: Option<Box<dyn Stream>> = None;
        let mut buffer = vec![0; READ];
        self.publish(&machine).await;
        loop {
            while let Some(output) = machine.poll_output() {
                self.carry_out(output, &pool.management, &mut machine, &mut stream).await;
            }
            tokio::select! {
                read = read(stream.as_mut(), &mut buffer) => match read {
                    Ok(length @ 1..) => machine.handle_bytes(&buffer[..length], Instant::now()),
                    Ok(0) | Err(_) => {
                        stream = None;
                        machine.handle_closed(Instant::now());
                    }
                },
                () = sleep_until(machine.poll_timeout()) => machine.handle_timeout(Instant::now()),
            }
        }
    }

    async fn carry_out(
        &self,
        output: Output,
        management: &Management,
        machine: &mut Watch,
        stream: &mut Option<Box<dyn Stream>>,
    ) {
        match output {
            Output::Connect => match within(connect(management)).await {
                Ok(connected) => {
                    *stream = Some(connected);
                    machine.handle_connected(Instant::now());
                }
                Err(error) => machine.handle_unreachable(error.to_string(), Instant::now()),
            },
            Output::Send(octets) => {
                let Some(connected) = stream.as_mut() else { return };
                if within(connected.write_all(octets.expose())).await.is_err() {
                    *stream = None;
                    machine.handle_closed(Instant::now());
                }
            }
            Output::Close => *stream = None,
            Output::Changed => self.publish(machine).await,
        }
    }

    /// Tells whoever asks, and, where it is a change, the routing tables and the log.
    async fn publish(&self, machine: &Watch) {
        let (pool, server) = (self.pool.borrow().clone(), machine.server().clone());
        let (serving, clock_ahead) = (server.serving, server.status.time.map(ahead));
        let now = Instant::now();
        let before = self.reports.borrow().get(&pool.name).cloned();
        let trouble = machine.trouble().cloned();
        let unchanged = before.as_ref().filter(|before| before.trouble == trouble);
        if unchanged.is_none() {
            self.reporter.pool_changed(&pool.name, trouble.as_ref());
        }
        let troubled = unchanged.map_or(now, |before| before.troubled);
        let same = before.as_ref().filter(|before| before.server.serving == serving);
        let since = same.map_or(now, |before| before.since);
        let served = before.as_ref().is_some_and(|before| before.server.serving);
        let report = Report { pool: pool.clone(), server, trouble, since, troubled, clock_ahead };
        self.reports.send_modify(|reports| drop(reports.insert(pool.name.clone(), Arc::new(report))));
        if serving != served {
            announce(&self.rib, &pool, serving).await;
        }
    }
}

/// How far a clock is ahead of ours.
fn ahead(seconds: u64) -> i64 {
    let signed = |seconds| i64::try_from(seconds).unwrap_or(i64::MAX);
    signed(seconds).saturating_sub(signed(system::unix_time().0))
}

/// Reads if there is anything to read from; waits for ever otherwise.
async fn read(stream: Option<&mut Box<dyn Stream>>, buffer: &mut [u8]) -> io::Result<usize> {
    match stream {
        Some(stream) => stream.read(buffer).await,
        None => std::future::pending().await,
    }
}

async fn connect(management: &Management) -> io::Result<Box<dyn Stream>> {
    Ok(match management {
        Management::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        Management::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}

async fn within<T>(attempt: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let answer = tokio::time::timeout(PATIENCE, attempt).await;
    answer.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
}
