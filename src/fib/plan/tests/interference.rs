//! Random interference: whatever others do to the kernel and in whatever order tunnels and routes come and go, after a
//! fresh picture the kernel holds what it should, nothing of ours besides, and everything foreign.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Route {
        prefix: u32,
        tunnels: Vec<u32>,
    },
    LinkUp(u32),
    LinkDown(u32),
    /// Execute this many operations of the next batch; the rest is refused, as after a lost answer.
    Work {
        operations: usize,
    },
    Doubt(Vec<u32>),
    Resync,
    Converged,
    Crash,
    InterfaceDown(u32),
    InterfaceUp(u32),
    RouteRemoved(usize),
    NexthopRemoved(usize),
    ForeignRoute {
        prefix: u32,
        at_our_metric: bool,
    },
    ForeignHop {
        id: u32,
        interface: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let tunnels = prop::collection::vec(1_u32..=4, 0..4);
    let doubted = prop::collection::vec(1_u32..=4, 0..3);
    prop_oneof![
        6 => (0_u32..12, tunnels).prop_map(|(prefix, tunnels)| Step::Route { prefix, tunnels }),
        3 => (1_u32..=4).prop_map(Step::LinkUp),
        2 => (1_u32..=4).prop_map(Step::LinkDown),
        2 => doubted.prop_map(Step::Doubt),
        6 => (0_usize..8).prop_map(|operations| Step::Work { operations }),
        1 => Just(Step::Resync),
        1 => Just(Step::Converged),
        1 => Just(Step::Crash),
        1 => (11_u32..=14).prop_map(Step::InterfaceDown),
        2 => (11_u32..=14).prop_map(Step::InterfaceUp),
        2 => any::<usize>().prop_map(Step::RouteRemoved),
        2 => any::<usize>().prop_map(Step::NexthopRemoved),
        1 => (0_u32..12, any::<bool>()).prop_map(|(prefix, at_our_metric)| Step::ForeignRoute { prefix, at_our_metric }),
        1 => (1000_u32..1010, 11_u32..=14).prop_map(|(id, interface)| Step::ForeignHop { id, interface }),
    ]
}

/// The world: kernel, plan, and independently what was asked for.
struct World {
    model: Model,
    plan: Plan,
    mode: Mode,
    asked: BTreeMap<u32, Vec<u32>>,
    up: BTreeSet<u32>,
}

impl World {
    fn new(mode: Mode) -> Self {
        let model = Model::with_interfaces(11..=14);
        let plan = Plan::new(config(mode), model.dump());
        Self { model, plan, mode, asked: BTreeMap::new(), up: BTreeSet::new() }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Route { prefix: n, tunnels } => {
                self.plan.set_route(prefix(n), set(&tunnels));
                self.asked.insert(n, tunnels);
            }
            Step::LinkUp(tunnel) => {
                self.plan.link_up(LinkId(tunnel), 10 + tunnel, None);
                self.up.insert(tunnel);
            }
            Step::LinkDown(tunnel) => {
                self.plan.link_down(LinkId(tunnel));
                self.up.remove(&tunnel);
            }
            Step::Doubt(tunnels) => self.plan.doubt_only(set(&tunnels).as_slice().iter().copied().collect()),
            Step::Work { operations } => self.work(operations),
            Step::Resync => drop(self.plan.resync(self.model.dump())),
            Step::Converged => self.plan.converged(),
            Step::Crash => self.crash(),
            Step::InterfaceDown(interface) => {
                self.model.interface_down(interface);
                self.plan.set_running(interface, false);
            }
            Step::InterfaceUp(interface) => {
                self.model.interface_up(interface);
                self.plan.set_running(interface, true);
            }
            Step::RouteRemoved(pick) => {
                let keys = self.model.keys();
                if !keys.is_empty() {
                    let (prefix, metric) = keys[pick % keys.len()];
                    self.model.remove_route(prefix, metric);
                }
            }
            Step::NexthopRemoved(pick) => {
                let ids = self.model.ids();
                if !ids.is_empty() {
                    self.model.remove_nexthop(ids[pick % ids.len()]);
                }
            }
            Step::ForeignRoute { prefix: n, at_our_metric } => {
                self.model.add_foreign_route(prefix(n), if at_our_metric { model::METRIC } else { 0 });
            }
            Step::ForeignHop { id, interface } => self.model.add_foreign_hop(id, interface),
        }
    }

    fn work(&mut self, operations: usize) {
        for (index, op) in self.plan.next_ops().into_iter().enumerate() {
            let before = self.model.foreign();
            let result = if index < operations {
                self.model.execute(&op)
            } else {
                Err(Refusal { errno: libc::EBUSY, text: None })
            };
            // What was taken over between picture and message cannot be told from ours: the kernel knows a route to be
            // replaced by its key alone, and a nexthop by its id alone.
            if !matches!(op, Op::ReplaceRoute { .. } | Op::ReplaceGroup { .. } | Op::DelNexthop { .. }) {
                assert_eq!(self.model.foreign(), before, "{op:?} touched what is foreign");
            }
            self.plan.handle_result(&op, result);
        }
    }

    /// A new process that learns the same again.
    fn crash(&mut self) {
        self.plan = Plan::new(config(self.mode), self.model.dump());
        for tunnel in &self.up {
            self.plan.link_up(LinkId(*tunnel), 10 + tunnel, None);
        }
        for (n, tunnels) in &self.asked {
            self.plan.set_route(prefix(*n), set(tunnels));
        }
    }

    fn settle(&mut self) {
        self.plan.doubt_only(BTreeSet::new());
        self.plan.converged();
        self.plan.resync(self.model.dump());
        let foreign = self.model.foreign();
        drain(&mut self.model, &mut self.plan);
        assert_eq!(self.model.foreign(), foreign, "foreign routes and nexthops survive");
    }

    fn check(&mut self) {
        let mut expected = Vec::new();
        for (n, tunnels) in &self.asked {
            let alive = |tunnel: &&u32| self.up.contains(tunnel) && self.model.is_running(10 + **tunnel);
            let ways: BTreeSet<u32> = tunnels.iter().filter(alive).map(|tunnel| 10 + tunnel).collect();
            if self.model.route_protocol(prefix(*n), model::METRIC) == Some(FOREIGN) {
                continue;
            }
            let ways: Vec<u32> = ways.into_iter().collect();
            assert_eq!(self.model.ways(prefix(*n)).unwrap_or_default(), ways, "{}", prefix(*n));
            if !ways.is_empty() {
                expected.push((prefix(*n), model::METRIC));
                assert_eq!(self.plan.standing(prefix(*n)), Standing::Installed);
            }
        }
        let mut present: Vec<_> = self.model.own_routes().collect();
        expected.sort_unstable();
        present.sort_unstable();
        assert_eq!(present, expected, "no route of ours besides");
        assert_eq!(self.plan.kernel().difference(&self.model.dump()), 0, "the plan knows what the kernel holds");
        self.plan.resync(self.model.dump());
        let again = drain(&mut self.model, &mut self.plan);
        assert!(again.iter().all(|op| matches!(op, Op::NewRoute { .. })), "only conflicts are tried again: {again:?}");
    }
}

proptest! {
    #[test]
    fn a_fresh_picture_always_leads_to_the_desired_state(
        steps in prop::collection::vec(step(), 0..80),
        objects in any::<bool>(),
    ) {
        let mut world = World::new(if objects { Mode::Objects } else { Mode::Multipath });
        for step in steps {
            world.take(step);
        }
        world.settle();
        world.check();
        world.plan.withdraw_all();
        let foreign = world.model.foreign();
        drain(&mut world.model, &mut world.plan);
        prop_assert_eq!(world.model.foreign(), foreign);
        prop_assert_eq!((world.model.own_routes().count(), world.model.own_nexthops()), (0, 0));
    }
}
