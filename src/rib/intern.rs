//! Keeps equal values once (hash-consing).
//!
//! The store holds one reference itself. Values that nobody else holds any more are dropped by a sweep whenever
//! the store has doubled since the last one, so the cost of sweeping is constant per value and the dead never
//! outnumber the living by more than a constant.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

const SWEEP_AT_LEAST: usize = 256;

#[derive(Debug)]
pub(crate) struct Interner<T: ?Sized> {
    values: HashSet<Arc<T>>,
    sweep_at: usize,
}

impl<T: ?Sized + Eq + Hash> Default for Interner<T> {
    fn default() -> Self {
        Self { values: HashSet::new(), sweep_at: SWEEP_AT_LEAST }
    }
}

impl<T: ?Sized + Eq + Hash> Interner<T> {
    /// The shared value equal to `value`.
    pub(crate) fn share<V: Borrow<T> + Into<Arc<T>>>(&mut self, value: V) -> Arc<T> {
        if let Some(known) = self.values.get(value.borrow()) {
            return Arc::clone(known);
        }
        if self.values.len() >= self.sweep_at {
            self.sweep();
        }
        let value = value.into();
        self.values.insert(Arc::clone(&value));
        value
    }

    /// Drops what nobody else holds.
    pub(crate) fn sweep(&mut self) {
        self.values.retain(|value| Arc::strong_count(value) > 1);
        self.sweep_at = SWEEP_AT_LEAST.max(self.values.len() * 2);
        if self.values.capacity() > self.sweep_at * 2 {
            self.values.shrink_to(self.sweep_at);
        }
    }

    /// Values in use, and dead ones not yet swept.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_allocation() {
        let mut interner = Interner::<[u8]>::default();
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
}
