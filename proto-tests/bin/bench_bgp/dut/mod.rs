//! The router under measurement: who it is, what it is told, and how it is told something else.

mod bird;
mod frr;
mod gobgp;
mod openbgpd;
mod quadspan;

use clap::ValueEnum;
use proto_tests::lab::Result;
use proto_tests::lab::bird::Bird;
use proto_tests::lab::daemon::Daemon;
use proto_tests::lab::frr::Frr;
use proto_tests::lab::gobgp::Gobgp;
use proto_tests::lab::openbgpd::Openbgpd;
use proto_tests::lab::vigil::Vigil;

use crate::site::{RECEIVER, Site};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum System {
    /// Our own process.
    Quadspan,
    /// BIRD.
    Bird,
    /// FRR: bgpd, and zebra where the kernel is to be filled.
    Frr,
    /// OpenBGPD.
    Openbgpd,
    /// GoBGP.
    Gobgp,
}

/// What the router is for in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// The best path of each prefix goes to every other peer; none into the kernel.
    Reflect,
    /// All paths of each prefix go into the kernel; none to another peer.
    Forward,
}

/// The running router.
#[derive(Debug)]
pub(crate) enum Dut {
    Quadspan(Daemon),
    Bird { bird: Bird, _vigil: Vigil },
    Frr(Frr),
    Openbgpd(Openbgpd),
    Gobgp(Gobgp),
}

impl System {
    /// All, in the order of the columns.
    pub(crate) const ALL: [Self; 5] = [Self::Quadspan, Self::Bird, Self::Frr, Self::Openbgpd, Self::Gobgp];

    /// As people write it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Quadspan => "Quadspan",
            Self::Bird => "BIRD",
            Self::Frr => "FRR",
            Self::Openbgpd => "OpenBGPD",
            Self::Gobgp => "GoBGP",
        }
    }

    /// Why it is not measured in this duty, or with so many prefixes.
    pub(crate) fn leaves_out(self, duty: Duty, prefixes: u32) -> Option<&'static str> {
        match (self, duty) {
            (Self::Openbgpd, Duty::Forward) => Some("knows no multipath routes on Linux"),
            (Self::Gobgp, Duty::Forward) => Some("fills no kernel itself"),
            (Self::Gobgp, Duty::Reflect) if prefixes > 100_000 => Some("would need minutes"),
            (Self::Quadspan | Self::Bird | Self::Frr | Self::Openbgpd | Self::Gobgp, _) => None,
        }
    }

    /// Starts it; it waits for its peers to call.
    pub(crate) fn start(self, site: &Site, duty: Duty) -> Result<Dut> {
        let (router, directory) = (&site.router, site.directory.as_path());
        match self {
            Self::Quadspan => quadspan::start(site, duty).map(Dut::Quadspan),
            Self::Bird => {
                let bird = Bird::launch(router, directory, &bird::configuration(duty, None))?;
                let _vigil = Vigil::over(vec![bird.socket().to_owned()]);
                Ok(Dut::Bird { bird, _vigil })
            }
            Self::Frr => Frr::launch(router, directory, &frr::configuration(duty), duty == Duty::Forward).map(Dut::Frr),
            Self::Openbgpd => Openbgpd::launch(router, directory, &openbgpd::configuration(None)).map(Dut::Openbgpd),
            Self::Gobgp => Gobgp::launch(router, directory, &gobgp::configuration()).map(Dut::Gobgp),
        }
    }
}

impl Dut {
    /// Has it announce everything to the receiver with this MED. False if it is not asked: it has to be told route by route.
    pub(crate) fn announce_with(&self, site: &Site, med: u32) -> Result<bool> {
        match self {
            Self::Quadspan(daemon) => quadspan::announce_with(daemon, site, med)?,
            Self::Bird { bird, .. } => bird.configure(&bird::configuration(Duty::Reflect, Some(med)))?,
            Self::Frr(frr) => {
                frr.configure(&["route-map RECEIVER permit 10", &format!("set metric {med}")])?;
                frr.vtysh(&format!("clear bgp ipv4 unicast {} soft out", RECEIVER.address()))?;
            }
            Self::Openbgpd(bgpd) => bgpd.configure(&openbgpd::configuration(Some(med)))?,
            Self::Gobgp(_) => return Ok(false),
        }
        Ok(true)
    }

    /// The end of its log.
    pub(crate) fn log_tail(&mut self) -> String {
        match self {
            Self::Quadspan(daemon) => daemon.process().log_tail(5),
            Self::Bird { bird, .. } => bird.process().log_tail(5),
            Self::Frr(frr) => proto_tests::lab::process::tail(frr.log(), 5),
            Self::Openbgpd(bgpd) => bgpd.process().log_tail(5),
            Self::Gobgp(gobgp) => gobgp.process().log_tail(5),
        }
    }
}
