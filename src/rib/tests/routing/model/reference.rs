//! The reference: it keeps what happened and computes everything from scratch.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bgp::Attributes;
use ipnet::IpNet;
use policy::{Chain, PrefixRule, RuleAction, Step};
use rib::{Aggregate, DecisionRules, MultipathPaths, NextHop, NextHopSet, PeerPolicy, SendPaths, StaticRoute};
use wire::Asn;

use super::own::bandwidth;
use super::{AS_OF, COLLECTOR, OWN, ends, is_v6};
use crate::router::net;

/// The next hop that a peer is told of a prefix, and the attributes of each path to it.
pub(super) type Told = (IpAddr, Vec<Attributes>);

/// What happened.
pub(super) struct Model {
    pub(super) policies: Vec<PeerPolicy>,
    pub(super) up: BTreeSet<usize>,
    /// Over their limit; they are taken down at the next poll.
    pub(super) closed: BTreeSet<usize>,
    pub(super) tunnels: BTreeSet<usize>,
    /// Their sessions are down, and their routes are kept.
    pub(super) retained: BTreeSet<usize>,
    /// Routes that are to be repeated.
    pub(super) stale: BTreeSet<(usize, IpNet)>,
    pub(super) routes: BTreeMap<(usize, IpNet), Attributes>,
    pub(super) originated: BTreeSet<IpNet>,
    pub(super) statics: Vec<StaticRoute>,
    /// Next hops of static routes that BFD finds dead.
    pub(super) dead: BTreeSet<NextHop>,
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) width: usize,
    pub(super) rules: DecisionRules,
    pub(super) protected: Vec<IpAddr>,
}

/// A route in the decision.
#[derive(Clone)]
pub(super) struct Candidate<'a> {
    pub(super) peer: usize,
    pub(super) route: &'a Attributes,
    local_preference: u32,
}

impl Candidate<'_> {
    fn length(&self) -> usize {
        self.route.as_path.0.iter().map(|segment| format!("{segment:?}").matches("AS").count()).sum()
    }

    fn neighbour(&self) -> u32 {
        if AS_OF[self.peer] == OWN && self.route.as_path == crate::router::path(&[64999]) {
            64999
        } else {
            AS_OF[self.peer]
        }
    }
}

impl Model {
    pub(super) fn is_external(&self, peer: usize) -> bool {
        self.policies[peer].peer_asn != Asn(OWN)
    }

    fn accepts(&self, peer: usize, prefix: &IpNet, route: &Attributes) -> bool {
        let policy = &self.policies[peer];
        let links = self.policies.iter().filter_map(|policy| policy.inside6);
        let inside = links.into_iter().any(|link| prefix.contains(&IpAddr::from(link.peer)));
        let special = *prefix == net("169.254.21.0/30");
        let captures = self.protected.iter().any(|address| prefix.contains(address));
        let listed = lines(&policy.import).map(|list| first_match(list, prefix));
        let named = matches!(&listed, Some(Some(rule)) if rule.prefix.prefix_len() == 0 && rule.max_len == 0);
        let permitted = listed.is_none_or(|rule| rule.is_some_and(|rule| rule.action == RuleAction::Permit));
        let loops = format!("{route:?}").contains("AS65000");
        ends(policy, prefix).is_some() && !inside && !special && (!captures || named) && permitted && !loops
    }

    pub(super) fn accepted(&self, peer: usize) -> usize {
        let mine = self.routes.iter().filter(|((from, _), _)| *from == peer);
        mine.filter(|((_, prefix), route)| self.accepts(peer, prefix, route)).count()
    }

    pub(super) fn check_limit(&mut self, peer: usize) {
        let limit = self.policies[peer].max_prefix_in.unwrap_or(u32::MAX);
        let there = self.up.contains(&peer) || self.retained.contains(&peer);
        if there && self.accepted(peer) > limit as usize {
            self.closed.insert(peer);
        }
    }

    pub(super) fn down(&mut self, peer: usize) {
        self.up.remove(&peer);
        self.closed.remove(&peer);
        self.retained.remove(&peer);
        self.routes.retain(|(from, _), _| *from != peer);
        self.stale.retain(|(from, _)| *from != peer);
    }

    /// RFC 4724 4.2: what is kept is stale; nothing is over a link that is down.
    pub(super) fn restart(&mut self, peer: usize) {
        if !self.up.contains(&peer) || !self.tunnels.contains(&peer) {
            return self.down(peer);
        }
        self.up.remove(&peer);
        self.retained.insert(peer);
        self.mark(peer, |_| true);
    }

    /// What a peer has said is to be said again.
    pub(super) fn mark(&mut self, peer: usize, which: impl Fn(&IpNet) -> bool) {
        let own = self.routes.keys().filter(|(from, prefix)| *from == peer && which(prefix));
        self.stale.extend(own.copied());
    }

    /// What was not said again is gone.
    pub(super) fn sweep(&mut self, peer: usize, which: impl Fn(&IpNet) -> bool) {
        let gone = self.stale.extract_if(.., |(from, prefix)| *from == peer && which(prefix));
        for route in gone {
            self.routes.remove(&route);
        }
        if !self.routes.keys().any(|(from, _)| *from == peer) {
            self.retained.remove(&peer);
        }
    }

    pub(super) fn withdraw(&mut self, peer: usize, prefix: IpNet) {
        self.routes.remove(&(peer, prefix));
        self.stale.remove(&(peer, prefix));
    }

    /// The routes of peers in use, the best first.
    pub(super) fn decide(&self, prefix: &IpNet) -> Vec<Candidate<'_>> {
        if self.is_ours(prefix) { vec![] } else { self.learned(prefix) }
    }

    /// The same as if nothing were of our own making.
    pub(super) fn learned(&self, prefix: &IpNet) -> Vec<Candidate<'_>> {
        let mut used = self.choose(self.usable(prefix));
        used.truncate(self.width);
        used
    }

    fn usable(&self, prefix: &IpNet) -> Vec<Candidate<'_>> {
        let usable = self.routes.iter().filter(|((peer, of), route)| {
            of == prefix && self.tunnels.contains(peer) && self.accepts(*peer, prefix, route)
        });
        usable
            .map(|((peer, _), route)| {
                let configured = self.policies[*peer].local_preference;
                let received = route.local_preference.filter(|_| !self.is_external(*peer));
                Candidate { peer: *peer, route, local_preference: received.unwrap_or(configured) }
            })
            .collect()
    }

    /// The best first, then those as good.
    fn choose<'a>(&self, mut left: Vec<Candidate<'a>>) -> Vec<Candidate<'a>> {
        let key = |c: &Candidate<'_>| (Reverse(c.local_preference), c.length(), c.route.origin);
        let least = left.iter().map(key).min();
        left.retain(|candidate| Some(key(candidate)) == least);
        let all = left.clone();
        let med = |candidate: &Candidate<'_>| candidate.route.med.unwrap_or(0);
        let always = self.rules.always_compare_med;
        let compares = |a: &Candidate<'_>, b: &Candidate<'_>| always || a.neighbour() == b.neighbour();
        left.retain(|c| !all.iter().any(|other| compares(other, c) && med(other) < med(c)));
        if left.iter().any(|candidate| self.is_external(candidate.peer)) {
            left.retain(|candidate| self.is_external(candidate.peer));
        }
        // Router ids and addresses of the tests ascend with the session number.
        left.sort_by_key(|candidate| candidate.peer);
        let neighbour = left.first().map(Candidate::neighbour);
        let best_med = left.first().map(med);
        let relaxed = self.rules.multipath == MultipathPaths::SameLength;
        left.retain(|candidate| relaxed || Some(candidate.neighbour()) == neighbour);
        left.retain(|candidate| Some(med(candidate)) == best_med);
        left
    }

    /// The paths that a peer is told of, as far as it may be.
    fn selected(&self, peer: usize, prefix: &IpNet) -> Vec<Candidate<'_>> {
        let mut used = self.decide(prefix);
        if self.is_ours(prefix) {
            return used;
        }
        match self.policies[peer].treatment.send_paths {
            SendPaths::Ecmp if peer == COLLECTOR && !is_v6(prefix) => used,
            SendPaths::All if peer == COLLECTOR && !is_v6(prefix) => self.usable(prefix),
            SendPaths::First(count) if peer == COLLECTOR && !is_v6(prefix) => {
                let (mut left, mut first) = (self.usable(prefix), vec![]);
                while let Some(best) =
                    self.choose(left.clone()).into_iter().next().filter(|_| first.len() < count.into())
                {
                    left.retain(|candidate| candidate.peer != best.peer);
                    first.push(best);
                }
                first
            }
            SendPaths::Best | SendPaths::Ecmp | SendPaths::All | SendPaths::First(_) => {
                used.truncate(1);
                used
            }
        }
    }

    pub(super) fn prefixes(&self) -> BTreeSet<IpNet> {
        let known = self.routes.keys().map(|(_, prefix)| *prefix);
        let own = self.own_prefixes().into_iter().filter(|prefix| !self.own(prefix).is_empty());
        known.chain(own).collect()
    }

    /// Where packets go.
    pub(super) fn ways(&self) -> BTreeMap<IpNet, NextHopSet> {
        let ways = |prefix: &IpNet| {
            if self.is_ours(prefix) {
                return self.own_ways(prefix);
            }
            let used = self.learned(prefix);
            let hop = |candidate: &Candidate<'_>| {
                let policy = &self.policies[candidate.peer];
                NextHop { link: policy.link, address: ends(policy, prefix).unwrap().1 }
            };
            let shares: Vec<_> = used.iter().map(|candidate| (hop(candidate), bandwidth(candidate.route))).collect();
            if self.rules.weighted && shares.iter().all(|(_, share)| *share > 0) {
                NextHopSet::weighted(shares)
            } else {
                NextHopSet::new(shares.into_iter().map(|(hop, _)| hop).collect())
            }
        };
        let all = self.prefixes().into_iter().map(|prefix| (prefix, ways(&prefix)));
        all.filter(|(_, ways)| !ways.is_empty()).collect()
    }

    /// What the peer is to have.
    pub(super) fn told(&self, peer: usize) -> BTreeMap<IpNet, Told> {
        let policy = &self.policies[peer];
        let mut ranked: Vec<_> = self
            .prefixes()
            .into_iter()
            .filter_map(|prefix| {
                let ours = self.own(&prefix).into_iter().next().filter(|_| self.is_ours(&prefix));
                let learned = ours.is_none();
                let mut paths: Vec<Attributes> = match ours {
                    Some(own) if self.permits(peer, &prefix, own.announced) => {
                        vec![self.outgoing(peer, own.attributes, policy.local_preference)]
                    }
                    Some(_) => vec![],
                    None => {
                        let selected = self.selected(peer, &prefix).into_iter();
                        let passing =
                            selected.filter(|path| self.permits(peer, &prefix, false) && self.passes(peer, path));
                        passing.map(|path| self.outgoing(peer, path.route.clone(), path.local_preference)).collect()
                    }
                };
                paths.sort_unstable();
                (!paths.is_empty()).then(|| (learned, prefix.prefix_len(), prefix, paths))
            })
            .collect();
        ranked.sort_by_key(|(learned, length, prefix, _)| (*learned, *length, *prefix));
        ranked.truncate(policy.max_prefix_out.unwrap_or(u32::MAX) as usize);
        let told = |prefix, paths| (prefix, (ends(policy, &prefix).unwrap().0, paths));
        ranked.into_iter().map(|(_, _, prefix, paths)| told(prefix, paths)).collect()
    }

    fn permits(&self, peer: usize, prefix: &IpNet, originated: bool) -> bool {
        let family = ends(&self.policies[peer], prefix).is_some();
        let listed = lines(&self.policies[peer].export).map(|list| first_match(list, prefix));
        let permitted = match listed {
            None => originated,
            Some(rule) => rule.is_some_and(|rule| rule.action == RuleAction::Permit),
        };
        family && permitted && !self.is_summarised(prefix) && *prefix != net("169.254.21.0/30")
    }

    fn passes(&self, peer: usize, best: &Candidate<'_>) -> bool {
        let external = self.is_external(peer);
        let carries = |community| best.route.communities.contains(&community);
        let in_path = format!("{:?}", best.route.as_path).contains(&format!("AS{}", AS_OF[peer]));
        best.peer != peer
            && !carries(0xffff_ff02)
            && (external || self.is_external(best.peer))
            && !(external && (in_path || carries(0xffff_ff01)))
    }

    fn outgoing(&self, peer: usize, mut route: Attributes, local_preference: u32) -> Attributes {
        let policy = &self.policies[peer];
        if !self.is_external(peer) {
            route.med = policy.med.or(route.med);
            route.local_preference = Some(local_preference);
            return route;
        }
        let mut numbers: Vec<u32> = vec![OWN; 1 + usize::from(policy.prepend)];
        for segment in &route.as_path.0 {
            let bgp::AsPathSegment::Sequence(rest) = segment else { unreachable!("the tests make no sets") };
            numbers.extend(rest.iter().map(|asn| asn.0));
        }
        // RFC 4360 6: what is not transitive stays in the AS.
        if let Some(rare) = route.rare.present_mut() {
            rare.extended_communities.retain(|[kind, ..]| kind & 0x40 == 0);
        }
        Attributes { as_path: crate::router::path(&numbers), med: policy.med, local_preference: None, ..route }
    }
}

/// The lines of a chain, if it has any.
fn lines(chain: &Chain) -> Option<&[PrefixRule]> {
    chain.steps().iter().find_map(|step| if let Step::Lines(list) = step { Some(list.lines()) } else { None })
}

fn first_match<'a>(list: &'a [PrefixRule], prefix: &IpNet) -> Option<&'a PrefixRule> {
    list.iter().find(|rule| {
        rule.prefix.contains(prefix) && prefix.prefix_len() >= rule.min_len && prefix.prefix_len() <= rule.max_len
    })
}
