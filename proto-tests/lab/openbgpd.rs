//! OpenBGPD as the BGP peer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::namespace::Namespace;
use super::process::Process;
use super::{LabError, Result, run, wait_for, write_secret};

/// Where its processes without privileges are locked in.
const CHROOT: &str = "/run/openbgpd";

/// A running bgpd: a parent, a session engine and a decision engine.
#[derive(Debug)]
pub struct Openbgpd {
    process: Process,
    config: PathBuf,
    socket: PathBuf,
}

impl Openbgpd {
    /// Starts it with this configuration; where its control socket is, is added.
    ///
    /// # Errors
    /// When it refuses the configuration.
    pub fn launch(namespace: &Namespace, directory: &Path, configuration: &str) -> Result<Self> {
        std::fs::create_dir_all(CHROOT).map_err(LabError::io(format!("make {CHROOT}")))?;
        let (config, socket) = (directory.join("bgpd.conf"), directory.join("bgpd.sock"));
        write_config(&config, &socket, configuration)?;
        let mut command = namespace.command("/usr/sbin/bgpd");
        command.args(["-d", "-f"]).arg(&config);
        let log = directory.join("openbgpd.log");
        let process = Process::spawn(&format!("{} openbgpd", namespace.role()), command, &log)?;
        let bgpd = Self { process, config, socket };
        wait_for(Duration::from_secs(15), "OpenBGPD answers", || bgpd.ask(&["show", "neighbor"]))?;
        Ok(bgpd)
    }

    /// `bgpctl WORDS`, and what it prints.
    ///
    /// # Errors
    /// When it does not answer or complains.
    pub fn ask(&self, words: &[&str]) -> Result<String> {
        run(Command::new("bgpctl").arg("-s").arg(&self.socket).args(words))
    }

    /// `bgpctl -j WORDS`, as JSON.
    ///
    /// # Errors
    /// As [`Openbgpd::ask`], and when the answer is not JSON.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        let text = self.ask(&[&["-j"], words].concat())?;
        serde_json::from_str(&text)
            .map_err(|error| LabError::Json { what: format!("bgpctl {}", words.join(" ")), detail: error.to_string() })
    }

    /// Has it take another configuration.
    ///
    /// # Errors
    /// When it refuses it.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        write_config(&self.config, &self.socket, configuration)?;
        self.ask(&["reload"]).map(drop)
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// The running parent.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// It reads none that others may read.
fn write_config(config: &Path, socket: &Path, text: &str) -> Result<()> {
    write_secret(config, &format!("socket \"{}\"\n{text}", socket.display()))
}
