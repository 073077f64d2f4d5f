//! `quadspan export`: what the other end is to be given, out of our configuration.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use clouds::export::{Artifact, Carrier, Exported, Options, Reveal, Target, export};
use ipnet::IpNet;
use zeroize::Zeroizing;

use super::files::{NewFile, write_all};
use super::{complain, print};
use view::rendered_report;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// What the other end is.
    #[arg(value_parser = targets())]
    target: String,
    /// Our configuration.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/quadspan/router.yaml")]
    config: PathBuf,
    /// Only this tunnel; may be repeated.
    #[arg(long, value_name = "NAME")]
    tunnel: Vec<String>,
    /// The folder that the files are written into; to standard output, keys masked, by default.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Replace files that exist.
    #[arg(long)]
    force: bool,
    /// Print keys to standard output, too.
    #[arg(long)]
    show_secrets: bool,
    /// What a NAT turns our outside address into.
    #[arg(long, value_name = "ADDRESS")]
    public_address: Option<IpAddr>,
    /// A prefix behind the other end, for it to announce or to select; may be repeated.
    #[arg(long, value_name = "PREFIX")]
    network: Vec<IpNet>,
    /// How a strongSwan end carries packets.
    #[arg(long, value_enum, default_value_t = CarrierChoice::Xfrm)]
    carrier: CarrierChoice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CarrierChoice {
    /// In the kernel, by one xfrm interface per tunnel.
    Xfrm,
    /// By itself (kernel-libipsec): one tunnel, in UDP.
    Userspace,
}

fn targets() -> PossibleValuesParser {
    PossibleValuesParser::new(Target::ALL.map(|target| clap::builder::PossibleValue::new(target.as_str())))
}

/// 0 if it was written; 2 if the configuration or the target does not allow it; 1 if nothing could be written.
pub(super) fn run(args: &ExportArgs) -> ExitCode {
    let loaded = match config::load(&args.config) {
        Ok(loaded) => loaded,
        Err(report) => {
            complain(&rendered_report(&report));
            return ExitCode::from(2);
        }
    };
    let Some(target) = Target::ALL.into_iter().find(|target| target.as_str() == args.target) else {
        return ExitCode::from(2);
    };
    let options = Options {
        tunnels: args.tunnel.clone(),
        public_address: args.public_address,
        networks: args.network.clone(),
        carrier: match args.carrier {
            CarrierChoice::Xfrm => Carrier::Xfrm,
            CarrierChoice::Userspace => Carrier::Userspace,
        },
    };
    match export(&loaded.router, target, &options) {
        Ok(exported) => hand_out(args, &exported),
        Err(error) => {
            complain(&format!("quadspan: {error}\n  remedy: {}", error.remedy()));
            ExitCode::from(2)
        }
    }
}

fn hand_out(args: &ExportArgs, exported: &Exported) -> ExitCode {
    match &args.output {
        Some(folder) => {
            let files: Vec<_> = exported.files.iter().map(new_file).collect();
            match write_all(folder, &files, args.force) {
                Ok(written) => written.iter().for_each(|path| print(&format!("written: {}", path.display()))),
                Err(error) => {
                    complain(&format!("quadspan: {error}\n  remedy: {}", error.remedy()));
                    return ExitCode::FAILURE;
                }
            }
        }
        None => {
            let reveal = if args.show_secrets { Reveal::Shown } else { Reveal::Masked };
            let several = exported.files.len() > 1;
            for file in &exported.files {
                if several {
                    print(&format!("### {}", file.name()));
                }
                print(&file.text(reveal));
            }
        }
    }
    for note in &exported.notes {
        complain(&format!("note: {note}"));
    }
    ExitCode::SUCCESS
}

fn new_file(file: &Artifact) -> NewFile {
    let mode = match (file.has_secret(), file.is_script()) {
        (true, _) => 0o600,
        (false, true) => 0o755,
        (false, false) => 0o644,
    };
    let text = file.text(Reveal::Shown);
    NewFile { path: file.name().into(), content: Zeroizing::new(text.as_bytes().to_vec()), mode }
}
