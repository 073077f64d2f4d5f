//! What the process tells about itself: the log, and metrics for Prometheus.
//!
//! [`report`] is the one place where something that happened becomes a log line *and* a count. [`metrics`] adds the
//! conditions that are read at the moment of a scrape.

pub mod logging;
pub mod metrics;
mod policies;
pub mod report;
mod snapshot;
