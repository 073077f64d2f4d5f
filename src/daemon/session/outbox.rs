//! What waits to be written to one connection: runs of whole messages, in order.
//!
//! ```text
//!  session ── push ──► [run|run|run|..] ── take_in_hand ──► writing task ──► TCP
//!                        ▲    │                                 │
//!          room ─────────┘    └── end: only what was begun, and the last, are left
//!                        note_written ◄─────────────────────────┘
//! ```
//!
//! A run is in hand only while the kernel copies it, never while TCP has no room, so that [`Outbox::end`] can still drop
//! what TCP has not begun: updates of a session that has ended are moot, and its NOTIFICATION should not wait for them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes};
use tokio::sync::Notify;

/// Octets waiting beyond which no updates are taken from the routing tables.
const ROOM: usize = 1024 * 1024;
/// Runs waiting beyond which the peer is not listened to: more than any update of the routing tables fills, so that only
/// what answers the peer itself gets there.
const FLOODED: usize = 4096;
/// Octets beyond which the last message does not wait for those before it.
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
        waiting.runs.push_back(run);
        drop(waiting);
        self.filled.notify_one();
    }

    /// There will be nothing more. If it is much, what was not begun is dropped, but for the last.
    pub(super) fn end(&self) {
        let mut waiting = self.lock();
        if waiting.octets > MUCH {
            let last = waiting.runs.len().saturating_sub(1);
            let stays = waiting.in_hand.max(usize::from(waiting.begun)).min(last);
            let dropped: usize = waiting.runs.drain(stays..last).map(|run| run.len()).sum();
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
        self.lock().octets <= ROOM
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.lock().runs.len() > FLOODED
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

    #[test]
    fn of_what_waits_at_the_end_only_the_begun_and_the_last_are_left() {
        let outbox = outbox(5);
        assert_eq!(outbox.take_in_hand().len(), 4, "as many octets as are written at once");
        outbox.note_written(RUN + 9);
        // TCP takes nothing: what was begun stays begun.
        outbox.take_in_hand();
        outbox.note_written(0);
        outbox.end();
        assert_eq!(left(&outbox), [(1, RUN - 9), (4, RUN)]);
        assert_eq!(outbox.octets(), (3 * RUN as u64, RUN as u64 + 9));
        outbox.push(Bytes::from_static(b"late"));
        outbox.take_in_hand();
        outbox.note_written(2 * RUN - 9);
        assert_eq!((left(&outbox), outbox.octets()), (vec![], (3 * RUN as u64, 3 * RUN as u64)));
    }

    #[test]
    fn what_is_in_hand_at_the_end_stays() {
        let outbox = outbox(9);
        outbox.take_in_hand();
        outbox.end();
        assert_eq!(left(&outbox).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 8]);
    }

    #[test]
    fn little_goes_out_before_the_last() {
        let outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"open"));
        outbox.push(Bytes::from_static(b"notification"));
        outbox.end();
        assert_eq!(left(&outbox), [(b'o', 4), (b'n', 12)]);
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
