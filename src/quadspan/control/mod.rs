//! The control socket: HTTP/1.1 with JSON bodies over a Unix socket that only root may open.
//!
//! ```text
//! quadspan show tunnels ── GET /v1/tunnels ──► server ──► daemon::Control ──► the tasks that own the state
//! ```

pub mod client;
mod connections;
mod explain;
pub mod server;

use serde::{Deserialize, Serialize};

/// The answer to an action.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// What was done.
    pub message: String,
}

/// The answer to a request that could not be met.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// What is wrong.
    pub error: String,
    /// What to do.
    pub remedy: String,
}
