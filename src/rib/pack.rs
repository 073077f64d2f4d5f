//! What a batch of prefixes comes to for peers that are told the same in the same words (an update group).
//!
//! ```text
//!   prefix ──> best route, judged once ──> words: attributes as they are sent, made once
//!                   │                         │
//!                   v                         v
//!   each member: has it been there?  ──> what it has now <> words ──> its update of these words, or its withdrawals
//! ```
//!
//! What differs among the members is only whom a route comes from and through which systems (RFC 4271 9.1.3 and 9.1.2 a), what
//! each was told before, and the next hop if that is our own end of the link. Withdrawals come first, so that a peer never
//! has more than it may; then one update per set of attributes.

use std::collections::HashMap;
use std::ptr;
use std::sync::Arc;

use bgp::{Announcement, Family, Nlri, Update};
use compact::{HashKey, Interner};
use ipnet::IpNet;
use policy::Changes;

use crate::PeerId;
use crate::announce::Sources;
use crate::export::{BestRoute, Export};
use crate::limit::NAMED;
use crate::peer::{AdjOut, Sent};
use crate::several::several;

/// One of the peers.
pub(crate) struct Member<'a> {
    pub(crate) export: Export<'a>,
    pub(crate) out: AdjOut,
    held_back: Vec<(IpNet, u32)>,
    withdrawn: Vec<Nlri>,
    /// Prefixes to announce, by the number of their words.
    announced: Vec<Vec<Nlri>>,
    /// Whether it may have the route at this address from there, as last asked.
    admitted: Option<((usize, PeerId), bool)>,
    /// Whether the prefix on its turn is pending for it, and whether it may have the route to it.
    turn: bool,
    takes: bool,
}

/// What came of the batch for one of the peers.
pub(crate) struct Told {
    pub(crate) peer: PeerId,
    pub(crate) held_back: Vec<(IpNet, u32)>,
    pub(crate) updates: Vec<Update>,
    pub(crate) out: AdjOut,
}

/// Sorts a batch by what is said with it.
pub(crate) struct Packer<'a> {
    sources: Sources<'a>,
    /// Of the first member, for all of them.
    export: Export<'a>,
    words: Words,
    members: Vec<Member<'a>>,
}

/// Routes as the members get them.
struct Words {
    routes: Vec<Arc<Sent>>,
    /// Where in `routes` the one at this address is.
    places: HashMap<usize, usize, HashKey>,
    /// Where in `routes` a route belongs: by what we got and from whom, and what policy changes.
    translated: HashMap<Origin, Vec<(Changes, usize)>, HashKey>,
    /// The same for the last one.
    last: Option<(Origin, Changes, usize)>,
}

/// What decides what a route looks like on its way out: its address, from whom, and the family. The attributes alone do
/// not: routes that share them differ in what only policy says of them, as the preference and the next hop.
type Origin = (usize, Option<PeerId>, Family);

impl<'a> Packer<'a> {
    /// For at least one member.
    pub(crate) fn new(members: Vec<Member<'a>>, sources: Sources<'a>) -> Self {
        let export = members.first().expect("a group has a first member").export;
        let words = Words {
            routes: Vec::new(),
            places: HashMap::with_hasher(HashKey::random()),
            translated: HashMap::with_hasher(HashKey::random()),
            last: None,
        };
        Self { sources, export, words, members }
    }

    /// Notes the difference between what the members have of a prefix and what they are to have, and takes it as told.
    pub(crate) fn add(&mut self, sent: &mut Interner<Sent>, id: u32) {
        let Self { sources, export, words, members } = self;
        let prefix = sources.table.entry(id).prefix;
        if export.sends_paths(Family::of(&prefix)) {
            let routes = several(id, &Export { counts: 1, ..*export }, *sources);
            let tell = |member: &mut Member<'_>| member.tell_several((id, prefix), &routes, words, export, sent);
            return members.iter_mut().for_each(tell);
        }
        let best = export.judge_prefix(&prefix, sources.best_for(id, export)).ok();
        // Whoever was told of it in another turn has nothing pending.
        let mut takers = 0;
        for (at, member) in members.iter_mut().enumerate() {
            member.turn = at == 0 || member.out.pending.remove(id);
            member.takes = member.turn && best.is_some_and(|best| member.admits(best));
            takers += u64::from(member.takes);
        }
        let counted = Export { counts: takers, ..*export };
        let judge = |best| Some((best, counted.judge_content(&prefix, best).ok()?));
        let judged: Option<(BestRoute<'_>, Changes)> = best.filter(|_| takers > 0).and_then(judge);
        for member in members.iter_mut().filter(|member| member.turn) {
            let judged = judged.as_ref().filter(|_| member.takes);
            member.tell((id, prefix), judged, words, export, sent);
        }
    }

    /// What to say to each.
    pub(crate) fn finish(self) -> impl Iterator<Item = Told> {
        let Self { words, members, .. } = self;
        members.into_iter().map(move |member| {
            let Member { export, out, held_back, withdrawn, announced, .. } = member;
            let mut updates = Vec::with_capacity(announced.len() + 1);
            if !withdrawn.is_empty() {
                updates.push(Update { withdrawn: sorted(withdrawn), ..Update::default() });
            }
            let said = words.routes.iter().zip(announced).filter(|(_, prefixes)| !prefixes.is_empty());
            updates.extend(said.map(|(route, prefixes)| {
                let announced = announcements(&export, route, prefixes);
                Update { announced, attributes: Arc::clone(&route.attributes), ..Update::default() }
            }));
            Told { peer: export.peer, held_back, updates, out }
        })
    }
}

impl<'a> Member<'a> {
    pub(crate) fn new(export: Export<'a>, out: AdjOut) -> Self {
        Self {
            export,
            out,
            held_back: Vec::new(),
            withdrawn: Vec::new(),
            announced: Vec::new(),
            admitted: None,
            turn: false,
            takes: false,
        }
    }

    fn admits(&mut self, best: BestRoute<'_>) -> bool {
        let BestRoute::Learned { from, route } = best else { return true };
        let asked = (ptr::from_ref(route).addr(), from.id);
        match self.admitted {
            Some((last, admitted)) if last == asked => admitted,
            Some(_) | None => {
                let admitted = self.export.judge_source(best).is_ok();
                self.admitted = Some((asked, admitted));
                admitted
            }
        }
    }

    /// Notes the difference between what it has of a prefix and what it is to have, and takes it as told.
    fn tell(
        &mut self,
        (id, prefix): (u32, IpNet),
        judged: Option<&(BestRoute<'_>, Changes)>,
        words: &mut Words,
        export: &Export<'_>,
        sent: &mut Interner<Sent>,
    ) {
        let repeat = self.out.repeat.remove(id);
        let held_back = self.is_held_back(id, prefix, judged.map(|(best, _)| best.is_learned()));
        if let Some(before) = self.out.told_paths.remove(id) {
            self.out.paths -= before.len();
            self.withdrawn.extend(before.iter().map(|(number, _)| Nlri { prefix, path_id: *number }));
        }
        let Some((best, changes)) = judged.filter(|_| !held_back) else {
            if self.out.told.remove(id).is_some() {
                self.withdrawn.push(prefix.into());
            }
            return;
        };
        let place = words.place(export, &prefix, *best, changes, sent);
        let route = &words.routes[place];
        if !repeat && self.out.told.get(id).is_some_and(|told| Arc::ptr_eq(told, route)) {
            return;
        }
        self.out.told.insert(id, Arc::clone(route));
        self.announce(place, prefix.into());
    }

    /// The same for one that takes several paths.
    fn tell_several(
        &mut self,
        (id, prefix): (u32, IpNet),
        routes: &[(u32, BestRoute<'_>, Changes)],
        words: &mut Words,
        export: &Export<'_>,
        sent: &mut Interner<Sent>,
    ) {
        let repeat = self.out.repeat.remove(id);
        let learned = (!routes.is_empty()).then(|| routes.iter().all(|(_, route, _)| route.is_learned()));
        let routes = if self.is_held_back(id, prefix, learned) { &[] } else { routes };
        if self.out.told.remove(id).is_some() {
            self.withdrawn.push(prefix.into());
        }
        let mut told = Vec::with_capacity(routes.len());
        let before = self.out.told_paths.remove(id).unwrap_or_default();
        for (number, best, changes) in routes {
            let place = words.place(export, &prefix, *best, changes, sent);
            let route = &words.routes[place];
            let known = before.iter().any(|(of, known)| of == number && Arc::ptr_eq(known, route));
            if repeat || !known {
                self.announce(place, Nlri { prefix, path_id: *number });
            }
            told.push((*number, Arc::clone(route)));
        }
        let gone = before.iter().filter(|(number, _)| !told.iter().any(|(of, _)| of == number));
        self.withdrawn.extend(gone.map(|(number, _)| Nlri { prefix, path_id: *number }));
        self.out.paths = self.out.paths - before.len() + told.len();
        if !told.is_empty() {
            self.out.told_paths.insert(id, told);
        }
    }

    fn announce(&mut self, place: usize, nlri: Nlri) {
        if self.announced.len() <= place {
            self.announced.resize_with(place + 1, Vec::new);
        }
        self.announced[place].push(nlri);
    }

    /// Whether the limit keeps back what there is to tell (learned or not; or nothing). Notes that it does now and did not
    /// before, as long as few are.
    fn is_held_back(&mut self, id: u32, prefix: IpNet, learned: Option<bool>) -> bool {
        if self.out.limit.is_none() {
            return false;
        }
        let held_back = learned.and_then(|learned| self.out.held_back(prefix, learned));
        match held_back {
            Some(limit) => {
                if self.out.reported.len() < NAMED && self.out.reported.insert(id) {
                    self.held_back.push((prefix, limit));
                }
            }
            None => {
                self.out.reported.remove(&id);
            }
        }
        held_back.is_some()
    }
}

impl Words {
    /// Where in `routes` one is as the members get it.
    fn place(
        &mut self,
        export: &Export<'_>,
        prefix: &IpNet,
        best: BestRoute<'_>,
        changes: &Changes,
        sent: &mut Interner<Sent>,
    ) -> usize {
        let (what, from) = match best {
            BestRoute::Local { .. } | BestRoute::Default => (ptr::from_ref(best.attributes()).addr(), None),
            BestRoute::Learned { from, route } => (ptr::from_ref(route).addr(), Some(from.id)),
        };
        let origin = (what, from, Family::of(prefix));
        if let Some((last, known, place)) = &self.last
            && *last == origin
            && known.is(changes)
        {
            return *place;
        }
        let known = self.translated.get(&origin).into_iter().flatten().find(|(known, _)| known.is(changes));
        let place = match known.map(|(_, place)| *place) {
            Some(place) => place,
            None => {
                let place = self.enter(sent.share(export.outgoing(prefix, best, changes)));
                self.translated.entry(origin).or_default().push((changes.clone(), place));
                place
            }
        };
        self.last = Some((origin, changes.clone(), place));
        place
    }

    fn enter(&mut self, route: Arc<Sent>) -> usize {
        let Self { routes, places, .. } = self;
        *places.entry(Arc::as_ptr(&route).addr()).or_insert_with(|| {
            routes.push(route);
            routes.len() - 1
        })
    }
}

/// One per family, each with its own next hop.
fn announcements(export: &Export<'_>, route: &Sent, prefixes: Vec<Nlri>) -> Vec<Announcement> {
    let mut ipv4 = sorted(prefixes);
    let ipv6 = ipv4.split_off(ipv4.partition_point(|nlri| Family::of(&nlri.prefix) == Family::Ipv4Unicast));
    let announcement = |prefixes: Vec<Nlri>| {
        let next_hop = export.next_hop(Family::of(&prefixes.first()?.prefix), route)?;
        Some(Announcement { next_hop, prefixes })
    };
    [ipv4, ipv6].into_iter().filter_map(announcement).collect()
}

fn sorted(mut prefixes: Vec<Nlri>) -> Vec<Nlri> {
    prefixes.sort_unstable();
    prefixes
}
