//! The matrix as a table: one row per combination, one group of columns per role.

use std::io::Write as _;

use super::Job;
use super::matrix::{Combination, Role};
use super::trial::{Outcome, Stage};

const HEAD: [&str; 12] = [
    "",
    "our data plane",
    "peer",
    "version",
    "IKE suite",
    "group",
    "ESP suite",
    "PFS",
    "identities",
    "authentication",
    "NAT",
    "carried",
];
const RESULTS: [&str; 4] = ["up", "traffic", "rekey ours", "rekey theirs"];

/// Writes a line to standard output; a reader that went away is not an error.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _reader_is_gone = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// One line about one trial that ended.
pub(crate) fn progress(done: usize, all: usize, job: &Job, outcome: &Outcome) -> String {
    let row: Vec<String> = job.combination.columns().into_iter().filter(|word| !word.is_empty()).collect();
    let verdict = outcome.failure.as_deref().map_or_else(|| "ok".to_owned(), |why| format!("FAILED: {}", shorten(why)));
    let seconds = outcome.took.as_secs_f64();
    format!("[{done:>3}/{all}] {} {}: {verdict} ({seconds:.1} s)", job.role, row.join(" "))
}

/// The whole, aligned.
pub(crate) fn rows(combinations: &[&'static Combination], outcomes: &[(Job, Outcome)]) -> String {
    let mut lines: Vec<Vec<String>> = vec![heading(!outcomes.is_empty())];
    for (row, combination) in combinations.iter().enumerate() {
        let mut cells = vec![(row + 1).to_string()];
        cells.extend(combination.columns());
        for role in Role::BOTH {
            let found = outcomes.iter().find(|(job, _)| job.row == row && job.role == role);
            cells.extend(found.into_iter().flat_map(|(_, outcome)| results(combination, outcome)));
        }
        lines.push(cells);
    }
    let width = |column: usize| lines.iter().filter_map(|cells| cells.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let render = |cells: &Vec<String>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    lines.iter().map(render).collect::<Vec<_>>().join("\n")
}

fn heading(with_results: bool) -> Vec<String> {
    let mut cells: Vec<String> = HEAD.map(str::to_owned).into();
    if with_results {
        for role in Role::BOTH {
            cells.extend(
                RESULTS.iter().enumerate().map(|(index, title)| {
                    if index == 0 { format!("| as {role}: {title}") } else { (*title).to_owned() }
                }),
            );
        }
    }
    cells
}

fn results(combination: &Combination, outcome: &Outcome) -> [String; 4] {
    let reached = |stage: Stage, text: String| {
        if outcome.failure.is_none() || outcome.stage > stage {
            text
        } else if outcome.stage == stage {
            "FAILED".to_owned()
        } else {
            "-".to_owned()
        }
    };
    [
        format!("| {}", reached(Stage::Up, format!("{:.1} s", outcome.up.as_secs_f64()))),
        reached(Stage::Traffic, format!("{}>{}<", outcome.delivered, outcome.returned)),
        reached(Stage::RekeyOurs, "child ike".to_owned()),
        reached(Stage::RekeyTheirs, if combination.peer_renews() { "child ike" } else { "not asked" }.to_owned()),
    ]
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short += "..";
    }
    short.replace('\n', " ")
}
