//! The peer: who it is, what it is told beyond the ordinary, and how it is asked.

mod bird;
mod exabgp;
mod frr;
mod gobgp;
mod openbgpd;

use std::path::Path;

use proto_tests::lab::bird::Bird;
use proto_tests::lab::exabgp::Exabgp;
use proto_tests::lab::frr::Frr;
use proto_tests::lab::gobgp::Gobgp;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::openbgpd::Openbgpd;
use proto_tests::lab::process::{Process, tail};
use proto_tests::lab::{Result, not_yet};

use crate::scene::{OUR_ASN, PEER_ASN};

/// Who the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Software {
    /// BIRD 2.
    Bird,
    /// FRR: bgpd, with zebra where the row wants it, and bfdd.
    Frr,
    /// GoBGP.
    Gobgp,
    /// OpenBGPD.
    Openbgpd,
    /// ExaBGP.
    Exabgp,
}

impl Software {
    /// All, in the order of the columns.
    pub(crate) const ALL: [Self; 5] = [Self::Bird, Self::Frr, Self::Gobgp, Self::Openbgpd, Self::Exabgp];

    /// As people write it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bird => "BIRD",
            Self::Frr => "FRR",
            Self::Gobgp => "GoBGP",
            Self::Openbgpd => "OpenBGPD",
            Self::Exabgp => "ExaBGP",
        }
    }
}

/// What a peer is told beyond the ordinary, in its own words. `US` stands for our address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// Beside the session.
    pub(crate) global: &'static str,
    /// In the session.
    pub(crate) session: &'static str,
    /// In the session's IPv4 part.
    pub(crate) ipv4: &'static str,
    /// What is done to routes on their way to us; each has its own way to say it.
    pub(crate) export: &'static str,
    /// What it announces.
    pub(crate) networks: &'static [&'static str],
}

impl Told {
    /// Nothing but two prefixes of each family.
    pub(crate) const NOTHING: Self = Self {
        global: "",
        session: "",
        ipv4: "",
        export: "",
        networks: &["10.2.0.0/16", "10.2.1.0/24", "fd00:2::/48", "fd00:2:1::/64"],
    };
}

/// How the session is reached.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// Address pairs, ours first: one session for each.
    pub(crate) pairs: Vec<[String; 2]>,
    /// Our AS number, as the peer expects it.
    pub(crate) our_asn: u32,
    /// The peer's.
    pub(crate) peer_asn: u32,
}

impl Default for Ends {
    fn default() -> Self {
        Self { pairs: vec![["10.9.1.1".to_owned(), "10.9.1.2".to_owned()]], our_asn: OUR_ASN, peer_asn: PEER_ASN }
    }
}

/// The running peer.
#[derive(Debug)]
pub(crate) enum Peer {
    Bird(Bird),
    Frr(Frr),
    Gobgp(Gobgp),
    Openbgpd(Openbgpd),
    Exabgp(Exabgp),
}

impl Peer {
    /// Starts it.
    pub(crate) fn start(
        software: Software,
        namespace: &Namespace,
        directory: &Path,
        ends: &Ends,
        told: &Told,
        zebra: bool,
    ) -> Result<Self> {
        match software {
            Software::Bird => Bird::launch(namespace, directory, &bird::configuration(ends, told)).map(Self::Bird),
            Software::Frr if told.session.contains(" bfd") => {
                Frr::launch_with_bfdd(namespace, directory, &frr::configuration(ends, told)).map(Self::Frr)
            }
            Software::Frr => Frr::launch(namespace, directory, &frr::configuration(ends, told), zebra).map(Self::Frr),
            Software::Gobgp => {
                let peer = Gobgp::launch(namespace, directory, &gobgp::configuration(ends, told))?;
                gobgp::announce(&peer, told)?;
                Ok(Self::Gobgp(peer))
            }
            Software::Openbgpd => {
                let configuration = openbgpd::configuration(ends, told);
                Openbgpd::launch(namespace, directory, &configuration).map(Self::Openbgpd)
            }
            Software::Exabgp => {
                Exabgp::launch(namespace, directory, &exabgp::configuration(ends, told)).map(Self::Exabgp)
            }
        }
    }

    /// Everything it says of the session.
    pub(crate) fn session(&self) -> Result<String> {
        match self {
            Self::Bird(peer) => peer.birdc("show protocols all session1"),
            Self::Frr(peer) => peer.vtysh("show bgp neighbors json"),
            Self::Gobgp(peer) => gobgp::session(peer),
            Self::Openbgpd(peer) => openbgpd::session(peer),
            Self::Exabgp(peer) => Ok(peer.heard().iter().map(|event| format!("{event}\n")).collect()),
        }
    }

    /// The same, and its log: some forget why a session ended as soon as they try again.
    pub(crate) fn session_and_log(&self) -> Result<String> {
        let log = match self {
            Self::Bird(peer) => peer.log(),
            Self::Frr(peer) => peer.log(),
            Self::Gobgp(peer) => peer.log(),
            Self::Openbgpd(peer) => peer.log(),
            Self::Exabgp(peer) => peer.log(),
        };
        Ok(self.session()? + &tail(log, 200))
    }

    /// Succeeds when the session is established.
    pub(crate) fn expect_established(&self) -> Result<()> {
        let said = self.session()?;
        let established = match self {
            Self::Bird(_) => said.contains("BGP state:          Established"),
            Self::Frr(_) => said.contains("\"bgpState\":\"Established\""),
            Self::Gobgp(_) => said.contains("ESTABLISHED"),
            Self::Openbgpd(_) => said.contains("Established"),
            Self::Exabgp(_) => exabgp::is_up(&said),
        };
        if established { Ok(()) } else { not_yet(shorten(&said)) }
    }

    /// Everything it says of a prefix that we announce; an error if it has none.
    pub(crate) fn route(&self, prefix: &str) -> Result<String> {
        let said = match self {
            Self::Bird(peer) => peer.birdc(&format!("show route {prefix} all"))?,
            Self::Frr(peer) => peer.vtysh(&format!("show bgp {} unicast {prefix} json", frr::family(prefix)))?,
            Self::Gobgp(peer) => gobgp::route(peer, prefix)?,
            Self::Openbgpd(peer) => peer.ask(&["show", "rib", "detail", prefix])?,
            Self::Exabgp(peer) => exabgp::route(peer, prefix),
        };
        if said.contains(prefix) { Ok(said) } else { not_yet(format!("no {prefix}: {}", shorten(&said))) }
    }

    /// Succeeds when it has no route to the prefix.
    pub(crate) fn expect_no_route(&self, prefix: &str) -> Result<()> {
        match self.route(prefix) {
            Err(_) => Ok(()),
            Ok(said) => not_yet(format!("{prefix} is there: {}", shorten(&said))),
        }
    }

    /// SIGKILL: nobody says goodbye.
    pub(crate) fn kill(&mut self) -> Result<()> {
        match self {
            Self::Bird(peer) => peer.process().kill(),
            Self::Frr(peer) => peer.kill(),
            Self::Gobgp(peer) => peer.process().kill(),
            Self::Openbgpd(peer) => peer.process().kill(),
            Self::Exabgp(peer) => peer.process().kill(),
        }
    }

    /// The end of its log.
    pub(crate) fn log_tail(&mut self) -> String {
        let process = |process: &mut Process| process.log_tail(15);
        match self {
            Self::Bird(peer) => process(peer.process()),
            Self::Frr(peer) => tail(peer.log(), 15),
            Self::Gobgp(peer) => process(peer.process()),
            Self::Openbgpd(peer) => process(peer.process()),
            Self::Exabgp(peer) => process(peer.process()),
        }
    }
}

/// Enough to see what is wrong.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = short.char_indices().nth(600) {
        short.truncate(end);
        short += "..";
    }
    short
}

fn is_ipv6(prefix: &str) -> bool {
    prefix.contains(':')
}
