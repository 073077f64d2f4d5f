//! What is done to the routes of one session beyond lists: AS paths, next hops, several paths, the default route.
//!
//! On the way out the AS path is worked on in this order: the peer's AS becomes ours (`as_override`), private numbers
//! go or become ours (`private_as`), and then ours is put in front (RFC 4271 5.1.2).

use bgp::{AsPath, AsPathSegment};
use wire::Asn;

/// What is done to the routes of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// How often our own AS may be in the AS path of a route that we accept; 0 refuses loops of any kind.
    pub own_as_in: u8,
    /// Put our AS in place of the peer's in what we announce, so that another site of the same AS accepts it.
    pub as_override: bool,
    /// What becomes of private AS numbers in what we announce to an external peer.
    pub private_as: PrivateAs,
    /// Announce our own address as next hop on an internal session; otherwise the one the route came with, unless it
    /// is of link scope.
    pub next_hop_self: bool,
    /// Announce a default route of our own, whatever there is in the tables.
    pub default_originate: bool,
    /// Which paths to a prefix the peer gets, if it takes several (RFC 7911).
    pub send_paths: SendPaths,
    /// Percentage of `max_prefix_in` from which on a warning is due.
    pub warn_percent: Option<u8>,
    /// Another number that we have toward this external peer.
    pub local_as: Option<LocalAs>,
}

/// Another AS number of ours, that of a network which became part of ours (RFC 7705).
///
/// ```text
///                announced           accepted
///    by default  [local, own, ...]   [local, peer, ...]
///    no_prepend  [local, own, ...]   [peer, ...]
///    replace     [local, ...]        [local, peer, ...]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAs {
    /// As the peer knows us.
    pub asn: Asn,
    /// RFC 7705 3.3: it is not put in front of what we accept.
    pub no_prepend: bool,
    /// RFC 7705 3.3: it stands in place of our own number in what we announce.
    pub replace: bool,
}

impl Default for Treatment {
    fn default() -> Self {
        Self {
            own_as_in: 0,
            as_override: false,
            private_as: PrivateAs::Keep,
            next_hop_self: true,
            default_originate: false,
            send_paths: SendPaths::Best,
            warn_percent: None,
            local_as: None,
        }
    }
}

/// What becomes of private AS numbers (RFC 6996) on the way to an external peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrivateAs {
    /// Nothing.
    #[default]
    Keep,
    /// They are taken out.
    Remove,
    /// Ours stands in their place: the path keeps its length.
    Replace,
}

/// Which paths to a prefix a peer gets that takes several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SendPaths {
    /// The best, as without ADD-PATH.
    #[default]
    Best,
    /// All that could be used.
    All,
    /// Those that are used side by side.
    Ecmp,
    /// The best, the best without it, and so on.
    First(u8),
}

/// RFC 6996 5: 64512 to 65534, and 4200000000 to 4294967294.
#[must_use]
pub(crate) const fn is_private(asn: Asn) -> bool {
    matches!(asn.0, 64_512..=65_534 | 4_200_000_000..=4_294_967_294)
}

/// Puts `own` in place of `peer`.
pub(crate) fn override_as(path: &mut AsPath, peer: Asn, own: Asn) {
    for asn in path.0.iter_mut().flat_map(numbers) {
        if *asn == peer {
            *asn = own;
        }
    }
}

/// Takes private numbers out, or puts `own` in their place.
pub(crate) fn treat_private(path: &mut AsPath, treatment: PrivateAs, own: Asn) {
    match treatment {
        PrivateAs::Keep => {}
        PrivateAs::Remove => {
            for segment in &mut path.0 {
                numbers(segment).retain(|asn| !is_private(*asn));
            }
            path.0.retain_mut(|segment| !numbers(segment).is_empty());
        }
        PrivateAs::Replace => {
            for asn in path.0.iter_mut().flat_map(numbers).filter(|asn| is_private(**asn)) {
                *asn = own;
            }
        }
    }
}

const fn numbers(segment: &mut AsPathSegment) -> &mut Vec<Asn> {
    match segment {
        AsPathSegment::Sequence(numbers) | AsPathSegment::Set(numbers) => numbers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Asn = Asn(174);

    fn sequence(numbers: &[u32]) -> AsPathSegment {
        AsPathSegment::Sequence(numbers.iter().copied().map(Asn).collect())
    }

    fn set(numbers: &[u32]) -> AsPathSegment {
        AsPathSegment::Set(numbers.iter().copied().map(Asn).collect())
    }

    #[test]
    fn the_private_ranges_are_those_of_rfc_6996() {
        let edges = [
            (64_511, false),
            (64_512, true),
            (65_534, true),
            (65_535, false),
            (4_199_999_999, false),
            (4_200_000_000, true),
            (4_294_967_294, true),
            (u32::MAX, false),
        ];
        for (asn, expected) in edges {
            assert_eq!(is_private(Asn(asn)), expected, "{asn}");
        }
    }

    #[test]
    fn private_numbers_go_with_segments_that_held_nothing_else() {
        let path = AsPath(vec![sequence(&[64_512, 3356, 65_000]), set(&[65_001]), sequence(&[4_200_000_001])]);
        let treated = |treatment| {
            let mut path = path.clone();
            treat_private(&mut path, treatment, OWN);
            path
        };
        assert_eq!(treated(PrivateAs::Keep), path);
        assert_eq!(treated(PrivateAs::Remove), AsPath(vec![sequence(&[3356])]));
        let replaced = AsPath(vec![sequence(&[174, 3356, 174]), set(&[174]), sequence(&[174])]);
        assert_eq!(treated(PrivateAs::Replace), replaced);
    }

    #[test]
    fn the_peers_number_becomes_ours_everywhere() {
        let mut path = AsPath(vec![sequence(&[64_512, 7, 64_512]), set(&[8, 64_512])]);
        override_as(&mut path, Asn(64_512), OWN);
        assert_eq!(path, AsPath(vec![sequence(&[174, 7, 174]), set(&[8, 174])]));
    }
}
