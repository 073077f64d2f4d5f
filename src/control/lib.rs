//! The answering side of the router: for operators over the control socket, for Prometheus over TCP.
//!
//! ```text
//! quadspan show tunnels ── GET /v1/tunnels ──► server ──┐
//!                                                       ├──► Control ──► the tasks that own the state
//! Prometheus ───────────── GET /metrics ─────► scrape ──┘       └──► views: what they say, as a person reads it
//! ```
//!
//! The control socket speaks HTTP/1.1 with JSON bodies over a Unix socket that only root may open. [`run()`] opens it, and the
//! address for scrapes, before the router starts: a second router on the same socket must not touch the machine.

mod ask;
mod run;
mod scrape;
mod server;
mod views;

pub use ask::{Control, Destination};
pub use run::{StartError, run};
pub use server::ServeError;
