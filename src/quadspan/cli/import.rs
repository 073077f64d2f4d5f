//! `quadspan import`: a provider's files become a configuration and key files.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use import::{Format, Imported, Input, MAX_INPUT, Options, Suites, import};
use import::{ImportError, NoteKind};
use ipnet::{IpNet, Ipv4Net};
use wire::{Asn, Secret};
use zeroize::Zeroizing;

use super::check::finding;
use super::files::{NewFile, read_within, write_all};
use super::refusal::{Refusal, refuse};
use super::{OutputFormat, print, render};

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// What the files are; `auto` finds out.
    #[arg(value_parser = formats())]
    format: String,
    /// The files, which together describe one site.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The folder that configuration and keys are written into.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Replace files that exist.
    #[arg(long)]
    force: bool,
    /// The router's name, also that of the file.
    #[arg(long)]
    name: Option<String>,
    /// Our outside address; behind a NAT the private one.
    #[arg(long, value_name = "ADDRESS")]
    local: Option<IpAddr>,
    /// Our BGP identifier.
    #[arg(long, value_name = "ADDRESS")]
    router_id: Option<Ipv4Addr>,
    /// Our AS number.
    #[arg(long)]
    asn: Option<Asn>,
    /// The peers' AS number.
    #[arg(long, value_name = "ASN")]
    peer_asn: Option<Asn>,
    /// A prefix behind us; may be repeated.
    #[arg(long, value_name = "PREFIX")]
    network: Vec<IpNet>,
    /// A prefix behind the peer, where no BGP tells; may be repeated.
    #[arg(long, value_name = "PREFIX")]
    remote_network: Vec<IpNet>,
    /// The peer's outside address; repeated in the order of the tunnels.
    #[arg(long, value_name = "ADDRESS")]
    remote: Vec<IpAddr>,
    /// The link inside a tunnel; repeated in the order of the tunnels.
    #[arg(long, value_name = "PREFIX")]
    inside: Vec<Ipv4Net>,
    /// A file with the pre-shared key; repeated in the order of the tunnels.
    #[arg(long, value_name = "FILE")]
    psk_file: Vec<PathBuf>,
    /// Which suites to propose.
    #[arg(long, value_enum, default_value_t = SuiteChoice::File)]
    suites: SuiteChoice,
    /// The files are the peer's own: look at them from the other end.
    #[arg(long)]
    mirror: bool,
    /// How to answer.
    #[arg(short = 'o', value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    answer: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SuiteChoice {
    /// Those the files name. AWS names the weakest it takes.
    File,
    /// The strong ones of the profile, by IKEv2.
    Profile,
}

fn formats() -> PossibleValuesParser {
    let names = std::iter::once("auto").chain(Format::ALL.map(Format::as_str));
    PossibleValuesParser::new(names.map(clap::builder::PossibleValue::new).collect::<Vec<_>>())
}

/// 0 if the configuration was written; 2 if the files cannot be used; 1 if nothing could be written.
pub(super) fn run(args: &ImportArgs) -> ExitCode {
    let (imported, files) = match read(args) {
        Ok(read) => read,
        Err(refusal) => {
            refusal.say(args.answer);
            return ExitCode::from(2);
        }
    };
    let written = match write_all(&args.output, &files, args.force) {
        Ok(written) => written,
        Err(error) => {
            refuse(args.answer, &error, error.remedy());
            return ExitCode::FAILURE;
        }
    };
    let next = format!("quadspan check {}", written[0].display());
    print(&match args.answer {
        OutputFormat::Table => table(&imported, &written, &next),
        OutputFormat::Json => json(&imported, &written, &next),
    });
    ExitCode::SUCCESS
}

fn read(args: &ImportArgs) -> Result<(Imported, Vec<NewFile>), Refusal> {
    let mut texts = Vec::new();
    for path in &args.files {
        texts.push((path.display().to_string(), contents(path)?));
    }
    let inputs: Vec<_> = texts.iter().map(|(name, octets)| Input { name, octets }).collect();
    let format = Format::ALL.into_iter().find(|format| format.as_str() == args.format);
    let imported = import(format, &inputs, &options(args)?).map_err(|error| refusal(&error))?;
    let name = imported.site.name.as_deref().unwrap_or("edge");
    let configuration = Zeroizing::new(imported.yaml.as_bytes().to_vec());
    let mut files = vec![NewFile { path: format!("{name}.yaml").into(), content: configuration, mode: 0o644 }];
    for key in &imported.keys {
        let content = Zeroizing::new([key.secret.expose(), b"\n".as_slice()].concat());
        files.push(NewFile { path: key.path.clone().into(), content, mode: 0o600 });
    }
    Ok((imported, files))
}

fn options(args: &ImportArgs) -> Result<Options, Refusal> {
    let mut keys = Vec::new();
    for path in &args.psk_file {
        let octets = contents(path)?;
        let key = octets.strip_suffix(b"\n").unwrap_or(&octets);
        keys.push(Secret::from(key.strip_suffix(b"\r").unwrap_or(key)));
    }
    Ok(Options {
        name: args.name.clone(),
        asn: args.asn,
        peer_asn: args.peer_asn,
        router_id: args.router_id,
        local: args.local,
        remote: args.remote.clone(),
        inside: args.inside.clone(),
        networks: args.network.clone(),
        remote_networks: args.remote_network.clone(),
        keys,
        suites: match args.suites {
            SuiteChoice::File => Suites::File,
            SuiteChoice::Profile => Suites::Profile,
        },
        mirror: args.mirror,
    })
}

/// A file as it is; of one that is too large only as much as shows that it is.
fn contents(path: &Path) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    read_within(path, MAX_INPUT).map_err(|error| {
        Refusal::new(&format!("cannot read {}: {error}", path.display()), "check the path and who may read it")
    })
}

fn refusal(error: &ImportError) -> Refusal {
    let refusal = Refusal::new(error, &error.remedy());
    match error {
        ImportError::Refused(report) => refusal.with_report(report),
        ImportError::TooLarge { .. }
        | ImportError::Encoding { .. }
        | ImportError::Syntax { .. }
        | ImportError::Doctype { .. }
        | ImportError::TooDeep { .. }
        | ImportError::Value { .. }
        | ImportError::Unrecognised { .. }
        | ImportError::Mixed { .. }
        | ImportError::NoTunnels { .. }
        | ImportError::Missing(_) => refusal,
    }
}

fn table(imported: &Imported, written: &[PathBuf], next: &str) -> String {
    let mut text = String::new();
    for kind in [NoteKind::Read, NoteKind::Assumed, NoteKind::Unmapped] {
        let mut table = render::plain([&*kind.as_str().to_uppercase(), "WHERE", "VALUE OR REASON"]);
        let mut empty = true;
        for note in imported.notes.iter().filter(|note| note.kind == kind) {
            let place = note.place.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            table.add_row([note.what.clone(), place, note.text.clone()]);
            empty = false;
        }
        if !empty {
            text.push_str(&format!("{table}\n\n"));
        }
    }
    let mut said = BTreeSet::new();
    for warning in &imported.warnings {
        let line = format!("warning: {}: {}\n", warning.message(), warning.remedy());
        if said.insert(line.clone()) {
            text.push_str(&line);
        }
    }
    for path in written {
        text.push_str(&format!("written: {}\n", path.display()));
    }
    let tunnels = imported.site.tunnels.len();
    let plural = if tunnels == 1 { "" } else { "s" };
    text + &format!("{tunnels} tunnel{plural} out of {}; next: {next}\n", imported.format.as_str())
}

fn json(imported: &Imported, written: &[PathBuf], next: &str) -> String {
    let warnings: Vec<_> = imported.warnings.iter().map(finding).collect();
    let tunnels: Vec<_> = imported.site.tunnels.iter().map(|tunnel| &tunnel.name).collect();
    let value = serde_json::json!({
        "ok": true, "format": imported.format.as_str(), "tunnels": tunnels, "files": written, "notes": imported.notes,
        "warnings": warnings, "next": next,
    });
    format!("{value:#}")
}
