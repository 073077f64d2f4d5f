//! The plan against a model of the kernel: facts one by one, doubts, and random interference.

mod doubts;
mod interference;
mod model;

use std::net::IpAddr;

use ipnet::IpNet;
use model::{FOREIGN, Model, OURS};
use rib::{NextHop, NextHopSet};
use wire::LinkId;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// Tunnel `n` ends at 169.254.21.n, on interface 10 + n.
fn set(tunnels: &[u32]) -> NextHopSet {
    let next_hop = |n: &u32| NextHop { link: LinkId(*n), address: ip(&format!("169.254.21.{n}")) };
    NextHopSet::new(tunnels.iter().map(next_hop).collect())
}

fn prefix(n: u32) -> IpNet {
    net(&format!("10.{}.{}.0/24", n / 256, n % 256))
}

fn config(mode: Mode) -> PlanConfig {
    PlanConfig { owner: model::owner(), metric: model::METRIC, mode, source_v4: None, source_v6: None }
}

/// A plan over a kernel with interfaces 11 to 14, and tunnels 1 to 4 up on them.
fn four_tunnels(mode: Mode) -> (Model, Plan) {
    let model = Model::with_interfaces(11..=14);
    let mut plan = Plan::new(config(mode), model.dump());
    for n in 1..=4 {
        plan.link_up(LinkId(n), 10 + n, None);
    }
    (model, plan)
}

/// Runs the plan until it has nothing to do. Returns the operations.
fn drain(model: &mut Model, plan: &mut Plan) -> Vec<Op> {
    let mut done = Vec::new();
    loop {
        let ops = plan.next_ops();
        if ops.is_empty() {
            return done;
        }
        for op in ops {
            plan.handle_result(&op, model.execute(&op));
            done.push(op);
        }
        assert!(done.len() < 100_000, "the plan does not end");
    }
}

#[test]
fn ecmp_routes_share_one_group() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    for n in 0..1000 {
        plan.set_route(prefix(n), set(&[1, 2, 3, 4]));
    }
    let ops = drain(&mut model, &mut plan);
    assert_eq!(ops.len(), 4 + 1 + 1000);
    assert_eq!(model.own_nexthops(), 5);
    assert_eq!(model.ways(prefix(7)), Some(vec![11, 12, 13, 14]));
    assert_eq!(plan.standing(prefix(7)), Standing::Installed);
    assert_eq!(plan.resync(model.dump()), 0);
    assert_eq!(drain(&mut model, &mut plan), []);
}

#[test]
fn a_dead_tunnel_costs_one_message_whatever_the_number_of_routes() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    for n in 0..1000 {
        plan.set_route(prefix(n), if n % 2 == 0 { set(&[1, 2, 3, 4]) } else { set(&[1, 2]) });
    }
    drain(&mut model, &mut plan);
    plan.link_down(LinkId(1));
    let ops = drain(&mut model, &mut plan);
    assert!(matches!(ops.as_slice(), [Op::DelNexthop { .. }]), "{ops:?}");
    assert_eq!(model.ways(prefix(0)), Some(vec![12, 13, 14]));
    assert_eq!(model.ways(prefix(1)), Some(vec![12]));
    plan.link_up(LinkId(1), 11, None);
    let ops = drain(&mut model, &mut plan);
    assert!(
        matches!(ops.as_slice(), [Op::NewHop { .. }, Op::ReplaceGroup { .. }, Op::ReplaceGroup { .. }]),
        "one object and two groups, no route: {ops:?}"
    );
    assert_eq!(model.ways(prefix(0)), Some(vec![11, 12, 13, 14]));
}

#[test]
fn routes_of_the_only_tunnel_go_with_it_and_come_back() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    plan.set_route(prefix(1), set(&[1]));
    plan.set_route(prefix(2), set(&[1, 2]));
    drain(&mut model, &mut plan);
    plan.link_down(LinkId(1));
    plan.link_down(LinkId(2));
    drain(&mut model, &mut plan);
    assert_eq!((model.ways(prefix(1)), model.ways(prefix(2))), (None, None));
    assert_eq!(plan.standing(prefix(1)), Standing::Pending);
    plan.link_up(LinkId(1), 11, None);
    drain(&mut model, &mut plan);
    assert_eq!((model.ways(prefix(1)), model.ways(prefix(2))), (Some(vec![11]), Some(vec![11])));
}

#[test]
fn a_route_is_never_away_while_a_next_hop_is_left() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    for n in 0..300 {
        plan.set_route(prefix(n), set(&[1, 2]));
    }
    drain(&mut model, &mut plan);
    plan.link_down(LinkId(1));
    for n in 0..300 {
        plan.set_route(prefix(n), set(&[2]));
    }
    loop {
        let ops = plan.next_ops();
        if ops.is_empty() {
            break;
        }
        for op in ops {
            plan.handle_result(&op, model.execute(&op));
            assert!((0..300).all(|n| model.ways(prefix(n)).is_some_and(|ways| ways.contains(&12))), "{op:?}");
        }
    }
    assert_eq!(model.own_nexthops(), 1, "the group and the dead hop are gone");
}

#[test]
fn multipath_mode_makes_no_objects() {
    let (mut model, mut plan) = four_tunnels(Mode::Multipath);
    plan.set_route(prefix(1), set(&[1, 2]));
    drain(&mut model, &mut plan);
    assert_eq!((model.own_nexthops(), model.ways(prefix(1))), (0, Some(vec![11, 12])));
    plan.link_down(LinkId(1));
    drain(&mut model, &mut plan);
    assert_eq!(model.ways(prefix(1)), Some(vec![12]));
    plan.set_route(prefix(1), NextHopSet::default());
    drain(&mut model, &mut plan);
    assert_eq!(model.ways(prefix(1)), None);
}

#[test]
fn a_foreign_route_at_our_key_is_a_conflict_and_stays() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    model.add_foreign_route(prefix(1), model::METRIC);
    plan.set_route(prefix(1), set(&[1]));
    drain(&mut model, &mut plan);
    assert_eq!(plan.standing(prefix(1)), Standing::Conflict);
    assert_eq!(model.route_protocol(prefix(1), model::METRIC), Some(FOREIGN));
    model.remove_route(prefix(1), model::METRIC);
    plan.resync(model.dump());
    drain(&mut model, &mut plan);
    assert_eq!(model.route_protocol(prefix(1), model::METRIC), Some(OURS));
}

#[test]
fn a_foreign_nexthop_among_our_ids_is_left_alone() {
    let mut model = Model::with_interfaces(11..=14);
    let first = *model::owner().ids.start();
    model.add_foreign_hop(first, 11);
    let mut plan = Plan::new(config(Mode::Objects), model.dump());
    plan.link_up(LinkId(1), 11, None);
    plan.set_route(prefix(1), set(&[1]));
    drain(&mut model, &mut plan);
    plan.withdraw_all();
    drain(&mut model, &mut plan);
    assert_eq!((model.own_nexthops(), model.has_nexthop(first)), (0, true));
}

#[test]
fn adopted_routes_stay_until_convergence() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    for n in 0..4 {
        plan.set_route(prefix(n), set(&[1, 2]));
    }
    drain(&mut model, &mut plan);
    drop(plan);

    let mut plan = Plan::new(config(Mode::Objects), model.dump());
    assert_eq!(drain(&mut model, &mut plan), [], "nothing is known yet, so nothing is touched");
    plan.link_up(LinkId(1), 11, None);
    plan.link_up(LinkId(2), 12, None);
    plan.set_route(prefix(0), set(&[1, 2]));
    plan.set_route(prefix(1), set(&[1]));
    plan.set_route(prefix(2), NextHopSet::default());
    let ops = drain(&mut model, &mut plan);
    assert_eq!(ops.len(), 2, "the claimed route needs nothing, one is replaced, one deleted: {ops:?}");
    assert_eq!(model.ways(prefix(3)), Some(vec![11, 12]), "nobody said anything about this one");
    assert_eq!(plan.adopted_count(), 1);
    plan.converged();
    drain(&mut model, &mut plan);
    assert_eq!((model.ways(prefix(0)), model.ways(prefix(3))), (Some(vec![11, 12]), None));
}

#[test]
fn a_desired_route_whose_tunnel_is_not_up_yet_keeps_its_adopted_way() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    plan.set_route(prefix(1), set(&[1]));
    drain(&mut model, &mut plan);
    let mut plan = Plan::new(config(Mode::Objects), model.dump());
    plan.set_route(prefix(1), set(&[1]));
    drain(&mut model, &mut plan);
    assert_eq!(model.ways(prefix(1)), Some(vec![11]));
    plan.converged();
    drain(&mut model, &mut plan);
    assert_eq!(model.ways(prefix(1)), None);
}

#[test]
fn routes_with_a_former_metric_are_known_by_their_nexthop() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    plan.set_route(prefix(1), set(&[1]));
    drain(&mut model, &mut plan);
    let changed = PlanConfig { metric: 777, ..config(Mode::Objects) };
    let mut plan = Plan::new(changed, model.dump());
    plan.link_up(LinkId(1), 11, None);
    plan.set_route(prefix(1), set(&[1]));
    plan.converged();
    drain(&mut model, &mut plan);
    assert_eq!(model.route_protocol(prefix(1), model::METRIC), None);
    assert_eq!(model.route_protocol(prefix(1), 777), Some(OURS));
}

#[test]
fn weights_reach_the_group_and_stay_with_those_that_are_left() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    let hop = |tunnel: u32| set(&[tunnel]).as_slice()[0];
    plan.set_route(prefix(1), NextHopSet::weighted(vec![(hop(1), 10), (hop(2), 20), (hop(3), 40)]));
    drain(&mut model, &mut plan);
    let weights = |plan: &Plan| {
        let groups = plan.kernel().all_own().filter_map(|(_, body)| match body {
            Body::Group(members) => Some(members.iter().map(|member| member.weight).collect::<Vec<_>>()),
            Body::Hop(_) | Body::OtherGroup(_) | Body::Other => None,
        });
        groups.collect::<Vec<_>>()
    };
    assert_eq!(weights(&plan), [vec![1, 2, 4]]);
    plan.link_down(LinkId(1));
    drain(&mut model, &mut plan);
    assert_eq!(weights(&plan), [vec![2, 4]]);
    plan.set_route(prefix(1), set(&[1, 2, 3]));
    plan.link_up(LinkId(1), 11, None);
    drain(&mut model, &mut plan);
    assert_eq!(weights(&plan), [vec![1, 1, 1]]);
}

#[test]
fn a_route_into_the_void_needs_no_tunnel() {
    for mode in [Mode::Objects, Mode::Multipath] {
        let (mut model, mut plan) = four_tunnels(mode);
        plan.set_route(prefix(1), NextHopSet::discard());
        drain(&mut model, &mut plan);
        assert_eq!(plan.standing(prefix(1)), Standing::Installed);
        assert_eq!(plan.installed(prefix(1)).map(|route| &route.via), Some(&Via::Discard));
        plan.set_route(prefix(1), set(&[1, 2]));
        drain(&mut model, &mut plan);
        assert_eq!(model.ways(prefix(1)), Some(vec![11, 12]));
        plan.set_route(prefix(1), NextHopSet::default());
        drain(&mut model, &mut plan);
        assert_eq!(plan.installed(prefix(1)), None);
    }
}

#[test]
fn ipv4_goes_over_ipv6_next_hops_and_not_the_reverse() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    let six = |tunnel| NextHop { link: LinkId(tunnel), address: ip("fd00::1") };
    plan.set_route(prefix(1), NextHopSet::new(vec![six(1), six(2)]));
    plan.set_route(prefix(2), NextHopSet::new(vec![set(&[1]).as_slice()[0], six(2)]));
    drain(&mut model, &mut plan);
    assert_eq!(plan.standing(prefix(1)), Standing::Installed);
    assert_eq!(plan.standing(prefix(2)), Standing::Installed);
}

#[test]
fn families_do_not_mix() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    plan.set_route(net("2001:db8::/32"), set(&[1, 2]));
    let six = NextHopSet::new(vec![NextHop { link: LinkId(1), address: ip("fd00::1") }]);
    plan.set_route(net("2001:db8:1::/48"), six);
    drain(&mut model, &mut plan);
    assert_eq!(plan.standing(net("2001:db8::/32")), Standing::Family);
    assert_eq!(plan.standing(net("2001:db8:1::/48")), Standing::Installed);
}

#[test]
fn a_tunnel_that_moves_to_another_interface_takes_its_routes_along() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    plan.set_route(prefix(1), set(&[1, 2]));
    drain(&mut model, &mut plan);
    model.interface_up(31);
    plan.set_running(31, true);
    plan.link_up(LinkId(1), 31, None);
    drain(&mut model, &mut plan);
    assert_eq!(model.ways(prefix(1)), Some(vec![12, 31]));
    assert_eq!(model.own_nexthops(), 3);
}

#[test]
fn the_source_is_what_all_tunnels_of_a_set_agree_on() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    let source = Some(ip("10.1.0.1"));
    plan.link_up(LinkId(1), 11, source);
    plan.link_up(LinkId(2), 12, source);
    plan.set_route(prefix(1), set(&[1, 2]));
    plan.set_route(prefix(2), set(&[1, 3]));
    drain(&mut model, &mut plan);
    assert_eq!(plan.installed(prefix(1)).unwrap().source, source);
    assert_eq!(plan.installed(prefix(2)).unwrap().source, None);
    plan.link_down(LinkId(2));
    assert_eq!(drain(&mut model, &mut plan).len(), 1, "a failover does not change the source");
}

#[test]
fn refusals_are_not_repeated_until_the_next_picture() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    model.interface_down(11);
    plan.set_route(prefix(1), set(&[1]));
    let ops = drain(&mut model, &mut plan);
    assert_eq!(ops.len(), 1, "{ops:?}");
    assert!(matches!(plan.standing(prefix(1)), Standing::Refused(Refusal { errno: libc::ENETDOWN, .. })));
    assert_eq!(drain(&mut model, &mut plan), []);
    model.interface_up(11);
    plan.resync(model.dump());
    drain(&mut model, &mut plan);
    assert_eq!(plan.standing(prefix(1)), Standing::Installed);
}

#[test]
fn what_the_kernel_refused_is_not_done() {
    let (_, mut plan) = four_tunnels(Mode::Objects);
    plan.set_route(prefix(1), set(&[1, 2, 3]));
    let ops = plan.next_ops();
    let [first, second, third] = &ops[..] else { panic!("a hop for each tunnel: {ops:?}") };
    let refusal = Refusal { errno: libc::ENETDOWN, text: None };
    let (done, refused) = plan.handle_results(ops.clone(), vec![Ok(()), Err(refusal.clone()), Ok(())]);
    assert_eq!((done, refused), (vec![first.clone(), third.clone()], vec![(second.clone(), refusal)]));
    assert_eq!(plan.kernel().all_own().count(), 2);
}

#[test]
fn spare_next_hops_take_over_with_one_message_and_no_route_is_touched() {
    let (mut model, mut plan) = four_tunnels(Mode::Objects);
    for n in 0..1000 {
        plan.set_route(prefix(n), set(&[1]).with_spare(set(&[2, 3]).as_slice().to_vec()));
    }
    drain(&mut model, &mut plan);
    assert_eq!(model.ways(prefix(0)), Some(vec![11]));
    plan.link_down(LinkId(1));
    let ops = drain(&mut model, &mut plan);
    assert!(matches!(ops.as_slice(), [Op::ReplaceGroup { .. }, Op::DelNexthop { .. }]), "{ops:?}");
    assert_eq!(model.ways(prefix(999)), Some(vec![12, 13]));
    plan.link_down(LinkId(2));
    let ops = drain(&mut model, &mut plan);
    assert!(matches!(ops.as_slice(), [Op::DelNexthop { .. }]), "{ops:?}");
    assert_eq!(model.ways(prefix(999)), Some(vec![13]));
    plan.link_up(LinkId(1), 11, None);
    let ops = drain(&mut model, &mut plan);
    assert!(matches!(ops.as_slice(), [Op::NewHop { .. }, Op::ReplaceGroup { .. }]), "{ops:?}");
    assert_eq!(model.ways(prefix(999)), Some(vec![11]));
    assert_eq!(plan.resync(model.dump()), 0);
    assert_eq!(drain(&mut model, &mut plan), []);
}

#[test]
fn routes_with_spare_next_hops_go_when_all_are_dead() {
    for mode in [Mode::Objects, Mode::Multipath] {
        let (mut model, mut plan) = four_tunnels(mode);
        plan.set_route(prefix(1), set(&[1]).with_spare(set(&[2]).as_slice().to_vec()));
        drain(&mut model, &mut plan);
        plan.link_down(LinkId(1));
        drain(&mut model, &mut plan);
        assert_eq!(model.ways(prefix(1)), Some(vec![12]), "{mode:?}");
        plan.link_down(LinkId(2));
        drain(&mut model, &mut plan);
        assert_eq!((model.ways(prefix(1)), plan.standing(prefix(1))), (None, Standing::Pending), "{mode:?}");
        plan.link_up(LinkId(2), 12, None);
        drain(&mut model, &mut plan);
        assert_eq!(model.ways(prefix(1)), Some(vec![12]), "{mode:?}");
    }
}
