//! Next hops of static routes that BFD watches: where each is, when its BFD session begins and ends.
//!
//! ```text
//!  configuration ──┐
//!  interfaces ─────┴──► place: through which interface, from which of our addresses ──► BFD session
//!                                                                                        │ verdict
//!                                         rib: the way through that interface is dead ◄──┘
//! ```
//!
//! A next hop that is on no network of ours is not watched: RFC 5881 is about one hop. Its routes do without. Between two
//! addresses there is one session (RFC 5881 3), in however many ways the next hop is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use bfd::{Hops, Path};
use rib::{NextHop, PeerId};
use settings::Watch;

use super::bfd_task::Add;
use super::interfaces::{Interfaces, Spot};
use super::neighbors::Where;
use super::reload::Supervisor;

/// BFD sessions of next hops are numbered from here; those of BGP sessions have the numbers of these.
const FIRST_WATCH: u32 = 0xa000_0000;

/// Numbers for BFD sessions, none of them twice: one that ended may still be on its way out.
#[derive(Debug)]
pub(super) struct WatchNumbers(u32);

impl Default for WatchNumbers {
    fn default() -> Self {
        Self(FIRST_WATCH)
    }
}

impl WatchNumbers {
    const fn take(&mut self) -> PeerId {
        let taken = PeerId(self.0);
        self.0 += 1;
        taken
    }
}

/// A next hop that is watched.
#[derive(Clone, Debug)]
pub(super) struct WatchPart {
    pub(super) watch: Watch,
    /// Where it is, or why it cannot be watched.
    pub(super) spot: Result<Where, String>,
}

/// All of them, by the number of their BFD session.
pub(super) type Watches = BTreeMap<PeerId, WatchPart>;

/// What to do about one of them.
#[derive(Debug)]
enum Step {
    /// It goes on, as this.
    Change(PeerId, WatchPart),
    /// Nothing is to follow from it any more. The peer may have a session of its own that depends on BFD.
    Retire(PeerId),
    /// It is somewhere else now, or nowhere.
    End(PeerId),
}

impl WatchPart {
    fn new(watch: &Watch, interfaces: &Interfaces) -> Self {
        let spot = interfaces.spot(watch.address, watch.interface.as_deref());
        let place = |found: Spot| Where { link: found.link, interface: Some(found.interface), local: found.local };
        Self { watch: watch.clone(), spot: spot.map(place) }
    }

    /// What static routes lead to.
    ///
    /// # Errors
    /// When it is nowhere.
    pub(super) fn hop(&self) -> Result<NextHop, &str> {
        let link = self.spot.as_ref().map_err(String::as_str)?.link;
        Ok(NextHop { link, address: self.watch.address })
    }

    /// Whether one session is for both.
    fn is_one_with(&self, other: &Self) -> bool {
        let same_place = self.watch.address == other.watch.address && self.spot == other.spot;
        same_place && (self.spot.is_ok() || self.watch.is_of(&other.watch))
    }
}

/// What is to be watched from where, each place once.
fn placed(watches: &[Watch], interfaces: &Interfaces) -> Vec<WatchPart> {
    let mut placed: Vec<WatchPart> = Vec::new();
    for part in watches.iter().map(|watch| WatchPart::new(watch, interfaces)) {
        if !placed.iter().any(|other| other.is_one_with(&part)) {
            placed.push(part);
        }
    }
    placed
}

/// What becomes of those that run.
fn steps(running: &Watches, wanted: &[WatchPart]) -> Vec<Step> {
    let step = |(id, part): (&PeerId, &WatchPart)| match wanted.iter().find(|next| next.is_one_with(part)) {
        Some(next) => (next.watch != part.watch).then(|| Step::Change(*id, next.clone())),
        None if part.spot.is_ok() && !wanted.iter().any(|next| next.watch.is_of(&part.watch)) => {
            Some(Step::Retire(*id))
        }
        None => Some(Step::End(*id)),
    };
    running.iter().filter_map(step).collect()
}

impl Supervisor {
    /// Watches what is to be watched, from where it is now.
    pub(super) async fn place_watches(&mut self) {
        let topology = Arc::clone(&self.topology.borrow());
        self.end_watches(&topology.router.watches).await;
        for part in placed(&topology.router.watches, &topology.interfaces) {
            let runs = self.topology.borrow().watches.values().any(|other| other.is_one_with(&part));
            if !runs {
                self.begin_watch(part).await;
            }
        }
    }

    /// Ends what is none of these; the sessions of BGP may have BFD there afterwards.
    pub(super) async fn end_watches(&mut self, wanted: &[Watch]) {
        let topology = Arc::clone(&self.topology.borrow());
        for step in steps(&topology.watches, &placed(wanted, &topology.interfaces)) {
            match step {
                Step::Change(id, next) => self.change_watch(id, next).await,
                Step::Retire(id) => {
                    self.coupling.go_on_without_bfd(id).await;
                    self.change_topology(|topology| drop(topology.watches.remove(&id)));
                }
                Step::End(id) => {
                    self.coupling.unwatch(id).await;
                    self.change_topology(|topology| drop(topology.watches.remove(&id)));
                }
            }
        }
    }

    async fn begin_watch(&mut self, part: WatchPart) {
        let id = self.watch_numbers.take();
        let WatchPart { watch, spot } = &part;
        let add = match spot {
            Ok(Where { link, interface, local }) => {
                let path = Path { link: Some(*link), local: *local, remote: watch.address, hops: Hops::One };
                let (name, config) = (watch.name.clone(), watch.config.clone());
                Some(Add { peer: id, counted: name.clone(), name, path, interface: interface.clone(), config })
            }
            Err(reason) => {
                self.reporter.neighbor_waits(&watch.name, reason);
                None
            }
        };
        self.change_topology(|topology| drop(topology.watches.insert(id, part)));
        if let Some(add) = add {
            self.coupling.watch_outside(add).await;
        }
    }

    async fn change_watch(&mut self, id: PeerId, next: WatchPart) {
        if next.spot.is_ok() {
            self.coupling.change_outside(id, next.watch.config.clone()).await;
        }
        self.change_topology(|topology| drop(topology.watches.insert(id, next)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::interfaces::tests::interfaces;
    use super::*;

    fn watch(address: &str, interface: Option<&str>) -> Watch {
        Watch {
            name: format!("static-{address}"),
            interface: interface.map(ToOwned::to_owned),
            address: address.parse().unwrap(),
            config: bfd::Config::default(),
        }
    }

    fn running(watches: &[Watch]) -> Watches {
        let mut numbers = WatchNumbers::default();
        placed(watches, &interfaces()).into_iter().map(|part| (numbers.take(), part)).collect()
    }

    /// In words, by the last digit of the number.
    fn then(before: &[Watch], after: &[Watch]) -> Vec<String> {
        let steps = steps(&running(before), &placed(after, &interfaces()));
        let told = steps.into_iter().map(|step| match step {
            Step::Change(id, part) => format!("{} changes to {:?}", id.0 & 0xf, part.watch.interface),
            Step::Retire(id) => format!("{} retires", id.0 & 0xf),
            Step::End(id) => format!("{} ends", id.0 & 0xf),
        });
        told.collect()
    }

    #[test]
    fn a_next_hop_written_in_two_ways_is_watched_once() {
        let (plain, named) = (watch("10.1.7.9", None), watch("10.1.7.9", Some("eth1")));
        let elsewhere = watch("10.1.7.9", Some("eth0"));
        assert_eq!(placed(&[plain.clone(), named.clone(), elsewhere.clone()], &interfaces()).len(), 2);
        let both = [plain.clone(), named.clone()];
        assert_eq!(then(&both, &both), [""; 0]);
        assert_eq!(then(&both, std::slice::from_ref(&named)), ["0 changes to Some(\"eth1\")"], "one user is left");
        assert_eq!(then(&both, &[plain]), [""; 0]);
        assert_eq!(then(&[named], &[elsewhere]), ["0 retires"]);
        let nowhere = [watch("10.9.0.9", None), watch("10.9.0.9", Some("eth9")), watch("10.9.0.9", None)];
        assert_eq!(placed(&nowhere, &interfaces()).len(), 2, "who is nowhere is not in one place");
    }

    #[test]
    fn what_is_taken_out_retires_and_what_moves_ends() {
        let (one, other) = (watch("10.1.7.9", None), watch("10.1.7.8", None));
        assert_eq!(then(std::slice::from_ref(&one), std::slice::from_ref(&other)), ["0 retires"]);
        assert_eq!(then(&[one.clone(), other], std::slice::from_ref(&one)), ["1 retires"]);
        let moved = WatchPart { spot: Err("eth1 is down".to_owned()), ..WatchPart::new(&one, &interfaces()) };
        assert!(matches!(steps(&running(&[one]), &[moved])[..], [Step::End(_)]));
    }

    #[test]
    fn no_number_is_taken_twice() {
        let mut numbers = WatchNumbers::default();
        let taken = [numbers.take(), numbers.take(), numbers.take()];
        assert_eq!(taken.map(|id| id.0 - FIRST_WATCH), [0, 1, 2]);
    }
}
