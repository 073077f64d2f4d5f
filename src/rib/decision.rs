//! The decision process: which route to a prefix is the best, and which others are used beside it.
//!
//! A route takes part if it was accepted and its next hop is valid (RFC 4271 9.1.2), that is: its tunnel is up. A
//! prefix we originate ourselves beats whatever is learned. Among the rest each step leaves only the routes that are
//! best in it (RFC 4271 9.1.2.2 is written as such an elimination, and only as such it does not depend on the order
//! of arrival: MEDs make pairwise comparison intransitive):
//!
//! | [`Step`] | kept |
//! |---|---|
//! | `LocalPreference` | highest LOCAL_PREF |
//! | `AsPathLength` | fewest hops in AS_PATH, a set counts as one |
//! | `Origin` | lowest ORIGIN |
//! | `Med` | lowest MULTI_EXIT_DISC among those from the same neighbouring AS, or if so configured among all; absent counts as 0 |
//! | `SessionType` | external before internal |
//! | | the interior cost is equal: every next hop is at the other end of a tunnel |
//! | `RouterId` | lowest BGP identifier, ORIGINATOR_ID in its place where there is one (RFC 4456 9) |
//! | `ClusterList` | shortest CLUSTER_LIST (RFC 4456 9) |
//! | `PeerAddress` | lowest address of the peer |
//! | `Session` | lowest session number: two clouds may use the same inside addresses |
//! | `PathId` | lowest path identifier, of those from one peer (RFC 7911) |
//!
//! Age is no criterion, so that the result follows from the routes alone.
//!
//! # Multipath
//!
//! Routes are used side by side if they **tie in every step from `LocalPreference` to `SessionType`**, have **the same
//! MED** as the best, and come from **the same neighbouring AS**. The last is what tunnels to one cloud gateway have:
//! AWS announces the same AS_PATH on all tunnels of a transit gateway, and lowers the MED on the tunnel that it wants
//! to be used alone during an endpoint update. AS_PATHs that differ further away may share; routes through two
//! different clouds do only where that is configured ([`MultipathPaths::SameLength`]), and even then never with two
//! different MEDs side by side. At most `ecmp_width` next hops are used: the first in the order of the remaining
//! steps, the best among them. Where each of them carries a link bandwidth, they get shares in proportion to it (see
//! `bandwidth.rs`).

use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::net::IpAddr;

use wire::{Asn, RouterId};

use crate::route::Rank;
use crate::{NextHop, PeerId};

/// A step of the decision process, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The best is originated here.
    LocalOrigin,
    /// There is a connected or static route of lower distance.
    Distance,
    /// The best has a higher local preference.
    LocalPreference,
    /// The best has a shorter AS path.
    AsPathLength,
    /// The best has a lower origin.
    Origin,
    /// One from the same neighbouring AS has a lower MED.
    Med,
    /// The best is external, this one internal.
    SessionType,
    /// The best comes from the lower router id.
    RouterId,
    /// The best has a shorter cluster list.
    ClusterList,
    /// The best comes from the lower peer address.
    PeerAddress,
    /// The best comes from the lower session number.
    Session,
    /// The best has the lower path identifier.
    PathId,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LocalOrigin => "we originate the prefix",
            Self::Distance => "a connected or static route has a lower distance",
            Self::LocalPreference => "lower local preference",
            Self::AsPathLength => "longer AS path",
            Self::Origin => "higher origin",
            Self::Med => "higher MED",
            Self::SessionType => "internal route, the best is external",
            Self::RouterId => "higher router id",
            Self::ClusterList => "longer cluster list",
            Self::PeerAddress => "higher peer address",
            Self::Session => "higher session number",
            Self::PathId => "higher path identifier",
        })
    }
}

/// Why a route that ties with the best up to `SessionType` is not used beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Barrier {
    /// It comes from another neighbouring AS than the best.
    NeighbourAs {
        /// Its neighbouring AS.
        own: Option<Asn>,
        /// That of the best.
        best: Option<Asn>,
    },
    /// It has another MED than the best.
    Med {
        /// Its MED.
        own: u32,
        /// That of the best.
        best: u32,
    },
    /// There are as many next hops as may be.
    Width(usize),
}

/// What may be chosen in the decision process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecisionRules {
    /// Compare MEDs of different neighbouring ASes, too.
    pub always_compare_med: bool,
    /// Whose AS paths may differ of routes that are used side by side.
    pub multipath: MultipathPaths,
    /// Give next hops shares in proportion to the link bandwidth that came with their routes.
    pub weighted: bool,
}

/// Which routes may be used side by side, by AS path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MultipathPaths {
    /// From the same neighbouring AS.
    #[default]
    SameNeighbour,
    /// Of the same length.
    SameLength,
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |asn: &Option<Asn>| asn.map_or_else(|| "none".to_owned(), |asn| format!("AS {asn}"));
        match self {
            Self::NeighbourAs { own, best } => {
                write!(f, "neighbouring AS differs ({}, the best has {})", name(own), name(best))
            }
            Self::Med { own, best } => write!(f, "MED differs ({own}, the best has {best})"),
            Self::Width(width) => write!(f, "the ECMP width of {width} is used up"),
        }
    }
}

/// A route that takes part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) peer: PeerId,
    pub(crate) path_id: u32,
    pub(crate) peer_address: IpAddr,
    pub(crate) peer_router_id: RouterId,
    pub(crate) ebgp: bool,
    pub(crate) rank: Rank,
    /// What counts against the width: through which link, and to whom. All paths of a tunnel's peer have the same.
    pub(crate) next_hop: NextHop,
}

/// How a route came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Best,
    Multipath,
    Worse(Step),
    /// Ties up to `SessionType`, then loses in `step`.
    LeftOut {
        step: Step,
        barrier: Barrier,
    },
}

/// The decision process with room to work in, kept from prefix to prefix.
#[derive(Debug, Default)]
pub(crate) struct Contest {
    /// Indices of those not eliminated yet.
    alive: Vec<usize>,
    /// Next hops in use.
    used: Vec<NextHop>,
    standings: Vec<Standing>,
}

impl Contest {
    /// As decided last.
    pub(crate) fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// The standing of each candidate, in their order. Exactly one is the best, unless there is none or the prefix is
    /// originated here (`local`).
    pub(crate) fn decide(
        &mut self,
        local: bool,
        candidates: &[Candidate],
        (rules, width): (DecisionRules, usize),
    ) -> &[Standing] {
        self.standings.clear();
        if local {
            self.standings.resize(candidates.len(), Standing::Worse(Step::LocalOrigin));
            return &self.standings;
        }
        self.standings.resize(candidates.len(), Standing::Best);
        if candidates.len() < 2 {
            return &self.standings;
        }
        self.alive.clear();
        self.alive.extend(0..candidates.len());
        self.keep_lowest(candidates, Step::LocalPreference, |route| Reverse(route.rank.local_preference));
        self.keep_lowest(candidates, Step::AsPathLength, |route| route.rank.path_length);
        self.keep_lowest(candidates, Step::Origin, |route| route.rank.origin);
        if rules.always_compare_med {
            self.keep_lowest(candidates, Step::Med, |route| route.rank.med);
        } else {
            self.keep_lowest_med(candidates);
        }
        // RFC 4271 9.1.2.2 d): if any is external, all internal ones go.
        self.keep_lowest(candidates, Step::SessionType, |route| !route.ebgp);
        self.rank_ties(candidates, rules.multipath, width.max(1));
        &self.standings
    }

    /// Eliminates all that cost more than the cheapest. Most often that is nobody.
    fn keep_lowest<C: Ord>(&mut self, candidates: &[Candidate], step: Step, cost: impl Fn(&Candidate) -> C) {
        let mut costs = self.alive.iter().map(|&at| cost(&candidates[at]));
        let Some(first) = costs.next() else { return };
        let mut lowest = first;
        let mut equal = true;
        for cost in costs {
            equal &= cost == lowest;
            lowest = lowest.min(cost);
        }
        if !equal {
            self.keep(step, |at| cost(&candidates[at]) == lowest);
        }
    }

    // RFC 4271 9.1.2.2 c): MEDs compare within one neighbouring AS only.
    fn keep_lowest_med(&mut self, candidates: &[Candidate]) {
        let mut meds = self.alive.iter().map(|&at| candidates[at].rank.med);
        let first = meds.next();
        if meds.all(|med| Some(med) == first) {
            return;
        }
        let before = self.alive.clone();
        self.keep(Step::Med, |at| {
            let own = &candidates[at].rank;
            let mut others = before.iter().map(|&at| &candidates[at].rank);
            !others.any(|other| other.neighbour == own.neighbour && other.med < own.med)
        });
    }

    fn keep(&mut self, step: Step, stays: impl Fn(usize) -> bool) {
        let Self { alive, standings, .. } = self;
        alive.retain(|&at| {
            let stays = stays(at);
            if !stays {
                standings[at] = Standing::Worse(step);
            }
            stays
        });
    }

    /// RFC 4271 9.1.2.2 f), g): among equals the order is arbitrary but fixed; the first are used side by side.
    fn rank_ties(&mut self, candidates: &[Candidate], paths: MultipathPaths, width: usize) {
        let Self { alive, used, standings } = self;
        alive.sort_unstable_by(|&a, &b| candidates[a].tie_break(&candidates[b]).0);
        let Some((&first, rest)) = alive.split_first() else { return };
        let best = &candidates[first];
        used.clear();
        used.push(best.next_hop);
        for &at in rest {
            let own = &candidates[at];
            let known = used.contains(&own.next_hop);
            let room = known || used.len() < width;
            standings[at] = match barrier(&own.rank, &best.rank, paths).or((!room).then_some(Barrier::Width(width))) {
                None => {
                    if !known {
                        used.push(own.next_hop);
                    }
                    Standing::Multipath
                }
                Some(barrier) => Standing::LeftOut { step: best.tie_break(own).1, barrier },
            };
        }
    }
}

/// What keeps a route that ties with the best from being used beside it.
fn barrier(own: &Rank, best: &Rank, paths: MultipathPaths) -> Option<Barrier> {
    let neighbours = match paths {
        MultipathPaths::SameNeighbour => own.neighbour == best.neighbour,
        MultipathPaths::SameLength => true,
    };
    if !neighbours {
        return Some(Barrier::NeighbourAs { own: own.neighbour, best: best.neighbour });
    }
    (own.med != best.med).then_some(Barrier::Med { own: own.med, best: best.med })
}

impl Candidate {
    /// RFC 4456 9: what a route reflector passes on carries the identifier of its originator.
    fn router_id(&self) -> RouterId {
        match self.rank.originator_id {
            Some(originator) if !self.ebgp => originator,
            Some(_) | None => self.peer_router_id,
        }
    }

    /// Less is better; with the step that decides.
    fn tie_break(&self, other: &Self) -> (Ordering, Step) {
        let router_id = self.router_id().cmp(&other.router_id());
        if router_id.is_ne() {
            return (router_id, Step::RouterId);
        }
        let cluster_list = self.rank.cluster_list.cmp(&other.rank.cluster_list);
        if cluster_list.is_ne() {
            return (cluster_list, Step::ClusterList);
        }
        let address = self.peer_address.cmp(&other.peer_address);
        if address.is_ne() {
            return (address, Step::PeerAddress);
        }
        let session = self.peer.cmp(&other.peer);
        if session.is_ne() {
            return (session, Step::Session);
        }
        (self.path_id.cmp(&other.path_id), Step::PathId)
    }
}

#[cfg(test)]
#[path = "decision/tests.rs"]
mod tests;
