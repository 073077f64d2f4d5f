//! Lines and rules that can never matter, for what stands before them.

use policy::{Action, PrefixRule, Rule, Then};

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::source::At;

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
