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
    /// The peer's inside address. IPv4 routes may have one of IPv6 (RFC 8950).
    pub address: IpAddr,
}

/// Where packets for a prefix go: nowhere known (empty), over a canonical set of next hops, or into the void.
///
/// Members are sorted and without duplicates; each has a weight. Shared between routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHopSet(Option<Arc<Ways>>);

/// Largest weight of a next hop; the kernel's limit is 256.
pub const MAX_WEIGHT: u16 = 256;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ways {
    hops: Box<[NextHop]>,
    /// In the order of `hops`; none if all are equal.
    weights: Box<[u16]>,
    /// Sorted; none of them in `hops`.
    spare: Box<[NextHop]>,
}

impl serde::Serialize for NextHopSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.as_slice())
    }
}

impl NextHopSet {
    /// Sorts and deduplicates; equal weights.
    #[must_use]
    pub fn new(mut next_hops: Vec<NextHop>) -> Self {
        next_hops.sort_unstable();
        next_hops.dedup();
        if next_hops.is_empty() {
            return Self::default();
        }
        Self(Some(Arc::new(Ways { hops: next_hops.into(), weights: Box::default(), spare: Box::default() })))
    }

    /// Next hops with shares of the traffic, in any unit: scaled to 1 to [`MAX_WEIGHT`], and to the smallest numbers
    /// that say the same. The shares of one next hop that is named twice are added.
    #[must_use]
    pub fn weighted(shares: Vec<(NextHop, u64)>) -> Self {
        let mut merged = shares;
        merged.sort_unstable();
        merged.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                first.1 = first.1.saturating_add(later.1);
            }
            same
        });
        // Small numbers are weights already.
        let most = merged.iter().map(|(_, share)| *share).max().unwrap_or(0).max(MAX_WEIGHT.into());
        let (hops, shares): (Vec<NextHop>, Vec<u64>) = merged.into_iter().unzip();
        // Exactly, if that can be said in small numbers.
        let unit = shares.iter().copied().fold(0, greatest_common_divisor).max(1);
        let exact = |share: u64| u16::try_from(share / unit).ok().filter(|weight| (1..=MAX_WEIGHT).contains(weight));
        let exact: Option<Vec<u16>> = shares.iter().copied().map(exact).collect();
        let weights: Vec<u16> = exact.unwrap_or_else(|| {
            let scaled: Vec<u16> = shares.iter().map(|share| scale(*share, most)).collect();
            let divisor = scaled.iter().fold(0, |divisor, weight| greatest_common_divisor(divisor, (*weight).into()));
            let divisor = u16::try_from(divisor.max(1)).unwrap_or(1);
            scaled.iter().map(|weight| weight / divisor).collect()
        });
        if hops.is_empty() || weights.iter().all(|weight| *weight == 1) {
            return Self::new(hops);
        }
        Self(Some(Arc::new(Ways { hops: hops.into(), weights: weights.into(), spare: Box::default() })))
    }

    /// Packets are dropped: what an aggregate is to do with addresses that no more specific route covers.
    #[must_use]
    pub fn discard() -> Self {
        Self(Some(Arc::new(Ways { hops: Box::default(), weights: Box::default(), spare: Box::default() })))
    }

    /// The same with next hops that packets take while none of the members is alive, until the routing tables have
    /// decided again.
    #[must_use]
    pub fn with_spare(self, mut spare: Vec<NextHop>) -> Self {
        spare.retain(|hop| !self.as_slice().contains(hop));
        spare.sort_unstable();
        spare.dedup();
        let Some(ways) = self.0.as_ref().filter(|ways| !ways.hops.is_empty() && *ways.spare != *spare) else {
            return self;
        };
        Self(Some(Arc::new(Ways { spare: spare.into(), ..Ways::clone(ways) })))
    }

    /// The members in order; none if packets are dropped, or there is no way.
    #[must_use]
    pub fn as_slice(&self) -> &[NextHop] {
        self.0.as_ref().map_or(&[], |ways| &ways.hops)
    }

    /// What packets take while none of the members is alive, in order.
    #[must_use]
    pub fn spare(&self) -> &[NextHop] {
        self.0.as_ref().map_or(&[], |ways| &ways.spare)
    }

    /// The members with their weights, 1 to [`MAX_WEIGHT`].
    pub fn members(&self) -> impl Iterator<Item = (NextHop, u16)> + '_ {
        let weights = self.0.as_ref().map_or(&[] as &[u16], |ways| &ways.weights);
        self.as_slice().iter().enumerate().map(|(at, hop)| (*hop, weights.get(at).copied().unwrap_or(1)))
    }

    /// Whether the members have different weights.
    #[must_use]
    pub fn is_weighted(&self) -> bool {
        self.0.as_ref().is_some_and(|ways| !ways.weights.is_empty())
    }

    /// Whether there is no way.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether packets are to be dropped.
    #[must_use]
    pub fn is_discard(&self) -> bool {
        self.0.as_ref().is_some_and(|ways| ways.hops.is_empty())
    }

    /// Whether nobody else holds this set, but for the one who asks.
    pub(crate) fn is_unshared(&self) -> bool {
        self.0.as_ref().is_none_or(|ways| Arc::strong_count(ways) == 1)
    }
}

/// `share` of `most` in parts of [`MAX_WEIGHT`], at least one.
fn scale(share: u64, most: u64) -> u16 {
    let parts = (u128::from(share) * u128::from(MAX_WEIGHT) + u128::from(most) / 2) / u128::from(most.max(1));
    u16::try_from(parts).unwrap_or(MAX_WEIGHT).clamp(1, MAX_WEIGHT)
}

const fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(link: u32) -> NextHop {
        NextHop { link: LinkId(link), address: [169, 254, 21, 1].into() }
    }

    fn weights(shares: &[(u32, u64)]) -> Vec<u16> {
        let set = NextHopSet::weighted(shares.iter().map(|(link, share)| (hop(*link), *share)).collect());
        set.members().map(|(_, weight)| weight).collect()
    }

    #[test]
    fn weights_are_the_smallest_numbers_with_the_same_proportions() {
        assert_eq!(weights(&[(1, 125_000_000), (2, 1_250_000_000)]), [1, 10]);
        assert_eq!(weights(&[(1, 100), (2, 100_100)]), [1, 256], "as near as small numbers come");
        assert_eq!(weights(&[(1, 1001), (2, 2003)]), [1, 2], "to one part in 256");
        assert_eq!(weights(&[(1, 10), (2, 20), (3, 40)]), [1, 2, 4]);
        assert_eq!(weights(&[(1, 0), (2, u64::MAX)]), [1, 256], "nobody is left out");
        assert_eq!(weights(&[(2, 5), (1, 3), (2, 1)]), [1, 2], "the shares of one next hop add up");
    }

    #[test]
    fn equal_shares_are_no_weights() {
        let set = NextHopSet::weighted(vec![(hop(1), 7), (hop(2), 7)]);
        assert!(!set.is_weighted());
        assert_eq!(set, NextHopSet::new(vec![hop(2), hop(1), hop(1)]));
        assert_eq!(NextHopSet::weighted(vec![]), NextHopSet::default());
    }

    #[test]
    fn discarding_is_a_way_and_not_the_lack_of_one() {
        let discard = NextHopSet::discard();
        assert!(discard.is_discard() && !discard.is_empty() && discard.as_slice().is_empty());
        assert!(NextHopSet::default().is_empty() && !NextHopSet::default().is_discard());
        assert_ne!(discard, NextHopSet::default());
    }

    #[test]
    fn spare_next_hops_are_not_members() {
        let plain = NextHopSet::new(vec![hop(1)]);
        let spare = plain.clone().with_spare(vec![hop(3), hop(2), hop(1), hop(3)]);
        assert_eq!((spare.as_slice(), spare.spare()), (&[hop(1)][..], &[hop(2), hop(3)][..]));
        assert_ne!(spare, plain);
        assert_eq!(spare.with_spare(vec![]), plain);
        assert_eq!(NextHopSet::default().with_spare(vec![hop(1)]), NextHopSet::default());
        assert_eq!(NextHopSet::discard().with_spare(vec![hop(1)]), NextHopSet::discard());
    }

    #[test]
    fn a_set_is_one_pointer() {
        assert_eq!(size_of::<NextHopSet>(), 8);
    }
}
