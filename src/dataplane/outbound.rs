//! The outbound worker: TUN to socket. It owns the sequence numbers of its tunnels.
//!
//! ```text
//!   TUN read (64 KB) --> which SA? --> segment into slots of the batch --> seal each --> one send
//! ```

mod pump;
mod route;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use wire::ipsec::{Direction, Encapsulation, SecurityAssociation, Spi, TunnelId};

use crate::batch::Batch;
use crate::counters::RunningEngineCounters;
use crate::outbox::Outbox;
use crate::poll::Poller;
use crate::socket::{Kind, Socket};
use crate::tun;
use crate::tunnel::Tunnel;
use crate::{Event, Failure, message};

pub(crate) use route::Route;

/// How often idle tunnels are looked at for a keepalive.
const KEEPALIVE_TICK: Duration = Duration::from_secs(1);

/// What an outbound worker is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Add { tunnel: Arc<Tunnel>, done: SyncSender<()> },
    RemoveTunnel { tunnel: TunnelId, done: SyncSender<()> },
    Install { tunnel: TunnelId, route: Box<Route>, sa: Box<SecurityAssociation>, done: SyncSender<()> },
    Remove { tunnel: TunnelId, spi: Spi },
    Move { tunnel: TunnelId, nat: Arc<Socket>, esp: Arc<Socket>, remote: std::net::SocketAddr },
    Stop,
}

/// A tunnel and its SAs, the newest last.
#[derive(Debug)]
struct Outbound {
    tunnel: Arc<Tunnel>,
    routes: Vec<Route>,
    last_sent: Instant,
    /// When the process was last told that a packet waits.
    last_demand: Option<Instant>,
}

/// What the worker is given at its start.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) poller: Poller<Command>,
    pub(crate) outbox: Outbox,
    pub(crate) counters: Arc<RunningEngineCounters>,
    pub(crate) nat_keepalive: Option<Duration>,
}

/// The worker.
#[derive(Debug)]
pub(crate) struct Worker {
    poller: Poller<Command>,
    outbox: Outbox,
    counters: Arc<RunningEngineCounters>,
    nat_keepalive: Option<Duration>,
    tunnels: BTreeMap<u32, Outbound>,
    batch: Batch,
    read_buffer: Box<[u8]>,
    answers: pump::AnswerBudget,
}

impl Worker {
    pub(crate) fn new(setup: Setup) -> Self {
        let Setup { poller, outbox, counters, nat_keepalive } = setup;
        Self {
            poller,
            outbox,
            counters,
            nat_keepalive,
            tunnels: BTreeMap::new(),
            batch: Batch::new(),
            read_buffer: vec![0; tun::READ_LEN].into_boxed_slice(),
            answers: pump::AnswerBudget::default(),
        }
    }

    /// Works until told to stop.
    pub(crate) fn run(mut self) {
        let mut next_tick = Instant::now() + KEEPALIVE_TICK;
        loop {
            let retry = self.outbox.flush();
            let tick = self.nat_keepalive.filter(|_| !self.tunnels.is_empty()).map(|_| KEEPALIVE_TICK);
            let timeout = retry.into_iter().chain(tick).min();
            if let Err(error) = self.poller.wait(timeout) {
                tracing::error!(%error, "outbound worker ends");
                return;
            }
            while let Some(command) = self.poller.command() {
                if !self.handle(command) {
                    return;
                }
            }
            for token in self.poller.take_ready() {
                self.pump(token);
            }
            let now = Instant::now();
            if now >= next_tick {
                self.keep_alive(now);
                next_tick = now + KEEPALIVE_TICK;
            }
        }
    }

    /// Returns false to stop.
    fn handle(&mut self, command: Command) -> bool {
        match command {
            Command::Add { tunnel, done } => {
                self.add(tunnel);
                let _ = done.send(());
            }
            Command::RemoveTunnel { tunnel, done } => {
                if let Some(removed) = self.tunnels.remove(&tunnel.0) {
                    drop(self.poller.remove(&removed.tunnel.tun));
                }
                let _ = done.send(());
            }
            Command::Install { tunnel, route, sa, done } => {
                self.install(tunnel, *route, &sa);
                let _ = done.send(());
            }
            Command::Remove { tunnel, spi } => {
                if let Some(outbound) = self.tunnels.get_mut(&tunnel.0) {
                    outbound.routes.retain(|route| route.sa.spi() != spi);
                    outbound.tunnel.sas.strike(Direction::Outbound, spi);
                }
            }
            Command::Move { tunnel, nat, esp, remote } => self.relocate(tunnel, &nat, &esp, remote),
            Command::Stop => return false,
        }
        true
    }

    fn add(&mut self, tunnel: Arc<Tunnel>) {
        if let Err(error) = self.poller.add(&tunnel.tun, tunnel.id.0) {
            tracing::error!(%error, interface = tunnel.name, "cannot wait for the interface");
            let failure = Failure::InterfaceLost(tunnel.name.clone());
            self.outbox.send(Event::Failed { tunnel: Some(tunnel.id), failure });
        }
        let outbound = Outbound { tunnel, routes: Vec::new(), last_sent: Instant::now(), last_demand: None };
        self.tunnels.insert(outbound.tunnel.id.0, outbound);
    }

    fn install(&mut self, tunnel: TunnelId, mut route: Route, sa: &SecurityAssociation) {
        let Some(outbound) = self.tunnels.get_mut(&tunnel.0) else {
            self.outbox.send(Event::Failed { tunnel: Some(tunnel), failure: Failure::NoInterface });
            return;
        };
        // RFC 4303 3.3.3: an SA installed twice must go on counting, never begin again.
        if outbound.routes.iter().any(|known| known.sa.is_same(sa)) {
            return;
        }
        route.inherit(&outbound.routes, &outbound.tunnel);
        // Those before it stay until they are removed, and would go on counting if it were removed first.
        outbound.routes.retain(|known| known.sa.spi() != sa.spi);
        outbound.tunnel.sas.enter(Direction::Outbound, sa.spi, route.sa.usage());
        outbound.routes.push(route);
    }

    fn relocate(&mut self, tunnel: TunnelId, nat: &Arc<Socket>, esp: &Arc<Socket>, remote: std::net::SocketAddr) {
        let Some(outbound) = self.tunnels.get_mut(&tunnel.0) else { return };
        for route in &mut outbound.routes {
            let (socket, port) = match route.encapsulation {
                Encapsulation::Udp => (nat, remote.port()),
                Encapsulation::Esp => (esp, 0),
            };
            route.socket = Arc::clone(socket);
            route.remote = std::net::SocketAddr::new(remote.ip(), port).into();
            // The path is another one.
            (route.mtu, route.narrowed) = (route.widest, None);
        }
    }

    /// RFC 3948 4: a single 0xFF keeps the NAT's mapping when nothing else does.
    fn keep_alive(&mut self, now: Instant) {
        let Some(interval) = self.nat_keepalive else { return };
        for outbound in self.tunnels.values_mut() {
            let Some(route) = outbound.routes.last() else { continue };
            let due = now.duration_since(outbound.last_sent) >= interval;
            if !due || route.socket.kind() != Kind::Nat {
                continue;
            }
            if let Some(remote) = route.remote.as_socket() {
                match message::send_pieces(&route.socket, remote, &[&[0xff]]) {
                    Ok(()) => self.counters.keepalives_out.count(),
                    Err(error) => tracing::debug!(%error, "keepalive not sent"),
                }
            }
            outbound.last_sent = now;
        }
    }
}
