//! Why a command did not do what was asked: for people on standard error, and for programs in the answer, if that is JSON:
//! `{"ok": false, "findings": [..]}`, with findings as those of `check`.

use std::fmt::Display;

use config::Report;
use serde_json::{Value, json};

use super::check::finding;
use super::{OutputFormat, complain, print};
use view::rendered_report;

/// What is wrong, and what to do about it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) text: String,
    findings: Vec<Value>,
}

impl Refusal {
    pub(super) fn new(error: &dyn Display, remedy: &str) -> Self {
        let error = error.to_string();
        let finding = json!({ "code": null, "name": null, "severity": "error", "message": error, "remedy": remedy });
        Self { text: format!("quadspan: {error}\n  remedy: {remedy}"), findings: vec![finding] }
    }

    /// Of a configuration with errors.
    pub(super) fn report(report: &Report) -> Self {
        Self { text: rendered_report(report), findings: report.diagnostics().iter().map(finding).collect() }
    }

    /// The findings of `report`, and what they are about.
    pub(super) fn with_report(mut self, report: &Report) -> Self {
        self.text = format!("{}\n{}", rendered_report(report), self.text);
        self.findings.extend(report.diagnostics().iter().map(finding));
        self
    }

    pub(super) fn say(&self, output: OutputFormat) {
        complain(&self.text);
        match output {
            OutputFormat::Table => {}
            OutputFormat::Json => print(&self.json()),
        }
    }

    fn json(&self) -> String {
        format!("{:#}", json!({ "ok": false, "findings": self.findings }))
    }
}

/// Says why `error` came to nothing.
pub(super) fn refuse(output: OutputFormat, error: &dyn Display, remedy: &str) {
    Refusal::new(error, remedy).say(output);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(refusal: &Refusal) -> (Value, Vec<(Value, Value)>) {
        let value: Value = serde_json::from_str(&refusal.json()).unwrap();
        let findings = value["findings"].as_array().unwrap().iter();
        let findings = findings.map(|it| {
            assert!(["severity", "message", "remedy"].iter().all(|key| it[*key].is_string()), "{it}");
            (it["code"].clone(), it["message"].clone())
        });
        (value["ok"].clone(), findings.collect())
    }

    #[test]
    fn every_refusal_has_the_shape_of_a_check_that_failed() {
        let plain = Refusal::new(&"no such thing", "take another");
        assert_eq!(plain.text, "quadspan: no such thing\n  remedy: take another");
        assert_eq!(parts(&plain), (json!(false), vec![(json!(null), json!("no such thing"))]));
        let report = config::load(std::path::Path::new("/nonexistent.yaml")).unwrap_err();
        let (ok, findings) = parts(&Refusal::report(&report));
        assert!(ok == json!(false) && findings[0].0.is_string(), "{findings:?}");
        let (_, both) = parts(&Refusal::new(&"not imported", "correct it").with_report(&report));
        assert_eq!(both.len(), 1 + findings.len());
    }
}
