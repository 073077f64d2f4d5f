//! ROUTE-REFRESH (RFC 2918 3), and the marks around what is announced again (RFC 7313).

use super::header::{MessageType, framed};
use crate::Family;

/// What a ROUTE-REFRESH says (RFC 7313 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshKind {
    /// Asks for all routes of a family again.
    Request,
    /// All routes of a family are about to be announced again (BoRR).
    Begin,
    /// All routes of a family have been announced again (EoRR).
    End,
}

/// Asks for all routes of a family again, or stands around them. Other subtypes carry filters of RFC 5291, which are
/// only used where both sides said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// Address family identifier.
    pub afi: u16,
    /// Message subtype (RFC 7313 3.2).
    pub subtype: u8,
    /// Subsequent address family identifier.
    pub safi: u8,
}

impl RouteRefresh {
    /// The message of this kind for `family`.
    #[must_use]
    pub const fn new(kind: RefreshKind, family: Family) -> Self {
        let (afi, safi) = family.codes();
        let subtype = match kind {
            RefreshKind::Request => 0,
            RefreshKind::Begin => 1,
            RefreshKind::End => 2,
        };
        Self { afi, subtype, safi }
    }

    /// Asks for `family`.
    #[must_use]
    pub const fn request(family: Family) -> Self {
        Self::new(RefreshKind::Request, family)
    }

    /// What it says, if the subtype is known.
    #[must_use]
    pub const fn kind(self) -> Option<RefreshKind> {
        match self.subtype {
            0 => Some(RefreshKind::Request),
            1 => Some(RefreshKind::Begin),
            2 => Some(RefreshKind::End),
            _ => None,
        }
    }

    /// The family it is about, if it is one of ours.
    #[must_use]
    pub const fn family(self) -> Option<Family> {
        Family::from_codes(self.afi, self.safi)
    }

    /// Reads the body of a message; `None` if it is longer or shorter.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let [high, low, subtype, safi] = *body else { return None };
        Some(Self { afi: u16::from_be_bytes([high, low]), subtype, safi })
    }

    /// The whole message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let encoded = framed(MessageType::RouteRefresh, |body| {
            body.u16(self.afi);
            body.u8(self.subtype);
            body.u8(self.safi);
        });
        encoded.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn the_golden_message_is_the_same_both_ways() {
        let golden = hex!("ffffffffffffffffffffffffffffffff 0017 05 0002 00 01");
        assert_eq!(RouteRefresh::request(Family::Ipv6Unicast).encode(), golden);
        assert_eq!(RouteRefresh::decode(&golden[19..]).and_then(RouteRefresh::family), Some(Family::Ipv6Unicast));
    }

    #[test]
    fn requests_and_marks_are_told_apart() {
        for (kind, golden) in [
            (RefreshKind::Request, hex!("0001 00 01")),
            (RefreshKind::Begin, hex!("0001 01 01")),
            (RefreshKind::End, hex!("0001 02 01")),
        ] {
            let message = RouteRefresh::new(kind, Family::Ipv4Unicast);
            assert_eq!(message.encode()[19..], golden);
            assert_eq!(RouteRefresh::decode(&golden), Some(message));
            assert_eq!((message.kind(), message.family()), (Some(kind), Some(Family::Ipv4Unicast)));
        }
    }

    #[test]
    fn foreign_families_and_subtypes_are_told_apart_too() {
        for body in [hex!("0001 00 80"), hex!("4004 00 47")] {
            assert_eq!(RouteRefresh::decode(&body).and_then(RouteRefresh::family), None, "{body:?}");
        }
        assert_eq!(RouteRefresh::decode(&hex!("0001 03 01")).and_then(RouteRefresh::kind), None);
        for length in 0..4 {
            assert_eq!(RouteRefresh::decode(&hex!("0001 00 01")[..length]), None);
        }
        assert_eq!(RouteRefresh::decode(&[0, 1, 0, 1, 0]), None);
    }
}
