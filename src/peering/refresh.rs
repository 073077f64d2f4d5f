//! Everything once more: ROUTE-REFRESH both ways (RFC 2918), with marks around what is repeated (RFC 7313).
//!
//! ```text
//!   they ask ──► RefreshRequested     we send: begin ── updates of the tables ── Update.end_of_refresh ──► end
//!   we ask   ──► they send: begin ──► RefreshBegun ── updates ── end ──► RefreshEnded
//!                                        └─ no end in time ──► RefreshEnded
//! ```
//!
//! Where a side restarts gracefully, the marks mean nothing before its End-of-RIB (RFC 7313 4.1, 4.2).

use std::time::{Duration, Instant};

use bgp::Family;
use bgp::message::{HEADER_LEN, HeaderError, MessageType, RefreshKind, RouteRefresh};

use super::Peer;
use super::clock::Timer;
use super::output::Event;
use crate::SessionError;

/// RFC 7313 4.2: how long the peer may take to repeat everything.
const REPEATED_WITHIN: Duration = Duration::from_secs(360);

/// Which tables are on their way.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// The peer said all it had of these.
    theirs_complete: Vec<Family>,
    /// We said all we had of these.
    ours_complete: Vec<Family>,
    /// The peer repeats these.
    theirs_again: Vec<Family>,
    /// We repeat these, and those of them between marks.
    repeating: Vec<Family>,
    ours_again: Vec<Family>,
    /// The peer has asked for these once more meanwhile.
    asked_again: Vec<Family>,
}

impl Peer {
    /// Asks the peer to announce everything of `family` again (RFC 2918). A peer that cannot is not asked; whether it
    /// was.
    pub fn request_refresh(&mut self, family: Family) -> bool {
        let (Some(agreed), Some(id)) = (self.established(), self.established_id()) else { return false };
        let can = agreed.established.route_refresh && agreed.terms.families.contains(&family);
        if can {
            self.send(id, MessageType::RouteRefresh, RouteRefresh::request(family).encode());
        }
        can
    }

    pub(super) fn on_route_refresh(&mut self, body: &[u8], now: Instant) -> Result<(), SessionError> {
        let Some(agreed) = self.established() else { return Ok(()) };
        let enhanced = agreed.established.enhanced_refresh;
        let Some(message) = RouteRefresh::decode(body) else { return Err(wrong_length(body, enhanced)) };
        // RFC 2918 4, RFC 7313 5: families that were not negotiated and subtypes that are not known are ignored.
        let family = message.family().filter(|family| agreed.terms.families.contains(family));
        let (Some(family), Some(kind)) = (family, message.kind()) else { return Ok(()) };
        match kind {
            RefreshKind::Request => self.on_refresh_request(family),
            RefreshKind::Begin if enhanced => self.on_refresh_begin(family, now),
            RefreshKind::End if enhanced => self.end_refresh(family),
            RefreshKind::Begin | RefreshKind::End => {}
        }
        Ok(())
    }

    /// However often the peer asks, everything is repeated once at a time.
    fn on_refresh_request(&mut self, family: Family) {
        if self.tables.repeating.contains(&family) {
            note(&mut self.tables.asked_again, family);
        } else {
            self.begin_repeating(family);
        }
    }

    fn begin_repeating(&mut self, family: Family) {
        note(&mut self.tables.repeating, family);
        self.emit(Event::RefreshRequested(family));
        let Some(agreed) = self.established() else { return };
        // RFC 7313 4.1: with graceful restart there is no begin before our End-of-RIB.
        let early = agreed.established.graceful_restart.is_some() && !self.tables.ours_complete.contains(&family);
        if agreed.established.enhanced_refresh && !early {
            self.say_refresh(RefreshKind::Begin, family);
            note(&mut self.tables.ours_again, family);
        }
    }

    /// The tables have repeated all of `family`.
    pub(super) fn refreshed(&mut self, family: Family) {
        if take(&mut self.tables.ours_again, family) {
            self.say_refresh(RefreshKind::End, family);
        }
        take(&mut self.tables.repeating, family);
        if take(&mut self.tables.asked_again, family) {
            self.begin_repeating(family);
        }
    }

    fn on_refresh_begin(&mut self, family: Family, now: Instant) {
        let restarts = self.established().is_some_and(|agreed| agreed.established.graceful_restart.is_some());
        // RFC 7313 4.2: with graceful restart a begin before End-of-RIB is ignored.
        if restarts && !self.tables.theirs_complete.contains(&family) {
            return;
        }
        note(&mut self.tables.theirs_again, family);
        self.timers.set(Timer::Refresh(family), now + REPEATED_WITHIN);
        self.emit(Event::RefreshBegun(family));
    }

    /// The peer has repeated everything, or takes too long. RFC 7313 4.2: an end without a begin is ignored.
    pub(super) fn end_refresh(&mut self, family: Family) {
        self.timers.stop(Timer::Refresh(family));
        if take(&mut self.tables.theirs_again, family) {
            self.emit(Event::RefreshEnded(family));
        }
    }

    /// A new session: nothing was said yet.
    pub(super) fn reset_tables(&mut self) {
        self.tables = Tables::default();
        for family in [Family::Ipv4Unicast, Family::Ipv6Unicast] {
            self.timers.stop(Timer::Refresh(family));
        }
    }

    pub(super) fn note_our_end(&mut self, family: Family) {
        note(&mut self.tables.ours_complete, family);
    }

    pub(super) fn note_their_end(&mut self, family: Family) {
        note(&mut self.tables.theirs_complete, family);
    }

    fn say_refresh(&mut self, kind: RefreshKind, family: Family) {
        if let Some(id) = self.established_id() {
            self.send(id, MessageType::RouteRefresh, RouteRefresh::new(kind, family).encode());
        }
    }
}

// RFC 7313 5: a mark of another length has an error of its own. A request of another length carries filters (RFC 5291)
// that nobody asked for.
fn wrong_length(body: &[u8], enhanced: bool) -> SessionError {
    let length = u16::try_from(HEADER_LEN + body.len()).unwrap_or(u16::MAX);
    if enhanced && matches!(body.get(2), Some(1 | 2)) {
        let mut message = vec![0xff; 16];
        message.extend_from_slice(&length.to_be_bytes());
        message.push(MessageType::RouteRefresh.code());
        message.extend_from_slice(body);
        return SessionError::Refresh { message };
    }
    HeaderError::Length { length, kind: Some(MessageType::RouteRefresh) }.into()
}

fn note(families: &mut Vec<Family>, family: Family) {
    if !families.contains(&family) {
        families.push(family);
    }
}

fn take(families: &mut Vec<Family>, family: Family) -> bool {
    let before = families.len();
    families.retain(|known| *known != family);
    families.len() < before
}
