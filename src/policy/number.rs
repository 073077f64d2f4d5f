//! Numbers in conditions (`100`, `100-200`, `100-`) and changes of numbers (`50`, `+50`, `-50`).

use std::fmt;
use std::str::FromStr;

use crate::PatternError;

/// Numbers from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The lowest.
    pub low: u32,
    /// The highest.
    pub high: u32,
}

impl Range {
    /// Every number.
    pub const ALL: Self = Self { low: 0, high: u32::MAX };

    /// Just this one.
    #[must_use]
    pub const fn only(number: u32) -> Self {
        Self { low: number, high: number }
    }

    /// Whether `number` is in it.
    #[must_use]
    pub const fn holds(self, number: u32) -> bool {
        self.low <= number && number <= self.high
    }
}

impl FromStr for Range {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (low, high) = match text.split_once('-') {
            None => return number(text).map(Self::only),
            Some((low, "")) => (number(low)?, u32::MAX),
            Some((low, high)) => (number(low)?, number(high)?),
        };
        if low > high { Err(PatternError::Backwards(text.to_owned())) } else { Ok(Self { low, high }) }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { low, high } if low == high => write!(f, "{low}"),
            Self { low, high: u32::MAX } => write!(f, "{low}-"),
            Self { low, high } => write!(f, "{low}-{high}"),
        }
    }
}

/// Digits, and nothing else.
pub(crate) fn number(text: &str) -> Result<u32, PatternError> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(PatternError::Number(text.to_owned()));
    }
    text.parse().map_err(|_| PatternError::TooLarge { found: text.to_owned(), limit: u32::MAX.into() })
}

/// A new number, or a change of the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// This.
    To(u32),
    /// More by this, at most the largest there is.
    Plus(u32),
    /// Less by this, at least zero.
    Minus(u32),
}

impl Amount {
    /// What becomes of `old`.
    #[must_use]
    pub const fn of(self, old: u32) -> u32 {
        match self {
            Self::To(new) => new,
            Self::Plus(more) => old.saturating_add(more),
            Self::Minus(less) => old.saturating_sub(less),
        }
    }
}

impl FromStr for Amount {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(more), _) => number(more).map(Self::Plus),
            (None, Some(less)) => number(less).map(Self::Minus),
            (None, None) => number(text).map(Self::To),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(new) => write!(f, "{new}"),
            Self::Plus(more) => write!(f, "+{more}"),
            Self::Minus(less) => write!(f, "-{less}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_three_forms() {
        for (text, low, high) in [("7", 7, 7), ("7-9", 7, 9), ("7-", 7, u32::MAX), ("0-4294967295", 0, u32::MAX)] {
            assert_eq!(text.parse(), Ok(Range { low, high }), "{text}");
        }
        assert_eq!("9-7".parse::<Range>(), Err(PatternError::Backwards("9-7".into())));
        for text in ["", "-", "-7", "x", "7-x", "7-8-9", "+7", " 7", "4294967296"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }

    #[test]
    fn changes_stop_at_the_ends() {
        let cases =
            [("50", 100, 50), ("+50", 100, 150), ("-50", 100, 50), ("-101", 100, 0), ("+1", u32::MAX, u32::MAX)];
        for (text, old, new) in cases {
            let amount: Amount = text.parse().unwrap();
            assert_eq!(amount.of(old), new, "{text}");
            assert_eq!(amount.to_string(), text);
        }
        for text in ["", "+", "-", "--1", "+-1", "1+"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }
}
