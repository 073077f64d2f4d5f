//! How `dscp` and `df` are written.

use schemars::{Schema, json_schema};
use wire::outer::{DontFragment, Dscp};

use crate::field::Scalar;

/// Names of code points: RFC 2474 4.2.2 (class selectors), RFC 2597 6 (assured), RFC 3246 2.7 (expedited), RFC 5865 2.3,
/// RFC 8622 2.
const NAMED: [(&str, u8); 24] = [
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("ef", 46),
    ("va", 44),
    ("le", 1),
    ("be", 0),
];

impl Scalar for Dscp {
    const EXPECTED: &'static str = "`copy`, `clear`, 0 to 63, or a name such as `cs6`, `af41` or `ef`";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "copy" => return Ok(Self::Copy),
            "clear" => return Ok(Self::Clear),
            _ => {}
        }
        if let Some((_, value)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Fixed(*value));
        }
        match text.parse::<u64>() {
            Ok(number) => match u8::try_from(number) {
                Ok(value @ 0..=63) => Ok(Self::Fixed(value)),
                Ok(_) | Err(_) => Err(format!("{number} is not between 0 and 63")),
            },
            Err(_) => Err(format!("`{text}` is no code point of differentiated services")),
        }
    }

    fn schema() -> Schema {
        let names: Vec<&str> = ["copy", "clear"].into_iter().chain(NAMED.map(|(name, _)| name)).collect();
        json_schema!({ "oneOf": [{ "enum": names }, { "type": "integer", "minimum": 0, "maximum": 63 }] })
    }
}

impl Scalar for DontFragment {
    const EXPECTED: &'static str = "`copy`, `set` or `clear`";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "copy" => Ok(Self::Copy),
            "set" => Ok(Self::Set),
            "clear" => Ok(Self::Clear),
            _ => Err(format!("`{text}` is neither `copy`, `set` nor `clear`")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["copy", "set", "clear"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_are_words_names_and_numbers() {
        assert_eq!(Dscp::parse("copy"), Ok(Dscp::Copy));
        assert_eq!(Dscp::parse("clear"), Ok(Dscp::Clear));
        assert_eq!(Dscp::parse("0"), Ok(Dscp::Fixed(0)));
        assert_eq!(Dscp::parse("63"), Ok(Dscp::Fixed(63)));
        assert_eq!(Dscp::parse("ef"), Ok(Dscp::Fixed(46)));
        // RFC 2597 6: class and drop precedence.
        for (class, precedence) in (1..=4).flat_map(|class| (1..=3).map(move |precedence| (class, precedence))) {
            let value = class << 3 | precedence << 1;
            assert_eq!(Dscp::parse(&format!("af{class}{precedence}")), Ok(Dscp::Fixed(value)));
        }
        for wrong in ["64", "-1", "300", "af44", "EF", ""] {
            assert!(Dscp::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn there_are_three_ways_to_treat_the_flag() {
        assert_eq!(DontFragment::parse("copy"), Ok(DontFragment::Copy));
        assert_eq!(DontFragment::parse("set"), Ok(DontFragment::Set));
        assert_eq!(DontFragment::parse("clear"), Ok(DontFragment::Clear));
        assert!(DontFragment::parse("true").is_err());
    }
}
