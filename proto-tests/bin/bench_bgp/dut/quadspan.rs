//! Our own configuration.

use std::fmt::Write as _;
use std::path::PathBuf;

use proto_tests::lab::daemon::Daemon;
use proto_tests::lab::{Result, write_file};

use super::Duty;
use crate::site::{HOLD, RECEIVER, ROUTER_ASN, ROUTER_ID, Seat, Site};

pub(crate) fn start(site: &Site, duty: Duty) -> Result<Daemon> {
    let (config, socket) = (file(site), site.directory.join("router.sock"));
    write_file(&config, &configuration(site, duty, None))?;
    Daemon::launch(&site.router, &site.directory, "router", &config, socket, false)
}

pub(crate) fn announce_with(daemon: &Daemon, site: &Site, med: u32) -> Result<()> {
    write_file(&file(site), &configuration(site, Duty::Reflect, Some(med)))?;
    daemon.reload()
}

fn file(site: &Site) -> PathBuf {
    site.directory.join("router.yaml")
}

fn configuration(site: &Site, duty: Duty, med: Option<u32>) -> String {
    let (socket, fib) = (site.directory.join("router.sock"), duty == Duty::Forward);
    let mut text = format!(
        "router:\n  name: router\n  asn: {ROUTER_ASN}\n  router-id: {ROUTER_ID}\n  install: {fib}\n  \
         api: {{socket: {}}}\nneighbors:\n",
        socket.display()
    );
    for seat in Seat::all() {
        let _infallible = write!(
            text,
            "  - name: peer{}\n    address: {}\n    interface: {}\n    bgp:\n      asn: {}\n      passive: true\n      \
             hold-time: {HOLD}s\n      max-prefix: {{in: 2000000, out: 2000000}}\n",
            seat.0,
            seat.address(),
            seat.interface(),
            seat.asn()
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
