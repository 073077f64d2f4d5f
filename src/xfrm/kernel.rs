//! What is asked of the kernel, one function for each thing.

use std::io;

use netlink_sys::protocols::{NETLINK_ROUTE, NETLINK_XFRM};

use crate::netlink::link::{self, Drops, Link};
use crate::netlink::policy::{self, InstalledPolicy};
use crate::netlink::socket::{Refusal, Removals, Requests};
use crate::netlink::state::{self, NewState, State, StateId};
use crate::plan::{Change, Policies};

/// `NLM_F_CREATE | NLM_F_EXCL`, which the kernel's IPsec does not look at, but says that is meant.
const CREATE: u16 = 0x600;
/// How often a place may be taken again while a state is made.
const PLACES: usize = 8;

/// The sockets that ask.
#[derive(Debug)]
pub(crate) struct Kernel {
    xfrm: Requests,
    /// Listens while a state is taken, and to nothing at other times.
    removals: Removals,
}

impl Kernel {
    /// Opens them, in the network namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { xfrm: Requests::open(NETLINK_XFRM)?, removals: Removals::open()? })
    }

    /// Makes a state. The place that the kernel keeps for it, since a packet asked for it meanwhile, gives way.
    pub(crate) fn add_state(&mut self, new: &NewState<'_>) -> Result<(), Refusal> {
        let id = StateId::of(new.direction, new.sa);
        let mut made = self.xfrm.ask(|flags| new.encode(flags | CREATE));
        for _ in 0..PLACES {
            if !made.as_ref().is_err_and(|refusal| refusal.is(libc::EEXIST)) || self.state(id)?.is_some() {
                break;
            }
            self.remove_state(id)?;
            made = self.xfrm.ask(|flags| new.encode(flags | CREATE));
        }
        made
    }

    /// Changes ports and limits of a state that is there; all else goes on.
    pub(crate) fn update_state(&mut self, new: &NewState<'_>) -> Result<(), Refusal> {
        self.xfrm.ask(|flags| new.encode_update(flags))
    }

    /// A state as it is; `None` if there is none.
    pub(crate) fn state(&mut self, id: StateId) -> Result<Option<State>, Refusal> {
        let found = self.xfrm.get(|flags| state::get(flags, id), State::decode);
        if found.as_ref().is_err_and(|refusal| refusal.is(libc::ESRCH)) { Ok(None) } else { found }
    }

    /// Removes a state, and places beside it that packets asked for. One that is gone already is no error.
    pub(crate) fn remove_state(&mut self, id: StateId) -> Result<(), Refusal> {
        for _ in 0..PLACES {
            match self.xfrm.ask(|flags| state::delete(flags, id)) {
                Err(refusal) if refusal.is(libc::ESRCH) => return Ok(()),
                result => result?,
            }
        }
        Ok(())
    }

    /// Removes a state and says what it was at its end: after that, no sequence number was given out.
    pub(crate) fn take_state(&mut self, id: StateId) -> Result<Option<State>, Refusal> {
        for _ in 0..PLACES {
            self.removals.begin()?;
            let deleted = self.xfrm.ask(|flags| state::delete(flags, id));
            // The notice is there before the answer.
            let last = self.removals.end(|message| State::decode(message).filter(|found| found.id == id));
            match deleted {
                // What was removed may have been a place beside it, which a packet asked for.
                Ok(()) => {
                    if let Some(state) = last? {
                        return Ok(Some(state));
                    }
                }
                Err(refusal) if refusal.is(libc::ESRCH) => return Ok(None),
                Err(refusal) => return Err(refusal),
            }
        }
        Err(io::Error::from(io::ErrorKind::NotFound).into())
    }

    pub(crate) fn states(&mut self) -> Result<Vec<State>, Refusal> {
        self.xfrm.list(state::list, State::decode)
    }

    /// Carries out `changes` in order, and notes in `installed` what there is after each.
    pub(crate) fn change(&mut self, if_id: u32, changes: &[Change], installed: &mut Policies) -> Result<(), Refusal> {
        for change in changes {
            match change {
                Change::Put(key, policy) => {
                    self.xfrm.ask(|flags| policy::put(flags, if_id, key, policy))?;
                    installed.insert(*key, *policy);
                }
                Change::Remove(key) => {
                    let removed = self.xfrm.ask(|flags| policy::delete(flags, if_id, key));
                    if !removed.as_ref().is_err_and(|refusal| refusal.is(libc::ENOENT)) {
                        removed?;
                    }
                    installed.remove(key);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn policies(&mut self) -> Result<Vec<InstalledPolicy>, Refusal> {
        self.xfrm.list(policy::list, InstalledPolicy::decode)
    }

    /// Removes all policies and states whose identifier is among these, and then the places of states that packets asked
    /// for.
    pub(crate) fn clear(&mut self, mut among: impl FnMut(u32) -> bool) -> Result<(), Refusal> {
        for policy in self.policies()?.iter().filter(|policy| among(policy.if_id)) {
            let removed = self.xfrm.ask(|flags| policy.delete(flags));
            if !removed.as_ref().is_err_and(|refusal| refusal.is(libc::ENOENT)) {
                removed?;
            }
        }
        for state in self.xfrm.list(state::list, State::decode_any)?.iter().filter(|state| among(state.if_id)) {
            self.remove_state(state.id)?;
        }
        Ok(())
    }
}

/// The socket that asks for interfaces. Others may hold what the kernel needs for an answer, for seconds.
#[derive(Debug)]
pub(crate) struct Links(Requests);

impl Links {
    /// Opens it, in the network namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self(Requests::open(NETLINK_ROUTE)?))
    }

    pub(crate) fn add(&mut self, name: &str, if_id: u32) -> Result<(), Refusal> {
        self.0.ask(|flags| link::create(flags, name, if_id))
    }

    pub(crate) fn remove(&mut self, ifindex: u32) -> Result<(), Refusal> {
        self.0.ask(|flags| link::delete(flags, ifindex))
    }

    pub(crate) fn list(&mut self) -> Result<Vec<Link>, Refusal> {
        self.0.list(link::list, Link::decode)
    }

    /// What interfaces refused.
    pub(crate) fn drops(&mut self) -> Result<Vec<Drops>, Refusal> {
        self.0.list(link::list_statistics, Drops::decode)
    }

    /// Removes all interfaces whose identifier is among these.
    pub(crate) fn clear(&mut self, mut among: impl FnMut(u32) -> bool) -> Result<(), Refusal> {
        for link in self.list()?.iter().filter(|link| link.if_id.is_some_and(&mut among)) {
            self.remove(link.ifindex)?;
        }
        Ok(())
    }
}
