//! Very many tunnels between two processes of ours: one outside address here, one for each tunnel there.
//!
//! ```text
//!   hub 10.64.0.1 ---- qs-t0 .. qs-t999 ---- 10.65.0.1 .. 10.65.3.232 spoke
//! ```

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::daemon::Daemon;
use super::kernel::array;
use super::namespace::Namespace;
use super::process::Usage;
use super::{DATAPLANE, Lab, LabError, Result, not_yet, patience, wait_for, write_file};

const HUB: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 1);
/// As many /30 as 169.254.0.0/16 holds between those that AWS keeps for itself.
const MOST: u16 = 10_000;

/// Two hosts with a process of ours on each, and tunnels between them.
#[derive(Debug)]
pub struct Many {
    hub: Daemon,
    spoke: Daemon,
    _hosts: [Namespace; 2],
    /// How many tunnels.
    pub count: u16,
    /// When the side that begins was started.
    started: Instant,
    _lab: Lab,
}

/// What one process holds and uses.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Of the machine.
    pub usage: Usage,
    /// Processor time since its start.
    pub processor: Duration,
}

impl Many {
    /// Starts both processes; the hub begins all tunnels.
    ///
    /// # Errors
    /// When a process does not come up.
    pub fn start(count: u16) -> Result<Self> {
        if count > MOST {
            return Err(LabError::Unexpected { what: format!("at most {MOST} tunnels"), found: count.to_string() });
        }
        let lab = Lab::new()?;
        let hosts = [lab.namespace("hub")?, lab.namespace("spoke")?];
        let [hub_host, spoke_host] = &hosts;
        hub_host.make_router()?;
        spoke_host.make_router()?;
        hub_host.cable("wan", spoke_host, "wan")?;
        hub_host.address("wan", &format!("{HUB}/8"))?;
        let addresses: String =
            (0..count).map(|number| format!("address add {}/8 dev wan\n", outside(number))).collect();
        let batch = lab.path().join("addresses");
        write_file(&batch, &addresses)?;
        spoke_host.ip(&["-batch", &batch.display().to_string()])?;
        let spoke = launch(&lab, spoke_host, "spoke", count)?;
        let started = Instant::now();
        let hub = launch(&lab, hub_host, "hub", count)?;
        Ok(Self { hub, spoke, _hosts: hosts, count, started, _lab: lab })
    }

    /// Waits until all tunnels are up at both ends, and says how long it took since the start of the hub.
    ///
    /// # Errors
    /// With how many are.
    pub fn wait_up(&self, seconds: u64) -> Result<Duration> {
        wait_for(patience(seconds), "all tunnels are up", || {
            for daemon in [&self.hub, &self.spoke] {
                let tunnels = daemon.show("tunnels")?;
                let up = array(&tunnels).iter().filter(|tunnel| tunnel["state"] == "up").count();
                if up < usize::from(self.count) {
                    let failure = array(&tunnels).iter().find(|tunnel| tunnel["last_failure"].is_object());
                    let why = failure.map_or(Value::Null, |tunnel| tunnel["last_failure"]["text"].clone());
                    return not_yet(format!("{up} of {}; {why}", self.count));
                }
            }
            Ok(self.started.elapsed())
        })
    }

    /// What both processes hold: `[hub, spoke]`.
    ///
    /// # Errors
    /// When one is gone.
    pub fn load(&mut self) -> Result<[Load; 2]> {
        Ok([load(&mut self.hub)?, load(&mut self.spoke)?])
    }

    /// For each tunnel of the hub, in how many seconds its CHILD SA is renewed, and how often it has been.
    ///
    /// # Errors
    /// When the hub does not answer.
    pub fn renewals(&self) -> Result<Vec<(u64, u64)>> {
        let tunnels = self.hub.show("tunnels")?;
        let of = |tunnel: &Value| {
            let child = &tunnel["child"];
            (child["rekey_in"].as_u64().unwrap_or(0), child["rekeys"].as_u64().unwrap_or(0))
        };
        Ok(array(&tunnels).iter().map(of).collect())
    }

    /// Ends both, and says how long that took. The kernel takes some 25 ms to remove an interface.
    ///
    /// # Errors
    /// When one does not end in ten seconds, or 50 ms for each of its tunnels where that is longer.
    pub fn stop(self) -> Result<Duration> {
        let start = Instant::now();
        let limit = Duration::from_secs(10).max(Duration::from_millis(50) * self.count.into());
        self.hub.stop_within(limit)?;
        self.spoke.stop_within(limit)?;
        Ok(start.elapsed())
    }
}

fn load(daemon: &mut Daemon) -> Result<Load> {
    Ok(Load { usage: daemon.usage()?, processor: daemon.process().processor()? })
}

/// The spoke's outside address of a tunnel.
fn outside(number: u16) -> Ipv4Addr {
    let [high, low] = (number + 1).to_be_bytes();
    Ipv4Addr::new(10, 65, high, low)
}

/// The inside /30 of a tunnel: 169.254.6.0/30, 169.254.6.4/30, ...
fn inside(number: u16) -> String {
    let [high, low] = (6 * 256 + 4 * number).to_be_bytes();
    format!("169.254.{high}.{low}/30")
}

fn launch(lab: &Lab, host: &Namespace, name: &str, count: u16) -> Result<Daemon> {
    let directory = lab.path();
    let socket = directory.join(format!("{name}.sock"));
    let path = directory.join(format!("{name}.yaml"));
    write_file(&path, &configuration(name, &socket, count))?;
    Daemon::launch(host, directory, name, &path, socket, false)
}

fn configuration(name: &str, socket: &Path, count: u16) -> String {
    let hub = name == "hub";
    let (asn, peer_asn, start, side) =
        if hub { (65000, 64512, "initiate", "second") } else { (64512, 65000, "respond", "first") };
    let mut text = format!(
        "router:\n  name: {name}\n  asn: {asn}\n  router-id: {}\n  networks: [10.{}.0.0/16]\n  dataplane: {DATAPLANE}\n  \
         api: {{socket: {}}}\ndefaults:\n  psk: {{inline: \"many.tunnels_one_key\"}}\n  start: {start}\n  \
         encapsulation: always\n  ike: {{proposals: [aes128gcm16-prfsha256-x25519]}}\n  \
         esp: {{proposals: [aes128gcm16]}}\n  bgp: {{asn: {peer_asn}, passive: true, import: all}}\ntunnels:\n",
        if hub { HUB } else { outside(0) },
        if hub { 1 } else { 2 },
        socket.display(),
    );
    for number in 0..count {
        let (local, remote) = if hub { (HUB, outside(number)) } else { (outside(number), HUB) };
        let inside = inside(number);
        let _infallible = writeln!(
            text,
            "  - {{name: t{number}, local: {local}, remote: {remote}, inside: {{prefix: {inside}, side: {side}}}}}"
        );
    }
    text
}
