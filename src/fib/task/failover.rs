//! A dead tunnel's routes move: at once where there are nexthop objects, route by route where there are none.

use std::time::{SystemTime, UNIX_EPOCH};

use wire::ipsec::TunnelId;

use super::{Dead, Task};
use crate::plan::Mode;
use crate::snapshot::{Failover, FibEvent};

/// A failover that takes one message per route.
#[derive(Debug)]
pub(super) struct Running {
    tunnel: TunnelId,
    since: std::time::Instant,
    pub(super) messages: usize,
}

impl Task {
    /// Takes the hops of dead tunnels out of the kernel before anything else is done.
    pub(super) async fn begin_failover(&mut self, dead: &Dead) {
        let Some((tunnel, since)) = dead.iter().min_by_key(|(_, since)| *since).copied() else { return };
        match self.plan.mode() {
            Mode::Objects => {
                let ops = self.plan.dead_hops();
                self.execute(&ops).await;
                self.record(&Running { tunnel, since, messages: ops.len() });
            }
            Mode::Multipath => {
                self.failover.get_or_insert(Running { tunnel, since, messages: 0 });
            }
        }
    }

    /// There is nothing left to do.
    pub(super) fn end_failover(&mut self) {
        if let Some(running) = self.failover.take() {
            self.record(&running);
        }
    }

    fn record(&mut self, running: &Running) {
        let Running { tunnel, since, messages } = *running;
        if messages == 0 {
            return;
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_unix_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        let failover = Failover { tunnel, took: since.elapsed(), messages, at_unix_ms };
        tracing::info!(%tunnel, took = ?failover.took, messages, "routes moved off a dead tunnel");
        self.counters.failovers += 1;
        self.last_failover = Some(failover);
        self.tell(FibEvent::FailedOver(failover));
    }
}
