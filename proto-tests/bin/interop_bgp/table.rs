//! The matrix as a table: one row per capability, one column per peer.

use std::io::Write as _;

use super::peer::Software;
use super::{Job, Outcome};

/// Writes a line to standard output; a reader that went away is not an error.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _reader_is_gone = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// One line about one trial that ended.
pub(crate) fn progress(done: usize, all: usize, job: &Job, outcome: &Outcome) -> String {
    let verdict = match &outcome.failure {
        None => "ok".to_owned(),
        Some((why, _)) => format!("FAILED: {}", super::peer::shorten(why)),
    };
    let seconds = outcome.took.as_secs_f64();
    format!("[{done:>3}/{all}] {} with {}: {verdict} ({seconds:.1} s)", job.row.name, job.software.title())
}

/// The whole, aligned. Empty cells: the peer does not have it, or not in Debian 12's version.
pub(crate) fn matrix(jobs: &[Job], outcomes: &[(Job, Outcome)]) -> String {
    let mut names: Vec<&str> = jobs.iter().map(|job| job.row.name).collect();
    names.dedup();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut lines = vec![format!("{:width$}", "")];
    for software in Software::ALL {
        lines[0] += &format!("  {:<10}", software.title());
    }
    for name in names {
        let mut line = format!("{name:width$}");
        for software in Software::ALL {
            line += &format!("  {:<10}", cell(jobs, outcomes, name, software));
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

fn cell(jobs: &[Job], outcomes: &[(Job, Outcome)], name: &str, software: Software) -> &'static str {
    let is_it = |job: &Job| job.row.name == name && job.software == software;
    match outcomes.iter().find(|(job, _)| is_it(job)) {
        Some((_, Outcome { failure: None, .. })) => "ok",
        Some(_) => "FAILED",
        None if jobs.iter().any(is_it) => "x",
        None => "",
    }
}
