//! BIRD as the BGP peer.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::concentrator::BgpSide;
use super::namespace::Namespace;
use super::process::Process;
use super::strongswan::INTERFACE;
use super::{Result, not_yet, patience, run, wait_for, write_file};

/// A running BIRD.
#[derive(Debug)]
pub struct Bird {
    process: Process,
    socket: PathBuf,
    config: PathBuf,
}

impl Bird {
    /// Starts it.
    ///
    /// # Errors
    /// When it refuses the configuration.
    pub fn start(namespace: &Namespace, directory: &Path, side: &BgpSide) -> Result<Self> {
        Self::launch(namespace, directory, &bird_conf(side))
    }

    /// Starts it with a configuration of the caller's.
    ///
    /// # Errors
    /// When it refuses the configuration.
    pub fn launch(namespace: &Namespace, directory: &Path, configuration: &str) -> Result<Self> {
        let (config, socket) = (directory.join("bird.conf"), directory.join("bird.ctl"));
        write_file(&config, configuration)?;
        let mut command = namespace.command("bird");
        command.arg("-f").arg("-c").arg(&config).arg("-s").arg(&socket).arg("-P").arg(directory.join("bird.pid"));
        let log = directory.join("bird.log");
        let process = Process::spawn(&format!("{} bird", namespace.role()), command, &log)?;
        let bird = Self { process, socket, config };
        wait_for(patience(10), "bird answers", || bird.birdc("show status"))?;
        Ok(bird)
    }

    /// Has it take another configuration.
    ///
    /// # Errors
    /// When it refuses it.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        write_file(&self.config, configuration)?;
        self.birdc("configure").map(drop)
    }

    /// Announces with this MED from now on; the session goes on.
    ///
    /// # Errors
    /// When it refuses that.
    pub fn announce_with_med(&self, side: &BgpSide, med: u32) -> Result<()> {
        let filter = format!("export filter {{ if source = RTS_STATIC then {{ bgp_med = {med}; accept; }} reject; }}");
        self.configure(&bird_conf(side).replace("export where source = RTS_STATIC", &filter))
    }

    /// Asks BIRD.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn birdc(&self, question: &str) -> Result<String> {
        run(Command::new("birdc").arg("-s").arg(&self.socket).args(question.split_whitespace()))
    }

    /// Where it is asked.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Succeeds when the session is established.
    ///
    /// # Errors
    /// With the state there is instead.
    pub fn expect_established(&self) -> Result<()> {
        let shown = self.birdc("show protocols peer")?;
        if shown.contains("Established") { Ok(()) } else { not_yet(shown.lines().last().unwrap_or_default()) }
    }

    /// Prefixes learned from the peer.
    ///
    /// # Errors
    /// When BIRD does not answer.
    pub fn learned(&self) -> Result<Vec<String>> {
        let shown = self.birdc("show route protocol peer")?;
        Ok(shown
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|word| word.contains('/'))
            .map(str::to_owned)
            .collect())
    }

    /// Closes the session and opens it again.
    ///
    /// # Errors
    /// When BIRD does not answer.
    pub fn reset_session(&self) -> Result<()> {
        self.birdc("restart peer").map(drop)
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// BIRD's log.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.process.log()
    }
}

/// BFD on the tunnel's interface.
const BFD: &str =
    "protocol bfd {\n interface \"ipsec0\" { min rx interval 300 ms; min tx interval 300 ms; multiplier 3; };\n}\n";

fn bird_conf(side: &BgpSide) -> String {
    use std::fmt::Write as _;
    let BgpSide { asn, router_id, local, peer, peer_asn, hold, .. } = side;
    let keepalive = (hold / 3).max(1);
    let mut statics = String::new();
    for prefix in &side.announce {
        let _infallible = write!(statics, " route {prefix} unreachable;");
    }
    let (bfd, watched) = if side.bfd { (BFD, " bfd on;\n") } else { ("", "") };
    format!(
        "log stderr all;\nrouter id {router_id};\nprotocol device {{ scan time 2; }}\n\
         protocol kernel {{ scan time 10; ipv4 {{ import none; export where source = RTS_BGP; }}; }}\n\
         protocol static own {{ ipv4;{statics} }}\n\
         {bfd}protocol bgp peer {{\n{watched} local {local} as {asn};\n neighbor {peer} as {peer_asn};\n direct;\n interface \"{INTERFACE}\";\n \
         hold time {hold};\n keepalive time {keepalive};\n connect delay time 1;\n connect retry time 2;\n error wait time 1,4;\n \
         ipv4 {{ import all; export where source = RTS_STATIC; }};\n}}\n"
    )
}
