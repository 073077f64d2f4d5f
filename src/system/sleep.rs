//! The one place where a machine's deadline becomes a wait.

use std::time::Instant;

/// Waits until `deadline`; for ever if there is none.
pub async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
