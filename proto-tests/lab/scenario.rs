//! The four-tunnel plan with real peers on the AWS side: strongSwan four times, BIRD twice, FRR twice.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use super::concentrator::{BgpSide, Concentrator, Plan, Speaker};
use super::daemon::Daemon;
use super::layout::{CLOUD_ASN, CLOUD_NETWORK, HOST_B, Layout, ROUTER_ASN, ROUTER_NETWORK, TUNNELS, TunnelPlan};
use super::router_file::{RouterFile, suites};
use super::stream::{Report, Running, Stream};
use super::strongswan::SwanTunnel;
use super::{Lab, LabError, Result, ensure, not_yet, patience, wait_for};

/// How long the whole may take to come up.
const LIMIT: u64 = 40;
/// Lines of each log that say how a test ended.
const LAST_LINES: usize = 60;
/// Lines of each log that hold all that happened while a stream ran.
pub const ALL_LINES: usize = 4_000;

/// Our router between `host-a` and four concentrators.
#[derive(Debug)]
pub struct FourTunnel {
    /// Our process, unless a test has taken it.
    pub daemon: Option<Daemon>,
    /// When it was started last.
    pub started: Option<Instant>,
    /// The AWS side, in the order of [`TUNNELS`].
    pub clouds: Vec<Concentrator>,
    /// What our process is told at its next start.
    pub file: RouterFile,
    /// The hosts.
    pub layout: Layout,
    /// Their files.
    pub lab: Lab,
}

/// Which side begins every tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// Our router.
    Router,
    /// The four concentrators.
    Clouds,
}

impl FourTunnel {
    /// Lays out the hosts and writes the plans; no program runs yet.
    ///
    /// # Errors
    /// When the laboratory cannot be built.
    pub fn new(initiator: Initiator) -> Result<Self> {
        let lab = Lab::new()?;
        let mut layout = Layout::build(&lab)?;
        let clouds = std::mem::take(&mut layout.clouds)
            .into_iter()
            .zip(&TUNNELS)
            .map(|(host, tunnel)| Concentrator::new(&lab, host, cloud_plan(tunnel, initiator == Initiator::Clouds)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            daemon: None,
            started: None,
            clouds,
            file: RouterFile::router(initiator == Initiator::Router),
            layout,
            lab,
        })
    }

    /// Lays out, starts the concentrators and our process, runs `body` on it, and on any failure adds the ends of all logs
    /// (on success too where `QUADSPAN_LAB_LOGS` is set).
    ///
    /// # Panics
    /// When the body fails: this is the frame of a test.
    pub fn run(initiator: Initiator, body: impl FnOnce(&mut Self) -> Result<()>) {
        Self::run_with(initiator, |_| {}, body);
    }

    /// As [`FourTunnel::run`], with a change to the plans before anything starts.
    ///
    /// # Panics
    /// As [`FourTunnel::run`].
    pub fn run_with(initiator: Initiator, prepare: impl FnOnce(&mut Self), body: impl FnOnce(&mut Self) -> Result<()>) {
        let mut scenario = match Self::new(initiator) {
            Ok(scenario) => scenario,
            Err(error) => panic!("{error}"),
        };
        prepare(&mut scenario);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            scenario.start()?;
            body(&mut scenario)
        }));
        match outcome {
            Ok(Ok(())) if std::env::var_os("QUADSPAN_LAB_LOGS").is_some() => super::print(&scenario.logs(LAST_LINES)),
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("{error}\n{}", scenario.logs(LAST_LINES)),
            Err(panic) => {
                use std::io::Write as _;
                let _unseen = std::io::stderr().write_all(scenario.logs(LAST_LINES).as_bytes());
                resume_unwind(panic)
            }
        }
    }

    /// Starts the concentrators, then our process.
    ///
    /// # Errors
    /// With the first that does not come up.
    pub fn start(&mut self) -> Result<()> {
        for cloud in &mut self.clouds {
            cloud.start()?;
        }
        self.start_daemon()
    }

    /// Starts our process.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_daemon(&mut self) -> Result<()> {
        self.started = Some(Instant::now());
        self.daemon = Some(Daemon::start(&self.layout.router, self.lab.path(), &self.file)?);
        Ok(())
    }

    /// Writes our changed file and has our process read it.
    ///
    /// # Errors
    /// When it refuses.
    pub fn reload(&self) -> Result<()> {
        self.file.write(self.lab.path())?;
        self.daemon()?.reload()
    }

    /// Our process.
    ///
    /// # Errors
    /// When none runs.
    pub fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().ok_or_else(no_daemon)
    }

    /// Takes our process out, to end it.
    ///
    /// # Errors
    /// When none runs.
    pub fn take_daemon(&mut self) -> Result<Daemon> {
        self.daemon.take().ok_or_else(no_daemon)
    }

    /// Waits until all four tunnels carry traffic, by everybody's account.
    ///
    /// # Errors
    /// With what is missing.
    pub fn wait_all_up(&self) -> Result<()> {
        self.wait_up(&[0, 1, 2, 3])
    }

    /// Waits until exactly these tunnels carry traffic: our process, its kernel and the peers agree.
    ///
    /// # Errors
    /// With what is missing.
    pub fn wait_up(&self, tunnels: &[usize]) -> Result<()> {
        let names: Vec<&str> = tunnels.iter().map(|&index| TUNNELS[index].name).collect();
        wait_for(patience(LIMIT), &format!("tunnels and sessions {names:?} are up"), || {
            self.daemon()?.expect_up(&names)?;
            self.expect_fib(tunnels)?;
            for &index in tunnels {
                let cloud = &self.clouds[index];
                cloud.expect_up()?;
                ensure(
                    cloud.learned()?.iter().any(|prefix| prefix == ROUTER_NETWORK),
                    "our network at the peer",
                    || TUNNELS[index].name.to_owned(),
                )?;
            }
            Ok(())
        })
    }

    /// Waits until our kernel sends the cloud's network through exactly these tunnels.
    ///
    /// # Errors
    /// With what it does instead.
    pub fn wait_fib(&self, tunnels: &[usize], limit: Duration) -> Result<()> {
        wait_for(limit, &format!("the kernel uses tunnels {tunnels:?}"), || self.expect_fib(tunnels))
    }

    /// Succeeds when our kernel sends the cloud's network through exactly these tunnels.
    ///
    /// # Errors
    /// With what it does instead.
    pub fn expect_fib(&self, tunnels: &[usize]) -> Result<()> {
        let mut expected: Vec<String> = tunnels.iter().map(|&index| TUNNELS[index].cloud_inside.to_string()).collect();
        expected.sort_unstable();
        let hops = self.layout.router.next_hops(CLOUD_NETWORK)?;
        let mut found: Vec<String> = hops.into_iter().map(|hop| hop.gateway).collect();
        found.sort_unstable();
        if found == expected {
            Ok(())
        } else {
            not_yet(format!("{CLOUD_NETWORK} goes to {found:?}, not to {expected:?}"))
        }
    }

    /// Starts a thousand packets per second from host to host and waits until they arrive.
    ///
    /// # Errors
    /// When they do not.
    pub fn stream(&self) -> Result<Running> {
        let running = Stream::to(HOST_B).start(&self.layout.host_a, &self.layout.host_b)?;
        running.flows_again(200, patience(10))?;
        Ok(running)
    }

    /// Succeeds where no more packets were lost than allowed; else with all that everybody wrote meanwhile, because what
    /// lost a packet is long past when the stream ends.
    ///
    /// # Errors
    /// With the report and the logs.
    pub fn ensure_lost(&self, what: &str, lost: u64, allowed: u64, report: &Report) -> Result<()> {
        ensure(lost <= allowed, what, || format!("{report}, of which {allowed} may be lost\n{}", self.logs(ALL_LINES)))
    }

    /// The last lines of all logs.
    #[must_use]
    pub fn logs(&self, lines: usize) -> String {
        let own = self.lab.path().join(format!("{}.log", self.file.name));
        let mut text = format!("--- our process\n{}\n", super::process::tail(&own, lines));
        for cloud in &self.clouds {
            text += &cloud.logs(lines);
        }
        text
    }
}

/// What the concentrator of a tunnel is told: BIRD in the odd ones, FRR in the even ones.
#[must_use]
pub fn cloud_plan(tunnel: &TunnelPlan, initiate: bool) -> Plan {
    Plan {
        swan: SwanTunnel {
            local: tunnel.cloud_outside,
            remote: tunnel.router_outside,
            inside: format!("{}/30", tunnel.cloud_inside),
            psk: tunnel.psk(),
            ike: suites(tunnel.number).ike.to_owned(),
            esp: suites(tunnel.number).esp.to_owned(),
            initiate,
            dpd: 2,
            rekey_ike: 0,
            rekey_child: 0,
        },
        bgp: BgpSide {
            asn: CLOUD_ASN,
            router_id: tunnel.cloud_outside,
            local: tunnel.cloud_inside,
            peer: tunnel.router_inside,
            peer_asn: ROUTER_ASN,
            hold: 30,
            announce: vec![ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 2, 0, 0), 16)],
            bfd: false,
        },
        speaker: if tunnel.number % 2 == 1 { Speaker::Bird } else { Speaker::Frr },
    }
}

fn no_daemon() -> LabError {
    LabError::Unexpected { what: "our process runs".to_owned(), found: "it does not".to_owned() }
}
