//! The routing tables as one machine: events in, outputs out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use bgp::{Family, Update};
use compact::{IdSet, Interner};
use ipnet::IpNet;
use wire::LinkId;

use crate::adj_in::Store;
use crate::aggregate::Summary;
use crate::import::captured;
use crate::local::Locals;
use crate::peer::{AdjOut, End, Peer, Sent};
use crate::peers::Peers;
use crate::policy::InsideLink;
use crate::reach::{Egress, Interfaces};
use crate::settle::{Scratch, Sets};
use crate::source::{ConnectedRule, StaticRoute};
use crate::table::Table;
use crate::{LinkState, NextHop, Output, PeerId, PeerPolicy, PeerSession, Reach, RibConfig, Standing};

/// Adj-RIB-In, Loc-RIB and Adj-RIB-Out of all sessions.
///
/// After every call of a `handle_*`, `set_*`, `add_*` or `remove_*` function the driver drains
/// [`poll_output`](Self::poll_output). Events about a peer that was not added, or updates on a session that is not up,
/// have no effect.
#[derive(Debug)]
pub struct Rib {
    pub(crate) config: RibConfig,
    pub(crate) peers: Peers,
    pub(crate) link_states: BTreeMap<LinkId, LinkState>,
    /// Where the tunnels of connections stand.
    pub(crate) standings: BTreeMap<LinkId, Standing>,
    /// All interfaces, those of tunnels and plain ones.
    pub(crate) interfaces: Interfaces,
    pub(crate) statics: Vec<StaticRoute>,
    pub(crate) connected: ConnectedRule,
    /// Next hops of static routes that name no interface.
    pub(crate) loose: BTreeSet<IpAddr>,
    /// A prefix around one of them was decided again.
    pub(crate) loose_moved: bool,
    /// What BFD has found dead of what static routes lead to.
    pub(crate) dead_hops: BTreeSet<NextHop>,
    /// There are peers several hops away.
    pub(crate) far: bool,
    /// Next hops of peers several hops away that have to be looked up again.
    pub(crate) unsure: BTreeSet<IpAddr>,
    /// Inside links of all peers' tunnels.
    pub(crate) links: Vec<InsideLink>,
    pub(crate) table: Table,
    pub(crate) locals: Locals,
    pub(crate) summaries: Vec<Summary>,
    /// Aggregates in whose place nothing more specific is announced.
    pub(crate) covering: Vec<IpNet>,
    /// Contents of the Adj-RIBs-In.
    pub(crate) received: Store,
    /// Contents of the Adj-RIBs-Out.
    pub(crate) sent: Interner<Sent>,
    pub(crate) sets: Sets,
    /// Prefixes the forwarding table has from us.
    pub(crate) installed: usize,
    /// Prefixes to decide again.
    pub(crate) dirty: IdSet,
    /// Of these, the ones that have not been since a session was lost, by its peer, and those that hang on them.
    pub(crate) leaving: BTreeMap<PeerId, IdSet>,
    /// Prefixes that may be gone from everywhere.
    pub(crate) vacant: IdSet,
    /// How many of these were left when it was last looked, because some peer is yet to be told.
    waiting: usize,
    /// Nothing is decided or announced yet.
    pub(crate) deferred: bool,
    /// Outputs of the work done so far.
    pub(crate) ready: VecDeque<Output>,
    pub(crate) scratch: Scratch,
}

impl Rib {
    /// Originates `config.originated`; without peers.
    #[must_use]
    pub fn new(mut config: RibConfig) -> Self {
        let originated = mem::take(&mut config.originated);
        let aggregates = mem::take(&mut config.aggregates);
        let mut rib = Self {
            config,
            peers: Peers::default(),
            link_states: BTreeMap::new(),
            standings: BTreeMap::new(),
            interfaces: Interfaces::new(),
            statics: Vec::new(),
            connected: ConnectedRule::default(),
            loose: BTreeSet::new(),
            loose_moved: false,
            dead_hops: BTreeSet::new(),
            far: false,
            unsure: BTreeSet::new(),
            links: Vec::new(),
            table: Table::default(),
            locals: Locals::default(),
            summaries: Vec::new(),
            covering: Vec::new(),
            received: Store::default(),
            sent: Interner::default(),
            sets: Sets::default(),
            installed: 0,
            dirty: IdSet::default(),
            leaving: BTreeMap::new(),
            vacant: IdSet::default(),
            waiting: 0,
            deferred: false,
            ready: VecDeque::new(),
            scratch: Scratch::default(),
        };
        rib.set_originated(originated);
        rib.set_aggregates(aggregates);
        rib
    }

    /// A session is configured; it is down. For a known one the same as [`set_policy`](Self::set_policy). There may be
    /// 65536 sessions; one more is left out.
    pub fn add_peer(&mut self, peer: PeerId, policy: PeerPolicy) {
        if self.peers.contains(peer) {
            return self.set_policy(peer, policy);
        }
        let egress = Egress::of(&policy, &self.interfaces, &self.link_states);
        let standing = self.standings.get(&policy.link).copied();
        if self.peers.insert(peer, Peer { standing, ..Peer::new(peer, policy, self.config.asn, egress) }) {
            self.relink();
            self.pin_defaults();
        }
    }

    /// A session is not configured any more.
    pub fn remove_peer(&mut self, peer: PeerId) {
        self.handle_peer_down(peer);
        if self.peers.remove(peer).is_some() {
            self.relink();
            self.pin_defaults();
        }
    }

    /// A session is established. Everything is announced to it, and then the End-of-RIB of each family
    /// (RFC 4724 2). Routes that were kept from before its restart stay until its own End-of-RIB.
    pub fn handle_peer_up(&mut self, peer: PeerId, session: PeerSession) {
        if self.peers.get(peer).is_some_and(|state| state.session.is_some()) {
            self.handle_peer_down(peer);
        }
        let Some(state) = self.peers.get_mut(peer) else { return };
        state.adj_out = AdjOut::start(&session.families, state.policy.max_prefix_out, self.table.ids());
        state.router_id = session.peer_router_id;
        state.held = false;
        state.retained = false;
        state.session = Some(session);
        if state.adj_in.paths > 0 {
            // Its identifier, its role and what next hops it may send can have changed.
            self.dirty.union(&state.adj_in.prefixes);
            self.reconsider(peer);
        }
    }

    /// A session is lost: all its routes are gone at once, and what was to be sent is moot.
    pub fn handle_peer_down(&mut self, peer: PeerId) {
        let Some(state) = self.peers.get_mut(peer) else { return };
        if state.session.take().is_none() && !mem::take(&mut state.retained) {
            return;
        }
        state.adj_out = AdjOut::default();
        self.forget_routes(peer);
        // What the peer withdrew just before is among it, and what was of no use is decided already.
        self.leaving.entry(peer).or_default().union(&self.dirty);
        self.drop_outputs(peer);
    }

    /// Takes over what a peer announces and withdraws.
    pub fn handle_update(&mut self, peer: PeerId, update: Update) {
        if !self.takes_updates(peer) {
            return;
        }
        // RFC 4271 4.3: a prefix in both places counts as announced.
        let Update { withdrawn, mut announced, attributes, end_of_rib, end_of_refresh: _ } = update;
        for nlri in withdrawn {
            self.withdraw(peer, nlri);
        }
        // Most often there is one only, which takes the attributes themselves.
        let last = announced.pop();
        for announcement in announced {
            self.receive(peer, announcement, Arc::clone(&attributes));
        }
        if let Some(last) = last {
            self.receive(peer, last, attributes);
        }
        if let Some(family) = end_of_rib {
            self.sweep_stale(peer, family);
            if let Some(state) = self.peers.get_mut(peer) {
                state.adj_in.ended.push(family);
            }
        }
    }

    /// The peer asks for all routes of a family again (RFC 2918 4). After the last the end is marked (RFC 7313 4.1).
    pub fn handle_refresh(&mut self, peer: PeerId, family: Family) {
        let Self { peers, table, .. } = self;
        let negotiated =
            |state: &&mut Peer| state.session.as_ref().is_some_and(|session| session.families.contains(&family));
        let Some(state) = peers.get_mut(peer).filter(negotiated) else { return };
        let AdjOut { pending, repeat, ends, told, told_paths, .. } = &mut state.adj_out;
        let ids = told.keys().chain(told_paths.keys());
        for id in ids.filter(|id| Family::of(&table.entry(*id).prefix) == family) {
            pending.insert(id);
            repeat.insert(id);
        }
        if !ends.contains(&End::Refresh(family)) {
            ends.push(End::Refresh(family));
        }
    }

    /// A link (a tunnel, or a plain interface) came up or went down: all next hops through it are valid, or invalid,
    /// from now on.
    pub fn handle_link(&mut self, link: LinkId, state: LinkState) {
        // A link that is not there is down, so that those that are gone take no room.
        let before = match state {
            LinkState::Up => self.link_states.insert(link, state),
            LinkState::Down => self.link_states.remove(&link),
        };
        if before.unwrap_or(LinkState::Down) == state {
            return;
        }
        self.links_changed();
    }

    /// Takes over what may change while the router runs: all but its AS number and identifier.
    pub fn reconfigure(&mut self, config: RibConfig) {
        let RibConfig { asn: _, router_id: _, originated, aggregates, ecmp_width, decision, protected } = config;
        self.set_originated(originated);
        self.set_aggregates(aggregates);
        self.set_ecmp_width(ecmp_width);
        self.set_protected(protected);
        if self.config.decision != decision {
            self.config.decision = decision;
            self.dirty.union(self.table.ids());
        }
    }

    /// Replaces the policy of a session, which goes on: what was received is judged again, and what was sent is
    /// corrected.
    pub fn set_policy(&mut self, peer: PeerId, policy: PeerPolicy) {
        let egress = Egress::of(&policy, &self.interfaces, &self.link_states);
        let asn = self.config.asn;
        let Some(state) = self.peers.get_mut(peer) else { return };
        if state.policy == policy {
            return;
        }
        state.ebgp = policy.peer_asn != asn;
        state.egress = egress;
        let old = mem::replace(&mut state.policy, policy);
        let ends = |policy: &PeerPolicy| policy.all_ends().map(|ends| (ends.local, ends.peer)).collect::<Vec<_>>();
        let next_hop_moved = ends(&old) != ends(&state.policy);
        let moved = next_hop_moved || (old.link, old.peer_asn) != (state.policy.link, state.policy.peer_asn);
        if let Some(session) = &state.session {
            state.adj_out.restart(state.policy.max_prefix_out, next_hop_moved, self.table.ids());
            if mem::take(&mut state.adj_in.forgotten) > 0 {
                let refresh = |family: &Family| Output::RequestRefresh { peer, family: *family };
                self.ready.extend(session.families.iter().map(refresh));
            }
        }
        if moved {
            self.dirty.union(&state.adj_in.prefixes);
            self.rename_next_hops(peer, &old);
        }
        if !self.relink() {
            self.reconsider(peer);
        }
        self.pin_defaults();
    }

    /// Has traffic leave a session, or come back to it (RFC 8326), until told otherwise; the session goes on. What is
    /// configured besides stays in force.
    pub fn set_draining(&mut self, peer: PeerId, draining: bool) {
        let Some(state) = self.peers.get_mut(peer).filter(|state| state.draining != draining) else { return };
        state.draining = draining;
        if state.session.is_some() {
            state.adj_out.restart(state.policy.max_prefix_out, false, self.table.ids());
        }
        self.reconsider(peer);
    }

    /// Sessions that traffic is to leave, by [`set_draining`](Self::set_draining).
    pub fn draining(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.peers.iter().filter(|peer| peer.draining).map(|peer| peer.id)
    }

    /// Replaces the addresses that no learned route may cover.
    pub fn set_protected(&mut self, protected: Vec<IpAddr>) {
        if self.config.protected != protected {
            self.config.protected = protected;
            self.reconsider_all();
            self.refresh_sources();
            self.aggregate_again();
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

    /// After our own restart (RFC 4724 4.1): nothing is decided, installed or announced until
    /// [`begin_selection`](Self::begin_selection). The end of what a peer had to say is reported meanwhile.
    pub const fn defer_selection(&mut self) {
        self.deferred = true;
    }

    /// Everybody has said what they had, or it took too long.
    pub const fn begin_selection(&mut self) {
        self.deferred = false;
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.ready.pop_front() {
                return Some(output);
            }
            let worked = self.settle() || self.aggregate() || self.report_ends() || self.announce();
            if !worked {
                self.reclaim();
                return None;
            }
        }
    }

    /// Forgets outputs that concern a peer, but for the end of a session that was lost before: that is said later.
    pub(crate) fn drop_outputs(&mut self, peer: PeerId) {
        if self.ready.contains(&Output::Forgotten { peer }) {
            self.leaving.entry(peer).or_default();
        }
        self.ready.retain(|output| match output {
            Output::Send { peer: to, .. } | Output::HeldBack { peer: to, .. } => *to != peer,
            Output::PrefixLimit { peer: of, .. }
            | Output::PrefixWarning { peer: of, .. }
            | Output::EndOfRib { peer: of, .. }
            | Output::Forgotten { peer: of }
            | Output::RequestRefresh { peer: of, .. } => *of != peer,
            Output::Fib(_) => true,
        });
    }

    /// Whether updates are taken from a peer.
    fn takes_updates(&self, peer: PeerId) -> bool {
        self.peers.get(peer).is_some_and(|state| state.session.is_some() && !state.adj_in.closed)
    }

    /// Collects the inside links again, and if they changed judges everything again; whether they did.
    fn relink(&mut self) -> bool {
        self.far = self.peers.iter().any(|peer| peer.policy.reach == Reach::Routed);
        let links: Vec<InsideLink> = self.peers.iter().flat_map(|peer| InsideLink::of(&peer.policy)).collect();
        let changed = links != self.links;
        if changed {
            self.links = links;
            self.reconsider_all();
        }
        changed
    }

    /// The default routes are in the table as long as some peer is given one.
    fn pin_defaults(&mut self) {
        let wanted = self.peers.iter().any(|peer| peer.policy.treatment.default_originate);
        for default in [IpNet::V4(ipnet::Ipv4Net::default()), IpNet::V6(ipnet::Ipv6Net::default())] {
            let Some(id) = self.table.find(&default).or_else(|| wanted.then(|| self.table.enter(default))) else {
                continue;
            };
            let entry = self.table.entry_mut(id);
            if entry.pinned == wanted {
                continue;
            }
            entry.pinned = wanted;
            entry.stale = true;
            self.dirty.insert(id);
            self.vacant.insert(id);
        }
    }

    fn reconsider_all(&mut self) {
        let peers: Vec<PeerId> = self.peers.ids().map(|(id, _)| id).collect();
        for peer in peers {
            self.reconsider(peer);
        }
    }

    /// Everything received so far is decided; whether there was anything to report.
    fn report_ends(&mut self) -> bool {
        for peer in self.peers.iter_mut() {
            for family in peer.adj_in.ended.drain(..) {
                self.ready.push_back(Output::EndOfRib { peer: peer.id, family });
            }
        }
        !self.ready.is_empty()
    }

    /// Once nobody has to be told of them any more, prefixes without paths are gone.
    fn reclaim(&mut self) {
        let Self { peers, table, vacant, waiting, .. } = self;
        let waits = |peer: &&Peer| peer.session.is_some() && !peer.adj_out.pending.is_empty();
        let waiters: Vec<&Peer> = peers.iter().filter(waits).collect();
        // While many wait for a slow peer, they are not looked at again for every few that come.
        if self.deferred || !waiters.is_empty() && vacant.len() < 2 * *waiting {
            return;
        }
        let mut left = IdSet::default();
        while let Some(id) = vacant.pop() {
            let entry = table.entry(id);
            if !entry.is_vacant() || entry.pinned {
                continue;
            }
            if waiters.iter().any(|peer| peer.adj_out.pending.contains(id)) {
                left.insert(id);
            } else {
                table.remove(id);
            }
        }
        *waiting = left.len();
        *vacant = left;
    }
}
