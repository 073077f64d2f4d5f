//! Two endpoints that speak IKEv1, and somebody between them who loses, repeats, delays, bends and invents datagrams, and
//! operators at both ends (RFC 2409 5).
//!
//! With different keys nothing comes up. Else anything may happen, but both data planes are told a story that makes sense,
//! and once the peer is gone every SA ends and no timer spins.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ike::Endpoint;
use negotiation::{Authentication, Event, IkeVersion, Output, StartAction, V1Mode};
use wire::Secret;
use wire::ipsec::{Direction, SaAction, Spi, TunnelId};

use super::datagrams::{ADDRESS_A, ADDRESS_B, config};
use super::entropy::Seeded;
use super::ike_v1_message::first_message;
use super::input::{Input, Script};

const TUNNEL: TunnelId = TunnelId(3);
const STEPS: usize = 96;
/// Datagrams that one of the peer's may cause.
const MOST_ANSWERS: usize = 80;
/// Timer expiries in hours without a peer, which one end tries to reach all the time.
const MOST_TIMERS: usize = 8000;
/// Longer than any SA lives without a sign of its peer.
const HOURS: Duration = Duration::from_secs(4 * 3600);

/// Octets: the mode and whether the keys are the same, then steps of an operation with its arguments.
pub fn body(octets: &[u8]) {
    let mut input = Input::new(octets);
    let first = input.u8();
    let mode = if first & 1 == 0 { V1Mode::Main } else { V1Mode::Aggressive };
    let same = first & 2 == 0;
    let now = Instant::now();
    let mut ends =
        [End::new(1, mode, b"the key", now), End::new(2, mode, if same { b"the key" } else { b"another" }, now)];
    ends[0].pass(now + Duration::from_millis(100));
    let mut now = now + Duration::from_millis(100);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        step(&mut ends, &mut now, &mut input);
        assert!(same || ends.iter().all(|end| !end.up), "nobody comes in without the key");
    }
    for mut end in ends {
        end.sent.clear();
        end.wait_for_hours(now);
    }
}

fn step(ends: &mut [End; 2], now: &mut Instant, input: &mut Input<'_>) {
    let operation = input.u8();
    let from = usize::from(operation & 1);
    let to = 1 - from;
    match operation >> 1 & 7 {
        // The next datagram arrives, is lost, or arrives and stays.
        0 | 1 => {
            if let Some((port, datagram)) = ends[from].sent.pop_front() {
                ends[to].deliver(port, &datagram, *now);
            }
        }
        2 => drop(ends[from].sent.pop_front()),
        3 => {
            if let Some((port, datagram)) = ends[from].sent.front().cloned() {
                ends[to].deliver(port, &datagram, *now);
            }
        }
        // It is bent, or something else comes with its cookies.
        4 => {
            if let Some((port, mut datagram)) = ends[from].sent.front().cloned() {
                let at = usize::from(input.u16()) % datagram.len().max(1);
                datagram[at] ^= input.u8() | 1;
                ends[to].deliver(port, &datagram, *now);
            }
        }
        5 => {
            let mut datagram = input.piece().to_vec();
            if let Some((_, last)) = ends[from].sent.front() {
                let known = last.len().min(datagram.len()).min(16);
                datagram[..known].copy_from_slice(&last[..known]);
            }
            ends[to].deliver(500, &datagram, *now);
        }
        6 => {
            let time = Duration::from_millis(u64::from(input.u16()) * 4);
            *now += time;
            ends.iter_mut().for_each(|end| end.pass(*now));
        }
        _ => ends[to].operate(input.u8(), *now),
    }
}

/// An endpoint, and what it has told its surroundings.
struct End {
    endpoint: Endpoint,
    inbound: BTreeSet<Spi>,
    outbound: BTreeSet<Spi>,
    up: bool,
    sent: VecDeque<(u16, Vec<u8>)>,
    place: usize,
}

impl End {
    fn new(seed: u64, mode: V1Mode, psk: &[u8], now: Instant) -> Self {
        let place = usize::from(seed != 1);
        let addresses = [ADDRESS_A, ADDRESS_B];
        let start = if seed == 1 { StartAction::Initiate } else { StartAction::Respond };
        let mut config = config(addresses[place], addresses[1 - place], start);
        config.version = IkeVersion::V1(mode);
        config.auth = Authentication::psk(Secret::from(psk));
        config.ike_proposals = vec!["aes128-sha256-ecp256".parse().expect("a suite")];
        let mut endpoint = Endpoint::new(Box::new(Seeded::new(seed)));
        endpoint.add_tunnel(TUNNEL, config, now);
        let (inbound, outbound) = (BTreeSet::new(), BTreeSet::new());
        Self { endpoint, inbound, outbound, up: false, sent: VecDeque::new(), place }
    }

    fn deliver(&mut self, port: u16, datagram: &[u8], now: Instant) {
        let addresses = [ADDRESS_A, ADDRESS_B];
        let local = SocketAddr::new(addresses[self.place], port);
        let remote = SocketAddr::new(addresses[1 - self.place], port);
        let before = self.sent.len();
        self.endpoint.handle_datagram(local, remote, datagram, now);
        self.drain();
        assert!(self.sent.len() - before <= MOST_ANSWERS, "one datagram causes many");
    }

    fn pass(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.drain();
    }

    fn operate(&mut self, which: u8, now: Instant) {
        match which % 5 {
            0 => self.endpoint.rekey_child(TUNNEL, now),
            1 => self.endpoint.rekey_ike(TUNNEL, now),
            2 => self.endpoint.terminate(TUNNEL, now),
            3 => self.endpoint.initiate(TUNNEL, now),
            _ => self.endpoint.handle_inbound_traffic(TUNNEL, now),
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { local, datagram, .. } => self.sent.push_back((local.port(), datagram)),
                Output::Sa(action) => self.apply(&action),
                Output::Event(Event::TunnelUp { inbound, .. }) => {
                    assert!(!std::mem::replace(&mut self.up, true), "up twice");
                    assert!(self.inbound.contains(&inbound), "up without its inbound SA");
                }
                Output::Event(Event::TunnelDown { .. }) => {
                    assert!(std::mem::replace(&mut self.up, false), "down twice");
                }
                Output::Event(_) => {}
            }
        }
        // What nobody takes from the wire is lost.
        while self.sent.len() > 64 {
            self.sent.pop_front();
        }
        assert!(self.inbound.len() <= 256, "{} inbound SAs", self.inbound.len());
    }

    fn apply(&mut self, action: &SaAction) {
        match action {
            SaAction::Install { direction: Direction::Inbound, sa, .. } => {
                assert!(self.inbound.insert(sa.spi), "{} installed twice", sa.spi);
            }
            SaAction::Remove { direction: Direction::Inbound, spi, .. } => {
                assert!(self.inbound.remove(spi), "{spi} removed and not there");
            }
            SaAction::Install { direction: Direction::Outbound, sa, .. } => {
                assert!(self.outbound.insert(sa.spi), "{} sends again from its first number", sa.spi);
            }
            SaAction::Remove { direction: Direction::Outbound, .. } | SaAction::Move { .. } => {}
        }
    }

    /// Without a peer every SA ends, and no timer fires at one moment for ever.
    fn wait_for_hours(&mut self, now: Instant) {
        let end = now + HOURS;
        let mut now = now;
        for _ in 0..MOST_TIMERS {
            let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= end) else {
                assert!(self.inbound.is_empty() && !self.up, "SAs outlive a dead peer: {:?}", self.inbound);
                return;
            };
            now = due.max(now);
            self.pass(now);
            self.sent.clear();
            assert!(self.endpoint.poll_timeout().is_none_or(|next| next > now), "a timer spins");
        }
        panic!("timers fire {MOST_TIMERS} times in {HOURS:?}");
    }
}

/// Both modes come up and renew everything; keys that differ; a flood of first messages.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let exchange: Vec<u8> = (0..24).flat_map(|_| [0, 1]).collect();
    let renew = [14, 0, 15, 0, 14, 1, 15, 1];
    let come_up = |first: u8| Script::default().octets(&[first]).octets(&exchange).octets(&renew).octets(&exchange);
    let flood =
        Script::default().octets(&[0]).octets(&[10]).piece(&first_message()).octets(&[10]).piece(&first_message());
    vec![come_up(0).done(), come_up(1).done(), come_up(2).done(), flood.octets(&exchange).done()]
}
