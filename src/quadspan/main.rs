//! The `quadspan` program: see `quadspan --help`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    quadspan::cli::Cli::parse().execute()
}
