//! The task that owns the routing tables.
//!
//! Sessions and tunnels tell it what changed; after each batch it hands what follows to the FIB and to the sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rib::{Output, PeerId, PeerPolicy, PeerSession, Rib};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

use super::link_states::LinkStates;
use super::session;
use super::topology::TopologyReader;
use crate::telemetry::report::Reporter;

/// Commands waiting for the routing tables; whoever finds the queue full waits.
const COMMAND_QUEUE: usize = 1024;
/// Commands handled before their outcome is passed on.
const BATCH: usize = 256;
/// How long a session may refuse updates before it is given up.
const STALL: Duration = Duration::from_secs(2);

/// What others tell the routing tables.
#[derive(Debug)]
pub(super) enum Command {
    AddPeer {
        peer: PeerId,
        policy: Box<PeerPolicy>,
    },
    RemovePeer {
        peer: PeerId,
    },
    SetPolicy {
        peer: PeerId,
        policy: Box<PeerPolicy>,
    },
    /// What a reload may change of the router as a whole.
    Reconfigure(Box<rib::RibConfig>),
    /// `incarnation` numbers the establishments of one session: what was meant for an earlier one is not sent.
    PeerUp {
        peer: PeerId,
        incarnation: u64,
        established: bgp::Established,
    },
    /// `stale` names the families whose routes stay for a while (RFC 4724 4.2).
    PeerDown {
        peer: PeerId,
        stale: Option<bgp::StaleRoutes>,
    },
    /// Stale routes of these families are gone.
    StaleExpired {
        peer: PeerId,
        families: Vec<bgp::Family>,
    },
    /// What the peer does not announce again until the end is gone (RFC 7313).
    RefreshBegun {
        peer: PeerId,
        family: bgp::Family,
    },
    RefreshEnded {
        peer: PeerId,
        family: bgp::Family,
    },
    Update {
        peer: PeerId,
        update: bgp::Update,
    },
    Refresh {
        peer: PeerId,
        family: bgp::Family,
    },
    /// Reads something: the closure runs in the task, so that readers share nothing with it.
    Read(Read),
}

/// A question to the routing tables.
pub(super) struct Read(Box<dyn FnOnce(&Rib) + Send>);

impl std::fmt::Debug for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Read(..)")
    }
}

/// Asks the routing tables; `None` once the task has ended.
pub(super) async fn read<T: Send + 'static>(
    rib: &mpsc::Sender<Command>,
    question: impl FnOnce(&Rib) -> T + Send + 'static,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    let read = Read(Box::new(move |rib| drop(reply.send(question(rib)))));
    rib.send(Command::Read(read)).await.ok()?;
    answer.await.ok()
}

/// The channel to the task, which may exist before the task does.
pub(super) fn channel() -> (mpsc::Sender<Command>, mpsc::Receiver<Command>) {
    mpsc::channel(COMMAND_QUEUE)
}

/// Starts the task. It ends when nobody can reach it any more.
pub(super) fn spawn(
    rib: Rib,
    commands: mpsc::Receiver<Command>,
    states: Arc<LinkStates>,
    fib: fib::Fib,
    topology: TopologyReader,
    reporter: Reporter,
) -> tokio::task::JoinHandle<()> {
    let task =
        Task { rib, states, fib, topology, reporter, incarnations: BTreeMap::new(), complete: Some(BTreeSet::new()) };
    tokio::spawn(task.run(commands))
}

struct Task {
    rib: Rib,
    states: Arc<LinkStates>,
    fib: fib::Fib,
    topology: TopologyReader,
    reporter: Reporter,
    incarnations: BTreeMap<PeerId, u64>,
    /// Sessions that have announced all they had, until every one has.
    complete: Option<BTreeSet<PeerId>>,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(BATCH);
        let states = Arc::clone(&self.states);
        loop {
            tokio::select! {
                biased;
                changed = states.take() => {
                    for (link, state) in changed {
                        self.rib.handle_link(link, state);
                    }
                }
                taken = commands.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                    for command in batch.drain(..) {
                        self.handle(command);
                    }
                }
            }
            self.drain_outputs().await;
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::AddPeer { peer, policy } => self.rib.add_peer(peer, *policy),
            Command::RemovePeer { peer } => self.rib.remove_peer(peer),
            Command::SetPolicy { peer, policy } => self.rib.set_policy(peer, *policy),
            Command::Reconfigure(config) => {
                self.rib.reconfigure(*config);
            }
            Command::PeerUp { peer, incarnation, established } => {
                self.incarnations.insert(peer, incarnation);
                self.rib.handle_peer_up(peer, PeerSession::from(established));
            }
            Command::PeerDown { peer, stale: None } => self.rib.handle_peer_down(peer),
            Command::PeerDown { peer, stale: Some(stale) } => {
                self.rib.handle_peer_restarting(peer, &stale.families);
            }
            Command::StaleExpired { peer, families } => self.rib.handle_stale_expired(peer, &families),
            Command::RefreshBegun { peer, family } => self.rib.handle_refresh_begun(peer, family),
            Command::RefreshEnded { peer, family } => self.rib.handle_refresh_ended(peer, family),
            Command::Update { peer, update } => self.rib.handle_update(peer, update),
            Command::Refresh { peer, family } => self.rib.handle_refresh(peer, family),
            Command::Read(Read(question)) => question(&self.rib),
        }
    }

    async fn drain_outputs(&mut self) {
        let mut changes = Vec::new();
        let mut sends = Vec::new();
        while let Some(output) = self.rib.poll_output() {
            match output {
                Output::Fib(change) => changes.push(change),
                Output::Send { peer, update } => sends.push((peer, *update)),
                Output::PrefixLimit { peer, limit, count } => {
                    self.stop_session(peer, bgp::StopReason::PrefixLimit { limit, count });
                }
                Output::EndOfRib { peer, .. } => self.note_complete(peer),
                Output::RequestRefresh { peer, family } => {
                    if let Some(session) = self.session(peer) {
                        drop(session.commands.try_send(session::Command::Refresh(family)));
                    }
                }
                Output::PrefixWarning { peer, limit, count } => {
                    let name = self.topology.borrow().session_name(peer);
                    self.reporter.prefix_limit_near(&name, count, limit);
                }
                Output::HeldBack { peer, prefix, limit } => {
                    let name = self.topology.borrow().session_name(peer);
                    self.reporter.prefix_held_back(&name, prefix, limit);
                }
            }
        }
        // The FIB first: traffic follows it, the peers' tables can wait.
        if !changes.is_empty() && self.topology.borrow().router.install {
            self.fib.apply(changes);
        }
        for (peer, update) in sends {
            self.send(peer, update).await;
        }
    }

    /// Routes left by a predecessor that was killed are kept until every session has said all it had (RFC 4724 2).
    fn note_complete(&mut self, peer: PeerId) {
        let Some(complete) = &mut self.complete else { return };
        complete.insert(peer);
        let topology = self.topology.borrow();
        if topology.sessions().all(|(id, _)| complete.contains(&id)) {
            self.complete = None;
            let fib = self.fib.clone();
            tokio::spawn(async move { fib.converged().await });
        }
    }

    async fn send(&self, peer: PeerId, update: bgp::Update) {
        let Some(session) = self.session(peer) else { return };
        let incarnation = self.incarnation(peer);
        if let Err(SendTimeoutError::Timeout(_)) = session.updates.send_timeout((incarnation, update), STALL).await {
            let name = self.topology.borrow().session_name(peer);
            self.reporter.peer_stalled(&name, STALL);
            self.stop_session(peer, bgp::StopReason::OutOfResources("the peer takes no updates".into()));
        }
    }

    fn stop_session(&self, peer: PeerId, reason: bgp::StopReason) {
        if let Some(session) = self.session(peer) {
            // A full queue holds a command that ends or reports; the session is asked again with the next update.
            let incarnation = self.incarnation(peer);
            drop(session.commands.try_send(session::Command::Stop { incarnation, reason }));
        }
    }

    fn incarnation(&self, peer: PeerId) -> u64 {
        self.incarnations.get(&peer).copied().unwrap_or_default()
    }

    fn session(&self, peer: PeerId) -> Option<session::Handle> {
        self.topology.borrow().session(peer).cloned()
    }
}
