//! What a BGP router does with many routes: Quadspan beside BIRD, FRR, OpenBGPD and GoBGP, one after the other.
//!
//! ```text
//!   4 senders --- the same N prefixes ---> router ---> receiver: counts distinct prefixes, knows whose paths they have
//!                                            '-------> kernel: a model of its table, kept by its notifications
//! ```
//!
//! All run on plain links between two namespaces ([`site`]), Quadspan besides through four tunnels ([`tunnels`]), as
//! release builds with the defaults of their packages. Senders and receiver are threads of this program: their
//! announcements are made before the clock starts ([`feed`]), and whatever the router tells the senders is read and
//! forgotten ([`talker`]). `scripts/bench-bgp` builds it and starts it as root.

mod dut;
mod feed;
mod figures;
mod kernel;
mod receiver;
mod round;
mod site;
mod talker;
mod tunnels;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use proto_tests::lab::LabError;

use dut::{Duty, System};
use figures::{Figures, Measure};
use round::{Extent, Samples};

/// A round that took longer than this is not repeated.
const LONG: Duration = Duration::from_secs(30);

/// Routes through Quadspan beside other BGP routers.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-bgp", about)]
struct Options {
    /// Who is measured.
    #[arg(short, long, value_enum, value_delimiter = ',', default_values_t = System::ALL)]
    systems: Vec<System>,
    /// What is measured.
    #[arg(short, long, value_enum, value_delimiter = ',', default_values_t = Part::ALL)]
    parts: Vec<Part>,
    /// Prefixes that each of four peers announces while a fifth receives.
    #[arg(short = 'n', long, value_delimiter = ',', default_values_t = [1000, 10_000, 100_000, 1_000_000],
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    prefixes: Vec<u32>,
    /// Prefixes that each of four peers announces into the kernel.
    #[arg(short = 'k', long, value_delimiter = ',', default_values_t = [100, 1000, 10_000, 100_000],
        value_parser = clap::value_parser!(u32).range(1..=200_000))]
    kernel_routes: Vec<u32>,
    /// Rounds of each; one that takes half a minute is not repeated.
    #[arg(short, long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: u8,
    /// Most seconds for one step.
    #[arg(short, long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=900))]
    limit: u64,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Routes from four peers to a fifth; always, unless only `kernel` or `tunnels` are asked for.
    Announce,
    /// Then a change of what the fifth is told.
    Policy,
    /// Then the loss of the best peer.
    Lost,
    /// Routes into the kernel, and the loss of a link and of a session.
    Kernel,
    /// The same through four tunnels, and the loss of two of them; of Quadspan alone.
    Tunnels,
}

impl Part {
    const ALL: [Self; 5] = [Self::Announce, Self::Policy, Self::Lost, Self::Kernel, Self::Tunnels];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut bench = Bench { options, figures: Figures::default(), failed: 0 };
    bench.run();
    let text = match bench.options.output {
        Output::Table => bench.figures.table(&bench.options.systems),
        Output::Json => bench.figures.json(),
    };
    let _reader_is_gone = writeln!(io::stdout(), "{text}");
    if bench.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Bench {
    options: Options,
    figures: Figures,
    failed: u32,
}

impl Bench {
    fn run(&mut self) {
        let wants = |part| self.options.parts.contains(&part);
        let limit = Duration::from_secs(self.options.limit);
        let extent = Extent { policy: wants(Part::Policy), lost: wants(Part::Lost), limit };
        if wants(Part::Announce) || extent.policy || extent.lost {
            for prefixes in self.options.prefixes.clone() {
                self.all(Duty::Reflect, prefixes, Measure::LastPrefix, |system, samples| {
                    round::reflect(system, prefixes, extent, samples)
                });
            }
        }
        if self.options.parts.contains(&Part::Kernel) {
            for prefixes in self.options.kernel_routes.clone() {
                self.all(Duty::Forward, prefixes, Measure::Filled, |system, samples| {
                    round::forward(system, prefixes, limit, samples)
                });
            }
        }
        if self.options.parts.contains(&Part::Tunnels) && self.options.systems.contains(&System::Quadspan) {
            for prefixes in self.options.kernel_routes.clone() {
                self.turns(vec![System::Quadspan], "Tunnels", prefixes, Measure::TunnelDeleted, |_, samples| {
                    round::fail_over(prefixes, limit, samples)
                });
            }
        }
    }

    /// All routers in turns, so that whatever else the machine does meets all.
    fn all(
        &mut self,
        duty: Duty,
        prefixes: u32,
        first: Measure,
        play: impl Fn(System, &mut Samples) -> Result<(), LabError>,
    ) {
        let mut systems = self.options.systems.clone();
        systems.retain(|system| match system.leaves_out(duty, prefixes) {
            None => true,
            Some(why) => {
                progress(&format!("{prefixes} prefixes, {}: left out, it {why}", system.title()));
                self.figures.say(first, prefixes, *system, "left out");
                false
            }
        });
        self.turns(systems, &format!("{duty:?}"), prefixes, first, play);
    }

    fn turns(
        &mut self,
        mut systems: Vec<System>,
        what: &str,
        prefixes: u32,
        first: Measure,
        play: impl Fn(System, &mut Samples) -> Result<(), LabError>,
    ) {
        for round in 1..=self.options.rounds {
            systems.retain(|system| {
                let began = Instant::now();
                let mut samples = Samples::new();
                let result = play(*system, &mut samples);
                for (measure, value) in &samples {
                    self.figures.add(*measure, prefixes, *system, *value);
                }
                let named = format!("{what} {prefixes} prefixes, {}, round {round}", system.title());
                if let Err(error) = result {
                    self.failed += 1;
                    self.figures.say(first, prefixes, *system, "failed");
                    progress(&format!("{named}: FAILED: {error}"));
                    return false;
                }
                let values: Vec<String> =
                    samples.iter().map(|(measure, value)| format!("{measure:?} {value:.1}")).collect();
                progress(&format!("{named}: {} ({:.1} s)", values.join(", "), began.elapsed().as_secs_f64()));
                began.elapsed() < LONG
            });
        }
    }
}

fn progress(text: &str) {
    let _reader_is_gone = writeln!(io::stderr(), "{text}");
}
