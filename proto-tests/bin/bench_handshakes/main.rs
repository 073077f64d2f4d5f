//! IKEv2 handshakes per second: ours beside strongSwan's, between two hosts of one laboratory.
//!
//! ```text
//!   Quadspan:    ike::Endpoint, one thread ---- UDP over a veth ---- ike::Endpoint, one thread
//!   strongSwan:  charon, driven over vici  ---- UDP over the same -- charon
//! ```
//!
//! A handshake is `IKE_SA_INIT`, `IKE_AUTH` with one CHILD SA, and the DELETE that makes room for the next. Our ends
//! prepare the ciphers of every SA as a data plane does ([`ours`]); strongSwan installs its SAs in its user-space back
//! end, over one standing control connection per tunnel ([`swan`]). What counts is processor time per handshake and side:
//! it says what one core would do, whatever else the machine is busy with. `scripts/bench-handshakes` builds it and
//! starts it as root.

mod figures;
mod ours;
mod site;
mod swan;
mod vici;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use proto_tests::lab::Result;

use figures::{Comparison, Row};
use site::Site;

/// IKEv2 handshakes per second and core, beside strongSwan's.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-handshakes", about)]
struct Options {
    /// Handshakes of each system for each row.
    #[arg(short = 'n', long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    handshakes: u32,
    /// Tunnels that come up at once in the concurrent rows.
    #[arg(short = 'c', long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(2..=28))]
    concurrent: u8,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// What is negotiated in one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// In the table.
    pub(crate) title: &'static str,
    /// IKE proposal, in words that both ends share.
    pub(crate) ike: &'static str,
}

const CASES: [Case; 3] = [
    Case { title: "x25519", ike: "aes128gcm16-prfsha256-x25519" },
    Case { title: "ecp384", ike: "aes256gcm16-prfsha384-ecp384" },
    Case { title: "modp2048", ike: "aes256-sha256-modp2048" },
];

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
    let mut rows = Vec::new();
    for case in CASES {
        for tunnels in [1, options.concurrent] {
            let rounds = options.handshakes.div_ceil(u32::from(tunnels));
            let site = Site::build(tunnels)?;
            // One after the other: on few cores, two systems at once would measure each other.
            let strongswan = swan::measure(&site, case, rounds)?;
            let quadspan = ours::measure(&site, case, rounds)?;
            rows.push(Row { case, tunnels, handshakes: rounds * u32::from(tunnels), quadspan, strongswan });
        }
    }
    Ok(Comparison { rows })
}
