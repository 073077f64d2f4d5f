//! What can never matter, what nobody uses, and what is missing.

use policy::{Action, PrefixRule, Rule, Then};
use wire::Asn;

use super::resolve::{Kind, PoliciesDraft};
use crate::resolve::SessionDraft;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::source::{At, Span};
use profile::Profile;

/// Longer lists are not compared line by line.
const COMPARED: usize = 2_000;

/// Lines that an earlier one leaves nothing to.
pub(super) fn shadowed(lines: &[At<PrefixRule>], findings: &Findings) {
    if lines.len() > COMPARED {
        return;
    }
    for (at, line) in lines.iter().enumerate() {
        let earlier = lines.get(..at).unwrap_or_default();
        if let Some(first) = earlier.iter().find(|first| first.value.covers(&line.value)) {
            findings.push(
                Finding::warning(Code::PolicyShadowed, line.span, format!("`{}` never decides", line.value))
                    .label("nothing is left for it")
                    .also(first.span, "matches all of it before")
                    .remedy("put the narrower line first, or leave it out"),
            );
        }
    }
}

/// Rules behind one that decides about every route.
pub(super) fn unreachable(rules: &[At<Rule>], findings: &Findings) {
    let decides =
        |rule: &Rule| rule.conditions.is_empty() && matches!(rule.then, Then::Do(Action::Accept | Action::Reject));
    let Some(last) = rules.iter().position(|rule| decides(&rule.value)) else { return };
    if let (Some(last), Some(first)) = (rules.get(last), rules.get(last + 1)) {
        findings.push(
            Finding::warning(Code::PolicyUnreachable, first.span, "no route comes as far as this rule")
                .label("never looked at")
                .also(last.span, "decides about every route")
                .remedy("move the rule without conditions to the end, or say it with `default`"),
        );
    }
}

/// Lists and policies that nothing refers to.
pub(crate) fn unused(policies: &PoliciesDraft, findings: &Findings) {
    let advise = |what: &str, name: &str, span: Span| {
        findings.push(
            Finding::warning(Code::PolicyUnused, span, format!("nothing uses the {what} `{name}`"))
                .label("has no effect")
                .remedy("name it where it is meant to work, or leave it out"),
        );
    };
    let used = policies.used.borrow();
    let idle_policies = policies.names.iter().enumerate().filter(|(number, _)| !used.contains(number));
    idle_policies.for_each(|(_, name)| advise("policy", &name.value, name.span));
    fn idle<T>(kind: &Kind<T>) -> impl Iterator<Item = &At<String>> {
        kind.0.iter().filter(|listed| !listed.used.get()).map(|listed| &listed.name)
    }
    idle(&policies.lists.prefixes).for_each(|name| advise("prefix list", &name.value, name.span));
    idle(&policies.lists.as_paths).for_each(|name| advise("AS path list", &name.value, name.span));
    idle(&policies.lists.communities).for_each(|name| advise("community list", &name.value, name.span));
}

/// RFC 8212 2: an external session without an import policy accepts nothing.
pub(crate) fn missing(own: Asn, session: &SessionDraft, findings: &Findings) {
    let external = session.asn.is_some_and(|asn| asn.value != own);
    if external && session.profile == Profile::Generic && session.import.is_none() {
        findings.push(
            Finding::warning(Code::PolicyMissing, session.at, "this session will accept nothing")
                .label("has no `import`, and its profile states none (RFC 8212)")
                .remedy("list what to accept, `import: [10.2.0.0/16 le 24]`, name a policy, or write `import: all`"),
        );
    }
}
