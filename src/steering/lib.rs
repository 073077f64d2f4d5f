//! Which tunnels of a connection carry its traffic, and whether a tunnel is good for any, pure.
//!
//! A *connection* is a group of tunnels that lead to the same place, such as the two that a cloud gives for one gateway.
//!
//! ```text
//!   tunnel, BGP, BFD up or down ──────────────┐
//!   answers of probes ──► Watch: any, all? ───┼──► Connection: who is healthy, steady, first? ──► Standing of each
//!   the peer's MEDs, the operator's will ─────┘         hold-down, grows with flaps              ──► Switch, and why
//! ```
//!
//! * [`Connection`] chooses. A tunnel that failed is left at once; one that comes back has to stay healthy for a while
//!   before traffic returns to it, the longer the oftener it failed ([`Failback`]).
//! * [`Watch`] is the health of one tunnel by probes through it: [`Target`]s, all or any of which must answer.
//! * [`echo`] are the ICMP messages of such probes (RFC 792, RFC 4443).
//!
//! Nothing in here does I/O, reads a clock or draws randomness of its own.

mod config;
mod connection;
pub mod echo;
mod health;
mod standing;
mod status;
#[cfg(test)]
mod tests;
mod watch;

pub use config::{Config, Failback, HealthCheck, MAX_PROBES, Member, Mode, Policy, Target};
pub use connection::{Connection, Refusal};
pub use health::{Cause, Obstacle, Switch};
pub use standing::Standing;
pub use status::{MemberStatus, Status};
pub use watch::{ProbeStatus, Verdict, Watch, WatchOutput};
