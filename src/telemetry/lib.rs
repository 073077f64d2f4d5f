//! What the process tells about itself: the log, and metrics for Prometheus.
//!
//! [`report`] is the one place where something that happened becomes a log line *and* a count. [`snapshot`] is
//! what is asked at the moment of a scrape, and [`metrics`] puts both together.

pub mod logging;
pub mod metrics;
mod policies;
mod pools;
pub mod report;
pub mod snapshot;
#[cfg(test)]
mod tests;
