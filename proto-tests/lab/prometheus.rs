//! Prometheus beside our process: it scrapes every second, evaluates the project's alert rules as often, and answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::http::encoded;
use super::kernel::array;
use super::namespace::Namespace;
use super::process::Process;
use super::{LabError, Result, ensure, not_yet, wait_for, write_file};

/// Where our process serves metrics in these laboratories.
pub const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9179);
/// Where Prometheus answers.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus<'a> {
    process: Process,
    host: &'a Namespace,
}

impl<'a> Prometheus<'a> {
    /// Starts it on the host where our process serves [`METRICS`], and waits until it has scraped that.
    ///
    /// # Errors
    /// When it does not come up or cannot scrape.
    pub fn start(host: &'a Namespace, directory: &Path, rules: &Path) -> Result<Self> {
        let config = directory.join("prometheus.yaml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n  \
             - job_name: quadspan\n    static_configs: [{{targets: ['{METRICS}']}}]\n",
            rules.display()
        );
        write_file(&config, &text)?;
        let mut command = host.command("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", directory.join("prometheus-data").display()));
        command.arg(format!("--web.listen-address={LISTEN}"));
        let process = Process::spawn("prometheus", command, &directory.join("prometheus.log"))?;
        let mut prometheus = Self { process, host };
        wait_for(Duration::from_secs(30), "prometheus scrapes our process", || prometheus.scrapes())?;
        Ok(prometheus)
    }

    fn scrapes(&mut self) -> Result<()> {
        if self.process.ended()?.is_some() {
            return not_yet(format!("it ended: {}", self.process.log_tail(5)));
        }
        let up = self.query("up{job=\"quadspan\"}")?;
        ensure(up.len() == 1 && up[0]["value"][1] == "1", "the target is up", || format!("{up:?}"))
    }

    /// The samples of an instant query.
    ///
    /// # Errors
    /// With Prometheus' complaint about the expression.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let answer = self.ask(&format!("query?query={}", encoded(expression)))?;
        Ok(array(&answer["result"]).to_vec())
    }

    /// The alert rules as they were loaded and last evaluated.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn rules(&self) -> Result<Vec<Value>> {
        let answer = self.ask("rules?type=alert")?;
        Ok(array(&answer["groups"]).iter().flat_map(|group| array(&group["rules"]).to_vec()).collect())
    }

    /// Names of the alerts that are pending or firing, with the tunnel they name.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn alerts(&self) -> Result<Vec<(String, String)>> {
        let answer = self.ask("alerts")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(array(&answer["alerts"])
            .iter()
            .map(|alert| (text(&alert["labels"]["alertname"]), text(&alert["labels"]["tunnel"])))
            .collect())
    }

    fn ask(&self, question: &str) -> Result<Value> {
        let text = self.host.http_get(LISTEN, &format!("/api/v1/{question}"))?;
        let mut answer: Value = serde_json::from_str(&text)
            .map_err(|error| LabError::Json { what: question.to_owned(), detail: error.to_string() })?;
        ensure(answer["status"] == "success", question, || text.clone())?;
        Ok(answer["data"].take())
    }
}
