//! Routes that outlive their session, or are to be repeated: graceful restart (RFC 4724) and enhanced route refresh
//! (RFC 7313).
//!
//! ```text
//!   session lost, peer will be back ──> all routes stale, in use ──┬─ session up, End-of-RIB: what is still stale goes
//!   peer begins to repeat all ────────> all routes stale, in use ──┤  (or the end of what is repeated)
//!                                                                  ├─ time is up: what is still stale goes
//!                                                                  └─ link down: everything goes at once
//! ```
//!
//! The state of the link wins: a dead tunnel carries nothing, however graceful the peer's restart.

use bgp::Family;

use crate::peer::{AdjIn, AdjOut};
use crate::rib::Rib;
use crate::{LinkState, PeerId};

impl Rib {
    /// A session is lost, and the peer said that it would be back: its routes of these families stay in use until it
    /// has announced everything again. Without a link they are gone at once.
    pub fn handle_peer_restarting(&mut self, peer: PeerId, families: &[Family]) {
        let Some(state) = self.peers.get_mut(peer) else { return };
        if state.session.is_none() || state.egress.state == LinkState::Down || families.is_empty() {
            return self.handle_peer_down(peer);
        }
        state.session = None;
        state.retained = true;
        state.adj_out = AdjOut::default();
        state.adj_in.ended.clear();
        self.drop_outputs(peer);
        self.drop_routes(peer, |family, _| !families.contains(&family));
        for family in families {
            self.mark_stale(peer, *family);
        }
    }

    /// Stale routes of these families are kept no longer: time is up, or the peer came back without them.
    pub fn handle_stale_expired(&mut self, peer: PeerId, families: &[Family]) {
        self.drop_routes(peer, |family, path| path.is_stale() && families.contains(&family));
        self.end_retention(peer);
    }

    /// The peer begins to announce everything of this family again (RFC 7313 4.2).
    pub fn handle_refresh_begun(&mut self, peer: PeerId, family: Family) {
        if self.peers.get(peer).is_some_and(|state| state.session.is_some()) {
            self.mark_stale(peer, family);
        }
    }

    /// The peer has announced everything of this family again: what it did not repeat is gone.
    pub fn handle_refresh_ended(&mut self, peer: PeerId, family: Family) {
        self.sweep_stale(peer, family);
    }

    /// Drops what the peer did not repeat.
    pub(crate) fn sweep_stale(&mut self, peer: PeerId, family: Family) {
        if self.peers.get(peer).is_some_and(|state| state.session.is_some() && state.adj_in.stale > 0) {
            self.drop_routes(peer, |of, path| path.is_stale() && of == family);
        }
    }

    /// What is stale without a session does not outlive the link.
    pub(crate) fn drop_retained(&mut self, peer: PeerId) {
        if self.peers.get(peer).is_some_and(|state| state.retained) {
            self.forget_routes(peer);
            self.end_retention(peer);
        }
    }

    fn end_retention(&mut self, peer: PeerId) {
        if let Some(state) = self.peers.get_mut(peer)
            && state.retained
            && state.adj_in.paths == 0
        {
            state.retained = false;
            state.adj_in = AdjIn::default();
        }
    }

    fn mark_stale(&mut self, peer: PeerId, family: Family) {
        let Some(slot) = self.peers.slot(peer) else { return };
        let Some(state) = self.peers.at_mut(slot) else { return };
        for id in state.adj_in.prefixes.iter() {
            let entry = self.table.entry_mut(id);
            if Family::of(&entry.prefix) != family {
                continue;
            }
            for path in entry.paths_of_mut(slot).filter(|path| !path.is_stale()) {
                path.set_stale(true);
                state.adj_in.stale += 1;
            }
        }
    }
}
