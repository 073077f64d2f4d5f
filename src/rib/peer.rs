//! What the routing tables keep per session: its policy, which prefixes came in, and what went out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use bgp::{AddPath, Attributes, Family, Role};
use compact::{IdSet, Paged};
use wire::{Asn, RouterId};

use crate::limit::OutLimit;
use crate::reach::{Egress, Reached};
use crate::{PeerPolicy, SendPaths, Standing};

/// A session's number, given by the process, stable over reloads and unique within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct PeerId(pub u32);

/// What a session found out when it came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSession {
    /// Families both sides speak.
    pub families: Vec<Family>,
    /// The peer's BGP identifier.
    pub peer_router_id: RouterId,
    /// Whether IPv4 routes may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// Families in which prefixes have path identifiers (RFC 7911).
    pub add_path: Vec<(Family, AddPath)>,
    /// What we are to the peer (RFC 9234).
    pub role: Option<Role>,
}

impl PeerSession {
    /// A session without extensions.
    #[must_use]
    pub const fn new(families: Vec<Family>, peer_router_id: RouterId) -> Self {
        Self { families, peer_router_id, extended_next_hop: false, add_path: Vec::new(), role: None }
    }

    /// How prefixes of `family` travel.
    pub(crate) fn paths(&self, family: Family) -> AddPath {
        self.add_path.iter().find(|(of, _)| *of == family).map_or(AddPath::default(), |(_, directions)| *directions)
    }
}

/// Whether packets can go through a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// They can.
    Up,
    /// They cannot. So it is with a link nothing was said about.
    Down,
}

/// How many routes of one session are where. Without ADD-PATH there is one route per prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PeerCounts {
    /// In the Adj-RIB-In: accepted and refused.
    pub received: usize,
    /// Passed the import policy.
    pub accepted: usize,
    /// Did not pass the import policy.
    pub refused: usize,
    /// Not kept, because too many that did not pass the import policy are, or because there are 64 paths of this peer to
    /// the prefix already (RFC 7911); since the session came up.
    pub forgotten: usize,
    /// Kept from before the peer restarted, or since it was asked to repeat everything, and not repeated yet.
    pub stale: usize,
    /// Best route to their prefix.
    pub best: usize,
    /// Used beside the best.
    pub multipath: usize,
    /// In the Adj-RIB-Out.
    pub advertised: usize,
    /// Would be announced, but for the limit.
    pub held_back: usize,
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) policy: PeerPolicy,
    pub(crate) ebgp: bool,
    /// Through what its routes leave.
    pub(crate) egress: Egress,
    /// Where its next hops lead, if it is several hops away.
    pub(crate) reached: Reached,
    pub(crate) session: Option<PeerSession>,
    /// The peer's BGP identifier in its last session.
    pub(crate) router_id: RouterId,
    /// The session is down, and its routes are kept until the peer is back (RFC 4724 4.2).
    pub(crate) retained: bool,
    /// Takes no announcements at the moment.
    pub(crate) held: bool,
    /// RFC 8326: traffic is to leave the session, by command.
    pub(crate) draining: bool,
    /// Where its tunnel stands, if that belongs to a connection.
    pub(crate) standing: Option<Standing>,
    pub(crate) adj_in: AdjIn,
    pub(crate) adj_out: AdjOut,
}

/// Which prefixes the peer sent; the paths themselves are with their prefix.
#[derive(Debug, Default)]
pub(crate) struct AdjIn {
    /// Prefixes with at least one path.
    pub(crate) prefixes: IdSet,
    pub(crate) paths: usize,
    pub(crate) accepted: usize,
    pub(crate) forgotten: usize,
    pub(crate) stale: usize,
    pub(crate) best: usize,
    pub(crate) multipath: usize,
    /// The limit was exceeded and the process told so.
    pub(crate) closed: bool,
    /// The process was told that the limit is near.
    pub(crate) warned: bool,
    /// Families whose end was received and not yet reported.
    pub(crate) ended: Vec<Family>,
}

/// A route as a peer gets it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sent {
    pub(crate) attributes: Arc<Attributes>,
    /// `None` stands for our own end of the link.
    pub(crate) next_hop: Option<IpAddr>,
}

/// What is said once nothing is pending any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// RFC 4724 2
    Rib(Family),
    /// RFC 7313 4.1
    Refresh(Family),
}

/// What the peer was told.
#[derive(Debug, Default)]
pub(crate) struct AdjOut {
    /// Prefixes to look at again.
    pub(crate) pending: IdSet,
    /// Of these, the ones to repeat even if nothing changed.
    pub(crate) repeat: IdSet,
    /// What the peer has from us, one route per prefix.
    pub(crate) told: Paged<Arc<Sent>>,
    /// What the peer has from us where it takes several routes per prefix, by their numbers.
    pub(crate) told_paths: Paged<Vec<(u32, Arc<Sent>)>>,
    /// Routes in `told_paths`.
    pub(crate) paths: usize,
    /// How many prefixes the peer may get.
    pub(crate) most: Option<u32>,
    /// Which ones it gets; there as soon as that is a question.
    pub(crate) limit: Option<OutLimit>,
    /// Prefixes held back of which the process was told.
    pub(crate) reported: BTreeSet<u32>,
    /// What is still to be said, once nothing is pending.
    pub(crate) ends: Vec<End>,
}

impl Peer {
    pub(crate) fn new(id: PeerId, policy: PeerPolicy, own: Asn, egress: Egress) -> Self {
        let ebgp = policy.peer_asn != own;
        Self {
            id,
            policy,
            ebgp,
            egress,
            reached: Reached::default(),
            session: None,
            router_id: RouterId([0, 0, 0, 0].into()),
            retained: false,
            held: false,
            draining: false,
            standing: None,
            adj_in: AdjIn::default(),
            adj_out: AdjOut::default(),
        }
    }

    pub(crate) fn counts(&self) -> PeerCounts {
        let AdjIn { paths, accepted, forgotten, stale, best, multipath, .. } = self.adj_in;
        PeerCounts {
            received: paths,
            accepted,
            refused: paths - accepted,
            forgotten,
            stale,
            best,
            multipath,
            advertised: self.adj_out.told.len() + self.adj_out.paths,
            held_back: self.adj_out.limit.as_ref().map_or(0, OutLimit::held_back),
        }
    }

    /// Whether traffic is to leave the session, by command or as configured.
    pub(crate) const fn is_drained(&self) -> bool {
        self.draining || self.policy.graceful_shutdown.drain
    }

    /// Whether its routes may be used.
    pub(crate) const fn is_usable(&self) -> bool {
        match self.egress.state {
            LinkState::Up => self.session.is_some() || self.retained,
            LinkState::Down => false,
        }
    }

    /// Whether it is told of several paths to prefixes of any family.
    pub(crate) fn takes_paths(&self) -> bool {
        let negotiated = self.session.as_ref().is_some_and(|session| session.add_path.iter().any(|(_, way)| way.send));
        negotiated && self.policy.treatment.send_paths != SendPaths::Best
    }
}

impl AdjOut {
    /// For a peer that has nothing from us yet; `all` are all prefixes there are.
    pub(crate) fn start(families: &[Family], max_prefix_out: Option<u32>, all: &IdSet) -> Self {
        let mut out = Self { ends: families.iter().copied().map(End::Rib).collect(), ..Self::default() };
        out.restart(max_prefix_out, false, all);
        out
    }

    /// Has everything looked at again, under a new limit, and if asked for repeated to the peer.
    pub(crate) fn restart(&mut self, max_prefix_out: Option<u32>, repeat: bool, all: &IdSet) {
        self.most = max_prefix_out;
        self.limit = None;
        self.reported.clear();
        self.pending.union(all);
        if repeat {
            self.repeat.union(all);
        }
    }

    /// Prefixes the peer was told of.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = u32> + '_ {
        self.told.keys().chain(self.told_paths.keys())
    }
}
