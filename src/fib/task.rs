//! The task that owns the sockets: it feeds the plan, executes what the plan asks for, and looks again when there is
//! reason to.
//!
//! One turn: mail (a dead tunnel's hops are deleted before anything else is looked at, then those in doubt),
//! notifications, a comparison with the kernel if one is due, one batch of operations. Only a turn without operations
//! ends in waiting, so a dead tunnel waits for at most one batch of others.
//!
//! A comparison is due periodically; soon after somebody else changed what is ours; at once when it is unknown what the
//! kernel did; and with back-off after a refusal.

mod failover;
mod report;
mod resync;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use wire::LinkId;

use crate::config::NexthopMode;
use crate::mailbox::{Dead, Deaths, LinkWord, Mailbox};
use crate::netlink::{Lister, Marks, Monitor, Notice, Requests};
use crate::plan::{Mode, Op, Owner, Plan, PlanConfig};
use crate::policy::{self, Step};
use crate::snapshot::{Failover, FibCounters, FibEvent};
use crate::{FibConfig, FibError};

/// Datagrams of notifications per turn.
const NOTICES: usize = 64;

/// First wait after a refusal; doubled each time up to the period of comparison.
const BACKOFF: Duration = Duration::from_millis(100);

/// Rounds until a stop has removed everything.
const STOP_ROUNDS: usize = 5;

/// The task's state.
pub(crate) struct Task {
    config: FibConfig,
    mailbox: Arc<Mailbox>,
    events: mpsc::Sender<FibEvent>,
    plan: Plan,
    /// Policy routes of protected flows.
    policy: policy::Plan,
    requests: Requests,
    monitor: Monitor,
    /// Names of interfaces.
    names: BTreeMap<u32, String>,
    counters: FibCounters,
    last_failover: Option<Failover>,
    /// A failover under way that takes one message per route.
    failover: Option<failover::Running>,
    settled: Vec<oneshot::Sender<()>>,
    schedule: resync::Schedule,
    /// When unclaimed routes of a previous process are given up.
    adopt_until: Option<Instant>,
}

impl Task {
    /// Opens the sockets and takes stock. The socket that lists stays apart, so that the task can act while it lists.
    ///
    /// # Errors
    /// When the kernel cannot be talked to.
    pub(crate) async fn open(
        config: FibConfig,
        mailbox: Arc<Mailbox>,
        events: mpsc::Sender<FibEvent>,
    ) -> Result<(Self, Lister), FibError> {
        let owner = Owner { protocol: config.protocol, ids: config.ids() };
        let marks = Marks { owner: owner.clone(), table: config.table, metric: config.metric };
        let requests = Requests::open(marks.clone())?;
        let mut lister = Lister::open(marks.clone())?;
        // Listens before it looks: no change is missed in between.
        let monitor = Monitor::open(marks, requests.port())?;
        let found = lister.dump().await?;
        let objects = found.has_objects && config.nexthops == NexthopMode::Auto;
        let policy = policy::Plan::new(owner.clone(), config.metric, found.policy);
        let plan = PlanConfig {
            owner,
            metric: config.metric,
            mode: if objects { Mode::Objects } else { Mode::Multipath },
            source_v4: config.source_v4,
            source_v6: config.source_v6,
        };
        let adopted = found.kernel.route_count();
        if adopted > 0 {
            tracing::info!(routes = adopted, "adopted routes of a previous process");
        }
        let task = Self {
            schedule: resync::Schedule::new(config.resync_every),
            adopt_until: Instant::now().checked_add(config.adopt_for),
            config,
            mailbox,
            events,
            plan: Plan::new(plan, found.kernel),
            policy,
            requests,
            monitor,
            names: found.names,
            counters: FibCounters::default(),
            last_failover: None,
            failover: None,
            settled: Vec::new(),
        };
        task.mailbox.publish(task.status());
        Ok((task, lister))
    }

    /// Works until stopped or abandoned.
    pub(crate) async fn run(mut self, mut lister: Lister) {
        while self.turn(&mut lister).await.is_continue() {}
    }

    async fn turn(&mut self, lister: &mut Lister) -> ControlFlow<()> {
        self.read_mail(lister).await?;
        self.hear_notices();
        self.end_adoption();
        if self.schedule.is_due() {
            self.resync(lister).await;
        }
        if self.work().await {
            tokio::task::yield_now().await;
            return ControlFlow::Continue(());
        }
        self.end_failover();
        self.mailbox.publish(self.status());
        for waiting in self.settled.drain(..) {
            // Whoever stopped waiting does not mind.
            let _ = waiting.send(());
        }
        self.wait().await;
        ControlFlow::Continue(())
    }

    async fn wait(&mut self) {
        let deadline = self.adopt_until.map_or(self.schedule.due(), |until| until.min(self.schedule.due()));
        let heard = tokio::select! {
            biased;
            () = self.mailbox.arrival() => return,
            heard = self.monitor.next() => heard,
            () = tokio::time::sleep_until(deadline) => return,
        };
        if !self.hear(heard) {
            // A socket that keeps failing must not keep the processor busy.
            tokio::time::sleep(BACKOFF).await;
        }
    }

    async fn read_mail(&mut self, lister: &mut Lister) -> ControlFlow<()> {
        let Deaths { dead, leaving } = self.mailbox.take_dead();
        self.begin_failover(&dead).await;
        drop(leaving);
        self.leave_doubted().await;
        let mail = self.mailbox.take();
        self.read_links(mail.links, lister).await;
        drop(mail.leaving);
        for (prefix, next_hops) in mail.routes {
            self.plan.set_route(prefix, next_hops);
        }
        if let Some(standings) = mail.standings {
            self.policy.set_standings(standings);
        }
        if let Some(doubted) = mail.doubted {
            self.plan.doubt_only(doubted);
        }
        if let Some(flows) = mail.flows {
            self.policy.set(flows);
        }
        if mail.converged {
            self.adopt_until = None;
            self.plan.converged();
        }
        self.settled.extend(mail.settled);
        for asking in mail.snapshots {
            let _ = asking.send(self.snapshot());
        }
        if let Some(asking) = mail.stop {
            self.remove_everything(lister).await;
            self.mailbox.publish(self.status());
            let _ = asking.send(());
            return ControlFlow::Break(());
        }
        if mail.abandoned { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    async fn read_links(&mut self, words: BTreeMap<LinkId, LinkWord>, lister: &mut Lister) {
        let mut dead = Vec::new();
        let mut news = false;
        for (link, word) in words {
            match word {
                LinkWord::Up { interface, source } => {
                    self.plan.link_up(link, interface, source);
                    self.policy.look_again();
                    news = true;
                }
                LinkWord::Down { since } => dead.push(Dead { link, since }),
            }
        }
        self.begin_failover(&dead).await;
        if news {
            self.schedule.reset_backoff();
            self.look_at_links(lister).await;
        }
    }

    /// An interface that was just made may be up before its notification is read.
    async fn look_at_links(&mut self, lister: &mut Lister) {
        if self.plan.links_run() {
            return;
        }
        match lister.links().await {
            Ok(links) => {
                for (index, name, running) in links {
                    self.names.insert(index, name);
                    self.plan.set_running(index, running);
                }
                self.policy.look_again();
            }
            Err(error) => self.trouble(&error),
        }
    }

    fn hear_notices(&mut self) {
        for _ in 0..NOTICES {
            let Some(heard) = self.monitor.next().now_or_never() else { return };
            if !self.hear(heard) {
                return;
            }
        }
    }

    /// False if nothing could be heard.
    fn hear(&mut self, heard: Result<Vec<Notice>, FibError>) -> bool {
        let notices = match heard {
            Ok(notices) => notices,
            Err(error) => {
                self.trouble(&error);
                return false;
            }
        };
        for notice in notices {
            let concerns = match notice {
                Notice::Link { index, name, running } => {
                    self.names.insert(index, name);
                    self.note_running(index, running)
                }
                Notice::LinkGone { index } => {
                    self.names.remove(&index);
                    self.note_running(index, false)
                }
                Notice::Changed => true,
            };
            if concerns {
                self.schedule.soon();
            }
        }
        true
    }

    /// True if it concerns a tunnel.
    fn note_running(&mut self, interface: u32, running: bool) -> bool {
        if running {
            self.policy.look_again();
        } else {
            self.policy.stop_interface(interface);
        }
        self.plan.set_running(interface, running)
    }

    fn end_adoption(&mut self) {
        if self.adopt_until.is_some_and(|until| until <= Instant::now()) {
            self.adopt_until = None;
            // Nobody reports it where there is no session; nor is there much to say where nothing was left behind.
            let routes = self.plan.adopted_count();
            if routes > 0 {
                tracing::warn!(routes, "convergence was not reported; giving up adopted routes");
            }
            self.plan.converged();
        }
    }

    /// One batch. False if there was nothing to do.
    async fn work(&mut self) -> bool {
        if self.schedule.is_blind() {
            return false;
        }
        // They are few, and wait for no table that is full.
        let steps = self.policy.next_steps(&self.plan);
        if !steps.is_empty() {
            self.take(steps).await;
            return true;
        }
        let ops = self.plan.next_ops();
        if let Some(running) = &mut self.failover {
            running.messages += ops.len();
        }
        let worked = !ops.is_empty();
        self.execute(ops).await;
        worked
    }

    /// Returns the steps that are done.
    async fn take(&mut self, mut steps: Vec<Step>) -> Vec<Step> {
        match self.requests.execute(&steps).await {
            Ok(results) => {
                let mut results = results.into_iter();
                steps.retain(|step| {
                    let refusal = results.next().and_then(|result| self.policy.handle_result(step, result));
                    match &refusal {
                        None => self.counters.policy_changes += 1,
                        Some(refusal) => self.refused(step, refusal),
                    }
                    refusal.is_none()
                });
                steps
            }
            Err(error) => {
                self.trouble(&error);
                self.schedule.lost_sight();
                Vec::new()
            }
        }
    }

    /// Returns the operations that are done.
    async fn execute(&mut self, ops: Vec<Op>) -> Vec<Op> {
        if ops.is_empty() {
            return ops;
        }
        match self.requests.execute(&ops).await {
            Ok(results) => {
                let (done, refused) = self.plan.handle_results(ops, results);
                done.iter().for_each(|op| self.count(op));
                refused.iter().for_each(|(op, refusal)| self.refused(op, refusal));
                done
            }
            Err(error) => {
                self.trouble(&error);
                self.schedule.lost_sight();
                Vec::new()
            }
        }
    }

    async fn remove_everything(&mut self, lister: &mut Lister) {
        for _ in 0..STOP_ROUNDS {
            self.policy.withdraw_all();
            self.plan.withdraw_all();
            while self.work().await {}
            self.resync(lister).await;
            let kernel = self.plan.kernel();
            if kernel.route_count() == 0 && kernel.all_own().next().is_none() && self.policy.installed().is_empty() {
                return;
            }
        }
        tracing::warn!(routes = self.plan.kernel().route_count(), "routes are left behind");
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}
