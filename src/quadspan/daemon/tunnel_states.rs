//! Which tunnels carry traffic, as a level and not as a queue: whoever sets it never waits, whoever reads it gets the
//! latest.
//!
//! A queue here would let a busy routing table hold up the key exchange of all tunnels.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rib::TunnelState;
use tokio::sync::Notify;
use wire::ipsec::TunnelId;

/// Changes that the routing tables have not seen yet.
#[derive(Debug, Default)]
pub(super) struct TunnelStates {
    latest: Mutex<BTreeMap<TunnelId, TunnelState>>,
    changed: Notify,
}

impl TunnelStates {
    /// Notes a tunnel's state.
    pub(super) fn set(&self, tunnel: TunnelId, state: TunnelState) {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).insert(tunnel, state);
        self.changed.notify_one();
    }

    /// Waits for changes and takes them all.
    pub(super) async fn take(&self) -> BTreeMap<TunnelId, TunnelState> {
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
    async fn only_the_latest_state_of_a_tunnel_counts() {
        let states = TunnelStates::default();
        states.set(TunnelId(1), TunnelState::Up);
        states.set(TunnelId(2), TunnelState::Up);
        states.set(TunnelId(1), TunnelState::Down);
        let taken = states.take().await;
        assert_eq!(taken, [(TunnelId(1), TunnelState::Down), (TunnelId(2), TunnelState::Up)].into());
    }
}
