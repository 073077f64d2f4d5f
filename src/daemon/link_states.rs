//! Which links carry traffic, and which next hops behind them are alive, as a level and not as a queue: whoever sets it
//! never waits, whoever reads it gets the latest.
//!
//! A queue here would let a busy routing table hold up the key exchange of all tunnels.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rib::{LinkState, NextHop};
use tokio::sync::Notify;
use wire::LinkId;

/// Changes that the routing tables have not seen yet.
#[derive(Debug, Default)]
pub(super) struct LinkStates {
    latest: Mutex<Changes>,
    changed: Notify,
}

/// The latest of what changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) links: BTreeMap<LinkId, LinkState>,
    /// Where BFD has an opinion.
    pub(super) hops: BTreeMap<NextHop, LinkState>,
}

impl LinkStates {
    /// Notes a link's state.
    pub(super) fn set(&self, link: LinkId, state: LinkState) {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).links.insert(link, state);
        self.changed.notify_one();
    }

    /// Notes the state of a next hop behind a link.
    pub(super) fn set_hop(&self, hop: NextHop, state: LinkState) {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).hops.insert(hop, state);
        self.changed.notify_one();
    }

    /// Waits for changes and takes them all.
    pub(super) async fn take(&self) -> Changes {
        loop {
            let taken = std::mem::take(&mut *self.latest.lock().unwrap_or_else(PoisonError::into_inner));
            if taken != Changes::default() {
                return taken;
            }
            self.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_latest_state_of_a_link_counts() {
        let states = LinkStates::default();
        states.set(LinkId(1), LinkState::Up);
        states.set(LinkId(2), LinkState::Up);
        states.set(LinkId(1), LinkState::Down);
        let taken = states.take().await.links;
        assert_eq!(taken, [(LinkId(1), LinkState::Down), (LinkId(2), LinkState::Up)].into());
    }
}
