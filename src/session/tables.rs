//! What a session tells the routing tables. Nothing is lost: what they have no room for waits, and the peer with it.

use bgp::{Family, Update};
use peering::{Established, Event, StaleRoutes};
use rib::{PeerId, PeerSession};
use tokio::sync::mpsc::error::TrySendError;

use crate::task::Session;

/// Something that the routing tables are told of a session.
#[derive(Debug)]
pub enum Notice {
    /// It is established.
    Up {
        /// Numbers the establishments of one session: what was meant for an earlier one is not sent.
        incarnation: u64,
        /// What both ends agreed on, as far as it concerns routes.
        session: PeerSession,
    },
    /// It is down, with the families whose routes stay for a while (RFC 4724 4.2).
    Down(Option<StaleRoutes>),
    /// Stale routes of these families are gone.
    StaleExpired(Vec<Family>),
    /// What the peer does not announce again until the end is gone (RFC 7313).
    RefreshBegun(Family),
    /// The end of that.
    RefreshEnded(Family),
    /// What the peer sent, in its order.
    Updates(Vec<Update>),
    /// The peer asks for everything again (RFC 2918).
    RefreshRequested(Family),
}

impl<T: From<(PeerId, Notice)>> Session<T> {
    /// What comes without anything else in between goes to the routing tables together.
    fn note_update(&mut self, update: Update) {
        if let Some(Notice::Updates(updates)) = self.notices.back_mut() {
            return updates.push(update);
        }
        self.notices.push_back(Notice::Updates(vec![update]));
    }

    /// Gives the routing tables what they have room for.
    pub(crate) fn tell_tables(&mut self) {
        while let Some(notice) = self.notices.pop_front() {
            match self.tables.try_reserve() {
                Ok(permit) => permit.send((self.id, notice).into()),
                Err(TrySendError::Full(())) => return self.notices.push_front(notice),
                Err(TrySendError::Closed(())) => {}
            }
        }
    }

    pub(crate) fn handle_event(&mut self, event: Event) {
        self.reporter.bgp_event(&self.config, &event);
        let notice = match event {
            Event::Established(established) => {
                self.incarnation += 1;
                Notice::Up { incarnation: self.incarnation, session: of_concern(established) }
            }
            Event::Down { was_established: true, stale, .. } => Notice::Down(stale),
            Event::StaleExpired(families) => Notice::StaleExpired(families),
            Event::RefreshBegun(family) => Notice::RefreshBegun(family),
            Event::RefreshEnded(family) => Notice::RefreshEnded(family),
            Event::Update(update) => return self.note_update(update),
            Event::RefreshRequested(family) => Notice::RefreshRequested(family),
            Event::Down { was_established: false, .. }
            | Event::StateChanged { .. }
            | Event::NotificationReceived { .. }
            | Event::NotificationSent { .. }
            | Event::UpdateFaulty { .. }
            | Event::Unsendable { .. } => return,
        };
        self.notices.push_back(notice);
    }
}

/// What the routing tables have to know of a session that came up.
fn of_concern(established: Established) -> PeerSession {
    PeerSession {
        families: established.families,
        peer_router_id: established.peer_router_id,
        extended_next_hop: established.extended_next_hop,
        add_path: established.add_path,
        role: established.role,
    }
}
