//! The running router: one task per owner of state, joined by bounded channels.
//!
//! ```text
//!             UDP 500/4500, ESP                    tunnel interfaces
//!                  │                                       │
//!            ┌─────▼─────── engine: dataplane or xfrm ─────▼─────┐   OS threads of its own, or the kernel
//!            └─────┬──────────────────▲──────────────────────────┘
//!        datagrams │                  │ SAs, IKE messages
//!            ┌─────▼──────────────────┴─────┐
//!            │ ike_task: ike::Endpoint      │── coupling ──┬──────────────┐
//!            └──────────────────────────────┘  tunnel up/down             │
//!            ┌──────────────────────────────┐      │       │              │
//!            │ bfd_task: bfd::Endpoint      │──────┘       │              │
//!            └──────────────────────────────┘  verdicts    │              │
//!            ┌──────────────────────────────┐              │              │
//!            │ session (each): peering::Peer│◄─────────────┤              │
//!            └─────┬──────────────────▲─────┘              │              │
//!          updates │                  │ updates            │              │
//!            ┌─────▼──────────────────┴─────┐              │        ┌─────▼─────┐
//!            │ rib_task: rib::Rib           │◄─────────────┘        │ fib::Fib  │──► kernel
//!            └─────┬────────────────────────┘                       └─────▲─────┘
//!                  └──────────────────── routes ──────────────────────────┘
//! ```
//!
//! Routes travel in batches, so that neither a message nor a prefix costs a wake-up, a place in a queue or a system call:
//!
//! ```text
//!  one read of TCP ──► peering::Peer ──► all its UPDATEs ──► one command ──► rib: noted, and decided when nothing more waits
//!  runs of 64 kB   ◄── peering::Peer ◄── a batch for the peer: thousands of prefixes, one Update per set of attributes ◄──┘
//! ```
//!
//! Attributes are allocated once where they are decoded, or once where they are made for export, and shared from there
//! on. The routing tables have a thread of their own: a task that is woken by a busy one waits in its thread's queue, and
//! would wait there for as long as a full table takes.
//!
//! Beside these, `steering_task` follows tunnels, BFD and sessions and says which tunnels of a connection come first, and
//! `pools` has a task for each pool of remote clients, which watches its server and tells `rib_task` while it serves.
//!
//! A session's task is in the room `session`; who starts and ends it, and tells it what happens, is here.
//!
//! Every task is told what happened in the order it happened, and owns its state alone. [`Owners`] is where they are asked.
//! [`run`] starts them in the order of dependence and stops them in the reverse order.

mod bfd_task;
mod convergence;
mod coupling;
mod doubts;
pub mod engine;
mod error;
pub mod flows;
mod host;
mod ike_task;
mod interfaces;
mod link_states;
mod neighbors;
mod owners;
mod pools;
mod reception;
mod reload;
mod rib_task;
mod router;
mod steering_task;
pub mod topology;
mod watches;

pub use bfd_task::Report as BfdReport;
pub use error::StartError;
pub use interfaces::InterfacesError;
pub use neighbors::{NeighborPart, Neighbors, Where};
pub use owners::Owners;
pub use pools::Report as PoolReport;
pub use reload::ReloadOutcome;
pub use router::{Signals, run};
pub use steering_task::Report as SteeringReport;
