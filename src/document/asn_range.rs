//! AS numbers that a peer may have which is not known beforehand.

use std::fmt;
use std::ops::RangeInclusive;

use schemars::{Schema, json_schema};
use wire::Asn;

use crate::field::Scalar;

/// Several AS numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsnRange {
    /// From one to another, both included.
    Numbers {
        /// The first of them.
        first: u32,
        /// The last.
        last: u32,
    },
    /// Whatever the peer says.
    Any,
    /// Whatever the peer says, but for our own.
    External,
}

impl AsnRange {
    /// One of them: the only one, if there is one alone.
    pub const fn first(self) -> Asn {
        match self {
            Self::Numbers { first, .. } => Asn(first),
            Self::Any | Self::External => Asn(1),
        }
    }

    /// Whether it is a single number.
    #[must_use]
    pub const fn is_one(self) -> bool {
        matches!(self, Self::Numbers { first, last } if first == last)
    }

    /// Whether a peer that is not of our own AS may have this one.
    pub fn contains(self, asn: Asn) -> bool {
        match self {
            Self::Numbers { first, last } => (first..=last).contains(&asn.0),
            Self::Any | Self::External => true,
        }
    }

    /// All of them, where `own` is ours, and `local` what we are called instead: then neither is a peer's (RFC 7705).
    pub fn numbers(self, own: Asn, local: Option<Asn>) -> Vec<RangeInclusive<u32>> {
        // RFC 7607, RFC 7300: neither the first nor the last is anybody's.
        let (all, external) = match self {
            Self::Numbers { first, last } => (first..=last, false),
            Self::Any => (1..=u32::MAX - 1, false),
            Self::External => (1..=u32::MAX - 1, true),
        };
        let ours = (external || local.is_some()).then_some(own);
        let mut numbers = vec![all];
        for taken in ours.into_iter().chain(local) {
            numbers = numbers.into_iter().flat_map(|range| without(range, taken)).collect();
        }
        numbers
    }
}

fn without(range: RangeInclusive<u32>, taken: Asn) -> impl Iterator<Item = RangeInclusive<u32>> {
    let (first, last) = range.into_inner();
    let around = if (first..=last).contains(&taken.0) {
        [taken.0.checked_sub(1).map(|end| first..=end), taken.0.checked_add(1).map(|start| start..=last)]
    } else {
        [Some(first..=last), None]
    };
    around.into_iter().flatten().filter(|range| !range.is_empty())
}

impl fmt::Display for AsnRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers { first, last } if first == last => write!(f, "{first}"),
            Self::Numbers { first, last } => write!(f, "{first}-{last}"),
            Self::Any => f.write_str("any"),
            Self::External => f.write_str("external"),
        }
    }
}

impl Scalar for AsnRange {
    const EXPECTED: &'static str = "an AS number such as `65010`, a part such as `65010-65019`, `external` or `any`";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "any" => return Ok(Self::Any),
            "external" => return Ok(Self::External),
            _ => {}
        }
        let Some((first, last)) = text.split_once('-') else {
            let asn = Asn::parse(text)?.0;
            return Ok(Self::Numbers { first: asn, last: asn });
        };
        let (first, last) = (Asn::parse(first.trim())?.0, Asn::parse(last.trim())?.0);
        if first > last { Err(format!("`{text}` ends before it begins")) } else { Ok(Self::Numbers { first, last }) }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [Asn::schema(), { "type": "string", "pattern": "^[0-9.]+ ?- ?[0-9.]+$" }, { "enum": ["any", "external"] }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_numbers_parts_or_words() {
        assert_eq!(AsnRange::parse("65010"), Ok(AsnRange::Numbers { first: 65010, last: 65010 }));
        assert_eq!(AsnRange::parse("65010 - 65019"), Ok(AsnRange::Numbers { first: 65010, last: 65019 }));
        assert_eq!(AsnRange::parse("any"), Ok(AsnRange::Any));
        assert_eq!(AsnRange::parse("external"), Ok(AsnRange::External));
        for text in ["65010", "65010-65019", "any", "external"] {
            assert_eq!(AsnRange::parse(text).unwrap().to_string(), text);
        }
        for wrong in ["65019-65010", "internal", "", "-5", "65010-"] {
            assert!(AsnRange::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn external_is_any_but_ours() {
        let has = |range: AsnRange, asn| range.numbers(Asn(65000), None).iter().any(|numbers| numbers.contains(&asn));
        assert!(has(AsnRange::Any, 65000) && !has(AsnRange::External, 65000));
        for asn in [1, 64999, 65001, u32::MAX - 1] {
            assert!(has(AsnRange::External, asn) && has(AsnRange::Any, asn), "{asn}");
        }
        for reserved in [0, u32::MAX] {
            assert!(!has(AsnRange::Any, reserved) && !has(AsnRange::External, reserved), "{reserved}");
        }
    }
    #[test]
    fn who_knows_us_by_another_number_is_of_neither() {
        let numbers = |range: AsnRange, own, local| range.numbers(Asn(own), Some(Asn(local)));
        let all_but = vec![1..=64_998, 65_001..=u32::MAX - 1];
        assert_eq!(numbers(AsnRange::Any, 65_000, 64_999), all_but);
        assert_eq!(numbers(AsnRange::External, 64_999, 65_000), all_but);
        let part = AsnRange::Numbers { first: 64_999, last: 65_002 };
        assert_eq!(numbers(part, 65_000, 65_002), [64_999..=64_999, 65_001..=65_001]);
        assert_eq!(numbers(AsnRange::Numbers { first: 65_000, last: 65_000 }, 65_000, 65_002), []);
    }
}
