//! Next hops of static routes that BFD watches: where each is, when its BFD session begins and ends.
//!
//! ```text
//!  configuration ──┐
//!  interfaces ─────┴──► place: through which interface, from which of our addresses ──► BFD session
//!                                                                                        │ verdict
//!                                         rib: the way through that interface is dead ◄──┘
//! ```
//!
//! A next hop that is on no network of ours is not watched: RFC 5881 is about one hop. Its routes do without.

use std::collections::BTreeMap;
use std::sync::Arc;

use bfd::{Hops, Path};
use config::Watch;
use rib::{NextHop, PeerId};

use super::bfd_task::Add;
use super::interfaces::Interfaces;
use super::neighbors::Where;
use super::reload::Supervisor;

/// BFD sessions of next hops are numbered from here; those of BGP sessions have the numbers of these.
const FIRST_WATCH: u32 = 0xa000_0000;

/// A next hop that is watched.
#[derive(Clone, Debug)]
pub(super) struct WatchPart {
    pub(super) watch: Watch,
    /// Where it is, or why it cannot be watched.
    pub(super) spot: Result<Where, String>,
}

/// All of them, by the number of their BFD session.
pub(super) type Watches = BTreeMap<PeerId, WatchPart>;

impl WatchPart {
    /// What static routes lead to.
    ///
    /// # Errors
    /// When it is nowhere.
    pub(super) fn hop(&self) -> Result<NextHop, &str> {
        let link = self.spot.as_ref().map_err(String::as_str)?.link;
        Ok(NextHop { link, address: self.watch.address })
    }
}

impl Supervisor {
    /// Watches what is to be watched, from where it is now.
    pub(super) async fn place_watches(&mut self) {
        let topology = Arc::clone(&self.topology.borrow());
        let wanted = &topology.router.watches;
        for (id, part) in &topology.watches {
            let next = wanted.iter().find(|watch| watch.is_of(&part.watch));
            match next {
                Some(next) if spot(next, &topology.interfaces) == part.spot => self.change_watch(*id, part, next).await,
                // The peer may have a session of its own that depends on BFD.
                None if part.spot.is_ok() => {
                    self.coupling.go_on_without_bfd(*id).await;
                    self.change_topology(|topology| drop(topology.watches.remove(id)));
                }
                Some(_) | None => self.end_watch(*id, part).await,
            }
        }
        for watch in wanted {
            let runs = self.topology.borrow().watches.values().any(|part| part.watch.is_of(watch));
            if !runs {
                self.begin_watch(watch.clone(), spot(watch, &topology.interfaces)).await;
            }
        }
    }

    async fn begin_watch(&mut self, watch: Watch, spot: Result<Where, String>) {
        let free = self.topology.borrow().watches.keys().next_back().map_or(FIRST_WATCH, |last| last.0 + 1);
        let (id, name) = (PeerId(free), watch.name.clone());
        let add = match &spot {
            Ok(Where { link, interface, local }) => {
                let path = Path { link: Some(*link), local: *local, remote: watch.address, hops: Hops::One };
                Some(Add { peer: id, name, path, interface: interface.clone(), config: watch.config.clone() })
            }
            Err(reason) => {
                self.reporter.neighbor_waits(&name, reason);
                None
            }
        };
        self.change_topology(|topology| drop(topology.watches.insert(id, WatchPart { watch, spot })));
        if let Some(add) = add {
            self.coupling.watch_outside(add).await;
        }
    }

    async fn change_watch(&mut self, id: PeerId, part: &WatchPart, next: &Watch) {
        if part.watch.config != next.config {
            self.coupling.change_outside(id, next.config.clone()).await;
            let part = WatchPart { watch: next.clone(), ..part.clone() };
            self.change_topology(|topology| drop(topology.watches.insert(id, part)));
        }
    }

    async fn end_watch(&mut self, id: PeerId, part: &WatchPart) {
        if part.spot.is_ok() {
            self.coupling.unwatch_hop(id).await;
        }
        self.change_topology(|topology| drop(topology.watches.remove(&id)));
    }
}

fn spot(watch: &Watch, interfaces: &Interfaces) -> Result<Where, String> {
    let found = interfaces.spot(watch.address, watch.interface.as_deref())?;
    Ok(Where { link: found.link, interface: Some(found.interface), local: found.local })
}
