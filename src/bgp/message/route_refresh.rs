//! ROUTE-REFRESH (RFC 2918 3).

use super::header::{MessageType, framed};
use crate::Family;

/// Asks for all routes of a family again. With a subtype other than zero it is a mark of RFC 7313 or carries filters
/// of RFC 5291, which are only used where both sides said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// Address family identifier.
    pub afi: u16,
    /// Message subtype (RFC 7313 3.2); zero is a plain request.
    pub subtype: u8,
    /// Subsequent address family identifier.
    pub safi: u8,
}

impl RouteRefresh {
    /// Asks for `family`.
    #[must_use]
    pub const fn request(family: Family) -> Self {
        let (afi, safi) = family.codes();
        Self { afi, subtype: 0, safi }
    }

    /// The family asked for, if it is one of ours and this is a plain request.
    #[must_use]
    pub const fn family(self) -> Option<Family> {
        match self.subtype {
            0 => Family::from_codes(self.afi, self.safi),
            _ => None,
        }
    }

    /// Reads the body of a message, of which framing has checked the length.
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
    fn marks_and_foreign_families_are_no_request() {
        for body in [hex!("0001 01 01"), hex!("0001 02 01"), hex!("0001 00 80"), hex!("4004 00 47")] {
            assert_eq!(RouteRefresh::decode(&body).and_then(RouteRefresh::family), None, "{body:?}");
        }
        assert_eq!(RouteRefresh::decode(&[0, 1, 0]), None);
    }
}
