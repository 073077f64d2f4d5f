//! Our own IKE at both ends: one thread each, with its own sockets, in its own network namespace.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use config::SystemSecrets;
use esp::{InboundSa, OutboundSa};
use ike::Endpoint;
use negotiation::{Event, Output};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proto_tests::lab::{LabError, Result, not_yet};
use settings::Router;
use wire::Entropy;
use wire::ipsec::{Direction, SaAction, Spi, TunnelId};

use crate::Case;
use crate::figures::Sample;
use crate::site::{PSK, Plan, Site};

const PORTS: [u16; 2] = [500, 4500];
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes `rounds` handshakes in each tunnel.
pub(crate) fn measure(site: &Site, case: Case, rounds: u32) -> Result<Sample> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let responder = scope.spawn(|| -> Result<Duration> {
            site.responder.enter_this_thread()?;
            let mut end = End::new(&site.tunnels, case, false)?;
            let mut before = None;
            while !stop.load(Ordering::Relaxed) {
                end.turn(Duration::from_millis(20))?;
                // The first round is a warm-up at both ends.
                if before.is_none() && end.made >= site.tunnels.len() {
                    before = Some(processor_time()?);
                }
            }
            Ok(processor_time()?.saturating_sub(before.unwrap_or_default()))
        });
        let initiator = scope.spawn(|| {
            let played = play(site, case, rounds);
            stop.store(true, Ordering::Relaxed);
            played
        });
        let (elapsed, initiator) =
            initiator.join().unwrap_or_else(|_| not_yet("a thread that makes handshakes panicked"))?;
        let responder = responder.join().unwrap_or_else(|_| not_yet("a thread that makes handshakes panicked"))?;
        let handshakes = rounds * u32::try_from(site.tunnels.len()).unwrap_or(u32::MAX);
        Ok(Sample { handshakes, elapsed, initiator, responder })
    })
}

/// The initiator: wall-clock and processor time of all rounds.
fn play(site: &Site, case: Case, rounds: u32) -> Result<(Duration, Duration)> {
    site.initiator.enter_this_thread()?;
    let mut end = End::new(&site.tunnels, case, true)?;
    end.round()?;
    let (start, before) = (Instant::now(), processor_time()?);
    for _ in 0..rounds {
        end.round()?;
    }
    Ok((start.elapsed(), processor_time()?.saturating_sub(before)))
}

/// One end of all tunnels.
struct End {
    endpoint: Endpoint,
    sockets: Vec<(SocketAddr, UdpSocket)>,
    tunnels: Vec<TunnelId>,
    inbound: BTreeMap<Spi, InboundSa>,
    outbound: BTreeMap<Spi, OutboundSa>,
    up: usize,
    made: usize,
}

impl End {
    fn new(tunnels: &[Plan], case: Case, initiator: bool) -> Result<Self> {
        let mut sockets = Vec::new();
        for plan in tunnels {
            for port in PORTS {
                let local = SocketAddr::new(IpAddr::V4(if initiator { plan.initiator } else { plan.responder }), port);
                let io = || LabError::io(format!("listen at {local}"));
                let socket = UdpSocket::bind(local).map_err(io())?;
                socket.set_nonblocking(true).map_err(io())?;
                sockets.push((local, socket));
            }
        }
        let mut endpoint = Endpoint::new(kernel_entropy()?);
        let router = router(tunnels, case, initiator)?;
        let ids = router.tunnels.iter().map(|tunnel| tunnel.id).collect();
        for tunnel in router.tunnels {
            endpoint.add_tunnel(tunnel.id, tunnel.ike, Instant::now());
        }
        let (inbound, outbound) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { endpoint, sockets, tunnels: ids, inbound, outbound, up: 0, made: 0 })
    }

    /// Brings every tunnel up, then down.
    fn round(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for id in self.tunnels.clone() {
            self.endpoint.initiate(id, Instant::now());
        }
        while self.up < self.tunnels.len() {
            self.turn(Duration::from_millis(200))?;
            if Instant::now() > deadline {
                return not_yet(format!("{} of {} tunnels are up", self.up, self.tunnels.len()));
            }
        }
        for id in self.tunnels.clone() {
            self.endpoint.terminate(id, Instant::now());
        }
        // Until the peer has answered the DELETE, as strongSwan's control waits for it too.
        while self.up > 0 || self.tunnels.iter().any(|id| self.has_sas(*id)) {
            self.turn(Duration::from_millis(200))?;
            if Instant::now() > deadline {
                return not_yet("the peer does not answer a DELETE");
            }
        }
        Ok(())
    }

    fn has_sas(&self, id: TunnelId) -> bool {
        self.endpoint.status(id).is_some_and(|status| !status.ike.is_empty())
    }

    /// Does what is to be done, waits for datagrams for at most `limit`, and takes those that are there.
    fn turn(&mut self, limit: Duration) -> Result<()> {
        self.drain()?;
        let now = Instant::now();
        let due = self.endpoint.poll_timeout().map_or(limit, |at| at.saturating_duration_since(now));
        let wait = PollTimeout::try_from(due.min(limit) + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO);
        let mut waiting: Vec<PollFd<'_>> =
            self.sockets.iter().map(|(_, socket)| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut waiting, wait).map_err(LabError::errno("wait for datagrams"))?;
        let ready: Vec<bool> = waiting.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        let mut buffer = [0; 9000];
        for (index, _) in ready.into_iter().enumerate().filter(|(_, ready)| *ready) {
            while let Ok((len, remote)) = self.sockets[index].1.recv_from(&mut buffer) {
                let local = self.sockets[index].0;
                // RFC 3948 2.2: on port 4500, IKE follows four zero octets.
                let datagram = if local.port() == 4500 { buffer.get(4..len) } else { buffer.get(..len) };
                self.endpoint.handle_datagram(local, remote, datagram.unwrap_or_default(), Instant::now());
                self.drain()?;
            }
        }
        if self.endpoint.poll_timeout().is_some_and(|at| at <= Instant::now()) {
            self.endpoint.handle_timeout(Instant::now());
        }
        self.drain()
    }

    fn drain(&mut self) -> Result<()> {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { local, remote, datagram } => self.send(local, remote, &datagram)?,
                Output::Sa(action) => self.apply(action)?,
                Output::Event(event) => self.note(&event)?,
            }
        }
        Ok(())
    }

    fn note(&mut self, event: &Event) -> Result<()> {
        if matches!(event, Event::TunnelUp { .. }) {
            self.up += 1;
            self.made += 1;
        } else if matches!(event, Event::TunnelDown { .. }) {
            self.up -= 1;
        } else if let Event::Failed { failure, .. } = event {
            return not_yet(failure.to_string());
        }
        Ok(())
    }

    fn send(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> Result<()> {
        let socket = self.sockets.iter().find(|(address, _)| *address == local).map(|(_, socket)| socket);
        let socket = socket.ok_or_else(|| LabError::Unexpected {
            what: "a datagram from one of our sockets".to_owned(),
            found: local.to_string(),
        })?;
        let datagram = if local.port() == 4500 { [&[0; 4], datagram].concat() } else { datagram.to_vec() };
        socket.send_to(&datagram, remote).map(drop).map_err(LabError::io(format!("send to {remote}")))
    }

    /// Prepares the ciphers of an SA, as a data plane does.
    fn apply(&mut self, action: SaAction) -> Result<()> {
        let refused = |error: esp::KeyError| LabError::Unexpected {
            what: "an SA that the data plane takes".to_owned(),
            found: error.to_string(),
        };
        match action {
            SaAction::Install { direction: Direction::Inbound, sa, .. } => {
                self.inbound.insert(sa.spi, InboundSa::new(&sa).map_err(refused)?);
            }
            SaAction::Install { direction: Direction::Outbound, sa, .. } => {
                self.outbound.insert(sa.spi, OutboundSa::new(&sa).map_err(refused)?);
            }
            SaAction::Remove { direction: Direction::Inbound, spi, .. } => drop(self.inbound.remove(&spi)),
            SaAction::Remove { direction: Direction::Outbound, spi, .. } => drop(self.outbound.remove(&spi)),
            SaAction::Move { .. } => {}
        }
        Ok(())
    }
}

/// What a router's file with these tunnels means.
fn router(tunnels: &[Plan], case: Case, initiator: bool) -> Result<Router> {
    let mut text =
        "router: {name: bench, asn: 65000, router-id: 192.0.2.250, networks: [10.0.0.0/16]}\ntunnels:\n".to_owned();
    for Plan { number, initiator: near, responder: far } in tunnels {
        let (local, remote) = if initiator { (near, far) } else { (far, near) };
        let (ike, side) = (case.ike, if initiator { "first" } else { "second" });
        let _infallible = writeln!(
            text,
            "  - {{name: t{number}, local: {local}, remote: {remote}, psk: {{inline: {PSK}}}, start: respond, \
             inside: {{prefix: 169.254.{}.0/30, side: {side}}}, encapsulation: always, \
             ike: {{proposals: [{ike}]}}, esp: {{proposals: [aes128gcm16]}}}}",
            100 + number
        );
    }
    let loaded = config::parse("bench.yaml", &text, &SystemSecrets::new(Path::new(".")));
    loaded.map(|loaded| loaded.router).map_err(|report| LabError::Unexpected {
        what: "a configuration that holds".to_owned(),
        found: report.render(false),
    })
}

/// The kernel's generator.
fn kernel_entropy() -> Result<Box<dyn Entropy>> {
    let mut source = File::open("/dev/urandom").map_err(LabError::io("open /dev/urandom"))?;
    Ok(Box::new(move |out: &mut [u8]| source.read_exact(out).expect("the kernel's generator does not fail")))
}

fn processor_time() -> Result<Duration> {
    let path = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(path).map_err(LabError::io(format!("read {path}")))?;
    Ok(Duration::from_nanos(text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0)))
}
