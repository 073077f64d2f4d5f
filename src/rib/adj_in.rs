//! Adj-RIB-In: taking over, judging again and forgetting what peers announce.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ptr;
use std::sync::Arc;

use bgp::{Announcement, Attributes, Family, Nlri};
use compact::{IdSet, Interner};
use ipnet::IpNet;
use policy::Changes;

use crate::import::{Effective, Import, local_preference};
use crate::peer::{AdjIn, Peer};
use crate::peers::Slot;
use crate::reach::Reached;
use crate::rib::Rib;
use crate::route::{Rank, Route, RouteNextHop, RouteParts};
use crate::table::{Entry, Path, Role};
use crate::{Output, PeerId, PeerPolicy};

/// How many refused routes of one peer are kept. They are kept to say why they are refused, and to be judged again
/// when the policy changes; a peer that floods us with such does not get more memory for it.
const REFUSED_KEPT: usize = 65_536;

/// Contents of the Adj-RIBs-In.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) routes: Interner<Route>,
    /// As received, of routes that policy changed.
    originals: Interner<Attributes>,
}

impl Store {
    /// A route that was received with `attributes`, as `effective` says, or unchanged with this local preference.
    fn share(&mut self, attributes: &Arc<Attributes>, next_hop: RouteNextHop, effective: Effective) -> Arc<Route> {
        let Effective { attributes: changed, local_preference, toward } = effective;
        let Some(changed) = changed else {
            let parts: RouteParts<'_> = (attributes, None, (next_hop, toward), local_preference);
            let make = || {
                let rank = Rank::of(attributes, local_preference);
                Route { attributes: Arc::clone(attributes), original: None, next_hop, toward, rank }
            };
            return self.routes.share_parts(&parts, |known| known.parts() == parts, make);
        };
        let original = Some(self.originals.share_arc(attributes));
        let rank = Rank::of(&changed, local_preference);
        self.routes.share(Route { attributes: Arc::new(*changed), original, next_hop, toward, rank })
    }

    pub(crate) fn sweep(&mut self) {
        self.routes.sweep();
        self.originals.sweep();
    }
}

impl Rib {
    /// Takes over one announcement; prefixes of families that were not negotiated are passed over (RFC 4760 7).
    pub(crate) fn receive(&mut self, from: PeerId, routes: Announcement, attributes: Arc<Attributes>) {
        let Self { config, links, peers, table, received, dirty, vacant, ready, .. } = self;
        let Some(slot) = peers.slot(from) else { return };
        let Some(peer) = peers.at_mut(slot) else { return };
        let mut adj_in = std::mem::take(&mut peer.adj_in);
        let import = Import::of(config, links, peer);
        let mut reception = Reception::new(import, attributes, routes.next_hop);
        let families = peer.session.as_ref().map_or(&[] as &[Family], |session| &session.families);
        for Nlri { prefix, path_id } in routes.prefixes {
            let prefix = prefix.trunc();
            if adj_in.closed || !families.contains(&Family::of(&prefix)) {
                continue;
            }
            let (route, accepted) = reception.route(received, &prefix);
            if !accepted && adj_in.paths - adj_in.accepted >= REFUSED_KEPT {
                adj_in.forgotten += 1;
                if let Some(id) = table.find(&prefix) {
                    adj_in.drop_path((slot, path_id), id, table.entry_mut(id), dirty, vacant);
                }
                continue;
            }
            let id = table.enter(prefix);
            if path_id > 0 && table.entry(id).is_full(slot, path_id) {
                adj_in.forgotten += 1;
                continue;
            }
            adj_in.put_path(Path::new(route, slot, path_id, accepted), id, table.entry_mut(id), dirty);
            adj_in.check_limit(peer.id, &peer.policy, ready);
        }
        peer.adj_in = adj_in;
    }

    pub(crate) fn withdraw(&mut self, from: PeerId, Nlri { prefix, path_id }: Nlri) {
        let Some(slot) = self.peers.slot(from) else { return };
        let Some(peer) = self.peers.at_mut(slot) else { return };
        if let Some(id) = self.table.find(&prefix.trunc()) {
            let entry = self.table.entry_mut(id);
            peer.adj_in.drop_path((slot, path_id), id, entry, &mut self.dirty, &mut self.vacant);
        }
    }

    /// Drops all routes of a peer.
    pub(crate) fn forget_routes(&mut self, from: PeerId) {
        self.drop_routes(from, |_, _| true);
        if let Some(peer) = self.peers.get_mut(from) {
            peer.adj_in = AdjIn::default();
            peer.reached = Reached::default();
        }
        self.received.sweep();
    }

    /// Drops the routes of a peer that are `unwanted`.
    pub(crate) fn drop_routes(&mut self, from: PeerId, unwanted: impl Fn(Family, &Path) -> bool) {
        let Self { peers, table, dirty, vacant, .. } = self;
        let Some(slot) = peers.slot(from) else { return };
        let Some(Peer { adj_in, .. }) = peers.at_mut(slot) else { return };
        let mut gone = Vec::new();
        for id in adj_in.prefixes.clone().iter() {
            let entry = table.entry_mut(id);
            let family = Family::of(&entry.prefix);
            gone.extend(entry.paths_of(slot).filter(|path| unwanted(family, path)).map(|path| path.path_id));
            for path_id in gone.drain(..) {
                adj_in.drop_path((slot, path_id), id, entry, dirty, vacant);
            }
        }
    }

    /// Judges all routes of a peer again, and has all its prefixes decided again.
    pub(crate) fn reconsider(&mut self, from: PeerId) {
        let Self { config, links, peers, table, received, dirty, ready, .. } = self;
        let Some(slot) = peers.slot(from) else { return };
        let Some(peer) = peers.at_mut(slot) else { return };
        let mut adj_in = std::mem::take(&mut peer.adj_in);
        let import = Import::of(config, links, peer);
        let mut revision = Revision { import, known: HashMap::new() };
        adj_in.accepted = 0;
        for id in adj_in.prefixes.iter() {
            let entry = table.entry_mut(id);
            let prefix = entry.prefix;
            for path in entry.paths.iter_mut().filter(|path| path.peer == slot) {
                let judged = revision.judge(received, &prefix, &path.route);
                let accepted = judged.is_some();
                let changed = accepted != path.is_accepted() || judged.as_ref().is_some_and(|new| !new.is(&path.route));
                if changed {
                    entry.stale |= path.role() == Role::Best;
                    dirty.insert(id);
                }
                path.accept(accepted);
                if let Some(route) = judged {
                    path.route = route;
                }
                adj_in.accepted += usize::from(accepted);
            }
        }
        adj_in.check_limit(peer.id, &peer.policy, ready);
        peer.adj_in = adj_in;
    }

    /// The inside addresses of a peer's link changed: what was its own next hop is another's now, or the reverse.
    pub(crate) fn rename_next_hops(&mut self, from: PeerId, old: &PeerPolicy) {
        let Self { peers, table, received, dirty, .. } = self;
        let Some(slot) = peers.slot(from) else { return };
        let Some(peer) = peers.at(slot) else { return };
        for id in peer.adj_in.prefixes.iter() {
            for path in table.entry_mut(id).paths_of_mut(slot) {
                let Some(address) = path.route.next_hop.address(old.all_ends()) else { continue };
                let next_hop = RouteNextHop::of(address, peer.policy.all_ends());
                if next_hop != path.route.next_hop {
                    let Route { attributes, original, toward, rank, .. } = &*path.route;
                    let (attributes, original) = (attributes.clone(), original.clone());
                    path.route =
                        received.routes.share(Route { attributes, original, next_hop, toward: *toward, rank: *rank });
                }
            }
            dirty.insert(id);
        }
    }
}

/// One announcement on its way into the tables.
struct Reception<'a> {
    import: Import<'a>,
    attributes: Arc<Attributes>,
    next_hop: IpAddr,
    stored_next_hop: RouteNextHop,
    /// What the family alone says.
    sound: Option<(Family, bool)>,
    /// As received; made when it is needed.
    plain: Option<Arc<Route>>,
    /// What policy changed of the last prefix, and what came of it.
    effective: Option<(Family, Changes, Option<Arc<Route>>)>,
}

impl<'a> Reception<'a> {
    fn new(import: Import<'a>, attributes: Arc<Attributes>, next_hop: IpAddr) -> Self {
        let stored_next_hop = RouteNextHop::of(next_hop, import.policy.all_ends());
        Self { import, attributes, next_hop, stored_next_hop, sound: None, plain: None, effective: None }
    }

    /// The route to `prefix`, and whether it is accepted.
    fn route(&mut self, store: &mut Store, prefix: &IpNet) -> (Arc<Route>, bool) {
        let family = Family::of(prefix);
        let sound = match self.sound {
            Some((of, sound)) if of == family => sound,
            Some(_) | None => self.import.judge_route(family, &self.attributes, self.next_hop).is_ok(),
        };
        self.sound = Some((family, sound));
        let accepted = sound && self.import.judge_prefix(prefix).is_ok();
        match accepted.then(|| self.after_policy(store, prefix)).flatten() {
            Some(route) => (route, true),
            None => (self.as_received(store), false),
        }
    }

    fn as_received(&mut self, store: &mut Store) -> Arc<Route> {
        let Self { import, attributes, stored_next_hop, plain, .. } = self;
        let route = plain.get_or_insert_with(|| {
            let local_preference = local_preference(import.policy, import.ebgp, attributes);
            store.share(attributes, *stored_next_hop, Effective { attributes: None, local_preference, toward: None })
        });
        Arc::clone(route)
    }

    fn after_policy(&mut self, store: &mut Store, prefix: &IpNet) -> Option<Arc<Route>> {
        let family = Family::of(prefix);
        let changes = self.import.consult(prefix, &self.attributes, self.next_hop).ok()?;
        if let Some((of, known, outcome)) = &self.effective
            && *of == family
            && known.is(&changes)
        {
            return outcome.clone();
        }
        let effective = self.import.effect(family, &changes, &self.attributes, self.next_hop);
        let outcome = effective.ok().map(|effective| store.share(&self.attributes, self.stored_next_hop, effective));
        self.effective = Some((family, changes, outcome.clone()));
        outcome
    }
}

/// Judging again what is there, where the same content most often comes to the same.
struct Revision<'a> {
    import: Import<'a>,
    /// By the address of the route judged.
    known: HashMap<(usize, Family), Judged>,
}

/// What a route comes to.
struct Judged {
    /// So that the address stays its own.
    route: Arc<Route>,
    /// Whether it is sound, whatever policy says.
    sound: bool,
    /// By what policy changes: most often one entry.
    outcomes: Vec<(Changes, Option<Arc<Route>>)>,
}

impl Revision<'_> {
    /// The route as it is accepted now, if it is.
    fn judge(&mut self, store: &mut Store, prefix: &IpNet, route: &Arc<Route>) -> Option<Arc<Route>> {
        let Self { import, known } = self;
        import.judge_prefix(prefix).ok()?;
        let family = Family::of(prefix);
        let next_hop = route.next_hop.address(import.policy.all_ends())?;
        let judged = known.entry((ptr::from_ref::<Route>(route).addr(), family)).or_insert_with(|| {
            let sound = import.judge_route(family, route.received(), next_hop).is_ok();
            Judged { route: Arc::clone(route), sound, outcomes: Vec::new() }
        });
        if !judged.sound {
            return None;
        }
        let changes = import.consult(prefix, route.received(), next_hop).ok()?;
        if let Some((_, outcome)) = judged.outcomes.iter().find(|(known, _)| known.is(&changes)) {
            return outcome.clone();
        }
        let outcome = import.effect(family, &changes, route.received(), next_hop).ok().map(|effective| {
            let same = effective.attributes.is_none() && route.original.is_none() && effective.toward == route.toward;
            if same && effective.local_preference == route.rank.local_preference {
                return Arc::clone(&judged.route);
            }
            store.share(route.received(), route.next_hop, effective)
        });
        judged.outcomes.push((changes, outcome.clone()));
        outcome
    }
}

impl AdjIn {
    fn put_path(&mut self, path: Path, id: u32, entry: &mut Entry, dirty: &mut IdSet) {
        let accepted = path.is_accepted();
        let (slot, path_id) = (path.peer, path.path_id);
        if let Some(known) = entry.paths.iter_mut().find(|known| known.is_of(slot, path_id)) {
            self.stale -= usize::from(known.is_stale());
            known.set_stale(false);
            if known.is_accepted() == accepted && known.route.is(&path.route) {
                return;
            }
        }
        let old = entry.put(path);
        self.prefixes.insert(id);
        self.accepted += usize::from(accepted);
        match &old {
            Some(old) => {
                self.accepted -= usize::from(old.is_accepted());
                entry.stale |= old.role() == Role::Best;
            }
            None => self.paths += 1,
        }
        if accepted || old.is_some_and(|old| old.is_accepted()) {
            dirty.insert(id);
        }
    }

    fn drop_path(
        &mut self,
        (slot, path_id): (Slot, u32),
        id: u32,
        entry: &mut Entry,
        dirty: &mut IdSet,
        vacant: &mut IdSet,
    ) {
        let Some(old) = entry.take(slot, path_id) else { return };
        if entry.paths_of(slot).next().is_none() {
            self.prefixes.remove(id);
        }
        self.paths -= 1;
        self.accepted -= usize::from(old.is_accepted());
        self.stale -= usize::from(old.is_stale());
        self.leave_role(old.role());
        entry.stale |= old.role() == Role::Best;
        // Its role is from the last decision, its acceptance may be newer.
        if old.is_accepted() || old.role() != Role::Unused {
            dirty.insert(id);
        }
        if entry.is_vacant() {
            vacant.insert(id);
        }
    }

    pub(crate) const fn enter_role(&mut self, role: Role) {
        match role {
            Role::Best => self.best += 1,
            Role::Multipath => self.multipath += 1,
            Role::Unused => {}
        }
    }

    pub(crate) const fn leave_role(&mut self, role: Role) {
        match role {
            Role::Best => self.best -= 1,
            Role::Multipath => self.multipath -= 1,
            Role::Unused => {}
        }
    }

    /// RFC 4271 6.7: one too many is reported once, and ends what is taken from this session. That the limit is near
    /// is reported each time the number rises to the configured part of it.
    fn check_limit(&mut self, peer: PeerId, policy: &PeerPolicy, ready: &mut impl Extend<Output>) {
        let Some(limit) = policy.max_prefix_in.filter(|_| !self.closed) else { return };
        let count = u32::try_from(self.accepted).unwrap_or(u32::MAX);
        if count > limit {
            self.closed = true;
            ready.extend([Output::PrefixLimit { peer, limit, count }]);
            return;
        }
        let Some(percent) = policy.treatment.warn_percent else { return };
        let near = u64::from(count) * 100 >= u64::from(limit) * u64::from(percent);
        if near && !self.warned {
            ready.extend([Output::PrefixWarning { peer, limit, count }]);
        }
        self.warned = near;
    }
}
