//! One running program: its pid, its log, its end.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{LabError, Result};

/// A program of the laboratory. Killed by its pid when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    kept: bool,
}

/// What a process holds of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in KiB.
    pub resident_kib: u64,
    /// Open file descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: u64,
}

impl Process {
    /// Starts `command`; standard output and error go to the end of `log`.
    ///
    /// # Errors
    /// When the program is not installed or the log cannot be opened.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(LabError::io(format!("open {}", log.display())))?;
        let other: File = file.try_clone().map_err(LabError::io("share a log file"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(other)
            .spawn()
            .map_err(LabError::io(format!("start {name}")))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), kept: false })
    }

    /// What it is in the scenario: `router`, `aws2 charon`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().map_err(LabError::io(format!("look after {}", self.name)))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.raw_pid(), signal).map_err(LabError::errno(format!("send {signal} to {}", self.name)))
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        let _already_gone = self.child.kill();
        self.child.wait().map_err(LabError::io(format!("wait for {}", self.name))).map(drop)
    }

    /// SIGTERM, then waits for at most `grace`.
    ///
    /// # Errors
    /// [`LabError::Timeout`] when it does not end; it is killed then.
    pub fn stop(&mut self, grace: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        let start = Instant::now();
        while start.elapsed() < grace {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let seen = self.log_tail(15);
        self.kill()?;
        Err(LabError::Timeout { what: format!("{} ends after SIGTERM", self.name), waited: start.elapsed(), seen })
    }

    /// What it holds of the machine.
    ///
    /// # Errors
    /// When it is gone.
    pub fn usage(&self) -> Result<Usage> {
        let status = format!("/proc/{}/status", self.pid());
        let text = std::fs::read_to_string(&status).map_err(LabError::io(format!("read {status}")))?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_whitespace().next())
                .and_then(|number| number.parse().ok())
                .unwrap_or(0)
        };
        let fds = format!("/proc/{}/fd", self.pid());
        let descriptors = std::fs::read_dir(&fds).map_err(LabError::io(format!("read {fds}")))?.count();
        Ok(Usage { resident_kib: field("VmRSS:"), descriptors, threads: field("Threads:") })
    }

    /// Processor time since its start, in user and kernel mode.
    ///
    /// # Errors
    /// When it is gone.
    pub fn processor(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.pid());
        let text = std::fs::read_to_string(&path).map_err(LabError::io(format!("read {path}")))?;
        // proc(5): fields 14 and 15 are user and system time; the name in parentheses may hold blanks.
        let behind_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 =
            behind_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Everything it has printed.
    #[must_use]
    pub fn log_text(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The last lines it has printed.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    /// Leaves it running at the end.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    fn raw_pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.pid()).expect("a Linux pid is below 2^22"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.kept {
            let _already_gone = self.kill();
        }
    }
}

/// The last lines of a log file.
#[must_use]
pub fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
