//! When to compare with the kernel, and the comparison.

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use super::failover::Moved;
use super::{BACKOFF, Task};
use crate::FibError;
use crate::mailbox::Deaths;
use crate::netlink::{Dump, Lister};
use crate::snapshot::FibEvent;

/// Shortest time between two comparisons that others provoke, and how many times as long as a comparison itself it is
/// at least: a program that keeps deleting our routes shall not keep us listing tables.
const REST: Duration = Duration::from_millis(10);
const REST_FACTOR: u32 = 10;

/// When the next comparison is due.
#[derive(Debug)]
pub(super) struct Schedule {
    period: Duration,
    due: Instant,
    backoff: Duration,
    /// When provoked comparisons may begin again.
    rested: Instant,
    /// It is unknown what the kernel holds: nothing is done before the next comparison.
    blind: bool,
    /// The last comparison found nothing unexpected.
    pub(super) in_step: bool,
}

impl Schedule {
    pub(super) fn new(period: Duration) -> Self {
        let now = Instant::now();
        Self { period, due: now + period, backoff: BACKOFF.min(period), rested: now, blind: false, in_step: true }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    pub(super) fn is_due(&self) -> bool {
        self.due <= Instant::now()
    }

    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    /// Somebody else changed something.
    pub(super) fn soon(&mut self) {
        self.due = self.due.min(self.rested.max(Instant::now()));
    }

    /// It is unknown what the kernel did.
    pub(super) fn lost_sight(&mut self) {
        self.blind = true;
        self.retry();
    }

    /// Something did not work.
    pub(super) fn retry(&mut self) {
        self.due = self.due.min(Instant::now() + self.backoff);
    }

    pub(super) fn reset_backoff(&mut self) {
        self.backoff = BACKOFF.min(self.period);
    }

    fn done(&mut self, began: Instant, drift: usize, refused: usize) {
        let now = Instant::now();
        self.blind = false;
        self.in_step = drift == 0;
        self.rested = now + (REST_FACTOR * (now - began)).max(REST);
        self.due = now + self.period;
        if drift == 0 && refused == 0 {
            self.reset_backoff();
        } else {
            self.lengthen();
        }
        if drift > 0 {
            // Makes sure that what is now put right stays so.
            self.retry();
        }
    }

    fn failed(&mut self) {
        self.lengthen();
        self.due = Instant::now() + self.backoff;
    }

    fn lengthen(&mut self) {
        self.backoff = (self.backoff * 2).min(self.period);
    }
}

impl Task {
    /// Compares with the kernel; what differs is put right by the next batches.
    pub(super) async fn resync(&mut self, lister: &mut Lister) {
        let began = Instant::now();
        match self.list_attentively(lister).await {
            Ok(found) => {
                let refused = self.plan.refused_count() + self.policy.refused_count();
                let drift = self.plan.resync(found.kernel) + self.policy.resync(found.policy);
                self.names = found.names;
                self.counters.resyncs += 1;
                self.counters.drift += u64::try_from(drift).unwrap_or(u64::MAX);
                self.schedule.done(began, drift, refused);
                if drift > 0 {
                    tracing::info!(differences = drift, "the kernel's tables were changed from outside");
                    self.tell(FibEvent::Drift { differences: drift });
                }
            }
            Err(error) => {
                self.trouble(&error);
                self.schedule.failed();
            }
        }
    }

    /// Lists what the kernel holds. Tunnels that die meanwhile, and doubts, do not wait for the end of it; what was done
    /// for their sake is done to what was listed, too.
    async fn list_attentively(&mut self, lister: &mut Lister) -> Result<Dump, FibError> {
        let mut listing = pin!(lister.dump());
        let mut moved = Vec::new();
        let mut disturbed = false;
        let mut found = loop {
            tokio::select! {
                biased;
                () = self.mailbox.arrival() => {
                    disturbed = true;
                    let Deaths { dead, leaving } = self.mailbox.take_dead();
                    moved.push(self.begin_failover(&dead).await);
                    drop(leaving);
                    moved.push(self.leave_doubted().await);
                }
                listed = &mut listing => break listed,
            }
        };
        if disturbed {
            self.mailbox.remind();
        }
        if let Ok(found) = &mut found {
            for Moved { deleted, steps } in &moved {
                deleted.iter().for_each(|op| found.kernel.apply(op));
                steps.iter().for_each(|step| found.policy.apply(step));
            }
        }
        found
    }
}
