//! Two sessions over a simulated network: latency, cuts, restarts, collisions in every order.
//!
//! A TCP connection is a [`Pipe`]. What is sent in one direction arrives in order, in chunks, after a random delay.
//! The kernel completes a handshake before the process accepts, as real ones do.

mod exchange;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::support::{config, seconds, seeded};
use crate::{ConnectionId, Event, Output, Peer, PeerConfig, State, StopReason};

/// How the sides are told apart: 0 and 1.
type End = usize;

#[derive(Clone, Debug)]
enum Delivery {
    /// The opener's SYN reaches the other side's kernel.
    Syn,
    /// The handshake is complete, seen by the opener.
    SynAck,
    Refused,
    /// The process takes the connection from its kernel.
    Accept,
    Data(Vec<u8>),
    Fin,
    Reset,
}

#[derive(Debug)]
struct Pipe {
    /// What each side's session calls it, while it has it.
    ids: [Option<ConnectionId>; 2],
    /// When the next delivery toward each side can be at the earliest.
    busy: [Instant; 2],
    /// Packets have been lost for good: nothing arrives any more.
    broken: bool,
}

struct Network {
    now: Instant,
    peers: [Peer; 2],
    configs: [PeerConfig; 2],
    events: [Vec<Event>; 2],
    pipes: Vec<Pipe>,
    queue: BTreeMap<(Instant, u64), (usize, End, Delivery)>,
    sequence: u64,
    random: Box<dyn wire::Entropy>,
    cut: bool,
    /// Routes that the sides have for each other, if any.
    exchange: Option<exchange::Exchange>,
}

impl Network {
    fn new(seed: u64, configs: [PeerConfig; 2]) -> Self {
        let peer = |end: usize| Peer::new(configs[end].clone(), seeded(seed.wrapping_add(end as u64)));
        Self {
            now: Instant::now(),
            peers: [peer(0), peer(1)],
            configs: configs.clone(),
            events: [Vec::new(), Vec::new()],
            pipes: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            random: seeded(seed ^ 0x5eed),
            cut: false,
            exchange: None,
        }
    }

    fn random(&mut self, below: u32) -> u32 {
        self.random.random_u32() % below
    }

    fn start(&mut self, end: End) {
        self.peers[end].start(self.now);
        self.drain(end);
    }

    fn stop(&mut self, end: End, reason: StopReason) {
        self.peers[end].stop(reason, self.now);
        self.drain(end);
    }

    /// The process dies without a word and comes back with nothing.
    fn restart(&mut self, end: End) {
        self.die(end);
        self.start(end);
    }

    fn die(&mut self, end: End) {
        self.pipes.iter_mut().for_each(|pipe| pipe.ids[end] = None);
        self.peers[end] = Peer::new(self.configs[end].clone(), seeded(self.sequence));
    }

    fn set_cut(&mut self, cut: bool) {
        self.cut = cut;
        if cut {
            self.pipes.iter_mut().for_each(|pipe| pipe.broken = true);
        }
    }

    fn post(&mut self, pipe: usize, to: End, delivery: Delivery) {
        let delay = Duration::from_micros(u64::from(500 + self.random(40_000)));
        let at = self.pipes[pipe].busy[to].max(self.now + delay);
        self.pipes[pipe].busy[to] = at + Duration::from_micros(1);
        self.sequence += 1;
        self.queue.insert((at, self.sequence), (pipe, to, delivery));
    }

    fn drain(&mut self, end: End) {
        while let Some(output) = self.peers[end].poll_output() {
            match output {
                Output::Connect { id } => {
                    let mut ids = [None, None];
                    ids[end] = Some(id);
                    self.pipes.push(Pipe { ids, busy: [self.now; 2], broken: self.cut });
                    self.post(self.pipes.len() - 1, 1 - end, Delivery::Syn);
                }
                Output::Close { id } => {
                    if let Some(pipe) = self.pipes.iter().position(|pipe| pipe.ids[end] == Some(id)) {
                        self.pipes[pipe].ids[end] = None;
                        self.post(pipe, 1 - end, Delivery::Fin);
                    }
                }
                Output::Send { id, bytes } => {
                    let pipe =
                        self.pipes.iter().position(|pipe| pipe.ids[end] == Some(id)).expect("sends only when open");
                    let longest = if bytes.len() > 600 { 4000 } else { 60 };
                    let cut = self.random(longest) as usize + 1;
                    for chunk in bytes.chunks(cut) {
                        self.post(pipe, 1 - end, Delivery::Data(chunk.to_vec()));
                    }
                }
                Output::Event(event) => {
                    if let Some(mut exchange) = self.exchange.take() {
                        exchange.happened(&mut self.peers, end, &event);
                        self.exchange = Some(exchange);
                    }
                    self.events[end].push(event);
                }
            }
        }
    }

    fn deliver(&mut self, pipe: usize, to: End, delivery: Delivery) {
        if self.pipes[pipe].broken {
            return;
        }
        let now = self.now;
        let id = self.pipes[pipe].ids[to];
        match (delivery, id) {
            (Delivery::Syn, _) if self.peers[to].state() == State::Idle => self.post(pipe, 1 - to, Delivery::Refused),
            (Delivery::Syn, _) => {
                self.post(pipe, 1 - to, Delivery::SynAck);
                self.post(pipe, to, Delivery::Accept);
            }
            (Delivery::SynAck, Some(id)) => self.peers[to].handle_connected(id, now),
            (Delivery::Refused, Some(id)) => {
                self.pipes[pipe].ids[to] = None;
                self.peers[to].handle_connect_failed(id, "connection refused".into(), now);
            }
            (Delivery::Accept, _) => match self.peers[to].handle_accepted(now) {
                Some(id) => self.pipes[pipe].ids[to] = Some(id),
                None => self.post(pipe, 1 - to, Delivery::Fin),
            },
            (Delivery::Data(octets), Some(id)) => self.peers[to].handle_bytes(id, &octets, now),
            // Nobody has this connection any more.
            (Delivery::Data(_), None) => self.post(pipe, 1 - to, Delivery::Reset),
            (Delivery::Fin, Some(id)) => {
                self.pipes[pipe].ids[to] = None;
                self.peers[to].handle_closed(id, None, now);
            }
            (Delivery::Reset, Some(id)) => {
                self.pipes[pipe].ids[to] = None;
                self.peers[to].handle_closed(id, Some("connection reset".into()), now);
            }
            (Delivery::SynAck | Delivery::Refused | Delivery::Fin | Delivery::Reset, None) => {}
        }
        self.drain(to);
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = [0, 1].map(|end| self.peers[end].poll_timeout());
            let delivery = self.queue.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = timers.into_iter().chain([delivery]).flatten().min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if delivery == Some(next) {
                let (_, (pipe, to, delivery)) = self.queue.pop_first().expect("just seen");
                self.deliver(pipe, to, delivery);
            } else {
                for end in [0, 1] {
                    self.peers[end].handle_timeout(self.now);
                    self.drain(end);
                }
            }
        }
        self.now = end;
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|end| self.peers[end].state())
    }

    fn flaps(&self) -> [u64; 2] {
        [0, 1].map(|end| self.peers[end].status().flaps)
    }

    /// Both Established, over one and the same connection, and no other is left.
    fn assert_one_session(&self) {
        assert_eq!(self.states(), [State::Established; 2]);
        let usable = |pipe: &&Pipe| pipe.ids.iter().any(Option::is_some) && !pipe.broken;
        let open: Vec<_> = self.pipes.iter().filter(usable).collect();
        assert_eq!(open.len(), 1, "{open:?}");
        assert!(open[0].ids.iter().all(Option::is_some));
        let agreed = [0, 1].map(|end| self.peers[end].status().negotiated.unwrap());
        assert_eq!(agreed[0].opened_by_us, !agreed[1].opened_by_us);
        assert_eq!(agreed[0].hold_time, agreed[1].hold_time);
    }

    fn established(&self, end: End) -> usize {
        self.events[end].iter().filter(|event| matches!(event, Event::Established(_))).count()
    }
}

fn pair() -> [PeerConfig; 2] {
    [config("left", 64512, 65000, 1), config("right", 65000, 64512, 2)]
}

#[test]
fn sides_that_open_at_once_keep_the_higher_identifiers_connection() {
    for seed in 0..300 {
        let mut network = Network::new(seed, pair());
        network.start(0);
        network.start(1);
        network.run(seconds(2));
        network.assert_one_session();
        assert_eq!(network.flaps(), [0, 0], "seed {seed}");
    }
}

#[test]
fn a_side_that_only_waits_is_found() {
    let mut configs = pair();
    configs[0].passive = true;
    let mut network = Network::new(1, configs);
    network.start(0);
    network.run(seconds(5));
    assert_eq!(network.states(), [State::Active, State::Idle]);
    network.start(1);
    network.run(seconds(1));
    network.assert_one_session();
    assert!(network.peers[1].status().negotiated.unwrap().opened_by_us);
}

#[test]
fn two_octet_and_internal_sessions_come_up_too() {
    let mut network = Network::new(1, [config("left", 65000, 65000, 1), config("right", 65000, 65000, 2)]);
    network.start(0);
    network.start(1);
    network.run(seconds(2));
    network.assert_one_session();
}

#[test]
fn equal_identifiers_are_settled_by_the_higher_as_number() {
    let mut configs = pair();
    configs[1].router_id = configs[0].router_id;
    for seed in 0..50 {
        let mut network = Network::new(seed, configs.clone());
        network.start(0);
        network.start(1);
        network.run(seconds(2));
        network.assert_one_session();
    }
}

#[test]
fn a_dead_link_ends_both_sides_within_the_hold_time_and_a_mended_one_brings_them_back() {
    let mut network = Network::new(7, pair());
    network.start(0);
    network.start(1);
    network.run(seconds(100));
    network.assert_one_session();
    network.set_cut(true);
    network.run(seconds(31));
    assert_eq!(network.flaps(), [1, 1]);
    network.set_cut(false);
    network.run(seconds(60));
    network.assert_one_session();
    assert_eq!(network.flaps(), [1, 1]);
}

#[test]
fn a_peer_that_lost_its_memory_is_noticed_long_before_the_hold_time() {
    for seed in 0..50 {
        let mut network = Network::new(seed, pair());
        network.start(0);
        network.start(1);
        network.run(seconds(20));
        network.restart(1);
        // It connects at once, which makes us probe the old connection; then it tries again.
        network.run(seconds(12));
        network.assert_one_session();
        assert_eq!(network.flaps()[0], 1, "seed {seed}");
    }
}

#[test]
fn a_tunnel_that_comes_back_brings_its_session_back_at_once() {
    let mut network = Network::new(3, pair());
    network.start(0);
    network.start(1);
    network.run(seconds(20));
    for round in 2..6 {
        network.set_cut(true);
        network.stop(0, StopReason::TunnelDown);
        network.stop(1, StopReason::TunnelDown);
        network.run(seconds(5));
        assert_eq!(network.states(), [State::Idle; 2]);
        network.set_cut(false);
        network.start(0);
        network.start(1);
        network.run(seconds(2));
        network.assert_one_session();
        assert_eq!([network.established(0), network.established(1)], [round, round]);
    }
}

#[test]
fn a_reset_opens_again_by_itself_and_a_shutdown_does_not() {
    let mut network = Network::new(5, pair());
    network.start(0);
    network.start(1);
    network.run(seconds(20));
    network.stop(0, StopReason::Reset("new policy".into()));
    network.run(seconds(10));
    network.assert_one_session();
    network.stop(0, StopReason::AdminShutdown("maintenance".into()));
    network.run(seconds(100));
    assert_eq!(network.states()[0], State::Idle);
    let told = network.peers[1].status().notification_received.unwrap().notification.to_string();
    assert_eq!(told, "Cease: Administrative Shutdown (6/2): \"maintenance\"");
    network.start(0);
    network.run(seconds(70));
    network.assert_one_session();
}

#[test]
fn a_misconfigured_peer_is_not_hammered_and_is_found_once_corrected() {
    let mut configs = pair();
    configs[1].local_asn = wire::Asn(65001);
    let mut network = Network::new(9, configs.clone());
    network.start(0);
    network.start(1);
    network.run(seconds(600));
    let sent = network.peers[0].status().sent.open;
    assert!((5..60).contains(&sent), "{sent} attempts in ten minutes");
    configs[1].local_asn = wire::Asn(65000);
    network.configs = configs;
    network.restart(1);
    network.run(seconds(130));
    network.assert_one_session();
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Cut,
    Mend,
    Restart(End),
    Reset(End),
    TunnelDown(End),
    Start(End),
}

fn any_step() -> impl Strategy<Value = (Step, u64)> {
    let end = 0_usize..2;
    let step = prop_oneof![
        Just(Step::Cut),
        Just(Step::Mend),
        end.clone().prop_map(Step::Restart),
        end.clone().prop_map(Step::Reset),
        end.clone().prop_map(Step::TunnelDown),
        end.prop_map(Step::Start),
    ];
    (step, 0_u64..20_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens to both sides, once it ends there is one session.
    #[test]
    fn every_history_ends_in_one_session(seed in any::<u64>(), steps in proptest::collection::vec(any_step(), 0..12)) {
        let mut network = Network::new(seed, pair());
        network.start(0);
        for (step, pause) in steps {
            match step {
                Step::Cut => network.set_cut(true),
                Step::Mend => network.set_cut(false),
                Step::Restart(end) => network.restart(end),
                Step::Reset(end) => network.stop(end, StopReason::Reset(String::new())),
                Step::TunnelDown(end) => network.stop(end, StopReason::TunnelDown),
                Step::Start(end) => network.start(end),
            }
            network.run(Duration::from_millis(pause));
        }
        network.set_cut(false);
        network.start(0);
        network.start(1);
        network.run(seconds(400));
        network.assert_one_session();
    }
}
