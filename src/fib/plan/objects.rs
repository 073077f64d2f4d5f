//! Nexthop objects: which must go at once, which are missing, what groups hold, and which nothing uses any more.

use std::collections::{BTreeMap, BTreeSet};

use rib::{NextHop, NextHopSet};

use super::kernel::{Body, Hop, Member, NexthopId};
use super::op::{Op, Refusal};
use super::{Mode, Plan, SetState};

impl Plan {
    /// One deletion per dead hop, or hop in doubt, moves every route that has another way. Groups that would be left with
    /// nothing are given before what else their set has, so that their routes stay.
    pub(crate) fn dead_hops(&mut self) -> Vec<Op> {
        self.leave_hops(true)
    }

    /// The same without doubts, for when it is unknown what the kernel holds: a hop in doubt could be the only one that a
    /// route has.
    pub(crate) fn surely_dead_hops(&mut self) -> Vec<Op> {
        self.leave_hops(false)
    }

    fn leave_hops(&mut self, doubted: bool) -> Vec<Op> {
        if !self.objects_due || self.downed.is_empty() && self.doubted.is_empty() {
            return Vec::new();
        }
        let dead: BTreeSet<NexthopId> = self.own_hops(|hop| self.downed.contains(&hop.interface)).collect();
        let rescued: BTreeMap<NexthopId, Vec<Member>> =
            self.sets.iter().filter_map(|(set, state)| self.rescue(set, state, &dead)).collect();
        let left = if doubted { self.left_members(&dead, &rescued) } else { BTreeSet::new() };
        let deleted = dead.union(&left).map(|id| Op::DelNexthop { id: *id });
        rescued.into_iter().map(|(id, members)| Op::ReplaceGroup { id, members }).chain(deleted).collect()
    }

    /// Single nexthops of ours, but for those that the kernel would not delete.
    fn own_hops(&self, which: impl Fn(&Hop) -> bool) -> impl Iterator<Item = NexthopId> {
        let hops = self.kernel.all_own().filter(move |(_, body)| match body {
            Body::Hop(hop) => which(hop),
            Body::Group(_) | Body::OtherGroup(_) | Body::Other => false,
        });
        hops.map(|(id, _)| id).filter(|id| !self.blocked.ids.contains_key(id))
    }

    /// Members of groups that are to leave them because of doubts, where no route in the kernel has only them: not even one
    /// that is to go elsewhere soon, for it would go with them.
    fn left_members(
        &self,
        dead: &BTreeSet<NexthopId>,
        rescued: &BTreeMap<NexthopId, Vec<Member>>,
    ) -> BTreeSet<NexthopId> {
        let hops = self.left_hops();
        if hops.is_empty() {
            return BTreeSet::new();
        }
        let grouped = self.kernel.grouped();
        let movable = |id: &NexthopId| grouped.contains(id) && !self.kernel.is_routed(*id) && !dead.contains(id);
        let mut left: BTreeSet<NexthopId> = self.own_hops(|hop| hops.contains(hop)).filter(movable).collect();
        for (id, body) in self.kernel.all_own().filter(|(id, _)| self.kernel.is_routed(*id)) {
            let Body::Group(present) = body else { continue };
            let members = rescued.get(&id).unwrap_or(present);
            if members.iter().all(|member| dead.contains(&member.id) || left.contains(&member.id)) {
                members.iter().for_each(|member| _ = left.remove(&member.id));
            }
        }
        left
    }

    /// The group of a set whose members are all about to go, and what takes their place.
    fn rescue(
        &self,
        set: &NextHopSet,
        state: &SetState,
        dead: &BTreeSet<NexthopId>,
    ) -> Option<(NexthopId, Vec<Member>)> {
        let id = state.group?;
        let Some(Body::Group(present)) = self.kernel.own(id) else { return None };
        if !present.iter().all(|member| dead.contains(&member.id)) || self.blocked.sets.contains_key(set) {
            return None;
        }
        let members = self.ready_members(set);
        (!members.is_empty()).then_some((id, members))
    }

    /// An object for each hop of each desired set whose tunnel is up.
    pub(super) fn missing_hops(&mut self) -> Vec<Op> {
        if !self.objects_due || self.config.mode == Mode::Multipath {
            return Vec::new();
        }
        let mut needed = self.needed_hops();
        needed.retain(|hop| self.kernel.hop(hop).is_none() && !self.blocked.hops.contains_key(hop));
        let mut ops = Vec::new();
        for hop in needed {
            match self.allocate() {
                Some(id) => ops.push(Op::NewHop { id, hop }),
                None => {
                    self.blocked.hops.insert(hop, out_of_ids());
                }
            }
        }
        ops
    }

    /// A group for each desired set of at least two, or with spare next hops, holding those members that have an object.
    pub(super) fn groups(&mut self) -> Vec<Op> {
        if !self.objects_due || self.config.mode == Mode::Multipath {
            return Vec::new();
        }
        let mut named: BTreeSet<NexthopId> = self.sets.values().filter_map(|state| state.group).collect();
        let mut ops = Vec::new();
        let sets: Vec<NextHopSet> = self.sets.iter().filter(|(set, state)| wants_group(set, state)).map(key).collect();
        for set in sets {
            let members = self.ready_members(&set);
            if members.is_empty() || self.blocked.sets.contains_key(&set) {
                continue;
            }
            let installed =
                self.sets.get(&set).and_then(|state| state.group).filter(|id| self.kernel.own(*id).is_some());
            let Some(id) = installed.or_else(|| self.unnamed_group(&members, &named)).or_else(|| self.allocate())
            else {
                self.blocked.sets.insert(set, out_of_ids());
                continue;
            };
            match self.kernel.own(id) {
                None => ops.push(Op::NewGroup { id, members }),
                Some(Body::Group(present)) if *present == members => {}
                Some(Body::Group(_) | Body::OtherGroup(_) | Body::Hop(_) | Body::Other) => {
                    ops.push(Op::ReplaceGroup { id, members });
                }
            }
            named.insert(id);
            self.sets.entry(set).or_default().group = Some(id);
        }
        self.objects_due = !ops.is_empty();
        ops
    }

    /// Objects that no route, no group and no desired set needs: groups first, then what they held.
    pub(super) fn garbage(&mut self) -> Vec<Op> {
        if !self.garbage_due {
            return Vec::new();
        }
        let needed = self.needed_hops();
        let named: BTreeSet<NexthopId> = self
            .sets
            .iter()
            .filter(|(set, state)| wants_group(set, state))
            .filter_map(|(_, state)| state.group)
            .collect();
        let grouped = self.kernel.grouped();
        let unused = self.kernel.all_own().filter(|(id, body)| {
            let wanted = match body {
                Body::Hop(hop) => self.config.mode == Mode::Objects && needed.contains(hop) && self.is_first(hop, *id),
                Body::Group(_) | Body::OtherGroup(_) | Body::Other => named.contains(id),
            };
            !wanted && !self.kernel.is_routed(*id) && !grouped.contains(id) && !self.blocked.ids.contains_key(id)
        });
        let ops: Vec<Op> = unused.map(|(id, _)| Op::DelNexthop { id }).collect();
        if ops.is_empty() {
            self.garbage_due = false;
            self.sets.retain(|_, state| state.routes > 0);
        }
        ops
    }

    /// The members of `set` that have an object, sorted as the kernel's groups are held, or else its spare next hops. Those
    /// in doubt count if there are no others.
    pub(super) fn ready_members(&self, set: &NextHopSet) -> Vec<Member> {
        let ready = |(next_hop, weight): (NextHop, u16)| {
            Some(Member { id: self.kernel.hop(&self.live_hop(&next_hop)?)?, weight })
        };
        let spare = || set.spare().iter().map(|next_hop| (*next_hop, 1));
        let sure = |(next_hop, _): &(NextHop, u16)| !self.doubted.contains(next_hop);
        let mut members: Vec<Member> = set.members().filter(sure).filter_map(ready).collect();
        if members.is_empty() {
            members = spare().filter(sure).filter_map(ready).collect();
        }
        if members.is_empty() {
            members = set.members().filter_map(ready).collect();
        }
        if members.is_empty() {
            members = spare().filter_map(ready).collect();
        }
        members.sort_unstable();
        members.dedup_by_key(|member| member.id);
        if members.iter().all(|member| member.weight == members[0].weight) {
            // What is left has equal shares, as the kernel's dump is read.
            members.iter_mut().for_each(|member| member.weight = 1);
        }
        members
    }

    fn needed_hops(&self) -> BTreeSet<Hop> {
        self.wanted_sets().flat_map(all_hops).filter_map(|next_hop| self.live_hop(next_hop)).collect()
    }

    fn wanted_sets(&self) -> impl Iterator<Item = &NextHopSet> {
        self.sets.iter().filter(|(_, state)| state.routes > 0).map(|(set, _)| set)
    }

    /// Hops in doubt, but for those that a desired set has nothing beside.
    fn left_hops(&self) -> BTreeSet<Hop> {
        let mut left: BTreeSet<Hop> = self.doubted.iter().filter_map(|hop| self.live_hop(hop)).collect();
        if left.is_empty() {
            return left;
        }
        for set in self.wanted_sets() {
            if !all_hops(set).any(|hop| !self.doubted.contains(hop) && self.is_active(hop)) {
                all_hops(set).filter_map(|hop| self.live_hop(hop)).for_each(|hop| _ = left.remove(&hop));
            }
        }
        left
    }

    /// A group left by a previous process, or by a set that is gone, with just these members.
    fn unnamed_group(&self, members: &[Member], named: &BTreeSet<NexthopId>) -> Option<NexthopId> {
        let mut groups = self.kernel.all_own().filter(|(id, _)| !named.contains(id));
        let found = groups.find(|(_, body)| matches!(body, Body::Group(present) if present == members));
        found.map(|(id, _)| id)
    }

    fn is_first(&self, hop: &Hop, id: NexthopId) -> bool {
        self.kernel.hop(hop) == Some(id)
    }

    /// A free id of ours. Ids are not reused soon, so that what an observer saw keeps its meaning for a while.
    fn allocate(&mut self) -> Option<NexthopId> {
        let ids = self.config.owner.ids.clone();
        let in_use: BTreeSet<NexthopId> = self.sets.values().filter_map(|state| state.group).collect();
        for _ in ids.clone() {
            let id = NexthopId(self.cursor);
            self.cursor = if self.cursor >= *ids.end() { *ids.start() } else { self.cursor + 1 };
            if !self.kernel.is_taken(id) && !in_use.contains(&id) && !self.blocked.ids.contains_key(&id) {
                return Some(id);
            }
        }
        None
    }
}

/// Whether routes over the set point to a group: what is to be replaced without touching them.
pub(super) fn is_grouped(set: &NextHopSet) -> bool {
    set.as_slice().len() >= 2 || !set.spare().is_empty()
}

fn all_hops(set: &NextHopSet) -> impl Iterator<Item = &NextHop> {
    set.as_slice().iter().chain(set.spare())
}

fn wants_group(set: &NextHopSet, state: &SetState) -> bool {
    state.routes > 0 && is_grouped(set)
}

fn key((set, _): (&NextHopSet, &SetState)) -> NextHopSet {
    set.clone()
}

fn out_of_ids() -> Refusal {
    Refusal { errno: libc::ENOSPC, text: Some("all nexthop ids of this router are in use".to_owned()) }
}
