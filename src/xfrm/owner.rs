//! Whose an interface identifier is.
//!
//! ```text
//!   if_id   0x51 | slot: 4 bits | number: 20 bits
//! ```
//!
//! A slot belongs to the process that holds a socket with the slot's name, which like interfaces, states and policies
//! belongs to a network namespace, and which nothing outlives: what there is in a slot that nobody holds was left
//! behind.

use std::io;
use std::ops::RangeInclusive;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Processes in one network namespace.
const SLOTS: u32 = 16;
/// Where the slots begin.
const BASE: u32 = 0x5100_0000;
/// The bits of a number within a slot.
const NUMBER: u32 = 20;

/// The slot of this process.
#[derive(Debug)]
pub(crate) struct Owner {
    slot: u32,
    /// Held as long as this lives.
    _name: UnixDatagram,
    last: u32,
}

impl Owner {
    /// Takes the first slot that is free.
    pub(crate) fn claim() -> io::Result<Self> {
        let free = (0..SLOTS).find_map(|slot| Some((slot, hold(slot)?)));
        let (slot, name) = free.ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "sixteen routers run here"))?;
        Ok(Self { slot, _name: name, last: 0 })
    }

    /// Whether this identifier is ours, or was that of a process which is no more.
    pub(crate) fn may_remove(&self, if_id: u32) -> bool {
        let slot = if_id.wrapping_sub(BASE) >> NUMBER;
        slot == self.slot || slot < SLOTS && hold(slot).is_some()
    }

    /// Our identifiers.
    pub(crate) fn range(&self) -> RangeInclusive<u32> {
        let first = BASE | self.slot << NUMBER;
        first..=first | ((1 << NUMBER) - 1)
    }

    /// What is ours by name.
    pub(crate) fn name(&self) -> String {
        name(self.slot)
    }

    /// An identifier that we have not had for long.
    pub(crate) fn next(&mut self) -> u32 {
        self.last = self.last % ((1 << NUMBER) - 1) + 1;
        *self.range().start() | self.last
    }
}

fn name(slot: u32) -> String {
    format!("quadspan-xfrm-{slot}")
}

/// Takes a slot for as long as the socket lives.
fn hold(slot: u32) -> Option<UnixDatagram> {
    let name = SocketAddr::from_abstract_name(name(slot)).ok()?;
    UnixDatagram::bind_addr(&name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_owners_have_nothing_in_common_and_leave_each_other_alone() {
        let (mut one, mut other) = (Owner::claim().unwrap(), Owner::claim().unwrap());
        for _ in 0..3 {
            let (of_one, of_other) = (one.next(), other.next());
            assert!(one.range().contains(&of_one) && other.range().contains(&of_other));
            assert!(one.may_remove(of_one) && other.may_remove(of_other));
            assert!(!one.may_remove(of_other) && !other.may_remove(of_one));
        }
        let left = other.next();
        drop(other);
        assert!(one.may_remove(left), "nobody holds it any more");
        for foreign in [0, 1, 0x50ff_ffff, 0x5200_0000, u32::MAX] {
            assert!(!one.may_remove(foreign), "{foreign:#x}");
        }
    }

    #[test]
    fn a_number_comes_again_only_after_all_others() {
        let mut owner = Owner::claim().unwrap();
        let first = owner.next();
        owner.last = (1 << NUMBER) - 1;
        assert_eq!(owner.next(), first);
        assert_ne!(owner.next(), first);
    }
}
