//! Autonomous system numbers (RFC 6793, text forms of RFC 5396) and BGP identifiers.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A four-octet autonomous system number (RFC 6793). Prints as asplain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Asn(pub u32);

impl Asn {
    /// Stands in for a four-octet number toward a two-octet speaker (RFC 6793 4.2.2).
    pub const TRANS: Self = Self(23456);

    /// The number as two octets, or `AS_TRANS` where it does not fit.
    #[must_use]
    pub fn two_octets(self) -> u16 {
        u16::try_from(self.0).unwrap_or(23456)
    }

    /// Whether the number is set aside for private use (RFC 6996).
    #[must_use]
    pub const fn is_private(self) -> bool {
        matches!(self.0, 64512..=65534 | 4_200_000_000..=4_294_967_294)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

/// Why a text is not an autonomous system number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAsnError {
    /// Neither `65000` nor `0.65000`.
    #[error("expected asplain (4200000001) or asdot (64086.59905), found `{0}`")]
    Form(String),
    /// A number above its range.
    #[error("`{0}` is above 4294967295, or a half of an asdot number is above 65535")]
    Range(String),
}

/// Accepts asplain (`8061384`) and asdot (`123.456` = 123 * 65536 + 456), RFC 5396.
impl FromStr for Asn {
    type Err = ParseAsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let range = || ParseAsnError::Range(text.to_owned());
        match text.split_once('.') {
            None if digits(text) => text.parse().map(Self).map_err(|_| range()),
            Some((high, low)) if digits(high) && digits(low) => {
                let high: u16 = high.parse().map_err(|_| range())?;
                let low: u16 = low.parse().map_err(|_| range())?;
                Ok(Self(u32::from(high) << 16 | u32::from(low)))
            }
            None | Some(_) => Err(ParseAsnError::Form(text.to_owned())),
        }
    }
}

/// A BGP identifier (RFC 6286: any non-zero four octets), written like an IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RouterId(pub Ipv4Addr);

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asdot_and_asplain_are_the_same_number() {
        assert_eq!("123.456".parse::<Asn>(), Ok(Asn(8_061_384)));
        assert_eq!("8061384".parse::<Asn>(), Ok(Asn(8_061_384)));
        assert_eq!("65535.65535".parse::<Asn>(), Ok(Asn(u32::MAX)));
    }

    #[test]
    fn malformed_numbers_are_refused_with_their_text() {
        for text in ["", ".", "1.", ".1", "1.2.3", "-1", "+1", "AS65000", "1 2"] {
            assert_eq!(text.parse::<Asn>(), Err(ParseAsnError::Form(text.to_owned())), "{text}");
        }
        for text in ["4294967296", "65536.0", "0.65536"] {
            assert_eq!(text.parse::<Asn>(), Err(ParseAsnError::Range(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn large_numbers_become_as_trans_in_two_octets() {
        assert_eq!(Asn(65000).two_octets(), 65000);
        assert_eq!(Asn(65536).two_octets(), 23456);
    }
}
