//! What is ours in the kernel, and how to behave there.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::FibError;

/// `rtm_protocol` and `nh_protocol` of everything we install. Unassigned in `linux/rtnetlink.h`, in iproute2's
/// `rt_protos` and among the numbers FRR uses; in particular not 186 (`bgp`), which other daemons sweep.
pub const DEFAULT_PROTOCOL: u8 = 142;

/// Metric of our routes. Unusual on purpose: the kernel keys a route by prefix and metric, so an unusual metric keeps
/// ours and everybody else's side by side.
pub const DEFAULT_METRIC: u32 = 142;

/// `RT_TABLE_MAIN`.
pub const MAIN_TABLE: u32 = 254;

/// First nexthop id that any router may use. The kernel and FRR number from 1 upward.
const FIRST_ID: u32 = 0x4000_0000;

/// Nexthop ids per router.
const IDS_PER_TAG: u32 = 0x4000;

/// Settings of the forwarding table.
#[derive(Clone, Debug)]
pub struct FibConfig {
    /// Kernel table, 1 to 2^32 - 1 except 255 (local).
    pub table: u32,
    /// Our protocol number, 5 to 255.
    pub protocol: u8,
    /// Metric of our routes, at least 1.
    pub metric: u32,
    /// Tells routers that share a network namespace apart: each tag owns 16384 nexthop ids. It should be stable, since
    /// nexthops left behind by a crash are known by it.
    pub tag: u16,
    /// Preferred source address of IPv4 routes (`RTA_PREFSRC`); must be an address of this host.
    pub source_v4: Option<Ipv4Addr>,
    /// Preferred source address of IPv6 routes.
    pub source_v6: Option<Ipv6Addr>,
    /// Whether to use nexthop objects.
    pub nexthops: NexthopMode,
    /// How long routes left by a previous process are kept when [`Fib::converged`](crate::Fib::converged) is not
    /// called.
    pub adopt_for: Duration,
    /// How often the kernel is compared with what it should hold, when nothing calls for it earlier.
    pub resync_every: Duration,
}

/// Whether to use the kernel's nexthop objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NexthopMode {
    /// Where the kernel has them (Linux 5.3).
    #[default]
    Auto,
    /// Never: every route carries its own next hops.
    Never,
}

impl Default for FibConfig {
    fn default() -> Self {
        Self {
            table: MAIN_TABLE,
            protocol: DEFAULT_PROTOCOL,
            metric: DEFAULT_METRIC,
            tag: 0,
            source_v4: None,
            source_v6: None,
            nexthops: NexthopMode::Auto,
            adopt_for: Duration::from_secs(120),
            resync_every: Duration::from_secs(30),
        }
    }
}

impl FibConfig {
    /// The nexthop ids that are ours.
    #[must_use]
    pub fn ids(&self) -> RangeInclusive<u32> {
        let first = FIRST_ID + u32::from(self.tag) * IDS_PER_TAG;
        first..=first + (IDS_PER_TAG - 1)
    }

    pub(crate) fn check(&self) -> Result<(), FibError> {
        let refuse = |field, value, reason| Err(FibError::Config { field, value, reason });
        match (self.table, self.protocol, self.metric) {
            (table @ (0 | 255), _, _) => refuse("table", table, "reserved by the kernel"),
            (_, protocol @ 0..=4, _) => {
                refuse("protocol", protocol.into(), "belongs to the kernel or to administrators")
            }
            (_, _, 0) => refuse("metric", 0, "is the metric of everybody's static routes"),
            (_, _, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_own_disjoint_ids() {
        let ids = |tag| FibConfig { tag, ..FibConfig::default() }.ids();
        assert_eq!(ids(0), 0x4000_0000..=0x4000_3fff);
        assert_eq!(*ids(1).start(), ids(0).end() + 1);
        assert_eq!(*ids(u16::MAX).end(), 0x7fff_ffff);
    }

    #[test]
    fn settings_that_reach_for_foreign_routes_are_refused() {
        let default = FibConfig::default;
        assert!(default().check().is_ok());
        for bad in [
            FibConfig { table: 255, ..default() },
            FibConfig { table: 0, ..default() },
            FibConfig { protocol: 4, ..default() },
            FibConfig { metric: 0, ..default() },
        ] {
            assert!(matches!(bad.check(), Err(FibError::Config { .. })), "{bad:?}");
        }
    }
}
