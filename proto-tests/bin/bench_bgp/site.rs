//! The laboratory of one round: the router under measurement, and beside it all its peers on one host.
//!
//! ```text
//!   router 10.9.1.1 ---- veth ---- 10.9.1.2  sender 1
//!     ..                 ..          ..
//!          10.9.4.1 ---- veth ---- 10.9.4.2  sender 4
//!          10.9.5.1 ---- veth ---- 10.9.5.2  receiver
//! ```

use std::net::Ipv4Addr;
use std::path::PathBuf;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::{Lab, LabError, Result};

use crate::dut::Duty;

/// The router's own autonomous system; in no announced path.
pub(crate) const ROUTER_ASN: u32 = 65000;
/// The router's BGP identifier.
pub(crate) const ROUTER_ID: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// Proposed by all. Nobody here ever sends a second KEEPALIVE, so it is longer than any round.
pub(crate) const HOLD: u16 = 1800;

/// One peer's place: 1 to 4 send, 5 receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat(pub(crate) u8);

/// Who announces.
pub(crate) const SENDERS: [Seat; 4] = [Seat(1), Seat(2), Seat(3), Seat(4)];
/// Whose paths are shorter than all others where one is best.
pub(crate) const BEST: Seat = SENDERS[0];
/// Who is told.
pub(crate) const RECEIVER: Seat = Seat(5);

impl Seat {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        SENDERS.into_iter().chain([RECEIVER])
    }

    /// Its autonomous system: one of its own, or the same for all, as that of a cloud's gateways.
    pub(crate) fn asn(self, duty: Duty) -> u32 {
        match duty {
            Duty::Reflect => ROUTER_ASN + u32::from(self.0),
            Duty::Forward => ROUTER_ASN + 1,
        }
    }

    /// Its address, and BGP identifier.
    pub(crate) fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 9, self.0, 2)
    }

    /// The router's address toward it.
    pub(crate) fn router_address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 9, self.0, 1)
    }

    /// Name of both ends of the cable.
    pub(crate) fn interface(self) -> String {
        format!("peer{}", self.0)
    }
}

/// Both hosts, joined.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) router: Namespace,
    pub(crate) peers: Namespace,
    pub(crate) directory: PathBuf,
    _lab: Lab,
}

/// The peers' end of a cable, ready to be pulled.
#[derive(Debug)]
pub(crate) struct Plug {
    socket: Socket,
    request: [u8; 32],
}

impl Site {
    /// Lays all cables.
    pub(crate) fn build() -> Result<Self> {
        let lab = Lab::new()?;
        let (router, peers) = (lab.namespace("router")?, lab.namespace("peers")?);
        router.make_router()?;
        for seat in Seat::all() {
            let interface = seat.interface();
            router.cable(&interface, &peers, &interface)?;
            router.address(&interface, &format!("{}/30", seat.router_address()))?;
            peers.address(&interface, &format!("{}/30", seat.address()))?;
        }
        let directory = lab.subdirectory("router")?;
        Ok(Self { router, peers, directory, _lab: lab })
    }

    /// Takes hold of a plug without pulling it: starting `ip` would take longer than what is measured.
    pub(crate) fn plug(&self, seat: Seat) -> Result<Plug> {
        let io = |source| LabError::Io { what: "prepare to pull a cable".to_owned(), source };
        self.peers
            .enter(|| {
                let index = nix::net::if_::if_nametoindex(seat.interface().as_str())?;
                let mut socket = Socket::new(NETLINK_ROUTE)?;
                socket.bind_auto()?;
                Ok(Plug { socket, request: set_down(index) })
            })?
            .map_err(io)
    }

    /// Resident memory of everything that runs on the router, in MiB.
    pub(crate) fn resident_mib(&self) -> Result<f64> {
        let kibibytes: f64 = self.read_all("status", |text| {
            text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok())
        })?;
        Ok(kibibytes / 1024.0)
    }

    /// Processor time of everything that runs on the router, in seconds.
    pub(crate) fn processor_s(&self) -> Result<f64> {
        // Behind the name, which may hold anything, `utime` and `stime` are the 12th and 13th field.
        let ticks = self.read_all("stat", |text| {
            let fields = text.rsplit(')').next()?.split_whitespace().skip(11).take(2);
            Some(fields.filter_map(|field| field.parse::<f64>().ok()).sum())
        })?;
        Ok(ticks / TICKS_PER_SECOND)
    }

    fn read_all(&self, file: &str, figure: impl Fn(&str) -> Option<f64>) -> Result<f64> {
        let pids = self.router.pids()?;
        let texts = pids.into_iter().filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok());
        Ok(texts.filter_map(|text| figure(&text)).sum())
    }
}

/// `USER_HZ`, which Linux promises to programs on all architectures but Alpha and Itanium.
const TICKS_PER_SECOND: f64 = 100.0;

impl Plug {
    /// The cable is out when this returns; the router's end has lost its carrier.
    pub(crate) fn pull(&self) -> Result<()> {
        let sent = self.socket.send(&self.request, 0);
        sent.map(drop).map_err(|source| LabError::Io { what: "pull a cable".to_owned(), source })
    }
}

/// `RTM_NEWLINK`: a header of 16 octets, then `ifinfomsg` with no flag set and `IFF_UP` to be changed.
fn set_down(index: u32) -> [u8; 32] {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const IFF_UP: u32 = 1;
    let mut request = [0; 32];
    request[..4].copy_from_slice(&32_u32.to_ne_bytes());
    request[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    request[20..24].copy_from_slice(&index.to_ne_bytes());
    request[28..].copy_from_slice(&IFF_UP.to_ne_bytes());
    request
}
