//! What the routing tables keep per session: its policy, which prefixes came in, and what went out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp::{Attributes, Family};
use wire::{Asn, RouterId};

use crate::PeerPolicy;
use crate::id_set::IdSet;
use crate::limit::OutLimit;

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

/// How many prefixes of one session are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PeerCounts {
    /// In the Adj-RIB-In: accepted and refused.
    pub received: usize,
    /// Passed the import policy.
    pub accepted: usize,
    /// Did not pass the import policy.
    pub refused: usize,
    /// Did not pass the import policy, and were not kept because too many are; since the session came up.
    pub forgotten: usize,
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
    pub(crate) policy: PeerPolicy,
    pub(crate) ebgp: bool,
    pub(crate) link: LinkState,
    pub(crate) session: Option<PeerSession>,
    pub(crate) adj_in: AdjIn,
    pub(crate) adj_out: AdjOut,
}

/// Which prefixes the peer sent; the paths themselves are with their prefix.
#[derive(Debug, Default)]
pub(crate) struct AdjIn {
    pub(crate) prefixes: IdSet,
    pub(crate) accepted: usize,
    pub(crate) forgotten: usize,
    pub(crate) best: usize,
    pub(crate) multipath: usize,
    /// The limit was exceeded and the process told so.
    pub(crate) closed: bool,
    /// Families whose end was received and not yet reported.
    pub(crate) ended: Vec<Family>,
}

/// What the peer was told.
#[derive(Debug, Default)]
pub(crate) struct AdjOut {
    /// Prefixes to look at again.
    pub(crate) pending: IdSet,
    /// Of these, the ones to repeat even if nothing changed.
    pub(crate) repeat: IdSet,
    /// What the peer has from us.
    pub(crate) advertised: BTreeMap<u32, Arc<Attributes>>,
    pub(crate) limit: Option<OutLimit>,
    /// Prefixes held back of which the process was told.
    pub(crate) reported: BTreeSet<u32>,
    /// Families whose end is still to be sent, once nothing is pending.
    pub(crate) ends: Vec<Family>,
}

impl Peer {
    pub(crate) fn new(policy: PeerPolicy, own: Asn, link: LinkState) -> Self {
        let ebgp = policy.peer_asn != own;
        Self { policy, ebgp, link, session: None, adj_in: AdjIn::default(), adj_out: AdjOut::default() }
    }

    pub(crate) fn counts(&self) -> PeerCounts {
        let received = self.adj_in.prefixes.len();
        PeerCounts {
            received,
            accepted: self.adj_in.accepted,
            refused: received - self.adj_in.accepted,
            forgotten: self.adj_in.forgotten,
            best: self.adj_in.best,
            multipath: self.adj_in.multipath,
            advertised: self.adj_out.advertised.len(),
            held_back: self.adj_out.limit.as_ref().map_or(0, OutLimit::held_back),
        }
    }

    pub(crate) const fn is_usable(&self) -> bool {
        match self.link {
            LinkState::Up => true,
            LinkState::Down => false,
        }
    }
}

impl AdjOut {
    /// For a peer that has nothing from us yet; `all` are all prefixes there are.
    pub(crate) fn start(families: &[Family], max_prefix_out: Option<u32>, all: &IdSet) -> Self {
        let mut out = Self { ends: families.to_vec(), ..Self::default() };
        out.restart(max_prefix_out, false, all);
        out
    }

    /// Has everything looked at again, under a new limit, and if asked for repeated to the peer.
    pub(crate) fn restart(&mut self, max_prefix_out: Option<u32>, repeat: bool, all: &IdSet) {
        self.limit = max_prefix_out.map(OutLimit::new);
        self.reported.clear();
        self.pending.union(all);
        if repeat {
            self.repeat.union(all);
        }
    }
}
