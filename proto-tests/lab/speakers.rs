//! Many BGP speakers on one host, each a session of the pure room over a real TCP connection, driven by one thread.
//!
//! ```text
//!   orders (say, cut, stop, start) ──► thread inside the namespace ── poll ── TCP to the router's port 179, one each
//!                                         └─► what each has heard, behind one lock
//! ```

mod connection;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bgp::{Attributes, Nlri, Update};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use peering::{Event, Output, Peer, PeerConfig, StopReason};

use super::namespace::Namespace;
use super::{LabError, Result, not_yet};
use connection::Connection;

/// How long an order may lie.
const LONGEST_SLEEP: Duration = Duration::from_millis(10);

/// One speaker.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// How its session is configured.
    pub config: PeerConfig,
    /// What it says as soon as the session is established.
    pub says: Vec<Update>,
}

/// What one speaker has heard.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Whether its session is established.
    pub established: bool,
    /// How often it was.
    pub sessions: u64,
    /// What the router has announced, with its next hop.
    pub routes: BTreeMap<Nlri, (IpAddr, Arc<Attributes>)>,
    /// Everything that was ever withdrawn while the session lasted.
    pub withdrawn: BTreeSet<Nlri>,
    /// Whether the router has said all it had at first.
    pub complete: bool,
    /// Why the session ended last, and what was wrong with what the router sent.
    pub troubles: Vec<String>,
}

#[derive(Debug)]
enum Order {
    Say(usize, Vec<Update>),
    Flap(usize),
    Stop(usize),
    Start(usize),
}

/// All speakers of a host.
#[derive(Debug)]
pub struct Speakers {
    heard: Arc<Mutex<Vec<Heard>>>,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Speakers {
    /// Starts all of them inside the namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn start(namespace: &Namespace, speakers: Vec<Speaker>) -> Result<Self> {
        let heard = Arc::new(Mutex::new(vec![Heard::default(); speakers.len()]));
        let (orders, received) = channel();
        let shared = Arc::clone(&heard);
        let entry = namespace.entry()?;
        let (entered, answer) = channel();
        let thread = std::thread::spawn(move || {
            let outcome = entry.enter();
            let go = outcome.is_ok();
            let _asked = entered.send(outcome);
            if go {
                Driver::new(speakers, shared).run(&received);
            }
        });
        answer.recv().map_err(|_| LabError::Unexpected {
            what: "the speakers' thread starts".to_owned(),
            found: "it ended".to_owned(),
        })??;
        Ok(Self { heard, orders: Some(orders), thread: Some(thread) })
    }

    /// What all of them have heard.
    pub fn heard(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Succeeds when all of these have a session.
    ///
    /// # Errors
    /// With how many have, and the trouble of one that has not.
    pub fn expect_established(&self, which: impl Iterator<Item = usize>) -> Result<()> {
        let heard = self.heard();
        let missing: Vec<usize> = which.filter(|at| !heard[*at].established).collect();
        match missing.first() {
            None => Ok(()),
            Some(first) => {
                not_yet(format!("{} sessions, such as {first}: {:?}", missing.len(), heard[*first].troubles.last()))
            }
        }
    }

    /// Has one say more, now and in each session to come.
    pub fn say(&self, which: usize, updates: Vec<Update>) {
        self.order(Order::Say(which, updates));
    }

    /// Cuts one's connection; it connects again at once.
    pub fn flap(&self, which: usize) {
        self.order(Order::Flap(which));
    }

    /// One goes for good, without a word.
    pub fn stop(&self, which: usize) {
        self.order(Order::Stop(which));
    }

    /// One that has stopped, or waits, connects at once.
    pub fn begin(&self, which: usize) {
        self.order(Order::Start(which));
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ended = orders.send(order);
        }
    }
}

impl Drop for Speakers {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

struct Session {
    peer: Peer,
    config: PeerConfig,
    says: Vec<Update>,
    connections: Vec<Connection>,
}

struct Driver {
    sessions: Vec<Session>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Driver {
    fn new(speakers: Vec<Speaker>, heard: Arc<Mutex<Vec<Heard>>>) -> Self {
        let sessions = speakers.into_iter().enumerate().map(|(at, Speaker { config, says })| Session {
            peer: Peer::new(config.clone(), entropy(at)),
            config,
            says,
            connections: Vec::new(),
        });
        Self { sessions: sessions.collect(), heard }
    }

    fn run(mut self, orders: &Receiver<Order>) {
        for at in 0..self.sessions.len() {
            self.sessions[at].peer.start(Instant::now());
            self.drain(at);
        }
        loop {
            match orders.try_recv() {
                Ok(order) => self.obey(order),
                Err(TryRecvError::Empty) => self.turn(),
                Err(TryRecvError::Disconnected) => return,
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let now = Instant::now();
        let at = match order {
            Order::Say(at, updates) => {
                self.sessions[at].peer.send_updates(&updates);
                self.sessions[at].says.extend(updates);
                at
            }
            Order::Flap(at) => {
                let session = &mut self.sessions[at];
                for gone in session.connections.drain(..) {
                    session.peer.handle_closed(gone.id, Some("cut".to_owned()), now);
                }
                session.peer.start(now);
                at
            }
            Order::Stop(at) => {
                self.sessions[at].peer.stop(StopReason::TunnelDown, now);
                at
            }
            Order::Start(at) => {
                self.sessions[at].peer.start(now);
                at
            }
        };
        self.drain(at);
    }

    /// Waits for whatever comes first, and acts on all of it.
    fn turn(&mut self) {
        let places: Vec<(usize, usize)> = self
            .sessions
            .iter()
            .enumerate()
            .flat_map(|(at, session)| (0..session.connections.len()).map(move |which| (at, which)))
            .collect();
        let ready: Vec<bool> = {
            let mut fds: Vec<PollFd<'_>> =
                places.iter().map(|(at, which)| self.sessions[*at].connections[*which].watched()).collect();
            let due = self.sessions.iter().filter_map(|session| session.peer.poll_timeout()).min();
            let sleep =
                due.map_or(LONGEST_SLEEP, |due| due.saturating_duration_since(Instant::now()).min(LONGEST_SLEEP));
            let sleep = PollTimeout::try_from(sleep).unwrap_or(PollTimeout::ZERO);
            let _interrupted = poll(&mut fds, sleep);
            fds.iter().map(|fd| fd.any().unwrap_or(false)).collect()
        };
        // Backwards, so that those that go do not move those that are still to be looked at.
        for ((at, which), _) in places.into_iter().zip(ready).rev().filter(|(_, ready)| *ready) {
            self.serve(at, which);
        }
        let now = Instant::now();
        for at in 0..self.sessions.len() {
            if self.sessions[at].peer.poll_timeout().is_some_and(|due| due <= now) {
                self.sessions[at].peer.handle_timeout(now);
                self.drain(at);
            }
        }
    }

    fn serve(&mut self, at: usize, which: usize) {
        let Session { peer, connections, .. } = &mut self.sessions[at];
        let Some(connection) = connections.get_mut(which) else { return };
        let (id, now) = (connection.id, Instant::now());
        match connection.serve() {
            Ok(connection::Served { connected, octets }) => {
                if connected {
                    peer.handle_connected(id, now);
                }
                if !octets.is_empty() {
                    peer.handle_bytes(id, &octets, now);
                }
            }
            Err(error) => {
                let gone = connections.remove(which);
                let words = (error.kind() != std::io::ErrorKind::UnexpectedEof).then(|| error.to_string());
                if gone.connecting {
                    peer.handle_connect_failed(id, error.to_string(), now);
                } else {
                    peer.handle_closed(id, words, now);
                }
            }
        }
        self.drain(at);
    }

    fn drain(&mut self, at: usize) {
        let session = &mut self.sessions[at];
        while let Some(output) = session.peer.poll_output() {
            match output {
                Output::Connect { id } => match Connection::open(id, &session.config) {
                    Ok(connection) => session.connections.push(connection),
                    Err(error) => session.peer.handle_connect_failed(id, error.to_string(), Instant::now()),
                },
                Output::Close { id } => session.connections.retain_mut(|connection| !connection.close(id)),
                Output::Send { id, bytes } => {
                    if let Some(connection) = session.connections.iter_mut().find(|known| known.id == id) {
                        connection.send(&bytes);
                    }
                }
                Output::Event(event) => {
                    if matches!(event, Event::Established(_)) {
                        session.peer.send_updates(&session.says);
                    }
                    let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard[at].note(event);
                }
            }
        }
    }
}

impl Heard {
    fn note(&mut self, event: Event) {
        match event {
            Event::Established(_) => {
                self.established = true;
                self.sessions += 1;
                self.routes.clear();
                self.complete = false;
            }
            Event::Down { reason, .. } => {
                self.established = false;
                self.routes.clear();
                self.troubles.push(reason.to_string());
            }
            Event::Update(update) => self.update(update),
            Event::UpdateFaulty { faults, .. } => self.troubles.push(faults.to_string()),
            Event::RefreshRequested(_)
            | Event::RefreshBegun(_)
            | Event::RefreshEnded(_)
            | Event::StaleExpired(_)
            | Event::StateChanged { .. }
            | Event::NotificationReceived { .. }
            | Event::NotificationSent { .. }
            | Event::Unsendable { .. } => {}
        }
    }

    fn update(&mut self, update: Update) {
        let attributes = update.attributes;
        for nlri in update.withdrawn {
            self.routes.remove(&nlri);
            self.withdrawn.insert(nlri);
        }
        for announcement in update.announced {
            for nlri in announcement.prefixes {
                self.routes.insert(nlri, (announcement.next_hop, Arc::clone(&attributes)));
            }
        }
        self.complete |= update.end_of_rib.is_some();
    }
}

impl Connection {
    fn watched(&self) -> PollFd<'_> {
        let out = if self.connecting || self.has_more() { PollFlags::POLLOUT } else { PollFlags::empty() };
        let fd: BorrowedFd<'_> = self.stream.as_fd();
        PollFd::new(fd, PollFlags::POLLIN | out)
    }
}

/// Randomness that is the same in every run.
fn entropy(seed: usize) -> Box<dyn wire::Entropy> {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Box::new(move |out: &mut [u8]| {
        for octet in out {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (state >> 56).to_le_bytes()[0];
        }
    })
}
