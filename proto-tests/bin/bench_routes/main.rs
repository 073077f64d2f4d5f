//! Four sessions that fill one kernel FIB: Quadspan beside BIRD, fed by the same peers in the same laboratory.
//!
//! ```text
//!   Quadspan:  router ==== IPsec tunnel ==== concentrator (our own process, without BGP) with a BIRD that announces
//!   BIRD:      router ------- cable -------- the same host and the same BIRD, without a tunnel
//! ```
//!
//! The routers are started cold. When a FIB is complete or right again is the time at which the kernel told of the last
//! change that it took ([`watch`]); that it is so is then read from the kernel ([`forwarding`]). Two ways are lost, one
//! after the other: a peer's BGP speaker is killed (the session ends, the way stays), then another peer's tunnel is
//! closed, or its cable pulled. `scripts/bench-routes` builds it and starts it as root.

mod device;
mod feed;
mod figures;
mod forwarding;
mod round;
mod watch;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use proto_tests::lab::Result;

use device::System;
use feed::Feed;
use figures::{Comparison, Sample};

/// Time and memory of four sessions with many prefixes each, beside BIRD's.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-routes", about)]
struct Options {
    /// Prefixes that each of the four peers announces.
    #[arg(short, long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    prefixes: u32,
    /// Each peer announces prefixes of its own; otherwise all announce the same.
    #[arg(short, long)]
    distinct: bool,
    /// Rounds of each system.
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=50))]
    runs: u8,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match compare(&options) {
        Ok(comparison) => {
            let text = match options.output {
                Output::Table => comparison.table(),
                Output::Json => comparison.json(),
            };
            let _reader_is_gone = writeln!(io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _reader_is_gone = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<Comparison> {
    let feed = Feed { prefixes: options.prefixes, distinct: options.distinct };
    // In turns, so that whatever else the machine does meets both.
    let rounds: Vec<(Sample, Sample)> = (0..options.runs)
        .map(|_| Ok((round::play(System::Quadspan, feed)?, round::play(System::Bird, feed)?)))
        .collect::<Result<_>>()?;
    let (quadspan, bird) = rounds.into_iter().unzip();
    Ok(Comparison { feed, quadspan, bird })
}
