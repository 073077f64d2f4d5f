//! `quadspan explain`: the page of a rule of `check` or of a finding of `doctor`, or the list of all.

use std::process::ExitCode;

use ::doctor::Code as Finding;
use clap::Args;
use config::Code;
use serde_json::{Value, json};

use super::refusal::refuse;
use super::{OutputFormat, print, render};

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// A code such as QS0048, or the name beside it, or a finding of `doctor` such as QD0204; all without one.
    code: Option<String>,
    /// How to answer.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
}

/// 0 if there is such a rule or finding, 2 if not.
pub(super) fn run(args: &ExplainArgs) -> ExitCode {
    let Some(text) = &args.code else {
        print(&match args.output {
            OutputFormat::Table => list(),
            OutputFormat::Json => format!(
                "{:#}",
                Value::Array(sorted().into_iter().map(json).chain(Finding::ALL.iter().map(finding)).collect())
            ),
        });
        return ExitCode::SUCCESS;
    };
    if let Some(code) = Finding::find(text) {
        print(&match args.output {
            OutputFormat::Table => page(code),
            OutputFormat::Json => format!("{:#}", finding(&code)),
        });
        return ExitCode::SUCCESS;
    }
    let Some(code) = Code::find(text) else {
        refuse(args.output, &format!("there is no rule `{text}`"), "`quadspan explain` lists all");
        return ExitCode::from(2);
    };
    print(&match args.output {
        OutputFormat::Table => code.page(),
        OutputFormat::Json => format!("{:#}", json(code)),
    });
    ExitCode::SUCCESS
}

fn sorted() -> Vec<Code> {
    let mut codes = Code::ALL.to_vec();
    codes.sort_by_key(|code| code.as_str());
    codes
}

fn list() -> String {
    let mut table = render::plain(["CODE", "NAME", "SEVERITY", "WHAT"]);
    for code in sorted() {
        table.add_row([code.as_str(), code.name(), &severities(code).join(" or "), code.title()]);
    }
    for code in Finding::ALL {
        table.add_row([code.as_str(), &code.rung().to_string(), "found by doctor", code.title()]);
    }
    table.to_string()
}

fn page(code: Finding) -> String {
    let sources = if code.sources().is_empty() { "-".to_owned() } else { code.sources().join(", ") };
    format!(
        "{code} {} (found by `quadspan doctor`)\n\n{}\n\nWhy:     {}\nRemedy:  `quadspan doctor` says it with what it saw\nSource:  \
         {sources}\n",
        code.rung(),
        code.title(),
        code.cause()
    )
}

fn finding(code: &Finding) -> Value {
    json!({
        "code": code.as_str(), "name": code.rung().to_string(), "title": code.title(), "severity": [],
        "why": code.cause(), "remedy": null, "source": code.sources().join(", "),
    })
}

fn severities(code: Code) -> Vec<String> {
    code.rule().map(|rule| rule.severity.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

fn json(code: Code) -> Value {
    let rule = code.rule();
    json!({
        "code": code.as_str(), "name": code.name(), "title": code.title(), "severity": severities(code),
        "why": rule.map(|rule| &rule.why), "remedy": rule.map(|rule| &rule.remedy),
        "source": rule.map(|rule| &rule.source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_rule_in_the_order_of_codes() {
        let text = list();
        let codes: Vec<_> = text.lines().filter_map(|line| line.trim().split(' ').next()).collect();
        let codes: Vec<_> = codes.into_iter().filter(|word| word.starts_with("QS")).collect();
        assert!(codes.is_sorted() && codes.len() == Code::ALL.len(), "{codes:?}");
    }

    #[test]
    fn findings_of_the_doctor_have_pages_too() {
        assert!(page(Finding::IkeFiltered).starts_with("QD0204 ike (found by `quadspan doctor`)\n\na packet filter"));
        assert!(list().contains("QD0704"));
        assert_eq!(finding(&Finding::IkeFiltered)["source"], "S0-57, S3-03");
    }

    #[test]
    fn a_rule_as_json_has_all_its_parts() {
        let value = json(Code::InsideReserved);
        assert_eq!((value["code"].as_str(), value["severity"][0].as_str()), (Some("QS0048"), Some("error")));
        assert!(["why", "remedy", "source", "title"].iter().all(|key| value[*key].is_string()), "{value}");
    }
}
