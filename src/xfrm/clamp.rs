//! TCP's maximum segment size: in SYNs of both directions lowered to what fits a tunnel, where path MTU discovery fails.
//!
//! The kernel does it by a table of nftables, named as what [`crate::owner`] holds. It belongs to this process: it is gone
//! with it however that ends, and others can list it, but neither change it nor flush it. Tunnels work without it.

use std::collections::BTreeMap;

use esp::overhead;
use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::netlink::message::Message;
use crate::netlink::socket::{Refusal, Requests};
use crate::netlink::table::{self, Sizes};

/// The table.
#[derive(Debug)]
pub(crate) struct Clamp {
    /// The socket that owns the table, or why there is no table.
    netfilter: Result<Requests, Refusal>,
    table: String,
    /// What is in its map, by interface.
    entered: BTreeMap<String, Sizes>,
}

impl Clamp {
    /// Makes the table, in the network namespace of the calling thread.
    pub(crate) fn open(table: String) -> Self {
        let netfilter = Requests::open(NETLINK_NETFILTER).map_err(Refusal::from).and_then(|mut netfilter| {
            netfilter.ask_together(table::transaction(table::make(&table)))?;
            Ok(netfilter)
        });
        let clamp = Self { netfilter, table, entered: BTreeMap::new() };
        if let Some(warning) = clamp.warning() {
            tracing::warn!("{warning}");
        }
        clamp
    }

    /// What does not work, and what to do about it.
    pub(crate) fn warning(&self) -> Option<String> {
        let refusal = self.netfilter.as_ref().err()?;
        let remedy = if refusal.is(libc::EPERM) {
            "it belongs to another program: end that"
        } else {
            "run `modprobe nf_tables` (CONFIG_NF_TABLES_INET, Linux 5.12 or later)"
        };
        Some(format!(
            "TCP's segment size is not lowered to what fits the tunnels, since nftables has no table inet {} ({refusal}); \
             {remedy} and start again, or use the engine in user space",
            self.table
        ))
    }

    /// Segments through an interface are to fit packets of `mtu` octets.
    pub(crate) fn fit(&mut self, interface: &str, mtu: u32) {
        let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        let sizes = Sizes { v4: overhead::mss_v4(mtu), v6: overhead::mss_v6(mtu) };
        let before = self.entered.get(interface);
        if before == Some(&sizes) {
            return;
        }
        let leave = before.map(|_| table::leave(&self.table, interface));
        let changes = leave.into_iter().chain([table::enter(&self.table, interface, sizes)]).collect();
        if self.change(changes) {
            self.entered.insert(interface.to_owned(), sizes);
        }
    }

    /// An interface is no longer ours.
    pub(crate) fn forget(&mut self, interface: &str) {
        if self.entered.remove(interface).is_some() {
            self.change(vec![table::leave(&self.table, interface)]);
        }
    }

    /// Removes the table.
    pub(crate) fn end(&mut self) {
        self.entered.clear();
        self.change(table::delete(&self.table));
    }

    fn change(&mut self, changes: Vec<Message>) -> bool {
        // That there is no table was said at start.
        let Ok(netfilter) = &mut self.netfilter else { return false };
        let done = netfilter.ask_together(table::transaction(changes));
        if let Err(refusal) = &done {
            tracing::warn!(%refusal, table = self.table, "cannot change TCP's segment sizes in nftables");
        }
        done.is_ok()
    }
}
