//! A set of small integers as a bitmap.
//!
//! One bit per prefix says which prefixes a peer sent, which are undecided, which are still to be announced: a
//! lost peer or tunnel marks everything it touched by a union of words, and a million prefixes cost 125 kB.

/// A set of small integers. Members come out in ascending order.
#[derive(Clone, Debug, Default)]
pub struct IdSet {
    words: Vec<u64>,
    len: usize,
    /// No word before this one has a member.
    first: usize,
}

impl IdSet {
    /// How many members there are.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it is a member.
    #[must_use]
    #[inline]
    pub fn contains(&self, id: u32) -> bool {
        let (word, bit) = place(id);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Makes it a member; whether it was not one before.
    #[inline]
    pub fn insert(&mut self, id: u32) -> bool {
        let (word, bit) = place(id);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        if new {
            self.words[word] |= bit;
            self.len += 1;
            self.first = self.first.min(word);
        }
        new
    }

    /// Takes it out; whether it was a member before.
    #[inline]
    pub fn remove(&mut self, id: u32) -> bool {
        let (word, bit) = place(id);
        let was = self.contains(id);
        if was {
            self.words[word] &= !bit;
            self.len -= 1;
        }
        was
    }

    /// Takes the lowest member out.
    #[inline]
    pub fn pop(&mut self) -> Option<u32> {
        if self.is_empty() {
            self.first = self.words.len();
            return None;
        }
        while self.words[self.first] == 0 {
            self.first += 1;
        }
        let id = member(self.first, self.words[self.first].trailing_zeros());
        self.remove(id);
        Some(id)
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(|(word, bits)| {
            let mut rest = *bits;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(member(word, bit))
            })
        })
    }

    /// Adds all members of `other`.
    pub fn union(&mut self, other: &Self) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
        self.len = self.words.iter().map(|bits| bits.count_ones() as usize).sum();
        self.first = 0;
    }
}

#[inline]
const fn place(id: u32) -> (usize, u64) {
    ((id / 64) as usize, 1 << (id % 64))
}

#[inline]
fn member(word: usize, bit: u32) -> u32 {
    u32::try_from(word).expect("words are made from 32-bit members") * 64 + bit
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_an_ordered_set(
            operations in prop::collection::vec((0u8..4, 0u32..300), 0..200),
            others in prop::collection::btree_set(0u32..400, 0..50),
        ) {
            let mut set = IdSet::default();
            let mut model = BTreeSet::new();
            for (operation, id) in operations {
                match operation {
                    0 | 1 => prop_assert_eq!(set.insert(id), model.insert(id)),
                    2 => prop_assert_eq!(set.remove(id), model.remove(&id)),
                    _ => prop_assert_eq!(set.pop(), model.pop_first()),
                }
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(set.contains(id), model.contains(&id));
            }
            let mut other = IdSet::default();
            for id in &others {
                other.insert(*id);
            }
            model.extend(others);
            set.union(&other);
            prop_assert_eq!(set.len(), model.len());
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert!(std::iter::from_fn(|| set.pop()).eq(model));
            prop_assert!(set.is_empty());
        }
    }
}
