//! Attributes that few routes have, apart from the others: a full table has a set of attributes for every few prefixes,
//! and most of them have none of these. What is not there takes the room of one pointer.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::net::Ipv4Addr;
use std::ops::{Deref, DerefMut};

use wire::{Asn, RouterId};

use crate::{Attributes, UnknownAttribute};

/// [`RareAttributes`], if there are any. Having none and having only empty ones is the same.
#[derive(Clone, Debug, Default)]
pub struct Rare(Option<Box<RareAttributes>>);

/// Attributes that few routes have.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RareAttributes {
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR.
    pub aggregator: Option<(Asn, Ipv4Addr)>,
    /// EXTENDED COMMUNITIES (RFC 4360).
    pub extended_communities: Vec<[u8; 8]>,
    /// LARGE_COMMUNITY (RFC 8092).
    pub large_communities: Vec<[u32; 3]>,
    /// ORIGINATOR_ID (RFC 4456).
    pub originator_id: Option<RouterId>,
    /// CLUSTER_LIST (RFC 4456).
    pub cluster_list: Vec<Ipv4Addr>,
    /// ONLY_TO_CUSTOMER (RFC 9234 5): who sent the route down to a customer or across to a peer.
    pub only_to_customer: Option<Asn>,
    /// Optional transitive attributes we do not know, passed on with the Partial bit (RFC 4271 9), by type.
    pub unknown: Vec<UnknownAttribute>,
}

/// What those have that have none.
static NONE: RareAttributes = RareAttributes {
    atomic_aggregate: false,
    aggregator: None,
    extended_communities: Vec::new(),
    large_communities: Vec::new(),
    originator_id: None,
    cluster_list: Vec::new(),
    only_to_customer: None,
    unknown: Vec::new(),
};

impl Deref for Attributes {
    type Target = RareAttributes;

    fn deref(&self) -> &RareAttributes {
        self.rare.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for Attributes {
    fn deref_mut(&mut self) -> &mut RareAttributes {
        self.rare.0.get_or_insert_default()
    }
}

impl Rare {
    /// Those there are, to be changed; `None` if there are none, so that nothing is made only to be cleared.
    pub fn present_mut(&mut self) -> Option<&mut RareAttributes> {
        self.0.as_deref_mut()
    }

    /// Those that are worth a name.
    fn present(&self) -> Option<&RareAttributes> {
        self.0.as_deref().filter(|rare| **rare != NONE)
    }
}

impl From<RareAttributes> for Rare {
    fn from(rare: RareAttributes) -> Self {
        Self((rare != NONE).then(|| Box::new(rare)))
    }
}

impl PartialEq for Rare {
    fn eq(&self, other: &Self) -> bool {
        self.present() == other.present()
    }
}

impl Eq for Rare {}

impl PartialOrd for Rare {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rare {
    fn cmp(&self, other: &Self) -> Ordering {
        self.present().cmp(&other.present())
    }
}

impl Hash for Rare {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.present().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn attributes_without_rare_ones_are_small() {
        assert!(size_of::<Attributes>() <= 80, "{} octets", size_of::<Attributes>());
    }

    #[test]
    fn having_none_and_having_empty_ones_is_the_same() {
        let (none, mut emptied, mut some) = (Attributes::default(), Attributes::default(), Attributes::default());
        emptied.cluster_list.push([10, 0, 0, 1].into());
        some.cluster_list.push([10, 0, 0, 1].into());
        assert_eq!(emptied, some);
        emptied.cluster_list.clear();
        assert_eq!(emptied.cmp(&none), Ordering::Equal);
        assert!(emptied == none && emptied != some && none < some);
        assert_eq!(HashSet::from([none, emptied, some]).len(), 2);
    }

    #[test]
    fn clearing_what_is_not_there_makes_nothing() {
        let mut attributes = Attributes::default();
        assert!(attributes.rare.present_mut().is_none() && attributes.unknown.is_empty());
        assert!(Rare::from(RareAttributes::default()).0.is_none());
    }
}
