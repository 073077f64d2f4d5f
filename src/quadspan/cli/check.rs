//! `quadspan check`: all that is to be said about a configuration at once, with code, place and remedy.

use std::path::Path;
use std::process::ExitCode;

use config::{Diagnostic, Severity};
use serde_json::{Value, json};
use settings::Router;

use super::{OutputFormat, complain, print};
use view::{explain, rendered_report};

/// Checks `file`; 0 if it can be run, 2 if not. Warnings and advice do not change the exit code.
pub(super) fn check(file: &Path, output: OutputFormat) -> ExitCode {
    let loaded = config::load(file);
    match (&loaded, output) {
        (Ok(loaded), OutputFormat::Table) => {
            for warning in &loaded.warnings {
                complain(&rendered_report(warning));
            }
            print(&summary(file, &loaded.router, &loaded.warnings));
        }
        (Ok(loaded), OutputFormat::Json) => print(&answer(file, Some(&loaded.router), &loaded.warnings)),
        (Err(report), OutputFormat::Table) => complain(&rendered_report(report)),
        (Err(report), OutputFormat::Json) => print(&answer(file, None, report.diagnostics())),
    }
    if loaded.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn summary(file: &Path, router: &Router, findings: &[Diagnostic]) -> String {
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut text = String::new();
    for session in router.sessions() {
        let (import, export) = (&session.policy.import, &session.policy.export);
        let (accepts, announces) = (explain::accepts(import), explain::announces(export));
        text.push_str(&format!("{}: accepts {accepts}; announces {announces}\n", session.name));
    }
    let advice = findings.iter().filter(|finding| finding.severity() == Severity::Advice).count();
    text + &format!(
        "{}: router {} (AS {}), {}, {}, {}{}: OK",
        file.display(),
        router.name,
        router.asn,
        counted(router.tunnels.len(), "tunnel"),
        counted(router.sessions().count(), "BGP session"),
        counted(findings.len() - advice, "warning"),
        if advice == 0 { String::new() } else { format!(", {advice} of advice") },
    )
}

fn answer(file: &Path, router: Option<&Router>, findings: &[Diagnostic]) -> String {
    let router = router.map(|router| {
        json!({
            "name": router.name, "asn": router.asn.0, "tunnels": router.tunnels.len(),
            "sessions": router.sessions().count(),
        })
    });
    let findings: Vec<_> = findings.iter().map(finding).collect();
    format!("{:#}", json!({ "file": file, "ok": router.is_some(), "router": router, "findings": findings }))
}

/// A finding as JSON.
pub(super) fn finding(diagnostic: &Diagnostic) -> Value {
    let code = diagnostic.code();
    json!({
        "code": code.as_str(), "name": code.name(), "severity": diagnostic.severity().to_string(),
        "message": diagnostic.message(), "remedy": diagnostic.remedy(), "file": diagnostic.file(),
        "line": diagnostic.line(), "column": diagnostic.column(), "text": diagnostic.text(),
        "source": code.rule().map(|rule| &rule.source),
    })
}
