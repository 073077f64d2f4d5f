//! The project's dashboard, whose panels are asked of a real Prometheus.
//!
//! ```text
//!   grafana/quadspan.json ──rows──► queries ──► Prometheus ──► samples with the labels of the legend, or a fault
//! ```
//!
//! No laboratory has all that there can be: whoever asks says which rows it answers for.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::kernel::array;
use super::prometheus::Prometheus;
use super::{LabError, Result, ensure, wait_for};

/// The row about pools of clients, which needs an OpenVPN server with a client.
pub const POOLS: &str = "Pools of clients";

/// What stands behind the dashboard's variables.
const VARIABLES: [(&str, &str); 4] =
    [("$__rate_interval", "15s"), ("$__interval", "1s"), ("$__range", "60s"), ("$instance", ".*")];

/// One query of a panel.
#[derive(Debug)]
pub struct Query {
    panel: String,
    expression: String,
    legend: String,
}

impl Query {
    /// What is wrong with its answer, if anything is.
    fn fault(&self, prometheus: &Prometheus<'_>) -> Result<Option<String>> {
        let Self { panel, expression, legend } = self;
        let expression = VARIABLES.iter().fold(expression.clone(), |text, (name, value)| text.replace(name, value));
        let samples = prometheus.query(&expression)?;
        let labels: Vec<&str> = legend
            .split("{{")
            .skip(1)
            .filter_map(|rest| rest.split_once("}}"))
            .map(|(label, _)| label.trim())
            .collect();
        let bare = |sample: &Value| labels.iter().any(|label| sample["metric"][*label].is_null());
        Ok(if expression.contains('$') {
            Some(format!("{panel}: an unknown variable in {expression}"))
        } else if samples.is_empty() {
            Some(format!("{panel}: nothing for {expression}"))
        } else if samples.iter().any(bare) {
            Some(format!("{panel}: {expression} has not the labels of its legend {legend}"))
        } else {
            None
        })
    }
}

/// A file of `grafana/`.
#[must_use]
pub fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../grafana").join(name)
}

/// The queries of the panels in these rows, and what fills the variables.
///
/// # Errors
/// When the dashboard cannot be read.
pub fn queries(wanted: impl Fn(&str) -> bool) -> Result<Vec<Query>> {
    let text = std::fs::read_to_string(file("quadspan.json")).map_err(LabError::io("read the dashboard"))?;
    let dashboard: Value = serde_json::from_str(&text)
        .map_err(|error| LabError::Json { what: "the dashboard".to_owned(), detail: error.to_string() })?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut queries = Vec::new();
    let mut row = String::new();
    for panel in array(&dashboard["panels"]) {
        if panel["type"] == "row" {
            row = word(&panel["title"]);
        }
        // Those of a row that is folded up are in it, the others follow it.
        for panel in array(&panel["panels"]).iter().chain([panel]).filter(|_| wanted(&row)) {
            queries.extend(array(&panel["targets"]).iter().map(|target| Query {
                panel: word(&panel["title"]),
                expression: word(&target["expr"]),
                legend: word(&target["legendFormat"]),
            }));
        }
    }
    queries.extend(array(&dashboard["templating"]["list"]).iter().filter_map(variable));
    Ok(queries)
}

/// `label_values(METRIC, LABEL)`.
fn variable(variable: &Value) -> Option<Query> {
    let definition = variable["definition"].as_str()?.strip_prefix("label_values(")?.strip_suffix(')')?;
    let (metric, label) = definition.rsplit_once(',')?;
    let panel = format!("variable {}", variable["name"]);
    Some(Query { panel, expression: metric.to_owned(), legend: format!("{{{{{}}}}}", label.trim()) })
}

/// Waits until each of these has data.
///
/// # Errors
/// With every panel that stays empty.
pub fn wait_data(prometheus: &Prometheus<'_>, queries: &[Query]) -> Result<()> {
    wait_for(Duration::from_secs(30), "every panel has data", || {
        let mut faults = Vec::new();
        for query in queries {
            faults.extend(query.fault(prometheus)?);
        }
        ensure(faults.is_empty(), "no panel is empty", || format!("{faults:#?}"))
    })
}
