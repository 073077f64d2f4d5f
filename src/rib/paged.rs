//! A map from small integers, dense or sparse.
//!
//! Pages of a few kilobytes are there only where something is, so a peer that is told of three prefixes of a million
//! costs three pages at most, and one that is told of all of them costs eight octets for each.

const PAGE: usize = 512;

#[derive(Debug)]
pub(crate) struct Paged<T> {
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
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        let (page, slot) = place(id);
        self.pages.get(page)?.as_ref()?.slots[slot].as_ref()
    }

    /// Returns what was there before.
    pub(crate) fn insert(&mut self, id: u32, value: T) -> Option<T> {
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

    /// Returns what was there before.
    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
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

    /// In ascending order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = u32> + '_ {
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
                prop_assert_eq!(map.len(), model.len());
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
