//! The order of preference and the multipath rule in tables.

use std::net::Ipv4Addr;

use bgp::{AsPath, AsPathSegment, Origin};
use proptest::prelude::*;

use super::*;

/// A route as the tests write it down.
#[derive(Clone, Debug)]
struct Route {
    peer: u32,
    peer_address: u8,
    router_id: u8,
    ebgp: bool,
    local_preference: u32,
    attributes: Attributes,
}

fn route(peer: u32) -> Route {
    let last = u8::try_from(peer).unwrap();
    let as_path = AsPath(vec![AsPathSegment::Sequence(vec![Asn(64512)])]);
    let attributes = Attributes { as_path, ..Attributes::default() };
    Route { peer, peer_address: last, router_id: last, ebgp: true, local_preference: 100, attributes }
}

fn path(numbers: &[u32]) -> AsPath {
    AsPath(vec![AsPathSegment::Sequence(numbers.iter().copied().map(Asn).collect())])
}

fn with(peer: u32, change: impl FnOnce(&mut Route)) -> Route {
    let mut route = route(peer);
    change(&mut route);
    route
}

fn standings(routes: &[Route], width: usize) -> Vec<Standing> {
    let candidates: Vec<Candidate<'_>> = routes
        .iter()
        .map(|route| Candidate {
            peer: PeerId(route.peer),
            peer_address: Ipv4Addr::new(169, 254, 21, route.peer_address).into(),
            peer_router_id: RouterId(Ipv4Addr::new(10, 0, 0, route.router_id)),
            ebgp: route.ebgp,
            local_preference: route.local_preference,
            attributes: &route.attributes,
        })
        .collect();
    decide(false, &candidates, width)
}

#[test]
fn each_step_decides_in_its_place() {
    // The first would win all later steps; the second wins the one named.
    let table: [(Step, Route, Route); 9] = [
        (Step::LocalPreference, with(1, |r| r.attributes.as_path = path(&[1])), with(2, |r| r.local_preference = 101)),
        (
            Step::AsPathLength,
            with(1, |r| r.attributes.as_path = path(&[1, 1])),
            with(2, |r| r.attributes.origin = Origin::Incomplete),
        ),
        (Step::Origin, with(1, |r| r.attributes.origin = Origin::Egp), with(2, |r| r.attributes.med = Some(9))),
        (Step::Med, with(1, |r| r.attributes.med = Some(1)), with(2, |r| r.ebgp = false)),
        (Step::SessionType, with(1, |r| r.ebgp = false), route(2)),
        (Step::RouterId, with(1, |r| r.router_id = 3), route(2)),
        (
            Step::RouterId,
            with(1, |r| (r.ebgp, r.attributes.originator_id) = (false, Some(RouterId(Ipv4Addr::new(10, 0, 0, 9))))),
            with(2, |r| r.ebgp = false),
        ),
        (
            Step::ClusterList,
            with(1, |r| (r.router_id, r.attributes.cluster_list) = (2, vec![Ipv4Addr::LOCALHOST])),
            route(2),
        ),
        (Step::PeerAddress, with(1, |r| (r.router_id, r.peer_address) = (2, 3)), route(2)),
    ];
    for (step, loser, winner) in table {
        let outcome = standings(&[loser.clone(), winner.clone()], 1);
        assert_eq!(outcome[1], Standing::Best, "{step:?}");
        let expected = if step < Step::RouterId {
            Standing::Worse(step)
        } else {
            Standing::LeftOut { step, barrier: Barrier::Width(1) }
        };
        assert_eq!(outcome[0], expected, "{step:?}");
    }
}

#[test]
fn the_session_number_is_the_last_resort() {
    let twin = with(2, |r| (r.router_id, r.peer_address) = (1, 1));
    let outcome = standings(&[twin, route(1)], 1);
    assert_eq!(outcome[1], Standing::Best);
    assert_eq!(outcome[0], Standing::LeftOut { step: Step::Session, barrier: Barrier::Width(1) });
}

#[test]
fn originated_here_beats_all() {
    let attributes = Attributes::default();
    let candidate = Candidate {
        peer: PeerId(1),
        peer_address: Ipv4Addr::LOCALHOST.into(),
        peer_router_id: RouterId(Ipv4Addr::LOCALHOST),
        ebgp: true,
        local_preference: u32::MAX,
        attributes: &attributes,
    };
    assert_eq!(decide(true, &[candidate, candidate], 4), [Standing::Worse(Step::LocalOrigin); 2]);
}

#[test]
fn a_set_is_one_hop() {
    let set = with(1, |r| r.attributes.as_path.0.push(AsPathSegment::Set((1..9).map(Asn).collect())));
    let sequence = with(2, |r| r.attributes.as_path = path(&[64512, 7, 8]));
    assert_eq!(standings(&[set, sequence], 4), [Standing::Best, Standing::Worse(Step::AsPathLength)]);
}

#[test]
fn med_compares_within_one_neighbouring_as_only() {
    // The classic intransitive triple: a beats b by router id, b beats c by router id, c beats a by MED.
    let a = with(1, |r| (r.attributes.as_path, r.attributes.med) = (path(&[1]), Some(10)));
    let b = with(2, |r| (r.attributes.as_path, r.attributes.med) = (path(&[2]), Some(99)));
    let c = with(3, |r| (r.attributes.as_path, r.attributes.med) = (path(&[1]), Some(5)));
    let outcome = standings(&[a, b, c], 8);
    assert_eq!(outcome[0], Standing::Worse(Step::Med));
    assert_eq!(outcome[1], Standing::Best);
    let barrier = Barrier::NeighbourAs { own: Some(Asn(1)), best: Some(Asn(2)) };
    assert_eq!(outcome[2], Standing::LeftOut { step: Step::RouterId, barrier });
}

#[test]
fn an_absent_med_is_zero() {
    let absent = route(2);
    let one = with(1, |r| r.attributes.med = Some(1));
    let zero = with(3, |r| r.attributes.med = Some(0));
    assert_eq!(standings(&[absent, one, zero], 4), [Standing::Best, Standing::Worse(Step::Med), Standing::Multipath]);
}

#[test]
fn four_equal_tunnels_share() {
    let outcome = standings(&[route(4), route(2), route(1), route(3)], 8);
    assert_eq!(outcome, [Standing::Multipath, Standing::Multipath, Standing::Best, Standing::Multipath]);
}

#[test]
fn the_cloud_takes_a_tunnel_out_of_use_by_a_lower_med_on_the_other() {
    let steered = with(2, |r| r.attributes.med = Some(50));
    let updating = with(1, |r| r.attributes.med = Some(100));
    assert_eq!(standings(&[updating, steered], 8), [Standing::Worse(Step::Med), Standing::Best]);
}

#[test]
fn paths_that_differ_behind_the_neighbour_share() {
    let a = with(1, |r| r.attributes.as_path = path(&[64512, 1]));
    let b = with(2, |r| r.attributes.as_path = path(&[64512, 2]));
    let other_cloud = with(3, |r| r.attributes.as_path = path(&[65515, 1]));
    let outcome = standings(&[a, b, other_cloud], 8);
    assert_eq!(outcome[..2], [Standing::Best, Standing::Multipath]);
    let barrier = Barrier::NeighbourAs { own: Some(Asn(65515)), best: Some(Asn(64512)) };
    assert_eq!(outcome[2], Standing::LeftOut { step: Step::RouterId, barrier });
}

#[test]
fn the_width_cuts_at_the_highest_router_ids() {
    let outcome = standings(&[route(3), route(1), route(2)], 2);
    assert_eq!(outcome[1..], [Standing::Best, Standing::Multipath]);
    assert_eq!(outcome[0], Standing::LeftOut { step: Step::RouterId, barrier: Barrier::Width(2) });
    // A width of 0 cannot take the best away.
    assert_eq!(standings(&[route(1)], 0), [Standing::Best]);
}

fn routes() -> impl Strategy<Value = Vec<Route>> {
    let one =
        (0u8..3, 0u8..3, any::<bool>(), 100u32..102, prop::collection::vec(1u32..3, 0..3), prop::option::of(0u32..3));
    prop::collection::vec(one, 1..7).prop_map(|routes| {
        (0u32..)
            .zip(routes)
            .map(|(peer, (peer_address, router_id, ebgp, local_preference, numbers, med))| {
                let attributes = Attributes { as_path: path(&numbers), med, ..Attributes::default() };
                Route { peer, peer_address, router_id, ebgp, local_preference, attributes }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(
        (routes, shuffled) in routes().prop_flat_map(|routes| (Just(routes.clone()), Just(routes).prop_shuffle())),
        width in 1usize..5,
    ) {
        let by_peer = |routes: &[Route]| {
            let mut outcome: Vec<_> = routes.iter().map(|r| r.peer).zip(standings(routes, width)).collect();
            outcome.sort_by_key(|(peer, _)| *peer);
            outcome
        };
        prop_assert_eq!(by_peer(&routes), by_peer(&shuffled));
    }

    #[test]
    fn there_is_one_best_and_no_more_than_the_width_in_use(routes in routes(), width in 1usize..5) {
        let outcome = standings(&routes, width);
        let best = outcome.iter().filter(|standing| **standing == Standing::Best).count();
        let beside = outcome.iter().filter(|standing| **standing == Standing::Multipath).count();
        prop_assert_eq!(best, 1);
        prop_assert!(beside < width);
    }

    #[test]
    fn a_route_left_out_may_leave_without_effect(routes in routes(), width in 1usize..5) {
        // But for MED, by which it may keep another one down.
        let mut routes = routes;
        for route in &mut routes {
            route.attributes.med = None;
        }
        let mut outcome = standings(&routes, width);
        if let Some(at) = outcome.iter().position(|standing| matches!(standing, Standing::LeftOut { .. })) {
            routes.remove(at);
            outcome.remove(at);
            prop_assert_eq!(standings(&routes, width), outcome);
        }
    }
}
