//! The task that steers connections and judges tunnels by probes: the driver of [`steering`].
//!
//! ```text
//!   coupling, rib_task ── Facts: up, BFD, BGP, drained ──┐
//!   probes through tunnels ── answers ──► Watch ─────────┼──► Connection ──► rib: SetStanding (preference, MED, spare hops)
//!   rib: whose routes are used (med-steered) ────────────┤                └► log, counters
//!   operator: switch, release ───────────────────────────┘
//!                                       Watch ──► coupling: the tunnel is closed, or open
//! ```
//!
//! Nothing waits for this task when a tunnel fails: the coupling takes its next hop out of the kernel and the spare one is
//! in the same group. What is done here is what follows: what is announced, and who may come back when.

mod facts;
mod probe;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Router, Tunnel};
use rib::PeerId;
use steering::{Config, Connection, Member, Mode, Obstacle, ProbeStatus, Refusal, Verdict, Watch, WatchOutput};
use tokio::sync::{mpsc, oneshot};
use wire::ipsec::TunnelId;

pub(super) use facts::Facts;

use super::coupling::Coupling;
use super::rib_task;
use super::sleep::sleep_until;
use super::topology::TopologyReader;
use probe::Way;
use telemetry::report::Reporter;

/// Commands of operators and scrapes.
const COMMAND_QUEUE: usize = 16;
/// Answers of probes on their way; one that finds no room waits.
const ANSWER_QUEUE: usize = 64;
/// How often it is looked whose routes the peer's MEDs made the better ones.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What others ask of the task.
#[derive(Debug)]
pub(super) enum Command {
    /// Move a connection's traffic.
    Switch { connection: String, to: Option<TunnelId>, reply: oneshot::Sender<Result<TunnelId, Refusal>> },
    /// Leave it to the rules again; whether the operator had chosen.
    Release { connection: String, reply: oneshot::Sender<bool> },
    /// Report.
    Status(oneshot::Sender<Report>),
}

/// All connections and probes at one moment.
#[derive(Debug, Default)]
pub struct Report {
    /// Connections by name.
    pub connections: Vec<(String, rib::WayBack, steering::Status)>,
    /// What probes say of tunnels.
    pub checks: Vec<(TunnelId, steering::Policy, Verdict, Vec<ProbeStatus>)>,
}

/// Where to reach the task.
pub(super) type Handle = mpsc::Sender<Command>;

/// Starts the task. It ends when nobody can tell it anything any more.
pub(super) fn spawn(
    facts: Arc<Facts>,
    coupling: Coupling,
    rib: mpsc::Sender<rib_task::Command>,
    reporter: Reporter,
) -> Handle {
    let (handle, commands) = mpsc::channel(COMMAND_QUEUE);
    let (answers, answered) = mpsc::channel(ANSWER_QUEUE);
    let task = Task {
        facts,
        topology: coupling.topology.clone(),
        coupling,
        rib,
        reporter,
        answers,
        connections: BTreeMap::new(),
        numbered: 0,
        checks: BTreeMap::new(),
        told: BTreeMap::new(),
        seen: BTreeMap::new(),
    };
    tokio::spawn(task.run(commands, answered));
    handle
}

/// A connection that is served.
#[derive(Debug)]
struct Served {
    /// For the routing tables.
    number: u32,
    mode: Mode,
    way_back: rib::WayBack,
    connection: Connection,
}

/// The probes of one tunnel.
#[derive(Debug)]
struct Check {
    watch: Watch,
    running: bool,
    /// The tunnel carried traffic before it was to be asked: it goes on until there is an answer, or none.
    lenient: bool,
}

/// The answer to a question, or its absence.
#[derive(Debug)]
struct Answer {
    tunnel: TunnelId,
    index: usize,
    round: u64,
    answered: bool,
}

struct Task {
    facts: Arc<Facts>,
    topology: TopologyReader,
    coupling: Coupling,
    rib: mpsc::Sender<rib_task::Command>,
    reporter: Reporter,
    answers: mpsc::Sender<Answer>,
    connections: BTreeMap<String, Served>,
    numbered: u32,
    checks: BTreeMap<TunnelId, Check>,
    /// Standings that the routing tables have.
    told: BTreeMap<TunnelId, rib::Standing>,
    /// How often tunnels and their sessions had been lost when it was last looked.
    seen: BTreeMap<TunnelId, (u64, u64)>,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut answered: mpsc::Receiver<Answer>) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let facts = Arc::clone(&self.facts);
        let mut topology = self.topology.clone();
        let mut router = Arc::clone(&topology.borrow_and_update().router);
        self.configure(&router);
        loop {
            self.judge(&router);
            self.act(&router).await;
            let steered = self.connections.values().any(|served| served.mode == Mode::MedSteered);
            tokio::select! {
                biased;
                () = facts.changed() => {}
                command = commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => return,
                },
                changed = topology.changed() => {
                    let next = Arc::clone(&topology.borrow_and_update().router);
                    if changed.is_err() {
                        return;
                    }
                    if !Arc::ptr_eq(&next, &router) {
                        router = next;
                        self.configure(&router);
                    }
                }
                Some(answer) = answered.recv() => {
                    if let Some(check) = self.checks.get_mut(&answer.tunnel) {
                        check.watch.handle_answer(answer.index, answer.round, answer.answered, Instant::now());
                    }
                }
                () = sleep_until(self.deadline()) => self.handle_timeout(Instant::now()),
                _ = look.tick(), if steered => self.look_at_meds().await,
            }
        }
    }

    fn handle_command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Switch { connection, to, reply } => {
                let Some(served) = self.connections.get_mut(&connection) else { return };
                let outcome = served.connection.switch(to, now);
                self.reporter.connection_ordered(&connection, "switch", outcome.is_ok());
                let _ = reply.send(outcome);
            }
            Command::Release { connection, reply } => {
                let Some(served) = self.connections.get_mut(&connection) else { return };
                let released = served.connection.release(now);
                self.reporter.connection_ordered(&connection, "release", released);
                let _ = reply.send(released);
            }
            Command::Status(reply) => drop(reply.send(self.report(now))),
        }
    }

    fn report(&self, now: Instant) -> Report {
        let connections = self.connections.iter();
        let checks = self.checks.iter().map(|(tunnel, Check { watch, .. })| {
            (*tunnel, watch.config().policy, watch.verdict(), watch.statuses().collect())
        });
        Report {
            connections: connections
                .map(|(name, served)| (name.clone(), served.way_back, served.connection.status(now)))
                .collect(),
            checks: checks.collect(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let connections = self.connections.values().filter_map(|served| served.connection.poll_timeout());
        connections.chain(self.checks.values().filter_map(|check| check.watch.poll_timeout())).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        for served in self.connections.values_mut() {
            served.connection.handle_timeout(now);
        }
        for check in self.checks.values_mut() {
            check.watch.handle_timeout(now);
        }
    }

    /// Takes a configuration over; what is known of connections and tunnels that stay is kept.
    fn configure(&mut self, router: &Router) {
        let now = Instant::now();
        let number = |name: &str| router.tunnels.iter().find(|tunnel| tunnel.name == name).map(|tunnel| tunnel.id);
        self.connections.retain(|name, _| router.connections.iter().any(|connection| connection.name == *name));
        for connection in &router.connections {
            let config::Connection { name, mode, members, failback, way_back } = connection;
            let member = |member: &config::ConnectionMember| {
                Some(Member { tunnel: number(&member.tunnel)?, priority: member.priority })
            };
            let config =
                Config { mode: *mode, members: members.iter().filter_map(member).collect(), failback: *failback };
            match self.connections.get_mut(name) {
                Some(served) => {
                    (served.mode, served.way_back) = (*mode, *way_back);
                    served.connection.reconfigure(config, now);
                }
                None => {
                    self.numbered += 1;
                    self.reporter.connection_added(name);
                    let connection = Connection::new(config, now);
                    let served = Served { number: self.numbered, mode: *mode, way_back: *way_back, connection };
                    self.connections.insert(name.clone(), served);
                }
            }
        }
        let checks: BTreeMap<TunnelId, _> =
            router.health.iter().filter_map(|(name, check)| Some((number(name)?, check))).collect();
        self.checks.retain(|tunnel, _| checks.contains_key(tunnel));
        for (tunnel, config) in checks {
            match self.checks.get_mut(&tunnel) {
                Some(check) if check.watch.config() == config => {}
                Some(check) => {
                    check.lenient |= check.watch.verdict() == Verdict::Good;
                    check.watch.reconfigure(config.clone(), now);
                }
                None => {
                    let lenient = self.facts.of(tunnel).up;
                    self.checks.insert(tunnel, Check { watch: Watch::new(config.clone()), running: false, lenient });
                }
            }
        }
    }

    /// Tells the machines what is known of tunnels.
    fn judge(&mut self, router: &Router) {
        let now = Instant::now();
        for tunnel in &router.tunnels {
            let fact = self.facts.of(tunnel.id);
            let (downs, losses) = self.seen.insert(tunnel.id, (fact.downs, fact.losses)).unwrap_or_default();
            let lost = (downs, losses) != (fact.downs, fact.losses);
            if let Some(check) = self.checks.get_mut(&tunnel.id) {
                check.follow(fact.up, downs != fact.downs, now);
            }
            let obstacle = obstacle(tunnel, fact, self.checks.get(&tunnel.id));
            for served in self.connections.values_mut() {
                if lost && obstacle.is_none() {
                    served.connection.handle_health(tunnel.id, Some(Obstacle::TunnelDown), now);
                }
                served.connection.handle_health(tunnel.id, obstacle, now);
            }
        }
    }

    /// Does what the machines ask for.
    async fn act(&mut self, router: &Router) {
        self.ask(router);
        let mut wanted = BTreeMap::new();
        let mut switches = Vec::new();
        for (name, served) in &mut self.connections {
            while let Some(switch) = served.connection.poll_output() {
                switches.push((name.clone(), switch));
            }
            let (connection, way_back) = (served.number, served.way_back);
            for (tunnel, steering::Standing { import, export }) in served.connection.standings() {
                wanted.insert(tunnel, rib::Standing { connection, import, export, way_back });
            }
        }
        self.close_and_open(router).await;
        self.tell_standings(wanted).await;
        let topology = self.topology.borrow().clone();
        for (name, switch) in switches {
            self.reporter.connection_switched(topology.as_ref(), &name, &switch);
        }
    }

    /// Those that are to carry traffic before those that are not to any more.
    async fn tell_standings(&mut self, wanted: BTreeMap<TunnelId, rib::Standing>) {
        let changed = wanted.iter().filter(|(tunnel, standing)| self.told.get(tunnel) != Some(standing));
        let mut changed: Vec<(TunnelId, Option<rib::Standing>)> =
            changed.map(|(tunnel, standing)| (*tunnel, Some(*standing))).collect();
        changed.sort_by_key(|(_, standing)| standing.map(|standing| (standing.import, standing.export)));
        let gone = self.told.keys().filter(|tunnel| !wanted.contains_key(tunnel)).map(|tunnel| (*tunnel, None));
        changed.extend(gone);
        for (tunnel, standing) in changed {
            drop(self.rib.send(rib_task::Command::SetStanding { link: tunnel.into(), standing }).await);
        }
        self.told = wanted;
    }

    /// A tunnel that its probes have nothing good to say about is closed, unless it is the last resort.
    async fn close_and_open(&self, router: &Router) {
        for tunnel in &router.tunnels {
            let closed = self.checks.get(&tunnel.id).is_some_and(|check| !check.is_good());
            let used = self.connections.values().any(|served| served.connection.active().any(|id| id == tunnel.id));
            self.coupling.set_closed(tunnel.id, closed && !used).await;
        }
    }

    /// Asks the targets that are due. A question lives no longer than its time limit, so their number is bounded.
    fn ask(&mut self, router: &Router) {
        for (id, check) in &mut self.checks {
            let tunnel = router.tunnels.iter().find(|tunnel| tunnel.id == *id);
            while let Some(output) = check.watch.poll_output() {
                match output {
                    WatchOutput::Ask { index, round, target } => {
                        let limit = check.watch.config().timeout;
                        let Some(way) = tunnel.and_then(|tunnel| way(tunnel, target)) else { continue };
                        let (answers, id) = (self.answers.clone(), *id);
                        tokio::spawn(async move {
                            let asked = probe::ask(target, &way, limit).await;
                            let answered = asked.unwrap_or_else(|error| {
                                tracing::debug!(interface = way.interface, %target, %error, "probe not sent");
                                false
                            });
                            drop(answers.send(Answer { tunnel: id, index, round, answered }).await);
                        });
                    }
                    WatchOutput::Verdict(verdict) => {
                        if verdict != Verdict::Unknown {
                            check.lenient = false;
                        }
                        let name = tunnel.map_or("", |tunnel| tunnel.name.as_str());
                        self.reporter.health_changed(name, verdict, check.watch.statuses());
                    }
                }
            }
        }
    }

    /// Whose routes are used, of each connection that the peer steers.
    async fn look_at_meds(&mut self) {
        let steered = self.connections.iter().filter(|(_, served)| served.mode == Mode::MedSteered);
        let members: BTreeMap<String, Vec<TunnelId>> = steered
            .map(|(name, served)| {
                let members = served.connection.status(Instant::now()).members;
                (name.clone(), members.into_iter().map(|member| member.tunnel).collect())
            })
            .collect();
        let used = rib_task::read(&self.rib, move |rib| {
            let used = |tunnel: TunnelId| {
                rib.counts(PeerId(tunnel.0)).map_or((0, 0), |counts| (counts.accepted, counts.best + counts.multipath))
            };
            let all = |members: Vec<TunnelId>| members.into_iter().map(|tunnel| (tunnel, used(tunnel))).collect();
            members.into_iter().map(|(name, members)| (name, all(members))).collect::<Vec<(String, Vec<_>)>>()
        });
        for (name, used) in used.await.unwrap_or_default() {
            if let Some(served) = self.connections.get_mut(&name) {
                served.connection.handle_preference(preferred(&used), Instant::now());
            }
        }
    }
}

impl Check {
    /// The tunnel is up or down, and may have been down between.
    fn follow(&mut self, up: bool, was_down: bool, now: Instant) {
        if self.running && (!up || was_down) {
            self.running = false;
            self.lenient = false;
            self.watch.stop();
        }
        if up && !self.running {
            self.running = true;
            self.watch.start(now);
        }
    }

    fn is_good(&self) -> bool {
        match self.watch.verdict() {
            Verdict::Good => true,
            Verdict::Unknown => self.lenient,
            Verdict::Bad => false,
        }
    }
}

/// The tunnels most of whose routes are used, if there are others with routes.
fn preferred(used: &[(TunnelId, (usize, usize))]) -> BTreeSet<TunnelId> {
    let most = used.iter().map(|(_, (_, used))| *used).max().unwrap_or(0);
    // A few prefixes that only one tunnel has say nothing about the tunnels.
    let preferred = used.iter().filter(|(_, (_, used))| most > 0 && 2 * used >= most);
    let preferred: BTreeSet<TunnelId> = preferred.map(|(tunnel, _)| *tunnel).collect();
    let speaking = used.iter().filter(|(_, (accepted, _))| *accepted > 0).count();
    if preferred.len() == speaking { BTreeSet::new() } else { preferred }
}

/// What speaks against a tunnel.
fn obstacle(tunnel: &Tunnel, fact: facts::Fact, check: Option<&Check>) -> Option<Obstacle> {
    let drained = tunnel.bgp.as_ref().is_some_and(|session| fact.drained || session.policy.graceful_shutdown.drain);
    if !fact.up {
        Some(Obstacle::TunnelDown)
    } else if tunnel.bgp.is_some() && !fact.established {
        Some(Obstacle::BgpDown)
    } else if fact.unreachable {
        Some(Obstacle::Bfd)
    } else if let Some(check) = check.filter(|check| !check.is_good()) {
        Some(if check.watch.verdict() == Verdict::Bad { Obstacle::Probes } else { Obstacle::Unprobed })
    } else {
        drained.then_some(Obstacle::Drained)
    }
}

/// Out of which interface and from which address a tunnel's targets are asked.
fn way(tunnel: &Tunnel, target: steering::Target) -> Option<Way> {
    let inside = [Some(tunnel.inside.local), tunnel.inside6.map(|link| link.local.into())];
    let fits = |source: &std::net::IpAddr| source.is_ipv4() == target.address().is_ipv4();
    let source = inside.into_iter().flatten().find(fits)?;
    Some(Way { interface: tunnel.interface.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_prefers_what_most_routes_are_used_through() {
        let check = |counts: &[(usize, usize)], expected: &[u32]| {
            let used: Vec<_> = (0..).map(TunnelId).zip(counts.iter().copied()).collect();
            let expected: BTreeSet<TunnelId> = expected.iter().copied().map(TunnelId).collect();
            assert_eq!(preferred(&used), expected, "{counts:?}");
        };
        check(&[(10, 10), (10, 10)], &[]);
        check(&[(10, 0), (10, 10)], &[1]);
        check(&[(10, 1), (10, 9)], &[1]);
        check(&[(10, 10), (0, 0)], &[]);
        check(&[(0, 0), (0, 0)], &[]);
        check(&[(10, 10), (10, 10), (10, 0)], &[0, 1]);
    }
}
