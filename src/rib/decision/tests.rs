//! The order of preference and the multipath rule in tables.

use std::net::Ipv4Addr;

use bgp::{AsPath, AsPathSegment, Attributes, Origin};
use proptest::prelude::*;

use super::*;

/// A route as the tests write it down.
#[derive(Clone, Debug)]
struct Route {
    peer: u32,
    path_id: u32,
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
    Route { peer, path_id: 0, peer_address: last, router_id: last, ebgp: true, local_preference: 100, attributes }
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
    standings_under(DecisionRules::default(), routes, width)
}

fn standings_under(rules: DecisionRules, routes: &[Route], width: usize) -> Vec<Standing> {
    let candidates: Vec<Candidate> = routes
        .iter()
        .map(|route| Candidate {
            peer: PeerId(route.peer),
            path_id: route.path_id,
            peer_address: Ipv4Addr::new(169, 254, 21, route.peer_address).into(),
            peer_router_id: RouterId(Ipv4Addr::new(10, 0, 0, route.router_id)),
            ebgp: route.ebgp,
            rank: Rank::of(&route.attributes, route.local_preference),
            next_hop: NextHop { link: wire::LinkId(route.peer), address: Ipv4Addr::LOCALHOST.into() },
        })
        .collect();
    Contest::default().decide(false, &candidates, (rules, width)).to_vec()
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
    let candidate = Candidate {
        peer: PeerId(1),
        path_id: 0,
        peer_address: Ipv4Addr::LOCALHOST.into(),
        peer_router_id: RouterId(Ipv4Addr::LOCALHOST),
        ebgp: true,
        rank: Rank::of(&Attributes::default(), u32::MAX),
        next_hop: NextHop { link: wire::LinkId(1), address: Ipv4Addr::LOCALHOST.into() },
    };
    let mut contest = Contest::default();
    let outcome = contest.decide(true, &[candidate, candidate], (DecisionRules::default(), 4));
    assert_eq!(outcome, [Standing::Worse(Step::LocalOrigin); 2]);
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

#[test]
fn meds_of_all_neighbours_compare_where_that_is_configured() {
    let rules = DecisionRules { always_compare_med: true, ..DecisionRules::default() };
    let a = with(1, |r| (r.attributes.as_path, r.attributes.med) = (path(&[1]), Some(10)));
    let b = with(2, |r| (r.attributes.as_path, r.attributes.med) = (path(&[2]), Some(5)));
    assert_eq!(standings_under(rules, &[a, b], 8), [Standing::Worse(Step::Med), Standing::Best]);
}

#[test]
fn neighbours_share_where_that_is_configured_but_never_with_two_meds() {
    let rules = DecisionRules { multipath: MultipathPaths::SameLength, ..DecisionRules::default() };
    let of = |peer, asn, med| with(peer, |r| (r.attributes.as_path, r.attributes.med) = (path(&[asn, 7]), med));
    let longer = with(5, |r| r.attributes.as_path = path(&[1, 7, 8]));
    let outcome = standings_under(rules, &[of(1, 1, None), of(2, 2, None), of(3, 3, Some(9)), longer], 8);
    let barrier = Barrier::Med { own: 9, best: 0 };
    let expected = [
        Standing::Best,
        Standing::Multipath,
        Standing::LeftOut { step: Step::RouterId, barrier },
        Standing::Worse(Step::AsPathLength),
    ];
    assert_eq!(outcome, expected);
}

#[test]
fn paths_of_one_peer_count_as_one_next_hop_and_the_lower_identifier_wins() {
    let path_of = |peer, path_id| with(peer, |r| r.path_id = path_id);
    let outcome = standings(&[path_of(1, 9), path_of(1, 3), path_of(2, 1)], 1);
    let barrier = Barrier::Width(1);
    let expected = [Standing::Multipath, Standing::Best, Standing::LeftOut { step: Step::RouterId, barrier }];
    assert_eq!(outcome, expected);
    let two = [path_of(1, 9), with(1, |r| (r.path_id, r.attributes.origin) = (3, Origin::Egp))];
    assert_eq!(standings(&two, 4), [Standing::Best, Standing::Worse(Step::Origin)]);
}

fn rules() -> impl Strategy<Value = DecisionRules> {
    (any::<bool>(), any::<bool>()).prop_map(|(always_compare_med, relaxed)| {
        let multipath = if relaxed { MultipathPaths::SameLength } else { MultipathPaths::SameNeighbour };
        DecisionRules { always_compare_med, multipath, weighted: false }
    })
}

fn routes() -> impl Strategy<Value = Vec<Route>> {
    let one =
        (0u8..3, 0u8..3, any::<bool>(), 100u32..102, prop::collection::vec(1u32..3, 0..3), prop::option::of(0u32..3));
    prop::collection::vec(one, 1..7).prop_map(|routes| {
        (0u32..)
            .zip(routes)
            .map(|(number, (peer_address, router_id, ebgp, local_preference, numbers, med))| {
                let attributes = Attributes { as_path: path(&numbers), med, ..Attributes::default() };
                // Two paths each of the first peers.
                let (peer, path_id) = (number / 2, number % 2);
                Route { peer, path_id, peer_address, router_id, ebgp, local_preference, attributes }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(
        (routes, shuffled) in routes().prop_flat_map(|routes| (Just(routes.clone()), Just(routes).prop_shuffle())),
        width in 1usize..5,
        rules in rules(),
    ) {
        let by_peer = |routes: &[Route]| {
            let standings = standings_under(rules, routes, width);
            let mut outcome: Vec<_> = routes.iter().map(|r| (r.peer, r.path_id)).zip(standings).collect();
            outcome.sort_by_key(|(path, _)| *path);
            outcome
        };
        prop_assert_eq!(by_peer(&routes), by_peer(&shuffled));
    }

    #[test]
    fn there_is_one_best_and_no_more_than_the_width_in_use(routes in routes(), width in 1usize..5, rules in rules()) {
        let outcome = standings_under(rules, &routes, width);
        let used = |standing: &Standing| matches!(standing, Standing::Best | Standing::Multipath);
        let in_use: Vec<&Route> =
            routes.iter().zip(&outcome).filter(|(_, standing)| used(standing)).map(|(route, _)| route).collect();
        let best = outcome.iter().filter(|standing| **standing == Standing::Best).count();
        prop_assert_eq!(best, 1);
        let peers: std::collections::BTreeSet<u32> = in_use.iter().map(|route| route.peer).collect();
        prop_assert!(peers.len() <= width);
        let meds: std::collections::BTreeSet<u32> =
            in_use.iter().map(|route| route.attributes.med.unwrap_or(0)).collect();
        prop_assert_eq!(meds.len(), 1, "never two MEDs side by side");
    }

    #[test]
    fn the_order_of_preference_is_total(routes in routes(), rules in rules()) {
        // Taking the best away again and again ranks every route, whatever order they are in.
        let rank = |routes: &[Route]| {
            let mut left = routes.to_vec();
            let mut order = Vec::new();
            while !left.is_empty() {
                let outcome = standings_under(rules, &left, 1);
                let at = outcome.iter().position(|standing| *standing == Standing::Best).unwrap();
                let best = left.remove(at);
                order.push((best.peer, best.path_id));
            }
            order
        };
        let expected = rank(&routes);
        for turn in 0..routes.len() {
            let mut turned = routes.clone();
            turned.rotate_left(turn);
            prop_assert_eq!(rank(&turned), expected.clone());
            turned.reverse();
            prop_assert_eq!(rank(&turned), expected.clone());
        }
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

/// All orders of `count` things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let with_last = |order: Vec<usize>| {
        (0..=order.len()).map(move |at| {
            let mut order = order.clone();
            order.insert(at, count - 1);
            order
        })
    };
    orders(count - 1).into_iter().flat_map(with_last).collect()
}

/// RFC 4271 9.1.2.2 c): pairs of these beat each other in a circle where one at a time is compared with the best so far.
#[test]
fn no_insertion_order_matters_where_meds_go_round_in_circles() {
    let route = |peer: u32, first: u32, med: Option<u32>, ebgp: bool| {
        with(peer, |r| {
            r.attributes = Attributes { as_path: path(&[first, 9]), med, ..Attributes::default() };
            r.ebgp = ebgp;
        })
    };
    let sets = [
        // Lower identifiers with higher MEDs, and another AS in between.
        vec![route(1, 7, Some(10), true), route(2, 8, Some(0), true), route(3, 7, Some(5), true)],
        // The same, with internal routes that only MED can take out.
        vec![
            route(1, 7, Some(10), false),
            route(2, 8, None, false),
            route(3, 7, Some(5), false),
            route(4, 8, Some(1), true),
            route(5, 7, Some(5), true),
        ],
        vec![
            route(1, 7, None, true),
            route(2, 7, Some(0), true),
            route(3, 8, Some(3), true),
            route(4, 8, Some(3), false),
            route(5, 6, Some(9), true),
            route(6, 6, Some(8), false),
        ],
    ];
    let modes = [(false, false), (false, true), (true, false), (true, true)];
    for (set, (always_compare_med, relaxed)) in sets.iter().flat_map(|set| modes.map(|mode| (set, mode))) {
        let multipath = if relaxed { MultipathPaths::SameLength } else { MultipathPaths::SameNeighbour };
        let rules = DecisionRules { always_compare_med, multipath, weighted: false };
        let expected = standings_under(rules, set, 4);
        for order in orders(set.len()) {
            let routes: Vec<Route> = order.iter().map(|at| set[*at].clone()).collect();
            let found = standings_under(rules, &routes, 4);
            assert!(order.iter().zip(found).all(|(at, standing)| standing == expected[*at]), "{rules:?}, {order:?}");
        }
    }
}
