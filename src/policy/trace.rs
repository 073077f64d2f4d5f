//! Who watches a route pass.

use crate::{Condition, Policy, Then};

/// Sees each step of a route through policies.
pub trait Observer {
    /// The rule of that number, from zero, matched.
    fn matched(&mut self, policy: &Policy, rule: usize);

    /// The rule did not match, for this reason.
    fn passed_by(&mut self, policy: &Policy, rule: usize, failed: &Condition);

    /// No rule decided; the default is next.
    fn fell_through(&mut self, policy: &Policy);
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn matched(&mut self, _: &Policy, _: usize) {}

    fn passed_by(&mut self, _: &Policy, _: usize, _: &Condition) {}

    fn fell_through(&mut self, _: &Policy) {}
}

/// Counts hits in the policies themselves, each for so many sessions.
#[derive(Clone, Copy, Debug)]
pub struct Count(pub u64);

impl Observer for Count {
    fn matched(&mut self, policy: &Policy, rule: usize) {
        policy.count(rule, self.0);
    }

    fn passed_by(&mut self, _: &Policy, _: usize, _: &Condition) {}

    fn fell_through(&mut self, policy: &Policy) {
        policy.count(policy.rules.len(), self.0);
    }
}

/// Writes everything down.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// What happened, in order.
    pub lines: Vec<TraceLine>,
}

/// One step of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// Which rule, or whose default.
    pub place: String,
    /// Whether it matched.
    pub matched: bool,
    /// What it does, or why it did not match.
    pub text: String,
}

impl Observer for Trace {
    fn matched(&mut self, policy: &Policy, rule: usize) {
        let Some(rule) = policy.rules.get(rule) else { return };
        let sets = rule.sets.iter().flat_map(|sets| sets.iter()).map(ToString::to_string);
        let then = match rule.then {
            Then::Do(action) => action.to_string(),
            Then::Call(_) => "call".to_owned(),
        };
        let text = sets.chain([then]).collect::<Vec<_>>().join(", ");
        self.lines.push(TraceLine { place: rule.id.to_string(), matched: true, text });
    }

    fn passed_by(&mut self, policy: &Policy, rule: usize, failed: &Condition) {
        let Some(rule) = policy.rules.get(rule) else { return };
        self.lines.push(TraceLine { place: rule.id.to_string(), matched: false, text: format!("not {failed}") });
    }

    fn fell_through(&mut self, policy: &Policy) {
        let place = format!("default of policy {}", policy.name);
        self.lines.push(TraceLine { place, matched: true, text: policy.default.to_string() });
    }
}
