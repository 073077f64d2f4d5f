//! The four-tunnel plan with our own process on all five sides.

use super::daemon::Daemon;
use super::layout::{CLOUD_NETWORK, HOST_B, Layout, ROUTER_NETWORK, TUNNELS};
use super::namespace::Namespace;
use super::router_file::RouterFile;
use super::stream::{Running, Stream};
use super::{Lab, Result, not_yet, patience, process, wait_for};

/// Router and concentrators, all `quadspan run`.
#[derive(Debug)]
pub struct OwnSides {
    /// The router, unless it has been taken.
    pub router: Option<Daemon>,
    /// The concentrators, in the order of [`TUNNELS`]; one that has been killed is `None`.
    pub clouds: Vec<Option<Daemon>>,
    /// Their hosts.
    pub hosts: Vec<Namespace>,
    /// The other hosts.
    pub layout: Layout,
    /// Their files.
    pub lab: Lab,
    files: Vec<RouterFile>,
    detached: bool,
}

impl OwnSides {
    /// Lays out, lets `change` alter every router's file, and starts all five; the router begins every tunnel.
    ///
    /// # Errors
    /// With the first that does not come up.
    pub fn start(change: impl Fn(&mut RouterFile)) -> Result<Self> {
        let mut sides = Self::lay_out(change)?;
        for index in 0..TUNNELS.len() {
            sides.start_cloud(index)?;
        }
        sides.start_router()?;
        Ok(sides)
    }

    /// Lays out and writes the files; nothing runs yet.
    ///
    /// # Errors
    /// When the laboratory cannot be built.
    pub fn lay_out(change: impl Fn(&mut RouterFile)) -> Result<Self> {
        let lab = Lab::new()?;
        let mut layout = Layout::build(&lab)?;
        let hosts = std::mem::take(&mut layout.clouds);
        let mut files: Vec<RouterFile> = TUNNELS.iter().map(|plan| RouterFile::cloud(plan, false)).collect();
        files.push(RouterFile::router(true));
        files.iter_mut().for_each(change);
        Ok(Self { router: None, clouds: vec![None, None, None, None], hosts, layout, lab, files, detached: false })
    }

    /// Starts the router.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_router(&mut self) -> Result<()> {
        self.router = Some(self.launch(&self.layout.router, &self.files[TUNNELS.len()])?);
        Ok(())
    }

    /// Starts one concentrator.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_cloud(&mut self, index: usize) -> Result<()> {
        self.clouds[index] = Some(self.launch(&self.hosts[index], &self.files[index])?);
        Ok(())
    }

    /// SIGKILL to one concentrator.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill_cloud(&mut self, index: usize) -> Result<()> {
        self.clouds[index].take().map_or(Ok(()), Daemon::kill)
    }

    /// The router.
    ///
    /// # Errors
    /// When it does not run.
    pub fn router(&self) -> Result<&Daemon> {
        self.router.as_ref().map_or_else(|| not_yet("the router does not run"), Ok)
    }

    /// Waits until all tunnels and sessions are up and both sides' kernels have the other's network.
    ///
    /// # Errors
    /// With what is missing.
    pub fn wait_all_up(&self) -> Result<()> {
        wait_for(patience(40), "all four tunnels and sessions are up", || {
            self.router()?.expect_up(&TUNNELS.map(|plan| plan.name))?;
            self.expect_fib(&[0, 1, 2, 3])?;
            for host in &self.hosts {
                if host.route_interfaces(ROUTER_NETWORK)?.iter().any(|interface| interface == "lan") {
                    return not_yet(format!("{} has no route of its own to {ROUTER_NETWORK}", host.role()));
                }
            }
            Ok(())
        })
    }

    /// Succeeds when the router's kernel sends the cloud's network through exactly these tunnels.
    ///
    /// # Errors
    /// With what it does instead.
    pub fn expect_fib(&self, tunnels: &[usize]) -> Result<()> {
        let mut expected: Vec<String> = tunnels.iter().map(|&index| TUNNELS[index].cloud_inside.to_string()).collect();
        expected.sort_unstable();
        let mut found: Vec<String> =
            self.layout.router.next_hops(CLOUD_NETWORK)?.into_iter().map(|hop| hop.gateway).collect();
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

    /// The last lines of all logs.
    #[must_use]
    pub fn logs(&self, lines: usize) -> String {
        self.files
            .iter()
            .map(|file| {
                format!(
                    "--- {}\n{}\n",
                    file.name,
                    process::tail(&self.lab.path().join(format!("{}.log", file.name)), lines)
                )
            })
            .collect()
    }

    /// Starts processes from now on so that they outlive this one, if [`OwnSides::keep`] is asked for in the end.
    pub fn detach(&mut self) {
        self.detached = true;
    }

    fn launch(&self, host: &Namespace, file: &RouterFile) -> Result<Daemon> {
        let start = if self.detached { Daemon::start_detached } else { Daemon::start };
        start(host, self.lab.path(), file)
    }

    /// Leaves processes, namespaces and files in place at the end.
    pub fn keep(&mut self) {
        self.lab.keep();
        let daemons = self.clouds.iter_mut().flatten().chain(self.router.as_mut());
        daemons.for_each(|daemon| daemon.process().keep());
        let Layout { net, router, host_a, host_b, .. } = &mut self.layout;
        self.hosts.iter_mut().chain([net, router, host_a, host_b]).for_each(Namespace::keep);
    }
}
