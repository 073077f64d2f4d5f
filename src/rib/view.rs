//! The read side: what is in the tables, and why.

use std::fmt;
use std::net::IpAddr;

use bgp::{Attributes, Family};
use ipnet::IpNet;
use wire::LinkId;

use crate::announce::Sources;
use crate::decision::{Contest, Standing};
use crate::export::Export;
use crate::import::Import;
use crate::local::{self, LocalKind};
use crate::peer::{Peer, Sent};
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
    /// Accepted, but no route leads to its next hop.
    NoWay,
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
            Self::NoWay => f.write_str("unusable: no route leads to the next hop"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}

/// A prefix with all routes to it.
#[derive(Clone, Debug)]
pub struct RouteView<'a> {
    /// The destination.
    pub prefix: IpNet,
    /// Whether it is one of our own networks.
    pub originated: bool,
    /// Where the route of our own making comes from that beats all others, if there is one.
    pub local: Option<LocalKind>,
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
    /// Which of several from this peer (RFC 7911); 0 without path identifiers.
    pub path_id: u32,
    /// As received.
    pub next_hop: IpAddr,
    /// As received.
    pub attributes: &'a Attributes,
    /// As policy made them, if it changed them.
    pub changed: Option<&'a Attributes>,
    /// The one that counts, after policy.
    pub local_preference: u32,
    /// Octets per second, if a link bandwidth community says so.
    pub bandwidth: Option<u64>,
    /// Kept from before the peer restarted, or not repeated yet.
    pub stale: bool,
    /// What became of it.
    pub verdict: Verdict,
}

/// An entry of one Adj-RIB-In.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// The destination.
    pub prefix: IpNet,
    /// Which of several (RFC 7911); 0 without path identifiers.
    pub path_id: u32,
    /// Kept from before the peer restarted, or not repeated yet.
    pub stale: bool,
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
    /// Which of several (RFC 7911); 0 without path identifiers.
    pub path_id: u32,
    /// As sent.
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
        let usable = |entry: &Entry| entry.local || !entry.installed.is_empty();
        self.table.longest(&address.into(), usable).map(|entry| self.view(entry))
    }

    /// All that the forwarding table was told and that still holds.
    pub fn fib(&self) -> impl Iterator<Item = FibChange> + '_ {
        let installed = self.table.ids().iter().map(|id| self.table.entry(id));
        let installed = installed.filter(|entry| !entry.installed.is_empty());
        installed.map(|entry| FibChange { prefix: entry.prefix, next_hops: entry.installed.clone() })
    }

    /// Everything the peer announced, by prefix.
    pub fn adj_in(&self, peer: PeerId) -> impl Iterator<Item = Received<'_>> {
        let state = self.peers.get(peer).zip(self.peers.slot(peer));
        state.into_iter().flat_map(move |(state, slot)| {
            let mine = self.table.sorted(state.adj_in.prefixes.iter());
            mine.flat_map(move |(_, entry)| {
                entry.paths_of(slot).filter_map(move |path| {
                    Some(Received {
                        prefix: entry.prefix,
                        path_id: path.path_id,
                        stale: path.is_stale(),
                        next_hop: path.route.next_hop.address(state.policy.all_ends())?,
                        attributes: path.route.received(),
                        refusal: self.refusal(entry, path, state),
                    })
                })
            })
        })
    }

    /// Everything the peer was told, by prefix.
    pub fn adj_out(&self, peer: PeerId) -> impl Iterator<Item = Advertised<'_>> {
        let state = self.peers.get(peer);
        let export = state.and_then(|state| Export::of(self.config.asn, state, &self.covering));
        state.zip(export).into_iter().flat_map(move |(state, export)| {
            let out = &state.adj_out;
            self.table.sorted(out.prefixes()).flat_map(move |(id, entry)| {
                let one = out.told.get(id).map(|sent| (0, sent));
                let several = out.told_paths.get(id).into_iter().flatten().map(|(number, sent)| (*number, sent));
                one.into_iter().chain(several).filter_map(move |(path_id, sent)| {
                    let sent: &Sent = sent;
                    let next_hop = export.next_hop(Family::of(&entry.prefix), sent)?;
                    Some(Advertised { prefix: entry.prefix, path_id, next_hop, attributes: &sent.attributes })
                })
            })
        })
    }

    /// Everything the peer is not told, by prefix, and why.
    pub fn withheld(&self, peer: PeerId) -> impl Iterator<Item = (IpNet, Withheld)> + '_ {
        let known = self.table.iter().filter(|(_, entry)| !entry.is_vacant());
        known.filter_map(move |(id, entry)| Some((entry.prefix, self.why_withheld(peer, id)?)))
    }

    /// Whether the peer is told of this prefix, and if not, why. None if there is no such peer.
    #[must_use]
    pub fn export_verdict(&self, peer: PeerId, prefix: &IpNet) -> Option<Result<(), Withheld>> {
        let state = self.peers.get(peer)?;
        let verdict = match self.table.find(&prefix.trunc()) {
            Some(id) => self.why_withheld(peer, id),
            None if state.session.is_none() => Some(Withheld::SessionDown),
            None => Some(Withheld::NoRoute),
        };
        Some(verdict.map_or(Ok(()), Err))
    }

    /// How many prefixes of a peer are where. None if there is no such peer.
    #[must_use]
    pub fn counts(&self, peer: PeerId) -> Option<PeerCounts> {
        self.peers.get(peer).map(Peer::counts)
    }

    /// Families the peer's session has, empty while it is down.
    #[must_use]
    pub fn families(&self, peer: PeerId) -> &[Family] {
        self.peers.get(peer).and_then(|state| state.session.as_ref()).map_or(&[], |session| &session.families)
    }

    /// The size of everything.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            prefixes: self.table.len(),
            paths: self.peers.iter().map(|peer| peer.adj_in.paths).sum(),
            attribute_sets: self.received.routes.len(),
            installed: self.installed,
        }
    }

    fn view<'a>(&'a self, entry: &'a Entry) -> RouteView<'a> {
        let mut contest = Contest::default();
        let contenders: Vec<_> = candidates(entry, &self.peers).collect();
        let rules = (self.config.decision, self.config.ecmp_width);
        let mut standings = contest.decide(entry.local, &contenders, rules).iter();
        let view = |path: &'a Path| {
            let standing = is_usable(path, &self.peers).then(|| standings.next()).flatten();
            self.candidate_view(entry, path, standing)
        };
        let mut candidates: Vec<_> = entry.paths.iter().filter_map(view).collect();
        let id = entry.local.then(|| self.table.find(&entry.prefix)).flatten();
        let local = id.and_then(|id| local::first(&self.locals, id)).map(|(kind, _)| kind);
        if matches!(local, Some(LocalKind::Connected | LocalKind::Static)) {
            for candidate in &mut candidates {
                if candidate.verdict == Verdict::Worse(Step::LocalOrigin) {
                    candidate.verdict = Verdict::Worse(Step::Distance);
                }
            }
        }
        candidates.sort_by_key(|candidate| (place(&candidate.verdict), candidate.peer, candidate.path_id));
        RouteView {
            prefix: entry.prefix,
            originated: local == Some(LocalKind::Network),
            local,
            next_hops: &entry.installed,
            candidates,
        }
    }

    fn candidate_view<'a>(
        &'a self,
        entry: &Entry,
        path: &'a Path,
        standing: Option<&Standing>,
    ) -> Option<CandidateView<'a>> {
        let peer = self.peers.at(path.peer)?;
        let dead = if peer.is_usable() { Verdict::NoWay } else { Verdict::LinkDown };
        let unusable = || self.refusal(entry, path, peer).map_or(dead, Verdict::Refused);
        let bandwidth = path.route.rank.bandwidth;
        Some(CandidateView {
            peer: peer.id,
            name: &peer.policy.name,
            link: peer.egress.link,
            path_id: path.path_id,
            next_hop: path.route.next_hop.address(peer.policy.all_ends())?,
            attributes: path.route.received(),
            changed: path.route.original.is_some().then_some(&path.route.attributes),
            local_preference: path.route.rank.local_preference,
            bandwidth: (bandwidth > 0).then_some(bandwidth),
            stale: path.is_stale(),
            verdict: match standing {
                Some(Standing::Best) => Verdict::Best,
                Some(Standing::Multipath) => Verdict::Multipath,
                Some(Standing::Worse(step)) => Verdict::Worse(*step),
                Some(Standing::LeftOut { step, barrier }) => Verdict::LeftOut { step: *step, barrier: *barrier },
                None => unusable(),
            },
        })
    }

    fn refusal(&self, entry: &Entry, path: &Path, peer: &Peer) -> Option<Refusal> {
        let import = Import { counts: false, ..Import::of(&self.config, &self.links, peer) };
        let next_hop = path.route.next_hop.address(peer.policy.all_ends())?;
        import.judge(&entry.prefix, path.route.received(), next_hop).err()
    }

    fn why_withheld(&self, peer: PeerId, id: u32) -> Option<Withheld> {
        let state = self.peers.get(peer)?;
        let entry = self.table.entry(id);
        let Some(export) = Export::of(self.config.asn, state, &self.covering) else {
            return Some(Withheld::SessionDown);
        };
        let Self { peers, table, locals, config, .. } = self;
        let sources = Sources { peers, table, locals, rules: config.decision };
        let Some(learned) = sources.is_learned_for(id, &export) else {
            return export.judge(&entry.prefix, sources.best_for(id, &export)).err();
        };
        state.adj_out.held_back(entry.prefix, learned).map(|limit| Withheld::HeldBack { limit })
    }
}

const fn place(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Best => 0,
        Verdict::Multipath => 1,
        Verdict::Worse(_) | Verdict::LeftOut { .. } | Verdict::LinkDown | Verdict::NoWay | Verdict::Refused(_) => 2,
    }
}
