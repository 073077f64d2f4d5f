//! What is known of tunnels, as a level and not as a queue: whoever notes something never waits, whoever reads gets the
//! latest, and how often something was lost meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use wire::ipsec::TunnelId;

/// What tunnel, BFD, BGP and the operator say of one tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fact {
    /// A CHILD SA carries packets.
    pub(crate) up: bool,
    /// BFD says that the peer cannot be reached.
    pub(crate) unreachable: bool,
    /// The BGP session is established, or routes are held for the peer.
    pub(crate) established: bool,
    /// The session is drained by command.
    pub(crate) drained: bool,
    /// How often it went from up to down.
    pub(crate) downs: u64,
    /// How often its session was lost.
    pub(crate) losses: u64,
}

/// The facts of all tunnels.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    latest: Mutex<BTreeMap<TunnelId, Fact>>,
    changed: Notify,
}

impl Facts {
    /// Notes something about a tunnel.
    pub(crate) fn note(&self, tunnel: TunnelId, change: impl FnOnce(&mut Fact)) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let fact = latest.entry(tunnel).or_default();
        let before = *fact;
        change(fact);
        fact.downs += u64::from(before.up && !fact.up);
        fact.losses += u64::from(before.established && !fact.established);
        if before != *fact {
            self.changed.notify_one();
        }
    }

    /// What is known of a tunnel.
    pub(super) fn of(&self, tunnel: TunnelId) -> Fact {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).get(&tunnel).copied().unwrap_or_default()
    }

    /// Waits until something changed that was not waited for before.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TUNNEL: TunnelId = TunnelId(1);

    #[tokio::test]
    async fn a_loss_between_two_looks_is_counted() {
        let facts = Facts::default();
        facts.note(TUNNEL, |fact| (fact.up, fact.established) = (true, true));
        facts.changed().await;
        facts.note(TUNNEL, |fact| fact.up = false);
        facts.note(TUNNEL, |fact| fact.up = true);
        facts.changed().await;
        assert_eq!(facts.of(TUNNEL), Fact { up: true, established: true, downs: 1, ..Fact::default() });
        assert_eq!(facts.of(TunnelId(2)), Fact::default());
    }
}
