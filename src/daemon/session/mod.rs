//! One task per BGP session: moves bytes between TCP inside the tunnel and the pure [`bgp::Peer`].
//!
//! ```text
//!  ike ── TunnelUp/Down ──► commands ┐                     ┌── reader ◄── TCP ──┐
//!  operator ── Reset ──────►         ├──► Session ◄── io ──┤                    │ peer
//!  rib ── Update ──────────► updates ┘      │              └── writer ──► TCP ──┘
//!                                           └──► rib: PeerUp, Update, PeerDown
//! ```
//!
//! Back-pressure in both directions: while the RIB has no room, nothing is read from TCP; while TCP has no room, no
//! update is taken from the RIB. Commands are always taken, so a dead tunnel ends its session at once. A peer that
//! stops reading is ended by the send hold timer (RFC 9687), and if that is off by `TCP_USER_TIMEOUT`.

mod connection;
mod outbox;
mod protect;
mod socket;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bgp::{ConnectionId, Output, Peer, PeerStatus, StopReason};
use rib::PeerId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};

use super::entropy::system_entropy;
use super::rib_task;
use super::sleep::sleep_until;
use connection::{Connection, IoEvent, Sending};
pub(super) use protect::{came_from_within, sign};
pub(super) use socket::{Link, listen_plain};
use telemetry::report::Reporter;
use view::answer::ControlError;

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

/// What others ask of a session.
#[derive(Debug)]
pub(super) enum Command {
    /// The tunnel carries traffic: open the session over it.
    TunnelUp(Link),
    /// The tunnel is gone: so is the session, at once.
    TunnelDown,
    /// BFD says that the peer cannot be reached: the session ends, and waits for the opposite.
    BfdDown,
    /// BFD has nothing against the session.
    BfdUp,
    /// End the session and open it again, with a text for the peer's operator.
    Reset(String),
    /// Keep the session down until it is enabled, with a text for the peer's operator.
    ShutDown(String),
    /// Take that back.
    Enable,
    /// Take over what is configured anew. The session ends only if the change needs it.
    Reconfigure(Box<bgp::PeerConfig>, settings::Transport),
    /// The peer announced more than it may, or takes no updates.
    Stop { incarnation: u64, reason: StopReason },
    /// Somebody has connected to an address that sessions share.
    Accepted(TcpStream, SocketAddr),
    /// Ask the peer to announce everything again, after import policy changed.
    Refresh(bgp::Family),
    /// Report.
    Status(oneshot::Sender<PeerStatus>),
    /// End the session for good and the task with it.
    Shutdown(StopReason),
}

/// Updates for the peer in their order, with the incarnation of the session that they are meant for.
pub(super) type Updates = (u64, Vec<bgp::Update>);

/// How long a session's task lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// As long as it is configured.
    Configured,
    /// As long as the connection it was made for, and as the peer may come back to its routes (RFC 4724).
    OneConnection,
}

/// Where to reach a session's task.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) updates: mpsc::Sender<Updates>,
    stale: watch::Receiver<bool>,
}

impl Handle {
    /// Ends the session and opens it again, with a text for the peer's operator (RFC 9003).
    ///
    /// # Errors
    /// [`ControlError::Stopping`]; so for the others.
    pub async fn reset(&self, reason: String) -> Result<(), ControlError> {
        self.tell(Command::Reset(reason)).await
    }

    /// Keeps the session down until it is enabled, with a text for the peer's operator (RFC 9003).
    pub async fn shut_down(&self, reason: String) -> Result<(), ControlError> {
        self.tell(Command::ShutDown(reason)).await
    }

    /// Takes that back.
    pub async fn enable(&self) -> Result<(), ControlError> {
        self.tell(Command::Enable).await
    }

    /// Asks the peer to announce everything again.
    pub async fn refresh(&self, family: bgp::Family) -> Result<(), ControlError> {
        self.tell(Command::Refresh(family)).await
    }

    async fn tell(&self, command: Command) -> Result<(), ControlError> {
        self.commands.send(command).await.map_err(|_| ControlError::Stopping)
    }

    /// Whether routes are held for a peer that restarts (RFC 4724).
    pub(super) fn keeps_stale_routes(&self) -> bool {
        *self.stale.borrow()
    }

    /// Waits until none are held; whether the session still runs.
    pub(super) async fn stale_routes_gone(&self) -> bool {
        self.stale.clone().wait_for(|stale| !stale).await.is_ok()
    }
}

/// Starts the session's task.
pub(super) fn spawn(
    configured: &settings::Session,
    life: Life,
    restarted: bool,
    rib: mpsc::Sender<rib_task::Command>,
    reporter: Reporter,
) -> (Handle, tokio::task::JoinHandle<()>) {
    let (command_tx, commands) = mpsc::channel(COMMAND_QUEUE);
    let (update_tx, updates) = mpsc::channel(UPDATE_QUEUE);
    let (io_tx, io) = mpsc::channel(IO_QUEUE);
    let settings::Session { id, peer: config, transport, .. } = configured.clone();
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
        rib,
        to_rib: VecDeque::new(),
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

struct Session {
    id: PeerId,
    /// As the handle shows it.
    stale: watch::Sender<bool>,
    /// BFD says that the peer cannot be reached.
    failed: bool,
    life: Life,
    /// The peer has connected.
    met: bool,
    config: bgp::PeerConfig,
    transport: settings::Transport,
    peer: Peer,
    rib: mpsc::Sender<rib_task::Command>,
    /// Events not yet taken by the RIB. Filled by at most one read's worth of messages.
    to_rib: VecDeque<rib_task::Command>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Connections that close with the session and carry a last word.
    farewells: Vec<tokio::task::JoinHandle<()>>,
    io: mpsc::Sender<IoEvent>,
    link: Option<Link>,
    listener: Option<TcpListener>,
    listen_again: Option<Instant>,
    /// How often the session was established.
    incarnation: u64,
    stopping: bool,
    reporter: Reporter,
}

impl Session {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut updates: mpsc::Receiver<Updates>,
        mut io: mpsc::Receiver<IoEvent>,
    ) {
        loop {
            self.drain_outputs();
            self.tell_rib();
            let over = self.met && self.connections.is_empty() && !self.peer.holds_stale_routes();
            self.stopping |= self.life == Life::OneConnection && over;
            self.note_sending();
            if self.stopping && self.to_rib.is_empty() {
                break;
            }
            let rib_has_room = self.to_rib.is_empty();
            let tcp_has_room = self.connections.values().all(Connection::has_room);
            let listens = rib_has_room && !self.connections.values().any(Connection::is_flooded);
            let deadline = self.peer.poll_timeout();
            let rib = self.rib.clone();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => self.handle_command(Command::Shutdown(StopReason::AdminShutdown(String::new()))),
                },
                permit = rib.reserve(), if !rib_has_room => match (permit, self.to_rib.pop_front()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    (Ok(_) | Err(_), _) => self.to_rib.clear(),
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

    fn reconfigure(&mut self, config: bgp::PeerConfig, transport: settings::Transport, now: Instant) {
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
        let bgp::Timers { hold, send_hold, .. } = self.config.timers;
        let patience = if hold.is_zero() || send_hold.is_zero() {
            socket::USER_TIMEOUT
        } else {
            send_hold.max(hold * 2) + PATIENCE
        };
        let bgp::PeerConfig { local_address, peer_address, .. } = self.config;
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
