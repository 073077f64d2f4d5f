//! What the rest of the process tells the forwarding table, on its way to the task.
//!
//! The state of each prefix and each tunnel is a level, so only the latest word on each is kept: the mailbox never
//! blocks a sender, never drops, and never holds more than one entry per prefix and tunnel there is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ipnet::IpNet;
use rib::{FibChange, NextHop, NextHopSet, Standing};
use tokio::sync::{Notify, oneshot};
use wire::LinkId;

use crate::flow::Flows;
use crate::snapshot::{FibSnapshot, FibStatus};

/// Prefixes taken out at a time, so that word of a dead tunnel never waits long behind a full table.
const BATCH: usize = 4096;

/// The latest word on a tunnel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LinkWord {
    Up { interface: u32, source: Option<IpAddr> },
    Down { since: Instant },
}

/// A tunnel reported dead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dead {
    pub(crate) link: LinkId,
    /// The moment of the report.
    pub(crate) since: Instant,
}

/// What cannot wait.
#[derive(Debug, Default)]
pub(crate) struct Deaths {
    pub(crate) dead: Vec<Dead>,
    /// Who waits until they have left the kernel; answered by dropping.
    pub(crate) leaving: Vec<oneshot::Sender<()>>,
}

/// Mail since the task last looked.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) links: BTreeMap<LinkId, LinkWord>,
    pub(crate) routes: BTreeMap<IpNet, NextHopSet>,
    /// The next hops in doubt, if that changed.
    pub(crate) doubted: Option<BTreeSet<NextHop>>,
    pub(crate) flows: Option<Flows>,
    pub(crate) standings: Option<BTreeMap<LinkId, Standing>>,
    pub(crate) converged: bool,
    /// Who waits until dead tunnels have left the kernel.
    pub(crate) leaving: Vec<oneshot::Sender<()>>,
    /// Who waits until everything so far has been tried.
    pub(crate) settled: Vec<oneshot::Sender<()>>,
    pub(crate) snapshots: Vec<oneshot::Sender<FibSnapshot>>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    /// Nobody is left to write.
    pub(crate) abandoned: bool,
    /// Nobody is left to read.
    closed: bool,
}

/// The mailbox, and the notice board beside it.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    mail: Mutex<Mail>,
    arrival: Notify,
    status: Mutex<FibStatus>,
}

impl Mailbox {
    pub(crate) fn link(&self, link: LinkId, word: LinkWord) {
        self.write(|mail| {
            mail.links.insert(link, word);
        });
    }

    pub(crate) fn routes(&self, changes: Vec<FibChange>) {
        self.write(|mail| mail.routes.extend(changes.into_iter().map(|change| (change.prefix, change.next_hops))));
    }

    /// Changes the mail and wakes the task.
    pub(crate) fn write(&self, change: impl FnOnce(&mut Mail)) {
        let mut mail = lock(&self.mail);
        change(&mut mail);
        if mail.closed {
            *mail = Mail { closed: true, ..Mail::default() };
        }
        drop(mail);
        self.arrival.notify_one();
    }

    /// Takes what cannot wait: the tunnels that died, and who waits for that.
    pub(crate) fn take_dead(&self) -> Deaths {
        let mut mail = lock(&self.mail);
        let downs = mail.links.iter().filter_map(|(link, word)| match word {
            LinkWord::Down { since } => Some(Dead { link: *link, since: *since }),
            LinkWord::Up { .. } => None,
        });
        let dead: Vec<Dead> = downs.collect();
        for Dead { link, .. } in &dead {
            mail.links.remove(link);
        }
        Deaths { dead, leaving: std::mem::take(&mut mail.leaving) }
    }

    /// What cannot wait either: next hops in doubt. Which are so no more waits for the routes that were said before.
    pub(crate) fn doubted(&self) -> Option<BTreeSet<NextHop>> {
        lock(&self.mail).doubted.clone().filter(|doubted| !doubted.is_empty())
    }

    /// Makes the next wait return at once: what came was not taken yet.
    pub(crate) fn remind(&self) {
        self.arrival.notify_one();
    }

    /// Takes what came, at most a batch of the routes. Who waits for all of it stays until the rest is taken.
    pub(crate) fn take(&self) -> Mail {
        let mut mail = lock(&self.mail);
        let mut taken = std::mem::take(&mut *mail);
        if taken.routes.len() > BATCH {
            let routes = std::iter::from_fn(|| taken.routes.pop_first()).take(BATCH).collect();
            mail.routes = std::mem::replace(&mut taken.routes, routes);
            mail.doubted = std::mem::take(&mut taken.doubted);
            mail.settled = std::mem::take(&mut taken.settled);
            mail.converged = std::mem::take(&mut taken.converged);
            self.arrival.notify_one();
        }
        taken
    }

    /// The task ends: answers everybody who waits, now and later, by dropping their senders.
    pub(crate) fn close(&self) {
        self.write(|mail| mail.closed = true);
    }

    /// Waits for mail; returns at once if some came since the last wait.
    pub(crate) async fn arrival(&self) {
        self.arrival.notified().await;
    }

    pub(crate) fn publish(&self, status: FibStatus) {
        *lock(&self.status) = status;
    }

    pub(crate) fn status(&self) -> FibStatus {
        lock(&self.status).clone()
    }
}

/// Nothing that is done under these locks leaves a value half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use rib::NextHop;

    use super::*;

    #[test]
    fn the_latest_word_on_a_prefix_counts() {
        let mailbox = Mailbox::default();
        let prefix: IpNet = "10.2.0.0/16".parse().unwrap();
        let next_hop = NextHop { link: LinkId(1), address: "169.254.21.1".parse().unwrap() };
        let there = FibChange { prefix, next_hops: NextHopSet::new(vec![next_hop]) };
        let gone = FibChange { prefix, next_hops: NextHopSet::default() };
        mailbox.routes(vec![gone.clone(), there.clone()]);
        mailbox.routes(vec![gone, there.clone()]);
        let mail = mailbox.take();
        assert_eq!(mail.routes.into_iter().collect::<Vec<_>>(), [(prefix, there.next_hops)]);
        assert!(mailbox.take().routes.is_empty());
    }

    #[test]
    fn who_waits_for_everything_waits_for_the_last_batch() {
        let mailbox = Mailbox::default();
        let change = |n: u32| {
            let prefix = IpNet::new(std::net::Ipv4Addr::from_bits(n << 8).into(), 24).unwrap();
            FibChange { prefix, next_hops: NextHopSet::default() }
        };
        mailbox.routes((0..5000).map(change).collect());
        let (sender, _receiver) = oneshot::channel();
        mailbox.write(|mail| mail.settled.push(sender));
        let first = mailbox.take();
        assert_eq!((first.routes.len(), first.settled.len()), (BATCH, 0));
        let second = mailbox.take();
        assert_eq!((second.routes.len(), second.settled.len()), (5000 - BATCH, 1));
    }

    #[test]
    fn doubts_are_heard_at_once_and_end_after_the_last_route() {
        let mailbox = Mailbox::default();
        let next_hop = NextHop { link: LinkId(1), address: "169.254.21.1".parse().unwrap() };
        let doubt = |hops: BTreeSet<NextHop>| mailbox.write(|mail| mail.doubted = Some(hops));
        doubt([next_hop].into());
        assert_eq!((mailbox.doubted(), mailbox.take().doubted), (Some([next_hop].into()), Some([next_hop].into())));
        let change = |n: u32| {
            let prefix = IpNet::new(std::net::Ipv4Addr::from_bits(n << 8).into(), 24).unwrap();
            FibChange { prefix, next_hops: NextHopSet::default() }
        };
        mailbox.routes((0..5000).map(change).collect());
        doubt(BTreeSet::new());
        assert_eq!((mailbox.doubted(), mailbox.take().doubted), (None, None));
        assert_eq!(mailbox.take().doubted, Some(BTreeSet::new()));
    }

    #[test]
    fn a_closed_mailbox_keeps_nobody_waiting() {
        let mailbox = Mailbox::default();
        mailbox.close();
        let (sender, mut receiver) = oneshot::channel();
        mailbox.write(|mail| mail.settled.push(sender));
        assert!(matches!(receiver.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }
}
