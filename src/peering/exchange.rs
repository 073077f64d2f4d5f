//! Routes in and out, while Established; see `refresh` for those that go out again.

use std::time::{Duration, Instant};

use bgp::Update;
use bgp::message::{Decoded, UpdateFaults, decode_update, encode_updates};

use super::Peer;
use super::output::{Event, Output};
use crate::SessionError;

/// A peer that sends nothing but faulty updates is told of this often.
const FAULTS_EVERY: Duration = Duration::from_secs(10);

/// Octets of UPDATE messages handed to the connection at a time: what waits behind others can be dropped by whole
/// messages when the session ends.
const RUN: usize = 64 * 1024;

/// Keeps a flood of faulty updates from becoming a flood of events.
#[derive(Debug, Default)]
pub(super) struct FaultLog {
    quiet_until: Option<Instant>,
    suppressed: u64,
}

impl Peer {
    /// Sends routes to the peer in their order, in as few messages as hold them, many at a time. Without an Established
    /// session nothing is sent: the routing tables begin anew when there is one.
    pub fn send_updates(&mut self, updates: &[Update]) {
        // What an end of a refresh brings up goes between the messages, and not behind all of them.
        for updates in updates.split_inclusive(|update| update.end_of_refresh.is_some()) {
            let (Some(agreed), Some(id)) = (self.established(), self.established_id()) else { return };
            let packed = encode_updates(updates, &agreed.terms);
            self.status.sent.update += packed.count() as u64;
            self.outputs.extend(packed.runs(RUN).map(|bytes| Output::Send { id, bytes }));
            if packed.unsendable > 0 {
                let (prefixes, attribute_octets) = (packed.unsendable, packed.attribute_octets);
                self.emit(Event::Unsendable { prefixes, attribute_octets });
            }
            for family in updates.iter().filter_map(|update| update.end_of_rib) {
                self.note_our_end(family);
            }
            for family in updates.iter().filter_map(|update| update.end_of_refresh) {
                self.refreshed(family);
            }
        }
    }

    pub(super) fn on_update(&mut self, body: &[u8], now: Instant) -> Result<(), SessionError> {
        let Some(agreed) = self.established() else { return Ok(()) };
        let Decoded { update, faults } = decode_update(body, &agreed.terms)?;
        if let Some(faults) = faults {
            self.report_faults(faults, now);
        }
        if let Some(family) = update.end_of_rib {
            self.note_their_end(family);
            self.on_end_of_rib(family);
        }
        if !update.withdrawn.is_empty() || !update.announced.is_empty() || update.end_of_rib.is_some() {
            self.emit(Event::Update(update));
        }
        Ok(())
    }

    // RFC 7606 8: what was discarded must not go unnoticed.
    fn report_faults(&mut self, faults: UpdateFaults, now: Instant) {
        self.status.faulty_updates += 1;
        if self.faults.quiet_until.is_none_or(|until| until <= now) {
            let suppressed = std::mem::take(&mut self.faults.suppressed);
            self.faults.quiet_until = Some(now + FAULTS_EVERY);
            self.emit(Event::UpdateFaulty { faults: faults.clone(), suppressed });
        } else {
            self.faults.suppressed += 1;
        }
        self.status.last_faults = Some(faults);
    }
}
