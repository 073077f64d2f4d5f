//! What the demonstration found, as numbers.

use proto_tests::lab::stream::Report;
use serde::Serialize;

/// All of it; the last line of `--check`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    /// Everything held.
    pub(crate) ok: bool,
    /// What did not.
    pub(crate) failure: Option<String>,
    /// From the start of the router to four tunnels, four sessions and the route over all of them.
    pub(crate) all_up_ms: u64,
    /// One entry per tunnel lost and regained.
    pub(crate) failovers: Vec<Failover>,
    /// The stream of 1,000 packets per second through all of it.
    pub(crate) stream: Option<Report>,
    /// What remained after the stop; empty.
    pub(crate) left_behind: Vec<String>,
}

/// One tunnel lost and regained.
#[derive(Debug, Serialize)]
pub(crate) struct Failover {
    /// Its name.
    pub(crate) tunnel: &'static str,
    /// How it was lost.
    pub(crate) how: &'static str,
    /// Until the kernel no longer used it.
    pub(crate) moved_ms: u64,
    /// Packets of the stream lost on the way there until then.
    pub(crate) lost: u64,
    /// From its repair until the kernel used it again.
    pub(crate) returned_ms: u64,
    /// Packets lost on the way there after the move, return included.
    pub(crate) lost_after: u64,
}

impl Verdict {
    /// One line of JSON.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| format!("{{\"ok\":false,\"failure\":\"{error}\"}}"))
    }
}
