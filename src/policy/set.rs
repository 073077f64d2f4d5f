//! What a rule changes of a route.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bgp::{AsPath, AsPathSegment, Attributes, Origin};
use wire::Asn;

use crate::condition::origin_word;
use crate::list::write_all;
use crate::{Amount, Community, CommunityPattern};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// LOCAL_PREF.
    LocalPreference(Amount),
    /// MULTI_EXIT_DISC; an absent one counts as 0.
    Med(Amount),
    /// No MULTI_EXIT_DISC.
    NoMed,
    /// More in front of the AS path.
    Prepend(Prepend),
    /// These as well.
    AddCommunities(Vec<Community>),
    /// None of these.
    RemoveCommunities(Vec<CommunityPattern>),
    /// These, and no other.
    ReplaceCommunities(Vec<Community>),
    /// ORIGIN.
    Origin(Origin),
    /// Where the route leads.
    NextHop(NextHop),
}

/// What comes in front of an AS path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepend {
    /// On export our own AS, on import that of the peer, so many times.
    Times(u8),
    /// These, the first in front.
    List(Vec<Asn>),
}

/// Where a route is made to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// Our own end of the session: what is announced otherwise, too, unless something else keeps a received one.
    Own,
    /// The peer's end of the session, whatever it announces.
    Peer,
    /// This address, on the session's link.
    Address(IpAddr),
}

/// Changes of one route, in order. Those of one rule are shared, so equal pointers mean equal changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Changes {
    /// Nothing changes.
    #[default]
    None,
    /// What one rule sets.
    One(Arc<[Set]>),
    /// What several rules set.
    Many(Vec<Arc<[Set]>>),
}

impl Changes {
    /// Whether nothing changes.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The changes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Set> {
        self.groups().iter().flat_map(|sets| sets.iter())
    }

    /// Whether both are the same changes by the same rules; cheap, for callers that keep what they made of the last.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let (one, other) = (self.groups(), other.groups());
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// The next hop they ask for, the last one if several.
    #[must_use]
    pub fn next_hop(&self) -> Option<NextHop> {
        let next_hops =
            self.iter().filter_map(|set| if let Set::NextHop(next_hop) = set { Some(*next_hop) } else { None });
        next_hops.last()
    }

    /// Makes them. `repeat` is the AS that [`Prepend::Times`] stands for. The next hop is the caller's.
    pub fn make(&self, attributes: &mut Attributes, repeat: Asn) {
        self.iter().for_each(|set| set.make(attributes, repeat));
    }

    pub(crate) fn push(&mut self, sets: &Arc<[Set]>) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(Arc::clone(sets)),
            Self::One(first) => Self::Many(vec![first, Arc::clone(sets)]),
            Self::Many(mut all) => {
                all.push(Arc::clone(sets));
                Self::Many(all)
            }
        };
    }

    fn groups(&self) -> &[Arc<[Set]>] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Set {
    fn make(&self, attributes: &mut Attributes, repeat: Asn) {
        match self {
            Self::LocalPreference(amount) => {
                attributes.local_preference = Some(amount.of(attributes.local_preference.unwrap_or(0)));
            }
            Self::Med(amount) => attributes.med = Some(amount.of(attributes.med.unwrap_or(0))),
            Self::NoMed => attributes.med = None,
            Self::Prepend(Prepend::Times(times)) => {
                prepend(&mut attributes.as_path, &vec![repeat; usize::from(*times)])
            }
            Self::Prepend(Prepend::List(list)) => prepend(&mut attributes.as_path, list),
            Self::AddCommunities(communities) => communities.iter().for_each(|community| add(attributes, *community)),
            Self::RemoveCommunities(patterns) => patterns.iter().for_each(|pattern| remove(attributes, pattern)),
            Self::ReplaceCommunities(communities) => {
                attributes.communities.clear();
                if let Some(rare) = attributes.rare.present_mut() {
                    rare.extended_communities.clear();
                    rare.large_communities.clear();
                }
                communities.iter().for_each(|community| add(attributes, *community));
            }
            Self::Origin(origin) => attributes.origin = *origin,
            Self::NextHop(_) => {}
        }
    }
}

fn prepend(path: &mut AsPath, numbers: &[Asn]) {
    if numbers.is_empty() {
        return;
    }
    match path.0.first_mut() {
        Some(AsPathSegment::Sequence(first)) => drop(first.splice(0..0, numbers.iter().copied())),
        Some(AsPathSegment::Set(_)) | None => path.0.insert(0, AsPathSegment::Sequence(numbers.to_vec())),
    }
}

/// Each at most once (RFC 8092 5 for large ones).
fn add(attributes: &mut Attributes, community: Community) {
    fn once<T: PartialEq>(list: &mut Vec<T>, value: T) {
        if !list.contains(&value) {
            list.push(value);
        }
    }
    match community {
        Community::Standard(value) => once(&mut attributes.communities, value),
        Community::Extended(value) => once(&mut attributes.extended_communities, value),
        Community::Large(value) => once(&mut attributes.large_communities, value),
    }
}

fn remove(attributes: &mut Attributes, pattern: &CommunityPattern) {
    match pattern {
        CommunityPattern::Standard(_) => {
            attributes.communities.retain(|value| !pattern.matches(Community::Standard(*value)));
        }
        CommunityPattern::Large(_) => {
            if let Some(rare) = attributes.rare.present_mut() {
                rare.large_communities.retain(|value| !pattern.matches(Community::Large(*value)));
            }
        }
        CommunityPattern::Extended { .. } | CommunityPattern::Octets(_) => {
            if let Some(rare) = attributes.rare.present_mut() {
                rare.extended_communities.retain(|value| !pattern.matches(Community::Extended(*value)));
            }
        }
    }
}

/// As in a configuration.
impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |f: &mut fmt::Formatter<'_>, verb: &str, list: &[Community]| {
            write!(f, "{verb} communities ")?;
            write_all(f, list)
        };
        match self {
            Self::LocalPreference(amount) => write!(f, "local-preference {amount}"),
            Self::Med(amount) => write!(f, "med {amount}"),
            Self::NoMed => f.write_str("med none"),
            Self::Prepend(Prepend::Times(times)) => write!(f, "prepend {times} times"),
            Self::Prepend(Prepend::List(list)) => {
                f.write_str("prepend ")?;
                write_all(f, list)
            }
            Self::AddCommunities(list) => all(f, "add", list),
            Self::ReplaceCommunities(list) if list.is_empty() => f.write_str("remove all communities"),
            Self::ReplaceCommunities(list) => all(f, "replace by", list),
            Self::RemoveCommunities(patterns) => {
                f.write_str("remove communities ")?;
                write_all(f, patterns)
            }
            Self::Origin(origin) => write!(f, "origin {}", origin_word(*origin)),
            Self::NextHop(NextHop::Own) => f.write_str("next-hop self"),
            Self::NextHop(NextHop::Peer) => f.write_str("next-hop peer"),
            Self::NextHop(NextHop::Address(address)) => write!(f, "next-hop {address}"),
        }
    }
}
