//! Whether this kernel can do it.

/// What the kernel lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {remedy}")]
pub struct Missing {
    /// What was tried, and what the kernel said.
    pub what: String,
    /// What to do about it, such as the module to load.
    pub remedy: String,
}

/// Tries in the calling thread's network namespace whether there are ESP and xfrm interfaces. Leaves nothing behind.
///
/// # Errors
/// What is missing.
pub fn probe() -> Result<(), Missing> {
    Err(Missing { what: "not tried".into(), remedy: "the engine is not complete".into() })
}
