//! FRR as the BGP peer: zebra and bgpd with sockets of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::concentrator::BgpSide;
use super::namespace::Namespace;
use super::process::Process;
use super::{LabError, Result, not_yet, patience, run, wait_for, write_file};

/// A running bgpd, and the zebra that carries its routes into the kernel, if there is one.
#[derive(Debug)]
pub struct Frr {
    bgpd: Process,
    zebra: Option<Process>,
    bfdd: Option<Process>,
    directory: PathBuf,
    peer: String,
}

impl Frr {
    /// Starts both.
    ///
    /// # Errors
    /// When either does not come up.
    pub fn start(namespace: &Namespace, directory: &Path, side: &BgpSide) -> Result<Self> {
        let conf = bgpd_conf(side);
        let frr = if side.bfd {
            Self::launch_with_bfdd(namespace, directory, &conf)?
        } else {
            Self::launch(namespace, directory, &conf, true)?
        };
        Ok(Self { peer: side.peer.to_string(), ..frr })
    }

    /// Asks bfdd.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask_bfdd(&self, question: &str) -> Result<String> {
        run(vtysh(&self.directory, "bfdd").args(["-c", question]))
    }

    /// Has bfdd take lines of configuration.
    ///
    /// # Errors
    /// When it refuses one.
    pub fn configure_bfdd(&self, lines: &[&str]) -> Result<()> {
        let mut command = vtysh(&self.directory, "bfdd");
        command.args(["-c", "configure terminal"]);
        for line in lines {
            command.args(["-c", line]);
        }
        run(&mut command).map(drop)
    }

    /// The running bfdd, where it was asked for.
    pub fn bfdd(&mut self) -> Option<&mut Process> {
        self.bfdd.as_mut()
    }

    /// Starts bgpd with a configuration of the caller's, with zebra or without.
    ///
    /// # Errors
    /// When either does not come up.
    pub fn launch(namespace: &Namespace, directory: &Path, configuration: &str, with_zebra: bool) -> Result<Self> {
        let directory = prepared(directory, configuration)?;
        let zebra = if with_zebra { Some(zebra(namespace, &directory)?) } else { None };
        let alone: &[&str] = if with_zebra { &["-S"] } else { &["-S", "-n", "-Z"] };
        Self::with_bgpd(namespace, directory, (zebra, None), alone)
    }

    /// Starts zebra, bfdd and bgpd, in this order: a BFD session that bgpd cannot install at once it never does.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn launch_with_bfdd(namespace: &Namespace, directory: &Path, configuration: &str) -> Result<Self> {
        let directory = prepared(directory, configuration)?;
        write_file(&directory.join("bfdd.conf"), "")?;
        let zebra = zebra(namespace, &directory)?;
        let control = directory.join("bfdd.sock").display().to_string();
        let bfdd = daemon(namespace, &directory, "bfdd", &["--bfdctl", &control])?;
        let ask = || run(vtysh(&directory, "bfdd").args(["-c", "show bfd peers json"]));
        wait_for(patience(15), "bfdd answers", ask)?;
        Self::with_bgpd(namespace, directory, (Some(zebra), Some(bfdd)), &["-S"])
    }

    fn with_bgpd(
        namespace: &Namespace,
        directory: PathBuf,
        (zebra, bfdd): (Option<Process>, Option<Process>),
        options: &[&str],
    ) -> Result<Self> {
        let bgpd = daemon(namespace, &directory, "bgpd", options)?;
        let frr = Self { bgpd, zebra, bfdd, directory, peer: String::new() };
        wait_for(patience(15), "bgpd answers", || frr.vtysh("show bgp summary json"))?;
        Ok(frr)
    }

    /// Has bgpd take lines of configuration.
    ///
    /// # Errors
    /// When it refuses one.
    pub fn configure(&self, lines: &[&str]) -> Result<()> {
        let mut command = self.command();
        command.args(["-c", "configure terminal"]);
        for line in lines {
            command.args(["-c", line]);
        }
        run(&mut command).map(drop)
    }

    /// Asks bgpd.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn vtysh(&self, question: &str) -> Result<String> {
        run(self.command().args(["-c", question]))
    }

    fn command(&self) -> Command {
        vtysh(&self.directory, "bgpd")
    }

    /// Succeeds when the session is established.
    ///
    /// # Errors
    /// With the state there is instead.
    pub fn expect_established(&self) -> Result<()> {
        let summary = self.json("show bgp ipv4 unicast summary json")?;
        match summary["peers"][&self.peer]["state"].as_str() {
            Some("Established") => Ok(()),
            state => not_yet(format!("bgpd's session is {state:?}")),
        }
    }

    /// Prefixes learned from the peer.
    ///
    /// # Errors
    /// When bgpd does not answer.
    pub fn learned(&self) -> Result<Vec<String>> {
        let table = self.json(&format!("show bgp ipv4 unicast neighbors {} routes json", self.peer))?;
        Ok(table["routes"].as_object().map(|routes| routes.keys().cloned().collect()).unwrap_or_default())
    }

    /// Closes the session and opens it again.
    ///
    /// # Errors
    /// When bgpd does not answer.
    pub fn reset_session(&self) -> Result<()> {
        self.vtysh(&format!("clear bgp ipv4 unicast {}", self.peer)).map(drop)
    }

    /// SIGKILL to both.
    ///
    /// # Errors
    /// When they cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.bgpd.kill()?;
        self.bfdd.as_mut().map_or(Ok(()), Process::kill)?;
        self.zebra.as_mut().map_or(Ok(()), Process::kill)
    }

    /// bgpd's log.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.bgpd.log()
    }

    /// Asks bgpd a question that it answers in JSON.
    ///
    /// # Errors
    /// When it does not.
    pub fn json(&self, question: &str) -> Result<Value> {
        let text = self.vtysh(question)?;
        serde_json::from_str(&text)
            .map_err(|error| LabError::Json { what: question.to_owned(), detail: format!("{error}: {text}") })
    }
}

fn zebra(namespace: &Namespace, directory: &Path) -> Result<Process> {
    let zebra = daemon(namespace, directory, "zebra", &[])?;
    wait_for(patience(15), "zebra opens its socket", || {
        if directory.join("zserv.api").exists() { Ok(()) } else { not_yet(zebra.log_tail(5)) }
    })?;
    Ok(zebra)
}

fn daemon(namespace: &Namespace, directory: &Path, name: &str, extra: &[&str]) -> Result<Process> {
    let file = |suffix: &str| directory.join(format!("{name}.{suffix}"));
    let mut command = namespace.command(&format!("/usr/lib/frr/{name}"));
    command.arg("-f").arg(file("conf")).arg("-i").arg(file("pid")).arg("-z").arg(directory.join("zserv.api"));
    command.arg("--vty_socket").arg(directory).args(["-P", "0", "--log", "stdout", "--log-level", "informational"]);
    command.args(extra);
    Process::spawn(&format!("{} {name}", namespace.role()), command, &file("log"))
}

/// The folder of the daemons' files, with an empty configuration of zebra and this one of bgpd.
fn prepared(directory: &Path, configuration: &str) -> Result<PathBuf> {
    let directory = directory.join("frr");
    std::fs::create_dir_all(&directory).map_err(LabError::io(format!("make {}", directory.display())))?;
    write_file(&directory.join("zebra.conf"), "")?;
    write_file(&directory.join("vtysh.conf"), "")?;
    write_file(&directory.join("bgpd.conf"), configuration)?;
    give_to_frr(&directory)?;
    Ok(directory)
}

/// The command line of one daemon.
fn vtysh(directory: &Path, daemon: &str) -> Command {
    let mut command = Command::new("vtysh");
    command.arg("--vty_socket").arg(directory).arg("--config_dir").arg(directory).args(["-d", daemon]);
    command
}

/// zebra runs as the user `frr` and makes its sockets there.
fn give_to_frr(directory: &Path) -> Result<()> {
    let user = nix::unistd::User::from_name("frr")
        .map_err(LabError::errno("look up the user frr"))?
        .ok_or_else(|| LabError::MissingProgram { program: "frr".to_owned() })?;
    nix::unistd::chown(directory, Some(user.uid), Some(user.gid))
        .map_err(LabError::errno(format!("give {} to frr", directory.display())))
}

fn bgpd_conf(side: &BgpSide) -> String {
    use std::fmt::Write as _;
    let BgpSide { asn, router_id, local, peer, peer_asn, hold, .. } = side;
    let keepalive = (hold / 3).max(1);
    let mut networks = String::new();
    for prefix in &side.announce {
        let _infallible = writeln!(networks, "  network {prefix}");
    }
    let bfd = if side.bfd { format!(" neighbor {peer} bfd\n") } else { String::new() };
    format!(
        "router bgp {asn}\n bgp router-id {router_id}\n no bgp ebgp-requires-policy\n no bgp network import-check\n \
         neighbor {peer} remote-as {peer_asn}\n neighbor {peer} update-source {local}\n{bfd} \
         neighbor {peer} timers {keepalive} {hold}\n neighbor {peer} timers connect 2\n \
         neighbor {peer} advertisement-interval 0\n address-family ipv4 unicast\n{networks} exit-address-family\n"
    )
}
