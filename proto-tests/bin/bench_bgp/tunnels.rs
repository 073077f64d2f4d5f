//! The laboratory of one round through tunnels: our own process at both ends of each, and BGP speakers behind the far ends.
//!
//! ```text
//!   router 172.31.1.1 ===== tunnel 10.9.1.0/30 ===== 172.31.1.2  far end 1, sender 1 at 10.9.1.2
//!     ..                           ..                   ..
//!          172.31.4.1 ===== tunnel 10.9.4.0/30 ===== 172.31.4.2  far end 4, sender 4 at 10.9.4.2
//! ```

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use proto_tests::lab::daemon::{Daemon, Posted};
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::{Lab, LabError, Result, write_file};

use crate::dut::{Dut, Duty};
use crate::site::{HOLD, ROUTER_ASN, ROUTER_ID, SENDERS, Seat};
use crate::talker::Talker;

/// The router, and the far ends with what runs there.
#[derive(Debug)]
pub(crate) struct Tunnels {
    pub(crate) router: Namespace,
    pub(crate) dut: Dut,
    far: Vec<(Seat, Namespace, Daemon)>,
    _lab: Lab,
}

impl Tunnels {
    /// Lays the cables and starts all processes.
    pub(crate) fn build() -> Result<Self> {
        let lab = Lab::new()?;
        let router = lab.namespace("router")?;
        router.make_router()?;
        let mut ends = Vec::new();
        for seat in SENDERS {
            let interface = seat.interface();
            let far = lab.namespace(&interface)?;
            router.cable(&interface, &far, &interface)?;
            router.address(&interface, &format!("{}/30", outside(seat, 1)))?;
            far.address(&interface, &format!("{}/30", outside(seat, 2)))?;
            ends.push((seat, far));
        }
        let start = |namespace: &Namespace, name: &str, configuration: &dyn Fn(&Path) -> String| {
            let directory = lab.subdirectory(name)?;
            let (file, socket): (PathBuf, _) = (directory.join("router.yaml"), directory.join("router.sock"));
            write_file(&file, &configuration(&socket))?;
            Daemon::launch(namespace, &directory, name, &file, socket, false)
        };
        let dut = Dut::Quadspan(start(&router, "router", &near)?);
        let started = ends.into_iter().map(|(seat, namespace)| {
            let daemon = start(&namespace, &seat.interface(), &|socket| far(seat, socket))?;
            Ok((seat, namespace, daemon))
        });
        let far = started.collect::<Result<_>>()?;
        Ok(Self { router, dut, far, _lab: lab })
    }

    /// The senders, each through its tunnel.
    pub(crate) fn sessions(&self) -> Result<Vec<Talker>> {
        let talk = |(seat, host, _): &(Seat, Namespace, Daemon)| Talker::connect(host, *seat, Duty::Forward);
        let talkers: Vec<Talker> = self.far.iter().map(talk).collect::<Result<_>>()?;
        talkers.iter().try_for_each(Talker::drain)?;
        Ok(talkers)
    }

    /// Has the far end delete the IKE SA, and make another.
    pub(crate) fn delete(&mut self, seat: Seat) -> Result<Posted> {
        self.end(seat)?.post(&format!("/v1/tunnels/{}/reset", seat.interface()))
    }

    /// Has the process at the far end stop.
    pub(crate) fn stop(&mut self, seat: Seat) -> Result<()> {
        self.end(seat)?.process().signal(Signal::SIGTERM)
    }

    fn end(&mut self, seat: Seat) -> Result<&mut Daemon> {
        let found = self.far.iter_mut().find(|(of, ..)| *of == seat).map(|(_, _, daemon)| daemon);
        found.ok_or_else(|| LabError::Unexpected { what: "a far end".to_owned(), found: format!("{seat:?}") })
    }
}

fn outside(seat: Seat, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 31, seat.0, host)
}

fn near(socket: &Path) -> String {
    let mut text = head("router", ROUTER_ID, ROUTER_ASN, socket);
    for seat in SENDERS {
        text += &tunnel(seat, (1, 2), "respond", "first");
        let _infallible = writeln!(
            text,
            "    bgp: {{asn: {}, passive: true, hold-time: {HOLD}s, max-prefix: {{in: 2000000}}, import: all}}",
            seat.asn(Duty::Forward)
        );
    }
    text
}

/// Its BGP speaker is not ours.
fn far(seat: Seat, socket: &Path) -> String {
    let head = head(&seat.interface(), seat.address(), seat.asn(Duty::Forward), socket);
    head + &tunnel(seat, (2, 1), "initiate", "second")
}

fn head(name: &str, id: Ipv4Addr, asn: u32, socket: &Path) -> String {
    format!(
        "router:\n  name: {name}\n  asn: {asn}\n  router-id: {id}\n  dataplane: userspace\n  \
         api: {{socket: {}}}\ntunnels:\n",
        socket.display()
    )
}

fn tunnel(seat: Seat, (local, remote): (u8, u8), start: &str, side: &str) -> String {
    format!(
        "  - name: {name}\n    local: {}\n    remote: {}\n    start: {start}\n    \
         psk: {{inline: the bench's key of {name}}}\n    inside: {{prefix: 10.9.{}.0/30, side: {side}}}\n",
        outside(seat, local),
        outside(seat, remote),
        seat.0,
        name = seat.interface(),
    )
}
