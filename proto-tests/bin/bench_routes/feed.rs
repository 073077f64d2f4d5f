//! What the four peers announce, and the BIRD that announces it.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ipnet::Ipv4Net;
use proto_tests::lab::layout::{CLOUD_ASN, ROUTER_ASN, TunnelPlan};
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::process::Process;
use proto_tests::lab::{Result, not_yet, run, wait_for, write_file};

/// The first prefix; no other address of the laboratory is in its network.
const FIRST: u32 = 0x1400_0000;
const NETWORK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(20, 0, 0, 0), 6);

/// Hold time in seconds, of all sessions.
pub(crate) const HOLD: u32 = 9;

/// How much is announced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feed {
    /// By each peer.
    pub(crate) prefixes: u32,
    /// None by two peers.
    pub(crate) distinct: bool,
}

impl Feed {
    /// What one peer announces.
    pub(crate) fn of(self, plan: &TunnelPlan) -> impl Iterator<Item = Ipv4Net> {
        let peer = if self.distinct { u32::from(plan.number) - 1 } else { 0 };
        let first = peer * self.prefixes;
        (first..first + self.prefixes).map(|number| Ipv4Net::new_assert((FIRST + (number << 8)).into(), 24))
    }

    /// Whether a peer may have announced it.
    pub(crate) fn may_hold(prefix: &Ipv4Net) -> bool {
        NETWORK.contains(prefix)
    }
}

/// A BIRD that announces, and takes nothing.
#[derive(Debug)]
pub(crate) struct Feeder {
    process: Process,
    /// Where it is asked questions.
    pub(crate) socket: PathBuf,
}

impl Feeder {
    /// Starts it on a host whose `interface` leads to the router.
    pub(crate) fn start(
        host: &Namespace,
        directory: &Path,
        plan: &TunnelPlan,
        interface: &str,
        feed: Feed,
    ) -> Result<Self> {
        let (config, socket) = (directory.join("bird.conf"), directory.join("bird.ctl"));
        write_file(&config, &configuration(plan, interface, feed))?;
        let mut command = host.command("bird");
        command.arg("-f").arg("-c").arg(&config).arg("-s").arg(&socket).arg("-P").arg(directory.join("bird.pid"));
        let process = Process::spawn(&format!("{} bird", plan.name), command, &directory.join("bird.log"))?;
        wait_for(Duration::from_secs(20), "BIRD answers", || {
            run(Command::new("birdc").arg("-s").arg(&socket).args(["show", "status"]))
        })?;
        Ok(Self { process, socket })
    }

    /// When its session came up, in seconds since 1970.
    pub(crate) fn established(&self) -> Result<f64> {
        let log = self.process.log_text();
        let line = log.lines().rfind(|line| line.ends_with("BGP session established"));
        let time = line.and_then(|line| line.split_whitespace().next()).and_then(|time| time.parse().ok());
        time.map_or_else(|| not_yet(format!("no session in the log of {}", self.process.name())), Ok)
    }

    /// SIGKILL: its kernel closes the connection.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }
}

fn configuration(plan: &TunnelPlan, interface: &str, feed: Feed) -> String {
    let TunnelPlan { cloud_outside, cloud_inside, router_inside, .. } = plan;
    let mut text = format!(
        "timeformat log \"%s.%6f\";\nlog stderr all;\nrouter id {cloud_outside};\nprotocol device {{ scan time 1; }}\n\
         protocol bgp peer {{\n debug {{ states, events }};\n local {cloud_inside} as {CLOUD_ASN};\n \
         neighbor {router_inside} as {ROUTER_ASN};\n direct;\n interface \"{interface}\";\n hold time {HOLD};\n \
         connect delay time 1;\n connect retry time 1;\n error wait time 1,2;\n \
         ipv4 {{ import none; export where source = RTS_STATIC; }};\n}}\nprotocol static own {{\n ipv4;\n"
    );
    for prefix in feed.of(plan) {
        let _infallible = writeln!(text, " route {prefix} unreachable;");
    }
    text + "}\n"
}
