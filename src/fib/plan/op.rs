//! What is asked of the kernel, one message each, and how it says no.

use std::fmt;
use std::io;

use super::kernel::{Hop, Member, NexthopId, Route, RouteKey};

/// One message to the kernel. Its outcome does not depend on when it is repeated: creation never overwrites,
/// replacement never creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Create a single nexthop.
    NewHop { id: NexthopId, hop: Hop },
    /// Create a group.
    NewGroup { id: NexthopId, members: Vec<Member> },
    /// Change the members of a group: every route on it moves.
    ReplaceGroup { id: NexthopId, members: Vec<Member> },
    /// Delete a nexthop or a group, and with it the routes that have nothing else.
    DelNexthop { id: NexthopId },
    /// Create a route.
    NewRoute { key: RouteKey, route: Route },
    /// Lead a route elsewhere.
    ReplaceRoute { key: RouteKey, route: Route },
    /// Delete a route.
    DelRoute { key: RouteKey },
}

impl Op {
    /// Whether the aim is that something be absent.
    pub(crate) fn deletes(&self) -> bool {
        match self {
            Self::DelNexthop { .. } | Self::DelRoute { .. } => true,
            Self::NewHop { .. }
            | Self::NewGroup { .. }
            | Self::ReplaceGroup { .. }
            | Self::NewRoute { .. }
            | Self::ReplaceRoute { .. } => false,
        }
    }
}

/// As `ip` would say it.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewHop { id, hop } => {
                write!(f, "nexthop add id {} via {} dev index {}", id.0, hop.gateway, hop.interface)
            }
            Self::NewGroup { id, members } => write!(f, "nexthop add id {} group of {}", id.0, members.len()),
            Self::ReplaceGroup { id, members } => write!(f, "nexthop replace id {} group of {}", id.0, members.len()),
            Self::DelNexthop { id } => write!(f, "nexthop del id {}", id.0),
            Self::NewRoute { key, .. } => write!(f, "route add {} metric {}", key.prefix, key.metric),
            Self::ReplaceRoute { key, .. } => write!(f, "route replace {} metric {}", key.prefix, key.metric),
            Self::DelRoute { key } => write!(f, "route del {} metric {}", key.prefix, key.metric),
        }
    }
}

/// The kernel's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Positive error number.
    pub(crate) errno: i32,
    /// The kernel's own explanation, where it gave one.
    pub(crate) text: Option<String>,
}

impl Refusal {
    /// Whether the object was not there.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self.errno, libc::ENOENT | libc::ESRCH | libc::ENODEV)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = io::Error::from_raw_os_error(self.errno);
        match &self.text {
            Some(text) => write!(f, "{text} ({system})"),
            None => write!(f, "{system}"),
        }
    }
}
