//! A map from small integers, dense or sparse.
//!
//! Pages of a few kilobytes are there only where something is, so a peer that is told of three prefixes of a million
//! costs three pages at most, and one that is told of all of them costs eight octets for each.

const PAGE: usize = 512;

/// A map from small integers.
#[derive(Debug)]
pub struct Paged<T> {
    pages: Vec<Option<Page<T>>>,
    len: usize,
}

#[derive(Debug)]
struct Page<T> {
    slots: Box<[Option<T>]>,
    used: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<T> Paged<T> {
    /// How many keys have a value.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is there.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&T> {
        let (page, slot) = place(id);
        self.pages.get(page)?.as_ref()?.slots[slot].as_ref()
    }

    /// Puts a value there. Returns what was there before.
    pub fn insert(&mut self, id: u32, value: T) -> Option<T> {
        let (page, slot) = place(id);
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let page = self.pages[page].get_or_insert_with(Page::empty);
        let before = page.slots[slot].replace(value);
        if before.is_none() {
            page.used += 1;
            self.len += 1;
        }
        before
    }

    /// Takes the value out. Returns what was there before.
    pub fn remove(&mut self, id: u32) -> Option<T> {
        let (at, slot) = place(id);
        let page = self.pages.get_mut(at)?.as_mut()?;
        let before = page.slots[slot].take();
        if before.is_some() {
            page.used -= 1;
            self.len -= 1;
            if page.used == 0 {
                self.pages[at] = None;
            }
        }
        before
    }

    /// All that have a value, in ascending order.
    pub fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        let pages = self.pages.iter().enumerate().filter_map(|(at, page)| Some((at, page.as_ref()?)));
        pages.flat_map(|(at, page)| {
            let used = page.slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
            used.map(move |(slot, _)| u32::try_from(at * PAGE + slot).expect("made from 32-bit keys"))
        })
    }
}

impl<T> Page<T> {
    fn empty() -> Self {
        Self { slots: std::iter::repeat_with(|| None).take(PAGE).collect(), used: 0 }
    }
}

const fn place(id: u32) -> (usize, usize) {
    (id as usize / PAGE, id as usize % PAGE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_an_ordered_map(operations in prop::collection::vec((any::<bool>(), 0u32..2000, any::<u8>()), 0..200)) {
            let (mut map, mut model) = (Paged::default(), BTreeMap::new());
            for (insert, key, value) in operations {
                if insert {
                    prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                } else {
                    prop_assert_eq!(map.remove(key), model.remove(&key));
                }
                prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
                prop_assert_eq!(map.get(key), model.get(&key));
            }
            prop_assert!(map.keys().eq(model.keys().copied()));
        }
    }

    #[test]
    fn empty_pages_are_given_back() {
        let mut map = Paged::default();
        map.insert(1_000_000, 1);
        map.remove(1_000_000);
        assert!(map.pages.iter().all(Option::is_none));
    }
}
