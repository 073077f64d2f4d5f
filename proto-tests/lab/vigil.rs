//! Keeps BIRDs awake.
//!
//! BIRD 2.0.12 may sleep until its next timer, for up to three seconds, in the middle of a large announcement. That would be
//! measured as somebody else's time, or make BIRD look worse than it is. Whoever knocks at its control socket ends the
//! sleep.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const KNOCK_EVERY: Duration = Duration::from_millis(5);

/// Knocks while it lives.
#[derive(Debug)]
pub struct Vigil {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Vigil {
    /// Over the BIRDs with these control sockets.
    #[must_use]
    pub fn over(sockets: Vec<PathBuf>) -> Self {
        let ended = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let ended = Arc::clone(&ended);
            move || {
                while !ended.load(Ordering::Relaxed) {
                    for socket in &sockets {
                        let _unanswered = UnixStream::connect(socket);
                    }
                    std::thread::sleep(KNOCK_EVERY);
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
