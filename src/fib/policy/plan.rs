//! Which rules and routes there should be, and the steps from what there is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use rib::NextHop;
use wire::LinkId;

use super::{Action, Change, Installed, LAST, Rule, Step, everything, exception, priority};
use crate::flow::{Flow, FlowWay, Flows};
use crate::plan::{Hop, Owner, Refusal, Route, RouteKey, Standing, Via};

/// What the rest of the forwarding table knows of tunnels.
pub(crate) trait Ways {
    /// Where `next_hop` leads, if its tunnel is up.
    fn live(&self, next_hop: &NextHop) -> Option<Hop>;
    /// Whether an interface can have routes.
    fn runs(&self, interface: u32) -> bool;
}

/// Desired and known policy routes.
#[derive(Debug)]
pub(crate) struct Plan {
    owner: Owner,
    metric: u32,
    /// `None` until somebody said what there should be.
    desired: Option<Flows>,
    /// Where tunnels stand in their connections.
    standings: BTreeMap<LinkId, rib::Standing>,
    installed: Installed,
    /// The table of each flow. A flow keeps its own while others come and go.
    tables: BTreeMap<(IpNet, IpNet), u32>,
    refused: BTreeMap<Key, Refusal>,
    /// Something may differ.
    due: bool,
}

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Rule(Rule),
    Route(u32, RouteKey),
}

impl Plan {
    /// Begins with what was found, and leaves it alone until [`Plan::set`].
    pub(crate) fn new(owner: Owner, metric: u32, installed: Installed) -> Self {
        let lookups = installed.rules.iter().filter(|rule| rule.action == Action::Lookup);
        let tables = lookups.map(|rule| ((rule.from, rule.to), rule.table)).collect();
        let (standings, refused) = (BTreeMap::new(), BTreeMap::new());
        Self { owner, metric, desired: None, standings, installed, tables, refused, due: false }
    }

    /// What there should be from now on.
    pub(crate) fn set(&mut self, flows: Flows) {
        self.tables.retain(|pair, _| flows.flows.iter().any(|flow| (flow.local, flow.remote) == *pair));
        for flow in &flows.flows {
            if let Some(table) = self.free_table() {
                self.tables.entry((flow.local, flow.remote)).or_insert(table);
            }
        }
        self.desired = Some(flows);
        self.refused.clear();
        self.due = true;
    }

    /// Where tunnels stand in their connections from now on.
    pub(crate) fn set_standings(&mut self, standings: BTreeMap<LinkId, rib::Standing>) {
        self.standings = standings;
        self.due = true;
    }

    /// Everything of ours shall go.
    pub(crate) fn withdraw_all(&mut self) {
        self.set(Flows::default());
    }

    /// Tunnels or interfaces changed.
    pub(crate) fn look_again(&mut self) {
        self.due = true;
    }

    /// An interface can carry nothing any more.
    pub(crate) fn stop_interface(&mut self, interface: u32) {
        self.installed.stop_interface(interface);
        self.due = true;
    }

    /// Takes over a fresh picture and retries what was refused. Returns in how much the old one was wrong.
    pub(crate) fn resync(&mut self, installed: Installed) -> usize {
        let drift = self.installed.difference(&installed);
        self.installed = installed;
        self.refused.clear();
        self.due = true;
        drift
    }

    /// The kernel as far as known.
    pub(crate) fn installed(&self) -> &Installed {
        &self.installed
    }

    pub(crate) fn refused_count(&self) -> usize {
        self.refused.len()
    }

    /// The next steps toward the desired state; none if nothing is left that can be done now. What comes is there before
    /// what goes is gone: a packet that is protected before and after is so after each step.
    pub(crate) fn next_steps(&mut self, ways: &impl Ways) -> Vec<Step> {
        let Some(desired) = self.desired.as_ref().filter(|_| self.due) else { return Vec::new() };
        let routes = self.wanted_routes(desired, ways);
        let rules = self.wanted_rules(desired);
        let stages = [
            self.routes_to_set(&routes),
            self.rules_to_come(&rules),
            self.rules_to_go(&rules),
            self.routes_to_go(&routes),
        ];
        let tried = |step: &Step| self.refused.contains_key(&key(step));
        let mut stages = stages.into_iter().map(|steps| steps.into_iter().filter(|step| !tried(step)).collect());
        let next: Vec<Step> = stages.find(|steps: &Vec<Step>| !steps.is_empty()).unwrap_or_default();
        self.due = !next.is_empty();
        next
    }

    /// Takes note of how a step ended. Returns the refusal if there was one that matters.
    pub(crate) fn handle_result(&mut self, step: &Step, result: Result<(), Refusal>) -> Option<Refusal> {
        match result {
            Ok(()) => {}
            // What should be absent is absent.
            Err(refusal) if step.deletes() && refusal.is_absence() => {}
            Err(refusal) => {
                self.refused.insert(key(step), refusal.clone());
                return Some(refusal);
            }
        }
        self.installed.apply(step);
        None
    }

    /// The desired flows with their tables, and how each stands.
    pub(crate) fn flows(&self, ways: &impl Ways) -> Vec<(&Flow, Option<u32>, Standing)> {
        let flows = self.desired.iter().flat_map(|desired| &desired.flows);
        flows
            .map(|flow| {
                let table = self.tables.get(&(flow.local, flow.remote)).copied();
                (flow, table, table.map_or(Standing::Pending, |table| self.standing(flow, table, ways)))
            })
            .collect()
    }

    fn standing(&self, flow: &Flow, table: u32, ways: &impl Ways) -> Standing {
        let rule = self.rule(flow, table);
        let main = (table, RouteKey { prefix: flow.remote, metric: self.metric });
        let refused = [Key::Rule(rule), Key::Route(main.0, main.1)];
        if let Some(refusal) = refused.iter().find_map(|key| self.refused.get(key)) {
            return Standing::Refused(refusal.clone());
        }
        let leads = self.live(flow, ways).is_some_and(|route| self.installed.routes.get(&main) == Some(&route));
        if leads && self.installed.rules.contains(&rule) { Standing::Installed } else { Standing::Pending }
    }

    /// What leads elsewhere first, then what leads nowhere any more in the tables of flows that stay.
    fn routes_to_set(&self, wanted: &BTreeMap<(u32, RouteKey), Route>) -> Vec<Step> {
        let changed = wanted.iter().filter(|(key, route)| self.installed.routes.get(*key) != Some(*route));
        let changed = changed.map(|((table, key), route)| {
            let known = self.installed.routes.contains_key(&(*table, *key));
            let change = if known { Change::Replace(route.clone()) } else { Change::New(route.clone()) };
            Step::Route { table: *table, key: *key, change }
        });
        let stays = |table: u32| self.tables.values().any(|known| *known == table);
        changed.chain(self.unwanted_routes(wanted).filter(|(table, _)| stays(*table)).map(deletion)).collect()
    }

    /// The landing, then the others as packets meet them: none is there while one before it is missing, but for a lookup
    /// that was refused. Lookups wait until it is known that the exceptions before them are there.
    fn rules_to_come(&self, wanted: &BTreeSet<Rule>) -> Vec<Step> {
        let (landings, others): (Vec<Rule>, Vec<Rule>) =
            wanted.iter().copied().partition(|rule| rule.action == Action::Landing);
        let mut steps = Vec::new();
        let mut excepted = false;
        for rule in landings.into_iter().chain(others).filter(|rule| !self.installed.rules.contains(rule)) {
            let lookup = rule.action == Action::Lookup;
            match self.refused.contains_key(&Key::Rule(rule)) {
                true if lookup => continue,
                true => break,
                false if lookup && excepted => break,
                false => steps.push(Step::AddRule(rule)),
            }
            excepted |= !lookup;
        }
        steps
    }

    /// Once all lookups that come are there, or refused: in the order opposite to that in which packets meet them, and the
    /// landing last.
    fn rules_to_go(&self, wanted: &BTreeSet<Rule>) -> Vec<Step> {
        let waits = |rule: &Rule| {
            let tried = self.installed.rules.contains(rule) || self.refused.contains_key(&Key::Rule(*rule));
            rule.action == Action::Lookup && !tried
        };
        if wanted.iter().any(waits) {
            return Vec::new();
        }
        let mut gone: Vec<Rule> = self.installed.rules.difference(wanted).copied().collect();
        gone.sort_by_key(|rule| (rule.action == Action::Landing, Reverse(rule.priority)));
        gone.into_iter().map(Step::DelRule).collect()
    }

    /// In tables that nothing looks into any more.
    fn routes_to_go(&self, wanted: &BTreeMap<(u32, RouteKey), Route>) -> Vec<Step> {
        let looks = |rule: &Rule, table: u32| rule.action == Action::Lookup && rule.table == table;
        let named = |table: u32| self.installed.rules.iter().any(|rule| looks(rule, table));
        self.unwanted_routes(wanted).filter(|(table, _)| !named(*table)).map(deletion).collect()
    }

    fn unwanted_routes<'a>(
        &'a self,
        wanted: &'a BTreeMap<(u32, RouteKey), Route>,
    ) -> impl Iterator<Item = (u32, RouteKey)> + 'a {
        self.installed.routes.keys().filter(|key| !wanted.contains_key(*key)).copied()
    }

    fn wanted_rules(&self, desired: &Flows) -> BTreeSet<Rule> {
        let table = |flow: &Flow| self.tables.get(&(flow.local, flow.remote)).copied();
        let lookups = desired.flows.iter().filter_map(|flow| Some(self.rule(flow, table(flow)?)));
        let mut rules: BTreeSet<Rule> = lookups.collect();
        let mark = *self.owner.ids.start();
        for to in exceptions(desired) {
            let from = everything(&to);
            rules.insert(Rule { priority: exception(&to), from, to, table: mark, action: Action::Skip });
            rules.insert(Rule { priority: LAST, from, to: from, table: mark, action: Action::Landing });
        }
        rules
    }

    fn wanted_routes(&self, desired: &Flows, ways: &impl Ways) -> BTreeMap<(u32, RouteKey), Route> {
        let mut wanted = BTreeMap::new();
        for flow in &desired.flows {
            let Some(table) = self.tables.get(&(flow.local, flow.remote)) else { continue };
            let running = flow.ways.iter().filter(|way| way.interface.is_some_and(|index| ways.runs(index)));
            let first = preferred(running.copied().collect(), &self.standings).first().and_then(FlowWay::hop);
            let waiting = first.map(|hop| Route { via: Via::Hops([(hop, 1)].into()), source: None });
            let dropped = Some(Route { via: Via::Discard, source: None });
            for (offset, route) in [(0, self.live(flow, ways)), (1, waiting), (2, dropped)] {
                let key = RouteKey { prefix: flow.remote, metric: self.metric.saturating_add(offset) };
                wanted.extend(route.map(|route| ((*table, key), route)));
            }
        }
        wanted
    }

    /// Through whom a flow leaves as things are: of the tunnels that are up, those that come first.
    pub(crate) fn used(&self, flow: &Flow, ways: &impl Ways) -> Vec<NextHop> {
        let up = flow.ways.iter().filter(|way| ways.live(&way.next_hop).is_some());
        preferred(up.copied().collect(), &self.standings).iter().map(|way| way.next_hop).collect()
    }

    fn live(&self, flow: &Flow, ways: &impl Ways) -> Option<Route> {
        let chosen = self.used(flow, ways);
        let mut hops: Vec<(Hop, u16)> =
            chosen.iter().filter_map(|next_hop| ways.live(next_hop)).map(|hop| (hop, 1)).collect();
        hops.sort_unstable();
        hops.dedup();
        (!hops.is_empty()).then(|| Route { via: Via::Hops(hops.into()), source: None })
    }

    fn rule(&self, flow: &Flow, table: u32) -> Rule {
        let (from, to) = (flow.local, flow.remote);
        Rule { priority: priority(&from, &to), from, to, table, action: Action::Lookup }
    }

    /// A table of ours that no flow has. The first marks rules that look nothing up.
    fn free_table(&self) -> Option<u32> {
        let taken: BTreeSet<u32> = self.tables.values().copied().chain(self.installed.tables()).collect();
        self.owner.ids.clone().skip(1).find(|table| !taken.contains(table))
    }
}

impl Flow {
    fn shares_tunnel(&self, other: &Self) -> bool {
        let uses = |link: LinkId| other.ways.iter().any(|way| way.next_hop.link == link);
        self.ways.iter().any(|way| uses(way.next_hop.link))
    }
}

impl FlowWay {
    fn hop(&self) -> Option<Hop> {
        Some(Hop { interface: self.interface?, gateway: self.next_hop.address })
    }
}

/// Of some ways those that come first: of each connection's tunnels the first, and of these those of the lowest distance.
fn preferred(ways: Vec<FlowWay>, standings: &BTreeMap<LinkId, rib::Standing>) -> Vec<FlowWay> {
    let (mut first, _) = rib::by_standing(ways, |way| way.next_hop.link, standings);
    let lowest = first.iter().map(|way| way.distance).min();
    first.retain(|way| Some(way.distance) == lowest);
    first
}

fn deletion((table, key): (u32, RouteKey)) -> Step {
    Step::Route { table, key, change: Change::Delete }
}

/// Destinations that no flow shall catch: the outside addresses of peers that a flow's remote network holds, and our own
/// networks that lie in everything, or in what the same tunnel leads to, unless they are remote by themselves. In what
/// another tunnel leads to, a network is as much behind that tunnel as on our side: it stays protected.
fn exceptions(desired: &Flows) -> BTreeSet<IpNet> {
    let remote = || desired.flows.iter().map(|flow| flow.remote);
    let outside = desired.outside.iter().map(|address| IpNet::from(*address));
    let outside = outside.filter(|address| remote().any(|net| net.contains(address)));
    let holds = |other: &Flow, own: &Flow| {
        let wider = other.remote.contains(&own.local) && other.remote != own.local;
        wider && (other.remote.prefix_len() == 0 || other.shares_tunnel(own))
    };
    let held = desired.flows.iter().filter(|own| desired.flows.iter().any(|other| holds(other, own)));
    let own = held.map(|flow| flow.local).filter(|own| remote().all(|net| net != *own));
    outside.chain(own).collect()
}

fn key(step: &Step) -> Key {
    match step {
        Step::AddRule(rule) | Step::DelRule(rule) => Key::Rule(*rule),
        Step::Route { table, key, .. } => Key::Route(*table, *key),
    }
}
