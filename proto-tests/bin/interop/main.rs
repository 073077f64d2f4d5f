//! The interoperability matrix: the real process against real peers, in every combination of the table, in both roles.
//!
//! ```text
//!   matrix::COMBINATIONS x role --> workers --> trial: up, traffic, rekeys of both ends under traffic --> table
//! ```
//!
//! `scripts/interop` builds it and starts it as root; a part of the matrix runs in a kernel that has ESP, some of that
//! with this kernel as our data plane. The last line is
//! `N passed, N failed`: one count for each combination in each role.

mod matrix;
mod table;
mod trial;
mod workers;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use proto_tests::lab::pair::Software;

use matrix::{Combination, Role};
use trial::Outcome;

/// Every combination with real peers, in both roles.
#[derive(Debug, Parser)]
#[command(name = "scripts/interop ipsec", about, args_override_self = true)]
struct Options {
    /// Which part.
    #[arg(long, value_enum, default_value_t = Part::UserSpace)]
    part: Part,
    /// Only combinations whose row contains this text.
    #[arg(long, default_value = "")]
    only: String,
    /// Each combination that is not left for later in one role only, in turn.
    #[arg(long)]
    brief: bool,
    /// How many at the same time.
    #[arg(long, default_value_t = 3)]
    jobs: usize,
    /// Name the combinations and end.
    #[arg(long)]
    list: bool,
    /// Print the ends of all logs where something failed.
    #[arg(long)]
    logs: bool,
}

/// Where the peer's packets are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// By the peer itself, encapsulated in UDP; runs on any kernel.
    UserSpace,
    /// By a kernel that has ESP.
    Kernel,
}

/// One combination in one role.
#[derive(Clone, Copy, Debug)]
struct Job {
    row: usize,
    combination: &'static Combination,
    software: Software,
    role: Role,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let combinations: Vec<&'static Combination> = matrix::part(options.part)
        .iter()
        .filter(|combination| combination.columns().join(" ").contains(&options.only))
        .collect();
    if options.list {
        table::print(&table::rows(&combinations, &[]));
        return ExitCode::SUCCESS;
    }
    let jobs: Vec<Job> = combinations
        .iter()
        .enumerate()
        .flat_map(|(row, &combination)| {
            Role::BOTH.map(|role| Job { row, combination, software: combination.peer, role })
        })
        .filter(|job| !options.brief || (job.role == Role::BOTH[job.row % 2] && !job.combination.long))
        .collect();
    let outcomes = match workers::run(&jobs, options.jobs) {
        Ok(outcomes) => outcomes,
        Err(error) => {
            table::print(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    report(&combinations, &outcomes, options.logs)
}

fn report(combinations: &[&'static Combination], outcomes: &[(Job, Outcome)], logs: bool) -> ExitCode {
    table::print(&table::rows(combinations, outcomes));
    for (job, outcome) in outcomes {
        if let Some(failure) = &outcome.failure {
            table::print(&format!("FAILED {} {}: {failure}", job.row + 1, job.role));
            if logs {
                table::print(&outcome.logs);
            }
        }
    }
    let failed = outcomes.iter().filter(|(_, outcome)| outcome.failure.is_some()).count();
    table::print(&format!("{} passed, {failed} failed", outcomes.len() - failed));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
