//! What a router is to be: a configuration after every check, whatever it was written in. Pure, and the same for all who
//! act on it, tell of it or make something else of it.
//!
//! ```text
//!  Router -+- Tunnel ------ interface, inside links, negotiation::TunnelConfig, Protected --- Session
//!          +- Neighbor ---- where a peer outside the tunnels is ------------------------------ Session
//!          +- Connection    which tunnels lead to one place, and how they share the work
//!          +- ClientPool    remote clients, served by somebody else
//!          +- rib::RibConfig, static routes, Watch, policies, Log
//! ```
//!
//! Tunnels and sessions have numbers here that stay with their names over a reload ([`Router::keep_ids`]).

mod name;
mod pool;
mod router;

pub use name::{LONGEST_NAME, is_name, name_of};
pub use pool::{ClientPool, Management};
pub use router::{
    Connection, ConnectionMember, DataplaneChoice, FIRST_NEIGHBOR, InsideLink, InsideLink6, Log, LogFormat, MAIN_TABLE,
    MAX_FLOWS, Neighbor, NeighborPlace, Protected, Range, Router, Session, Transport, Tunnel, Watch,
};
