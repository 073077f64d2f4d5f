//! The rules of ours that the kernel holds, and our routes in all tables of ours, as far as known.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Rule, Step};
use crate::plan::{Route, RouteKey, Via};

/// Rules, and routes by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) rules: BTreeSet<Rule>,
    pub(crate) routes: BTreeMap<(u32, RouteKey), Route>,
}

impl Installed {
    /// What the kernel does when `step` succeeds.
    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::AddRule(rule) => drop(self.rules.insert(*rule)),
            Step::DelRule(rule) => drop(self.rules.remove(rule)),
            Step::Route { table, key, change } => match change {
                Change::New(route) | Change::Replace(route) => {
                    self.routes.insert((*table, *key), route.clone());
                }
                Change::Delete => drop(self.routes.remove(&(*table, *key))),
            },
        }
    }

    /// What the kernel does when an interface goes: routes that have nothing else go, too.
    pub(crate) fn stop_interface(&mut self, interface: u32) {
        let on_it = |route: &Route| match &route.via {
            Via::Hops(hops) => hops.iter().all(|(hop, _)| hop.interface == interface),
            Via::Object(_) | Via::Discard | Via::Other => false,
        };
        self.routes.retain(|_, route| !on_it(route));
    }

    /// Tables that rules name or routes are in.
    pub(crate) fn tables(&self) -> BTreeSet<u32> {
        let named = self.rules.iter().map(|rule| rule.table);
        named.chain(self.routes.keys().map(|(table, _)| *table)).collect()
    }

    /// In how many rules and routes two pictures differ.
    pub(crate) fn difference(&self, other: &Self) -> usize {
        let routes = |one: &Self, other: &Self| {
            one.routes.iter().filter(|(key, route)| other.routes.get(*key) != Some(*route)).count()
        };
        let gone = other.routes.keys().filter(|key| !self.routes.contains_key(*key)).count();
        self.rules.symmetric_difference(&other.rules).count() + routes(self, other) + gone
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.routes.is_empty()
    }
}
