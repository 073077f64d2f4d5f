//! What is said to the kernel and what it says: IPsec netlink (`linux/xfrm.h`), and of routing netlink what interfaces take
//! that rtnetlink does not have, of netfilter's one table.
//!
//! ```text
//!   requests:  one message, executed and answered before `send` returns
//!   listings:  the same, in several datagrams
//!   transactions:  several messages, of which all are executed or none
//!   notices:   a packet that wants an SA, an SA at its limit, a peer behind another address
//! ```
//!
//! Numbers are in host order, addresses, ports and SPIs in network order. Structures are laid out as on 64-bit machines.

pub(crate) mod fields;
pub(crate) mod link;
pub(crate) mod message;
pub(crate) mod notice;
pub(crate) mod policy;
pub(crate) mod socket;
pub(crate) mod state;
pub(crate) mod table;

#[cfg(test)]
mod tests;
