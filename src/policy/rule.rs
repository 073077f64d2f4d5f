//! Rules and policies, and how they are put together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Condition, PolicySetError, Set};

/// How deep policies may call each other.
pub(crate) const MAX_CALLS: usize = 8;

/// What becomes of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is accepted.
    Accept,
    /// It is rejected.
    Reject,
    /// Whatever comes next decides.
    Next,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Next => "next",
        })
    }
}

/// What a rule does with a route that matches, after changing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// This.
    Do(Action),
    /// Asks the policy of this number; if that says `next`, the rule behind this one comes next.
    Call(usize),
}

/// Which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleId {
    /// The name of its policy.
    pub policy: Arc<str>,
    /// Its number there, from one.
    pub number: usize,
    /// Its own name, if it has one.
    pub name: Option<Arc<str>>,
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", self.number)?;
        if let Some(name) = &self.name {
            write!(f, " ({name})")?;
        }
        write!(f, " of policy {}", self.policy)
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which.
    pub id: Arc<RuleId>,
    /// All must hold; none holds always.
    pub conditions: Vec<Condition>,
    /// What it changes then.
    pub sets: Option<Arc<[Set]>>,
    /// What it does then.
    pub then: Then,
}

/// Rules in order, and what comes behind the last.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: Arc<str>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// What becomes of a route that no rule decides about.
    pub default: Action,
    /// Routes that matched each rule, then those left to the default.
    hits: Arc<[AtomicU64]>,
}

/// Counters are no part of what a policy says.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.rules, self.default) == (&other.name, &other.rules, other.default)
    }
}

impl Eq for Policy {}

impl Policy {
    /// Without a hit yet.
    #[must_use]
    pub fn new(name: Arc<str>, rules: Vec<Rule>, default: Action) -> Self {
        let hits = std::iter::repeat_with(AtomicU64::default).take(rules.len() + 1).collect();
        Self { name, rules, default, hits }
    }

    /// Routes that matched each rule, in order, then those left to the default; since the policy got its present form.
    pub fn hits(&self) -> impl Iterator<Item = u64> + '_ {
        self.hits.iter().map(|hits| hits.load(Ordering::Relaxed))
    }

    /// Counts hits of a rule, from zero, or of the default behind the last.
    pub(crate) fn count(&self, rule: usize, times: u64) {
        if let Some(hits) = self.hits.get(rule) {
            hits.fetch_add(times, Ordering::Relaxed);
        }
    }

    /// Policies it calls itself.
    fn calls(&self) -> impl Iterator<Item = usize> + '_ {
        self.rules.iter().filter_map(|rule| match rule.then {
            Then::Do(_) => None,
            Then::Call(callee) => Some(callee),
        })
    }
}

/// All policies of a configuration, by number. No policy calls itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySet {
    policies: Vec<Policy>,
}

impl PolicySet {
    /// Puts policies together.
    ///
    /// # Errors
    ///
    /// When one calls itself, or calls are too deep, or one is called that is not there.
    pub fn new(policies: Vec<Policy>) -> Result<Self, PolicySetError> {
        let set = Self { policies };
        // How deep the calls of each go, once known.
        let mut depths = vec![None; set.policies.len()];
        let mut above = Vec::new();
        for at in 0..set.policies.len() {
            set.depth(at, &mut depths, &mut above)?;
        }
        Ok(set)
    }

    /// All of them.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The number of a policy.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.policies.iter().position(|policy| *policy.name == *name)
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Policy> {
        self.policies.get(at)
    }

    /// Goes on counting where `running` stands, for policies that say the same as there.
    pub fn keep_hits(&mut self, running: &Self) {
        for policy in &mut self.policies {
            let known = running.find(&policy.name).and_then(|at| running.get(at));
            if let Some(known) = known.filter(|known| *known == policy) {
                policy.hits = Arc::clone(&known.hits);
            }
        }
    }

    /// Whether two policies of two sets say the same, with all they call.
    pub(crate) fn same(&self, one: usize, others: &Self, other: usize) -> bool {
        let (Some(mine), Some(theirs)) = (self.get(one), others.get(other)) else { return false };
        let alike = |mine: &Rule, theirs: &Rule| {
            let then = match (mine.then, theirs.then) {
                (Then::Do(mine), Then::Do(theirs)) => mine == theirs,
                (Then::Call(mine), Then::Call(theirs)) => self.same(mine, others, theirs),
                (Then::Do(_), Then::Call(_)) | (Then::Call(_), Then::Do(_)) => false,
            };
            then && (&mine.id, &mine.conditions, &mine.sets) == (&theirs.id, &theirs.conditions, &theirs.sets)
        };
        (&mine.name, mine.default, mine.rules.len()) == (&theirs.name, theirs.default, theirs.rules.len())
            && mine.rules.iter().zip(&theirs.rules).all(|(mine, theirs)| alike(mine, theirs))
    }

    fn depth(&self, at: usize, depths: &mut [Option<usize>], above: &mut Vec<usize>) -> Result<usize, PolicySetError> {
        let policy = &self.policies[at];
        let name = || policy.name.to_string();
        if let Some(depth) = depths[at] {
            return Ok(depth);
        }
        if above.contains(&at) {
            return Err(PolicySetError::Loop { policy: name() });
        }
        if above.len() > MAX_CALLS {
            return Err(PolicySetError::TooDeep { policy: name(), limit: MAX_CALLS });
        }
        above.push(at);
        let mut depth = 0;
        for callee in policy.calls() {
            if callee >= self.policies.len() {
                return Err(PolicySetError::NoCallee { policy: name(), callee });
            }
            depth = depth.max(1 + self.depth(callee, depths, above)?);
        }
        above.pop();
        if depth > MAX_CALLS {
            return Err(PolicySetError::TooDeep { policy: name(), limit: MAX_CALLS });
        }
        depths[at] = Some(depth);
        Ok(depth)
    }
}
