//! The demonstration: the four-tunnel plan in network namespaces, with our own process on all five sides.
//!
//! ```text
//!   lay out -> tunnels, sessions, routes up -> stream -> lose and regain each tunnel in another way -> stop, nothing left
//! ```
//!
//! `scripts/demo` builds it and starts it as root. The namespaces' names begin with the run id, so that a run can be
//! cleaned up from outside; see the script.

mod acts;
mod story;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use story::Story;
use verdict::Verdict;

/// Four tunnels, four sessions, one kernel FIB.
#[derive(Debug, Parser)]
#[command(name = "scripts/demo", about)]
struct Options {
    /// Without pauses; the last line is a JSON verdict, and the exit status is 0 only if all held.
    #[arg(long)]
    check: bool,
    /// Leave everything running at the end and say how to look around.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let story = Story::new(!options.check);
    let mut verdict = Verdict::default();
    let mut sides = None;
    if let Err(error) = acts::play(&story, options.keep, &mut sides, &mut verdict) {
        verdict.failure = Some(error.to_string());
        story.failed(&error.to_string(), &sides.as_ref().map(|sides| sides.logs(40)).unwrap_or_default());
    }
    if options.keep
        && let Some(sides) = &mut sides
    {
        sides.keep();
        story.look_around(sides);
    }
    drop(sides);
    verdict.ok = verdict.failure.is_none();
    story.end(&verdict);
    if options.check {
        story.line(&verdict.json());
    }
    if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
