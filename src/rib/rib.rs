//! The routing tables as one machine: events in, outputs out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::net::IpAddr;

use bgp::{Attributes, Family, Update};
use ipnet::IpNet;
use wire::LinkId;

use crate::id_set::IdSet;
use crate::import::{ReceivedRoute, captured};
use crate::intern::Interner;
use crate::peer::{AdjOut, Peer};
use crate::policy::InsideLink;
use crate::table::Table;
use crate::{LinkState, NextHop, Output, PeerId, PeerPolicy, PeerSession, RibConfig};

/// Adj-RIB-In, Loc-RIB and Adj-RIB-Out of all sessions.
///
/// After every call of a `handle_*`, `set_*`, `add_*` or `remove_*` function the driver drains
/// [`poll_output`](Self::poll_output). Events about a peer that was not added, or updates on a session that is not up,
/// have no effect.
#[derive(Debug)]
pub struct Rib {
    pub(crate) config: RibConfig,
    pub(crate) peers: BTreeMap<PeerId, Peer>,
    pub(crate) link_states: BTreeMap<LinkId, LinkState>,
    /// Inside links of all peers' tunnels.
    pub(crate) links: Vec<InsideLink>,
    pub(crate) table: Table,
    /// Contents of the Adj-RIBs-In.
    pub(crate) received: Interner<ReceivedRoute>,
    /// Contents of the Adj-RIBs-Out.
    pub(crate) sent: Interner<Attributes>,
    pub(crate) next_hops: Interner<[NextHop]>,
    /// Prefixes to decide again.
    pub(crate) dirty: IdSet,
    /// Prefixes that may be gone from everywhere.
    pub(crate) vacant: IdSet,
    /// Outputs of the work done so far.
    pub(crate) ready: VecDeque<Output>,
}

impl Rib {
    /// Originates `config.originated`; without peers.
    #[must_use]
    pub fn new(mut config: RibConfig) -> Self {
        let originated = mem::take(&mut config.originated);
        let mut rib = Self {
            config,
            peers: BTreeMap::new(),
            link_states: BTreeMap::new(),
            links: Vec::new(),
            table: Table::default(),
            received: Interner::default(),
            sent: Interner::default(),
            next_hops: Interner::default(),
            dirty: IdSet::default(),
            vacant: IdSet::default(),
            ready: VecDeque::new(),
        };
        rib.set_originated(originated);
        rib
    }

    /// A session is configured; it is down. For a known one the same as [`set_policy`](Self::set_policy).
    pub fn add_peer(&mut self, peer: PeerId, policy: PeerPolicy) {
        if self.peers.contains_key(&peer) {
            return self.set_policy(peer, policy);
        }
        let link = self.link_state(policy.link);
        self.peers.insert(peer, Peer::new(policy, self.config.asn, link));
        self.relink();
    }

    /// A session is not configured any more.
    pub fn remove_peer(&mut self, peer: PeerId) {
        self.handle_peer_down(peer);
        if self.peers.remove(&peer).is_some() {
            self.relink();
        }
    }

    /// A session is established. Everything is announced to it, and then the End-of-RIB of each family
    /// (RFC 4724 2).
    pub fn handle_peer_up(&mut self, peer: PeerId, session: PeerSession) {
        self.handle_peer_down(peer);
        if let Some(state) = self.peers.get_mut(&peer) {
            state.adj_out = AdjOut::start(&session.families, state.policy.max_prefix_out, self.table.ids());
            state.session = Some(session);
        }
    }

    /// A session is lost: all its routes are gone at once, and what was to be sent is moot.
    pub fn handle_peer_down(&mut self, peer: PeerId) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if state.session.take().is_none() {
            return;
        }
        state.adj_out = AdjOut::default();
        self.forget_routes(peer);
        self.ready.retain(|output| match output {
            Output::Send { peer: to, .. } | Output::HeldBack { peer: to, .. } => *to != peer,
            Output::PrefixLimit { peer: of, .. }
            | Output::EndOfRib { peer: of, .. }
            | Output::RequestRefresh { peer: of, .. } => *of != peer,
            Output::Fib(_) => true,
        });
    }

    /// Takes over what a peer announces and withdraws.
    pub fn handle_update(&mut self, peer: PeerId, update: Update) {
        let Some(session) = self.open_session(peer) else { return };
        let families = session.families.clone();
        // RFC 4271 4.3: a prefix in both places counts as announced.
        for nlri in update.withdrawn {
            self.withdraw(peer, &nlri.prefix.trunc());
        }
        for announcement in update.announced {
            self.receive(peer, announcement, update.attributes.clone(), &families);
        }
        if let Some(family) = update.end_of_rib
            && let Some(state) = self.peers.get_mut(&peer)
        {
            state.adj_in.ended.push(family);
        }
    }

    /// The peer asks for all routes of a family again (RFC 2918 4).
    pub fn handle_refresh(&mut self, peer: PeerId, family: Family) {
        let Self { peers, table, .. } = self;
        let Some(state) = peers.get_mut(&peer).filter(|state| state.session.is_some()) else { return };
        let out = &mut state.adj_out;
        let ids = out.advertised.keys().filter(|id| Family::of(&table.entry(**id).prefix) == family);
        for id in ids {
            out.pending.insert(*id);
            out.repeat.insert(*id);
        }
    }

    /// A link (a tunnel, or a plain interface) came up or went down: all next hops through it are valid, or invalid, from now on.
    pub fn handle_link(&mut self, link: LinkId, state: LinkState) {
        if self.link_states.insert(link, state).unwrap_or(LinkState::Down) == state {
            return;
        }
        for peer in self.peers.values_mut().filter(|peer| peer.policy.link == link) {
            peer.link = state;
            self.dirty.union(&peer.adj_in.prefixes);
        }
    }

    /// Replaces the originated prefixes.
    pub fn set_originated(&mut self, originated: Vec<IpNet>) {
        let new: BTreeSet<IpNet> = originated.iter().map(IpNet::trunc).collect();
        let old: BTreeSet<IpNet> = self.config.originated.iter().copied().collect();
        for prefix in old.symmetric_difference(&new) {
            let id = self.table.enter(*prefix);
            let entry = self.table.entry_mut(id);
            entry.originated = new.contains(prefix);
            entry.stale = true;
            self.dirty.insert(id);
        }
        self.config.originated = new.into_iter().collect();
    }

    /// Replaces the policy of a session, which goes on: what was received is judged again, and what was sent is
    /// corrected.
    pub fn set_policy(&mut self, peer: PeerId, policy: PeerPolicy) {
        let link = self.link_state(policy.link);
        let asn = self.config.asn;
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if state.policy == policy {
            return;
        }
        let next_hops = |policy: &PeerPolicy| policy.all_ends().map(|ends| ends.local).collect::<Vec<_>>();
        let next_hop_moved = next_hops(&state.policy) != next_hops(&policy);
        state.ebgp = policy.peer_asn != asn;
        state.link = link;
        state.policy = policy;
        if let Some(session) = &state.session {
            state.adj_out.restart(state.policy.max_prefix_out, next_hop_moved, self.table.ids());
            if mem::take(&mut state.adj_in.forgotten) > 0 {
                let refresh = |family: &Family| Output::RequestRefresh { peer, family: *family };
                self.ready.extend(session.families.iter().map(refresh));
            }
        }
        if !self.relink() {
            self.reconsider(peer);
        }
    }

    /// Replaces the addresses that no learned route may cover.
    pub fn set_protected(&mut self, protected: Vec<IpAddr>) {
        if self.config.protected != protected {
            self.config.protected = protected;
            self.reconsider_all();
        }
    }

    /// Replaces the number of next hops that one route may have; at least 1.
    pub fn set_ecmp_width(&mut self, width: usize) {
        if self.config.ecmp_width != width {
            self.config.ecmp_width = width;
            self.dirty.union(self.table.ids());
        }
    }

    /// A protected address that a route to `prefix` would lead into a tunnel; the reason not to accept it, or, for a
    /// default route the import list names, to keep a more specific route to that address elsewhere.
    #[must_use]
    pub fn captures(&self, prefix: &IpNet) -> Option<IpAddr> {
        captured(&self.config, prefix)
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.ready.pop_front() {
                return Some(output);
            }
            let worked = self.settle() || self.report_ends() || self.announce();
            if !worked {
                self.reclaim();
                return None;
            }
        }
    }

    /// The session of a peer from which updates are taken.
    fn open_session(&self, peer: PeerId) -> Option<&PeerSession> {
        let state = self.peers.get(&peer)?;
        state.session.as_ref().filter(|_| !state.adj_in.closed)
    }

    fn link_state(&self, link: LinkId) -> LinkState {
        self.link_states.get(&link).copied().unwrap_or(LinkState::Down)
    }

    /// Collects the inside links again, and if they changed judges everything again; whether they did.
    fn relink(&mut self) -> bool {
        let links: Vec<InsideLink> = self.peers.values().flat_map(|peer| InsideLink::of(&peer.policy)).collect();
        let changed = links != self.links;
        if changed {
            self.links = links;
            self.reconsider_all();
        }
        changed
    }

    fn reconsider_all(&mut self) {
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        for peer in peers {
            self.reconsider(peer);
        }
    }

    /// Everything received so far is decided; whether there was anything to report.
    fn report_ends(&mut self) -> bool {
        for (peer, state) in &mut self.peers {
            for family in state.adj_in.ended.drain(..) {
                self.ready.push_back(Output::EndOfRib { peer: *peer, family });
            }
        }
        !self.ready.is_empty()
    }

    /// Nobody has to be told anything any more: prefixes without paths are gone.
    fn reclaim(&mut self) {
        while let Some(id) = self.vacant.pop() {
            if self.table.entry(id).is_vacant() {
                self.table.remove(id);
            }
        }
    }
}
