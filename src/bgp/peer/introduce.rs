//! The handshake over one connection: OPEN, collisions, the first KEEPALIVE (RFC 4271 8.2.2, events 19 to 26).

use std::time::Instant;

use super::collision::{Side, Speaker, survivor};
use super::connection::Phase;
use super::negotiate::{Agreed, negotiate};
use super::output::{ConnectionId, Event};
use super::Peer;
use crate::SessionError;
use crate::message::{CeaseSubcode, KEEPALIVE, MessageType, Notification, Open};

impl Peer {
    pub(super) fn on_open(&mut self, side: Side, body: &[u8], now: Instant) -> Result<(), SessionError> {
        let open = Open::decode(body)?;
        let agreed = negotiate(&self.config, &open, side == Side::Ours)?;
        if self.collides(side, &agreed, now) {
            return Ok(());
        }
        // RFC 4271 6.8: from here on this connection stays, unless the peer's own arrives and outranks it.
        self.give_up_attempt();
        self.timers.stop(super::clock::Timer::ConnectRetry);
        self.arm_hold(side, agreed.established.hold_time, now);
        self.arm_keepalive(side, agreed.established.keepalive, now);
        let Some(connection) = self.connection_mut(side) else { return Ok(()) };
        let id = connection.id;
        connection.phase = Phase::OpenConfirm(Box::new(agreed));
        self.send(id, MessageType::Keepalive, &KEEPALIVE[..]);
        self.sync_state(now);
        Ok(())
    }

    /// RFC 4271 6.8: closes one of two connections; true if it was this one.
    fn collides(&mut self, side: Side, agreed: &Agreed, now: Instant) -> bool {
        if self.connection(side.other()).is_none() {
            return false;
        }
        let local = Speaker { router_id: self.config.router_id, asn: self.config.local_asn };
        let peer = Speaker { router_id: agreed.established.peer_router_id, asn: agreed.established.peer_asn };
        let loser = survivor(local, peer).other();
        self.close_with(loser, Notification::cease(CeaseSubcode::CONNECTION_COLLISION_RESOLUTION), now);
        self.sync_state(now);
        loser == side
    }

    /// The KEEPALIVE that confirms our OPEN.
    pub(super) fn on_confirmed(&mut self, side: Side, agreed: Box<Agreed>, now: Instant) {
        let established = agreed.established.clone();
        if let Some(connection) = self.connection_mut(side) {
            connection.phase = Phase::Established { agreed, since: now };
        }
        // RFC 4271 6.8: an Established session outranks every other connection.
        self.close_with(side.other(), Notification::cease(CeaseSubcode::CONNECTION_COLLISION_RESOLUTION), now);
        self.give_up_attempt();
        self.sync_state(now);
        self.emit(Event::Established(established));
    }

    pub(super) fn send_keepalive(&mut self, id: ConnectionId) {
        self.send(id, MessageType::Keepalive, &KEEPALIVE[..]);
    }
}
