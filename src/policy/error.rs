//! What can be wrong with a pattern or a set of policies.

/// Why a text is not the pattern or value it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Longer than any sensible pattern.
    #[error("the pattern has {found} characters, {limit} are allowed")]
    TooLong {
        /// Characters found.
        found: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// More parentheses in each other than any sensible pattern.
    #[error("more than {limit} parentheses in each other")]
    TooDeep {
        /// Parentheses allowed.
        limit: usize,
    },
    /// More AS numbers and wildcards than the automaton has states for.
    #[error("more than {limit} AS numbers and wildcards in one pattern")]
    TooManyStates {
        /// States allowed.
        limit: usize,
    },
    /// A character that means nothing here.
    #[error("`{found}` means nothing at position {at} of `{text}`")]
    Unexpected {
        /// The character.
        found: char,
        /// Where, from one.
        at: usize,
        /// The whole text.
        text: String,
    },
    /// Something is missing at the end.
    #[error("`{text}` ends where {expected} should follow")]
    Unfinished {
        /// The whole text.
        text: String,
        /// What should follow.
        expected: &'static str,
    },
    /// `64[0-9]`: a part of a number.
    #[error("`{text}` takes a number apart; a pattern matches whole AS numbers, ranges are `[64512-64520]`")]
    PartOfNumber {
        /// The whole text.
        text: String,
    },
    /// A number that does not fit.
    #[error("{found} is above {limit}")]
    TooLarge {
        /// As written.
        found: String,
        /// The largest that fits.
        limit: u64,
    },
    /// A range from a larger to a smaller number.
    #[error("the range `{0}` runs backwards")]
    Backwards(String),
    /// Not a number, range or change of one.
    #[error("`{0}` is not a number")]
    Number(String),
    /// Not a community.
    #[error("`{0}` is not a community")]
    Community(String),
    /// A community that stands for many where one is needed.
    #[error("`{0}` stands for many communities, and one is needed here")]
    Wildcard(String),
}

/// Why policies cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicySetError {
    /// A policy calls itself, directly or by others.
    #[error("policy `{policy}` calls itself")]
    Loop {
        /// Its name.
        policy: String,
    },
    /// Calls are nested too deeply.
    #[error("policy `{policy}` calls others more than {limit} deep")]
    TooDeep {
        /// Its name.
        policy: String,
        /// How deep calls may be.
        limit: usize,
    },
    /// A call of a policy that is not in the set.
    #[error("policy `{policy}` calls number {callee}, which there is not")]
    NoCallee {
        /// Its name.
        policy: String,
        /// What it calls.
        callee: usize,
    },
}
