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
//! | `Med` | lowest MULTI_EXIT_DISC among those from the same neighbouring AS; absent counts as 0 |
//! | `SessionType` | external before internal |
//! | | the interior cost is equal: every next hop is at the other end of a tunnel |
//! | `RouterId` | lowest BGP identifier, ORIGINATOR_ID in its place where there is one (RFC 4456 9) |
//! | `ClusterList` | shortest CLUSTER_LIST (RFC 4456 9) |
//! | `PeerAddress` | lowest address of the peer |
//! | `Session` | lowest session number: two clouds may use the same inside addresses |
//!
//! Age is no criterion, so that the result follows from the routes alone.
//!
//! # Multipath
//!
//! Routes are used side by side if they **tie in every step from `LocalPreference` to `SessionType`** and come from
//! **the same neighbouring AS** as the best. The latter makes "equal MED" meaningful, and is what tunnels to one
//! cloud gateway have: AWS announces the same AS_PATH on all tunnels of a transit gateway, and lowers the MED on
//! the tunnel that it wants to be used alone during an endpoint update. AS_PATHs that differ further away may share;
//! routes through two different clouds never do. At most `ecmp_width` are used: the first in the order of the
//! remaining steps, the best among them.

use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::net::IpAddr;

use bgp::Attributes;
use wire::{Asn, RouterId};

use crate::PeerId;
use crate::as_path;

/// A step of the decision process, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The best is originated here.
    LocalOrigin,
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
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LocalOrigin => "we originate the prefix",
            Self::LocalPreference => "lower local preference",
            Self::AsPathLength => "longer AS path",
            Self::Origin => "higher origin",
            Self::Med => "higher MED from the same neighbouring AS",
            Self::SessionType => "internal route, the best is external",
            Self::RouterId => "higher router id",
            Self::ClusterList => "longer cluster list",
            Self::PeerAddress => "higher peer address",
            Self::Session => "higher session number",
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
    /// There are as many next hops as may be.
    Width(usize),
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |asn: &Option<Asn>| asn.map_or_else(|| "none".to_owned(), |asn| format!("AS {asn}"));
        match self {
            Self::NeighbourAs { own, best } => {
                write!(f, "neighbouring AS differs ({}, the best has {})", name(own), name(best))
            }
            Self::Width(width) => write!(f, "the ECMP width of {width} is used up"),
        }
    }
}

/// A route that takes part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) peer: PeerId,
    pub(crate) peer_address: IpAddr,
    pub(crate) peer_router_id: RouterId,
    pub(crate) ebgp: bool,
    pub(crate) local_preference: u32,
    pub(crate) attributes: &'a Attributes,
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

/// The standing of each candidate, in their order. Exactly one is the best, unless there is none or the prefix is
/// `originated` here.
pub(crate) fn decide(originated: bool, candidates: &[Candidate<'_>], width: usize) -> Vec<Standing> {
    if originated {
        return vec![Standing::Worse(Step::LocalOrigin); candidates.len()];
    }
    let standings = vec![Standing::Best; candidates.len()];
    let mut contest = Contest { candidates, alive: (0..candidates.len()).collect(), standings };
    contest.keep_lowest(Step::LocalPreference, |route| Reverse(route.local_preference));
    contest.keep_lowest(Step::AsPathLength, |route| as_path::length(&route.attributes.as_path));
    contest.keep_lowest(Step::Origin, |route| route.attributes.origin);
    contest.keep_lowest_med();
    // RFC 4271 9.1.2.2 d): if any is external, all internal ones go.
    contest.keep_lowest(Step::SessionType, |route| !route.ebgp);
    contest.rank_ties(width);
    contest.standings
}

/// The elimination, in the midst of it.
struct Contest<'a> {
    candidates: &'a [Candidate<'a>],
    /// Indices of those not eliminated yet.
    alive: Vec<usize>,
    standings: Vec<Standing>,
}

impl Contest<'_> {
    /// Eliminates all that cost more than the cheapest. Most often that is nobody.
    fn keep_lowest<C: Ord>(&mut self, step: Step, cost: impl Fn(&Candidate<'_>) -> C) {
        let costs = || self.alive.iter().map(|&at| cost(&self.candidates[at]));
        let lowest = costs().min();
        if costs().all(|cost| Some(&cost) == lowest.as_ref()) {
            return;
        }
        self.keep(step, |route| Some(cost(route)) == lowest);
    }

    // RFC 4271 9.1.2.2 c): MEDs compare within one neighbouring AS only.
    fn keep_lowest_med(&mut self) {
        let Self { candidates, alive, .. } = self;
        let mut meds = alive.iter().map(|&at| candidates[at].med());
        let first = meds.next();
        if meds.all(|med| Some(med) == first) {
            return;
        }
        let before: Vec<_> = alive.iter().map(|&at| candidates[at]).collect();
        self.keep(Step::Med, |own| {
            !before.iter().any(|other| other.neighbour() == own.neighbour() && other.med() < own.med())
        });
    }

    fn keep(&mut self, step: Step, stays: impl Fn(&Candidate<'_>) -> bool) {
        let Self { candidates, alive, standings } = self;
        alive.retain(|&at| {
            let stays = stays(&candidates[at]);
            if !stays {
                standings[at] = Standing::Worse(step);
            }
            stays
        });
    }

    /// RFC 4271 9.1.2.2 f), g): among equals the order is arbitrary but fixed; the first are used side by side.
    fn rank_ties(&mut self, width: usize) {
        let Self { candidates, alive, standings } = self;
        alive.sort_unstable_by(|&a, &b| candidates[a].tie_break(&candidates[b]).0);
        let Some((&best, rest)) = alive.split_first() else { return };
        let neighbour = candidates[best].neighbour();
        let mut used = 1;
        for &at in rest {
            let own = candidates[at].neighbour();
            let barrier = if own != neighbour {
                Some(Barrier::NeighbourAs { own, best: neighbour })
            } else if used >= width.max(1) {
                Some(Barrier::Width(width.max(1)))
            } else {
                used += 1;
                None
            };
            standings[at] = match barrier {
                None => Standing::Multipath,
                Some(barrier) => Standing::LeftOut { step: candidates[best].tie_break(&candidates[at]).1, barrier },
            };
        }
    }
}

impl Candidate<'_> {
    fn neighbour(&self) -> Option<Asn> {
        as_path::neighbour(&self.attributes.as_path)
    }

    fn med(&self) -> u32 {
        self.attributes.med.unwrap_or(0)
    }

    /// RFC 4456 9: what a route reflector passes on carries the identifier of its originator.
    fn router_id(&self) -> RouterId {
        match self.attributes.originator_id {
            Some(originator) if !self.ebgp => originator,
            Some(_) | None => self.peer_router_id,
        }
    }

    fn cluster_list_len(&self) -> usize {
        self.attributes.cluster_list.len()
    }

    /// Less is better; with the step that decides.
    fn tie_break(&self, other: &Self) -> (Ordering, Step) {
        let steps = [
            (self.router_id().cmp(&other.router_id()), Step::RouterId),
            (self.cluster_list_len().cmp(&other.cluster_list_len()), Step::ClusterList),
            (self.peer_address.cmp(&other.peer_address), Step::PeerAddress),
        ];
        let decided = steps.into_iter().find(|(order, _)| order.is_ne());
        decided.unwrap_or_else(|| (self.peer.cmp(&other.peer), Step::Session))
    }
}

#[cfg(test)]
#[path = "decision/tests.rs"]
mod tests;
