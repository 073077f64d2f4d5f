//! A network namespace: one host of the laboratory.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{LabError, Result, run};

/// One host. Deleted when dropped, with whatever still runs in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    role: String,
    kept: bool,
}

impl Namespace {
    /// Makes `RUN-role` with loopback up and duplicate address detection off.
    pub(super) fn create(run_id: &str, role: &str) -> Result<Self> {
        let name = format!("{run_id}-{role}");
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name, role: role.to_owned(), kept: false };
        namespace.ip(&["link", "set", "lo", "up"])?;
        namespace.sysctl("net.ipv6.conf.default.accept_dad", "0")?;
        Ok(namespace)
    }

    /// `RUN-role`, as `ip netns` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the host is in the scenario: `router`, `aws1`, `host-b`.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// `ip` inside, with what it prints.
    ///
    /// # Errors
    /// As [`run`].
    pub fn ip(&self, args: &[&str]) -> Result<String> {
        run(Command::new("ip").args(["-n", &self.name]).args(args))
    }

    /// `ip -j` inside; an empty answer is an empty list.
    ///
    /// # Errors
    /// As [`run`], and when the answer is not JSON.
    pub fn ip_json(&self, args: &[&str]) -> Result<Value> {
        let text = run(Command::new("ip").args(["-n", &self.name, "-j", "-d"]).args(args))?;
        if text.trim().is_empty() {
            return Ok(Value::Array(Vec::new()));
        }
        serde_json::from_str(&text)
            .map_err(|error| LabError::Json { what: format!("ip -j {args:?}"), detail: error.to_string() })
    }

    /// Sets a kernel variable of this namespace.
    ///
    /// # Errors
    /// When the variable does not exist or refuses the value.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = PathBuf::from(format!("/proc/sys/{}", key.replace('.', "/")));
        let value = value.to_owned();
        self.enter(move || std::fs::write(&path, value).map_err(LabError::io(format!("write {}", path.display()))))?
    }

    /// Makes this host forward packets, hash flows by ports, and accept asymmetric paths.
    ///
    /// # Errors
    /// As [`Namespace::sysctl`].
    pub fn make_router(&self) -> Result<()> {
        self.sysctl("net.ipv4.ip_forward", "1")?;
        self.sysctl("net.ipv4.fib_multipath_hash_policy", "1")?;
        for scope in ["all", "default"] {
            self.sysctl(&format!("net.ipv4.conf.{scope}.rp_filter"), "0")?;
            self.sysctl(&format!("net.ipv4.conf.{scope}.send_redirects"), "0")?;
        }
        Ok(())
    }

    /// A command that will run inside. The process keeps its pid: `ip netns exec` replaces itself. It dies with the
    /// thread that started it, so that a killed test leaves nothing running.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "ip", "netns", "exec", &self.name, program]);
        command
    }

    /// A command that will run inside and outlive this process.
    #[must_use]
    pub fn detached_command(&self, program: &str) -> Command {
        let mut command = Command::new("setsid");
        command.args(["ip", "netns", "exec", &self.name, program]);
        command
    }

    /// Runs `task` on a thread that is inside: sockets it opens belong to this host.
    ///
    /// # Errors
    /// When the thread cannot enter.
    pub fn enter<T: Send>(&self, task: impl FnOnce() -> T + Send) -> Result<T> {
        let entered = std::thread::scope(|scope| {
            scope.spawn(|| self.enter_this_thread().map(|()| task())).join().map_err(|_| LabError::Unexpected {
                what: format!("a task inside {}", self.name),
                found: "panicked".to_owned(),
            })
        });
        entered?
    }

    /// Moves the calling thread inside, for good.
    ///
    /// # Errors
    /// When the namespace is gone or entering is refused.
    pub fn enter_this_thread(&self) -> Result<()> {
        self.entry()?.enter()
    }

    /// A way inside for a thread that outlives this borrow.
    ///
    /// # Errors
    /// When the namespace is gone.
    pub fn entry(&self) -> Result<Entry> {
        let path = format!("/run/netns/{}", self.name);
        let file = File::open(&path).map_err(LabError::io(format!("open {path}")))?;
        Ok(Entry { name: self.name.clone(), file })
    }

    /// Lays a cable to `other`; both ends are up.
    ///
    /// # Errors
    /// As [`run`].
    pub fn cable(&self, interface: &str, other: &Self, other_interface: &str) -> Result<()> {
        self.ip(&["link", "add", interface, "type", "veth", "peer", "name", other_interface, "netns", &other.name])?;
        self.ip(&["link", "set", interface, "up"])?;
        other.ip(&["link", "set", other_interface, "up"])?;
        Ok(())
    }

    /// Gives an interface an address.
    ///
    /// # Errors
    /// As [`run`].
    pub fn address(&self, interface: &str, address: &str) -> Result<()> {
        self.ip(&["address", "add", address, "dev", interface]).map(drop)
    }

    /// Pids of everything that runs inside.
    ///
    /// # Errors
    /// As [`run`].
    pub fn pids(&self) -> Result<Vec<i32>> {
        let text = run(Command::new("ip").args(["netns", "pids", &self.name]))?;
        Ok(text.lines().filter_map(|line| line.trim().parse().ok()).collect())
    }

    /// Leaves the namespace in place at the end.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

/// A way into a namespace.
#[derive(Debug)]
pub struct Entry {
    name: String,
    file: File,
}

impl Entry {
    /// Moves the calling thread inside, for good.
    ///
    /// # Errors
    /// When entering is refused.
    pub fn enter(self) -> Result<()> {
        nix::sched::setns(self.file, CloneFlags::CLONE_NEWNET).map_err(LabError::errno(format!("enter {}", self.name)))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for pid in self.pids().unwrap_or_default() {
            let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _gone = run(Command::new("ip").args(["netns", "delete", &self.name]));
    }
}
