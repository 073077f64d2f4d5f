//! The handle that the process holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use rib::{FibChange, NextHop, Standing};
use tokio::sync::{mpsc, oneshot};
use wire::LinkId;

use crate::flow::Flows;
use crate::mailbox::{LinkWord, Mailbox};
use crate::snapshot::{FibEvent, FibSnapshot, FibStatus};
use crate::task::Task;
use crate::{FibConfig, FibError};

/// Events that may wait for their reader.
const EVENTS: usize = 256;

/// The forwarding table. Clones are the same table.
///
/// When the last clone is dropped without [`Fib::stop`], the task ends and leaves everything in the kernel, as a crash
/// would: the next process adopts it.
#[derive(Clone, Debug)]
pub struct Fib {
    writer: Arc<Writer>,
}

impl Fib {
    /// Opens the sockets in the calling thread's network namespace, takes stock of what a previous process left, and
    /// starts the task.
    ///
    /// # Errors
    /// When a setting is out of range or the kernel cannot be talked to.
    pub async fn start(config: FibConfig) -> Result<(Self, mpsc::Receiver<FibEvent>), FibError> {
        config.check()?;
        let mailbox = Arc::new(Mailbox::default());
        let (events, receiver) = mpsc::channel(EVENTS);
        let (task, lister) = Task::open(config, Arc::clone(&mailbox), events).await?;
        tokio::spawn(task.run(lister));
        Ok((Self { writer: Arc::new(Writer { mailbox }) }, receiver))
    }

    /// A tunnel can carry packets through the interface `ifindex`. `source` becomes the preferred source address of
    /// routes whose tunnels all name it, unless the configuration names one.
    pub fn link_up(&self, link: LinkId, ifindex: u32, source: Option<IpAddr>) {
        self.mailbox().link(link, LinkWord::Up { interface: ifindex, source });
    }

    /// A tunnel is dead: its next hop leaves the kernel at once, and all routes move to what they have left.
    pub fn link_down(&self, link: LinkId) {
        self.mailbox().link(link, LinkWord::Down { since: Instant::now() });
    }

    /// Returns when the next hops of all tunnels that were reported dead have left the kernel, and the flows they carried,
    /// too. Routes that name their next hops themselves, for want of nexthop objects, may still be on their way.
    pub async fn left(&self) {
        let (sender, receiver) = oneshot::channel();
        self.mailbox().write(|mail| mail.leaving.push(sender));
        // The task answers by dropping the sender.
        let _ = receiver.await;
    }

    /// From now on these next hops are in doubt, and no others: routes are about to be moved off them one by one. Until then
    /// they are used only where there is no other way. What is in doubt now is so at once; what was, and is no more, once
    /// everything said before was looked at. Means nothing where routes carry their next hops themselves.
    pub fn doubt(&self, next_hops: BTreeSet<NextHop>) {
        self.mailbox().write(|mail| mail.doubted = Some(next_hops));
    }

    /// New desired states. The latest per prefix counts; nothing is dropped, nothing blocks.
    pub fn apply(&self, changes: Vec<FibChange>) {
        self.mailbox().routes(changes);
    }

    /// The protected flows there are from now on. Until this is first said, those of a previous process are left alone.
    pub fn set_flows(&self, flows: Flows) {
        self.mailbox().write(|mail| mail.flows = Some(flows));
    }

    /// Where the tunnels of connections stand from now on: of a connection's tunnels that are up, the first carry its
    /// protected flows. What this means for routes is the routing tables' affair.
    pub fn set_standings(&self, standings: BTreeMap<LinkId, Standing>) {
        self.mailbox().write(|mail| mail.standings = Some(standings));
    }

    /// The routing tables are complete: removes what a previous process left and nobody claimed. Returns when done.
    pub async fn converged(&self) {
        self.mailbox().write(|mail| mail.converged = true);
        self.settled().await;
    }

    /// Returns when everything said so far has been tried.
    pub async fn settled(&self) {
        let (sender, receiver) = oneshot::channel();
        self.mailbox().write(|mail| mail.settled.push(sender));
        // The task answers by dropping the sender, too, when it ends.
        let _ = receiver.await;
    }

    /// Everything at one moment; after the end of the task, the last figures without routes.
    pub async fn snapshot(&self) -> FibSnapshot {
        let (sender, receiver) = oneshot::channel();
        self.mailbox().write(|mail| mail.snapshots.push(sender));
        receiver.await.unwrap_or_else(|_| FibSnapshot {
            status: self.status(),
            routes: vec![],
            groups: vec![],
            flows: vec![],
        })
    }

    /// Figures, as of the last time the task had nothing to do.
    #[must_use]
    pub fn status(&self) -> FibStatus {
        self.mailbox().status()
    }

    /// Ends and leaves everything in the kernel, for the next process to adopt. What is said from now on changes nothing.
    pub async fn leave(&self) {
        self.settled().await;
        let (sender, receiver) = oneshot::channel();
        self.mailbox().write(|mail| {
            mail.abandoned = true;
            mail.settled.push(sender);
        });
        // The task answers by ending.
        let _ = receiver.await;
    }

    /// Removes every route, rule, group and nexthop of ours, and ends. Foreign ones stay.
    pub async fn stop(self) {
        let (sender, receiver) = oneshot::channel();
        self.mailbox().write(|mail| mail.stop = Some(sender));
        let _ = receiver.await;
    }

    fn mailbox(&self) -> &Mailbox {
        &self.writer.mailbox
    }
}

/// Tells the task when nobody is left.
#[derive(Debug)]
struct Writer {
    mailbox: Arc<Mailbox>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.mailbox.write(|mail| mail.abandoned = true);
    }
}
