//! Which rules and routes there should be, and the steps from what there is.

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
        Self { owner, metric, desired: None, installed, tables, refused: BTreeMap::new(), due: false }
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

    /// Tables whose routes a fresh picture has to hold, beside those that rules name.
    pub(crate) fn tables(&self) -> BTreeSet<u32> {
        self.tables.values().copied().chain(self.installed.tables()).collect()
    }

    /// The kernel as far as known.
    pub(crate) fn installed(&self) -> &Installed {
        &self.installed
    }

    pub(crate) fn refused_count(&self) -> usize {
        self.refused.len()
    }

    /// The next steps toward the desired state; none if nothing is left that can be done now.
    pub(crate) fn next_steps(&mut self, ways: &impl Ways) -> Vec<Step> {
        let Some(desired) = self.desired.as_ref().filter(|_| self.due) else { return Vec::new() };
        let routes = self.wanted_routes(desired, ways);
        let rules = self.wanted_rules(desired);
        for steps in [self.rules_to_go(&rules), self.routes_to_set(&routes), self.rules_to_come(&rules)] {
            let steps: Vec<Step> = steps.into_iter().filter(|step| !self.refused.contains_key(&key(step))).collect();
            if !steps.is_empty() {
                return steps;
            }
        }
        self.due = false;
        Vec::new()
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

    /// Flows before exceptions, and the landing last: no moment without an exception for a flow that is still there.
    fn rules_to_go(&self, wanted: &BTreeSet<Rule>) -> Vec<Step> {
        let mut gone: Vec<Rule> = self.installed.rules.difference(wanted).copied().collect();
        gone.sort_by_key(|rule| rule.action);
        gone.into_iter().map(Step::DelRule).collect()
    }

    fn routes_to_set(&self, wanted: &BTreeMap<(u32, RouteKey), Route>) -> Vec<Step> {
        let gone = self.installed.routes.keys().filter(|key| !wanted.contains_key(*key));
        let gone = gone.map(|(table, key)| Step::Route { table: *table, key: *key, change: Change::Delete });
        let changed = wanted.iter().filter(|(key, route)| self.installed.routes.get(*key) != Some(*route));
        let changed = changed.map(|((table, key), route)| {
            let known = self.installed.routes.contains_key(&(*table, *key));
            let change = if known { Change::Replace(route.clone()) } else { Change::New(route.clone()) };
            Step::Route { table: *table, key: *key, change }
        });
        // What leads elsewhere first, then what leads nowhere any more.
        changed.chain(gone).collect()
    }

    /// The landing, then exceptions; flows only once all of those are there.
    fn rules_to_come(&self, wanted: &BTreeSet<Rule>) -> Vec<Step> {
        let missing = |action: Action| {
            let of = wanted.iter().filter(move |rule| rule.action == action);
            of.filter(|rule| !self.installed.rules.contains(*rule)).copied()
        };
        let exceptions: Vec<Rule> = missing(Action::Landing).chain(missing(Action::Skip)).collect();
        let rules = if exceptions.is_empty() { missing(Action::Lookup).collect() } else { exceptions };
        rules.into_iter().map(Step::AddRule).collect()
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
            let first = flow.ways.iter().filter(|way| way.interface.is_some_and(|index| ways.runs(index)));
            let first = first.min_by_key(|way| way.distance).and_then(FlowWay::hop);
            let waiting = first.map(|hop| Route { via: Via::Hops([(hop, 1)].into()), source: None });
            let dropped = Some(Route { via: Via::Discard, source: None });
            for (offset, route) in [(0, self.live(flow, ways)), (1, waiting), (2, dropped)] {
                let key = RouteKey { prefix: flow.remote, metric: self.metric.saturating_add(offset) };
                wanted.extend(route.map(|route| ((*table, key), route)));
            }
        }
        wanted
    }

    fn live(&self, flow: &Flow, ways: &impl Ways) -> Option<Route> {
        let mut hops: Vec<(Hop, u16)> = chosen(flow, ways).into_iter().map(|(_, hop)| (hop, 1)).collect();
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

impl FlowWay {
    fn hop(&self) -> Option<Hop> {
        Some(Hop { interface: self.interface?, gateway: self.next_hop.address })
    }
}

/// The tunnels that a flow leaves through as things are.
pub(crate) fn used(flow: &Flow, ways: &impl Ways) -> Vec<LinkId> {
    chosen(flow, ways).into_iter().map(|(next_hop, _)| next_hop.link).collect()
}

/// Of the tunnels that are up, those of the lowest distance.
fn chosen(flow: &Flow, ways: &impl Ways) -> Vec<(NextHop, Hop)> {
    let up = || flow.ways.iter().filter_map(|way| Some((way, ways.live(&way.next_hop)?)));
    let lowest = up().map(|(way, _)| way.distance).min();
    up().filter(|(way, _)| Some(way.distance) == lowest).map(|(way, hop)| (way.next_hop, hop)).collect()
}

/// Destinations that no flow shall catch: the outside addresses of peers that a flow's remote network holds, and our own
/// networks inside a wider remote one, unless they are remote by themselves.
fn exceptions(desired: &Flows) -> BTreeSet<IpNet> {
    let remote = || desired.flows.iter().map(|flow| flow.remote);
    let outside = desired.outside.iter().map(|address| IpNet::from(*address));
    let outside = outside.filter(|address| remote().any(|net| net.contains(address)));
    let own = desired.flows.iter().map(|flow| flow.local);
    let own = own.filter(|own| remote().any(|net| net.contains(own) && net != *own) && remote().all(|net| net != *own));
    outside.chain(own).collect()
}

fn key(step: &Step) -> Key {
    match step {
        Step::AddRule(rule) | Step::DelRule(rule) => Key::Rule(*rule),
        Step::Route { table, key, .. } => Key::Route(*table, *key),
    }
}
