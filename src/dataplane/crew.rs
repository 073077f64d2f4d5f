//! The worker threads as one: whoever drops them ends them.

use std::io;
use std::thread::{self, JoinHandle};

use wire::ipsec::TunnelId;

use crate::poll::{self, Mailbox, Poller};
use crate::{inbound, outbound};

/// The workers' mailboxes. Outbound workers share the tunnels by number, inbound workers the local addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers {
    pub(crate) outbound: Vec<Mailbox<outbound::Command>>,
    pub(crate) inbound: Vec<Mailbox<inbound::Command>>,
}

impl Workers {
    /// The worker that reads this tunnel's TUN.
    pub(crate) fn outbound(&self, tunnel: TunnelId) -> &Mailbox<outbound::Command> {
        &self.outbound[tunnel.0 as usize % self.outbound.len()]
    }
}

/// The threads with their mailboxes. Dropping it stops them and waits until they have ended, so that a start that
/// fails halfway leaves none behind.
#[derive(Debug, Default)]
pub(crate) struct Crew {
    workers: Workers,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Starts an outbound worker made by `make`.
    pub(crate) fn hire_outbound(
        &mut self,
        make: impl FnOnce(Poller<outbound::Command>) -> outbound::Worker,
    ) -> io::Result<()> {
        let (mailbox, poller) = poll::channel()?;
        let (worker, name) = (make(poller), format!("esp-out-{}", self.workers.outbound.len()));
        self.threads.push(thread::Builder::new().name(name).spawn(move || worker.run())?);
        self.workers.outbound.push(mailbox);
        Ok(())
    }

    /// Starts an inbound worker made by `make`.
    pub(crate) fn hire_inbound(
        &mut self,
        make: impl FnOnce(Poller<inbound::Command>) -> inbound::Worker,
    ) -> io::Result<()> {
        let (mailbox, poller) = poll::channel()?;
        let (worker, name) = (make(poller), format!("esp-in-{}", self.workers.inbound.len()));
        self.threads.push(thread::Builder::new().name(name).spawn(move || worker.run())?);
        self.workers.inbound.push(mailbox);
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &self.workers.outbound {
            worker.send(outbound::Command::Stop);
        }
        for worker in &self.workers.inbound {
            worker.send(inbound::Command::Stop);
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker has panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use tokio::sync::mpsc;

    use super::*;
    use crate::counters::RunningEngineCounters;
    use crate::outbox::Outbox;

    #[test]
    fn a_crew_that_is_let_go_leaves_no_thread() {
        let counters = Arc::new(RunningEngineCounters::default());
        let (events, _receiver) = mpsc::channel(1);
        let mut crew = Crew::default();
        for _ in 0..3 {
            let (outbox, counters) = (Outbox::new(events.clone()), Arc::clone(&counters));
            crew.hire_outbound(|poller| {
                outbound::Worker::new(outbound::Setup { poller, outbox, counters, nat_keepalive: None })
            })
            .unwrap();
        }
        let (outbox, sockets) = (Outbox::new(events), Vec::new());
        let (start, shared) = (Instant::now(), Arc::clone(&counters));
        crew.hire_inbound(|poller| {
            inbound::Worker::new(inbound::Setup { poller, outbox, counters: shared, sockets, start })
        })
        .unwrap();
        assert_eq!(crew.workers().outbound.len(), 3);
        assert_eq!(Arc::strong_count(&counters), 5, "each worker has its share");
        drop(crew);
        assert_eq!(Arc::strong_count(&counters), 1);
    }
}
