//! ExaBGP as the BGP peer: it has no routing table, says what it is told to, and writes down what it hears.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::namespace::Namespace;
use super::process::Process;
use super::{LabError, Result, write_file};

/// A running ExaBGP.
#[derive(Debug)]
pub struct Exabgp {
    process: Process,
    heard: PathBuf,
}

impl Exabgp {
    /// Starts it with these neighbours, in its own notation. Each is to have `api { processes [ scribe ]; .. }`: what they
    /// hear is found by [`Exabgp::heard`].
    ///
    /// # Errors
    /// When a file cannot be written or the program is not installed.
    pub fn launch(namespace: &Namespace, directory: &Path, neighbours: &str) -> Result<Self> {
        let (config, heard, scribe) =
            (directory.join("exabgp.conf"), directory.join("heard.json"), directory.join("scribe"));
        write_file(&heard, "")?;
        // It must not close its standard output: that would be its end to ExaBGP.
        let script =
            format!("#!/bin/sh\nwhile IFS= read -r line; do printf '%s\\n' \"$line\" >>{}; done\n", heard.display());
        write_file(&scribe, &script)?;
        std::fs::set_permissions(&scribe, std::fs::Permissions::from_mode(0o700))
            .map_err(LabError::io(format!("make {} a program", scribe.display())))?;
        write_file(
            &config,
            &format!("process scribe {{\n run {};\n encoder json;\n}}\n{neighbours}", scribe.display()),
        )?;
        let mut command = namespace.command("env");
        command.args(["exabgp.daemon.daemonize=false", "exabgp.daemon.user=root", "exabgp.api.cli=false"]);
        command
            .args(["exabgp.api.ack=false", "exabgp.log.destination=stdout", "exabgp.tcp.delay=0", "exabgp"])
            .arg(&config);
        let process = Process::spawn(&format!("{} exabgp", namespace.role()), command, &directory.join("exabgp.log"))?;
        Ok(Self { process, heard })
    }

    /// Everything it has heard: one JSON object for each event.
    #[must_use]
    pub fn heard(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.heard).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
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
