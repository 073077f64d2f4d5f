//! What waits to be written to one connection: runs of whole messages, in order.
//!
//! ```text
//!  session ── push ──► [run|run|run|..] ── take_in_hand ──► writing task ──► TCP
//!                        ▲    │                                 │
//!          room ─────────┘    └── end: only what was begun, and a NOTIFICATION, are left
//!                        note_written ◄─────────────────────────┘
//! ```
//!
//! A run is in hand only while the kernel copies it, never while TCP has no room, so that [`Outbox::end`] can still drop
//! what TCP has not begun: updates of a session that has ended are moot, and its NOTIFICATION should not wait for them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bgp::message::{HEADER_LEN, MessageType};
use bytes::{Buf as _, Bytes};
use tokio::sync::Notify;

/// Octets waiting beyond which no updates are taken from the routing tables.
const ROOM: usize = 1024 * 1024;
/// Runs waiting beyond which the same holds: where single prefixes flap, each update is a run of its own.
const ROOM_RUNS: usize = FLOODED / 4;
/// Runs waiting beyond which the peer is not listened to. There is no room long before, so that mostly what answers the
/// peer itself gets there, and whoever waits for room hears of the end of it.
const FLOODED: usize = 4096;
/// Octets beyond which a NOTIFICATION does not wait for what is before it.
const MUCH: usize = 64 * 1024;
/// Runs written at once, and octets after which there is no further one.
const BATCH: usize = 16;
const BATCH_OCTETS: usize = 256 * 1024;

/// Runs that wait.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    inner: Mutex<Waiting>,
    /// Something is there to be written, or there will be nothing more.
    filled: Notify,
    /// Something was written.
    drained: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    runs: VecDeque<Bytes>,
    octets: usize,
    /// How many of the first runs are in hand.
    in_hand: usize,
    /// Some of the first run is written.
    begun: bool,
    /// The last run ever queued is a NOTIFICATION.
    farewell: bool,
    /// Octets ever queued but for those dropped, and ever written.
    queued: u64,
    written: u64,
    /// There will be nothing more.
    ended: bool,
}

impl Outbox {
    /// Adds a run.
    pub(super) fn push(&self, run: Bytes) {
        let mut waiting = self.lock();
        if waiting.ended || run.is_empty() {
            return;
        }
        waiting.octets += run.len();
        waiting.queued += octets(run.len());
        waiting.farewell = run.get(HEADER_LEN - 1) == Some(&MessageType::Notification.code());
        waiting.runs.push_back(run);
        drop(waiting);
        self.filled.notify_one();
    }

    /// There will be nothing more. If it is much, what was not begun is dropped, but for a NOTIFICATION. Without one
    /// nothing stays: an End-of-RIB (RFC 4724) after a gap would cost routes that the peer is to keep.
    pub(super) fn end(&self) {
        let mut waiting = self.lock();
        if waiting.octets > MUCH {
            let end = waiting.runs.len().saturating_sub(usize::from(waiting.farewell));
            let stays = waiting.in_hand.max(usize::from(waiting.begun)).min(end);
            let dropped: usize = waiting.runs.drain(stays..end).map(|run| run.len()).sum();
            waiting.octets -= dropped;
            waiting.queued -= octets(dropped);
        }
        waiting.ended = true;
        drop(waiting);
        self.filled.notify_one();
    }

    /// The connection is lost, and all of this with it.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        *waiting = Waiting { ended: true, queued: waiting.written, written: waiting.written, ..Waiting::default() };
        drop(waiting);
        self.drained.notify_one();
    }

    /// Octets ever queued and ever written.
    pub(super) fn octets(&self) -> (u64, u64) {
        let waiting = self.lock();
        (waiting.queued, waiting.written)
    }

    pub(super) fn has_room(&self) -> bool {
        let waiting = self.lock();
        waiting.octets <= ROOM && waiting.runs.len() <= ROOM_RUNS
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.lock().runs.len() > FLOODED
    }

    /// Whether the peer is told why.
    pub(super) fn has_farewell(&self) -> bool {
        self.lock().farewell
    }

    /// Waits for room.
    pub(super) async fn room(&self) {
        while !self.has_room() {
            self.drained.notified().await;
        }
    }

    /// Waits for something to write; whether there is any, or ever will be.
    pub(super) async fn filled(&self) -> bool {
        loop {
            {
                let waiting = self.lock();
                if !waiting.runs.is_empty() {
                    return true;
                }
                if waiting.ended {
                    return false;
                }
            }
            self.filled.notified().await;
        }
    }

    /// The next runs, to be written at once without waiting, and then to be noted.
    pub(super) fn take_in_hand(&self) -> Vec<Bytes> {
        let mut waiting = self.lock();
        let mut batch = Vec::with_capacity(BATCH.min(waiting.runs.len()));
        let mut octets = 0;
        for run in waiting.runs.iter().take(BATCH) {
            batch.push(run.clone());
            octets += run.len();
            if octets >= BATCH_OCTETS {
                break;
            }
        }
        waiting.in_hand = batch.len();
        batch
    }

    /// So many octets of what was in hand are written.
    pub(super) fn note_written(&self, count: usize) {
        let mut waiting = self.lock();
        waiting.octets -= count;
        waiting.written += octets(count);
        waiting.in_hand = 0;
        let mut left = count;
        while let Some(first) = waiting.runs.front_mut().filter(|_| left > 0) {
            if left < first.len() {
                first.advance(left);
                waiting.begun = true;
                break;
            }
            left -= first.len();
            waiting.begun = false;
            waiting.runs.pop_front();
        }
        drop(waiting);
        self.drained.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn octets(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bgp::message::{CeaseSubcode, Notification};

    use super::*;

    const RUN: usize = MUCH;

    fn outbox(runs: u8) -> Outbox {
        let outbox = Outbox::default();
        (0..runs).for_each(|number| outbox.push(Bytes::from(vec![number; RUN])));
        outbox
    }

    /// The first octet of each run that is left, and how many it has.
    fn left(outbox: &Outbox) -> Vec<(u8, usize)> {
        outbox.lock().runs.iter().map(|run| (run[0], run.len())).collect()
    }

    fn notification() -> Bytes {
        Notification::cease(CeaseSubcode::ADMINISTRATIVE_SHUTDOWN).encode().into()
    }

    #[test]
    fn of_what_waits_at_the_end_only_the_begun_and_the_notification_are_left() {
        let (outbox, said) = (outbox(5), notification().len());
        outbox.push(notification());
        assert_eq!(outbox.take_in_hand().len(), 4, "as many octets as are written at once");
        outbox.note_written(RUN + 9);
        // TCP takes nothing: what was begun stays begun.
        outbox.take_in_hand();
        outbox.note_written(0);
        assert!(outbox.has_farewell());
        outbox.end();
        assert_eq!(left(&outbox), [(1, RUN - 9), (0xff, said)]);
        let all = (2 * RUN + said) as u64;
        assert_eq!(outbox.octets(), (all, RUN as u64 + 9));
        outbox.push(Bytes::from_static(b"late"));
        outbox.take_in_hand();
        outbox.note_written(RUN - 9 + said);
        assert_eq!((left(&outbox), outbox.octets()), (vec![], (all, all)));
    }

    #[test]
    fn what_ends_without_a_notification_ends_with_what_was_begun() {
        let outbox = outbox(5);
        outbox.take_in_hand();
        outbox.note_written(9);
        assert!(!outbox.has_farewell());
        outbox.end();
        assert_eq!(left(&outbox), [(0, RUN - 9)]);
    }

    #[test]
    fn what_is_in_hand_at_the_end_stays() {
        let outbox = outbox(9);
        outbox.push(notification());
        outbox.take_in_hand();
        outbox.end();
        assert_eq!(left(&outbox).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 0xff]);
    }

    #[test]
    fn little_goes_out_before_the_last() {
        let outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"open"));
        outbox.push(Bytes::from_static(b"update"));
        outbox.end();
        assert_eq!(left(&outbox), [(b'o', 4), (b'u', 6)]);
    }

    #[tokio::test]
    async fn who_waits_for_room_hears_that_what_flooded_is_written() {
        let outbox = Outbox::default();
        (0..=FLOODED).for_each(|_| outbox.push(Bytes::from_static(b"a prefix that flaps")));
        assert!(outbox.is_flooded() && !outbox.has_room());
        let writing = async {
            tokio::task::yield_now().await;
            while !outbox.lock().runs.is_empty() {
                let written = outbox.take_in_hand().iter().map(Bytes::len).sum();
                outbox.note_written(written);
            }
        };
        let hearing = async { tokio::join!(outbox.room(), writing) };
        tokio::time::timeout(std::time::Duration::from_secs(5), hearing).await.unwrap();
        assert!(outbox.has_room() && !outbox.is_flooded());
    }

    #[test]
    fn there_is_room_until_much_waits() {
        let outbox = outbox(16);
        assert!(outbox.has_room());
        outbox.push(Bytes::from_static(b"more"));
        assert!(!outbox.has_room() && !outbox.is_flooded());
        (0..FLOODED).for_each(|_| outbox.push(Bytes::from_static(b"keepalive")));
        assert!(outbox.is_flooded());
        outbox.close();
        assert!(outbox.has_room() && !outbox.is_flooded());
        let (queued, written) = outbox.octets();
        assert_eq!(queued, written);
    }
}
