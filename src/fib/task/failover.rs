//! A dead tunnel's routes move: at once where there are nexthop objects, route by route where there are none.

use std::time::{SystemTime, UNIX_EPOCH};

use wire::LinkId;

use super::Task;
use crate::mailbox::Dead;
use crate::plan::{Mode, Op};
use crate::policy::Step;
use crate::snapshot::{Failover, FibEvent};

/// A failover that takes one message per route.
#[derive(Debug)]
pub(super) struct Running {
    link: LinkId,
    since: std::time::Instant,
    pub(super) messages: usize,
}

/// What was done for the sake of dead tunnels, and of next hops in doubt.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// Nexthops that the kernel deleted, and groups that got others before.
    pub(super) deleted: Vec<Op>,
    /// Of the steps for protected flows those that the kernel took.
    pub(super) steps: Vec<Step>,
}

impl Task {
    /// Takes the hops of dead tunnels out of the kernel before anything else is done, and leads their protected flows
    /// elsewhere.
    pub(super) async fn begin_failover(&mut self, dead: &[Dead]) -> Moved {
        let news: Vec<&Dead> = dead.iter().filter(|dead| self.plan.link_down(dead.link)).collect();
        let Some(first) = news.into_iter().min_by_key(|dead| dead.since) else { return Moved::default() };
        let running = Running { link: first.link, since: first.since, messages: 0 };
        self.policy.look_again();
        let deleted = self.leave(running).await;
        // Without knowing what the kernel holds, a route cannot be replaced.
        let steps = if self.schedule.is_blind() { Vec::new() } else { self.policy.next_steps(&self.plan) };
        let steps = if steps.is_empty() { steps } else { self.take(steps).await };
        Moved { deleted, steps }
    }

    /// Returns what was done.
    async fn leave(&mut self, mut running: Running) -> Vec<Op> {
        match self.plan.mode() {
            Mode::Objects => {
                let ops = if self.schedule.is_blind() { self.plan.surely_dead_hops() } else { self.plan.dead_hops() };
                running.messages = ops.len();
                let done = self.execute(ops).await;
                self.record(&running);
                done
            }
            Mode::Multipath => {
                self.failover.get_or_insert(running);
                Vec::new()
            }
        }
    }

    /// Takes next hops in doubt out of the kernel, where routes have others.
    pub(super) async fn leave_doubted(&mut self) -> Moved {
        let Some(doubted) = self.mailbox.doubted() else { return Moved::default() };
        self.plan.doubt(doubted);
        if self.schedule.is_blind() {
            // What only seems to have another way would be lost; it is looked at again with the next picture.
            return Moved::default();
        }
        let ops = self.plan.dead_hops();
        let deleted = self.execute(ops).await;
        Moved { deleted, steps: Vec::new() }
    }

    /// There is nothing left to do.
    pub(super) fn end_failover(&mut self) {
        if let Some(running) = self.failover.take() {
            self.record(&running);
        }
    }

    fn record(&mut self, running: &Running) {
        let Running { link, since, messages } = *running;
        if messages == 0 {
            return;
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_unix_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        let failover = Failover { link, took: since.elapsed(), messages, at_unix_ms };
        tracing::info!(%link, took = ?failover.took, messages, "routes moved off a dead link");
        self.counters.failovers += 1;
        self.last_failover = Some(failover);
        self.tell(FibEvent::FailedOver(failover));
    }
}
