//! Next hops in doubt: they leave groups that have others, and that costs no route.

use proptest::prelude::*;

use super::*;

/// Just these are in doubt.
fn doubt(plan: &mut Plan, tunnels: &[u32]) {
    plan.doubt_only(hops(tunnels));
}

fn hops(tunnels: &[u32]) -> BTreeSet<NextHop> {
    set(tunnels).as_slice().iter().copied().collect()
}

#[test]
fn a_next_hop_in_doubt_leaves_all_groups_with_one_message_and_routes_follow_later() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    for n in 0..1000 {
        plan.set_route(prefix(n), set(&[1, 2, 3]));
    }
    drain(&mut model, &mut plan);
    doubt(&mut plan, &[3]);
    let ops = drain(&mut model, &mut plan);
    assert!(matches!(ops.as_slice(), [Op::DelNexthop { .. }, Op::NewHop { .. }]), "at hand if need be: {ops:?}");
    assert_eq!(model.ways(prefix(999)), Some(vec![11, 12]));
    for n in 0..1000 {
        plan.set_route(prefix(n), set(&[1, 2]));
    }
    doubt(&mut plan, &[]);
    drain(&mut model, &mut plan);
    assert_eq!((model.ways(prefix(999)), model.own_nexthops()), (Some(vec![11, 12]), 3));
    assert_eq!(plan.resync(model.dump()), 0);
}

#[test]
fn a_next_hop_in_doubt_stays_where_nothing_else_is_left() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    plan.set_route(prefix(1), set(&[1]));
    plan.set_route(prefix(2), set(&[1, 2]));
    plan.set_route(prefix(3), set(&[1, 3]));
    plan.set_route(prefix(4), with_spare(&[1], &[4]));
    plan.link_down(LinkId(3));
    drain(&mut model, &mut plan);
    doubt(&mut plan, &[1]);
    let ops = drain(&mut model, &mut plan);
    assert!(ops.iter().all(|op| matches!(op, Op::ReplaceGroup { .. })), "{ops:?}");
    let ways = |model: &Model| [1, 2, 3, 4].map(|n| model.ways(prefix(n)).unwrap_or_default());
    assert_eq!(ways(&model), [vec![11], vec![12], vec![11], vec![14]]);
    doubt(&mut plan, &[]);
    drain(&mut model, &mut plan);
    assert_eq!(ways(&model), [vec![11], vec![11, 12], vec![11], vec![11]], "the doubt was unfounded");
}

#[test]
fn while_it_is_unknown_what_the_kernel_holds_only_what_is_dead_is_deleted() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    plan.set_route(prefix(1), set(&[1, 2, 3]));
    drain(&mut model, &mut plan);
    doubt(&mut plan, &[3]);
    plan.link_down(LinkId(1));
    let ops = plan.surely_dead_hops();
    assert!(matches!(ops.as_slice(), [Op::DelNexthop { .. }]), "{ops:?}");
    plan.handle_results(ops.clone(), ops.iter().map(|op| model.execute(op)).collect());
    assert_eq!(model.ways(prefix(1)), Some(vec![12, 13]));
    drain(&mut model, &mut plan);
    assert_eq!(model.ways(prefix(1)), Some(vec![12]), "the doubt counts when it is known");
}

#[test]
fn routes_that_leave_next_hops_in_doubt_are_replaced_and_not_lost() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    for n in 0..1000 {
        plan.set_route(prefix(n), set(&[1, 2]));
    }
    drain(&mut model, &mut plan);
    doubt(&mut plan, &[1, 2]);
    drain(&mut model, &mut plan);
    for n in 0..1000 {
        plan.set_route(prefix(n), set(&[3]));
    }
    let ops = drain(&mut model, &mut plan);
    let created = ops.iter().filter(|op| matches!(op, Op::NewRoute { .. })).count();
    assert_eq!((created, model.ways(prefix(999))), (0, Some(vec![13])));
    let last_route = ops.iter().rposition(|op| matches!(op, Op::ReplaceRoute { .. }));
    assert!(last_route < ops.iter().position(|op| matches!(op, Op::DelNexthop { .. })), "{ops:?}");
}

#[test]
fn adopted_routes_outlive_a_doubt_that_comes_before_they_are_claimed() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    plan.set_route(prefix(1), with_spare(&[1], &[2]));
    drain(&mut model, &mut plan);
    let mut next = Plan::new(config(Mode::Objects), model.dump());
    for n in 1..=4 {
        next.link_up(LinkId(n), 10 + n, None);
    }
    doubt(&mut next, &[1]);
    drain(&mut model, &mut next);
    assert_eq!(model.ways(prefix(1)), Some(vec![11]));
}

#[test]
fn a_next_hop_in_doubt_takes_over_when_the_other_dies() {
    for (members, spare) in [(&[1, 2][..], &[][..]), (&[1], &[2]), (&[2], &[1])] {
        let (mut model, mut plan) = four_tunnels(Mode::Objects);
        plan.set_route(prefix(1), with_spare(members, spare));
        drain(&mut model, &mut plan);
        doubt(&mut plan, &[1]);
        drain(&mut model, &mut plan);
        assert_eq!(model.ways(prefix(1)), Some(vec![12]));
        plan.link_down(LinkId(2));
        let ops = drain(&mut model, &mut plan);
        let moved = matches!(ops.as_slice(), [Op::ReplaceGroup { .. }, Op::DelNexthop { .. }]);
        assert!(moved, "{members:?} {spare:?} {ops:?}");
        assert_eq!(model.ways(prefix(1)), Some(vec![11]), "{members:?} {spare:?}");
    }
}

#[test]
fn a_doubt_neither_ends_another_nor_ends_with_it() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    plan.set_route(prefix(1), set(&[1, 2, 3]));
    drain(&mut model, &mut plan);
    doubt(&mut plan, &[1]);
    plan.doubt(hops(&[2]));
    drain(&mut model, &mut plan);
    assert_eq!(model.ways(prefix(1)), Some(vec![13]));
    doubt(&mut plan, &[2]);
    drain(&mut model, &mut plan);
    assert_eq!(model.ways(prefix(1)), Some(vec![11, 13]));
    doubt(&mut plan, &[]);
    drain(&mut model, &mut plan);
    assert_eq!(model.ways(prefix(1)), Some(vec![11, 12, 13]));
}

#[test]
fn doubts_mean_nothing_to_routes_that_carry_their_next_hops() {
    let (mut model, mut plan) = four_tunnels(Mode::Multipath);
    plan.set_route(prefix(1), set(&[1, 2]));
    drain(&mut model, &mut plan);
    doubt(&mut plan, &[1]);
    assert_eq!(drain(&mut model, &mut plan), []);
}

fn with_spare(members: &[u32], spare: &[u32]) -> NextHopSet {
    set(members).with_spare(set(spare).as_slice().to_vec())
}

/// What is said between two times that the plan has nothing left to do.
#[derive(Clone, Debug)]
enum Word {
    /// These are in doubt, these routes are others, and then only these are in doubt.
    Doubts(Vec<u32>, Vec<(u32, Vec<u32>, Vec<u32>)>),
    Down(u32),
    Up(u32),
}

fn word() -> impl Strategy<Value = Word> {
    let tunnels = |least| prop::collection::btree_set(1_u32..=4, least..3).prop_map(|them| them.into_iter().collect());
    let spare = prop_oneof![Just(vec![]), (1_u32..=4).prop_map(|one| vec![one])];
    let route = (0_u32..4, tunnels(1), spare);
    prop_oneof![
        4 => (tunnels(0), prop::collection::vec(route, 0..4)).prop_map(|(doubted, routes)| Word::Doubts(doubted, routes)),
        1 => (1_u32..=4).prop_map(Word::Down),
        1 => (1_u32..=4).prop_map(Word::Up),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What is in the kernel and has a live next hop, before and after, is there after each message.
    #[test]
    fn no_route_is_away_while_a_next_hop_of_its_set_lives(words in prop::collection::vec(word(), 1..20)) {
        let (mut model, mut plan) = four_tunnels(Mode::Objects);
        for word in words {
            let routed: Vec<IpNet> = (0..4).map(prefix).filter(|prefix| model.ways(*prefix).is_some()).collect();
            let lives = |plan: &Plan, prefix: &IpNet| {
                let desired = plan.desired().find(|(of, _)| of == prefix);
                desired.is_some_and(|(_, set)| set.as_slice().iter().chain(set.spare()).any(|hop| plan.is_active(hop)))
            };
            let before: Vec<IpNet> = routed.into_iter().filter(|prefix| lives(&plan, prefix)).collect();
            match &word {
                Word::Doubts(doubted, routes) => {
                    plan.doubt(hops(doubted));
                    for (n, members, spare) in routes {
                        plan.set_route(prefix(*n), with_spare(members, spare));
                    }
                    doubt(&mut plan, doubted);
                }
                Word::Down(tunnel) => _ = plan.link_down(LinkId(*tunnel)),
                Word::Up(tunnel) => plan.link_up(LinkId(*tunnel), 10 + tunnel, None),
            }
            let kept: Vec<IpNet> = before.into_iter().filter(|prefix| lives(&plan, prefix)).collect();
            loop {
                let ops = plan.next_ops();
                if ops.is_empty() {
                    break;
                }
                for op in ops {
                    plan.handle_result(&op, model.execute(&op));
                    for prefix in &kept {
                        prop_assert!(model.ways(*prefix).is_some(), "{prefix} is away after {op:?} because of {word:?}");
                    }
                }
            }
        }
    }
}
