//! Keeps the announcing BIRDs awake.
//!
//! BIRD 2.0 may sleep until its next timer, for up to a second, before it sends what is left of a large announcement.
//! That would be measured as ours. Somebody at its control socket ends the sleep.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::feed::Feeder;

const NUDGE_EVERY: Duration = Duration::from_millis(5);

/// Keeps BIRDs awake while it lives.
#[derive(Debug)]
pub(crate) struct Vigil {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Vigil {
    /// Over all of these.
    pub(crate) fn over(feeders: &[Feeder]) -> Self {
        let sockets: Vec<PathBuf> = feeders.iter().map(|feeder| feeder.socket.clone()).collect();
        let ended = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let ended = Arc::clone(&ended);
            move || {
                while !ended.load(Ordering::Relaxed) {
                    for socket in &sockets {
                        let _unanswered = UnixStream::connect(socket);
                    }
                    std::thread::sleep(NUDGE_EVERY);
                }
            }
        });
        Self { ended, thread: Some(thread) }
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _already_gone = thread.join();
        }
    }
}
