//! The reference: it keeps what happened and computes everything from scratch.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bgp::Attributes;
use ipnet::IpNet;
use policy::{Chain, PrefixRule, RuleAction, Step};
use rib::{DecisionRules, MultipathPaths, NextHop, PeerPolicy};
use wire::Asn;

use super::{AS_OF, OWN, ends};
use crate::router::net;

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
    pub(super) width: usize,
    pub(super) rules: DecisionRules,
    pub(super) protected: Vec<IpAddr>,
}

/// A route in the decision.
#[derive(Clone)]
pub(super) struct Candidate<'a> {
    pub(super) peer: usize,
    route: &'a Attributes,
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
    fn is_external(&self, peer: usize) -> bool {
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

    /// The routes in use, the best first.
    pub(super) fn decide(&self, prefix: &IpNet) -> Vec<Candidate<'_>> {
        if self.originated.contains(prefix) {
            return vec![];
        }
        let usable = self.routes.iter().filter(|((peer, of), route)| {
            of == prefix && self.tunnels.contains(peer) && self.accepts(*peer, prefix, route)
        });
        let mut left: Vec<_> = usable
            .map(|((peer, _), route)| {
                let configured = self.policies[*peer].local_preference;
                let received = route.local_preference.filter(|_| !self.is_external(*peer));
                Candidate { peer: *peer, route, local_preference: received.unwrap_or(configured) }
            })
            .collect();
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
        left.truncate(self.width);
        left
    }

    pub(super) fn prefixes(&self) -> BTreeSet<IpNet> {
        self.routes.keys().map(|(_, prefix)| *prefix).chain(self.originated.iter().copied()).collect()
    }

    pub(super) fn kernel(&self) -> BTreeMap<IpNet, Vec<NextHop>> {
        let hop = |prefix: &IpNet, candidate: Candidate<'_>| {
            let policy = &self.policies[candidate.peer];
            let (_, address) = ends(policy, prefix).unwrap();
            NextHop { link: policy.link, address }
        };
        let mut kernel = BTreeMap::new();
        for prefix in self.prefixes() {
            let hops: Vec<_> = self.decide(&prefix).into_iter().map(|candidate| hop(&prefix, candidate)).collect();
            if !hops.is_empty() {
                kernel.insert(prefix, hops);
            }
        }
        kernel
    }

    /// What the peer is to have.
    pub(super) fn told(&self, peer: usize) -> BTreeMap<IpNet, (IpAddr, Attributes)> {
        let policy = &self.policies[peer];
        let mut ranked: Vec<_> = self
            .prefixes()
            .into_iter()
            .filter_map(|prefix| {
                let originated = self.originated.contains(&prefix);
                let attributes = if originated {
                    self.permits(peer, &prefix, true)
                        .then(|| self.outgoing(peer, Attributes::default(), policy.local_preference))
                } else {
                    let best = self.decide(&prefix).into_iter().next()?;
                    let passes = self.permits(peer, &prefix, false) && self.passes(peer, &best);
                    passes.then(|| self.outgoing(peer, best.route.clone(), best.local_preference))
                }?;
                Some((!originated, prefix.prefix_len(), prefix, attributes))
            })
            .collect();
        ranked.sort_by_key(|(learned, length, prefix, _)| (*learned, *length, *prefix));
        ranked.truncate(policy.max_prefix_out.unwrap_or(u32::MAX) as usize);
        let told = |prefix, attributes| (prefix, (ends(policy, &prefix).unwrap().0, attributes));
        ranked.into_iter().map(|(_, _, prefix, attributes)| told(prefix, attributes)).collect()
    }

    fn permits(&self, peer: usize, prefix: &IpNet, originated: bool) -> bool {
        let family = ends(&self.policies[peer], prefix).is_some();
        let listed = lines(&self.policies[peer].export).map(|list| first_match(list, prefix));
        let permitted = match listed {
            None => originated,
            Some(rule) => rule.is_some_and(|rule| rule.action == RuleAction::Permit),
        };
        family && permitted && *prefix != net("169.254.21.0/30")
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
