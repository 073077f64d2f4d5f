//! What the routing tables ask of the forwarding table.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use wire::LinkId;

/// A next hop is keyed by link and address: two clouds may use the same inside /30.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct NextHop {
    /// What leads there.
    #[serde(rename = "tunnel")]
    pub link: LinkId,
    /// The peer's inside address.
    pub address: IpAddr,
}

/// A canonical set of next hops: sorted, without duplicates, shared between routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHopSet(Arc<[NextHop]>);

impl serde::Serialize for NextHopSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.as_slice())
    }
}

impl NextHopSet {
    /// Sorts and deduplicates.
    #[must_use]
    pub fn new(mut next_hops: Vec<NextHop>) -> Self {
        next_hops.sort_unstable();
        next_hops.dedup();
        Self(next_hops.into())
    }

    /// Of members that are sorted and without duplicates already.
    pub(crate) const fn shared(next_hops: Arc<[NextHop]>) -> Self {
        Self(next_hops)
    }

    /// The members in order.
    #[must_use]
    pub fn as_slice(&self) -> &[NextHop] {
        &self.0
    }

    /// Whether there is no way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The desired state of one prefix. Level-triggered: only the latest change of a prefix counts, so a full queue
/// may coalesce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FibChange {
    /// Destination.
    pub prefix: IpNet,
    /// Where to; empty means that there must be no route of ours.
    pub next_hops: NextHopSet,
}
