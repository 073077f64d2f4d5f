//! Communities of all three kinds: their text, and patterns of them.
//!
//! | text | kind |
//! |---|---|
//! | `64512:100`, `no-export`, `graceful-shutdown` | standard (RFC 1997) |
//! | `64512:1:2` | large (RFC 8092) |
//! | `rt:64512:100`, `soo:192.0.2.1:5`, `link-bandwidth:64512:1Gbps`, `0x4004...` | extended (RFC 4360, RFC 5668) |
//!
//! In a pattern a number may be a range (`100-200`) or `*`, and behind `rt:`, `soo:` and `link-bandwidth:` may be one `*`
//! for all that follows.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use bgp::Attributes;

use crate::PatternError;
use crate::number::Range;

/// One community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Community {
    /// RFC 1997.
    Standard(u32),
    /// RFC 4360.
    Extended([u8; 8]),
    /// RFC 8092.
    Large([u32; 3]),
}

impl Community {
    /// RFC 1997: not to external peers.
    pub const NO_EXPORT: u32 = 0xffff_ff01;
    /// RFC 1997: to no peer.
    pub const NO_ADVERTISE: u32 = 0xffff_ff02;
    /// RFC 1997: not to external peers, not even of our own confederation.
    pub const NO_EXPORT_SUBCONFED: u32 = 0xffff_ff03;
    /// RFC 8326: the path is about to go away.
    pub const GRACEFUL_SHUTDOWN: u32 = 0xffff_0000;
}

/// Registered standard communities by name.
const NAMES: [(&str, u32); 9] = [
    ("graceful-shutdown", Community::GRACEFUL_SHUTDOWN),
    ("accept-own", 0xffff_0001),
    ("llgr-stale", 0xffff_0006),
    ("no-llgr", 0xffff_0007),
    ("blackhole", 0xffff_029a),
    ("no-export", Community::NO_EXPORT),
    ("no-advertise", Community::NO_ADVERTISE),
    ("no-export-subconfed", Community::NO_EXPORT_SUBCONFED),
    ("no-peer", 0xffff_ff04),
];

/// The names that stand for standard communities.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(value) => match NAMES.iter().find(|(_, known)| known == value) {
                Some((name, _)) => f.write_str(name),
                None => write!(f, "{}:{}", value >> 16, value & 0xffff),
            },
            Self::Large([global, first, second]) => write!(f, "{global}:{first}:{second}"),
            Self::Extended(octets) => match Extended::read(*octets) {
                Some(known) => known.fmt(f),
                None => write!(f, "0x{:016x}", u64::from_be_bytes(*octets)),
            },
        }
    }
}

impl FromStr for Community {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        text.parse::<CommunityPattern>()?.only().ok_or_else(|| PatternError::Wildcard(text.to_owned()))
    }
}

/// All communities of a route, in their text forms: standard, large, extended.
pub fn texts(attributes: &Attributes) -> impl Iterator<Item = String> + '_ {
    let standard = attributes.communities.iter().map(|value| Community::Standard(*value));
    let large = attributes.large_communities.iter().map(|value| Community::Large(*value));
    let extended = attributes.extended_communities.iter().map(|value| Community::Extended(*value));
    standard.chain(large).chain(extended).map(|community| community.to_string())
}

/// A pattern of communities of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommunityPattern {
    /// AS number and value.
    Standard([Range; 2]),
    /// Global administrator and two values.
    Large([Range; 3]),
    /// Of one meaning, whichever of its encodings.
    Extended {
        /// What it says.
        kind: ExtendedKind,
        /// AS number or address.
        administrator: Range,
        /// What is behind it.
        value: Range,
    },
    /// Exactly these octets.
    Octets([u8; 8]),
}

/// What an extended community says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedKind {
    /// RFC 4360 4.
    RouteTarget,
    /// RFC 4360 5.
    RouteOrigin,
    /// draft-ietf-idr-link-bandwidth: octets per second as an IEEE 754 number.
    LinkBandwidth,
}

impl ExtendedKind {
    const ALL: [Self; 3] = [Self::RouteTarget, Self::RouteOrigin, Self::LinkBandwidth];

    const fn word(self) -> &'static str {
        match self {
            Self::RouteTarget => "rt",
            Self::RouteOrigin => "soo",
            Self::LinkBandwidth => "link-bandwidth",
        }
    }

    const fn sub_type(self) -> u8 {
        match self {
            Self::RouteTarget => 0x02,
            Self::RouteOrigin => 0x03,
            Self::LinkBandwidth => 0x04,
        }
    }
}

/// RFC 4360 3: what the first octet says of the six behind the second. RFC 5668: four-octet AS numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    TwoOctetAs,
    Address,
    FourOctetAs,
}

/// An extended community that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extended {
    kind: ExtendedKind,
    layout: Layout,
    administrator: u32,
    value: u32,
}

/// Type bit: it does not leave its AS.
const NON_TRANSITIVE: u8 = 0x40;

impl Extended {
    fn read(octets: [u8; 8]) -> Option<Self> {
        let [high, sub_type, a, b, c, d, e, f] = octets;
        let (layout, administrator, value) = match high & !NON_TRANSITIVE {
            0 => (Layout::TwoOctetAs, u32::from_be_bytes([0, 0, a, b]), u32::from_be_bytes([c, d, e, f])),
            1 => (Layout::Address, u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([0, 0, e, f])),
            2 => (Layout::FourOctetAs, u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([0, 0, e, f])),
            _ => return None,
        };
        let kind = ExtendedKind::ALL.into_iter().find(|kind| kind.sub_type() == sub_type)?;
        let expected = match kind {
            ExtendedKind::RouteTarget | ExtendedKind::RouteOrigin => high & NON_TRANSITIVE == 0,
            ExtendedKind::LinkBandwidth => layout == Layout::TwoOctetAs,
        };
        expected.then_some(Self { kind, layout, administrator, value })
    }

    fn octets(self) -> Option<[u8; 8]> {
        let [a, b, c, d] = self.administrator.to_be_bytes();
        let [e, f, g, h] = self.value.to_be_bytes();
        let sub_type = self.kind.sub_type();
        let high = match self.kind {
            ExtendedKind::RouteTarget | ExtendedKind::RouteOrigin => 0,
            ExtendedKind::LinkBandwidth => NON_TRANSITIVE,
        };
        match self.layout {
            Layout::TwoOctetAs if self.administrator <= 0xffff => Some([high, sub_type, c, d, e, f, g, h]),
            Layout::Address if self.value <= 0xffff => Some([high | 1, sub_type, a, b, c, d, g, h]),
            Layout::FourOctetAs if self.value <= 0xffff => Some([high | 2, sub_type, a, b, c, d, g, h]),
            Layout::TwoOctetAs | Layout::Address | Layout::FourOctetAs => None,
        }
    }
}

impl fmt::Display for Extended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, layout, administrator, value } = *self;
        let word = kind.word();
        match (kind, layout) {
            (ExtendedKind::LinkBandwidth, _) => write!(f, "{word}:{administrator}:{}", f32::from_bits(value)),
            (_, Layout::Address) => write!(f, "{word}:{}:{value}", Ipv4Addr::from(administrator)),
            (_, Layout::TwoOctetAs | Layout::FourOctetAs) => write!(f, "{word}:{administrator}:{value}"),
        }
    }
}

impl CommunityPattern {
    /// Whether `community` is one of those it stands for.
    #[must_use]
    pub fn matches(&self, community: Community) -> bool {
        match (self, community) {
            (Self::Standard([asn, value]), Community::Standard(found)) => {
                asn.holds(found >> 16) && value.holds(found & 0xffff)
            }
            (Self::Large(parts), Community::Large(found)) => {
                parts.iter().zip(found).all(|(part, found)| part.holds(found))
            }
            (Self::Octets(octets), Community::Extended(found)) => *octets == found,
            (Self::Extended { kind, administrator, value }, Community::Extended(found)) => Extended::read(found)
                .is_some_and(|found| {
                    found.kind == *kind && administrator.holds(found.administrator) && value.holds(found.value)
                }),
            (Self::Standard(_) | Self::Large(_) | Self::Extended { .. } | Self::Octets(_), _) => false,
        }
    }

    /// Whether a route carries one.
    #[must_use]
    pub fn is_in(&self, attributes: &Attributes) -> bool {
        match self {
            Self::Standard(_) => attributes.communities.iter().any(|value| self.matches(Community::Standard(*value))),
            Self::Large(_) => attributes.large_communities.iter().any(|value| self.matches(Community::Large(*value))),
            Self::Extended { .. } | Self::Octets(_) => {
                attributes.extended_communities.iter().any(|value| self.matches(Community::Extended(*value)))
            }
        }
    }

    /// The community, if it stands for one alone.
    #[must_use]
    pub fn only(&self) -> Option<Community> {
        let one = |range: &Range| (range.low == range.high).then_some(range.low);
        match self {
            Self::Standard([asn, value]) => Some(Community::Standard(one(asn)? << 16 | one(value)?)),
            Self::Large([a, b, c]) => Some(Community::Large([one(a)?, one(b)?, one(c)?])),
            Self::Octets(octets) => Some(Community::Extended(*octets)),
            Self::Extended { kind, administrator, value } => {
                let (administrator, value) = (one(administrator)?, one(value)?);
                let layout = if administrator <= 0xffff { Layout::TwoOctetAs } else { Layout::FourOctetAs };
                Extended { kind: *kind, layout, administrator, value }.octets().map(Community::Extended)
            }
        }
    }
}

impl FromStr for CommunityPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if let Some((_, value)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Standard([Range::only(value >> 16), Range::only(value & 0xffff)]));
        }
        let malformed = || PatternError::Community(text.to_owned());
        if let Some(digits) = text.strip_prefix("0x") {
            let octets = u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16).ok_or_else(malformed)?;
            return Ok(Self::Octets(octets.to_be_bytes()));
        }
        let (first, rest) = text.split_once(':').ok_or_else(malformed)?;
        if let Some(kind) = ExtendedKind::ALL.into_iter().find(|kind| kind.word() == first) {
            return extended(kind, rest, text);
        }
        let parts = text.split(':').map(|word| part(word, text)).collect::<Result<Vec<_>, _>>()?;
        match *parts.as_slice() {
            [asn, value] => {
                let limit = u64::from(u16::MAX);
                let large =
                    [asn, value].into_iter().find(|range| *range != Range::ALL && u64::from(range.high) > limit);
                match large {
                    Some(Range { high: u32::MAX, .. }) | None => Ok(Self::Standard([asn, value])),
                    Some(range) => Err(PatternError::TooLarge { found: range.high.to_string(), limit }),
                }
            }
            [global, one, two] => Ok(Self::Large([global, one, two])),
            _ => Err(malformed()),
        }
    }
}

fn part(word: &str, text: &str) -> Result<Range, PatternError> {
    match word {
        "*" => Ok(Range::ALL),
        _ if word.starts_with(|first: char| first.is_ascii_digit())
            && word.bytes().all(|b| b.is_ascii_digit() || b == b'-') =>
        {
            word.parse()
        }
        _ => Err(PatternError::Community(text.to_owned())),
    }
}

fn extended(kind: ExtendedKind, rest: &str, text: &str) -> Result<CommunityPattern, PatternError> {
    if rest == "*" {
        return Ok(CommunityPattern::Extended { kind, administrator: Range::ALL, value: Range::ALL });
    }
    let (first, second) = rest.split_once(':').ok_or_else(|| PatternError::Community(text.to_owned()))?;
    let address = first.parse::<Ipv4Addr>().ok();
    let administrator = match address {
        Some(address) => Range::only(address.into()),
        None => part(first, text)?,
    };
    let value = match kind {
        ExtendedKind::LinkBandwidth if second != "*" => Range::only(bandwidth(second, text)?.to_bits()),
        ExtendedKind::LinkBandwidth | ExtendedKind::RouteTarget | ExtendedKind::RouteOrigin => part(second, text)?,
    };
    let pattern = CommunityPattern::Extended { kind, administrator, value };
    let single = administrator.low == administrator.high && value.low == value.high;
    let layout = match address {
        Some(_) => Layout::Address,
        None if administrator.low <= 0xffff => Layout::TwoOctetAs,
        None => Layout::FourOctetAs,
    };
    if !single {
        return Ok(pattern);
    }
    let octets = Extended { kind, layout, administrator: administrator.low, value: value.low }.octets();
    match (octets, address) {
        (None, _) => Err(PatternError::TooLarge { found: second.to_owned(), limit: u16::MAX.into() }),
        // The address form is one of two encodings of the same number, so it is meant to the octet.
        (Some(octets), Some(_)) => Ok(CommunityPattern::Octets(octets)),
        (Some(_), None) => Ok(pattern),
    }
}

/// Octets per second: a number of them, or bits with a unit.
fn bandwidth(word: &str, text: &str) -> Result<f32, PatternError> {
    const UNITS: [(&str, f32); 4] = [("Gbps", 125e6), ("Mbps", 125e3), ("kbps", 125.0), ("bps", 0.125)];
    let (digits, scale) =
        UNITS.iter().find_map(|(unit, scale)| Some((word.strip_suffix(unit)?, *scale))).unwrap_or((word, 1.0));
    let octets = digits.parse::<f32>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    let octets = octets.map(|octets| octets * scale).filter(|octets| octets.is_finite());
    octets.ok_or_else(|| PatternError::Community(text.to_owned()))
}

impl fmt::Display for CommunityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(only) = self.only() {
            return only.fmt(f);
        }
        let part = |range: &Range| if *range == Range::ALL { "*".to_owned() } else { range.to_string() };
        match self {
            Self::Standard([asn, value]) => write!(f, "{}:{}", part(asn), part(value)),
            Self::Large([a, b, c]) => write!(f, "{}:{}:{}", part(a), part(b), part(c)),
            Self::Extended { kind, administrator, value } if (administrator, value) == (&Range::ALL, &Range::ALL) => {
                write!(f, "{}:*", kind.word())
            }
            Self::Extended { kind, administrator, value } => {
                write!(f, "{}:{}:{}", kind.word(), part(administrator), part(value))
            }
            Self::Octets(octets) => Community::Extended(*octets).fmt(f),
        }
    }
}

#[cfg(test)]
#[path = "community/tests.rs"]
mod tests;
