//! What must be the same of the router and of the model.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use rib::{PeerCounts, Verdict};

use super::reference::{Model, Told};
use super::{AS_OF, peer_id};
use crate::router::Router;

/// What a peer has.
fn told(router: &Router, peer: usize) -> BTreeMap<IpNet, Told> {
    let (one, several) = (&router.told[&peer_id(peer)], &router.told_paths[&peer_id(peer)]);
    let paths = |prefix: &IpNet| {
        // Which number a path has is the router's matter.
        let of = several.iter().filter(|(nlri, _)| nlri.prefix == *prefix);
        let mut paths: Vec<_> = of.map(|(_, attributes)| attributes.clone()).collect();
        paths.sort_unstable();
        paths
    };
    one.iter().map(|(prefix, (next_hop, _))| (*prefix, (*next_hop, paths(prefix)))).collect()
}

pub(super) fn poll(model: &mut Model, router: &mut Router) {
    router.drain();
    for peer in std::mem::take(&mut model.closed) {
        model.down(peer);
    }
    assert_eq!(router.up, model.up.iter().map(|peer| peer_id(*peer)).collect());
    assert_eq!(router.ways, model.ways(), "kernel");
    for peer in &model.up {
        assert_eq!(told(router, *peer), model.told(*peer), "peer {peer}");
    }
    for (peer, policy) in model.policies.iter().enumerate() {
        router.limits.extend(policy.max_prefix_out.map(|limit| (peer_id(peer), limit)));
    }
    check_views(model, router);
}

fn check_views(model: &Model, router: &Router) {
    let prefixes: Vec<_> = router.rib.routes().map(|route| route.prefix).collect();
    assert!(prefixes.iter().eq(model.prefixes().iter()), "{prefixes:?}");
    assert_eq!(router.rib.totals().prefixes, prefixes.len(), "nothing gone is remembered");
    let ways: BTreeMap<_, _> = router.rib.fib().map(|change| (change.prefix, change.next_hops.clone())).collect();
    assert_eq!(ways, router.ways);
    for route in router.rib.routes() {
        let used = route.candidates.iter().filter(|c| matches!(c.verdict, Verdict::Best | Verdict::Multipath));
        let used: Vec<_> = used.map(|candidate| candidate.peer).collect();
        let expected: Vec<_> = model.decide(&route.prefix).iter().map(|candidate| peer_id(candidate.peer)).collect();
        assert_eq!(used, expected, "{}", route.prefix);
    }
    for peer in 0..AS_OF.len() {
        check_counts(model, router, peer);
    }
}

fn check_counts(model: &Model, router: &Router, peer: usize) {
    let id = peer_id(peer);
    let advertised = router.rib.adj_out(id).count();
    let prefixes: BTreeSet<_> = router.rib.adj_out(id).map(|entry| entry.prefix).collect();
    let withheld: Vec<_> = router.rib.withheld(id).collect();
    let held_back = withheld.iter().filter(|(_, why)| matches!(why, rib::Withheld::HeldBack { .. })).count();
    let decided: Vec<_> = model
        .prefixes()
        .iter()
        .map(|prefix| model.decide(prefix))
        .map(|used| used.iter().position(|candidate| candidate.peer == peer))
        .collect();
    let received = model.routes.keys().filter(|(from, _)| *from == peer).count();
    let expected = PeerCounts {
        received,
        accepted: model.accepted(peer),
        refused: received - model.accepted(peer),
        forgotten: 0,
        stale: model.stale.iter().filter(|(from, _)| *from == peer).count(),
        best: decided.iter().filter(|place| **place == Some(0)).count(),
        multipath: decided.iter().filter(|place| place.is_some_and(|place| place > 0)).count(),
        advertised,
        held_back,
    };
    assert_eq!(router.rib.counts(id), Some(expected), "peer {peer}");
    assert_eq!(
        prefixes.len() + withheld.len(),
        model.prefixes().len(),
        "each prefix is announced, or there is a reason"
    );
    let refused = router.rib.adj_in(id).filter(|entry| entry.refusal.is_some()).count();
    assert_eq!(refused, expected.refused);
}
