//! The forwarding table: keeps the kernel's routes equal to the best routes, and moves them all at once when a
//! tunnel dies.
//!
//! ```text
//!   RIB changes ─┐                       ┌───────── plan (pure) ─────────┐
//!                ├─> mailbox ──> task ──>│ desired  -  kernel  =  batch  │──> request socket ──> kernel
//!  tunnel up/down┘   (latest     ^       └───────────────^───────────────┘                         │
//!                     wins)      └── acknowledgements ───┴── dumps, notifications <── monitor socket ┘
//! ```
//!
//! * One **nexthop object** per tunnel and inside address (`ip nexthop`), one **group** per distinct ECMP set, and
//!   routes that name a group. A dead tunnel costs one message: the kernel takes the deleted object out of every
//!   group, so the time a failover takes does not grow with the number of routes. So it is with a lost session, whose next
//!   hops are in doubt ([`Fib::doubt`]) until the routing tables have gone through its routes. Where the kernel has no nexthop
//!   objects, routes carry their next hops themselves (`RTA_MULTIPATH`) and are replaced one by one.
//! * The reconciler is **level-triggered**: it holds what should be and what the kernel is known to hold, and works
//!   off the difference. A dump renews that knowledge at start, after a lost notification, after a change by someone
//!   else, after a refusal (with back-off) and periodically.
//! * **Ownership**: a route is ours if it is in our table with our protocol number, and has our metric or one of our
//!   nexthop ids; a nexthop is ours if it has our protocol number and an id in our range. Nothing else is ever
//!   replaced or removed. A foreign route at our prefix *and* metric is reported as a conflict.
//! * A process that was killed leaves its routes; [`Fib::start`] **adopts** them and forwarding goes on until
//!   [`Fib::converged`] says that the routing tables are complete.
//!
//! * **Protected flows** are routed by source and destination: rules of policy routing and a table per flow, owned and
//!   reconciled like everything else; see `policy`.
//!
//! With `net.ipv4.nexthop_compat_mode=0` the kernel does not replay a notification per route when a group is
//! replaced, which makes a tunnel's return as cheap as its loss. It is not required.
//!
//! What hangs on one of our objects (a foreign route or group that names its id) goes with that object.

mod config;
mod error;
mod flow;
mod handle;
mod mailbox;
mod netlink;
mod plan;
mod policy;
mod snapshot;
mod task;

pub use config::{DEFAULT_METRIC, DEFAULT_PROTOCOL, FibConfig, MAIN_TABLE, NexthopMode};
pub use error::FibError;
pub use flow::{Flow, FlowWay, Flows};
pub use handle::Fib;
pub use netlink::own_address;
pub use snapshot::{
    Failover, FibCounters, FibEvent, FibFlow, FibGroup, FibNextHop, FibRoute, FibSnapshot, FibStatus, ForwardingMode,
    RouteState,
};
