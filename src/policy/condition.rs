//! What a rule asks of a route.

use std::fmt;
use std::sync::Arc;

use bgp::{AsPath, Family, Origin};

use crate::list::write_all;
use crate::{AsPathList, CommunityList, Named, PrefixList, PrefixVerdict, Range, Route, Source, as_path};

/// One condition; all of a rule must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// One of the lists permits the prefix.
    Prefix(Vec<Named<PrefixList>>),
    /// The prefix is this long.
    PrefixLength(Range),
    /// The prefix is of this family.
    Family(Family),
    /// One of the lists holds the AS path.
    AsPath(Vec<Named<AsPathList>>),
    /// The AS path has this many hops, a set being one.
    AsPathLength(Range),
    /// The AS path begins at one of these, the last of it. An empty path has none.
    OriginAs(Vec<Range>),
    /// What it carries of these communities.
    Communities(Quantifier, Vec<Named<CommunityList>>),
    /// The next hop lies in one of these prefixes.
    NextHop(PrefixList),
    /// ORIGIN is one of these.
    Origin(Vec<Origin>),
    /// It was learned in one of these sessions.
    Peer(Vec<NamePattern>),
    /// MED is one of these; absent counts as 0 (RFC 4271 9.1.2.2 c).
    Med(Range),
    /// LOCAL_PREF is one of these.
    LocalPreference(Range),
    /// It comes from one of these.
    Source(Vec<Source>),
}

/// How many of the communities of lists a route must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// At least one.
    Any,
    /// Each pattern has one.
    All,
    /// Not one.
    None,
}

/// The name of a session, perhaps with `*` at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(pub Arc<str>);

impl NamePattern {
    /// Whether `name` is one of those it stands for.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => !name.is_empty() && name.starts_with(start),
            None => *self.0 == *name,
        }
    }
}

impl Condition {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, route: &Route<'_>) -> bool {
        let attributes = route.attributes;
        match self {
            Self::Prefix(lists) => lists.iter().any(|list| permits(&list.list, route)),
            Self::PrefixLength(range) => range.holds(route.prefix.prefix_len().into()),
            Self::Family(family) => Family::of(&route.prefix) == *family,
            Self::AsPath(lists) => lists.iter().any(|list| list.list.holds(&attributes.as_path)),
            Self::AsPathLength(range) => range.holds(length(&attributes.as_path)),
            Self::OriginAs(ranges) => {
                let origin = as_path::origin(&attributes.as_path);
                origin.is_some_and(|asn| ranges.iter().any(|range| range.holds(asn.0)))
            }
            Self::Communities(quantifier, lists) => {
                let mut patterns = lists.iter().flat_map(|list| &list.list.0);
                match quantifier {
                    Quantifier::Any => patterns.any(|pattern| pattern.is_in(attributes)),
                    Quantifier::All => patterns.all(|pattern| pattern.is_in(attributes)),
                    Quantifier::None => !patterns.any(|pattern| pattern.is_in(attributes)),
                }
            }
            Self::NextHop(list) => route
                .next_hop
                .is_some_and(|address| matches!(list.consult(&address.into()), PrefixVerdict::Permit { .. })),
            Self::Origin(origins) => origins.contains(&attributes.origin),
            Self::Peer(names) => names.iter().any(|name| name.matches(route.peer)),
            Self::Med(range) => range.holds(attributes.med.unwrap_or(0)),
            Self::LocalPreference(range) => range.holds(route.local_preference),
            Self::Source(sources) => sources.contains(&route.source),
        }
    }

    /// Whether it holds for a default route because a line names exactly that.
    pub(crate) fn names_default(&self, route: &Route<'_>) -> bool {
        let Self::Prefix(lists) = self else { return false };
        lists.iter().any(|list| match list.list.consult(&route.prefix) {
            PrefixVerdict::Permit { line } => list.list.lines()[line].names_default(),
            PrefixVerdict::Deny { .. } | PrefixVerdict::NoMatch => false,
        })
    }
}

fn permits(list: &PrefixList, route: &Route<'_>) -> bool {
    matches!(list.consult(&route.prefix), PrefixVerdict::Permit { .. })
}

fn length(path: &AsPath) -> u32 {
    u32::try_from(as_path::hops(path)).unwrap_or(u32::MAX)
}

/// As in a configuration.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, key: &str, items: &[T]) -> fmt::Result {
            write!(f, "{key} ")?;
            write_all(f, items)
        }
        match self {
            Self::Prefix(lists) => list(f, "prefix in", lists),
            Self::PrefixLength(range) => write!(f, "prefix-length {range}"),
            Self::Family(family) => write!(f, "family {family}"),
            Self::AsPath(lists) => list(f, "as-path in", lists),
            Self::AsPathLength(range) => write!(f, "as-path-length {range}"),
            Self::OriginAs(ranges) => list(f, "origin-as", ranges),
            Self::Communities(Quantifier::Any, lists) => list(f, "any community of", lists),
            Self::Communities(Quantifier::All, lists) => list(f, "all communities of", lists),
            Self::Communities(Quantifier::None, lists) => list(f, "no community of", lists),
            Self::NextHop(prefixes) => write!(f, "next-hop in {prefixes}"),
            Self::Origin(origins) => {
                write!(f, "origin ")?;
                write_all(f, &origins.iter().map(|origin| origin_word(*origin)).collect::<Vec<_>>())
            }
            Self::Peer(names) => list(f, "peer", names),
            Self::Med(range) => write!(f, "med {range}"),
            Self::LocalPreference(range) => write!(f, "local-preference {range}"),
            Self::Source(sources) => list(f, "source", sources),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) const fn origin_word(origin: Origin) -> &'static str {
    match origin {
        Origin::Igp => "igp",
        Origin::Egp => "egp",
        Origin::Incomplete => "incomplete",
    }
}
