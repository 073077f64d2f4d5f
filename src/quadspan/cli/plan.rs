//! `quadspan plan`: four tunnels between two clouds, and whether a plan keeps their rules.
//!
//! Everything is decided in `clouds::plan`; here are the command line, the keys from the system's randomness and the
//! files, of which none is replaced unless that was asked for.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use clouds::export::Reveal;
use clouds::plan::{Facts, Matrix, PlanError, PlanFile, PlanFiles, Remark, check, four_tunnels, read, table, write};
use ipnet::Ipv4Net;
use serde_json::{Value, json};
use wire::Secret;
use zeroize::Zeroizing;

use super::files::{NewFile, read_within, write_all};
use super::refusal::Refusal;
use super::{OutputFormat, complain, print, render};

#[derive(Debug, Subcommand)]
pub(super) enum PlanCommand {
    /// Plan four tunnels between two clouds: inside links, hosts, Azure's custom BGP addresses, suites, keys; and write
    /// what each end is to be given.
    FourTunnel(FourTunnelArgs),
    /// Verify a plan, made here or elsewhere.
    Check {
        /// The plan: `sides` and `tunnels`, as `four-tunnel` writes it.
        file: PathBuf,
        /// How to answer.
        #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
        output: OutputFormat,
    },
}

#[derive(Debug, Args)]
pub(super) struct FourTunnelArgs {
    /// A file with the facts: `sides`, each with cloud, asn, outside, networks; and `avoid`.
    #[arg(required_unless_present = "side", conflicts_with_all = ["side", "avoid"])]
    file: Option<PathBuf>,
    /// A side: CLOUD:ASN:ADDRESS,ADDRESS:NETWORK,NETWORK; given twice.
    #[arg(long, value_name = "SIDE")]
    side: Vec<String>,
    /// A link that another gateway of either cloud uses; may be repeated.
    #[arg(long, value_name = "PREFIX")]
    avoid: Vec<Ipv4Net>,
    /// The folder that files and keys are written into; without it the plan is only shown.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Replace files that exist.
    #[arg(long)]
    force: bool,
    /// How to answer.
    #[arg(short = 'o', value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    answer: OutputFormat,
}

/// 0 if the plan is good and written; 2 if it is not good; 1 if it could not be read or written.
pub(super) fn run(command: &PlanCommand) -> ExitCode {
    let done = match command {
        PlanCommand::FourTunnel(args) => four(args).map_err(|refused| (refused, args.answer)),
        PlanCommand::Check { file, output } => verify(file, *output).map_err(|refused| (refused, *output)),
    };
    done.unwrap_or_else(|((code, refusal), output)| {
        refusal.say(output);
        ExitCode::from(code)
    })
}

/// With the exit code.
type Refused = (u8, Refusal);

fn refused(error: &PlanError) -> Refused {
    (2, Refusal::new(error, &error.remedy()))
}

fn four(args: &FourTunnelArgs) -> Result<ExitCode, Refused> {
    let facts = match &args.file {
        Some(file) => read(&contents(file)?).map_err(|error| refused(&error))?.0,
        None => Facts::of(&args.side, &args.avoid).map_err(|error| refused(&error))?,
    };
    let matrix = four_tunnels(facts).map_err(|error| refused(&error))?;
    let mut written = Vec::new();
    let mut notes = Vec::new();
    if let Some(folder) = &args.output {
        let keys = matrix.rows.iter().map(|_| key()).collect::<Result<Vec<_>, _>>()?;
        let PlanFiles { files, notes: said } = write(&matrix, &keys).map_err(|error| refused(&error))?;
        let files: Vec<_> = files.iter().map(new_file).collect();
        let places = write_all(folder, &files, args.force);
        written = places.map_err(|error| (1, Refusal::new(&error, error.remedy())))?;
        notes = said;
    }
    print(&match args.answer {
        OutputFormat::Table => shown(&matrix, &written, &notes),
        OutputFormat::Json => format!("{:#}", as_json(&matrix, &[], &written, &notes)),
    });
    Ok(ExitCode::SUCCESS)
}

fn verify(file: &Path, answer: OutputFormat) -> Result<ExitCode, Refused> {
    let (_, matrix) = read(&contents(file)?).map_err(|error| refused(&error))?;
    let Some(matrix) = matrix else {
        let error = format!("{} has no `tunnels`", file.display());
        return Err((2, Refusal::new(&error, "`quadspan plan four-tunnel` plans some")));
    };
    let remarks = check(&matrix);
    let good = !remarks.iter().any(Remark::is_problem);
    match answer {
        OutputFormat::Json => print(&format!("{:#}", as_json(&matrix, &remarks, &[], &[]))),
        OutputFormat::Table => {
            for remark in &remarks {
                let Remark { severity, code, message, remedy } = remark;
                complain(&format!("{code} {severity}: {message}\n  remedy: {remedy}"));
            }
            let verdict = if good { "keeps every rule of both clouds" } else { "breaks rules, see above" };
            print(&format!("{}\n{}: {verdict}", rows(&matrix), file.display()));
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn rows(matrix: &Matrix) -> String {
    let (header, rows) = table(matrix);
    // A plan with Azure has two columns more.
    if let Ok(header) = <[String; 8]>::try_from(header.clone()) {
        let mut table = render::plain(header.each_ref().map(String::as_str));
        for row in rows {
            table.add_row(row);
        }
        return format!("{table}\n");
    }
    let header: Vec<&str> = header.iter().map(String::as_str).chain(["", ""]).collect();
    let mut table = render::plain::<6>(std::array::from_fn(|column| header.get(column).copied().unwrap_or_default()));
    for row in rows {
        table.add_row(row);
    }
    format!("{table}\n")
}

fn shown(matrix: &Matrix, written: &[PathBuf], notes: &[String]) -> String {
    let mut text = rows(matrix);
    for path in written {
        text.push_str(&format!("written: {}\n", path.display()));
    }
    for note in notes {
        text.push_str(&format!("note: {note}\n"));
    }
    if written.is_empty() {
        text.push_str("\nnothing is written: `--output DIR` writes both configurations, keys and the clouds' inputs\n");
    }
    text
}

fn as_json(matrix: &Matrix, remarks: &[Remark], written: &[PathBuf], notes: &[String]) -> Value {
    let sides: Vec<_> = matrix
        .sides
        .iter()
        .map(|side| json!({ "name": side.name, "cloud": side.profile.as_str(), "asn": side.asn.0 }))
        .collect();
    let tunnels: Vec<_> = matrix
        .rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name, "outside": row.outside, "inside": row.inside, "hosts": row.hosts,
                "custom": row.custom.map(|custom| json!({ "primary": custom.primary, "secondary": custom.secondary })),
            })
        })
        .collect();
    let findings: Vec<_> = remarks
        .iter()
        .map(|remark| {
            json!({
                "code": remark.code.as_str(), "name": remark.code.name(), "severity": remark.severity.to_string(),
                "message": remark.message, "remedy": remark.remedy,
            })
        })
        .collect();
    let good = !remarks.iter().any(Remark::is_problem);
    json!({ "ok": good, "sides": sides, "tunnels": tunnels, "findings": findings, "files": written, "notes": notes })
}

/// A plan is small; what is larger is something else.
const MAX_PLAN: usize = 64 * 1024;

fn contents(path: &Path) -> Result<String, Refused> {
    let failed = |why: &dyn std::fmt::Display| {
        let error = format!("cannot read {}: {why}", path.display());
        (1, Refusal::new(&error, "check the path and who may read it"))
    };
    let mut octets = read_within(path, MAX_PLAN).map_err(|error| failed(&error))?;
    if octets.len() > MAX_PLAN {
        let error = format!("{} has more than {MAX_PLAN} octets", path.display());
        return Err((1, Refusal::new(&error, "give a plan, as `quadspan plan four-tunnel` writes it")));
    }
    String::from_utf8(std::mem::take(&mut *octets)).map_err(|error| failed(&error))
}

/// 32 letters and digits, beginning with a letter: 190 bits, and good for every cloud.
fn key() -> Result<Secret, Refused> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut key = Zeroizing::new(Vec::with_capacity(32));
    let mut random = Zeroizing::new([0_u8; 64]);
    while key.len() < 32 {
        let failed = |error| (1, Refusal::new(&format!("the system gives no random numbers: {error}"), "try again"));
        getrandom::fill(&mut *random).map_err(failed)?;
        // Those from 248 on would favour some letters.
        let letters =
            random.iter().filter(|octet| **octet < 248).map(|octet| LETTERS[usize::from(*octet) % LETTERS.len()]);
        let letters = letters.skip_while(|letter| key.is_empty() && letter.is_ascii_digit());
        let letters: Zeroizing<Vec<u8>> = Zeroizing::new(letters.take(32 - key.len()).collect());
        key.extend_from_slice(&letters);
    }
    Ok(Secret::from(key.as_slice()))
}

fn new_file(file: &PlanFile) -> NewFile {
    match file {
        PlanFile::Text(path, text) => {
            NewFile { path: path.into(), content: Zeroizing::new(text.as_bytes().to_vec()), mode: 0o644 }
        }
        PlanFile::Key(path, key) => {
            let content = Zeroizing::new([key.expose(), b"\n".as_slice()].concat());
            NewFile { path: path.into(), content, mode: 0o600 }
        }
        PlanFile::Export(folder, artifact) => {
            let mode = match (artifact.has_secret(), artifact.is_script()) {
                (true, _) => 0o600,
                (false, true) => 0o755,
                (false, false) => 0o644,
            };
            let text = artifact.text(Reveal::Shown);
            let path = Path::new(folder).join(artifact.name());
            NewFile { path, content: Zeroizing::new(text.as_bytes().to_vec()), mode }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn args(folder: &Path) -> FourTunnelArgs {
        FourTunnelArgs {
            file: None,
            side: vec![
                "azure:65000:198.51.100.1,198.51.100.2:10.1.0.0/16".to_owned(),
                "aws:64512:203.0.113.11,203.0.113.12,203.0.113.13,203.0.113.14:10.2.0.0/16".to_owned(),
            ],
            avoid: Vec::new(),
            output: Some(folder.to_owned()),
            force: false,
            answer: OutputFormat::Table,
        }
    }

    #[test]
    fn keys_are_random_and_taken_by_every_cloud() {
        let keys: Vec<_> = (0..16).map(|_| key().unwrap()).collect();
        for key in &keys {
            assert_eq!(key.len(), 32);
            for profile in profile::Profile::ALL {
                assert_eq!(profile.check_key(key.expose()), Ok(()), "{}", profile.as_str());
            }
        }
        assert!(keys.iter().enumerate().all(|(index, key)| !keys[..index].contains(key)));
    }

    #[test]
    fn a_file_that_is_no_plan_by_its_size_is_refused_and_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        assert!(four(&args(folder.path())).is_ok());
        let path = folder.path().join("plan.yaml");
        let plan = std::fs::read_to_string(&path).unwrap();
        let padded = |length: usize| format!("{plan}#{}", "x".repeat(length - plan.len() - 1));
        std::fs::write(&path, padded(MAX_PLAN)).unwrap();
        assert!(verify(&path, OutputFormat::Table).is_ok());
        std::fs::write(&path, padded(MAX_PLAN + 1)).unwrap();
        let (code, refusal) = verify(&path, OutputFormat::Table).unwrap_err();
        assert!(code == 1 && refusal.text.contains("more than 65536 octets"), "{}", refusal.text);
    }

    #[test]
    fn a_plan_is_written_once_and_its_configurations_load() {
        let folder = tempfile::tempdir().unwrap();
        assert!(four(&args(folder.path())).is_ok());
        for name in ["azure.yaml", "aws.yaml"] {
            let loaded =
                config::load(&folder.path().join(name)).unwrap_or_else(|report| panic!("{}", report.render(false)));
            assert_eq!(loaded.router.tunnels.len(), 4, "{name}");
        }
        let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("keys/t1-inst0"), mode("keys"), mode("plan.yaml")), (0o600, 0o700, 0o644));
        assert_eq!(mode("aws/aws-cli/connection-1.json"), 0o600);
        // What is there stays.
        let (code, refusal) = four(&args(folder.path())).unwrap_err();
        assert!(code == 1 && refusal.text.contains("exists already"), "{}", refusal.text);
        assert!(verify(&folder.path().join("plan.yaml"), OutputFormat::Table).is_ok());
    }
}
