//! What can go wrong in a laboratory, in words that say what to do.

use std::process::ExitStatus;
use std::time::Duration;

/// Of every operation here.
pub type Result<T> = std::result::Result<T, LabError>;

/// What went wrong.
#[derive(thiserror::Error)]
pub enum LabError {
    /// Namespaces need root.
    #[error("a laboratory makes network namespaces and needs root: run `sudo ./scripts/test`")]
    NeedsRoot,
    /// A peer or tool is not installed.
    #[error("{program} is not installed: `sudo ./scripts/test` installs what the laboratories need")]
    MissingProgram {
        /// Its name.
        program: String,
    },
    /// The binary under test is not built.
    #[error("no quadspan binary at {looked_at}: `cargo build -p quadspan` makes it, or set QUADSPAN_BIN")]
    MissingBinary {
        /// Where it was expected.
        looked_at: String,
    },
    /// A program ended with a failure.
    #[error("`{command}` ended with {status}: {complaint}")]
    Command {
        /// As it was started.
        command: String,
        /// As it ended.
        status: ExitStatus,
        /// What it printed.
        complaint: String,
    },
    /// The operating system refused something.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A program's JSON is not JSON.
    #[error("{what} is not the JSON expected: {detail}")]
    Json {
        /// What was read.
        what: String,
        /// Why not.
        detail: String,
    },
    /// Something did not become true in time.
    #[error("after {}s still not: {what}. Last seen: {seen}", waited.as_secs())]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// What was there instead.
        seen: String,
    },
    /// A fact that should hold does not.
    #[error("{what}: {found}")]
    Unexpected {
        /// What should hold.
        what: String,
        /// What was found.
        found: String,
    },
}

impl LabError {
    /// Wraps an I/O error with what was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Wraps a system call's error with what was tried.
    pub fn errno(what: impl Into<String>) -> impl FnOnce(nix::Error) -> Self {
        let what = what.into();
        move |errno| Self::Io { what, source: errno.into() }
    }
}

/// A test that returns an error prints it by this; it reads as the message itself.
impl std::fmt::Debug for LabError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The answer of a condition that does not hold yet, with what was seen.
pub fn not_yet<T>(seen: impl Into<String>) -> Result<T> {
    Err(LabError::Unexpected { what: "not yet".to_owned(), found: seen.into() })
}

/// A fact that must hold now.
///
/// # Errors
/// [`LabError::Unexpected`] with `found` when it does not.
pub fn ensure(holds: bool, what: &str, found: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(LabError::Unexpected { what: what.to_owned(), found: found() }) }
}
