//! A laboratory: network namespaces, the programs in them, and ways to ask both what they see.
//!
//! Everything a [`Lab`] makes carries its run id in its name and goes away with it: processes by their pid, namespaces by
//! their name, files with their directory. Nothing outside its own namespaces is touched.
//!
//! ```text
//!            Lab (run id, directory)
//!             |-- Namespace  router, aws1.., host-a, host-b, net     ip netns
//!             |-- Process    quadspan, charon, bird, bgpd            one pid, one log file
//!             '-- Stream     numbered packets from host to host      sent, delivered, echoed
//! ```

pub mod bird;
pub mod concentrator;
pub mod crossings;
pub mod daemon;
pub mod dashboard;
mod dataplane;
mod error;
pub mod exabgp;
pub mod feed;
pub mod frr;
pub mod gobgp;
pub mod http;
pub mod kernel;
pub mod layout;
pub mod libreswan;
pub mod many;
pub mod namespace;
pub mod netlink;
pub mod openbgpd;
pub mod own;
pub mod pair;
pub mod pki;
pub mod probe;
pub mod process;
pub mod prometheus;
pub mod router_file;
pub mod scapy;
pub mod scenario;
pub mod sessions;
pub mod speakers;
pub mod standby;
pub mod stream;
pub mod strongswan;
pub mod terms;
pub mod vigil;
mod wait;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

pub use dataplane::{DATAPLANE, Dataplane};
pub use error::{LabError, Result, ensure, not_yet};
use wait::slowness;
pub use wait::{patience, wait_for};

use namespace::Namespace;

/// One run's namespaces and files.
#[derive(Debug)]
pub struct Lab {
    run: String,
    dir: Option<tempfile::TempDir>,
    kept: bool,
}

impl Lab {
    /// A laboratory with a run id of its own: `$QUADSPAN_LAB_RUN` (default `qs`), the process id, a count.
    ///
    /// # Errors
    /// [`LabError::NeedsRoot`] without root; an I/O error when no directory can be made.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() {
            return Err(LabError::NeedsRoot);
        }
        let prefix = std::env::var("QUADSPAN_LAB_RUN").unwrap_or_else(|_| "qs".to_owned());
        let run = format!("{prefix}{:x}n{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::Builder::new()
            .prefix(&format!("quadspan-lab-{run}-"))
            .tempdir()
            .map_err(LabError::io("make a directory for the laboratory"))?;
        // FRR's daemons give up root and must still reach their own directory inside.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711))
            .map_err(LabError::io("open the laboratory's directory"))?;
        Ok(Self { run, dir: Some(dir), kept: false })
    }

    /// The run id: the first part of every namespace's name.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The directory that holds configurations, sockets and logs.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.as_ref().map_or(Path::new("/nonexistent"), |dir| dir.path())
    }

    /// A fresh directory inside the laboratory's.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn subdirectory(&self, name: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::create_dir_all(&path).map_err(LabError::io(format!("make {}", path.display())))?;
        Ok(path)
    }

    /// A namespace named `RUN-name`.
    ///
    /// # Errors
    /// When `ip netns add` or the first settings fail.
    pub fn namespace(&self, name: &str) -> Result<Namespace> {
        Namespace::create(&self.run, name)
    }

    /// Leaves the directory in place at the end. Namespaces and processes have their own switches.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.kept
            && let Some(dir) = self.dir.take()
        {
            let _path = dir.keep();
        }
    }
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// [`LabError::MissingProgram`] when it is not installed, [`LabError::Command`] with its output when it fails.
pub fn run(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}").replace('"', "");
    let output = command.stdin(std::process::Stdio::null()).output().map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            LabError::MissingProgram { program: command.get_program().to_string_lossy().into_owned() }
        } else {
            LabError::Io { what: format!("run {shown}"), source }
        }
    })?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let complaint = format!("{}{}", printed, String::from_utf8_lossy(&output.stderr));
    Err(LabError::Command { command: shown, status: output.status, complaint: complaint.trim().to_owned() })
}

/// Says a measured figure on standard output, where `scripts/test` looks for it.
pub fn tell(figure: &str) {
    print(&format!("figure: {figure}"));
}

fn print(text: &str) {
    use std::io::Write as _;
    let _reader_is_gone = writeln!(std::io::stdout(), "{text}");
}

/// Writes a file of the laboratory.
///
/// # Errors
/// When it cannot be written.
pub fn write_file(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(LabError::io(format!("write {}", path.display())))
}

/// Writes a file that only its owner may read.
///
/// # Errors
/// When it cannot be written or closed to others.
pub fn write_secret(path: &Path, secret: &str) -> Result<()> {
    write_file(path, secret)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(LabError::io(format!("close {}", path.display())))
}
