//! A worker's way to tell the process something, without ever waiting for it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::Event;

/// How soon to offer an event again that found the channel full.
const RETRY: Duration = Duration::from_millis(20);
/// Events that may wait. Each SA and tunnel has a few in its life, so this is not reached.
const CAPACITY: usize = 4096;

/// The sending end of the event channel, with those events that must not be lost.
#[derive(Debug)]
pub struct Outbox {
    events: mpsc::Sender<Event>,
    waiting: VecDeque<Event>,
}

impl Outbox {
    /// Sends through `events`.
    #[must_use]
    pub fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, waiting: VecDeque::new() }
    }

    /// Sends `event`, now or later.
    pub fn send(&mut self, event: Event) {
        if self.waiting.len() < CAPACITY {
            self.waiting.push_back(event);
        }
        self.flush();
    }

    /// Sends `event` now, or not at all. Returns whether it was sent.
    pub fn offer(&self, event: Event) -> bool {
        self.events.try_send(event).is_ok()
    }

    /// Tries again. Returns when to do so once more.
    pub fn flush(&mut self) -> Option<Duration> {
        while let Some(event) = self.waiting.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    return Some(RETRY);
                }
                Err(TrySendError::Closed(_)) => self.waiting.clear(),
            }
        }
        None
    }
}
