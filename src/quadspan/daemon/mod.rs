//! The running router: one task per owner of state, joined by bounded channels.
//!
//! ```text
//!             UDP 500/4500, ESP                      TUN interfaces
//!                  │                                       │
//!            ┌─────▼───────────── dataplane ───────────────▼─────┐   OS threads of its own
//!            └─────┬──────────────────▲──────────────────────────┘
//!        datagrams │                  │ SAs, IKE messages
//!            ┌─────▼──────────────────┴─────┐
//!            │ ike_task: ike::Endpoint      │── coupling ──┬──────────────┐
//!            └──────────────────────────────┘  tunnel up/down             │
//!            ┌──────────────────────────────┐      │       │              │
//!            │ bfd_task: bfd::Endpoint      │──────┘       │              │
//!            └──────────────────────────────┘  verdicts    │              │
//!            ┌──────────────────────────────┐              │              │
//!            │ session (one each): bgp::Peer│◄─────────────┤              │
//!            └─────┬──────────────────▲─────┘              │              │
//!          updates │                  │ updates            │              │
//!            ┌─────▼──────────────────┴─────┐              │        ┌─────▼─────┐
//!            │ rib_task: rib::Rib           │◄─────────────┘        │ fib::Fib  │──► kernel
//!            └─────┬────────────────────────┘                       └─────▲─────┘
//!                  └──────────────────── routes ──────────────────────────┘
//! ```
//!
//! Every task is told what happened in the order it happened, and owns its state alone. [`Control`] asks them all to
//! answer a person or a scrape. [`run`] starts them in the order of dependence and stops them in the reverse order.

mod bfd_task;
mod clock;
mod control;
mod convergence;
mod coupling;
mod entropy;
mod error;
mod explain;
mod flows;
mod host;
mod ike_task;
mod interfaces;
mod link_states;
mod neighbors;
mod reception;
mod reload;
mod rib_task;
mod router;
mod session;
mod sleep;
mod topology;

mod views;
mod watches;

pub use control::{Control, ControlError};
pub use error::StartError;
pub use explain::Destination;
pub use router::run;
