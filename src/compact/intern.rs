//! Keeps equal values once (hash-consing).
//!
//! The store holds one reference itself. Values that nobody else holds any more are dropped by a sweep whenever
//! the store has doubled since the last one, so the cost of sweeping is constant per value and the dead never
//! outnumber the living by more than a constant.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;

const SWEEP_AT_LEAST: usize = 256;

/// Equal values, once each.
#[derive(Debug)]
pub struct Interner<T> {
    /// Each with its hash: a table that grows would have to look into all of them again.
    values: HashTable<(u64, Arc<T>)>,
    sweep_at: usize,
    key: HashKey,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { values: HashTable::new(), sweep_at: SWEEP_AT_LEAST, key: HashKey::random() }
    }
}

impl<T: Eq + Hash> Interner<T> {
    /// The shared value equal to `value`.
    pub fn share(&mut self, value: T) -> Arc<T> {
        let hash = self.key.hash_of(&value);
        match self.find(hash, |known| *known == value) {
            Some(known) => known,
            None => self.enter(hash, Arc::new(value)),
        }
    }

    /// The same for a value that is shared already, if perhaps by nobody here.
    pub fn share_arc(&mut self, value: &Arc<T>) -> Arc<T> {
        let hash = self.key.hash_of(&**value);
        match self.find(hash, |known| *known == **value) {
            Some(known) => known,
            None => self.enter(hash, Arc::clone(value)),
        }
    }

    /// The shared value that `is` tells, which is made only if it is not there; `parts` hash as it does.
    pub fn share_parts(&mut self, parts: &impl Hash, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> Arc<T> {
        let hash = self.key.hash_of(parts);
        match self.find(hash, is) {
            Some(known) => known,
            None => self.enter(hash, Arc::new(make())),
        }
    }

    fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        let found = self.values.find(hash, |(its, known)| *its == hash && is(known));
        found.map(|(_, known)| Arc::clone(known))
    }

    fn enter(&mut self, hash: u64, value: Arc<T>) -> Arc<T> {
        if self.values.len() >= self.sweep_at {
            self.sweep();
        }
        self.values.insert_unique(hash, (hash, Arc::clone(&value)), |(hash, _)| *hash);
        value
    }

    /// Drops what nobody else holds.
    pub fn sweep(&mut self) {
        self.values.retain(|(_, value)| Arc::strong_count(value) > 1);
        self.sweep_at = SWEEP_AT_LEAST.max(self.values.len() * 2);
        if self.values.capacity() > self.sweep_at * 2 {
            self.values.shrink_to(self.sweep_at, |(hash, _)| *hash);
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values in use, and dead ones not yet swept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }
}

/// What makes hashes of this process unlike those of any other, so that no peer can choose routes that collide.
#[derive(Clone, Copy, Debug)]
pub struct HashKey(u64);

impl HashKey {
    /// As random as the standard library's own maps.
    #[must_use]
    pub fn random() -> Self {
        Self(RandomState::new().hash_one(0))
    }

    /// The hash of a value.
    #[must_use]
    pub fn hash_of<T: Hash + ?Sized>(self, value: &T) -> u64 {
        let mut hasher = Fold(self.0);
        value.hash(&mut hasher);
        hasher.finish()
    }
}

impl BuildHasher for HashKey {
    type Hasher = Fold;

    #[inline]
    fn build_hasher(&self) -> Fold {
        Fold(self.0)
    }
}

/// Multiplies to twice the width and folds the halves: a few cycles for every eight octets.
#[derive(Debug)]
pub struct Fold(u64);

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The two halves of the product, one over the other.
#[inline]
fn fold(word: u64) -> u64 {
    let product = (u128::from(word) * u128::from(ODD)).to_le_bytes();
    let (halves, _) = product.as_chunks::<8>();
    halves.iter().fold(0, |folded, half| folded ^ u64::from_le_bytes(*half))
}

impl Fold {
    #[inline]
    fn mix(&mut self, word: u64) {
        self.0 = fold(self.0 ^ word).rotate_left(23);
    }
}

impl Hasher for Fold {
    #[inline]
    fn write(&mut self, octets: &[u8]) {
        let (words, rest) = octets.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(last) ^ (rest.len() as u64) << 56);
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.mix(value.into());
    }

    #[inline]
    fn write_u16(&mut self, value: u16) {
        self.mix(value.into());
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.mix(value.into());
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        fold(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn equal_values_are_one_allocation() {
        let mut interner = Interner::<Vec<u8>>::default();
        assert!(interner.is_empty());
        let (a, b, c) = (interner.share(vec![1, 2]), interner.share(vec![1, 2]), interner.share(vec![3]));
        assert!(Arc::ptr_eq(&a, &b) && !Arc::ptr_eq(&a, &c));
        assert_eq!(interner.len(), 2);
    }

    #[test]
    fn the_dead_are_swept_without_being_asked() {
        let mut interner = Interner::<u32>::default();
        let kept = interner.share(7u32);
        for value in 0..100_000 {
            interner.share(value);
        }
        assert!(interner.len() <= SWEEP_AT_LEAST + 1);
        assert!(Arc::ptr_eq(&kept, &interner.share(7u32)));
    }

    #[test]
    fn hashes_spread_over_low_and_high_bits() {
        let key = HashKey::random();
        let hashes: Vec<u64> = (0u32..4096).map(|value| key.hash_of(&(value << 8, 24u8))).collect();
        let distinct = |bits: fn(u64) -> u64| hashes.iter().map(|hash| bits(*hash)).collect::<HashSet<_>>().len();
        assert_eq!(distinct(|hash| hash), 4096);
        assert!(distinct(|hash| hash & 0xfff) > 2048 && distinct(|hash| hash >> 52) > 2048);
    }

    #[test]
    fn octets_of_different_lengths_hash_differently() {
        let key = HashKey::random();
        let hash = |octets: &[u8]| {
            let mut hasher = Fold(key.0);
            hasher.write(octets);
            hasher.finish()
        };
        assert_ne!(hash(&[1, 2]), hash(&[1, 2, 0]));
        assert_ne!(hash(&[0; 8]), hash(&[0; 16]));
    }
}
