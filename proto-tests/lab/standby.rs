//! Two routers of our own with two tunnels between them, and a host behind each.
//!
//! ```text
//!   host-a ---------- us ===== t1: 192.0.2.1 > 192.0.2.9  ===== peer ---------- host-b
//!   10.1.0.10   10.1.0.1 ===== t2: 192.0.2.1 > 192.0.2.10 ===== 10.2.0.1   10.2.0.10
//! ```

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::daemon::Daemon;
use super::layout::{HOST_A, HOST_B};
use super::namespace::Namespace;
use super::stream::{Running, Stream};
use super::{DATAPLANE, Lab, Result, ensure, not_yet, patience, process, run, wait_for, write_file, write_secret};

/// The connection's name at both ends.
pub const CONNECTION: &str = "pair";
/// Network behind us.
pub const OUR_NETWORK: &str = "10.1.0.0/16";
/// Network behind the peer.
pub const PEER_NETWORK: &str = "10.2.0.0/16";

const PSK: &str = "two.tunnels_one.connection_1";

/// How routes get from one end to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// A BGP session in each tunnel.
    Bgp,
    /// A static route over both tunnels at each end.
    Static,
    /// The flow between the two networks, protected by both tunnels.
    Protected,
}

/// The hosts, and both routers.
#[derive(Debug)]
pub struct TwoTunnels {
    /// Our process.
    pub us: Daemon,
    /// The peer's.
    pub peer: Daemon,
    /// Where ours runs.
    pub our_host: Namespace,
    /// Where the peer's runs.
    pub peer_host: Namespace,
    /// Behind us.
    pub host_a: Namespace,
    /// Behind the peer.
    pub host_b: Namespace,
    routing: Routing,
    lab: Lab,
}

impl TwoTunnels {
    /// Lays out and starts both; `ours` and `theirs` are what stands below the connection's name in the two files.
    ///
    /// # Errors
    /// With the first that does not come up.
    pub fn start(routing: Routing, ours: &str, theirs: &str) -> Result<Self> {
        let lab = Lab::new()?;
        let (our_host, peer_host) = (lab.namespace("us")?, lab.namespace("peer")?);
        let (host_a, host_b) = (lab.namespace("host-a")?, lab.namespace("host-b")?);
        our_host.make_router()?;
        peer_host.make_router()?;
        our_host.cable("wan", &peer_host, "wan")?;
        our_host.address("wan", "192.0.2.1/24")?;
        peer_host.address("wan", "192.0.2.9/24")?;
        peer_host.address("wan", "192.0.2.10/24")?;
        for (router, host, gateway, address) in
            [(&our_host, &host_a, "10.1.0.1", HOST_A), (&peer_host, &host_b, "10.2.0.1", HOST_B)]
        {
            router.cable("lan", host, "lan")?;
            router.address("lan", &format!("{gateway}/16"))?;
            host.address("lan", &format!("{address}/16"))?;
            host.ip(&["route", "add", "default", "via", gateway])?;
        }
        for name in ["us", "peer"] {
            write_secret(&lab.path().join(format!("{name}.psk")), PSK)?;
        }
        let peer = launch(&lab, &peer_host, &yaml(&lab, "peer", routing, theirs), "peer")?;
        let us = launch(&lab, &our_host, &yaml(&lab, "us", routing, ours), "us")?;
        Ok(Self { us, peer, our_host, peer_host, host_a, host_b, routing, lab })
    }

    /// Has our process read another connection.
    ///
    /// # Errors
    /// When it refuses it.
    pub fn reload(&self, ours: &str) -> Result<()> {
        write_file(&path(&self.lab, "us"), &yaml(&self.lab, "us", self.routing, ours))?;
        self.us.reload()
    }

    /// Our connection, as `show connections` tells of it.
    ///
    /// # Errors
    /// When our process does not answer.
    pub fn connection(&self) -> Result<Value> {
        Ok(self.us.show("connections")?["connections"][0].clone())
    }

    /// One tunnel of it.
    ///
    /// # Errors
    /// When our process does not answer.
    pub fn member(&self, name: &str) -> Result<Value> {
        let connection = self.connection()?;
        let tunnels = super::kernel::array(&connection["tunnels"]);
        Ok(tunnels.iter().find(|tunnel| tunnel["tunnel"] == name).cloned().unwrap_or_default())
    }

    /// Waits until both tunnels are healthy and exactly `active` carry our traffic, by our process and our kernel.
    ///
    /// # Errors
    /// With what there is instead.
    pub fn wait_ready(&self, active: &[&str]) -> Result<()> {
        wait_for(patience(30), &format!("both tunnels are healthy, and {active:?} active"), || {
            let connection = self.connection()?;
            let healthy = super::kernel::array(&connection["tunnels"]).iter().all(|tunnel| tunnel["healthy"] == true);
            if !healthy {
                return not_yet(connection.to_string());
            }
            self.expect_active(active)
        })
    }

    /// Waits until exactly `active` carry our traffic.
    ///
    /// # Errors
    /// With what there is instead.
    pub fn wait_active(&self, active: &[&str]) -> Result<()> {
        wait_for(patience(30), &format!("{active:?} active"), || self.expect_active(active))
    }

    /// Succeeds when exactly `active` carry our traffic, by our process and our kernel.
    ///
    /// # Errors
    /// With what there is instead.
    pub fn expect_active(&self, active: &[&str]) -> Result<()> {
        let connection = self.connection()?;
        if connection["active"] != Value::from(active) {
            return not_yet(connection.to_string());
        }
        self.expect_way(&self.our_host, PEER_NETWORK, active)
    }

    fn expect_way(&self, host: &Namespace, network: &str, tunnels: &[&str]) -> Result<()> {
        let interfaces: Vec<String> = tunnels.iter().map(|name| format!("qs-{name}")).collect();
        let interfaces: Vec<&str> = interfaces.iter().map(String::as_str).collect();
        if self.routing != Routing::Protected {
            return host.expect_route(network, &interfaces);
        }
        let (from, to) = if network == PEER_NETWORK { (HOST_A, HOST_B) } else { (HOST_B, HOST_A) };
        let found = host.forwards(from.into(), to.into(), "lan")?;
        ensure(interfaces == [found.as_str()], "the flow's way", || format!("{network} through {found}"))
    }

    /// Waits until the peer's kernel sends to us through exactly these tunnels.
    ///
    /// # Errors
    /// With what it does instead.
    pub fn wait_way_back(&self, tunnels: &[&str]) -> Result<()> {
        wait_for(patience(15), &format!("the way back leads through {tunnels:?}"), || {
            self.expect_way(&self.peer_host, OUR_NETWORK, tunnels)
        })
    }

    /// Has the peer's host forward nothing that comes out of a tunnel, or everything again. The tunnel itself, and BGP in
    /// it, go on.
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn block_behind(&self, tunnel: &str, block: bool) -> Result<()> {
        let rules = if block {
            format!(
                "add table inet behind; add chain inet behind forward {{ type filter hook forward priority filter; }}; \
                 add rule inet behind forward iifname qs-{tunnel} drop"
            )
        } else {
            "delete table inet behind".to_owned()
        };
        run(Command::new("ip").args(["netns", "exec", self.peer_host.name(), "nft", &rules])).map(drop)
    }

    /// Starts a thousand packets per second from host to host and waits until they arrive.
    ///
    /// # Errors
    /// When they do not.
    pub fn stream(&self) -> Result<Running> {
        let running = Stream::to(HOST_B).start(&self.host_a, &self.host_b)?;
        running.flows_again(200, patience(10))?;
        Ok(running)
    }

    /// The ends of both logs.
    #[must_use]
    pub fn logs(&self) -> String {
        let log =
            |name: &str| format!("--- {name}\n{}\n", process::tail(&self.lab.path().join(format!("{name}.log")), 60));
        log("us") + &log("peer")
    }
}

fn path(lab: &Lab, name: &str) -> PathBuf {
    lab.path().join(format!("{name}.yaml"))
}

fn launch(lab: &Lab, host: &Namespace, yaml: &str, name: &str) -> Result<Daemon> {
    let file = path(lab, name);
    write_file(&file, yaml)?;
    Daemon::launch(host, lab.path(), name, &file, lab.path().join(format!("{name}.sock")), false)
}

fn yaml(lab: &Lab, name: &str, routing: Routing, connection: &str) -> String {
    let ours = name == "us";
    let (asn, peer_asn, id) = if ours { (65000, 64512, "10.1.0.1") } else { (64512, 65000, "10.2.0.1") };
    let (network, far) = if ours { (OUR_NETWORK, PEER_NETWORK) } else { (PEER_NETWORK, OUR_NETWORK) };
    let socket = lab.path().join(format!("{name}.sock"));
    let mut text = format!(
        "router:\n  name: {name}\n  asn: {asn}\n  router-id: {id}\n  networks: [{network}]\n  dataplane: {DATAPLANE}\n  \
         api: {{socket: {}}}\n",
        socket.display()
    );
    let session = match routing {
        Routing::Bgp => format!("  bgp: {{asn: {peer_asn}, hold-time: 30s, connect-retry: 1s, import: all}}\n"),
        Routing::Static => {
            let _infallible =
                write!(text, "  static:\n    - {{prefix: {far}, via: [{{tunnel: t1}}, {{tunnel: t2}}]}}\n");
            String::new()
        }
        Routing::Protected => String::new(),
    };
    let flows = match routing {
        Routing::Protected => {
            format!("    routing: protected\n    selectors: {{local: [{network}], remote: [{far}]}}\n")
        }
        Routing::Bgp | Routing::Static => String::new(),
    };
    let start = if ours { "initiate" } else { "respond" };
    let _infallible = write!(
        text,
        "defaults:\n  psk: {{file: {name}.psk}}\n  start: {start}\n  encapsulation: always\n  \
         ike: {{proposals: [aes128gcm16-prfsha256-x25519]}}\n  esp: {{proposals: [aes128gcm16]}}\n{session}tunnels:\n"
    );
    for (number, outside) in [(1_u8, Ipv4Addr::new(192, 0, 2, 9)), (2, Ipv4Addr::new(192, 0, 2, 10))] {
        let us = Ipv4Addr::new(192, 0, 2, 1);
        let (local, remote, side) = if ours { (us, outside, "second") } else { (outside, us, "first") };
        let _infallible = write!(
            text,
            "  - name: t{number}\n    local: {local}\n    remote: {remote}\n    \
             inside: {{prefix: 169.254.2{number}.0/30, side: {side}}}\n{flows}"
        );
    }
    let _infallible = write!(text, "connections:\n  {CONNECTION}:\n{connection}");
    text
}
