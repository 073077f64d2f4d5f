//! The task that owns all BFD sessions.
//!
//! ```text
//!   supervisor ── Add, Reconfigure, Remove ─┐
//!   coupling ──── Start, Stop ──────────────┼──► bfd::Endpoint ──► octets ──► a socket per session
//!   a socket per link ── datagrams ─────────┘          └──► verdicts ──► coupling: FIB, RIB, session
//! ```
//!
//! It has a thread to itself: packets that wait for a routing table to be computed would make the peer believe that we
//! are gone. Before a peer is taken for dead, its socket is looked at once more: it may be us who were away.

mod socket;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bfd::{Arrival, Endpoint, EndpointEvent, EndpointOutput, Event, Path, SessionId, Status};
use rib::PeerId;
use socket2::Socket;
use system::{sleep_until, system_entropy};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wire::LinkId;

use super::coupling::Coupling;
use telemetry::report::Reporter;

/// Commands waiting; whoever finds the queue full waits.
const COMMAND_QUEUE: usize = 256;
/// Datagrams waiting; the rest waits in the sockets.
const DATAGRAM_QUEUE: usize = 1024;
/// Datagrams handled before timers are looked at again.
const BATCH: usize = 64;
/// Pause after a socket could not be made.
const OPEN_AGAIN: Duration = Duration::from_secs(5);
/// Pause after a socket could not be read.
const READ_AGAIN: Duration = Duration::from_millis(100);
/// Octets of the longest packet there is (its length is one octet).
const LONGEST: usize = 255;

/// What others ask of BFD.
#[derive(Debug)]
pub(super) enum Command {
    /// Serve a session that sleeps until it is started.
    Add(Box<Add>),
    /// Other settings; the session stays up.
    Reconfigure(PeerId, Box<bfd::Config>),
    /// Tell the peer that BFD ends, and forget the session. Once that is done, nothing more is said against its path.
    Remove(PeerId, oneshot::Sender<()>),
    /// Take no more interest in the session: what it says counts no more, and the peer notices nothing.
    Retire(PeerId, oneshot::Sender<()>),
    /// The path below is there.
    Start(PeerId),
    /// The path below is gone.
    Stop(PeerId),
    /// Report.
    Status(oneshot::Sender<Report>),
    /// Tell every peer that BFD ends; then the task does.
    Shutdown(oneshot::Sender<()>),
}

/// A session to serve.
#[derive(Debug)]
pub(super) struct Add {
    pub(super) peer: PeerId,
    /// The name of its BGP session.
    pub(super) name: String,
    /// The name that its losses are counted under: for a peer of a range, the range's.
    pub(super) counted: String,
    pub(super) path: Path,
    /// The interface behind the path's link.
    pub(super) interface: Option<String>,
    pub(super) config: bfd::Config,
}

/// All sessions at one moment.
#[derive(Debug, Default)]
pub struct Report {
    /// By the names of their BGP sessions.
    pub sessions: Vec<(String, Path, Status)>,
    /// Datagrams that counted for nothing, by cause.
    pub discarded: BTreeMap<&'static str, u64>,
}

/// Where to reach the task.
pub(super) type Handle = mpsc::Sender<Command>;

/// The way to a task that is yet to be started.
pub(super) fn channel() -> (Handle, mpsc::Receiver<Command>) {
    mpsc::channel(COMMAND_QUEUE)
}

/// Has the task end a session in one of its ways; returns when it is done, and everything said that was said before.
pub(super) async fn end(task: &Handle, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
    let (done, ended) = oneshot::channel();
    if task.send(command(done)).await.is_ok() {
        // A task that is gone says nothing any more.
        let _ = ended.await;
    }
}

/// Starts the task in its thread. It ends with [`Command::Shutdown`], or when nobody can tell it anything any more.
pub(super) fn spawn(commands: mpsc::Receiver<Command>, coupling: Coupling, reporter: Reporter) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (inbox, datagrams) = mpsc::channel(DATAGRAM_QUEUE);
    let task = Task {
        endpoint: Endpoint::new(system_entropy()),
        served: BTreeMap::new(),
        receivers: BTreeMap::new(),
        unopened: BTreeSet::new(),
        open_again: None,
        inbox,
        coupling,
        reporter,
    };
    std::thread::Builder::new().name("bfd".into()).spawn(move || runtime.block_on(task.run(commands, datagrams)))?;
    Ok(())
}

/// What a receiving socket is for.
type ReceiverKey = (Option<LinkId>, IpAddr, u16);

#[derive(Debug)]
struct Receiver {
    socket: Arc<UdpSocket>,
    task: JoinHandle<()>,
    users: usize,
}

#[derive(Debug)]
struct Served {
    name: String,
    counted: String,
    path: Path,
    interface: Option<String>,
    sender: Option<Socket>,
    /// Whether it has a part in its receiver.
    hears: bool,
}

impl Served {
    const fn key(&self) -> ReceiverKey {
        (self.path.link, self.path.local, self.path.hops.port())
    }
}

#[derive(Debug)]
struct Datagram {
    arrival: Arrival,
    octets: Vec<u8>,
}

struct Task {
    endpoint: Endpoint,
    served: BTreeMap<SessionId, Served>,
    receivers: BTreeMap<ReceiverKey, Receiver>,
    /// Started sessions without sockets.
    unopened: BTreeSet<SessionId>,
    open_again: Option<Instant>,
    inbox: mpsc::Sender<Datagram>,
    coupling: Coupling,
    reporter: Reporter,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut datagrams: mpsc::Receiver<Datagram>) {
        loop {
            if self.endpoint.poll_timeout().is_some_and(|due| due <= Instant::now()) {
                self.handle_timeout(&mut datagrams);
            }
            self.drain_outputs().await;
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Shutdown(done)) => {
                        self.say_goodbye().await;
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.handle_command(command).await,
                    None => return,
                },
                () = sleep_until(self.endpoint.poll_timeout()) => {}
                () = sleep_until(self.open_again) => self.open_sockets(),
                Some(datagram) = datagrams.recv() => {
                    self.handle_datagram(&datagram);
                    self.handle_waiting(&mut datagrams, BATCH);
                }
            }
        }
    }

    async fn handle_command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Add(add) => self.add(*add, now),
            Command::Reconfigure(peer, config) => self.endpoint.reconfigure(session(peer), *config, now),
            Command::Remove(peer, done) => {
                self.unopened.remove(&session(peer));
                self.endpoint.remove(session(peer), now);
                self.drain_outputs().await;
                let _ = done.send(());
            }
            Command::Retire(peer, done) => {
                self.unopened.remove(&session(peer));
                self.endpoint.retire(session(peer), now);
                self.drain_outputs().await;
                let _ = done.send(());
            }
            Command::Start(peer) => {
                self.unopened.insert(session(peer));
                self.open_sockets();
            }
            Command::Stop(peer) => {
                self.endpoint.stop(session(peer), now);
                self.close(session(peer));
            }
            Command::Status(reply) => drop(reply.send(self.report())),
            // It ends the loop.
            Command::Shutdown(_) => {}
        }
    }

    fn add(&mut self, add: Add, now: Instant) {
        let Add { peer, name, counted, path, interface, config } = add;
        let id = session(peer);
        self.reporter.bfd_added(&counted);
        if let Some(before) = self.endpoint.resume(id, &path, &config, now) {
            if before != id {
                self.close(id);
            }
            if let Some(served) = self.served.remove(&before) {
                self.served.insert(id, Served { name, counted, ..served });
            }
            return;
        }
        self.close(id);
        self.endpoint.add(id, path, config, now);
        self.served.insert(id, Served { name, counted, path, interface, sender: None, hears: false });
    }

    fn report(&self) -> Report {
        let sessions = self.endpoint.statuses();
        Report {
            sessions: sessions
                .filter_map(|(id, path, status)| Some((self.served.get(&id)?.name.clone(), path, status)))
                .collect(),
            discarded: self.endpoint.discarded().clone(),
        }
    }

    /// Opens the sockets of sessions that were started, and lets these begin; again after a pause where that fails.
    fn open_sockets(&mut self) {
        self.open_again = None;
        for id in std::mem::take(&mut self.unopened) {
            match self.open(id) {
                Ok(()) => self.endpoint.start(id, Instant::now()),
                Err(error) => {
                    if let Some(served) = self.served.get(&id) {
                        self.reporter.bfd_not_opened(&served.name, &served.path, &error);
                        self.unopened.insert(id);
                        self.open_again = Some(Instant::now() + OPEN_AGAIN);
                    }
                    self.close_sockets(id);
                }
            }
        }
    }

    fn open(&mut self, id: SessionId) -> io::Result<()> {
        let Some(served) = self.served.get_mut(&id) else { return Ok(()) };
        let interface = served.interface.as_deref();
        let (path, key) = (served.path, served.key());
        if !served.hears {
            match self.receivers.get_mut(&key) {
                Some(receiver) => receiver.users += 1,
                None => {
                    let socket = socket::receiver(interface, path.local, path.hops.port())?;
                    let socket = Arc::new(UdpSocket::from_std(socket.into())?);
                    let task = tokio::spawn(read_all(key, Arc::clone(&socket), self.inbox.clone()));
                    self.receivers.insert(key, Receiver { socket, task, users: 1 });
                }
            }
            served.hears = true;
        }
        if served.sender.is_none() {
            let [first, second, ..] = system_entropy().random_u32().to_be_bytes();
            let remote = SocketAddr::new(path.remote, path.hops.port());
            served.sender = Some(socket::sender(interface, path.local, remote, u16::from_be_bytes([first, second]))?);
        }
        Ok(())
    }

    fn close(&mut self, id: SessionId) {
        self.unopened.remove(&id);
        self.close_sockets(id);
    }

    fn close_sockets(&mut self, id: SessionId) {
        let Some(served) = self.served.get_mut(&id) else { return };
        served.sender = None;
        let key = served.key();
        if !std::mem::take(&mut served.hears) {
            return;
        }
        if let Some(receiver) = self.receivers.get_mut(&key) {
            receiver.users -= 1;
            if receiver.users == 0 {
                receiver.task.abort();
                self.receivers.remove(&key);
            }
        }
    }

    fn handle_datagram(&mut self, datagram: &Datagram) {
        if let Err(discard) = self.endpoint.handle_datagram(&datagram.arrival, &datagram.octets, Instant::now()) {
            tracing::debug!(from = %datagram.arrival.remote, %discard, "BFD packet ignored");
        }
    }

    fn handle_waiting(&mut self, datagrams: &mut mpsc::Receiver<Datagram>, most: usize) {
        for _ in 0..most {
            let Ok(datagram) = datagrams.try_recv() else { return };
            self.handle_datagram(&datagram);
        }
    }

    fn handle_timeout(&mut self, datagrams: &mut mpsc::Receiver<Datagram>) {
        let now = Instant::now();
        let doubtful: BTreeSet<ReceiverKey> =
            self.endpoint.about_to_fail(now).map(|(_, path)| (path.link, path.local, path.hops.port())).collect();
        if !doubtful.is_empty() {
            self.handle_waiting(datagrams, DATAGRAM_QUEUE);
        }
        for key in doubtful {
            let Some(socket) = self.receivers.get(&key).map(|receiver| Arc::clone(&receiver.socket)) else { continue };
            for _ in 0..BATCH {
                let Ok(datagram) = take(key, &socket) else { break };
                self.handle_datagram(&datagram);
            }
        }
        self.endpoint.handle_timeout(now);
    }

    async fn drain_outputs(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                EndpointOutput::Transmit { session, octets } => {
                    let sender = self.served.get(&session).and_then(|served| served.sender.as_ref());
                    if let Some(Err(error)) = sender.map(|sender| sender.send(&octets)) {
                        tracing::trace!(session = session.0, %error, "BFD packet not sent");
                    }
                }
                EndpointOutput::Event { session, event: EndpointEvent::Gone } => {
                    self.close(session);
                    self.served.remove(&session);
                }
                EndpointOutput::Event { session, event: EndpointEvent::Session(event) } => {
                    let Some(served) = self.served.get(&session) else { continue };
                    self.reporter.bfd_event(&served.name, &served.counted, served.path.remote, &event);
                    if let Event::Verdict(verdict) = event {
                        self.coupling.bfd_verdict(PeerId(session.0), verdict).await;
                    }
                }
            }
        }
    }

    /// One packet to every peer: that BFD ends is no failure.
    async fn say_goodbye(&mut self) {
        let now = Instant::now();
        for id in self.served.keys() {
            self.endpoint.remove(*id, now);
        }
        while let Some(output) = self.endpoint.poll_output() {
            if let EndpointOutput::Transmit { session, octets } = output
                && let Some(sender) = self.served.get(&session).and_then(|served| served.sender.as_ref())
            {
                drop(sender.send(&octets));
            }
        }
    }
}

const fn session(peer: PeerId) -> SessionId {
    SessionId(peer.0)
}

fn take((link, local, port): ReceiverKey, socket: &UdpSocket) -> io::Result<Datagram> {
    let mut buffer = [0; LONGEST];
    let (length, remote, ttl) = socket::receive(socket, &mut buffer)?;
    Ok(Datagram { arrival: Arrival { link, local, remote, port, ttl }, octets: buffer[..length].to_vec() })
}

async fn read_all(key: ReceiverKey, socket: Arc<UdpSocket>, inbox: mpsc::Sender<Datagram>) {
    loop {
        if socket.readable().await.is_err() {
            return;
        }
        match socket.try_io(Interest::READABLE, || take(key, &socket)) {
            Ok(datagram) => {
                if inbox.send(datagram).await.is_err() {
                    return;
                }
            }
            // Nothing is left.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::debug!(%error, "BFD socket");
                tokio::time::sleep(READ_AGAIN).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_ends_a_session_goes_on_when_nothing_is_said_of_it_any_more() {
        let (task, mut commands) = channel();
        let mut ending = std::pin::pin!(end(&task, |done| Command::Retire(PeerId(7), done)));
        let taken = tokio::select! {
            biased;
            () = &mut ending => None,
            command = commands.recv() => command,
        };
        let Some(Command::Retire(PeerId(7), done)) = taken else { panic!("{taken:?}") };
        let pending = tokio::time::timeout(Duration::from_millis(20), &mut ending).await;
        assert!(pending.is_err(), "a verdict may be under way");
        done.send(()).unwrap();
        ending.await;
        drop(commands);
        end(&task, |done| Command::Remove(PeerId(7), done)).await;
    }
}
