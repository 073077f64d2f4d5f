//! Policy routes of protected flows: rules that look at source and destination, and one routing table per flow.
//!
//! ```text
//!   priority
//!   10000 ..  to 203.0.113.9/32                    goto 27000     a peer's outside address: never into a tunnel
//!             from 10.1.5.0/24 to 10.2.0.0/16      lookup T1      longer destinations first, then longer sources
//!             from 10.1.0.0/16 to 10.2.0.0/16      lookup T2
//!             to 10.1.0.0/16                       goto 27000     our own side, where the destination below is everything
//!                                                                 or behind the same tunnel, and holds it
//!             from 10.1.0.0/16 to 0.0.0.0/0        lookup T3
//!   27000     nothing: where the others go on, at the rules of the machine
//!
//!   table T   REMOTE via PEER dev TUNNEL  metric m       tunnels that are up: the first of each connection, and of these
//!                                                        those of the lowest distance
//!             REMOTE via PEER dev TUNNEL  metric m + 1   the first tunnel, up or not
//!             REMOTE blackhole            metric m + 2   nothing leaves unprotected
//! ```
//!
//! * The priority of a rule follows from the lengths of its networks alone, so that a flow that comes or goes moves no
//!   other rule. Rules of equal priority cannot match the same packet.
//! * **Ownership**: a rule is ours if it has our protocol number and names a table in our range, those included that do
//!   not look anything up. A table in our range is ours; in it, only routes with our protocol number are touched.
//! * No flow's rule is there before the exceptions that packets meet before it are.
//! * What goes stays until what comes is there, so that nothing leaves unprotected in between.
//! * A process that was killed leaves its rules: they are kept as they are until [`Plan::set`] says what there is to be.

mod installed;
mod plan;
#[cfg(test)]
mod tests;

use std::fmt;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub(crate) use installed::Installed;
pub(crate) use plan::{Plan, Ways};

use crate::plan::{Op, Route, RouteKey};

/// Before the main table's rule, at 32766, and behind the local table's, at 0.
const FIRST: u32 = 10_000;
/// Behind the last that [`priority`] gives.
pub(crate) const LAST: u32 = 27_000;

/// A rule of ours. Source and destination are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Rule {
    /// Rules are asked in this order.
    pub(crate) priority: u32,
    pub(crate) from: IpNet,
    pub(crate) to: IpNet,
    /// Looked up, or for what does not look up the mark that it is ours.
    pub(crate) table: u32,
    pub(crate) action: Action,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Action {
    /// Looks the destination up in the rule's table.
    Lookup,
    /// Goes on at [`LAST`].
    Skip,
    /// Nothing: where the others go on.
    Landing,
}

/// One message to the kernel about policy routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    AddRule(Rule),
    DelRule(Rule),
    /// Something about a route in a table of ours.
    Route {
        table: u32,
        key: RouteKey,
        change: Change,
    },
}

/// What becomes of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    New(Route),
    Replace(Route),
    Delete,
}

impl Step {
    /// Whether the aim is that something be absent.
    pub(crate) fn deletes(&self) -> bool {
        match self {
            Self::AddRule(_) => false,
            Self::DelRule(_) => true,
            Self::Route { change, .. } => *change == Change::Delete,
        }
    }
}

impl Change {
    /// The same as an operation on the route at `key`.
    pub(crate) fn op(&self, key: RouteKey) -> Op {
        match self.clone() {
            Self::New(route) => Op::NewRoute { key, route },
            Self::Replace(route) => Op::ReplaceRoute { key, route },
            Self::Delete => Op::DelRoute { key },
        }
    }
}

/// As `ip` would say it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, Rule { priority, from, to, table, action }) = match self {
            Self::AddRule(rule) => ("add", rule),
            Self::DelRule(rule) => ("del", rule),
            Self::Route { table, key, change } => return write!(f, "{} table {table}", change.op(*key)),
        };
        write!(f, "rule {verb} priority {priority} from {from} to {to} ")?;
        match action {
            Action::Lookup => write!(f, "lookup {table}"),
            Action::Skip => write!(f, "goto {LAST}"),
            Action::Landing => f.write_str("nop"),
        }
    }
}

/// Where a flow's rule stands: longer destinations first, then longer sources.
pub(crate) const fn priority(from: &IpNet, to: &IpNet) -> u32 {
    exception(to) + 1 + missing(from)
}

/// Where an exception stands: before all flows to networks of this length, behind those to longer ones.
const fn exception(to: &IpNet) -> u32 {
    let longest = match to {
        IpNet::V4(_) => 32,
        IpNet::V6(_) => 128,
    };
    FIRST + missing(to) * (longest + 2)
}

/// Bits by which a prefix is shorter than an address.
const fn missing(net: &IpNet) -> u32 {
    match net {
        IpNet::V4(net) => 32 - net.prefix_len() as u32,
        IpNet::V6(net) => 128 - net.prefix_len() as u32,
    }
}

/// All addresses of the family that `net` is of.
fn everything(net: &IpNet) -> IpNet {
    match net {
        IpNet::V4(_) => IpNet::V4(Ipv4Net::default()),
        IpNet::V6(_) => IpNet::V6(Ipv6Net::default()),
    }
}
