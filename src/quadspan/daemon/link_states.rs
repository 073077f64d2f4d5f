//! Which links carry traffic, as a level and not as a queue: whoever sets it never waits, whoever reads it gets the
//! latest.
//!
//! A queue here would let a busy routing table hold up the key exchange of all tunnels.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rib::LinkState;
use tokio::sync::Notify;
use wire::LinkId;

/// Changes that the routing tables have not seen yet.
#[derive(Debug, Default)]
pub(super) struct LinkStates {
    latest: Mutex<BTreeMap<LinkId, LinkState>>,
    changed: Notify,
}

impl LinkStates {
    /// Notes a link's state.
    pub(super) fn set(&self, link: LinkId, state: LinkState) {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).insert(link, state);
        self.changed.notify_one();
    }

    /// Waits for changes and takes them all.
    pub(super) async fn take(&self) -> BTreeMap<LinkId, LinkState> {
        loop {
            let taken = std::mem::take(&mut *self.latest.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
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
        let taken = states.take().await;
        assert_eq!(taken, [(LinkId(1), LinkState::Down), (LinkId(2), LinkState::Up)].into());
    }
}
