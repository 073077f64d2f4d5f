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
    daemon.post("/v1/reload")?.done()
}

fn file(site: &Site) -> PathBuf {
    site.directory.join("router.yaml")
}

/// The data plane wants an address of its own, so there is a tunnel. Nobody is at its other end.
fn configuration(site: &Site, duty: Duty, med: Option<u32>) -> String {
    let (socket, install) = (site.directory.join("router.sock"), duty == Duty::Forward);
    let mut text = format!(
        "router:\n  name: router\n  asn: {ROUTER_ASN}\n  router-id: {ROUTER_ID}\n  install: {install}\n  dataplane: userspace\n  \
         api: {{socket: {}}}\ntunnels:\n  - {{name: spare, local: {}, remote: 198.51.100.9, start: respond, \
         inside: {{prefix: 169.254.99.0/30, side: first}}, psk: {{inline: nobody has this key}}}}\nneighbors:\n",
        socket.display(),
        RECEIVER.router_address()
    );
    for seat in Seat::all() {
        let _infallible = write!(
            text,
            "  - name: {}\n    address: {}\n    asn: {}\n    bgp:\n      passive: true\n      hold-time: {HOLD}s\n      \
             max-prefix: {{in: 2000000, out: 2000000}}\n      import: all\n",
            seat.interface(),
            seat.address(),
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
