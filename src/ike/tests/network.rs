//! The simulated network: two endpoints, a model of each data plane, and a wire that delays, loses, repeats and
//! reorders as told. Runs are repeatable: time is pushed, randomness is seeded.
//!
//! After every step the invariants are checked: once both ends are up and agree, what one sends with is what the
//! other receives with, until one of them goes down; the `TunnelUp` and `TunnelDown` events agree with what is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use certificate::UnixTime;
use fixtures::Seeded;
use handshake::Contents;
use isakmp::{ExchangeType, Frame, NotifyType};
use negotiation::{
    Authentication, ChildLifetime, DownReason, Dpd, DpdAction, EncapsulationPolicy, Event, Failure, IkeVersion, Output,
    PORT_IKE, SelectorLayout, StartAction, TunnelConfig, TunnelState, max_datagram,
};
use wire::Secret;
use wire::ipsec::{SecurityAssociation, TrafficSelector, TunnelId};

use super::data_plane::{DataPlane, Pair, pair};
use crate::Endpoint;

/// What the clocks of both ends show at first.
pub(super) const NOW: UnixTime = UnixTime(fixtures::pki::NOW);
/// The number of the tunnel in both endpoints.
pub(super) const TUNNEL: TunnelId = TunnelId(7);
/// One end.
pub(super) const A: usize = 0;
/// The other end.
pub(super) const B: usize = 1;

pub(super) const ADDRESS_A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub(super) const ADDRESS_B: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));
/// Where A appears when it is behind a NAT.
pub(super) const ADDRESS_NAT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 3));

/// A configuration that lets A begin, with everything slow enough not to be in the way.
pub(super) fn config(local: IpAddr, remote: IpAddr, start: StartAction) -> TunnelConfig {
    let action = if start == StartAction::Initiate { DpdAction::Restart } else { DpdAction::Clear };
    TunnelConfig {
        name: "t".into(),
        local,
        remote,
        version: IkeVersion::V2,
        ike_port: PORT_IKE,
        local_id: local.into(),
        remote_id: remote.into(),
        auth: Authentication::psk(Secret::from(b"correct horse battery staple".as_slice())),
        ppk: None,
        ike_proposals: vec!["aes128gcm16-prfsha256-x25519".parse().unwrap()],
        esp_proposals: vec!["aes128gcm16-x25519".parse().unwrap()],
        ike_lifetime: Duration::from_secs(28_800),
        child_lifetime: ChildLifetime { time: Duration::from_secs(3600), bytes: None, packets: None },
        rekey_margin: Duration::from_secs(300),
        rekey_fuzz: 100,
        local_selectors: vec![TrafficSelector::ANY_V4],
        remote_selectors: vec![TrafficSelector::ANY_V4],
        layout: SelectorLayout::Together,
        start,
        encapsulation: EncapsulationPolicy::Auto,
        dpd: Dpd { interval: Duration::from_secs(10), timeout: Duration::from_secs(30), action },
        replay_window: 1024,
        early_rekey: false,
    }
}

pub(super) fn config_a() -> TunnelConfig {
    config(ADDRESS_A, ADDRESS_B, StartAction::Initiate)
}

pub(super) fn config_b() -> TunnelConfig {
    config(ADDRESS_B, ADDRESS_A, StartAction::Respond)
}

pub(super) struct End {
    pub(super) endpoint: Endpoint,
    pub(super) data: DataPlane,
    pub(super) events: Vec<Event>,
}

impl End {
    fn new(seed: u64) -> Self {
        let mut endpoint = Endpoint::new(Box::new(Seeded::new(seed)));
        endpoint.set_wall_clock(NOW, Instant::now());
        Self { endpoint, data: DataPlane::default(), events: Vec::new() }
    }
}

/// A datagram under way.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) from: usize,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) datagram: Vec<u8>,
    pub(super) exchange: ExchangeType,
    pub(super) response: bool,
    pub(super) message_id: u32,
    pub(super) sent: Instant,
}

/// Says which of many cases it was that failed.
pub(super) struct Case(pub(super) String);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("case: {}", self.0);
        }
    }
}

/// What the wire does to a packet: deliver it after so many milliseconds, or `None`.
pub(super) type Fate = Box<dyn FnMut(&Packet) -> Option<u64>>;

pub(super) struct Network {
    pub(super) now: Instant,
    pub(super) ends: [End; 2],
    pub(super) fate: Fate,
    /// Percent of packets lost and repeated, and random extra delay in milliseconds.
    pub(super) loss: u64,
    pub(super) repeat: u64,
    pub(super) jitter: u64,
    /// A's ports appear shifted by so much at [`ADDRESS_NAT`].
    pub(super) nat: Option<u16>,
    pub(super) sent: Vec<Packet>,
    /// What got through.
    pub(super) arrived: Vec<Packet>,
    /// Whether what arrives is read for [`Self::said`].
    pub(super) reads: bool,
    /// Notifications that arrived under IKE SAs, by the end that sent them.
    pub(super) said: BTreeSet<(usize, NotifyType)>,
    wire: BTreeMap<(Instant, u64), Packet>,
    sequence: u64,
    random: Seeded,
    pub(super) agreed: bool,
    agreements: BTreeSet<Pair>,
    /// Until then the ends need not agree.
    pub(super) lenient_until: Instant,
}

impl Network {
    /// Both endpoints without tunnels, 10 ms apart.
    pub(super) fn bare(seed: u64) -> Self {
        let start = Instant::now();
        Self {
            now: start,
            ends: [End::new(seed * 2 + 1), End::new(seed * 2 + 2)],
            fate: Box::new(|_| Some(10)),
            loss: 0,
            repeat: 0,
            jitter: 0,
            nat: None,
            sent: Vec::new(),
            arrived: Vec::new(),
            reads: false,
            said: BTreeSet::new(),
            wire: BTreeMap::new(),
            sequence: 0,
            random: Seeded::new(seed ^ 0x5eed),
            agreed: false,
            agreements: BTreeSet::new(),
            lenient_until: start,
        }
    }

    pub(super) fn new(seed: u64, a: TunnelConfig, b: TunnelConfig) -> Self {
        let mut network = Self::bare(seed);
        network.add(A, a);
        network.add(B, b);
        network
    }

    /// The usual two, up.
    pub(super) fn up(seed: u64) -> Self {
        Self::up_with(seed, config_a(), config_b())
    }

    pub(super) fn up_with(seed: u64, a: TunnelConfig, b: TunnelConfig) -> Self {
        let mut network = Self::new(seed, a, b);
        network.run(Duration::from_secs(2));
        network.assert_up();
        network.forget();
        network
    }

    pub(super) fn add(&mut self, end: usize, config: TunnelConfig) {
        self.with(end, |endpoint, now| endpoint.add_tunnel(TUNNEL, config, now));
    }

    /// Calls an endpoint and carries out what it asks for.
    pub(super) fn with(&mut self, end: usize, operation: impl FnOnce(&mut Endpoint, Instant)) {
        operation(&mut self.ends[end].endpoint, self.now);
        self.drain(end);
    }

    /// Replaces an endpoint by a new one that knows nothing, as after SIGKILL.
    pub(super) fn restart(&mut self, end: usize, config: TunnelConfig) {
        let seed = self.random.number() >> 1;
        self.ends[end] = End::new(seed);
        self.agreed = false;
        self.agreements.clear();
        self.add(end, config);
    }

    fn drain(&mut self, end: usize) {
        while let Some(output) = self.ends[end].endpoint.poll_output() {
            match output {
                Output::Transmit { local, remote, datagram } => self.send(end, local, remote, datagram),
                Output::Sa(action) => self.ends[end].data.apply(action),
                Output::Event(event) => {
                    self.ends[end].data.note(&event);
                    self.ends[end].events.push(event);
                }
            }
        }
        self.check();
    }

    fn send(&mut self, from: usize, source: SocketAddr, destination: SocketAddr, datagram: Vec<u8>) {
        let frame = Frame::decode(&datagram).expect("an endpoint sends IKE messages");
        let (exchange, message_id) = (frame.header.exchange, frame.header.message_id);
        let response = frame.header.flags.response;
        let sent = self.now;
        let mut packet = Packet { from, source, destination, datagram, exchange, response, message_id, sent };
        if exchange != ExchangeType::IKE_SA_INIT {
            let limit = max_datagram(destination.ip());
            assert!(packet.datagram.len() <= limit, "{} octets in one datagram", packet.datagram.len());
        }
        match self.nat {
            Some(shift) if from == A => packet.source = SocketAddr::new(ADDRESS_NAT, source.port() + shift),
            Some(shift) if destination.ip() == ADDRESS_NAT => {
                let Some(port) = destination.port().checked_sub(shift).filter(|port| [500, 4500].contains(port)) else {
                    return;
                };
                packet.destination = SocketAddr::new(ADDRESS_A, port);
            }
            Some(_) | None => {}
        }
        self.sent.push(packet.clone());
        let copies = 1 + usize::from(self.random.percent(self.repeat));
        for _ in 0..copies {
            let Some(delay) = (self.fate)(&packet).filter(|_| !self.random.percent(self.loss)) else { continue };
            let jitter = if self.jitter == 0 { 0 } else { self.random.number() % self.jitter };
            self.sequence += 1;
            let at = self.now + Duration::from_millis(delay + jitter);
            self.wire.insert((at, self.sequence), packet.clone());
        }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut steps = 0;
        while self.step(end) {
            steps += 1;
            assert!(steps < 200_000, "the endpoints do not come to rest");
        }
        self.now = end;
    }

    /// Lets time pass until something holds.
    pub(super) fn run_until(&mut self, limit: Duration, mut holds: impl FnMut(&Self) -> bool) {
        let end = self.now + limit;
        while !holds(self) {
            assert!(self.step(end), "did not happen within {limit:?}");
        }
    }

    fn step(&mut self, end: Instant) -> bool {
        let delivery = self.wire.keys().next().map(|(at, _)| *at);
        let timeouts = [A, B].map(|end| self.ends[end].endpoint.poll_timeout());
        let next = timeouts.into_iter().chain([delivery]).flatten().min().filter(|at| *at <= end);
        let Some(next) = next else { return false };
        self.now = self.now.max(next);
        if delivery.is_some_and(|at| at <= self.now) {
            let (_, packet) = self.wire.pop_first().expect("there is a delivery");
            self.deliver(&packet);
        }
        for end in [A, B] {
            if self.ends[end].endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
                self.with(end, Endpoint::handle_timeout);
            }
        }
        true
    }

    fn deliver(&mut self, packet: &Packet) {
        let to = 1 - packet.from;
        if self.reads
            && let Some(contents) = self.read(to, &packet.datagram)
        {
            self.said.extend(contents.notifies.iter().map(|notify| (packet.from, notify.kind)));
        }
        self.arrived.push(packet.clone());
        let Packet { source, destination, datagram, .. } = packet;
        self.with(to, |endpoint, now| endpoint.handle_datagram(*destination, *source, datagram, now));
    }

    /// What an end reads in a datagram under the IKE SAs that it has.
    pub(super) fn read(&self, end: usize, datagram: &[u8]) -> Option<Contents> {
        let frame = Frame::decode(datagram).ok()?;
        let sas = &self.ends[end].endpoint.tunnel(TUNNEL)?.sas;
        sas.iter().find_map(|sa| sa.protection.open_whole(&frame))
    }

    fn check(&mut self) {
        let [a, b] = &self.ends;
        // That two ends have other keys under one name is never excused.
        let receives = |sends: &SecurityAssociation, to: &End| {
            let Some(receives) = to.data.inbound.get(&sends.spi) else { return false };
            assert_eq!(sends.keys.encryption, receives.keys.encryption, "other keys at the other end");
            assert_eq!(sends.keys.integrity, receives.keys.integrity, "other keys at the other end");
            assert_eq!((sends.suite, sends.encapsulation), (receives.suite, receives.encapsulation));
            true
        };
        let _received = a.data.sending.iter().filter(|one| receives(one, b)).count();
        let _received = b.data.sending.iter().filter(|one| receives(one, a)).count();
        if self.now < self.lenient_until || !(a.data.up && b.data.up) {
            self.agreed = false;
            self.agreements.clear();
            return;
        }
        let before = std::mem::take(&mut self.agreements);
        self.agreed = a.data.sending.len() == b.data.sending.len();
        for one in &a.data.sending {
            let (ours, theirs) = pair(one);
            let mirrored = (theirs, ours);
            let Some(other) = b.data.sending.iter().find(|other| pair(other) == mirrored) else {
                self.agreed = false;
                continue;
            };
            let agree = receives(one, b) && receives(other, a);
            let key = pair(one);
            assert!(agree || !before.contains(&key), "one end sends on an SA that the other does not receive on");
            if agree {
                self.agreements.insert(key);
            }
            self.agreed &= agree;
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.ends.iter().all(|end| end.data.up)
    }

    pub(super) fn assert_up(&self) {
        for (end, name) in self.ends.iter().zip(["A", "B"]) {
            let status = end.endpoint.status(TUNNEL).unwrap();
            assert_eq!(status.state, TunnelState::Up, "{name}: {:?}\n{:#?}", status.last_failure, end.events);
        }
    }

    /// Both ends are up with exactly one IKE SA and one CHILD SA, which are the same, and nothing else is left.
    pub(super) fn assert_settled(&self) {
        self.assert_settled_with(1);
    }

    /// The same with so many CHILD SAs, all of which carry traffic.
    pub(super) fn assert_settled_with(&self, children: usize) {
        self.assert_up();
        let [a, b] = &self.ends;
        for end in [a, b] {
            let status = end.endpoint.status(TUNNEL).unwrap();
            assert_eq!(status.ike.len(), 1, "IKE SAs: {:#?}", status.ike);
            assert_eq!(status.children.len(), children, "CHILD SAs: {:#?}", status.children);
            assert_eq!(end.data.inbound.len(), children, "inbound SAs left");
            assert_eq!(end.data.sending.len(), children, "outbound SAs");
            assert_eq!(end.endpoint.names_in_use(), (1, children), "names left");
        }
        let (one, two) = (a.endpoint.status(TUNNEL).unwrap(), b.endpoint.status(TUNNEL).unwrap());
        assert_eq!((one.ike[0].our_spi, one.ike[0].peer_spi), (two.ike[0].peer_spi, two.ike[0].our_spi));
        let spis = |status: &negotiation::TunnelStatus| -> BTreeSet<_> {
            status.children.iter().map(|child| (child.inbound, child.outbound)).collect()
        };
        assert_eq!(spis(&one), spis(&two).into_iter().map(|(inbound, outbound)| (outbound, inbound)).collect());
    }

    /// No end waits for a stranger.
    pub(super) fn assert_nothing_half_open(&self) {
        for end in &self.ends {
            assert_eq!(end.endpoint.half_open_counts(), (0, 0, 0), "half-open SAs left");
        }
    }

    /// Nothing happened to traffic.
    pub(super) fn assert_no_flap(&self) {
        for end in &self.ends {
            let flap =
                end.events.iter().find(|event| matches!(event, Event::TunnelUp { .. } | Event::TunnelDown { .. }));
            assert_eq!(flap, None);
        }
    }

    /// Forgets past events and packets.
    pub(super) fn forget(&mut self) {
        self.sent.clear();
        self.arrived.clear();
        self.said.clear();
        self.ends.iter_mut().for_each(|end| end.events.clear());
    }

    pub(super) fn failures(&self, end: usize) -> Vec<Failure> {
        let failure = |event: &Event| {
            if let Event::Failed { failure, .. } | Event::RekeyFailed { failure, .. } = event {
                Some(failure.clone())
            } else {
                None
            }
        };
        self.ends[end].events.iter().filter_map(failure).collect()
    }

    pub(super) fn downs(&self, end: usize) -> Vec<DownReason> {
        let down =
            |event: &Event| if let Event::TunnelDown { reason, .. } = event { Some(reason.clone()) } else { None };
        self.ends[end].events.iter().filter_map(down).collect()
    }

    pub(super) fn count(&self, end: usize, mut holds: impl FnMut(&Event) -> bool) -> usize {
        self.ends[end].events.iter().filter(|event| holds(event)).count()
    }
}
