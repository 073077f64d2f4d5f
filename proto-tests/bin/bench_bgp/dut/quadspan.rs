//! Our own configuration.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto_tests::lab::daemon::Daemon;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::{Result, wait_for, write_file};

use super::Duty;
use crate::site::{HOLD, RECEIVER, ROUTER_ASN, ROUTER_ID, Seat, Site};

/// Starts it, and the other end of its tunnels.
pub(crate) fn start(site: &Site, duty: Duty) -> Result<(Daemon, Daemon)> {
    let far = launch(&site.peers, &site.directory, "far", &far_end(site))?;
    let near = launch(&site.router, &site.directory, "router", &configuration(site, duty, None))?;
    wait_for(Duration::from_secs(20), "the tunnels are up", || {
        Seat::all().try_for_each(|seat| {
            let tunnel = near.tunnel(&seat.interface())?;
            proto_tests::lab::ensure(tunnel["state"] == "up", "a tunnel", || tunnel["state"].to_string())
        })
    })?;
    Ok((near, far))
}

pub(crate) fn announce_with(daemon: &Daemon, site: &Site, med: u32) -> Result<()> {
    write_file(&file(&site.directory, "router"), &configuration(site, Duty::Reflect, Some(med)))?;
    daemon.reload()
}

fn launch(host: &Namespace, directory: &Path, name: &str, text: &str) -> Result<Daemon> {
    let (config, socket) = (file(directory, name), directory.join(format!("{name}.sock")));
    write_file(&config, text)?;
    Daemon::launch(host, directory, name, &config, socket, false)
}

fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.yaml"))
}

fn router(site: &Site, name: &str, id: std::net::Ipv4Addr, install: bool) -> String {
    let socket = site.directory.join(format!("{name}.sock"));
    format!(
        "router:\n  name: {name}\n  asn: {ROUTER_ASN}\n  router-id: {id}\n  install: {install}\n  dataplane: userspace\n  \
         api: {{socket: {}}}\ntunnels:\n",
        socket.display()
    )
}

fn tunnel(seat: Seat, near: bool) -> String {
    let mut ends = seat.outer_addresses();
    if !near {
        ends.reverse();
    }
    let [local, remote] = ends;
    let (side, start) = if near { ("first", "initiate") } else { ("second", "respond") };
    format!(
        "  - name: {}\n    local: {local}\n    remote: {remote}\n    psk: {{inline: a key that only a laboratory has}}\n    \
         inside: {{prefix: 10.9.{}.0/30, side: {side}}}\n    start: {start}\n    encapsulation: always\n",
        seat.interface(),
        seat.0
    )
}

fn far_end(site: &Site) -> String {
    let tunnels: String = Seat::all().map(|seat| tunnel(seat, false)).collect();
    router(site, "far", RECEIVER.address(), false) + &tunnels
}

fn configuration(site: &Site, duty: Duty, med: Option<u32>) -> String {
    let mut text = router(site, "router", ROUTER_ID, duty == Duty::Forward);
    for seat in Seat::all() {
        text += &tunnel(seat, true);
        let _infallible = write!(
            text,
            "    bgp:\n      asn: {}\n      passive: true\n      hold-time: {HOLD}s\n      import: all\n      \
             max-prefix: {{in: 2000000, out: 2000000}}\n      import: [0.0.0.0/0 le 32]\n",
            seat.asn(duty)
        );
        if duty == Duty::Reflect {
            text += "      export: [0.0.0.0/0 le 32]\n";
        }
        if let Some(med) = med.filter(|_| seat == RECEIVER) {
            let _infallible = writeln!(text, "      med: {med}");
        }
    }
    text
}
