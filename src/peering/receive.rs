//! From octets to what a message means in each state (RFC 4271 8.2.2; unexpected messages: RFC 6608).

use std::time::Instant;

use bgp::message::{HEADER_LEN, MessageType, Notification};

use super::Peer;
use super::collision::Side;
use super::connection::Phase;
use super::output::{ConnectionId, Event};
use super::reason::DownReason;
use super::status::NotificationRecord;
use crate::SessionError;

impl Peer {
    /// The peer sent octets, cut in any way.
    pub fn handle_bytes(&mut self, id: ConnectionId, bytes: &[u8], now: Instant) {
        let mut input = bytes;
        while let Some(side) = self.side_of(id) {
            let Some(connection) = self.connection_mut(side) else { return };
            let longest = connection.longest();
            let mut inbox = std::mem::take(&mut connection.inbox);
            let more = match inbox.next(&mut input, longest) {
                Ok(Some(frame)) => {
                    self.on_frame(side, frame, now);
                    true
                }
                Ok(None) => false,
                Err(error) => {
                    self.fail(side, error.into(), now);
                    false
                }
            };
            if let Some(connection) = self.connection_mut(side).filter(|connection| connection.id == id) {
                connection.inbox = inbox;
            }
            if !more {
                return;
            }
        }
    }

    fn on_frame(&mut self, side: Side, frame: &[u8], now: Instant) {
        let (header, body) = frame.split_at(HEADER_LEN);
        let Some(kind) = header.last().and_then(|code| MessageType::from_code(*code)) else { return };
        self.status.received.count(kind);
        if let Err(error) = self.on_message(side, kind, body, now) {
            self.fail(side, error, now);
        }
    }

    fn on_message(&mut self, side: Side, kind: MessageType, body: &[u8], now: Instant) -> Result<(), SessionError> {
        let Some(connection) = self.connection_mut(side) else { return Ok(()) };
        let state = connection.state();
        match (&mut connection.phase, kind) {
            (_, MessageType::Notification) => self.on_notification(side, body, now),
            (Phase::OpenSent, MessageType::Open) => self.on_open(side, body, now)?,
            (Phase::OpenConfirm(agreed), MessageType::Keepalive) => {
                let agreed = agreed.clone();
                self.restart_hold(side, now);
                self.on_confirmed(side, agreed, now);
            }
            (Phase::Established { .. }, MessageType::Keepalive) => self.restart_hold(side, now),
            (Phase::Established { .. }, MessageType::Update) => {
                self.restart_hold(side, now);
                self.on_update(body, now)?;
            }
            (Phase::Established { .. }, MessageType::RouteRefresh) => {
                self.restart_hold(side, now);
                self.on_route_refresh(body, now)?;
            }
            // RFC 4271 8.2.2: the peer is in OpenConfirm, from where it may repeat its KEEPALIVE.
            (Phase::Parked { confirmed, .. }, MessageType::Keepalive) => *confirmed = true,
            (Phase::OpenSent, MessageType::Update | MessageType::Keepalive | MessageType::RouteRefresh)
            | (Phase::Parked { .. }, MessageType::Open | MessageType::Update | MessageType::RouteRefresh)
            | (Phase::OpenConfirm(_), MessageType::Open | MessageType::Update | MessageType::RouteRefresh)
            | (Phase::Established { .. }, MessageType::Open) => {
                return Err(SessionError::Unexpected { message: kind, state });
            }
        }
        Ok(())
    }

    // RFC 4271 6.4: never answered.
    fn on_notification(&mut self, side: Side, body: &[u8], now: Instant) {
        let Some(notification) = Notification::decode(body) else { return };
        let (code, subcode) = (notification.code.0, notification.subcode);
        self.emit(Event::NotificationReceived { code, subcode, text: notification.to_string() });
        self.status.notification_received = Some(NotificationRecord { at: now, notification: notification.clone() });
        let Some(connection) = self.take(side) else { return };
        self.ended(connection, DownReason::NotificationReceived(notification), now);
    }
}
