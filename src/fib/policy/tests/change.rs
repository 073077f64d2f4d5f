//! The way from one state to another: what becomes of packets after each step, and who carries a flow next.

use super::*;

/// What becomes of packets after each step of what the plan does.
fn fates(plan: &mut Plan, kernel: &mut Kernel, up: &Up, packets: &[(IpAddr, IpAddr)]) -> Vec<Vec<Fate>> {
    let now = |kernel: &Kernel| packets.iter().map(|(from, to)| kernel.fate(*from, *to)).collect::<Vec<_>>();
    let mut fates = vec![now(kernel)];
    for _ in 0..1000 {
        let steps = plan.next_steps(up);
        if steps.is_empty() {
            return fates;
        }
        for step in steps {
            let result = kernel.execute(&step);
            plan.handle_result(&step, result);
            fates.push(now(kernel));
        }
    }
    panic!("the plan never rests");
}

/// A packet that was protected and will be is so all the time; one that neither was nor will be never is.
fn expect_no_detour(fates: &[Vec<Fate>], packets: &[(IpAddr, IpAddr)]) {
    let (first, last) = (fates.first().unwrap(), fates.last().unwrap());
    for (at, packet) in packets.iter().enumerate() {
        let clear = |fates: &[Fate]| fates[at] == Fate::Main;
        if clear(first) == clear(last) {
            let between: Vec<&Fate> = fates.iter().map(|fates| &fates[at]).collect();
            assert!(fates.iter().all(|fates| clear(fates) == clear(first)), "{packet:?}: {between:?}");
        }
    }
}

#[test]
fn other_selectors_leak_nothing_in_between() {
    let (mut plan, mut kernel) =
        settled(flows(vec![flow("10.1.5.0/24", "10.2.0.0/16", vec![way(1, 1)])], &[]), &up(&[1]));
    let packets = [(address("10.1.5.9"), address("10.2.0.9"))];
    for (local, remote) in [("10.1.0.0/16", "10.2.0.0/16"), ("10.1.0.0/16", "10.0.0.0/8"), ("10.1.5.0/24", "0.0.0.0/0")]
    {
        plan.set(flows(vec![flow(local, remote, vec![way(1, 1)])], &["10.2.0.8"]));
        let fates = fates(&mut plan, &mut kernel, &up(&[1]), &packets);
        assert!(fates.iter().all(|fates| fates[0] == Fate::Tunnels(vec![1])), "{local} to {remote}: {fates:?}");
    }
}

#[test]
fn rules_stay_while_those_in_their_place_wait_for_a_refused_exception() {
    let (mut plan, mut kernel) =
        settled(flows(vec![flow("10.1.5.0/24", "10.2.0.0/16", vec![way(1, 1)])], &[]), &up(&[1]));
    plan.set(flows(vec![flow("10.1.0.0/16", "10.2.0.0/16", vec![way(1, 1)])], &["10.2.0.8"]));
    for _ in 0..20 {
        for step in plan.next_steps(&up(&[1])) {
            let exception = matches!(step, Step::AddRule(rule) if rule.action == Action::Skip);
            let refusal = Refusal { errno: libc::EPERM, text: None };
            let result = if exception { Err(refusal) } else { kernel.execute(&step) };
            plan.handle_result(&step, result);
        }
    }
    let fate = |kernel: &Kernel| kernel.fate(address("10.1.5.9"), address("10.2.0.9"));
    assert_eq!(fate(&kernel), Fate::Tunnels(vec![1]), "by the old rule");
    assert_eq!(kernel.fate(address("10.1.6.9"), address("10.2.0.9")), Fate::Main, "the new one waits");
    plan.resync(kernel.installed.clone());
    work(&mut plan, &mut kernel, &up(&[1]));
    assert_eq!(kernel.fate(address("10.1.6.9"), address("10.2.0.9")), Fate::Tunnels(vec![1]));
    assert_eq!(plan.installed(), &kernel.installed);
    let lookups = kernel.installed.rules.iter().filter(|rule| rule.action == Action::Lookup).count();
    assert_eq!((lookups, fate(&kernel)), (1, Fate::Tunnels(vec![1])), "and the old one is gone");
}

#[test]
fn of_a_connection_the_first_tunnel_that_is_up_carries_a_flow() {
    let wanted = || flows(vec![flow("10.1.0.0/16", "10.2.0.0/16", vec![way(1, 1), way(2, 1), way(3, 9)])], &[]);
    let (mut plan, mut kernel) = settled(wanted(), &up(&[1, 2, 3]));
    let mut check = |places: &[(u32, u8)], tunnels: &[u32], expected: &[u32]| {
        let standing = |import| rib::Standing { connection: 1, import, ..rib::Standing::default() };
        plan.set_standings(places.iter().map(|(tunnel, import)| (LinkId(*tunnel), standing(*import))).collect());
        work(&mut plan, &mut kernel, &up(tunnels));
        let fate = kernel.fate(address("10.1.0.9"), address("10.2.0.9"));
        assert_eq!(fate, Fate::Tunnels(expected.to_vec()), "{places:?}, {tunnels:?} up");
        let used: Vec<u32> = plan.used(&wanted().flows[0], &up(tunnels)).iter().map(|hop| hop.link.0).collect();
        assert_eq!(used, if tunnels.is_empty() { &[] } else { expected });
    };
    check(&[], &[1, 2, 3], &[1, 2]);
    check(&[(1, 0), (2, 1)], &[1, 2, 3], &[1]);
    check(&[(1, 1), (2, 0)], &[1, 2, 3], &[2]);
    check(&[(1, 1), (2, 0)], &[1, 3], &[1]);
    check(&[(1, 1), (2, 0)], &[], &[2]);
    check(&[(1, 0), (2, 0)], &[1, 2], &[1, 2]);
    // The connection's order is before that of distances.
    check(&[(1, 2), (2, 1), (3, 0)], &[1, 2, 3], &[3]);
}

#[test]
fn what_is_ours_for_one_tunnel_is_protected_towards_another() {
    let wanted = flows(
        vec![
            flow("10.9.0.0/16", "10.2.0.0/15", vec![way(1, 1)]),
            flow("10.2.0.0/16", "10.9.0.0/16", vec![way(2, 1)]),
            flow("10.4.0.0/16", "10.4.0.0/14", vec![way(3, 1)]),
        ],
        &[],
    );
    let (_, kernel) = settled(wanted, &up(&[1, 2, 3]));
    let fate = |from, to| kernel.fate(address(from), address(to));
    assert_eq!(fate("10.9.0.1", "10.2.0.1"), Fate::Tunnels(vec![1]), "the hub's own side of another tunnel");
    assert_eq!(fate("10.4.0.1", "10.4.7.1"), Fate::Main, "our side within what the same tunnel leads to");
    assert_eq!(fate("10.4.0.1", "10.5.7.1"), Fate::Tunnels(vec![3]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_packet_takes_a_detour_from_one_configuration_to_the_next(configurations in prop::collection::vec(some_flows(), 1..5)) {
        let address = |low: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | low));
        let packets: Vec<(IpAddr, IpAddr)> =
            (0..16).flat_map(|from| (0..16).map(move |to| (address(from), address(to)))).collect();
        let (mut plan, mut kernel) = (Plan::new(owner(), METRIC, Installed::default()), Kernel::default());
        for wanted in configurations {
            plan.set(wanted);
            let fates = fates(&mut plan, &mut kernel, &up(&[1, 2, 3]), &packets);
            expect_no_detour(&fates, &packets);
        }
    }
}
