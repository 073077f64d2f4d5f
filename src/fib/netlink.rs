//! Routing netlink (`man 7 rtnetlink`): the messages, and the three sockets they travel on.
//!
//! ```text
//!   requests: a batch of messages in one send, acknowledged by one answer plus one per refusal
//!   lister:   dumps
//!   monitor:  notifications about links, routes and nexthops, except those that our own requests caused
//! ```
//!
//! Routes and headers are encoded by rtnetlink and its message crates; nexthop objects, which those lack, by
//! [`nexthop`].

mod address;
mod dump;
mod link;
mod message;
mod monitor;
mod nexthop;
mod request;
mod route;
mod rule;
mod socket;

pub use address::own_address;
pub(crate) use dump::{Dump, Lister};
pub(crate) use monitor::{Monitor, Notice};
pub(crate) use request::Requests;

/// Which routes are ours, and how they are marked.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    pub(crate) owner: crate::plan::Owner,
    pub(crate) table: u32,
    pub(crate) metric: u32,
}
