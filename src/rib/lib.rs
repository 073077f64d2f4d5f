//! The routing information bases and the decision process (RFC 4271 3.2, 9), pure.
//!
//! ```text
//!  handle_update ──> Adj-RIB-In ──> import policy ──┐         tunnel up / down
//!  (per peer)        as received    accepted or     │               │
//!                                   a Refusal       v               v
//!                                              decision process: best and multipath
//!  set_originated ───────────────────────────> Loc-RIB ──────────────────────> Output::Fib
//!                                                   │
//!                                              export policy: send, or why it is Withheld
//!                                                   v
//!                                              Adj-RIB-Out (per peer) ───────> Output::Send
//! ```
//!
//! * **Level-triggered.** The `handle_*` functions only note what changed and mark the prefixes concerned;
//!   [`Rib::poll_output`] does the work in batches and hands out differences to what it said before. A prefix that
//!   changes ten times between two polls is decided once. All decisions come first, with their changes of the
//!   forwarding table, then announcements: withdrawals packed, then one update per set of attributes.
//! * **The link's state wins.** A session inside a tunnel has its next hops there, so its routes are usable exactly while
//!   the tunnel is up: one that dies takes its routes out of the forwarding table and out of the announcements to others
//!   in the same event, stale ones of a peer that restarts included.
//! * **Reasons are values.** [`Refusal`] (why a route was not accepted), [`Verdict`] and [`Step`] (why it is not
//!   the best), [`Barrier`] (why it is not used beside the best), [`Withheld`] (why it is not announced). They are
//!   functions of the stored state, computed when asked for, and cost no memory.
//! * **Memory.** What came with a route is kept once per distinct content and shared by all prefixes; a path is
//!   sixteen octets; which prefixes a peer sent, and which are still to be worked on, are bitmaps.
//!
//! The rules live in [`decision`] (order of preference, multipath), [`policy`] (what is never accepted or
//! announced, prefix lists) and [`limit`] (which prefixes are held back).

mod adj_in;
mod aggregate;
mod announce;
mod as_path;
mod bandwidth;
mod change;
pub mod config;
pub mod decision;
mod export;
mod import;
pub mod limit;
mod local;
mod output;
mod pack;
mod peer;
mod peers;
pub mod policy;
mod reach;
mod rib;
mod route;
mod settle;
mod several;
mod source;
mod stale;
mod standing;
mod static_routes;
mod table;
mod treatment;
mod view;

pub use change::{FibChange, MAX_WEIGHT, NextHop, NextHopSet};
pub use config::{
    Aggregate, DecisionRules, GracefulShutdown, Inside6, LocalAs, MultipathPaths, PeerPolicy, PrivateAs, RibConfig,
    SendPaths, Treatment,
};
pub use decision::{Barrier, Step};
pub use export::Withheld;
pub use import::Refusal;
pub use local::{LocalKind, LocalRoute};
pub use output::Output;
pub use peer::{LinkState, PeerCounts, PeerId, PeerSession};
pub use policy::Special;
pub use rib::Rib;
pub use source::{ConnectedRule, Distance, Interface, Reach, StaticHop, StaticRoute, StaticTarget};
pub use standing::{MED_STEP, STEP, Standing, WayBack, by_standing};
pub use static_routes::{StaticStanding, StaticView};
pub use view::{Advertised, CandidateView, Received, RouteView, Totals, Verdict};
