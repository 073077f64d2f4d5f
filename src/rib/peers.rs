//! The sessions, by the number the process gave them and by a small one of our own.
//!
//! The small number is what a path refers to its peer by. It is given out again once the peer and its paths are gone.

use std::collections::BTreeMap;

use crate::PeerId;
use crate::peer::Peer;

/// A peer's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(u16);

#[derive(Debug, Default)]
pub(crate) struct Peers {
    slots: Vec<Option<Peer>>,
    index: BTreeMap<PeerId, Slot>,
}

impl Peers {
    pub(crate) fn contains(&self, id: PeerId) -> bool {
        self.index.contains_key(&id)
    }

    pub(crate) fn slot(&self, id: PeerId) -> Option<Slot> {
        self.index.get(&id).copied()
    }

    pub(crate) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.at(self.slot(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.at_mut(self.slot(id)?)
    }

    pub(crate) fn at(&self, slot: Slot) -> Option<&Peer> {
        self.slots.get(usize::from(slot.0))?.as_ref()
    }

    pub(crate) fn at_mut(&mut self, slot: Slot) -> Option<&mut Peer> {
        self.slots.get_mut(usize::from(slot.0))?.as_mut()
    }

    /// Adds a peer that is not there yet; false if there are as many as can be.
    pub(crate) fn insert(&mut self, id: PeerId, peer: Peer) -> bool {
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let Ok(slot) = u16::try_from(free) else { return false };
        if free == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[free] = Some(peer);
        self.index.insert(id, Slot(slot));
        true
    }

    pub(crate) fn remove(&mut self, id: PeerId) -> Option<Peer> {
        let slot = self.index.remove(&id)?;
        self.slots.get_mut(usize::from(slot.0))?.take()
    }

    /// In order of their ids.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (PeerId, Slot)> + '_ {
        self.index.iter().map(|(id, slot)| (*id, *slot))
    }

    /// In order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.index.values().filter_map(|slot| self.at(*slot))
    }

    /// In no order that means anything.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.slots.iter_mut().flatten()
    }
}

#[cfg(test)]
impl Slot {
    pub(crate) const fn first() -> Self {
        Self(0)
    }
}
