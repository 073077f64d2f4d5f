//! What a tunnel says in the outer IP header of its packets (RFC 4301 5.1.2).
//!
//! ```text
//!   outer:  | DSCP: copy, clear or a value | ECN: always the inner one (RFC 6040 4.1) | DF: copy, set or clear |
//! ```

/// The differentiated services field of outer packets (RFC 2474, RFC 4301 5.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dscp {
    /// That of the inner packet, so that the path can tell BGP from bulk.
    #[default]
    Copy,
    /// Zero, so that the path learns nothing about what is inside (RFC 2983 6).
    Clear,
    /// Always this one, 0 to 63.
    Fixed(u8),
}

/// The "don't fragment" flag of outer IPv4 packets (RFC 4301 5.1.2.1 and 8.1). Over IPv6 it means that we do not
/// fragment outer packets ourselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DontFragment {
    /// That of the inner packet; set for an inner IPv6 packet, which nobody on its way may fragment.
    Copy,
    /// Always set: the path's MTU is found by its ICMP answers.
    Set,
    /// Never set: the path may fragment what is too long for it.
    #[default]
    Clear,
}

/// How outer headers are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OuterHeader {
    /// Differentiated services.
    pub dscp: Dscp,
    /// Fragmentation.
    pub dont_fragment: DontFragment,
}

impl OuterHeader {
    /// The outer traffic class around a packet with this inner one. RFC 6040 4.1: normal mode copies the ECN field.
    #[must_use]
    pub const fn traffic_class(self, inner: u8) -> u8 {
        match self.dscp {
            Dscp::Copy => inner,
            Dscp::Clear => inner & 3,
            Dscp::Fixed(dscp) => dscp << 2 | inner & 3,
        }
    }

    /// Whether the outer packet must stay whole.
    #[must_use]
    pub const fn stays_whole(self, inner: bool) -> bool {
        match self.dont_fragment {
            DontFragment::Copy => inner,
            DontFragment::Set => true,
            DontFragment::Clear => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_traffic_class_is_what_was_asked_for_with_the_inner_ecn() {
        // DSCP 46 (expedited forwarding) with each ECN field.
        for ecn in 0..4 {
            let inner = 46 << 2 | ecn;
            let outer = |dscp| OuterHeader { dscp, ..OuterHeader::default() }.traffic_class(inner);
            assert_eq!(outer(Dscp::Copy), inner);
            assert_eq!(outer(Dscp::Clear), ecn);
            assert_eq!(outer(Dscp::Fixed(48)), 48 << 2 | ecn);
        }
    }

    #[test]
    fn the_outer_flag_is_what_was_asked_for() {
        let outer = |dont_fragment, inner| OuterHeader { dont_fragment, ..OuterHeader::default() }.stays_whole(inner);
        assert_eq!([true, false].map(|inner| outer(DontFragment::Copy, inner)), [true, false]);
        assert_eq!([true, false].map(|inner| outer(DontFragment::Set, inner)), [true, true]);
        assert_eq!([true, false].map(|inner| outer(DontFragment::Clear, inner)), [false, false]);
    }
}
