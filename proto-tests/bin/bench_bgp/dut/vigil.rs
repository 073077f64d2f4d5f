//! Keeps BIRD awake: 2.0.12 sleeps for up to three seconds in the middle of a large announcement, until anything happens.
//! That would make it look worse than it is where nothing else happens, so somebody knocks at its control socket.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const KNOCK_EVERY: Duration = Duration::from_millis(5);

/// Knocks while it lives.
#[derive(Debug)]
pub(crate) struct Vigil {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Vigil {
    /// Over the BIRD with this control socket.
    pub(crate) fn over(socket: &Path) -> Self {
        let ended = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let (ended, socket) = (Arc::clone(&ended), socket.to_owned());
            move || {
                while !ended.load(Ordering::Relaxed) {
                    let _unanswered = UnixStream::connect(&socket);
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
