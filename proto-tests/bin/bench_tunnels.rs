//! Very many tunnels in one process: how long they take to come up, what they cost when nothing happens, and whether their
//! renewals are spread over time. `scripts/bench-tunnels` builds it and starts it as root.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use proto_tests::lab::Result;
use proto_tests::lab::many::{Load, Many};

/// Columns of the histogram of renewals.
const COLUMNS: u64 = 10;

/// Very many tunnels between two processes of ours.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-tunnels", about)]
struct Options {
    /// How many tunnels.
    #[arg(short = 'n', long, default_value_t = 1000)]
    tunnels: u16,
    /// For how many seconds the idle processes are watched.
    #[arg(short = 't', long, default_value_t = 20)]
    seconds: u64,
}

fn main() -> ExitCode {
    match measure(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    let count = options.tunnels;
    let mut one = Many::start(1)?;
    one.wait_up(30)?;
    let single = one.load()?;
    one.stop()?;
    say(&format!("one tunnel: hub {}", shown(single[0])));
    let mut many = Many::start(count)?;
    let took = many.wait_up(600)?;
    let rate = f64::from(count) / took.as_secs_f64();
    say(&format!("{count} tunnels: up at both ends after {:.1} s, {rate:.0} a second", took.as_secs_f64()));
    let (before, start) = (many.load()?, Instant::now());
    std::thread::sleep(Duration::from_secs(options.seconds));
    let (after, watched) = (many.load()?, start.elapsed());
    for (index, name) in ["hub", "spoke"].into_iter().enumerate() {
        let busy =
            (after[index].processor.saturating_sub(before[index].processor)).as_secs_f64() / watched.as_secs_f64();
        let more = after[index].usage.resident_kib.saturating_sub(single[index].usage.resident_kib);
        let each = more / u64::from(count.max(2) - 1);
        say(&format!("{name}: {}; {each} KiB a tunnel; idle {:.2} % of a core", shown(after[index]), busy * 100.0));
    }
    histogram(&many.renewals()?);
    say(&format!("both stopped after {:.1} s", many.stop()?.as_secs_f64()));
    Ok(())
}

/// When the hub's CHILD SAs are renewed: the soonest to the latest, in equal parts.
fn histogram(renewals: &[(u64, u64)]) {
    let due: Vec<u64> = renewals.iter().map(|(seconds, _)| *seconds).collect();
    let (Some(first), Some(last)) = (due.iter().min(), due.iter().max()) else { return };
    let step = ((last - first) / COLUMNS).max(1);
    let counts: Vec<usize> =
        (0..=COLUMNS).map(|column| due.iter().filter(|&&seconds| (seconds - first) / step == column).count()).collect();
    let most = renewals.len().max(1);
    say(&format!("renewals of the CHILD SAs: due in {first} to {last} s; in steps of {step} s: {counts:?} of {most}"));
}

fn shown(load: Load) -> String {
    let usage = load.usage;
    format!(
        "{} MiB resident, {} threads, {} descriptors, {:.1} s of processor",
        usage.resident_kib / 1024,
        usage.threads,
        usage.descriptors,
        load.processor.as_secs_f64()
    )
}

fn say(text: &str) {
    let _reader_is_gone = writeln!(std::io::stdout(), "{text}");
}
