//! The task: what comes from TCP, the routing tables and those who ask goes into [`peering::Peer`], and what it says goes out.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peering::{ConnectionId, Output, Peer, StopReason};
use rib::PeerId;
use system::{sleep_until, system_entropy};
use telemetry::report::Reporter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::connection::{Connection, IoEvent, Sending};
use crate::{Command, Handle, Life, Link, Notice, Updates, socket};

/// Commands waiting for one session: a handful ever exist.
const COMMAND_QUEUE: usize = 32;
/// Batches of updates waiting for one session; beyond that its peer is held in the routing tables.
const UPDATE_QUEUE: usize = 2;
/// Reads and connection results waiting for one session.
const IO_QUEUE: usize = 64;

/// How much longer than the session TCP itself waits for a peer that reads nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause after a failure to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// Starts the session's task. `restarted` if the process is the successor of one that ended a short while ago; `tables` is
/// where the routing tables take what they are told, among what others say to them.
pub fn spawn<T: From<(PeerId, Notice)> + Send + 'static>(
    configured: &settings::Session,
    life: Life,
    restarted: bool,
    tables: mpsc::Sender<T>,
    reporter: Reporter,
) -> (Handle, tokio::task::JoinHandle<()>) {
    let (command_tx, commands) = mpsc::channel(COMMAND_QUEUE);
    let (update_tx, updates) = mpsc::channel(UPDATE_QUEUE);
    let (io_tx, io) = mpsc::channel(IO_QUEUE);
    let settings::Session { id, peer: config, transport, .. } = configured.clone();
    reporter.bgp_added(&config);
    let mut peer = Peer::new(config.clone(), system_entropy());
    if restarted {
        // RFC 4724 4.1: a tunnel carries nothing between the end of one process and the key exchange of the next. Its
        // interface goes with the process, so that traffic takes another way meanwhile, if there is one.
        peer.set_restarted(configured.policy.reach != rib::Reach::Tunnel);
    }
    let (stale_tx, stale) = watch::channel(false);
    let session = Session {
        id,
        stale: stale_tx,
        failed: false,
        life,
        met: false,
        peer,
        config,
        transport,
        tables,
        notices: VecDeque::new(),
        connections: BTreeMap::new(),
        farewells: Vec::new(),
        io: io_tx,
        link: None,
        listener: None,
        listen_again: None,
        incarnation: 0,
        stopping: false,
        reporter,
    };
    let task = tokio::spawn(session.run(commands, updates, io));
    (Handle { commands: command_tx, updates: update_tx, stale }, task)
}

pub(crate) struct Session<T> {
    pub(crate) id: PeerId,
    /// As the handle shows it.
    stale: watch::Sender<bool>,
    /// BFD says that the peer cannot be reached.
    failed: bool,
    life: Life,
    /// The peer has connected.
    met: bool,
    pub(crate) config: peering::PeerConfig,
    transport: settings::Transport,
    peer: Peer,
    pub(crate) tables: mpsc::Sender<T>,
    /// What the routing tables have not yet taken. Filled by at most one read's worth of messages.
    pub(crate) notices: VecDeque<Notice>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Connections that close with the session and carry a last word.
    farewells: Vec<tokio::task::JoinHandle<()>>,
    io: mpsc::Sender<IoEvent>,
    link: Option<Link>,
    listener: Option<TcpListener>,
    listen_again: Option<Instant>,
    /// How often the session was established.
    pub(crate) incarnation: u64,
    stopping: bool,
    pub(crate) reporter: Reporter,
}

impl<T: From<(PeerId, Notice)> + Send + 'static> Session<T> {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut updates: mpsc::Receiver<Updates>,
        mut io: mpsc::Receiver<IoEvent>,
    ) {
        loop {
            self.drain_outputs();
            self.tell_tables();
            let over = self.met && self.connections.is_empty() && !self.peer.holds_stale_routes();
            self.stopping |= self.life == Life::OneConnection && over;
            self.note_sending();
            if self.stopping && self.notices.is_empty() {
                break;
            }
            let tables_have_room = self.notices.is_empty();
            let tcp_has_room = self.connections.values().all(Connection::has_room);
            let listens = tables_have_room && !self.connections.values().any(Connection::is_flooded);
            let deadline = self.peer.poll_timeout();
            let tables = self.tables.clone();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => self.handle_command(Command::Shutdown(StopReason::AdminShutdown(String::new()))),
                },
                permit = tables.reserve(), if !tables_have_room => match (permit, self.notices.pop_front()) {
                    (Ok(permit), Some(notice)) => permit.send((self.id, notice).into()),
                    (Ok(_) | Err(_), _) => self.notices.clear(),
                },
                () = room(&self.connections), if !tcp_has_room => {}
                () = sleep_until(deadline) => {
                    // What was sent meanwhile may have been why the deadline is none any more.
                    self.note_sending();
                    self.peer.handle_timeout(Instant::now());
                }
                () = sleep_until(self.listen_again) => self.listen(),
                event = io.recv(), if listens => if let Some(event) = event { self.handle_io(event) },
                stream = accept(self.listener.as_ref()) => self.handle_accepted(stream),
                batch = updates.recv(), if tcp_has_room => match batch {
                    Some((incarnation, updates)) if incarnation == self.incarnation => self.peer.send_updates(&updates),
                    Some(_) | None => {}
                },
            }
        }
        for connection in std::mem::take(&mut self.connections).into_values() {
            connection.finish().await;
        }
        for farewell in std::mem::take(&mut self.farewells) {
            drop(farewell.await);
        }
    }

    fn handle_command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::TunnelUp(link) => {
                self.link = Some(link);
                self.listen();
                self.start(now);
            }
            Command::TunnelDown => {
                self.peer.stop(StopReason::TunnelDown, now);
                self.drain_outputs();
                self.connections.clear();
                self.stop_listening();
                self.link = None;
                self.failed = false;
            }
            Command::BfdDown => {
                self.failed = true;
                self.peer.stop(StopReason::BfdDown, now);
            }
            Command::BfdUp => {
                let failed = std::mem::take(&mut self.failed);
                if failed {
                    self.restart(now);
                }
            }
            Command::ShutDown(text) => self.peer.shut_down(text, now),
            Command::Enable => {
                self.peer.enable();
                self.restart(now);
            }
            Command::Reconfigure(config, transport) => self.reconfigure(*config, transport, now),
            Command::Reset(text) => {
                self.peer.stop(StopReason::Reset(text), now);
                self.restart(now);
            }
            Command::Stop { incarnation, reason } if incarnation == self.incarnation => self.peer.stop(reason, now),
            // It was meant for a session that has ended by itself.
            Command::Stop { .. } => {}
            Command::Accepted(stream, from) => {
                if self.link.is_some() {
                    self.handle_accepted(Ok((stream, from)));
                }
            }
            Command::Refresh(family) => drop(self.peer.request_refresh(family)),
            Command::Status(reply) => drop(reply.send(self.peer.status())),
            Command::Shutdown(reason) => {
                self.peer.stop(reason, now);
                self.stop_listening();
                self.stopping = true;
            }
        }
    }

    fn reconfigure(&mut self, config: peering::PeerConfig, transport: settings::Transport, now: Instant) {
        let anew = self.config.needs_new_session(&config) || self.transport != transport;
        let shutdown = (self.config.shutdown != config.shutdown).then(|| config.shutdown.clone());
        (self.config, self.transport) = (config.clone(), transport);
        self.peer.set_config(config, now);
        match shutdown {
            Some(Some(text)) => self.peer.shut_down(text, now),
            Some(None) => drop(self.peer.enable()),
            None => {}
        }
        if anew {
            self.peer.stop(StopReason::ConfigurationChanged, now);
            self.drain_outputs();
            self.listen();
        }
        self.restart(now);
    }

    /// Tells the session how sending goes (RFC 9687).
    fn note_sending(&mut self) {
        let now = Instant::now();
        for (id, connection) in &mut self.connections {
            match connection.sending() {
                Sending::Done => self.peer.handle_send_unblocked(*id),
                Sending::Moving => self.peer.handle_send_blocked(*id, true, now),
                Sending::Stuck => self.peer.handle_send_blocked(*id, false, now),
            }
        }
    }

    fn ends(&self) -> socket::Ends<'_> {
        let peering::Timers { hold, send_hold, .. } = self.config.timers;
        let patience = if hold.is_zero() || send_hold.is_zero() {
            socket::USER_TIMEOUT
        } else {
            send_hold.max(hold * 2) + PATIENCE
        };
        let peering::PeerConfig { local_address, peer_address, .. } = self.config;
        socket::Ends { local: local_address, peer: peer_address, transport: &self.transport, patience }
    }

    fn restart(&mut self, now: Instant) {
        self.drain_outputs();
        self.start(now);
    }

    fn start(&mut self, now: Instant) {
        if self.link.is_some() && !self.failed {
            self.peer.start(now);
        }
    }

    /// Listens on the inside address; where that fails, again after a pause.
    fn listen(&mut self) {
        self.stop_listening();
        let Some(link) = self.link.as_ref().filter(|link| link.listens) else { return };
        match socket::listen(link, &self.ends()) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => self.pause_listening(&error),
        }
    }

    fn pause_listening(&mut self, error: &std::io::Error) {
        self.reporter.bgp_listen_failed(&self.config, error);
        self.listener = None;
        self.listen_again = Some(Instant::now() + LISTEN_AGAIN);
    }

    fn stop_listening(&mut self) {
        self.listener = None;
        self.listen_again = None;
    }

    fn handle_accepted(&mut self, accepted: std::io::Result<(TcpStream, SocketAddr)>) {
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                self.pause_listening(&error);
                return;
            }
        };
        // RFC 4271 8.2.1: connections from others than the configured peer are refused.
        if from.ip() != self.config.peer_address {
            self.reporter.bgp_stranger_refused(&self.config, from);
            return;
        }
        self.met = true;
        // Without what protects it, it is not taken; the peer may try again.
        if let Some(link) = self.link.as_ref().filter(|link| !link.listens)
            && let Err(error) = socket::tune_accepted(link, &self.ends(), &stream)
        {
            self.reporter.bgp_connection_not_tuned(&self.config, from, &error);
            return;
        }
        if let Some(id) = self.peer.handle_accepted(Instant::now()) {
            self.connections.insert(id, Connection::start(id, stream, self.io.clone()));
        }
    }

    fn handle_io(&mut self, event: IoEvent) {
        let now = Instant::now();
        match event {
            IoEvent::Connected(id, Ok(stream)) => {
                if self.link.is_none() {
                    return;
                }
                self.connections.insert(id, Connection::start(id, stream, self.io.clone()));
                self.peer.handle_connected(id, now);
            }
            IoEvent::Connected(id, Err(error)) => self.peer.handle_connect_failed(id, error.to_string(), now),
            IoEvent::Received(id, bytes) => {
                if self.connections.contains_key(&id) {
                    self.peer.handle_bytes(id, &bytes, now);
                }
            }
            IoEvent::Closed(id, error) => {
                if self.connections.remove(&id).is_some() {
                    self.peer.handle_closed(id, error.map(|error| error.to_string()), now);
                }
            }
        }
    }

    fn drain_outputs(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            match output {
                Output::Connect { id } => self.connect(id),
                Output::Close { id } => {
                    if let Some(connection) = self.connections.remove(&id) {
                        let awaited = self.stopping && connection.has_farewell();
                        let farewell = connection.finish_in_background();
                        self.farewells.extend(awaited.then_some(farewell));
                    }
                }
                Output::Send { id, bytes } => {
                    if let Some(connection) = self.connections.get(&id) {
                        connection.send(bytes);
                    }
                }
                Output::Event(event) => self.handle_event(event),
            }
        }
        let holds = self.peer.holds_stale_routes();
        self.stale.send_if_modified(|stale| std::mem::replace(stale, holds) != holds);
    }

    fn connect(&self, id: ConnectionId) {
        let Some(link) = self.link.clone() else { return };
        let io = self.io.clone();
        let attempt = socket::connect(&link, &self.ends());
        tokio::spawn(async move {
            let result = match attempt {
                Ok(attempt) => attempt.await,
                Err(error) => Err(error),
            };
            drop(io.send(IoEvent::Connected(id, result)).await);
        });
    }
}

/// Waits until a congested connection has room.
async fn room(connections: &BTreeMap<ConnectionId, Connection>) {
    if let Some(connection) = connections.values().find(|connection| !connection.has_room()) {
        connection.room().await;
    }
}

async fn accept(listener: Option<&TcpListener>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}
