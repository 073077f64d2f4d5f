//! What a session tells the routing tables. Nothing is lost: what they have no room for waits, and the peer with it.

use bgp::Event;
use tokio::sync::mpsc::error::TrySendError;

use super::{Session, rib_task};

impl Session {
    /// What comes without anything else in between goes to the RIB together.
    fn note_update(&mut self, update: bgp::Update) {
        if let Some(rib_task::Command::Updates { updates, .. }) = self.to_rib.back_mut() {
            return updates.push(update);
        }
        self.to_rib.push_back(rib_task::Command::Updates { peer: self.id, updates: vec![update] });
    }

    /// Gives the RIB what it has room for.
    pub(super) fn tell_rib(&mut self) {
        while let Some(event) = self.to_rib.pop_front() {
            if let Err(TrySendError::Full(event)) = self.rib.try_send(event) {
                return self.to_rib.push_front(event);
            }
        }
    }

    pub(super) fn handle_event(&mut self, event: Event) {
        self.reporter.bgp_event(&self.config, &event);
        let peer = self.id;
        match event {
            Event::Established(established) => {
                self.incarnation += 1;
                let incarnation = self.incarnation;
                self.to_rib.push_back(rib_task::Command::PeerUp { peer, incarnation, established });
            }
            Event::Down { was_established: true, stale, .. } => {
                self.to_rib.push_back(rib_task::Command::PeerDown { peer, stale });
            }
            Event::StaleExpired(families) => {
                self.to_rib.push_back(rib_task::Command::StaleExpired { peer, families });
            }
            Event::RefreshBegun(family) => self.to_rib.push_back(rib_task::Command::RefreshBegun { peer, family }),
            Event::RefreshEnded(family) => self.to_rib.push_back(rib_task::Command::RefreshEnded { peer, family }),
            Event::Update(update) => self.note_update(update),
            Event::RefreshRequested(family) => {
                self.to_rib.push_back(rib_task::Command::Refresh { peer, family });
            }
            Event::Down { was_established: false, .. }
            | Event::StateChanged { .. }
            | Event::NotificationReceived { .. }
            | Event::NotificationSent { .. }
            | Event::UpdateFaulty { .. }
            | Event::Unsendable { .. } => {}
        }
    }
}
