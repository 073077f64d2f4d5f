//! The page of each rule: why it is one, where it is from, what to do. Texts are in `rules/`, one file per subject.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::code::Code;
use crate::diagnostic::Severity;
use crate::yaml;

/// All that is to be said about a rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    name: String,
    /// How bad its findings are.
    pub severity: Vec<Severity>,
    /// Why it is one.
    pub why: String,
    /// The row of a document (S0-48), a provider's page or an RFC; several apart by `;` and `,`.
    pub source: String,
    /// What to do about it.
    pub remedy: String,
}

const FILES: [&str; 11] = [
    include_str!("rules/shape.yaml"),
    include_str!("rules/router.yaml"),
    include_str!("rules/beyond.yaml"),
    include_str!("rules/addresses.yaml"),
    include_str!("rules/authentication.yaml"),
    include_str!("rules/suites.yaml"),
    include_str!("rules/timing.yaml"),
    include_str!("rules/bgp.yaml"),
    include_str!("rules/policies.yaml"),
    include_str!("rules/connections.yaml"),
    include_str!("rules/pools.yaml"),
];

type Rules = BTreeMap<String, Rule>;

fn read() -> Result<Vec<Rules>, String> {
    FILES.iter().map(|text| yaml::document(text)).collect()
}

impl Code {
    /// Its page; `None` never, which a test sees to.
    #[must_use]
    pub fn rule(self) -> Option<&'static Rule> {
        static RULES: LazyLock<Rules> = LazyLock::new(|| read().unwrap_or_default().into_iter().flatten().collect());
        RULES.get(self.as_str()).filter(|rule| rule.name == self.name())
    }

    /// Its page, for a terminal and for the table of all rules.
    #[must_use]
    pub fn page(self) -> String {
        self.rule().map_or_else(|| self.to_string(), |rule| Page(self, rule).to_string())
    }
}

struct Page(Code, &'static Rule);

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(code, rule) = self;
        let severity = rule.severity.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        writeln!(f, "{code} {} ({severity})\n", code.name())?;
        writeln!(f, "{}\n", code.title())?;
        writeln!(f, "Why:     {}", rule.why)?;
        writeln!(f, "Remedy:  {}", rule.remedy)?;
        writeln!(f, "Source:  {}", rule.source)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_one_page_and_every_page_one_rule() {
        let files = read().unwrap();
        let keys: Vec<_> = files.iter().flatten().map(|(code, _)| code.as_str()).collect();
        let pages: BTreeSet<_> = keys.iter().copied().collect();
        assert_eq!(pages.len(), keys.len(), "a page twice");
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len(), "a code twice");
        assert_eq!(codes, pages);
        for code in Code::ALL {
            assert!(code.rule().is_some(), "the page of {} has another name", code.name());
        }
    }

    #[test]
    fn codes_have_four_digits_and_pages_say_something() {
        for code in Code::ALL {
            let digits = code.as_str().strip_prefix("QS").unwrap();
            assert!(digits.len() == 4 && digits.parse::<u16>().is_ok(), "{code}");
            let rule = code.rule().unwrap();
            assert!(!rule.severity.is_empty() && rule.severity.is_sorted(), "{code}");
            for text in [code.title(), &rule.why, &rule.remedy] {
                assert!(text.len() > 12 && text.ends_with('.'), "{code}: {text}");
            }
            assert!(rule.source.len() > 3, "{code}");
        }
    }

    #[test]
    fn a_code_that_names_a_row_is_from_that_row() {
        for code in Code::ALL {
            let number: u16 = code.as_str()[2..].parse().unwrap();
            if number < 1000 {
                let row = format!("S{}-{:02}", number / 100, number % 100);
                assert!(code.rule().unwrap().source.contains(&row), "{code} is not from {row}");
            }
        }
    }

    #[test]
    fn rules_are_found_by_code_and_by_name() {
        for text in ["QS0048", "qs0048", "qs48", "inside-reserved"] {
            assert_eq!(Code::find(text), Some(Code::InsideReserved), "{text}");
        }
        for text in ["", "QS", "QS9999", "48", "inside"] {
            assert_eq!(Code::find(text), None, "{text}");
        }
    }

    #[test]
    fn a_page_says_what_why_and_what_to_do() {
        let page = Code::InsideReserved.page();
        for part in ["QS0048 inside-reserved (error)", "keep for themselves", "169.254.169.254", "S0-48", "Remedy:"] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
    }
}
