//! GoBGP as the BGP peer.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::namespace::Namespace;
use super::process::Process;
use super::{LabError, Result, run, wait_for, write_file};

/// Where its control interface listens, inside its namespace.
const API: &str = "127.0.0.1:50051";

/// A running gobgpd.
#[derive(Debug)]
pub struct Gobgp {
    process: Process,
    namespace: String,
}

impl Gobgp {
    /// Starts it with this configuration, in TOML.
    ///
    /// # Errors
    /// When it refuses the configuration.
    pub fn launch(namespace: &Namespace, directory: &Path, configuration: &str) -> Result<Self> {
        let config = directory.join("gobgpd.toml");
        write_file(&config, configuration)?;
        let mut command = namespace.command("gobgpd");
        command.arg("-f").arg(&config).args(["--api-hosts", API, "--pprof-disable"]);
        let log = directory.join("gobgpd.log");
        let process = Process::spawn(&format!("{} gobgpd", namespace.role()), command, &log)?;
        let gobgp = Self { process, namespace: namespace.name().to_owned() };
        wait_for(Duration::from_secs(15), "gobgpd answers", || gobgp.ask(&["global"]))?;
        Ok(gobgp)
    }

    /// `gobgp WORDS`, and what it prints.
    ///
    /// # Errors
    /// When it does not answer or complains.
    pub fn ask(&self, words: &[&str]) -> Result<String> {
        run(Command::new("ip").args(["netns", "exec", &self.namespace, "gobgp"]).args(words))
    }

    /// `gobgp -j WORDS`, as JSON.
    ///
    /// # Errors
    /// As [`Gobgp::ask`], and when the answer is not JSON.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        let text = self.ask(&[&["-j"], words].concat())?;
        serde_json::from_str(&text)
            .map_err(|error| LabError::Json { what: format!("gobgp {}", words.join(" ")), detail: error.to_string() })
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
