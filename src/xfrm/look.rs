//! The thread that looks at the kernel's numbers: by the clock, and sooner when somebody asks for them.
//!
//! ```text
//!   tunnels entered, SAs installed ──► registry ◄── numbers, and what of it is gone ──┐
//!                                      (locked for moments)                          look ◄── listings of the kernel
//!   counters(), sas() ◄── as of the last look; too old: another one is asked for ─────┘      (locked nothing)
//! ```
//!
//! Others may hold what the kernel needs for an answer, for seconds: nobody waits for it but this thread.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::control::Shared;
use crate::kernel::{Kernel, Links};
use crate::netlink::link::Drops;
use crate::netlink::socket::Refusal;
use crate::netlink::state::{StateId, Usage};

/// Between two looks that nobody asked for.
const PERIOD: Duration = Duration::from_secs(1);
/// Numbers are believed so long: those who ask for one tunnel after the other get one listing.
pub(crate) const FRESH: Duration = Duration::from_millis(250);

/// What the kernel has.
#[derive(Debug)]
pub(crate) struct View {
    /// What was made later may be missing.
    pub(crate) began: Instant,
    /// What interfaces refused, by number.
    pub(crate) drops: BTreeMap<u32, Drops>,
    pub(crate) states: BTreeMap<StateId, Usage>,
}

impl View {
    /// Interfaces first: what their SAs refused is in the states' numbers then, too.
    pub(crate) fn take(began: Instant, kernel: &mut Kernel, links: &mut Links) -> Result<Self, Refusal> {
        let drops = links.drops()?.into_iter().map(|drops| (drops.ifindex, drops)).collect();
        let states = kernel.states()?.into_iter().map(|state| (state.id, state.usage)).collect();
        Ok(Self { began, drops, states })
    }
}

/// Looks until nobody can ask any more.
pub(crate) fn run(shared: &Shared, mut kernel: Kernel, mut links: Links, asked: &Receiver<()>) {
    while asked.recv_timeout(PERIOD) != Err(RecvTimeoutError::Disconnected) {
        // Under the lock: whatever is under way is either done or later.
        let began = {
            let registry = shared.registry();
            if registry.tunnels.is_empty() {
                continue;
            }
            Instant::now()
        };
        match View::take(began, &mut kernel, &mut links) {
            Ok(view) => shared.registry().look(&view),
            Err(refusal) if refusal.is(libc::EINTR) => tracing::debug!("interfaces come and go: looking again"),
            Err(refusal) => tracing::warn!(%refusal, "cannot read the kernel's counters"),
        }
        thread::sleep(FRESH);
    }
}
