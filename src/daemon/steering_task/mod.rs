//! The task that steers connections and judges tunnels by probes: the driver of [`steering`].
//!
//! ```text
//!   coupling, rib_task ── Facts: up, BFD, BGP, drained ──┐
//!   probes through tunnels ── answers ──► Watch ─────────┼──► Connection ──► fib: who carries protected flows
//!   rib: whose routes are used (med-steered) ────────────┤                ├► rib: SetStanding (preference, MED, spare hops)
//!   operator: switch, release ───────────────────────────┘                └► log, counters
//!                                       Watch ──► coupling: the tunnel is closed, or open
//! ```
//!
//! Nothing waits for this task when a tunnel fails: the coupling takes its next hop out of the kernel and the spare one is
//! in the same group. What is done here is what follows: what is announced, and who may come back when.

mod facts;
mod meds;
mod probe;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use settings::{Router, Tunnel};
use steering::{Config, Connection, Member, Mode, Obstacle, ProbeStatus, Refusal, Verdict, Watch, WatchOutput};
use system::sleep_until;
use tokio::sync::{mpsc, oneshot};
use wire::ipsec::TunnelId;

pub(super) use facts::{Fact, Facts};

use super::coupling::Coupling;
use super::rib_task;
use super::topology::TopologyReader;
use probe::Way;
use telemetry::report::Reporter;

/// Commands of operators and scrapes.
const COMMAND_QUEUE: usize = 16;
/// Answers of probes on their way; one that finds no room waits.
const ANSWER_QUEUE: usize = 64;
/// How often it is looked whose routes the peer's MEDs made the better ones.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks under way, or not taken note of yet.
const LOOKS: usize = 1;

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
    let (looks, looked) = mpsc::channel(LOOKS);
    let task = Task {
        facts,
        topology: coupling.topology.clone(),
        coupling,
        rib,
        reporter,
        answers,
        looks,
        connections: BTreeMap::new(),
        numbered: 0,
        members: BTreeMap::new(),
        checks: BTreeMap::new(),
        closed: BTreeSet::new(),
        told: BTreeMap::new(),
        seen: BTreeMap::new(),
    };
    tokio::spawn(task.run(commands, answered, looked));
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
    /// When it came.
    at: Instant,
}

struct Task {
    facts: Arc<Facts>,
    topology: TopologyReader,
    coupling: Coupling,
    rib: mpsc::Sender<rib_task::Command>,
    reporter: Reporter,
    answers: mpsc::Sender<Answer>,
    looks: mpsc::Sender<meds::Used>,
    connections: BTreeMap<String, Served>,
    numbered: u32,
    /// The connection of each tunnel that is in one.
    members: BTreeMap<TunnelId, String>,
    checks: BTreeMap<TunnelId, Check>,
    /// Tunnels that the coupling was told are closed.
    closed: BTreeSet<TunnelId>,
    /// Standings that forwarding and routing tables have.
    told: BTreeMap<TunnelId, rib::Standing>,
    /// How often tunnels and their sessions had been lost when it was last looked.
    seen: BTreeMap<TunnelId, (u64, u64)>,
}

impl Task {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut answered: mpsc::Receiver<Answer>,
        mut looked: mpsc::Receiver<meds::Used>,
    ) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let facts = Arc::clone(&self.facts);
        let mut topology = self.topology.clone();
        let mut router = Arc::clone(&topology.borrow_and_update().router);
        self.configure(&router);
        loop {
            while let Ok(answer) = answered.try_recv() {
                self.take_answer(&answer);
            }
            self.judge(&router);
            self.act(&router).await;
            let steered = self.connections.values().any(|served| served.mode == Mode::MedSteered);
            tokio::select! {
                biased;
                () = facts.changed() => {}
                // Before commands: whoever orders something about a new connection knows of it from the topology.
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
                command = commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => return,
                },
                Some(answer) = answered.recv() => self.take_answer(&answer),
                () = sleep_until(self.deadline()) => self.handle_timeout(Instant::now()),
                Some(used) = looked.recv() => self.heed_meds(used),
                _ = look.tick(), if steered => self.look_at_meds(),
            }
        }
    }

    fn take_answer(&mut self, answer: &Answer) {
        if let Some(check) = self.checks.get_mut(&answer.tunnel) {
            check.take(answer);
        }
    }

    fn handle_command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Switch { connection, to, reply } => {
                let served = self.connections.get_mut(&connection);
                let outcome = served.map_or(Err(Refusal::NoMember), |served| served.connection.switch(to, now));
                self.reporter.connection_ordered(&connection, "switch", outcome.is_ok());
                let _ = reply.send(outcome);
            }
            Command::Release { connection, reply } => {
                let served = self.connections.get_mut(&connection);
                let released = served.is_some_and(|served| served.connection.release(now));
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
            let settings::Connection { name, mode, members, failback, way_back } = connection;
            let member = |member: &settings::ConnectionMember| {
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
        let all = router.connections.iter().flat_map(|one| one.members.iter().map(move |member| (member, &one.name)));
        self.members = all.filter_map(|(member, name)| Some((number(&member.tunnel)?, name.clone()))).collect();
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
            let connection = self.members.get(&tunnel.id);
            if let Some(served) = connection.and_then(|name| self.connections.get_mut(name)) {
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
        self.close_and_open().await;
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
        if !changed.is_empty() {
            let standings = wanted.iter().map(|(tunnel, standing)| ((*tunnel).into(), *standing));
            self.coupling.fib.set_standings(standings.collect());
        }
        for (tunnel, standing) in changed {
            drop(self.rib.send(rib_task::Command::SetStanding { link: tunnel.into(), standing }).await);
        }
        self.told = wanted;
    }

    /// A tunnel that its probes have nothing good to say about is closed, unless it is the last resort.
    async fn close_and_open(&mut self) {
        let of = |tunnel: &TunnelId| self.members.get(tunnel).and_then(|name| self.connections.get(name));
        let used =
            |tunnel: &TunnelId| of(tunnel).is_some_and(|served| served.connection.active().any(|id| id == *tunnel));
        let closed = self.checks.iter().filter(|(tunnel, check)| !check.is_good() && !used(tunnel));
        let closed: BTreeSet<TunnelId> = closed.map(|(tunnel, _)| *tunnel).collect();
        for tunnel in self.closed.symmetric_difference(&closed) {
            self.coupling.set_closed(*tunnel, closed.contains(tunnel)).await;
        }
        self.closed = closed;
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
                            let answer = Answer { tunnel: id, index, round, answered, at: Instant::now() };
                            drop(answers.send(answer).await);
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

    /// However long the answer waited to be looked at, it counts from when it came.
    fn take(&mut self, answer: &Answer) {
        self.watch.handle_answer(answer.index, answer.round, answer.answered, answer.at);
    }

    fn is_good(&self) -> bool {
        match self.watch.verdict() {
            Verdict::Good => true,
            Verdict::Unknown => self.lenient,
            Verdict::Bad => false,
        }
    }
}

/// What speaks against a tunnel.
fn obstacle(tunnel: &Tunnel, fact: Fact, check: Option<&Check>) -> Option<Obstacle> {
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
    use steering::{HealthCheck, Policy, Target};

    use super::*;

    #[test]
    fn an_answer_counts_from_when_it_came_and_not_from_when_it_was_looked_at() {
        let config = HealthCheck {
            probes: vec![Target::Icmp([10, 2, 0, 10].into())],
            policy: Policy::All,
            interval: Duration::from_secs(60),
            timeout: Duration::from_millis(500),
            down_after: 3,
            up_after: 3,
        };
        let mut check = Check { watch: Watch::new(config), running: false, lenient: false };
        let Some(asked) = Instant::now().checked_sub(Duration::from_secs(5)) else { return };
        check.follow(true, false, asked);
        let at = |late: u64| asked + Duration::from_millis(late);
        let answer = Answer { tunnel: TunnelId(1), index: 0, round: 1, answered: true, at: at(501) };
        check.take(&answer);
        assert_eq!(check.watch.verdict(), Verdict::Unknown, "too late");
        check.take(&Answer { at: at(400), ..answer });
        assert_eq!(check.watch.verdict(), Verdict::Good);
    }
}
