//! The interoperability matrix of BGP: the real process against real speakers, each row a capability or a habit.
//!
//! ```text
//!   rows::all() x peers that have it --> jobs --> a scene each: namespaces, the peer, us --> table
//! ```
//!
//! What is asserted is the peer's own view, ours, and the kernel's. `scripts/interop bgp` builds it and starts it as root.
//! The last line is `N passed, N failed`: one count for each row with each peer.

mod peer;
mod rows;
mod scene;
mod table;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;

use peer::{Software, Told};
use rows::Row;
use scene::Scene;

/// Every capability with every peer that has it.
#[derive(Debug, Parser)]
#[command(name = "scripts/interop bgp", about)]
struct Options {
    /// Only rows and peers whose names contain this text, such as `graceful` or `FRR`.
    #[arg(long, default_value = "")]
    only: String,
    /// How many at the same time.
    #[arg(long, default_value_t = 8)]
    jobs: usize,
    /// Name the rows and end.
    #[arg(long)]
    list: bool,
    /// Print the ends of all logs where something failed.
    #[arg(long)]
    logs: bool,
}

/// One row with one peer.
#[derive(Clone, Copy, Debug)]
struct Job {
    row: &'static Row,
    software: Software,
    told: &'static Told,
}

/// How it went.
#[derive(Clone, Debug)]
struct Outcome {
    took: Duration,
    /// What went wrong, and the ends of all logs.
    failure: Option<(String, String)>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let wanted = |row: &Row, software: Software| format!("{} {}", row.name, software.title()).contains(&options.only);
    let jobs: Vec<Job> = rows::all()
        .flat_map(|row| row.peers.iter().map(move |(software, told)| Job { row, software: *software, told }))
        .filter(|job| wanted(job.row, job.software))
        .collect();
    if options.list {
        table::print(&table::matrix(&jobs, &[]));
        return ExitCode::SUCCESS;
    }
    let outcomes = run(&jobs, options.jobs);
    table::print(&table::matrix(&jobs, &outcomes));
    for (job, outcome) in &outcomes {
        if let Some((failure, logs)) = &outcome.failure {
            table::print(&format!("FAILED {} with {}: {failure}", job.row.name, job.software.title()));
            if options.logs {
                table::print(logs);
            }
        }
    }
    let failed = outcomes.iter().filter(|(_, outcome)| outcome.failure.is_some()).count();
    table::print(&format!("{} passed, {failed} failed", outcomes.len() - failed));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all, so many at a time.
fn run(jobs: &[Job], width: usize) -> Vec<(Job, Outcome)> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(jobs.len())));
    std::thread::scope(|scope| {
        for _ in 0..width.max(1) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = play(job);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    table::print(&table::progress(done.len() + 1, jobs.len(), job, &outcome));
                    done.push((*job, outcome));
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn play(job: &Job) -> Outcome {
    let start = Instant::now();
    let failure = match Scene::build(job.software, job.row.links) {
        Ok(mut scene) => (job.row.play)(&mut scene, job.told).err().map(|error| (error.to_string(), scene.logs())),
        Err(error) => Some((error.to_string(), String::new())),
    };
    Outcome { took: start.elapsed(), failure }
}
