//! Rules against a kernel written from what `ip-rule(8)` says, and against an independent notion of what a flow is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use proptest::prelude::*;
use rib::NextHop;
use wire::LinkId;

mod change;

use super::{Action, Change, Installed, LAST, Plan, Rule, Step, Ways};
use crate::flow::{Flow, FlowWay, Flows};
use crate::plan::{Hop, Owner, Refusal, Route, RouteKey, Standing, Via};

const METRIC: u32 = 142;

fn owner() -> Owner {
    Owner { protocol: 142, ids: 1000..=1031 }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn way(tunnel: u32, distance: u8) -> FlowWay {
    let next_hop = NextHop { link: LinkId(tunnel), address: gateway(tunnel) };
    FlowWay { next_hop, distance, interface: Some(10 + tunnel) }
}

fn gateway(tunnel: u32) -> IpAddr {
    Ipv4Addr::from_bits(0xa9fe_1501 + (tunnel << 8)).into()
}

fn flow(local: &str, remote: &str, ways: Vec<FlowWay>) -> Flow {
    Flow { local: net(local), remote: net(remote), ways }
}

fn flows(flows: Vec<Flow>, outside: &[&str]) -> Flows {
    Flows { flows, outside: outside.iter().map(|text| address(text)).collect() }
}

/// Tunnels that are up; all interfaces run.
#[derive(Clone, Debug, Default)]
struct Up(BTreeSet<u32>);

impl Ways for Up {
    fn live(&self, next_hop: &NextHop) -> Option<Hop> {
        let up = self.0.contains(&next_hop.link.0);
        up.then_some(Hop { interface: 10 + next_hop.link.0, gateway: next_hop.address })
    }

    fn runs(&self, _: u32) -> bool {
        true
    }
}

fn up(tunnels: &[u32]) -> Up {
    Up(tunnels.iter().copied().collect())
}

/// Where the kernel sends a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// Not our business: the main table decides.
    Main,
    Tunnels(Vec<u32>),
    Dropped,
}

/// A kernel: rules by priority, then by age; tables by longest prefix, then by lowest metric.
#[derive(Clone, Debug, Default)]
struct Kernel {
    installed: Installed,
    /// Messages that are refused from now on.
    busy: bool,
}

impl Kernel {
    fn execute(&mut self, step: &Step) -> Result<(), Refusal> {
        let refuse = |errno| Err(Refusal { errno, text: None });
        if self.busy {
            return refuse(libc::EBUSY);
        }
        match step {
            Step::AddRule(rule) if self.installed.rules.contains(rule) => return refuse(libc::EEXIST),
            Step::DelRule(rule) if !self.installed.rules.contains(rule) => return refuse(libc::ENOENT),
            Step::AddRule(_) | Step::DelRule(_) => {}
            Step::Route { table, key, change } => {
                let known = self.installed.routes.contains_key(&(*table, *key));
                match change {
                    Change::New(_) if known => return refuse(libc::EEXIST),
                    Change::Replace(_) if !known => return refuse(libc::ENOENT),
                    Change::Delete if !known => return refuse(libc::ESRCH),
                    Change::New(_) | Change::Replace(_) | Change::Delete => {}
                }
            }
        }
        self.installed.apply(step);
        Ok(())
    }

    fn fate(&self, from: IpAddr, to: IpAddr) -> Fate {
        let mut at = 0;
        let landings = || self.installed.rules.iter().filter(|rule| rule.action == Action::Landing);
        let mut rules: Vec<&Rule> = self.installed.rules.iter().collect();
        rules.sort_by_key(|rule| rule.priority);
        for rule in rules {
            if rule.priority < at || !rule.from.contains(&from) || !rule.to.contains(&to) {
                continue;
            }
            match rule.action {
                // Where it leads nowhere it is passed over.
                Action::Skip if landings().any(|landing| landing.to.contains(&rule.to)) => at = LAST,
                Action::Skip => {}
                Action::Landing => {}
                Action::Lookup => {
                    if let Some(fate) = self.look_up(rule.table, to) {
                        return fate;
                    }
                }
            }
        }
        Fate::Main
    }

    fn look_up(&self, table: u32, to: IpAddr) -> Option<Fate> {
        let routes = self.installed.routes.iter();
        let fitting = routes.filter(|((of, key), _)| *of == table && key.prefix.contains(&to));
        let best = fitting.min_by_key(|((_, key), _)| (std::cmp::Reverse(key.prefix.prefix_len()), key.metric));
        Some(match &best?.1.via {
            Via::Hops(hops) => Fate::Tunnels(hops.iter().map(|(hop, _)| hop.interface - 10).collect()),
            Via::Object(_) | Via::Discard | Via::Other => Fate::Dropped,
        })
    }
}

fn work(plan: &mut Plan, kernel: &mut Kernel, up: &Up) {
    for _ in 0..1000 {
        let steps = plan.next_steps(up);
        if steps.is_empty() {
            return;
        }
        for step in steps {
            let result = kernel.execute(&step);
            plan.handle_result(&step, result);
        }
    }
    panic!("the plan never rests");
}

fn settled(wanted: Flows, up: &Up) -> (Plan, Kernel) {
    let mut plan = Plan::new(owner(), METRIC, Installed::default());
    let mut kernel = Kernel::default();
    plan.set(wanted);
    work(&mut plan, &mut kernel, up);
    (plan, kernel)
}

#[test]
fn a_flow_is_told_by_source_and_destination() {
    let wanted = flows(vec![flow("10.1.0.0/16", "10.2.0.0/16", vec![way(1, 1)])], &["203.0.113.1"]);
    let (plan, kernel) = settled(wanted, &up(&[1]));
    let fate = |from, to| kernel.fate(address(from), address(to));
    assert_eq!(fate("10.1.0.9", "10.2.0.9"), Fate::Tunnels(vec![1]));
    assert_eq!(fate("10.9.0.9", "10.2.0.9"), Fate::Main, "another source");
    assert_eq!(fate("10.1.0.9", "10.3.0.9"), Fate::Main, "another destination");
    assert_eq!(kernel.installed.rules.len(), 1, "nothing to make an exception of");
    assert_eq!(plan.flows(&up(&[1]))[0].2, Standing::Installed);
}

#[test]
fn nothing_leaves_unprotected_while_the_tunnel_is_down() {
    let wanted = flows(vec![flow("10.1.0.0/16", "10.2.0.0/16", vec![way(1, 1)])], &[]);
    let (mut plan, mut kernel) = settled(wanted, &up(&[]));
    let fate = |kernel: &Kernel| kernel.fate(address("10.1.0.9"), address("10.2.0.9"));
    assert_eq!(fate(&kernel), Fate::Tunnels(vec![1]), "into the tunnel, where it waits or is dropped");
    assert_eq!(plan.flows(&up(&[]))[0].2, Standing::Pending);
    plan.stop_interface(11);
    kernel.installed.stop_interface(11);
    assert_eq!(fate(&kernel), Fate::Dropped, "the interface is gone, too");
}

#[test]
fn tunnels_of_one_distance_share_a_flow_and_others_stand_by() {
    let ways = vec![way(1, 1), way(2, 1), way(3, 9)];
    let wanted = flows(vec![flow("10.1.0.0/16", "10.2.0.0/16", ways)], &[]);
    let (mut plan, mut kernel) = settled(wanted, &up(&[1, 2, 3]));
    let fate = |kernel: &Kernel| kernel.fate(address("10.1.0.9"), address("10.2.0.9"));
    assert_eq!(fate(&kernel), Fate::Tunnels(vec![1, 2]));
    for (tunnels, expected) in [(&[2, 3][..], vec![2]), (&[3], vec![3]), (&[1, 3], vec![1]), (&[], vec![1])] {
        plan.look_again();
        work(&mut plan, &mut kernel, &up(tunnels));
        assert_eq!(fate(&kernel), Fate::Tunnels(expected), "{tunnels:?} are up");
    }
}

#[test]
fn a_default_flow_captures_neither_peers_nor_our_own_networks() {
    let wanted = flows(
        vec![
            flow("10.1.0.0/16", "0.0.0.0/0", vec![way(1, 1)]),
            flow("10.7.0.0/16", "10.8.0.0/16", vec![way(2, 1)]),
            flow("0.0.0.0/0", "203.0.113.0/24", vec![way(2, 1)]),
        ],
        &["203.0.113.1", "2001:db8::1"],
    );
    let (_, kernel) = settled(wanted, &up(&[1, 2]));
    let fate = |from, to| kernel.fate(address(from), address(to));
    assert_eq!(fate("10.1.0.9", "192.0.2.1"), Fate::Tunnels(vec![1]));
    assert_eq!(fate("10.1.0.9", "203.0.113.1"), Fate::Main, "an IKE peer");
    assert_eq!(fate("192.0.2.9", "203.0.113.1"), Fate::Main, "an IKE peer");
    assert_eq!(fate("192.0.2.9", "203.0.113.2"), Fate::Tunnels(vec![2]));
    assert_eq!(fate("10.1.0.1", "10.1.0.9"), Fate::Main, "what is ours on both ends");
    assert_eq!(fate("10.1.0.1", "10.7.0.9"), Fate::Main, "a network of ours behind another flow");
    assert_eq!(fate("10.7.0.1", "10.8.0.9"), Fate::Tunnels(vec![2]));
}

#[test]
fn the_longest_destination_then_the_longest_source_wins() {
    let wanted = flows(
        vec![
            flow("10.1.0.0/16", "10.2.0.0/16", vec![way(1, 1)]),
            flow("10.1.5.0/24", "10.2.0.0/16", vec![way(2, 1)]),
            flow("10.1.0.0/16", "10.2.7.0/24", vec![way(3, 1)]),
        ],
        &[],
    );
    let (_, kernel) = settled(wanted, &up(&[1, 2, 3]));
    let fate = |from, to| kernel.fate(address(from), address(to));
    assert_eq!(fate("10.1.4.1", "10.2.0.1"), Fate::Tunnels(vec![1]));
    assert_eq!(fate("10.1.5.1", "10.2.0.1"), Fate::Tunnels(vec![2]));
    assert_eq!(fate("10.1.5.1", "10.2.7.1"), Fate::Tunnels(vec![3]));
}

#[test]
fn a_hub_between_two_spokes_makes_no_exceptions_of_them() {
    let wanted = flows(
        vec![flow("10.2.0.0/16", "10.0.0.0/8", vec![way(1, 1)]), flow("10.0.0.0/8", "10.2.0.0/16", vec![way(2, 1)])],
        &[],
    );
    let (_, kernel) = settled(wanted, &up(&[1, 2]));
    assert_eq!(kernel.fate(address("10.3.0.1"), address("10.2.0.1")), Fate::Tunnels(vec![2]));
    assert_eq!(kernel.fate(address("10.2.0.1"), address("10.3.0.1")), Fate::Tunnels(vec![1]));
}

#[test]
fn a_flow_that_comes_or_goes_moves_no_other() {
    let both =
        vec![flow("10.1.0.0/16", "10.2.0.0/16", vec![way(1, 1)]), flow("10.1.0.0/16", "10.3.0.0/16", vec![way(1, 1)])];
    let (mut plan, mut kernel) = settled(flows(both[1..].to_vec(), &[]), &up(&[1]));
    let before = kernel.installed.clone();
    plan.set(flows(both.clone(), &[]));
    work(&mut plan, &mut kernel, &up(&[1]));
    assert!(before.rules.is_subset(&kernel.installed.rules));
    assert_eq!(kernel.installed.rules.len(), 2);
    plan.set(flows(both[1..].to_vec(), &[]));
    work(&mut plan, &mut kernel, &up(&[1]));
    assert_eq!(kernel.installed, before);
}

#[test]
fn what_a_process_that_was_killed_left_is_taken_over() {
    let wanted = flows(vec![flow("10.1.0.0/16", "0.0.0.0/0", vec![way(1, 1)])], &["203.0.113.1"]);
    let (_, mut kernel) = settled(wanted.clone(), &up(&[1]));
    let before = kernel.installed.clone();
    let mut plan = Plan::new(owner(), METRIC, kernel.installed.clone());
    plan.look_again();
    assert_eq!(plan.next_steps(&up(&[])), [], "nothing is touched before anything is known");
    plan.set(wanted);
    work(&mut plan, &mut kernel, &up(&[1]));
    assert_eq!(kernel.installed, before);
    let mut plan = Plan::new(owner(), METRIC, kernel.installed.clone());
    plan.set(Flows::default());
    work(&mut plan, &mut kernel, &up(&[1]));
    assert!(kernel.installed.is_empty());
}

#[test]
fn without_its_exceptions_a_flow_is_not_installed() {
    let wanted = flows(vec![flow("10.1.0.0/16", "0.0.0.0/0", vec![way(1, 1)])], &["203.0.113.1"]);
    let mut plan = Plan::new(owner(), METRIC, Installed::default());
    plan.set(wanted);
    let mut kernel = Kernel::default();
    for _ in 0..20 {
        for step in plan.next_steps(&up(&[1])) {
            let exception = matches!(step, Step::AddRule(rule) if rule.action == Action::Skip);
            let refusal = Refusal { errno: libc::EPERM, text: None };
            let result = if exception { Err(refusal) } else { kernel.execute(&step) };
            plan.handle_result(&step, result);
        }
    }
    assert!(kernel.installed.rules.iter().all(|rule| rule.action == Action::Landing), "{:?}", kernel.installed.rules);
    assert_eq!(plan.refused_count(), 2, "one for the peer, one for our own network");
    plan.resync(kernel.installed.clone());
    work(&mut plan, &mut kernel, &up(&[1]));
    assert!(kernel.installed.rules.iter().any(|rule| rule.action == Action::Lookup), "tried again");
}

/// Where a packet should go, without rules, tables and priorities.
fn expected(wanted: &Flows, up: &Up, from: IpAddr, to: IpAddr) -> Fate {
    let fitting = wanted.flows.iter().filter(|flow| flow.local.contains(&from) && flow.remote.contains(&to));
    let best = fitting.max_by_key(|flow| (flow.remote.prefix_len(), flow.local.prefix_len()));
    let Some(best) = best.filter(|_| !wanted.outside.contains(&to)) else { return Fate::Main };
    let is_remote = |net: &IpNet| wanted.flows.iter().any(|flow| flow.remote == *net);
    let tunnels = |flow: &Flow| flow.ways.iter().map(|way| way.next_hop.link).collect::<BTreeSet<_>>();
    let held = |own: &Flow, other: &Flow| {
        let meant = other.remote.prefix_len() == 0 || !tunnels(other).is_disjoint(&tunnels(own));
        other.remote.contains(&own.local) && other.remote != own.local && meant
    };
    let own = wanted.flows.iter().filter(|own| wanted.flows.iter().any(|other| held(own, other)));
    let own = own.map(|flow| flow.local).filter(|net| net.contains(&to) && !is_remote(net));
    if own.map(|net| net.prefix_len()).max() > Some(best.remote.prefix_len()) {
        return Fate::Main;
    }
    let alive: Vec<&FlowWay> = best.ways.iter().filter(|way| up.0.contains(&way.next_hop.link.0)).collect();
    let chosen = match alive.iter().map(|way| way.distance).min() {
        Some(lowest) => alive.into_iter().filter(|way| way.distance == lowest).collect(),
        None => best.ways.iter().min_by_key(|way| way.distance).into_iter().collect::<Vec<_>>(),
    };
    let tunnels: BTreeSet<u32> = chosen.iter().map(|way| way.next_hop.link.0).collect();
    Fate::Tunnels(tunnels.into_iter().collect())
}

/// Networks of a few addresses, so that they overlap.
fn small_net() -> impl Strategy<Value = IpNet> {
    (0_u32..16, 28_u8..=32)
        .prop_map(|(low, length)| IpNet::new(Ipv4Addr::from_bits(0x0a00_0000 | low).into(), length).unwrap().trunc())
}

fn some_flows() -> impl Strategy<Value = Flows> {
    let ways = prop::collection::btree_map(1_u32..4, 1_u8..3, 1..3);
    let pairs = prop::collection::btree_map((small_net(), small_net()), ways, 0..6);
    (pairs, prop::collection::vec(0_u32..16, 0..3)).prop_map(|(pairs, outside)| Flows {
        flows: pairs
            .into_iter()
            .filter(|((local, remote), _)| local != remote)
            .map(|((local, remote), ways)| {
                let ways = ways.into_iter().map(|(tunnel, distance)| way(tunnel, distance)).collect();
                Flow { local, remote, ways }
            })
            .collect(),
        outside: outside.into_iter().map(|low| Ipv4Addr::from_bits(0x0a00_0000 | low).into()).collect(),
    })
}

#[derive(Clone, Debug)]
enum Event {
    Set(Flows),
    Up(BTreeSet<u32>),
    /// The kernel refuses everything for a round.
    Busy,
    /// A rule or route is taken away, and nobody says so.
    Theft(usize),
    Resync,
    Crash,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => some_flows().prop_map(Event::Set),
        3 => prop::collection::btree_set(1_u32..4, 0..4).prop_map(Event::Up),
        1 => Just(Event::Busy),
        2 => any::<usize>().prop_map(Event::Theft),
        2 => Just(Event::Resync),
        1 => Just(Event::Crash),
    ]
}

fn steal(kernel: &mut Kernel, pick: usize) {
    let installed = &mut kernel.installed;
    let rules: Vec<Rule> = installed.rules.iter().copied().collect();
    let routes: Vec<(u32, RouteKey)> = installed.routes.keys().copied().collect();
    match pick.checked_rem(rules.len() + routes.len()) {
        Some(index) if index < rules.len() => drop(installed.rules.remove(&rules[index])),
        Some(index) => drop(installed.routes.remove(&routes[index - rules.len()])),
        None => {}
    }
}

proptest! {
    #[test]
    fn whatever_happens_a_fresh_picture_leads_to_what_was_asked_for(
        events in prop::collection::vec(event(), 0..30),
        last in some_flows(),
    ) {
        let (mut plan, mut kernel) = (Plan::new(owner(), METRIC, Installed::default()), Kernel::default());
        let (mut wanted, mut alive) = (Flows::default(), Up::default());
        for event in events.into_iter().chain([Event::Set(last), Event::Resync]) {
            kernel.busy = matches!(event, Event::Busy);
            match event {
                Event::Set(flows) => {
                    wanted = flows.clone();
                    plan.set(flows);
                }
                Event::Up(tunnels) => {
                    alive = Up(tunnels);
                    plan.look_again();
                }
                Event::Busy => plan.look_again(),
                Event::Theft(pick) => steal(&mut kernel, pick),
                Event::Resync => drop(plan.resync(kernel.installed.clone())),
                Event::Crash => {
                    plan = Plan::new(owner(), METRIC, kernel.installed.clone());
                    plan.set(wanted.clone());
                }
            }
            work(&mut plan, &mut kernel, &alive);
        }
        prop_assert_eq!(plan.refused_count(), 0);
        for from in 0..16 {
            for to in 0..16 {
                let [from, to] = [from, to].map(|low: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | low)));
                prop_assert_eq!(kernel.fate(from, to), expected(&wanted, &alive, from, to), "{} to {}", from, to);
            }
        }
        let tables: BTreeMap<u32, usize> = kernel.installed.rules.iter().filter(|rule| rule.action == Action::Lookup)
            .fold(BTreeMap::new(), |mut tables, rule| { *tables.entry(rule.table).or_default() += 1; tables });
        prop_assert!(tables.values().all(|flows| *flows == 1), "a table for each flow: {:?}", tables);
        plan.withdraw_all();
        work(&mut plan, &mut kernel, &alive);
        prop_assert!(kernel.installed.is_empty());
    }
}

#[test]
fn words_for_steps_are_those_of_ip() {
    let rule = Rule {
        priority: 10_561,
        from: net("10.1.0.0/16"),
        to: net("10.2.0.0/16"),
        table: 1001,
        action: Action::Lookup,
    };
    assert_eq!(Step::AddRule(rule).to_string(), "rule add priority 10561 from 10.1.0.0/16 to 10.2.0.0/16 lookup 1001");
    let key = RouteKey { prefix: rule.to, metric: METRIC };
    let change = Change::New(Route { via: Via::Discard, source: None });
    assert_eq!(Step::Route { table: 1001, key, change }.to_string(), "route add 10.2.0.0/16 metric 142 table 1001");
}
