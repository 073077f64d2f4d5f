//! `quadspan doctor`: what is wrong, why, and what to do.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use doctor::{Finding, Outcome, Report, Rung, Verdict};

use super::refusal::refuse;
use super::render::{dash, plain};
use super::{AskArgs, OutputFormat, ask, print};
use evidence::{Wish, collect};

/// Exit codes: 0 nothing was found, 1 warnings, 2 failures, 3 nothing could be looked at.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Only these tunnels, neighbors and pools; all by default.
    names: Vec<String>,
    /// The configuration, for a router that does not run or runs by another file.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An address at the other side that should answer a ping; asked only if its way leads through a tunnel.
    #[arg(short, long, value_name = "ADDRESS")]
    target: Option<IpAddr>,
    #[command(flatten)]
    ask: AskArgs,
}

/// Nothing could be looked at.
const UNABLE: u8 = 3;

pub(super) fn run(args: &DoctorArgs) -> ExitCode {
    let wish = Wish { names: args.names.clone(), file: args.config.clone(), target: args.target };
    match collect(ask::client(&args.ask), &wish) {
        Ok(evidence) => {
            let report = doctor::examine(&evidence);
            print(&match args.ask.output {
                OutputFormat::Table => text(&report),
                OutputFormat::Json => ask::json(&report),
            });
            match report.verdict {
                Verdict::Ok => ExitCode::SUCCESS,
                Verdict::Warnings => ExitCode::from(1),
                Verdict::Failures => ExitCode::from(2),
            }
        }
        Err(error) => {
            refuse(args.ask.output, &error, error.remedy());
            ExitCode::from(UNABLE)
        }
    }
}

/// The verdict, the ladders, then each finding.
fn text(report: &Report) -> String {
    let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    let (failures, warnings) = (count(doctor::Severity::Failure), count(doctor::Severity::Warning));
    let word = match report.verdict {
        Verdict::Ok => "OK",
        Verdict::Warnings => "WARNINGS",
        Verdict::Failures => "FAILURES",
    };
    let router = report.router.as_ref().map_or_else(String::new, |name| format!("; router {name}"));
    let runs = if report.running { " runs" } else { " does not run" };
    let mut text = format!("{word}: {failures} failures, {warnings} warnings{router}{runs}\n\n{}\n", ladders(report));
    for finding in &report.findings {
        text.push_str(&paragraph(finding));
    }
    text
}

const RUNGS: [Rung; 6] = [Rung::Ike, Rung::Ipsec, Rung::Inside, Rung::Bgp, Rung::Fib, Rung::Path];

fn ladders(report: &Report) -> String {
    let mut table = plain(["TO", "IKE", "IPSEC", "INSIDE", "BGP", "FIB", "PATH", "WHERE IT ENDS"]);
    for ladder in &report.ladders {
        let step = |rung| ladder.steps.iter().find(|step| step.rung == rung);
        let word = |rung| match step(rung).map(|step| step.outcome) {
            Some(Outcome::Ok) => "ok".to_owned(),
            Some(Outcome::Warning) => "warning".to_owned(),
            Some(Outcome::Failure) => "FAILURE".to_owned(),
            Some(Outcome::Unknown) | None => dash(),
        };
        let end = ladder.steps.iter().find(|step| step.outcome == Outcome::Failure);
        let end = end.or_else(|| ladder.steps.iter().find(|step| step.outcome == Outcome::Warning));
        let cells = RUNGS.map(word).into_iter();
        let why = end.map_or_else(dash, |step| format!("{}: {}", step.rung, step.text));
        table.add_row(std::iter::once(ladder.name.clone()).chain(cells).chain([why]));
    }
    table.to_string()
}

fn paragraph(finding: &Finding) -> String {
    let about = finding.about.as_ref().map_or_else(String::new, |about| format!(" {about}:"));
    let sources = match finding.sources.as_slice() {
        [] => String::new(),
        sources => format!(" [{}]", sources.join(", ")),
    };
    format!(
        "\n{} {}:{about} {}{sources}\n  seen:   {}\n  cause:  {}\n  remedy: {}\n",
        finding.code, finding.severity, finding.title, finding.finding, finding.cause, finding.remedy
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_with_cause_and_remedy_below_the_ladders() {
        let report: Report = serde_json::from_value(serde_json::json!({
            "verdict": "failures", "router": "edge", "running": true,
            "ladders": [{"name": "aws-1", "kind": "tunnel", "steps": [
                {"rung": "ike", "outcome": "failure", "text": "a packet filter of this machine drops IKE"},
                {"rung": "ipsec", "outcome": "unknown", "text": ""}
            ]}],
            "findings": [{"code": "QD0204", "title": "a packet filter of this machine drops IKE", "severity": "failure",
                "rung": "ike", "about": "aws-1", "finding": "UDP 500 arriving is dropped", "cause": "c", "remedy": "r",
                "sources": ["S0-57"]}]
        }))
        .unwrap();
        let text = text(&report);
        assert!(text.starts_with("FAILURES: 1 failures, 0 warnings; router edge runs\n"), "{text}");
        assert!(text.contains("aws-1  FAILURE  -      -       -    -    -     ike: a packet filter"), "{text}");
        let paragraph =
            "QD0204 failure: aws-1: a packet filter of this machine drops IKE [S0-57]\n  seen:   UDP 500 arriving";
        assert!(text.contains(paragraph), "{text}");
    }
}
