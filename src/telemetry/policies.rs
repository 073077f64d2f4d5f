//! How often the rules of policies matched.

use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;

use super::snapshot::counter;
use view::policy::PoliciesView;

/// Rules that have a series; a configuration with more is one that a program wrote.
const MOST_RULES: usize = 500;

/// Counters of the first rules, in the order of the file, and of the defaults of their policies.
pub(super) fn gather(view: &PoliciesView, families: &mut Vec<MetricFamily>) {
    let hits = counter(
        "policy_hits_total",
        "Routes that a rule of a policy matched since the policy got its present form; `default` where none did.",
        &["policy", "rule"],
    );
    let mut room = MOST_RULES;
    for policy in &view.policies {
        for rule in policy.rules.iter().take(room) {
            let number = rule.number.to_string();
            let name = rule.name.as_ref().map_or(number.as_str(), String::as_str);
            hits.with_label_values(&[policy.name.as_str(), name]).inc_by(rule.hits);
        }
        room = room.saturating_sub(policy.rules.len());
        hits.with_label_values(&[policy.name.as_str(), "default"]).inc_by(policy.default_hits);
        if room == 0 {
            break;
        }
    }
    families.extend(hits.collect());
}

#[cfg(test)]
mod tests {
    use super::*;
    use view::policy::{PolicyView, RuleView};

    fn policy(name: &str, rules: usize) -> PolicyView {
        let rule = |number| RuleView {
            number,
            name: (number == 1).then(|| "first".to_owned()),
            conditions: Vec::new(),
            changes: Vec::new(),
            then: "accept".to_owned(),
            hits: 7,
        };
        let rules = (1..=rules).map(rule).collect();
        PolicyView { name: name.to_owned(), used_by: Vec::new(), rules, default: "reject".to_owned(), default_hits: 3 }
    }

    #[test]
    fn every_rule_has_a_series_up_to_a_bound() {
        let series = |policies: Vec<PolicyView>| {
            let mut families = Vec::new();
            gather(&PoliciesView { sessions: Vec::new(), policies }, &mut families);
            families.iter().map(|family| family.get_metric().len()).sum::<usize>()
        };
        assert_eq!(series(vec![policy("in", 2), policy("out", 1)]), 5);
        assert_eq!(series(vec![policy("in", 10_000), policy("out", 1)]), MOST_RULES + 1);
    }
}
