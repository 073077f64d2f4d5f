//! Our own process in a namespace, and the questions it answers.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;

use super::namespace::Namespace;
use super::process::{Process, Usage};
use super::router_file::RouterFile;
use super::{LabError, Result, ensure, not_yet, patience, run, wait_for};

/// A running `quadspan run`.
#[derive(Debug)]
pub struct Daemon {
    process: Process,
    socket: PathBuf,
}

/// An order on its way.
#[derive(Debug)]
pub struct Posted(UnixStream);

/// The binary under test: `$QUADSPAN_BIN`, or `quadspan` beside this test's own directory in the target tree.
///
/// # Errors
/// [`LabError::MissingBinary`] when there is none.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("QUADSPAN_BIN") {
        let path = PathBuf::from(path);
        return if path.exists() { Ok(path) } else { Err(missing(&path)) };
    }
    let own = std::env::current_exe().map_err(LabError::io("find the running test"))?;
    let candidates = own.ancestors().skip(1).take(2).map(|directory| directory.join("quadspan"));
    let mut looked_at = own.clone();
    for candidate in candidates {
        if candidate.is_file() {
            return Ok(candidate);
        }
        looked_at = candidate;
    }
    Err(missing(&looked_at))
}

/// Runs the binary to its end, outside any namespace: for `check`, `schema` and the like.
///
/// # Errors
/// As [`run`].
pub fn quadspan(args: &[&str]) -> Result<String> {
    run(Command::new(binary()?).args(args))
}

impl Daemon {
    /// Starts it with this configuration and waits until its control socket answers.
    ///
    /// # Errors
    /// When it does not come up; the end of its log is in the message.
    pub fn start(namespace: &Namespace, directory: &Path, file: &RouterFile) -> Result<Self> {
        Self::start_with(namespace, directory, file, false)
    }

    /// The same, and leaves it running when this process ends.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn start_detached(namespace: &Namespace, directory: &Path, file: &RouterFile) -> Result<Self> {
        Self::start_with(namespace, directory, file, true)
    }

    fn start_with(namespace: &Namespace, directory: &Path, file: &RouterFile, detached: bool) -> Result<Self> {
        let (config, socket) = (file.write(directory)?, file.socket(directory));
        Self::launch(namespace, directory, &file.name, &config, socket, detached)
    }

    /// Starts it with a configuration file of the caller's that names this control socket.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn launch(
        namespace: &Namespace,
        directory: &Path,
        name: &str,
        config: &Path,
        socket: PathBuf,
        detached: bool,
    ) -> Result<Self> {
        let program = binary()?.display().to_string();
        let mut command = if detached { namespace.detached_command(&program) } else { namespace.command(&program) };
        command.arg("run").arg(config);
        let log = directory.join(format!("{name}.log"));
        let mut process = Process::spawn(name, command, &log)?;
        wait_for(patience(15), "quadspan answers on its control socket", || {
            if process.ended()?.is_some() {
                return not_yet(format!("it ended: {}", process.log_tail(20)));
            }
            ask(&socket, &["show", "tunnels"])
        })?;
        Ok(Self { process, socket })
    }

    /// Has it read its changed configuration again.
    ///
    /// # Errors
    /// With its complaint about the file.
    pub fn reload(&self) -> Result<()> {
        run(Command::new(binary()?).arg("reload").arg("-s").arg(&self.socket)).map(drop)
    }

    /// Has it do what `path` of its control socket does. Starting the program may take longer than that.
    ///
    /// # Errors
    /// When it does not listen.
    pub fn post(&self, path: &str) -> Result<Posted> {
        let failed = || LabError::io(format!("post {path} to {}", self.socket.display()));
        let mut stream = UnixStream::connect(&self.socket).map_err(failed())?;
        let request = format!("POST {path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(failed())?;
        Ok(Posted(stream))
    }

    /// `quadspan reset tunnel|peer NAME` or `quadspan rekey NAME`.
    ///
    /// # Errors
    /// With its complaint.
    pub fn order(&self, words: &[&str]) -> Result<()> {
        run(Command::new(binary()?).args(words).arg("-s").arg(&self.socket)).map(drop)
    }

    /// `quadspan WORDS -o json`, as JSON.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask(&self, words: &[&str]) -> Result<Value> {
        ask(&self.socket, words)
    }

    /// `quadspan show WHAT` as JSON: `tunnels`, `peers`, `routes` or `fib`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn show(&self, what: &str) -> Result<Value> {
        self.ask(&["show", what])
    }

    /// One tunnel's entry of `show tunnels`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn tunnel(&self, name: &str) -> Result<Value> {
        find(&self.show("tunnels")?, "name", name)
    }

    /// One session's entry of `show peers`.
    ///
    /// # Errors
    /// When there is none in that tunnel.
    pub fn peer(&self, tunnel: &str) -> Result<Value> {
        find(&self.show("peers")?, "tunnel", tunnel)
    }

    /// Succeeds when these tunnels are up with established sessions.
    ///
    /// # Errors
    /// With the first that is not, and why.
    pub fn expect_up(&self, tunnels: &[&str]) -> Result<()> {
        for name in tunnels {
            let tunnel = self.tunnel(name)?;
            if tunnel["state"] != "up" {
                return not_yet(format!("tunnel {name} is {}: {}", tunnel["state"], tunnel["last_failure"]["text"]));
            }
            let peer = self.peer(name)?;
            if peer["state"] != "Established" {
                return not_yet(format!("session in {name} is {}: {}", peer["state"], peer["last_error"]["text"]));
            }
        }
        Ok(())
    }

    /// Succeeds when the tunnel is not up.
    ///
    /// # Errors
    /// When it is.
    pub fn expect_down(&self, tunnel: &str) -> Result<()> {
        match self.tunnel(tunnel)?["state"].as_str() {
            Some("up") => not_yet(format!("tunnel {tunnel} is up")),
            Some(_) | None => Ok(()),
        }
    }

    /// What it holds of the machine.
    ///
    /// # Errors
    /// When it is gone.
    pub fn usage(&self) -> Result<Usage> {
        self.process.usage()
    }

    /// SIGTERM, and waits for a clean end.
    ///
    /// # Errors
    /// When it does not end in ten seconds.
    pub fn stop(self) -> Result<ExitStatus> {
        self.stop_within(patience(10))
    }

    /// The same with another limit.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop_within(mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.stop(limit)
    }

    /// Waits for the end of one that has been told to stop.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn ended(mut self, limit: Duration) -> Result<ExitStatus> {
        wait_for(limit, "the process ends", || self.process.ended()?.map_or_else(|| not_yet("it runs"), Ok))
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Everything it has logged.
    #[must_use]
    pub fn log_text(&self) -> String {
        self.process.log_text()
    }

    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Posted {
    /// Waits until it says that it did.
    ///
    /// # Errors
    /// With its complaint.
    pub fn done(mut self) -> Result<()> {
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).map_err(LabError::io("read the answer to an order"))?;
        let done = answer.lines().next().is_some_and(|status| status.contains(" 200 "));
        ensure(done, "an order is carried out", || answer.clone())
    }
}

fn ask(socket: &Path, words: &[&str]) -> Result<Value> {
    let mut command = Command::new(binary()?);
    command.args(words).arg("-s").arg(socket).args(["-o", "json"]);
    let text = run(&mut command)?;
    serde_json::from_str(&text).map_err(|error| LabError::Json {
        what: format!("quadspan {}", words.join(" ")),
        detail: format!("{error}: {text}"),
    })
}

fn find(list: &Value, key: &str, value: &str) -> Result<Value> {
    let found = super::kernel::array(list).iter().find(|entry| entry[key] == value).cloned();
    found.ok_or_else(|| LabError::Unexpected { what: format!("an entry with {key} {value}"), found: list.to_string() })
}

fn missing(path: &Path) -> LabError {
    LabError::MissingBinary { looked_at: path.display().to_string() }
}
