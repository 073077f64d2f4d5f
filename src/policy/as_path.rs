//! Patterns of AS paths, over whole AS numbers.
//!
//! ```text
//!   pattern  := [^] choice [$]              ^ and $ tie it to the beginning and the end; without, it may be anywhere
//!   choice   := sequence { | sequence }
//!   sequence := { item [* + ?] }            items in a row; _ and spaces may separate them
//!   item     := 64512                       this AS
//!             | .                           any one AS; so is [0-9]+
//!             | [64512-65534 65551]         one of these; [^...] one that is none of these
//!             | ( choice )
//! ```
//!
//! | pattern | paths |
//! |---|---|
//! | `^$` | empty: originated inside the AS |
//! | `^64512$` | one hop, AS 64512 |
//! | `^64512 .* 65001$` | from AS 65001 by way of the neighbour 64512 |
//! | `_64512_`, `64512` | AS 64512 is somewhere in the path |
//! | `^64512+ 65001?$` | 64512, once or more often, and perhaps 65001 behind it |
//!
//! Unlike a regular expression over text, `64512` never matches in 164512. An AS_SET is one hop (RFC 4271 9.1.2.2) and
//! matches an item if one of its members does.
//!
//! A pattern becomes the position automaton of Glushkov, its sets of positions bitmaps. Matching follows all positions
//! at once, in one pass over the path, without going back.

use std::fmt;
use std::iter::Peekable;
use std::str::{CharIndices, FromStr};
use std::sync::Arc;

use bgp::{AsPath, AsPathSegment};
use wire::Asn;

use crate::PatternError;
use crate::number::{Range, number};

/// Longest pattern, in characters.
pub const MAX_PATTERN: usize = 512;
/// Most parentheses in each other.
const MAX_DEPTH: usize = 16;
/// Most positions, the two of a pattern that is not tied down included.
const MAX_POSITIONS: usize = 256;

/// A pattern of AS paths.
#[derive(Clone)]
pub struct AsPathPattern {
    text: Arc<str>,
    automaton: Arc<Automaton>,
}

impl AsPathPattern {
    /// Whether `path` matches.
    #[must_use]
    pub fn matches(&self, path: &AsPath) -> bool {
        self.automaton.accepts(path)
    }
}

impl fmt::Display for AsPathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for AsPathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsPathPattern({})", self.text)
    }
}

impl PartialEq for AsPathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for AsPathPattern {}

impl FromStr for AsPathPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let found = text.chars().count();
        if found > MAX_PATTERN {
            return Err(PatternError::TooLong { found, limit: MAX_PATTERN });
        }
        let automaton =
            Parser { text, rest: text.char_indices().peekable(), automaton: Automaton::default() }.parse()?;
        Ok(Self { text: text.into(), automaton: Arc::new(automaton) })
    }
}

/// AS numbers of a path, a set being one hop. For conditions on length.
#[must_use]
pub fn hops(path: &AsPath) -> usize {
    tokens(path).count()
}

/// The AS a path begins at: its last number, if a sequence ends it.
#[must_use]
pub fn origin(path: &AsPath) -> Option<Asn> {
    match path.0.last()? {
        AsPathSegment::Sequence(numbers) => numbers.last().copied(),
        AsPathSegment::Set(_) => None,
    }
}

/// One hop.
#[derive(Clone, Copy)]
enum Token<'a> {
    One(Asn),
    Set(&'a [Asn]),
}

fn tokens(path: &AsPath) -> impl Iterator<Item = Token<'_>> {
    path.0.iter().flat_map(|segment| {
        let (sequence, set) = match segment {
            AsPathSegment::Sequence(numbers) => (numbers.as_slice(), None),
            AsPathSegment::Set(numbers) => (&[][..], Some(Token::Set(numbers))),
        };
        sequence.iter().copied().map(Token::One).chain(set)
    })
}

/// What a position matches.
#[derive(Clone, Debug)]
enum Class {
    Any,
    In(Vec<Range>),
    NotIn(Vec<Range>),
}

impl Class {
    fn holds(&self, token: Token<'_>) -> bool {
        match token {
            Token::One(asn) => self.holds_one(asn),
            Token::Set(numbers) => numbers.iter().any(|asn| self.holds_one(*asn)),
        }
    }

    fn holds_one(&self, asn: Asn) -> bool {
        let within = |ranges: &[Range]| ranges.iter().any(|range| range.holds(asn.0));
        match self {
            Self::Any => true,
            Self::In(ranges) => within(ranges),
            Self::NotIn(ranges) => !within(ranges),
        }
    }
}

/// A set of positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bits([u64; MAX_POSITIONS / 64]);

impl Bits {
    fn insert(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    const fn has(&self, at: usize) -> bool {
        self.0[at / 64] & 1 << (at % 64) != 0
    }

    fn union(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(one, other)| *one |= other);
        self
    }

    fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(word, mut bits)| {
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
                Some(word * 64 + bit)
            })
        })
    }
}

/// A part of a pattern: whether it matches nothing at all, where it can begin and where it can end.
#[derive(Clone, Copy, Debug)]
struct Part {
    nullable: bool,
    first: Bits,
    last: Bits,
}

impl Part {
    const EMPTY: Self =
        Self { nullable: true, first: Bits([0; MAX_POSITIONS / 64]), last: Bits([0; MAX_POSITIONS / 64]) };

    fn or(self, other: Self) -> Self {
        Self {
            nullable: self.nullable || other.nullable,
            first: self.first.union(other.first),
            last: self.last.union(other.last),
        }
    }
}

#[derive(Debug, Default)]
struct Automaton {
    classes: Vec<Class>,
    /// Positions that may come behind each.
    follow: Vec<Bits>,
    nullable: bool,
    first: Bits,
    last: Bits,
}

impl Automaton {
    fn accepts(&self, path: &AsPath) -> bool {
        let (mut may, mut ended) = (self.first, self.nullable);
        for token in tokens(path) {
            let mut next = Bits::default();
            ended = false;
            for at in may.iter().filter(|at| self.classes[*at].holds(token)) {
                next = next.union(self.follow[at]);
                ended |= self.last.has(at);
            }
            may = next;
        }
        ended
    }

    fn position(&mut self, class: Class) -> Result<Part, PatternError> {
        let at = self.classes.len();
        if at >= MAX_POSITIONS {
            return Err(PatternError::TooManyStates { limit: MAX_POSITIONS });
        }
        self.classes.push(class);
        self.follow.push(Bits::default());
        let mut only = Bits::default();
        only.insert(at);
        Ok(Part { nullable: false, first: only, last: only })
    }

    fn anything(&mut self) -> Result<Part, PatternError> {
        let any = self.position(Class::Any)?;
        Ok(Part { nullable: true, ..self.repeated(any) })
    }

    fn repeated(&mut self, part: Part) -> Part {
        self.connect(part.last, part.first);
        part
    }

    fn row(&mut self, one: Part, other: Part) -> Part {
        self.connect(one.last, other.first);
        Part {
            nullable: one.nullable && other.nullable,
            first: if one.nullable { one.first.union(other.first) } else { one.first },
            last: if other.nullable { one.last.union(other.last) } else { other.last },
        }
    }

    fn connect(&mut self, from: Bits, to: Bits) {
        for at in from.iter() {
            self.follow[at] = self.follow[at].union(to);
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    automaton: Automaton,
}

impl Parser<'_> {
    fn parse(mut self) -> Result<Automaton, PatternError> {
        self.skip_separators(false);
        let from_start = self.take('^');
        let whole = self.choice(0)?;
        let to_end = self.take('$');
        self.skip_separators(true);
        if let Some((at, found)) = self.rest.next() {
            return Err(self.unexpected(at, found));
        }
        let before = if from_start { Part::EMPTY } else { self.automaton.anything()? };
        let whole = self.automaton.row(before, whole);
        let behind = if to_end { Part::EMPTY } else { self.automaton.anything()? };
        let Part { nullable, first, last } = self.automaton.row(whole, behind);
        Ok(Automaton { nullable, first, last, ..self.automaton })
    }

    fn choice(&mut self, depth: usize) -> Result<Part, PatternError> {
        let mut choice = self.sequence(depth)?;
        while self.take('|') {
            choice = choice.or(self.sequence(depth)?);
        }
        Ok(choice)
    }

    fn sequence(&mut self, depth: usize) -> Result<Part, PatternError> {
        let mut sequence = Part::EMPTY;
        loop {
            self.skip_separators(true);
            let Some(item) = self.item(depth)? else { return Ok(sequence) };
            let item = self.quantified(item);
            sequence = self.automaton.row(sequence, item);
        }
    }

    fn quantified(&mut self, item: Part) -> Part {
        if self.take('*') {
            Part { nullable: true, ..self.automaton.repeated(item) }
        } else if self.take('+') {
            self.automaton.repeated(item)
        } else if self.take('?') {
            Part { nullable: true, ..item }
        } else {
            item
        }
    }

    fn item(&mut self, depth: usize) -> Result<Option<Part>, PatternError> {
        match self.rest.peek().map(|(_, found)| *found) {
            Some('0'..='9') => {
                let asn = self.number()?;
                // `6451[0-9]`: over text this takes a number apart.
                if self.rest.peek().is_some_and(|(_, next)| *next == '[') {
                    return Err(PatternError::PartOfNumber { text: self.text.to_owned() });
                }
                self.automaton.position(Class::In(vec![Range::only(asn)])).map(Some)
            }
            Some('.') => {
                self.rest.next();
                self.automaton.position(Class::Any).map(Some)
            }
            Some('[') => self.class().map(Some),
            Some('(') => {
                self.rest.next();
                if depth >= MAX_DEPTH {
                    return Err(PatternError::TooDeep { limit: MAX_DEPTH });
                }
                let inner = self.choice(depth + 1)?;
                if self.take(')') { Ok(Some(inner)) } else { Err(self.stuck("`)`")) }
            }
            Some(_) | None => Ok(None),
        }
    }

    fn class(&mut self) -> Result<Part, PatternError> {
        self.rest.next();
        let none_of = self.take('^');
        let mut ranges = Vec::new();
        loop {
            while self.take(' ') || self.take(',') {}
            if self.take(']') {
                break;
            }
            if !self.rest.peek().is_some_and(|(_, next)| next.is_ascii_digit()) {
                return Err(self.stuck("an AS number or `]`"));
            }
            let low = self.number()?;
            let high = if self.take('-') { self.number()? } else { low };
            if low > high {
                return Err(PatternError::Backwards(format!("{low}-{high}")));
            }
            ranges.push(Range { low, high });
        }
        let digits = [Range { low: 0, high: 9 }];
        let next = self.rest.peek().map(|(_, next)| *next);
        if next.is_some_and(|next| next.is_ascii_digit()) {
            return Err(PatternError::PartOfNumber { text: self.text.to_owned() });
        }
        // `[0-9]+` over text is any one number, and `[0-9]*` that or nothing.
        if ranges == digits && !none_of && (self.take('+') || self.take('*')) {
            let any = self.automaton.position(Class::Any)?;
            return Ok(Part { nullable: next == Some('*'), ..any });
        }
        if ranges.is_empty() {
            return Err(PatternError::Unfinished {
                text: self.text.to_owned(),
                expected: "an AS number between `[` and `]`",
            });
        }
        self.automaton.position(if none_of { Class::NotIn(ranges) } else { Class::In(ranges) })
    }

    fn number(&mut self) -> Result<u32, PatternError> {
        let mut digits = String::new();
        while let Some((_, digit)) = self.rest.next_if(|(_, next)| next.is_ascii_digit()) {
            digits.push(digit);
        }
        if digits.is_empty() { Err(self.stuck("an AS number")) } else { number(&digits) }
    }

    fn take(&mut self, wanted: char) -> bool {
        self.rest.next_if(|(_, next)| *next == wanted).is_some()
    }

    fn skip_separators(&mut self, underscore: bool) {
        while self.rest.next_if(|(_, next)| *next == ' ' || underscore && *next == '_').is_some() {}
    }

    fn stuck(&mut self, expected: &'static str) -> PatternError {
        match self.rest.next() {
            Some((at, found)) => self.unexpected(at, found),
            None => PatternError::Unfinished { text: self.text.to_owned(), expected },
        }
    }

    fn unexpected(&self, at: usize, found: char) -> PatternError {
        let at = self.text[..at].chars().count() + 1;
        PatternError::Unexpected { found, at, text: self.text.to_owned() }
    }
}

#[cfg(test)]
#[path = "as_path/tests.rs"]
mod tests;
