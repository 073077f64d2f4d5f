//! Lists and policies, from what is written to what routes are judged by.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use bgp::Origin;
use policy::{
    Action, AsPathLine, AsPathList, CommunityList, CommunityPattern, Condition, NamePattern, Named, Policy, PolicySet,
    PolicySetError, PrefixList, PrefixRule, Prepend, Quantifier, Rule, RuleAction, RuleId, Set, Then,
};
use schema::{
    AsPathWord, CommunitiesSection, CommunityWord, Many, MatchSection, MedWord, PolicySection, PrefixWord, RuleSection,
    STEPS, SetSection,
};

use super::{all, order};
use document::code::Code;
use document::de::nearest;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, Leaf, OneOf, Scalar, Word};
use document::named;
use document::scalar::Text;
use document::source::{At, Span};

/// All that policies are made of, as written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections {
    pub(crate) prefix_lists: named::Named<Vec<Leaf<PrefixRule>>>,
    pub(crate) as_path_lists: named::Named<Vec<Leaf<AsPathLine>>>,
    pub(crate) community_lists: named::Named<Vec<Leaf<CommunityPattern>>>,
    pub(crate) policies: named::Named<PolicySection>,
}

/// What could be made out of the lists and policies.
#[derive(Debug, Default)]
pub struct PoliciesDraft {
    lists: Lists,
    /// Names of policies by number.
    names: Vec<At<String>>,
    set: Arc<PolicySet>,
    /// Policies that a session or another policy names.
    used: RefCell<BTreeSet<usize>>,
}

/// Lists by kind.
#[derive(Debug, Default)]
struct Lists {
    prefixes: Kind<PrefixList>,
    as_paths: Kind<AsPathList>,
    communities: Kind<CommunityList>,
}

/// The lists of one kind.
#[derive(Debug)]
struct Kind<T>(Vec<Listed<T>>);

impl<T> Default for Kind<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// A list.
#[derive(Debug)]
struct Listed<T> {
    name: At<String>,
    list: Arc<T>,
    /// Whether any rule refers to it.
    used: Cell<bool>,
}

impl PoliciesDraft {
    /// The policies, for the process.
    pub(crate) fn set(&self) -> Arc<PolicySet> {
        Arc::clone(&self.set)
    }

    /// Lists and policies that nothing refers to: what each is, and its name.
    pub fn unused(&self) -> impl Iterator<Item = (&'static str, &At<String>)> {
        let used = self.used.borrow().clone();
        let policies = self.names.iter().enumerate().filter(move |(number, _)| !used.contains(number));
        let policies = policies.map(|(_, name)| ("policy", name));
        let lists = self.lists.prefixes.unused().map(|name| ("prefix list", name));
        let lists = lists.chain(self.lists.as_paths.unused().map(|name| ("AS path list", name)));
        policies.chain(lists).chain(self.lists.communities.unused().map(|name| ("community list", name)))
    }

    /// The number of a policy; one that there is not is reported.
    pub(super) fn number(&self, name: &At<String>, findings: &Findings) -> Option<usize> {
        let found = self.names.iter().position(|known| known.value == name.value);
        match found {
            Some(number) => drop(self.used.borrow_mut().insert(number)),
            None => findings.push(unknown("policy", "policies", name, self.names.iter())),
        }
        found
    }
}

/// Resolves all of it.
pub(crate) fn resolve(sections: Sections, findings: &Findings) -> PoliciesDraft {
    let lists = Lists {
        prefixes: kind(sections.prefix_lists, findings, |lines: Vec<At<PrefixRule>>| {
            order::shadowed(&lines, findings);
            PrefixList::new(values(lines))
        }),
        as_paths: kind(sections.as_path_lists, findings, |lines| AsPathList(values(lines))),
        communities: kind(sections.community_lists, findings, |patterns| CommunityList(values(patterns))),
    };
    let sections: Vec<(At<String>, At<PolicySection>)> = sections
        .policies
        .into_entries()
        .into_iter()
        .map(|(name, section)| {
            let section = section.section(name.span);
            (name, section)
        })
        .collect();
    sections.iter().for_each(|(name, _)| check_name(name, findings));
    let names = sections.iter().map(|(name, _)| name.clone()).collect();
    let mut draft = PoliciesDraft { lists, names, ..PoliciesDraft::default() };
    let policies = sections.into_iter().map(|(name, section)| draft.policy(&name, section, findings)).collect();
    match PolicySet::new(policies) {
        Ok(set) => draft.set = Arc::new(set),
        Err(error) => findings.push(loop_finding(&error, &draft.names)),
    }
    draft
}

fn values<T>(all: Vec<At<T>>) -> Vec<T> {
    all.into_iter().map(|at| at.value).collect()
}

fn kind<T: Scalar, L>(
    section: named::Named<Vec<Leaf<T>>>,
    findings: &Findings,
    list: impl Fn(Vec<At<T>>) -> L,
) -> Kind<L> {
    let entries = section.into_entries().into_iter();
    Kind(
        entries
            .map(|(name, lines)| {
                check_name(&name, findings);
                let lines = lines.scalars().unwrap_or_default();
                Listed { name, list: Arc::new(list(lines)), used: Cell::new(false) }
            })
            .collect(),
    )
}

/// Names begin with a letter, so that they are told from prefixes, patterns and communities.
fn check_name(name: &At<String>, findings: &Findings) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let text = name.value.as_str();
    let taken = STEPS.contains(&text) || matches!(text, "permit" | "deny" | "nothing");
    let label = if taken || policy::community::names().any(|known| known == text) {
        "has a meaning of its own"
    } else if text.len() > 32 || !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.chars().all(allowed) {
        "is no name"
    } else {
        return;
    };
    findings.push(
        Finding::error(Code::PolicyName, name.span, format!("`{text}` cannot be the name of a list or policy"))
            .label(label)
            .remedy("use at most 32 letters, digits, `-`, `_` and `.`, beginning with a letter"),
    );
}

fn unknown<'a>(what: &str, key: &str, name: &At<String>, known: impl Iterator<Item = &'a At<String>>) -> Finding {
    let known: Vec<&str> = known.map(|known| known.value.as_str()).collect();
    let remedy = match (nearest(&name.value, &known), known.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => format!("there is nothing in `{key}` yet; add it there"),
        (None, known) => format!("add it to `{key}`, or use one of {}", known.join(", ")),
    };
    Finding::error(Code::PolicyUnknown, name.span, format!("there is no {what} `{}`", name.value))
        .label("not found")
        .remedy(remedy)
}

fn loop_finding(error: &PolicySetError, names: &[At<String>]) -> Finding {
    let policy = match error {
        PolicySetError::Loop { policy }
        | PolicySetError::TooDeep { policy, .. }
        | PolicySetError::NoCallee { policy, .. } => Some(policy),
        _ => None,
    };
    let at = names.iter().find(|name| Some(&name.value) == policy).map_or(Span::default(), |name| name.span);
    Finding::error(Code::PolicyLoop, at, error.to_string())
        .label("this policy")
        .remedy("a policy may call others that do not call it; use `action` where a rule can decide itself")
}

impl<T> Kind<T> {
    fn find(&self, what: &str, key: &str, name: At<String>, findings: &Findings) -> Option<Named<T>> {
        let Some(listed) = self.0.iter().find(|listed| listed.name.value == name.value) else {
            findings.push(unknown(what, key, &name, self.0.iter().map(|listed| &listed.name)));
            return None;
        };
        listed.used.set(true);
        Some(Named { name: Some(name.value.into()), list: Arc::clone(&listed.list) })
    }

    fn unused(&self) -> impl Iterator<Item = &At<String>> {
        self.0.iter().filter(|listed| !listed.used.get()).map(|listed| &listed.name)
    }
}

impl PoliciesDraft {
    fn policy(&self, name: &At<String>, section: At<PolicySection>, findings: &Findings) -> Policy {
        let At { value: section, .. } = section;
        let default = section.default.require(
            "default",
            name.span,
            "say what becomes of a route that no rule decides about: `default: reject`, `accept` or `next`",
            findings,
        );
        let title: Arc<str> = name.value.as_str().into();
        let rules = section.rules.at().map(|rules| rules.value).unwrap_or_default();
        let rules: Vec<At<Rule>> = rules
            .into_iter()
            .enumerate()
            .filter_map(|(at, rule)| {
                let rule = rule.at()?;
                Some(At::new(self.rule(&title, at + 1, rule.value, rule.span, findings), rule.span))
            })
            .collect();
        order::unreachable(&rules, findings);
        Policy::new(title, values(rules), default.map_or(Action::Reject, |action| action.value))
    }

    fn rule(&self, policy: &Arc<str>, number: usize, section: RuleSection, at: Span, findings: &Findings) -> Rule {
        let then = self.then(section.action, section.call, at, findings);
        let sets = sets(section.set.section(at), findings);
        if !sets.is_empty() && then == Then::Do(Action::Reject) {
            findings.push(
                Finding::warning(Code::PolicySet, at, "this rule changes a route and rejects it")
                    .label("the changes have no effect")
                    .remedy("leave `set` out, or write `action: accept` or `next`"),
            );
        }
        Rule {
            id: Arc::new(RuleId {
                policy: Arc::clone(policy),
                number,
                name: section.name.value().map(|name| name.0.as_str().into()),
            }),
            conditions: self.conditions(section.conditions.section(at).value, findings),
            sets: (!sets.is_empty()).then(|| sets.into()),
            then,
        }
    }

    fn then(&self, action: Leaf<Action>, call: Field<Word<Text>>, at: Span, findings: &Findings) -> Then {
        let problem = |message: &str, remedy: &str| {
            findings.push(Finding::error(Code::PolicyRule, at, message).label("this rule").remedy(remedy));
            Then::Do(Action::Reject)
        };
        let unread = action.is_unreadable() || call.is_unreadable();
        match (action.scalar(), call.scalar()) {
            (Some(action), None) => Then::Do(action.value),
            (None, Some(callee)) => {
                let callee = At::new(callee.value.0, callee.span);
                self.number(&callee, findings).map_or(Then::Do(Action::Reject), Then::Call)
            }
            (Some(_), Some(_)) => problem("a rule has either `action` or `call`", "keep one of the two"),
            (None, None) if unread => Then::Do(Action::Reject),
            (None, None) => problem(
                "this rule does not say what becomes of a route",
                "add `action: accept`, `reject` or `next`, or `call: POLICY`",
            ),
        }
    }

    fn conditions(&self, section: MatchSection, findings: &Findings) -> Vec<Condition> {
        let mut conditions = Vec::new();
        // The cheap ones first.
        conditions.extend(section.source.values().map(Condition::Source));
        conditions.extend(section.family.value().map(Condition::Family));
        conditions.extend(section.prefix_length.value().map(Condition::PrefixLength));
        let names = section.peer.values();
        conditions.extend(
            names.map(|names| {
                Condition::Peer(names.into_iter().map(|name| NamePattern(name.0.as_str().into())).collect())
            }),
        );
        conditions.extend(section.origin.values().map(|origins: Vec<Origin>| Condition::Origin(origins)));
        conditions.extend(section.med.value().map(Condition::Med));
        conditions.extend(section.local_preference.value().map(Condition::LocalPreference));
        conditions.extend(section.prefix.values_at().map(|words| Condition::Prefix(self.prefixes(words, findings))));
        conditions.extend(section.next_hop.values().map(|words| {
            let line = |prefix: ipnet::IpNet| PrefixRule {
                action: RuleAction::Permit,
                prefix,
                min_len: prefix.prefix_len(),
                max_len: prefix.max_prefix_len(),
            };
            Condition::NextHop(PrefixList::new(words.into_iter().map(|word| line(word.0)).collect()))
        }));
        conditions.extend(section.as_path_length.value().map(Condition::AsPathLength));
        conditions.extend(section.origin_as.values().map(Condition::OriginAs));
        conditions.extend(section.as_path.values_at().map(|words| Condition::AsPath(self.as_paths(words, findings))));
        let communities = [
            (Quantifier::Any, section.communities),
            (Quantifier::All, section.communities_all),
            (Quantifier::None, section.communities_none),
        ];
        for (quantifier, words) in communities {
            let words = words.values_at();
            conditions.extend(words.map(|words| Condition::Communities(quantifier, self.communities(words, findings))));
        }
        conditions
    }

    fn prefixes(&self, words: Vec<At<PrefixWord>>, findings: &Findings) -> Vec<Named<PrefixList>> {
        let (mut own, mut lists) = (Vec::new(), Vec::new());
        for At { value, span } in words {
            match value {
                PrefixWord::Rule(rule) => own.push(rule),
                PrefixWord::List(name) => {
                    let name = At::new(name, span);
                    lists.extend(self.lists.prefixes.find("prefix list", "prefix-lists", name, findings));
                }
            }
        }
        let own = (!own.is_empty()).then(|| Named::inline(PrefixList::new(own)));
        own.into_iter().chain(lists).collect()
    }

    fn as_paths(&self, words: Vec<At<AsPathWord>>, findings: &Findings) -> Vec<Named<AsPathList>> {
        let (mut own, mut lists) = (Vec::new(), Vec::new());
        for At { value, span } in words {
            match value {
                AsPathWord::Pattern(pattern) => own.push(AsPathLine { action: RuleAction::Permit, pattern }),
                AsPathWord::List(name) => {
                    let name = At::new(name, span);
                    lists.extend(self.lists.as_paths.find("AS path list", "as-path-lists", name, findings));
                }
            }
        }
        let own = (!own.is_empty()).then(|| Named::inline(AsPathList(own)));
        own.into_iter().chain(lists).collect()
    }

    fn communities(&self, words: Vec<At<CommunityWord>>, findings: &Findings) -> Vec<Named<CommunityList>> {
        let (mut own, mut lists) = (Vec::new(), Vec::new());
        for At { value, span } in words {
            match value {
                CommunityWord::Pattern(pattern) => own.push(pattern),
                CommunityWord::List(name) => {
                    let name = At::new(name, span);
                    lists.extend(self.lists.communities.find("community list", "community-lists", name, findings));
                }
            }
        }
        let own = (!own.is_empty()).then(|| Named::inline(CommunityList(own)));
        own.into_iter().chain(lists).collect()
    }
}

fn sets(section: At<SetSection>, findings: &Findings) -> Vec<Set> {
    let At { value: section, .. } = section;
    let mut sets = Vec::new();
    sets.extend(section.local_preference.value().map(Set::LocalPreference));
    sets.extend(section.med.value().map(|word| match word {
        MedWord::Amount(amount) => Set::Med(amount),
        MedWord::None => Set::NoMed,
    }));
    sets.extend(section.prepend.at().map(|prepend| {
        Set::Prepend(match prepend.value {
            OneOf::Short(times) => Prepend::Times(u8::try_from(times.0.0).unwrap_or(u8::MAX)),
            OneOf::Long(list) => Prepend::List(list.into_iter().filter_map(Leaf::value).collect()),
        })
    }));
    sets.extend(section.communities.at().into_iter().flat_map(|section| community_sets(section, findings)));
    sets.extend(section.next_hop.value().map(|word| Set::NextHop(word.0)));
    sets.extend(section.origin.value().map(Set::Origin));
    sets
}

fn community_sets(section: At<CommunitiesSection>, findings: &Findings) -> Vec<Set> {
    let At { value: CommunitiesSection { remove, add, replace }, span } = section;
    if replace.span().is_some() && (remove.span().is_some() || add.span().is_some()) {
        findings.push(
            Finding::error(Code::PolicySet, span, "`replace` says it all, `add` and `remove` say a part")
                .label("which of them?")
                .remedy("keep `replace`, or the others"),
        );
    }
    let remove = remove.values().map(Set::RemoveCommunities);
    let add = add.values().map(Set::AddCommunities);
    let replace = replace.values().map(Set::ReplaceCommunities);
    remove.into_iter().chain(add).chain(replace).collect()
}

/// The values of one or many.
trait Values<T> {
    fn values(self) -> Option<Vec<T>>;
    fn values_at(self) -> Option<Vec<At<T>>>;
}

impl<T> Values<T> for Many<T> {
    fn values(self) -> Option<Vec<T>> {
        all(self).map(values)
    }

    fn values_at(self) -> Option<Vec<At<T>>> {
        all(self)
    }
}
