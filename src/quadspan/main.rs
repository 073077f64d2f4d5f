//! The `quadspan` program: see `quadspan --help`.

use std::process::ExitCode;

use clap::Parser;

/// Routes are allocated by the tasks of the sessions and freed by that of the routing tables, in great numbers: the C
/// library's allocator pays for that with locks, and with memory that it cannot give back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quadspan::cli::Cli::parse().execute()
}
