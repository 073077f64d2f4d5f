//! The doctor's own words, and a note of every code that was seen where it was expected.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use proto_tests::lab::daemon::binary;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::{LabError, Result, ensure, not_yet, patience, wait_for};
use serde_json::Value;

static FOUND: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Codes that were found where they were expected.
pub(crate) fn found_so_far() -> BTreeSet<String> {
    FOUND.lock().map(|found| found.clone()).unwrap_or_default()
}

/// Runs the doctor on a host; its exit status must be that of its verdict.
pub(crate) fn ask(host: &Namespace, socket: &Path, more: &[&str]) -> Result<Value> {
    let mut command = host.command(&binary()?.display().to_string());
    command.args(["doctor", "-o", "json", "-s"]).arg(socket).args(more);
    report(command)
}

/// What a doctor's command says.
pub(crate) fn report(mut command: Command) -> Result<Value> {
    let output = command.output().map_err(LabError::io("run the doctor"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&text).map_err(|error| LabError::Json {
        what: format!("{error}: {text}"),
        detail: String::from_utf8_lossy(&output.stderr).into_owned(),
    })?;
    let expected = match report["verdict"].as_str() {
        Some("ok") => 0,
        Some("warnings") => 1,
        _ => 2,
    };
    ensure(output.status.code() == Some(expected), "the exit status of the verdict", || output.status.to_string())?;
    Ok(report)
}

/// Asks until `code` is found, this bad.
///
/// An attempt of IKE that nobody answers takes 26 seconds.
pub(crate) fn finds(code: &str, severity: &str, mut ask: impl FnMut() -> Result<Value>) -> Result<Value> {
    wait_for(patience(45), code, || found(&ask()?, code, severity))
}

/// The finding with this code.
pub(crate) fn found(report: &Value, code: &str, severity: &str) -> Result<Value> {
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let fits = |finding: &&Value| finding["code"] == code && finding["severity"] == severity;
    let Some(finding) = findings.iter().find(fits) else {
        return not_yet(format!("{severity} {code} is not in {report:#}"));
    };
    if let Ok(mut found) = FOUND.lock() {
        found.insert(code.to_owned());
    }
    Ok(finding.clone())
}

/// All that was found.
pub(crate) fn codes(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    findings.iter().filter_map(|finding| finding["code"].as_str().map(str::to_owned)).collect()
}
