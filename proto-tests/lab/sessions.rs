//! One process of ours, and beside it a host of speakers: each a neighbour with an address and a network of its own.
//!
//! ```text
//!   router 10.9.0.1/16 ──── lan ──── 10.9.1.0, 10.9.1.1, ... speakers
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use bgp::{Announcement, AsPath, AsPathSegment, Attributes, Family, Update};
use ipnet::IpNet;
use peering::{Offers, PeerConfig, Timers};
use socket2::{Domain, Socket, Type};
use wire::{Asn, RouterId};

use super::daemon::Daemon;
use super::namespace::Namespace;
use super::process::Usage;
use super::speakers::{Speaker, Speakers};
use super::{DATAPLANE, Lab, LabError, Result, patience, wait_for, write_file};

/// The router.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// Its AS.
pub const ROUTER_ASN: u32 = 65000;
/// That of the first speaker; each has its own.
const FIRST_ASN: u32 = 100_000;
/// Longer than any run here: machines are slow at times.
const HOLD: Duration = Duration::from_secs(90);

/// The address of a speaker, which is its identifier, too.
#[must_use]
pub fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 9, 1, 0).to_bits() + u32::try_from(number).unwrap_or(u32::MAX))
}

/// The AS of a speaker.
#[must_use]
pub fn asn(number: usize) -> Asn {
    Asn(FIRST_ASN + u32::try_from(number).unwrap_or(0))
}

/// A speaker's session with the router, with nothing to say.
#[must_use]
pub fn speaker(number: usize) -> Speaker {
    let config = PeerConfig {
        name: format!("speaker-{number}"),
        local_asn: asn(number),
        peer_asn: Asn(ROUTER_ASN),
        router_id: RouterId(address(number)),
        local_address: IpAddr::V4(address(number)),
        peer_address: IpAddr::V4(ROUTER),
        families: vec![Family::Ipv4Unicast],
        timers: Timers {
            hold: HOLD,
            connect_retry: Duration::from_secs(1),
            longest_pause: Duration::from_secs(1),
            ..Timers::default()
        },
        offers: Offers::default(),
        passive: false,
        shutdown: None,
    };
    Speaker { config, says: Vec::new() }
}

/// An announcement by a speaker: these prefixes, its AS in front of these attributes' path.
#[must_use]
pub fn announcement(number: usize, attributes: &Attributes, prefixes: Vec<bgp::Nlri>) -> Update {
    let mut attributes = attributes.clone();
    match attributes.as_path.0.first_mut() {
        Some(AsPathSegment::Sequence(path)) => path.insert(0, asn(number)),
        Some(AsPathSegment::Set(_)) | None => {
            attributes.as_path.0.insert(0, AsPathSegment::Sequence(vec![asn(number)]));
        }
    }
    let announced = vec![Announcement { next_hop: IpAddr::V4(address(number)), prefixes }];
    Update { announced, attributes: attributes.into(), ..Update::default() }
}

/// An announcement of one network with nothing special about it.
#[must_use]
pub fn network(number: usize, prefix: IpNet) -> Update {
    announcement(number, &Attributes { as_path: AsPath::default(), ..Attributes::default() }, vec![prefix.into()])
}

/// The laboratory.
#[derive(Debug)]
pub struct Sessions {
    /// Our process.
    pub daemon: Daemon,
    /// All speakers.
    pub speakers: Speakers,
    /// Where our process runs.
    pub router: Namespace,
    /// Where the speakers are.
    pub host: Namespace,
    config: PathBuf,
    _lab: Lab,
}

impl Sessions {
    /// Starts our process, told `more` below `router` and, of each neighbour, `each(number)` below `bgp`; then the speakers.
    /// Behind them there are as many `strangers`, with whose addresses a test does what it likes.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn start(speakers: Vec<Speaker>, strangers: usize, more: &str, each: impl Fn(usize) -> String) -> Result<Self> {
        let neighbors = speakers.len() + strangers;
        let lab = Lab::new()?;
        let (router, host) = (lab.namespace("router")?, lab.namespace("speakers")?);
        router.make_router()?;
        router.cable("lan", &host, "lan")?;
        router.address("lan", &format!("{ROUTER}/16"))?;
        let addresses: String =
            (0..neighbors).map(|number| format!("address add {}/16 dev lan\n", address(number))).collect();
        let batch = lab.path().join("addresses");
        write_file(&batch, &addresses)?;
        host.ip(&["-batch", &batch.display().to_string()])?;
        let socket = lab.path().join("router.sock");
        // A configuration wants a tunnel. Nobody is at the other end of this one.
        let mut text = format!(
            "router:\n  name: router\n  asn: {ROUTER_ASN}\n  router-id: {ROUTER}\n  networks: [10.8.0.0/16]\n  \
             dataplane: {DATAPLANE}\n  api: {{socket: {}}}\n{more}tunnels:\n  - {{name: spare, local: {ROUTER}, \
             remote: 198.51.100.9, start: respond, inside: {{prefix: 169.254.99.0/30, side: first}}, \
             psk: {{inline: nobody has this key}}}}\nneighbors:\n",
            socket.display()
        );
        for number in 0..neighbors {
            let _infallible = write!(
                text,
                "  - name: speaker-{number}\n    address: {}\n    asn: {}\n    bgp:\n      passive: true\n      import: all\n      \
                 hold-time: {}s\n{}",
                address(number),
                asn(number),
                HOLD.as_secs(),
                each(number)
            );
        }
        let config = lab.path().join("router.yaml");
        write_file(&config, &text)?;
        let daemon = Daemon::launch(&router, lab.path(), "router", &config, socket, false)?;
        let speakers = Speakers::start(&host, speakers)?;
        Ok(Self { daemon, speakers, router, host, config, _lab: lab })
    }

    /// A stranger's connection to our process, which keeps so many octets for whoever reads it, if that is said.
    ///
    /// # Errors
    /// When nobody answers for a while.
    pub fn stranger(&self, number: usize, keeps: Option<usize>) -> Result<TcpStream> {
        wait_for(patience(20), "a connection", || self.attempt(number, keeps, patience(20)))
    }

    /// One attempt at that, no longer than this.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn attempt(&self, number: usize, keeps: Option<usize>, within: Duration) -> Result<TcpStream> {
        let from = SocketAddr::from((address(number), 0));
        let connected = self.host.enter(|| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            if let Some(octets) = keeps {
                socket.set_recv_buffer_size(octets)?;
            }
            socket.bind(&from.into())?;
            socket.connect_timeout(&SocketAddr::from((ROUTER, 179)).into(), within)?;
            std::io::Result::Ok(TcpStream::from(socket))
        })?;
        connected.map_err(LabError::io("connect to the router"))
    }

    /// Changes the configuration of our process and has it read again.
    ///
    /// # Errors
    /// When it is refused.
    pub fn reconfigure(&self, change: impl FnOnce(&str) -> String) -> Result<()> {
        let text = std::fs::read_to_string(&self.config).map_err(LabError::io("read the configuration"))?;
        write_file(&self.config, &change(&text))?;
        self.daemon.reload()
    }

    /// What our process holds, and its processor time so far.
    ///
    /// # Errors
    /// When it is gone.
    pub fn load(&mut self) -> Result<(Usage, Duration)> {
        Ok((self.daemon.usage()?, self.daemon.process().processor()?))
    }

    /// The kernel's routes over next-hop objects: destination and next hop.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn kernel(&self) -> Result<Vec<(String, String)>> {
        let objects = self.router.nexthop_objects()?;
        let gateways: BTreeMap<u64, &str> =
            objects.iter().filter_map(|object| Some((object["id"].as_u64()?, object["gateway"].as_str()?))).collect();
        let shown = self.router.ip(&["-o", "route", "show"])?;
        let route = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let id = words.windows(2).find(|pair| pair[0] == "nhid").and_then(|pair| pair[1].parse().ok())?;
            Some(((*words.first()?).to_owned(), (*gateways.get(&id)?).to_owned()))
        };
        Ok(shown.lines().filter_map(route).collect())
    }

    /// Succeeds when all sessions of our process are in this state.
    ///
    /// # Errors
    /// With how many are not.
    pub fn expect_all(&self, count: usize) -> Result<()> {
        let peers = self.daemon.show("neighbors")?;
        let up = super::kernel::array(&peers).iter().filter(|peer| peer["state"] == "Established").count();
        super::ensure(up == count, "sessions of our process", || format!("{up} of {count}"))
    }

    /// A failure with the end of our log.
    #[must_use]
    pub fn explain(&mut self, error: &LabError) -> String {
        format!("{error}\n{}", self.daemon.process().log_tail(40))
    }
}
