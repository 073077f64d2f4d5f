//! The read side: what is in the tables, and why.

use std::fmt;
use std::net::IpAddr;

use bgp::{Attributes, Family};
use ipnet::IpNet;
use wire::LinkId;

use crate::announce::best;
use crate::decision::{Standing, decide};
use crate::export::Export;
use crate::import::{Import, local_preference};
use crate::peer::Peer;
use crate::rib::Rib;
use crate::settle::{candidates, is_usable};
use crate::table::{Entry, Path};
use crate::{Barrier, FibChange, NextHopSet, PeerCounts, PeerId, Refusal, Step, Withheld};

/// What became of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The best.
    Best,
    /// Used beside the best.
    Multipath,
    /// Lost to a better one in this step.
    Worse(Step),
    /// As good as the best, but not used beside it.
    LeftOut {
        /// The step that decides between equals.
        step: Step,
        /// What keeps it out.
        barrier: Barrier,
    },
    /// Accepted, but its link is down.
    LinkDown,
    /// Not accepted.
    Refused(Refusal),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("best"),
            Self::Multipath => f.write_str("used beside the best"),
            Self::Worse(step) => write!(f, "not the best: {step}"),
            Self::LeftOut { step, barrier } => write!(f, "not used beside the best: {barrier} ({step})"),
            Self::LinkDown => f.write_str("unusable: the tunnel is down"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}

/// A prefix with all routes to it.
#[derive(Clone, Debug)]
pub struct RouteView<'a> {
    /// The destination.
    pub prefix: IpNet,
    /// Whether we originate it.
    pub originated: bool,
    /// What the forwarding table was told; empty if there is no usable route, or we originate it.
    pub next_hops: &'a NextHopSet,
    /// The best first, then those used beside it, then the others, each by session number.
    pub candidates: Vec<CandidateView<'a>>,
}

/// A route of the Adj-RIB-In.
#[derive(Clone, Debug)]
pub struct CandidateView<'a> {
    /// From whom.
    pub peer: PeerId,
    /// The name of the session.
    pub name: &'a str,
    /// Over which link.
    pub link: LinkId,
    /// As received.
    pub next_hop: IpAddr,
    /// As received.
    pub attributes: &'a Attributes,
    /// The one that counts, after policy.
    pub local_preference: u32,
    /// What became of it.
    pub verdict: Verdict,
}

/// An entry of one Adj-RIB-In.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// The destination.
    pub prefix: IpNet,
    /// As received.
    pub next_hop: IpAddr,
    /// As received.
    pub attributes: &'a Attributes,
    /// Why it is not accepted, if so.
    pub refusal: Option<Refusal>,
}

/// An entry of one Adj-RIB-Out.
#[derive(Clone, Copy, Debug)]
pub struct Advertised<'a> {
    /// The destination.
    pub prefix: IpNet,
    /// Our end of the tunnel.
    pub next_hop: IpAddr,
    /// As sent.
    pub attributes: &'a Attributes,
}

/// The size of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Prefixes known.
    pub prefixes: usize,
    /// Routes in all Adj-RIBs-In.
    pub paths: usize,
    /// Distinct sets of attributes and next hop among them.
    pub attribute_sets: usize,
    /// Prefixes the forwarding table has from us.
    pub installed: usize,
}

impl Rib {
    /// All prefixes with all routes to them, by address, shorter before longer.
    pub fn routes(&self) -> impl Iterator<Item = RouteView<'_>> {
        self.table.iter().filter(|(_, entry)| !entry.is_vacant()).map(|(_, entry)| self.view(entry))
    }

    /// Exactly this prefix.
    #[must_use]
    pub fn route(&self, prefix: &IpNet) -> Option<RouteView<'_>> {
        let entry = self.table.entry(self.table.find(&prefix.trunc())?);
        (!entry.is_vacant()).then(|| self.view(entry))
    }

    /// The longest prefix that `address` is in and that is originated or in the forwarding table.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Option<RouteView<'_>> {
        let usable = |entry: &Entry| entry.originated || !entry.installed.is_empty();
        self.table.longest(&address.into(), usable).map(|entry| self.view(entry))
    }

    /// All that the forwarding table was told and that still holds.
    pub fn fib(&self) -> impl Iterator<Item = FibChange> + '_ {
        let installed = self.table.iter().filter(|(_, entry)| !entry.installed.is_empty());
        installed.map(|(_, entry)| FibChange { prefix: entry.prefix, next_hops: entry.installed.clone() })
    }

    /// Everything the peer announced, by prefix.
    pub fn adj_in(&self, peer: PeerId) -> impl Iterator<Item = Received<'_>> {
        let state = self.peers.get(&peer);
        let mine =
            self.table.iter().filter(move |(id, _)| state.is_some_and(|state| state.adj_in.prefixes.contains(*id)));
        mine.filter_map(move |(_, entry)| {
            let path = entry.path(peer)?;
            Some(Received {
                prefix: entry.prefix,
                next_hop: path.route.next_hop,
                attributes: &path.route.attributes,
                refusal: self.refusal(entry, path, state?),
            })
        })
    }

    /// Everything the peer was told, by prefix.
    pub fn adj_out(&self, peer: PeerId) -> impl Iterator<Item = Advertised<'_>> {
        let state = self.peers.get(&peer);
        self.table.iter().filter_map(move |(id, entry)| {
            let state = state?;
            let attributes = state.adj_out.advertised.get(&id)?;
            let next_hop = state.policy.ends(Family::of(&entry.prefix))?.local;
            Some(Advertised { prefix: entry.prefix, next_hop, attributes })
        })
    }

    /// Everything the peer is not told, by prefix, and why.
    pub fn withheld(&self, peer: PeerId) -> impl Iterator<Item = (IpNet, Withheld)> + '_ {
        let known = self.table.iter().filter(|(_, entry)| !entry.is_vacant());
        known.filter_map(move |(_, entry)| Some((entry.prefix, self.why_withheld(peer, entry)?)))
    }

    /// Whether the peer is told of this prefix, and if not, why. None if there is no such peer.
    #[must_use]
    pub fn export_verdict(&self, peer: PeerId, prefix: &IpNet) -> Option<Result<(), Withheld>> {
        let state = self.peers.get(&peer)?;
        let verdict = match self.table.find(&prefix.trunc()) {
            Some(id) => self.why_withheld(peer, self.table.entry(id)),
            None if state.session.is_none() => Some(Withheld::SessionDown),
            None => Some(Withheld::NoRoute),
        };
        Some(verdict.map_or(Ok(()), Err))
    }

    /// How many prefixes of a peer are where. None if there is no such peer.
    #[must_use]
    pub fn counts(&self, peer: PeerId) -> Option<PeerCounts> {
        self.peers.get(&peer).map(Peer::counts)
    }

    /// Families the peer's session has, empty while it is down.
    #[must_use]
    pub fn families(&self, peer: PeerId) -> &[Family] {
        self.peers.get(&peer).and_then(|state| state.session.as_ref()).map_or(&[], |session| &session.families)
    }

    /// The size of everything.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            prefixes: self.table.len(),
            paths: self.peers.values().map(|peer| peer.adj_in.prefixes.len()).sum(),
            attribute_sets: self.received.len(),
            installed: self.fib().count(),
        }
    }

    fn view<'a>(&'a self, entry: &'a Entry) -> RouteView<'a> {
        let mut standings =
            decide(entry.originated, &candidates(entry, &self.peers), self.config.ecmp_width).into_iter();
        let view = |path: &'a Path| {
            let standing = is_usable(path, &self.peers).then(|| standings.next()).flatten();
            self.candidate_view(entry, path, standing)
        };
        let mut candidates: Vec<_> = entry.paths.iter().filter_map(view).collect();
        candidates.sort_by_key(|candidate| (place(&candidate.verdict), candidate.peer));
        RouteView { prefix: entry.prefix, originated: entry.originated, next_hops: &entry.installed, candidates }
    }

    fn candidate_view<'a>(
        &'a self,
        entry: &Entry,
        path: &'a Path,
        standing: Option<Standing>,
    ) -> Option<CandidateView<'a>> {
        let peer = self.peers.get(&path.peer)?;
        let attributes = &path.route.attributes;
        let unusable = || self.refusal(entry, path, peer).map_or(Verdict::LinkDown, Verdict::Refused);
        Some(CandidateView {
            peer: path.peer,
            name: &peer.policy.name,
            link: peer.policy.link,
            next_hop: path.route.next_hop,
            attributes,
            local_preference: local_preference(&peer.policy, peer.ebgp, attributes),
            verdict: match standing {
                Some(Standing::Best) => Verdict::Best,
                Some(Standing::Multipath) => Verdict::Multipath,
                Some(Standing::Worse(step)) => Verdict::Worse(step),
                Some(Standing::LeftOut { step, barrier }) => Verdict::LeftOut { step, barrier },
                None => unusable(),
            },
        })
    }

    fn refusal(&self, entry: &Entry, path: &Path, peer: &Peer) -> Option<Refusal> {
        let import = Import { config: &self.config, links: &self.links, policy: &peer.policy, ebgp: peer.ebgp };
        import.judge(&entry.prefix, &path.route).err()
    }

    fn why_withheld(&self, peer: PeerId, entry: &Entry) -> Option<Withheld> {
        let state = self.peers.get(&peer)?;
        let Some(export) = Export::of(self.config.asn, peer, state) else { return Some(Withheld::SessionDown) };
        let best = best(entry, &self.peers);
        match export.judge(&entry.prefix, best) {
            Err(withheld) => Some(withheld),
            Ok(()) => state.adj_out.held_back(entry.prefix, best?).map(|limit| Withheld::HeldBack { limit }),
        }
    }
}

const fn place(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Best => 0,
        Verdict::Multipath => 1,
        Verdict::Worse(_) | Verdict::LeftOut { .. } | Verdict::LinkDown | Verdict::Refused(_) => 2,
    }
}
