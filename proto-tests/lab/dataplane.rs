//! Which of our two data planes a laboratory's processes use: the word after `dataplane:` in the files it writes.

use std::fmt;
use std::sync::OnceLock;

/// A word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dataplane {
    /// That of this run: `$QUADSPAN_LAB_DATAPLANE`, or the process's own. So the same laboratory tries either.
    OfThisRun,
    /// The process's own.
    Userspace,
    /// The kernel's, which must have ESP.
    Kernel,
}

/// That of this run, for the texts of configurations: `dataplane: {DATAPLANE}`.
pub const DATAPLANE: Dataplane = Dataplane::OfThisRun;

impl Dataplane {
    /// Whether the kernel moves our packets.
    #[must_use]
    pub fn is_kernel(self) -> bool {
        self.to_string() == Self::Kernel.to_string()
    }
}

impl fmt::Display for Dataplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        static OF_THIS_RUN: OnceLock<String> = OnceLock::new();
        f.write_str(match self {
            Self::OfThisRun => OF_THIS_RUN
                .get_or_init(|| std::env::var("QUADSPAN_LAB_DATAPLANE").unwrap_or_else(|_| "userspace".to_owned())),
            Self::Userspace => "userspace",
            Self::Kernel => "kernel",
        })
    }
}
