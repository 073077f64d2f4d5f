//! The handshake over one connection: OPEN, collisions, the first KEEPALIVE (RFC 4271 8.2.2, events 19 to 26).

use std::time::{Duration, Instant};

use bgp::message::{CeaseSubcode, KEEPALIVE, MessageType, Notification, Open};

use super::Peer;
use super::clock::Timer;
use super::collision::{Side, Speaker, survivor};
use super::connection::Phase;
use super::negotiate::{Agreed, negotiate};
use super::output::{ConnectionId, Event};
use crate::SessionError;

/// How long a connection that outranks another may take to prove itself.
const PROOF: Duration = Duration::from_secs(5);

/// What becomes of a connection whose OPEN has come.
enum Standing {
    Stays,
    Waits,
    Lost,
}

impl Peer {
    pub(super) fn on_open(&mut self, side: Side, body: &[u8], now: Instant) -> Result<(), SessionError> {
        let open = Open::decode(body)?;
        self.status.peer_offered.clone_from(&open.capabilities);
        let agreed = Box::new(negotiate(&self.config, &open, side == Side::Ours)?);
        match self.standing(side, &agreed) {
            Standing::Stays => self.accept_open(side, agreed, now),
            Standing::Waits => {
                if let Some(connection) = self.connection_mut(side) {
                    connection.phase = Phase::Parked { agreed, confirmed: false };
                }
                self.timers.set(Timer::Parked, now + PROOF);
            }
            Standing::Lost => {
                self.close_with(side, Notification::cease(CeaseSubcode::CONNECTION_COLLISION_RESOLUTION), now);
                self.sync_state(now);
            }
        }
        Ok(())
    }

    /// RFC 4271 6.8: of two connections, which one stays.
    fn standing(&self, side: Side, agreed: &Agreed) -> Standing {
        let Some(other) = self.connection(side.other()) else { return Standing::Stays };
        let local = Speaker { router_id: self.config.router_id, asn: self.config.local_asn };
        let peer = Speaker { router_id: agreed.established.peer_router_id, asn: agreed.established.peer_asn };
        match &other.phase {
            _ if survivor(local, peer) == side => Standing::Stays,
            Phase::OpenSent => Standing::Waits,
            Phase::Parked { .. } | Phase::OpenConfirm(_) | Phase::Established { .. } => Standing::Lost,
        }
    }

    /// OpenSent to OpenConfirm. Another connection, or an attempt at one, is given up.
    fn accept_open(&mut self, side: Side, agreed: Box<Agreed>, now: Instant) {
        self.close_with(side.other(), Notification::cease(CeaseSubcode::CONNECTION_COLLISION_RESOLUTION), now);
        self.confirm_open(side, agreed, now);
    }

    fn confirm_open(&mut self, side: Side, agreed: Box<Agreed>, now: Instant) {
        self.give_up_attempt();
        self.timers.stop(Timer::ConnectRetry);
        self.arm_hold(side, agreed.established.hold_time, now);
        self.arm_keepalive(side, agreed.established.keepalive, now);
        let Some(connection) = self.connection_mut(side) else { return };
        let id = connection.id;
        connection.phase = Phase::OpenConfirm(agreed);
        self.send_keepalive(id);
        self.sync_state(now);
    }

    /// Goes on with a connection that waited for a better one, which came to nothing or takes too long.
    pub(super) fn resume_parked(&mut self, now: Instant) {
        for side in Side::BOTH {
            let Some(connection) = self.connection_mut(side) else { continue };
            if let Phase::Parked { agreed, confirmed } = &connection.phase {
                let (agreed, confirmed) = (agreed.clone(), *confirmed);
                self.confirm_open(side, agreed.clone(), now);
                if confirmed {
                    self.on_confirmed(side, agreed, now);
                }
            }
        }
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
        self.timers.stop(Timer::Parked);
        self.sync_state(now);
        self.reset_tables();
        self.resume_stale(established.graceful_restart.as_ref(), now);
        self.emit(Event::Established(established));
    }

    pub(super) fn send_keepalive(&mut self, id: ConnectionId) {
        self.send(id, MessageType::Keepalive, &KEEPALIVE[..]);
    }
}
