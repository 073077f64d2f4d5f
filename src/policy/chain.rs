//! What a session accepts, or announces: lines and policies in a row.
//!
//! RFC 8212: a chain without a step rejects everything. Where nothing was configured, [`Basis`] says on whose word a
//! chain stands instead.

use std::fmt;
use std::sync::Arc;

use bgp::Attributes;

use crate::rule::{Action, Policy, PolicySet, Rule, RuleId, Then};
use crate::trace::{Count, Observer, Silent};
use crate::{Changes, Condition, NextHop, PrefixList, PrefixRule, PrefixVerdict, Route, RuleAction, Set, Source};

/// Steps in order; what none decides about is rejected.
#[derive(Clone, Debug)]
pub struct Chain {
    set: Arc<PolicySet>,
    steps: Arc<[Step]>,
    basis: Basis,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Lines of prefixes.
    Lines(PrefixList),
    /// The policy of this number.
    Policy(usize),
    /// Accepts all there is.
    Everything,
    /// Accepts what is configured as being behind this router.
    Networks,
}

/// On whose word a chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// It was configured.
    Written,
    /// The profile of that name states it.
    Profile(&'static str),
    /// The session is internal, to which RFC 8212 does not apply.
    Internal,
    /// Nobody's: RFC 8212 2, nothing passes.
    Missing,
}

/// What a chain says of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes, changed.
    Accept(Accepted),
    /// It does not pass.
    Reject(Decider),
}

/// How a route passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Who said so.
    pub by: Decider,
    /// What to change.
    pub changes: Changes,
    /// It is a default route, and something on its way names exactly that.
    pub names_default: bool,
}

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decider {
    /// A line of the session's own list, by number from one.
    Line(usize),
    /// A rule.
    Rule(Arc<RuleId>),
    /// What comes behind the last rule of this policy.
    Default(Arc<str>),
    /// The step that accepts everything.
    Everything,
    /// The step that accepts what is behind this router.
    Networks,
    /// Nothing: the route came to the end.
    End,
    /// Nothing: there is no policy (RFC 8212).
    Missing,
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line} of the list"),
            Self::Rule(id) => id.fmt(f),
            Self::Default(policy) => write!(f, "the default of policy {policy}"),
            Self::Everything => f.write_str("`all`"),
            Self::Networks => f.write_str("`networks`"),
            Self::End => f.write_str("the end of the list: nothing in it matches"),
            Self::Missing => f.write_str("RFC 8212: there is no policy"),
        }
    }
}

impl Chain {
    /// From its steps; numbers of policies are those of `set`.
    #[must_use]
    pub fn new(set: Arc<PolicySet>, steps: Vec<Step>, basis: Basis) -> Self {
        Self { set, steps: steps.into(), basis }
    }

    /// Lines of prefixes alone.
    #[must_use]
    pub fn lines(lines: Vec<PrefixRule>) -> Self {
        Self::of(vec![Step::Lines(PrefixList::new(lines))])
    }

    /// Accepts all there is.
    #[must_use]
    pub fn everything() -> Self {
        Self::of(vec![Step::Everything])
    }

    /// Accepts what is configured as being behind this router.
    #[must_use]
    pub fn networks() -> Self {
        Self::of(vec![Step::Networks])
    }

    /// RFC 8212 2: there is no policy.
    #[must_use]
    pub fn missing() -> Self {
        Self { basis: Basis::Missing, ..Self::of(Vec::new()) }
    }

    /// The same, on somebody else's word.
    #[must_use]
    pub fn on(self, basis: Basis) -> Self {
        Self { basis, ..self }
    }

    fn of(steps: Vec<Step>) -> Self {
        Self::new(Arc::default(), steps, Basis::Written)
    }

    /// On whose word it stands.
    #[must_use]
    pub const fn basis(&self) -> Basis {
        self.basis
    }

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The policies it names, with those that they call.
    #[must_use]
    pub fn policies(&self) -> Vec<&Policy> {
        let mut all: Vec<usize> = Vec::new();
        let mut open: Vec<usize> =
            self.steps.iter().filter_map(|step| if let Step::Policy(at) = step { Some(*at) } else { None }).collect();
        while let Some(at) = open.pop() {
            if !all.contains(&at) {
                all.push(at);
                let rules = self.set.get(at).map_or(&[][..], |policy| &policy.rules);
                open.extend(rules.iter().filter_map(|rule| match rule.then {
                    Then::Call(callee) => Some(callee),
                    Then::Do(_) => None,
                }));
            }
        }
        all.iter().filter_map(|at| self.set.get(*at)).collect()
    }

    /// Whether any of its policies sets the next hop.
    #[must_use]
    pub fn sets_next_hop(&self) -> bool {
        let sets =
            |rule: &Rule| rule.sets.iter().flat_map(|sets| sets.iter()).any(|set| matches!(set, Set::NextHop(_)));
        !self.set.policies().is_empty() && self.policies().iter().any(|policy| policy.rules.iter().any(sets))
    }

    /// Whether it accepts a default route by a line that names exactly that, perhaps on further conditions.
    #[must_use]
    pub fn may_name_default(&self) -> bool {
        let names = |list: &PrefixList| {
            list.lines().iter().any(|line| line.action == RuleAction::Permit && line.names_default())
        };
        let rule_names = |rule: &Rule| {
            rule.then != Then::Do(Action::Reject)
                && rule.conditions.iter().any(|condition| match condition {
                    Condition::Prefix(lists) => lists.iter().any(|list| names(&list.list)),
                    Condition::PrefixLength(_)
                    | Condition::Family(_)
                    | Condition::AsPath(_)
                    | Condition::AsPathLength(_)
                    | Condition::OriginAs(_)
                    | Condition::Communities(..)
                    | Condition::NextHop(_)
                    | Condition::Origin(_)
                    | Condition::Peer(_)
                    | Condition::Med(_)
                    | Condition::LocalPreference(_)
                    | Condition::Source(_) => false,
                })
        };
        self.steps.iter().any(|step| matches!(step, Step::Lines(list) if names(list)))
            || self.policies().iter().any(|policy| policy.rules.iter().any(rule_names))
    }

    /// Takes its policies from another set, which says the same.
    pub fn rebase(&mut self, set: &Arc<PolicySet>) {
        self.set = Arc::clone(set);
    }

    /// Judges a route and counts the rules that match.
    #[must_use]
    pub fn judge(&self, route: &Route<'_>) -> Verdict {
        self.observe(route, &mut Count(1))
    }

    /// Judges a route for so many sessions at once, which all have this chain.
    #[must_use]
    pub fn judge_for(&self, sessions: u64, route: &Route<'_>) -> Verdict {
        self.observe(route, &mut Count(sessions))
    }

    /// Judges a route for somebody who only wants to know.
    #[must_use]
    pub fn consider(&self, route: &Route<'_>) -> Verdict {
        self.observe(route, &mut Silent)
    }

    /// Judges a route; `observer` sees how.
    pub fn observe(&self, route: &Route<'_>, observer: &mut impl Observer) -> Verdict {
        let mut passage = Passage::of(&self.set, *route, observer);
        let mut first = 0;
        for step in self.steps.iter() {
            let decided = match step {
                Step::Everything => Some((Action::Accept, Decider::Everything)),
                Step::Networks if route.source == Source::Originated => Some((Action::Accept, Decider::Networks)),
                Step::Networks => None,
                Step::Policy(at) => passage.policy(*at),
                Step::Lines(list) => {
                    let decided = passage.lines(list, first);
                    first += list.lines().len();
                    decided
                }
            };
            match decided {
                Some((Action::Accept, by)) => return passage.accept(by),
                Some((Action::Reject, by)) => return Verdict::Reject(by),
                Some((Action::Next, _)) | None => {}
            }
        }
        Verdict::Reject(match self.basis {
            Basis::Written | Basis::Profile(_) | Basis::Internal => Decider::End,
            Basis::Missing => Decider::Missing,
        })
    }
}

/// Two chains are equal that say the same, whatever the numbers of their policies.
impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        let alike = |(one, other_step): (&Step, &Step)| match (one, other_step) {
            (Step::Policy(one), Step::Policy(theirs)) => self.set.same(*one, &other.set, *theirs),
            (one, other) => one == other,
        };
        self.basis == other.basis
            && self.steps.len() == other.steps.len()
            && self.steps.iter().zip(other.steps.iter()).all(alike)
    }
}

impl Eq for Chain {}

/// Longest list of lines that is written out.
const WRITTEN_OUT: usize = 6;

/// What passes, in words.
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("nothing");
        }
        for (at, step) in self.steps.iter().enumerate() {
            if at > 0 {
                f.write_str(", then ")?;
            }
            match step {
                Step::Everything => f.write_str("everything")?,
                Step::Networks => f.write_str("the router's networks")?,
                Step::Policy(at) => write!(f, "policy {}", self.set.get(*at).map_or("?", |policy| &policy.name))?,
                Step::Lines(list) if list.lines().len() > WRITTEN_OUT => {
                    write!(f, "{} lines of prefixes", list.lines().len())?;
                }
                Step::Lines(list) => list.fmt(f)?,
            }
        }
        Ok(())
    }
}

/// A route on its way through a chain.
struct Passage<'a, O> {
    set: &'a PolicySet,
    route: Route<'a>,
    observer: &'a mut O,
    changes: Changes,
    names_default: bool,
    /// The route as changed so far, once a rule has to look at it.
    changed: Option<Box<Changed>>,
}

struct Changed {
    attributes: Attributes,
    /// How many changes are in it.
    made: usize,
}

impl<'a, O: Observer> Passage<'a, O> {
    fn of(set: &'a PolicySet, route: Route<'a>, observer: &'a mut O) -> Self {
        Self { set, route, observer, changes: Changes::None, names_default: false, changed: None }
    }

    fn accept(self, by: Decider) -> Verdict {
        Verdict::Accept(Accepted { by, changes: self.changes, names_default: self.names_default })
    }

    fn lines(&mut self, list: &PrefixList, first: usize) -> Option<(Action, Decider)> {
        match list.consult(&self.route.prefix) {
            PrefixVerdict::Permit { line } => {
                self.names_default |= list.lines()[line].names_default();
                Some((Action::Accept, Decider::Line(first + line + 1)))
            }
            PrefixVerdict::Deny { line } => Some((Action::Reject, Decider::Line(first + line + 1))),
            PrefixVerdict::NoMatch => None,
        }
    }

    fn policy(&mut self, at: usize) -> Option<(Action, Decider)> {
        let policy = self.set.get(at)?;
        for (number, rule) in policy.rules.iter().enumerate() {
            if !self.matches(policy, number, rule) {
                continue;
            }
            if let Some(sets) = &rule.sets {
                self.changes.push(sets);
            }
            match rule.then {
                Then::Do(Action::Next) => {}
                Then::Do(action) => return Some((action, Decider::Rule(Arc::clone(&rule.id)))),
                Then::Call(callee) => {
                    if let Some(decided) = self.policy(callee) {
                        return Some(decided);
                    }
                }
            }
        }
        self.observer.fell_through(policy);
        match policy.default {
            Action::Next => None,
            action @ (Action::Accept | Action::Reject) => Some((action, Decider::Default(Arc::clone(&policy.name)))),
        }
    }

    fn matches(&mut self, policy: &Policy, number: usize, rule: &Rule) -> bool {
        if !rule.conditions.is_empty() {
            self.catch_up();
        }
        let route = self.view();
        if let Some(failed) = rule.conditions.iter().find(|condition| !condition.holds(&route)) {
            self.observer.passed_by(policy, number, failed);
            return false;
        }
        if route.prefix.prefix_len() == 0 {
            let named = rule.conditions.iter().any(|condition| condition.names_default(&route));
            self.names_default |= named;
        }
        self.observer.matched(policy, number);
        true
    }

    /// The route as it is now.
    fn view(&self) -> Route<'_> {
        let Some(changed) = &self.changed else { return self.route };
        let next_hop = match self.changes.next_hop() {
            Some(NextHop::Address(address)) => Some(address),
            Some(NextHop::Own | NextHop::Peer) | None => self.route.next_hop,
        };
        Route {
            attributes: &changed.attributes,
            local_preference: changed.attributes.local_preference.unwrap_or(self.route.local_preference),
            next_hop,
            ..self.route
        }
    }

    /// Makes what rules changed since the last look.
    fn catch_up(&mut self) {
        let wanted = self.changes.iter().count();
        if wanted == self.changed.as_ref().map_or(0, |changed| changed.made) {
            return;
        }
        let mut attributes = self.route.attributes.clone();
        attributes.local_preference = Some(self.route.local_preference);
        self.changes.make(&mut attributes, self.route.repeat);
        self.changed = Some(Box::new(Changed { attributes, made: wanted }));
    }
}
