//! The task that owns the routing tables.
//!
//! Sessions and tunnels tell it what changed; what follows it hands to the FIB and to the sessions. A session without
//! room makes nobody wait: its peer is held in the routing tables, which go on noting what changes for it, so that a slow
//! peer costs no memory and gets the latest state instead of all that led there. How long a peer may read nothing is
//! the session's matter (RFC 9687).

mod backlog;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use rib::{Output, PeerId, PeerPolicy, Rib};
use session::Notice;
use system::sleep_until;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use wire::LinkId;

use self::backlog::Room;
use super::convergence::Convergence;
use super::doubts::Doubts;
use super::link_states::LinkStates;
use super::steering_task::{Fact, Facts};
use super::topology::TopologyReader;
use telemetry::report::Reporter;

/// Commands waiting for the routing tables; whoever finds the queue full waits. Each may be all that came with one read
/// of a session.
const COMMAND_QUEUE: usize = 16;
/// Commands handled before links and slow sessions get their turn.
const BATCH: usize = 4;
/// How long outputs are passed on before others get their turn.
const SLICE: Duration = Duration::from_millis(25);
/// Changes of the forwarding table passed on before that is looked at.
const CHANGES: usize = 4096;
/// How long decisions may wait while more comes in.
const COALESCE: Duration = Duration::from_millis(50);

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
    /// Has traffic leave a session (RFC 8326), or come back.
    SetDraining {
        peer: PeerId,
        draining: bool,
    },
    /// Where a tunnel stands in its connection, or that it is in none.
    SetStanding {
        link: LinkId,
        standing: Option<rib::Standing>,
    },
    SetPolicy {
        peer: PeerId,
        policy: Box<PeerPolicy>,
    },
    /// An interface is there, or has other addresses, or is gone.
    Interface {
        link: LinkId,
        interface: Option<rib::Interface>,
    },
    /// The network of a pool of clients is to be announced, or no more.
    Pool {
        network: ipnet::IpNet,
        route: Option<rib::LocalRoute>,
    },
    /// Static routes, and which interfaces' networks are known.
    Sources(Vec<rib::StaticRoute>, rib::ConnectedRule),
    /// What a reload may change of the router as a whole.
    Reconfigure(Box<rib::RibConfig>),
    /// Announces a session's routes again.
    Refresh {
        peer: PeerId,
        family: bgp::Family,
    },
    /// What a session says.
    Session(PeerId, Notice),
    /// Reads something: the closure runs in the task, so that readers share nothing with it.
    Read(Read),
    /// Wants to know when the forwarding table has been told all that follows from what was said before.
    Passed(oneshot::Sender<()>),
}

impl From<(PeerId, Notice)> for Command {
    fn from((peer, notice): (PeerId, Notice)) -> Self {
        Self::Session(peer, notice)
    }
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

/// Returns when the forwarding table has been told all that follows from what the routing tables were told before.
pub(super) async fn passed(rib: &mpsc::Sender<Command>) {
    let (reply, answer) = oneshot::channel();
    if rib.send(Command::Passed(reply)).await.is_ok() {
        // The task answers by dropping the sender, too, when it ends.
        drop(answer.await);
    }
}

/// The channel to the task, which may exist before the task does.
pub(super) fn channel() -> (mpsc::Sender<Command>, mpsc::Receiver<Command>) {
    mpsc::channel(COMMAND_QUEUE)
}

/// What is read and written as a level.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    pub(super) states: Arc<LinkStates>,
    pub(super) facts: Arc<Facts>,
}

/// Starts the task in a thread of its own: deciding on a full table takes long, and nothing else may wait behind that. It
/// ends when nobody can reach it any more, and the receiver with it.
pub(super) fn spawn(
    rib: Rib,
    commands: mpsc::Receiver<Command>,
    levels: &Levels,
    fib: fib::Fib,
    topology: TopologyReader,
    reporter: Reporter,
) -> std::io::Result<oneshot::Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (alive, ended) = oneshot::channel();
    let Levels { states, facts } = levels.clone();
    let task = Task {
        rib,
        states,
        fib,
        topology,
        facts,
        reporter,
        incarnations: BTreeMap::new(),
        backlog: BTreeMap::new(),
        room: FuturesUnordered::new(),
        changes: Vec::new(),
        doubts: Doubts::default(),
        convergence: Some(Convergence::default()),
        deferred: None,
        converged: false,
        waiting: Vec::new(),
    };
    std::thread::Builder::new().name("rib".into()).spawn(move || {
        let _alive: oneshot::Sender<()> = alive;
        runtime.block_on(task.run(commands));
    })?;
    Ok(ended)
}

struct Task {
    rib: Rib,
    states: Arc<LinkStates>,
    fib: fib::Fib,
    topology: TopologyReader,
    /// For whoever chooses among tunnels.
    facts: Arc<Facts>,
    reporter: Reporter,
    incarnations: BTreeMap<PeerId, u64>,
    /// Batches of updates that sessions had no room for. Their peers are held: at most one batch of the routing tables each.
    backlog: BTreeMap<PeerId, VecDeque<Vec<bgp::Update>>>,
    /// Room for those, when there is some.
    room: FuturesUnordered<BoxFuture<'static, (PeerId, Room)>>,
    /// Changes for the forwarding table not yet handed over.
    changes: Vec<rib::FibChange>,
    doubts: Doubts,
    /// Who has announced all it had, until every session has.
    convergence: Option<Convergence>,
    /// After our own restart, until when nothing is decided.
    deferred: Option<Instant>,
    /// Everybody has announced all they had, and the forwarding table is still to be told so.
    converged: bool,
    /// Who waits until the forwarding table is told everything.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(BATCH);
        let states = Arc::clone(&self.states);
        self.defer_after_restart();
        let mut more = false;
        let mut worked = Instant::now();
        loop {
            // While more comes in, what a prefix comes to is not worth deciding again and again.
            if commands.is_empty() || worked.elapsed() > COALESCE {
                more = self.work();
                worked = Instant::now();
            }
            tokio::select! {
                biased;
                changed = states.take() => {
                    changed.links.into_iter().for_each(|(link, state)| self.rib.handle_link(link, state));
                    changed.hops.into_iter().for_each(|(hop, state)| self.rib.handle_hop(hop, state));
                }
                Some((peer, room)) = self.room.next() => self.send_backlog(peer, room),
                taken = commands.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                    for command in batch.drain(..) {
                        self.handle(command);
                    }
                    more = true;
                }
                () = sleep_until(self.deferred) => self.begin_selection(),
                // Lets the sessions run that were just given something.
                () = tokio::task::yield_now(), if more => {}
            }
        }
    }

    /// RFC 4724 4.1: after a restart that left routes in the kernel, these forward until the peers have said what they
    /// have, or for as long as they were asked to wait for us.
    fn defer_after_restart(&mut self) {
        let topology = self.topology.borrow();
        let asked = |restart: peering::Restart| restart.time;
        let router = &topology.router;
        let within = router.tunnels.iter().filter_map(|tunnel| tunnel.bgp.as_ref());
        let sessions = within.chain(router.neighbors.iter().map(|neighbor| &neighbor.session));
        let longest = sessions.filter_map(|session| session.peer.offers.graceful_restart).filter_map(asked).max();
        if let Some(longest) = longest.filter(|_| self.fib.status().adopted > 0) {
            self.rib.defer_selection();
            self.deferred = Instant::now().checked_add(longest);
        }
    }

    fn begin_selection(&mut self) {
        self.deferred = None;
        self.rib.begin_selection();
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::AddPeer { peer, policy } => self.rib.add_peer(peer, *policy),
            Command::RemovePeer { peer } => {
                self.note(peer, |fact| (fact.established, fact.drained) = (false, false));
                self.incarnations.remove(&peer);
                self.backlog.remove(&peer);
                self.doubt(peer);
                self.rib.remove_peer(peer);
            }
            Command::SetDraining { peer, draining } => {
                self.note(peer, |fact| fact.drained = draining);
                self.rib.set_draining(peer, draining);
            }
            Command::SetStanding { link, standing } => self.rib.set_standing(link, standing),
            Command::SetPolicy { peer, policy } => self.rib.set_policy(peer, *policy),
            Command::Interface { link, interface: Some(interface) } => self.rib.set_interface(link, interface),
            Command::Interface { link, interface: None } => self.rib.remove_interface(link),
            Command::Pool { network, route } => self.rib.set_local_route(rib::LocalKind::Pool, network, route),
            Command::Sources(statics, connected) => self.rib.set_sources(statics, connected),
            Command::Reconfigure(config) => self.rib.reconfigure(*config),
            Command::Refresh { peer, family } => self.rib.handle_refresh(peer, family),
            Command::Session(peer, notice) => self.handle_notice(peer, notice),
            Command::Read(Read(question)) => question(&self.rib),
            Command::Passed(waiting) => self.waiting.push(waiting),
        }
    }

    fn handle_notice(&mut self, peer: PeerId, notice: Notice) {
        match notice {
            Notice::Up { incarnation, session } => {
                self.note(peer, |fact| fact.established = true);
                self.incarnations.insert(peer, incarnation);
                self.backlog.remove(&peer);
                if let Some(convergence) = &mut self.convergence {
                    convergence.handle_peer_up(peer, &session.families);
                }
                self.rib.handle_peer_up(peer, session);
            }
            Notice::Down(stale) => {
                self.backlog.remove(&peer);
                match stale {
                    Some(stale) => self.rib.handle_peer_restarting(peer, &stale.families),
                    None => {
                        self.note(peer, |fact| fact.established = false);
                        self.doubt(peer);
                        self.rib.handle_peer_down(peer);
                    }
                }
            }
            Notice::StaleExpired(families) => {
                // Unless it is back.
                if self.rib.families(peer).is_empty() {
                    self.note(peer, |fact| fact.established = false);
                }
                self.rib.handle_stale_expired(peer, &families);
            }
            Notice::RefreshBegun(family) => self.rib.handle_refresh_begun(peer, family),
            Notice::RefreshEnded(family) => self.rib.handle_refresh_ended(peer, family),
            Notice::Updates(updates) => {
                updates.into_iter().for_each(|update| self.rib.handle_update(peer, update));
            }
            Notice::RefreshRequested(family) => self.rib.handle_refresh(peer, family),
        }
    }

    /// Notes something about the session of a tunnel; nobody chooses among others.
    fn note(&self, peer: PeerId, change: impl FnOnce(&mut Fact)) {
        if let Some(tunnel) = LinkId(peer.0).tunnel() {
            self.facts.note(tunnel, change);
        }
    }

    /// The session is lost, and what was learned on it is to go: at once out of every group of next hops, and then route by
    /// route.
    fn doubt(&mut self, peer: PeerId) {
        self.fib.doubt(self.doubts.begin(peer, self.rib.next_hops_at(peer)));
    }

    /// Passes on a slice of what the routing tables ask for; whether there may be more.
    fn work(&mut self) -> bool {
        let began = Instant::now();
        while self.changes.len() < CHANGES {
            let Some(output) = self.rib.poll_output() else {
                self.hand_over_changes();
                self.report_convergence();
                self.waiting.clear();
                return false;
            };
            match output {
                Output::Fib(change) => self.changes.push(change),
                Output::Send { peer, updates } => {
                    // The FIB first: traffic follows it, the peers' tables can wait.
                    self.hand_over_changes();
                    self.send(peer, updates);
                    if began.elapsed() > SLICE {
                        return true;
                    }
                }
                Output::PrefixLimit { peer, limit, count } => {
                    self.stop_session(peer, peering::StopReason::PrefixLimit { limit, count });
                }
                Output::PrefixWarning { peer, limit, count } => {
                    let topology = self.topology.borrow();
                    let (name, counted) = (topology.session_name(peer), topology.counted_name(peer));
                    self.reporter.prefix_limit_near(&name, &counted, count, limit);
                }
                Output::EndOfRib { peer, family } => self.note_complete(peer, family),
                Output::Forgotten { peer } => {
                    self.hand_over_changes();
                    self.fib.doubt(self.doubts.end(peer));
                }
                Output::RequestRefresh { peer, family } => {
                    self.tell(peer, session::Command::Refresh(family));
                }
                Output::HeldBack { peer, prefix, limit } => {
                    let name = self.topology.borrow().session_name(peer);
                    self.reporter.prefix_held_back(&name, prefix, limit);
                }
            }
        }
        self.hand_over_changes();
        true
    }

    fn hand_over_changes(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let changes = std::mem::take(&mut self.changes);
        if self.topology.borrow().router.install {
            self.fib.apply(changes);
        }
    }

    /// Routes left by a predecessor that was killed are kept until every session has said all it had (RFC 4724 2).
    fn note_complete(&mut self, peer: PeerId, family: bgp::Family) {
        let Some(convergence) = &mut self.convergence else { return };
        convergence.handle_end_of_rib(peer, family);
        if self.topology.borrow().sessions().all(|(id, _)| convergence.is_complete(id)) {
            self.convergence = None;
            self.converged = true;
            self.begin_selection();
        }
    }

    /// Once what follows from all that was said is in the hands of the forwarding table.
    fn report_convergence(&mut self) {
        if std::mem::take(&mut self.converged) {
            let fib = self.fib.clone();
            tokio::spawn(async move { fib.converged().await });
        }
    }

    fn stop_session(&self, peer: PeerId, reason: peering::StopReason) {
        self.tell(peer, session::Command::Stop { incarnation: self.incarnation(peer), reason });
    }

    fn tell(&self, peer: PeerId, command: session::Command) {
        if let Some(session) = self.session(peer) {
            deliver(&session.commands, command);
        }
    }

    fn incarnation(&self, peer: PeerId) -> u64 {
        self.incarnations.get(&peer).copied().unwrap_or_default()
    }

    fn session(&self, peer: PeerId) -> Option<session::Handle> {
        self.topology.borrow().session(peer).cloned()
    }
}

/// Gives a session a command; one that has no room gets it as soon as it has, and nobody waits for that.
fn deliver(commands: &mpsc::Sender<session::Command>, command: session::Command) {
    if let Err(TrySendError::Full(command)) = commands.try_send(command) {
        let commands = commands.clone();
        tokio::spawn(async move { drop(commands.send(command).await) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_without_room_is_stopped_once_it_has_some() {
        let (commands, mut taken) = mpsc::channel(1);
        deliver(&commands, session::Command::BfdUp);
        let reason = peering::StopReason::PrefixLimit { limit: 1, count: 2 };
        deliver(&commands, session::Command::Stop { incarnation: 7, reason });
        assert!(matches!(taken.recv().await, Some(session::Command::BfdUp)));
        assert!(matches!(taken.recv().await, Some(session::Command::Stop { incarnation: 7, .. })));
    }
}
