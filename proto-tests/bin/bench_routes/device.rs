//! The router under measurement, and how it is joined to its peers.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use proto_tests::lab::daemon::{Daemon, binary};
use proto_tests::lab::layout::{CLOUD_ASN, ROUTER_ASN, TUNNELS, TunnelPlan};
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::process::Process;
use proto_tests::lab::router_file::{RouterFile, suites};
use proto_tests::lab::{LabError, Result, wait_for, write_file, write_secret};

use crate::feed::HOLD;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// Our own process, over IPsec tunnels.
    Quadspan,
    /// BIRD, over cables.
    Bird,
}

/// The running router.
#[derive(Debug)]
pub(crate) enum Router {
    Quadspan(Daemon),
    Bird(Process),
}

/// The peer's end of one way to the router.
#[derive(Debug)]
pub(crate) enum Way {
    Tunnel(Process),
    Cable,
}

impl System {
    /// Name of the peer's interface toward the router.
    pub(crate) fn interface(self, plan: &TunnelPlan) -> String {
        match self {
            Self::Quadspan => format!("qs-{}", plan.name),
            Self::Bird => "router".to_owned(),
        }
    }

    /// Makes a way from `host` to the router; a tunnel waits for the router to begin.
    pub(crate) fn join(self, router: &Namespace, host: &Namespace, plan: &TunnelPlan, directory: &Path) -> Result<Way> {
        let interface = self.interface(plan);
        match self {
            Self::Quadspan => {
                let tunnel = concentrator(host, plan, directory)?;
                wait_for(Duration::from_secs(15), "the tunnel's interface is there", || {
                    host.ip(&["address", "show", "dev", &interface])
                })?;
                Ok(Way::Tunnel(tunnel))
            }
            Self::Bird => {
                router.cable(plan.name, host, &interface)?;
                router.address(plan.name, &format!("{}/30", plan.router_inside))?;
                host.address(&interface, &format!("{}/30", plan.cloud_inside))?;
                Ok(Way::Cable)
            }
        }
    }

    /// Starts the router; returns while it still connects.
    pub(crate) fn start(self, router: &Namespace, directory: &Path) -> Result<Router> {
        match self {
            Self::Quadspan => {
                let mut file = RouterFile::router(true);
                file.tunnels.iter_mut().for_each(|tunnel| tunnel.hold = HOLD);
                Daemon::start(router, directory, &file).map(Router::Quadspan)
            }
            Self::Bird => {
                let config = directory.join("bird.conf");
                write_file(&config, &bird_configuration())?;
                let mut command = router.command("bird");
                command.arg("-f").arg("-c").arg(&config);
                command.arg("-s").arg(directory.join("bird.ctl")).arg("-P").arg(directory.join("bird.pid"));
                Process::spawn("router bird", command, &directory.join("bird.log")).map(Router::Bird)
            }
        }
    }
}

impl Way {
    /// Takes it away, in a manner that both ends notice: the tunnel's end is deleted, the cable is pulled.
    pub(crate) fn lose(&self, host: &Namespace, interface: &str) -> Result<()> {
        match self {
            Self::Tunnel(concentrator) => concentrator.signal(Signal::SIGTERM),
            Self::Cable => host.ip(&["link", "set", interface, "down"]).map(drop),
        }
    }
}

impl Router {
    /// The process of it.
    pub(crate) fn process(&mut self) -> &mut Process {
        match self {
            Self::Quadspan(daemon) => daemon.process(),
            Self::Bird(process) => process,
        }
    }

    /// Processor time it has used, in seconds.
    pub(crate) fn processor_time(&mut self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.process().pid());
        let text =
            std::fs::read_to_string(&path).map_err(|source| LabError::Io { what: format!("read {path}"), source })?;
        // Behind the name, which may hold anything, `utime` and `stime` are the 12th and 13th field.
        let behind_name = text.rsplit(')').next().unwrap_or_default();
        let ticks: f64 =
            behind_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(ticks / TICKS_PER_SECOND)
    }
}

/// `USER_HZ`, which Linux promises to programs on all architectures but Alpha and Itanium.
const TICKS_PER_SECOND: f64 = 100.0;

fn concentrator(host: &Namespace, plan: &TunnelPlan, directory: &Path) -> Result<Process> {
    let TunnelPlan { name, cloud_outside, router_outside, .. } = plan;
    let (key, config, socket) =
        (directory.join("key.psk"), directory.join("tunnel.yaml"), directory.join("tunnel.sock"));
    write_secret(&key, &plan.psk())?;
    let (suites, inside) = (suites(plan.number), plan.inside());
    let text = format!(
        "router:\n  name: {name}\n  asn: {CLOUD_ASN}\n  router-id: {cloud_outside}\n  dataplane: userspace\n  \
         api: {{socket: {}}}\ntunnels:\n  - name: {name}\n    local: {cloud_outside}\n    remote: {router_outside}\n    \
         psk: {{file: key.psk}}\n    inside: {{prefix: {inside}, side: first}}\n    start: respond\n    \
         encapsulation: always\n    ike: {{proposals: [{}]}}\n    esp: {{proposals: [{}]}}\n",
        socket.display(),
        suites.ike,
        suites.esp
    );
    write_file(&config, &text)?;
    let mut command = host.command(&binary()?.display().to_string());
    command.arg("run").arg(&config);
    Process::spawn(&format!("{name} quadspan"), command, &directory.join("tunnel.log"))
}

fn bird_configuration() -> String {
    let router_id = Ipv4Addr::new(198, 51, 100, 1);
    let mut text = format!(
        "log stderr all;\nrouter id {router_id};\nprotocol device {{ scan time 1; }}\n\
         protocol kernel {{ merge paths on limit 16; ipv4 {{ import none; export where source = RTS_BGP; }}; }}\n"
    );
    for TunnelPlan { name, cloud_inside, router_inside, .. } in &TUNNELS {
        let _infallible = writeln!(
            text,
            "protocol bgp {name} {{ local {router_inside} as {ROUTER_ASN}; neighbor {cloud_inside} as {CLOUD_ASN}; direct; \
             hold time {HOLD}; connect delay time 1; connect retry time 1; error wait time 1,2; \
             ipv4 {{ import all; export none; }}; }}"
        );
    }
    text
}
