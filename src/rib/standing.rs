//! How the tunnels of one connection stand to each other, and what follows from it for routes.
//!
//! | a tunnel that stands behind n others | |
//! |---|---|
//! | accepted routes | [`STEP`] times n less LOCAL_PREF than session and policy give |
//! | announced routes | MED higher by [`MED_STEP`] times n, our AS n times more in front, as [`WayBack`] says; on internal sessions less LOCAL_PREF |
//! | static routes | next hops through it are left out while one of a better standing is reached |
//! | protected flows | they take it while none of a better standing is up |
//! | the forwarding table | where it could take over, its next hops are the spare ones ([`NextHopSet::spare`](crate::NextHopSet)) |
//!
//! The steps are taken last, after whatever policies set, and so keep their differences as they are: a policy that prefers
//! a tunnel for a prefix by more than the steps still does.

use std::collections::BTreeMap;

use wire::LinkId;

use crate::PeerId;
use crate::rib::Rib;

/// What a place further behind costs in LOCAL_PREF.
pub const STEP: u32 = 10;
/// What it adds to the MED.
pub const MED_STEP: u32 = 100;

/// Where a tunnel stands in its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Which connection.
    pub connection: u32,
    /// Behind how many others, for what we send.
    pub import: u8,
    /// Behind how many others, for what the peer sends us.
    pub export: u8,
    /// How the peer is told.
    pub way_back: WayBack,
}

/// How a peer is told which tunnel to send through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WayBack {
    /// By the MED.
    pub med: bool,
    /// By the length of the AS path.
    pub prepend: bool,
}

impl Standing {
    /// LOCAL_PREF of an accepted route, from what session and policy give.
    pub(crate) fn preference_in(&self, preference: u32) -> u32 {
        preference.saturating_sub(STEP * u32::from(self.import))
    }

    /// LOCAL_PREF of a route announced on an internal session.
    pub(crate) fn preference_out(&self, preference: u32) -> u32 {
        if self.way_back == WayBack::default() {
            return preference;
        }
        preference.saturating_sub(STEP * u32::from(self.export))
    }

    /// MED of a route announced to another AS. It is said by all tunnels of the connection or by none: peers differ on
    /// what its absence means.
    pub(crate) fn med(&self, med: Option<u32>) -> Option<u32> {
        if !self.way_back.med {
            return med;
        }
        Some(med.unwrap_or(0).saturating_add(MED_STEP * u32::from(self.export)))
    }

    /// How many times more our AS is put in front.
    pub(crate) fn prepend(&self) -> usize {
        if self.way_back.prepend { usize::from(self.export) } else { 0 }
    }
}

impl Rib {
    /// Says where a tunnel stands, or that it belongs to no connection. Its session goes on: what was received is judged
    /// again, and what was sent is corrected.
    pub fn set_standing(&mut self, link: LinkId, standing: Option<Standing>) {
        let before = match standing {
            Some(standing) => self.standings.insert(link, standing),
            None => self.standings.remove(&link),
        };
        if before == standing {
            return;
        }
        let in_it = self.peers.iter().filter(|peer| peer.policy.link == link).map(|peer| peer.id);
        let peers: Vec<PeerId> = in_it.collect();
        for id in peers {
            let Some(peer) = self.peers.get_mut(id) else { continue };
            let old = std::mem::take(&mut peer.standing).unwrap_or_default();
            let new = standing.unwrap_or_default();
            peer.standing = standing;
            if peer.session.is_some() && (old.export, old.way_back) != (new.export, new.way_back) {
                peer.adj_out.restart(peer.policy.max_prefix_out, false, self.table.ids());
            }
            if (old.connection, old.import) != (new.connection, new.import) {
                // Which next hops are spare ones follows from it, whatever becomes of the routes themselves.
                self.dirty.union(&peer.adj_in.prefixes);
                self.reconsider(id);
            }
        }
        self.refresh_sources();
    }

    /// Where the tunnels of connections stand.
    #[must_use]
    pub const fn standings(&self) -> &BTreeMap<LinkId, Standing> {
        &self.standings
    }
}

/// Of what leads through tunnels of one connection, what stands first stays, and what stands next after it becomes the
/// spare. What belongs to no connection stays.
#[must_use]
pub fn by_standing<T>(
    ways: Vec<T>,
    link: impl Fn(&T) -> LinkId,
    standings: &BTreeMap<LinkId, Standing>,
) -> (Vec<T>, Vec<T>) {
    let of = |way: &T| standings.get(&link(way)).map(|standing| (standing.connection, standing.import));
    let places: Vec<(u32, u8)> = ways.iter().filter_map(of).collect();
    let first = |connection: u32| places.iter().filter(|place| place.0 == connection).map(|place| place.1).min();
    let next = |connection: u32| {
        let behind = places.iter().filter(|place| place.0 == connection && Some(place.1) > first(connection));
        behind.map(|place| place.1).min()
    };
    let (mut kept, mut spare) = (Vec::new(), Vec::new());
    for way in ways {
        match of(&way) {
            Some((connection, place)) if Some(place) == next(connection) => spare.push(way),
            Some((connection, place)) if Some(place) != first(connection) => {}
            Some(_) | None => kept.push(way),
        }
    }
    (kept, spare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(connection: u32, import: u8) -> Standing {
        Standing { connection, import, export: import, way_back: WayBack { med: true, prepend: true } }
    }

    #[test]
    fn the_first_stay_the_next_are_spare_and_strangers_are_left_alone() {
        let places = [(1, 1, 0), (2, 1, 1), (3, 1, 1), (4, 1, 2), (5, 2, 1), (6, 2, 3)];
        let standings = places.iter().map(|(link, group, place)| (LinkId(*link), standing(*group, *place))).collect();
        let of = |links: &[u32]| by_standing(links.to_vec(), |link| LinkId(*link), &standings);
        assert_eq!(of(&[1, 2, 3, 4, 5, 6, 9]), (vec![1, 5, 9], vec![2, 3, 6]));
        assert_eq!(of(&[2, 3, 4]), (vec![2, 3], vec![4]));
        assert_eq!(of(&[4, 9]), (vec![4, 9], vec![]));
        assert_eq!(of(&[]), (vec![], vec![]));
    }

    #[test]
    fn a_place_behind_costs_the_same_whatever_policy_says() {
        let behind = standing(1, 2);
        assert_eq!(behind.preference_in(100), 80);
        assert_eq!(behind.preference_in(5), 0, "there is nothing below");
        assert_eq!((behind.med(None), behind.med(Some(50)), behind.prepend()), (Some(200), Some(250), 2));
        assert_eq!(behind.med(Some(u32::MAX)), Some(u32::MAX));
        let first = standing(1, 0);
        assert_eq!((first.preference_in(100), first.med(None), first.prepend()), (100, Some(0), 0));
        let silent = Standing { way_back: WayBack::default(), ..behind };
        assert_eq!((silent.med(None), silent.prepend(), silent.preference_out(100)), (None, 0, 100));
    }
}
