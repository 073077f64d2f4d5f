//! Sessions without room: their batches wait here, one each beside what is asked for anew, and their peers are held.

use std::collections::VecDeque;

use futures_util::FutureExt as _;
use rib::PeerId;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Task;

/// Room for one batch of updates in a session's queue.
pub(super) type Room = Result<mpsc::OwnedPermit<session::Updates>, mpsc::error::SendError<()>>;

impl Task {
    /// Hands updates to their session, or keeps them until there is room and asks the routing tables for no more.
    pub(super) fn send(&mut self, peer: PeerId, updates: Vec<bgp::Update>) {
        if let Some(waiting) = self.backlog.get_mut(&peer) {
            waiting.push_back(updates);
            return;
        }
        let topology = self.topology.borrow();
        let Some(session) = topology.session(peer) else { return };
        if let Err(TrySendError::Full((_, updates))) = session.updates.try_send((self.incarnation(peer), updates)) {
            let queue = session.updates.clone();
            drop(topology);
            self.backlog.insert(peer, VecDeque::from([updates]));
            self.rib.hold(peer);
            self.wait_for_room(peer, queue);
        }
    }

    fn wait_for_room(&mut self, peer: PeerId, queue: mpsc::Sender<session::Updates>) {
        self.room.push(async move { (peer, queue.reserve_owned().await) }.boxed());
    }

    pub(super) fn send_backlog(&mut self, peer: PeerId, room: Room) {
        let incarnation = self.incarnation(peer);
        let Some(waiting) = self.backlog.get_mut(&peer) else { return };
        let (Ok(permit), Some(updates)) = (room, waiting.pop_front()) else {
            self.forget_backlog(peer);
            return;
        };
        let queue = permit.send((incarnation, updates));
        while let Some(updates) = waiting.pop_front() {
            match queue.try_send((incarnation, updates)) {
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full((_, updates))) => {
                    waiting.push_front(updates);
                    return self.wait_for_room(peer, queue);
                }
            }
        }
        self.forget_backlog(peer);
    }

    /// Nothing waits for the peer any more, or what waits is moot.
    fn forget_backlog(&mut self, peer: PeerId) {
        self.backlog.remove(&peer);
        self.rib.release(peer);
    }
}
