//! How next hops are reached: through which link, and over which routes if they are several hops away.
//!
//! | session | a next hop is | it leads |
//! |---|---|---|
//! | in a tunnel | the peer's inside address | through the tunnel |
//! | with a peer on a network of ours | an address on the networks of that interface (RFC 4271 5.1.3) | through that interface |
//! | with a peer several hops away | any address that a route leads to | where that route leads |
//!
//! For the last kind the longest prefix around the next hop counts that is a network of an interface, a static route, or
//! a route of a peer of the first two kinds; routes of peers several hops away never do. So what follows from a
//! look-up never changes its outcome, and no route hangs on itself. A look-up is repeated when one of these routes
//! changed; the kernel always gets the links and addresses at the end.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use wire::LinkId;

use crate::decision::{Contest, Standing};
use crate::local::LocalKind;
use crate::peer::Peer;
use crate::rib::Rib;
use crate::settle::{candidate, takes_part};
use crate::source::{Distance, Interface};
use crate::table::{Entry, Path};
use crate::{LinkState, NextHop, PeerId, PeerPolicy, Reach};

/// Next hops of one peer that are kept without looking which are used.
const KEPT: usize = 1024;

pub(crate) type LinkStates = BTreeMap<LinkId, LinkState>;
pub(crate) type Interfaces = BTreeMap<LinkId, Interface>;

/// Through what the routes of a peer leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Egress {
    /// [`LinkId::NONE`] if they take whatever routes there are.
    pub(crate) link: LinkId,
    pub(crate) state: LinkState,
    /// Our addresses on that link, with their networks, where next hops may be any address on these.
    pub(crate) networks: Vec<IpNet>,
}

/// Next hops of a peer several hops away, and where each leads; nowhere, if empty.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    hops: BTreeMap<IpAddr, Arc<[NextHop]>>,
    /// How many there were when it was last looked which are used.
    swept: usize,
}

impl Reached {
    /// Whether this next hop is new; it leads nowhere until it is looked up.
    pub(crate) fn note(&mut self, next_hop: IpAddr) -> bool {
        let new = !self.hops.contains_key(&next_hop);
        if new {
            self.hops.insert(next_hop, [].into());
        }
        new
    }

    /// Takes over where next hops lead now; returns those of them that led elsewhere.
    fn renew(&mut self, looked_up: &[(IpAddr, Arc<[NextHop]>)]) -> HashSet<IpAddr> {
        let mut changed = HashSet::new();
        for (address, hops) in looked_up {
            if let Some(known) = self.hops.get_mut(address).filter(|known| *known != hops) {
                *known = Arc::clone(hops);
                changed.insert(*address);
            }
        }
        changed
    }

    pub(crate) fn of(&self, next_hop: IpAddr) -> &[NextHop] {
        self.hops.get(&next_hop).map_or(&[], |hops| hops)
    }
}

impl Egress {
    pub(crate) fn of(policy: &PeerPolicy, interfaces: &Interfaces, states: &LinkStates) -> Self {
        let state = |link: &LinkId| states.get(link).copied().unwrap_or(LinkState::Down);
        match &policy.reach {
            Reach::Tunnel => Self { link: policy.link, state: state(&policy.link), networks: Vec::new() },
            Reach::Routed => Self { link: LinkId::NONE, state: LinkState::Up, networks: Vec::new() },
            Reach::Connected { interface } => {
                let named = |known: &Interface| interface.as_ref().is_none_or(|name| *name == known.name);
                let plain = interfaces.iter().filter(|(link, known)| link.tunnel().is_none() && named(known));
                let around = plain.filter_map(|(link, known)| {
                    let networks = known.addresses.iter().filter(|ours| ours.contains(&policy.peer_address));
                    Some((link, known, networks.map(IpNet::prefix_len).max()?))
                });
                let best = around.max_by_key(|(link, _, length)| (state(link) == LinkState::Up, *length));
                best.map_or_else(
                    || Self { link: LinkId::NONE, state: LinkState::Down, networks: Vec::new() },
                    |(link, known, _)| Self { link: *link, state: state(link), networks: known.addresses.clone() },
                )
            }
        }
    }
}

impl Rib {
    /// An interface is there, a tunnel's or a plain one, or has other addresses. Its state is told to
    /// [`handle_link`](Self::handle_link).
    pub fn set_interface(&mut self, link: LinkId, interface: Interface) {
        if self.interfaces.get(&link) != Some(&interface) {
            self.interfaces.insert(link, interface);
            self.links_changed();
        }
    }

    /// An interface is gone. What is known of its state stays: it is told on its own, and may be newer than this.
    pub fn remove_interface(&mut self, link: LinkId) {
        if self.interfaces.remove(&link).is_some() {
            self.links_changed();
        }
    }

    /// The next hops that a peer's routes have if it is in a tunnel or on a network of ours, and names itself. None if it
    /// can have no routes: [`Output::Forgotten`](crate::Output::Forgotten) never follows then.
    #[must_use]
    pub fn next_hops_at(&self, peer: PeerId) -> Vec<NextHop> {
        let near = |state: &&Peer| state.egress.link != LinkId::NONE && (state.session.is_some() || state.retained);
        let Some(Peer { policy, egress, .. }) = self.peers.get(peer).filter(near) else { return Vec::new() };
        policy.all_ends().map(|ends| NextHop { link: egress.link, address: ends.peer }).collect()
    }

    /// Something about links changed: what hangs on them is looked at again.
    pub(crate) fn links_changed(&mut self) {
        let (mut moved, mut dead) = (Vec::new(), Vec::new());
        for peer in self.peers.iter_mut() {
            let egress = Egress::of(&peer.policy, &self.interfaces, &self.link_states);
            if peer.egress == egress {
                continue;
            }
            if peer.egress.networks != egress.networks {
                moved.push(peer.id);
            }
            if egress.state == LinkState::Down {
                dead.push(peer.id);
            }
            peer.egress = egress;
            self.dirty.union(&peer.adj_in.prefixes);
        }
        dead.into_iter().for_each(|peer| self.drop_retained(peer));
        moved.into_iter().for_each(|peer| self.reconsider(peer));
        self.refresh_sources();
        for peer in self.peers.iter() {
            self.unsure.extend(peer.reached.hops.keys());
        }
    }

    /// Forgets next hops that no path has any more, once there are many.
    fn forget_unused(&mut self) {
        let Self { peers, table, .. } = self;
        for (_, slot) in peers.ids().collect::<Vec<_>>() {
            let Some(peer) = peers.at_mut(slot) else { continue };
            if peer.reached.hops.len() <= 2 * peer.reached.swept + KEPT {
                continue;
            }
            let paths = peer.adj_in.prefixes.iter().flat_map(|id| table.entry(id).paths_of(slot));
            let used: BTreeSet<IpAddr> = paths.filter_map(|path| path.route.leads_to(&peer.policy)).collect();
            peer.reached.hops.retain(|address, _| used.contains(address));
            peer.reached.swept = peer.reached.hops.len();
        }
    }

    /// Next hops inside `prefix`, about which something changed, are looked up again.
    pub(crate) fn doubt(peers: &crate::peers::Peers, unsure: &mut BTreeSet<IpAddr>, prefix: &IpNet) {
        for peer in peers.iter().filter(|peer| !peer.reached.hops.is_empty()) {
            let within = peer.reached.hops.range(prefix.network()..=prefix.broadcast());
            unsure.extend(within.map(|(address, _)| *address));
        }
    }

    /// Looks up where doubtful next hops lead; prefixes with such are decided again if that changed.
    pub(crate) fn look_up_next_hops(&mut self) {
        if std::mem::take(&mut self.loose_moved) {
            self.refresh_sources();
        }
        if self.unsure.is_empty() {
            return;
        }
        self.forget_unused();
        let unsure = std::mem::take(&mut self.unsure);
        let looked_up: Vec<(IpAddr, Arc<[NextHop]>)> =
            unsure.into_iter().map(|address| (address, self.reach(address).into())).collect();
        let Self { peers, table, dirty, .. } = self;
        for (_, slot) in peers.ids().collect::<Vec<_>>() {
            let Some(peer) = peers.at_mut(slot) else { continue };
            let changed = peer.reached.renew(&looked_up);
            if changed.is_empty() {
                continue;
            }
            // However many changed, all routes of the peer are looked at once.
            let leads_there = |path: &Path| path.route.leads_to(&peer.policy).is_some_and(|to| changed.contains(&to));
            for id in peer.adj_in.prefixes.iter() {
                if table.entry(id).paths_of(slot).any(leads_there) {
                    dirty.insert(id);
                }
            }
        }
    }

    /// The links and addresses through which `address` is reached.
    pub(crate) fn reach(&self, address: IpAddr) -> Vec<NextHop> {
        for length in (0..=IpNet::from(address).prefix_len()).rev() {
            if let Some(hop) = self.on_network(address, length) {
                return vec![hop];
            }
            let cover = IpNet::new(address, length).map(|net| net.trunc());
            let Some(id) = cover.ok().and_then(|cover| self.table.find(&cover)) else { continue };
            let fixed = self.locals.get(&id).and_then(|kinds| kinds.get(&LocalKind::Static));
            let learned = self.learned_directly(self.table.entry(id));
            match (fixed, learned) {
                (Some(fixed), Some((distance, hops))) if distance < fixed.distance => return hops,
                (Some(fixed), _) => return fixed.next_hops.as_slice().to_vec(),
                (None, Some((_, hops))) => return hops,
                (None, None) => {}
            }
        }
        Vec::new()
    }

    /// The way to an address on a network of this length that an interface which is up has.
    pub(crate) fn on_network(&self, address: IpAddr, length: u8) -> Option<NextHop> {
        let has = |interface: &Interface| {
            let mut networks = interface.addresses.iter().filter(|ours| ours.prefix_len() == length);
            networks.any(|ours| ours.contains(&address) && ours.addr() != address)
        };
        let mut on = self.interfaces.iter().filter(|(link, interface)| self.is_up(**link) && has(interface));
        on.next().map(|(link, _)| NextHop { link: *link, address })
    }

    /// The interface of this name, if it is up.
    pub(crate) fn link_named(&self, name: &str) -> Option<LinkId> {
        let mut named = self.interfaces.iter().filter(|(_, interface)| interface.name == name);
        named.find(|(link, _)| self.is_up(**link)).map(|(link, _)| *link)
    }

    fn is_up(&self, link: LinkId) -> bool {
        self.link_states.get(&link) == Some(&LinkState::Up)
    }

    /// What peers in tunnels and on networks of ours have for a prefix: its distance and next hops.
    pub(crate) fn learned_directly(&self, entry: &Entry) -> Option<(u8, Vec<NextHop>)> {
        let direct: Vec<(&Path, &Peer)> = entry
            .paths
            .iter()
            .filter_map(|path| Some((path, self.peers.at(path.peer)?)))
            .filter(|(path, peer)| peer.policy.reach != Reach::Routed && takes_part(path, peer))
            .collect();
        let candidates: Vec<_> = direct.iter().filter_map(|(path, peer)| candidate(path, peer)).collect();
        let mut contest = Contest::default();
        let standings = contest.decide(false, &candidates, (self.config.decision, self.config.ecmp_width));
        let mut external = false;
        let mut hops = Vec::new();
        for ((path, peer), standing) in direct.iter().zip(standings) {
            match standing {
                Standing::Best | Standing::Multipath => {
                    external |= peer.ebgp;
                    let address = path.route.leads_to(&peer.policy);
                    hops.extend(address.map(|address| NextHop { link: peer.egress.link, address }));
                }
                Standing::Worse(_) | Standing::LeftOut { .. } => {}
            }
        }
        (!hops.is_empty()).then_some((if external { Distance::EXTERNAL } else { Distance::INTERNAL }, hops))
    }
}
